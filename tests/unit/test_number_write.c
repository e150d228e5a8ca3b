/* Writing numbers: reads back, the shortest, the nearest among these; by the C library's reading. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "support/number.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define MANY 60000 /* they look for other faults, ten times slower */
#else
#define MANY 1000000
#endif

static uint64_t state = 88172645463325252u;

static uint64_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

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
    for (int i = 0; i < MANY; i++) {
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

static void check_write_f64(double x) {
    char text[NUMBER_MAX_CHARS + 1], other[64];
    text[number_write_f64(text, x)] = 0;
    double back = strtod(text, NULL);
    ck_assert_msg(!memcmp(&back, &x, sizeof x), "%.17g is written '%s'", x, text);
    int digits = 0, zeros = 0;
    for (const char *p = text; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9' && (digits || *p != '0')) {
            digits++;
            zeros = *p == '0' ? zeros + 1 : 0;
        }
    digits -= zeros;
    if (digits > 1) { /* the nearest with a digit less, and its neighbours, are other doubles */
        sprintf(other, "%.*e", digits - 2, x);
        char *last = strchr(other, 'e') - 1;
        char kept = *last;
        for (int d = -1; d <= 1; d++) {
            if (kept + d < '0' || kept + d > '9')
                continue;
            *last = (char)(kept + d);
            ck_assert_msg(strtod(other, NULL) != x, "'%s' is longer than '%s'", text, other);
        }
    }
    sprintf(other, "%.*e", digits > 0 ? digits - 1 : 0,
            x); /* the nearest of as many, unless it is another double */
    ck_assert_msg(strtod(other, NULL) != x || strtod(other, NULL) == strtod(text, NULL), "'%s', not '%s'",
                  text, other);
}

START_TEST(doubles_are_written_shortest) {
    for (int i = 0; i < MANY; i++) {
        uint64_t bits = draw();
        double x;
        memcpy(&x, &bits, sizeof x);
        if (i % 4 == 0)
            x = (double)(float)x;
        if (isfinite(x))
            check_write_f64(x);
    }
    for (int e = -1074; e < 1024; e++) {
        check_write_f64(ldexp(1, e));
        check_write_f64(nextafter(ldexp(1, e), 0));
        check_write_f64(nextafter(ldexp(1, e), INFINITY));
    }
    for (int e = -323; e < 309; e++) {
        char text[16];
        sprintf(text, "1e%d", e);
        check_write_f64(strtod(text, NULL));
    }
    for (uint64_t bits = 1; bits < 3000; bits++) {
        double x;
        memcpy(&x, &bits, sizeof x);
        check_write_f64(x);
    }
    check_write_f64(DBL_MAX);
    check_write_f64(DBL_MIN);
    check_write_f64(9007199254740993.0);
}
END_TEST

START_TEST(integers) {
    char text[NUMBER_MAX_CHARS + 1], want[32];
    for (int i = 0; i < 100000; i++) {
        int64_t x = (int64_t)draw() >> draw() % 64, back;
        size_t n = number_write_i64(text, x);
        text[n] = 0;
        sprintf(want, "%lld", (long long)x);
        ck_assert_str_eq(text, want);
        ck_assert_int_eq(number_read_i64(text, n, &back), NUMBER_OK);
        ck_assert(back == x);
    }
}
END_TEST

START_TEST(forms) {
    static const struct {
        float x;
        const char *text;
    } cases[] = {{0, "0"},         {-0.0f, "-0"},         {1, "1"},
                 {-1.5f, "-1.5"},  {0.1f, "0.1"},         {1e-4f, "0.0001"},
                 {1e-5f, "1e-05"}, {123456, "123456"},    {16777216, "16777216"},
                 {1e20f, "1e+20"}, {100, "100"},          {1e15f, "1000000000000000"},
                 {1e16f, "1e+16"}, {1.5e-10f, "1.5e-10"}, {0.00012345f, "0.00012345"},
                 {NAN, "nan"},     {INFINITY, "inf"},     {-INFINITY, "-inf"},
                 {0.3f, "0.3"},    {1e-45f, "1e-45"},     {3.4028235e38f, "3.4028235e+38"}};
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
    Suite *suite = suite_create("number_write");
    TCase *tc = tcase_create("number_write");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, floats_are_written_shortest);
    tcase_add_test(tc, doubles_are_written_shortest);
    tcase_add_test(tc, integers);
    tcase_add_test(tc, forms);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
