/* test_ops_elementwise.c: the corners of the elementwise operators that ONNX's own cases leave out: NaN, the
 * ends of integers, division by nothing, halves, broadcasting of everything. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "harness.h"
#include "ops/half.h"
#include "ops/op.h"
#include "ops/rules.h"

/* Calls an operator of opset 17 on tensors; returns the status of its rule. */
static sl_status call_op(const char *name, const struct attr *attrs, size_t attr_count,
                         const sl_tensor *const *in, size_t in_count, sl_tensor *out, sl_error *err) {
    const struct op *op = op_find("", name, 18);
    ck_assert_msg(op != NULL, "%s", name);
    void *data = out->data;
    struct op_call call = {.attrs = attrs,
                           .attr_count = attr_count,
                           .opset = 18,
                           .in = in,
                           .in_count = in_count,
                           .out = &out,
                           .out_count = 1};
    sl_status st = op->infer(&call, err);
    out->data = data;
    if (st == SL_OK)
        op->run(&call);
    return st;
}

static void unary(const char *name, sl_dtype dtype, const void *x, void *y, int64_t n) {
    sl_tensor in = {.dtype = dtype, .rank = 1, .dims = {n}, .data = (void *)(uintptr_t)x};
    sl_tensor out = {.data = y};
    sl_error err = {0};
    ck_assert_msg(call_op(name, NULL, 0, (const sl_tensor *[]){&in}, 1, &out, &err) == SL_OK, "%s", err.text);
}

static void binary(const char *name, sl_dtype dtype, const void *x, const void *y, void *z, int64_t n) {
    sl_tensor a = {.dtype = dtype, .rank = 1, .dims = {n}, .data = (void *)(uintptr_t)x};
    sl_tensor b = {.dtype = dtype, .rank = 1, .dims = {n}, .data = (void *)(uintptr_t)y};
    sl_tensor out = {.data = z};
    sl_error err = {0};
    ck_assert_msg(call_op(name, NULL, 0, (const sl_tensor *[]){&a, &b}, 2, &out, &err) == SL_OK, "%s",
                  err.text);
}

START_TEST(nan_goes_through) {
    static const char *const names[] = {
        "Abs",    "Neg",       "Relu",     "Sign",        "Floor",      "Ceil",      "Round",
        "Sqrt",   "Exp",       "Log",      "Erf",         "Tanh",       "Sigmoid",   "Elu",
        "Selu",   "LeakyRelu", "Softplus", "HardSigmoid", "Reciprocal", "HardSwish", "ThresholdedRelu",
        "Shrink", "Clip"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        float x = NAN, y = 0;
        unary(names[i], SL_FLOAT, &x, &y, 1);
        ck_assert_msg(isnan(y), "%s of NaN is %g", names[i], (double)y);
    }
    static const char *const pairs[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        float x[] = {NAN, 1, NAN}, y[] = {1, NAN, NAN}, z[3] = {0};
        binary(pairs[i], SL_FLOAT, x, y, z, 3);
        ck_assert_msg(isnan(z[0]) && isnan(z[1]) && isnan(z[2]), "%s", pairs[i]);
    }
}
END_TEST

START_TEST(comparisons_with_nan_are_false) {
    static const char *const names[] = {"Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"};
    for (size_t i = 0; i < 5; i++) {
        float x[] = {NAN, 1, NAN}, y[] = {1, NAN, NAN};
        uint8_t z[] = {9, 9, 9};
        binary(names[i], SL_FLOAT, x, y, z, 3);
        ck_assert_msg(z[0] == 0 && z[1] == 0 && z[2] == 0, "%s", names[i]);
    }
}
END_TEST

START_TEST(integers_wrap_and_never_trap) {
    int32_t x[] = {INT32_MAX, INT32_MIN, 7, -7, 7, INT32_MIN}, y[] = {1, -1, 0, 2, -2, 1}, z[6];
    binary("Add", SL_INT32, x, y, z, 6);
    ck_assert_int_eq(z[0], INT32_MIN);
    ck_assert_int_eq(z[1], INT32_MAX);
    binary("Div", SL_INT32, x, y, z, 6);
    ck_assert_int_eq(z[1], INT32_MIN); /* -INT32_MIN wraps */
    ck_assert_int_eq(z[2], 0);
    ck_assert_int_eq(z[3], -3); /* towards zero */
    binary("Mod", SL_INT32, x, y, z, 6);
    ck_assert_int_eq(z[1], 0);
    ck_assert_int_eq(z[2], 0);
    ck_assert_int_eq(z[3], 1); /* the sign of the divisor */
    ck_assert_int_eq(z[4], -1);
    int64_t a[] = {INT64_MIN, INT64_MAX}, b[] = {-1, 2}, c[2];
    binary("Div", SL_INT64, a, b, c, 2);
    ck_assert_int_eq(c[0], INT64_MIN);
    binary("Mul", SL_INT64, a, b, c, 2);
    ck_assert_int_eq(c[1], -2);
    unary("Abs", SL_INT64, a, c, 1);
    ck_assert_int_eq(c[0], INT64_MIN);
    uint8_t u[] = {200}, v[] = {100}, w[1];
    binary("Add", SL_UINT8, u, v, w, 1);
    ck_assert_uint_eq(w[0], 44);
}
END_TEST

