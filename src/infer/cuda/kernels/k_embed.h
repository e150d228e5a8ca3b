/* k_embed.h: a transformer's first step as one kernel: embed.cu. */
#ifndef INFER_CUDA_K_EMBED_H
#define INFER_CUDA_K_EMBED_H

#include <stdint.h>

#include "infer/cuda/kernels/k_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Token t of `tokens`, the (t % length)th of its row: s = words[ids[t]] + places[position] +
 * kinds[segments[t]], and y = LayerNormalization(s). Ids outside a table are brought inside. */
struct k_embed {
    const void *ids, *segments, *positions; /* segments, positions may be NULL: no kinds; 0, 1, 2, ... */
    const void *words, *places, *kinds;     /* tables of rows of n; places, kinds may be NULL */
    const void *gamma, *beta;               /* [n]; beta may be NULL */
    void *y, *sum;                          /* sum: where s goes, or NULL */
    enum k_type id_type, type;              /* of ids, segments and positions; of the rest */
    int32_t word_count, place_count, kind_count;
    int32_t tokens, length, n;
    int32_t shared_positions; /* not 0: one row of positions for all */
    float epsilon;
};
int k_embed_launch(const struct k_embed *args, k_stream stream);

/* How many of a row's mask are 1. */
struct k_count_mask {
    const int32_t *mask; /* [rows, length], or NULL: 0 for each row */
    int32_t *y;          /* [rows] */
    int32_t rows, length;
};
int k_count_mask_launch(const struct k_count_mask *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
