/* inline.c: the nodes of a graph inside a node, in that node's place: what they read and make become values
 * of the plan. They come behind the other nodes and are inferred and folded at once; the whole is sorted in
 * the end. */
#include <string.h>

#include "graph/work.h"
#include "support/mem.h"

/* `map`: of each value of the graph, its value in the plan. */
static sl_status add_values(struct work *w, const struct graph *g, uint32_t *map, sl_error *err) {
    for (size_t i = 0; i < g->value_count; i++) {
        if (map[i] != GRAPH_NONE)
            continue;
        map[i] = work_add_value(w, g->values[i].name);
        if (map[i] == GRAPH_NONE)
            return work_out_of_memory(err);
        struct work_value *value = &w->values[map[i]];
        value->known = value->constant = g->values[i].constant;
        if (value->constant)
            value->tensor = g->values[i].tensor;
    }
    return SL_OK;
}

static sl_status add_nodes(struct work *w, const struct graph *g, const char *name, const uint32_t *map,
                           sl_error *err) {
    for (size_t i = 0; i < g->node_count; i++) {
        const struct graph_node *from = &g->nodes[i];
        const char *own = arena_printf(w->arena, "%s/%s", name, from->name);
        struct work_node *node =
            own ? work_add_node(w, from->op, own, from->in_count, from->out_count) : NULL;
        if (!node)
            return work_out_of_memory(err);
        node->attrs = from->attrs;
        node->attr_count = from->attr_count;
        node->opset = from->opset;
        for (size_t k = 0; k < from->in_count; k++)
            node->in[k] = from->in[k] == GRAPH_NONE ? GRAPH_NONE : map[from->in[k]];
        for (size_t k = 0; k < from->out_count; k++)
            node->out[k] = from->out[k] == GRAPH_NONE ? GRAPH_NONE : map[from->out[k]];
    }
    return SL_OK;
}

sl_status work_inline(struct work *w, const struct graph *g, const char *name, const uint32_t *in,
                      uint32_t *out, sl_error *err) {
    size_t first = w->node_count;
    uint32_t *map = mem_alloc(g->value_count + 1, sizeof *map);
    if (!map)
        return work_out_of_memory(err);
    for (size_t i = 0; i < g->value_count; i++)
        map[i] = GRAPH_NONE;
    for (size_t i = 0; i < g->input_count; i++)
        map[g->inputs[i]] = in[i];
    sl_status st = add_values(w, g, map, err);
    if (st == SL_OK)
        st = add_nodes(w, g, name, map, err);
    w->budget->added_count += g->node_count + 1;
    for (size_t i = 0; st == SL_OK && i < g->output_count; i++)
        out[i] = map[g->outputs[i]];
    mem_free(map);
    return st == SL_OK ? work_infer_from(w, first, err) : st;
}

uint32_t work_add_step(struct work *w, const char *op, int64_t opset, const char *name,
                       const struct attr *attrs, size_t attr_count, const uint32_t *in, size_t in_count,
                       sl_error *err) {
    size_t first = w->node_count;
    uint32_t out = work_add_value(w, name);
    struct work_node *node = work_add_node(w, op_find("", op, opset), name, in_count, 1);
    if (out == GRAPH_NONE || !node) {
        work_out_of_memory(err);
        return GRAPH_NONE;
    }
    node->attrs = attrs;
    node->attr_count = attr_count;
    node->opset = opset;
    if (in_count)
        memcpy(node->in, in, in_count * sizeof *in);
    node->out[0] = out;
    w->budget->added_count++;
    return work_infer_from(w, first, err) == SL_OK ? out : GRAPH_NONE;
}
