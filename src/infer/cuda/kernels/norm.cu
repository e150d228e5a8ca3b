/* norm.cu: LayerNormalization and RMSNormalization, alone or with the residual and the bias before them
 * (SkipLayerNormalization), InstanceNormalization and GroupNormalization: rows of n numbers, each less the
 * row's mean, by its standard deviation, times gamma plus beta. BatchNormalization, whose statistics are
 * weights, is at the end.
 *
 * Shapes: x, y [rows, n]. Bytes an element: one read of x (and of the skip) and one write; gamma and beta
 * stay in the caches. FLOPs: 8. Bound by memory.
 *
 * Threads: a warp (or, for long rows, a block of 8 warps) holds its row in registers, up to 8 chunks of 16
 * bytes a lane: lane l of a group of G has chunks l, l + G, l + 2 G, ... so that every read is coalesced.
 * Mean first, then the squares of the distances, from registers: two sums without the cancellation of E[x^2]
 * - E[x]^2. Rows that are too long or of an odd length are read from memory once for each pass instead
 * (norm_any).
 *
 * Statistics in float. Order of the sums: each lane its own elements in order, then a butterfly over the
 * lanes, then the warps in order; nothing depends on which row it is. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_rows.h"

static const uint32_t THREADS = 256;

SL_DEVICE float swish(float x) {
    return x / (1 + exp(-x));
}

/* ---- rows in registers: LayerNormalization's parameters ---- */

template <typename T> SL_DEVICE k_pack<T> read_pack(const void *p, int64_t i) {
    return *(const k_pack<T> *)((const T *)p + i);
}

template <typename T> SL_DEVICE void add_pack(const void *p, int64_t i, float *x) {
    k_pack<T> pack = read_pack<T>(p, i);
#pragma unroll
    for (int v = 0; v < (int)(16 / sizeof(T)); v++)
        x[v] += sl_to_float(pack.v[v]);
}

/* x and what is added to it, rounded to T only where it is written out. */
template <typename T, int CHUNKS>
SL_DEVICE void load_row(const k_norm &a, int64_t row, int lane, int lanes, float *x) {
    const int V = 16 / sizeof(T);
#pragma unroll
    for (int k = 0; k < CHUNKS; k++) {
        int32_t i = (k * lanes + lane) * V;
#pragma unroll
        for (int v = 0; v < V; v++)
            x[k * V + v] = 0;
        if (i >= a.n)
            continue;
        add_pack<T>(a.x, row * a.n + i, x + k * V);
        if (a.skip)
            add_pack<T>(a.skip, row % a.skip_rows * a.n + i, x + k * V);
        if (a.bias)
            add_pack<T>(a.bias, i, x + k * V);
        if (!a.sum)
            continue;
        k_pack<T> pack;
#pragma unroll
        for (int v = 0; v < V; v++)
            pack.v[v] = sl_from_float<T>(x[k * V + v]);
        *(k_pack<T> *)((T *)a.sum + row * a.n + i) = pack;
    }
}

