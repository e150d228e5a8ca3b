/* k_gemm.h: see gemm.cu. */
#ifndef INFER_CUDA_K_GEMM_H
#define INFER_CUDA_K_GEMM_H

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What follows a sum before it is written: as ops/fuse.h numbers them. */
enum k_activation {
    K_ACT_NONE,
    K_ACT_RELU,
    K_ACT_LEAKY_RELU, /* a */
    K_ACT_ELU,        /* a */
    K_ACT_CLIP,       /* to [a, b] */
    K_ACT_SIGMOID,
    K_ACT_HARD_SIGMOID, /* a x + b, to [0, 1] */
    K_ACT_HARD_SWISH,
    K_ACT_SILU,
    K_ACT_TANH,
    K_ACT_GELU,
    K_ACT_GELU_TANH,
    K_ACT_MISH
};

/* y[r][c] = act(scale * sum + bias[c] + residual[r][c]); y and residual: `ld` elements from row to row, in
 * the product's own type, and may be the same memory. */
struct k_epilogue {
    void *y;
    const float *bias;    /* [columns], or NULL */
    const void *residual; /* or NULL */
    int64_t ld;
    float scale, a, b;
    enum k_activation act;
};

/* Y = A B: A [m, k], B [k, n], Y [m, n], `batches` of them. Element (r, i) of A is at r * a_row + i * a_k,
 * (i, c) of B at i * b_k + c * b_column, all in elements; batch z is where `batch` says (operand 0: Y, 1: A,
 * 2: B). */
struct k_gemm {
    const void *a, *b;
    struct k_epilogue out;
    enum k_type type; /* K_F32, K_F16, K_BF16: of A, B, Y and the residual */
    bool tf32;        /* K_F32: factors rounded to tf32, on tensor cores */
    bool b_padded;    /* b_k 1: zeros follow each column of B up to a multiple of 16 bytes */
    int32_t m, n, k;
    int64_t a_row, a_k, b_k, b_column;
    uint32_t batches;
    struct k_walk batch;
};
int k_gemm_launch(const struct k_gemm *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
