/* hoist_scale.c: a factor or offset a channel behind a Transpose of a product (ConvNeXt's layer scale) moves
 * in front of it, where the product can take it in. The two nodes swap their places. */
#include <string.h>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

/* The only dim of the output along which the constant varies; -1: none or more than one. */
static int channel_dim(const sl_tensor *c, const sl_tensor *y) {
    int found = -1;
    for (int i = 0; i < c->rank; i++) {
        if (c->dims[i] == 1)
            continue;
        if (found >= 0 || c->rank > y->rank)
            return -1;
        found = y->rank - c->rank + i;
    }
    return found;
}

static bool is_product(const struct match *m, uint32_t value) {
    const struct work_node *node = match_single(m, value, NULL);
    return node && (match_is(node, "MatMul") || match_is(node, "Conv") ||
                    (!strcmp(node->op->domain, "sluice") && !strcmp(node->op->name, "Linear")));
}

static bool hoist(struct match *m, struct work_node *node) {
    for (size_t i = 0; i < 2; i++) {
        struct work_node *turn = match_single(m, node->in[i], "Transpose");
        uint32_t constant = node->in[1 - i];
        const struct attr *perm = turn && turn->attr_count == 1 ? &turn->attrs[0] : NULL;
        if (!perm || strcmp(perm->name, "perm") != 0 || !match_is_constant(m, constant) ||
            !match_same_shape(m, node->in[i], node->out[0]) || !is_product(m, turn->in[0]))
            continue;
        sl_tensor c = *match_tensor(m, constant);
        int dim = channel_dim(&c, match_tensor(m, node->out[0]));
        if (dim < 0 || c.dtype != SL_FLOAT)
            continue;
        sl_tensor x = *match_tensor(m, turn->in[0]);
        int64_t dims[SL_MAX_RANK];
        for (int d = 0; d < x.rank; d++)
            dims[d] = d == perm->ints[dim] ? x.dims[d] : 1;
        uint32_t moved = match_add_value(m, node->name, c.dtype, x.rank, dims);
        if (moved == GRAPH_NONE)
            return false;
        m->w->values[moved].tensor.data = c.data;
        m->w->values[moved].constant = true;
        struct work_node was = *turn, arithmetic = *node;
        uint32_t middle = turn->out[0], in[2];
        in[i] = was.in[0];
        in[1 - i] = moved;
        rule_set(&m->w->values[middle].tensor, x.dtype, x.rank, x.dims);
        return match_rewrite(m, node, "", "Transpose", was.opset, &middle, 1) &&
               match_set_attrs(m, node, &was, NULL, 0) &&
               match_rewrite(m, turn, "", arithmetic.op->name, arithmetic.opset, in, 2) &&
               match_set_attrs(m, turn, &arithmetic, NULL, 0);
    }
    return true;
}

sl_status pass_hoist_scale(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = 0; ok && i < w->node_count; i++)
        if (match_is(&w->nodes[i], "Mul") || match_is(&w->nodes[i], "Add") || match_is(&w->nodes[i], "Div") ||
            match_is(&w->nodes[i], "Sub"))
            ok = hoist(&m, &w->nodes[i]);
    return match_close(&m);
}
