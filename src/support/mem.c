/* mem.c: the heap's door, with a guard for steady state and a fault for tests. */
#include "support/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_bool frozen;
static _Atomic size_t frozen_calls;
static _Atomic size_t fail_in; /* the n-th call from now fails; 0: off */
static atomic_bool fail_forever;

void mem_freeze(void) {
    atomic_store(&frozen_calls, 0);
    atomic_store(&frozen, true);
}

void mem_thaw(void) {
    atomic_store(&frozen, false);
}

bool mem_is_frozen(void) {
    return atomic_load(&frozen);
}

size_t mem_frozen_calls(void) {
    return atomic_load(&frozen_calls);
}

void mem_fail_nth(size_t n, bool forever) {
    atomic_store(&fail_forever, forever);
    atomic_store(&fail_in, n);
}

/* True when this call must fail for a test. */
static bool must_fail(void) {
    size_t n = atomic_load(&fail_in);
    while (n &&
           !atomic_compare_exchange_weak(&fail_in, &n, n > 1 || !atomic_load(&fail_forever) ? n - 1 : 1)) {
    }
    return n == 1;
}

static void check_frozen(const char *file, int line) {
    if (!atomic_load_explicit(&frozen, memory_order_relaxed))
        return;
    atomic_fetch_add(&frozen_calls, 1);
#ifdef SLUICE_DEBUG
    fprintf(stderr, "sluice: allocation in steady state at %s:%d\n", file, line);
    abort();
#else
    (void)file;
    (void)line;
#endif
}

void *mem_alloc_at(size_t count, size_t size, const char *file, int line) {
    size_t nbytes;
    check_frozen(file, line);
    if (__builtin_mul_overflow(count, size, &nbytes) || must_fail())
        return NULL;
    return calloc(1, nbytes ? nbytes : 1);
}

void *mem_grow_at(void *old, size_t count, size_t size, const char *file, int line) {
    size_t nbytes;
    check_frozen(file, line);
    if (__builtin_mul_overflow(count, size, &nbytes) || must_fail())
        return NULL;
    return realloc(old, nbytes ? nbytes : 1);
}

char *mem_strndup_at(const char *text, size_t nbytes, const char *file, int line) {
    char *copy = nbytes == SIZE_MAX ? NULL : mem_alloc_at(nbytes + 1, 1, file, line);
    if (copy && nbytes)
        memcpy(copy, text, nbytes);
    return copy;
}

char *mem_strdup_at(const char *text, const char *file, int line) {
    return mem_strndup_at(text, strlen(text), file, line);
}

void mem_free(void *p) {
    free(p);
}

static size_t page_round(size_t nbytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (nbytes + page - 1) / page * page;
}

void *mem_map_at(size_t nbytes, const char *file, int line) {
    check_frozen(file, line);
    if (must_fail() || nbytes > SIZE_MAX / 2)
        return NULL;
    void *p = mmap(NULL, page_round(nbytes ? nbytes : 1), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void mem_unmap(void *p, size_t nbytes) {
    if (p)
        munmap(p, page_round(nbytes ? nbytes : 1));
}

void mem_trim(void *p, size_t keep, size_t nbytes) {
    size_t from = page_round(keep), to = page_round(nbytes);
    if (from < to)
        madvise((char *)p + from, to - from, MADV_DONTNEED);
}

void mem_discard(const void *p, size_t nbytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)p + page - 1) / page * page, to = ((uintptr_t)p + nbytes) / page * page;
    if (from < to)
        madvise((void *)from, to - from, MADV_DONTNEED);
}
