/* attention_group.c: GroupQueryAttention of com.microsoft: several query heads share a key head, keys and
 * queries are turned by their positions, and rows of a batch have lengths of their own (seqlens_k holds the
 * number of keys less one). Past rows that a record has not filled are not looked at. */
#include <math.h>

#include "ops/attention_ms.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

enum {
    IN_Q,
    IN_K,
    IN_V,
    IN_PAST_K,
    IN_PAST_V,
    IN_LENS,
    IN_TOTAL,
    IN_COS,
    IN_SIN,
    IN_POSITIONS,
    IN_SCORE_BIAS,
    IN_SINK,
    IN_K_SCALE,
    IN_V_SCALE,
    IN_Q_NORM,
    IN_K_NORM,
    IN_QUERY_LENS
};

struct group {
    struct ms_attention a; /* first: the callbacks see it */
    int64_t room;          /* rows of the present keys */
    int64_t window;        /* keys a query sees, its own included; -1: all */
    bool packed, rotates, interleaved;
    double epsilon[2]; /* of the norms of queries and keys */
};

static sl_status misfit(size_t input, sl_error *err) {
    return error_set(err, SL_E_MODEL, "input %zu does not fit the others", input);
}

static sl_status refuse_rare(const struct op_call *call, sl_error *err) {
    if (op_has_in(call, IN_K_SCALE) || op_has_in(call, IN_V_SCALE) || op_has_in(call, IN_QUERY_LENS) ||
        op_attr_int(call, "sliding_window_cache", 0) || op_attr_int(call, "kv_cache_bit_width", 0))
        return error_set(err, SL_E_MODEL, "quantised and sliding caches are not known here");
    return SL_OK;
}

static sl_status check_dtypes(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++) {
        if (!op_has_in(call, i))
            continue;
        bool count = i == IN_LENS || i == IN_TOTAL;
        st = rule_dtype(call, i,
                        count               ? OPS_BIT(SL_INT32)
                        : i == IN_POSITIONS ? OPS_BIT(SL_INT64)
                                            : OPS_REALS,
                        err);
        if (st == SL_OK && !count && i != IN_POSITIONS)
            st = rule_same_dtype(call, 0, i, err);
    }
    return st;
}

static sl_status read_sizes(const struct op_call *call, struct group *g, sl_error *err) {
    struct ms_attention *a = &g->a;
    const sl_tensor *q = call->in[IN_Q];
    a->heads = op_attr_int(call, "num_heads", 0);
    a->kv_heads = op_attr_int(call, "kv_num_heads", 0);
    if (a->heads < 1 || a->kv_heads < 1 || a->heads % a->kv_heads || q->rank != 3)
        return error_set(err, SL_E_MODEL, "%lld heads do not share %lld", (long long)a->heads,
                         (long long)a->kv_heads);
    a->batch = q->dims[0];
    a->queries = a->fresh = q->dims[1];
    g->packed = !op_has_in(call, IN_K);
    int64_t heads = a->heads + (g->packed ? 2 * a->kv_heads : 0);
    if (q->dims[2] % heads || op_has_in(call, IN_K) != op_has_in(call, IN_V))
        return misfit(IN_Q, err);
    a->size = a->v_size = q->dims[2] / heads;
    for (size_t i = IN_K; !g->packed && i <= IN_V; i++) {
        const sl_tensor *t = call->in[i];
        if (t->rank != 3 || t->dims[0] != a->batch || t->dims[1] != a->fresh ||
            t->dims[2] != a->kv_heads * a->size)
            return misfit(i, err);
    }
    return SL_OK;
}

