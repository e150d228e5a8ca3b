/* k_fourier.h: see fourier.cu. */
#ifndef INFER_CUDA_K_FOURIER_H
#define INFER_CUDA_K_FOURIER_H

#include "infer/cuda/kernels/k_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y[k] = scale * sum over n < length of window[n] x[n] circle[k n mod length], for each line; numbers of x
 * and y have one part or two. Line l = (s * frames + f) * inner + i begins at s * x_signal + f * x_frame + i
 * of x, in numbers, and at (s * frames + f) * out * inner + i of y; within a line numbers are `inner` apart.
 * Of x `size` numbers are there, zeros follow; `mirrored`: from length / 2 + 1 on x[n] is the conjugate of
 * x[length - n]. */
struct k_fourier {
    const void *x, *window; /* window [length], or NULL */
    void *y;
    const float *circle; /* [length][2] */
    enum k_type type;    /* K_F32, K_F16, K_BF16: of x, window, y */
    int32_t lines, frames, inner, length, size, out, parts, out_parts;
    int64_t x_signal, x_frame;
    bool mirrored;
    float scale;
};
int k_fourier_launch(const struct k_fourier *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
