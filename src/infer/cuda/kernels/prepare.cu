/* prepare.cu: a model's own preprocessing in one pass: pixels as they come (u8 [n, h, w, c] or [n, c, h, w],
 * or floats; c up to 4) are cropped, resized (nearest, linear, cubic, antialiased or not), and scaled and
 * shifted a channel, and written as the model wants them, in either order, as f32, f16, bf16 or u8.
 *
 * A block makes a tile of up to 8 x 32 pixels. What its taps read is one patch of the image: the block copies
 * the patch's lines to shared memory as they are, 16 bytes a thread, and widens from there, so that a pixel
 * is read once but for where patches overlap, by the filter's width. Then, with taps of h rows by w columns,
 *
 * - TWICE resamples every line of the patch along its columns into floats in shared memory, and makes the
 *   tile's rows of those: w * patch rows / tile rows + h products an output;
 * - ONCE has h * w of them: fewer for bilinear and nearest;
 * - DIRECT has as many, and reads them through the caches: where most of the patch would be skipped
 *   (shrinking without antialiasing), or would not fit.
 *
 * Taps and weights of each output row and column are tables made when the model is loaded, from ops/resize.h,
 * a tap's entries side by side. Sums in float over the columns, then the rows, in the order of the reference.
 *
 * Bytes an output: its share of the image (1 for each u8 of the crop that belongs to it), and 2 (halves) or 4
 * written. FLOPs: 2 a product and one a link. It has not met a GPU yet. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_prepare.h"

enum { THREADS = 256, PIECE = 16 };

/* Where a block stands: its first outputs, the first of the crop that it reads, and how many rows of it. */
struct place {
    uint32_t image;
    int32_t row, column, from_row, from_column, to_column, rows;
};

SL_DEVICE place find_place(const k_prepare &p) {
    place at;
    at.image = k_quotient(blockIdx.x, p.tiles);
    const uint32_t tile = blockIdx.x - at.image * p.tiles.by, down = k_quotient(tile, p.across),
                   across = tile - down * p.across.by;
    at.row = (int32_t)down * p.tile[0];
    at.column = (int32_t)across * p.tile[1];
    at.from_row = p.span[0][2 * down];
    at.rows = p.span[0][2 * down + 1] - at.from_row + 1;
    at.from_column = p.span[1][2 * across];
    at.to_column = p.span[1][2 * across + 1];
    return at;
}

/* Where the patch's line `row` begins in x, of channel c (0 where all are in it). */
SL_DEVICE int64_t line_begin(const k_prepare &p, const place &at, int32_t row, int32_t c) {
    return p.first + p.lowest + (int64_t)at.image * p.x_step[0] + (int64_t)(at.from_row + row) * p.x_step[1] +
           (int64_t)at.from_column * p.x_step[2] + (int64_t)c * p.x_step[3];
}

/* What stands before that in the 16 bytes it begins in, and stands before it in shared memory, too. */
template <typename X> SL_DEVICE uint32_t lead_of(int64_t begin) {
    return (uint32_t)(begin * (int64_t)sizeof(X)) & (PIECE - 1);
}

/* The patch's lines, from 16 bytes to 16 bytes. */
template <typename X> SL_DEVICE void stage(const k_prepare &p, const place &at, unsigned char *room) {
    const int32_t channels = p.interleaved ? 1 : (int32_t)p.channels.by;
    const uint32_t count = (uint32_t)(at.rows * channels) * p.pieces.by;
    const int64_t nbytes =
        ((int64_t)(at.to_column - at.from_column) * p.x_step[2] + p.reach) * (int64_t)sizeof(X);
    for (uint32_t i = threadIdx.x; i < count; i += THREADS) {
        const uint32_t line = k_quotient(i, p.pieces), piece = i - line * p.pieces.by;
        const int32_t c = p.interleaved ? 0 : (int32_t)line / at.rows, row = (int32_t)line - c * at.rows;
        const int64_t begin = line_begin(p, at, row, c), end = begin * (int64_t)sizeof(X) + nbytes,
                      from = begin * (int64_t)sizeof(X) - lead_of<X>(begin) + piece * PIECE;
        if (from >= end)
            continue;
        const unsigned char *source = (const unsigned char *)p.x + from;
        unsigned char *to = room + (size_t)i * PIECE;
        if (from + PIECE <= p.x_nbytes)
            *(uint4 *)to = *(const uint4 *)source;
        else
            for (int b = 0; b < PIECE && from + b < end; b++)
                to[b] = source[b];
    }
}

/* The staged line of row `row` and channel c, from the pixel `from_column` on, channel c of it. */
template <typename X>
SL_DEVICE const X *staged(const k_prepare &p, const place &at, const unsigned char *room, int32_t row,
                          int32_t c) {
    const int32_t line = p.interleaved ? row : c * at.rows + row;
    const int64_t begin = line_begin(p, at, row, p.interleaved ? 0 : c);
    return (const X *)(room + (size_t)line * p.pieces.by * PIECE + lead_of<X>(begin)) +
           (p.interleaved ? c * p.x_step[3] - p.lowest : 0);
}

/* The taps of output column o in a line whose pixel 0 is the crop's column `from`. */
template <typename X> SL_DEVICE float sum_line(const k_prepare &p, const X *line, int32_t from, int32_t o) {
    float sum = 0;
    for (int32_t k = 0; k < p.taps[1]; k++) {
        const int32_t t = k * p.out[1] + o;
        sum += p.weight[1][t] *
               k_element_of<float, X>::load(line, 0, (int64_t)(p.from[1][t] - from) * p.x_step[2]);
    }
    return sum;
}

