/* softmax.cu: softmax over the last axis: y[r][i] = exp(x[r][i] - max of row r) / sum of those exponentials.
 *
 * Shapes: x, y [rows, n] in f32, f16 or bf16, dense. All arithmetic is in float; the result is rounded once.
 * Bytes an element: one read, one write (f16: 4 together). FLOPs: some 10, so the kernel can at best be as
 * fast as memory. That decides its form: read a row once, keep it in registers, write it once.
 *
 * How the threads are laid out. A kernel is one function that many threads run at once. They come in blocks
 * (blockIdx.x says which); a block's threads (threadIdx.x) can wait for each other and have a little fast
 * memory of their own, the shared memory. Within a block they come in warps of 32, whose members, the lanes,
 * can read each other's registers. When 32 lanes read 32 neighbouring numbers, the GPU makes one wide access
 * of it. So a warp takes a row, and lane l has the numbers l, l + 32, l + 64, ... :
 *
 *   row r:   0    1   ...  31 |  32   33  ...  63 |  64   65  ... n-1, then -inf
 *   lane:    0    1   ...  31 |   0    1  ...  31 |   0    1  ...
 *   kept in:       v[0]       |       v[1]        |       v[2]          of that lane
 *
 *   n <= 1024   softmax_short: a warp a row, 4 rows a block of 128 threads. PER_LANE registers hold the row.
 *   n >  1024   softmax_long: a block of 256 threads a row. The row no longer fits into registers: it is read
 *               three times, the second and third time mostly from the cache.
 *
 * Sums run over each lane's own numbers in order, then over lanes in a tree; the shape of that tree depends
 * on n alone, never on the row's place in the batch, so a row's result is the same bits wherever it stands.
 *
 * A row with NaN, with +inf, or all of -inf becomes NaN throughout, as the reference says. */
#include "infer/cuda/kernels/k_softmax.h"
#include "sluice/kernel.cuh"

/* SL_KERNEL, SL_DEVICE (a function for kernels to call), SL_SHARED and sl_* are from sluice/kernel.cuh. */
enum { WARP = 32, SHORT_ROWS = 4, SHORT_MOST = 1024, LONG_THREADS = 256, LONG_WARPS = LONG_THREADS / WARP };

/* The largest or the sum of what the 32 lanes hold; every lane gets the result. In step 16 a lane meets the
 * one 16 away and both take the larger, or add up, what both have; after steps 8, 4, 2, 1 each has met all.
 */
SL_DEVICE float warp_max(float v) {
    for (int away = WARP / 2; away > 0; away /= 2)
        v = fmaxf(v, sl_shfl_xor(v, away));
    return v;
}

SL_DEVICE float warp_sum(float v) {
    for (int away = WARP / 2; away > 0; away /= 2)
        v += sl_shfl_xor(v, away);
    return v;
}

/* ---- short rows: a warp each ---- */

/* The numbers beyond the row's end are -inf: they are never the largest, and their exponential is 0. PER_LANE
 * is a constant, so the loops unroll and `v` lies in registers. */
template <typename T, int PER_LANE> SL_KERNEL void softmax_short(const T *x, T *y, int64_t rows, int32_t n) {
    const int32_t lane = (int32_t)(threadIdx.x % WARP);
    const int64_t row = (int64_t)blockIdx.x * SHORT_ROWS + threadIdx.x / WARP;
    if (row >= rows)
        return; /* the whole warp leaves, so no lane waits for another below */
    const T *from = x + row * n;
    T *to = y + row * n;
    float v[PER_LANE], largest = -INFINITY, sum = 0;
#pragma unroll
    for (int k = 0; k < PER_LANE; k++) {
        int32_t i = k * WARP + lane;
        v[k] = i < n ? sl_to_float(from[i]) : -INFINITY;
        largest = fmaxf(largest, v[k]);
    }
    largest = warp_max(largest);
#pragma unroll
    for (int k = 0; k < PER_LANE; k++) {
        v[k] = k * WARP + lane < n ? expf(v[k] - largest) : 0;
        sum += v[k];
    }
    sum = warp_sum(sum);
#pragma unroll
    for (int k = 0; k < PER_LANE; k++) {
        int32_t i = k * WARP + lane;
        if (i < n)
            to[i] = sl_from_float<T>(v[k] / sum);
    }
}

