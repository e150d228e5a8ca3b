/* cuda_attention.c: ai.onnx Attention (which com.microsoft's and those spelled out become when the plan is
 * made) by attention.cu on tensor cores, or attention_plain.cu. */
#include <math.h>
#include <string.h>

#include "infer/cuda/cuda_bound.h"
#include "ops/rules.h"

BOUND_LAUNCH(attention)
BOUND_LAUNCH(attention_plain)

#define AT(type, field) offsetof(struct type, field)

enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_K, IN_PAST_V, IN_NONPAD };

/* [batch, heads, rows, size], or [batch, rows, heads * size]. */
static struct k_rows_at rows_at(const sl_tensor *t, int64_t heads, int64_t size) {
    if (t->rank == 4)
        return (struct k_rows_at){t->dims[1] * t->dims[2] * size, t->dims[2] * size, size};
    return (struct k_rows_at){t->dims[1] * heads * size, size, heads * size};
}

static int64_t heads_of(const struct cuda_match *m, size_t i, const char *attr) {
    const sl_tensor *t = m->call.in[i];
    return t->rank == 4 ? t->dims[1] : op_attr_int(&m->call, attr, 1);
}

static int64_t size_of(const sl_tensor *t, int64_t heads) {
    return t->rank == 4 ? t->dims[3] : t->dims[2] / heads;
}

/* The mask's dims stand at the right of [batch, heads, queries, keys]. */
static bool take_mask(struct cuda_match *m, struct k_attention *a) {
    const sl_tensor *mask = m->call.in[IN_MASK];
    int64_t step = 1;
    a->mask_type = bound_in_type(m, IN_MASK);
    a->mask_columns = (int32_t)mask->dims[mask->rank - 1];
    for (int d = mask->rank - 1; d >= 0; d--) {
        a->mask_step[4 - mask->rank + d] = mask->dims[d] == 1 ? 0 : step;
        step *= mask->dims[d];
    }
    return true;
}

static bool take_sizes(struct cuda_match *m, struct k_attention *a) {
    const sl_tensor *q = m->call.in[IN_Q], *k = m->call.in[IN_K], *v = m->call.in[IN_V];
    int64_t heads = heads_of(m, IN_Q, "q_num_heads"), kv = heads_of(m, IN_K, "kv_num_heads");
    int64_t size = size_of(q, heads), v_size = size_of(v, kv);
    if (rule_count(q) > INT32_MAX || rule_count(k) > INT32_MAX || rule_count(v) > INT32_MAX)
        return bound_refuse(m, "a value of more than 2^31 elements");
    if (size > 256 || v_size > 256)
        return bound_refuse(m, "heads of %lld numbers (up to 256)",
                            (long long)(size > v_size ? size : v_size));
    a->batches = (int32_t)q->dims[0];
    a->heads = (int32_t)heads;
    a->kv_heads = (int32_t)kv;
    a->queries = (int32_t)q->dims[q->rank - 2];
    a->keys = (int32_t)k->dims[k->rank - 2];
    a->size = (int32_t)size;
    a->v_size = (int32_t)v_size;
    a->at_q = rows_at(q, heads, size);
    a->at_k = rows_at(k, kv, size);
    a->at_v = rows_at(v, kv, v_size);
    a->at_y = rows_at(m->call.out[0], heads, v_size);
    return true;
}

static bool match_attention(struct cuda_match *m, int detail) {
    struct k_attention a = {.type = bound_in_type(m, IN_Q),
                            .softcap = op_attr_float(&m->call, "softcap", 0),
                            .left = (int32_t)op_attr_int(&m->call, "left_window_size", -1),
                            .right = (int32_t)op_attr_int(&m->call, "right_window_size", -1)};
    (void)detail;
    if (op_attr(&m->call, "score_mod") || op_attr(&m->call, "prob_mod"))
        return bound_refuse(m, "graphs inside");
    if (bound_has_in(m, IN_PAST_K) || bound_has_out(m, 1) || bound_has_out(m, 2) || bound_has_out(m, 3))
        return bound_refuse(m, "past keys, or outputs beyond the first");
    if (!bound_is_real(a.type) || a.type == K_F64 || bound_in_type(m, IN_K) != a.type ||
        bound_in_type(m, IN_V) != a.type || bound_out_type(m, 0) != a.type)
        return bound_refuse(m, "attention of this dtype");
    if (!take_sizes(m, &a))
        return false;
    if (op_attr_int(&m->call, "is_causal", 0) && (a.right < 0 || a.right > 0))
        a.right = 0;
    double fallback = a.size ? 1 / sqrt((double)a.size) : 1;
    a.scale = op_attr(&m->call, "scale") ? op_attr_float(&m->call, "scale", 1) : (float)fallback;
    if (bound_has_in(m, IN_MASK) && !take_mask(m, &a))
        return false;
    if (!rule_count(m->call.out[0]))
        return true;
    bool tensor =
        a.type != K_F32 && a.size <= 128 && a.v_size <= 128 && (a.type == K_F16 || m->host->arch >= 80);
    struct cuda_bound *b = bound_add(m, tensor ? launch_attention : launch_attention_plain, &a, sizeof a);
    return bound_in(m, b, AT(k_attention, q), IN_Q, 0) && bound_in(m, b, AT(k_attention, k), IN_K, 0) &&
           bound_in(m, b, AT(k_attention, v), IN_V, 0) && bound_out(m, b, AT(k_attention, y), 0, 0) &&
           (!bound_has_in(m, IN_MASK) || bound_in(m, b, AT(k_attention, mask), IN_MASK, 0)) &&
           (!bound_has_in(m, IN_NONPAD) || bound_in(m, b, AT(k_attention, count), IN_NONPAD, 0));
}

const struct bound_operator bound_attention[] = {
    {"", "Attention", match_attention, 0, false},
    {"ai.onnx.preview", "FlexAttention", match_attention, 0, false},
    {NULL, NULL, NULL, 0, false}};