template <typename T, int CHUNKS, int WARPS> SL_KERNEL void norm_packed(const k_norm a) {
    const int V = 16 / sizeof(T), LANES = 32 * WARPS;
    SL_SHARED(float, room, WARPS);
    const int lane = (int)threadIdx.x % LANES;
    const int64_t row = (int64_t)blockIdx.x * (blockDim.x / LANES) + threadIdx.x / LANES;
    float x[CHUNKS * V], sum = 0, squares = 0;
    if (row >= a.rows) /* whole warps leave, or nobody: with 8 warps a block is one row */
        return;
    load_row<T, CHUNKS>(a, row, lane, LANES, x);
#pragma unroll
    for (int j = 0; j < CHUNKS * V; j++)
        sum += x[j];
    float mean = a.centre ? k_block_sum<WARPS>(sum, room) / (float)a.n : 0;
#pragma unroll
    for (int k = 0; k < CHUNKS; k++)
#pragma unroll
        for (int v = 0; v < V; v++) {
            float distance = (k * LANES + lane) * V < a.n ? x[k * V + v] - mean : 0;
            squares += distance * distance;
        }
    float inverse = 1 / sqrt(k_block_sum<WARPS>(squares, room) / (float)a.n + a.epsilon);
#pragma unroll
    for (int k = 0; k < CHUNKS; k++) {
        int32_t i = (k * LANES + lane) * V;
        if (i >= a.n)
            continue;
        k_pack<T> gamma = read_pack<T>(a.gamma, i), beta, y;
        if (a.beta)
            beta = read_pack<T>(a.beta, i);
#pragma unroll
        for (int v = 0; v < V; v++) {
            float value = (x[k * V + v] - mean) * inverse * sl_to_float(gamma.v[v]);
            y.v[v] = sl_from_float<T>(a.beta ? value + sl_to_float(beta.v[v]) : value);
        }
        *(k_pack<T> *)((T *)a.y + row * a.n + i) = y;
    }
    if (lane == 0 && a.mean)
        k_store(a.mean, a.stat_type, row, mean);
    if (lane == 0 && a.inverse)
        k_store(a.inverse, a.stat_type, row, inverse);
}

/* ---- any row: one block each ---- */

SL_DEVICE float element_of(const k_norm &a, int64_t row, int32_t i) {
    float x = k_load<float>(a.x, a.type, row * a.n + i);
    if (a.skip)
        x += k_load<float>(a.skip, a.type, row % a.skip_rows * a.n + i);
    if (a.bias)
        x += k_load<float>(a.bias, a.param_type, i);
    return x;
}

SL_KERNEL void norm_any(const k_norm a) {
    SL_SHARED(float, room, 8);
    const int64_t row = blockIdx.x;
    const int32_t first = (int32_t)(row % a.groups) * (int32_t)k_quotient((uint32_t)a.n, a.inner);
    float sum = 0, squares = 0;
    for (int32_t i = (int32_t)threadIdx.x; a.centre && i < a.n; i += (int32_t)blockDim.x)
        sum += element_of(a, row, i);
    float mean = a.centre ? k_block_sum<8>(sum, room) / (float)a.n : 0;
    for (int32_t i = (int32_t)threadIdx.x; i < a.n; i += (int32_t)blockDim.x) {
        float distance = element_of(a, row, i) - mean;
        squares += distance * distance;
    }
    float inverse = 1 / sqrt(k_block_sum<8>(squares, room) / (float)a.n + a.epsilon);
    for (int32_t i = (int32_t)threadIdx.x; i < a.n; i += (int32_t)blockDim.x) {
        float x = element_of(a, row, i);
        int32_t p = first + (int32_t)k_quotient((uint32_t)i, a.inner);
        float value = (x - mean) * inverse * k_load<float>(a.gamma, a.param_type, p);
        if (a.beta)
            value += k_load<float>(a.beta, a.param_type, p);
        k_store(a.y, a.y_type, row * a.n + i, a.silu ? swish(value) : value);
        if (a.sum)
            k_store(a.sum, a.type, row * a.n + i, x);
    }
    if (threadIdx.x == 0 && a.mean)
        k_store(a.mean, a.stat_type, row, mean);
    if (threadIdx.x == 0 && a.inverse)
        k_store(a.inverse, a.stat_type, row, inverse);
}

/* The fewest chunks a lane that hold the row: in a warp, or else in a block. */
template <typename T> static int launch_packed(const struct k_norm *a, k_stream stream) {
    const int32_t warp = 32 * 16 / (int32_t)sizeof(T), block = 8 * warp;
    uint32_t by_warp = (uint32_t)((a->rows + 3) / 4), by_block = (uint32_t)a->rows;
    if (a->n <= warp)
        return SL_LAUNCH((norm_packed<T, 1, 1>), by_warp, 128, 0, stream, *a);
    if (a->n <= 2 * warp)
        return SL_LAUNCH((norm_packed<T, 2, 1>), by_warp, 128, 0, stream, *a);
    if (a->n <= 4 * warp)
        return SL_LAUNCH((norm_packed<T, 4, 1>), by_warp, 128, 0, stream, *a);
    if (a->n <= block)
        return SL_LAUNCH((norm_packed<T, 1, 8>), by_block, THREADS, 0, stream, *a);
    return SL_LAUNCH((norm_packed<T, 4, 8>), by_block, THREADS, 0, stream, *a);
}

