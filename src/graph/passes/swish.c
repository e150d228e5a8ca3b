/* swish.c: activations that exporters write as a product of x and a gate of x become one operator:
 * x sigmoid(a x) is Swish, x tanh(softplus(x)) Mish, x hardsigmoid(x) and x clip(x + 3, 0, 6) / 6 HardSwish;
 * clip(x + 3, 0, 6) / 6 alone is HardSigmoid. */
#include "graph/passes/match.h"
#include "graph/passes/passes.h"

enum gate { GATE_NONE, GATE_SWISH, GATE_MISH, GATE_HARD };

/* clip(x + 3, 0, 6): x, or GRAPH_NONE. */
static uint32_t read_clip(const struct match *m, uint32_t value) {
    const struct work_node *clip = match_single(m, value, "Clip");
    double low, high, three;
    uint32_t x;
    if (!clip)
        return GRAPH_NONE;
    if (clip->opset < 11) {
        low = (double)match_attr_float(clip, "min", 1);
        high = (double)match_attr_float(clip, "max", 1);
    } else if (!match_number(m, match_in(clip, 1), &low) || !match_number(m, match_in(clip, 2), &high)) {
        return GRAPH_NONE;
    }
    const struct work_node *sum = match_single(m, clip->in[0], "Add");
    bool fits = low == 0 && high == 6 && sum && match_with_number(m, sum, &x, &three) && three == 3;
    return fits ? x : GRAPH_NONE;
}

static enum gate gate_of(const struct match *m, uint32_t value, uint32_t x, double number, float *alpha) {
    const struct work_node *node;
    if ((node = match_single(m, value, "Sigmoid"))) {
        struct match_product p;
        match_product_of(m, node->in[0], &p);
        *alpha = (float)p.number;
        return number == 1 && p.count == 1 && p.values[0] == x ? GATE_SWISH : GATE_NONE;
    }
    if (number == 1 && (node = match_single(m, value, "Tanh")))
        return (node = match_single(m, node->in[0], "Softplus")) && node->in[0] == x ? GATE_MISH : GATE_NONE;
    if (number == 1 && (node = match_single(m, value, "HardSigmoid")))
        return node->in[0] == x && match_near((double)match_attr_float(node, "alpha", 0.2f), 1.0 / 6) &&
                       match_near((double)match_attr_float(node, "beta", 0.5f), 0.5)
                   ? GATE_HARD
                   : GATE_NONE;
    return match_near(number, 1.0 / 6) && read_clip(m, value) == x ? GATE_HARD : GATE_NONE;
}

static bool replace(struct match *m, struct work_node *node, uint32_t x, enum gate gate, float alpha) {
    struct attr attr = match_float("alpha", alpha);
    if (gate == GATE_SWISH)
        return match_rewrite(m, node, "", "Swish", 24, &x, 1) && match_set_attrs(m, node, NULL, &attr, 1);
    return match_rewrite(m, node, "", gate == GATE_MISH ? "Mish" : "HardSwish", 18, &x, 1) &&
           match_set_attrs(m, node, NULL, NULL, 0);
}

static bool rewrite(struct match *m, struct work_node *node) {
    struct match_product p;
    float alpha = 1;
    uint32_t x;
    match_product(m, node, &p);
    for (int i = 0; p.count == 2 && i < 2; i++) {
        x = p.values[i];
        enum gate gate = gate_of(m, p.values[1 - i], x, p.number, &alpha);
        if (gate != GATE_NONE && match_same_shape(m, x, node->out[0]))
            return replace(m, node, x, gate, alpha);
    }
    if (p.count != 1 || !match_near(p.number, 1.0 / 6))
        return true;
    x = read_clip(m, p.values[0]);
    const struct work_node *reader = match_reader(m, node->out[0]);
    if (x == GRAPH_NONE || !match_same_shape(m, x, node->out[0]) ||
        (reader && match_other(reader, x) != GRAPH_NONE))
        return true; /* with x it becomes HardSwish */
    struct attr attrs[] = {match_float("alpha", 1.0f / 6), match_float("beta", 0.5f)};
    return match_rewrite(m, node, "", "HardSigmoid", 6, &x, 1) && match_set_attrs(m, node, NULL, attrs, 2);
}

sl_status pass_swish(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = 0; ok && i < w->node_count; i++)
        if (match_is(&w->nodes[i], "Mul") || match_is(&w->nodes[i], "Div"))
            ok = rewrite(&m, &w->nodes[i]);
    return match_close(&m);
}
