/* conv_levels.cu: QLinearConv and ConvInteger: convolution of 8-bit levels, with exact sums in 32 bits.
 *
 *   sum = sum over channels and taps of (x - zero of x) * (w - zero of its filter) + bias
 *   ConvInteger: y = sum        QLinearConv: y = level(sum * (scale x * scale w / scale y))
 *
 * The padding is 0 after the zero has been taken off, so what lies there adds nothing. Levels come out as the
 * reference's: the sum is exact, what follows is in float, each operation rounded.
 *
 * x [n, channels, d, h, w], w [filters, channels of a group, d, h, w], y [n, filters, d, h, w], as ONNX has
 * them. One thread an output: its warp reads a line of x and one weight at a time. A direct loop: it is
 * here so that such models run; tensor cores for 8 bits are not used. FLOPs: 2 * outputs * channels * taps on
 * the integer units; bytes: x and y once, an output's taps through the cache. */
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_level.cuh"

enum { THREADS = 256 };

/* An output's place: its filter, and where tap 0 stands in its image. */
struct output {
    uint32_t image, filter;
    int32_t at[3];

    SL_DEVICE output(const struct k_level_conv &c, uint32_t i) {
#pragma unroll
        for (int d = 2; d >= 0; d--) {
            const uint32_t next = k_quotient(i, c.positions[d]);
            at[d] = (int32_t)(i - next * c.positions[d].by) * c.stride[d] - c.pad[d];
            i = next;
        }
        image = k_quotient(i, c.channels);
        filter = i - image * c.channels.by;
    }
};

/* One channel's taps. */
template <typename X, typename W>
SL_DEVICE int32_t sum_taps(const struct k_level_conv &c, const output &o, const X *x, const W *w,
                           int32_t x_zero, int32_t w_zero) {
    int32_t sum = 0;
    for (int32_t kd = 0; kd < c.kernel[0]; kd++)
        for (int32_t kh = 0; kh < c.kernel[1]; kh++, w += c.kernel[2]) {
            const int32_t d = o.at[0] + kd * c.dilation[0], h = o.at[1] + kh * c.dilation[1];
            if ((uint32_t)d >= (uint32_t)c.in[0] || (uint32_t)h >= (uint32_t)c.in[1])
                continue;
            const X *line = x + (d * c.in[1] + h) * c.in[2];
            for (int32_t kw = 0; kw < c.kernel[2]; kw++) {
                const int32_t v = o.at[2] + kw * c.dilation[2];
                if ((uint32_t)v < (uint32_t)c.in[2])
                    sum += ((int32_t)line[v] - x_zero) * ((int32_t)w[kw] - w_zero);
            }
        }
    return sum;
}

SL_DEVICE float scale_of(const void *scale, enum k_type type, uint32_t i) {
    return k_load<float>(scale, type, i);
}

template <typename X, typename W> SL_KERNEL_BOUNDS(THREADS, 1) void levels(const struct k_level_conv c) {
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= c.total)
        return;
    const output o(c, i);
    const uint32_t group = k_quotient(o.filter, c.filters);
    const int64_t image = (int64_t)c.in[0] * c.in[1] * c.in[2];
    const int32_t taps = c.kernel[0] * c.kernel[1] * c.kernel[2],
                  x_zero = (int32_t)k_zero_at(c.x_zero, c.x_type, 0),
                  w_zero = (int32_t)k_zero_at(c.w_zero, c.w_type, c.w_zeros ? o.filter : 0);
    const X *x = (const X *)c.x + ((int64_t)o.image * c.groups + group) * c.depth * image;
    const W *w = (const W *)c.w + (int64_t)o.filter * c.depth * taps;
    int32_t sum = 0;
    for (int32_t k = 0; k < c.depth; k++, x += image, w += taps)
        sum += sum_taps(c, o, x, w, x_zero, w_zero);
    if (c.y_type == K_I32) {
        ((int32_t *)c.y)[i] = sum;
        return;
    }
    const float factor = sl_mul_rn(scale_of(c.x_scale, c.scale_type[0], 0),
                                   scale_of(c.w_scale, c.scale_type[1], c.w_scales ? o.filter : 0)) /
                         scale_of(c.y_scale, c.scale_type[2], 0);
    const float whole = (float)((int64_t)sum + (c.bias ? c.bias[o.filter] : 0));
    k_write_level(c.y, c.y_type, i, sl_mul_rn(whole, factor), k_zero_at(c.y_zero, c.y_type, 0));
}

template <typename X> static int launch(const struct k_level_conv *c, k_stream stream) {
    const unsigned blocks = (c->total + THREADS - 1) / THREADS;
    if (c->w_type == K_I8)
        return SL_LAUNCH((levels<X, int8_t>), blocks, THREADS, 0, stream, *c);
    return SL_LAUNCH((levels<X, uint8_t>), blocks, THREADS, 0, stream, *c);
}

extern "C" int k_level_conv_launch(const struct k_level_conv *c, k_stream stream) {
    return c->x_type == K_I8 ? launch<int8_t>(c, stream) : launch<uint8_t>(c, stream);
}
