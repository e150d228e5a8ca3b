/* attention_plain.cu: attention without tensor cores: f32, and heads of more than 128 numbers (up to 256).
 *
 * A block has 16 queries of one head, four a warp, and goes through the keys 32 (heads of more than 128: 16)
 * at a time, which lie in shared memory as f32. For the scores a lane takes one key and all its warp's
 * queries; for the values it takes every 32nd column, and gets the weights of the keys from the other lanes
 * by shuffles. The softmax is kept running as in attention.cu. Lines of keys are one number longer than they
 * need: 32 lanes that read the same column of 32 lines meet 32 banks.
 *
 * FLOPs: 2 queries keys (size + v_size) a head, by FMA. Bytes: k and v once for every 16 queries, from the
 * cache. */
#include "infer/cuda/kernels/k_attention.cuh"

enum { WARPS = 4, EACH = 4, ROWS = WARPS * EACH, THREADS = 32 * WARPS };

template <typename T>
SL_DEVICE void fetch(float *to, int32_t stride, const T *from, int64_t step, int32_t first, int32_t lines,
                     int32_t rows, int32_t size) {
    for (int32_t i = (int32_t)threadIdx.x; i < lines * size; i += THREADS) {
        const int32_t line = i / size, column = i - line * size;
        to[line * stride + column] =
            first + line < rows ? sl_to_float(from[(first + line) * step + column]) : 0;
    }
}

SL_DEVICE float warp_max(float x) {
#pragma unroll
    for (int step = 16; step; step >>= 1)
        x = fmaxf(x, sl_shfl_xor(x, step));
    return x;
}

/* COLUMNS * 32 >= v_size. */
template <typename T, int KEYS, int COLUMNS>
SL_KERNEL_BOUNDS(THREADS, 1)
void attention(const struct k_attention a) {
    SL_SHARED_DYNAMIC(float, shared);
    const int32_t blocks = (a.queries + ROWS - 1) / ROWS,
                  row0 = (int32_t)(blockIdx.x % (uint32_t)blocks) * ROWS,
                  pair = (int32_t)(blockIdx.x / (uint32_t)blocks), head = pair % a.heads,
                  batch = pair / a.heads, kv = head / (a.heads / a.kv_heads), lane = (int32_t)sl_lane(),
                  query0 = row0 + (int32_t)sl_warp() * EACH;
    const T *k = (const T *)a.k + batch * a.at_k.batch + kv * a.at_k.head,
            *v = (const T *)a.v + batch * a.at_v.batch + kv * a.at_v.head;
    float *q = shared, *lines = q + ROWS * a.size, *values = lines + KEYS * (a.size + 1);
    const k_sight sight = k_sight_of(a, batch, head);
    int32_t from, to;
    k_range(a, sight, row0, sl_min(row0 + ROWS, a.queries) - 1, &from, &to);
    fetch(q, a.size, (const T *)a.q + batch * a.at_q.batch + head * a.at_q.head, a.at_q.row, row0, ROWS,
          a.queries, a.size);
    k_running running[EACH];
    float out[EACH][COLUMNS];
#pragma unroll
    for (int r = 0; r < EACH; r++) {
        running[r] = k_running_of<T>(a, head);
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
            out[r][c] = 0;
    }
    for (int32_t key0 = from / KEYS * KEYS; key0 < to; key0 += KEYS) {
        sl_sync(); /* all have used the tile before */
        fetch(lines, a.size + 1, k, a.at_k.row, key0, KEYS, a.keys, a.size);
        fetch(values, a.v_size, v, a.at_v.row, key0, KEYS, a.keys, a.v_size);
        sl_sync();
        const int32_t line = lane % KEYS;
        float score[EACH], weight[EACH];
#pragma unroll
        for (int r = 0; r < EACH; r++)
            score[r] = 0;
        for (int32_t c = 0; c < a.size; c++) {
            const float x = lines[line * (a.size + 1) + c];
#pragma unroll
            for (int r = 0; r < EACH; r++)
                score[r] = sl_fma(q[((int32_t)sl_warp() * EACH + r) * a.size + c], x, score[r]);
        }
#pragma unroll
        for (int r = 0; r < EACH; r++) {
            const float s = lane < KEYS ? k_score(a, sight, query0 + r, key0 + line, score[r]) : -INFINITY;
            const float shrink = running[r].raise(warp_max(s));
            weight[r] = lane < KEYS ? running[r].weigh(s) : 0;
            running[r].sum += k_warp_sum(weight[r]);
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                out[r][c] *= shrink;
        }
        for (int32_t j = 0; j < KEYS; j++) {
            float w[EACH];
#pragma unroll
            for (int r = 0; r < EACH; r++)
                w[r] = sl_shfl_idx(weight[r], j);
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                const int32_t column = c * 32 + lane;
                const float x = column < a.v_size ? values[j * a.v_size + column] : 0;
#pragma unroll
                for (int r = 0; r < EACH; r++)
                    out[r][c] = sl_fma(w[r], x, out[r][c]);
            }
        }
    }
    T *y = (T *)a.y + batch * a.at_y.batch + head * a.at_y.head;
#pragma unroll
    for (int r = 0; r < EACH; r++) {
        const float share = running[r].share();
#pragma unroll
        for (int c = 0; c < COLUMNS; c++)
            if (query0 + r < a.queries && c * 32 + lane < a.v_size)
                y[(query0 + r) * a.at_y.row + c * 32 + lane] = sl_from_float<T>(out[r][c] * share);
    }
}

template <typename T, int KEYS, int COLUMNS> static int launch(const struct k_attention *a, k_stream stream) {
    const unsigned blocks = (unsigned)((a->queries + ROWS - 1) / ROWS * a->heads * a->batches);
    const size_t floats = (size_t)(ROWS * a->size + KEYS * (a->size + 1) + KEYS * a->v_size);
    return SL_LAUNCH((attention<T, KEYS, COLUMNS>), blocks, THREADS, floats * sizeof(float), stream, *a);
}

template <typename T> static int launch_size(const struct k_attention *a, k_stream stream) {
    if (a->size > 128 || a->v_size > 128)
        return launch<T, 16, 8>(a, stream);
    return a->v_size > 64 ? launch<T, 32, 4>(a, stream) : launch<T, 32, 2>(a, stream);
}

extern "C" int k_attention_plain_launch(const struct k_attention *a, k_stream stream) {
    return a->type == K_F16    ? launch_size<sl_half>(a, stream)
           : a->type == K_BF16 ? launch_size<sl_bfloat16>(a, stream)
                               : launch_size<float>(a, stream);
}
