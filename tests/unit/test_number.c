/* Numbers against the C library: reading is correctly rounded, writing is the shortest that reads back. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "support/number.h"

static uint64_t state = 88172645463325252u;

static uint64_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void check_f32(const char *text) {
    float got = 0, want = strtof(text, NULL);
    const char *end = number_scan_f32(text, text + strlen(text), &got);
    if (isinf(want)) {
        ck_assert_ptr_null(end);
        return;
    }
    ck_assert_msg(end == text + strlen(text) && !memcmp(&got, &want, sizeof got), "'%s' is %.9g, not %.9g",
                  text, (double)want, (double)got);
}

static void check_f64(const char *text) {
    double got = 0, want = strtod(text, NULL);
    const char *end = number_scan_f64(text, text + strlen(text), &got);
    if (isinf(want)) {
        ck_assert_ptr_null(end);
        return;
    }
    ck_assert_msg(end == text + strlen(text) && !memcmp(&got, &want, sizeof got), "'%s' is %.17g, not %.17g",
                  text, want, got);
}

/* A random text of the grammar: up to 30 digits, point anywhere, exponent now and then. */
static void random_text(char *text) {
    char *p = text;
    uint64_t r = draw();
    unsigned digits = 1 + r % (r & 256 ? 9 : 30), point = (unsigned)(r >> 16) % (digits + 1);
    if (r >> 40 & 1)
        *p++ = '-';
    for (unsigned i = 0; i < digits; i++) {
        uint64_t d = draw() % 10;
        if (i == 0 && point > 1 && d == 0)
            d = 1;
        if (i == point && i > 0)
            *p++ = '.';
        if (i == 0 && point == 0) {
            *p++ = '0';
            *p++ = '.';
        }
        *p++ = (char)('0' + d);
    }
    *p = 0;
    if ((r >> 50) % 3 == 0)
        sprintf(p, "e%d", (int)((r >> 52) % 80) - 40);
}

START_TEST(random_texts_are_correctly_rounded) {
    char text[80];
    for (int i = 0; i < 1000000; i++) {
        random_text(text);
        check_f32(text);
        check_f64(text);
    }
}
END_TEST

/* Halfway between two neighbours, and a hair beside it. */
START_TEST(midpoints) {
    char text[400];
    for (int i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)draw() & 0x7fffffff;
        float a, b;
        if (bits >= 0x7f7fffff)
            continue;
        memcpy(&a, &bits, sizeof a);
        bits++;
        memcpy(&b, &bits, sizeof b);
        double middle = ((double)a + (double)b) / 2;
        sprintf(text, "%.40e", middle);
        check_f32(text);
        sprintf(text, "%.17e", middle);
        check_f32(text);
        sprintf(text, "%.200f1", middle < 1e30 ? middle : 1.5);
        check_f32(text);
    }
}
END_TEST

START_TEST(hard_texts) {
    static const char *const texts[] = {"0",
                                        "-0",
                                        "-0.0",
                                        "0e999999",
                                        "1e-400",
                                        "1e400",
                                        "3.4028235677973366e38",
                                        "3.4028235e38",
                                        "1.17549435e-38",
                                        "1.1754943e-38",
                                        "1.401298464324817e-45",
                                        "7.006492321624085e-46",
                                        "7.006492321624086e-46",
                                        "2.2250738585072011e-308",
                                        "2.2250738585072014e-308",
                                        "4.9406564584124654e-324",
                                        "1.7976931348623157e308",
                                        "9007199254740993",
                                        "9007199254740993.00000000000000000000000000000000001",
                                        "16777217",
                                        "16777217.0000000000000000000001",
                                        "123456789012345678901234567890",
                                        "0.000000000000000000000000000000000000001",
                                        "1e23",
                                        "8.41e21",
                                        "100000000000000000000000000000000000000000e-40"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_f32(texts[i]);
        check_f64(texts[i]);
    }
    char text[2100];
    memset(text, '0', sizeof text); /* a thousand zeros, then something */
    memcpy(text, "0.", 2);
    strcpy(text + 1000, "12345678901234567890e1000");
    check_f32(text);
    check_f64(text);
    memset(text, '1', 2000);
    strcpy(text + 2000, "e-2000");
    check_f32(text);
    check_f64(text);
}
END_TEST

