/* attention.cu: attention on tensor cores, f16 or bf16, sizes of heads up to 128: for every batch and head
 *
 *   y [queries, v_size] = softmax(scale q k^T + mask) v,    q [queries, size], k [keys, size], v [keys,
 * v_size]
 *
 * The scores [queries, keys] never see memory. A block has 64 queries of one head, and goes through the keys
 * 64 at a time: scores of the tile, their exponentials, times the tile's values, added up. The softmax is
 * kept running: when a tile brings a larger score, what was added up so far is scaled down (k_attention.cuh).
 *
 *               64 keys                              Each of the 4 warps has 16 of the queries with all keys
 * of
 *             +---------+                            the tile, so rows of the softmax lie within a warp: in
 * the 4 warp 0    | 16 rows |   scores, in registers     lanes that share a row. warp 1    | 16 rows | warp 2
 * | 16 rows |   The sums that mma leaves in a lane are, two by two, just what the next mma wants as warp 3 |
 * 16 rows |   its left factor: weights go from one product to the next without leaving registers.
 *             +---------+
 *
 * In shared memory: 64 lines of q, then of k and v for one or two tiles (the second on its way by cp.async
 * while the first is used; of size 128 one, so that 64 KiB are enough for sm_75). Lines are SIZE halves;
 * chunk c of line l stands at c ^ l % 8 (sizes of 32: c ^ l / 2 % 4), so that ldmatrix meets no bank twice. v
 * is needed with keys running along k, which is its columns: ldmatrix.trans turns it on the way to registers.
 *
 * FLOPs: 2 queries keys (size + v_size) a head. Bytes: q, y once; k, v once for every 64 queries, mostly from
 * the L2 cache. Up to 512 tokens that is some 3 to 18 % of an encoder's arithmetic: a plain design is enough
 * here. */
#include "infer/cuda/kernels/k_attention.cuh"

enum { ROWS = 64, KEYS = 64, WARPS = 4, THREADS = 32 * WARPS };

template <typename T> struct tensor;
template <> struct tensor<sl_half> {
    static SL_DEVICE void multiply(float *d, const uint32_t *a, const uint32_t *b) {
        sl_mma_16816_f16(d, a, b);
    }
};
template <> struct tensor<sl_bfloat16> {
    static SL_DEVICE void multiply(float *d, const uint32_t *a, const uint32_t *b) {
        sl_mma_16816_bf16(d, a, b);
    }
};

/* Half number `c * 8` of a line in a tile of lines of SIZE halves. */
template <int SIZE> SL_DEVICE int32_t place_of(int32_t line, int32_t c) {
    return line * SIZE + (SIZE == 32 ? c ^ (line >> 1 & 3) : c ^ (line & 7)) * 8;
}

/* 64 lines from row `first` of `rows` on, `size` halves each; what is beyond is zero. */
template <typename T, int SIZE, bool PACKED>
SL_DEVICE void fetch(T *tile, const T *from, int64_t step, int32_t first, int32_t rows, int32_t size) {
    const int CHUNKS = SIZE / 8;
#pragma unroll(PACKED ? 64 * CHUNKS / THREADS : 1)
    for (int i = 0; i < 64 * CHUNKS / THREADS; i++) {
        const int32_t at = (int32_t)threadIdx.x + i * THREADS, line = at / CHUNKS, c = at % CHUNKS;
        const bool row = first + line < rows;
        T *to = tile + place_of<SIZE>(line, c);
        if (PACKED) {
            const bool there = row && c * 8 < size;
            sl_cp_async16(to, there ? from + (first + line) * step + c * 8 : from, there ? 16 : 0);
        } else {
            k_pack<T> pack;
#pragma unroll
            for (int k = 0; k < 8; k++)
                pack.v[k] =
                    row && c * 8 + k < size ? from[(first + line) * step + c * 8 + k] : sl_from_float<T>(0);
            *(k_pack<T> *)to = pack;
        }
    }
}

/* Scores of the warp's 16 queries with 64 keys: sums[j] are those of keys 8 j + lane % 4 * 2 and the next,
 * first of query lane / 4, then of the one 8 further down. */
template <typename T, int SIZE>
SL_DEVICE void multiply_keys(float (&sums)[KEYS / 8][4], const uint32_t (&fq)[SIZE / 16][4], const T *k) {
    const int32_t lane = (int32_t)sl_lane();
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            sums[j][i] = 0;
#pragma unroll
    for (int s = 0; s < SIZE / 16; s++)
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) {
            uint32_t f[4];
            sl_ldsm_x4(f, k + place_of<SIZE>(j * 16 + (lane & 7) + (lane >> 4) * 8, s * 2 + (lane >> 3 & 1)));
            tensor<T>::multiply(sums[2 * j], fq[s], f);
            tensor<T>::multiply(sums[2 * j + 1], fq[s], f + 2);
        }
}

