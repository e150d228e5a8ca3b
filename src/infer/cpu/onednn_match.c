/* onednn_match.c: which steps are convolutions or products that oneDNN takes, and with what: Conv, Gemm and
 * MatMul of ONNX, sluice.Conv and sluice.Linear, com.microsoft.FusedMatMul. */
#include <string.h>

#include "infer/cpu/onednn_product.h"

static bool is_op(const struct plan_step *s, const char *domain, const char *name) {
    return !strcmp(s->op->domain, domain) && !strcmp(s->op->name, name);
}

static struct op_call attrs_of(const struct plan_step *s) {
    return (struct op_call){.attrs = s->attrs, .attr_count = s->attr_count, .opset = s->opset};
}

static uint32_t input(const struct plan_step *s, size_t i) {
    return i < s->in_count ? s->in[i] : PLAN_NONE;
}

static bool is_const(const struct plan *plan, uint32_t value, int rank) {
    const struct plan_value *v = value == PLAN_NONE ? NULL : &plan->values[value];
    return v && v->place == PLAN_CONST && v->tensor.dtype == SL_FLOAT && (rank < 0 || v->tensor.rank == rank);
}

static bool no_zero(const sl_tensor *t) {
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] == 0)
            return false;
    return true;
}

static void set_dims(dnnl_dims_t out, const sl_tensor *t) {
    for (int i = 0; i < t->rank; i++)
        out[i] = t->dims[i];
}

/* A constant of `count` numbers in its last dim and no more. */
static bool take_bias(const struct plan *plan, uint32_t value, int64_t count, struct product *p) {
    int64_t all;
    if (value == PLAN_NONE)
        return true;
    if (!is_const(plan, value, -1))
        return false;
    const sl_tensor *t = &plan->values[value].tensor;
    if (!sl_shape_count(t->rank, t->dims, &all) || all != count || (t->rank && t->dims[t->rank - 1] != count))
        return false;
    p->bias_count = count;
    p->bias_data = t->data;
    return true;
}