START_TEST(rounding_is_to_even) {
    float x[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 3e9f}, y[7];
    const float want[] = {0, 2, 2, -0.0f, -2, -2, 3e9f};
    unary("Round", SL_FLOAT, x, y, 7);
    for (int i = 0; i < 7; i++)
        ck_assert_float_eq(y[i], want[i]);
}
END_TEST

/* Every float16 there is survives the way to float and back; halfway cases go to even. */
START_TEST(halves_are_exact) {
    for (uint32_t h = 0; h < 65536; h++) {
        float x = half_to_float((uint16_t)h);
        if (isnan(x))
            ck_assert(isnan(half_to_float(half_from_float(x))));
        else
            ck_assert_uint_eq(half_from_float(x), h);
        float b = bfloat_to_float((uint16_t)h);
        if (isnan(b))
            ck_assert(isnan(bfloat_to_float(bfloat_from_float(b))));
        else
            ck_assert_uint_eq(bfloat_from_float(b), h);
    }
    for (uint32_t h = 0; h < 0x7bff; h++) { /* the middle between two neighbours */
        float low = half_to_float((uint16_t)h), high = half_to_float((uint16_t)(h + 1));
        float middle = (float)(((double)low + (double)high) / 2);
        ck_assert_uint_eq(half_from_float(middle), h + (h & 1));
        ck_assert_uint_eq(half_from_float(nextafterf(middle, INFINITY)), h + 1);
        ck_assert_uint_eq(half_from_float(nextafterf(middle, 0)), h);
    }
    ck_assert_uint_eq(half_from_float(65519.996f), 0x7bff);
    ck_assert_uint_eq(half_from_float(65520), 0x7c00);
    ck_assert_uint_eq(half_from_float(-1e9f), 0xfc00);
    ck_assert_uint_eq(half_from_float(FLT_MIN), 0);
}
END_TEST

static void cast(sl_dtype from, const void *x, sl_dtype to, void *y, int64_t n) {
    sl_tensor in = {.dtype = from, .rank = 1, .dims = {n}, .data = (void *)(uintptr_t)x};
    sl_tensor out = {.data = y};
    struct attr attr = {.name = "to", .type = ATTR_INT, .i = to};
    sl_error err = {0};
    ck_assert_msg(call_op("Cast", &attr, 1, (const sl_tensor *[]){&in}, 1, &out, &err) == SL_OK, "%s",
                  err.text);
}

START_TEST(casts_are_defined_everywhere) {
    double x[] = {1.9, -1.9, 1e30, -1e30, NAN, INFINITY, 256, 0};
    int64_t y[8];
    int8_t z[8];
    uint8_t b[8];
    cast(SL_DOUBLE, x, SL_INT64, y, 8);
    ck_assert_int_eq(y[0], 1);
    ck_assert_int_eq(y[1], -1);
    ck_assert_int_eq(y[2], INT64_MAX);
    ck_assert_int_eq(y[3], INT64_MIN);
    ck_assert_int_eq(y[4], 0);
    ck_assert_int_eq(y[5], INT64_MAX);
    cast(SL_DOUBLE, x, SL_INT8, z, 8);
    ck_assert_int_eq(z[6], 0); /* the low bits */
    cast(SL_DOUBLE, x, SL_BOOL, b, 8);
    ck_assert(b[0] == 1 && b[4] == 1 && b[7] == 0);
    int64_t big = 16777217; /* 2^24 + 1: rounds once */
    float f;
    cast(SL_INT64, &big, SL_FLOAT, &f, 1);
    ck_assert_float_eq(f, 16777216);
    uint64_t huge = UINT64_MAX;
    cast(SL_UINT64, &huge, SL_FLOAT, &f, 1);
    ck_assert_float_eq(f, 0x1p64f);
}
END_TEST

START_TEST(nothing_is_a_tensor_too) {
    unary("Exp", SL_FLOAT, NULL, NULL, 0);
    binary("Add", SL_FLOAT, NULL, NULL, NULL, 0);
    binary("Less", SL_INT64, NULL, NULL, NULL, 0);
}
END_TEST

