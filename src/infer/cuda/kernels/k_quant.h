/* k_quant.h: levels and the numbers behind them: quantize.cu. */
#ifndef INFER_CUDA_K_QUANT_H
#define INFER_CUDA_K_QUANT_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* QuantizeLinear y = level(x / scale) and DequantizeLinear y = (x - zero) * scale. Operand 0 of the walk: x
 * and y, operand 1: scale and zero. Levels are of 8 or 16 bits (and int32 to dequantise). */
struct k_quantize {
    const void *x, *scale, *zero; /* zero: of the levels' type, or NULL */
    void *y;
    enum k_type x_type, y_type, scale_type;
    struct k_walk walk;
};
int k_quantize_launch(const struct k_quantize *args, k_stream stream);
int k_dequantize_launch(const struct k_quantize *args, k_stream stream);

/* Operators over levels with one scale each: y = level(f(a, b)). */
enum k_level_op {
    K_LEVEL_ADD,
    K_LEVEL_MUL,
    K_LEVEL_WHERE, /* condition ? a : b */
    K_LEVEL_LEAKY_RELU,
    K_LEVEL_SIGMOID,
    K_LEVEL_COPY
};
struct k_level {
    const void *in[2], *scale[3], *zero[3]; /* of the inputs; [2]: of y. zero NULL: 0 */
    void *y;
    enum k_type in_type[2], y_type, scale_type[3];
    enum k_level_op op;
    float alpha;
    const uint8_t *condition;
    struct k_walk walk; /* operand 0: y, 1 and 2: inputs, 3: the condition */
};
int k_level_launch(const struct k_level *args, k_stream stream);

/* y = level of the mean of the numbers behind x. */
struct k_level_mean {
    const void *x, *scale[2], *zero[2]; /* of x and y; zero NULL: 0 */
    void *y;
    enum k_type x_type, y_type, scale_type[2];
    struct k_walk stay, gone; /* as k_reduce has them: operand 0 y, 1 x; operand 0 x */
};
int k_level_mean_launch(const struct k_level_mean *args, k_stream stream);

/* DynamicQuantizeLinear: scale and zero of uint8 for the range of x with 0 in it, then the levels. */
struct k_dynamic {
    const void *x;
    float *scale;
    uint8_t *zero, *y;
    enum k_type x_type;
    uint32_t count;
};
int k_dynamic_launch(const struct k_dynamic *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
