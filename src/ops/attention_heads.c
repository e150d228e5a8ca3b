/* attention_heads.c: MultiHeadAttention of com.microsoft: queries, keys and values already projected, each in
 * a tensor of its own, packed together as [batch, rows, heads, 3 or 2, size], or keys and values of another
 * sequence as [batch, heads, rows, size]. */
#include "ops/attention_ms.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

enum { IN_Q, IN_K, IN_V, IN_BIAS, IN_MASK, IN_SCORE_BIAS, IN_PAST_K, IN_PAST_V, IN_PAST_COUNT, IN_CACHE };

/* Rows of queries, keys or values within their tensor. */
struct source {
    const sl_tensor *t;
    int64_t batch_step, row_step, head_step, first;
    int64_t bias; /* first element of their bias */
    bool ready;   /* of another sequence: no bias */
};

struct heads {
    struct ms_attention a; /* first: the callbacks see it */
    struct source q, k, v;
};

static struct source flat(const sl_tensor *t, int64_t size) {
    return (struct source){
        .t = t, .batch_step = t->dims[1] * t->dims[2], .row_step = t->dims[2], .head_step = size};
}

static struct source packed(const sl_tensor *t, int64_t which) {
    int64_t size = t->dims[4], head = t->dims[3] * size, row = t->dims[2] * head;
    return (struct source){
        .t = t, .batch_step = t->dims[1] * row, .row_step = row, .head_step = head, .first = which * size};
}

static struct source by_head(const sl_tensor *t) {
    int64_t size = t->dims[3], head = t->dims[2] * size;
    return (struct source){
        .t = t, .batch_step = t->dims[1] * head, .row_step = size, .head_step = head, .ready = true};
}

static sl_status misfit(sl_error *err) {
    return error_set(err, SL_E_MODEL, "queries, keys and values do not fit each other");
}

/* Where queries, keys and values are, and the sizes that follow from it. */
static sl_status read_sources(const struct op_call *call, struct heads *h, sl_error *err) {
    struct ms_attention *a = &h->a;
    const sl_tensor *q = call->in[IN_Q], *k = op_has_in(call, IN_K) ? call->in[IN_K] : NULL,
                    *v = op_has_in(call, IN_V) ? call->in[IN_V] : NULL;
    if (q->rank == 5 && !k && !v && q->dims[2] == a->heads && q->dims[3] == 3) {
        h->q = packed(q, 0);
        h->k = packed(q, 1);
        h->v = packed(q, 2);
        a->size = a->v_size = q->dims[4];
        a->fresh = q->dims[1];
        return SL_OK;
    }
    if (q->rank != 3 || q->dims[2] % a->heads || !k || k->dims[0] != a->batch)
        return misfit(err);
    a->size = q->dims[2] / a->heads;
    h->q = flat(q, a->size);
    if (k->rank == 5 && !v && k->dims[2] == a->heads && k->dims[3] == 2 && k->dims[4] == a->size) {
        h->k = packed(k, 0);
        h->v = packed(k, 1);
        a->v_size = a->size;
        a->fresh = k->dims[1];
        return SL_OK;
    }
    if (!v || v->dims[0] != a->batch || k->rank != v->rank)
        return misfit(err);
    if (k->rank == 3 && k->dims[2] == q->dims[2] && v->dims[1] == k->dims[1] && v->dims[2] % a->heads == 0) {
        a->v_size = v->dims[2] / a->heads;
        a->fresh = k->dims[1];
        h->k = flat(k, a->size);
        h->v = flat(v, a->v_size);
        return SL_OK;
    }
    if (k->rank == 4 && k->dims[1] == a->heads && v->dims[1] == a->heads && k->dims[3] == a->size &&
        v->dims[2] == k->dims[2]) {
        a->v_size = v->dims[3];
        a->fresh = k->dims[2];
        h->k = by_head(k);
        h->v = by_head(v);
        return SL_OK;
    }
    return misfit(err);
}

static sl_status check_rest(const struct op_call *call, struct heads *h, sl_error *err) {
    struct ms_attention *a = &h->a;
    sl_status st = SL_OK;
    int64_t columns = a->heads * a->size;
    if (op_has_in(call, IN_BIAS)) /* keys of another sequence have none, but the room for it stays */
        st = rule_vector(call, IN_BIAS, 2 * columns + a->heads * a->v_size, err);
    h->k.bias = columns;
    h->v.bias = 2 * columns;
    if (st == SL_OK && op_has_in(call, IN_PAST_K) != op_has_in(call, IN_PAST_V))
        st = error_set(err, SL_E_MODEL, "past keys and past values go together");
    for (size_t i = IN_PAST_K; st == SL_OK && op_has_in(call, IN_PAST_K) && i <= IN_PAST_V; i++) {
        const sl_tensor *past = call->in[i];
        if (past->rank != 4 || past->dims[0] != a->batch || past->dims[1] != a->heads ||
            past->dims[3] != (i == IN_PAST_K ? a->size : a->v_size) ||
            past->dims[2] != call->in[IN_PAST_K]->dims[2])
            st = error_set(err, SL_E_MODEL, "input %zu does not go before the new rows", i);
        a->past = past->dims[2];
    }
    if (st == SL_OK && (op_has_in(call, IN_PAST_COUNT) || op_has_in(call, IN_CACHE)))
        st = error_set(err, SL_E_MODEL, "shared buffers are not known here");
    return st == SL_OK ? ms_check_masks(a, err) : st;
}

