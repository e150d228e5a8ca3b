/* number_list_avx2.c: lists of numbers of up to 15 characters without an exponent, four at a time. Every
 * other form is left to number_scan_f32.
 *
 * One number after the other is a chain: where the next begins is known when the last is read, some 27 cycles
 * later. So the delimiters of 64 bytes are found first, and from their mask where every number begins and
 * ends; the numbers of a block wait for nothing but the 64 bytes. Those of up to 8 characters after the sign
 * are read four at once, each in 64 bits: their bytes less '0' moved to the right and together over the
 * point, and added up in pairs, fours and eights. The point itself, as a digit 1 where it stood, adds up to
 * the power of ten to divide by. Longer ones are read one by one, in 128 bits each.
 *
 * Up to 15 digits and their power of ten are exact doubles, so one division rounds correctly. Narrowing that
 * to a float rounds a second time, which is right here, too: a decimal of p <= 13 places that is not the
 * middle j/2^q of two floats (j odd) lies off it by an odd number of units 1/(5^p 2^q). Only one unit can
 * make the double that middle, since 5^13 < 3 * 2^29 (and for fewer places not even one); and 5^p being 1
 * modulo 4, the even neighbour is then on the side where the decimal lies. */
#include "support/number_list.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

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

/* ---- the numbers of a block ---- */

#define BLOCK 64
#define BLOCK_READ (BLOCK + 8) /* bytes that must be there to read a block */
#define LANES 4
#define ALONE 8 /* numbers read one by one after one that no block takes */
#define LONG 8  /* bytes with the delimiter, on average */

/* Where the numbers of a block begin, after the sign, and the delimiters they end at; and every '-'. */
struct block {
    const char *p;
    uint64_t starts, ends, minus;
};

struct group {
    uint64_t start[LANES], end[LANES]; /* BLOCK where there is none */
};

static inline uint64_t equal_mask(const char *p, char c) {
    const __m256i all = _mm256_set1_epi8(c);
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, all)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, all)) << 32;
}

/* A blank counts before a number, in JSON; elsewhere it makes the number one that no block takes. */
static inline struct block find(const char *p, char delimiter, bool json) {
    struct block b = {p, 0, equal_mask(p, delimiter), equal_mask(p, '-')};
    uint64_t first = b.ends << 1 | 1;
    if (json) {
        uint64_t blank = equal_mask(p, ' ') & ~(uint64_t)1;              /* a list begins with a number */
        first = (first & ~blank) | (((first & blank) + blank) & ~blank); /* the sum carries through the run */
    }
    b.starts = (first & ~b.minus) | (first & b.minus) << 1;
    return b;
}

/* BLOCK where there is none. */
static inline uint64_t next_bit(uint64_t *mask) {
    uint64_t at = _tzcnt_u64(*mask);
    *mask = _blsr_u64(*mask);
    return at;
}

/* Unrolled, so that it stays in registers: vectors read from what was just stored word by word stall. */
static inline struct group next_group(struct block *b) {
    struct group g;
    g.start[0] = next_bit(&b->starts), g.end[0] = next_bit(&b->ends);
    g.start[1] = next_bit(&b->starts), g.end[1] = next_bit(&b->ends);
    g.start[2] = next_bit(&b->starts), g.end[2] = next_bit(&b->ends);
    g.start[3] = next_bit(&b->starts), g.end[3] = next_bit(&b->ends);
    return g;
}

static inline uint64_t eight_bytes(const char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* The values of four times eight digits, below 2^31. */
static inline __m256i eight_digits(__m256i digits) {
    __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
    return _mm256_add_epi64(_mm256_mul_epu32(fours, _mm256_set1_epi64x(10000)), _mm256_srli_epi64(fours, 32));
}

static inline __m256d to_double(__m256i x) {
    const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    return _mm256_cvtepi32_pd(_mm256_castsi256_si128(_mm256_permutevar8x32_epi32(x, even)));
}

/* Reads four numbers of at most 8 characters; returns a bit for each that is none of ours. */
static inline unsigned take_four(const struct block *b, const struct group *g, __m128 *x) {
    const __m256i none = _mm256_setzero_si256(), nine = _mm256_set1_epi8(9);
    __m256i both = _mm256_setr_epi64x(
        (long long)(g->end[0] << 32 | g->start[0]), (long long)(g->end[1] << 32 | g->start[1]),
        (long long)(g->end[2] << 32 | g->start[2]), (long long)(g->end[3] << 32 | g->start[3]));
    __m256i end = _mm256_srli_epi64(both, 32), start = _mm256_sub_epi64(both, _mm256_slli_epi64(end, 32));
    __m256i text = _mm256_setr_epi64x(
        (long long)eight_bytes(b->p + g->start[0]), (long long)eight_bytes(b->p + g->start[1]),
        (long long)eight_bytes(b->p + g->start[2]), (long long)eight_bytes(b->p + g->start[3]));
    text = _mm256_xor_si256(text, _mm256_set1_epi8('0'));
    __m256i is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(text, nine), text);
    __m256i leading_zero = _mm256_and_si256(_mm256_cmpeq_epi8(text, none), _mm256_srli_epi64(is_digit, 8));
    __m256i bad = _mm256_or_si256(_mm256_andnot_si256(is_digit, _mm256_set1_epi8(-1)), leading_zero);
    bad = _mm256_slli_epi64(bad, 56); /* only the first byte of each was meant */

    __m256i missing = _mm256_sub_epi64(_mm256_set1_epi64x(8), _mm256_sub_epi64(end, start));
    text = _mm256_sllv_epi64(text, _mm256_slli_epi64(missing, 3));
    __m256i points = _mm256_cmpeq_epi8(text, _mm256_set1_epi8('.' ^ '0'));
    bad = _mm256_or_si256(bad, missing); /* the sign bit: too long */
    bad = _mm256_or_si256(bad, points);  /* the sign bit: a point at the end */
    __m256i whole = _mm256_cmpeq_epi64(points, none);
    __m256i point = _mm256_and_si256(points, _mm256_sub_epi64(none, points)); /* 1 in the byte of the first */
    __m256i before =
        _mm256_andnot_si256(_mm256_or_si256(points, whole), _mm256_add_epi64(points, _mm256_set1_epi8(-1)));
    __m256i at_point = _mm256_cmpeq_epi8(point, _mm256_set1_epi8(1));
    __m256i digits = _mm256_or_si256(_mm256_andnot_si256(_mm256_or_si256(before, at_point), text),
                                     _mm256_slli_epi64(_mm256_and_si256(text, before), 8));
    __m256i fine = _mm256_cmpeq_epi64(_mm256_subs_epu8(digits, nine), none);
    __m256d wide = to_double(eight_digits(digits));
    if (_mm256_movemask_epi8(whole) != -1) { /* dividing costs as much as all the rest */
        point = _mm256_or_si256(point, _mm256_slli_epi64(_mm256_srli_epi64(whole, 63), 56));
        wide = _mm256_div_pd(wide, to_double(eight_digits(point)));
    }
    __m256i minus = _mm256_sllv_epi64(_mm256_set1_epi64x((long long)b->minus),
                                      _mm256_sub_epi64(_mm256_set1_epi64x(BLOCK), start));
    __m256d sign = _mm256_and_pd(_mm256_castsi256_pd(minus), _mm256_set1_pd(-0.0));
    *x = _mm256_cvtpd_ps(_mm256_or_pd(wide, sign));
    bad = _mm256_or_si256(bad, _mm256_andnot_si256(fine, _mm256_set1_epi8(-1)));
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(bad));
}

