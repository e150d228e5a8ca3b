/* quantized.c: for int8 devices: what a quantiser wrote as DequantizeLinear, an operator in float and
 * QuantizeLinear becomes the operator over levels: QLinearConv, QLinearMatMul, QGemm, QLinearAdd, ... A Relu
 * or Clip in between goes where it only cuts off what the levels cannot say anyway. Operators that move
 * numbers about move levels when both sides have the same scale and zero. The QuantizeLinear is rewritten;
 * results may differ by a level from those in float. */
#include <math.h>
#include <string.h>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"
#include "ops/element.h"
#include "ops/quant.h"
#include "support/mem.h"

/* A value as levels. */
struct levels {
    uint32_t x, scale, zero; /* the zero may be GRAPH_NONE */
    int64_t axis;            /* of several scales */
    bool one;                /* one scale for all */
};

static bool is_byte(const struct match *m, uint32_t value) {
    return (QUANT_BYTES & OPS_BIT(match_tensor(m, value)->dtype)) != 0;
}

static bool read_levels(struct match *m, uint32_t value, struct levels *l) {
    const struct work_node *node = match_maker(m, value, "DequantizeLinear");
    if (!node || match_attr_int(node, "block_size", 0) || !is_byte(m, node->in[0]) ||
        !match_is_constant(m, node->in[1]) || match_tensor(m, value)->dtype != SL_FLOAT)
        return false;
    *l = (struct levels){.x = node->in[0],
                         .scale = node->in[1],
                         .zero = match_in(node, 2),
                         .axis = match_attr_int(node, "axis", 1),
                         .one = rule_count(match_tensor(m, node->in[1])) == 1};
    l->axis += l->axis < 0 ? match_tensor(m, l->x)->rank : 0;
    return l->zero == GRAPH_NONE || match_is_constant(m, l->zero);
}

static float scale_at(const struct match *m, uint32_t scale, int64_t i) {
    const sl_tensor *t = match_tensor(m, scale);
    return quant_scale(t, rule_count(t) == 1 ? 0 : i);
}

static int64_t zero_of(const struct match *m, uint32_t zero) {
    return zero == GRAPH_NONE ? 0 : quant_zero(match_tensor(m, zero), 0);
}

static bool same_levels(const struct match *m, const struct levels *a, const struct levels *b) {
    return a->one && b->one && match_tensor(m, a->x)->dtype == match_tensor(m, b->x)->dtype &&
           scale_at(m, a->scale, 0) == scale_at(m, b->scale, 0) && zero_of(m, a->zero) == zero_of(m, b->zero);
}

/* A constant of the graph's own; data is zeroed. */
static uint32_t add_constant(struct match *m, const char *name, sl_dtype dtype, int rank,
                             const int64_t *dims) {
    uint32_t value = match_add_value(m, name, dtype, rank, dims);
    if (value == GRAPH_NONE)
        return GRAPH_NONE;
    sl_tensor *t = &m->w->values[value].tensor;
    t->data = arena_alloc(m->w->arena, rule_nbytes(t) + 1, 1);
    if (!t->data)
        return match_fail(m);
    m->w->values[value].constant = true;
    return value;
}

/* The zero as an input that operators over levels insist on. */
static bool need_zero(struct match *m, struct levels *l) {
    if (l->zero == GRAPH_NONE)
        l->zero = add_constant(m, "zero", match_tensor(m, l->x)->dtype, 0, NULL);
    return l->zero != GRAPH_NONE;
}

/* An activation that only cuts off what lies outside the levels' range. */
static bool is_absorbed(const struct match *m, const struct work_node *node, const struct levels *y) {
    double low = -INFINITY, high = INFINITY;
    sl_dtype dtype = match_tensor(m, y->x)->dtype;
    float scale = scale_at(m, y->scale, 0);
    if (match_is(node, "Relu"))
        low = 0;
    else if (!match_is(node, "Clip") || node->opset < 11)
        return false;
    else
        for (size_t i = 1; i < 3; i++)
            if (match_in(node, i) != GRAPH_NONE && !match_number(m, node->in[i], i == 1 ? &low : &high))
                return false;
    int64_t zero = zero_of(m, y->zero);
    return quant_level(dtype, (float)low / scale, zero) == quant_level(dtype, -INFINITY, zero) &&
           quant_level(dtype, (float)high / scale, zero) == quant_level(dtype, INFINITY, zero);
}

