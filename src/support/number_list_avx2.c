/* number_list_avx2.c: numbers of up to 15 characters without an exponent, all digits at once: their bytes
 * less '0' are moved together over the point and to the right, and added up in pairs, fours and eights. Every
 * other form is left to number_scan_f32.
 *
 * Up to 15 digits and their power of ten are exact doubles, so one division rounds correctly. Narrowing that
 * to a float rounds a second time, which is right here, too: a decimal of p <= 13 places that is not the
 * middle j/2^q of two floats (j odd) lies off it by an odd number of units 1/(5^p 2^q). Only one unit can
 * make the double that middle, since 5^13 < 3 * 2^29 (and for fewer places not even one); and 5^p being 1
 * modulo 4, the even neighbour is then on the side where the decimal lies. */
#include "support/number_list.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define STEP 16

static const double tens[STEP] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* The value of 16 digits, one a byte. */
static inline uint64_t sixteen_digits(__m128i digits) {
    const __m128i by10 = _mm_set1_epi16(0x010a), by100 = _mm_set1_epi32(0x00010064),
                  by10000 = _mm_set1_epi32(0x00012710);
    __m128i pairs = _mm_maddubs_epi16(digits, by10);
    __m128i fours = _mm_madd_epi16(pairs, by100);
    __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), by10000);
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    return (both & 0xffffffffu) * 100000000u + (both >> 32);
}

/* The byte after the number, or NULL: too long, too near the end, an exponent, or nothing for us. */
static inline const char *take(const char *p, const char *end, float *x) {
    if (end - p < STEP + 1)
        return NULL;
    const bool negative = *p == '-';
    p += negative;
    const __m128i zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9);
    const __m128i order = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m128i v = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), zero);
    unsigned other = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, nine), v));
    int whole = __builtin_ctz(other), length = whole, fraction = 0;
    if (whole == 0 || (*p == '0' && whole > 1))
        return NULL;
    if (whole < STEP && p[whole] == '.') {
        other &= other - 1;
        length = __builtin_ctz(other);
        fraction = length - whole - 1;
        if (fraction == 0)
            return NULL;
    }
    if (length >= STEP || (p[length] | 0x20) == 'e')
        return NULL;
    __m128i from = _mm_add_epi8(order, _mm_set1_epi8((char)(whole + fraction - STEP)));
    from = _mm_sub_epi8(from, _mm_cmpgt_epi8(from, _mm_set1_epi8((char)(whole - 1))));
    uint64_t digits = sixteen_digits(_mm_shuffle_epi8(v, from));
    double wide = (double)digits / tens[fraction];
    *x = negative ? -(float)wide : (float)wide;
    return p + length;
}

size_t number_list_avx2(const char **at, const char *end, char delimiter, bool json, float *out,
                        size_t room) {
    const char *p = *at;
    size_t n = 0;
    while (n < room) {
        const char *next = take(p, end, &out[n]);
        if (!next || !number_list_ends(next, end, delimiter, json))
            next = number_list_one(p, end, delimiter, json, &out[n]);
        if (!next)
            break;
        n++;
        *at = next;
        p = number_list_step(next, end, delimiter, json);
        if (!p)
            break;
    }
    return n;
}
#else
size_t number_list_avx2(const char **at, const char *end, char delimiter, bool json, float *out,
                        size_t room) {
    return number_list_portable(at, end, delimiter, json, out, room);
}
#endif
