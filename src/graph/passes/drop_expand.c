/* drop_expand.c: an operand that is expanded only to be broadcast anyway is read as it was; and of two Casts
 * in a row, where the first loses nothing, one stays. */
#include <string.h>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

static bool broadcasts(const struct work_node *node) {
    static const char *const names[] = {"Add",
                                        "Sub",
                                        "Mul",
                                        "Div",
                                        "Pow",
                                        "Max",
                                        "Min",
                                        "And",
                                        "Or",
                                        "Xor",
                                        "Equal",
                                        "Less",
                                        "LessOrEqual",
                                        "Sum",
                                        "Where",
                                        "Greater",
                                        "GreaterOrEqual",
                                        NULL};
    for (size_t i = 0; names[i]; i++)
        if (match_is(node, names[i]))
            return true;
    return false;
}

/* The shape that the node would have with `instead` as input i. */
static bool keeps_shape(const struct match *m, const struct work_node *node, size_t i, uint32_t instead) {
    sl_tensor shape = *match_tensor(m, i ? node->in[0] : instead);
    const sl_tensor *y = match_tensor(m, node->out[0]);
    for (size_t k = 1; k < node->in_count; k++)
        if (node->in[k] == GRAPH_NONE ||
            rule_broadcast(&shape, match_tensor(m, k == i ? instead : node->in[k]), &shape, NULL) != SL_OK)
            return false;
    return shape.rank == y->rank &&
           (!y->rank || !memcmp(shape.dims, y->dims, (size_t)y->rank * sizeof *y->dims));
}

static bool drop_expands(struct match *m, struct work_node *node) {
    for (size_t i = 0; i < node->in_count; i++) {
        const struct work_node *expand = match_maker(m, node->in[i], "Expand");
        uint32_t in[8];
        if (!expand || node->in_count > 8 || !keeps_shape(m, node, i, expand->in[0]))
            continue;
        memcpy(in, node->in, node->in_count * sizeof *in);
        in[i] = expand->in[0];
        if (!match_rewrite(m, node, "", node->op->name, node->opset, in, node->in_count))
            return false;
    }
    return true;
}

/* Whether every value of `from` is one of `to`. */
static bool is_wider(sl_dtype from, sl_dtype to) {
    static const sl_dtype orders[][5] = {{SL_BOOL, SL_UINT8, SL_INT16, SL_INT32, SL_INT64},
                                         {SL_BOOL, SL_INT8, SL_INT16, SL_INT32, SL_INT64},
                                         {SL_BOOL, SL_UINT8, SL_FLOAT16, SL_FLOAT, SL_DOUBLE},
                                         {SL_BOOL, SL_INT8, SL_BFLOAT16, SL_FLOAT, SL_DOUBLE}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        int a = -1, b = -1;
        for (int k = 0; k < 5; k++) {
            a = orders[i][k] == from ? k : a;
            b = orders[i][k] == to ? k : b;
        }
        if (a >= 0 && b > a)
            return true;
    }
    return false;
}

static bool merge_casts(struct match *m, struct work_node *node) {
    const struct work_node *first = match_maker(m, node->in[0], "Cast");
    if (!first || !is_wider(match_tensor(m, first->in[0])->dtype, match_tensor(m, node->in[0])->dtype))
        return true;
    uint32_t in = first->in[0];
    return match_rewrite(m, node, "", "Cast", node->opset, &in, 1);
}

sl_status pass_drop_expand(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = 0; ok && i < w->node_count; i++) {
        if (broadcasts(&w->nodes[i]))
            ok = drop_expands(&m, &w->nodes[i]);
        else if (match_is(&w->nodes[i], "Cast"))
            ok = merge_casts(&m, &w->nodes[i]);
    }
    return match_close(&m);
}
