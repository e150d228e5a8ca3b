/* conv.cu: convolution as a product of matrices that is never written down ("implicit GEMM").
 *
 * y [n, p, filters] = act(sum over taps t (positions of the kernel) and channels c of
 *     x [n, position p moved by tap t, c] * w [filter, t, c]  + bias [filter] + residual [n, p, filter])
 *
 * So it is gemm.cu's product: A has a row for each output position of each image and k = (tap, channel); B is
 * the weights. The main loop is k_mainloop.cuh's; what is different is where a line of A comes from: for each
 * tap from another place of the image, or from nowhere, where the tap lies in the padding.
 *
 *      image, 3 x 3 taps of one row of A       k ->  | tap 0     | tap 1     | ... | tap 8     |
 *        . . . . .                                   | channels  | channels  |     | channels  |
 *        . 0 1 2 .
 *        . 3 4 5 .      Channels lie innermost (NHWC) and are a multiple of 16 bytes, so a chunk of 16 bytes
 *        . 6 7 8 .      is some channels of one tap: one cp.async. Images with other numbers of channels are
 *                       widened first (stem.cu).
 *
 * A thread carries the same few rows all along k. What is the same for all of them, which tap a chunk belongs
 * to and how far that is from tap 0, is found once a chunk. What is the row's own is found before the loop:
 *
 *   taps_near   a bit for each position of the kernel along d, along h and along w: does it lie inside the
 *               image? A tap is inside if its three bits are set. For kernels of up to 64 such positions
 *   taps_far    where tap 0 stands, compared with the image at each chunk: kernels of any size
 *
 * ConvTranspose comes here as one convolution for each of stride d x stride h x stride w kinds of output
 * positions: those of one kind are reached by the same taps (cuda_convolve_transposed.c), and stand `apart`.
 *
 * Outside, cp.async's shorter source fills in zeros. Groups are products of their own, beside each other in
 * the grid. Tiles, chosen as in gemm.cu by how many there are:
 *
 *   large   128 x 128 sums, 4 warps of 64 x 64    f16, bf16
 *            64 x 128 sums, 4 warps of 32 x 64    f32, tf32
 *   tall    128 x 64 sums, 4 warps of 32 x 64     up to 64 filters
 *   small    64 x 64 sums, 4 warps of 32 x 32
 *
 * FLOPs: 2 * positions * filters * taps * channels. Bytes: x, w, y once, as far as the caches hold what
 * neighbouring taps read again. A 1 x 1 kernel reads as much as it computes and is bound by memory below some
 * 400 channels; a 3 x 3 kernel is bound by arithmetic from some 50 channels on. */
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_epilogue.cuh"
#include "infer/cuda/kernels/k_mainloop.cuh"

/* Where output position number `row` stands: its image, and the position of tap 0 in it. */
SL_DEVICE uint32_t place_of(const struct k_conv &c, int32_t row, int32_t (&at)[3]) {
    uint32_t rest = (uint32_t)row;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        const uint32_t next = k_quotient(rest, c.positions[d]);
        at[d] = (int32_t)(rest - next * c.positions[d].by) * c.stride[d] - c.pad[d];
        rest = next;
    }
    return rest;
}

/* Where tap 0 would lie in x, modulo 2^32: what is taken from there lies inside. */
SL_DEVICE uint32_t base_of(const struct k_conv &c, uint32_t image, const int32_t (&at)[3]) {
    uint32_t base = image * (uint32_t)c.image;
#pragma unroll
    for (int d = 0; d < 3; d++)
        base += (uint32_t)at[d] * (uint32_t)c.step[d];
    return base;
}

/* Chunk q of every row: its tap, which is `real` but for what pads the last line of 64 bytes, and how far
 * the chunk is from tap 0. */
struct chunk_of {
    uint32_t k[3]; /* the tap along d, h, w */
    uint32_t move;
    bool real;

