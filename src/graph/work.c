/* work.c: the copy of a graph that a plan is made from. */
#include "graph/work.h"

#include <string.h>

#include "support/mem.h"
#include "support/text.h"

sl_status work_out_of_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for the plan");
}

/* Arrays in the arena grow by copying; the old ones stay until the plan is closed. */
static void *grow(struct arena *arena, const void *old, size_t count, size_t *cap, size_t size) {
    size_t larger = *cap * 2 + 16;
    void *items = arena_alloc(arena, larger, size);
    if (items && count)
        memcpy(items, old, count * size);
    if (items)
        *cap = larger;
    return items;
}

uint32_t work_add_value(struct work *w, const char *name) {
    if (w->value_count == w->value_cap) {
        void *values = grow(w->arena, w->values, w->value_count, &w->value_cap, sizeof *w->values);
        if (!values)
            return GRAPH_NONE;
        w->values = values;
    }
    w->values[w->value_count] = (struct work_value){.name = name};
    return (uint32_t)w->value_count++;
}

/* Room for calls of that many inputs or outputs; over levels, each input brings its scale and zero. */
static bool widen(struct work *w, size_t width) {
    width = 3 * width + 2;
    if (width <= w->call_width)
        return true;
    width = 2 * width;
    w->call_in = arena_alloc(w->arena, width, sizeof *w->call_in);
    w->call_out = arena_alloc(w->arena, width, sizeof *w->call_out);
    w->call_room = arena_alloc(w->arena, 2 * width, sizeof *w->call_room);
    w->call_least = arena_alloc(w->arena, width, sizeof *w->call_least);
    w->call_width = width;
    return w->call_in && w->call_out && w->call_room && w->call_least;
}

struct work_node *work_add_node(struct work *w, const struct op *op, const char *name, size_t in_count,
                                size_t out_count) {
    if (w->node_count == w->node_cap) {
        void *nodes = grow(w->arena, w->nodes, w->node_count, &w->node_cap, sizeof *w->nodes);
        if (!nodes)
            return NULL;
        w->nodes = nodes;
    }
    struct work_node *node = &w->nodes[w->node_count];
    *node = (struct work_node){.op = op, .name = name, .in_count = in_count, .out_count = out_count};
    if (!widen(w, in_count > out_count ? in_count : out_count))
        return NULL;
    node->in = arena_alloc(w->arena, in_count, sizeof *node->in);
    node->out = arena_alloc(w->arena, out_count, sizeof *node->out);
    if (!node->in || !node->out)
        return NULL;
    for (size_t i = 0; i < in_count; i++)
        node->in[i] = GRAPH_NONE;
    for (size_t i = 0; i < out_count; i++)
        node->out[i] = GRAPH_NONE;
    w->node_count++;
    return node;
}

struct op_call work_call(struct work *w, const struct work_node *node) {
    for (size_t i = 0; i < node->in_count; i++)
        w->call_in[i] = node->in[i] == GRAPH_NONE ? NULL : &w->values[node->in[i]].tensor;
    for (size_t i = 0; i < node->out_count; i++)
        w->call_out[i] = node->out[i] == GRAPH_NONE ? NULL : &w->values[node->out[i]].tensor;
    return (struct op_call){.attrs = node->attrs,
                            .attr_count = node->attr_count,
                            .opset = node->opset,
                            .in = w->call_in,
                            .in_count = node->in_count,
                            .out = w->call_out,
                            .out_count = node->out_count,
                            .text_limit = w->options->text_row_nbytes};
}

/* The last node made the input with a batch of one in front, which goes. */
static sl_status add_squeeze(struct work *w, uint32_t model_input, sl_error *err) {
    static const int64_t zero = 0;
    uint32_t batch = work_add_value(w, w->values[model_input].name), *made = w->nodes[w->node_count - 1].out;
    struct attr *axes = arena_alloc(w->arena, 1, sizeof *axes);
    struct work_node *node = work_add_node(w, op_find("", "Squeeze", 11), w->values[model_input].name, 1, 1);
    if (!node || !axes || batch == GRAPH_NONE)
        return work_out_of_memory(err);
    *axes = (struct attr){.name = "axes", .type = ATTR_INTS, .count = 1, .ints = &zero};
    node->attrs = axes;
    node->attr_count = 1;
    node->opset = 11;
    node->in[0] = made[0] = batch;
    node->out[0] = model_input;
    return SL_OK;
}

