/* quantize.cu: QuantizeLinear and DequantizeLinear, one scale for a tensor, for each index of an axis or for
 * each block of one; and the elementwise operators over levels with one scale each (QLinearAdd, QLinearMul,
 * ...).
 *
 *   level = clamp(rint(x / scale) + zero)     number = (level - zero) * scale
 *
 * in float, each operation rounded, halves to even, as the references and ONNX Runtime: the same levels. NaN
 * becomes the lowest level. Bytes an element: 1 on the side of the levels, 2 or 4 on the other. FLOPs: 3.
 * Threads: one an element. */
#include "infer/cuda/kernels/k_level.cuh"
#include "infer/cuda/kernels/k_quant.h"

static const uint32_t THREADS = 256;

SL_KERNEL void quantize(const k_quantize q) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= q.walk.count)
        return;
    int32_t at[2];
    k_walk_to<2>(q.walk, i, at);
    float real = k_load<float>(q.x, q.x_type, at[0]) / k_load<float>(q.scale, q.scale_type, at[1]);
    k_write_level(q.y, q.y_type, at[0], real, k_zero_at(q.zero, q.y_type, at[1]));
}

SL_KERNEL void dequantize(const k_quantize q) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= q.walk.count)
        return;
    int32_t at[2];
    k_walk_to<2>(q.walk, i, at);
    float level = (float)(k_load<int64_t>(q.x, q.x_type, at[0]) - k_zero_at(q.zero, q.x_type, at[1]));
    k_store(q.y, q.y_type, at[0], level * k_load<float>(q.scale, q.scale_type, at[1]));
}

extern "C" int k_quantize_launch(const struct k_quantize *q, k_stream stream) {
    return SL_LAUNCH(quantize, (q->walk.count + THREADS - 1) / THREADS, THREADS, 0, stream, *q);
}

extern "C" int k_dequantize_launch(const struct k_quantize *q, k_stream stream) {
    return SL_LAUNCH(dequantize, (q->walk.count + THREADS - 1) / THREADS, THREADS, 0, stream, *q);
}

SL_DEVICE float number_of(const k_level &l, int k, int64_t at) {
    int64_t level = k_load<int64_t>(l.in[k], l.in_type[k], at) - k_zero_at(l.zero[k], l.in_type[k], 0);
    return (float)level * k_load<float>(l.scale[k], l.scale_type[k], 0);
}

SL_KERNEL void level_op(const k_level l) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= l.walk.count)
        return;
    int32_t at[4];
    k_walk_to<4>(l.walk, i, at);
    float x = number_of(l, 0, at[1]);
    switch (l.op) {
    case K_LEVEL_ADD:
        x = x + number_of(l, 1, at[2]);
        break;
    case K_LEVEL_MUL:
        x = x * number_of(l, 1, at[2]);
        break;
    case K_LEVEL_WHERE:
        x = l.condition[at[3]] ? x : number_of(l, 1, at[2]);
        break;
    case K_LEVEL_LEAKY_RELU:
        x = x < 0 ? l.alpha * x : x;
        break;
    case K_LEVEL_SIGMOID:
        x = 1 / (1 + exp(-x));
        break;
    default:
        break;
    }
    k_write_level(l.y, l.y_type, at[0], x / k_load<float>(l.scale[2], l.scale_type[2], 0),
                  k_zero_at(l.zero[2], l.y_type, 0));
}

extern "C" int k_level_launch(const struct k_level *l, k_stream stream) {
    return SL_LAUNCH(level_op, (l->walk.count + THREADS - 1) / THREADS, THREADS, 0, stream, *l);
}

/* ---- means of levels: a warp a result, in double ---- */