static sl_status read_past_rows(const struct op_call *call, struct group *g, sl_error *err) {
    struct ms_attention *a = &g->a;
    if (op_has_in(call, IN_PAST_K) != op_has_in(call, IN_PAST_V))
        return misfit(IN_PAST_V, err);
    for (size_t i = IN_PAST_K; op_has_in(call, IN_PAST_K) && i <= IN_PAST_V; i++) {
        const sl_tensor *t = call->in[i];
        if (t->rank != 4 || t->dims[0] != a->batch || t->dims[1] != a->kv_heads || t->dims[3] != a->size ||
            t->dims[2] != call->in[IN_PAST_K]->dims[2])
            return misfit(i, err);
        a->past = t->dims[2];
    }
    /* how many rows there are after this call; where the model does not say it, as many as there can be */
    const sl_tensor *total = call->in[IN_TOTAL];
    if (rule_count(total) != 1)
        return misfit(IN_TOTAL, err);
    if (call->state) { /* it runs: the total is one of the records' by now, the room is what was planned */
        g->room = *(const int64_t *)call->state;
        return SL_OK;
    }
    int64_t said = total->data ? *(const int32_t *)total->data : a->past + a->fresh;
    g->room = said > a->past ? said : a->past;
    if (g->room > a->past + a->fresh || g->room < a->fresh)
        return error_set(err, SL_E_MODEL, "a total of %lld rows does not come from %lld and %lld",
                         (long long)said, (long long)a->past, (long long)a->fresh);
    return rule_vector(call, IN_LENS, a->batch, err);
}

static sl_status check_rotation(const struct op_call *call, const struct group *g, sl_error *err) {
    const sl_tensor *cos = op_has_in(call, IN_COS) ? call->in[IN_COS] : NULL,
                    *sin = op_has_in(call, IN_SIN) ? call->in[IN_SIN] : NULL;
    if (!g->rotates)
        return SL_OK;
    if (!cos || !sin || cos->rank != 2 || sin->rank != 2 || cos->dims[0] != sin->dims[0] ||
        cos->dims[1] != sin->dims[1] || 2 * cos->dims[1] > g->a.size || cos->dims[0] < 1)
        return misfit(IN_COS, err);
    const sl_tensor *p = op_has_in(call, IN_POSITIONS) ? call->in[IN_POSITIONS] : NULL;
    if (p && (p->rank != 2 || p->dims[0] != g->a.batch || p->dims[1] != g->a.queries))
        return misfit(IN_POSITIONS, err);
    return SL_OK;
}

static sl_status check_score_bias(const struct op_call *call, const struct group *g, sl_error *err) {
    const struct ms_attention *a = &g->a;
    const sl_tensor *s = a->score_bias;
    if (s &&
        (s->rank != 4 || (s->dims[0] != 1 && s->dims[0] != a->batch) ||
         (s->dims[1] != 1 && s->dims[1] != a->heads) || s->dims[2] != a->queries || s->dims[3] < g->room))
        return misfit(IN_SCORE_BIAS, err);
    if (op_has_in(call, IN_SINK))
        return rule_vector(call, IN_SINK, a->heads, err);
    return SL_OK;
}

static sl_status read_group(const struct op_call *call, struct group *g, sl_error *err) {
    float epsilon = op_attr_float(call, "qk_norm_epsilon", 1e-6f);
    *g = (struct group){.a = {.call = call,
                              .score_bias = op_has_in(call, IN_SCORE_BIAS) ? call->in[IN_SCORE_BIAS] : NULL,
                              .causal = op_attr_int(call, "causal", 1) != 0},
                        .window = op_attr_int(call, "local_window_size", -1),
                        .rotates = op_attr_int(call, "do_rotary", 0) != 0,
                        .interleaved = op_attr_int(call, "rotary_interleaved", 0) != 0,
                        .epsilon = {(double)op_attr_float(call, "q_norm_epsilon", epsilon),
                                    (double)op_attr_float(call, "k_norm_epsilon", epsilon)}};
    sl_status st = refuse_rare(call, err);
    if (st == SL_OK)
        st = check_dtypes(call, err);
    if (st == SL_OK && (!op_has_in(call, IN_LENS) || !op_has_in(call, IN_TOTAL)))
        st = misfit(IN_LENS, err);
    if (st == SL_OK)
        st = read_sizes(call, g, err);
    if (st == SL_OK)
        st = read_past_rows(call, g, err);
    if (st == SL_OK)
        st = check_rotation(call, g, err);
    for (size_t i = IN_Q_NORM; st == SL_OK && i <= IN_K_NORM; i++)
        if (op_has_in(call, i))
            st = rule_vector(call, i, g->a.size, err);
    return st == SL_OK ? check_score_bias(call, g, err) : st;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    struct group g;
    sl_status st = read_group(call, &g, err);
    if (st != SL_OK)
        return st;
    const struct ms_attention *a = &g.a;
    sl_dtype dtype = call->in[0]->dtype;
    rule_set(call->out[0], dtype, 3, (int64_t[]){a->batch, a->queries, a->heads * a->size});
    for (size_t i = 1; i < 3; i++)
        if (op_has_out(call, i))
            rule_set(call->out[i], dtype, 4, (int64_t[]){a->batch, a->kv_heads, g.room, a->size});
    if (op_has_out(call, 3))
        rule_set(call->out[3], dtype, 4, (int64_t[]){a->batch, a->heads, a->queries, g.room});
    return SL_OK;
}

