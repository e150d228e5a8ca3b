/* image_resize_vnni.c: the passes of image.resize with AVX-512 and its dot products of 16-bit pairs. Two rows
 * share a register, eight share the loading and arranging of coefficients; the sums wrap modulo 2^32 on their
 * way and are right at the end. */
#include "transforms/image_resize.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define VNNI __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512vnni")))
#define ROWS 8
#define PAIRS (ROWS / 2)

/* Of 16 bytes in every quarter: pixels 0 and 1 as pairs per channel in the even quarters, 2 and 3 in the odd.
 */
static const uint8_t arrangement[64] __attribute__((aligned(64))) = {
    0,   255, 3,   255, 1,  255, 4,   255, 2,   255, 5,  255, 255, 255, 255, 255, 6,   255, 9,   255, 7, 255,
    10,  255, 8,   255, 11, 255, 255, 255, 255, 255, 0,  255, 3,   255, 1,   255, 4,   255, 2,   255, 5, 255,
    255, 255, 255, 255, 6,  255, 9,   255, 7,   255, 10, 255, 8,   255, 11,  255, 255, 255, 255, 255};

VNNI static inline __m512i two_rows(const uint8_t *in, size_t pitch) {
    __m512i both = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)in));
    return _mm512_mask_broadcast_i32x4(both, 0xff00,
                                       _mm_loadu_si128((const __m128i *)(const void *)(in + pitch)));
}

VNNI static inline __m512i finish(__m512i low, __m512i high) {
    __m512i both = _mm512_add_epi32(low, _mm512_slli_epi32(high, SPLIT_BITS));
    return _mm512_srai_epi32(_mm512_add_epi32(both, _mm512_set1_epi32(HALF)), POINT_BITS);
}

/* A fourth byte is written unless it is the row's last pixel: the next one comes after. */
VNNI static inline void put(uint8_t *out, uint32_t rgb, bool last) {
    if (last) {
        memcpy(out, &rgb, 2);
        out[2] = (uint8_t)(rgb >> 16);
    } else {
        memcpy(out, &rgb, 4);
    }
}

VNNI static inline __attribute__((always_inline)) void rgb_pixels(const uint8_t *in, size_t pitch,
                                                                  const int16_t *halves, int32_t count,
                                                                  uint8_t *out, size_t out_pitch, bool last) {
    const __m512i arrange = _mm512_load_si512(arrangement);
    const __m512i low_pairs = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1);
    const __m512i high_pairs = _mm512_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i half = _mm512_maskz_set1_epi32(0x0f0f, HALF); /* once in the two quarters of a row */
    __m512i low[PAIRS], high[PAIRS];
#pragma GCC unroll 4
    for (int p = 0; p < PAIRS; p++) {
        low[p] = half;
        high[p] = _mm512_setzero_si512();
    }
    for (int32_t t = 0; t < count; t += 4, in += 12, halves += 8) {
        __m512i k = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)halves));
        __m512i k_low = _mm512_permutexvar_epi32(low_pairs, k),
                k_high = _mm512_permutexvar_epi32(high_pairs, k);
#pragma GCC unroll 4
        for (int p = 0; p < PAIRS; p++) {
            __m512i pixels = _mm512_shuffle_epi8(two_rows(in + 2 * (size_t)p * pitch, pitch), arrange);
            low[p] = _mm512_dpwssd_epi32(low[p], pixels, k_low);
            high[p] = _mm512_dpwssd_epi32(high[p], pixels, k_high);
        }
    }
    __m512i sum[PAIRS];
#pragma GCC unroll 4
    for (int p = 0; p < PAIRS; p++) {
        __m512i both = _mm512_add_epi32(low[p], _mm512_slli_epi32(high[p], SPLIT_BITS));
        both = _mm512_add_epi32(both, _mm512_shuffle_i32x4(both, both, 0xb1));
        sum[p] = _mm512_srai_epi32(both, POINT_BITS);
    }
    __m512i bytes =
        _mm512_packus_epi16(_mm512_packs_epi32(sum[0], sum[1]), _mm512_packs_epi32(sum[2], sum[3]));
    uint32_t rgb[16]; /* rows 0, 2, 4, 6; then, behind four that nobody needs, 1, 3, 5, 7 */
    _mm512_storeu_si512(rgb, bytes);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
        put(out + (size_t)r * out_pitch, rgb[r / 2 + r % 2 * 8], last);
}

