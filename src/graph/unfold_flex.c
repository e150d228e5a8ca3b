/* unfold_flex.c: FlexAttention with graphs inside: score_mod changes the scores between product and softmax,
 * prob_mod what the softmax gives. Its steps take its place, in the dtype that softmax_precision says, as the
 * operator's own function in the standard has them; without graphs it is Attention, and stays in one piece.
 */
#include <math.h>
#include <string.h>

#include "graph/work.h"
#include "ops/rules.h"

struct flex {
    struct work *w;
    struct work_node node; /* a copy: the nodes may move */
    sl_error *err;
    bool failed; /* err is set */
};

static uint32_t fail(struct flex *f) {
    if (!f->failed && f->err)
        work_out_of_memory(f->err);
    f->failed = true;
    return GRAPH_NONE;
}

/* A step of one or two inputs; GRAPH_NONE once anything failed. */
static uint32_t step(struct flex *f, const char *op, const struct attr *attrs, size_t attr_count, uint32_t a,
                     uint32_t b) {
    uint32_t in[2] = {a, b};
    if (f->failed)
        return GRAPH_NONE;
    uint32_t out =
        work_add_step(f->w, op, 13, f->node.name, attrs, attr_count, in, b == GRAPH_NONE ? 1 : 2, f->err);
    f->failed = out == GRAPH_NONE;
    return out;
}

static uint32_t constant(struct flex *f, sl_dtype dtype, int rank, int64_t count, const void *data,
                         size_t nbytes) {
    void *copy = f->failed ? NULL : arena_alloc(f->w->arena, nbytes, 1);
    uint32_t value = copy ? work_add_value(f->w, "") : GRAPH_NONE;
    if (value == GRAPH_NONE)
        return fail(f);
    memcpy(copy, data, nbytes);
    f->w->values[value].tensor = (sl_tensor){.dtype = dtype, .rank = rank, .dims = {count}, .data = copy};
    f->w->values[value].known = f->w->values[value].constant = true;
    return value;
}

static const struct attr *int_attr(struct flex *f, const char *name, int64_t x) {
    struct attr *attr = arena_alloc(f->w->arena, 1, sizeof *attr);
    if (!attr) {
        fail(f);
        return NULL;
    }
    *attr = (struct attr){.name = name, .type = ATTR_INT, .i = x};
    return attr;
}

static uint32_t cast(struct flex *f, uint32_t value, sl_dtype dtype) {
    const struct attr *to = int_attr(f, "to", dtype);
    if (f->failed || f->w->values[value].tensor.dtype == dtype)
        return value;
    return step(f, "Cast", to, 1, value, GRAPH_NONE);
}

static uint32_t reshape(struct flex *f, uint32_t value, const char *op, int64_t count, const int64_t *dims) {
    return step(f, op, NULL, 0, value, constant(f, SL_INT64, 1, count, dims, (size_t)count * sizeof *dims));
}

/* Each head of keys or values serves `group` heads of queries. */
static uint32_t repeat_heads(struct flex *f, uint32_t value, int64_t group) {
    const sl_tensor t = f->w->values[value].tensor;
    if (group == 1 || f->failed)
        return value;
    uint32_t apart =
        reshape(f, value, "Reshape", 5, (int64_t[]){t.dims[0], t.dims[1], 1, t.dims[2], t.dims[3]});
    uint32_t wide =
        reshape(f, apart, "Expand", 5, (int64_t[]){t.dims[0], t.dims[1], group, t.dims[2], t.dims[3]});
    return reshape(f, wide, "Reshape", 4, (int64_t[]){t.dims[0], t.dims[1] * group, t.dims[2], t.dims[3]});
}

static uint32_t swap_last(struct flex *f, uint32_t value) {
    static const int64_t perm[] = {0, 1, 3, 2};
    struct attr *attr = arena_alloc(f->w->arena, 1, sizeof *attr);
    if (!attr)
        return fail(f);
    *attr = (struct attr){.name = "perm", .type = ATTR_INTS, .count = 4, .ints = perm};
    return step(f, "Transpose", attr, 1, value, GRAPH_NONE);
}

static const struct attr *find(const struct flex *f, const char *name) {
    for (size_t i = 0; i < f->node.attr_count; i++)
        if (!strcmp(f->node.attrs[i].name, name))
            return &f->node.attrs[i];
    return NULL;
}