START_TEST(what_is_no_number) {
    static const char *const texts[] = {"",     "+",   "-",   ".5",  "5.",  "abc",  "0x10",
                                        "1e",   "1e+", "--1", "01",  "1,5", " 1",   "1 ",
                                        "1.e5", "e5",  "１",  "1_0", "+-1", "1.2.3"};
    float x;
    double y;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        enum number_error want = *texts[i] ? NUMBER_SYNTAX : NUMBER_EMPTY;
        ck_assert_msg(number_read_f32(texts[i], strlen(texts[i]), false, &x) == want, "'%s'", texts[i]);
        ck_assert_msg(number_read_f64(texts[i], strlen(texts[i]), true, &y) == want, "'%s'", texts[i]);
    }
    ck_assert_int_eq(number_read_f32("nan", 3, false, &x), NUMBER_NONFINITE);
    ck_assert_int_eq(number_read_f32("1e99", 4, true, &x), NUMBER_NONFINITE);
    ck_assert_int_eq(number_read_f32("-Infinity", 9, true, &x), NUMBER_OK);
    ck_assert(isinf(x) && x < 0);
    ck_assert_int_eq(number_read_f32("NaN", 3, true, &x), NUMBER_OK);
    ck_assert(isnan(x));
    ck_assert_int_eq(number_read_f32("+1.5", 4, false, &x), NUMBER_OK);
    ck_assert(x == 1.5f);
    /* nothing at or after the end is read */
    ck_assert_int_eq(number_read_f32("1.25", 3, false, &x), NUMBER_OK);
    ck_assert(x == 1.2f);
    int64_t n;
    ck_assert_int_eq(number_read_i64("-9223372036854775808", 20, &n), NUMBER_OK);
    ck_assert(n == INT64_MIN);
    ck_assert_int_eq(number_read_i64("9223372036854775808", 19, &n), NUMBER_NONFINITE);
    ck_assert_int_eq(number_read_i64("1.0", 3, &n), NUMBER_SYNTAX);
}
END_TEST

/* Reads back the same; no shorter %g does; nearest among the shortest. */
static void check_write(float x) {
    char text[NUMBER_MAX_CHARS + 1], shorter[64];
    text[number_write_f32(text, x)] = 0;
    float back = strtof(text, NULL);
    ck_assert_msg(!memcmp(&back, &x, sizeof x), "%.9g is written '%s'", (double)x, text);
    int digits = 0;
    bool lead = true;
    for (const char *p = text; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9' && (!lead || *p != '0')) {
            lead = false;
            digits++;
        }
    for (const char *p = text + strcspn(text, "e"); p > text && !strchr(text, '.') && p[-1] == '0'; p--)
        digits--;
    if (digits > 1) {
        sprintf(shorter, "%.*e", digits - 2, (double)x);
        ck_assert_msg(strtof(shorter, NULL) != x, "'%s' is longer than '%s'", text, shorter);
    }
    if (digits > 0) {
        sprintf(shorter, "%.*e", digits - 1, (double)x);
        ck_assert_msg(strtof(shorter, NULL) != x || strtod(shorter, NULL) == strtod(text, NULL) ||
                          fabs(strtod(text, NULL) - (double)x) <= fabs(strtod(shorter, NULL) - (double)x),
                      "'%s' is not the nearest: '%s'", text, shorter);
    }
}

START_TEST(floats_are_written_shortest) {
    for (int i = 0; i < 1000000; i++) {
        uint32_t bits = (uint32_t)draw();
        float x;
        memcpy(&x, &bits, sizeof x);
        if (isfinite(x))
            check_write(x);
    }
    for (int e = -149; e < 128; e++) {
        check_write(ldexpf(1, e));
        check_write(nextafterf(ldexpf(1, e), 0));
        check_write(nextafterf(ldexpf(1, e), INFINITY));
    }
    for (int e = -45; e < 39; e++) {
        char text[16];
        sprintf(text, "1e%d", e);
        check_write(strtof(text, NULL));
    }
    for (uint32_t bits = 1; bits < 3000; bits++) {
        float x;
        memcpy(&x, &bits, sizeof x);
        check_write(x);
    }
    check_write(FLT_MAX);
    check_write(FLT_MIN);
}
END_TEST

START_TEST(doubles_read_back) {
    char text[NUMBER_MAX_CHARS + 1];
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = draw();
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        text[number_write_f64(text, x)] = 0;
        ck_assert_msg(strtod(text, NULL) == x, "%.17g is written '%s'", x, text);
    }
}
END_TEST

START_TEST(forms) {
    static const struct {
        float x;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0f, "-0"},
                 {1, "1"},
                 {-1.5f, "-1.5"},
                 {0.1f, "0.1"},
                 {1e-4f, "0.0001"},
                 {1e-5f, "1e-05"},
                 {123456, "123456"},
                 {16777216, "16777216"},
                 {1e20f, "1e+20"},
                 {100, "100"},
                 {NAN, "nan"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {0.3f, "0.3"},
                 {1e-45f, "1e-45"},
                 {3.4028235e38f, "3.4028235e+38"}};
    char text[NUMBER_MAX_CHARS + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text[number_write_f32(text, cases[i].x)] = 0;
        ck_assert_str_eq(text, cases[i].text);
    }
    text[number_write_f64(text, 0.1)] = 0;
    ck_assert_str_eq(text, "0.1");
    text[number_write_f64(text, -1234567.25)] = 0;
    ck_assert_str_eq(text, "-1234567.25");
    text[number_write_i64(text, INT64_MIN)] = 0;
    ck_assert_str_eq(text, "-9223372036854775808");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("number");
    TCase *tc = tcase_create("number");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, random_texts_are_correctly_rounded);
    tcase_add_test(tc, midpoints);
    tcase_add_test(tc, hard_texts);
    tcase_add_test(tc, what_is_no_number);
    tcase_add_test(tc, floats_are_written_shortest);
    tcase_add_test(tc, doubles_read_back);
    tcase_add_test(tc, forms);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
