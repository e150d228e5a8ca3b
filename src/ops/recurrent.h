/* recurrent.h: what a node of LSTM, GRU or RNN says, read once and checked: shared by the shape rules, the
 * references and the devices' own kernels. Notation of the ONNX operators: W input weights, R recurrent
 * weights, gates in the order LSTM iofc, GRU zrh, RNN i. */
#ifndef OPS_RECURRENT_H
#define OPS_RECURRENT_H

#include "ops/op.h"

enum recurrent_cell { CELL_RNN = 1, CELL_GRU = 3, CELL_LSTM = 4 }; /* the value: gates */

enum recurrent_curve {
    CURVE_SIGMOID,
    CURVE_TANH,
    CURVE_RELU,
    CURVE_AFFINE,
    CURVE_LEAKY_RELU,
    CURVE_THRESHOLDED_RELU,
    CURVE_SCALED_TANH,
    CURVE_HARD_SIGMOID,
    CURVE_ELU,
    CURVE_SOFTSIGN,
    CURVE_SOFTPLUS
};

struct recurrent_activation {
    enum recurrent_curve curve;
    double alpha, beta;
};

enum {
    RECURRENT_X,
    RECURRENT_W,
    RECURRENT_R,
    RECURRENT_B,
    RECURRENT_LENS,
    RECURRENT_H,
    RECURRENT_C,
    RECURRENT_P
};

struct recurrent {
    enum recurrent_cell cell;
    int64_t steps, batch, input, hidden, directions;
    bool batch_first;   /* layout 1 */
    bool first_reverse; /* direction 0 runs backwards */
    bool couple;        /* input_forget */
    bool linear_before_reset;
    double clip;                                   /* infinity: none */
    struct recurrent_activation activations[2][3]; /* LSTM f g h, GRU f g, RNN f */
};

/* SL_E_MODEL with text when attributes or inputs do not fit. */
sl_status recurrent_read(const struct op_call *call, enum recurrent_cell cell, struct recurrent *r,
                         sl_error *err);
double recurrent_activate(const struct recurrent_activation *a, double x);

/* First element of the line of x at a step and row. */
static inline int64_t recurrent_x_at(const struct recurrent *r, int64_t step, int64_t row) {
    return (r->batch_first ? row * r->steps + step : step * r->batch + row) * r->input;
}
/* Of output Y; of the states Y_h and Y_c (and of the initial ones). */
static inline int64_t recurrent_y_at(const struct recurrent *r, int64_t step, int64_t direction,
                                     int64_t row) {
    return (r->batch_first ? (row * r->steps + step) * r->directions + direction
                           : (step * r->directions + direction) * r->batch + row) *
           r->hidden;
}
static inline int64_t recurrent_state_at(const struct recurrent *r, int64_t direction, int64_t row) {
    return (r->batch_first ? row * r->directions + direction : direction * r->batch + row) * r->hidden;
}
/* Steps of a row: `lens` (int32, may be NULL) brought into [0, steps]. */
static inline int64_t recurrent_length(const struct recurrent *r, const int32_t *lens, int64_t row) {
    return !lens ? r->steps : lens[row] < 0 ? 0 : lens[row] < r->steps ? lens[row] : r->steps;
}
static inline bool recurrent_is_reverse(const struct recurrent *r, int64_t direction) {
    return direction ? true : r->first_reverse;
}

#endif
