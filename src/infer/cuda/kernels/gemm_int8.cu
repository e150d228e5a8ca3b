/* gemm_int8.cu: products of quantised matrices on tensor cores: MatMulInteger, QLinearMatMul, QGemm,
 * MatMulIntegerToFloat, DynamicQuantizeMatMul.
 *
 * The loop over tiles is that of k_mainloop.cuh; a line of 64 bytes is 64 levels. What is meant is the
 * product of the levels less their zeros, what tensor cores multiply is the levels. The rest is known once
 * the lines have been summed:
 *
 *   sum (a - za)(b - zb)  =  sum a b  -  zb sum a  -  za sum b  +  k za zb
 *
 * so each row of A and each column of B needs one number, which line_sums makes (of constant weights the
 * matcher has it; with zb 0, the rule for weights, no one asks for sum a). All of that wraps at 32 bits and
 * is right as long as the result fits, which the matcher sees to: sums are exact, in any order.
 *
 * B must be signed for tensor cores: of unsigned levels 128 is taken away, of their zeros too. A's padding
 * along k is 0, so what B has there does not matter.
 *
 * FLOPs: 2 m n k. Bytes: m k + k n + m n times 1 (levels) to 4. Tiles 128 x 128 and 64 x 64, as in gemm.cu.
 */
#include "infer/cuda/kernels/k_gemm_int8.h"
#include "infer/cuda/kernels/k_level.cuh"
#include "infer/cuda/kernels/k_lines.cuh"

/* ---- lines of B that are not packed ---- */

/* `flip` 0x80 takes 128 from unsigned levels. */
struct loose_levels {
    const uint8_t *from;
    int64_t stride, k_stride;
    int32_t lines, k;
    uint8_t flip;

    SL_DEVICE void chunk(unsigned char *to, int, int32_t line, int32_t q) const {
        k_pack<uint8_t> pack;
#pragma unroll
        for (int i = 0; i < 16; i++) {
            const int32_t at = q * 16 + i;
            pack.v[i] = line < lines && at < k ? from[line * stride + at * k_stride] ^ flip : 0;
        }
        *(k_pack<uint8_t> *)to = pack;
    }
};

template <bool PACKED> struct columns_of {
    typedef k_packed_lines lines;
    static SL_DEVICE lines make(const struct k_gemm_int8 &g, int64_t at, int32_t first) {
        lines l = {(const unsigned char *)g.b + at + first * g.b_column, g.b_column, g.n - first,
                   (g.k + 15) / 16 * 16};
        return l;
    }
};
template <> struct columns_of<false> {
    typedef loose_levels lines;
    static SL_DEVICE lines make(const struct k_gemm_int8 &g, int64_t at, int32_t first) {
        lines l = {(const uint8_t *)g.b + at + first * g.b_column, g.b_column, g.b_k, g.n - first, g.k,
                   (uint8_t)(g.b_type == K_U8 ? 0x80 : 0)};
        return l;
    }
};

/* ---- what becomes of sums ---- */

SL_DEVICE float scale_at(const k_param &p, int32_t i) {
    return p.p ? k_load<float>(p.p, p.type, (int64_t)i * p.step) : 1;
}
SL_DEVICE uint32_t whole_at(const k_param &p, int32_t i) {
    return p.p ? (uint32_t)k_load<int64_t>(p.p, p.type, (int64_t)i * p.step) : 0;
}

struct put_levels {
    const k_gemm_int8 *g;
    int64_t y; /* where this matrix begins */
    int32_t batch, row0, column0;

    SL_DEVICE void eight(int32_t row, int32_t column, const int32_t *v) const {
        row += row0;
        column += column0;
        if (row >= g->m)
            return;
        const uint32_t a_zero = whole_at(g->a_zero, row),
                       a_sum = g->a_sums ? (uint32_t)g->a_sums[(int64_t)batch * g->m + row] : 0;
        const float a_scale = scale_at(g->a_scale, row);
        for (int k = 0; k < 8 && column + k < g->n; k++)
            one(row, column + k, (uint32_t)v[k], a_zero, a_sum, a_scale);
    }

    SL_DEVICE void one(int32_t row, int32_t column, uint32_t sum, uint32_t a_zero, uint32_t a_sum,
                       float a_scale) const {
        if (g->a_sums) {
            const uint32_t b_zero = whole_at(g->b_zero, column) - (g->b_type == K_U8 ? 128 : 0);
            sum -= b_zero * (a_sum - (uint32_t)g->k * a_zero);
        }
        if (g->b_sums)
            sum -= a_zero * (uint32_t)g->b_sums[(int64_t)batch * g->n + column];
        sum += whole_at(g->whole_bias, column);
        const int64_t at = y + (int64_t)row * g->n + column;
        if (g->y_type == K_I32) {
            ((int32_t *)g->y)[at] = (int32_t)sum;
            return;
        }
        const float factor = sl_mul_rn(g->alpha == 1 ? a_scale : sl_mul_rn(g->alpha, a_scale),
                                       scale_at(g->b_scale, column)),
                    real = (float)(int32_t)sum;
        if (g->y_type == K_U8 || g->y_type == K_I8)
            k_write_level(g->y, g->y_type, at, sl_mul_rn(real, factor / scale_at(g->y_scale, 0)),
                          k_zero_at(g->y_zero.p, g->y_zero.type, 0));
        else
            k_store(g->y, g->y_type, at,
                    sl_add_rn(sl_mul_rn(real, factor),
                              g->bias.p
                                  ? k_load<float>(g->bias.p, g->bias.type, (int64_t)column * g->bias.step)
                                  : 0));
    }
};

