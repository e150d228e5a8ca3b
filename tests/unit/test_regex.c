/* test_regex.c: regular expressions against what RE2's syntax says they mean; hostile ones end. */
#include <string.h>

#include "harness.h"
#include "ops/regex.h"
#include "support/mem.h"

static sl_string text_of(const char *text) {
    return (sl_string){text, strlen(text)};
}

/* Bytes of the longest match at `at`, -1 for none, -2 where the pattern is refused. */
static int64_t match_at(const char *pattern, const char *text, size_t at) {
    struct arena arena;
    struct regex regex;
    sl_error err = {0};
    int64_t n = -2;
    arena_init(&arena);
    if (regex_compile(&regex, &arena, text_of(pattern), &err) == SL_OK) {
        void *scratch = mem_alloc(regex_scratch_nbytes(&regex), 1);
        ck_assert_ptr_nonnull(scratch);
        n = regex_match(&regex, scratch, text_of(text), at);
        mem_free(scratch);
    }
    arena_clear(&arena);
    return n;
}

START_TEST(longest_match) {
    static const struct {
        const char *pattern, *text;
        int64_t n;
    } cases[] = {{"abc", "abcd", 3},
                 {"abc", "abd", -1},
                 {"", "abc", 0},
                 {"a|ab|abc", "abcd", 3},
                 {"(a|b)*c", "ababc", 5},
                 {"a*?b", "aab", 3},
                 {"a+", "aaab", 3},
                 {"a+", "baaa", -1},
                 {"colou?r", "color", 5},
                 {"x{2}", "xxx", 2},
                 {"x{2,}", "xxxxx", 5},
                 {"x{0,2}", "xxx", 2},
                 {"x{0}y", "xy", -1},
                 {"x{,2}", "x{,2}", 5}, /* no count: itself */
                 {"(ab){2,3}", "abababab", 6},
                 {"[a-c]+", "abcd", 3},
                 {"[^a-c]+", "xyza", 3},
                 {"[]x]+", "]x]", 3},
                 {"[a\\-z]+", "a-zb", 3},
                 {"[[:alpha:]_]+", "ab_1", 3},
                 {"[[:^digit:]]+", "ab1", 2},
                 {"\\d+\\.\\d", "12.5", 4},
                 {"\\w+", "a_9-", 3},
                 {"\\W", "a", -1},
                 {"[^\\W\\d]+", "ab1", 2},
                 {"\\s+", " \t\nx", 3},
                 {"\\x41\\x{e9}", "A\xc3\xa9", 3},
                 {".", "\n", -1},
                 {"(?s).", "\n", 1},
                 {".", "\xe2\x82\xac", 3},
                 {"[à-ü]+", "éà", 4},
                 {"(?i)straße", "STRAßE", 7},
                 {"(?i:a)b", "AB", -1},
                 {"(?P<name>a)(?:b)", "ab", 2},
                 {"a$", "ab", -1},
                 {"a$", "a", 1},
                 {"(?m)a$", "a\nb", 1},
                 {"(a*)*", "aaa", 3},
                 {"(a|)+b", "aab", 3},
                 {"\\.\\*\\\\", ".*\\", 3},
                 {"a\\b", "ab", -1},
                 {"a\\b", "a b", 1},
                 {"a\\B", "ab", 1},
                 {"^a", "a", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(match_at(cases[i].pattern, cases[i].text, 0) == cases[i].n, "'%s' on '%s' is %lld",
                      cases[i].pattern, cases[i].text,
                      (long long)match_at(cases[i].pattern, cases[i].text, 0));
}
END_TEST

START_TEST(what_stands_before_counts) {
    ck_assert_int_eq(match_at("^b", "ab", 1), -1);
    ck_assert_int_eq(match_at("(?m)^b", "a\nb", 2), 1);
    ck_assert_int_eq(match_at("\\bb", "ab", 1), -1);
    ck_assert_int_eq(match_at("\\bb", " b", 1), 1);
    ck_assert_int_eq(match_at("\\bb",
                              "\xc3\xa9"
                              "b",
                              2),
                     1); /* é is no word character, as in RE2 */
    ck_assert_int_eq(match_at("b", "ab", 2), -1);
    ck_assert_int_eq(match_at("$", "ab", 2), 0);
}
END_TEST

START_TEST(refused) {
    static const char *const patterns[] = {
        "(",      "a)",      "[a",       "[b-a]",  "*a",
        "a**",    "\\1",     "(?=a)",    "(?<=a)", "\\p{L}",
        "a{9,1}", "a{1001}", "[[:no:]]", "\\",     "\xff",
        "\\xg",   "(?P<n",   "a\\",      "[\\",    "((((a{1000}){1000}){1000}){1000})"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        ck_assert_msg(match_at(patterns[i], "a", 0) == -2, "'%s' is taken", patterns[i]);
    char deep[400];
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    ck_assert_int_eq(match_at(deep, "a", 0), -2);
}
END_TEST

/* What takes a backtracking matcher 2^30 steps. */
START_TEST(no_way_back) {
    char text[31];
    memset(text, 'a', 30);
    text[30] = 0;
    ck_assert_int_eq(match_at("(a?){30}a{30}", text, 0), 30);
    ck_assert_int_eq(match_at("(a*)*b", text, 0), -1);
    ck_assert_int_eq(match_at("(a|aa)+$", text, 0), 30);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("regex");
    TCase *tests = tcase_create("regex");
    tcase_add_test(tests, longest_match);
    tcase_add_test(tests, what_stands_before_counts);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, no_way_back);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
