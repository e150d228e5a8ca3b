/* attention.c: Attention of ai.onnx, and FlexAttention without graphs inside. Queries, keys and values are
 * [batch, heads, rows, size], or [batch, rows, heads * size] with the counts of heads as attributes; past
 * keys and values come before the new ones. Masks are additive or boolean; a query that may see no key gives
 * zeros. */
#include <math.h>

#include "ops/attend.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_K, IN_PAST_V, IN_NONPAD };

/* Where the rows of Q, K or V are. */
struct rows {
    int64_t heads, rows, size;
    int64_t batch_step, head_step, row_step;
};

struct attention {
    const struct op_call *call;
    struct rows q, k, v;
    int64_t batch, past; /* rows of past keys */
    int64_t left, right; /* window, -1: open */
    bool causal;
};

static sl_status read_rows(const struct op_call *call, size_t i, struct rows *r, sl_error *err) {
    const sl_tensor *t = call->in[i];
    if (t->rank == 4) {
        *r = (struct rows){.heads = t->dims[1], .rows = t->dims[2], .size = t->dims[3]};
        r->row_step = r->size;
        r->head_step = r->rows * r->size;
        r->batch_step = r->heads * r->head_step;
        return SL_OK;
    }
    int64_t heads = op_attr_int(call, i == IN_Q ? "q_num_heads" : "kv_num_heads", 0);
    if (t->rank != 3)
        return error_set(err, SL_E_MODEL, "input %zu has %d dims, expected 3 or 4", i, t->rank);
    if (heads < 1 || t->dims[2] % heads)
        return error_set(err, SL_E_MODEL, "input %zu of %lld columns does not make %lld heads", i,
                         (long long)t->dims[2], (long long)heads);
    *r = (struct rows){.heads = heads, .rows = t->dims[1], .size = t->dims[2] / heads};
    r->head_step = r->size;
    r->row_step = t->dims[2];
    r->batch_step = r->rows * t->dims[2];
    return SL_OK;
}

/* The mask's dims, aligned at the right, are those of the scores or 1; the last may be shorter. */
static sl_status check_mask(const struct attention *a, const sl_tensor *mask, sl_error *err) {
    const int64_t scores[4] = {a->batch, a->q.heads, a->q.rows, a->past + a->k.rows};
    char text[RULE_TEXT];
    bool fits = mask->rank >= 1 && mask->rank <= 4 && mask->dims[mask->rank - 1] <= scores[3];
    for (int d = 0; fits && d < mask->rank - 1; d++)
        fits = mask->dims[d] == 1 || mask->dims[d] == scores[4 - mask->rank + d];
    return fits ? SL_OK
                : error_set(err, SL_E_MODEL, "mask %s does not fit scores [%lld, %lld, %lld, %lld]",
                            rule_text(text, mask), (long long)scores[0], (long long)scores[1],
                            (long long)scores[2], (long long)scores[3]);
}

static sl_status check_past(const struct op_call *call, struct attention *a, sl_error *err) {
    char text[RULE_TEXT];
    if (op_has_in(call, IN_PAST_K) != op_has_in(call, IN_PAST_V))
        return error_set(err, SL_E_MODEL, "past keys and past values go together");
    if (!op_has_in(call, IN_PAST_K))
        return SL_OK;
    for (size_t i = IN_PAST_K; i <= IN_PAST_V; i++) {
        const sl_tensor *past = call->in[i];
        const struct rows *r = i == IN_PAST_K ? &a->k : &a->v;
        if (past->rank != 4 || past->dtype != call->in[i - 3]->dtype || past->dims[0] != a->batch ||
            past->dims[1] != r->heads || past->dims[3] != r->size ||
            past->dims[2] != call->in[IN_PAST_K]->dims[2])
            return error_set(err, SL_E_MODEL, "input %zu is %s, which does not go before the new rows", i,
                             rule_text(text, past));
    }
    a->past = call->in[IN_PAST_K]->dims[2];
    return SL_OK;
}

