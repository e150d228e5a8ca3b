/* k_softmax.h: see softmax.cu. */
#ifndef INFER_CUDA_K_SOFTMAX_H
#define INFER_CUDA_K_SOFTMAX_H

#include "infer/cuda/kernels/k_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y[r][i] = exp(x[r][i]) / sum of exp(x[r][*]); x, y: [rows, n], dense, may be the same memory. */
struct k_softmax {
    const void *x;
    void *y;
    int64_t rows;     /* 1 ... INT32_MAX */
    int32_t n;        /* 1 or more */
    enum k_type type; /* K_F32, K_F16 or K_BF16 */
};
int k_softmax_launch(const struct k_softmax *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
