/* contrib_attention.c: com.microsoft's Attention and MultiHeadAttention as ONNX's Attention of opset 23.
 * A mask becomes what it adds to the scores, the same finite number, so that a query whose keys are all
 * masked still gives the same. */
#include "graph/passes/contrib.h"

#include <string.h>

#include "ops/rules.h"

static const struct contrib_op unsqueeze = {.domain = "", .name = "Unsqueeze", .opset = 13};

/* Where a mask of int32 lets keys through: [batch] has the count of a row's keys, [batch, keys] and [batch,
 * queries, keys] have 1 for each that counts. */
static uint32_t read_mask(struct contrib *l, uint32_t mask, int64_t keys) {
    int64_t one = 1, dims[2] = {1, keys};
    int32_t zero = 0, *places = arena_alloc(l->w->arena, (size_t)keys, sizeof *places);
    if (contrib_tensor(l, mask)->rank > 1)
        return contrib_one(l, &(struct contrib_op){"", "Greater", 13, NULL, 0}, mask,
                           contrib_constant(l, SL_INT32, 0, NULL, &zero), GRAPH_NONE);
    if (!places) {
        l->status = work_out_of_memory(l->err);
        return GRAPH_NONE;
    }
    for (int64_t i = 0; i < keys; i++)
        places[i] = (int32_t)i;
    uint32_t counts =
        contrib_one(l, &unsqueeze, mask, contrib_constant(l, SL_INT64, 1, &one, &one), GRAPH_NONE);
    if (l->status != SL_OK)
        return GRAPH_NONE;
    return contrib_one(l, &(struct contrib_op){"", "Less", 13, NULL, 0},
                       contrib_constant(l, SL_INT32, 2, dims, places), counts, GRAPH_NONE);
}

/* What the mask adds to the scores. */
static uint32_t mask_to_bias(struct contrib *l, uint32_t mask, int64_t keys) {
    struct op_call call = contrib_call(l);
    float filter = op_attr_float(&call, "mask_filter_value", -10000), nothing = 0;
    int64_t axes[2] = {1, 2}, count = contrib_tensor(l, mask)->rank == 3 ? 1 : 2;
    uint32_t seen = read_mask(l, mask, keys), bias = GRAPH_NONE;
    uint32_t in[3] = {seen, contrib_constant(l, SL_FLOAT, 0, NULL, &nothing),
                      contrib_constant(l, SL_FLOAT, 0, NULL, &filter)};
    if (l->status == SL_OK)
        contrib_emit(l, &(struct contrib_op){"", "Where", 16, NULL, 0}, in, 3, &bias, 1);
    uint32_t at = l->status == SL_OK ? contrib_constant(l, SL_INT64, 1, &count, axes) : GRAPH_NONE;
    return l->status == SL_OK ? contrib_one(l, &unsqueeze, bias, at, GRAPH_NONE) : GRAPH_NONE;
}

static bool is_plain_mask(const struct contrib *l, uint32_t mask) {
    const sl_tensor *t = contrib_tensor(l, mask);
    int64_t batch = contrib_tensor(l, l->node->in[0])->dims[0];
    return !t || (t->dtype == SL_INT32 && t->rank >= 1 && t->rank <= 3 && t->dims[0] == batch);
}

/* ONNX's Attention over queries, keys and values of [batch, rows, heads * size]. */
static void attend(struct contrib *l, const uint32_t qkv[3], uint32_t mask, uint32_t score_bias) {
    struct op_call call = contrib_call(l);
    int64_t heads = op_attr_int(&call, "num_heads", 1);
    float scale = op_attr_float(&call, "scale", 0);
    struct attr attrs[4] = {
        {.name = "q_num_heads", .type = ATTR_INT, .i = heads},
        {.name = "kv_num_heads", .type = ATTR_INT, .i = heads},
        {.name = "is_causal", .type = ATTR_INT, .i = op_attr_int(&call, "unidirectional", 0) != 0},
        {.name = "scale", .type = ATTR_FLOAT, .f = scale}};
    uint32_t bias =
        mask == GRAPH_NONE ? score_bias : mask_to_bias(l, mask, contrib_tensor(l, qkv[1])->dims[1]);
    if (l->status == SL_OK && mask != GRAPH_NONE && score_bias != GRAPH_NONE)
        bias = contrib_one(l, &contrib_add, bias, score_bias, GRAPH_NONE);
    if (l->status == SL_OK)
        contrib_emit(l, &(struct contrib_op){"", "Attention", 23, attrs, scale != 0 ? 4 : 3},
                     (uint32_t[]){qkv[0], qkv[1], qkv[2], bias}, bias == GRAPH_NONE ? 3 : 4, l->node->out, 1);
}

