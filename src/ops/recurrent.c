/* recurrent.c: LSTM, GRU and RNN. One row and direction after the other, one step after the other; states and
 * sums in double, outputs rounded once. A row shorter than the others (sequence_lens) stops there: its later
 * outputs are zero, its state is that of its last step, and backwards it begins at its own end. */
#include "ops/recurrent.h"

#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status infer(const struct op_call *call, enum recurrent_cell cell, sl_error *err) {
    struct recurrent r;
    sl_status st = recurrent_read(call, cell, &r, err);
    if (st != SL_OK)
        return st;
    sl_dtype dtype = call->in[0]->dtype;
    int64_t n = r.directions, b = r.batch, h = r.hidden;
    if (op_has_out(call, 0) && r.batch_first)
        rule_set(call->out[0], dtype, 4, (int64_t[]){b, r.steps, n, h});
    else if (op_has_out(call, 0))
        rule_set(call->out[0], dtype, 4, (int64_t[]){r.steps, n, b, h});
    for (size_t i = 1; i < call->out_count; i++)
        if (call->out[i])
            rule_set(call->out[i], dtype, 3, (int64_t[]){r.batch_first ? b : n, r.batch_first ? n : b, h});
    return SL_OK;
}

/* Scratch: two states, the gates, and a state that a GRU resets. */
static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    (void)arena;
    (void)err;
    prepared->scratch_nbytes = (size_t)call->in[RECURRENT_R]->dims[2] * 7 * sizeof(double);
    return SL_OK;
}

/* One row in one direction. */
struct line {
    const struct recurrent *r;
    const struct op_call *call;
    const struct recurrent_activation *activations;
    int64_t direction, row;
    double *h, *c, *gates, *reset;
};

static double read(const struct op_call *call, size_t input, int64_t i) {
    return op_has_in(call, input) ? element_real(call->in[input]->dtype, call->in[input]->data, i) : 0;
}

OPS_INLINE double dot(sl_dtype dtype, const void *a, int64_t from, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += element_real(dtype, a, from + i) * b[i];
    return sum;
}

/* R's row of a gate's unit times a state. */
OPS_INLINE double recur(sl_dtype dtype, const struct line *l, int64_t unit, const double *state) {
    int64_t h = l->r->hidden, from = (l->direction * (int64_t)l->r->cell * h + unit) * h;
    return dot(dtype, l->call->in[RECURRENT_R]->data, from, state, h);
}

/* W's row of a gate's unit times x, and W's bias. */
OPS_INLINE double project(sl_dtype dtype, const struct line *l, int64_t unit, int64_t x) {
    const struct recurrent *r = l->r;
    int64_t units = (int64_t)r->cell * r->hidden, from = (l->direction * units + unit) * r->input;
    const void *w = l->call->in[RECURRENT_W]->data, *in = l->call->in[RECURRENT_X]->data;
    double sum = read(l->call, RECURRENT_B, l->direction * 2 * units + unit);
    for (int64_t i = 0; i < r->input; i++)
        sum += element_real(dtype, w, from + i) * element_real(dtype, in, x + i);
    return sum;
}

static double recurrent_bias(const struct line *l, int64_t unit) {
    int64_t units = (int64_t)l->r->cell * l->r->hidden;
    return read(l->call, RECURRENT_B, (l->direction * 2 + 1) * units + unit);
}

static double gate(const struct line *l, int activation, double x) {
    double clip = l->r->clip;
    return recurrent_activate(&l->activations[activation], x < -clip ? -clip : x > clip ? clip : x);
}

static double peephole(const struct line *l, int64_t gate_index, int64_t k) {
    return read(l->call, RECURRENT_P, (l->direction * 3 + gate_index) * l->r->hidden + k);
}

static void finish_lstm(const struct line *l) {
    int64_t h = l->r->hidden;
    for (int64_t k = 0; k < h; k++) {
        double c = l->c[k];
        double i = gate(l, 0, l->gates[k] + peephole(l, 0, k) * c);
        double f = l->r->couple ? 1 - i : gate(l, 0, l->gates[2 * h + k] + peephole(l, 2, k) * c);
        c = f * c + i * gate(l, 1, l->gates[3 * h + k]);
        double o = gate(l, 0, l->gates[h + k] + peephole(l, 1, k) * c);
        l->c[k] = c;
        l->h[k] = o * recurrent_activate(&l->activations[2], c);
    }
}

