/* test_row_kernels.c: each kernel against its formula in double, at sizes around the width of a vector; the
 * same bits from every instruction set that this machine has. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/cpu/row_kernels.h"
#include "support/machine.h"

enum { MOST = 1031, GUARD = 8 };
static const size_t sizes[] = {1, 2, 15, 16, 17, 31, 32, 33, 127, 384, 1031};
enum { SIZES = sizeof sizes / sizeof *sizes };

static const struct row_kernels *tables[3];
static unsigned table_count;
static float x[MOST + GUARD], y[MOST + GUARD], bias[MOST + GUARD], z[MOST + GUARD], first[MOST + GUARD];

static uint32_t state;
static float number(float most) {
    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)state / 2147483648.0F * most;
}

static void fill(float most) {
    for (size_t i = 0; i < MOST; i++) {
        x[i] = number(most);
        y[i] = number(most);
        bias[i] = number(1);
    }
}

static void setup(void) {
    struct machine machine;
    machine_read(&machine);
    state = 7;
    table_count = 0;
    tables[table_count++] = &row_kernels_portable;
    if (machine.avx2)
        tables[table_count++] = &row_kernels_avx2;
    if (machine.avx512)
        tables[table_count++] = &row_kernels_avx512;
}

/* After table t ran into z: nothing behind its end was touched, and it gave the first one's bits. */
static void check_bits(unsigned t, size_t n, const char *what) {
    for (size_t i = n; i < n + GUARD; i++)
        ck_assert_msg(z[i] == 77, "%s of %zu wrote behind its end", what, n);
    if (t == 0)
        memcpy(first, z, sizeof first);
    ck_assert_msg(!memcmp(first, z, n * sizeof *z), "%s of %zu: %s gives other bits", what, n,
                  tables[t]->name);
}

static void clear(size_t n) {
    for (size_t i = 0; i < n + GUARD && i < MOST + GUARD; i++)
        z[i] = 77;
}

static double sigmoid(double v) {
    return 1 / (1 + exp(-v));
}

static double unary(enum row_unary kernel, double v, double a, double b) {
    switch (kernel) {
    case ROW_RELU:
        return fmax(v, 0);
    case ROW_LEAKY_RELU:
        return v < 0 ? a * v : v;
    case ROW_CLIP:
        return fmin(fmax(v, a), b);
    case ROW_SIGMOID:
        return sigmoid(v);
    case ROW_HARD_SIGMOID:
        return fmin(fmax(a * v + b, 0), 1);
    case ROW_HARD_SWISH:
        return v * fmin(fmax(v / 6 + 0.5, 0), 1);
    case ROW_SILU:
        return v * sigmoid(a * v);
    case ROW_TANH:
        return tanh(v);
    case ROW_ERF:
        return erf(v);
    case ROW_GELU:
        return 0.5 * v * (1 + erf(v / sqrt(2)));
    case ROW_GELU_TANH:
        return 0.5 * v * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
    case ROW_EXP:
        return exp(v);
    case ROW_SQRT:
        return sqrt(v);
    case ROW_NEG:
        return -v;
    case ROW_ABS:
        return fabs(v);
    case ROW_RECIPROCAL:
        return 1 / v;
    default:
        return NAN;
    }
}

/* Within 5e-7 of the value or of 1, whichever is larger; gelu cancels against its argument. */
START_TEST(unary_kernels) {
    enum row_unary kernel = (enum row_unary)_i;
    float a = kernel == ROW_CLIP ? -1.5F : 0.3F, b = kernel == ROW_CLIP ? 2.5F : 0.4F;
    for (size_t s = 0; s < SIZES; s++)
        for (unsigned t = 0; t < table_count; t++) {
            size_t n = sizes[s];
            state = 5;
            fill(n % 2 ? 12 : 2);
            for (size_t i = 0; kernel == ROW_SQRT && i < n; i++)
                x[i] = fabsf(x[i]);
            clear(n);
            tables[t]->unary[kernel](x, z, n, a, b);
            check_bits(t, n, "unary");
            for (size_t i = 0; i < n; i++) {
                double want = unary(kernel, (double)x[i], (double)a, (double)b);
                double scale =
                    fmax(fabs(want), kernel >= ROW_GELU && kernel <= ROW_GELU_TANH ? fabs((double)x[i]) : 1);
                ck_assert_msg(fabs((double)z[i] - want) <= 5e-7 * scale,
                              "kernel %d at %.9g: %.9g, expected %.9g", _i, (double)x[i], (double)z[i], want);
            }
            memcpy(y, x, sizeof y); /* in its own place */
            tables[t]->unary[kernel](y, y, n, a, b);
            ck_assert(!memcmp(y, z, n * sizeof *z));
        }
}
END_TEST

