/* conformance.cu: every name of sluice/kernel.cuh in a kernel of its own: what the model makes of them and
 * what a GPU makes of them can be laid side by side. Two warps, a block; see conformance.h. */
#include "sluice/kernel.cuh"

#include "conformance.h"

SL_KERNEL void shuffles(const uint32_t *in, uint32_t *out) {
    uint32_t v = in[threadIdx.x], *to = out + threadIdx.x * 8;
    to[0] = sl_shfl_xor(v, 1);
    to[1] = sl_shfl_xor(v, 16);
    to[2] = sl_shfl_xor(v, 21);
    to[3] = sl_shfl_down(v, 1);
    to[4] = sl_shfl_down(v, 13); /* the last 13 lanes keep their own */
    to[5] = sl_shfl_idx(v, 7);
    to[6] = sl_shfl_idx(v, (int)(in[threadIdx.x + 64] % 32));
    to[7] = sl_float_bits(sl_shfl_xor(sl_float_from_bits(v), 2));
}

SL_KERNEL void wide(const uint32_t *in, uint32_t *out) {
    uint64_t v = (uint64_t)in[threadIdx.x] << 32 | in[threadIdx.x + 64];
    v = sl_shfl_xor(v, 5);
    out[threadIdx.x * 2] = (uint32_t)(v >> 32);
    out[threadIdx.x * 2 + 1] = (uint32_t)v;
}

SL_KERNEL void ballot(const uint32_t *in, uint32_t *out) {
    out[threadIdx.x] = sl_ballot(in[threadIdx.x] % 3 == 0);
}

/* 32 rows of 16 bytes a warp, lane l giving row l. */
SL_KERNEL void ldsm(const uint32_t *in, uint32_t *out) {
    SL_SHARED(uint4, rows, 64);
    sl_st16(&rows[threadIdx.x], sl_ld16(in + threadIdx.x * 4));
    sl_sync();
    uint32_t r[7];
    sl_ldsm_x1(r, &rows[threadIdx.x]);
    sl_ldsm_x2(r + 1, &rows[threadIdx.x]);
    sl_ldsm_x4(r + 3, &rows[threadIdx.x]);
    for (int i = 0; i < 7; i++)
        out[threadIdx.x * 7 + (uint32_t)i] = r[i];
}

SL_KERNEL void ldsm_trans(const uint32_t *in, uint32_t *out) {
    SL_SHARED(uint4, rows, 64);
    sl_st16(&rows[threadIdx.x], sl_ld16(in + threadIdx.x * 4));
    sl_sync();
    uint32_t r[7];
    sl_ldsm_x1_trans(r, &rows[threadIdx.x]);
    sl_ldsm_x2_trans(r + 1, &rows[threadIdx.x]);
    sl_ldsm_x4_trans(r + 3, &rows[threadIdx.x]);
    for (int i = 0; i < 7; i++)
        out[threadIdx.x * 7 + (uint32_t)i] = r[i];
}

/* Fragments as they come: words of thread t are in[t * 16]: four of a, two of b, then (as small integers or
 * floats) four of d at + 8. */
#define MMA_KERNEL(name, type, call)                                                                         \
    SL_KERNEL void mma_##name(const uint32_t *in, uint32_t *out) {                                           \
        const uint32_t *from = in + threadIdx.x * 16;                                                        \
        uint32_t a[4], b[2];                                                                                 \
        type d[4];                                                                                           \
        for (int i = 0; i < 4; i++) {                                                                        \
            a[i] = from[i];                                                                                  \
            d[i] = (type)(int32_t)from[8 + i];                                                               \
        }                                                                                                    \
        b[0] = from[4];                                                                                      \
        b[1] = from[5];                                                                                      \
        call(d, a, b);                                                                                       \
        for (uint32_t i = 0; i < 4; i++)                                                                     \
            out[threadIdx.x * 4 + i] = to_word(d[i]);                                                        \
    }
SL_DEVICE uint32_t to_word(float x) {
    return sl_float_bits(x);
}
SL_DEVICE uint32_t to_word(int32_t x) {
    return (uint32_t)x;
}
MMA_KERNEL(1688_f16, float, sl_mma_1688_f16)
MMA_KERNEL(16816_f16, float, sl_mma_16816_f16)
MMA_KERNEL(16816_bf16, float, sl_mma_16816_bf16)
MMA_KERNEL(1688_tf32, float, sl_mma_1688_tf32)
MMA_KERNEL(16832_s8, int32_t, sl_mma_16832_s8)
MMA_KERNEL(16832_u8s8, int32_t, sl_mma_16832_u8s8)

/* d[16][8] = a[16][16] b[16][8], all row-major: in holds a's 128 words, then b's 64 (8 bytes of a row in each
 * pair); a's fragments come by x4, b's by x2 with trans. The first warp alone. */