/* The gates z and r, then the hidden gate from the state that r reset. */
OPS_INLINE void step_gru(sl_dtype dtype, const struct line *l, int64_t x) {
    int64_t h = l->r->hidden;
    for (int64_t k = 0; k < 2 * h; k++)
        l->gates[k] = gate(l, 0, project(dtype, l, k, x) + recur(dtype, l, k, l->h) + recurrent_bias(l, k));
    for (int64_t k = 0; k < h; k++)
        l->reset[k] = l->gates[h + k] * l->h[k];
    for (int64_t k = 0; k < h; k++) {
        double in = project(dtype, l, 2 * h + k, x), bias = recurrent_bias(l, 2 * h + k);
        double state = l->r->linear_before_reset ? l->gates[h + k] * (recur(dtype, l, 2 * h + k, l->h) + bias)
                                                 : recur(dtype, l, 2 * h + k, l->reset) + bias;
        l->gates[2 * h + k] = gate(l, 1, in + state);
    }
    for (int64_t k = 0; k < h; k++)
        l->h[k] = (1 - l->gates[k]) * l->gates[2 * h + k] + l->gates[k] * l->h[k];
}

OPS_INLINE void step(sl_dtype dtype, const struct line *l, int64_t x) {
    if (l->r->cell == CELL_GRU) {
        step_gru(dtype, l, x);
        return;
    }
    int64_t units = (int64_t)l->r->cell * l->r->hidden;
    for (int64_t k = 0; k < units; k++)
        l->gates[k] = project(dtype, l, k, x) + recur(dtype, l, k, l->h) + recurrent_bias(l, k);
    if (l->r->cell == CELL_LSTM)
        finish_lstm(l);
    for (int64_t k = 0; l->r->cell == CELL_RNN && k < units; k++)
        l->h[k] = gate(l, 0, l->gates[k]);
}

static void store(const sl_tensor *t, int64_t at, const double *values, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        element_set_real(t->dtype, t->data, at + i, values ? values[i] : 0);
}

OPS_INLINE void run_line(sl_dtype dtype, const struct line *l) {
    const struct recurrent *r = l->r;
    const struct op_call *call = l->call;
    const int32_t *lens = op_has_in(call, RECURRENT_LENS) ? call->in[RECURRENT_LENS]->data : NULL;
    int64_t length = recurrent_length(r, lens, l->row), state = recurrent_state_at(r, l->direction, l->row);
    for (int64_t k = 0; k < r->hidden; k++) {
        l->h[k] = read(call, RECURRENT_H, state + k);
        l->c[k] = r->cell == CELL_LSTM ? read(call, RECURRENT_C, state + k) : 0;
    }
    for (int64_t i = 0; i < r->steps; i++) {
        int64_t t = i < length && recurrent_is_reverse(r, l->direction) ? length - 1 - i : i;
        if (i < length)
            step(dtype, l, recurrent_x_at(r, t, l->row));
        if (op_has_out(call, 0))
            store(call->out[0], recurrent_y_at(r, t, l->direction, l->row), i < length ? l->h : NULL,
                  r->hidden);
    }
    if (op_has_out(call, 1))
        store(call->out[1], state, l->h, r->hidden);
    if (op_has_out(call, 2))
        store(call->out[2], state, l->c, r->hidden);
}

static void run(const struct op_call *call, enum recurrent_cell cell) {
    struct recurrent r;
    if (recurrent_read(call, cell, &r, NULL) != SL_OK)
        return;
    double *scratch = call->scratch;
    struct line l = {.r = &r, .call = call, .h = scratch, .c = scratch + r.hidden};
    l.reset = l.c + r.hidden;
    l.gates = l.reset + r.hidden;
    for (l.direction = 0; l.direction < r.directions; l.direction++) {
        l.activations = r.activations[l.direction];
        for (l.row = 0; l.row < r.batch; l.row++)
            ELEMENT_DISPATCH_REAL(call->in[0]->dtype, run_line, &l);
    }
}

#define RECURRENT(id, op_name, cell, op_max_in, op_max_out, op_attrs)                                        \
    static sl_status infer_##id(const struct op_call *call, sl_error *err) {                                 \
        return infer(call, cell, err);                                                                       \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        run(call, cell);                                                                                     \
    }                                                                                                        \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 7,                                                                   \
                               .min_in = 3,                                                                  \
                               .max_in = op_max_in,                                                          \
                               .min_out = 0,                                                                 \
                               .max_out = op_max_out,                                                        \
                               .attrs = "activation_alpha activation_beta activations clip direction "       \
                                        "hidden_size layout output_sequence " op_attrs,                      \
                               .infer = infer_##id,                                                          \
                               .prepare = prepare,                                                           \
                               .run = run_##id};

RECURRENT(lstm, "LSTM", CELL_LSTM, 8, 3, "input_forget")
RECURRENT(gru, "GRU", CELL_GRU, 6, 2, "linear_before_reset")
RECURRENT(rnn, "RNN", CELL_RNN, 6, 2, "")
