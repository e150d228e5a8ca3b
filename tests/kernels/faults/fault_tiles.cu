/* fault_tiles.cu: what goes wrong in kernels of tiles: copies that have not landed, stages used again too
 * early, fragments mixed up, banks that everybody wants at once. */
#include "sluice/kernel.cuh"

#include "faults.h"

enum { THREADS = 256, WARP = 32, STAGE = THREADS * 4, STEPS = 4 };

/* y[t] = sum over 4 steps of x[step * 256 + 255 - t], each step's numbers brought by cp.async one step ahead.
 * Only 64 of the 256 threads copy: 16 bytes each. */
template <bool NOT_LANDED, bool REUSED> SL_DEVICE void staged(const float *x, float *y) {
    SL_SHARED(uint4, stages, 2 * THREADS / 4);
    float sum = 0;
    if (threadIdx.x < THREADS / 4)
        sl_cp_async16(&stages[threadIdx.x], x + threadIdx.x * 4, 16);
    sl_cp_commit();
    for (uint32_t step = 0; step < STEPS; step++) {
        if (step + 1 < STEPS && threadIdx.x < THREADS / 4)
            sl_cp_async16(&stages[(step + 1) % 2 * (THREADS / 4) + threadIdx.x],
                          x + (step + 1) * THREADS + threadIdx.x * 4, 16);
        sl_cp_commit();
        if (NOT_LANDED)
            sl_cp_wait<2>();
        else
            sl_cp_wait<1>();
        sl_sync();
        sum += ((const float *)stages)[step % 2 * THREADS + THREADS - 1 - threadIdx.x];
        if (!REUSED)
            sl_sync();
    }
    y[threadIdx.x] = sum;
}

SL_KERNEL void not_landed(bool wrong, const float *x, float *y) {
    if (wrong)
        staged<true, false>(x, y);
    else
        staged<false, false>(x, y);
}

SL_KERNEL void stage_reused(bool wrong, const float *x, float *y) {
    if (wrong)
        staged<false, true>(x, y);
    else
        staged<false, false>(x, y);
}

/* y[16][8] = a[16][16] b[16][8], each warp the same and the first two write; the fault takes a's lower left
 * and upper right quarter for each other. */
SL_KERNEL void wrong_fragment(bool wrong, const float *x, float *y) {
    const float *a = x, *b = x + 256;
    const uint32_t lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4, warp = threadIdx.x / WARP;
    uint32_t fa[4], fb[2];
    float d[4] = {0, 0, 0, 0};
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t down = wrong ? i / 2 : i % 2, right = wrong ? i % 2 : i / 2;
        const float *p = a + (g + down * 8) * 16 + right * 8 + t * 2;
        fa[i] = sl_pack2<sl_half>(p[0], p[1]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const float *p = b + (i * 8 + t * 2) * 8 + g;
        fb[i] = sl_pack2<sl_half>(p[0], p[8]);
    }
    sl_mma_16816_f16(d, fa, fb);
    for (uint32_t i = 0; warp < 2 && i < 4; i++)
        y[warp * 128 + (g + i / 2 * 8) * 8 + t * 2 + i % 2] = d[i];
}

/* Transposes 8 x 32: with lines of 32 floats a column's numbers all lie in one bank, with lines of 36 what a
 * warp reads lies in 32 different ones. */
SL_KERNEL void bank_conflict(bool wrong, const float *x, float *y) {
    SL_SHARED(float, tile, 8 * 36);
    const uint32_t pitch = wrong ? 32 : 36;
    tile[threadIdx.x / 32 * pitch + threadIdx.x % 32] = x[threadIdx.x];
    sl_sync();
    y[threadIdx.x] = tile[threadIdx.x % 8 * pitch + threadIdx.x / 8];
}

/* Rows of 128 bytes all begin in bank 0; exchanging 16-byte pieces by the row's number spreads them. */
SL_KERNEL void bank_conflict_rows(bool wrong, const float *x, float *y) {
    SL_SHARED(uint4, tile, 8 * 8);
    if (threadIdx.x < 64) {
        uint32_t row = threadIdx.x / 8, piece = threadIdx.x % 8;
        sl_st16(&tile[row * 8 + (wrong ? piece : piece ^ row)], sl_ld16(x + threadIdx.x * 4));
    }
    sl_sync();
    uint32_t r[1], row = threadIdx.x % 8, piece = threadIdx.x / WARP;
    sl_ldsm_x1(r, &tile[row * 8 + (wrong ? piece : piece ^ row)]);
    y[threadIdx.x] = (float)(r[0] >> 20);
}

#define FAULT(name)                                                                                          \
    extern "C" int fault_##name(bool wrong, const float *x, float *y) {                                      \
        return SL_LAUNCH(name, 1, THREADS, 0, (k_stream)0, wrong, x, y);                                     \
    }
FAULT(not_landed)
FAULT(stage_reused)
FAULT(wrong_fragment)
FAULT(bank_conflict)
FAULT(bank_conflict_rows)
