/* conv.cu: convolution as a product of matrices that is never written down ("implicit GEMM").
 *
 * y [n, p, filters] = sum over taps t (positions of the kernel) and channels c of
 *     x [n, position p moved by tap t, c] * w [filter, t, c]
 *
 * So it is gemm.cu's product: A has a row for each output position of each image and k = (tap, channel); B is
 * the weights. The main loop is k_mainloop.cuh's; what is different is where a line of A comes from: for each
 * tap from another place of the image, or from nowhere, where the tap lies in the padding.
 *
 *      image, 3 x 3 taps of one row of A       k ->  | tap 0     | tap 1     | ... | tap 8     |
 *        . . . . .                                   | channels  | channels  |     | channels  |
 *        . 0 1 2 .
 *        . 3 4 5 .      Channels lie innermost (NHWC), so each tap is one run of memory: a chunk of 16 bytes
 *        . 6 7 8 .      never crosses taps where channels are a multiple of 8 halves or 4 floats.
 *
 *   taps_inside   that case, by cp.async. Each thread carries the same few rows all along k: it finds once
 * where they are and, a bit for each tap, whether the tap lies inside (zeros outside, by cp.async's shorter
 * source). taps_any      any other: number by number, from images that lie in any order. The first layer of
 * most models, 3 channels from [n, c, h, w], goes here.
 *
 * Groups are products of their own, beside each other in the grid.
 *
 * FLOPs: 2 * positions * filters * taps * channels. Bytes: x, w, y once, as far as the caches hold what
 * neighbouring taps read again. A 1 x 1 kernel reads as much as it computes and is bound by memory below some
 * 400 channels; a 3 x 3 kernel is bound by arithmetic from some 50 channels on. */
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_epilogue.cuh"
#include "infer/cuda/kernels/k_mainloop.cuh"

/* Where output position number `row` stands: its image, and the position of tap 0 in it. */
SL_DEVICE void place_of(const struct k_conv &c, int32_t row, int32_t *image, int32_t (&at)[3]) {
    uint32_t rest = (uint32_t)row;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        const uint32_t next = k_quotient(rest, c.positions[d]);
        at[d] = (int32_t)(rest - next * c.positions[d].by) * c.stride[d] - c.pad[d];
        rest = next;
    }
    *image = (int32_t)rest;
}

SL_DEVICE void tap_of(const struct k_conv &c, uint32_t tap, int32_t (&at)[3]) {
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        const uint32_t next = k_quotient(tap, c.kernel[d]);
        at[d] = (int32_t)(tap - next * c.kernel[d].by) * c.dilation[d];
        tap = next;
    }
}

SL_DEVICE bool inside(const struct k_conv &c, const int32_t (&at)[3], const int32_t (&tap)[3]) {
    bool is = true;
#pragma unroll
    for (int d = 0; d < 3; d++)
        is = is && (uint32_t)(at[d] + tap[d]) < (uint32_t)c.in[d];
    return is;
}

template <class S> struct taps_inside {
    typedef typename S::Math::element T;
    const T *x;
    int32_t taps, each; /* chunks of a tap */
    struct k_divide by_each;
    const struct k_conv *c;
    int64_t base[S::A_LINES];
    uint64_t there[S::A_LINES];

    SL_DEVICE void begin(const struct k_conv &conv, int32_t row0, int32_t group) {
        c = &conv;
        x = (const T *)conv.x + group * conv.channels * conv.channel;
        taps = conv.taps;
        by_each = conv.by_channels;
#pragma unroll
        for (int i = 0; i < S::A_LINES; i++)
            find(i, row0 + (int32_t)threadIdx.x / K_LINE_CHUNKS + i * S::LINE_STEP);
    }

    SL_DEVICE void find(int i, int32_t row) {
        int32_t image, at[3], tap[3];
        there[i] = 0;
        base[i] = 0;
        if (row >= c->rows)
            return;
        place_of(*c, row, &image, at);
        base[i] = image * c->image + at[0] * c->step[0] + at[1] * c->step[1] + at[2] * c->step[2];
        for (int32_t t = 0; t < taps; t++) {
            tap_of(*c, (uint32_t)t, tap);
            there[i] |= (uint64_t)inside(*c, at, tap) << t;
        }
    }

    SL_DEVICE void chunk(unsigned char *to, int i, int32_t, int32_t q) const {
        const uint32_t t = k_quotient((uint32_t)q, by_each), rest = (uint32_t)q - t * by_each.by;
        const bool is = t < (uint32_t)taps && (there[i] >> t & 1);
        int32_t tap[3];
        tap_of(*c, t, tap);
        const int64_t at = base[i] + tap[0] * c->step[0] + tap[1] * c->step[1] + tap[2] * c->step[2] +
                           rest * (16 / (int32_t)sizeof(T));
        sl_cp_async16(to, is ? x + at : x, is ? 16 : 0);
    }
};

