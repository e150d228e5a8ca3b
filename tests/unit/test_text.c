/* Text from outside made safe, sizes and durations for people, and the way back. */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "harness.h"
#include "support/text.h"

START_TEST(escapes) {
    static const struct {
        const char *in;
        size_t nbytes;
        const char *out;
    } cases[] = {
        {"", 0, ""},
        {"plain 'text' \\", 14, "plain 'text' \\"},
        {"a\nb\tc\r", 6, "a\\x0ab\\x09c\\x0d"},
        {"\x1b[31mred", 8, "\\x1b[31mred"},
        {"\0x", 2, "\\x00x"},
        {"\x7f", 1, "\\x7f"},
        {"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac\xf0\x9f\x98\x80", 7, "\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc2\x9b[31m", 6, "\\xc2\\x9b[31m"}, /* a control sequence in one character */
        {"\xff\xfe", 2, "\\xff\\xfe"},
        {"\xc3", 1, "\\xc3"},
        {"\xe2\x82", 2, "\\xe2\\x82"},
        {"\xc0\x80", 2, "\\xc0\\x80"},
        {"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(text_escape(out, sizeof out, cases[i].in, cases[i].nbytes), cases[i].out);
}
END_TEST

/* Whatever the room: NUL-ended, inside it, valid UTF-8, whole when it fits and cut with dots when it does
 * not. */
START_TEST(escape_cuts_whole_characters) {
    static const char text[] = "a\xc3\xbc\xe2\x82\xac\n\xf0\x9f\x98\x80z";
    static const char whole[] = "a\xc3\xbc\xe2\x82\xac\\x0a\xf0\x9f\x98\x80z";
    for (size_t cap = 0; cap <= sizeof whole + 2; cap++) {
        char room[40];
        memset(room, '#', sizeof room);
        text_escape(room, cap, text, sizeof text - 1);
        for (size_t i = cap; i < sizeof room; i++)
            ck_assert_int_eq(room[i], '#');
        if (!cap)
            continue;
        ck_assert_ptr_nonnull(memchr(room, 0, cap));
        ck_assert(text_is_utf8(room, strlen(room)));
        if (cap >= sizeof whole) {
            ck_assert_str_eq(room, whole);
        } else if (cap >= 4) {
            size_t n = strlen(room);
            ck_assert_str_eq(room + n - 3, "...");
            ck_assert_mem_eq(room, whole, n - 3);
        }
    }
}
END_TEST

START_TEST(quotes_eight_alive) {
    const char *q[8];
    char names[8][16];
    for (int i = 0; i < 8; i++) {
        snprintf(names[i], sizeof names[i], "n\n%d", i);
        q[i] = text_quote(names[i]);
    }
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(strncmp(q[i], "n\\x0a", 5), 0);
        ck_assert_int_eq(q[i][5], '0' + i);
    }
    char huge[5000];
    memset(huge, 'y', sizeof huge);
    const char *cut = text_quote_n(huge, sizeof huge);
    ck_assert_uint_lt(strlen(cut), 600);
    ck_assert_str_eq(cut + strlen(cut) - 3, "...");
}
END_TEST

static void *quote_many(void *arg) {
    const char *name = arg;
    for (int i = 0; i < 10000; i++)
        if (strcmp(text_quote(name), name) != 0)
            return (void *)name;
    return NULL;
}

START_TEST(quotes_are_per_thread) {
    static char names[4][8] = {"one", "two", "three", "four"};
    pthread_t threads[4];
    void *bad;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, quote_many, names[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &bad);
        ck_assert_ptr_null(bad);
    }
}
END_TEST

