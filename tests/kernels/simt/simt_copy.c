/* simt_copy.c: memory as the wrappers touch it: 16-byte accesses, cp.async, atomics.
 *
 * cp.async does not copy when it is issued but when its thread waits for its group: as late as a GPU may. In
 * between its place holds 0xff (NaN) and counts as not landed. simt_options.eager copies at once, as early as
 * a GPU may: a right kernel cannot tell the two apart. */
#include <stdlib.h>
#include <string.h>

#include "simt_block.h"

static void check_global(struct worker *w, const struct thread *t, const void *p, size_t nbytes, bool write,
                         struct simt_site site) {
    if (!simt_checks_accesses() || !memory_has(p) || !nbytes)
        return;
    const char *why =
        shared_has(w, p) ? "shared memory where global is expected" : memory_access(p, nbytes, write);
    if (why)
        block_fail(t, site, "touches %zu bytes of global memory at %p: %s", nbytes, p, why);
}

/* Alignment, ends, shadow, banks. */
static void access16(const void *p, bool write, struct simt_site site) {
    const size_t nbytes = 16;
    struct worker *w = simt_worker;
    const struct thread *t = running();
    if ((uintptr_t)p % nbytes)
        block_fail(t, site, "touches %zu bytes at an address that is not a multiple of %zu (%p)", nbytes,
                   nbytes, p);
    if (!shared_has(w, p)) {
        check_global(w, t, p, nbytes, write, site);
        return;
    }
    if (!shared_find(w, p, nbytes)) {
        char where[128];
        shared_describe(w, p, where, sizeof where);
        block_fail(t, site, "touches %zu bytes at %s", nbytes, where);
    }
    shadow_access(w, t, p, nbytes, write, site, NULL);
    if (simt_options.count_conflicts)
        banks_access(w, t, p, nbytes, NULL, site);
}

void simt_load16(void *v, const void *p, struct simt_site site) {
    access16(p, false, site);
    memcpy(v, p, 16);
}

void simt_store16(void *p, const void *v, struct simt_site site) {
    access16(p, true, site);
    memcpy(p, v, 16);
}

static void land(struct worker *w, const struct thread *t, const struct copy *c) {
    memcpy(c->to, c->from, (size_t)c->nbytes);
    memset(c->to + c->nbytes, 0, (size_t)(16 - c->nbytes));
    shadow_landed(w, t, c->to, 16);
}

static void enqueue(struct thread *t, struct copy copy) {
    if (t->copy_count == t->copy_room) {
        t->copy_room = t->copy_room ? t->copy_room * 2 : 16;
        t->copies = realloc(t->copies, t->copy_room * sizeof *t->copies);
        if (!t->copies)
            abort();
    }
    t->copies[t->copy_count++] = copy;
}

void simt_cp_async(void *shared, const void *global, int src_nbytes, struct simt_site site) {
    struct worker *w = simt_worker;
    struct thread *t = running();
    if ((uintptr_t)shared % 16 || (src_nbytes && (uintptr_t)global % 16))
        block_fail(t, site, "copies between addresses that are not 16-byte aligned (%p from %p)", shared,
                   global);
    if (src_nbytes < 0 || src_nbytes > 16)
        block_fail(t, site, "copies %d bytes", src_nbytes);
    if (!shared_has(w, shared) || !shared_find(w, shared, 16))
        block_fail(t, site, "copies to %p, which is not in the block's shared memory", shared);
    if (src_nbytes)
        check_global(w, t, global, (size_t)src_nbytes, false, site);
    w->counts.cp_async++;
    if (simt_options.count_conflicts)
        banks_access(w, t, shared, 16, NULL, site);
    struct copy copy = {.to = shared, .from = global, .nbytes = src_nbytes, .group = t->groups};
    shadow_in_flight(w, t, shared, 16, site);
    if (simt_options.eager) {
        land(w, t, &copy);
        return;
    }
    memset(shared, 0xff, 16);
    enqueue(t, copy);
}

void simt_cp_commit(void) {
    running()->groups++;
}

void simt_cp_wait(int pending, struct simt_site site) {
    struct worker *w = simt_worker;
    struct thread *t = running();
    (void)site;
    size_t kept = 0;
    for (size_t i = 0; i < t->copy_count; i++) {
        /* group g of `groups` committed ones lands unless it is among the last `pending`; the open one never
         */
        if (t->copies[i].group + (uint32_t)pending < t->groups)
            land(w, t, &t->copies[i]);
        else
            t->copies[kept++] = t->copies[i];
    }
    t->copy_count = kept;
}

int64_t simt_atomic(char kind, void *p, size_t nbytes, bool is_signed, int64_t v, struct simt_site site) {
    struct worker *w = simt_worker;
    if ((uintptr_t)p % nbytes)
        block_fail(running(), site, "is not aligned");
    if (!shared_has(w, p))
        check_global(w, running(), p, nbytes, false, site);
    else if (!shared_find(w, p, nbytes))
        block_fail(running(), site, "is outside of the block's shared memory");
    uint32_t *word = p, old = __atomic_load_n(word, __ATOMIC_RELAXED), new;
    do {
        bool less = is_signed ? (int32_t)old < (int32_t)v : old < (uint32_t)v;
        new = kind == '+' ? old + (uint32_t)v : less ? (uint32_t)v : old;
    } while (!__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return is_signed ? (int64_t)(int32_t)old : (int64_t)old;
}
