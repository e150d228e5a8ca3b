/* stem.cu: what stands before a model's first convolution, in one pass: pixels as they come (u8 [n, h, w, 3],
 * or floats in either order) become what conv.cu reads.
 *
 *   y [images][lines][width][groups][padded] = x * scale[c] + offset[c], or 0 where x has no such pixel or
 *   channel
 *
 * conv.cu wants 16 bytes of channels at each position, and images have 3 channels. Filling up to 8 halves
 * would waste 5 of 8 multiplications; so where the stride is even, two pixels side by side become one of
 * twice 4 channels (the width is filled up to an even one). It is cuda_convolve.c that rewrites the
 * convolution accordingly:
 *
 *   pixels      | r g b 0 | r g b 0 | r g b 0 | r g b 0 |       7 taps, stride 2
 *   as pairs    | r g b 0   r g b 0 | r g b 0   r g b 0 |       4 taps of 8 channels, stride 1, one a zero
 *
 * scale and offset are those of a sluice.Affine before the convolution, whose result is then never written.
 * Padding stays with conv.cu: it is zeros after scaling. Product and sum are rounded each, as the reference
 * does.
 *
 * Bytes for a pixel of 3 channels: 3 (u8) to 12 (f32) read, 8 (halves) or 16 (f32) written; a few FLOPs. One
 * thread makes 16 bytes; threads side by side write side by side and read side by side. */
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_device.cuh"

enum { THREADS = 256 };

/* Element e of line number `line`. */
template <typename X> SL_DEVICE float element_of(const struct k_widen &w, int64_t line, uint32_t e) {
    const uint32_t pixel = k_quotient(e, w.pixel), rest = e - pixel * w.pixel.by,
                   group = k_quotient(rest, w.group), c = rest - group * w.group.by;
    if (pixel >= (uint32_t)w.width || c >= (uint32_t)w.channels)
        return 0;
    const uint32_t channel = group * (uint32_t)w.channels + c;
    const float v = k_element_of<float, X>::load(
        w.x, w.x_type, line + (int64_t)pixel * w.column + (int64_t)channel * w.step_c);
    return w.scale ? sl_add_rn(sl_mul_rn(v, w.scale[w.one ? 0 : channel]), w.offset[w.one ? 0 : channel]) : v;
}

template <typename T, typename X> SL_KERNEL_BOUNDS(THREADS, 1) void widen(const struct k_widen w) {
    const int EACH = 16 / sizeof(T);
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= w.total)
        return;
    const uint32_t line = k_quotient(i, w.pieces), image = k_quotient(line, w.lines);
    const int64_t from = (int64_t)image * w.image + (int64_t)(line - image * w.lines.by) * w.line;
    k_pack<T> pack;
#pragma unroll
    for (int k = 0; k < EACH; k++)
        pack.v[k] = sl_from_float<T>(element_of<X>(w, from, (i - line * w.pieces.by) * EACH + (uint32_t)k));
    ((k_pack<T> *)w.y)[i] = pack;
}

template <typename T> static int launch(const struct k_widen *w, k_stream stream) {
    const unsigned blocks = (w->total + THREADS - 1) / THREADS;
    if (w->x_type == w->y_type)
        return SL_LAUNCH((widen<T, T>), blocks, THREADS, 0, stream, *w);
    if (w->x_type == K_U8)
        return SL_LAUNCH((widen<T, uint8_t>), blocks, THREADS, 0, stream, *w);
    return SL_LAUNCH((widen<T, void>), blocks, THREADS, 0, stream, *w);
}

extern "C" int k_widen_launch(const struct k_widen *w, k_stream stream) {
    return w->y_type == K_F16    ? launch<sl_half>(w, stream)
           : w->y_type == K_BF16 ? launch<sl_bfloat16>(w, stream)
                                 : launch<float>(w, stream);
}
