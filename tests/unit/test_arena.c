/* One end of life for many objects; every allocation inside may fail and nothing is lost. */
#include <stdint.h>
#include <string.h>

#include "harness.h"
#include "support/arena.h"
#include "support/mem.h"

START_TEST(objects_are_aligned_zeroed_and_apart) {
    static const size_t sizes[] = {0, 1, 15, 16, 17, 31, 33, 127, 4095, 4096, 4097, 70000, 1};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    struct arena arena;
    unsigned char *p[3 * COUNT];
    arena_init(&arena);
    for (size_t i = 0; i < 3 * COUNT; i++) {
        size_t n = sizes[i % COUNT];
        p[i] = arena_alloc(&arena, n, 1);
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_uint_eq((uintptr_t)p[i] % 16, 0);
        for (size_t j = 0; j < n; j++)
            ck_assert_uint_eq(p[i][j], 0);
        memset(p[i], (int)i + 1, n);
    }
    for (size_t i = 0; i < 3 * COUNT; i++)
        for (size_t j = 0; j < sizes[i % COUNT]; j++)
            ck_assert_uint_eq(p[i][j], i + 1);
    arena_clear(&arena);
    ck_assert_uint_eq(arena.used_nbytes, 0);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 3, 7)); /* usable again */
    arena_clear(&arena);
}
END_TEST

START_TEST(large_objects_do_not_waste_the_chunk) {
    struct arena arena;
    arena_init(&arena);
    char *small = arena_alloc(&arena, 16, 1);
    arena_alloc(&arena, 1 << 20, 1);
    ck_assert_ptr_eq(arena_alloc(&arena, 16, 1), small + 16);
    arena_clear(&arena);
}
END_TEST

START_TEST(refuses_what_overflows) {
    struct arena arena;
    arena_init(&arena);
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX, 2));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX, 1));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX / 2, 1));
    ck_assert_ptr_null(arena_strndup(&arena, "", SIZE_MAX));
    ck_assert_uint_eq(arena.used_nbytes, 0);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1, 1));
    arena_clear(&arena);
}
END_TEST

START_TEST(texts) {
    struct arena arena;
    char long_text[10000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    arena_init(&arena);
    ck_assert_str_eq(arena_strdup(&arena, ""), "");
    ck_assert_str_eq(arena_strdup(&arena, long_text), long_text);
    ck_assert_str_eq(arena_strndup(&arena, "abcdef", 3), "abc");
    ck_assert_mem_eq(arena_strndup(&arena, "a\0b", 3), "a\0b", 4);
    ck_assert_str_eq(arena_printf(&arena, "%s", ""), "");
    ck_assert_str_eq(arena_printf(&arena, "%d-%s", 42, long_text) + 3, long_text);
    arena_clear(&arena);
}
END_TEST

START_TEST(fails_cleanly) {
    struct arena arena;
    arena_init(&arena);
    mem_fail_nth(1, false);
    ck_assert_ptr_null(arena_alloc(&arena, 1, 1));
    char *kept = arena_strdup(&arena, "kept");
    mem_fail_nth(1, true);
    ck_assert_ptr_null(arena_alloc(&arena, 100000, 1));
    ck_assert_ptr_null(arena_printf(&arena, "%100000d", 1));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 16, 1)); /* what is there already can still be given */
    mem_fail_nth(0, false);
    ck_assert_str_eq(kept, "kept");
    arena_clear(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("arena");
    TCase *tc = tcase_create("arena");
    tcase_add_test(tc, objects_are_aligned_zeroed_and_apart);
    tcase_add_test(tc, large_objects_do_not_waste_the_chunk);
    tcase_add_test(tc, refuses_what_overflows);
    tcase_add_test(tc, texts);
    tcase_add_test(tc, fails_cleanly);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
