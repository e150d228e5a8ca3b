/* unroll_scan.c: a Scan's steps in its place: each with slices of the inputs, what they gather put together
 * again. */
#include <string.h>

#include "graph/unroll.h"
#include "ops/rules.h"

static int64_t node_int(const struct work_node *node, const char *name, size_t i, int64_t fallback) {
    struct op_call call = {.attrs = node->attrs, .attr_count = node->attr_count};
    const struct attr *attr = op_attr(&call, name);
    if (attr && attr->type == ATTR_INTS)
        return i < attr->count ? attr->ints[i] : fallback;
    return attr && attr->type == ATTR_INT ? attr->i : fallback;
}

/* Slices of the inputs from `states` on for one step. */
static sl_status take_slices(struct unroll *u, size_t states, size_t scans, size_t trip, sl_error *err) {
    struct work *w = u->w;
    for (size_t i = 0; i < scans; i++) {
        uint32_t from = u->node.in[states + i];
        int axis = 0;
        rule_axis(node_int(&u->node, "scan_input_axes", i, 0), w->values[from].tensor.rank, &axis, NULL);
        bool backward = node_int(&u->node, "scan_input_directions", i, 0) == 1;
        const struct attr *along = unroll_ints(w, "axis", false, axis);
        uint32_t in[2] = {from,
                          unroll_constant(w, SL_INT64, 0, (int64_t)(backward ? u->trips - 1 - trip : trip))};
        if (!along || in[1] == GRAPH_NONE)
            return work_out_of_memory(err);
        u->in[states + i] = work_add_step(w, "Gather", 11, u->node.name, along, 1, in, 2, err);
        if (u->in[states + i] == GRAPH_NONE)
            return err->status;
    }
    return SL_OK;
}

static sl_status add_trips(struct unroll *u, size_t states, size_t scans, sl_error *err) {
    size_t gathered = u->body->output_count - states;
    sl_status st = SL_OK;
    for (size_t i = 0; i < states; i++)
        u->in[i] = u->node.in[i];
    for (size_t t = 0; st == SL_OK && t < u->trips; t++) {
        const char *name = unroll_trip_name(u, t);
        st = name ? take_slices(u, states, scans, t, err) : work_out_of_memory(err);
        if (st == SL_OK)
            st = work_inline(u->w, u->body, name, u->in, u->out, err);
        for (size_t i = 0; st == SL_OK && i < states; i++)
            u->in[i] = u->out[i];
        for (size_t i = 0; st == SL_OK && i < gathered; i++)
            u->gathered[i * u->trips + t] = u->out[states + i];
    }
    for (size_t i = 0; st == SL_OK && i < states; i++)
        st = unroll_give(u, i, u->in[i], err);
    for (size_t i = 0; st == SL_OK && i < gathered; i++) {
        int axis = 0, rank = u->w->values[u->gathered[i * u->trips]].tensor.rank + 1;
        st = rule_axis(node_int(&u->node, "scan_output_axes", i, 0), rank, &axis, err);
        if (st == SL_OK)
            st = unroll_gather(u, i, states + i, axis,
                               node_int(&u->node, "scan_output_directions", i, 0) == 1, err);
    }
    return st;
}

/* What the rule would refuse is left to it. */
sl_status unroll_scan(struct unroll *u, size_t at, bool *done, sl_error *err) {
    const struct attr *attr = unroll_graph(&u->node, "body");
    const struct graph *g = attr ? attr->graph : NULL;
    int64_t scans = node_int(&u->node, "num_scan_inputs", 0, -1), length = -1;
    if (!g || scans < 1 || scans > attr->i || u->node.op->until == 8)
        return SL_OK;
    size_t states = (size_t)(attr->i - scans);
    u->attr = attr;
    if (g->input_count - g->taken_count != (size_t)attr->i || g->output_count < states)
        return SL_OK;
    for (size_t i = 0; i < (size_t)attr->i; i++) {
        int axis = 0;
        const struct work_value *value = u->node.in[i] == GRAPH_NONE ? NULL : &u->w->values[u->node.in[i]];
        if (!value || (value->bound && value->bound->dynamic))
            return SL_OK;
        if (i < states)
            continue;
        if (rule_axis(node_int(&u->node, "scan_input_axes", i - states, 0), value->tensor.rank, &axis,
                      NULL) != SL_OK ||
            (length >= 0 && value->tensor.dims[axis] != length))
            return SL_OK;
        length = value->tensor.dims[axis];
    }
    if (length < 1 || !unroll_is_small(u, g, (uint64_t)length) ||
        (length > UNROLL_FEW_TRIPS && unroll_is_good_as_step(u, at)))
        return SL_OK;
    if (!unroll_begin(u, attr, (size_t)length, g->output_count - states))
        return work_out_of_memory(err);
    *done = true;
    return add_trips(u, states, (size_t)scans, err);
}