bool contrib_attention(struct contrib *l) {
    const struct work_node *n = l->node;
    struct op_call call = contrib_call(l);
    const sl_tensor *w = contrib_tensor(l, n->in[1]);
    uint32_t bias = contrib_in(n, 2), mask = contrib_in(n, 3), qkv[3] = {GRAPH_NONE, GRAPH_NONE, GRAPH_NONE};
    if (contrib_in(n, 4) != GRAPH_NONE || contrib_in(n, 6) != GRAPH_NONE || contrib_has_out(n, 1) ||
        !is_plain_mask(l, mask))
        return false;
    const struct attr *given = op_attr(&call, "qkv_hidden_sizes");
    int64_t third = w->dims[1] / 3, sizes[3] = {third, third, third}, three = 3;
    if (given && given->type == ATTR_INTS && given->count == 3)
        memcpy(sizes, given->ints, sizeof sizes);
    uint32_t all = GRAPH_NONE;
    struct attr axis = {.name = "axis", .type = ATTR_INT, .i = 2};
    if (contrib_is_constant(l, n->in[1]) && (bias == GRAPH_NONE || contrib_is_constant(l, bias))) {
        contrib_emit(l, &(struct contrib_op){"sluice", "Linear", 1, NULL, 0},
                     (uint32_t[]){n->in[0], n->in[1], bias}, bias == GRAPH_NONE ? 2 : 3, &all, 1);
    } else {
        all = contrib_one(l, &(struct contrib_op){"", "MatMul", 13, NULL, 0}, n->in[0], n->in[1], GRAPH_NONE);
        if (bias != GRAPH_NONE)
            all = contrib_one(l, &contrib_add, all, bias, GRAPH_NONE);
    }
    uint32_t split = contrib_constant(l, SL_INT64, 1, &three, sizes);
    if (l->status != SL_OK)
        return true;
    contrib_emit(l, &(struct contrib_op){"", "Split", 13, &axis, 1}, (uint32_t[]){all, split}, 2, qkv, 3);
    if (l->status == SL_OK)
        attend(l, qkv, mask, contrib_in(n, 5));
    return true;
}

/* Columns [from, from + count) of the constant bias. */
static uint32_t part_of(struct contrib *l, uint32_t bias, int64_t from, int64_t count) {
    const float *data = contrib_tensor(l, bias)->data;
    return contrib_constant(l, SL_FLOAT, 1, &count, data + from);
}

/* Only three flat inputs: [batch, rows, heads * size]. */
bool contrib_heads(struct contrib *l) {
    const struct work_node *n = l->node;
    uint32_t bias = contrib_in(n, 3), mask = contrib_in(n, 4), qkv[3];
    int64_t from = 0;
    for (size_t i = 0; i < 3; i++)
        if ((qkv[i] = contrib_in(n, i)) == GRAPH_NONE || contrib_tensor(l, qkv[i])->rank != 3)
            return false;
    for (size_t i = 6; i < n->in_count; i++)
        if (n->in[i] != GRAPH_NONE)
            return false;
    if (contrib_has_out(n, 1) || contrib_has_out(n, 2) || contrib_has_out(n, 3) || !is_plain_mask(l, mask) ||
        (bias != GRAPH_NONE && !contrib_is_constant(l, bias)))
        return false;
    for (size_t i = 0; bias != GRAPH_NONE && l->status == SL_OK && i < 3; i++) {
        int64_t columns = contrib_tensor(l, qkv[i])->dims[2];
        uint32_t part = part_of(l, bias, from, columns);
        from += columns;
        if (l->status == SL_OK)
            qkv[i] = contrib_one(l, &contrib_add, qkv[i], part, GRAPH_NONE);
    }
    if (l->status == SL_OK)
        attend(l, qkv, mask, contrib_in(n, 5));
    return true;
}