static sl_status check_inputs(const struct op_call *call, struct attention *a, sl_error *err) {
    sl_status st = SL_OK;
    a->batch = call->in[IN_Q]->dims[0];
    if (call->in[IN_K]->dims[0] != a->batch || call->in[IN_V]->dims[0] != a->batch ||
        a->q.size != a->k.size || a->k.rows != a->v.rows || a->k.heads != a->v.heads || !a->k.heads ||
        a->q.heads % a->k.heads)
        return error_set(err, SL_E_MODEL, "queries, keys and values do not fit each other");
    st = check_past(call, a, err);
    if (st == SL_OK && op_has_in(call, IN_MASK)) {
        st = rule_dtype(call, IN_MASK, OPS_NUMBERS | OPS_BIT(SL_BOOL), err);
        if (st == SL_OK)
            st = check_mask(a, call->in[IN_MASK], err);
    }
    if (st == SL_OK && op_has_in(call, IN_NONPAD)) {
        st = rule_dtype(call, IN_NONPAD, OPS_BIT(SL_INT64), err);
        if (st == SL_OK)
            st = rule_vector(call, IN_NONPAD, a->batch, err);
        if (st == SL_OK && op_has_in(call, IN_PAST_K))
            st = error_set(err, SL_E_MODEL, "past keys and nonpad_kv_seqlen do not go together");
    }
    return st;
}

static sl_status read_attention(const struct op_call *call, struct attention *a, sl_error *err) {
    *a = (struct attention){.call = call,
                            .causal = op_attr_int(call, "is_causal", 0) != 0,
                            .left = op_attr_int(call, "left_window_size", -1),
                            .right = op_attr_int(call, "right_window_size", -1)};
    struct rows *const rows[] = {&a->q, &a->k, &a->v};
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < 3; i++) {
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK && call->in[i]->rank != call->in[0]->rank)
            st = error_set(err, SL_E_MODEL, "inputs 0 and %zu differ in dims", i);
        if (st == SL_OK)
            st = read_rows(call, i, rows[i], err);
    }
    int64_t mode = op_attr_int(call, "qk_matmul_output_mode", 0);
    if (st == SL_OK && (mode < 0 || mode > 3 || a->left < -1 || a->right < -1))
        st = error_set(err, SL_E_MODEL, "attribute 'qk_matmul_output_mode' or a window size is out of range");
    return st == SL_OK ? check_inputs(call, a, err) : st;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    struct attention a;
    sl_status st = read_attention(call, &a, err);
    if (st != SL_OK)
        return st;
    int64_t keys = a.past + a.k.rows;
    sl_dtype dtype = call->in[IN_Q]->dtype;
    if (call->in[IN_Q]->rank == 3)
        rule_set(call->out[0], dtype, 3, (int64_t[]){a.batch, a.q.rows, a.q.heads * a.v.size});
    else
        rule_set(call->out[0], dtype, 4, (int64_t[]){a.batch, a.q.heads, a.q.rows, a.v.size});
    if (op_has_out(call, 1))
        rule_set(call->out[1], call->in[IN_K]->dtype, 4, (int64_t[]){a.batch, a.k.heads, keys, a.k.size});
    if (op_has_out(call, 2))
        rule_set(call->out[2], call->in[IN_V]->dtype, 4, (int64_t[]){a.batch, a.v.heads, keys, a.v.size});
    if (op_has_out(call, 3))
        rule_set(call->out[3], dtype, 4, (int64_t[]){a.batch, a.q.heads, a.q.rows, keys});
    return SL_OK;
}

static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    struct attention a;
    (void)arena;
    sl_status st = read_attention(call, &a, err);
    if (st == SL_OK)
        prepared->scratch_nbytes = attend_nbytes(a.past + a.k.rows, a.k.size, a.v.size);
    return st;
}

static void read_query(const void *owner, int64_t b, int64_t head, int64_t i, double *row) {
    const struct attention *a = owner;
    attend_load(a->call->in[IN_Q], b * a->q.batch_step + head * a->q.head_step + i * a->q.row_step, 1,
                a->q.size, row);
}

/* Row j of past and new ones; it also goes to the present rows, where they are asked for. */
static void read_past(const struct attention *a, const struct rows *r, size_t in, size_t past, size_t out,
                      int64_t b, int64_t head, int64_t j, double *row) {
    const struct op_call *call = a->call;
    if (j < a->past)
        attend_load(call->in[past], ((b * r->heads + head) * a->past + j) * r->size, 1, r->size, row);
    else
        attend_load(call->in[in], b * r->batch_step + head * r->head_step + (j - a->past) * r->row_step, 1,
                    r->size, row);
    if (op_has_out(call, out))
        attend_save(call->out[out], ((b * r->heads + head) * (a->past + a->k.rows) + j) * r->size, r->size,
                    row);
}

static void read_key(const void *owner, int64_t b, int64_t head, int64_t j, double *row) {
    const struct attention *a = owner;
    read_past(a, &a->k, IN_K, IN_PAST_K, 1, b, head, j, row);
}

