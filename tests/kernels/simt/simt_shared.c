/* simt_shared.c: a block's shared memory: dynamic first, exactly as large as the launch said, then the static
 * arrays in the order in which threads come to them; guards between. All is 0xff at a block's start: NaN as
 * any float, so a number that was never written does not pass for 0. */
#include <stdio.h>
#include <string.h>

#include "simt_block.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { STATIC_LIMIT = 48 * 1024, SHARED_LIMIT = 227 * 1024 };

static size_t shared_limit(void) {
    return simt_options.shared_limit ? simt_options.shared_limit : SHARED_LIMIT;
}

static struct shared_array *add(struct worker *w, const void *tag, const char *name, size_t nbytes) {
    struct shared_array *a = &w->arrays[w->array_count++];
    *a = (struct shared_array){.tag = tag, .name = name, .offset = w->arena_used, .nbytes = (uint32_t)nbytes};
    w->shared_used += (uint32_t)nbytes;
    w->arena_used += ((uint32_t)nbytes + GUARD_NBYTES - 1) / GUARD_NBYTES * GUARD_NBYTES + GUARD_NBYTES;
    ASAN_UNPOISON_MEMORY_REGION(w->arena + a->offset, nbytes);
    memset(w->arena + a->offset, 0xff, nbytes);
    return a;
}

void shared_begin(struct worker *w) {
    ASAN_POISON_MEMORY_REGION(w->arena, ARENA_NBYTES);
    w->array_count = 0;
    w->shared_used = 0;
    w->arena_used = GUARD_NBYTES;
    w->serial++;
    add(w, NULL, "dynamic shared memory", w->launch->shared_nbytes);
}

void shared_end(struct worker *w) {
    ASAN_UNPOISON_MEMORY_REGION(w->arena, ARENA_NBYTES);
}

void *simt_shared(const void *tag, size_t nbytes, struct simt_site site) {
    struct worker *w = simt_worker;
    for (unsigned i = 1; i < w->array_count; i++)
        if (w->arrays[i].tag == tag)
            return w->arena + w->arrays[i].offset;
    size_t fixed = w->shared_used - w->launch->shared_nbytes + nbytes;
    if (w->array_count == MAX_SHARED_ARRAYS || fixed > STATIC_LIMIT ||
        w->launch->shared_nbytes + fixed > shared_limit())
        block_fail(running(), site,
                   "is too large: %zu bytes of static shared memory (at most 48 KiB), %zu in all", fixed,
                   w->launch->shared_nbytes + fixed);
    return w->arena + add(w, tag, site.what, nbytes)->offset;
}

void *simt_shared_dynamic(size_t align, struct simt_site site) {
    struct worker *w = simt_worker;
    if (align > GUARD_NBYTES)
        block_fail(running(), site, "wants an alignment of %zu bytes", align);
    return w->arena + w->arrays[0].offset;
}

const struct shared_array *shared_find(const struct worker *w, const void *p, size_t nbytes) {
    uintptr_t at = (uintptr_t)p - (uintptr_t)w->arena;
    for (unsigned i = 0; i < w->array_count; i++) {
        const struct shared_array *a = &w->arrays[i];
        if (at >= a->offset && at + nbytes <= (uintptr_t)a->offset + a->nbytes)
            return a;
    }
    return NULL;
}

/* "byte 132 of 'tile' (128 bytes)" */
void shared_describe(const struct worker *w, const void *p, char *text, size_t text_nbytes) {
    int64_t at = (int64_t)((uintptr_t)p - (uintptr_t)w->arena), best = INT64_MAX;
    const struct shared_array *near = &w->arrays[0];
    for (unsigned i = 0; i < w->array_count; i++) {
        const struct shared_array *a = &w->arrays[i];
        int64_t begin = a->offset, end = begin + a->nbytes;
        int64_t distance = at < begin ? begin - at : at < end ? 0 : at - end + 1;
        if (distance < best) {
            best = distance;
            near = a;
        }
    }
    snprintf(text, text_nbytes, "byte %lld of '%s' (%u bytes)", (long long)(at - (int64_t)near->offset),
             near->name, near->nbytes);
}