/* What the graph makes of the value, which keeps its shape. */
static uint32_t modify(struct flex *f, const char *name, uint32_t value) {
    const struct attr *attr = find(f, name);
    const struct graph *g = attr ? attr->graph : NULL;
    if (!g || f->failed)
        return value;
    uint32_t out = GRAPH_NONE, *in = arena_alloc(f->w->arena, g->input_count + 1, sizeof *in);
    sl_error inner = {0};
    sl_status st = in ? SL_OK : work_out_of_memory(&inner);
    if (st == SL_OK && (g->input_count - g->taken_count != 1 || g->output_count != 1))
        st = error_set(&inner, SL_E_MODEL, "its graph '%s' must have one input and one output", name);
    if (st != SL_OK) {
        f->failed = true;
        work_in_node(f->w, &f->node, st, &inner, f->err);
        return GRAPH_NONE;
    }
    in[0] = value;
    for (size_t i = 0; i < g->taken_count; i++)
        in[1 + i] = f->node.in[(size_t)attr->i + i];
    f->failed = work_inline(f->w, g, f->node.name, in, &out, f->err) != SL_OK;
    const sl_tensor *a = &f->w->values[value].tensor, *b = f->failed ? a : &f->w->values[out].tensor;
    if (a->dtype == b->dtype && a->rank == b->rank &&
        !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims))
        return out;
    error_set(&inner, SL_E_MODEL, "its graph '%s' changes the shape or dtype", name);
    work_in_node(f->w, &f->node, SL_E_MODEL, &inner, f->err);
    f->failed = true;
    return GRAPH_NONE;
}

static void unfold(struct flex *f) {
    const sl_tensor q = f->w->values[f->node.in[0]].tensor, k = f->w->values[f->node.in[1]].tensor;
    const struct attr *scale = find(f, "scale"), *precision = find(f, "softmax_precision");
    const struct attr *axis = int_attr(f, "axis", -1);
    sl_dtype dtype = precision ? (sl_dtype)precision->i : q.dtype == SL_DOUBLE ? SL_DOUBLE : SL_FLOAT;
    double factor = scale ? (double)scale->f : 1 / sqrt((double)q.dims[3]);
    int64_t group = q.dims[1] / k.dims[1];
    uint32_t queries = cast(f, f->node.in[0], dtype);
    uint32_t keys = swap_last(f, repeat_heads(f, cast(f, f->node.in[1], dtype), group));
    uint32_t values = repeat_heads(f, cast(f, f->node.in[2], dtype), group);
    uint32_t number = cast(f, constant(f, SL_DOUBLE, 0, 1, &factor, sizeof factor), dtype);
    uint32_t scores = step(f, "Mul", NULL, 0, step(f, "MatMul", NULL, 0, queries, keys), number);
    uint32_t probs = step(f, "Softmax", axis, 1, modify(f, "score_mod", scores), GRAPH_NONE);
    uint32_t y = cast(f, step(f, "MatMul", NULL, 0, modify(f, "prob_mod", probs), values), q.dtype);
    size_t first = f->w->node_count;
    struct work_node *copy =
        f->failed ? NULL : work_add_node(f->w, op_find("", "Identity", 1), f->node.name, 1, 1);
    if (!copy) {
        fail(f);
        return;
    }
    copy->opset = 1;
    copy->in[0] = y;
    copy->out[0] = f->node.out[0];
    f->w->budget->added_count++;
    f->failed = work_infer_from(f->w, first, f->err) != SL_OK;
}

sl_status work_unfold_flex(struct work *w, size_t at, sl_error *err) {
    sl_error own = {0};
    struct flex f = {.w = w, .node = w->nodes[at], .err = err ? err : &own};
    bool graphs = false;
    for (size_t i = 0; i < f.node.attr_count; i++)
        graphs = graphs || f.node.attrs[i].type == ATTR_GRAPH;
    if (!graphs)
        return SL_OK;
    /* the operator's own rule says what does not fit */
    struct op_call call = work_call(w, &w->nodes[at]);
    call.in_count = 3;
    sl_status st = f.node.op->infer(&call, &own);
    if (st != SL_OK)
        return work_in_node(w, &w->nodes[at], st, &own, err);
    unfold(&f);
    w->nodes[at].dead = !f.failed;
    return f.failed ? f.err->status : SL_OK;
}
