/* k_heads.h: see heads.cu. */
#ifndef INFER_CUDA_K_HEADS_H
#define INFER_CUDA_K_HEADS_H

#include "infer/cuda/kernels/k_attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of heads, all of one type of floats. Row j of head h of batch b of y is
 *
 *   j < past                    row j of `past`
 *   past <= j < past + fresh    row j - past of x, normalised and turned where those are asked for
 *   beyond                      zeros
 *
 * or, where `only_new`, row j of x.
 *
 * past is `past_rows` for all; with `lengths` that of the batch, clamp(lengths[b] + 1 - fresh, 0, past_rows),
 * or 0 where total[0] is fresh.
 *
 * Normalised: x * norm / sqrt(mean of squares + epsilon). Turned: numbers a and b of a pair become
 * a cos - b sin and a sin + b cos; `pairs` of them, which are i and pairs + i, or 2 i and 2 i + 1
 * (interleaved); the rest of the row stays. The row of cos and sin, [cache_rows, pairs]: positions[i], or
 * positions[0] + i where there is one for all, or past + i where there are none; b * fresh + i where
 * `cache_is_own`. Outside, the nearest. */
struct k_heads {
    const void *x, *past, *norm, *cos, *sin; /* past, norm, cos may be NULL */
    void *y;
    const int64_t *positions; /* [batches, fresh], or [1], or NULL */
    const int32_t *lengths, *total;
    enum k_type type; /* K_F32, K_F16, K_BF16 */
    struct k_rows_at at_x, at_past, at_y;
    int32_t batches, heads, rows, fresh, past_rows, size, pairs, cache_rows;
    bool only_new, one_position, cache_is_own, interleaved;
    float epsilon;
};
int k_heads_launch(const struct k_heads *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
