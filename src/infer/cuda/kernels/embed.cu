/* embed.cu: EmbedLayerNormalization: the rows of up to three tables that a token's ids choose, added up and
 * normalised, in one pass.
 *
 * Shapes: ids [tokens], y [tokens, n]. Bytes a token: three rows gathered (positions and kinds from the
 * caches), one written. FLOPs: 10 a number. Bound by memory.
 *
 * Threads: a block of 256 a token; thread t has numbers t, t + 256, ... so rows are read coalesced, three
 * times, the last two from the first cache. Statistics in float, mean first; the order of the sums is that of
 * norm.cu. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_embed.h"

static const uint32_t THREADS = 256;

/* First elements of the rows that a token chose; -1: none. */
struct embed_rows {
    int64_t word, place, kind;
};

SL_DEVICE embed_rows choose(const k_embed &e, int32_t token) {
    embed_rows r = {0, -1, -1};
    r.word = (int64_t)k_index(e.ids, e.id_type, token, e.word_count, true) * e.n;
    int32_t place = token % e.length;
    if (e.places && e.positions)
        place = k_index(e.positions, e.id_type, e.shared_positions ? place : token, e.place_count, true);
    if (e.places)
        r.place = (int64_t)(place < e.place_count ? place : e.place_count - 1) * e.n;
    if (e.kinds)
        r.kind = (int64_t)(e.segments ? k_index(e.segments, e.id_type, token, e.kind_count, true) : 0) * e.n;
    return r;
}

SL_DEVICE float sum_at(const k_embed &e, const embed_rows &r, int32_t i) {
    float x = k_load<float>(e.words, e.type, r.word + i);
    if (r.place >= 0)
        x += k_load<float>(e.places, e.type, r.place + i);
    if (r.kind >= 0)
        x += k_load<float>(e.kinds, e.type, r.kind + i);
    return x;
}

SL_KERNEL void embed(const k_embed e) {
    SL_SHARED(float, room, 8);
    const embed_rows r = choose(e, (int32_t)blockIdx.x);
    const int64_t row = (int64_t)blockIdx.x * e.n;
    float sum = 0, squares = 0;
    for (int32_t i = (int32_t)threadIdx.x; i < e.n; i += (int32_t)THREADS)
        sum += sum_at(e, r, i);
    const float mean = k_block_sum<8>(sum, room) / (float)e.n;
    for (int32_t i = (int32_t)threadIdx.x; i < e.n; i += (int32_t)THREADS) {
        float distance = sum_at(e, r, i) - mean;
        squares += distance * distance;
    }
    const float inverse = 1 / sqrt(k_block_sum<8>(squares, room) / (float)e.n + e.epsilon);
    for (int32_t i = (int32_t)threadIdx.x; i < e.n; i += (int32_t)THREADS) {
        float x = sum_at(e, r, i), y = (x - mean) * inverse * k_load<float>(e.gamma, e.type, i);
        if (e.beta)
            y += k_load<float>(e.beta, e.type, i);
        k_store(e.y, e.type, row + i, y);
        if (e.sum)
            k_store(e.sum, e.type, row + i, x);
    }
}

extern "C" int k_embed_launch(const struct k_embed *e, k_stream stream) {
    return SL_LAUNCH(embed, (uint32_t)e->tokens, THREADS, 0, stream, *e);
}

SL_KERNEL void count_mask(const k_count_mask c) {
    const int32_t row = (int32_t)(blockIdx.x * blockDim.x + threadIdx.x);
    if (row >= c.rows)
        return;
    int32_t count = 0;
    for (int32_t i = 0; c.mask && i < c.length; i++)
        count += c.mask[(int64_t)row * c.length + i] == 1;
    c.y[row] = count;
}

extern "C" int k_count_mask_launch(const struct k_count_mask *c, k_stream stream) {
    return SL_LAUNCH(count_mask, ((uint32_t)c->rows + THREADS - 1) / THREADS, THREADS, 0, stream, *c);
}
