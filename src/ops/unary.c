/* unary.c: functions of one number: arithmetic, rounding, exponentials, trigonometry. Floats are computed in
 * double and rounded once; NaN goes through. */
#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

typedef double real_fn(double x);
typedef int64_t signed_fn(int64_t x);

OPS_INLINE void map_real(sl_dtype dtype, const struct op_call *call, real_fn *fn) {
    const void *x = call->in[0]->data;
    void *y = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++)
        element_set_real(dtype, y, i, fn(element_real(dtype, x, i)));
}

OPS_INLINE void map_signed(sl_dtype dtype, const struct op_call *call, signed_fn *fn) {
    const void *x = call->in[0]->data;
    void *y = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++)
        element_set_signed(dtype, y, i, fn(element_signed(dtype, x, i)));
}

/* Unsigned numbers: an operator here either keeps them or, as Sign, says whether they are zero. */
static void map_unsigned(const struct op_call *call, bool is_sign) {
    const sl_tensor *x = call->in[0], *y = call->out[0];
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        uint64_t v = element_unsigned(x->dtype, x->data, i);
        element_set_unsigned(y->dtype, y->data, i, is_sign ? v != 0 : v);
    }
}

static sl_status infer_real(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static sl_status infer_number(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static sl_status infer_test(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        rule_set(call->out[0], SL_BOOL, call->in[0]->rank, call->in[0]->dims);
    return st;
}

#define UNARY(id, op_name, op_infer, op_attrs)                                                               \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = op_infer,                                                            \
                               .run = run_##id,                                                              \
                               .elementwise = true};

/* For floats only. `consumed_inputs` is a leftover of opset 1 that many files still carry. */
#define UNARY_REAL(id, name, expression)                                                                     \
    OPS_INLINE double real_##id(double x) {                                                                  \
        return expression;                                                                                   \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        ELEMENT_DISPATCH_REAL(call->in[0]->dtype, map_real, call, real_##id);                                \
    }                                                                                                        \
    UNARY(id, name, infer_real, "consumed_inputs")

/* For all numbers. */
#define UNARY_NUMBER(id, name, expression, integer, is_sign)                                                 \
    OPS_INLINE double real_##id(double x) {                                                                  \
        return expression;                                                                                   \
    }                                                                                                        \
    OPS_INLINE int64_t signed_##id(int64_t x) {                                                              \
        return integer;                                                                                      \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        if (element_kind(call->in[0]->dtype) == ELEMENT_UNSIGNED)                                            \
            map_unsigned(call, is_sign);                                                                     \
        ELEMENT_DISPATCH_REAL(call->in[0]->dtype, map_real, call, real_##id);                                \
        ELEMENT_DISPATCH_SIGNED(call->in[0]->dtype, map_signed, call, signed_##id);                          \
    }                                                                                                        \
    UNARY(id, name, infer_number, "consumed_inputs")

static inline double sign_of(double x) {
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

UNARY_NUMBER(abs, "Abs", fabs(x), x < 0 ? (int64_t)(0 - (uint64_t)x) : x, false)
UNARY_NUMBER(neg, "Neg", -x, (int64_t)(0 - (uint64_t)x), false)
UNARY_NUMBER(sign, "Sign", sign_of(x), (x > 0) - (x < 0), true)
UNARY_NUMBER(relu, "Relu", x < 0 ? 0 : x, x < 0 ? 0 : x, false)

UNARY_REAL(floor, "Floor", floor(x))
UNARY_REAL(ceil, "Ceil", ceil(x))
UNARY_REAL(round, "Round", nearbyint(x)) /* halves to even */
UNARY_REAL(reciprocal, "Reciprocal", 1 / x)
UNARY_REAL(sqrt, "Sqrt", sqrt(x))
UNARY_REAL(exp, "Exp", exp(x))
UNARY_REAL(log, "Log", log(x))
UNARY_REAL(erf, "Erf", erf(x))
UNARY_REAL(sin, "Sin", sin(x))
UNARY_REAL(cos, "Cos", cos(x))
UNARY_REAL(tan, "Tan", tan(x))
UNARY_REAL(asin, "Asin", asin(x))
UNARY_REAL(acos, "Acos", acos(x))
UNARY_REAL(atan, "Atan", atan(x))
UNARY_REAL(sinh, "Sinh", sinh(x))
UNARY_REAL(cosh, "Cosh", cosh(x))
UNARY_REAL(asinh, "Asinh", asinh(x))
UNARY_REAL(acosh, "Acosh", acosh(x))
UNARY_REAL(atanh, "Atanh", atanh(x))
UNARY_REAL(tanh, "Tanh", tanh(x))

/* Tests of floats. */
OPS_INLINE void test_nan(sl_dtype dtype, const struct op_call *call) {
    uint8_t *y = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++)
        y[i] = (uint8_t)(isnan(element_real(dtype, call->in[0]->data, i)) != 0);
}

static void run_isnan(const struct op_call *call) {
    ELEMENT_DISPATCH_REAL(call->in[0]->dtype, test_nan, call);
}

OPS_INLINE void test_inf(sl_dtype dtype, const struct op_call *call, bool negative, bool positive) {
    uint8_t *y = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++) {
        double x = element_real(dtype, call->in[0]->data, i);
        y[i] = (uint8_t)(isinf(x) && (x < 0 ? negative : positive));
    }
}

static void run_isinf(const struct op_call *call) {
    bool negative = op_attr_int(call, "detect_negative", 1) != 0;
    bool positive = op_attr_int(call, "detect_positive", 1) != 0;
    ELEMENT_DISPATCH_REAL(call->in[0]->dtype, test_inf, call, negative, positive);
}

#define UNARY_TEST(id, op_name, op_attrs)                                                                    \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 9,                                                                   \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = infer_test,                                                          \
                               .run = run_##id};

UNARY_TEST(isnan, "IsNaN", NULL)
UNARY_TEST(isinf, "IsInf", "detect_negative detect_positive")
