/* k_pool.h: kernels that look at windows of images: pool.cu, resize.cu, grid.cu, lrn.cu. Always three spatial
 * dims, the missing ones 1 in front. */
#ifndef INFER_CUDA_K_POOL_H
#define INFER_CUDA_K_POOL_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

enum k_pool_kind { K_POOL_MAX, K_POOL_AVERAGE, K_POOL_LP };

/* x [images, in..., inner], y [images, out..., inner]: plain images have one image a channel and inner 1,
 * channels-last ones have their channels as `inner`. */
struct k_pool {
    const void *x;
    void *y;
    int64_t *indices; /* where in x the largest was, or NULL; plain images only */
    enum k_type x_type, y_type;
    enum k_pool_kind kind;
    uint32_t total; /* elements of y */
    struct k_divide inner, out[3];
    int32_t in[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
    int32_t p;                 /* of K_POOL_LP */
    bool padded, column_major; /* count_include_pad; storage_order */
    int32_t spatial;
};
int k_pool_launch(const struct k_pool *args, k_stream stream);

/* QLinearAveragePool: the same over levels, sums of the numbers behind them. */
struct k_level_pool {
    struct k_pool pool;
    const void *scale[2], *zero[2]; /* of x and y; zero NULL: 0 */
    enum k_type scale_type[2];
};
int k_level_pool_launch(const struct k_level_pool *args, k_stream stream);

/* x [images, in..., inner], y [images, out..., inner]; position o of axis d reads taps[d] positions of x from
 * from[d][o * taps[d]] on, each with its weight; a first one of -1: the output is `outside`. */
struct k_resize {
    const void *x;
    void *y;
    enum k_type x_type, y_type;
    uint32_t total;
    struct k_divide inner, out[3];
    int32_t in[3], taps[3];
    const int32_t *from[3]; /* NULL: the axis is as it was */
    const float *weight[3];
    float outside;
};
int k_resize_launch(const struct k_resize *args, k_stream stream);

/* GridSample: y [n, channels, positions] = x [n, channels, in...] where grid [n, positions, dims] says, its
 * first number the last axis, from -1 to 1. */
enum k_grid_mode { K_GRID_LINEAR, K_GRID_NEAREST, K_GRID_CUBIC };
enum k_grid_padding { K_GRID_ZEROS, K_GRID_BORDER, K_GRID_REFLECTION };
struct k_grid {
    const void *x, *grid;
    void *y;
    enum k_type type, grid_type; /* of x and y; of the grid */
    enum k_grid_mode mode;
    enum k_grid_padding padding;
    bool corners;
    int32_t dims, channels, in[3]; /* of [d, h, w], the missing ones 1 in front */
    uint32_t total;                /* n * positions */
    struct k_divide positions;
};
int k_grid_launch(const struct k_grid *args, k_stream stream);

/* y = x / (bias + alpha / size * sum of squares of the `size` channels around) ^ beta */
struct k_lrn {
    const void *x;
    void *y;
    enum k_type type;
    uint32_t total;
    struct k_divide pixels, channels;
    int32_t size;
    float alpha, beta, bias;
};
int k_lrn_launch(const struct k_lrn *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