/* ---- long rows: a block each ---- */

/* From the warps' results to the block's: each warp leaves its own in shared memory, all wait, all read. The
 * wait at the end is for who comes next: nobody may write `room` again while a slow warp still reads it. A
 * maximum may meet a result twice; a sum must start from 0 again. */
SL_DEVICE float block_max(float v, float *room) {
    v = warp_max(v);
    if (threadIdx.x % WARP == 0)
        room[threadIdx.x / WARP] = v;
    sl_sync();
    for (int w = 0; w < LONG_WARPS; w++)
        v = fmaxf(v, room[w]);
    sl_sync();
    return v;
}

SL_DEVICE float block_sum(float v, float *room) {
    v = warp_sum(v);
    if (threadIdx.x % WARP == 0)
        room[threadIdx.x / WARP] = v;
    sl_sync();
    v = 0;
    for (int w = 0; w < LONG_WARPS; w++)
        v += room[w];
    sl_sync();
    return v;
}

template <typename T> SL_KERNEL void softmax_long(const T *x, T *y, int32_t n) {
    SL_SHARED(float, room, LONG_WARPS);
    const T *from = x + (int64_t)blockIdx.x * n;
    T *to = y + (int64_t)blockIdx.x * n;
    float largest = -INFINITY, sum = 0;
    for (int32_t i = (int32_t)threadIdx.x; i < n; i += LONG_THREADS)
        largest = fmaxf(largest, sl_to_float(from[i]));
    largest = block_max(largest, room);
    for (int32_t i = (int32_t)threadIdx.x; i < n; i += LONG_THREADS)
        sum += expf(sl_to_float(from[i]) - largest);
    sum = block_sum(sum, room);
    for (int32_t i = (int32_t)threadIdx.x; i < n; i += LONG_THREADS)
        to[i] = sl_from_float<T>(expf(sl_to_float(from[i]) - largest) / sum);
}

/* ---- launchers ---- */

/* PER_LANE is 2, 8 or 32: the smallest that covers the row, so that short rows do not loop over nothing.
 * SL_LAUNCH takes the kernel, blocks, threads a block, shared bytes beyond SL_SHARED, the stream, arguments.
 */

template <typename T> static int launch(const struct k_softmax *s, k_stream stream) {
    const T *x = (const T *)s->x;
    T *y = (T *)s->y;
    const unsigned blocks = (unsigned)((s->rows + SHORT_ROWS - 1) / SHORT_ROWS), threads = SHORT_ROWS * WARP;
    if (s->n > SHORT_MOST)
        return SL_LAUNCH((softmax_long<T>), (unsigned)s->rows, LONG_THREADS, 0, stream, x, y, s->n);
    if (s->n > 8 * WARP)
        return SL_LAUNCH((softmax_short<T, 32>), blocks, threads, 0, stream, x, y, s->rows, s->n);
    if (s->n > 2 * WARP)
        return SL_LAUNCH((softmax_short<T, 8>), blocks, threads, 0, stream, x, y, s->rows, s->n);
    return SL_LAUNCH((softmax_short<T, 2>), blocks, threads, 0, stream, x, y, s->rows, s->n);
}

extern "C" int k_softmax_launch(const struct k_softmax *s, k_stream stream) {
    return s->type == K_F16    ? launch<sl_half>(s, stream)
           : s->type == K_BF16 ? launch<sl_bfloat16>(s, stream)
                               : launch<float>(s, stream);
}
