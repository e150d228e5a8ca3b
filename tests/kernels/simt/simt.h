/* simt.h: A MODEL OF A GPU on the host: how its users (kernel.cuh, the kernels' tests, the mock runtime) run
 * a kernel and what they can ask of it. tests/kernels/README.md says what it shows and what it cannot.
 *
 * A block is an OS thread, its CUDA threads are fibers. Everything a kernel does beyond plain C is a call
 * into here; in builds without a sanitizer the compiler also reports each load and store of a kernel
 * (simt_hooks.c). A kernel that does what a GPU would not forgive fails: the text goes to stderr, the launch
 * returns 719 (cudaErrorLaunchFailure), and simt_failure() keeps the first text. */
#ifndef TESTS_SIMT_H
#define TESTS_SIMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct CUstream_st;

struct simt_dim {
    uint32_t x, y, z;
};

/* One launch: all that a stream has to keep to run it later. */
struct simt_launch {
    const char *kernel;
    struct simt_dim grid, block;
    size_t shared_nbytes;
    void (*body)(const void *args); /* the kernel, once for each thread */
    const void *args;               /* plain bytes: a stream that runs it later copies them */
    size_t args_nbytes;
};

/* What SL_LAUNCH calls: runs it now, or gives it to simt_stream where that is set. Returns a cudaError. */
int simt_launch(const struct simt_launch *launch, struct CUstream_st *stream);
/* The mock runtime's streams. Set before any launch. */
extern int (*simt_stream)(const struct simt_launch *launch, struct CUstream_st *stream);
/* Runs it to its end. Any thread; several at once. */
int simt_run(const struct simt_launch *launch);

/* In which order fibers run: a right kernel gives the same bits in all. */
enum simt_order { SIMT_FORWARD, SIMT_REVERSE, SIMT_RANDOM };

struct simt_options {
    enum simt_order order;
    uint64_t seed;        /* of SIMT_RANDOM */
    bool eager;           /* cp.async copies at once; else not before the wait that asks for it */
    bool count_conflicts; /* count bank conflicts of plain loads and stores too (slow) */
    bool quiet;           /* no failures on stderr */
    unsigned workers;     /* blocks at a time; 0: 2 */
    size_t shared_limit;  /* most shared memory of a block, static and dynamic; 0: 227 KiB, as sm_90 */
};
extern struct simt_options simt_options; /* set between launches */

/* The first failure since the last clear, or NULL. */
const char *simt_failure(void);
void simt_failure_clear(void);

/* What kernels did since the last clear; conflicts are extra passes over the banks of shared memory in the
 * worst single access of a warp: 0 is free of them. */
struct simt_counts {
    uint64_t launches, blocks, mma, ldmatrix, cp_async, barriers, collectives;
    uint32_t ldmatrix_conflict; /* of the worst ldmatrix */
    uint32_t access_conflict;   /* of the worst load or store (with count_conflicts), and of cp.async */
    char ldmatrix_site[96], access_site[96]; /* where those were */
};
struct simt_counts simt_counts(void);
void simt_counts_clear(void);

/* "Device" memory: exactly sized, uninitialised (0xff, so NaN), its ends watched. NULL: none left. */
void *simt_alloc(size_t nbytes);
void simt_free(void *p);
/* True where [p, p + nbytes) lies in one piece of simt_alloc's memory (or the build cannot tell). */
bool simt_inside(const void *p, size_t nbytes);
/* The host wrote there (a copy to the device, a memset): not uninitialised any more. */
void simt_written(const void *p, size_t nbytes);
/* Forgets what was written: 0xff again. */
void simt_poison(void *p, size_t nbytes);
/* True where loads and stores of kernels are checked one by one (no sanitizer in this build). */
bool simt_checks_accesses(void);

/* ---- for simt_kernel.h: a kernel's side ---- */

struct simt_site {
    const char *what, *file;
    int line;
};

struct simt_self { /* the running fiber, as kernels see it */
    struct simt_dim thread, block, block_dim, grid_dim;
};
extern __thread struct simt_self *simt_self;

void simt_sync(struct simt_site site);
void simt_bar_sync(int id, int threads, struct simt_site site);
void simt_warp_sync(struct simt_site site);
/* v of the lane that `kind` and `arg` choose: 'x' xor, 'd' down, 'i' index. nbytes 4 or 8. */
void simt_shuffle(void *v, size_t nbytes, char kind, int arg, struct simt_site site);
uint32_t simt_ballot(bool p, struct simt_site site);
void simt_ldmatrix(uint32_t *r, int count, bool trans, const void *p, struct simt_site site);
enum simt_mma {
    SIMT_1688_F16,
    SIMT_16816_F16,
    SIMT_16816_BF16,
    SIMT_1688_TF32,
    SIMT_16832_S8,
    SIMT_16832_U8S8
};
void simt_mma(enum simt_mma kind, void *d, const uint32_t *a, const uint32_t *b, struct simt_site site);
void simt_cp_async(void *shared, const void *global, int src_nbytes, struct simt_site site);
void simt_cp_commit(void);
void simt_cp_wait(int pending, struct simt_site site);
void simt_load16(void *v, const void *p, struct simt_site site);
void simt_store16(void *p, const void *v, struct simt_site site);
/* The block's static array of this tag, and its dynamic shared memory. */
void *simt_shared(const void *tag, size_t nbytes, struct simt_site site);
void *simt_shared_dynamic(size_t align, struct simt_site site);
int64_t simt_atomic(char kind, void *p, size_t nbytes, bool is_signed, int64_t v, struct simt_site site);

#ifdef __cplusplus
}
#endif

#endif
