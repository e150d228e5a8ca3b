/* cuda_attention.c: ai.onnx Attention (which com.microsoft's Attention and MultiHeadAttention and those
 * spelled out become when the plan is made) and GroupQueryAttention, by attention.cu on tensor cores, or
 * attention_plain.cu; rows that have to be brought together or turned first by heads.cu. */
#include <math.h>
#include <string.h>

#include "infer/cuda/cuda_bound.h"
#include "ops/rules.h"

BOUND_LAUNCH(attention)
BOUND_LAUNCH(attention_plain)
BOUND_LAUNCH(heads)

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
static bool take_mask(struct cuda_match *m, struct k_attention *a, size_t in) {
    const sl_tensor *mask = m->call.in[in];
    int64_t step = 1;
    a->mask_type = bound_in_type(m, in);
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

/* ---- keys and values with those from before ---- */

/* Keys or values as attention reads them: an input as it is, or rows that heads.cu brings together, in an
 * output that is asked for or else in scratch. */
struct source {
    size_t in, past, out; /* inputs, and the output of all rows */
    bool gathered;
    size_t scratch;
    struct k_rows_at at;
};

static bool is_kept(const struct cuda_match *m, const struct source *s) {
    return bound_has_out(m, s->out);
}

/* Adds the launch that gathers `rows` rows of `size` numbers; `h` says what is done to the new ones. */
static bool gather(struct cuda_match *m, struct source *s, struct k_heads *h, int64_t offset) {
    int64_t size = h->size, rows = h->rows;
    h->at_x = s->at;
    h->at_past = (struct k_rows_at){h->heads * (int64_t)h->past_rows * size, h->past_rows * size, size};
    h->at_y = (struct k_rows_at){h->heads * rows * size, rows * size, size};
    struct cuda_bound *b = bound_add(m, launch_heads, h, sizeof *h);
    size_t nbytes = (size_t)(h->batches * (int64_t)h->heads * rows * size) * bound_type_nbytes(h->type);
    bool ok = bound_in(m, b, AT(k_heads, x), s->in, offset) &&
              (!h->past_rows || h->only_new || bound_in(m, b, AT(k_heads, past), s->past, 0));
    if (ok && !is_kept(m, s))
        s->scratch = bound_scratch(m, nbytes);
    s->at = h->at_y;
    s->gathered = true;
    return ok && (is_kept(m, s) ? bound_out(m, b, AT(k_heads, y), s->out, 0)
                                : bound_scratch_at(m, b, AT(k_heads, y), s->scratch));
}

static bool point(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct source *s,
                  int64_t offset) {
    return !s->gathered    ? bound_in(m, b, at, s->in, offset)
           : is_kept(m, s) ? bound_out(m, b, at, s->out, 0)
                           : bound_scratch_at(m, b, at, s->scratch);
}

static bool is_type(enum k_type type) {
    return type == K_F32 || type == K_F16 || type == K_BF16;
}

static struct cuda_bound *add_attention(struct cuda_match *m, const struct k_attention *a) {
    bool tensor =
        a->type != K_F32 && a->size <= 128 && a->v_size <= 128 && (a->type == K_F16 || m->host->arch >= 80);
    return bound_add(m, tensor ? launch_attention : launch_attention_plain, a, sizeof *a);
}

/* ---- ai.onnx ---- */

static bool take_past(struct cuda_match *m, struct k_attention *a, struct source *k, struct source *v) {
    struct source *const sources[] = {k, v};
    bool past = bound_has_in(m, IN_PAST_K);
    int32_t fresh = a->keys;
    k->at = a->at_k;
    v->at = a->at_v;
    a->past = past ? (int32_t)m->call.in[IN_PAST_K]->dims[2] : 0;
    a->shift = a->past;
    a->keys += a->past;
    for (int i = 0; i < 2; i++) {
        struct k_heads h = {.type = a->type,
                            .batches = a->batches,
                            .heads = a->kv_heads,
                            .rows = a->keys,
                            .fresh = fresh,
                            .past_rows = a->past,
                            .size = i ? a->v_size : a->size};
        if (past && bound_in_type(m, sources[i]->past) != a->type)
            return bound_refuse(m, "past rows of another dtype");
        if (is_kept(m, sources[i]) && bound_out_type(m, sources[i]->out) != a->type)
            return bound_refuse(m, "rows to keep in another dtype");
        if ((past || is_kept(m, sources[i])) && h.size && h.rows && !gather(m, sources[i], &h, 0))
            return false;
    }
    a->at_k = k->at;
    a->at_v = v->at;
    return true;
}

static bool match_attention(struct cuda_match *m, int detail) {
    struct k_attention a = {.type = bound_in_type(m, IN_Q),
                            .softcap = op_attr_float(&m->call, "softcap", 0),
                            .left = (int32_t)op_attr_int(&m->call, "left_window_size", -1),
                            .right = (int32_t)op_attr_int(&m->call, "right_window_size", -1)};
    struct source k = {.in = IN_K, .past = IN_PAST_K, .out = 1},
                  v = {.in = IN_V, .past = IN_PAST_V, .out = 2};
    (void)detail;
    if (op_attr(&m->call, "score_mod") || op_attr(&m->call, "prob_mod"))
        return bound_refuse(m, "graphs inside");
    if (bound_has_out(m, 3))
        return bound_refuse(m, "scores as an output");
    if (!is_type(a.type) || bound_in_type(m, IN_K) != a.type || bound_in_type(m, IN_V) != a.type ||
        bound_out_type(m, 0) != a.type)
        return bound_refuse(m, "attention of this dtype");
    if (!take_sizes(m, &a) || !take_past(m, &a, &k, &v))
        return false;
    if (op_attr_int(&m->call, "is_causal", 0) && (a.right < 0 || a.right > 0))
        a.right = 0;
    double fallback = a.size ? 1 / sqrt((double)a.size) : 1;
    a.scale = op_attr(&m->call, "scale") ? op_attr_float(&m->call, "scale", 1) : (float)fallback;
    if (bound_has_in(m, IN_MASK) && !take_mask(m, &a, IN_MASK))
        return false;
    if (!rule_count(m->call.out[0]))
        return true;
    struct cuda_bound *b = add_attention(m, &a);
    return bound_in(m, b, AT(k_attention, q), IN_Q, 0) && point(m, b, AT(k_attention, k), &k, 0) &&
           point(m, b, AT(k_attention, v), &v, 0) && bound_out(m, b, AT(k_attention, y), 0, 0) &&
           (!bound_has_in(m, IN_MASK) || bound_in(m, b, AT(k_attention, mask), IN_MASK, 0)) &&
           (!bound_has_in(m, IN_NONPAD) || bound_in(m, b, AT(k_attention, count), IN_NONPAD, 0));
}

/* ---- com.microsoft's GroupQueryAttention ---- */

enum {
    GROUP_PAST_K = 3,
    GROUP_LENS = 5,
    GROUP_TOTAL,
    GROUP_COS,
    GROUP_SIN,
    GROUP_POSITIONS,
    GROUP_BIAS,
    GROUP_SINK
};
enum { GROUP_Q_NORM = 14, GROUP_K_NORM };

struct group {
    struct k_attention a;
    struct k_heads heads; /* what all rows of this call have in common */
    struct source q, k, v;
    int64_t offset[3]; /* bytes: where queries, keys and values begin in their input */
    bool packed;
};

static bool group_types(struct cuda_match *m) {
    for (size_t i = 0; i < m->call.in_count; i++)
        if (bound_has_in(m, i) && i != GROUP_LENS && i != GROUP_TOTAL && i != GROUP_POSITIONS &&
            bound_in_type(m, i) != bound_in_type(m, 0))
            return bound_refuse(m, "inputs of different dtypes");
    return is_type(bound_in_type(m, 0)) || bound_refuse(m, "attention of this dtype");
}

/* How many rows of keys there are to be: as the operator says, or as the model asks for. */
static int64_t group_room(const struct cuda_match *m, int64_t past, int64_t fresh) {
    const sl_tensor *total = bound_const(m, GROUP_TOTAL);
    if (bound_has_out(m, 1))
        return m->call.out[1]->dims[2];
    int64_t said = total ? *(const int32_t *)total->data : past + fresh;
    return said > past ? said : past;
}

static void group_sizes(const struct cuda_match *m, struct group *g) {
    const sl_tensor *q = m->call.in[IN_Q];
    int64_t heads = op_attr_int(&m->call, "num_heads", 0), kv = op_attr_int(&m->call, "kv_num_heads", 0);
    g->packed = !bound_has_in(m, IN_K);
    int64_t size = q->dims[2] / (heads + (g->packed ? 2 * kv : 0)), rows = q->dims[1];
    int64_t past = bound_has_in(m, GROUP_PAST_K) ? m->call.in[GROUP_PAST_K]->dims[2] : 0;
    int64_t row[3] = {q->dims[2], g->packed ? q->dims[2] : kv * size, g->packed ? q->dims[2] : kv * size};
    struct source *const sources[] = {&g->q, &g->k, &g->v};
    int64_t nbytes = (int64_t)bound_type_nbytes(bound_in_type(m, 0)), before[3] = {0, heads, heads + kv};
    for (size_t i = 0; i < 3; i++) {
        *sources[i] = (struct source){.in = g->packed ? IN_Q : i,
                                      .past = i ? GROUP_PAST_K + i - 1 : SIZE_MAX,
                                      .out = i ? i : m->call.out_count,
                                      .at = {rows * row[i], size, row[i]}};
        g->offset[i] = g->packed ? before[i] * size * nbytes : 0;
    }
    g->a = (struct k_attention){.type = bound_in_type(m, 0),
                                .batches = (int32_t)q->dims[0],
                                .heads = (int32_t)heads,
                                .kv_heads = (int32_t)kv,
                                .queries = (int32_t)rows,
                                .keys = (int32_t)group_room(m, past, rows),
                                .size = (int32_t)size,
                                .v_size = (int32_t)size,
                                .past = (int32_t)past,
                                .at_y = {rows * heads * size, size, heads * size}};
}

static void group_attributes(const struct cuda_match *m, struct group *g) {
    float epsilon = op_attr_float(&m->call, "qk_norm_epsilon", 1e-6f), scale;
    bool turned = op_attr_int(&m->call, "do_rotary", 0) != 0;
    const sl_tensor *cos = turned ? m->call.in[GROUP_COS] : NULL;
    scale = op_attr_float(&m->call, "scale", 0);
    g->a.scale = scale != 0 ? scale : (float)(1 / sqrt((double)g->a.size));
    g->a.softcap = op_attr_float(&m->call, "softcap", 0);
    g->a.left = (int32_t)op_attr_int(&m->call, "local_window_size", -1);
    g->a.left -= g->a.left > 0; /* the query's own key counts */
    g->a.right = op_attr_int(&m->call, "causal", 1) ? 0 : -1;
    g->a.zero_sink = op_attr_int(&m->call, "smooth_softmax", 0) == 1;
    g->heads = (struct k_heads){.type = g->a.type,
                                .batches = g->a.batches,
                                .fresh = g->a.queries,
                                .past_rows = g->a.past,
                                .size = g->a.size,
                                .pairs = cos ? (int32_t)cos->dims[1] : 0,
                                .cache_rows = cos ? (int32_t)cos->dims[0] : 0,
                                .interleaved = op_attr_int(&m->call, "rotary_interleaved", 0) != 0,
                                .epsilon = epsilon};
}

/* Queries, keys or values gathered: turned and normalised, but for values. */
static bool group_gather(struct cuda_match *m, struct group *g, size_t which) {
    static const char *const epsilons[] = {"q_norm_epsilon", "k_norm_epsilon"};
    struct source *const sources[] = {&g->q, &g->k, &g->v};
    struct k_heads h = g->heads;
    size_t norm = GROUP_Q_NORM + which;
    bool turned = which < 2 && h.pairs, normed = which < 2 && bound_has_in(m, norm);
    h.heads = which ? g->a.kv_heads : g->a.heads;
    h.rows = which ? g->a.keys : g->a.queries;
    h.only_new = !which;
    if (normed)
        h.epsilon = op_attr_float(&m->call, epsilons[which], h.epsilon);
    if (!which && !turned && !normed)
        return true;
    if (!gather(m, sources[which], &h, g->offset[which]))
        return false;
    return bound_in(m, m->last, AT(k_heads, lengths), GROUP_LENS, 0) &&
           bound_in(m, m->last, AT(k_heads, total), GROUP_TOTAL, 0) &&
           (!normed || bound_in(m, m->last, AT(k_heads, norm), norm, 0)) &&
           (!turned || (bound_in(m, m->last, AT(k_heads, cos), GROUP_COS, 0) &&
                        bound_in(m, m->last, AT(k_heads, sin), GROUP_SIN, 0))) &&
           (!turned || !bound_has_in(m, GROUP_POSITIONS) ||
            bound_in(m, m->last, AT(k_heads, positions), GROUP_POSITIONS, 0));
}

static bool match_group(struct cuda_match *m, int detail) {
    struct group g;
    (void)detail;
    if (bound_has_out(m, 3))
        return bound_refuse(m, "scores as an output");
    if (op_attr_int(&m->call, "local_window_size", -1) == 0)
        return bound_refuse(m, "a window of no keys");
    if (!group_types(m))
        return false;
    group_sizes(m, &g);
    group_attributes(m, &g);
    if (g.a.size > 256)
        return bound_refuse(m, "heads of %d numbers (up to 256)", g.a.size);
    if (g.heads.cache_rows == 0 && g.heads.pairs)
        return bound_refuse(m, "caches of no positions");
    for (size_t i = 0; i < 3; i++)
        if (!group_gather(m, &g, i))
            return false;
    g.a.at_q = g.q.at;
    g.a.at_k = g.k.at;
    g.a.at_v = g.v.at;
    if (bound_has_in(m, GROUP_BIAS) && !take_mask(m, &g.a, GROUP_BIAS))
        return false;
    struct cuda_bound *b = add_attention(m, &g.a);
    return point(m, b, AT(k_attention, q), &g.q, g.offset[0]) && point(m, b, AT(k_attention, k), &g.k, 0) &&
           point(m, b, AT(k_attention, v), &g.v, 0) && bound_out(m, b, AT(k_attention, y), 0, 0) &&
           bound_in(m, b, AT(k_attention, lengths), GROUP_LENS, 0) &&
           bound_in(m, b, AT(k_attention, total), GROUP_TOTAL, 0) &&
           (!bound_has_in(m, GROUP_SINK) || bound_in(m, b, AT(k_attention, sink), GROUP_SINK, 0)) &&
           (!bound_has_in(m, GROUP_BIAS) || bound_in(m, b, AT(k_attention, mask), GROUP_BIAS, 0));
}

const struct bound_operator bound_attention[] = {
    {"", "Attention", match_attention, 0, false},
    {"ai.onnx.preview", "FlexAttention", match_attention, 0, false},
    {"com.microsoft", "GroupQueryAttention", match_group, 0, false},
    {NULL, NULL, NULL, 0, false}};
