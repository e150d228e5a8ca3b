/* linear_attention.c: LinearAttention and CausalConvWithState: sequence operators that carry a state from
 * call to call. States and sums in double, rounded once. */
#include <math.h>

#include "ops/attend.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

enum { IN_Q, IN_K, IN_V, IN_PAST, IN_DECAY, IN_BETA };

struct linear {
    const struct op_call *call;
    int64_t batch, steps, heads, kv_heads, size, v_size;
    int64_t decay_columns, beta_columns; /* 0: none */
    double scale;
};

static sl_status check_rule(const struct op_call *call, sl_error *err) {
    bool gated = op_attr_is(call, "update_rule", "gated", "gated_delta");
    bool delta = op_attr_is(call, "update_rule", "delta", "gated_delta");
    bool both = op_attr_is(call, "update_rule", "gated_delta", "gated_delta");
    if (!gated && !delta && !both && !op_attr_is(call, "update_rule", "linear", "gated_delta"))
        return error_set(err, SL_E_MODEL,
                         "attribute 'update_rule' is none of linear, gated, delta, gated_delta");
    if (op_has_in(call, IN_DECAY) != (gated || both) || op_has_in(call, IN_BETA) != (delta || both))
        return error_set(err, SL_E_MODEL, "inputs 'decay' and 'beta' do not go with the update rule");
    return SL_OK;
}

static sl_status check_line(const struct op_call *call, size_t i, const struct linear *l, int64_t columns,
                            sl_error *err) {
    const sl_tensor *t = call->in[i];
    char text[RULE_TEXT];
    if (t->rank != 3 || t->dims[0] != l->batch || t->dims[1] != l->steps || t->dims[2] != columns)
        return error_set(err, SL_E_MODEL, "input %zu is %s, expected [%lld, %lld, %lld]", i,
                         rule_text(text, t), (long long)l->batch, (long long)l->steps, (long long)columns);
    return SL_OK;
}

static sl_status check_state(const struct op_call *call, const struct linear *l, sl_error *err) {
    const int64_t dims[4] = {l->batch, l->kv_heads, l->size, l->v_size};
    if (!op_has_in(call, IN_PAST))
        return SL_OK;
    sl_status st = rule_rank(call, IN_PAST, 4, err);
    for (int d = 0; st == SL_OK && d < 4; d++)
        if (call->in[IN_PAST]->dims[d] != dims[d])
            st = error_set(err, SL_E_MODEL, "dim %d of the past state is %lld, expected %lld", d,
                           (long long)call->in[IN_PAST]->dims[d], (long long)dims[d]);
    return st;
}

static sl_status read_linear(const struct op_call *call, struct linear *l, sl_error *err) {
    sl_status st = check_rule(call, err);
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++)
        if (op_has_in(call, i))
            st = rule_dtype(call, i, OPS_REALS, err);
    for (size_t i = 0; st == SL_OK && i < 3; i++)
        st = rule_rank(call, i, 3, err);
    if (st != SL_OK)
        return st;
    const sl_tensor *q = call->in[IN_Q], *v = call->in[IN_V];
    *l = (struct linear){.call = call,
                         .batch = q->dims[0],
                         .steps = q->dims[1],
                         .heads = op_attr_int(call, "q_num_heads", 0),
                         .kv_heads = op_attr_int(call, "kv_num_heads", 0),
                         .decay_columns = op_has_in(call, IN_DECAY) ? call->in[IN_DECAY]->dims[2] : 0,
                         .beta_columns = op_has_in(call, IN_BETA) ? call->in[IN_BETA]->dims[2] : 0};
    if (l->kv_heads < 1 || l->heads < 1 || l->heads % l->kv_heads || q->dims[2] % l->heads ||
        v->dims[2] % l->kv_heads)
        return error_set(err, SL_E_MODEL, "%lld and %lld columns do not make %lld and %lld heads",
                         (long long)q->dims[2], (long long)v->dims[2], (long long)l->heads,
                         (long long)l->kv_heads);
    l->size = q->dims[2] / l->heads;
    l->v_size = v->dims[2] / l->kv_heads;
    l->scale = (double)op_attr_float(call, "scale", 0);
    l->scale = l->scale != 0 ? l->scale : 1 / sqrt((double)l->size);
    st = check_line(call, IN_K, l, l->kv_heads * l->size, err);
    if (st == SL_OK)
        st = check_line(call, IN_V, l, l->kv_heads * l->v_size, err);
    if (st == SL_OK && op_has_in(call, IN_DECAY))
        st = check_line(call, IN_DECAY, l,
                        l->decay_columns == l->kv_heads ? l->kv_heads : l->kv_heads * l->size, err);
    if (st == SL_OK && op_has_in(call, IN_BETA))
        st = check_line(call, IN_BETA, l, l->beta_columns == 1 ? 1 : l->kv_heads, err);
    return st == SL_OK ? check_state(call, l, err) : st;
}