/* The bias as int32 of scale x * w; *value is GRAPH_NONE when there is none. */
static bool make_bias(struct match *m, uint32_t bias, const struct levels *x, const struct levels *w,
                      uint32_t *value) {
    const sl_tensor *t = match_tensor(m, bias);
    *value = GRAPH_NONE;
    if (bias == GRAPH_NONE)
        return true;
    if (!match_is_constant(m, bias) || t->dtype != SL_FLOAT || t->rank != 1)
        return false;
    int64_t count = t->dims[0];
    const float *from = t->data;
    *value = add_constant(m, "bias", SL_INT32, 1, &count);
    for (int64_t i = 0; *value != GRAPH_NONE && i < count; i++) {
        double level =
            rint((double)from[i] / ((double)scale_at(m, x->scale, 0) * (double)scale_at(m, w->scale, i)));
        ((int32_t *)match_tensor(m, *value)->data)[i] = level <= INT32_MIN   ? INT32_MIN
                                                        : level >= INT32_MAX ? INT32_MAX
                                                                             : (int32_t)level;
    }
    return *value != GRAPH_NONE;
}

/* q becomes the operator, with `from`'s attributes. */
static bool become(struct match *m, struct work_node *q, const struct work_node *from, const char *domain,
                   const char *op, int64_t opset, const uint32_t *in, size_t count) {
    q->name = from->name;
    return match_set_attrs(m, q, from, NULL, 0) && match_rewrite(m, q, domain, op, opset, in, count);
}

/* Conv, Gemm, MatMul. */
static bool take_product(struct match *m, struct work_node *q, const struct work_node *node,
                         struct levels *y) {
    struct levels x, w;
    uint32_t bias;
    bool conv = match_is(node, "Conv"), gemm = match_is(node, "Gemm"), transposed = false;
    if (!read_levels(m, node->in[0], &x) || !read_levels(m, node->in[1], &w) || !x.one)
        return true;
    if (gemm) {
        transposed = match_attr_int(node, "transB", 0) != 0;
        if (match_attr_float(node, "alpha", 1) != 1 || match_attr_float(node, "beta", 1) != 1 ||
            match_attr_int(node, "transA", 0))
            return true;
    }
    int rank = match_tensor(m, w.x)->rank;
    if (!w.one && (w.axis != (conv || transposed ? 0 : rank - 1) || (!conv && rank != 2)))
        return true;
    if (!make_bias(m, match_in(node, 2), &x, &w, &bias) || !need_zero(m, &x) || !need_zero(m, &w) ||
        !need_zero(m, y))
        return m->status == SL_OK;
    const uint32_t with_bias[] = {x.x, x.scale, x.zero, w.x, w.scale, w.zero, y->scale, y->zero, bias};
    const uint32_t of_gemm[] = {x.x, x.scale, x.zero, w.x, w.scale, w.zero, bias, y->scale, y->zero};
    if (!gemm)
        return become(m, q, node, "", conv ? "QLinearConv" : "QLinearMatMul", 10, with_bias,
                      bias == GRAPH_NONE ? 8 : 9);
    struct attr attr = match_int("transB", transposed);
    q->name = node->name;
    return match_set_attrs(m, q, NULL, &attr, 1) &&
           match_rewrite(m, q, "com.microsoft", "QGemm", 1, of_gemm, 9);
}

static bool take_sum(struct match *m, struct work_node *q, const struct work_node *node, struct levels *y) {
    struct levels a, b;
    if (!read_levels(m, node->in[0], &a) || !read_levels(m, node->in[1], &b) || !a.one || !b.one ||
        match_tensor(m, a.x)->dtype != match_tensor(m, b.x)->dtype ||
        match_tensor(m, a.x)->dtype != match_tensor(m, y->x)->dtype)
        return true;
    if (!need_zero(m, &a) || !need_zero(m, &b) || !need_zero(m, y))
        return false;
    const uint32_t in[] = {a.x, a.scale, a.zero, b.x, b.scale, b.zero, y->scale, y->zero};
    return become(m, q, node, "com.microsoft", match_is(node, "Add") ? "QLinearAdd" : "QLinearMul", 1, in, 8);
}

