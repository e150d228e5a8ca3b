/* gather.cu: Gather (rows of an embedding, or slabs along any axis), GatherElements, GatherND: elements at
 * positions that are data. A position outside is brought inside, as in the references: no record can make a
 * kernel read elsewhere.
 *
 * Bytes: each unit of the result read once and written once, and an index of 4 or 8 bytes a slab. Units are
 * up to 16 bytes. Threads: one a unit, in the output's order: the rows of an embedding are read coalesced. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_move.h"

static const uint32_t THREADS = 256;

#define BY_UNIT(kernel, args, count)                                                                         \
    uint32_t blocks = ((count) + THREADS - 1) / THREADS;                                                     \
    return (args)->unit_nbytes == 1   ? SL_LAUNCH((kernel<uint8_t>), blocks, THREADS, 0, stream, *(args))    \
           : (args)->unit_nbytes == 2 ? SL_LAUNCH((kernel<uint16_t>), blocks, THREADS, 0, stream, *(args))   \
           : (args)->unit_nbytes == 4 ? SL_LAUNCH((kernel<uint32_t>), blocks, THREADS, 0, stream, *(args))   \
           : (args)->unit_nbytes == 8 ? SL_LAUNCH((kernel<uint64_t>), blocks, THREADS, 0, stream, *(args))   \
                                      : SL_LAUNCH((kernel<k_unit16>), blocks, THREADS, 0, stream, *(args));

template <typename U> SL_KERNEL void gather(const k_gather g) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= g.total)
        return;
    uint32_t slab = k_quotient(i, g.inner), outer = k_quotient(slab, g.count);
    int32_t place = k_index(g.indices, g.index_type, slab - outer * g.count.by, g.size, g.clamped);
    int64_t from = ((int64_t)outer * g.size + place) * g.inner.by + (i - slab * g.inner.by);
    ((U *)g.y)[i] = ((const U *)g.x)[from];
}

extern "C" int k_gather_launch(const struct k_gather *g, k_stream stream) {
    BY_UNIT(gather, g, g->total)
}

template <typename U> SL_KERNEL void gather_elements(const k_gather_elements g) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= g.walk.count)
        return;
    int32_t at[2];
    k_walk_to<2>(g.walk, i, at);
    ((U *)g.y)[i] = ((const U *)g.x)[at[1] + k_index(g.indices, g.index_type, i, g.size) * g.axis_step];
}

extern "C" int k_gather_elements_launch(const struct k_gather_elements *g, k_stream stream) {
    BY_UNIT(gather_elements, g, g->walk.count)
}

template <typename U> SL_KERNEL void gather_nd(const k_gather_nd g) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= g.total)
        return;
    uint32_t position = k_quotient(i, g.inner);
    int64_t from = k_quotient(position, g.per_batch);
    for (int d = 0; d < g.depth; d++)
        from =
            from * g.sizes[d] + k_index(g.indices, g.index_type, (int64_t)position * g.depth + d, g.sizes[d]);
    ((U *)g.y)[i] = ((const U *)g.x)[from * g.inner.by + (i - position * g.inner.by)];
}

extern "C" int k_gather_nd_launch(const struct k_gather_nd *g, k_stream stream) {
    BY_UNIT(gather_nd, g, g->total)
}
