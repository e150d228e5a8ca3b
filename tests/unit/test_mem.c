/* The heap's door: zeroed, overflow-proof, refused on demand, and shut in steady state. */
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "support/mem.h"
#include "support_rig.h"

START_TEST(allocates_zeroed_memory) {
    for (size_t n = 1; n < 5000; n = n * 3 + 1) {
        unsigned char *p = mem_alloc(n, 1);
        ck_assert_ptr_nonnull(p);
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_eq(p[i], 0);
        memset(p, 0xff, n); /* so that a block used again would show it */
        mem_free(p);
    }
    void *none = mem_alloc(0, 8);
    ck_assert_ptr_nonnull(none); /* not to be taken for out of memory */
    mem_free(none);
    mem_free(NULL);
}
END_TEST

START_TEST(refuses_what_overflows) {
    char *old = mem_strdup("kept");
    ck_assert_ptr_null(mem_alloc(SIZE_MAX, 2));
    ck_assert_ptr_null(mem_alloc(SIZE_MAX / 2 + 1, 2));
    ck_assert_ptr_null(mem_grow(old, SIZE_MAX / 4 + 1, 4));
    ck_assert_ptr_null(mem_strndup(old, SIZE_MAX));
    ck_assert_ptr_null(mem_map(SIZE_MAX));
    ck_assert_str_eq(old, "kept");
    mem_free(old);
}
END_TEST

START_TEST(grows_and_keeps) {
    int *p = NULL;
    for (int n = 1; n <= 1000; n++) {
        p = mem_grow(p, (size_t)n, sizeof *p);
        ck_assert_ptr_nonnull(p);
        p[n - 1] = n;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(p[i], i + 1);
    mem_free(p);
}
END_TEST

START_TEST(copies_text) {
    char *a = mem_strdup(""), *b = mem_strndup("abc", 2), *c = mem_strndup("a\0b", 3),
         *d = mem_strndup(NULL, 0);
    ck_assert_str_eq(a, "");
    ck_assert_str_eq(b, "ab");
    ck_assert_mem_eq(c, "a\0b", 4);
    ck_assert_str_eq(d, "");
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(d);
}
END_TEST

START_TEST(maps_and_trims) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), nbytes = 10 * page + 1;
    unsigned char *p = mem_map(nbytes), in_core[11];
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % page, 0);
    for (size_t i = 0; i < nbytes; i += 100)
        ck_assert_uint_eq(p[i], 0);
    memset(p, 7, nbytes);
    mem_trim(p, page + 1, nbytes); /* the page of the last kept byte stays */
    for (size_t i = 0; i < nbytes; i++)
        ck_assert_uint_eq(p[i], i < 2 * page ? 7 : 0);
    mem_trim(p, 0, nbytes);
    ck_assert_int_eq(mincore(p, nbytes, in_core), 0);
    for (int i = 0; i < 11; i++)
        ck_assert_uint_eq(in_core[i] & 1, 0);
    mem_unmap(p, nbytes);
    mem_unmap(NULL, nbytes);
}
END_TEST

/* The n-th call fails and no other, whichever it is. */
START_TEST(fails_the_nth) {
    for (size_t n = 1; n <= 5; n++) {
        mem_fail_nth(n, false);
        void *p[7] = {mem_alloc(1, 1), mem_grow(NULL, 1, 1), mem_strdup("x"), mem_strndup("x", 1),
                      mem_map(1),      mem_alloc(1, 1),      mem_alloc(1, 1)};
        for (size_t i = 0; i < 7; i++) {
            ck_assert_msg((p[i] == NULL) == (i + 1 == n), "call %zu of n %zu", i + 1, n);
            if (i == 4)
                mem_unmap(p[i], 1);
            else
                mem_free(p[i]);
        }
    }
}
END_TEST

START_TEST(fails_for_ever_after) {
    char *old = mem_strdup("kept");
    mem_fail_nth(2, true);
    void *first = mem_alloc(1, 1);
    ck_assert_ptr_nonnull(first);
    for (int i = 0; i < 10; i++)
        ck_assert_ptr_null(mem_alloc(1, 1));
    ck_assert_ptr_null(mem_grow(old, 100, 1));
    mem_fail_nth(0, false);
    void *last = mem_alloc(1, 1);
    ck_assert_ptr_nonnull(last);
    ck_assert_str_eq(old, "kept");
    mem_free(first);
    mem_free(last);
    mem_free(old);
}
END_TEST

static void *kept;

static void alloc_frozen(void) {
    mem_freeze();
    kept = mem_alloc(1, 1);
}
static void grow_frozen(void) {
    mem_freeze();
    kept = mem_grow(NULL, 1, 1);
}
static void copy_frozen(void) {
    mem_freeze();
    kept = mem_strdup("x");
}
static void map_frozen(void) {
    mem_freeze();
    kept = mem_map(1);
}
static void free_frozen(void) {
    void *p = mem_alloc(1, 1), *q = mem_map(1);
    mem_freeze();
    mem_free(p);
    mem_unmap(q, 1);
    mem_trim(NULL, 0, 0);
    mem_thaw();
    mem_free(mem_alloc(1, 1));
}

/* Debug: the child dies and names this file. Release: it lives and the call is counted. */
START_TEST(steady_state_is_shut) {
    static void (*const bodies[])(void) = {alloc_frozen, grow_frozen, copy_frozen, map_frozen};
    char text[4096];
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
#ifdef SLUICE_DEBUG
        int status = rig_child(bodies[i], text, sizeof text);
        ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 0, "body %zu lived", i);
        ck_assert_msg(strstr(text, "test_mem.c:") && strstr(text, "steady state"), "body %zu: '%s'", i, text);
#else
        bodies[i]();
        ck_assert(mem_is_frozen());
        ck_assert_uint_eq(mem_frozen_calls(), 1);
        mem_thaw();
        if (i == 3)
            mem_unmap(kept, 1);
        else
            mem_free(kept);
#endif
        ck_assert(!mem_is_frozen());
    }
    ck_assert_int_eq(rig_child(free_frozen, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mem");
    TCase *tc = tcase_create("mem");
    tcase_add_test(tc, allocates_zeroed_memory);
    tcase_add_test(tc, refuses_what_overflows);
    tcase_add_test(tc, grows_and_keeps);
    tcase_add_test(tc, copies_text);
    tcase_add_test(tc, maps_and_trims);
    tcase_add_test(tc, fails_the_nth);
    tcase_add_test(tc, fails_for_ever_after);
    tcase_add_test(tc, steady_state_is_shut);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
