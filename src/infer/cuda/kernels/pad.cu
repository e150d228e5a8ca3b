/* pad.cu: Pad in its four ways: a constant, the edge, a reflection, the other end. Also crops (negative
 * pads).
 *
 * Bytes: each element written once and read at most once. Threads: one an element, in the output's order. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_move.h"

static const uint32_t THREADS = 256;

/* The position in the input, or -1 for the constant. */
SL_DEVICE int32_t source(int32_t i, int32_t size, int fill) {
    if (i >= 0 && i < size)
        return i;
    switch (fill) {
    case K_FILL_EDGE:
        return i < 0 ? 0 : size - 1;
    case K_FILL_REFLECT:
        return i < 0 ? -i : 2 * (size - 1) - i;
    case K_FILL_WRAP:
        return (i % size + size) % size;
    default:
        return -1;
    }
}

template <typename U> SL_KERNEL void pad(const k_pad p) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.walk.count)
        return;
    uint32_t left = i;
    int32_t from = 0;
    for (int d = p.walk.rank - 1; d >= 0; d--) {
        uint32_t rest = k_quotient(left, p.walk.dims[d]);
        int32_t at = source((int32_t)(left - rest * p.walk.dims[d].by) - p.begin[d], p.size[d], p.fill);
        left = rest;
        from = at < 0 || from < 0 ? -1 : from + at * p.walk.steps[1][d];
    }
    ((U *)p.y)[i] = from < 0 ? *(const U *)p.constant : ((const U *)p.x)[from];
}

extern "C" int k_pad_launch(const struct k_pad *p, k_stream stream) {
    uint32_t blocks = (p->walk.count + THREADS - 1) / THREADS;
    return p->unit_nbytes == 1   ? SL_LAUNCH((pad<uint8_t>), blocks, THREADS, 0, stream, *p)
           : p->unit_nbytes == 2 ? SL_LAUNCH((pad<uint16_t>), blocks, THREADS, 0, stream, *p)
           : p->unit_nbytes == 4 ? SL_LAUNCH((pad<uint32_t>), blocks, THREADS, 0, stream, *p)
           : p->unit_nbytes == 8 ? SL_LAUNCH((pad<uint64_t>), blocks, THREADS, 0, stream, *p)
                                 : SL_LAUNCH((pad<k_unit16>), blocks, THREADS, 0, stream, *p);
}
