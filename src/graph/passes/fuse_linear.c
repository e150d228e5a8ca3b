/* fuse_linear.c: MatMul and Gemm with constant weights take in what follows them and become sluice.Linear. A
 * reshape between the product and what follows that leaves the columns alone is moved in front of the product
 * first. */
#include <string.h>

#include "graph/passes/absorb.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

static bool is_linear(const struct work_node *node) {
    return !node->dead && !strcmp(node->op->domain, "sluice") && !strcmp(node->op->name, "Linear");
}

/* Reshape(a W) = Reshape(a) W when the last dim stays: the two nodes swap their places. */
static bool swap_with_view(struct match *m, struct work_node *product, struct work_node *view) {
    struct work *w = m->w;
    sl_tensor out = *match_tensor(m, view->out[0]), x = *match_tensor(m, product->in[0]);
    uint32_t middle = product->out[0], to[2] = {product->in[0], GRAPH_NONE}, in[3] = {middle};
    struct work_node was = *product;
    const char *name = view->name;
    out.dims[out.rank - 1] = x.dims[x.rank - 1];
    to[1] = match_add_ints(m, name, (size_t)out.rank, out.dims);
    for (size_t i = 1; i < was.in_count && i < 3; i++)
        in[i] = was.in[i];
    /* the view first: it reads the weights before the product lets them go */
    if (to[1] == GRAPH_NONE ||
        !match_rewrite(m, view, was.op->domain, was.op->name, was.opset, in, was.in_count) ||
        !match_set_attrs(m, view, &was, NULL, 0) || !match_rewrite(m, product, "", "Reshape", 14, to, 2) ||
        !match_set_attrs(m, product, NULL, NULL, 0))
        return false;
    product->name = name;
    view->name = was.name;
    rule_set(&w->values[middle].tensor, x.dtype, out.rank, out.dims);
    return true;
}

static bool is_movable_view(const struct match *m, const struct work_node *node, uint32_t product) {
    const sl_tensor *before = match_tensor(m, product), *after;
    if (!node || !node->op->view || *node->op->domain || node->in[0] != product || node->out_count != 1)
        return false;
    after = match_tensor(m, node->out[0]);
    return before->rank > 1 && after->rank > 1 && after->dtype == before->dtype &&
           after->dims[after->rank - 1] == before->dims[before->rank - 1];
}

/* A MatMul, or a Linear that was made before and has neither residual nor activation. */
static bool fuse_product(struct match *m, struct work_node *product) {
    struct absorb a;
    uint32_t weights = product->in[1];
    const sl_tensor *t = match_tensor(m, weights);
    bool ok = true, transposed = match_attr_int(product, "transB", 0) != 0;
    if (!match_is_constant(m, weights) || t->dtype != SL_FLOAT || t->rank != 2)
        return true;
    for (struct work_node *view; is_movable_view(m, view = match_reader(m, product->out[0]), product->out[0]);
         product = view)
        if (!swap_with_view(m, product, view))
            return false;
    struct attr attr = match_int("transB", transposed);
    if (absorb_begin(&a, m, product, match_tensor(m, product->out[0])->rank - 1, match_in(product, 2)) &&
        absorb_readers(&a))
        ok = match_set_attrs(m, product, NULL, &attr, 1) &&
             absorb_finish(&a, "Linear", product->in[0], weights, transposed ? 0 : 1);
    absorb_end(&a);
    return ok && m->status == SL_OK;
}

/* Gemm's own factors: alpha's is one of the columns, beta must leave the bias alone. It becomes a Linear even
 * when nothing follows, so that there is one kind of product. */
static bool fuse_gemm(struct match *m, struct work_node *product) {
    struct absorb a;
    uint32_t weights = product->in[1];
    bool transposed = match_attr_int(product, "transB", 0) != 0, ok = true;
    double alpha = (double)match_attr_float(product, "alpha", 1);
    if (!match_is_constant(m, weights) || match_tensor(m, weights)->dtype != SL_FLOAT ||
        match_attr_int(product, "transA", 0) ||
        (match_in(product, 2) != GRAPH_NONE && match_attr_float(product, "beta", 1) != 1))
        return true;
    if (absorb_begin(&a, m, product, 1, match_in(product, 2))) {
        for (int64_t c = 0; c < a.channels; c++)
            a.scale[c] = alpha;
        a.scaled = alpha != 1;
        struct attr attr = match_int("transB", transposed);
        absorb_readers(&a);
        ok = match_set_attrs(m, product, NULL, &attr, 1) &&
             absorb_finish(&a, "Linear", product->in[0], weights, transposed ? 0 : 1);
    }
    absorb_end(&a);
    return ok && m->status == SL_OK;
}

/* No activation yet, no residual. */
static bool is_open_linear(const struct work_node *node) {
    return is_linear(node) && match_in(node, 3) == GRAPH_NONE && match_attr_is(node, "activation", "", "");
}

sl_status pass_fuse_linear(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = w->node_count; ok && i-- > 0;) {
        if (match_is(&w->nodes[i], "MatMul") || is_open_linear(&w->nodes[i]))
            ok = fuse_product(&m, &w->nodes[i]);
        else if (match_is(&w->nodes[i], "Gemm"))
            ok = fuse_gemm(&m, &w->nodes[i]);
    }
    return match_close(&m);
}
