/* resize.cu: Resize and Upsample, nearest, linear and cubic, over up to three neighbouring axes, from the
 * tables that ops/resize.h makes when the model is loaded: for each output position of an axis, the input
 * positions it reads and their weights.
 *
 * Bytes an output: one write, and its taps from the caches (4 for a bilinear one). FLOPs: 2 a tap. Threads:
 * one an output, in the output's order. Sums in float over the axes from the last to the first, as the
 * reference. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_pool.h"

static const uint32_t THREADS = 256;

/* The position and weight of tap k of output o. */
SL_DEVICE int32_t tap(const k_resize &r, int d, int32_t o, int32_t k, float *weight) {
    if (!r.from[d]) {
        *weight = 1;
        return o;
    }
    *weight = r.weight[d][o * r.taps[d] + k];
    return r.from[d][o * r.taps[d] + k];
}

template <typename T> SL_DEVICE float sum_line(const k_resize &r, int64_t line, int32_t o, uint32_t inner) {
    float sum = 0, weight;
    for (int32_t k = 0; k < r.taps[2]; k++) {
        int64_t at = (line * r.in[2] + tap(r, 2, o, k, &weight)) * r.inner.by + inner;
        float x = k_element_of<float, T>::load(r.x, r.x_type, at);
        if (r.taps[2] == 1)
            return x;
        sum += weight * x;
    }
    return sum;
}

template <typename T>
SL_DEVICE float sum_plane(const k_resize &r, int64_t plane, const int32_t (&o)[3], uint32_t inner) {
    float sum = 0, weight;
    for (int32_t k = 0; k < r.taps[1]; k++) {
        float x = sum_line<T>(r, plane * r.in[1] + tap(r, 1, o[1], k, &weight), o[2], inner);
        if (r.taps[1] == 1)
            return x;
        sum += weight * x;
    }
    return sum;
}

/* Integers are rounded to the nearest and kept in range. */
SL_DEVICE float settle(int type, float x) {
    float low = type == K_I8 ? -128.0f : 0.0f, high = type == K_I8 ? 127.0f : 255.0f;
    if (type != K_U8 && type != K_I8)
        return x;
    x = rint(x);
    x = x < low ? low : x;
    return x > high ? high : x;
}

template <typename T> SL_KERNEL void resize(const k_resize r) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= r.total)
        return;
    uint32_t rest = k_quotient(i, r.inner), inner = i - rest * r.inner.by;
    int32_t o[3];
    bool outside = false;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        uint32_t up = k_quotient(rest, r.out[d]);
        o[d] = (int32_t)(rest - up * r.out[d].by);
        rest = up;
        outside = outside || (r.from[d] && r.from[d][o[d] * r.taps[d]] < 0);
    }
    float sum = 0, weight;
    for (int32_t k = 0; !outside && k < r.taps[0]; k++) {
        float x = sum_plane<T>(r, (int64_t)rest * r.in[0] + tap(r, 0, o[0], k, &weight), o, inner);
        sum = r.taps[0] == 1 ? x : sum + weight * x;
    }
    k_store(r.y, r.y_type, i, settle(r.y_type, outside ? r.outside : sum));
}

extern "C" int k_resize_launch(const struct k_resize *r, k_stream stream) {
    const uint32_t blocks = (r->total + THREADS - 1) / THREADS;
    return r->x_type == K_F32    ? SL_LAUNCH((resize<float>), blocks, THREADS, 0, stream, *r)
           : r->x_type == K_F16  ? SL_LAUNCH((resize<sl_half>), blocks, THREADS, 0, stream, *r)
           : r->x_type == K_BF16 ? SL_LAUNCH((resize<sl_bfloat16>), blocks, THREADS, 0, stream, *r)
                                 : SL_LAUNCH((resize<void>), blocks, THREADS, 0, stream, *r);
}
