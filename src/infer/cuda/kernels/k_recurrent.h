/* k_recurrent.h: LSTM, GRU and RNN: recurrent.cu. */
#ifndef INFER_CUDA_K_RECURRENT_H
#define INFER_CUDA_K_RECURRENT_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum k_curve {
    K_CURVE_SIGMOID,
    K_CURVE_TANH,
    K_CURVE_RELU,
    K_CURVE_AFFINE,
    K_CURVE_LEAKY_RELU,
    K_CURVE_THRESHOLDED_RELU,
    K_CURVE_SCALED_TANH,
    K_CURVE_HARD_SIGMOID,
    K_CURVE_ELU,
    K_CURVE_SOFTSIGN,
    K_CURVE_SOFTPLUS
};
struct k_recurrent_activation {
    enum k_curve curve;
    float alpha, beta;
};

/* Gates in ONNX's order: LSTM iofc, GRU zrh. w [directions, input, gates * hidden] and r [directions, hidden,
 * gates * hidden]: turned round, so that neighbouring units lie side by side. bias [directions, 2, gates *
 * hidden], peephole [directions, 3, hidden] or NULL. Strides in elements say where a step, a row and a
 * direction of x, y and the states lie. */
struct k_recurrent {
    const void *x, *w, *r, *bias, *peephole, *first_h, *first_c; /* from `bias` on, NULL where missing */
    const int32_t *lengths;                                      /* or NULL */
    void *y, *last_h, *last_c;                                   /* NULL where nobody asks */
    enum k_type type, x_type;                                    /* of all but x */
    int32_t gates;                                               /* 4 LSTM, 3 GRU, 1 RNN */
    int32_t steps, batch, input, hidden, directions;
    int64_t x_step, x_row, y_step, y_row, y_direction, state_row, state_direction;
    bool first_reverse, couple, linear_before_reset;
    float clip; /* INFINITY: none */
    struct k_recurrent_activation activations[2][3];
};
/* Whether a row's states fit a block's shared memory. */
bool k_recurrent_fits(int32_t gates, int32_t hidden, int32_t input);
int k_recurrent_launch(const struct k_recurrent *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
