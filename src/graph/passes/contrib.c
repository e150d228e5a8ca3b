/* contrib.c: operators of com.microsoft that ONNX Runtime's optimisers write, said again in the words that
 * the other passes and the devices know: Attention becomes sluice.Linear, Split and ONNX's Attention,
 * FusedConv sluice.Conv, SkipLayerNormalization sums and a LayerNormalization, and so on. What has no such
 * words (past rows, masks given as lengths, batches transposed) stays, and runs by its reference. Only f32.
 *
 * One node may become several, so the list of nodes is written anew. */
#include <math.h>
#include <string.h>

#include "graph/passes/contrib.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

static uint32_t failed(struct contrib *l) {
    if (l->status == SL_OK)
        l->status = work_out_of_memory(l->err);
    return GRAPH_NONE;
}

uint32_t contrib_in(const struct work_node *node, size_t i) {
    return i < node->in_count ? node->in[i] : GRAPH_NONE;
}

bool contrib_has_out(const struct work_node *node, size_t i) {
    return i < node->out_count && node->out[i] != GRAPH_NONE;
}

const sl_tensor *contrib_tensor(const struct contrib *l, uint32_t value) {
    return value == GRAPH_NONE ? NULL : &l->w->values[value].tensor;
}

bool contrib_is_constant(const struct contrib *l, uint32_t value) {
    return value != GRAPH_NONE && l->w->values[value].constant;
}

void contrib_emit(struct contrib *l, const struct contrib_op *op, const uint32_t *in, size_t in_count,
                  uint32_t *out, size_t out_count) {
    const struct op *found = op_find(op->domain, op->name, op->opset);
    struct attr *attrs = arena_alloc(l->w->arena, op->attr_count, sizeof *attrs);
    for (size_t i = 0; i < out_count; i++)
        if (out[i] == GRAPH_NONE && (out[i] = work_add_value(l->w, l->node->name)) == GRAPH_NONE)
            failed(l);
    struct work_node *node = found && attrs && l->status == SL_OK
                                 ? work_add_node(l->w, found, l->node->name, in_count, out_count)
                                 : NULL;
    if (!node) {
        failed(l);
        return;
    }
    if (op->attr_count)
        memcpy(attrs, op->attrs, op->attr_count * sizeof *attrs);
    node->attrs = attrs;
    node->attr_count = op->attr_count;
    node->opset = op->opset;
    memcpy(node->in, in, in_count * sizeof *in);
    memcpy(node->out, out, out_count * sizeof *out);
    struct op_call call = work_call(l->w, node);
    if (found->infer(&call, l->err) != SL_OK && l->status == SL_OK)
        l->status = SL_E_INTERNAL; /* the old node's rule let it pass: a fault of ours */
    for (size_t i = 0; i < out_count; i++)
        l->w->values[out[i]].known = true;
}

uint32_t contrib_one(struct contrib *l, const struct contrib_op *op, uint32_t a, uint32_t b, uint32_t out) {
    contrib_emit(l, op, (uint32_t[]){a, b}, b == GRAPH_NONE ? 1 : 2, &out, 1);
    return out;
}

uint32_t contrib_constant(struct contrib *l, sl_dtype dtype, int rank, const int64_t *dims,
                          const void *data) {
    uint32_t value = work_add_value(l->w, l->node->name);
    if (value == GRAPH_NONE)
        return failed(l);
    struct work_value *v = &l->w->values[value];
    rule_set(&v->tensor, dtype, rank, dims);
    v->known = v->constant = true;
    v->tensor.data = arena_alloc(l->w->arena, rule_nbytes(&v->tensor) + 1, 1);
    if (!v->tensor.data)
        return failed(l);
    memcpy(v->tensor.data, data, rule_nbytes(&v->tensor));
    return value;
}

/* ---- activations, products, convolutions ---- */

const struct contrib_op contrib_add = {.domain = "", .name = "Add", .opset = 14};

static bool lower_gelu(struct contrib *l, bool tanh_form) {
    struct attr attr = {.name = "approximate", .type = ATTR_STRING, .s = {"tanh", 4}};
    struct contrib_op gelu = {
        .domain = "", .name = "Gelu", .opset = 20, .attrs = &attr, .attr_count = tanh_form};
    uint32_t x = l->node->in[0], bias = contrib_in(l->node, 1);
    if (bias != GRAPH_NONE)
        x = contrib_one(l, &contrib_add, x, bias, GRAPH_NONE);
    contrib_one(l, &gelu, x, GRAPH_NONE, l->node->out[0]);
    return true;
}

