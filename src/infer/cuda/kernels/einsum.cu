/* einsum.cu: Einsum as it is written: every output sums products over the letters it does not name. For the
 * equations that are no product of matrices (cuda_einsum.c gives those to gemm.cu): diagonals, traces, outer
 * products, three inputs.
 *
 * A thread an output, 256 a block. Its sum goes over the inner walk in the walk's order, 32 terms at a time,
 * then over those: the same order for every output, and an error that grows with the terms / 32.
 *
 * FLOPs: inputs x terms an output. Bytes: as many reads, from the caches where letters repeat; nothing is
 * shared between threads, so sums of many terms over large inputs are far from what the GPU can. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_einsum.h"

static const uint32_t THREADS = 256, TERMS = 32;

template <typename C> SL_KERNEL void einsum(const k_einsum e) {
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= e.outer.count)
        return;
    int32_t at[4], from[4];
    k_walk_to<4>(e.outer, i, at);
    C sum = 0;
    for (uint32_t first = 0; first < e.inner.count; first += TERMS) {
        const uint32_t end = e.inner.count - first < TERMS ? e.inner.count : first + TERMS;
        C part = 0;
        for (uint32_t j = first; j < end; j++) {
            k_walk_to<4>(e.inner, j, from);
            C product = k_load<C>(e.in[0], e.type, at[1] + from[1]);
            if (e.in_count > 1)
                product *= k_load<C>(e.in[1], e.type, at[2] + from[2]);
            if (e.in_count > 2)
                product *= k_load<C>(e.in[2], e.type, at[3] + from[3]);
            part += product;
        }
        sum += part;
    }
    k_store(e.y, e.type, at[0], sum);
}

extern "C" int k_einsum_launch(const struct k_einsum *e, k_stream stream) {
    const uint32_t blocks = (e->outer.count + THREADS - 1) / THREADS;
    switch (e->type) {
    case K_F32:
    case K_F16:
    case K_BF16:
        return SL_LAUNCH((einsum<float>), blocks, THREADS, 0, stream, *e);
    case K_F64:
        return SL_LAUNCH((einsum<double>), blocks, THREADS, 0, stream, *e);
    default: /* integers wrap around */
        return SL_LAUNCH((einsum<uint64_t>), blocks, THREADS, 0, stream, *e);
    }
}