START_TEST(special_numbers) {
    const float special[] = {NAN, INFINITY, -INFINITY, 0,     -0.0F,  88.73F,
                             200, -104,     -200,      1e30F, -1e30F, 1e-40F};
    const enum row_unary kernels[] = {ROW_RELU, ROW_SIGMOID, ROW_TANH, ROW_ERF,
                                      ROW_EXP,  ROW_SILU,    ROW_GELU, ROW_HARD_SIGMOID};
    for (unsigned t = 0; t < table_count; t++)
        for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
            size_t n = sizeof special / sizeof *special;
            memcpy(x, special, sizeof special);
            tables[t]->unary[kernels[k]](x, z, n, 1, 0.5F);
            ck_assert(isnan(z[0]));
            for (size_t i = 3; i < n; i++) {
                double want = (double)(float)unary(kernels[k], (double)x[i], 1, 0.5);
                ck_assert_msg(
                    (double)z[i] == want || fabs((double)z[i] - want) <= 4e-7 * fmax(fabs(want), 1e-30) ||
                        fabs((double)z[i] - want) < 1.2e-38,
                    "kernel %u at %.9g: %.9g, expected %.9g", kernels[k], (double)x[i], (double)z[i], want);
            }
        }
    tables[0]->unary[ROW_EXP](x, z, 3, 0, 0);
    ck_assert(isinf(z[1]) && z[2] == 0);
}
END_TEST

static float binary(enum row_binary kernel, float p, float q) {
    switch (kernel) {
    case ROW_ADD:
        return p + q;
    case ROW_SUB:
        return p - q;
    case ROW_MUL:
        return p * q;
    case ROW_DIV:
        return p / q;
    case ROW_MIN:
        return p > q ? q : p;
    case ROW_MAX:
        return p < q ? q : p;
    default:
        return NAN;
    }
}

START_TEST(binary_kernels) {
    enum row_binary kernel = (enum row_binary)_i;
    fill(9);
    for (unsigned form = 0; form < ROW_FORM_COUNT; form++)
        for (size_t s = 0; s < SIZES; s++)
            for (unsigned t = 0; t < table_count; t++) {
                size_t n = sizes[s];
                clear(n);
                tables[t]->binary[kernel][form](x, y, z, n);
                check_bits(t, n, "binary");
                for (size_t i = 0; i < n; i++) {
                    float p = form == ROW_FIRST_ONE ? x[0] : x[i], q = form == ROW_SECOND_ONE ? y[0] : y[i];
                    ck_assert_msg(z[i] == binary(kernel, p, q), "kernel %d, form %u, at %zu of %zu", _i, form,
                                  i, n);
                }
            }
}
END_TEST

/* What is not a number comes through, from either side. */
START_TEST(least_and_most_keep_nan) {
    for (unsigned t = 0; t < table_count; t++)
        for (int kernel = ROW_MIN; kernel <= ROW_MAX; kernel++) {
            float p[] = {NAN, 1, 2}, q[] = {1, NAN, 3}, r[3];
            tables[t]->binary[kernel][ROW_BOTH](p, q, r, 3);
            ck_assert(isnan(r[0]) && isnan(r[1]) && r[2] == (kernel == ROW_MIN ? 2 : 3));
        }
}
END_TEST

START_TEST(normalize_rows) {
    for (size_t s = 0; s < SIZES; s++)
        for (unsigned t = 0; t < table_count * 4; t++) {
            size_t n = sizes[s];
            bool centre = t & 1, with = t & 2;
            double mean = 0, variance = 0;
            state = 11;
            fill(3);
            for (size_t i = 0; i < n; i++)
                x[i] += 20; /* a mean that is large beside the spread */
            clear(n);
            tables[t / 4]->normalize(x, y, with ? bias : NULL, z, n, 1e-5F, centre);
            for (size_t i = 0; centre && i < n; i++)
                mean += (double)x[i] / (double)n;
            for (size_t i = 0; i < n; i++)
                variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
            for (size_t i = 0; i < n; i++) {
                double want = ((double)x[i] - mean) / sqrt(variance + 1e-5) * (double)y[i] +
                              (with ? (double)bias[i] : 0);
                ck_assert_msg(n == 1 || fabs((double)z[i] - want) < 2e-5, "n %zu at %zu: %.9g, expected %.9g",
                              n, i, (double)z[i], want);
            }
            ck_assert(z[n] == 77);
        }
}
END_TEST