static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    struct group g;
    int64_t *room = arena_alloc(arena, 1, sizeof *room);
    sl_status st =
        room ? read_group(call, &g, err) : error_set(err, SL_E_MEMORY, "out of memory for the plan");
    if (st != SL_OK)
        return st;
    *room = g.room;
    prepared->state = room;
    prepared->scratch_nbytes = attend_nbytes(g.room, g.a.size, g.a.size);
    return SL_OK;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
    return x < low ? low : x > high ? high : x;
}

/* Keys a row of the batch has, and how many of them came before this call. */
static int64_t keys_of(const struct group *g, int64_t b) {
    return clamp((int64_t)((const int32_t *)g->a.call->in[IN_LENS]->data)[b] + 1, 0, g->room);
}

static int64_t past_of(const struct group *g, int64_t b) {
    int64_t total = *(const int32_t *)g->a.call->in[IN_TOTAL]->data;
    return total == g->a.queries ? 0 : clamp(keys_of(g, b) - g->a.fresh, 0, g->a.past);
}

static void normalise(const sl_tensor *weight, double epsilon, int64_t n, double *row) {
    double squares = 0;
    for (int64_t d = 0; d < n; d++)
        squares += row[d] * row[d];
    double inverse = 1 / sqrt(squares / (double)n + epsilon);
    for (int64_t d = 0; d < n; d++)
        row[d] *= inverse * element_real(weight->dtype, weight->data, d);
}

/* Row i of this call's queries or keys, turned. */
static void turn(const struct group *g, int64_t b, int64_t i, double *row) {
    const struct op_call *call = g->a.call;
    if (!g->rotates)
        return;
    const sl_tensor *cos = call->in[IN_COS], *sin = call->in[IN_SIN];
    int64_t position = op_has_in(call, IN_POSITIONS)
                           ? ((const int64_t *)call->in[IN_POSITIONS]->data)[b * g->a.queries + i]
                           : past_of(g, b) + i;
    int64_t half = cos->dims[1], from = clamp(position, 0, cos->dims[0] - 1) * half;
    for (int64_t d = 0; d < half; d++) {
        int64_t one = g->interleaved ? 2 * d : d, other = g->interleaved ? 2 * d + 1 : half + d;
        double c = element_real(cos->dtype, cos->data, from + d);
        double s = element_real(sin->dtype, sin->data, from + d);
        double x = row[one], y = row[other];
        row[one] = c * x - s * y;
        row[other] = s * x + c * y;
    }
}

/* Head `head` of row i of one of the fresh inputs; packed, they follow each other in every row. */
static void read_fresh(const struct group *g, size_t input, int64_t b, int64_t head, int64_t i, double *row) {
    const struct ms_attention *a = &g->a;
    const sl_tensor *t = a->call->in[g->packed ? IN_Q : input];
    int64_t before = g->packed && input > IN_Q ? a->heads + (int64_t)(input - IN_K) * a->kv_heads : 0;
    attend_load(t, (b * a->queries + i) * t->dims[2] + (before + head) * a->size, 1, a->size, row);
}

static void read_query(const void *owner, int64_t b, int64_t head, int64_t i, double *row) {
    const struct group *g = owner;
    read_fresh(g, IN_Q, b, head, i, row);
    if (op_has_in(g->a.call, IN_Q_NORM))
        normalise(g->a.call->in[IN_Q_NORM], g->epsilon[0], g->a.size, row);
    turn(g, b, i, row);
}