/* The step that a chain left to the device: staged rows in, the model's input out. */
static sl_status add_prologue(struct work *w, size_t input, sl_error *err) {
    const struct plan_prologue *p = &w->options->prologues[input];
    const char *name = w->values[w->inputs[input]].name;
    uint32_t model_input = w->inputs[input], staged = work_add_value(w, name);
    struct attr *attrs = arena_alloc(w->arena, 3, sizeof *attrs);
    float *scale = arena_alloc(w->arena, p->affine.count, sizeof *scale);
    float *offset = arena_alloc(w->arena, p->affine.count, sizeof *offset);
    const struct op *op = op_find("sluice", "Affine", 1);
    char *node_name = arena_printf(w->arena, "%s (affine)", name);
    struct work_node *node = node_name ? work_add_node(w, op, node_name, 1, 1) : NULL;
    if (!node || staged == GRAPH_NONE || !attrs || !scale || !offset)
        return work_out_of_memory(err);
    memcpy(scale, p->affine.scale, p->affine.count * sizeof *scale);
    memcpy(offset, p->affine.offset, p->affine.count * sizeof *offset);
    attrs[0] = (struct attr){.name = "scale", .type = ATTR_FLOATS, .count = p->affine.count, .floats = scale};
    attrs[1] =
        (struct attr){.name = "offset", .type = ATTR_FLOATS, .count = p->affine.count, .floats = offset};
    attrs[2] = (struct attr){.name = "chw", .type = ATTR_INT, .i = p->affine.chw};
    node->attrs = attrs;
    node->attr_count = 3;
    node->opset = 1;
    node->in[0] = staged;
    node->out[0] = model_input;
    sl_tensor *t = &w->values[staged].tensor;
    t->dtype = p->staged.dtype;
    t->rank = p->staged.rank + 1;
    t->dims[0] = w->batch;
    memcpy(t->dims + 1, p->staged.dims, (size_t)p->staged.rank * sizeof *t->dims);
    w->values[staged].known = true;
    w->inputs[input] = staged;
    return w->options->unbatched ? add_squeeze(w, model_input, err) : SL_OK;
}

static sl_status copy_nodes(struct work *w, sl_error *err) {
    const struct graph *g = w->graph;
    for (size_t i = 0; i < g->node_count; i++) {
        const struct graph_node *from = &g->nodes[i];
        struct work_node *node = work_add_node(w, from->op, from->name, from->in_count, from->out_count);
        if (!node)
            return work_out_of_memory(err);
        node->attrs = from->attrs;
        node->attr_count = from->attr_count;
        node->opset = from->opset;
        if (from->in_count)
            memcpy(node->in, from->in, from->in_count * sizeof *node->in);
        if (from->out_count)
            memcpy(node->out, from->out, from->out_count * sizeof *node->out);
    }
    return SL_OK;
}

static sl_status copy_values(struct work *w, sl_error *err) {
    const struct graph *g = w->graph;
    w->value_cap = g->value_count + g->input_count + g->output_count;
    w->node_cap = g->node_count + g->input_count + g->output_count;
    w->values = arena_alloc(w->arena, w->value_cap, sizeof *w->values);
    w->nodes = arena_alloc(w->arena, w->node_cap, sizeof *w->nodes);
    w->inputs = arena_alloc(w->arena, g->input_count, sizeof *w->inputs);
    w->outputs = arena_alloc(w->arena, g->output_count, sizeof *w->outputs);
    if (!w->values || !w->nodes || !w->inputs || !w->outputs)
        return work_out_of_memory(err);
    for (size_t i = 0; i < g->value_count; i++)
        w->values[i] =
            (struct work_value){.name = g->values[i].name,
                                .tensor = g->values[i].constant ? g->values[i].tensor : (sl_tensor){0},
                                .known = g->values[i].constant,
                                .constant = g->values[i].constant};
    w->value_count = g->value_count;
    for (size_t i = 0; i < g->input_count; i++)
        w->inputs[i] = g->inputs[i];
    for (size_t i = 0; i < g->output_count; i++)
        w->outputs[i] = g->outputs[i];
    return SL_OK;
}