static sl_status infer_linear(const struct op_call *call, sl_error *err) {
    struct linear l;
    sl_status st = read_linear(call, &l, err);
    if (st != SL_OK)
        return st;
    const sl_tensor *q = call->in[IN_Q];
    rule_set(call->out[0], q->dtype, 3, (int64_t[]){l.batch, l.steps, l.heads * l.v_size});
    if (op_has_out(call, 1))
        rule_set(call->out[1], op_has_in(call, IN_PAST) ? call->in[IN_PAST]->dtype : q->dtype, 4,
                 (int64_t[]){l.batch, l.kv_heads, l.size, l.v_size});
    return SL_OK;
}

/* The state, a key, a value or a query, and a row of results. */
static sl_status prepare_linear(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                                sl_error *err) {
    struct linear l;
    (void)arena;
    sl_status st = read_linear(call, &l, err);
    if (st == SL_OK)
        prepared->scratch_nbytes = (size_t)(l.size * l.v_size + l.size + 2 * l.v_size) * sizeof(double);
    return st;
}

struct linear_room {
    double *state, *key, *value, *row;
};

/* Decays the state and writes key and value of a step into it. */
static void update(const struct linear *l, const struct linear_room *r, int64_t b, int64_t kv, int64_t t) {
    const struct op_call *call = l->call;
    int64_t line = b * l->steps + t, n = l->v_size;
    attend_load(call->in[IN_K], (line * l->kv_heads + kv) * l->size, 1, l->size, r->key);
    attend_load(call->in[IN_V], (line * l->kv_heads + kv) * n, 1, n, r->value);
    for (int64_t d = 0; l->decay_columns && d < l->size; d++) {
        const sl_tensor *decay = call->in[IN_DECAY];
        int64_t at = line * l->decay_columns + (l->decay_columns == l->kv_heads ? kv : kv * l->size + d);
        double factor = exp(element_real(decay->dtype, decay->data, at));
        for (int64_t m = 0; m < n; m++)
            r->state[d * n + m] *= factor;
    }
    if (l->beta_columns) {
        const sl_tensor *beta = call->in[IN_BETA];
        double rate =
            element_real(beta->dtype, beta->data, line * l->beta_columns + (l->beta_columns == 1 ? 0 : kv));
        for (int64_t m = 0; m < n; m++) {
            double known = 0;
            for (int64_t d = 0; d < l->size; d++)
                known += r->state[d * n + m] * r->key[d];
            r->value[m] = rate * (r->value[m] - known);
        }
    }
    for (int64_t d = 0; d < l->size; d++)
        for (int64_t m = 0; m < n; m++)
            r->state[d * n + m] += r->key[d] * r->value[m];
}

static void ask(const struct linear *l, const struct linear_room *r, int64_t b, int64_t head, int64_t t) {
    int64_t at = (b * l->steps + t) * l->heads + head, n = l->v_size;
    attend_load(l->call->in[IN_Q], at * l->size, 1, l->size, r->key);
    for (int64_t m = 0; m < n; m++)
        r->row[m] = 0;
    for (int64_t d = 0; d < l->size; d++)
        for (int64_t m = 0; m < n; m++)
            r->row[m] += l->scale * r->key[d] * r->state[d * n + m];
    attend_save(l->call->out[0], at * n, n, r->row);
}

static void run_linear(const struct op_call *call) {
    struct linear l;
    if (read_linear(call, &l, NULL) != SL_OK)
        return;
    int64_t whole = l.size * l.v_size, group = l.heads / l.kv_heads;
    struct linear_room r = {.state = call->scratch};
    r.key = r.state + whole;
    r.value = r.key + l.size;
    r.row = r.value + l.v_size;
    for (int64_t line = 0; line < l.batch * l.kv_heads; line++) {
        int64_t b = line / l.kv_heads, kv = line % l.kv_heads;
        for (int64_t i = 0; i < whole; i++)
            r.state[i] = 0;
        if (op_has_in(call, IN_PAST))
            attend_load(call->in[IN_PAST], line * whole, 1, whole, r.state);
        for (int64_t t = 0; t < l.steps; t++) {
            update(&l, &r, b, kv, t);
            for (int64_t head = kv * group; head < (kv + 1) * group; head++)
                ask(&l, &r, b, head, t);
        }
        if (op_has_out(call, 1))
            attend_save(call->out[1], line * whole, whole, r.state);
    }
}

