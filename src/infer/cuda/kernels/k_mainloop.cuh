/* k_mainloop.cuh: the product of two matrices, tile by tile: what gemm.cu and conv.cu have in common.
 *
 * A block computes a tile of the result, ROWS x COLUMNS sums over k. It walks along k in steps of 64 bytes
 * (32 halves, 16 floats or 64 levels): for each it has a tile of A (ROWS lines of 64 bytes) and one of B
 * (COLUMNS lines: B lies here with k innermost, too) in shared memory. While one pair is multiplied, cp.async
 * carries the next ones there: STAGES pairs stand in a ring.
 *
 *            k ->                     one line of 64 bytes, four chunks of 16:
 *        +--+--+--+--+--
 *   rows |  |##|  |  |       A       | 0 | 1 | 2 | 3 |   as it would lie in line 0
 *        +--+--+--+--+--             | 0 | 1 | 2 | 3 |   line 1
 *             x                      | 1 | 0 | 3 | 2 |   line 2: chunk c stands at place c ^ (line / 2 % 4)
 *        +--+--+--+--+--
 *   cols |  |##|  |  |       B       The XOR spreads the same chunk of eight lines in a row over all 32 banks
 *        +--+--+--+--+--             of shared memory, so that ldmatrix reads them in one go.
 *
 * A warp has a WARP_ROWS x WARP_COLUMNS part of the tile. Tensor cores multiply 16 x 8 pieces of it, 32 bytes
 * of k at a time (`fragments`): whatever the type, a lane holds the same bytes of a line, so ldmatrix loads
 * halves, tf32 and bytes alike. Without tensor cores a lane has WARP_ROWS / 4 x WARP_COLUMNS / 8 sums of its
 * own.
 *
 * Every sum is made in the same order of k whatever its row, and no row looks at another: a row's result is
 * the same bits wherever it stands.
 *
 * To use it: a class that says where A's chunks come from, one for B's, one that takes the sums:
 *
 *   load.chunk(to, i, line, q)   chunk q (16 bytes of k, counted from 0) of a line of the tile goes to `to`
 * in shared memory; i counts this thread's lines, which are the same for every q put.eight(row, column, v)
 * v[0 .. 7] are the sums of a row from that column on, both within the tile
 */
#ifndef INFER_CUDA_K_MAINLOOP_CUH
#define INFER_CUDA_K_MAINLOOP_CUH

#include "infer/cuda/kernels/k_device.cuh"

enum { K_LINE_NBYTES = 64, K_LINE_CHUNKS = 4, K_STEPS = 2 /* of 32 bytes, in a line */ };

/* Byte of chunk `c` of a line in its tile. */
SL_DEVICE int32_t k_swizzle(int32_t line, int32_t c) {
    return line * K_LINE_NBYTES + ((c ^ (line >> 1 & 3)) << 4);
}

/* ---- how two tiles are multiplied ---- */

/* A piece of A: 16 lines x 32 bytes in 4 registers; of B: 8 lines in 2. Sums: 16 x 8, four a lane: line lane
 * / 4 columns lane % 4 * 2 and the next, then the same eight lines further down. */
struct k_mma_f16 {
    typedef sl_half element;
    typedef float sum;
    static const bool TENSOR = true;
    static SL_DEVICE void prepare(uint32_t *, int) {
    }
    static SL_DEVICE void multiply(float *d, const uint32_t *a, const uint32_t *b) {
        sl_mma_16816_f16(d, a, b);
    }
};
struct k_mma_bf16 {
    typedef sl_bfloat16 element;
    typedef float sum;
    static const bool TENSOR = true;
    static SL_DEVICE void prepare(uint32_t *, int) {
    }
    static SL_DEVICE void multiply(float *d, const uint32_t *a, const uint32_t *b) {
        sl_mma_16816_bf16(d, a, b);
    }
};
struct k_mma_tf32 {
    typedef float element;
    typedef float sum;
    static const bool TENSOR = true;
    static SL_DEVICE void prepare(uint32_t *r, int count) {
#pragma unroll
        for (int i = 0; i < count; i++)
            r[i] = sl_to_tf32(sl_float_from_bits(r[i]));
    }
    static SL_DEVICE void multiply(float *d, const uint32_t *a, const uint32_t *b) {
        sl_mma_1688_tf32(d, a, b);
    }
};
/* Levels: sums of 32 products in one go, exact. B's are signed. */
struct k_mma_s8 {
    typedef int8_t element;
    typedef int32_t sum;
    static const bool TENSOR = true;
    static SL_DEVICE void prepare(uint32_t *, int) {
    }
    static SL_DEVICE void multiply(int32_t *d, const uint32_t *a, const uint32_t *b) {
        sl_mma_16832_s8(d, a, b);
    }
};
struct k_mma_u8s8 : k_mma_s8 {
    static SL_DEVICE void multiply(int32_t *d, const uint32_t *a, const uint32_t *b) {
        sl_mma_16832_u8s8(d, a, b);
    }
};
/* float x float without tensor cores. */
struct k_fma_f32 {
    typedef float element;
    typedef float sum;
    static const bool TENSOR = false;
    static SL_DEVICE void prepare(uint32_t *, int) {
    }
    static SL_DEVICE void multiply(float *, const uint32_t *, const uint32_t *) {
    }
};

