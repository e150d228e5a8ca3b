/* depthwise.cu: convolution of every channel by itself (groups = channels = filters):
 *
 *   y [n, p, c] = act(sum over taps t of x [n, p moved by t, c] * w [t, c] + bias [c] + residual [n, p, c])
 *
 * x, y: [n, d, h, w, channels] in f32, f16 or bf16; w in f32. Sums in f32, in the order of the taps.
 *
 * Two FLOPs for a number read at each tap, and none of x is read by more than the taps around it: no work for
 * tensor cores; memory is the limit. Bytes: x and y once (lines above each other share their taps through the
 * cache), FLOPs 2 * taps an element. A thread has 16 bytes of channels; threads side by side have the
 * channels side by side, so a warp reads whole lines of memory.
 *
 *   strip   kernels of width 3, 5, 7 and stride 1 or 2: a thread makes four outputs side by side. It reads
 *           each number of the lines above them once and adds it to all outputs that it belongs to: 6 reads
 *           in place of 12 for a line of 3 taps, 8 in place of 20 for one of 5. Weights stay in registers
 *           for the line
 *   single  any other: one output, tap by tap */
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_epilogue.cuh"

enum { THREADS = 256 };

template <typename T, int EACH> struct alignas(EACH * sizeof(T)) some { T v[EACH]; };

/* What a thread makes: outputs [image, d, h, from `first` on] of the channels from `channel` on. */
struct part {
    uint32_t image, line; /* the output's line, counted over all images */
    int32_t d, h, first, channel;

    SL_DEVICE part(const struct k_depthwise &c, uint32_t i, int32_t each) {
        const uint32_t strip = k_quotient(i, c.channel_groups);
        channel = (int32_t)(i - strip * c.channel_groups.by) * each;
        line = k_quotient(strip, c.strips);
        first = (int32_t)(strip - line * c.strips.by) * c.strip;
        const uint32_t deep = k_quotient(line, c.lines[1]);
        h = (int32_t)(line - deep * c.lines[1].by);
        image = k_quotient(deep, c.lines[0]);
        d = (int32_t)(deep - image * c.lines[0].by);
    }
};

/* The line of x that tap (kd, kh) of an output reads, or NULL: it lies outside. */
template <typename T>
SL_DEVICE const T *line_of(const struct k_depthwise &c, const part &p, int32_t kd, int32_t kh) {
    const int32_t d = p.d * c.stride[0] - c.pad[0] + kd * c.dilation[0],
                  h = p.h * c.stride[1] - c.pad[1] + kh * c.dilation[1];
    if ((uint32_t)d >= (uint32_t)c.in[0] || (uint32_t)h >= (uint32_t)c.in[1])
        return (const T *)0;
    return (const T *)c.x +
           (((int64_t)p.image * c.in[0] + d) * c.in[1] + h) * ((int64_t)c.in[2] * c.channels) + p.channel;
}

template <typename T, int EACH>
SL_DEVICE void finish(const struct k_depthwise &c, const part &p, int32_t w, const float *sums) {
    const int64_t at = ((int64_t)p.line * c.width + w) * c.channels + p.channel;
    some<T, EACH> y, more;
    if (c.out.residual)
        more = *(const some<T, EACH> *)((const T *)c.out.residual + at);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        float v = sums[i] + (c.out.bias ? c.out.bias[p.channel + i] : 0);
        if (c.out.residual)
            v += sl_to_float(more.v[i]);
        y.v[i] = sl_from_float<T>(k_activate(c.out.act, v, c.out.a, c.out.b));
    }
    *(some<T, EACH> *)((T *)c.out.y + at) = y;
}

template <typename T, int EACH> SL_KERNEL_BOUNDS(THREADS, 1) void single(const struct k_depthwise c) {
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= c.total)
        return;
    const part p(c, i, EACH);
    const float *weights = c.w + p.channel;
    float sums[EACH];
