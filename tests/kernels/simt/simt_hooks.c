/* simt_hooks.c: each load and store of a kernel. The compiler's -fsanitize=thread puts a call before every
 * access; in builds without a sanitizer the kernels are compiled with it, and here the calls end, in place of
 * ThreadSanitizer's library: shared memory goes to the shadow (simt_shadow.c), device memory to the states of
 * its bytes (simt_memory.c), and everything else (a fiber's own stack) is no concern of ours. */
#include <string.h>

#include "simt_block.h"

#ifdef SIMT_HOOKS

bool simt_checks_accesses(void) {
    return true;
}

static void shared_access(struct worker *w, const void *p, size_t nbytes, bool write, const void *pc) {
    struct simt_site none = {"an access", NULL, 0};
    if (!shared_find(w, p, nbytes)) {
        char where[128], place[256];
        shared_describe(w, p, where, sizeof where);
        site_of_pc(pc, place, sizeof place);
        struct simt_site site = {"an access", place, 0};
        block_fail(running(), site, "%s %zu bytes at %s", write ? "writes" : "reads", nbytes, where);
    }
    shadow_access(w, running(), p, nbytes, write, none, pc);
    if (simt_options.count_conflicts)
        banks_access(w, running(), p, nbytes, pc, none);
}

static void access(const void *p, size_t nbytes, bool write, const void *pc) {
    struct worker *w = simt_worker;
    if (!memory_has(p) || !w || !nbytes)
        return;
    if (shared_has(w, p)) {
        shared_access(w, p, nbytes, write, pc);
        return;
    }
    const char *why = memory_access(p, nbytes, write);
    if (why) {
        char place[256];
        site_of_pc(pc, place, sizeof place);
        struct simt_site site = {"an access", place, 0};
        block_fail(running(), site, "%s %zu bytes of global memory at %p: %s", write ? "writes" : "reads",
                   nbytes, p, why);
    }
}

static void aligned(const void *p, size_t nbytes, bool write, const void *pc) {
    if (memory_has(p) && (uintptr_t)p % nbytes && simt_worker) {
        char place[256];
        site_of_pc(pc, place, sizeof place);
        struct simt_site site = {"an access", place, 0};
        block_fail(running(), site, "%s %zu bytes at an address that is not a multiple of %zu (%p)",
                   write ? "writes" : "reads", nbytes, nbytes, p);
    }
    access(p, nbytes, write, pc);
}

#define HOOK_ACCESS(name, nbytes, write)                                                                     \
    void __tsan_##name(void *p);                                                                             \
    void __tsan_##name(void *p) {                                                                            \
        aligned(p, nbytes, write, __builtin_return_address(0));                                              \
    }
#define HOOK(nbytes)                                                                                         \
    HOOK_ACCESS(read##nbytes, nbytes, false)                                                                 \
    HOOK_ACCESS(write##nbytes, nbytes, true)                                                                 \
    HOOK_ACCESS(unaligned_read##nbytes, nbytes, false)                                                       \
    HOOK_ACCESS(unaligned_write##nbytes, nbytes, true)                                                       \
    HOOK_ACCESS(volatile_read##nbytes, nbytes, false)                                                        \
    HOOK_ACCESS(volatile_write##nbytes, nbytes, true)
HOOK(1)
HOOK(2)
HOOK(4)
HOOK(8)
HOOK(16)

void __tsan_read_range(void *p, size_t nbytes);
void __tsan_read_range(void *p, size_t nbytes) {
    access(p, nbytes, false, __builtin_return_address(0));
}
void __tsan_write_range(void *p, size_t nbytes);
void __tsan_write_range(void *p, size_t nbytes) {
    access(p, nbytes, true, __builtin_return_address(0));
}
void *__tsan_memcpy(void *to, const void *from, size_t nbytes);
void *__tsan_memcpy(void *to, const void *from, size_t nbytes) {
    access(from, nbytes, false, __builtin_return_address(0));
    access(to, nbytes, true, __builtin_return_address(0));
    return memcpy(to, from, nbytes);
}
void *__tsan_memset(void *to, int byte, size_t nbytes);
void *__tsan_memset(void *to, int byte, size_t nbytes) {
    access(to, nbytes, true, __builtin_return_address(0));
    return memset(to, byte, nbytes);
}
void __tsan_init(void);
void __tsan_init(void) {
}
void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller) {
    (void)caller;
}
void __tsan_func_exit(void);
void __tsan_func_exit(void) {
}

#else

bool simt_checks_accesses(void) {
    return false;
}

#endif
