/* fused.c: sluice.Conv and sluice.Linear, what the passes make of a convolution or a product with constant
 * weights and what follows it. y = act(X * W + B + R): bias B and residual R may be left out, R has y's
 * shape. Sums are in double, and the activation is applied before the one rounding. */
#include "ops/fuse.h"

#include <string.h>

#include "ops/ops.h"
#include "ops/rules.h"

static const struct {
    const char *name;
    float alpha, beta;
} activations[FUSE_ACTIVATIONS] = {
    [FUSE_NONE] = {"", 0, 0},
    [FUSE_RELU] = {"Relu", 0, 0},
    [FUSE_LEAKY_RELU] = {"LeakyRelu", 0.01f, 0},
    [FUSE_ELU] = {"Elu", 1, 0},
    [FUSE_CLIP] = {"Clip", -INFINITY, INFINITY},
    [FUSE_SIGMOID] = {"Sigmoid", 0, 0},
    [FUSE_HARD_SIGMOID] = {"HardSigmoid", 0.2f, 0.5f},
    [FUSE_HARD_SWISH] = {"HardSwish", 0, 0},
    [FUSE_SILU] = {"Silu", 0, 0},
    [FUSE_TANH] = {"Tanh", 0, 0},
    [FUSE_GELU] = {"Gelu", 0, 0},
    [FUSE_GELU_TANH] = {"GeluTanh", 0, 0},
    [FUSE_MISH] = {"Mish", 0, 0},
};

const char *fuse_name(enum fuse_activation activation) {
    return activations[activation].name;
}

sl_status fuse_read(const struct op_call *call, struct fuse *fuse, sl_error *err) {
    for (int i = 0; i < FUSE_ACTIVATIONS; i++)
        if (op_attr_is(call, "activation", activations[i].name, "")) {
            fuse->activation = (enum fuse_activation)i;
            fuse->alpha = op_attr_float(call, "alpha", activations[i].alpha);
            fuse->beta = op_attr_float(call, "beta", activations[i].beta);
            return SL_OK;
        }
    *fuse = (struct fuse){.activation = FUSE_NONE};
    return error_set(err, SL_E_MODEL, "attribute 'activation' is none that can be fused");
}