SL_KERNEL void tile(const uint32_t *in, uint32_t *out) {
    SL_SHARED(uint4, a, 32); /* row r: pieces 2 r, 2 r + 1 */
    SL_SHARED(uint4, b, 16);
    const uint32_t lane = threadIdx.x;
    if (lane < 32)
        sl_st16(&a[lane], sl_ld16(in + lane * 4));
    else if (lane < 48)
        sl_st16(&b[lane - 32], sl_ld16(in + 128 + (lane - 32) * 4));
    sl_sync();
    if (lane >= 32)
        return;
    uint32_t fa[4], fb[2];
    float d[4] = {0, 0, 0, 0};
    /* matrices 0 to 3 of a: rows 0-7 and 8-15 of columns 0-7, then of columns 8-15 */
    sl_ldsm_x4(fa, &a[lane % 16 * 2 + lane / 16]);
    sl_ldsm_x2_trans(fb, &b[lane % 16]);
    sl_mma_16816_f16(d, fa, fb);
    const uint32_t g = lane / 4, t = lane % 4;
    for (uint32_t i = 0; i < 4; i++)
        out[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = sl_float_bits(d[i]);
}

SL_KERNEL void cp_async(const uint32_t *in, uint32_t *out) {
    SL_SHARED(uint4, room, 64);
    sl_cp_async16(&room[threadIdx.x], in + threadIdx.x * 4, (int)(threadIdx.x % 17));
    sl_cp_commit();
    sl_cp_wait<0>();
    sl_sync();
    sl_st16(out + threadIdx.x * 4, sl_ld16(&room[63 - threadIdx.x]));
}

SL_KERNEL void memory16(const uint32_t *in, uint32_t *out) {
    uint4 v = sl_ld_nc16(in + threadIdx.x * 4), w = sl_ld16(in + 256 + threadIdx.x * 4);
    sl_st16(out + threadIdx.x * 4, make_uint4(v.x ^ w.w, v.y ^ w.z, v.z ^ w.y, v.w ^ w.x));
}

SL_KERNEL void numbers(const uint32_t *in, uint32_t *out) {
    float x = sl_float_from_bits(in[threadIdx.x]), low, high;
    uint32_t *to = out + threadIdx.x * 6;
    to[0] = sl_bits(sl_from_float<sl_half>(x));
    to[1] = sl_bits(sl_from_float<sl_bfloat16>(x));
    to[2] = sl_to_tf32(x);
    to[3] = sl_pack2<sl_half>(x, -x);
    sl_unpack2<sl_half>(in[threadIdx.x + 64], &low, &high);
    to[4] = sl_float_bits(low);
    sl_unpack2<sl_bfloat16>(in[threadIdx.x + 64], &low, &high);
    to[5] = sl_float_bits(high);
}

SL_KERNEL void functions(const uint32_t *in, uint32_t *out) {
    float x = sl_float_from_bits(in[threadIdx.x]), y = sl_float_from_bits(in[threadIdx.x + 64]);
    uint32_t *to = out + threadIdx.x * 6;
    to[0] = sl_float_bits(sl_ex2(x));
    to[1] = sl_float_bits(sl_rsqrt(fabsf(x)));
    to[2] = sl_float_bits(sl_exp(x));
    to[3] = sl_float_bits(sl_mul_rn(x, y));
    to[4] = sl_float_bits(sl_add_rn(sl_mul_rn(x, y), x));
    to[5] = sl_float_bits(sl_fma(x, y, x));
}

SL_KERNEL void atomics(const uint32_t *in, uint32_t *out) {
    if (threadIdx.x < 4)
        out[threadIdx.x] = 0;
    sl_sync();
    sl_atomic_add(&out[0], in[threadIdx.x]);
    sl_atomic_add((int32_t *)&out[1], (int32_t)in[threadIdx.x]);
    sl_atomic_max(&out[2], in[threadIdx.x]);
    sl_atomic_max((int32_t *)&out[3], (int32_t)in[threadIdx.x]);
}

/* Each warp with a barrier of its own, then both. */
SL_KERNEL void barriers(const uint32_t *in, uint32_t *out) {
    SL_SHARED(uint32_t, room, 64);
    const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    room[threadIdx.x] = in[threadIdx.x];
    sl_bar_sync((int)warp + 1, 32);
    out[threadIdx.x * 2] = room[warp * 32 + 31 - lane];
    sl_bar_sync(3, 64);
    out[threadIdx.x * 2 + 1] = room[63 - threadIdx.x];
}

#define CASE(name, kernel)                                                                                   \
    extern "C" int conformance_##name(const uint32_t *in, uint32_t *out) {                                   \
        return SL_LAUNCH(kernel, 1, CONFORMANCE_THREADS, 0, (k_stream)0, in, out);                           \
    }
CASE(shuffles, shuffles)
CASE(wide, wide)
CASE(ballot, ballot)
CASE(ldsm, ldsm)
CASE(ldsm_trans, ldsm_trans)
CASE(1688_f16, mma_1688_f16)
CASE(16816_f16, mma_16816_f16)
CASE(16816_bf16, mma_16816_bf16)
CASE(1688_tf32, mma_1688_tf32)
CASE(16832_s8, mma_16832_s8)
CASE(16832_u8s8, mma_16832_u8s8)
CASE(tile, tile)
CASE(cp_async, cp_async)
CASE(memory16, memory16)
CASE(numbers, numbers)
CASE(functions, functions)
CASE(atomics, atomics)
CASE(barriers, barriers)
