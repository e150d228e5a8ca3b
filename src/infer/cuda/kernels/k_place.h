/* k_place.h: what depends on where an element stands: place.cu. */
#ifndef INFER_CUDA_K_PLACE_H
#define INFER_CUDA_K_PLACE_H

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y [outer, depth, inner] = on where x [outer, inner] is the place along depth (negative: from the end), else
 * off; values: off, on. */
struct k_one_hot {
    const void *x, *values;
    void *y;
    enum k_type x_type, y_type;
    uint32_t count;
    struct k_divide inner, depth;
};
int k_one_hot_launch(const struct k_one_hot *args, k_stream stream);

/* The part of [matrices, rows, columns] with column - row >= k (upper) or <= k; zero elsewhere. */
struct k_trilu {
    const void *x;
    void *y;
    int32_t unit_nbytes;
    uint32_t count;
    struct k_divide rows, columns;
    int64_t k;
    bool upper;
};
int k_trilu_launch(const struct k_trilu *args, k_stream stream);

/* x, y [a, b, slab]: the first `length` steps of each row turned round; rows along a (`batch_first`) or b. */
struct k_reverse {
    const void *x, *lengths;
    void *y;
    enum k_type length_type;
    int32_t unit_nbytes;
    uint32_t count;
    struct k_divide b, slab;
    int32_t steps;
    bool batch_first;
};
int k_reverse_launch(const struct k_reverse *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
