/* heads.cu: rows of heads as attention wants them: past ones and then new ones, the new ones normalised and
 * turned by their positions (RotaryEmbedding; the keys and queries of GroupQueryAttention; past keys and
 * values of Attention).
 *
 * Shapes: y [batches, heads, rows, size] by strides, so heads may stand side by side in a token's row. A warp
 * a row, 4 rows a block; lane l has numbers l, l + 32, ... Bytes an element: one read, one write (f16: 4),
 * and the caches of cosines, which all heads share and the GPU's caches hold. A number's partner in the turn
 * is read again rather than handed over: it comes from the first-level cache.
 *
 * Nothing but a row's own numbers goes into it, in an order that its size alone decides. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_heads.h"

enum { ROWS = 4, THREADS = 32 * ROWS };

SL_DEVICE int32_t between(int64_t x, int32_t most) {
    return x < 0 ? 0 : x > most ? most : (int32_t)x;
}

SL_DEVICE int32_t past_of(const k_heads &h, int32_t batch) {
    if (!h.lengths)
        return h.past_rows;
    return *h.total == h.fresh ? 0 : between((int64_t)h.lengths[batch] + 1 - h.fresh, h.past_rows);
}

SL_DEVICE int32_t cache_row(const k_heads &h, int32_t batch, int32_t i, int32_t past) {
    const int64_t own = (int64_t)batch * h.fresh + i;
    const int64_t at = h.cache_is_own   ? own
                       : !h.positions   ? past + i
                       : h.one_position ? h.positions[0] + i
                                        : h.positions[own];
    return between(at, h.cache_rows - 1);
}

/* Number d of a new row: `scale` is what its norm multiplies it with. */
template <typename T> SL_DEVICE float number(const k_heads &h, const T *x, int32_t d, float scale) {
    const float v = sl_to_float(x[d]);
    return h.norm ? v * scale * sl_to_float(((const T *)h.norm)[d]) : v;
}

template <typename T>
SL_DEVICE float turned(const k_heads &h, const T *x, int32_t d, int32_t cache, float scale) {
    const float v = number(h, x, d, scale);
    if (!h.cos || d >= 2 * h.pairs)
        return v;
    const bool second = h.interleaved ? d % 2 != 0 : d >= h.pairs;
    const int32_t pair = h.interleaved ? d / 2 : second ? d - h.pairs : d;
    const int32_t other = h.interleaved ? d ^ 1 : second ? d - h.pairs : d + h.pairs;
    const int64_t at = (int64_t)cache * h.pairs + pair;
    const float w = number(h, x, other, scale), c = sl_to_float(((const T *)h.cos)[at]),
                s = sl_to_float(((const T *)h.sin)[at]);
    return second ? s * w + c * v : c * v - s * w;
}

template <typename T> SL_KERNEL void heads(const k_heads h) {
    const int64_t line = (int64_t)blockIdx.x * ROWS + sl_warp();
    if (line >= (int64_t)h.batches * h.heads * h.rows)
        return; /* the whole warp */
    const int32_t lane = (int32_t)sl_lane(), j = (int32_t)(line % h.rows),
                  head = (int32_t)(line / h.rows % h.heads), batch = (int32_t)(line / h.rows / h.heads),
                  past = past_of(h, batch), i = h.only_new ? j : j - past;
    T *y = (T *)h.y + batch * h.at_y.batch + head * h.at_y.head + j * h.at_y.row;
    if (i < 0 || i >= h.fresh) {
        const T *p = (const T *)h.past + batch * h.at_past.batch + head * h.at_past.head + j * h.at_past.row;
        for (int32_t d = lane; d < h.size; d += 32)
            y[d] = i < 0 ? p[d] : sl_from_float<T>(0);
        return;
    }
    const T *x = (const T *)h.x + batch * h.at_x.batch + head * h.at_x.head + i * h.at_x.row;
    const int32_t cache = h.cos ? cache_row(h, batch, i, past) : 0;
    float scale = 1;
    if (h.norm) {
        float squares = 0;
        for (int32_t d = lane; d < h.size; d += 32) {
            const float v = sl_to_float(x[d]);
            squares = sl_fma(v, v, squares);
        }
        scale = 1 / sqrtf(k_warp_sum(squares) / (float)h.size + h.epsilon);
    }
    for (int32_t d = lane; d < h.size; d += 32)
        y[d] = sl_from_float<T>(turned(h, x, d, cache, scale));
}

extern "C" int k_heads_launch(const struct k_heads *h, k_stream stream) {
    const unsigned blocks = (unsigned)(((int64_t)h->batches * h->heads * h->rows + ROWS - 1) / ROWS);
    return h->type == K_F16    ? SL_LAUNCH((heads<sl_half>), blocks, THREADS, 0, stream, *h)
           : h->type == K_BF16 ? SL_LAUNCH((heads<sl_bfloat16>), blocks, THREADS, 0, stream, *h)
                               : SL_LAUNCH((heads<float>), blocks, THREADS, 0, stream, *h);
}