/* All pairs of broadcast shapes of up to four dims of 1 or 2 or 3, against index arithmetic. */
START_TEST(broadcasting_is_numpys) {
    float x[81], y[81], z[81];
    for (int i = 0; i < 81; i++) {
        x[i] = (float)i;
        y[i] = (float)(1000 * i);
    }
    for (int code = 0; code < 4 * 4 * 4 * 4; code++) {
        sl_tensor a = {.dtype = SL_FLOAT, .rank = 4, .data = x}, b = {.dtype = SL_FLOAT, .data = y};
        sl_tensor out = {.data = z};
        int64_t full[4], bdims[4];
        int lead = code % 3; /* b may lack leading dims */
        for (int d = 0; d < 4; d++) {
            int kind = code >> (2 * d) & 3;
            full[d] = 2 + d % 2;
            a.dims[d] = kind & 1 ? 1 : full[d];
            bdims[d] = kind & 2 ? 1 : full[d];
            if (d < lead)
                bdims[d] = 1;
        }
        for (int d = lead; d < 4; d++)
            b.dims[b.rank++] = bdims[d];
        sl_error err = {0};
        ck_assert_int_eq(call_op("Add", NULL, 0, (const sl_tensor *[]){&a, &b}, 2, &out, &err), SL_OK);
        int64_t i = 0, at[4];
        for (at[0] = 0; at[0] < out.dims[0]; at[0]++)
            for (at[1] = 0; at[1] < out.dims[1]; at[1]++)
                for (at[2] = 0; at[2] < out.dims[2]; at[2]++)
                    for (at[3] = 0; at[3] < out.dims[3]; at[3]++, i++) {
                        int64_t ai = 0, bi = 0;
                        for (int d = 0; d < 4; d++) {
                            ai = ai * a.dims[d] + (a.dims[d] == 1 ? 0 : at[d]);
                            bi = bi * bdims[d] + (bdims[d] == 1 ? 0 : at[d]);
                        }
                        ck_assert_float_eq(z[i], x[ai] + y[bi]);
                    }
    }
}
END_TEST

START_TEST(wrong_inputs_are_told) {
    sl_tensor a = {.dtype = SL_FLOAT, .rank = 2, .dims = {2, 3}},
              b = {.dtype = SL_FLOAT, .rank = 1, .dims = {4}};
    sl_tensor out = {0};
    sl_error err = {0};
    ck_assert_int_eq(call_op("Add", NULL, 0, (const sl_tensor *[]){&a, &b}, 2, &out, &err), SL_E_MODEL);
    ck_assert_str_eq(err.text, "float [2, 3] and float [4] do not broadcast");
    b.dtype = SL_INT32;
    ck_assert_int_eq(call_op("Add", NULL, 0, (const sl_tensor *[]){&a, &b}, 2, &out, &err), SL_E_MODEL);
    ck_assert_str_eq(err.text, "input 0 is float and input 1 is int32, expected the same");
    b.dtype = SL_STRING;
    ck_assert_int_eq(call_op("Exp", NULL, 0, (const sl_tensor *[]){&b}, 1, &out, &err), SL_E_MODEL);
    ck_assert_str_eq(err.text, "input 0 is string, which this operator does not take");
}
END_TEST

/* Sum of the same tensor, in its own place: planned only where input 0 is there once, but Sum(x, y, x) must
 * be right when it is not in place. */
START_TEST(variadic_operators_read_all_inputs) {
    float x[] = {1, 2}, y[] = {10}, z[2];
    sl_tensor a = {.dtype = SL_FLOAT, .rank = 1, .dims = {2}, .data = x};
    sl_tensor b = {.dtype = SL_FLOAT, .rank = 1, .dims = {1}, .data = y}, out = {.data = z};
    sl_error err = {0};
    ck_assert_int_eq(call_op("Sum", NULL, 0, (const sl_tensor *[]){&b, &a, &a}, 3, &out, &err), SL_OK);
    ck_assert(z[0] == 12 && z[1] == 14);
    ck_assert_int_eq(call_op("Mean", NULL, 0, (const sl_tensor *[]){&b, &a}, 2, &out, &err), SL_OK);
    ck_assert(z[0] == 5.5f && z[1] == 6);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_elementwise");
    TCase *t = tcase_create("elementwise");
    tcase_add_test(t, nan_goes_through);
    tcase_add_test(t, comparisons_with_nan_are_false);
    tcase_add_test(t, integers_wrap_and_never_trap);
    tcase_add_test(t, rounding_is_to_even);
    tcase_add_test(t, halves_are_exact);
    tcase_add_test(t, casts_are_defined_everywhere);
    tcase_add_test(t, nothing_is_a_tensor_too);
    tcase_add_test(t, broadcasting_is_numpys);
    tcase_add_test(t, wrong_inputs_are_told);
    tcase_add_test(t, variadic_operators_read_all_inputs);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