static void read_value(const void *owner, int64_t b, int64_t head, int64_t j, double *row) {
    const struct attention *a = owner;
    read_past(a, &a->v, IN_V, IN_PAST_V, 2, b, head, j, row);
}

static double read_bias(const void *owner, int64_t b, int64_t head, int64_t i, int64_t j) {
    const struct attention *a = owner;
    const sl_tensor *mask = op_has_in(a->call, IN_MASK) ? a->call->in[IN_MASK] : NULL;
    const int64_t *nonpad = op_has_in(a->call, IN_NONPAD) ? a->call->in[IN_NONPAD]->data : NULL;
    int64_t position = i + (nonpad ? nonpad[b] - a->q.rows : a->past); /* of the query among the keys */
    if ((nonpad && j >= nonpad[b]) || (a->causal && j > position) ||
        (a->left >= 0 && j < position - a->left) || (a->right >= 0 && j > position + a->right))
        return -(double)INFINITY;
    if (!mask)
        return 0;
    int64_t columns = mask->dims[mask->rank - 1];
    if (columns != 1 && j >= columns)
        return -(double)INFINITY;
    int64_t at = attend_mask_at(mask, b, head, i, j);
    double value = element_number(mask->dtype, mask->data, at);
    return mask->dtype != SL_BOOL ? value : value != 0 ? 0 : -(double)INFINITY;
}

static void store(const void *owner, int64_t b, int64_t head, int64_t i, const double *row) {
    const struct attention *a = owner;
    bool flat = a->call->in[IN_Q]->rank == 3;
    int64_t at = flat ? (b * a->q.rows + i) * a->q.heads + head : (b * a->q.heads + head) * a->q.rows + i;
    attend_save(a->call->out[0], at * a->v.size, a->v.size, row);
}

static void record(const void *owner, int64_t b, int64_t head, int64_t i, const double *scores) {
    const struct attention *a = owner;
    int64_t keys = a->past + a->k.rows;
    attend_save(a->call->out[3], ((b * a->q.heads + head) * a->q.rows + i) * keys, keys, scores);
}

static void run(const struct op_call *call) {
    struct attention a;
    if (read_attention(call, &a, NULL) != SL_OK)
        return;
    double fallback = a.q.size ? 1 / sqrt((double)a.q.size) : 1;
    bool masked =
        op_has_in(call, IN_MASK) || op_has_in(call, IN_NONPAD) || a.causal || a.left >= 0 || a.right >= 0;
    struct attend attend = {
        .owner = &a,
        .batch = a.batch,
        .heads = a.q.heads,
        .kv_heads = a.k.heads,
        .queries = a.q.rows,
        .keys = a.past + a.k.rows,
        .size = a.q.size,
        .v_size = a.v.size,
        .scale = op_attr(call, "scale") ? (double)op_attr_float(call, "scale", 1) : fallback,
        .softcap = (double)op_attr_float(call, "softcap", 0),
        .query = read_query,
        .key = read_key,
        .value = read_value,
        .bias = masked ? read_bias : NULL,
        .store = store,
        .recorded = op_has_out(call, 3) ? (enum attend_record)op_attr_int(call, "qk_matmul_output_mode", 0)
                                        : ATTEND_NOTHING,
        .record = record};
    attend_run(&attend, call->scratch);
}

const struct op op_attention = {.domain = "",
                                .name = "Attention",
                                .since = 23,
                                .min_in = 3,
                                .max_in = 7,
                                .min_out = 1,
                                .max_out = 4,
                                .attrs = "is_causal kv_num_heads q_num_heads qk_matmul_output_mode scale "
                                         "softcap softmax_precision left_window_size right_window_size",
                                .infer = infer,
                                .prepare = prepare,
                                .run = run};

/* FlexAttention: on 4 dims; with graphs inside the plan unfolds it
 * (graph/unfold_flex.c). */
static sl_status infer_flex(const struct op_call *call, sl_error *err) {
    sl_status st = rule_rank(call, 0, 4, err);
    return st == SL_OK ? infer(call, err) : st;
}

const struct op op_flex_attention = {.domain = "ai.onnx.preview",
                                     .name = "FlexAttention",
                                     .since = 1,
                                     .min_in = 3,
                                     .max_in = 3,
                                     .min_out = 1,
                                     .max_out = 1,
                                     .attrs = "prob_mod scale score_mod softmax_precision",
                                     .infer = infer_flex,
                                     .prepare = prepare,
                                     .run = run};
