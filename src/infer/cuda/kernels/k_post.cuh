/* k_post.cuh: post_transform of ai.onnx.ml on the scores of one row, as ops/ml_scores.c has it: shared by
 * trees.cu and features.cu. S is what the scores are kept in, float or double with a float in it. */
#ifndef INFER_CUDA_K_POST_CUH
#define INFER_CUDA_K_POST_CUH

#include "infer/cuda/kernels/k_tree.h"
#include "sluice/kernel.cuh"

SL_DEVICE float k_post_logistic(float x) {
    double v = 1 / (1 + exp(-fabs((double)x)));
    return (float)(x < 0 ? 1 - v : v);
}

/* Winitzki's approximation of the inverse error function. */
SL_DEVICE float k_post_probit(float x) {
    double y = 2 * (double)x - 1, sign = y < 0 ? -1 : 1;
    double logarithm = log((1 - y) * (1 + y));
    double v = 2 / (3.14159 * 0.147) + 0.5 * logarithm;
    return (float)(1.41421356 * sign * sqrt(sqrt(v * v - logarithm / 0.147) - v));
}

template <typename S> SL_DEVICE void k_post_apply(int post, S *scores, uint32_t n) {
    double largest = -INFINITY, sum = 0;
    bool soft = post == K_POST_SOFTMAX || post == K_POST_SOFTMAX_ZERO;
    for (uint32_t i = 0; soft && i < n; i++)
        largest = fmax(largest, (double)scores[i]);
    for (uint32_t i = 0; soft && i < n; i++) {
        bool zero = post == K_POST_SOFTMAX_ZERO && fabs((float)scores[i]) <= 1e-7f;
        double e = zero ? (double)scores[i] * exp(-largest) : exp((double)scores[i] - largest);
        sum += zero ? 0 : e;
        scores[i] = (S)(float)e;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (soft)
            scores[i] = (S)(float)((double)scores[i] / sum);
        else if (post == K_POST_LOGISTIC)
            scores[i] = (S)k_post_logistic((float)scores[i]);
        else if (post == K_POST_PROBIT)
            scores[i] = (S)k_post_probit((float)scores[i]);
    }
}

#endif