/* ---- the kernel ---- */

template <class S, bool PACKED_A, bool PACKED_B>
SL_KERNEL_BOUNDS(S::THREADS, 1)
void gemm_int8(const struct k_gemm_int8 g, k_tiling t, k_divide per_batch) {
    SL_SHARED_DYNAMIC(unsigned char, shared);
    const uint32_t batch = k_quotient(blockIdx.x, per_batch);
    int32_t down, across, at[3] = {0, 0, 0};
    k_tile_of(t, blockIdx.x - batch * per_batch.by, &down, &across);
    if (g.batches > 1)
        k_walk_to<3>(g.batch, batch, at);
    const int32_t row0 = down * S::ROWS, column0 = across * S::COLUMNS;
    const typename k_lines_of<int8_t, PACKED_A>::lines a =
        k_lines_of<int8_t, PACKED_A>::make((const int8_t *)g.a + at[1], g.a_row, g.a_k, row0, g.m, g.k);
    const typename columns_of<PACKED_B>::lines b = columns_of<PACKED_B>::make(g, at[2], column0);
    int32_t sums[S::SUMS];
    k_mainloop<S>(shared, (g.k + K_LINE_NBYTES - 1) / K_LINE_NBYTES, a, b, sums);
    const put_levels put = {&g, at[0], (int32_t)batch, row0, column0};
    k_way_out<S>(shared, sums, put);
}

/* ---- sums of lines: a warp a line ---- */

static const uint32_t LINES_A_BLOCK = 8;

SL_KERNEL void line_sums(const struct k_line_sums s, k_divide lines) {
    const uint32_t i = blockIdx.x * LINES_A_BLOCK + sl_warp(), z = k_quotient(i, lines);
    if (z >= s.batches)
        return;
    int32_t at[3] = {0, 0, 0}, sum = 0;
    if (s.batches > 1)
        k_walk_to<3>(s.batch, z, at);
    const int64_t from = (s.operand == 1 ? at[1] : at[2]) + (int64_t)(i - z * lines.by) * s.stride;
    for (int32_t k = (int32_t)sl_lane(); k < s.k; k += 32)
        sum += s.type == K_I8
                   ? (int32_t)((const int8_t *)s.x)[from + k * s.k_stride]
                   : (int32_t)((const uint8_t *)s.x)[from + k * s.k_stride] - (s.shifted ? 128 : 0);
#pragma unroll
    for (int step = 16; step; step >>= 1)
        sum += sl_shfl_xor(sum, step);
    if (sl_lane() == 0)
        s.sums[i] = sum;
}

extern "C" int k_line_sums_launch(const struct k_line_sums *s, k_stream stream) {
    const uint32_t count = s->batches * (uint32_t)s->lines;
    return SL_LAUNCH(line_sums, (count + LINES_A_BLOCK - 1) / LINES_A_BLOCK, 32 * LINES_A_BLOCK, 0, stream,
                     *s, k_divide_by((uint32_t)s->lines));
}

/* ---- launchers ---- */

template <class S, bool PACKED_A, bool PACKED_B>
static int launch(const struct k_gemm_int8 *g, k_stream stream) {
    const uint32_t down = (uint32_t)((g->m + S::ROWS - 1) / S::ROWS),
                   across = (uint32_t)((g->n + S::COLUMNS - 1) / S::COLUMNS);
    return SL_LAUNCH((gemm_int8<S, PACKED_A, PACKED_B>), down * across * g->batches, S::THREADS,
                     S::SHARED_NBYTES, stream, *g, k_tiles(down, across), k_divide_by(down * across));
}

template <class Math> static int launch_shape(const struct k_gemm_int8 *g, k_stream stream) {
    typedef k_shape<Math, 128, 128, 64, 64, 3> Large;
    typedef k_shape<Math, 64, 64, 32, 32, 3> Small;
    const int64_t down = (g->m + Large::ROWS - 1) / Large::ROWS,
                  across = (g->n + Large::COLUMNS - 1) / Large::COLUMNS;
    const bool a = k_is_packed(g->a, g->a_k, g->a_row, g->k, 1) && k_keeps(g->batches, &g->batch, 1, 1);
    if (a && g->b_packed)
        return down * across * g->batches >= K_ENOUGH_TILES ? launch<Large, true, true>(g, stream)
                                                            : launch<Small, true, true>(g, stream);
    if (g->b_packed)
        return launch<Small, false, true>(g, stream);
    return a ? launch<Small, true, false>(g, stream) : launch<Small, false, false>(g, stream);
}

extern "C" int k_gemm_int8_launch(const struct k_gemm_int8 *g, k_stream stream) {
    return g->a_type == K_U8 ? launch_shape<k_mma_u8s8>(g, stream) : launch_shape<k_mma_s8>(g, stream);
}
