/* fold.c: every node's shapes, and the values of those that depend on constants and shapes only. All dims are
 * numbers by now, so the arithmetic that exporters write around Reshape and Slice disappears here. */
#include <string.h>

#include "graph/work.h"
#include "ops/quant.h"
#include "ops/rules.h"
#include "support/text.h"

#define MOST_DIM ((int64_t)1 << 48)            /* beyond any memory, and sums of two stay numbers */
#define MOST_BODIES 500000000u                 /* of what runs in graphs inside nodes: a second or so */
#define MOST_FLOPS ((uint64_t)20 * 1000000000) /* a constant that costs more is computed by the device */

sl_status work_in_node(const struct work *w, const struct work_node *node, sl_status st,
                       const sl_error *inner, sl_error *err) {
    return error_set(err, st, "cannot plan node '%s' (operator '%s') of model '%s': %s",
                     text_quote(node->name), node->op->name, text_quote(w->graph->path), inner->text);
}

sl_status work_check_shape(const sl_tensor *t, size_t i, sl_error *err) {
    size_t nbytes;
    for (int d = 0; d < t->rank; d++)
        if (t->dims[d] < 0 || t->dims[d] > MOST_DIM)
            return error_set(err, SL_E_MODEL, "output %zu would have a dim of %lld", i,
                             (long long)t->dims[d]);
    if (!sl_shape_nbytes(t->dtype, t->rank, t->dims, &nbytes))
        return error_set(err, SL_E_MODEL, "output %zu would be too large", i);
    return SL_OK;
}

static sl_status infer_node(struct work *w, struct work_node *node, sl_error *err) {
    sl_error inner = {0};
    sl_status st = bounds_infer(w, node, &inner);
    for (size_t i = 0; st == SL_OK && i < node->out_count; i++)
        if (node->out[i] != GRAPH_NONE)
            w->values[node->out[i]].known = true;
    return st == SL_OK ? SL_OK : work_in_node(w, node, st, &inner, err);
}

/* Shape and Size need their input's shape only. */
static bool is_constant(const struct work *w, const struct work_node *node) {
    if (!strcmp(node->op->domain, "") &&
        (!strcmp(node->op->name, "Shape") || !strcmp(node->op->name, "Size")))
        return !w->values[node->in[0]].bound || !w->values[node->in[0]].bound->dynamic;
    for (size_t i = 0; i < node->in_count; i++)
        if (node->in[i] != GRAPH_NONE && !w->values[node->in[i]].constant)
            return false;
    return true;
}

/* A constant under another shape: the same bytes. */
static bool fold_view(struct work *w, const struct work_node *node) {
    if (!node->op->view || node->out_count != 1 || node->out[0] == GRAPH_NONE)
        return false;
    w->values[node->out[0]].tensor.data = w->values[node->in[0]].tensor.data;
    return true;
}

/* False when it would take more memory or time than a file may ask for: then it stays a step. */
static bool is_worth_it(struct work *w, const struct work_node *node, const struct op_call *call) {
    size_t total = 0;
    for (size_t i = 0; i < node->out_count; i++)
        total += call->out[i] ? rule_nbytes(call->out[i]) : 0;
    if (total > w->folded_limit - w->budget->folded_nbytes || work_flops(node->op, call) > MOST_FLOPS ||
        work_body_cost(node->op, call) > MOST_BODIES)
        return false;
    w->budget->folded_nbytes += total;
    return true;
}

static sl_status fold_node(struct work *w, struct work_node *node, sl_error *err) {
    sl_error inner = {0};
    struct op_call call = work_call(w, node);
    if (!fold_view(w, node)) {
        if (!is_worth_it(w, node, &call))
            return SL_OK;
        for (size_t i = 0; i < node->out_count; i++)
            if (call.out[i] && !(call.out[i]->data = arena_alloc(w->arena, rule_nbytes(call.out[i]) + 1, 1)))
                return work_out_of_memory(err);
        size_t room = text_room(node->op, &call);
        if (room && !(call.text = arena_alloc(w->arena, room, 1)))
            return work_out_of_memory(err);
        sl_status st = reference_run_node(&call, node->op, &inner);
        if (st != SL_OK)
            return work_in_node(w, node, st, &inner, err);
    }
    for (size_t i = 0; i < node->out_count; i++)
        if (node->out[i] != GRAPH_NONE) {
            w->values[node->out[i]].constant = true;
            w->values[node->out[i]].bound = NULL;
        }
    node->dead = true;
    return SL_OK;
}

/* Weights in levels wait for the pass that makes operators over levels: few of them become numbers then. */
static bool is_waiting(const struct work *w, const struct work_node *node) {
    return w->options->int8 && !w->options->no_passes && !strcmp(node->op->name, "DequantizeLinear") &&
           (QUANT_BYTES & OPS_BIT(w->values[node->in[0]].tensor.dtype)) != 0;
}

static bool has_bodies(const struct work_node *node) {
    for (size_t i = 0; i < node->attr_count; i++)
        if (node->attrs[i].body)
            return true;
    return false;
}

/* One node: what it has inside first. */
static sl_status settle_node(struct work *w, size_t at, sl_error *err) {
    sl_status st = SL_OK;
    if (w->nodes[at].op->body_in) {
        st = work_unroll(w, at, err);
        if (st == SL_OK && !w->nodes[at].dead && !has_bodies(&w->nodes[at]))
            st = work_make_bodies(w, at, err);
    }
    if (st == SL_OK && !strcmp(w->nodes[at].op->name, "FlexAttention"))
        st = work_unfold_flex(w, at, err);
    if (st != SL_OK || w->nodes[at].dead)
        return st;
    struct work_node *node = &w->nodes[at];
    st = infer_node(w, node, err);
    if (st == SL_OK && !node->dead && is_constant(w, node) && !is_waiting(w, node))
        st = fold_node(w, node, err);
    return st;
}

sl_status work_infer_from(struct work *w, size_t from, sl_error *err) {
    sl_status st = SL_OK;
    w->unsorted = w->unsorted || from;
    size_t end = w->node_count; /* what takes a node's place comes behind, and is settled with it */
    for (size_t i = from; st == SL_OK && i < end; i++)
        st = settle_node(w, i, err);
    return st;
}

sl_status work_infer(struct work *w, sl_error *err) {
    sl_status st = work_infer_from(w, 0, err);
    return st == SL_OK && w->unsorted ? work_sort(w, err) : st;
}

sl_status work_fold_waiting(struct work *w, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < w->node_count; i++)
        if (!w->nodes[i].dead && is_constant(w, &w->nodes[i]))
            st = fold_node(w, &w->nodes[i], err);
    return st;
}
