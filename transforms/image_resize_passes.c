/* image_resize_passes.c: the passes of image.resize in plain C and with AVX2, and which one a processor gets.
 */
#include "transforms/image_resize.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static uint8_t clip(int32_t sum) {
    sum >>= POINT_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

void resize_row_plain(const struct axis *axis, const uint8_t *in, uint8_t *out, int32_t from, int channels) {
    for (int32_t i = from; i < axis->out; i++) {
        const int32_t *k = axis->k + (size_t)i * (size_t)axis->taps;
        const uint8_t *p = in + (size_t)axis->first[i] * (size_t)channels;
        for (int c = 0; c < channels; c++) {
            int32_t sum = HALF;
            for (int32_t t = 0; t < axis->count[i]; t++)
                sum += p[(size_t)t * (size_t)channels + (size_t)c] * k[t];
            out[(size_t)i * (size_t)channels + (size_t)c] = clip(sum);
        }
    }
}

static void rows_plain(const struct axis *axis, const uint8_t *in, uint8_t *out, int64_t row_count,
                       int channels) {
    size_t in_pitch = (size_t)axis->in * (size_t)channels, out_pitch = (size_t)axis->out * (size_t)channels;
    for (int64_t y = 0; y < row_count; y++, in += in_pitch, out += out_pitch)
        resize_row_plain(axis, in, out, 0, channels);
}

#define TILE 64 /* columns summed side by side */

static inline __attribute__((always_inline)) void column_tile(const uint8_t *in, size_t pitch,
                                                              const int32_t *k, int32_t count, uint8_t *out) {
    int32_t sum[TILE];
    for (int x = 0; x < TILE; x++)
        sum[x] = HALF;
    for (int32_t t = 0; t < count; t++, in += pitch) {
        int32_t kt = k[t];
        for (int x = 0; x < TILE; x++)
            sum[x] += in[x] * kt;
    }
    for (int x = 0; x < TILE; x++)
        out[x] = clip(sum[x]);
}

static inline __attribute__((always_inline)) void columns_body(const struct axis *axis, const uint8_t *in,
                                                               int32_t row, uint8_t *out, size_t pitch) {
    for (int32_t i = 0; i < axis->out; i++, out += pitch) {
        const int32_t *k = axis->k + (size_t)i * (size_t)axis->taps;
        const uint8_t *from = in + (size_t)(axis->first[i] - row) * pitch;
        size_t x = 0;
        for (; x + TILE <= pitch; x += TILE)
            column_tile(from + x, pitch, k, axis->count[i], out + x);
        for (; x < pitch; x++) {
            int32_t sum = HALF;
            for (int32_t t = 0; t < axis->count[i]; t++)
                sum += from[(size_t)t * pitch + x] * k[t];
            out[x] = clip(sum);
        }
    }
}

static void columns_plain(const struct axis *axis, const uint8_t *in, int32_t row, uint8_t *out,
                          size_t pitch) {
    columns_body(axis, in, row, out, pitch);
}

/* --- the same with AVX2 --- */

#if defined(__x86_64__)

/* One RGB pixel from four taps a step: both halves of the register hold the same 16 bytes, the lower one
 * arranges pixels 0 and 1 as pairs per channel, the upper one pixels 2 and 3. The sums wrap modulo 2^32 on
 * their way and are right at the end. */
__attribute__((target("avx2"))) static void rgb_pixel(const uint8_t *in, const int16_t *halves, int32_t count,
                                                      uint8_t *out) {
    const __m256i arrange = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1,
                                             9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i low_pairs = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i high_pairs = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    __m256i low = _mm256_setzero_si256(), high = low;
    for (int32_t t = 0; t < count; t += 4, in += 12, halves += 8) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
        __m256i pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), arrange);
        __m256i k = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)halves));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, _mm256_permutevar8x32_epi32(k, low_pairs)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, _mm256_permutevar8x32_epi32(k, high_pairs)));
    }
    __m256i both = _mm256_add_epi32(low, _mm256_slli_epi32(high, SPLIT_BITS));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(HALF)), POINT_BITS);
    sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
    uint32_t rgb = (uint32_t)_mm_cvtsi128_si32(sum);
    memcpy(out, &rgb, 3);
}

#define ROWS 4 /* that share the loading and arranging of coefficients */

/* The same pixel of ROWS rows. A fourth byte is written unless it is the row's last pixel: the next one comes
 * after. */
