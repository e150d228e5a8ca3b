/* Reading numbers against the C library: correctly rounded, nothing read behind the end, no other grammar. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "support/mem.h"
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
    for (int i = 0; i < MANY; i++) {
        random_text(text);
        check_f32(text);
        check_f64(text);
    }
}
END_TEST

/* Every power of ten a double can hold and some beyond, with few and with many digits. */
START_TEST(every_exponent) {
    char text[80];
    for (int e = -370; e <= 320; e++)
        for (int i = 0; i < MANY / 3000; i++) {
            uint64_t m = draw() >> (draw() % 60);
            sprintf(text, i & 1 ? "%llue%d" : "0.%llue%d", (unsigned long long)m, e);
            check_f64(text);
            if (e > -80 && e < 40)
                check_f32(text);
        }
}
END_TEST

/* What programs write: every double with 17 digits, every float with 9, both ways of %g. */
START_TEST(printed_values) {
    char text[64];
    for (int i = 0; i < MANY / 2; i++) {
        uint64_t bits = draw();
        double x;
        float y;
        memcpy(&x, &bits, sizeof x);
        memcpy(&y, &bits, sizeof y);
        if (isfinite(x)) {
            sprintf(text, "%.*g", 1 + i % 19, x);
            check_f64(text);
        }
        if (isfinite(y)) {
            sprintf(text, "%.*g", 1 + i % 19, (double)y);
            check_f32(text);
        }
    }
}
END_TEST

/* Exactly between two doubles, in few enough digits that no text falls back: odd w with w * 5^q of 54 bits
 * lies halfway, times any power of two; beside it stand its neighbours. */
START_TEST(double_midpoints) {
    char text[64];
    uint64_t five = 1;
    for (int q = 0; q <= 22; q++, five *= 5)
        for (int i = 0; i < MANY / 500; i++) {
            uint64_t low = ((uint64_t)1 << 53) / five + 1, high = ((uint64_t)1 << 54) / five;
            uint64_t w = (low + draw() % (high - low)) | 1;
            for (int d = -1; d <= 1; d++) {
                sprintf(text, "%llue%d", (unsigned long long)w + (unsigned long long)d, q);
                check_f64(text);
            }
            for (int k = 1; q == 0 && k <= 3; k++) { /* and of its halves, quarters, eighths */
                uint64_t ten = k == 1 ? 5 : k == 2 ? 25 : 125;
                if (w <= UINT64_MAX / ten) {
                    sprintf(text, "%llue-%d", (unsigned long long)(w * ten), k);
                    check_f64(text);
                }
            }
        }
}
END_TEST

/* A number that ends with the last byte of a page before one that cannot be read. */
START_TEST(no_byte_after_the_end_is_read) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *room = mem_map(2 * page), *end = room + page;
    static const char *const texts[] = {"-123456789012345678901234567890.123456789e-123",
                                        "0.1234567",
                                        "12345678",
                                        "1e",
                                        "-",
                                        "1.",
                                        "1e+",
                                        "nan",
                                        "-infinity"};
    ck_assert_int_eq(mprotect(end, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t n = 0; n <= strlen(texts[i]); n++) {
            float x;
            double y;
            int64_t z;
            char whole[64] = "";
            memcpy(whole, texts[i], n);
            memcpy(end - n, texts[i], n);
            const char *after = number_scan_f32(end - n, end, &x), *again = number_scan_f64(end - n, end, &y);
            if (after) { /* the same as with a NUL behind it */
                ck_assert(after <= end);
                char *stop;
                float want = strtof(whole, &stop);
                ck_assert_int_eq(after - (end - n), stop - whole - (stop[-1] == '.'));
                ck_assert(x == want);
            }
            ck_assert(!after || again == after);
            number_read_f32(end - n, n, true, &x);
            number_read_f64(end - n, n, true, &y);
            number_read_i64(end - n, n, &z);
        }
    mem_unmap(room, 2 * page);
}
END_TEST

/* What stands behind the number does not count, whatever it is. */
START_TEST(scans_stop_at_what_is_no_digit) {
    for (int c = 0; c < 256; c++) {
        if ((c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E')
            continue;
        for (int digits = 1; digits <= 20; digits++) {
            char text[64], want[64];
            memset(text, c, sizeof text);
            sprintf(want, "%.*s", digits, "12345678901234567890");
            memcpy(text, want, (size_t)digits);
            float x;
            const char *after = number_scan_f32(text, text + sizeof text, &x);
            ck_assert_msg(after == text + digits && x == strtof(want, NULL), "%d digits, then %d", digits, c);
        }
    }
}
END_TEST

/* Halfway between two neighbours, and a hair beside it. */
START_TEST(midpoints) {
    char text[400];
    for (int i = 0; i < MANY / 10; i++) {
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
    for (int tail = 0; tail < 2; tail++) { /* a midpoint, and one with something far behind it */
        memset(text, '0', sizeof text);
        memcpy(text, "9007199254740993.", 17);
        strcpy(text + 2000, tail ? "1" : "");
        check_f64(text);
        memset(text, '0', 17);
        memcpy(text, "16777217.", 9);
        check_f32(text);
    }
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
    ck_assert_int_eq(number_read_i64("99999999999999999999x", 21, &n), NUMBER_SYNTAX);
    ck_assert_int_eq(number_read_i64("1.0", 3, &n), NUMBER_SYNTAX);
    ck_assert_int_eq(number_read_i64("01", 2, &n), NUMBER_SYNTAX);
    ck_assert_int_eq(number_read_i64("-", 1, &n), NUMBER_SYNTAX);
    ck_assert_int_eq(number_read_i64("", 0, &n), NUMBER_EMPTY);
    ck_assert_int_eq(number_read_i64("+0", 2, &n), NUMBER_OK);
    ck_assert(n == 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("number_read");
    TCase *tc = tcase_create("number_read");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, random_texts_are_correctly_rounded);
    tcase_add_test(tc, every_exponent);
    tcase_add_test(tc, printed_values);
    tcase_add_test(tc, double_midpoints);
    tcase_add_test(tc, no_byte_after_the_end_is_read);
    tcase_add_test(tc, scans_stop_at_what_is_no_digit);
    tcase_add_test(tc, midpoints);
    tcase_add_test(tc, hard_texts);
    tcase_add_test(tc, what_is_no_number);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
