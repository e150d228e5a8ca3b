/* k_conv.h: see conv.cu, stem.cu, depthwise.cu, conv_transposed.cu, conv_levels.cu, conv_deformed.cu. Images
 * of one to three dims are all [d, h, w] with the missing ones 1 in front. */
#ifndef INFER_CUDA_K_CONV_H
#define INFER_CUDA_K_CONV_H

#include "infer/cuda/kernels/k_gemm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tap is one position of the kernel. */
struct k_conv {
    const void *x;         /* channels innermost; those of a group are a multiple of 16 bytes */
    const void *w;         /* [groups * filters][taps][channels] */
    struct k_epilogue out; /* rows are the positions of all images: y [n, d, h, w, groups * filters] */
    enum k_type type;
    bool tf32;
    int32_t rows, groups, filters, channels, taps; /* filters and channels of one group */
    struct k_divide positions[3];                  /* of the output: d, h, w */
    struct k_divide kernel[3], chunks;             /* 16 bytes of a tap's channels each */
    int32_t in[3], stride[3], dilation[3], pad[3];
    int32_t image, step[3]; /* in x: elements from image to image, and along each dim */
    /* Of ConvTranspose: position j of `positions` is first + j * apart of y, which has these dims. */
    bool spread;
    int32_t y_dims[3], first[3], apart[3];
};
int k_conv_launch(const struct k_conv *args, k_stream stream);

/* y [images][lines][width][groups][padded] = x * scale + offset, 0 where x has no such pixel or channel. */
struct k_widen {
    const void *x;
    void *y;
    const float *scale, *offset; /* [groups * channels], or one each; NULL: as it is */
    bool one;
    enum k_type x_type, y_type;
    uint32_t total;                      /* pieces of 16 bytes of y */
    struct k_divide pieces, lines;       /* pieces of a line; lines of an image */
    struct k_divide pixel, group;        /* elements of a pixel, of a group of it */
    int32_t width, channels;             /* those of x; of one group */
    int32_t image, line, column, step_c; /* in x: elements from one to the next */
};
int k_widen_launch(const struct k_widen *args, k_stream stream);

/* Every channel by itself: x, y and the residual have the channels innermost; w is f32 [taps][channels]. */
struct k_depthwise {
    const void *x;
    const float *w;
    struct k_epilogue out; /* ld: channels */
    enum k_type type;
    uint32_t total; /* threads: strips of all images, times groups of channels */
    struct k_divide channel_groups, lines[2], strips; /* lines: of the output, d and h */
    int32_t each;                                     /* channels of a group: 16 bytes of them, or 1 */
    int32_t strip, width; /* outputs side by side that a thread makes; of a line */
    int32_t channels, in[3], kernel[3], stride[3], dilation[3], pad[3];
};
enum { K_STRIP = 4 };
/* Whether there is a kernel that makes K_STRIP outputs in one go. */
static inline bool k_depthwise_has_strips(int64_t kernel_w, int64_t stride_w, int64_t dilation_w) {
    return (kernel_w == 3 || kernel_w == 5 || kernel_w == 7) && (stride_w == 1 || stride_w == 2) &&
           dilation_w == 1;
}
int k_depthwise_launch(const struct k_depthwise *args, k_stream stream);

/* The second half of ConvTranspose by way of products [n * in positions][groups][taps][filters] of f32 or the
 * type, gathered into y [n, d, h, w, groups * filters]. */
struct k_gather_transposed {
    const void *products;
    void *y;
    const float *bias; /* or NULL */
    enum k_type type;
    uint32_t total; /* elements of y */
    int32_t filters, taps;
    struct k_divide channels, by_filters, positions[3];
    int32_t in[3], kernel[3], stride[3], dilation[3], pad[3];
};
int k_gather_transposed_launch(const struct k_gather_transposed *args, k_stream stream);

/* QLinearConv (y_type: of levels) and ConvInteger (K_I32): x, w and y as ONNX has them. Zeros and scales are
 * single numbers, those of w one for each filter where it says so; NULL: 0. */
struct k_level_conv {
    const void *x, *w, *x_zero, *w_zero, *y_zero, *x_scale, *w_scale, *y_scale;
    const int32_t *bias; /* or NULL */
    void *y;
    enum k_type x_type, w_type, y_type, scale_type[3]; /* of x, w, y */
    bool w_zeros, w_scales;
    uint32_t total;                         /* elements of y */
    struct k_divide positions[3], channels; /* of y */
    struct k_divide filters;                /* of a group */
    int32_t depth, groups;                  /* channels of a group */
    int32_t in[3], kernel[3], stride[3], dilation[3], pad[3];
};
int k_level_conv_launch(const struct k_level_conv *args, k_stream stream);

/* How an image lies: elements from one image, channel and position to the next. */
struct k_map {
    int32_t image, channel, position;
};

/* The first half of DeformConv: y [rows][groups][taps][padded] is what each output position reads: x
 * [n, h, w, channels] at the tap's place moved by `offset` [n, offset_groups, taps, 2, positions], times
 * `mask` [n, offset_groups, taps, positions] (NULL: 1). Two dims. */
struct k_deformed {
    const void *x, *offset, *mask;
    void *y;
    enum k_type type;
    uint32_t total;                                                               /* elements of y */
    struct k_divide padded, taps, groups, positions, out_w, kernel_w, per_offset; /* channels of an offset */
    int32_t depth, channels;                                                      /* of a group; of x */
    int32_t in[2], stride[2], dilation[2], pad[2];
    struct k_map of_offset, of_mask;
};
int k_deformed_launch(const struct k_deformed *args, k_stream stream);

#ifdef __cplusplus
}
#endif

#endif
