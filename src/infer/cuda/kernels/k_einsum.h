/* k_einsum.h: see einsum.cu. */
#ifndef INFER_CUDA_K_EINSUM_H
#define INFER_CUDA_K_EINSUM_H

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

#define K_EINSUM_INPUTS 3

/* y[i] = the sum over j of the inputs' products: input k at outer.steps[k + 1] for i and inner.steps[k + 1]
 * for j; operand 0 of `outer` is y, of `inner` nothing. All of one type. */
struct k_einsum {
    const void *in[K_EINSUM_INPUTS];
    void *y;
    enum k_type type;
    int32_t in_count;
    struct k_walk outer, inner;
};
int k_einsum_launch(const struct k_einsum *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