template <class Math_, int ROWS_, int COLUMNS_, int WARP_ROWS_, int WARP_COLUMNS_, int STAGES_>
struct k_shape {
    typedef Math_ Math;
    static const int ROWS = ROWS_, COLUMNS = COLUMNS_, WARP_ROWS = WARP_ROWS_, WARP_COLUMNS = WARP_COLUMNS_;
    static const int STAGES = STAGES_, WARPS_DOWN = ROWS / WARP_ROWS,
                     WARPS = WARPS_DOWN * (COLUMNS / WARP_COLUMNS);
    static const int THREADS = 32 * WARPS, SUMS = WARP_ROWS * WARP_COLUMNS / 32;
    static const int A_NBYTES = ROWS * K_LINE_NBYTES, B_NBYTES = COLUMNS * K_LINE_NBYTES;
    static const int RING_NBYTES = STAGES * (A_NBYTES + B_NBYTES);
    /* For the way out: each warp has 16 of its rows at a time, as floats. */
    static const int OUT_STRIDE = WARP_COLUMNS + 8, OUT_NBYTES = 16 * OUT_STRIDE * 4;
    static const int SHARED_NBYTES = RING_NBYTES > WARPS *OUT_NBYTES ? RING_NBYTES : WARPS *OUT_NBYTES;
    static const int A_LINES = ROWS * K_LINE_CHUNKS / THREADS, B_LINES = COLUMNS * K_LINE_CHUNKS / THREADS;
    /* Lines of the tile that a thread carries: its first and the step to the next. */
    static const int LINE_STEP = THREADS / K_LINE_CHUNKS;
};

/* One stage of the ring: this thread's chunks of both tiles. */
template <class S, class LoadA, class LoadB>
SL_DEVICE void k_fetch(unsigned char *stage, int32_t tile, const LoadA &a, const LoadB &b) {
    const int32_t first = (int32_t)threadIdx.x / K_LINE_CHUNKS, c = (int32_t)threadIdx.x % K_LINE_CHUNKS,
                  q = tile * K_LINE_CHUNKS + c;
#pragma unroll
    for (int i = 0; i < S::A_LINES; i++)
        a.chunk(stage + k_swizzle(first + i * S::LINE_STEP, c), i, first + i * S::LINE_STEP, q);
#pragma unroll
    for (int i = 0; i < S::B_LINES; i++)
        b.chunk(stage + S::A_NBYTES + k_swizzle(first + i * S::LINE_STEP, c), i, first + i * S::LINE_STEP, q);
}

/* ldmatrix takes four 8 x 16-byte matrices; lane l gives the address of line l % 8 of matrix l / 8. For A
 * these are its upper and lower 8 lines, first with the left 16 bytes, then with the right; for B left and
 * right of one group of 8 lines, then of the next. */
