/* simt_block.h: what the files of the model share: a block at work. Everything here belongs to one worker
 * thread; what all workers share stands in simt_launch.c and simt_memory.c, under their mutexes. */
#ifndef TESTS_SIMT_BLOCK_H
#define TESTS_SIMT_BLOCK_H

#include "simt.h"

enum {
    LANES = 32,
    MAX_THREADS = 1024,
    MAX_WARPS = MAX_THREADS / LANES,
    MAX_BARRIERS = 16,
    MAX_SHARED_ARRAYS = 64,
    GUARD_NBYTES = 128,        /* between pieces of memory */
    ARENA_NBYTES = 256 * 1024, /* a block's shared memory with its guards */
    CUDA_INVALID_VALUE = 1,
    CUDA_INVALID_CONFIGURATION = 9,
    CUDA_LAUNCH_FAILURE = 719
};

enum thread_state { THREAD_NEW, THREAD_READY, WAIT_WARP, WAIT_BLOCK, WAIT_NAMED, THREAD_ENDED };

struct fiber; /* simt_fiber.c */

/* A cp.async that has not landed. */
struct copy {
    unsigned char *to;
    const unsigned char *from;
    int nbytes;
    uint32_t group;
};

struct thread {
    struct simt_self self; /* first: simt_self points here */
    unsigned index, lane;
    struct warp *warp;
    enum thread_state state;
    struct simt_site site; /* where it waits */
    struct fiber *fiber;   /* while it runs */
    struct op *op;         /* what it brings to its warp's collective */
    const struct barrier *at_barrier;
    struct copy *copies;
    size_t copy_count, copy_room;
    uint32_t groups; /* committed */
};

enum op_kind { OP_WARP_SYNC, OP_SHUFFLE, OP_BALLOT, OP_LDMATRIX, OP_MMA };

/* A lane's part in a collective; lies on its fiber's stack until all have come. */
struct op {
    enum op_kind kind;
    struct simt_site site;
    int detail, arg; /* shuffle: kind and argument; ldmatrix: count and trans; mma: enum simt_mma */
    size_t nbytes;   /* shuffle */
    void *out;
    const void *a, *b;
    uint64_t in, result;
};

struct warp {
    unsigned index, first, count; /* threads [first, first + count) */
    unsigned arrived, ended, ready;
};

struct barrier {
    unsigned arrived, expected;
    struct simt_site site;
};

/* Who last wrote and read a byte of shared memory. A time is the clock of the thread's warp; see
 * simt_shadow.c. */
struct mark {
    uint32_t write_serial, read_serial; /* of the block: others are of blocks long gone */
    uint32_t write_clock, read_clock;
    uint16_t write_thread, read_thread; /* with the flags below */
};
enum { MARK_THREAD = 0x7fff, MARK_IN_FLIGHT = 0x8000, MARK_SEVERAL = 0x8000 };

struct shared_array {
    const void *tag; /* NULL: the dynamic one */
    const char *name;
    uint32_t offset, nbytes;
};

struct worker {
    struct worker *next; /* in the list of idle ones */
    const struct simt_launch *launch;
    struct simt_dim at; /* the block */
    struct thread threads[MAX_THREADS];
    struct warp warps[MAX_WARPS];
    unsigned thread_count, warp_count, ended;
    struct barrier block, named[MAX_BARRIERS];
    uint32_t clocks[MAX_WARPS][MAX_WARPS]; /* [w][u]: what of warp u is before now for warp w */
    bool failed;
    uint64_t random;
    /* shared memory */
    unsigned char *arena;
    struct mark *marks; /* one for each byte of the arena */
    struct shared_array arrays[MAX_SHARED_ARRAYS];
    unsigned array_count;
    uint32_t arena_used, shared_used, serial;
    struct simt_counts counts;
    /* fibers */
    struct fiber *idle; /* ended ones, to be used again */
    void *scheduler;    /* its stack pointer while a fiber runs */
    const void *scheduler_stack;
    size_t scheduler_stack_nbytes;
    struct conflicts *conflicts; /* simt_banks.c */
};

extern __thread struct worker *simt_worker; /* NULL outside of kernels */

static inline struct thread *running(void) {
    return (struct thread *)simt_self;
}

/* Ends the block with a message about `thread` (NULL: the block as a whole). From a fiber it does not return;
 * from the scheduler it does. */
void block_fail(const struct thread *thread, struct simt_site site, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "file:line" of an instruction, through addr2line where there is one. */
void site_of_pc(const void *pc, char *text, size_t text_nbytes);
const char *site_base(const char *path); /* without its folders */

/* ---- simt_fiber.c ---- */
void fiber_resume(struct worker *w, struct thread *thread); /* from the scheduler */
void fiber_yield(struct worker *w, struct thread *thread);  /* back to it, to be resumed or not */
void fiber_drop(struct worker *w, struct thread *thread);   /* a fiber that will never go on */

/* ---- simt_schedule.c ---- */
void block_run(struct worker *w);
void thread_wait(struct worker *w, struct thread *thread, enum thread_state how, struct simt_site site);
void thread_ready(struct worker *w, struct thread *thread);
uint64_t worker_random(struct worker *w);

/* ---- simt_warp.c ---- */
void warp_thread_ended(struct worker *w, struct warp *warp);

/* ---- simt_mma.c: `ops` are the 32 lanes' ---- */
void mma_compute(struct op *const *ops);

/* ---- simt_shared.c ---- */
void shared_begin(struct worker *w);
void shared_end(struct worker *w);
/* The array that [p, p + nbytes) lies in, or NULL. */
const struct shared_array *shared_find(const struct worker *w, const void *p, size_t nbytes);
void shared_describe(const struct worker *w, const void *p, char *text, size_t text_nbytes);
static inline bool shared_has(const struct worker *w, const void *p) {
    return (uintptr_t)p - (uintptr_t)w->arena < ARENA_NBYTES;
}

/* ---- simt_shadow.c ---- */
/* A load or store of shared memory by `thread`; the range lies in an array. pc is used where site.file is
 * NULL. */
void shadow_access(struct worker *w, const struct thread *thread, const void *p, size_t nbytes, bool write,
                   struct simt_site site, const void *pc);
void shadow_in_flight(struct worker *w, const struct thread *thread, const void *p, size_t nbytes,
                      struct simt_site site);
void shadow_landed(struct worker *w, const struct thread *thread, const void *p, size_t nbytes);
void clock_reset(struct worker *w);
void clock_warp(struct worker *w, const struct warp *warp);
/* The warps whose bits are set have met. */
void clock_join(struct worker *w, uint32_t warps);

/* ---- simt_memory.c ---- */
unsigned char *memory_arena(size_t nbytes); /* never given back */
/* Why a kernel must not touch [p, p + nbytes), or NULL; remembers what is written. */
const char *memory_access(const void *p, size_t nbytes, bool write);
static inline bool memory_has(const void *p);

/* ---- simt_banks.c ---- */
/* Extra passes that `count` rows of 16 bytes cost when read together. */
unsigned banks_of_rows(const void *const *rows, unsigned count);
void banks_access(struct worker *w, const struct thread *thread, const void *p, size_t nbytes, const void *pc,
                  struct simt_site site);
void banks_end(struct worker *w);
enum { SITE_NBYTES = 96 }; /* of simt_counts */
void banks_note(uint32_t *worst, char where[SITE_NBYTES], unsigned degree, const char *text);

extern uintptr_t memory_begin, memory_nbytes; /* the range that arenas and "device" memory come from */
static inline bool memory_has(const void *p) {
    return (uintptr_t)p - memory_begin < memory_nbytes;
}

#endif
