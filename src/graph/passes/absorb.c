/* absorb.c: see absorb.h. */
#include "graph/passes/absorb.h"

#include <math.h>
#include <string.h>

#include "ops/rules.h"
#include "support/mem.h"

static const sl_tensor *output_of(const struct absorb *a) {
    return match_tensor(a->m, a->last->out[0]);
}

/* Whether a constant is one number, or one a channel, without making the output any larger. */
static bool is_per_channel(const struct absorb *a, uint32_t value) {
    const sl_tensor *t = match_tensor(a->m, value), *y = output_of(a);
    if (!match_is_constant(a->m, value) || t->dtype != SL_FLOAT || t->rank > y->rank)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != 1 && (y->rank - t->rank + i != a->axis || t->dims[i] != a->channels))
            return false;
    return true;
}

static double channel_value(const sl_tensor *t, int64_t channel) {
    return (double)((const float *)t->data)[rule_count(t) == 1 ? 0 : channel];
}

/* A Conv's bias is a vector; a Gemm's broadcasts. */
static bool is_bias(const struct absorb *a, uint32_t value) {
    const sl_tensor *t = match_tensor(a->m, value);
    if (a->axis == output_of(a)->rank - 1)
        return is_per_channel(a, value);
    return match_is_constant(a->m, value) && t->dtype == SL_FLOAT && t->rank == 1 &&
           t->dims[0] == a->channels;
}

bool absorb_begin(struct absorb *a, struct match *m, struct work_node *first, int axis, uint32_t bias) {
    *a = (struct absorb){.m = m, .first = first, .last = first, .axis = axis, .residual = GRAPH_NONE};
    const sl_tensor *y = output_of(a);
    a->channels = y->dims[axis];
    a->has_offset = bias != GRAPH_NONE;
    if (y->dtype != SL_FLOAT || rule_count(y) == 0 || (bias != GRAPH_NONE && !is_bias(a, bias)))
        return false;
    a->scale = mem_alloc((size_t)a->channels * 2, sizeof *a->scale);
    if (!a->scale) {
        m->status = work_out_of_memory(m->err);
        return false;
    }
    a->offset = a->scale + a->channels;
    for (int64_t c = 0; c < a->channels; c++) {
        a->scale[c] = 1;
        a->offset[c] = bias == GRAPH_NONE ? 0 : channel_value(match_tensor(m, bias), c);
    }
    return true;
}

void absorb_end(struct absorb *a) {
    mem_free(a->scale);
}

/* Mul and Div by a constant, Add and Sub of one. */
static bool take_constant(struct absorb *a, const struct work_node *node, uint32_t other) {
    bool mul = match_is(node, "Mul"), div = match_is(node, "Div"), sub = match_is(node, "Sub");
    bool first = node->in[0] == a->last->out[0];
    if (!is_per_channel(a, other) || ((div || sub) && !first) ||
        (!mul && !div && !sub && !match_is(node, "Add")) || ((mul || div) && a->residual != GRAPH_NONE))
        return false;
    const sl_tensor *t = match_tensor(a->m, other);
    for (int64_t c = 0; div && c < a->channels; c++)
        if (channel_value(t, c) == 0 || !isfinite(channel_value(t, c)))
            return false;
    for (int64_t c = 0; c < a->channels; c++) {
        double x = channel_value(t, c), factor = mul ? x : div ? 1 / x : 1;
        a->scale[c] *= factor;
        a->offset[c] = a->offset[c] * factor + (mul || div ? 0 : sub ? -x : x);
    }
    a->scaled = a->scaled || mul || div;
    a->has_offset = a->has_offset || (!mul && !div);
    return true;
}

/* BatchNormalization over the same channels. */
static bool take_norm(struct absorb *a, const struct work_node *node) {
    const sl_tensor *p[4];
    if (!match_is(node, "BatchNormalization") || a->axis != 1 || a->residual != GRAPH_NONE ||
        match_attr_int(node, "training_mode", 0))
        return false;
    for (size_t i = 0; i < 4; i++) {
        p[i] = match_tensor(a->m, match_in(node, i + 1));
        if (!match_is_constant(a->m, match_in(node, i + 1)) || p[i]->dtype != SL_FLOAT ||
            rule_count(p[i]) != a->channels)
            return false;
    }
    double epsilon = (double)match_attr_float(node, "epsilon", 1e-5f);
    for (int64_t c = 0; c < a->channels; c++) {
        double factor = channel_value(p[0], c) / sqrt(channel_value(p[3], c) + epsilon);
        a->scale[c] *= factor;
        a->offset[c] = (a->offset[c] - channel_value(p[2], c)) * factor + channel_value(p[1], c);
    }
    a->scaled = a->has_offset = true;
    return true;
}

