/* layer_norm.c: (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * scale + bias over the last dims, as
 * exporters before opset 17 spell it out, becomes LayerNormalization; without the means taken off and without
 * a bias it is RMSNormalization. */
#include <string.h>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

struct norm {
    uint32_t x, scale, bias;
    double epsilon;
    int axis; /* the first of those that are normalised */
    bool centred;
    struct work_node *last;
};

/* The mean over the last dims, which stay as 1; GRAPH_NONE when the node is none. */
static uint32_t read_mean(const struct match *m, const struct work_node *node, int *axis) {
    int64_t values[SL_MAX_RANK];
    const struct attr *attr = NULL;
    if (!match_is(node, "ReduceMean") || match_attr_int(node, "keepdims", 1) != 1)
        return GRAPH_NONE;
    int rank = match_tensor(m, node->in[0])->rank,
        count = match_ints(m, match_in(node, 1), values, SL_MAX_RANK);
    for (size_t i = 0; i < node->attr_count; i++)
        if (!strcmp(node->attrs[i].name, "axes"))
            attr = &node->attrs[i];
    if (count < 0 && attr && attr->count <= SL_MAX_RANK)
        memcpy(values, attr->ints, attr->count * sizeof *values);
    count = count < 0 && attr ? (int)attr->count : count;
    unsigned seen = 0;
    for (int i = 0; i < count; i++)
        seen |= 1u << (values[i] < 0 ? values[i] + rank : values[i]);
    *axis = rank - count;
    return count > 0 && seen == (1u << rank) - (1u << *axis) ? node->in[0] : GRAPH_NONE;
}

/* sqrt(mean(d^2) + epsilon), where the power may also be -1/2: d's inverse deviation is by `inverse`. */
static bool read_deviation(const struct match *m, uint32_t value, uint32_t d, bool inverse, struct norm *n) {
    const struct work_node *root = match_maker(m, value, NULL);
    struct match_product square;
    uint32_t mean;
    double power;
    if (inverse && match_is(root, "Reciprocal"))
        return read_deviation(m, root->in[0], d, false, n);
    if (inverse && match_is(root, "Div") && match_equals(m, root->in[0], 1))
        return read_deviation(m, root->in[1], d, false, n);
    bool rooted = !inverse && match_is(root, "Sqrt");
    if (match_is(root, "Pow") && match_number(m, root->in[1], &power))
        rooted = power == (inverse ? -0.5 : 0.5);
    const struct work_node *sum = rooted ? match_maker(m, root->in[0], "Add") : NULL;
    if (!sum || !match_with_number(m, sum, &mean, &n->epsilon))
        return false;
    uint32_t squared = read_mean(m, match_maker(m, mean, NULL), &n->axis);
    const struct work_node *product = match_maker(m, squared, NULL);
    if (!product)
        return false;
    match_product(m, product, &square);
    return square.count == 2 && square.number == 1 && square.values[0] == d && square.values[1] == d;
}

/* x - mean(x) over the same dims. */
static void read_centre(const struct match *m, struct norm *n) {
    const struct work_node *sub = match_maker(m, n->x, "Sub");
    int axis;
    if (!sub || read_mean(m, match_maker(m, sub->in[1], NULL), &axis) != sub->in[0] || axis != n->axis)
        return;
    n->centred = true;
    n->x = sub->in[0];
}

/* A constant over the normalised dims. */
static bool is_parameter(const struct match *m, uint32_t value, const struct norm *n) {
    const sl_tensor *t = match_tensor(m, value), *x = match_tensor(m, n->x);
    if (!match_is_constant(m, value) || t->dtype != x->dtype || t->rank > x->rank)
        return false;
    for (int i = 1; i <= t->rank; i++)
        if (t->dims[t->rank - i] != (i <= x->rank - n->axis ? x->dims[x->rank - i] : 1))
            return false;
    return t->rank >= x->rank - n->axis;
}

static void take_parameters(const struct match *m, struct norm *n) {
    struct work_node *node = match_reader(m, n->last->out[0]);
    uint32_t other = node ? match_other(node, n->last->out[0]) : GRAPH_NONE;
    if (!match_is(node, "Mul") || other == GRAPH_NONE || !is_parameter(m, other, n))
        return;
    n->scale = other;
    n->last = node;
    node = match_reader(m, node->out[0]);
    other = node ? match_other(node, n->last->out[0]) : GRAPH_NONE;
    if (!n->centred || !match_is(node, "Add") || other == GRAPH_NONE || !is_parameter(m, other, n))
        return;
    n->bias = other;
    n->last = node;
}

/* The constant without the dims of 1 in front; where there is none, ones. */
static uint32_t build_scale(struct match *m, const struct norm *n, uint32_t from, const char *name) {
    sl_tensor x = *match_tensor(m, n->x);
    float *ones;
    uint32_t value;
    int rank = x.rank - n->axis;
    if (from == GRAPH_NONE) {
        value = match_add_floats(m, name, rank, x.dims + n->axis, &ones);
        for (int64_t i = 0; value != GRAPH_NONE && i < rule_product(&x, n->axis, x.rank); i++)
            ones[i] = 1;
        return value;
    }
    if (match_tensor(m, from)->rank == rank)
        return from;
    const sl_tensor t = *match_tensor(m, from);
    value = match_add_value(m, name, t.dtype, rank, x.dims + n->axis);
    if (value == GRAPH_NONE)
        return value;
    m->w->values[value].tensor.data = t.data;
    m->w->values[value].constant = true;
    return value;
}

static bool replace(struct match *m, struct norm *n) {
    uint32_t in[3] = {n->x, build_scale(m, n, n->scale, n->last->name), GRAPH_NONE};
    if (n->bias != GRAPH_NONE)
        in[2] = build_scale(m, n, n->bias, n->last->name);
    struct attr attrs[] = {match_int("axis", n->axis - match_tensor(m, n->x)->rank),
                           match_float("epsilon", (float)n->epsilon)};
    return m->status == SL_OK && match_set_attrs(m, n->last, NULL, attrs, 2) &&
           match_rewrite(m, n->last, "", n->centred ? "LayerNormalization" : "RMSNormalization",
                         n->centred ? 17 : 23, in, n->bias == GRAPH_NONE ? 2 : 3);
}

static bool rewrite(struct match *m, struct work_node *node) {
    struct norm n = {.scale = GRAPH_NONE, .bias = GRAPH_NONE, .last = node};
    bool div = match_is(node, "Div");
    for (size_t i = 0; i < (div ? 1 : 2); i++) {
        n.x = node->in[i];
        if (match_is_constant(m, n.x) || !read_deviation(m, node->in[1 - i], n.x, !div, &n) ||
            !match_same_shape(m, n.x, node->out[0]) || match_tensor(m, n.x)->dtype != SL_FLOAT)
            continue;
        read_centre(m, &n);
        take_parameters(m, &n);
        return replace(m, &n);
    }
    return true;
}

sl_status pass_layer_norm(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = 0; ok && i < w->node_count; i++)
        if (match_is(&w->nodes[i], "Div") || match_is(&w->nodes[i], "Mul"))
            ok = rewrite(&m, &w->nodes[i]);
    return match_close(&m);
}
