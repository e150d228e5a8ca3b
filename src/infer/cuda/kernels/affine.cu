/* affine.cu: sluice.Affine, the first step of an image model: u8 pixels (or any numbers) as they lie in the
 * slot become y = x * scale[c] + offset[c] in the program's precision, and images turn from [rows, pixels,
 * channels] into [rows, channels, pixels] on the way.
 *
 * Bytes an element: 1 read (u8), 2 or 4 written; FLOPs: 2. Threads: one element of the output each, 256 a
 * block, in the output's order, so writes are coalesced; with `chw` reads are 3 bytes apart, and the three
 * passes over the same line of pixels meet in the caches. Product and sum are rounded each, as the reference
 * does: f32 gives the same bits. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_rows.h"

static const uint32_t THREADS = 256;

SL_KERNEL void affine(const k_affine a) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x, from = i, c;
    if (i >= a.count)
        return;
    if (a.chw) {
        uint32_t line = k_quotient(i, a.pixels), pixel = i - line * a.pixels.by,
                 row = k_quotient(line, a.channels);
        c = line - row * a.channels.by;
        from = (row * a.pixels.by + pixel) * a.channels.by + c;
    } else {
        c = k_remainder(i, a.channels);
    }
    c = a.one ? 0 : c;
    float value = sl_add_rn(sl_mul_rn(k_load<float>(a.x, a.x_type, from), a.scale[c]), a.offset[c]);
    k_store(a.y, a.y_type, i, value);
}

extern "C" int k_affine_launch(const struct k_affine *a, k_stream stream) {
    return SL_LAUNCH(affine, (a->count + THREADS - 1) / THREADS, THREADS, 0, stream, *a);
}