static double logistic(double x) {
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

static double softplus(double x) {
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

double fuse_apply(const struct fuse *fuse, double x) {
    double a = (double)fuse->alpha, b = (double)fuse->beta;
    switch (fuse->activation) {
    case FUSE_RELU:
        return x < 0 ? 0 : x;
    case FUSE_LEAKY_RELU:
        return x < 0 ? a * x : x;
    case FUSE_ELU:
        return x < 0 ? a * expm1(x) : x;
    case FUSE_CLIP:
        return clamp(x, a, b);
    case FUSE_SIGMOID:
        return logistic(x);
    case FUSE_HARD_SIGMOID:
        return clamp(a * x + b, 0, 1);
    case FUSE_HARD_SWISH:
        return x * clamp(x / 6 + 0.5, 0, 1);
    case FUSE_SILU:
        return x * logistic(x);
    case FUSE_TANH:
        return tanh(x);
    case FUSE_GELU:
        return 0.5 * x * (1 + erf(x * 0.7071067811865476));
    case FUSE_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case FUSE_MISH:
        return x * tanh(softplus(x));
    default:
        return x;
    }
}

static const sl_tensor *residual_of(const struct op_call *call) {
    return op_has_in(call, 3) ? call->in[3] : NULL;
}

/* The output's shape is set; what remains are the residual and the activation. */
static sl_status check_fuse(const struct op_call *call, sl_error *err) {
    struct fuse fuse;
    char one[RULE_TEXT], other[RULE_TEXT];
    const sl_tensor *r = residual_of(call), *y = call->out[0];
    if (r && (r->dtype != y->dtype || r->rank != y->rank ||
              memcmp(r->dims, y->dims, (size_t)y->rank * sizeof *y->dims) != 0))
        return error_set(err, SL_E_MODEL, "input 3 is %s, the output %s", rule_text(one, r),
                         rule_text(other, y));
    return fuse_read(call, &fuse, err);
}

static sl_status infer_conv(const struct op_call *call, sl_error *err) {
    sl_status st = convolve_infer(call, err);
    return st == SL_OK ? check_fuse(call, err) : st;
}

static void run_conv(const struct op_call *call) {
    struct fuse fuse;
    if (fuse_read(call, &fuse, NULL) == SL_OK)
        convolve_run(call, &fuse, residual_of(call));
}

const struct op op_fused_conv = {
    .domain = "sluice",
    .name = "Conv",
    .since = 1,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .attrs = "auto_pad dilations group kernel_shape pads strides activation alpha beta",
    .infer = infer_conv,
    .prepare = convolve_prepare,
    .run = run_conv,
    .over = 1u << 3};

static sl_status infer_linear(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < (op_has_in(call, 2) ? 3 : 2); i++) {
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
    }
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 1, err);
    if (st == SL_OK)
        st = rule_rank(call, 1, 2, err);
    if (st != SL_OK)
        return st;
    const sl_tensor *x = call->in[0], *w = call->in[1];
    int tb = op_attr_int(call, "transB", 0) != 0;
    char one[RULE_TEXT], other[RULE_TEXT];
    if (x->dims[x->rank - 1] != w->dims[tb])
        return error_set(err, SL_E_MODEL, "inputs %s and %s do not multiply", rule_text(one, x),
                         rule_text(other, w));
    if (op_has_in(call, 2))
        st = rule_vector(call, 2, w->dims[1 - tb], err);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    call->out[0]->dims[x->rank - 1] = w->dims[1 - tb];
    return check_fuse(call, err);
}

#define COLUMNS 64 /* sums that are carried side by side */

OPS_INLINE void linear_block(sl_dtype dtype, const struct op_call *call, const struct fuse *fuse, int64_t row,
                             int64_t first, int64_t width) {
    const sl_tensor *x = call->in[0], *w = call->in[1];
    bool tb = op_attr_int(call, "transB", 0) != 0;
    int64_t depth = x->dims[x->rank - 1], columns = w->dims[tb ? 0 : 1];
    int64_t down = tb ? 1 : columns, right = tb ? depth : 1;
    double sums[COLUMNS] = {0};
    for (int64_t k = 0; k < depth; k++) {
        double a = element_real(dtype, x->data, row * depth + k);
        for (int64_t j = 0; j < width; j++)
            sums[j] += a * element_real(dtype, w->data, k * down + (first + j) * right);
    }
    for (int64_t j = 0; j < width; j++) {
        double bias = op_has_in(call, 2) ? element_real(dtype, call->in[2]->data, first + j) : 0;
        fuse_write(dtype, fuse, residual_of(call), call->out[0]->data, row * columns + first + j,
                   sums[j] + bias);
    }
}

OPS_INLINE void linear(sl_dtype dtype, const struct op_call *call, const struct fuse *fuse) {
    const sl_tensor *y = call->out[0];
    int64_t columns = y->dims[y->rank - 1], rows = rule_product(y, 0, y->rank - 1);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j += COLUMNS)
            linear_block(dtype, call, fuse, i, j, columns - j < COLUMNS ? columns - j : COLUMNS);
}

static void run_linear(const struct op_call *call) {
    struct fuse fuse;
    if (fuse_read(call, &fuse, NULL) == SL_OK)
        ELEMENT_DISPATCH_REAL(call->in[0]->dtype, linear, call, &fuse);
}

const struct op op_fused_linear = {.domain = "sluice",
                                   .name = "Linear",
                                   .since = 1,
                                   .min_in = 2,
                                   .max_in = 4,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .attrs = "transB activation alpha beta",
                                   .infer = infer_linear,
                                   .run = run_linear,
                                   .over = 1u << 3};