/* What sluice.Conv and sluice.Linear do to the sum. */
static bool take_activation(const struct op_call *call, struct product *p) {
    static const struct {
        const char *name;
        dnnl_alg_kind_t kind;
        float alpha, beta; /* when the attributes are absent */
        bool attrs;        /* alpha and beta are the attributes */
    } table[] = {
        {"Relu", dnnl_eltwise_relu, 0, 0, false},
        {"LeakyRelu", dnnl_eltwise_relu, 0.01F, 0, true},
        {"Elu", dnnl_eltwise_elu, 1, 0, true},
        {"Clip", dnnl_eltwise_clip, -__builtin_inff(), __builtin_inff(), true},
        {"Sigmoid", dnnl_eltwise_logistic, 0, 0, false},
#if DNNL_VERSION_MAJOR >= 3
        {"HardSwish", dnnl_eltwise_hardswish, 1.0F / 6, 0.5F, false},
#else
        {"HardSwish", dnnl_eltwise_hardswish, 0, 0, false},
#endif
        {"Silu", dnnl_eltwise_swish, 1, 0, false},
        {"Tanh", dnnl_eltwise_tanh, 0, 0, false},
        {"Gelu", dnnl_eltwise_gelu_erf, 0, 0, false},
        {"GeluTanh", dnnl_eltwise_gelu_tanh, 0, 0, false},
        {"Mish", dnnl_eltwise_mish, 0, 0, false}
    };
    if (op_attr_is(call, "activation", "", ""))
        return true;
    if (op_attr_is(call, "activation", "HardSigmoid", "")) { /* newer versions have it in one */
        p->curves[p->curve_count++] = (struct curve){dnnl_eltwise_linear, op_attr_float(call, "alpha", 0.2F),
                                                     op_attr_float(call, "beta", 0.5F)};
        p->curves[p->curve_count++] = (struct curve){dnnl_eltwise_clip, 0, 1};
        return true;
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (op_attr_is(call, "activation", table[i].name, "")) {
            float alpha = table[i].attrs ? op_attr_float(call, "alpha", table[i].alpha) : table[i].alpha;
            float beta = table[i].attrs ? op_attr_float(call, "beta", table[i].beta) : table[i].beta;
            p->curves[p->curve_count++] = (struct curve){table[i].kind, alpha, beta};
            return true;
        }
    return false;
}

/* ---- products ---- */

/* The leading dims of a are rows of one matrix; b is a constant matrix. */
static void set_matrices(struct product *p, const sl_tensor *a, int64_t rows, int64_t columns,
                         bool transposed, const void *weights) {
    int64_t inner = a->dims[a->rank - 1];
    p->rank = 2;
    p->src[0] = 1;
    for (int i = 0; i + 1 < a->rank; i++)
        p->src[0] *= a->dims[i];
    p->src[1] = p->src_strides[0] = inner;
    p->src_strides[1] = 1;
    p->weights[0] = rows;
    p->weights[1] = columns;
    p->weights_strides[0] = transposed ? 1 : columns;
    p->weights_strides[1] = transposed ? rows : 1;
    p->weights_data = weights;
    p->dst[0] = p->src[0];
    p->dst[1] = columns;
}

static bool match_gemm(const struct plan *plan, const struct plan_step *step, struct product *p) {
    struct op_call call = attrs_of(step);
    if (op_attr_float(&call, "alpha", 1) != 1 || op_attr_float(&call, "beta", 1) != 1 ||
        op_attr_int(&call, "transA", 0) || !is_const(plan, input(step, 1), 2))
        return false;
    const sl_tensor *b = &plan->values[step->in[1]].tensor;
    bool transposed = op_attr_int(&call, "transB", 0) != 0;
    set_matrices(p, &plan->values[step->in[0]].tensor, b->dims[transposed], b->dims[!transposed], transposed,
                 b->data);
    return take_bias(plan, input(step, 2), p->weights[1], p);
}

static bool match_linear(const struct plan *plan, const struct plan_step *step, struct product *p) {
    struct op_call call = attrs_of(step);
    const sl_tensor *a = &plan->values[step->in[0]].tensor;
    if (!is_const(plan, input(step, 1), 2) || a->rank < 1)
        return false;
    const sl_tensor *b = &plan->values[step->in[1]].tensor;
    bool transposed = op_attr_int(&call, "transB", 0) != 0;
    set_matrices(p, a, b->dims[transposed], b->dims[!transposed], transposed, b->data);
    p->residual = input(step, 3);
    return take_bias(plan, input(step, 2), p->weights[1], p) && take_activation(&call, p);
}

static bool same_leading(const sl_tensor *a, const sl_tensor *b) {
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i + 2 < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

/* Stacks of matrices, as many in a as in b; or a stack times one matrix that is no constant. */
static bool match_stacks(const struct plan *plan, const struct plan_step *step, bool turn_a, bool turn_b,
                         float alpha, struct product *p) {
    const sl_tensor *a = &plan->values[step->in[0]].tensor, *b = &plan->values[step->in[1]].tensor;
    int64_t stack = 1;
    if (a->rank < 2 || b->rank < 2 || b->dtype != SL_FLOAT || !no_zero(b) ||
        (!same_leading(a, b) && b->rank > 2))
        return false;
    for (int i = 0; i + 2 < a->rank; i++)
        stack *= a->dims[i];
    int64_t rows = a->dims[a->rank - 2 + turn_a], inner = a->dims[a->rank - 1 - turn_a];
    int64_t columns = b->dims[b->rank - 1 - turn_b];
    p->rank = 3;
    dnnl_dims_t src = {stack, rows, inner},
                src_strides = {rows * inner, turn_a ? 1 : inner, turn_a ? rows : 1};
    dnnl_dims_t weights = {b->rank > 2 ? stack : 1, inner, columns};
    dnnl_dims_t weights_strides = {inner * columns, turn_b ? 1 : columns, turn_b ? inner : 1};
    dnnl_dims_t dst = {stack, rows, columns};
    memcpy(p->src, src, sizeof src);
    memcpy(p->src_strides, src_strides, sizeof src);
    memcpy(p->weights, weights, sizeof src);
    memcpy(p->weights_strides, weights_strides, sizeof src);
    memcpy(p->dst, dst, sizeof src);
    p->second = step->in[1];
    if (alpha != 1)
        p->curves[p->curve_count++] = (struct curve){dnnl_eltwise_linear, alpha, 0};
    return true;
}

static bool match_matmul(const struct plan *plan, const struct plan_step *step, struct product *p) {
    const sl_tensor *a = &plan->values[step->in[0]].tensor;
    if (a->rank < 2 || !is_const(plan, input(step, 1), 2))
        return match_stacks(plan, step, false, false, 1, p);
    const sl_tensor *b = &plan->values[step->in[1]].tensor;
    set_matrices(p, a, b->dims[0], b->dims[1], false, b->data);
    return true;
}

static bool match_fused_matmul(const struct plan *plan, const struct plan_step *step, struct product *p) {
    struct op_call call = attrs_of(step);
    if (op_attr_int(&call, "transBatchA", 0) || op_attr_int(&call, "transBatchB", 0))
        return false;
    return match_stacks(plan, step, op_attr_int(&call, "transA", 0) != 0,
                        op_attr_int(&call, "transB", 0) != 0, op_attr_float(&call, "alpha", 1), p);
}

/* ---- convolutions ---- */

static int64_t int_at(const struct op_call *call, const char *name, int i) {
    const struct attr *a = op_attr(call, name);
    return a && a->type == ATTR_INTS && (size_t)i < a->count ? a->ints[i] : 1;
}

/* ONNX's pads of a spatial dim, with auto_pad worked out. */
static bool read_pads(const struct op_call *call, const sl_tensor *x, const sl_tensor *y, int dim,
                      int64_t kernel, struct product *p) {
    const struct attr *pads = op_attr(call, "pads");
    int spatial = x->rank - 2;
    int64_t total = (y->dims[dim + 2] - 1) * p->strides[dim] + (kernel - 1) * (p->dilates[dim] + 1) + 1 -
                    x->dims[dim + 2];
    total = total > 0 ? total : 0;
    if (op_attr_is(call, "auto_pad", "NOTSET", "NOTSET")) {
        bool given = pads && pads->count == (size_t)(2 * spatial);
        p->pad_low[dim] = given ? pads->ints[dim] : 0;
        p->pad_high[dim] = given ? pads->ints[dim + spatial] : 0;
    } else if (!op_attr_is(call, "auto_pad", "VALID", "")) {
        p->pad_low[dim] = op_attr_is(call, "auto_pad", "SAME_LOWER", "") ? (total + 1) / 2 : total / 2;
        p->pad_high[dim] = total - p->pad_low[dim];
    }
    return p->pad_low[dim] >= 0 && p->pad_high[dim] >= 0;
}

/* Winograd's algorithm takes 2.25 times less products for 3 by 3 windows next to each other. Worth its
 * transforms where there are some tiles; with what the library can do to its sums. */
static bool suits_winograd(const struct product *p) {
    int64_t points = p->dst[0];
    if (p->rank != 4 || p->grouped || p->src[1] % 16 || p->dst[1] % 16 || p->src[1] < 32 ||
        p->residual != PLAN_NONE || p->curve_count > 1 ||
        (p->curve_count && (p->curves[0].kind != dnnl_eltwise_relu || p->curves[0].alpha != 0)))
        return false;
    for (int i = 0; i < 2; i++) {
        if (p->weights[2 + i] != 3 || p->strides[i] != 1 || p->dilates[i] || p->pad_low[i] > 1 ||
            p->pad_high[i] > 1)
            return false;
        points *= p->dst[2 + i];
    }
    return points >= 196;
}

static bool match_conv(const struct plan *plan, const struct plan_step *step, struct product *p) {
    struct op_call call = attrs_of(step);
    const sl_tensor *x = &plan->values[step->in[0]].tensor, *y = &plan->values[step->out[0]].tensor;
    int spatial = x->rank - 2;
    if (spatial < 1 || spatial > 3 || !is_const(plan, input(step, 1), x->rank))
        return false;
    const sl_tensor *w = &plan->values[step->in[1]].tensor;
    int64_t group = op_attr_int(&call, "group", 1);
    p->conv = true;
    p->grouped = group > 1;
    p->rank = x->rank;
    set_dims(p->src, x);
    set_dims(p->dst, y);
    p->weights[0] = p->grouped ? group : w->dims[0];
    if (p->grouped)
        p->weights[1] = w->dims[0] / group;
    for (int i = 1; i < w->rank; i++)
        p->weights[i + p->grouped] = w->dims[i];
    p->weights_data = w->data;
    for (int i = 0; i < spatial; i++) {
        p->strides[i] = int_at(&call, "strides", i);
        p->dilates[i] = int_at(&call, "dilations", i) - 1;
        if (!read_pads(&call, x, y, i, w->dims[i + 2], p))
            return false;
    }
    p->residual = *step->op->domain ? input(step, 3) : PLAN_NONE;
    if (!take_bias(plan, input(step, 2), w->dims[0], p) || (*step->op->domain && !take_activation(&call, p)))
        return false;
    p->winograd = suits_winograd(p);
    return true;
}

bool product_match(const struct plan *plan, const struct plan_step *step, struct product *p) {
    bool (*match)(const struct plan *, const struct plan_step *, struct product *) =
        is_op(step, "", "Conv") || is_op(step, "sluice", "Conv") ? match_conv
        : is_op(step, "", "Gemm")                                ? match_gemm
        : is_op(step, "", "MatMul")                              ? match_matmul
        : is_op(step, "sluice", "Linear")                        ? match_linear
        : is_op(step, "com.microsoft", "FusedMatMul")            ? match_fused_matmul
                                                                 : NULL;
    if (!match)
        return false;
    const sl_tensor *x = &plan->values[step->in[0]].tensor, *y = &plan->values[step->out[0]].tensor;
    if (x->dtype != SL_FLOAT || y->dtype != SL_FLOAT || !no_zero(x) || !no_zero(y))
        return false;
    *p = (struct product){.source = step->in[0],
                          .second = PLAN_NONE,
                          .residual = PLAN_NONE,
                          .result = step->out[0],
                          .compute = SL_FLOAT};
    return match(plan, step, p);
}