template <class S>
SL_DEVICE void k_multiply_tensor(const unsigned char *a, const unsigned char *b,
                                 typename S::Math::sum (&sums)[S::SUMS]) {
    const int32_t lane = (int32_t)sl_lane();
    uint32_t fa[S::WARP_ROWS / 16][4], fb[S::WARP_COLUMNS / 16][4];
#pragma unroll
    for (int step = 0; step < K_STEPS; step++) {
#pragma unroll
        for (int i = 0; i < S::WARP_ROWS / 16; i++) {
            sl_ldsm_x4(fa[i], a + k_swizzle(i * 16 + (lane & 15), step * 2 + (lane >> 4)));
            S::Math::prepare(fa[i], 4);
        }
#pragma unroll
        for (int j = 0; j < S::WARP_COLUMNS / 16; j++) {
            sl_ldsm_x4(fb[j],
                       b + k_swizzle(j * 16 + (lane & 7) + (lane >> 4) * 8, step * 2 + (lane >> 3 & 1)));
            S::Math::prepare(fb[j], 4);
        }
#pragma unroll
        for (int i = 0; i < S::WARP_ROWS / 16; i++)
#pragma unroll
            for (int j = 0; j < S::WARP_COLUMNS / 8; j++)
                S::Math::multiply(&sums[(i * (S::WARP_COLUMNS / 8) + j) * 4], fa[i], &fb[j / 2][j % 2 * 2]);
    }
}

/* A lane's rows are lane / 8, + 4, + 8, ...; its columns lane % 8, + 8, + 16, ... */
template <class S>
SL_DEVICE void k_multiply_floats(const unsigned char *a, const unsigned char *b, float (&sums)[S::SUMS]) {
    const int32_t lane = (int32_t)sl_lane();
    const int ROWS = S::WARP_ROWS / 4, COLUMNS = S::WARP_COLUMNS / 8;
#pragma unroll
    for (int c = 0; c < K_LINE_CHUNKS; c++) {
        float4 x[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            x[i] = *(const float4 *)(a + k_swizzle(lane / 8 + i * 4, c));
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) {
            float4 y = *(const float4 *)(b + k_swizzle(lane % 8 + j * 8, c));
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                float sum = sums[i * COLUMNS + j];
                sum = sl_fma(x[i].x, y.x, sum);
                sum = sl_fma(x[i].y, y.y, sum);
                sum = sl_fma(x[i].z, y.z, sum);
                sums[i * COLUMNS + j] = sl_fma(x[i].w, y.w, sum);
            }
        }
    }
}

template <bool TENSOR> struct k_multiply {
    template <class S>
    static SL_DEVICE void run(const unsigned char *a, const unsigned char *b,
                              typename S::Math::sum (&sums)[S::SUMS]) {
        k_multiply_tensor<S>(a, b, sums);
    }
};
template <> struct k_multiply<false> {
    template <class S>
    static SL_DEVICE void run(const unsigned char *a, const unsigned char *b, float (&sums)[S::SUMS]) {
        k_multiply_floats<S>(a, b, sums);
    }
};

/* ---- the loop ---- */

/* `tiles` steps of 64 bytes along k. The ring: before tile t is multiplied, tiles up to t + STAGES - 2 are on
 * their way; the wait leaves STAGES - 2 of them under way, so t has arrived; the barrier makes what other
 * threads carried visible, and says that all have done with tile t - 1, whose stage is filled next. Groups
 * are counted, so one is committed for every tile, empty ones at the end too. */
template <class S, class LoadA, class LoadB>
SL_DEVICE void k_mainloop(unsigned char *shared, int32_t tiles, const LoadA &a, const LoadB &b,
                          typename S::Math::sum (&sums)[S::SUMS]) {
    const int32_t warp = (int32_t)sl_warp();
    const int32_t a_at = warp % S::WARPS_DOWN * S::WARP_ROWS * K_LINE_NBYTES,
                  b_at = S::A_NBYTES + warp / S::WARPS_DOWN * S::WARP_COLUMNS * K_LINE_NBYTES;
#pragma unroll
    for (int i = 0; i < S::SUMS; i++)
        sums[i] = 0;
#pragma unroll
    for (int t = 0; t < S::STAGES - 1; t++) {
        if (t < tiles)
            k_fetch<S>(shared + t * (S::A_NBYTES + S::B_NBYTES), t, a, b);
        sl_cp_commit();
    }
    for (int32_t t = 0; t < tiles; t++) {
        sl_cp_wait<S::STAGES - 2>();
        sl_sync();
        const int32_t next = t + S::STAGES - 1;
        if (next < tiles)
            k_fetch<S>(shared + next % S::STAGES * (S::A_NBYTES + S::B_NBYTES), next, a, b);
        sl_cp_commit();
        const unsigned char *stage = shared + t % S::STAGES * (S::A_NBYTES + S::B_NBYTES);
        k_multiply<S::Math::TENSOR>::template run<S>(stage + a_at, stage + b_at, sums);
    }
    sl_cp_wait<0>();
    sl_sync(); /* the ring is free for the way out */
}