static void read_row(const struct group *g, size_t input, int64_t b, int64_t head, int64_t j, double *row) {
    const struct ms_attention *a = &g->a;
    int64_t past = past_of(g, b), n = a->size, line = b * a->kv_heads + head;
    size_t out = input - IN_K + 1;
    if (j < past) {
        attend_load(a->call->in[input + 2], (line * a->past + j) * n, 1, n, row);
    } else if (j < past + a->fresh) {
        read_fresh(g, input, b, head, j - past, row);
        if (input == IN_K && op_has_in(a->call, IN_K_NORM))
            normalise(a->call->in[IN_K_NORM], g->epsilon[1], n, row);
        if (input == IN_K)
            turn(g, b, j - past, row);
    } else {
        for (int64_t d = 0; d < n; d++)
            row[d] = 0;
    }
    if (op_has_out(a->call, out))
        attend_save(a->call->out[out], (line * g->room + j) * n, n, row);
}

static void read_key(const void *owner, int64_t b, int64_t head, int64_t j, double *row) {
    read_row(owner, IN_K, b, head, j, row);
}

static void read_value(const void *owner, int64_t b, int64_t head, int64_t j, double *row) {
    read_row(owner, IN_V, b, head, j, row);
}

static double read_bias(const void *owner, int64_t b, int64_t head, int64_t i, int64_t j) {
    const struct group *g = owner;
    const sl_tensor *s = g->a.score_bias;
    int64_t position = past_of(g, b) + i;
    if (j >= keys_of(g, b) || (g->a.causal && j > position) || (g->window >= 0 && j <= position - g->window))
        return -(double)INFINITY;
    return s ? element_real(s->dtype, s->data, attend_mask_at(s, b, head, i, j)) : 0;
}

/* An extra term in the softmax: one for each head, or zero for all. */
static double read_sink(const void *owner, int64_t head) {
    const struct group *g = owner;
    const sl_tensor *t = op_has_in(g->a.call, IN_SINK) ? g->a.call->in[IN_SINK] : NULL;
    return t ? element_real(t->dtype, t->data, head) : 0;
}

static void record(const void *owner, int64_t b, int64_t head, int64_t i, const double *scores) {
    const struct group *g = owner;
    const sl_tensor *out = g->a.call->out[3];
    int64_t line = (b * g->a.heads + head) * g->a.queries + i;
    for (int64_t j = 0; j < g->room; j++) /* keys that take no part: 0 */
        element_set_real(out->dtype, out->data, line * g->room + j,
                         scores[j] == -(double)INFINITY ? 0 : scores[j]);
}

static void run(const struct op_call *call) {
    struct group g;
    if (read_group(call, &g, NULL) != SL_OK)
        return;
    struct attend attend = ms_attend(&g.a);
    attend.owner = &g;
    attend.keys = g.room;
    attend.softcap = (double)op_attr_float(call, "softcap", 0);
    attend.query = read_query;
    attend.key = read_key;
    attend.value = read_value;
    attend.bias = read_bias;
    attend.sink = op_has_in(call, IN_SINK) || op_attr_int(call, "smooth_softmax", 0) == 1 ? read_sink : NULL;
    attend.record = record;
    if (op_has_out(call, 3) && op_attr_int(call, "qk_output", 0))
        attend.recorded = op_attr_int(call, "qk_output", 0) == 1 ? ATTEND_BIASED : ATTEND_WEIGHTS;
    attend_run(&attend, call->scratch);
}

const struct op op_group_query_attention = {
    .domain = "com.microsoft",
    .name = "GroupQueryAttention",
    .since = 1,
    .min_in = 1,
    .max_in = 17,
    .min_out = 1,
    .max_out = 4,
    .attrs = "causal do_rotary k_norm_epsilon k_quant_type kv_cache_bit_width kv_num_heads local_window_size "
             "num_heads q_norm_epsilon qk_norm_epsilon qk_output rotary_interleaved scale "
             "sliding_window_cache smooth_softmax softcap v_quant_type",
    .infer = infer,
    .prepare = prepare,
    .run = run};