SL_KERNEL void level_mean(const k_level_mean m) {
    const uint32_t result = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    if (result >= m.stay.count)
        return;
    const int64_t zero = k_zero_at(m.zero[0], m.x_type, 0);
    const float scale = k_load<float>(m.scale[0], m.scale_type[0], 0);
    int32_t at[2], in[1];
    double sum = 0;
    k_walk_to<2>(m.stay, result, at);
    for (uint32_t k = threadIdx.x % 32; k < m.gone.count; k += 32) {
        k_walk_to<1>(m.gone, k, in);
        sum += (double)((float)(k_load<int64_t>(m.x, m.x_type, (int64_t)at[1] + in[0]) - zero) * scale);
    }
#pragma unroll
    for (int step = 16; step; step >>= 1)
        sum += sl_shfl_xor(sum, step);
    if (threadIdx.x % 32 == 0)
        k_write_level(m.y, m.y_type, at[0],
                      (float)(sum / (double)m.gone.count) / k_load<float>(m.scale[1], m.scale_type[1], 0),
                      k_zero_at(m.zero[1], m.y_type, 0));
}

extern "C" int k_level_mean_launch(const struct k_level_mean *m, k_stream stream) {
    return SL_LAUNCH(level_mean, (m->stay.count + THREADS / 32 - 1) / (THREADS / 32), THREADS, 0, stream, *m);
}

/* ---- DynamicQuantizeLinear ---- */

/* The least and the largest that the block's threads found, with 0; thread 0 gets them. They do not depend on
 * the order in which one looks. */
SL_DEVICE void block_range(float *lows, float *highs, float *low, float *high) {
    lows[threadIdx.x] = *low;
    highs[threadIdx.x] = *high;
    sl_sync();
    for (uint32_t i = 1; threadIdx.x == 0 && i < THREADS; i++) {
        *low = lows[i] < *low ? lows[i] : *low;
        *high = highs[i] > *high ? highs[i] : *high;
    }
}

/* Each block's range as two numbers in y, whose bytes are free until the levels are written. */
SL_KERNEL void narrow_range(const k_dynamic d) {
    SL_SHARED(float, lows, 256);
    SL_SHARED(float, highs, 256);
    float low = 0, high = 0;
    for (uint32_t i = blockIdx.x * THREADS + threadIdx.x; i < d.count; i += gridDim.x * THREADS) {
        float x = k_load<float>(d.x, d.x_type, i);
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    block_range(lows, highs, &low, &high);
    if (threadIdx.x > 0)
        return;
    ((float *)d.y)[2 * blockIdx.x] = low;
    ((float *)d.y)[2 * blockIdx.x + 1] = high;
}

SL_KERNEL void choose_scale(const k_dynamic d) {
    SL_SHARED(float, lows, 256);
    SL_SHARED(float, highs, 256);
    float low = 0, high = 0; /* 0 must be a level */
    for (uint32_t i = threadIdx.x; i < d.count; i += THREADS) {
        float x = k_load<float>(d.x, d.x_type, i);
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    block_range(lows, highs, &low, &high);
    if (threadIdx.x > 0)
        return;
    const float scale = low == high ? 1 : (high - low) / 255;
    d.scale[0] = scale;
    k_write_level(d.zero, K_U8, 0, -low / scale, 0);
}

SL_KERNEL void dynamic_levels(const k_dynamic d) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < d.count)
        k_write_level(d.y, K_U8, i, k_load<float>(d.x, d.x_type, i) / d.scale[0], d.zero[0]);
}

extern "C" int k_dynamic_launch(const struct k_dynamic *d, k_stream stream) {
    struct k_dynamic range = *d;
    uint32_t blocks = d->count / (16 * THREADS);
    int status = 0;
    blocks = blocks > 256 ? 256 : blocks;
    if (blocks > 1) {
        status = SL_LAUNCH(narrow_range, blocks, THREADS, 0, stream, *d);
        range.x = d->y;
        range.x_type = K_F32;
        range.count = 2 * blocks;
    }
    if (!status)
        status = SL_LAUNCH(choose_scale, 1, THREADS, 0, stream, range);
    return status ? status
                  : SL_LAUNCH(dynamic_levels, (d->count + THREADS - 1) / THREADS, THREADS, 0, stream, *d);
}
