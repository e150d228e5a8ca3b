/* bias.c: the small fused elementwise operators: FastGelu, BiasGelu, QuickGelu, BiasSplitGelu, BiasAdd and
 * BiasSoftmax of com.microsoft, and SwiGLU. Computed in double, rounded once. */
#include <math.h>

#include "ops/attend.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static double gelu(double x) {
    return 0.5 * x * (1 + erf(x * 0.7071067811865476));
}

static double gelu_tanh(double x) {
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

static double read(const sl_tensor *t, int64_t i) {
    return element_real(t->dtype, t->data, i);
}

static sl_status all_reals(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++) {
        if (!op_has_in(call, i))
            continue;
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
    }
    return st;
}

/* Input 0's shape; input 1, where there is one, goes with the last dim. */
static sl_status infer_bias(const struct op_call *call, sl_error *err) {
    sl_status st = all_reals(call, err);
    if (st == SL_OK && op_has_in(call, 1))
        st = rule_min_rank(call, 0, 1, err);
    if (st == SL_OK && op_has_in(call, 1))
        st = rule_vector(call, 1, call->in[0]->dims[call->in[0]->rank - 1], err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_curve(const struct op_call *call, double (*curve)(double)) {
    const sl_tensor *x = call->in[0], *bias = op_has_in(call, 1) ? call->in[1] : NULL;
    int64_t size = bias ? bias->dims[0] : 1;
    for (int64_t i = 0, n = rule_count(x); i < n; i++)
        element_set_real(x->dtype, call->out[0]->data, i,
                         curve(read(x, i) + (bias ? read(bias, i % size) : 0)));
}

static void run_fast_gelu(const struct op_call *call) {
    run_curve(call, gelu_tanh);
}

static void run_bias_gelu(const struct op_call *call) {
    run_curve(call, gelu);
}

static void run_quick_gelu(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    double alpha = (double)op_attr_float(call, "alpha", 1.702f);
    for (int64_t i = 0, n = rule_count(x); i < n; i++)
        element_set_real(x->dtype, call->out[0]->data, i, read(x, i) / (1 + exp(-alpha * read(x, i))));
}

/* X [..., C] + bias [C] + skip [..., C]. */
static sl_status infer_bias_add(const struct op_call *call, sl_error *err) {
    sl_status st = infer_bias(call, err);
    if (st == SL_OK &&
        (call->in[2]->rank != call->in[0]->rank || rule_count(call->in[2]) != rule_count(call->in[0])))
        st = error_set(err, SL_E_MODEL, "inputs 0 and 2 differ in shape");
    return st;
}

static void run_bias_add(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *bias = call->in[1];
    for (int64_t i = 0, n = rule_count(x); i < n; i++)
        element_set_real(x->dtype, call->out[0]->data, i,
                         read(x, i) + read(bias, i % bias->dims[0]) + read(call->in[2], i));
}

/* The first half of each line times the GELU of the second. */
static sl_status infer_split_gelu(const struct op_call *call, sl_error *err) {
    sl_status st = infer_bias(call, err);
    sl_tensor *y = call->out[0];
    if (st == SL_OK && y->dims[y->rank - 1] % 2)
        st = error_set(err, SL_E_MODEL, "a line of %lld has no halves", (long long)y->dims[y->rank - 1]);
    if (st == SL_OK)
        y->dims[y->rank - 1] /= 2;
    return st;
}

static void run_split_gelu(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *bias = call->in[1], *y = call->out[0];
    int64_t half = y->dims[y->rank - 1];
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        int64_t at = i / half * 2 * half + i % half;
        double left = read(x, at) + read(bias, i % half);
        element_set_real(y->dtype, y->data, i, left * gelu(read(x, at + half) + read(bias, half + i % half)));
    }
}

/* SwiGLU: Swish of A times B. */
static sl_status infer_swiglu(const struct op_call *call, sl_error *err) {
    const sl_tensor *a = call->in[0], *b = call->in[1];
    char one[RULE_TEXT], other[RULE_TEXT];
    sl_status st = all_reals(call, err);
    for (int d = 0; st == SL_OK && d < a->rank; d++)
        if (a->rank != b->rank || a->dims[d] != b->dims[d])
            st = error_set(err, SL_E_MODEL, "inputs %s and %s differ in shape", rule_text(one, a),
                           rule_text(other, b));
    if (st == SL_OK && a->rank != b->rank)
        st = error_set(err, SL_E_MODEL, "inputs 0 and 1 differ in dims");
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_swiglu(const struct op_call *call) {
    const sl_tensor *a = call->in[0];
    double alpha = (double)op_attr_float(call, "alpha", 1);
    for (int64_t i = 0, n = rule_count(a); i < n; i++)
        element_set_real(a->dtype, call->out[0]->data, i,
                         read(a, i) / (1 + exp(-alpha * read(a, i))) * read(call->in[1], i));
}

/* BiasSoftmax: over the dims from `axis` on; the bias lacks some of the outer dims, the inner of them when
 * is_inner_broadcast is set. */
static sl_status infer_bias_softmax(const struct op_call *call, sl_error *err) {
    int axis;
    sl_status st = all_reals(call, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", 1), call->in[0]->rank, &axis, err);
    if (st != SL_OK)
        return st;
    int64_t size = rule_product(call->in[0], axis, call->in[0]->rank), bias = rule_count(call->in[1]);
    if (!bias || !size || bias % size || rule_count(call->in[0]) % bias)
        return error_set(err, SL_E_MODEL, "the bias does not fit input 0");
    rule_like(call, 0);
    return SL_OK;
}

static void run_bias_softmax(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *bias = call->in[1];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", 1), x->rank, &axis, NULL);
    int64_t size = rule_product(x, axis, x->rank), rows = rule_count(x) / size;
    int64_t bias_rows = rule_count(bias) / size;
    bool inner = op_attr_int(call, "is_inner_broadcast", 0) != 0;
    for (int64_t row = 0; row < rows; row++) {
        int64_t from = (inner ? row / (rows / bias_rows) : row % bias_rows) * size;
        double largest = -(double)INFINITY, sum = 0;
        for (int64_t i = 0; i < size; i++)
            largest = fmax(largest, read(x, row * size + i) + read(bias, from + i));
        for (int64_t i = 0; i < size; i++)
            sum += exp(read(x, row * size + i) + read(bias, from + i) - largest);
        for (int64_t i = 0; i < size; i++)
            element_set_real(x->dtype, call->out[0]->data, row * size + i,
                             exp(read(x, row * size + i) + read(bias, from + i) - largest) / sum);
    }
}

#define BIAS(id, op_domain, op_name, op_since, op_min_in, op_max_in, op_attrs, op_infer, op_elementwise)     \
    const struct op op_##id = {.domain = op_domain,                                                          \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = op_min_in,                                                          \
                               .max_in = op_max_in,                                                          \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = op_infer,                                                            \
                               .run = run_##id,                                                              \
                               .elementwise = op_elementwise};

BIAS(fast_gelu, "com.microsoft", "FastGelu", 1, 1, 2, NULL, infer_bias, true)
BIAS(bias_gelu, "com.microsoft", "BiasGelu", 1, 2, 2, NULL, infer_bias, true)
BIAS(quick_gelu, "com.microsoft", "QuickGelu", 1, 1, 1, "alpha", infer_bias, true)
BIAS(bias_add, "com.microsoft", "BiasAdd", 1, 3, 3, NULL, infer_bias_add, true)
BIAS(split_gelu, "com.microsoft", "BiasSplitGelu", 1, 2, 2, NULL, infer_split_gelu, false)
BIAS(swiglu, "", "SwiGLU", 28, 2, 2, "alpha", infer_swiglu, true)
BIAS(bias_softmax, "com.microsoft", "BiasSoftmax", 1, 2, 2, "axis is_inner_broadcast", infer_bias_softmax,
     false)