/* ---- the way out ---- */

/* The lane's sums of rows 16 i to 16 i + 15 of the warp's part, to where rows stand one after the other. */
template <class S>
SL_DEVICE void k_spread(typename S::Math::sum *out, const typename S::Math::sum (&sums)[S::SUMS], int i) {
    const int32_t lane = (int32_t)sl_lane();
    if (S::Math::TENSOR) {
#pragma unroll
        for (int j = 0; j < S::WARP_COLUMNS / 8; j++) {
            const typename S::Math::sum *d = &sums[(i * (S::WARP_COLUMNS / 8) + j) * 4];
            typename S::Math::sum *to = out + lane / 4 * S::OUT_STRIDE + j * 8 + lane % 4 * 2;
            to[0] = d[0];
            to[1] = d[1];
            to[8 * S::OUT_STRIDE] = d[2];
            to[8 * S::OUT_STRIDE + 1] = d[3];
        }
    } else {
        const int COLUMNS = S::WARP_COLUMNS / 8;
#pragma unroll
        for (int r = 0; r < 4; r++)
#pragma unroll
            for (int j = 0; j < COLUMNS; j++)
                out[(lane / 8 + r * 4) * S::OUT_STRIDE + j * 8 + lane % 8] = sums[(i * 4 + r) * COLUMNS + j];
    }
}

/* Sums lie over a warp's lanes as the multiplication left them; through shared memory they come to lie eight
 * of a row to a lane, which is 16 bytes of halves. */
template <class S, class Put>
SL_DEVICE void k_way_out(unsigned char *shared, const typename S::Math::sum (&sums)[S::SUMS],
                         const Put &put) {
    typedef typename S::Math::sum sum;
    const int32_t lane = (int32_t)sl_lane(), warp = (int32_t)sl_warp();
    const int EIGHTS = S::WARP_COLUMNS / 8;
    sum *out = (sum *)(shared + warp * S::OUT_NBYTES);
#pragma unroll
    for (int i = 0; i < S::WARP_ROWS / 16; i++) {
        k_spread<S>(out, sums, i);
        sl_warp_sync();
        for (int32_t e = lane; e < 16 * EIGHTS; e += 32) {
            sum v[8];
#pragma unroll
            for (int k = 0; k < 8; k++)
                v[k] = out[e / EIGHTS * S::OUT_STRIDE + e % EIGHTS * 8 + k];
            put.eight(warp % S::WARPS_DOWN * S::WARP_ROWS + i * 16 + e / EIGHTS,
                      warp / S::WARPS_DOWN * S::WARP_COLUMNS + e % EIGHTS * 8, v);
        }
        sl_warp_sync();
    }
}

/* ---- what several kernels need to use it ---- */

/* Line l of the tile is `first` + l of a matrix of `lines`, k_nbytes long. */
struct k_packed_lines {
    const unsigned char *from;
    int64_t stride_nbytes;
    int32_t lines, k_nbytes;

    SL_DEVICE void chunk(unsigned char *to, int, int32_t line, int32_t q) const {
        const bool there = line < lines && q * 16 < k_nbytes;
        sl_cp_async16(to, there ? from + line * stride_nbytes + q * 16 : from, there ? 16 : 0);
    }
};

/* Blocks are numbered so that K_GROUP tiles of rows times all columns follow each other: those that run at
 * the same time read the same lines of A and B, and the second reader finds them in the cache. */
struct k_tiling {
    struct k_divide down, group; /* tiles of rows; tiles in K_GROUP of those times all columns */
};
enum { K_GROUP = 8 };

/* Which tile is block number i of a product. */
SL_DEVICE void k_tile_of(const k_tiling &t, uint32_t i, int32_t *down, int32_t *across) {
    const uint32_t group = k_quotient(i, t.group), rest = i - group * t.group.by, first = group * K_GROUP;
    const uint32_t left = t.down.by - first,
                   high = left < K_GROUP ? left : (uint32_t)K_GROUP; /* the last group is lower */
    *down = (int32_t)(first + rest % high);
    *across = (int32_t)(rest / high);
}

static inline k_tiling k_tiles(uint32_t down, uint32_t across) {
    k_tiling t = {k_divide_by(down), k_divide_by(K_GROUP * across)};
    return t;
}

#endif
