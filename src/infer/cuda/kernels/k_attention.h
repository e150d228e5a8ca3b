/* k_attention.h: see attention.cu and attention_plain.cu. */
#ifndef INFER_CUDA_K_ATTENTION_H
#define INFER_CUDA_K_ATTENTION_H

#include "infer/cuda/kernels/k_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of one of q, k, v, y: row i of head h of batch b begins at b * batch + h * head + i * row elements. */
struct k_rows_at {
    int64_t batch, head, row;
};

/* y = softmax(cap(scale q k^T) + mask) v for every batch and head, cap(s) = softcap * tanh(s / softcap).
 *
 * Key j takes part in query i where j < count, i + shift - left <= j <= i + shift + right, and the mask's
 * entry is true or not -infinity. count is `keys`, or count[b], and then shift is count[b] - queries; or
 * lengths[b] + 1, and then shift is lengths[b] + 1 - queries, from 0 to `past`, or 0 where total[0] is
 * queries. With a sink the softmax's sum has one more term, exp(sink[head]). A query without keys gives
 * zeros. heads / kv_heads heads share a key head. */
struct k_attention {
    const void *q, *k, *v;
    void *y;
    enum k_type type; /* of q, k, v, y: K_F32, K_F16, K_BF16 */
    struct k_rows_at at_q, at_k, at_v, at_y;
    int32_t batches, heads, kv_heads, queries, keys, size, v_size;
    float scale, softcap; /* softcap 0: none */
    const void *mask;     /* added, or K_BOOL; or NULL */
    enum k_type mask_type;
    int32_t mask_columns; /* columns there are; further keys are masked, unless there is one for all */
    int64_t mask_step[4]; /* along batch, head, query, key; 0: repeated */
    const int64_t *count; /* [batches], or NULL: all keys */
    const int32_t *lengths, *total; /* or NULL */
    int32_t past, shift;            /* shift: where neither count nor lengths are */
    int32_t left, right;            /* -1: open */
    const void *sink;               /* [heads], of `type`; or NULL */
    bool zero_sink;                 /* a sink of 0 for every head */
};
/* size and v_size up to 128, f16 or bf16. */
int k_attention_launch(const struct k_attention *args, k_stream stream);
/* size and v_size up to 256, any of the three. */
int k_attention_plain_launch(const struct k_attention *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