const struct op op_linear_attention = {.domain = "",
                                       .name = "LinearAttention",
                                       .since = 27,
                                       .min_in = 3,
                                       .max_in = 6,
                                       .min_out = 1,
                                       .max_out = 2,
                                       .attrs = "chunk_size kv_num_heads q_num_heads scale update_rule",
                                       .infer = infer_linear,
                                       .prepare = prepare_linear,
                                       .run = run_linear};

/* CausalConvWithState: input [batch, channels, steps], each channel with its own kernel of k weights over the
 * k - 1 steps before and the present one. */
static sl_status infer_causal(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++) {
        if (!op_has_in(call, i))
            continue;
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK && i != 2)
            st = rule_rank(call, i, 3, err);
    }
    if (st != SL_OK)
        return st;
    const sl_tensor *x = call->in[0], *w = call->in[1];
    char one[RULE_TEXT], other[RULE_TEXT];
    if (w->dims[0] != x->dims[1] || w->dims[1] != 1 || w->dims[2] < 1)
        return error_set(err, SL_E_MODEL, "input %s and weights %s do not fit", rule_text(one, x),
                         rule_text(other, w));
    const int64_t state[3] = {x->dims[0], x->dims[1], w->dims[2] - 1};
    if (op_has_in(call, 2))
        st = rule_vector(call, 2, x->dims[1], err);
    for (int d = 0; st == SL_OK && op_has_in(call, 3) && d < 3; d++)
        if (call->in[3]->dims[d] != state[d])
            st = error_set(err, SL_E_MODEL, "past state %s does not fit input %s",
                           rule_text(one, call->in[3]), rule_text(other, x));
    if (st == SL_OK && !op_attr_is(call, "activation", "none", "none") &&
        !op_attr_is(call, "activation", "silu", "none") && !op_attr_is(call, "activation", "swish", "none"))
        st = error_set(err, SL_E_MODEL, "attribute 'activation' is none of none, silu, swish");
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    if (op_has_out(call, 1))
        rule_set(call->out[1], x->dtype, 3, state);
    return SL_OK;
}

/* Step t of a channel, which may lie before the first one: then in the past state, or zero. */
static double causal_at(const struct op_call *call, int64_t line, int64_t t, int64_t kept) {
    const sl_tensor *x = call->in[0];
    if (t >= 0)
        return element_real(x->dtype, x->data, line * x->dims[2] + t);
    return op_has_in(call, 3) ? element_real(call->in[3]->dtype, call->in[3]->data, line * kept + kept + t)
                              : 0;
}

static void run_causal(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *w = call->in[1];
    sl_tensor *y = call->out[0];
    bool silu = !op_attr_is(call, "activation", "none", "none");
    int64_t k = w->dims[2], steps = x->dims[2];
    for (int64_t line = 0; line < x->dims[0] * x->dims[1]; line++) {
        int64_t c = line % x->dims[1];
        for (int64_t t = 0; t < steps; t++) {
            double sum = op_has_in(call, 2) ? element_real(call->in[2]->dtype, call->in[2]->data, c) : 0;
            for (int64_t i = 0; i < k; i++)
                sum +=
                    element_real(w->dtype, w->data, c * k + i) * causal_at(call, line, t - k + 1 + i, k - 1);
            element_set_real(y->dtype, y->data, line * steps + t, silu ? sum / (1 + exp(-sum)) : sum);
        }
        for (int64_t i = 0; op_has_out(call, 1) && i < k - 1; i++)
            element_set_real(call->out[1]->dtype, call->out[1]->data, line * (k - 1) + i,
                             causal_at(call, line, steps - (k - 1) + i, k - 1));
    }
}

const struct op op_causal_conv = {.domain = "",
                                  .name = "CausalConvWithState",
                                  .since = 27,
                                  .min_in = 2,
                                  .max_in = 4,
                                  .min_out = 1,
                                  .max_out = 2,
                                  .attrs = "activation",
                                  .infer = infer_causal,
                                  .run = run_causal};