__attribute__((target("avx2"), always_inline)) static inline void rgb_pixels(const uint8_t *in, size_t pitch,
                                                                             const int16_t *halves,
                                                                             int32_t count, uint8_t *out,
                                                                             size_t out_pitch, bool last) {
    const __m256i arrange = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1,
                                             9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i low_pairs = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i high_pairs = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    __m256i low[ROWS], high[ROWS];
    __m128i sum[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
        low[r] = high[r] = _mm256_setzero_si256();
    for (int32_t t = 0; t < count; t += 4, in += 12, halves += 8) {
        __m256i k = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)halves));
        __m256i k_low = _mm256_permutevar8x32_epi32(k, low_pairs);
        __m256i k_high = _mm256_permutevar8x32_epi32(k, high_pairs);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(in + (size_t)r * pitch));
            __m256i pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), arrange);
            low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(pixels, k_low));
            high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(pixels, k_high));
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++) {
        __m256i both = _mm256_add_epi32(low[r], _mm256_slli_epi32(high[r], SPLIT_BITS));
        sum[r] = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
        sum[r] = _mm_srai_epi32(_mm_add_epi32(sum[r], _mm_set1_epi32(HALF)), POINT_BITS);
    }
    __m128i all = _mm_packus_epi16(_mm_packs_epi32(sum[0], sum[1]), _mm_packs_epi32(sum[2], sum[3]));
    const uint32_t rgb[ROWS] = {(uint32_t)_mm_extract_epi32(all, 0), (uint32_t)_mm_extract_epi32(all, 1),
                                (uint32_t)_mm_extract_epi32(all, 2), (uint32_t)_mm_extract_epi32(all, 3)};
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++) {
        if (last)
            memcpy(out + (size_t)r * out_pitch, &rgb[r], 3);
        else
            memcpy(out + (size_t)r * out_pitch, &rgb[r], 4);
    }
}

/* Outputs whose last load would pass the end of the row are left to the plain loop. */
int32_t resize_safe_outputs(const struct axis *axis) {
    int32_t i = axis->out;
    while (i > 0 && (int64_t)axis->first[i - 1] * 3 + (int64_t)((axis->count[i - 1] + 3) / 4) * 12 + 4 >
                        (int64_t)axis->in * 3)
        i--;
    return i;
}

__attribute__((target("avx2"))) static void rows_avx2(const struct axis *axis, const uint8_t *in,
                                                      uint8_t *out, int64_t row_count, int channels) {
    const size_t in_pitch = (size_t)axis->in * 3, out_pitch = (size_t)axis->out * 3;
    if (channels != 3) {
        rows_plain(axis, in, out, row_count, channels);
        return;
    }
    int32_t safe = resize_safe_outputs(axis);
    int64_t y = 0;
    for (; y + ROWS <= row_count; y += ROWS, in += ROWS * in_pitch, out += ROWS * out_pitch) {
        const int16_t *halves = axis->halves;
        for (int32_t i = 0; i < safe; i++, halves += (size_t)axis->quads * 8)
            rgb_pixels(in + (size_t)axis->first[i] * 3, in_pitch, halves, axis->count[i], out + (size_t)i * 3,
                       out_pitch, i + 1 == axis->out);
        for (int r = 0; r < ROWS; r++)
            resize_row_plain(axis, in + (size_t)r * in_pitch, out + (size_t)r * out_pitch, safe, 3);
    }
    for (; y < row_count; y++, in += (size_t)axis->in * 3, out += (size_t)axis->out * 3) {
        const int16_t *halves = axis->halves;
        for (int32_t i = 0; i < safe; i++, halves += (size_t)axis->quads * 8)
            rgb_pixel(in + (size_t)axis->first[i] * 3, halves, axis->count[i], out + (size_t)i * 3);
        resize_row_plain(axis, in, out, safe, 3);
    }
}

__attribute__((target("avx2"))) static void columns_avx2(const struct axis *axis, const uint8_t *in,
                                                         int32_t row, uint8_t *out, size_t pitch) {
    columns_body(axis, in, row, out, pitch);
}

#endif

static const struct resize_passes plain = {"plain", rows_plain, columns_plain};

const struct resize_passes *resize_passes(int i) {
    const struct resize_passes *known[4] = {&plain};
    int count = 1;
#if defined(__x86_64__)
    static const struct resize_passes avx2 = {"avx2", rows_avx2, columns_avx2};
    static const struct resize_passes vnni = {"avx512-vnni", resize_rows_vnni, resize_columns_vnni};
    if (__builtin_cpu_supports("avx2"))
        known[count++] = &avx2;
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni"))
        known[count++] = &vnni;
#endif
    return i < 0 ? known[count - 1] : i < count ? known[i] : NULL;
}
