/* lrn.cu: LRN, local response normalisation over the channels of one pixel: x [images, channels, pixels].
 *
 * Bytes an element: one write, `size` reads from the caches. FLOPs: 2 a channel around, and one power.
 * Threads: one an element; neighbours are neighbouring pixels. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_pool.h"

static const uint32_t THREADS = 256;

SL_KERNEL void lrn(const k_lrn n) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n.total)
        return;
    const int32_t channels = (int32_t)n.channels.by,
                  c = (int32_t)k_remainder(k_quotient(i, n.pixels), n.channels);
    const int32_t low = c - (n.size - 1) / 2, high = c + n.size / 2;
    float squares = 0;
    for (int32_t k = low < 0 ? 0 : low; k <= high && k < channels; k++) {
        float x = k_load<float>(n.x, n.type, (int64_t)i + (int64_t)(k - c) * n.pixels.by);
        squares += x * x;
    }
    float x = k_load<float>(n.x, n.type, i);
    k_store(n.y, n.type, i, x / pow(n.bias + n.alpha / (float)n.size * squares, n.beta));
}

extern "C" int k_lrn_launch(const struct k_lrn *n, k_stream stream) {
    return SL_LAUNCH(lrn, (n->total + THREADS - 1) / THREADS, THREADS, 0, stream, *n);
}
