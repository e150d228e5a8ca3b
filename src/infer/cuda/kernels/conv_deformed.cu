/* conv_deformed.cu: DeformConv, first half: what each output position reads, written down side by side, so
 * that gemm.cu makes the rest.
 *
 *   y [rows][groups][taps][padded] = mask * (x at the tap's place + offset, between its four neighbours)
 *
 * x, offset, mask, y in f32, f16 or bf16; places and weights in f32; outside of the image there are zeros.
 * Channels are innermost in x and y; those of a group are filled up with zeros to 16 bytes.
 *
 * Bytes an element of y: its own, four neighbours through the cache, and the offset that all channels of a
 * row and tap share. FLOPs: some 20. One thread an element. */
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_device.cuh"

enum { THREADS = 256 };

/* x at a whole place of one image and channel. */
template <typename T> SL_DEVICE float corner(const struct k_deformed &c, const T *x, float h, float w) {
    if (!(h >= 0 && h < (float)c.in[0] && w >= 0 && w < (float)c.in[1]))
        return 0;
    return sl_to_float(x[((int64_t)(int32_t)h * c.in[1] + (int32_t)w) * c.channels]);
}

template <typename T> SL_DEVICE float between(const struct k_deformed &c, const T *x, float h, float w) {
    const float top = floorf(h), left = floorf(w), down = h - top, right = w - left;
    const float upper = corner(c, x, top, left) * (1 - right) + corner(c, x, top, left + 1) * right;
    const float lower = corner(c, x, top + 1, left) * (1 - right) + corner(c, x, top + 1, left + 1) * right;
    return upper * (1 - down) + lower * down;
}

SL_DEVICE int64_t place_in(const struct k_map &m, uint32_t image, uint32_t channel, uint32_t at) {
    return (int64_t)image * m.image + (int64_t)channel * m.channel + (int64_t)at * m.position;
}

/* Channel `channel` at tap `tap` of output position `at` of an image. */
template <typename T>
SL_DEVICE float sample(const struct k_deformed &c, uint32_t image, uint32_t at, uint32_t tap,
                       uint32_t channel) {
    const uint32_t move = k_quotient(channel, c.per_offset) * c.taps.by + tap;
    const T *offset = (const T *)c.offset + place_in(c.of_offset, image, 2 * move, at);
    const uint32_t out_h = k_quotient(at, c.out_w), tap_h = k_quotient(tap, c.kernel_w);
    const int32_t h = (int32_t)out_h * c.stride[0] - c.pad[0] + (int32_t)tap_h * c.dilation[0],
                  w = (int32_t)(at - out_h * c.out_w.by) * c.stride[1] - c.pad[1] +
                      (int32_t)(tap - tap_h * c.kernel_w.by) * c.dilation[1];
    const T *x = (const T *)c.x + (int64_t)image * c.in[0] * c.in[1] * c.channels + channel;
    const float v =
        between(c, x, (float)h + sl_to_float(offset[0]), (float)w + sl_to_float(offset[c.of_offset.channel]));
    return c.mask ? v * sl_to_float(((const T *)c.mask)[place_in(c.of_mask, image, move, at)]) : v;
}

template <typename T> SL_KERNEL_BOUNDS(THREADS, 1) void deformed(const struct k_deformed c) {
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= c.total)
        return;
    const uint32_t place = k_quotient(i, c.padded), k = i - place * c.padded.by,
                   line = k_quotient(place, c.taps), tap = place - line * c.taps.by,
                   row = k_quotient(line, c.groups), group = line - row * c.groups.by,
                   image = k_quotient(row, c.positions);
    const float v = k < (uint32_t)c.depth ? sample<T>(c, image, row - image * c.positions.by, tap,
                                                      group * (uint32_t)c.depth + k)
                                          : 0;
    ((T *)c.y)[i] = sl_from_float<T>(v);
}

extern "C" int k_deformed_launch(const struct k_deformed *c, k_stream stream) {
    const unsigned blocks = (c->total + THREADS - 1) / THREADS;
    if (c->type == K_F16)
        return SL_LAUNCH((deformed<sl_half>), blocks, THREADS, 0, stream, *c);
    if (c->type == K_BF16)
        return SL_LAUNCH((deformed<sl_bfloat16>), blocks, THREADS, 0, stream, *c);
    return SL_LAUNCH((deformed<float>), blocks, THREADS, 0, stream, *c);
}