template <typename X>
SL_DEVICE void sum_lines(const k_prepare &p, const place &at, const unsigned char *room, float *mid) {
    const uint32_t count = (uint32_t)at.rows * p.line.by;
    for (uint32_t i = threadIdx.x; i < count; i += THREADS) {
        const uint32_t row = k_quotient(i, p.line), rest = i - row * p.line.by,
                       column = k_quotient(rest, p.channels), c = rest - column * p.channels.by;
        const int32_t o = at.column + (int32_t)column;
        if (o < p.out[1])
            mid[i] = sum_line(p, staged<X>(p, at, room, (int32_t)row, (int32_t)c), at.from_column, o);
    }
}

SL_DEVICE float apply(const k_prepare &p, uint32_t c, float x) {
    for (int32_t l = 0; l < p.link_count; l++) {
        const k_prepare_link &link = p.links[l];
        switch (link.op) {
        case K_PREPARE_ADD:
            x = sl_add_rn(x, link.a[c]);
            break;
        case K_PREPARE_SUB:
            x = sl_add_rn(x, -link.a[c]);
            break;
        case K_PREPARE_MUL:
            x = sl_mul_rn(x, link.a[c]);
            break;
        case K_PREPARE_DIV:
            x = x / link.a[c];
            break;
        case K_PREPARE_ROUND:
            x = rintf(x);
            break;
        case K_PREPARE_CLIP:
            x = x < link.a[0] ? link.a[0] : x;
            x = x > link.b ? link.b : x;
            break;
        default:
            x = (float)(uint8_t)k_whole(x);
            break;
        }
    }
    return x;
}

/* One output before the links: the taps of its row, over `mid` or over lines of x. */
template <typename X, k_prepare_how HOW>
SL_DEVICE float sum_rows(const k_prepare &p, const place &at, const unsigned char *room, const float *mid,
                         int32_t o, int32_t column, uint32_t c) {
    float sum = 0;
    for (int32_t k = 0; k < p.taps[0]; k++) {
        const int32_t t = k * p.out[0] + o, row = p.from[0][t] - at.from_row;
        float x;
        if (HOW == K_PREPARE_TWICE)
            x = mid[(uint32_t)row * p.line.by + (uint32_t)(column - at.column) * p.channels.by + c];
        else if (HOW == K_PREPARE_ONCE)
            x = sum_line(p, staged<X>(p, at, room, row, (int32_t)c), at.from_column, column);
        else
            x = sum_line(p, (const X *)p.x + line_begin(p, at, row, (int32_t)c) - p.lowest, at.from_column,
                         column);
        sum += p.weight[0][t] * x;
    }
    return sum;
}

template <typename X, k_prepare_how HOW> SL_KERNEL_BOUNDS(THREADS, 1) void prepare(const k_prepare p) {
    SL_SHARED_DYNAMIC(uint4, shared);
    unsigned char *room = (unsigned char *)shared;
    float *mid = (float *)(room + p.stage_nbytes);
    const place at = find_place(p);
    if (HOW != K_PREPARE_DIRECT) {
        stage<X>(p, at, room);
        sl_sync();
    }
    if (HOW == K_PREPARE_TWICE) {
        sum_lines<X>(p, at, room, mid);
        sl_sync();
    }
    for (uint32_t i = threadIdx.x; i < (uint32_t)p.tile[0] * p.line.by; i += THREADS) {
        const uint32_t row = k_quotient(i, p.line), rest = i - row * p.line.by,
                       slow = k_quotient(rest, p.planar ? p.columns : p.channels),
                       fast = rest - slow * (p.planar ? p.columns.by : p.channels.by),
                       c = p.planar ? slow : fast;
        const int32_t y = at.row + (int32_t)row, x = at.column + (int32_t)(p.planar ? fast : slow);
        if (y >= p.out[0] || x >= p.out[1])
            continue;
        const float sum = sum_rows<X, HOW>(p, at, room, mid, y, x, c);
        k_store(p.y, p.y_type,
                (int64_t)at.image * p.y_step[0] + (int64_t)y * p.y_step[1] + (int64_t)x * p.y_step[2] +
                    (int64_t)c * p.y_step[3],
                apply(p, c, sum));
    }
}

template <typename X> static int launch(const struct k_prepare *p, k_stream stream) {
    return p->how == K_PREPARE_TWICE
               ? SL_LAUNCH((prepare<X, K_PREPARE_TWICE>), p->blocks, THREADS, p->shared_nbytes, stream, *p)
           : p->how == K_PREPARE_ONCE
               ? SL_LAUNCH((prepare<X, K_PREPARE_ONCE>), p->blocks, THREADS, p->shared_nbytes, stream, *p)
               : SL_LAUNCH((prepare<X, K_PREPARE_DIRECT>), p->blocks, THREADS, 0, stream, *p);
}

extern "C" int k_prepare_launch(const struct k_prepare *p, k_stream stream) {
    return p->x_type == K_U8    ? launch<uint8_t>(p, stream)
           : p->x_type == K_F16 ? launch<sl_half>(p, stream)
           : p->x_type == K_F32 ? launch<float>(p, stream)
                                : launch<sl_bfloat16>(p, stream);
}
