/* cuda_recurrent.c: LSTM, GRU and RNN: weights turned round once, strides for the layouts. */
#include "infer/cuda/cuda_bound.h"
#include "ops/recurrent.h"
#include "ops/rules.h"

BOUND_LAUNCH(recurrent)

#define AT(field) offsetof(struct k_recurrent, field)

_Static_assert((int)CURVE_SOFTPLUS == (int)K_CURVE_SOFTPLUS && (int)CURVE_ELU == (int)K_CURVE_ELU &&
                   (int)CURVE_AFFINE == (int)K_CURVE_AFFINE,
               "curves are taken over by their numbers");

/* [directions, units, n] into [directions, n, units], in the type of the device's floats. */
static bool bind_turned(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t in, enum k_type type) {
    const sl_tensor *w = bound_const(m, in);
    int64_t units = w->dims[1], n = w->dims[2], count = rule_count(w);
    float *turned = bound_room(m, (size_t)count, sizeof *turned);
    if (!turned)
        return false;
    for (int64_t d = 0; d < w->dims[0]; d++)
        for (int64_t u = 0; u < units; u++)
            for (int64_t i = 0; i < n; i++)
                turned[(d * n + i) * units + u] = ((const float *)w->data)[(d * units + u) * n + i];
    return bound_floats(m, b, at, turned, (size_t)count, type);
}

static bool check(struct cuda_match *m, const struct recurrent *r, enum k_type type) {
    for (size_t i = RECURRENT_W; i <= RECURRENT_R; i++)
        if (!bound_const(m, i) || bound_const(m, i)->dtype != SL_FLOAT)
            return bound_refuse(m, "weights that are not constants of float");
    for (size_t i = RECURRENT_B; i <= RECURRENT_P; i++)
        if (i != RECURRENT_LENS && bound_has_in(m, i) && bound_in_type(m, i) != type)
            return bound_refuse(m, "inputs of different dtypes");
    for (size_t i = 0; i < m->call.out_count; i++)
        if (bound_has_out(m, i) && bound_out_type(m, i) != type)
            return bound_refuse(m, "outputs of different dtypes");
    if (r->steps > INT32_MAX || r->batch > INT32_MAX ||
        !k_recurrent_fits((int32_t)r->cell, (int32_t)r->hidden, (int32_t)r->input))
        return bound_refuse(m, "a state of %lld and an input of %lld", (long long)r->hidden,
                            (long long)r->input);
    return true;
}

static void fill_strides(const struct recurrent *r, struct k_recurrent *k) {
    k->x_step = recurrent_x_at(r, 1, 0);
    k->x_row = recurrent_x_at(r, 0, 1);
    k->y_step = recurrent_y_at(r, 1, 0, 0);
    k->y_direction = recurrent_y_at(r, 0, 1, 0);
    k->y_row = recurrent_y_at(r, 0, 0, 1);
    k->state_direction = recurrent_state_at(r, 1, 0);
    k->state_row = recurrent_state_at(r, 0, 1);
}

static bool bind(struct cuda_match *m, struct cuda_bound *b, enum k_type type) {
    const struct {
        size_t in, at;
    } inputs[] = {{RECURRENT_B, AT(bias)},
                  {RECURRENT_LENS, AT(lengths)},
                  {RECURRENT_H, AT(first_h)},
                  {RECURRENT_C, AT(first_c)},
                  {RECURRENT_P, AT(peephole)}};
    static const size_t outputs[] = {AT(y), AT(last_h), AT(last_c)};
    bool ok = bound_in(m, b, AT(x), RECURRENT_X, 0) && bind_turned(m, b, AT(w), RECURRENT_W, type) &&
              bind_turned(m, b, AT(r), RECURRENT_R, type);
    for (size_t i = 0; ok && i < sizeof inputs / sizeof *inputs; i++)
        if (bound_has_in(m, inputs[i].in))
            ok = bound_in(m, b, inputs[i].at, inputs[i].in, 0);
    for (size_t i = 0; ok && i < 3; i++)
        if (bound_has_out(m, i))
            ok = bound_out(m, b, outputs[i], i, 0);
    return ok;
}

static bool match_recurrent(struct cuda_match *m, int cell) {
    struct recurrent r;
    enum k_type type = K_F32;
    if (recurrent_read(&m->call, (enum recurrent_cell)cell, &r, NULL) != SL_OK)
        return bound_refuse(m, "its attributes");
    for (size_t i = m->call.out_count; i-- > 0;)
        type = bound_has_out(m, i) ? bound_out_type(m, i) : type;
    if (!check(m, &r, type))
        return false;
    struct k_recurrent k = {.type = type,
                            .x_type = bound_in_type(m, RECURRENT_X),
                            .gates = (int32_t)r.cell,
                            .steps = (int32_t)r.steps,
                            .batch = (int32_t)r.batch,
                            .input = (int32_t)r.input,
                            .hidden = (int32_t)r.hidden,
                            .directions = (int32_t)r.directions,
                            .first_reverse = r.first_reverse,
                            .couple = r.couple,
                            .linear_before_reset = r.linear_before_reset,
                            .clip = (float)r.clip};
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 3; i++)
            k.activations[d][i] = (struct k_recurrent_activation){(enum k_curve)r.activations[d][i].curve,
                                                                  (float)r.activations[d][i].alpha,
                                                                  (float)r.activations[d][i].beta};
    fill_strides(&r, &k);
    return bind(m, bound_add(m, launch_recurrent, &k, sizeof k), type);
}

const struct bound_operator bound_recurrent[] = {{"", "LSTM", match_recurrent, CELL_LSTM, false},
                                                 {"", "GRU", match_recurrent, CELL_GRU, false},
                                                 {"", "RNN", match_recurrent, CELL_RNN, false},
                                                 {NULL, NULL, NULL, 0, false}};