template <class S> struct taps_any {
    typedef typename S::Math::element T;
    const T *x;
    const struct k_conv *c;
    int32_t row0;

    SL_DEVICE void begin(const struct k_conv &conv, int32_t first, int32_t group) {
        c = &conv;
        x = (const T *)conv.x + group * conv.channels * conv.channel;
        row0 = first;
    }

    SL_DEVICE void chunk(unsigned char *to, int, int32_t line, int32_t q) const {
        const int EACH = 16 / sizeof(T);
        int32_t image = 0, at[3] = {0, 0, 0}, tap[3];
        const bool row = row0 + line < c->rows;
        k_pack<T> pack;
        if (row)
            place_of(*c, row0 + line, &image, at);
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const uint32_t k = (uint32_t)(q * EACH + i), t = k_quotient(k, c->by_channels),
                           channel = k - t * c->by_channels.by;
            tap_of(*c, t, tap);
            const bool is = row && t < (uint32_t)c->taps && inside(*c, at, tap);
            pack.v[i] =
                is ? x[image * c->image + (at[0] + tap[0]) * c->step[0] + (at[1] + tap[1]) * c->step[1] +
                       (at[2] + tap[2]) * c->step[2] + channel * c->channel]
                   : sl_from_float<T>(0);
        }
        *(k_pack<T> *)to = pack;
    }
};

template <class S, template <class> class Taps>
SL_KERNEL_BOUNDS(S::THREADS, 1)
void conv(const struct k_conv c, k_tiling t, k_divide per_group, bool packed_out) {
    typedef typename S::Math::element T;
    SL_SHARED_DYNAMIC(unsigned char, shared);
    const int32_t group = (int32_t)k_quotient(blockIdx.x, per_group);
    int32_t down, across;
    k_tile_of(t, blockIdx.x - (uint32_t)group * per_group.by, &down, &across);
    const int32_t row0 = down * S::ROWS, column0 = across * S::COLUMNS,
                  row_nbytes = c.k_padded * (int32_t)sizeof(T);
    Taps<S> a;
    a.begin(c, row0, group);
    const k_packed_lines b = {(const unsigned char *)c.w +
                                  (int64_t)(group * c.filters + column0) * row_nbytes,
                              row_nbytes, c.filters - column0, row_nbytes};
    float sums[S::SUMS];
    k_mainloop<S>(shared, (row_nbytes + K_LINE_NBYTES - 1) / K_LINE_NBYTES, a, b, sums);
    k_put<T> put = k_put_of<T>(c.out, group * c.filters, row0, column0, c.rows, c.filters, packed_out);
    if (put.bias)
        put.bias += group * c.filters;
    k_way_out<S>(shared, sums, put);
}

/* ---- launchers ---- */

template <class S> static int launch(const struct k_conv *c, k_stream stream) {
    const int64_t nbytes = sizeof(typename S::Math::element), each = 16 / nbytes;
    const uint32_t down = (uint32_t)((c->rows + S::ROWS - 1) / S::ROWS),
                   across = (uint32_t)((c->filters + S::COLUMNS - 1) / S::COLUMNS);
    const k_tiling t = k_tiles(down, across);
    const bool packed_out = (uintptr_t)c->out.y % 16 == 0 && (uintptr_t)c->out.residual % 16 == 0 &&
                            c->out.ld % each == 0 && c->filters % each == 0;
    bool whole = c->channel == 1 && c->channels % each == 0 && c->taps <= K_MOST_TAPS &&
                 (uintptr_t)c->x % 16 == 0 && c->image % each == 0;
    for (int d = 0; d < 3; d++)
        whole = whole && c->step[d] % each == 0;
    if (!whole)
        return SL_LAUNCH((conv<S, taps_any>), down * across * (uint32_t)c->groups, S::THREADS,
                         S::SHARED_NBYTES, stream, *c, t, k_divide_by(down * across), packed_out);
    struct k_conv chunks = *c; /* by_channels: of chunks */
    chunks.by_channels = k_divide_by((uint32_t)(c->channels / each));
    return SL_LAUNCH((conv<S, taps_inside>), down * across * (uint32_t)c->groups, S::THREADS,
                     S::SHARED_NBYTES, stream, chunks, t, k_divide_by(down * across), packed_out);
}

/* As gemm.cu: large tiles where there are enough of them, and few columns would not fill half of one. */
enum { ENOUGH_TILES = 120 };

template <class Large, class Small> static int launch_shape(const struct k_conv *c, k_stream stream) {
    int64_t down = (c->rows + Large::ROWS - 1) / Large::ROWS,
            across = (c->filters + Large::COLUMNS - 1) / Large::COLUMNS;
    return down * across * c->groups >= ENOUGH_TILES && c->filters > Large::COLUMNS / 2
               ? launch<Large>(c, stream)
               : launch<Small>(c, stream);
}

template <class Math> static int launch_math(const struct k_conv *c, k_stream stream) {
    return launch_shape<k_shape<Math, 64, 128, 32, 64, 3>, k_shape<Math, 64, 64, 32, 32, 3>>(c, stream);
}

extern "C" int k_conv_launch(const struct k_conv *c, k_stream stream) {
    return c->type == K_F16    ? launch_math<k_mma_f16>(c, stream)
           : c->type == K_BF16 ? launch_math<k_mma_bf16>(c, stream)
           : c->tf32           ? launch_math<k_mma_tf32>(c, stream)
                               : launch_math<k_fma_f32>(c, stream);
}