static bool lower_quick_gelu(struct contrib *l) {
    struct op_call call = contrib_call(l);
    struct attr alpha = {.name = "alpha", .type = ATTR_FLOAT, .f = op_attr_float(&call, "alpha", 1.702f)};
    struct contrib_op swish = {.domain = "", .name = "Swish", .opset = 24, .attrs = &alpha, .attr_count = 1};
    contrib_one(l, &swish, l->node->in[0], GRAPH_NONE, l->node->out[0]);
    return true;
}

static bool lower_bias_add(struct contrib *l) {
    uint32_t sum = contrib_one(l, &contrib_add, l->node->in[0], l->node->in[1], GRAPH_NONE);
    contrib_one(l, &contrib_add, sum, l->node->in[2], l->node->out[0]);
    return true;
}

/* Attributes of a convolution, and the activation's numbers under sluice.Conv's names. */
static bool lower_fused_conv(struct contrib *l) {
    struct attr attrs[16];
    size_t count = 0;
    if (l->node->attr_count > 12)
        return false;
    for (size_t i = 0; i < l->node->attr_count; i++) {
        const struct attr *a = &l->node->attrs[i];
        if (strcmp(a->name, "activation_params") != 0) {
            attrs[count++] = *a;
            continue;
        }
        for (size_t k = 0; k < 2 && k < a->count && a->type == ATTR_FLOATS; k++)
            attrs[count++] =
                (struct attr){.name = k ? "beta" : "alpha", .type = ATTR_FLOAT, .f = a->floats[k]};
    }
    struct contrib_op conv = {
        .domain = "sluice", .name = "Conv", .opset = 1, .attrs = attrs, .attr_count = count};
    contrib_emit(l, &conv, l->node->in, l->node->in_count, l->node->out, 1);
    return true;
}

static uint32_t transpose_last(struct contrib *l, uint32_t value) {
    int rank = contrib_tensor(l, value)->rank;
    int64_t *perm = arena_alloc(l->w->arena, (size_t)rank, sizeof *perm);
    if (!perm)
        return failed(l);
    for (int i = 0; i < rank; i++)
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    struct attr attr = {.name = "perm", .type = ATTR_INTS, .count = (size_t)rank, .ints = perm};
    return contrib_one(l, &(struct contrib_op){"", "Transpose", 13, &attr, 1}, value, GRAPH_NONE, GRAPH_NONE);
}

static bool lower_matmul(struct contrib *l) {
    struct op_call call = contrib_call(l);
    uint32_t a = l->node->in[0], b = l->node->in[1], out = l->node->out[0], product = GRAPH_NONE;
    const sl_tensor *x = contrib_tensor(l, a), *w = contrib_tensor(l, b);
    float alpha = op_attr_float(&call, "alpha", 1);
    bool ta = op_attr_int(&call, "transA", 0) && x->rank > 1,
         tb = op_attr_int(&call, "transB", 0) && w->rank > 1;
    if (op_attr_int(&call, "transBatchA", 0) || op_attr_int(&call, "transBatchB", 0) ||
        (ta && contrib_is_constant(l, a)) || (tb && contrib_is_constant(l, b) && w->rank != 2))
        return false;
    a = ta ? transpose_last(l, a) : a;
    product = alpha == 1 ? out : GRAPH_NONE;
    if (l->status != SL_OK)
        return true;
    if (tb && contrib_is_constant(l, b)) {
        struct attr attr = {.name = "transB", .type = ATTR_INT, .i = 1};
        product = contrib_one(l, &(struct contrib_op){"sluice", "Linear", 1, &attr, 1}, a, b, product);
    } else {
        b = tb ? transpose_last(l, b) : b;
        product = contrib_one(l, &(struct contrib_op){"", "MatMul", 13, NULL, 0}, a, b, product);
    }
    if (alpha != 1)
        contrib_one(l, &(struct contrib_op){"", "Mul", 14, NULL, 0}, product,
                    contrib_constant(l, SL_FLOAT, 0, NULL, &alpha), out);
    return true;
}

/* ---- normalisations ---- */

