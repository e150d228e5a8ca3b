/* k_gemm_int8.h: see gemm_int8.cu. */
#ifndef INFER_CUDA_K_GEMM_INT8_H
#define INFER_CUDA_K_GEMM_INT8_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A scale, zero or bias: one for all (step 0), or one for each row or column (step 1). */
struct k_param {
    const void *p; /* or NULL: scale 1, zero 0, no bias */
    enum k_type type;
    int32_t step;
};

/* Products of levels: with sum = sum over i of (A[r, i] - a_zero) (B[i, c] - b_zero) + whole_bias,
 *   y_type K_I32           y = sum
 *   y_type K_U8, K_I8      y = level(sum * (alpha * a_scale * b_scale / y_scale)) + y_zero
 *   else                   y = sum * (alpha * a_scale * b_scale) + bias
 * A [m, k] and B [k, n] of K_U8 or K_I8, `batches` of them; strides and `batch` as in k_gemm. Y is dense. */
struct k_gemm_int8 {
    const void *a, *b;
    void *y;
    struct k_param a_scale, a_zero, b_scale, b_zero, y_scale, y_zero, whole_bias, bias;
    float alpha;
    enum k_type a_type, b_type, y_type;
    bool b_packed; /* B is [n, k padded to 16], signed: K_U8 less 128 */
    int32_t m, n, k;
    int64_t a_row, a_k, b_k, b_column;
    const int32_t *a_sums; /* [batches, m]: each row of A summed; NULL: b_zero (less 128 for K_U8) is 0 */
    const int32_t *b_sums; /* [batches, n]: each column of B (less 128 each for K_U8); NULL: a_zero is 0 */
    uint32_t batches;
    struct k_walk batch; /* operand 0: Y, 1: A, 2: B */
};
int k_gemm_int8_launch(const struct k_gemm_int8 *args, k_stream stream);

/* sums[z * lines + l] = the k levels of line l of matrix z, K_U8 less 128 where `shifted`. Matrix z is where
 * operand `operand` of the walk says. */
struct k_line_sums {
    const void *x;
    int32_t *sums;
    enum k_type type;
    bool shifted;
    int32_t lines, k;
    int64_t stride, k_stride;
    uint32_t batches;
    int32_t operand;
    struct k_walk batch;
};
int k_line_sums_launch(const struct k_line_sums *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