VNNI void resize_rows_vnni(const struct axis *axis, const uint8_t *in, uint8_t *out, int64_t row_count,
                           int channels) {
    const size_t in_pitch = (size_t)axis->in * (size_t)channels,
                 out_pitch = (size_t)axis->out * (size_t)channels;
    int32_t safe = channels == 3 ? resize_safe_outputs(axis) : 0;
    int64_t y = 0;
    for (; safe && y + ROWS <= row_count; y += ROWS, in += ROWS * in_pitch, out += ROWS * out_pitch) {
        const int16_t *halves = axis->halves;
        for (int32_t i = 0; i < safe; i++, halves += (size_t)axis->quads * 8)
            rgb_pixels(in + (size_t)axis->first[i] * 3, in_pitch, halves, axis->count[i], out + (size_t)i * 3,
                       out_pitch, i + 1 == axis->out);
        for (int r = 0; r < ROWS; r++)
            resize_row_plain(axis, in + (size_t)r * in_pitch, out + (size_t)r * out_pitch, safe, 3);
    }
    if (y < row_count)
        resize_passes(1)->rows(axis, in, out, row_count - y, channels);
}

/* 32 bytes of each of two rows as 16-bit pairs, times a pair of coefficients in halves. */
VNNI static inline __attribute__((always_inline)) void
add_pair(__m512i a, __m512i b, __m512i k_low, __m512i k_high, __m512i low[2], __m512i high[2]) {
    __m512i first = _mm512_unpacklo_epi16(a, b), second = _mm512_unpackhi_epi16(a, b);
    low[0] = _mm512_dpwssd_epi32(low[0], first, k_low);
    low[1] = _mm512_dpwssd_epi32(low[1], second, k_low);
    high[0] = _mm512_dpwssd_epi32(high[0], first, k_high);
    high[1] = _mm512_dpwssd_epi32(high[1], second, k_high);
}

VNNI static inline __m512i load_32(const uint8_t *in, __mmask32 mask) {
    return _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, in));
}

/* The unpacking of 16-bit pairs and the packing of sums keep to quarters: together they keep the order. */
VNNI static void column_32(const uint8_t *in, size_t pitch, const int32_t *k, int32_t count, uint8_t *out,
                           __mmask32 mask) {
    __m512i low[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, high[2] = {low[0], low[0]};
    const int below = (1 << SPLIT_BITS) - 1;
    int32_t t = 0;
    for (; t + 2 <= count; t += 2, in += 2 * pitch)
        add_pair(load_32(in, mask), load_32(in + pitch, mask),
                 _mm512_set1_epi32((k[t] & below) | (k[t + 1] & below) << 16),
                 _mm512_set1_epi32((int)((uint32_t)(k[t] >> SPLIT_BITS & 0xffff) |
                                         (uint32_t)(k[t + 1] >> SPLIT_BITS) << 16)),
                 low, high);
    if (t < count)
        add_pair(load_32(in, mask), _mm512_setzero_si512(), _mm512_set1_epi32(k[t] & below),
                 _mm512_set1_epi32(k[t] >> SPLIT_BITS & 0xffff), low, high);
    __m512i sums = _mm512_packs_epi32(finish(low[0], high[0]), finish(low[1], high[1]));
    sums = _mm512_max_epi16(sums, _mm512_setzero_si512());
    _mm256_mask_storeu_epi8(out, mask, _mm512_cvtusepi16_epi8(sums));
}

VNNI void resize_columns_vnni(const struct axis *axis, const uint8_t *in, int32_t row, uint8_t *out,
                              size_t pitch) {
    for (int32_t i = 0; i < axis->out; i++, out += pitch) {
        const int32_t *k = axis->k + (size_t)i * (size_t)axis->taps;
        const uint8_t *from = in + (size_t)(axis->first[i] - row) * pitch;
        for (size_t x = 0; x < pitch; x += 32) {
            size_t left = pitch - x;
            column_32(from + x, pitch, k, axis->count[i], out + x,
                      left < 32 ? (1u << left) - 1 : 0xffffffffu);
        }
    }
}

#endif
