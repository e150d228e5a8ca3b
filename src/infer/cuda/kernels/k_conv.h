/* k_conv.h: see conv.cu, depthwise.cu, conv_transposed.cu. Images of one to three dims are all [d, h, w] with
 * the missing ones 1 in front. */
#ifndef INFER_CUDA_K_CONV_H
#define INFER_CUDA_K_CONV_H

#include "infer/cuda/kernels/k_gemm.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { K_MOST_TAPS = 64 }; /* positions of a kernel that conv.cu keeps in a mask */

struct k_conv {
    const void *x;
    const void *w;         /* [groups * filters][k_padded]: k counts positions of the kernel, then channels */
    struct k_epilogue out; /* rows are the positions of all images: y [n, d, h, w, groups * filters] */
    enum k_type type;
    bool tf32;
    int32_t rows, groups, filters, channels; /* of one group */
    int32_t taps, k_padded;
    struct k_divide positions[3]; /* of the output: d, h, w */
    struct k_divide kernel[3], by_channels;
    int32_t in[3], stride[3], dilation[3], pad[3];
    int64_t image, step[3],
        channel; /* in x: elements from image to image, along each dim, from channel to channel */
};
int k_conv_launch(const struct k_conv *args, k_stream stream);

/* Every channel by itself: x, y, w and the residual have the channels innermost, w is [taps][channels]. */
struct k_depthwise {
    const void *x, *w;
    struct k_epilogue out; /* ld: channels */
    enum k_type type;
    uint32_t total; /* threads: positions of all images, times groups of channels */
    struct k_divide channel_groups, positions[3];
    int32_t each; /* channels of a group: 16 bytes of them, or 1 */
    int32_t channels, in[3], kernel[3], stride[3], dilation[3], pad[3];
};
int k_depthwise_launch(const struct k_depthwise *args, k_stream stream);

/* The second half of ConvTranspose: products [n * in positions][groups][taps][filters] of f32 or the type,
 * gathered into y [n, d, h, w, groups * filters]. */
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

#ifdef __cplusplus
}
#endif

#endif