/* Those of take_four up to the first that is none of ours; room is for `room`, of which 1 at least. */
static inline size_t take_short(const struct block *b, const struct group *g, float *out, size_t wanted,
                                size_t room) {
    __m128 x;
    unsigned bad = take_four(b, g, &x);
    size_t good = (size_t)__builtin_ctz(bad | 1u << wanted);
    if (room >= LANES) {
        _mm_storeu_ps(out, x);
    } else {
        float values[LANES];
        _mm_storeu_ps(values, x);
        memcpy(out, values, good * sizeof *out);
    }
    return good;
}

/* Reads the numbers that end at a delimiter in the block, up to the first that is none of ours. *last is the
 * delimiter after the last of them. */
static inline size_t take_block(const char *p, char delimiter, bool json, float *out, size_t room,
                                size_t *last) {
    struct block b = find(p, delimiter, json);
    uint64_t ends = b.ends;
    size_t n = 0, all = (size_t)__builtin_popcountll(ends), count = all < room ? all : room;
    while (n < count) {
        struct group g = next_group(&b);
        size_t wanted = count - n < LANES ? count - n : LANES;
        size_t good = take_short(&b, &g, out + n, wanted, room - n);
        if (good < wanted) {
            if (good)
                *last = g.end[good - 1];
            return n + good;
        }
        n += wanted; /* not good: the next block must not wait for this one's values */
        *last = g.end[wanted - 1];
    }
    if (n && n == all)
        *last = 63 - (size_t)__builtin_clzll(ends);
    return n;
}

/* The same near the end of the text, of a copy with room behind it. In CSV a delimiter stands there, too. */
static __attribute__((noinline)) size_t take_last_block(const char *p, const char *end, char delimiter,
                                                        bool json, float *out, size_t room, size_t *last) {
    char copy[BLOCK_READ] = {0};
    memcpy(copy, p, (size_t)(end - p));
    copy[end - p] = json ? 0 : delimiter;
    return take_block(copy, delimiter, json, out, room, last);
}

/* A delimiter that cannot be part of a number. */
static inline bool is_plain(char delimiter) {
    return delimiter == ',' || delimiter == ';' || delimiter == '\t' || delimiter == '|';
}

/* Up to ALONE numbers one by one; returns how many, *at as number_scan_list_f32 leaves it. */
static inline size_t take_alone(const char **at, const char *end, char delimiter, bool json, float *out,
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

/* After numbers that no block takes a block is tried again only where they were short. */
static inline size_t take_list(const char **at, const char *end, char delimiter, bool json, float *out,
                               size_t room) {
    const char *p = *at;
    bool blocks = is_plain(delimiter);
    size_t n = 0, last = 0;
    while (n < room && p) {
        size_t many = 0;
        const char *stop = p;
        if (blocks)
            many = end - p < BLOCK_READ ? take_last_block(p, end, delimiter, json, out + n, room - n, &last)
                                        : take_block(p, delimiter, json, out + n, room - n, &last);
        if (many) {
            stop = p + last;
        } else {
            many = take_alone(&stop, end, delimiter, json, out + n, room - n < ALONE ? room - n : ALONE);
            if (!many)
                break;
            blocks = is_plain(delimiter) && (size_t)(stop - p) < LONG * many;
        }
        n += many;
        *at = stop;
        p = number_list_step(stop, end, delimiter, json);
    }
    return n;
}

size_t number_list_avx2(const char **at, const char *end, char delimiter, bool json, float *out,
                        size_t room) {
    return json ? take_list(at, end, delimiter, true, out, room)
                : take_list(at, end, delimiter, false, out, room);
}
#else
size_t number_list_avx2(const char **at, const char *end, char delimiter, bool json, float *out,
                        size_t room) {
    return number_list_portable(at, end, delimiter, json, out, room);
}
#endif
