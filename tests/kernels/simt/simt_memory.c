/* simt_memory.c: "device" memory: one range of addresses, out of which pieces are cut that are exactly as
 * large as asked for, with guards between. What lies in no piece must not be touched, what nobody wrote must
 * not be read: told by AddressSanitizer's poison, or by a byte of state for each byte where loads and stores
 * are reported (simt_hooks.c). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "simt_block.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define RANGE_NBYTES ((size_t)1 << 31)

enum { OUTSIDE, UNWRITTEN, WRITTEN }; /* states of a byte */

struct piece {
    size_t offset, nbytes; /* nbytes as asked for */
    size_t room;           /* with the guard behind */
    bool used;
};

uintptr_t memory_begin, memory_nbytes;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* under mutex */
static unsigned char *range, *state;
static struct piece *pieces; /* by offset, without gaps */
static size_t piece_count, piece_room, range_used;

static unsigned char *reserve(size_t nbytes) {
    void *p = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("simt: no memory");
        abort();
    }
    return p;
}

static void begin(void) {
    if (range)
        return;
    range = reserve(RANGE_NBYTES);
    state = reserve(RANGE_NBYTES);
    memory_begin = (uintptr_t)range;
    memory_nbytes = RANGE_NBYTES;
}

static size_t with_guard(size_t nbytes) {
    return (nbytes + GUARD_NBYTES - 1) / GUARD_NBYTES * GUARD_NBYTES + GUARD_NBYTES;
}

static struct piece *insert(size_t at, struct piece piece) {
    if (piece_count == piece_room) {
        piece_room = piece_room ? piece_room * 2 : 256;
        pieces = realloc(pieces, piece_room * sizeof *pieces);
        if (!pieces)
            abort();
    }
    memmove(&pieces[at + 1], &pieces[at], (piece_count - at) * sizeof *pieces);
    piece_count++;
    pieces[at] = piece;
    return &pieces[at];
}

/* The first free piece that is large enough, cut to size, or a new one at the end. */
static struct piece *take(size_t nbytes) {
    size_t room = with_guard(nbytes);
    for (size_t i = 0; i < piece_count; i++) {
        if (pieces[i].used || pieces[i].room < room)
            continue;
        if (pieces[i].room > room)
            insert(i + 1, (struct piece){.offset = pieces[i].offset + room, .room = pieces[i].room - room});
        pieces[i].room = room;
        return &pieces[i];
    }
    if (range_used + room > RANGE_NBYTES)
        return NULL;
    range_used += room;
    return insert(piece_count, (struct piece){.offset = range_used - room, .room = room});
}

void *simt_alloc(size_t nbytes) {
    pthread_mutex_lock(&mutex);
    begin();
    struct piece *piece = take(nbytes);
    unsigned char *p = NULL;
    if (piece) {
        p = range + piece->offset;
        piece->nbytes = nbytes;
        piece->used = true;
        ASAN_UNPOISON_MEMORY_REGION(p, nbytes);
        ASAN_POISON_MEMORY_REGION(p + (nbytes + 7) / 8 * 8, piece->room - (nbytes + 7) / 8 * 8);
        memset(p, 0xff, nbytes);
        if (nbytes % 8) /* the first bytes of the last eight */
            ASAN_POISON_MEMORY_REGION(p + nbytes, piece->room - nbytes);
        if (simt_checks_accesses())
            memset(state + piece->offset, UNWRITTEN, nbytes);
    }
    pthread_mutex_unlock(&mutex);
    return p;
}

static size_t find(const void *p) { /* the piece that begins at or before p */
    size_t low = 0, high = piece_count, at = (size_t)((uintptr_t)p - memory_begin);
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (pieces[middle].offset <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void join(size_t i) { /* with the next one */
    pieces[i].room += pieces[i + 1].room;
    memmove(&pieces[i + 1], &pieces[i + 2], (piece_count - i - 2) * sizeof *pieces);
    piece_count--;
}

void simt_free(void *p) {
    if (!p)
        return;
    pthread_mutex_lock(&mutex);
    size_t i = find(p);
    if (!piece_count || !pieces[i].used || range + pieces[i].offset != (unsigned char *)p) {
        fprintf(stderr, "simt: free of %p, which is no device memory\n", p);
        abort();
    }
    ASAN_POISON_MEMORY_REGION(p, pieces[i].room);
    if (simt_checks_accesses())
        memset(state + pieces[i].offset, OUTSIDE, pieces[i].room);
    pieces[i].used = false;
    if (i + 1 < piece_count && !pieces[i + 1].used)
        join(i);
    if (i > 0 && !pieces[i - 1].used)
        join(i - 1);
    pthread_mutex_unlock(&mutex);
}

bool simt_inside(const void *p, size_t nbytes) {
    pthread_mutex_lock(&mutex);
    bool inside = false;
    if (piece_count && memory_has(p)) {
        const struct piece *piece = &pieces[find(p)];
        size_t at = (size_t)((const unsigned char *)p - range);
        inside = piece->used && at >= piece->offset && at + nbytes <= piece->offset + piece->nbytes;
    }
    pthread_mutex_unlock(&mutex);
    return inside;
}

void simt_written(const void *p, size_t nbytes) {
    if (simt_checks_accesses() && memory_has(p) && nbytes)
        memset(state + ((const unsigned char *)p - range), WRITTEN, nbytes);
}

void simt_poison(void *p, size_t nbytes) {
    memset(p, 0xff, nbytes);
    if (simt_checks_accesses() && memory_has(p) && nbytes)
        memset(state + ((const unsigned char *)p - range), UNWRITTEN, nbytes);
}

/* Arenas lie in the range, so that one comparison tells what is no concern of the model; their bytes stay
 * OUTSIDE: whose arena it is not must not touch it. */
unsigned char *memory_arena(size_t nbytes) {
    pthread_mutex_lock(&mutex);
    begin();
    struct piece *piece = take(nbytes);
    if (!piece)
        abort();
    piece->used = true;
    unsigned char *p = range + piece->offset;
    pthread_mutex_unlock(&mutex);
    return p;
}

const char *memory_access(const void *p, size_t nbytes, bool write) {
    unsigned char *s = state + ((const unsigned char *)p - range);
    const char *why = NULL;
    for (size_t i = 0; i < nbytes; i++) {
        if (s[i] == OUTSIDE)
            return "outside of every buffer";
        if (write)
            s[i] = WRITTEN;
        else if (s[i] == UNWRITTEN)
            why = "never written";
    }
    return why;
}
