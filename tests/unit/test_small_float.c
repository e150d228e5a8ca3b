/* test_small_float.c: every bit pattern of the small real numbers comes back, what lies between two goes to
 * the nearer and to the even one, and too large numbers go where they must; Cast between numbers and texts.
 */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "model_rig.h"
#include "ops/small_float.h"
#include "support/mem.h"

static const struct {
    sl_dtype dtype;
    unsigned patterns, sign;
    double most, least; /* the least above 0 */
    double beyond[2];   /* what too large a number becomes: saturated, and not */
} kinds[] = {
    {SL_FLOAT8E4M3FN, 256, 0x80, 448, 0x1p-9, {448, NAN}},
    {SL_FLOAT8E4M3FNUZ, 256, 0x80, 240, 0x1p-10, {240, NAN}},
    {SL_FLOAT8E5M2, 256, 0x80, 57344, 0x1p-16, {57344, INFINITY}},
    {SL_FLOAT8E5M2FNUZ, 256, 0x80, 57344, 0x1p-17, {57344, NAN}},
    {SL_FLOAT4E2M1, 16, 8, 6, 0.5, {6, 6}},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static bool same(double a, double b) {
    return (isnan(a) && isnan(b)) || a == b;
}

START_TEST(every_pattern_comes_back) {
    for (size_t k = 0; k < KINDS; k++) {
        double most = 0, least = 1e9;
        for (unsigned bits = 0; bits < kinds[k].patterns; bits++) {
            double x = small_float_value(kinds[k].dtype, bits);
            unsigned back = small_float_bits(kinds[k].dtype, x, false, SMALL_UP);
            ck_assert_msg(isnan(x) ? isnan(small_float_value(kinds[k].dtype, back)) : back == bits,
                          "dtype %d: %u is %g is %u", (int)kinds[k].dtype, bits, x, back);
            if (isfinite(x) && x > most)
                most = x;
            if (x > 0 && x < least)
                least = x;
        }
        ck_assert(most == kinds[k].most && least == kinds[k].least);
    }
    for (unsigned bits = 0; bits < 255; bits++) {
        double x = small_float_value(SL_FLOAT8E8M0, bits);
        ck_assert(x == exp2((double)bits - 127));
        ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, x, true, SMALL_UP), bits);
    }
}
END_TEST

START_TEST(between_two) {
    for (size_t k = 0; k < KINDS; k++)
        for (unsigned low = 0;; low++) {
            double a = small_float_value(kinds[k].dtype, low), b = small_float_value(kinds[k].dtype, low + 1);
            if (a == kinds[k].most)
                break;
            for (int sign = -1; sign < 2; sign += 2) {
                unsigned at[3];
                const double x[3] = {(a + b) / 2 * (1 - 0x1p-20), (a + b) / 2, (a + b) / 2 * (1 + 0x1p-20)};
                for (int i = 0; i < 3; i++)
                    at[i] =
                        small_float_bits(kinds[k].dtype, sign * x[i], true, SMALL_UP) & (kinds[k].sign - 1);
                ck_assert_uint_eq(at[0], low);
                ck_assert_uint_eq(at[1], low % 2 ? low + 1 : low);
                ck_assert_uint_eq(at[2], low + 1);
            }
        }
}
END_TEST

START_TEST(too_large) {
    for (size_t k = 0; k < KINDS; k++)
        for (int i = 0; i < 2; i++) {
            const double large[] = {1e6, INFINITY};
            for (int n = 0; n < 2; n++) {
                unsigned bits = small_float_bits(kinds[k].dtype, large[n], i == 0, SMALL_UP);
                ck_assert(same(small_float_value(kinds[k].dtype, bits), kinds[k].beyond[i]));
                bits = small_float_bits(kinds[k].dtype, -large[n], i == 0, SMALL_UP);
                ck_assert(same(small_float_value(kinds[k].dtype, bits), -kinds[k].beyond[i]));
            }
        }
}
END_TEST

START_TEST(powers_of_two) {
    ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, 3, true, SMALL_UP), 129);
    ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, 3.9, true, SMALL_DOWN), 128);
    ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, 2.9, true, SMALL_NEAREST), 128);
    ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, 3.1, true, SMALL_NEAREST), 129);
    ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, 3e38, true, SMALL_UP), 254);
    ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, 3e38, false, SMALL_UP), 255);
    ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, (double)NAN, true, SMALL_UP), 255);
    ck_assert_uint_eq(small_float_bits(SL_FLOAT8E8M0, 0, false, SMALL_NEAREST), 255);
}
END_TEST

/* float -> text -> float, and what only texts can say. */
START_TEST(texts) {
    static const float x[] = {0.1f, -3, 1e-7f, 1e20f, INFINITY, -INFINITY, NAN, 0};
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,8");
    model_node(&m, "Cast", "x", "t");
    model_attr_int(&m, "to", SL_STRING);
    model_node(&m, "Cast", "t", "y");
    model_attr_int(&m, "to", SL_FLOAT);
    model_output(&m, "y", SL_FLOAT, "n,8");
    float *y = rig_run_model(&m, 1, x);
    for (int i = 0; i < 8; i++)
        ck_assert_msg(same((double)y[i], (double)x[i]), "%g became %g", (double)x[i], (double)y[i]);
    mem_free(y);
    model_end(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("small_float");
    TCase *t = tcase_create("small_float");
    tcase_add_test(t, every_pattern_comes_back);
    tcase_add_test(t, between_two);
    tcase_add_test(t, too_large);
    tcase_add_test(t, powers_of_two);
    tcase_add_test(t, texts);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