    SL_DEVICE chunk_of(const struct k_conv &c, int32_t q, int32_t each) {
        uint32_t tap = k_quotient((uint32_t)q, c.chunks);
        move = ((uint32_t)q - tap * c.chunks.by) * (uint32_t)each;
        real = tap < (uint32_t)c.taps;
#pragma unroll
        for (int d = 2; d >= 0; d--) {
            const uint32_t next = k_quotient(tap, c.kernel[d]);
            k[d] = tap - next * c.kernel[d].by;
            move += k[d] * (uint32_t)c.dilation[d] * (uint32_t)c.step[d];
            tap = next;
        }
    }
};

template <class S> struct taps_near {
    typedef typename S::Math::element T;
    const T *x;
    const struct k_conv *c;
    uint32_t base[S::A_LINES];
    uint64_t there[S::A_LINES];

    SL_DEVICE void begin(const struct k_conv &conv, int32_t row0, int32_t group) {
        c = &conv;
        x = (const T *)conv.x + group * conv.channels;
#pragma unroll
        for (int i = 0; i < S::A_LINES; i++)
            find(i, row0 + (int32_t)threadIdx.x / K_LINE_CHUNKS + i * S::LINE_STEP);
    }

    SL_DEVICE void find(int i, int32_t row) {
        int32_t at[3];
        uint64_t bit = 1;
        there[i] = 0;
        base[i] = 0;
        if (row >= c->rows)
            return;
        base[i] = base_of(*c, place_of(*c, row, at), at);
#pragma unroll
        for (int d = 0; d < 3; d++)
            for (uint32_t k = 0; k < c->kernel[d].by; k++, bit <<= 1)
                there[i] |= (uint32_t)(at[d] + (int32_t)k * c->dilation[d]) < (uint32_t)c->in[d] ? bit : 0;
    }

    SL_DEVICE void chunk(unsigned char *to, int i, int32_t, int32_t q) const {
        const chunk_of chunk(*c, q, 16 / (int32_t)sizeof(T));
        const uint64_t wanted = (uint64_t)1 << chunk.k[0] | (uint64_t)1 << (c->kernel[0].by + chunk.k[1]) |
                                (uint64_t)1 << (c->kernel[0].by + c->kernel[1].by + chunk.k[2]);
        const bool is = chunk.real && (there[i] & wanted) == wanted;
        sl_cp_async16(to, is ? x + (base[i] + chunk.move) : x, is ? 16 : 0);
    }
};

template <class S> struct taps_far {
    typedef typename S::Math::element T;
    const T *x;
    const struct k_conv *c;
    uint32_t base[S::A_LINES];
    int32_t at[S::A_LINES][3];

    SL_DEVICE void begin(const struct k_conv &conv, int32_t row0, int32_t group) {
        c = &conv;
        x = (const T *)conv.x + group * conv.channels;
#pragma unroll
        for (int i = 0; i < S::A_LINES; i++) {
            const int32_t row = row0 + (int32_t)threadIdx.x / K_LINE_CHUNKS + i * S::LINE_STEP;
            base[i] = base_of(conv, place_of(conv, row < conv.rows ? row : 0, at[i]), at[i]);
            if (row >= conv.rows)
                at[i][0] = INT32_MIN / 2; /* inside of nothing */
        }
    }

    SL_DEVICE void chunk(unsigned char *to, int i, int32_t, int32_t q) const {
        const chunk_of chunk(*c, q, 16 / (int32_t)sizeof(T));
        bool is = chunk.real;
#pragma unroll
        for (int d = 0; d < 3; d++)
            is = is && (uint32_t)(at[i][d] + (int32_t)chunk.k[d] * c->dilation[d]) < (uint32_t)c->in[d];
        sl_cp_async16(to, is ? x + (base[i] + chunk.move) : x, is ? 16 : 0);
    }
};

