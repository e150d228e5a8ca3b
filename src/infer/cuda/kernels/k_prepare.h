/* k_prepare.h: prepare.cu: a model's own preprocessing, images cropped, resized and normalised in one launch.
 */
#ifndef INFER_CUDA_K_PREPARE_H
#define INFER_CUDA_K_PREPARE_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

#define K_PREPARE_CHANNELS 4
#define K_PREPARE_LINKS 10

enum k_prepare_how {
    K_PREPARE_DIRECT, /* taps come through the caches */
    K_PREPARE_ONCE,   /* from a patch in shared memory, rows and columns at once */
    K_PREPARE_TWICE   /* along the patch's rows first, then down its columns */
};

enum k_prepare_op {
    K_PREPARE_ADD,
    K_PREPARE_SUB,
    K_PREPARE_MUL,
    K_PREPARE_DIV,
    K_PREPARE_ROUND, /* to even */
    K_PREPARE_CLIP,  /* to [a[0], b] */
    K_PREPARE_BYTE   /* truncated, its low 8 bits */
};

/* What happens to a number of channel c, with a[c]. */
struct k_prepare_link {
    enum k_prepare_op op;
    float a[K_PREPARE_CHANNELS], b;
};

/* x: images of up to 4 channels, y: the same; each axis by its step in elements, in the order image, row,
 * column, channel. `first` is where row 0, column 0, channel 0 of the crop lies in image 0.
 *
 * Output position o of an axis (0: rows, 1: columns) reads positions from[axis][k * out[axis] + o] of the
 * crop with weight[axis][...], k < taps[axis]; tile t of it reads within span[axis][2 t] ... span[axis][2 t +
 * 1], which is at most patch[axis] positions. */
struct k_prepare {
    const void *x; /* 16-byte aligned */
    void *y;
    const int32_t *from[2], *span[2];
    const float *weight[2];
    enum k_type x_type, y_type; /* x: u8, f32, f16 or bf16 */
    enum k_prepare_how how;
    int64_t x_nbytes;
    int32_t first, x_step[4], y_step[4];
    uint32_t blocks;                               /* images * tiles of each */
    struct k_divide tiles, across, channels, line; /* line: tile[1] * channels */
    struct k_divide columns, pieces;               /* tile[1]; 16 bytes of a staged line */
    int32_t out[2], tile[2], taps[2], patch[2];
    bool interleaved; /* a staged line has all channels of its pixels, else one */
    int32_t lowest;   /* the lowest of a pixel's channels, in elements from channel 0: not above 0 */
    int32_t reach;    /* elements from a pixel's lowest channel to its last, counting both */
    bool planar;      /* y's columns lie side by side rather than its channels */
    uint32_t stage_nbytes, shared_nbytes;
    int32_t link_count;
    struct k_prepare_link links[K_PREPARE_LINKS];
    int32_t axis[4]; /* the dims of y that are image, row, column, channel: for the matchers */
};
int k_prepare_launch(const struct k_prepare *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