extern "C" int k_norm_launch(const struct k_norm *a, k_stream stream) {
    int32_t width = a->type == K_F32 ? 4 : 8;
    bool small = a->type == K_F32 || a->type == K_F16 || a->type == K_BF16;
    bool packed = small && a->y_type == a->type && a->param_type == a->type && a->groups == 1 &&
                  a->inner.by == 1 && !a->silu && a->n % width == 0 && a->n <= 4 * 8 * 32 * width;
    if (packed && a->type == K_F32)
        return launch_packed<float>(a, stream);
    if (packed && a->type == K_F16)
        return launch_packed<sl_half>(a, stream);
    if (packed)
        return launch_packed<sl_bfloat16>(a, stream);
    return SL_LAUNCH(norm_any, (uint32_t)a->rows, THREADS, 0, stream, *a);
}

/* ---- BatchNormalization ---- */

/* What one channel does to a number: y = (x - mean) * scale + offset. */
struct batch_channel {
    float mean, scale, offset;
};

SL_DEVICE batch_channel read_channel(const k_batch_norm &a, uint32_t c) {
    const float deviation = sqrt(k_load<float>(a.variance, a.mean_type, c) + a.epsilon);
    return batch_channel{k_load<float>(a.mean, a.mean_type, c),
                         k_load<float>(a.scale, a.scale_type, c) / deviation,
                         k_load<float>(a.offset, a.scale_type, c)};
}

SL_KERNEL void batch_norm(const k_batch_norm a) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.count)
        return;
    const batch_channel c = read_channel(a, k_remainder(k_quotient(i, a.inner), a.channels));
    k_store(a.y, a.type, i, (k_load<float>(a.x, a.type, i) - c.mean) * c.scale + c.offset);
}

/* 16 bytes a thread: of one channel, or (LAST) of as many channels as they hold. */
template <typename T, bool LAST> SL_KERNEL void batch_norm_packed(const k_batch_norm a) {
    const int V = 16 / sizeof(T);
    const uint32_t i = (blockIdx.x * blockDim.x + threadIdx.x) * V;
    if (i >= a.count)
        return;
    const uint32_t first = k_remainder(k_quotient(i, a.inner), a.channels);
    const k_pack<T> x = read_pack<T>(a.x, i);
    batch_channel c = read_channel(a, first);
    k_pack<T> y;
#pragma unroll
    for (int v = 0; v < V; v++) {
        if (LAST && v > 0)
            c = read_channel(a, first + v);
        y.v[v] = sl_from_float<T>((sl_to_float(x.v[v]) - c.mean) * c.scale + c.offset);
    }
    *(k_pack<T> *)((T *)a.y + i) = y;
}

template <typename T> static int launch_batch(const struct k_batch_norm *a, k_stream stream) {
    const uint32_t width = 16 / sizeof(T), blocks = (a->count / width + THREADS - 1) / THREADS;
    if (a->inner.by % width == 0)
        return SL_LAUNCH((batch_norm_packed<T, false>), blocks, THREADS, 0, stream, *a);
    if (a->inner.by == 1 && a->channels.by % width == 0)
        return SL_LAUNCH((batch_norm_packed<T, true>), blocks, THREADS, 0, stream, *a);
    return SL_LAUNCH(batch_norm, (a->count + THREADS - 1) / THREADS, THREADS, 0, stream, *a);
}

extern "C" int k_batch_norm_launch(const struct k_batch_norm *a, k_stream stream) {
    return a->type == K_F16    ? launch_batch<sl_half>(a, stream)
           : a->type == K_BF16 ? launch_batch<sl_bfloat16>(a, stream)
                               : launch_batch<float>(a, stream);
}