/* out += weights of 64 keys times their values. */
template <typename T, int SIZE>
SL_DEVICE void multiply_values(float (&out)[SIZE / 8][4], const float (&weights)[KEYS / 8][4], const T *v) {
    const int32_t lane = (int32_t)sl_lane();
#pragma unroll
    for (int s = 0; s < KEYS / 16; s++) {
        const uint32_t f[4] = {sl_pack2<T>(weights[2 * s][0], weights[2 * s][1]),
                               sl_pack2<T>(weights[2 * s][2], weights[2 * s][3]),
                               sl_pack2<T>(weights[2 * s + 1][0], weights[2 * s + 1][1]),
                               sl_pack2<T>(weights[2 * s + 1][2], weights[2 * s + 1][3])};
#pragma unroll
        for (int j = 0; j < SIZE / 16; j++) {
            uint32_t fv[4];
            sl_ldsm_x4_trans(fv, v + place_of<SIZE>(s * 16 + (lane & 15), j * 2 + (lane >> 4)));
            tensor<T>::multiply(out[2 * j], f, fv);
            tensor<T>::multiply(out[2 * j + 1], f, fv + 2);
        }
    }
}

/* Scores as the softmax takes them. `key`: of the lane's first two. */
SL_DEVICE void mask_scores(const struct k_attention &a, const k_sight &sight, int32_t query, int32_t key,
                           float (&scores)[KEYS / 8][4]) {
    const bool by_key = k_is_by_key(a); /* the same for all threads */
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int32_t k = key + j * 8 + i;
            if (by_key) {
                const float bias = k_key_bias(a, sight, k);
                scores[j][i] = bias == -INFINITY ? bias : scores[j][i] * a.scale + bias;
                scores[j][i + 2] = bias == -INFINITY ? bias : scores[j][i + 2] * a.scale + bias;
            } else {
                scores[j][i] = k_score(a, sight, query, k, scores[j][i]);
                scores[j][i + 2] = k_score(a, sight, query + 8, k, scores[j][i + 2]);
            }
        }
}

