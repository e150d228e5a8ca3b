/* image_resize.h: the two passes of a resize, along rows and along columns, in plain C and by instruction
 * sets: all with the same bytes. */
#ifndef TRANSFORMS_IMAGE_RESIZE_H
#define TRANSFORMS_IMAGE_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#define POINT_BITS 22 /* of a coefficient; 8 of a pixel and a sign and headroom make 32 */
#define HALF (1 << (POINT_BITS - 1))
#define SPLIT_BITS 11 /* a coefficient as two 16-bit halves for pmaddwd */

/* How one side goes from `in` to `out` pixels: output i is the sum over t < count[i] of input first[i] + t
 * times k[i * taps + t]. `halves` has the same coefficients for pmaddwd: per four taps two pairs of low and
 * two pairs of high parts. */
struct axis {
    int32_t in, out, taps, quads;
    int32_t *first, *count, *k;
    int16_t *halves;
    uint32_t *seal; /* behind them all: SEAL while they stand */
};

struct resize_passes {
    const char *name;
    /* Rows of `in` pixels to rows of `out`. */
    void (*rows)(const struct axis *axis, const uint8_t *in, uint8_t *out, int64_t row_count, int channels);
    /* `in` begins with row number `row` of the picture; no output reads one before it. pitch: bytes of a row.
     */
    void (*columns)(const struct axis *axis, const uint8_t *in, int32_t row, uint8_t *out, size_t pitch);
};

/* From the plainest to the best that this processor runs; NULL behind the last. The best one for 0 > i. */
const struct resize_passes *resize_passes(int i);

/* Shared by them: outputs of a row from `from` on. */
void resize_row_plain(const struct axis *axis, const uint8_t *in, uint8_t *out, int32_t from, int channels);

#if defined(__x86_64__)
int32_t resize_safe_outputs(const struct axis *axis);
void resize_rows_vnni(const struct axis *axis, const uint8_t *in, uint8_t *out, int64_t row_count,
                      int channels);
void resize_columns_vnni(const struct axis *axis, const uint8_t *in, int32_t row, uint8_t *out, size_t pitch);
#endif

#endif