sl_status work_open(struct work *w, const struct graph *graph, const struct plan_options *options,
                    struct arena *arena, sl_error *err) {
    *w = (struct work){.graph = graph, .options = options, .arena = arena};
    /* constants may grow when they are folded, but not without bound */
    w->folded_limit = ((size_t)256 << 20) + 4 * graph->file_nbytes;
    w->budget = options->budget ? options->budget : &w->own_budget;
    sl_status st = widen(w, 8) ? copy_values(w, err) : work_out_of_memory(err); /* what passes make has 7 */
    if (st == SL_OK)
        st = work_bind_inputs(w, err);
    for (size_t i = 0; st == SL_OK && options->prologues && i < graph->input_count; i++)
        if (options->prologues[i].used)
            st = add_prologue(w, i, err);
    if (st == SL_OK)
        st = copy_nodes(w, err);
    for (size_t i = 0; st == SL_OK && options->epilogues && i < graph->output_count; i++)
        if (options->epilogues[i].pool)
            st = work_pool_output(w, i, err);
    return st;
}

/* The first maker of the node's inputs that has not been moved yet, or GRAPH_NONE. */
static uint32_t find_missing(const struct work *w, uint32_t at, const uint32_t *makers, const bool *moved) {
    for (size_t k = 0; k < w->nodes[at].in_count; k++) {
        uint32_t maker = w->nodes[at].in[k] == GRAPH_NONE ? GRAPH_NONE : makers[w->nodes[at].in[k]];
        if (maker != GRAPH_NONE && !moved[maker])
            return maker;
    }
    return GRAPH_NONE;
}

sl_status work_sort(struct work *w, sl_error *err) {
    uint32_t *makers = work_find_makers(w), *stack = mem_alloc(w->node_count + 1, sizeof *stack);
    bool *moved = mem_alloc(w->node_count + 1, sizeof *moved);
    struct work_node *nodes = arena_alloc(w->arena, w->node_cap, sizeof *nodes);
    sl_status st = makers && stack && moved && nodes ? SL_OK : work_out_of_memory(err);
    size_t count = 0;
    for (uint32_t i = 0; st == SL_OK && i < w->node_count; i++) {
        size_t depth = 0;
        if (!moved[i] && !w->nodes[i].dead)
            stack[depth++] = i;
        while (depth) {
            uint32_t at = stack[depth - 1], missing = find_missing(w, at, makers, moved);
            if (missing != GRAPH_NONE) {
                stack[depth++] = missing;
                continue;
            }
            moved[at] = true;
            nodes[count++] = w->nodes[at];
            depth--;
        }
    }
    if (st == SL_OK) {
        w->nodes = nodes;
        w->node_count = count;
    }
    mem_free(makers);
    mem_free(stack);
    mem_free(moved);
    return st;
}

uint32_t *work_count_uses(const struct work *w) {
    uint32_t *uses = mem_alloc(w->value_count, sizeof *uses);
    for (size_t i = 0; uses && i < w->node_count; i++)
        for (size_t k = 0; !w->nodes[i].dead && k < w->nodes[i].in_count; k++)
            if (w->nodes[i].in[k] != GRAPH_NONE)
                uses[w->nodes[i].in[k]]++;
    for (size_t i = 0; uses && i < w->graph->output_count; i++)
        uses[w->outputs[i]]++;
    return uses;
}

uint32_t *work_find_makers(const struct work *w) {
    uint32_t *makers = mem_alloc(w->value_count, sizeof *makers);
    for (size_t i = 0; makers && i < w->value_count; i++)
        makers[i] = GRAPH_NONE;
    for (size_t i = 0; makers && i < w->node_count; i++)
        for (size_t k = 0; !w->nodes[i].dead && k < w->nodes[i].out_count; k++)
            if (w->nodes[i].out[k] != GRAPH_NONE)
                makers[w->nodes[i].out[k]] = (uint32_t)i;
    return makers;
}