START_TEST(softmax_rows) {
    for (size_t s = 0; s < SIZES; s++)
        for (unsigned t = 0; t < table_count; t++) {
            size_t n = sizes[s];
            double most = -INFINITY, total = 0;
            state = 13;
            fill(30);
            if (n > 20)
                x[3] = -INFINITY;
            clear(n);
            tables[t]->softmax(x, z, n);
            check_bits(t, n, "softmax");
            for (size_t i = 0; i < n; i++)
                most = fmax(most, (double)x[i]);
            for (size_t i = 0; i < n; i++)
                total += exp((double)x[i] - most);
            for (size_t i = 0; i < n; i++)
                ck_assert_double_eq_tol((double)z[i], exp((double)x[i] - most) / total, 1e-6);
            memcpy(y, x, sizeof y);
            tables[t]->softmax(y, y, n);
            ck_assert(!memcmp(y, z, n * sizeof *z));
        }
    for (size_t i = 0; i < 20; i++)
        x[i] = -INFINITY;
    tables[0]->softmax(x, z, 20);
    ck_assert(isnan(z[0]) && isnan(z[19]));
}
END_TEST

START_TEST(masked_softmax_rows) {
    for (size_t s = 0; s < SIZES; s++)
        for (unsigned t = 0; t < table_count; t++) {
            size_t n = sizes[s];
            double most = -INFINITY, total = 0;
            state = 17;
            fill(30);
            for (size_t i = 0; i < n; i++)
                bias[i] = i % 3 == 1 ? -INFINITY : bias[i];
            clear(n);
            memcpy(z, x, n * sizeof *z);
            tables[t]->softmax_masked(z, bias, 0.125F, n);
            check_bits(t, n, "softmax_masked");
            for (size_t i = 0; i < n; i++)
                most = fmax(most, (double)x[i] * 0.125 + (double)bias[i]);
            for (size_t i = 0; i < n; i++)
                total += exp((double)x[i] * 0.125 + (double)bias[i] - most);
            for (size_t i = 0; i < n; i++)
                ck_assert_double_eq_tol((double)z[i],
                                        exp((double)x[i] * 0.125 + (double)bias[i] - most) / total, 1e-6);
            for (size_t i = 0; i < n; i++) /* no key at all: nothing, and not NaN */
                bias[i] = -INFINITY;
            memcpy(z, x, n * sizeof *z);
            tables[t]->softmax_masked(z, bias, 1, n);
            for (size_t i = 0; i < n; i++)
                ck_assert(z[i] == 0);
            z[n - 1] = NAN;
            tables[t]->softmax_masked(z, NULL, 1, n);
            ck_assert(isnan(z[n - 1]));
        }
}
END_TEST

START_TEST(sums_and_largest) {
    fill(5);
    for (size_t s = 0; s < SIZES; s++) {
        double want = 0;
        float most = -INFINITY;
        for (size_t i = 0; i < sizes[s]; i++) {
            want += (double)x[i];
            most = fmaxf(most, x[i]);
        }
        for (unsigned t = 0; t < table_count; t++) {
            ck_assert_double_eq_tol((double)tables[t]->sum(x, sizes[s]), want, 1e-3);
            ck_assert(tables[t]->sum(x, sizes[s]) == tables[0]->sum(x, sizes[s]));
            ck_assert(tables[t]->largest(x, sizes[s]) == most);
            clear(sizes[s]);
            tables[t]->add_bias(x, y, bias, z, sizes[s]);
            check_bits(t, sizes[s], "add_bias");
            ck_assert(z[sizes[s] - 1] == x[sizes[s] - 1] + y[sizes[s] - 1] + bias[sizes[s] - 1]);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("row_kernels");
    TCase *c = tcase_create("row_kernels");
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_loop_test(c, unary_kernels, 0, ROW_UNARY_COUNT);
    tcase_add_test(c, special_numbers);
    tcase_add_loop_test(c, binary_kernels, 0, ROW_BINARY_COUNT);
    tcase_add_test(c, least_and_most_keep_nan);
    tcase_add_test(c, normalize_rows);
    tcase_add_test(c, softmax_rows);
    tcase_add_test(c, masked_softmax_rows);
    tcase_add_test(c, sums_and_largest);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