/* Every code point, encoded, is valid but for surrogates; cut or overlong ones are not. */
START_TEST(utf8) {
    for (unsigned c = 0; c < 0x110100; c += c < 0x3000 ? 1 : 37) {
        char s[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (n == 1)
            s[0] = (char)c;
        else
            for (size_t i = 0; i < n; i++)
                s[i] =
                    (char)(i ? 0x80 | (c >> 6 * (n - 1 - i) & 0x3f) : (0xf00 >> n & 0xff) | c >> 6 * (n - 1));
        bool want = c < 0x110000 && !(c >= 0xd800 && c < 0xe000);
        ck_assert_msg(text_is_utf8(s, n) == want, "U+%04X", c);
        if (n > 1)
            ck_assert_msg(!text_is_utf8(s, n - 1), "U+%04X cut", c);
    }
    ck_assert(text_is_utf8("", 0));
    ck_assert(!text_is_utf8("\xc1\xbf", 2));
    ck_assert(!text_is_utf8("\xe0\x9f\xbf", 3));
    ck_assert(!text_is_utf8("\xf0\x8f\xbf\xbf", 4));
    ck_assert(!text_is_utf8("\xf5\x80\x80\x80", 4));
    ck_assert(!text_is_utf8("ab\x80", 3));
    ck_assert(text_ends_with("a.tar.gz", ".gz"));
    ck_assert(text_ends_with("a", ""));
    ck_assert(!text_ends_with(".gz", "a.gz"));
}
END_TEST

START_TEST(for_people) {
    char out[32];
    static const struct {
        uint64_t n;
        const char *text;
    } sizes[] = {{0, "0 B"},
                 {312, "312 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {1048575, "1.0 MiB"},
                 {64 << 20, "64.0 MiB"},
                 {(3ull << 30) / 2, "1.5 GiB"},
                 {UINT64_MAX, "16.0 EiB"}},
      counts[] = {{0, "0"},
                  {999, "999"},
                  {1000, "1,000"},
                  {1234567, "1,234,567"},
                  {100000, "100,000"},
                  {UINT64_MAX, "18,446,744,073,709,551,615"}};
    static const struct {
        double x;
        const char *text;
    } seconds[] = {{0, "0.00 s"},         {4.2, "4.20 s"},
                   {9.999, "10.0 s"},     {42, "42.0 s"},
                   {59.97, "1 min 00 s"}, {60, "1 min 00 s"},
                   {200.9, "3 min 20 s"}, {3599.9, "59 min 59 s"},
                   {3600, "1 h 00 min"},  {7260, "2 h 01 min"},
                   {7500, "2 h 05 min"},  {-1, "0.00 s"},
                   {NAN, "0.00 s"},       {INFINITY, "1000000 h 00 min"}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ck_assert_str_eq(text_nbytes(out, sizeof out, sizes[i].n), sizes[i].text);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        ck_assert_str_eq(text_count(out, sizeof out, counts[i].n), counts[i].text);
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        ck_assert_str_eq(text_seconds(out, sizeof out, seconds[i].x), seconds[i].text);
    char tiny[5] = "####";
    text_count(tiny, 4, 1234567);
    ck_assert_uint_lt(strlen(tiny), 4);
}
END_TEST

START_TEST(parses_sizes) {
    static const struct {
        const char *text;
        uint64_t n;
    } good[] = {{"0", 0},
                {"4096", 4096},
                {"4096B", 4096},
                {"64M", 64 << 20},
                {"64m", 64 << 20},
                {"64MB", 64 << 20},
                {"64MiB", 64 << 20},
                {"1.5GiB", 3ull << 29},
                {"0.5k", 512},
                {"2T", 2ull << 40},
                {"9007199254740993", 9007199254740993}, /* no double in between */
                {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"",
                                      "G",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.",
                                      "1.G",
                                      ".5G",
                                      "1.5",
                                      "1.5B",
                                      "1e3",
                                      "0x10",
                                      "12Q",
                                      "1KK",
                                      "1iB",
                                      "1KiBB",
                                      "9223372036854775808",
                                      "99999999999999999999",
                                      "8388608T",
                                      "9999999T",
                                      "1\xb5"};
    uint64_t n;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(text_parse_nbytes(good[i].text, &n), "'%s'", good[i].text);
        ck_assert_uint_eq(n, good[i].n);
    }
    n = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!text_parse_nbytes(bad[i], &n) && n == 77, "'%s'", bad[i]);
    ck_assert(text_parse_u64("18446744073709551615", &n) && n == UINT64_MAX);
    ck_assert(text_parse_u64("0", &n) && n == 0);
    ck_assert(!text_parse_u64("18446744073709551616", &n));
    ck_assert(!text_parse_u64("", &n));
    ck_assert(!text_parse_u64("-1", &n));
    ck_assert(!text_parse_u64("1 ", &n));
}
END_TEST

START_TEST(nearest_name) {
    static const char *const names[] = {"image.decode", "image.resize", "tensor.softmax", "columns", NULL};
    static const char *const none[] = {NULL};
    char huge[400];
    memset(huge, 'q', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    ck_assert_str_eq(text_nearest("image.resise", names), "image.resize");
    ck_assert_str_eq(text_nearest("image.decod", names), "image.decode");
    ck_assert_str_eq(text_nearest("tensor.softmxa", names), "tensor.softmax");
    ck_assert_str_eq(text_nearest("column", names), "columns");
    ck_assert_ptr_null(text_nearest("xyzzy", names));
    ck_assert_ptr_null(text_nearest("", names));
    ck_assert_ptr_null(text_nearest(huge, names));
    ck_assert_ptr_null(text_nearest("columns", none));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");
    tcase_add_test(tc, escapes);
    tcase_add_test(tc, escape_cuts_whole_characters);
    tcase_add_test(tc, quotes_eight_alive);
    tcase_add_test(tc, quotes_are_per_thread);
    tcase_add_test(tc, utf8);
    tcase_add_test(tc, for_people);
    tcase_add_test(tc, parses_sizes);
    tcase_add_test(tc, nearest_name);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
