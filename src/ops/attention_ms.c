/* attention_ms.c: Attention of com.microsoft, as ONNX Runtime's transformer optimiser writes it: it projects
 * its input by one matrix for queries, keys and values. A masked key's score gets a finite number
 * (mask_filter_value) added, so a query whose keys are all masked still looks at them. */
#include "ops/attention_ms.h"

#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static int64_t keys_of(const struct ms_attention *a) {
    return a->past + a->fresh;
}

sl_status ms_check_masks(const struct ms_attention *a, sl_error *err) {
    const sl_tensor *m = a->mask, *s = a->score_bias;
    char text[RULE_TEXT];
    int64_t b = a->batch, keys = keys_of(a);
    if (m) {
        bool fits = m->dtype == SL_INT32;
        if (m->rank == 1)
            fits = fits && (m->dims[0] == b || m->dims[0] == 2 * b || m->dims[0] == 3 * b + 2);
        else if (m->rank == 2)
            fits = fits && m->dims[0] == b && m->dims[1] == keys;
        else if (m->rank == 3)
            fits = fits && m->dims[0] == b && m->dims[1] == a->queries && m->dims[2] == keys;
        else
            fits = fits && m->rank == 4 && m->dims[0] == b && m->dims[1] == 1 && m->dims[2] >= keys &&
                   m->dims[3] >= keys;
        if (!fits)
            return error_set(err, SL_E_MODEL, "mask %s does not fit %lld queries and %lld keys",
                             rule_text(text, m), (long long)a->queries, (long long)keys);
    }
    if (s && (s->rank != 4 || (s->dims[0] != 1 && s->dims[0] != b) ||
              (s->dims[1] != 1 && s->dims[1] != a->heads) || s->dims[2] != a->queries || s->dims[3] != keys ||
              !(OPS_REALS & OPS_BIT(s->dtype))))
        return error_set(err, SL_E_MODEL, "bias %s does not fit %lld queries and %lld keys",
                         rule_text(text, s), (long long)a->queries, (long long)keys);
    return SL_OK;
}

static bool is_masked(const struct ms_attention *a, int64_t b, int64_t i, int64_t j) {
    const sl_tensor *m = a->mask;
    const int32_t *data = m->data;
    switch (m->rank) {
    case 1: /* lengths; with twice as many, then the first ones that count */
        return j >= data[b] || (m->dims[0] == 2 * a->batch && j < data[a->batch + b]);
    case 2:
        return data[b * m->dims[1] + j] <= 0;
    case 3:
        return data[(b * m->dims[1] + i) * m->dims[2] + j] <= 0;
    default: /* of the longest sequence there may be */
        return data[(b * m->dims[2] + a->past + i) * m->dims[3] + j] <= 0;
    }
}

double ms_bias(const void *owner, int64_t b, int64_t head, int64_t i, int64_t j) {
    const struct ms_attention *a = owner;
    double bias = a->mask && is_masked(a, b, i, j) ? a->filter : 0;
    if (a->causal && j > a->past + i)
        return -(double)INFINITY;
    if (a->score_bias)
        bias += element_real(a->score_bias->dtype, a->score_bias->data,
                             attend_mask_at(a->score_bias, b, head, i, j));
    return bias;
}

void ms_store(const void *owner, int64_t b, int64_t head, int64_t i, const double *row) {
    const struct ms_attention *a = owner;
    attend_save(a->call->out[0], ((b * a->queries + i) * a->heads + head) * a->v_size, a->v_size, row);
}

double ms_scale(const struct op_call *call, int64_t size) {
    double scale = (double)op_attr_float(call, "scale", 0);
    return scale != 0 ? scale : size ? 1 / sqrt((double)size) : 1;
}

struct attend ms_attend(const struct ms_attention *a) {
    return (struct attend){.owner = a,
                           .batch = a->batch,
                           .heads = a->heads,
                           .kv_heads = a->kv_heads,
                           .queries = a->queries,
                           .keys = keys_of(a),
                           .size = a->size,
                           .v_size = a->v_size,
                           .scale = ms_scale(a->call, a->size),
                           .bias = ms_bias,
                           .store = ms_store,
                           .recorded = ATTEND_NOTHING};
}

static sl_status check_reals(const struct op_call *call, const size_t *inputs, size_t count, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < count; i++)
        if (op_has_in(call, inputs[i])) {
            st = rule_dtype(call, inputs[i], OPS_REALS, err);
            if (st == SL_OK)
                st = rule_same_dtype(call, 0, inputs[i], err);
        }
    return st;
}