/* Takes eight sums of a row to where its position stands in y. */
template <typename T> struct put_rows {
    k_put<T> put; /* counts rows and columns of all of y */
    const struct k_conv *c;
    int32_t row0;

    SL_DEVICE void eight(int32_t row, int32_t column, float *v) const {
        row += row0;
        if (row < c->rows)
            put.eight(c->spread ? spread(row) : row, column, v);
    }

    SL_DEVICE int32_t spread(int32_t row) const {
        uint32_t rest = (uint32_t)row, at = 0, wide = 1;
#pragma unroll
        for (int d = 2; d >= 0; d--) {
            const uint32_t next = k_quotient(rest, c->positions[d]), j = rest - next * c->positions[d].by;
            at += wide * ((uint32_t)c->first[d] + j * (uint32_t)c->apart[d]);
            wide *= (uint32_t)c->y_dims[d];
            rest = next;
        }
        return (int32_t)(rest * wide + at);
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
                  line_nbytes = c.taps * c.channels * (int32_t)sizeof(T);
    Taps<S> a;
    a.begin(c, row0, group);
    const k_packed_lines b = {(const unsigned char *)c.w +
                                  (int64_t)(group * c.filters + column0) * line_nbytes,
                              line_nbytes, c.filters - column0, line_nbytes};
    float sums[S::SUMS];
    k_mainloop<S>(shared, (line_nbytes + K_LINE_NBYTES - 1) / K_LINE_NBYTES, a, b, sums);
    put_rows<T> put = {k_put_of<T>(c.out, group * c.filters, 0, column0, INT32_MAX, c.filters, packed_out),
                       &c, row0};
    if (put.put.bias)
        put.put.bias += group * c.filters;
    k_way_out<S>(shared, sums, put);
}

/* ---- launchers ---- */

template <class S, template <class> class Taps> static int launch(const struct k_conv *c, k_stream stream) {
    const int64_t each = 16 / (int64_t)sizeof(typename S::Math::element);
    const uint32_t down = (uint32_t)((c->rows + S::ROWS - 1) / S::ROWS),
                   across = (uint32_t)((c->filters + S::COLUMNS - 1) / S::COLUMNS);
    const bool packed_out = (uintptr_t)c->out.y % 16 == 0 && (uintptr_t)c->out.residual % 16 == 0 &&
                            c->out.ld % each == 0 && c->filters % each == 0;
    return SL_LAUNCH((conv<S, Taps>), down * across * (uint32_t)c->groups, S::THREADS, S::SHARED_NBYTES,
                     stream, *c, k_tiles(down, across), k_divide_by(down * across), packed_out);
}

/* As gemm.cu: large tiles where there are enough of them for a large GPU's multiprocessors. */
enum { ENOUGH_TILES = 120, MASK_BITS = 64 };

template <class S> static bool is_enough(const struct k_conv *c) {
    const int64_t down = (c->rows + S::ROWS - 1) / S::ROWS,
                  across = (c->filters + S::COLUMNS - 1) / S::COLUMNS;
    return down * across * c->groups >= ENOUGH_TILES;
}

template <class Large, class Tall, class Small>
static int launch_shape(const struct k_conv *c, k_stream stream) {
    if (c->kernel[0].by + c->kernel[1].by + c->kernel[2].by > MASK_BITS)
        return launch<Small, taps_far>(c, stream);
    if (c->filters <= Tall::COLUMNS && is_enough<Tall>(c))
        return launch<Tall, taps_near>(c, stream);
    if (c->filters > Tall::COLUMNS && is_enough<Large>(c))
        return launch<Large, taps_near>(c, stream);
    return launch<Small, taps_near>(c, stream);
}

template <class Math> static int launch_halves(const struct k_conv *c, k_stream stream) {
    return launch_shape<k_shape<Math, 128, 128, 64, 64, 3>, k_shape<Math, 128, 64, 32, 64, 3>,
                        k_shape<Math, 64, 64, 32, 32, 3>>(c, stream);
}

template <class Math> static int launch_floats(const struct k_conv *c, k_stream stream) {
    return launch_shape<k_shape<Math, 64, 128, 32, 64, 3>, k_shape<Math, 128, 64, 32, 64, 3>,
                        k_shape<Math, 64, 64, 32, 32, 3>>(c, stream);
}

extern "C" int k_conv_launch(const struct k_conv *c, k_stream stream) {
    return c->type == K_F16    ? launch_halves<k_mma_f16>(c, stream)
           : c->type == K_BF16 ? launch_halves<k_mma_bf16>(c, stream)
           : c->tf32           ? launch_floats<k_mma_tf32>(c, stream)
                               : launch_floats<k_fma_f32>(c, stream);
}