#pragma unroll
    for (int k = 0; k < EACH; k++)
        sums[k] = 0;
    for (int32_t kd = 0; kd < c.kernel[0]; kd++)
        for (int32_t kh = 0; kh < c.kernel[1]; kh++) {
            const T *x = line_of<T>(c, p, kd, kh);
            for (int32_t kw = 0; kw < c.kernel[2]; kw++, weights += c.channels) {
                const int32_t w = p.first * c.stride[2] - c.pad[2] + kw * c.dilation[2];
                if (!x || (uint32_t)w >= (uint32_t)c.in[2])
                    continue;
                const some<T, EACH> v = *(const some<T, EACH> *)(x + (int64_t)w * c.channels);
#pragma unroll
                for (int k = 0; k < EACH; k++)
                    sums[k] = sl_fma(sl_to_float(v.v[k]), weights[k], sums[k]);
            }
        }
    finish<T, EACH>(c, p, p.first, sums);
}

/* One line of taps for all outputs of the strip. */
template <typename T, int WIDE, int STRIDE, int EACH>
SL_DEVICE void add_line(const struct k_depthwise &c, const part &p, const T *x, const float *weights,
                        float (&sums)[K_STRIP][EACH]) {
    some<float, EACH> w[WIDE];
#pragma unroll
    for (int k = 0; k < WIDE; k++)
        w[k] = *(const some<float, EACH> *)(weights + k * c.channels);
    const int32_t from = p.first * STRIDE - c.pad[2];
#pragma unroll
    for (int j = 0; j < (K_STRIP - 1) * STRIDE + WIDE; j++) {
        if ((uint32_t)(from + j) >= (uint32_t)c.in[2])
            continue;
        const some<T, EACH> v = *(const some<T, EACH> *)(x + (int64_t)(from + j) * c.channels);
#pragma unroll
        for (int o = 0; o < K_STRIP; o++) {
            const int tap = j - o * STRIDE; /* known to the compiler */
            if (tap < 0 || tap >= WIDE)
                continue;
#pragma unroll
            for (int i = 0; i < EACH; i++)
                sums[o][i] = sl_fma(sl_to_float(v.v[i]), w[tap].v[i], sums[o][i]);
        }
    }
}

template <typename T, int WIDE, int STRIDE>
SL_KERNEL_BOUNDS(THREADS, 1)
void strip(const struct k_depthwise c) {
    const int EACH = 16 / sizeof(T);
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= c.total)
        return;
    const part p(c, i, EACH);
    const float *weights = c.w + p.channel;
    float sums[K_STRIP][EACH];
#pragma unroll
    for (int o = 0; o < K_STRIP; o++)
#pragma unroll
        for (int k = 0; k < EACH; k++)
            sums[o][k] = 0;
    for (int32_t kd = 0; kd < c.kernel[0]; kd++)
        for (int32_t kh = 0; kh < c.kernel[1]; kh++, weights += WIDE * c.channels) {
            const T *x = line_of<T>(c, p, kd, kh);
            if (x)
                add_line<T, WIDE, STRIDE, EACH>(c, p, x, weights, sums);
        }
#pragma unroll
    for (int o = 0; o < K_STRIP; o++)
        if (p.first + o < c.width)
            finish<T, EACH>(c, p, p.first + o, sums[o]);
}

/* ---- launchers ---- */

template <typename T, int WIDE> static int launch_wide(const struct k_depthwise *c, k_stream stream) {
    const unsigned blocks = (c->total + THREADS - 1) / THREADS;
    if (c->stride[2] == 1)
        return SL_LAUNCH((strip<T, WIDE, 1>), blocks, THREADS, 0, stream, *c);
    return SL_LAUNCH((strip<T, WIDE, 2>), blocks, THREADS, 0, stream, *c);
}

template <typename T> static int launch(const struct k_depthwise *c, k_stream stream) {
    const unsigned blocks = (c->total + THREADS - 1) / THREADS;
    if (c->each == 1)
        return SL_LAUNCH((single<T, 1>), blocks, THREADS, 0, stream, *c);
    if (c->strip == 1)
        return SL_LAUNCH((single<T, 16 / sizeof(T)>), blocks, THREADS, 0, stream, *c);
    return c->kernel[2] == 3   ? launch_wide<T, 3>(c, stream)
           : c->kernel[2] == 5 ? launch_wide<T, 5>(c, stream)
                               : launch_wide<T, 7>(c, stream);
}

extern "C" int k_depthwise_launch(const struct k_depthwise *c, k_stream stream) {
    return c->type == K_F16    ? launch<sl_half>(c, stream)
           : c->type == K_BF16 ? launch<sl_bfloat16>(c, stream)
                               : launch<float>(c, stream);
}