/* Attention: input [batch, rows, columns], weights [columns, q + k + v]. */
static sl_status read_packed(const struct op_call *call, struct ms_attention *a, sl_error *err) {
    sl_status st = check_reals(call, (const size_t[]){0, 1, 2, 4, 5}, 5, err);
    if (st == SL_OK)
        st = rule_rank(call, 0, 3, err);
    if (st == SL_OK)
        st = rule_rank(call, 1, 2, err);
    if (st != SL_OK)
        return st;
    const sl_tensor *x = call->in[0], *w = call->in[1];
    const struct attr *sizes = op_attr(call, "qkv_hidden_sizes");
    int64_t heads = op_attr_int(call, "num_heads", 0), q = w->dims[1] / 3, v = q;
    if (sizes && sizes->type == ATTR_INTS && sizes->count == 3) {
        q = sizes->ints[0];
        v = sizes->ints[2];
        if (sizes->ints[1] != q)
            return error_set(err, SL_E_MODEL, "queries and keys differ in size");
    }
    if (heads < 1 || q < 1 || v < 1 || q > w->dims[1] || v > w->dims[1] || 2 * q + v != w->dims[1] ||
        q % heads || v % heads || w->dims[0] != x->dims[2])
        return error_set(err, SL_E_MODEL, "weights of [%lld, %lld] do not make %lld heads of %lld columns",
                         (long long)w->dims[0], (long long)w->dims[1], (long long)heads,
                         (long long)x->dims[2]);
    if (op_has_in(call, 6) || op_attr_int(call, "do_rotary", 0) ||
        op_attr_int(call, "past_present_share_buffer", 0))
        return error_set(err, SL_E_MODEL, "rotation and shared buffers are not known here");
    *a = (struct ms_attention){.call = call,
                               .batch = x->dims[0],
                               .heads = heads,
                               .kv_heads = heads,
                               .queries = x->dims[1],
                               .fresh = x->dims[1],
                               .size = q / heads,
                               .v_size = v / heads,
                               .mask = op_has_in(call, 3) ? call->in[3] : NULL,
                               .score_bias = op_has_in(call, 5) ? call->in[5] : NULL,
                               .filter = (double)op_attr_float(call, "mask_filter_value", -10000),
                               .causal = op_attr_int(call, "unidirectional", 0) != 0};
    if (op_has_in(call, 2))
        st = rule_vector(call, 2, w->dims[1], err);
    if (st == SL_OK && op_has_in(call, 4)) {
        const sl_tensor *past = call->in[4];
        if (past->rank != 5 || past->dims[0] != 2 || past->dims[1] != a->batch || past->dims[2] != heads ||
            past->dims[4] != a->size || a->size != a->v_size)
            return error_set(err, SL_E_MODEL, "the past rows do not fit the input");
        a->past = past->dims[3];
    }
    if (st == SL_OK && op_has_out(call, 1) && a->size != a->v_size)
        st = error_set(err, SL_E_MODEL, "keys and values of different sizes have no common output");
    return st == SL_OK ? ms_check_masks(a, err) : st;
}

static sl_status infer_packed(const struct op_call *call, sl_error *err) {
    struct ms_attention a;
    sl_status st = read_packed(call, &a, err);
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], call->in[0]->dtype, 3, (int64_t[]){a.batch, a.queries, a.heads * a.v_size});
    if (op_has_out(call, 1))
        rule_set(call->out[1], call->in[0]->dtype, 5, (int64_t[]){2, a.batch, a.heads, keys_of(&a), a.size});
    return SL_OK;
}

static sl_status prepare_packed(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                                sl_error *err) {
    struct ms_attention a;
    (void)arena;
    sl_status st = read_packed(call, &a, err);
    if (st == SL_OK)
        prepared->scratch_nbytes = attend_nbytes(keys_of(&a), a.size, a.v_size);
    return st;
}

OPS_INLINE void multiply(sl_dtype dtype, const struct ms_attention *a, int64_t line, int64_t column,
                         int64_t n, double *row) {
    const struct op_call *call = a->call;
    int64_t inputs = call->in[0]->dims[2], columns = call->in[1]->dims[1];
    for (int64_t k = 0; k < inputs; k++) {
        double x = element_real(dtype, call->in[0]->data, line * inputs + k);
        for (int64_t d = 0; d < n; d++)
            row[d] += x * element_real(dtype, call->in[1]->data, k * columns + column + d);
    }
}

/* n columns of the product of an input row with the weights. */
static void project(const struct ms_attention *a, int64_t b, int64_t i, int64_t column, int64_t n,
                    double *row) {
    for (int64_t d = 0; d < n; d++)
        row[d] = 0;
    ELEMENT_DISPATCH_REAL(a->call->in[0]->dtype, multiply, a, b * a->queries + i, column, n, row);
    if (op_has_in(a->call, 2))
        attend_add(a->call->in[2], column, n, row);
}

static void packed_query(const void *owner, int64_t b, int64_t head, int64_t i, double *row) {
    const struct ms_attention *a = owner;
    project(a, b, i, head * a->size, a->size, row);
}

/* Keys are half 0 of the past and present rows, values half 1. */
static void packed_row(const struct ms_attention *a, int64_t half, int64_t b, int64_t head, int64_t j,
                       double *row) {
    int64_t n = half ? a->v_size : a->size, at = (half * a->batch + b) * a->heads + head;
    if (j < a->past)
        attend_load(a->call->in[4], (at * a->past + j) * n, 1, n, row);
    else
        project(a, b, j - a->past, a->heads * a->size * (1 + half) + head * n, n, row);
    if (op_has_out(a->call, 1))
        attend_save(a->call->out[1], (at * keys_of(a) + j) * n, n, row);
}

static void packed_key(const void *owner, int64_t b, int64_t head, int64_t j, double *row) {
    packed_row(owner, 0, b, head, j, row);
}

static void packed_value(const void *owner, int64_t b, int64_t head, int64_t j, double *row) {
    packed_row(owner, 1, b, head, j, row);
}

static void run_packed(const struct op_call *call) {
    struct ms_attention a;
    if (read_packed(call, &a, NULL) != SL_OK)
        return;
    struct attend attend = ms_attend(&a);
    attend.query = packed_query;
    attend.key = packed_key;
    attend.value = packed_value;
    attend_run(&attend, call->scratch);
}

const struct op op_ms_attention = {.domain = "com.microsoft",
                                   .name = "Attention",
                                   .since = 1,
                                   .min_in = 2,
                                   .max_in = 7,
                                   .min_out = 1,
                                   .max_out = 2,
                                   .attrs = "do_rotary mask_filter_value num_heads past_present_share_buffer "
                                            "qkv_hidden_sizes rotary_embedding_dim scale unidirectional",
                                   .infer = infer_packed,
                                   .prepare = prepare_packed,
                                   .run = run_packed};
