/* move.cu: moving elements about by strides: Slice, Split, Concat, Expand, Tile, DepthToSpace, SpaceToDepth
 * and most forms of Transpose; and the turning of matrices, for the Transposes whose innermost dim changes.
 *
 * Bytes: each unit read once and written once. A unit is up to 16 bytes: the matcher joins elements that stay
 * side by side, so that heads of 64 numbers of f16 move 8 at a time.
 *
 * Threads of copy_walk: one a unit, in the output's order, so writes are coalesced. transpose_tile: a block
 * of 32 x 8 threads turns a tile of 32 x 32 through shared memory, whose rows are one unit longer than the
 * tile so that reading down a column touches all banks; both sides are coalesced. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_move.h"

static const uint32_t THREADS = 256;

template <typename U> SL_KERNEL void copy_walk(const k_copy c) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= c.walk.count)
        return;
    int32_t at[2];
    k_walk_to<2>(c.walk, i, at);
    ((U *)c.y)[at[0]] = ((const U *)c.x)[at[1]];
}

extern "C" int k_copy_launch(const struct k_copy *c, k_stream stream) {
    uint32_t blocks = (c->walk.count + THREADS - 1) / THREADS;
    return c->unit_nbytes == 1   ? SL_LAUNCH((copy_walk<uint8_t>), blocks, THREADS, 0, stream, *c)
           : c->unit_nbytes == 2 ? SL_LAUNCH((copy_walk<uint16_t>), blocks, THREADS, 0, stream, *c)
           : c->unit_nbytes == 4 ? SL_LAUNCH((copy_walk<uint32_t>), blocks, THREADS, 0, stream, *c)
           : c->unit_nbytes == 8 ? SL_LAUNCH((copy_walk<uint64_t>), blocks, THREADS, 0, stream, *c)
                                 : SL_LAUNCH((copy_walk<k_unit16>), blocks, THREADS, 0, stream, *c);
}

template <typename U> SL_KERNEL void transpose_tile(const k_transpose t) {
    SL_SHARED(U, tile, 32 * 33);
    const uint32_t x = threadIdx.x % 32, y = threadIdx.x / 32;
    const uint32_t across = (t.columns + 31) / 32, down = (t.rows + 31) / 32;
    const uint32_t image = blockIdx.x / (across * down), rest = blockIdx.x % (across * down);
    const uint32_t row = rest / across * 32, column = rest % across * 32;
    const U *from = (const U *)t.x + (int64_t)image * t.rows * t.columns;
    U *to = (U *)t.y + (int64_t)image * t.rows * t.columns;
    for (uint32_t k = y; k < 32; k += 8)
        if (row + k < t.rows && column + x < t.columns)
            tile[k * 33 + x] = from[(row + k) * t.columns + column + x];
    sl_sync();
    for (uint32_t k = y; k < 32; k += 8)
        if (column + k < t.columns && row + x < t.rows)
            to[(column + k) * t.rows + row + x] = tile[x * 33 + k];
}

extern "C" int k_transpose_launch(const struct k_transpose *t, k_stream stream) {
    uint32_t blocks = t->images * ((t->columns + 31) / 32) * ((t->rows + 31) / 32);
    return t->unit_nbytes == 1   ? SL_LAUNCH((transpose_tile<uint8_t>), blocks, THREADS, 0, stream, *t)
           : t->unit_nbytes == 2 ? SL_LAUNCH((transpose_tile<uint16_t>), blocks, THREADS, 0, stream, *t)
           : t->unit_nbytes == 4 ? SL_LAUNCH((transpose_tile<uint32_t>), blocks, THREADS, 0, stream, *t)
                                 : SL_LAUNCH((transpose_tile<uint64_t>), blocks, THREADS, 0, stream, *t);
}
