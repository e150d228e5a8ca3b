/* activation.c: the nonlinearities of networks, most of them with one or two parameters. Computed in double,
 * rounded once; NaN goes through. */
#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

typedef double curve_fn(double x, double a, double b);

OPS_INLINE void map_curve(sl_dtype dtype, const struct op_call *call, curve_fn *fn, double a, double b) {
    const void *x = call->in[0]->data;
    void *y = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++)
        element_set_real(dtype, y, i, fn(element_real(dtype, x, i), a, b));
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

#define CURVE_OP(id, op_domain, op_name, op_since, op_attrs)                                                 \
    const struct op op_##id = {.domain = op_domain,                                                          \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = infer,                                                               \
                               .run = run_##id,                                                              \
                               .elementwise = true};

/* `a` and `b` are attributes with their defaults; a name of "" stands for none. */
#define CURVE(id, name, since, attrs, a_name, a_default, b_name, b_default, expression)                      \
    OPS_INLINE double curve_##id(double x, double a, double b) {                                             \
        (void)a;                                                                                             \
        (void)b;                                                                                             \
        return expression;                                                                                   \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        double a = (double)op_attr_float(call, a_name, a_default);                                           \
        double b = (double)op_attr_float(call, b_name, b_default);                                           \
        ELEMENT_DISPATCH_REAL(call->in[0]->dtype, map_curve, call, curve_##id, a, b);                        \
    }                                                                                                        \
    CURVE_OP(id, "", name, since, attrs " consumed_inputs")

static inline double logistic(double x) {
    if (x >= 0)
        return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}

static inline double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

static inline double softplus(double x) {
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static inline double shrink(double x, double lambda, double bias) {
    return x < -lambda ? x + bias : x > lambda ? x - bias : isnan(x) ? x : 0;
}

CURVE(sigmoid, "Sigmoid", 1, "", "", 0, "", 0, logistic(x))
CURVE(leaky_relu, "LeakyRelu", 1, "alpha", "alpha", 0.01f, "", 0, x < 0 ? a * x : x)
CURVE(elu, "Elu", 1, "alpha", "alpha", 1, "", 0, x < 0 ? a * expm1(x) : x)
CURVE(celu, "Celu", 12, "alpha", "alpha", 1, "", 0, x < 0 ? a * expm1(x / a) : x)
CURVE(selu, "Selu", 1, "alpha gamma", "alpha", 1.67326319217681884765625f, "gamma",
      1.05070102214813232421875f, b *(x > 0 ? x : a * expm1(x)))
CURVE(hard_sigmoid, "HardSigmoid", 1, "alpha beta", "alpha", 0.2f, "beta", 0.5f, clamp(a *x + b, 0, 1))
CURVE(hard_swish, "HardSwish", 14, "", "", 0, "", 0, x *clamp(x / 6 + 0.5, 0, 1))
CURVE(softplus, "Softplus", 1, "", "", 0, "", 0, softplus(x))
CURVE(softsign, "Softsign", 1, "", "", 0, "", 0, x / (1 + fabs(x)))
CURVE(thresholded_relu, "ThresholdedRelu", 10, "alpha", "alpha", 1, "", 0, x > a || isnan(x) ? x : 0)
CURVE(shrink, "Shrink", 9, "lambd bias", "lambd", 0.5f, "bias", 0, shrink(x, a, b))
CURVE(mish, "Mish", 18, "", "", 0, "", 0, x *tanh(softplus(x)))
CURVE(swish, "Swish", 24, "alpha", "alpha", 1, "", 0, x *logistic(a *x))

OPS_INLINE double curve_gelu(double x, double tanh_form, double unused) {
    (void)unused;
    if (tanh_form != 0)
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    return 0.5 * x * (1 + erf(x * 0.7071067811865476));
}

static void run_gelu(const struct op_call *call) {
    double tanh_form = op_attr_is(call, "approximate", "tanh", "none") ? 1 : 0;
    ELEMENT_DISPATCH_REAL(call->in[0]->dtype, map_curve, call, curve_gelu, tanh_form, 0);
}

CURVE_OP(gelu, "", "Gelu", 20, "approximate")

#define run_ms_gelu run_gelu
CURVE_OP(ms_gelu, "com.microsoft", "Gelu", 1, NULL)