static bool take_unary(struct match *m, struct work_node *q, const struct work_node *node, struct levels *y) {
    static const char *const names[][2] = {{"GlobalAveragePool", "QLinearGlobalAveragePool"},
                                           {"AveragePool", "QLinearAveragePool"},
                                           {"Sigmoid", "QLinearSigmoid"},
                                           {"LeakyRelu", "QLinearLeakyRelu"}};
    struct levels x;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!match_is(node, names[i][0]))
            continue;
        bool dilated =
            i == 1 &&
            op_attr(&(struct op_call){.attrs = node->attrs, .attr_count = node->attr_count}, "dilations");
        if (dilated || !read_levels(m, node->in[0], &x) || !x.one)
            return true;
        if (!need_zero(m, &x) || !need_zero(m, y))
            return false;
        const uint32_t in[] = {x.x, x.scale, x.zero, y->scale, y->zero};
        return become(m, q, node, "com.microsoft", names[i][1], 1, in, 5);
    }
    return true;
}

#define MOST_JOINED 64

static bool take_concat(struct match *m, struct work_node *q, const struct work_node *node,
                        struct levels *y) {
    uint32_t in[2 + 3 * MOST_JOINED] = {y->scale};
    if (node->in_count > MOST_JOINED)
        return true;
    for (size_t i = 0; i < node->in_count; i++) {
        struct levels x;
        if (!read_levels(m, node->in[i], &x) || !x.one)
            return true;
        if (!need_zero(m, &x))
            return false;
        memcpy(in + 2 + 3 * i, (const uint32_t[]){x.x, x.scale, x.zero}, 3 * sizeof *in);
    }
    if (!need_zero(m, y))
        return false;
    in[1] = y->zero;
    return become(m, q, node, "com.microsoft", "QLinearConcat", 1, in, 2 + 3 * node->in_count);
}

static bool is_mover(const struct work_node *node) {
    static const char *const names[] = {"MaxPool", "Reshape",   "Transpose",    "Flatten",
                                        "Squeeze", "Unsqueeze", "Slice",        "Gather",
                                        "Expand",  "Tile",      "DepthToSpace", "SpaceToDepth"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (match_is(node, names[i]))
            return node->out_count == 1;
    return false;
}

static bool take_mover(struct match *m, struct work_node *q, const struct work_node *node,
                       const struct levels *y) {
    struct levels x;
    uint32_t in[8];
    if (node->in_count > 8 || !read_levels(m, node->in[0], &x) || !same_levels(m, &x, y))
        return true;
    memcpy(in, node->in, node->in_count * sizeof *in);
    in[0] = x.x;
    return become(m, q, node, "", node->op->name, node->opset, in, node->in_count);
}

static bool take(struct match *m, struct work_node *q) {
    struct levels y = {.x = q->out[0], .scale = q->in[1], .zero = match_in(q, 2), .one = true};
    if (!is_byte(m, y.x) || !match_is_constant(m, y.scale) || rule_count(match_tensor(m, y.scale)) != 1 ||
        (y.zero != GRAPH_NONE && !match_is_constant(m, y.zero)))
        return true;
    const struct work_node *node = match_single(m, q->in[0], NULL);
    if (node && is_absorbed(m, node, &y))
        node = match_single(m, node->in[0], NULL);
    if (!node || *node->op->domain)
        return true;
    if (match_is(node, "Conv") || match_is(node, "Gemm") || match_is(node, "MatMul"))
        return take_product(m, q, node, &y);
    if (match_is(node, "Add") || match_is(node, "Mul"))
        return take_sum(m, q, node, &y);
    if (match_is(node, "Concat"))
        return take_concat(m, q, node, &y);
    return is_mover(node) ? take_mover(m, q, node, &y) : take_unary(m, q, node, &y);
}

sl_status pass_quantized(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = 0; ok && i < w->node_count; i++)
        if (match_is(&w->nodes[i], "QuantizeLinear"))
            ok = take(&m, &w->nodes[i]);
    return match_close(&m);
}
