/* batch_norm.c: y = (conv(x) + b - mean) * s + offset, with s = scale / sqrt(variance + epsilon), is a
 * convolution with weights w * s and bias (b - mean) * s + offset. The same for Gemm. New weights are
 * computed in double and rounded once. */
#include <math.h>
#include <string.h>

#include "graph/passes/passes.h"
#include "ops/rules.h"
#include "support/mem.h"

/* A node before its BatchNormalization, and what both hold. */
struct pair {
    struct work_node *node, *norm;
    bool gemm;
    const sl_tensor *weights, *bias; /* bias may be NULL */
    const float *scale, *offset, *mean, *variance;
    double epsilon;
    int64_t channels;
};

static const sl_tensor *constant_floats(const struct work *w, uint32_t value) {
    const struct work_value *v = value == GRAPH_NONE ? NULL : &w->values[value];
    return v && v->constant && v->tensor.dtype == SL_FLOAT ? &v->tensor : NULL;
}

static bool is_named(const struct work_node *node, const char *name) {
    return !*node->op->domain && !strcmp(node->op->name, name);
}

/* The bias must be one number a channel, and be added as it is. */
static bool read_bias(struct work *w, struct pair *p) {
    struct op_call call = work_call(w, p->node);
    bool has_bias = p->node->in_count > 2 && p->node->in[2] != GRAPH_NONE;
    p->bias = has_bias ? constant_floats(w, p->node->in[2]) : NULL;
    if (p->gemm && op_attr_float(&call, "beta", 1) != 1)
        return false;
    if (!has_bias)
        return true;
    return p->bias && rule_count(p->bias) == p->channels && p->bias->dims[p->bias->rank - 1] == p->channels;
}

static bool match(struct work *w, struct pair *p, const uint32_t *uses, const uint32_t *makers) {
    const sl_tensor *params[4];
    uint32_t from = p->norm->in[0];
    if (makers[from] == GRAPH_NONE || uses[from] != 1)
        return false;
    p->node = &w->nodes[makers[from]];
    p->gemm = is_named(p->node, "Gemm");
    if (p->node->dead || (!p->gemm && !is_named(p->node, "Conv")))
        return false;
    p->weights = constant_floats(w, p->node->in[1]);
    for (size_t i = 0; i < 4; i++)
        if (!(params[i] = constant_floats(w, p->norm->in[i + 1])))
            return false;
    if (!p->weights)
        return false;
    struct op_call call = work_call(w, p->norm);
    if (op_attr_int(&call, "training_mode", 0)) /* then the batch says what is taken off */
        return false;
    p->epsilon = (double)op_attr_float(&call, "epsilon", 1e-5f);
    p->scale = params[0]->data;
    p->offset = params[1]->data;
    p->mean = params[2]->data;
    p->variance = params[3]->data;
    p->channels = params[0]->dims[0];
    return p->channels > 0 && read_bias(w, p);
}

static double factor(const struct pair *p, int64_t channel) {
    return (double)p->scale[channel] / sqrt((double)p->variance[channel] + p->epsilon);
}

/* The channel of weight i: Conv's filters are dim 0; Gemm's columns dim 1, or dim 0 when transposed. */
static int64_t channel_of(const struct pair *p, bool columns, int64_t i) {
    return columns ? i % p->channels : i / (rule_count(p->weights) / p->channels);
}

static uint32_t add_constant(struct work *w, const char *name, int rank, const int64_t *dims, float **data) {
    uint32_t value = work_add_value(w, name);
    if (value == GRAPH_NONE)
        return GRAPH_NONE;
    struct work_value *v = &w->values[value];
    rule_set(&v->tensor, SL_FLOAT, rank, dims);
    v->known = v->constant = true;
    v->tensor.data = *data = arena_alloc(w->arena, rule_nbytes(&v->tensor) + 1, 1);
    return *data ? value : GRAPH_NONE;
}

static sl_status merge(struct work *w, const struct pair *p, sl_error *err) {
    float *weights, *bias;
    struct op_call call = work_call(w, p->node);
    bool columns = p->gemm && !op_attr_int(&call, "transB", 0);
    sl_tensor shape = *p->weights; /* add_constant may move the values */
    const float *old = shape.data, *old_bias = p->bias ? p->bias->data : NULL;
    uint32_t *in = arena_alloc(w->arena, 3, sizeof *in);
    uint32_t new_weights = add_constant(w, p->node->name, shape.rank, shape.dims, &weights);
    uint32_t new_bias = add_constant(w, p->node->name, 1, &p->channels, &bias);
    if (!in || new_weights == GRAPH_NONE || new_bias == GRAPH_NONE)
        return work_out_of_memory(err);
    struct pair copy = *p;
    copy.weights = &shape;
    for (int64_t i = 0, n = rule_count(&shape); i < n; i++)
        weights[i] = (float)((double)old[i] * factor(p, channel_of(&copy, columns, i)));
    for (int64_t c = 0; c < p->channels; c++)
        bias[c] = (float)(((old_bias ? (double)old_bias[c] : 0) - (double)p->mean[c]) * factor(p, c) +
                          (double)p->offset[c]);
    in[0] = p->node->in[0];
    in[1] = new_weights;
    in[2] = new_bias;
    p->node->in = in;
    p->node->in_count = 3;
    p->node->out[0] = p->norm->out[0];
    p->norm->dead = true;
    return SL_OK;
}

sl_status pass_batch_norm(struct work *w, sl_error *err) {
    uint32_t *uses = work_count_uses(w), *makers = work_find_makers(w);
    sl_status st = uses && makers ? SL_OK : work_out_of_memory(err);
    for (size_t i = 0; st == SL_OK && i < w->node_count; i++) {
        struct pair p = {.norm = &w->nodes[i]};
        if (p.norm->dead || !is_named(p.norm, "BatchNormalization") || !match(w, &p, uses, makers))
            continue;
        st = merge(w, &p, err);
        makers[p.norm->out[0]] = makers[p.norm->in[0]]; /* a second one behind merges as well */
    }
    mem_free(uses);
    mem_free(makers);
    return st;
}
