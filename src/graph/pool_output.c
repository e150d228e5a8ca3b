/* pool_output.c: the step behind a model that takes one vector out of a sequence of them, over the places
 * where the mask is not 0: what tensor.pool does in a chain of results. On the device it leaves a row of n
 * numbers to be copied out instead of one of sequence * n, and a device for which a shorter sequence would do
 * may take it.
 *
 *     weights [batch, 1, sequence] x tokens [batch, sequence, n]   / count, or / sqrt(count)
 *
 * A first or last token has the weight one alone, and is not divided by anything. */
#include <string.h>

#include "graph/work.h"

struct pooling {
    struct work *w;
    const char *name;
    bool ok;
};

/* A node of one output behind the others; its value, or GRAPH_NONE. */
static uint32_t add(struct pooling *p, const char *op, int64_t opset, uint32_t a, uint32_t b,
                    struct attr first, struct attr second) {
    struct attr *attrs = arena_alloc(p->w->arena, 2, sizeof *attrs);
    uint32_t out = p->ok ? work_add_value(p->w, p->name) : GRAPH_NONE;
    size_t in_count = b == GRAPH_NONE ? 1 : 2;
    struct work_node *node = NULL;
    if (attrs && out != GRAPH_NONE)
        node = work_add_node(p->w, op_find("", op, opset), p->name, in_count, 1);
    p->ok = node != NULL;
    if (!p->ok)
        return GRAPH_NONE;
    attrs[0] = first;
    attrs[1] = second;
    node->attrs = attrs;
    node->attr_count = (first.name ? 1u : 0u) + (second.name ? 1u : 0u);
    node->opset = opset;
    node->in[0] = a;
    if (b != GRAPH_NONE)
        node->in[1] = b;
    node->out[0] = out;
    return out;
}

static const struct attr no_attr;

static uint32_t add_plain(struct pooling *p, const char *op, int64_t opset, uint32_t a, uint32_t b) {
    return add(p, op, opset, a, b, no_attr, no_attr);
}

static struct attr ints(const char *name, const int64_t *value) {
    return (struct attr){.name = name, .type = ATTR_INTS, .count = 1, .ints = value};
}

static struct attr one_int(const char *name, int64_t value) {
    return (struct attr){.name = name, .type = ATTR_INT, .i = value};
}

static uint32_t add_scalar(struct pooling *p, sl_dtype dtype, int64_t value) {
    void *data = arena_alloc(p->w->arena, 1, sizeof(int64_t));
    uint32_t v = data ? work_add_value(p->w, p->name) : GRAPH_NONE;
    p->ok = p->ok && v != GRAPH_NONE;
    if (!p->ok)
        return GRAPH_NONE;
    if (dtype == SL_INT64)
        memcpy(data, &value, sizeof value);
    else
        memcpy(data, &(float){(float)value}, sizeof(float));
    p->w->values[v].tensor = (sl_tensor){.dtype = dtype, .data = data};
    p->w->values[v].known = p->w->values[v].constant = true;
    return v;
}

/* One where the first token that counts is, or the last; else 0. */
static uint32_t only_one(struct pooling *p, uint32_t mask, bool last) {
    uint32_t axis = add_scalar(p, SL_INT64, 1), one = add_scalar(p, SL_FLOAT, 1);
    uint32_t so_far = add(p, "CumSum", 14, mask, axis, one_int("reverse", last), no_attr);
    uint32_t is_one = add_plain(p, "Equal", 13, so_far, one);
    uint32_t weight = add(p, "Cast", 13, is_one, GRAPH_NONE, one_int("to", SL_FLOAT), no_attr);
    return add_plain(p, "Mul", 14, weight, mask);
}

sl_status work_pool_output(struct work *w, size_t output, sl_error *err) {
    static const int64_t one = 1;
    const struct plan_epilogue *e = &w->options->epilogues[output];
    struct pooling p = {.w = w, .name = w->values[w->outputs[output]].name, .ok = true};
    uint32_t tokens = w->outputs[output];
    bool alone = e->pool == PLAN_POOL_FIRST || e->pool == PLAN_POOL_LAST;
    uint32_t mask = add(&p, "Cast", 13, w->inputs[e->mask], GRAPH_NONE, one_int("to", SL_FLOAT), no_attr);
    uint32_t weights = alone ? only_one(&p, mask, e->pool == PLAN_POOL_LAST) : mask;
    uint32_t row = add(&p, "Unsqueeze", 11, weights, GRAPH_NONE, ints("axes", &one), no_attr);
    uint32_t sum = add_plain(&p, "MatMul", 13, row, tokens);
    uint32_t y = add(&p, "Squeeze", 11, sum, GRAPH_NONE, ints("axes", &one), no_attr);
    if (!alone) {
        struct attr least = {.name = "min", .type = ATTR_FLOAT, .f = 1e-9f};
        uint32_t count =
            add(&p, "ReduceSum", 11, mask, GRAPH_NONE, ints("axes", &one), one_int("keepdims", 1));
        count = add(&p, "Clip", 6, count, GRAPH_NONE, least, no_attr);
        if (e->pool == PLAN_POOL_MEAN_SQRT)
            count = add_plain(&p, "Sqrt", 13, count, GRAPH_NONE);
        y = add_plain(&p, "Div", 14, y, count);
    }
    w->outputs[output] = y;
    return p.ok ? SL_OK : work_out_of_memory(err);
}