/* The bounds of a Clip; absent ones are infinite. */
static bool read_clip(const struct match *m, const struct work_node *node, struct fuse *fuse) {
    double low = -INFINITY, high = INFINITY;
    if (node->opset < 11) {
        low = (double)match_attr_float(node, "min", -INFINITY);
        high = (double)match_attr_float(node, "max", INFINITY);
    } else {
        for (size_t i = 1; i < 3; i++)
            if (match_in(node, i) != GRAPH_NONE && !match_number(m, node->in[i], i == 1 ? &low : &high))
                return false;
    }
    *fuse = (struct fuse){FUSE_CLIP, (float)low, (float)high};
    return low <= high;
}

static bool read_activation(const struct match *m, const struct work_node *node, struct fuse *fuse) {
    static const struct {
        const char *name;
        enum fuse_activation activation;
        float alpha, beta; /* the operator's own defaults */
    } plain[] = {{"Relu", FUSE_RELU, 0, 0},
                 {"LeakyRelu", FUSE_LEAKY_RELU, 0.01f, 0},
                 {"Elu", FUSE_ELU, 1, 0},
                 {"Sigmoid", FUSE_SIGMOID, 0, 0},
                 {"Tanh", FUSE_TANH, 0, 0},
                 {"HardSigmoid", FUSE_HARD_SIGMOID, 0.2f, 0.5f},
                 {"HardSwish", FUSE_HARD_SWISH, 0, 0},
                 {"Mish", FUSE_MISH, 0, 0}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (match_is(node, plain[i].name)) {
            *fuse = (struct fuse){plain[i].activation, match_attr_float(node, "alpha", plain[i].alpha),
                                  match_attr_float(node, "beta", plain[i].beta)};
            return true;
        }
    if (match_is(node, "Clip"))
        return read_clip(m, node, fuse);
    if (match_is(node, "Gelu")) {
        bool tanh_form = match_attr_is(node, "approximate", "tanh", "none");
        *fuse = (struct fuse){.activation = tanh_form ? FUSE_GELU_TANH : FUSE_GELU};
        return true;
    }
    *fuse = (struct fuse){.activation = FUSE_SILU};
    return match_is(node, "Swish") && match_attr_float(node, "alpha", 1) == 1;
}

static bool take(struct absorb *a, struct work_node *node) {
    uint32_t value = a->last->out[0], other = match_other(node, value);
    if (!match_same_shape(a->m, value, node->out[0]))
        return false;
    if (read_activation(a->m, node, &a->fuse))
        return true;
    a->fuse.activation = FUSE_NONE;
    if (take_norm(a, node))
        return true;
    if (other == GRAPH_NONE)
        return false;
    if (take_constant(a, node, other))
        return true;
    if (a->residual != GRAPH_NONE || !match_is(node, "Add") || !match_same_shape(a->m, value, other))
        return false;
    a->residual = other;
    return true;
}

bool absorb_readers(struct absorb *a) {
    const struct work_node *before = a->last;
    struct work_node *reader;
    while (a->fuse.activation == FUSE_NONE && (reader = match_reader(a->m, a->last->out[0])) &&
           take(a, reader))
        a->last = reader;
    return a->last != before;
}

static uint32_t scale_weights(struct absorb *a, uint32_t weights, int axis) {
    sl_tensor shape = *match_tensor(a->m, weights); /* a new value may move the old ones */
    const float *old = shape.data;
    float *scaled;
    uint32_t value = match_add_floats(a->m, a->first->name, shape.rank, shape.dims, &scaled);
    int64_t inner = rule_product(&shape, axis + 1, shape.rank);
    for (int64_t i = 0, n = rule_count(&shape); value != GRAPH_NONE && i < n; i++)
        scaled[i] = (float)((double)old[i] * a->scale[i / inner % a->channels]);
    return value;
}

bool absorb_finish(struct absorb *a, const char *op, uint32_t x, uint32_t weights, int weights_axis) {
    uint32_t in[4] = {x, weights, GRAPH_NONE, a->residual};
    float *bias;
    if (a->scaled && (in[1] = scale_weights(a, weights, weights_axis)) == GRAPH_NONE)
        return false;
    if (a->has_offset) {
        in[2] = match_add_floats(a->m, a->first->name, 1, &a->channels, &bias);
        if (in[2] == GRAPH_NONE)
            return false;
        for (int64_t c = 0; c < a->channels; c++)
            bias[c] = (float)a->offset[c];
    }
    struct attr attrs[] = {match_text("activation", fuse_name(a->fuse.activation)),
                           match_float("alpha", a->fuse.alpha), match_float("beta", a->fuse.beta)};
    size_t count = in[3] != GRAPH_NONE ? 4 : in[2] != GRAPH_NONE ? 3 : 2;
    a->last->name = a->first->name;
    return match_set_attrs(a->m, a->last, a->first, attrs, 3) &&
           match_rewrite(a->m, a->last, "sluice", op, 1, in, count);
}
