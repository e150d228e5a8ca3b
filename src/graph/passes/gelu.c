/* gelu.c: GELU as exporters spell it out, 0.5 x (1 + erf(x / sqrt 2)) and the tanh form, in any order of the
 * factors, becomes Gelu. */
#include "graph/passes/match.h"
#include "graph/passes/passes.h"

#define SQRT_HALF 0.70710678118654752
#define TANH_SCALE 0.79788456080286536 /* sqrt(2 / pi) */
#define TANH_CUBIC 0.044715

static bool is_power(const struct match_product *p, uint32_t x, int power) {
    for (int i = 0; i < p->count; i++)
        if (p->values[i] != x)
            return false;
    return p->count == power;
}

/* x / sqrt(2) */
static bool is_erf_argument(const struct match *m, uint32_t value, uint32_t x) {
    struct match_product p;
    match_product_of(m, value, &p);
    return is_power(&p, x, 1) && match_near(p.number, SQRT_HALF);
}

/* 0.044715 x^power */
static bool is_cubic_term(const struct match *m, uint32_t value, uint32_t x, int power) {
    struct match_product p;
    match_product_of(m, value, &p);
    return is_power(&p, x, power) && match_near(p.number, TANH_CUBIC);
}

/* sqrt(2 / pi) (x + 0.044715 x^3), or sqrt(2 / pi) x (1 + 0.044715 x^2) */
static bool is_tanh_argument(const struct match *m, uint32_t value, uint32_t x) {
    struct match_product p;
    double one;
    uint32_t rest;
    match_product_of(m, value, &p);
    if (!match_near(p.number, TANH_SCALE) || p.count < 1 || p.count > 2)
        return false;
    if (p.count == 1) {
        const struct work_node *sum = match_single(m, p.values[0], "Add");
        rest = sum ? match_other(sum, x) : GRAPH_NONE;
        return rest != GRAPH_NONE && is_cubic_term(m, rest, x, 3);
    }
    const struct work_node *sum = match_single(m, p.values[p.values[0] == x], "Add");
    return (p.values[0] == x || p.values[1] == x) && sum && match_with_number(m, sum, &rest, &one) &&
           match_near(one, 1) && is_cubic_term(m, rest, x, 2);
}

/* 1 + erf(...) or 1 + tanh(...); 0 when neither. */
static int form_of(const struct match *m, uint32_t value, uint32_t x) {
    double one;
    uint32_t rest;
    const struct work_node *sum = match_single(m, value, "Add"), *curve;
    if (!sum || !match_with_number(m, sum, &rest, &one) || !match_near(one, 1))
        return 0;
    if ((curve = match_single(m, rest, "Erf")))
        return is_erf_argument(m, curve->in[0], x) ? 1 : 0;
    if ((curve = match_single(m, rest, "Tanh")))
        return is_tanh_argument(m, curve->in[0], x) ? 2 : 0;
    return 0;
}

static bool rewrite(struct match *m, struct work_node *node) {
    struct match_product p;
    match_product(m, node, &p);
    if (p.count != 2 || !match_near(p.number, 0.5))
        return true;
    for (int i = 0; i < 2; i++) {
        uint32_t x = p.values[i];
        int form = form_of(m, p.values[1 - i], x);
        if (!form || !match_same_shape(m, x, node->out[0]))
            continue;
        struct attr approximate = match_text("approximate", form == 2 ? "tanh" : "none");
        return match_rewrite(m, node, "", "Gelu", 20, &x, 1) &&
               match_set_attrs(m, node, NULL, &approximate, 1);
    }
    return true;
}

sl_status pass_gelu(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = 0; ok && i < w->node_count; i++)
        if (match_is(&w->nodes[i], "Mul") || match_is(&w->nodes[i], "Div"))
            ok = rewrite(&m, &w->nodes[i]);
    return match_close(&m);
}