/* Scores to weights, and what they do to the running softmax of the lane's two rows. */
template <int SIZE>
SL_DEVICE void soften(const struct k_attention &a, const k_sight &sight, int32_t query, int32_t key0,
                      float (&scores)[KEYS / 8][4], k_running (&running)[2], float (&out)[SIZE / 8][4]) {
    mask_scores(a, sight, query, key0 + (int32_t)sl_lane() % 4 * 2, scores);
#pragma unroll
    for (int half = 0; half < 2; half++) { /* query lane / 4, then the one 8 further down */
        float largest = -INFINITY, sum = 0;
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
            largest = fmaxf(largest, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
        largest = fmaxf(largest, sl_shfl_xor(largest, 1));
        largest = fmaxf(largest, sl_shfl_xor(largest, 2));
        const float shrink = running[half].raise(largest);
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
            for (int i = 2 * half; i < 2 * half + 2; i++) {
                scores[j][i] = running[half].weigh(scores[j][i]);
                sum += scores[j][i];
            }
        sum += sl_shfl_xor(sum, 1);
        sum += sl_shfl_xor(sum, 2);
        running[half].sum += sum;
#pragma unroll
        for (int j = 0; j < SIZE / 8; j++) {
            out[j][2 * half] *= shrink;
            out[j][2 * half + 1] *= shrink;
        }
    }
}

/* The lane's numbers of one row, two at a time where 4 bytes hold them and rows begin there. */
template <typename T, int SIZE>
SL_DEVICE void store_row(const struct k_attention &a, T *y, float share, int half,
                         const float (&out)[SIZE / 8][4]) {
    const bool pairs = (uintptr_t)y % 4 == 0 && a.v_size % 2 == 0;
#pragma unroll
    for (int j = 0; j < SIZE / 8; j++) {
        const int32_t column = j * 8 + (int32_t)sl_lane() % 4 * 2;
        const float one = out[j][2 * half] * share, two = out[j][2 * half + 1] * share;
        if (pairs && column < a.v_size)
            *(uint32_t *)(y + column) = sl_pack2<T>(one, two);
        if (!pairs && column < a.v_size)
            y[column] = sl_from_float<T>(one);
        if (!pairs && column + 1 < a.v_size)
            y[column + 1] = sl_from_float<T>(two);
    }
}

template <typename T, int SIZE, bool PACKED>
SL_KERNEL_BOUNDS(THREADS, 1)
void attention(const struct k_attention a) {
    const int STAGES = SIZE > 64 ? 1 : 2;
    SL_SHARED_DYNAMIC(T, shared);
    const int32_t blocks = (a.queries + ROWS - 1) / ROWS,
                  row0 = (int32_t)(blockIdx.x % (uint32_t)blocks) * ROWS,
                  pair = (int32_t)(blockIdx.x / (uint32_t)blocks), head = pair % a.heads,
                  batch = pair / a.heads, kv = head / (a.heads / a.kv_heads), lane = (int32_t)sl_lane(),
                  warp = (int32_t)sl_warp();
    const T *q = (const T *)a.q + batch * a.at_q.batch + head * a.at_q.head,
            *k = (const T *)a.k + batch * a.at_k.batch + kv * a.at_k.head,
            *v = (const T *)a.v + batch * a.at_v.batch + kv * a.at_v.head;
    T *stages = shared + ROWS * SIZE;
    const k_sight sight = k_sight_of(a, batch, head);
    int32_t from, to;
    k_range(a, sight, row0, sl_min(row0 + ROWS, a.queries) - 1, &from, &to);
    const int32_t first = from / KEYS, tiles = (to + KEYS - 1) / KEYS;
    fetch<T, SIZE, PACKED>(shared, q, a.at_q.row, row0, a.queries, a.size);
    if (STAGES == 2 && first < tiles) {
        fetch<T, SIZE, PACKED>(stages, k, a.at_k.row, first * KEYS, a.keys, a.size);
        fetch<T, SIZE, PACKED>(stages + KEYS * SIZE, v, a.at_v.row, first * KEYS, a.keys, a.v_size);
    }
    sl_cp_commit();
    uint32_t fq[SIZE / 16][4];
    float scores[KEYS / 8][4], out[SIZE / 8][4];
    k_running running[2] = {k_running_of<T>(a, head), k_running_of<T>(a, head)};
#pragma unroll
    for (int j = 0; j < SIZE / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            out[j][i] = 0;
    for (int32_t t = first; t < tiles; t++) {
        T *stage = stages + (STAGES == 2 ? (t - first) % 2 : 0) * 2 * KEYS * SIZE;
        if (STAGES == 1) { /* the tile before has been used by all */
            sl_sync();
            fetch<T, SIZE, PACKED>(stage, k, a.at_k.row, t * KEYS, a.keys, a.size);
            fetch<T, SIZE, PACKED>(stage + KEYS * SIZE, v, a.at_v.row, t * KEYS, a.keys, a.v_size);
            sl_cp_commit();
        }
        sl_cp_wait<0>();
        sl_sync(); /* this tile is there, and the other stage free */
        if (STAGES == 2 && t + 1 < tiles) {
            T *next = stages + (t + 1 - first) % 2 * 2 * KEYS * SIZE;
            fetch<T, SIZE, PACKED>(next, k, a.at_k.row, (t + 1) * KEYS, a.keys, a.size);
            fetch<T, SIZE, PACKED>(next + KEYS * SIZE, v, a.at_v.row, (t + 1) * KEYS, a.keys, a.v_size);
            sl_cp_commit();
        }
        if (t == first) {
#pragma unroll
            for (int s = 0; s < SIZE / 16; s++)
                sl_ldsm_x4(fq[s], shared + place_of<SIZE>(warp * 16 + (lane & 15), s * 2 + (lane >> 4)));
        }
        multiply_keys<T, SIZE>(scores, fq, stage);
        soften<SIZE>(a, sight, row0 + warp * 16 + lane / 4, t * KEYS, scores, running, out);
        multiply_values<T, SIZE>(out, scores, stage + KEYS * SIZE);
    }
    sl_cp_wait<0>();
    T *y = (T *)a.y + batch * a.at_y.batch + head * a.at_y.head;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int32_t query = row0 + warp * 16 + lane / 4 + half * 8;
        if (query < a.queries)
            store_row<T, SIZE>(a, y + query * a.at_y.row, running[half].share(), half, out);
    }
}

/* ---- launchers ---- */

static bool is_packed(const void *p, const struct k_rows_at &at, int32_t size) {
    return (uintptr_t)p % 16 == 0 && at.batch % 8 == 0 && at.head % 8 == 0 && at.row % 8 == 0 &&
           size % 8 == 0;
}

template <typename T, int SIZE> static int launch(const struct k_attention *a, k_stream stream) {
    const unsigned blocks = (unsigned)((a->queries + ROWS - 1) / ROWS * a->heads * a->batches);
    const size_t shared = (size_t)(ROWS + (SIZE > 64 ? 1 : 2) * 2 * KEYS) * SIZE * sizeof(T);
    if (is_packed(a->q, a->at_q, a->size) && is_packed(a->k, a->at_k, a->size) &&
        is_packed(a->v, a->at_v, a->v_size))
        return SL_LAUNCH((attention<T, SIZE, true>), blocks, THREADS, shared, stream, *a);
    return SL_LAUNCH((attention<T, SIZE, false>), blocks, THREADS, shared, stream, *a);
}

template <typename T> static int launch_size(const struct k_attention *a, k_stream stream) {
    const int32_t size = a->size > a->v_size ? a->size : a->v_size;
    return size <= 32   ? launch<T, 32>(a, stream)
           : size <= 64 ? launch<T, 64>(a, stream)
                        : launch<T, 128>(a, stream);
}

extern "C" int k_attention_launch(const struct k_attention *a, k_stream stream) {
    return a->type == K_F16 ? launch_size<sl_half>(a, stream) : launch_size<sl_bfloat16>(a, stream);
}
