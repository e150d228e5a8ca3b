/* depthwise.cu: convolution of every channel by itself (groups = channels = filters):
 *
 *   y [n, p, c] = act(sum over taps t of x [n, p moved by t, c] * w [t, c] + bias [c] + residual [n, p, c])
 *
 * x, y: [n, d, h, w, channels] in f32, f16 or bf16. Sums in f32, in the order of the taps.
 *
 * Two FLOPs for a number read at each tap, and none of x is read by more than the taps around it: no work for
 * tensor cores; memory is the limit. Bytes: x and y once (neighbouring outputs share their taps through the
 * cache), FLOPs 2 * taps an element. A thread has 16 bytes of channels of one output position; threads side
 * by side have the channels side by side, so a warp reads whole lines of memory. */
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_epilogue.cuh"

enum { THREADS = 256 };

template <typename T, int EACH> struct alignas(EACH * sizeof(T)) some { T v[EACH]; };

template <typename T, int EACH> SL_DEVICE void add_tap(float *sums, const T *x, const T *w) {
    const some<T, EACH> a = *(const some<T, EACH> *)x, b = *(const some<T, EACH> *)w;
#pragma unroll
    for (int i = 0; i < EACH; i++)
        sums[i] = sl_fma(sl_to_float(a.v[i]), sl_to_float(b.v[i]), sums[i]);
}

template <typename T, int EACH>
SL_DEVICE void finish(const struct k_depthwise &c, int64_t at, int32_t channel, float *sums) {
    some<T, EACH> y;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        float v = sums[i] + (c.out.bias ? c.out.bias[channel + i] : 0);
        if (c.out.residual)
            v += sl_to_float(((const T *)c.out.residual)[at + i]);
        y.v[i] = sl_from_float<T>(k_activate(c.out.act, v, c.out.a, c.out.b));
    }
    *(some<T, EACH> *)((T *)c.out.y + at) = y;
}

template <typename T, int EACH> SL_KERNEL_BOUNDS(THREADS, 1) void depthwise(const struct k_depthwise c) {
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= c.total)
        return;
    const uint32_t row = k_quotient(i, c.channel_groups);
    const int32_t channel = (int32_t)(i - row * c.channel_groups.by) * EACH;
    int32_t at[3];
    uint32_t image = row;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        const uint32_t next = k_quotient(image, c.positions[d]);
        at[d] = (int32_t)(image - next * c.positions[d].by) * c.stride[d] - c.pad[d];
        image = next;
    }
    const T *x = (const T *)c.x + (int64_t)image * c.in[0] * c.in[1] * c.in[2] * c.channels + channel;
    const T *w = (const T *)c.w + channel;
    float sums[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++)
        sums[k] = 0;
    for (int32_t kd = 0; kd < c.kernel[0]; kd++)
        for (int32_t kh = 0; kh < c.kernel[1]; kh++)
            for (int32_t kw = 0; kw < c.kernel[2]; kw++, w += c.channels) {
                const int32_t d = at[0] + kd * c.dilation[0], h = at[1] + kh * c.dilation[1],
                              v = at[2] + kw * c.dilation[2];
                if ((uint32_t)d < (uint32_t)c.in[0] && (uint32_t)h < (uint32_t)c.in[1] &&
                    (uint32_t)v < (uint32_t)c.in[2])
                    add_tap<T, EACH>(sums, x + ((int64_t)(d * c.in[1] + h) * c.in[2] + v) * c.channels, w);
            }
    finish<T, EACH>(c, (int64_t)row * c.channels + channel, channel, sums);
}

template <typename T> static int launch(const struct k_depthwise *c, k_stream stream) {
    const unsigned blocks = (c->total + THREADS - 1) / THREADS;
    if (c->each == 1)
        return SL_LAUNCH((depthwise<T, 1>), blocks, THREADS, 0, stream, *c);
    return SL_LAUNCH((depthwise<T, 16 / sizeof(T)>), blocks, THREADS, 0, stream, *c);
}

extern "C" int k_depthwise_launch(const struct k_depthwise *c, k_stream stream) {
    return c->type == K_F16    ? launch<sl_half>(c, stream)
           : c->type == K_BF16 ? launch<sl_bfloat16>(c, stream)
                               : launch<float>(c, stream);
}
