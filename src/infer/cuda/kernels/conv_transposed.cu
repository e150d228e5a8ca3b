/* conv_transposed.cu: ConvTranspose, second half. The first is a product by gemm.cu: each input position
 * times all weights, which gives what it adds to each of the output positions around it:
 *
 *   products [n * input positions][group][tap][filter]
 *
 * Here every output element gathers its part of them: tap t of input position i reaches output position
 * i * stride + t * dilation - pad. Gathering instead of adding up where products land: no two threads write
 * one element, so sums have one order and no atomics.
 *
 * Bytes: the products once, y once. One thread an element; channels lie innermost on both sides, so threads
 * side by side read side by side. */
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_device.cuh"

enum { THREADS = 256 };

/* The input position from which tap `k` reaches output position `at` along one dim; false: from none. */
SL_DEVICE bool source_of(int32_t at, int32_t k, int32_t stride, int32_t dilation, int32_t pad, int32_t in,
                         int32_t *from) {
    const int32_t reach = at + pad - k * dilation;
    *from = reach / stride;
    return reach >= 0 && *from * stride == reach && *from < in;
}

template <typename T> SL_KERNEL_BOUNDS(THREADS, 1) void gather(const struct k_gather_transposed g) {
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= g.total)
        return;
    const uint32_t row = k_quotient(i, g.channels), channel = i - row * g.channels.by,
                   group = k_quotient(channel, g.by_filters), filter = channel - group * g.by_filters.by;
    int32_t at[3], from[3];
    uint32_t image = row;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        const uint32_t next = k_quotient(image, g.positions[d]);
        at[d] = (int32_t)(image - next * g.positions[d].by);
        image = next;
    }
    const int64_t line = (int64_t)g.channels.by * g.taps;
    float sum = g.bias ? g.bias[channel] : 0;
    int32_t tap = 0;
    for (int32_t kd = 0; kd < g.kernel[0]; kd++)
        for (int32_t kh = 0; kh < g.kernel[1]; kh++)
            for (int32_t kw = 0; kw < g.kernel[2]; kw++, tap++) {
                if (!source_of(at[0], kd, g.stride[0], g.dilation[0], g.pad[0], g.in[0], &from[0]) ||
                    !source_of(at[1], kh, g.stride[1], g.dilation[1], g.pad[1], g.in[1], &from[1]) ||
                    !source_of(at[2], kw, g.stride[2], g.dilation[2], g.pad[2], g.in[2], &from[2]))
                    continue;
                const int64_t position =
                    (((int64_t)image * g.in[0] + from[0]) * g.in[1] + from[1]) * g.in[2] + from[2];
                sum += sl_to_float(
                    ((const T *)
                         g.products)[position * line + ((int64_t)group * g.taps + tap) * g.filters + filter]);
            }
    ((T *)g.y)[i] = sl_from_float<T>(sum);
}

extern "C" int k_gather_transposed_launch(const struct k_gather_transposed *g, k_stream stream) {
    const unsigned blocks = (g->total + THREADS - 1) / THREADS;
    if (g->type == K_F16)
        return SL_LAUNCH((gather<sl_half>), blocks, THREADS, 0, stream, *g);
    if (g->type == K_BF16)
        return SL_LAUNCH((gather<sl_bfloat16>), blocks, THREADS, 0, stream, *g);
    return SL_LAUNCH((gather<float>), blocks, THREADS, 0, stream, *g);
}