/* Sums, then the norm of them. `simplified` has no offset, and its bias one place earlier. */
static bool lower_skip(struct contrib *l, bool simplified) {
    const struct work_node *n = l->node;
    struct op_call call = contrib_call(l);
    uint32_t bias = contrib_in(n, simplified ? 3 : 4), beta = simplified ? GRAPH_NONE : contrib_in(n, 3);
    struct attr epsilon = {
        .name = "epsilon", .type = ATTR_FLOAT, .f = op_attr_float(&call, "epsilon", 1e-12f)};
    struct contrib_op norm = {.domain = "",
                              .name = simplified ? "RMSNormalization" : "LayerNormalization",
                              .opset = 23,
                              .attrs = &epsilon,
                              .attr_count = 1};
    if (contrib_has_out(n, 1) || contrib_has_out(n, 2))
        return false;
    uint32_t sum = contrib_has_out(n, 3) ? n->out[3] : GRAPH_NONE, x = n->in[0];
    if (bias != GRAPH_NONE)
        x = contrib_one(l, &contrib_add, x, bias, GRAPH_NONE);
    sum = contrib_one(l, &contrib_add, x, n->in[1], sum);
    contrib_emit(l, &norm, (uint32_t[]){sum, n->in[2], beta}, beta == GRAPH_NONE ? 2 : 3, n->out, 1);
    return true;
}

static bool lower_simplified(struct contrib *l) {
    struct op_call call = contrib_call(l);
    const sl_tensor *x = contrib_tensor(l, l->node->in[0]), *scale = contrib_tensor(l, l->node->in[1]);
    struct attr attrs[] = {
        {.name = "epsilon", .type = ATTR_FLOAT, .f = op_attr_float(&call, "epsilon", 1e-5f)},
        {.name = "axis", .type = ATTR_INT, .i = op_attr_int(&call, "axis", -1)}};
    int64_t dims = attrs[1].i < 0 ? -attrs[1].i : x->rank - attrs[1].i;
    if (contrib_has_out(l->node, 1) || scale->rank != dims)
        return false;
    contrib_one(l, &(struct contrib_op){"", "RMSNormalization", 23, attrs, 2}, l->node->in[0], l->node->in[1],
                l->node->out[0]);
    return true;
}

/* ---- the list ---- */

static bool lower(struct contrib *l) {
    const char *name = l->node->op->name;
    if (!*l->node->op->domain)
        return !strcmp(name, "SimplifiedLayerNormalization") && lower_simplified(l);
    if (!strcmp(name, "Gelu") || !strcmp(name, "BiasGelu"))
        return lower_gelu(l, false);
    if (!strcmp(name, "FastGelu"))
        return lower_gelu(l, true);
    if (!strcmp(name, "QuickGelu"))
        return lower_quick_gelu(l);
    if (!strcmp(name, "BiasAdd"))
        return lower_bias_add(l);
    if (!strcmp(name, "FusedConv"))
        return lower_fused_conv(l);
    if (!strcmp(name, "FusedMatMul") || !strcmp(name, "TransposeMatMul"))
        return lower_matmul(l);
    if (!strcmp(name, "SkipLayerNormalization"))
        return lower_skip(l, false);
    if (!strcmp(name, "SkipSimplifiedLayerNormalization"))
        return lower_skip(l, true);
    if (!strcmp(name, "Attention"))
        return contrib_attention(l);
    return !strcmp(name, "MultiHeadAttention") && contrib_heads(l);
}

static bool is_candidate(const struct work *w, const struct work_node *node) {
    bool ours = !strcmp(node->op->domain, "com.microsoft") ||
                (!*node->op->domain && !strcmp(node->op->name, "SimplifiedLayerNormalization"));
    return ours && !node->dead && node->in_count && node->in[0] != GRAPH_NONE && node->out_count &&
           node->out[0] != GRAPH_NONE && w->values[node->in[0]].tensor.dtype == SL_FLOAT &&
           w->values[node->out[0]].tensor.dtype == SL_FLOAT;
}

sl_status pass_contrib(struct work *w, sl_error *err) {
    struct contrib l = {.w = w, .err = err};
    size_t count = w->node_count, found = 0;
    for (size_t i = 0; i < count; i++)
        found += is_candidate(w, &w->nodes[i]);
    if (!found)
        return SL_OK;
    struct work_node *old = arena_alloc(w->arena, count, sizeof *old);
    if (!old)
        return work_out_of_memory(err);
    memcpy(old, w->nodes, count * sizeof *old);
    w->node_count = 0;
    for (size_t i = 0; l.status == SL_OK && i < count; i++) {
        l.node = &old[i];
        if (is_candidate(w, l.node) && lower(&l))
            continue;
        struct work_node *node = work_add_node(w, old[i].op, old[i].name, 0, 0);
        if (!node)
            return work_out_of_memory(err);
        *node = old[i];
    }
    return l.status;
}
