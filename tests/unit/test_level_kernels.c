/* test_level_kernels.c: the kernels over levels against the formulas in double, for each instruction set that
 * this machine has, at sizes around the vector's, with bytes behind the end watched. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/cpu/level_kernels.h"
#include "support/machine.h"

static const size_t sizes[] = {0, 1, 15, 16, 17, 31, 33, 1009};
#define SIZES (sizeof sizes / sizeof *sizes)
#define MOST 1009

static int variants(const struct level_kernels **list) {
    struct machine machine;
    int count = 0;
    machine_read(&machine);
    list[count++] = &level_kernels_portable;
    if (machine.avx2)
        list[count++] = &level_kernels_avx2;
    if (machine.avx512)
        list[count++] = &level_kernels_avx512;
    return count;
}

static int value(uint8_t level, bool is_signed) {
    return is_signed ? (int8_t)level : level;
}

static double cut(double x, bool is_signed) {
    double low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
    return !(x > low) ? low : x > high ? high : x;
}

START_TEST(quantize) {
    const struct level_kernels *list[3];
    static float x[MOST];
    uint8_t y[MOST + 1];
    for (int i = 0; i < MOST; i++) /* every fourth a tie, for a scale of 0.5 */
        x[i] = i % 4 ? (float)(rand() % 4001 - 2000) / 13 : 0.25f + (float)(rand() % 200 - 100) / 2;
    x[3] = NAN;
    x[5] = INFINITY;
    x[7] = -INFINITY;
    x[9] = 1e30f;
    for (int k = 0, n = variants(list); k < n; k++)
        for (size_t s = 0; s < SIZES; s++)
            for (int is_signed = 0; is_signed < 2; is_signed++) {
                float zero = is_signed ? -3 : 7;
                y[sizes[s]] = 0xa5;
                list[k]->quantize(x, y, sizes[s], is_signed, 0.5f, zero);
                for (size_t i = 0; i < sizes[s]; i++) {
                    double want = cut(rint((double)(x[i] / 0.5f)) + (double)zero, is_signed);
                    ck_assert_msg(value(y[i], is_signed) == (int)want, "%s: %g is %d, not %g", list[k]->name,
                                  (double)x[i], value(y[i], is_signed), want);
                }
                ck_assert_uint_eq(y[sizes[s]], 0xa5);
            }
}
END_TEST

START_TEST(add) {
    const struct level_kernels *list[3];
    uint8_t a[MOST], b[MOST], y[MOST + 1], first[MOST];
    for (int i = 0; i < MOST; i++) {
        a[i] = (uint8_t)rand();
        b[i] = (uint8_t)rand();
    }
    for (int is_signed = 0; is_signed < 2; is_signed++)
        for (size_t s = 0; s < SIZES; s++)
            for (int k = 0, n = variants(list); k < n; k++) {
                struct level_sum sum = {is_signed, {0.71f, 0.43f}, -20.3f};
                y[sizes[s]] = 0xa5;
                list[k]->add(a, b, y, sizes[s], &sum);
                for (size_t i = 0; i < sizes[s]; i++) {
                    double x = (double)sum.scale[0] * value(a[i], is_signed) +
                               (double)sum.scale[1] * value(b[i], is_signed) + (double)sum.offset;
                    ck_assert(fabs(value(y[i], is_signed) - cut(x, is_signed)) <= 0.5 + 1e-4);
                }
                ck_assert_uint_eq(y[sizes[s]], 0xa5);
                if (k) /* the same levels from all */
                    ck_assert_mem_eq(y, first, sizes[s]);
                memcpy(first, y, sizes[s]);
            }
}
END_TEST

START_TEST(gather) {
    const struct level_kernels *list[3];
    uint8_t a[MOST];
    int32_t sums[MOST];
    for (int i = 0; i < MOST; i++)
        a[i] = (uint8_t)rand();
    for (int k = 0, n = variants(list); k < n; k++)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            for (int i = 0; i < MOST; i++)
                sums[i] = 1000 - i;
            list[k]->gather(a, sums, MOST, is_signed);
            for (int i = 0; i < MOST; i++)
                ck_assert_int_eq(sums[i], 1000 - i + value(a[i], is_signed));
        }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("level_kernels");
    TCase *t = tcase_create("level_kernels");
    tcase_add_test(t, quantize);
    tcase_add_test(t, add);
    tcase_add_test(t, gather);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