static sl_status read_heads(const struct op_call *call, struct heads *h, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++) {
        if (!op_has_in(call, i) || i == IN_MASK || i >= IN_PAST_COUNT)
            continue;
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
    }
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 3, err);
    if (st != SL_OK)
        return st;
    int64_t heads = op_attr_int(call, "num_heads", 0);
    *h = (struct heads){.a = {.call = call,
                              .batch = call->in[0]->dims[0],
                              .heads = heads,
                              .kv_heads = heads,
                              .queries = call->in[0]->dims[1],
                              .mask = op_has_in(call, IN_MASK) ? call->in[IN_MASK] : NULL,
                              .score_bias = op_has_in(call, IN_SCORE_BIAS) ? call->in[IN_SCORE_BIAS] : NULL,
                              .filter = (double)op_attr_float(call, "mask_filter_value", -10000),
                              .causal = op_attr_int(call, "unidirectional", 0) != 0}};
    if (heads < 1)
        return error_set(err, SL_E_MODEL, "attribute 'num_heads' is %lld", (long long)heads);
    st = read_sources(call, h, err);
    return st == SL_OK ? check_rest(call, h, err) : st;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    struct heads h;
    sl_status st = read_heads(call, &h, err);
    if (st != SL_OK)
        return st;
    const struct ms_attention *a = &h.a;
    sl_dtype dtype = call->in[0]->dtype;
    int64_t keys = a->past + a->fresh;
    rule_set(call->out[0], dtype, 3, (int64_t[]){a->batch, a->queries, a->heads * a->v_size});
    if (op_has_out(call, 1))
        rule_set(call->out[1], dtype, 4, (int64_t[]){a->batch, a->heads, keys, a->size});
    if (op_has_out(call, 2))
        rule_set(call->out[2], dtype, 4, (int64_t[]){a->batch, a->heads, keys, a->v_size});
    if (op_has_out(call, 3))
        rule_set(call->out[3], dtype, 4, (int64_t[]){a->batch, a->heads, a->queries, keys});
    return SL_OK;
}

static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    struct heads h;
    (void)arena;
    sl_status st = read_heads(call, &h, err);
    if (st == SL_OK)
        prepared->scratch_nbytes = attend_nbytes(h.a.past + h.a.fresh, h.a.size, h.a.v_size);
    return st;
}

static void read_source(const struct heads *h, const struct source *s, int64_t b, int64_t head, int64_t i,
                        int64_t n, double *row) {
    attend_load(s->t, s->first + b * s->batch_step + i * s->row_step + head * s->head_step, 1, n, row);
    if (op_has_in(h->a.call, IN_BIAS) && !s->ready)
        attend_add(h->a.call->in[IN_BIAS], s->bias + head * n, n, row);
}

static void read_query(const void *owner, int64_t b, int64_t head, int64_t i, double *row) {
    const struct heads *h = owner;
    read_source(h, &h->q, b, head, i, h->a.size, row);
}

static void read_past(const struct heads *h, const struct source *s, size_t past, size_t out, int64_t b,
                      int64_t head, int64_t j, int64_t n, double *row) {
    const struct ms_attention *a = &h->a;
    int64_t line = b * a->heads + head;
    if (j < a->past)
        attend_load(a->call->in[past], (line * a->past + j) * n, 1, n, row);
    else
        read_source(h, s, b, head, j - a->past, n, row);
    if (op_has_out(a->call, out))
        attend_save(a->call->out[out], (line * (a->past + a->fresh) + j) * n, n, row);
}

static void read_key(const void *owner, int64_t b, int64_t head, int64_t j, double *row) {
    const struct heads *h = owner;
    read_past(h, &h->k, IN_PAST_K, 1, b, head, j, h->a.size, row);
}

static void read_value(const void *owner, int64_t b, int64_t head, int64_t j, double *row) {
    const struct heads *h = owner;
    read_past(h, &h->v, IN_PAST_V, 2, b, head, j, h->a.v_size, row);
}

static void record(const void *owner, int64_t b, int64_t head, int64_t i, const double *scores) {
    const struct heads *h = owner;
    int64_t keys = h->a.past + h->a.fresh;
    attend_save(h->a.call->out[3], ((b * h->a.heads + head) * h->a.queries + i) * keys, keys, scores);
}

static void run(const struct op_call *call) {
    struct heads h;
    if (read_heads(call, &h, NULL) != SL_OK)
        return;
    struct attend attend = ms_attend(&h.a);
    attend.owner = &h;
    attend.query = read_query;
    attend.key = read_key;
    attend.value = read_value;
    attend.record = record;
    attend.recorded = op_has_out(call, 3) ? ATTEND_WEIGHTS : ATTEND_NOTHING;
    attend_run(&attend, call->scratch);
}

const struct op op_multi_head_attention = {.domain = "com.microsoft",
                                           .name = "MultiHeadAttention",
                                           .since = 1,
                                           .min_in = 1,
                                           .max_in = 10,
                                           .min_out = 1,
                                           .max_out = 4,
                                           .attrs = "mask_filter_value num_heads scale unidirectional",
                                           .infer = infer,
                                           .prepare = prepare,
                                           .run = run};
