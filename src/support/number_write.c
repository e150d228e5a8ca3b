/* number_write.c: floats and doubles to the shortest text that reads back.
 *
 * Schubfach (Raffaele Giulietti, "The Schubfach way to render doubles", 2020): the ends of the interval that
 * rounds to x, and x itself, are scaled by a power of ten so that the interval holds at least one integer and
 * at most one multiple of ten; comparisons of rounded-to-odd products decide as exact ones would. Every
 * positive float was checked once to read back, to have no shorter text and to be the nearest of its length
 * (tests/unit/test_number_write.c repeats it for a part). */
#include "support/number.h"

#include <math.h>
#include <string.h>

#include "support/number_power.h"

__extension__ typedef unsigned __int128 wide;

/* An interval scaled: four times its lower end, x, and its upper end; whether the ends belong to it. */
struct scaled {
    uint64_t lower, middle, upper;
};

/* The integer, times 10^*k, that lies in the interval with the fewest digits, nearest to x among these. */
static inline uint64_t choose(const struct scaled *v, int *k) {
    uint64_t s = v->middle / 4;
    if (s >= 10) {
        uint64_t t = s / 10;
        bool down = v->lower <= 40 * t, up = 40 * t + 40 <= v->upper;
        if (down != up) { /* one digit less */
            ++*k;
            return t + up;
        }
    }
    bool down = v->lower <= 4 * s, up = 4 * s + 4 <= v->upper;
    if (down != up)
        return s + up;
    return s + (v->middle > 4 * s + 2 || (v->middle == 4 * s + 2 && (s & 1)));
}

/* floor(log10(2^q)), or of 3/4 of it where the neighbour below is nearer than the one above. */
static inline int scale_of(int q, bool closer) {
    return (q * 1262611 - (closer ? 524031 : 0)) >> 22;
}

/* The power rounded up, as the proof has it. */
static inline struct power power_up(int k) {
    struct power p = power_of_ten(k);
    if ((k < 0 || k > 55) && ++p.low == 0)
        p.high++;
    return p;
}

/* ceil(10^k * 2^s) in 64 bits, k from -31 to 46: what power_up holds in twice that, at hand. */
static const uint64_t float_powers[] = {
    0x81ceb32c4b43fcf5, 0xa2425ff75e14fc32, 0xcad2f7f5359a3b3f, 0xfd87b5f28300ca0e, 0x9e74d1b791e07e49,
    0xc612062576589ddb, 0xf79687aed3eec552, 0x9abe14cd44753b53, 0xc16d9a0095928a28, 0xf1c90080baf72cb2,
    0x971da05074da7bef, 0xbce5086492111aeb, 0xec1e4a7db69561a6, 0x9392ee8e921d5d08, 0xb877aa3236a4b44a,
    0xe69594bec44de15c, 0x901d7cf73ab0acda, 0xb424dc35095cd810, 0xe12e13424bb40e14, 0x8cbccc096f5088cc,
    0xafebff0bcb24aaff, 0xdbe6fecebdedd5bf, 0x89705f4136b4a598, 0xabcc77118461cefd, 0xd6bf94d5e57a42bd,
    0x8637bd05af6c69b6, 0xa7c5ac471b478424, 0xd1b71758e219652c, 0x83126e978d4fdf3c, 0xa3d70a3d70a3d70b,
    0xcccccccccccccccd, 0x8000000000000000, 0xa000000000000000, 0xc800000000000000, 0xfa00000000000000,
    0x9c40000000000000, 0xc350000000000000, 0xf424000000000000, 0x9896800000000000, 0xbebc200000000000,
    0xee6b280000000000, 0x9502f90000000000, 0xba43b74000000000, 0xe8d4a51000000000, 0x9184e72a00000000,
    0xb5e620f480000000, 0xe35fa931a0000000, 0x8e1bc9bf04000000, 0xb1a2bc2ec5000000, 0xde0b6b3a76400000,
    0x8ac7230489e80000, 0xad78ebc5ac620000, 0xd8d726b7177a8000, 0x878678326eac9000, 0xa968163f0a57b400,
    0xd3c21bcecceda100, 0x84595161401484a0, 0xa56fa5b99019a5c8, 0xcecb8f27f4200f3a, 0x813f3978f8940985,
    0xa18f07d736b90be6, 0xc9f2c9cd04674edf, 0xfc6f7c4045812297, 0x9dc5ada82b70b59e, 0xc5371912364ce306,
    0xf684df56c3e01bc7, 0x9a130b963a6c115d, 0xc097ce7bc90715b4, 0xf0bdc21abb48db21, 0x96769950b50d88f5,
    0xbc143fa4e250eb32, 0xeb194f8e1ae525fe, 0x92efd1b8d0cf37bf, 0xb7abc627050305ae, 0xe596b7b0c643c71a,
    0x8f7e32ce7bea5c70, 0xb35dbf821ae4f38c, 0xe0352f62a19e306f,
};
#define FLOAT_FIRST (-31)

/* g * c / 2^64 (2^128 for doubles), the last bit set when anything is cut off. */
static inline uint64_t to_odd_f32(uint64_t g, uint32_t c) {
    wide p = (wide)g * c;
    return (uint64_t)(p >> 64) | ((uint32_t)(p >> 32) > 1);
}

static inline uint64_t to_odd_f64(struct power g, uint64_t c) {
    wide p = (wide)g.high * c + (uint64_t)((wide)g.low * c >> 64);
    return (uint64_t)(p >> 64) | ((uint64_t)p > 1);
}

/* digits * 10^*exponent for the bits of a finite positive float. */
static inline uint64_t shortest_f32(uint32_t bits, int *exponent) {
    uint32_t fraction = bits & 0x7fffff, biased = bits >> 23;
    uint32_t c = biased ? fraction | 0x800000 : fraction;
    int q = (biased ? (int)biased : 1) - 150; /* x = c * 2^q */
    if (q <= 0 && q > -24 && (c & ((1u << -q) - 1)) == 0) {
        *exponent = 0; /* a whole number of at most 24 bits */
        return c >> -q;
    }
    bool odd = c & 1, closer = fraction == 0 && biased > 1;
    int k = scale_of(q, closer), h = q + power_log2(-k) + 1;
    uint64_t g = float_powers[-k - FLOAT_FIRST];
    struct scaled v = {to_odd_f32(g, (4 * c - 2 + closer) << h) + odd, to_odd_f32(g, (4 * c) << h),
                       to_odd_f32(g, (4 * c + 2) << h) - odd};
    *exponent = k;
    return choose(&v, exponent);
}

static uint64_t shortest_f64(uint64_t bits, int *exponent) {
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1), biased = bits >> 52;
    uint64_t c = biased ? fraction | (uint64_t)1 << 52 : fraction;
    int q = (biased ? (int)biased : 1) - 1075;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) {
        *exponent = 0;
        return c >> -q;
    }
    bool odd = c & 1, closer = fraction == 0 && biased > 1;
    int k = scale_of(q, closer), h = q + power_log2(-k) + 1;
    struct power g = power_up(-k);
    struct scaled v = {to_odd_f64(g, (4 * c - 2 + closer) << h) + odd, to_odd_f64(g, (4 * c) << h),
                       to_odd_f64(g, (4 * c + 2) << h) - odd};
    *exponent = k;
    return choose(&v, exponent);
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

/* Decimal digits of x, ending at `end`; returns the first. */
static inline char *put_before(char *end, uint64_t x) {
    for (; x >= 100; x /= 100) {
        end -= 2;
        memcpy(end, pairs + x % 100 * 2, 2);
    }
    if (x >= 10) {
        end -= 2;
        memcpy(end, pairs + x * 2, 2);
    } else {
        *--end = (char)('0' + x);
    }
    return end;
}

/* Lays out n digits times 10^exponent: plain where 1e-4 <= x < 1e16, else one digit before the point. */
static inline size_t lay_out(char *out, const char *digits, int n, int exponent) {
    int point = n + exponent; /* digits before the decimal point */
    char *p = out;
    if (point > 16 || point < -3) {
        *p++ = digits[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, digits + 1, (size_t)n - 1);
            p += n - 1;
        }
        *p++ = 'e';
        *p++ = point < 1 ? '-' : '+';
        unsigned power = (unsigned)(point < 1 ? 1 - point : point - 1);
        if (power >= 100)
            *p++ = (char)('0' + power / 100);
        memcpy(p, pairs + power % 100 * 2, 2);
        return (size_t)(p + 2 - out);
    }
    if (point <= 0) {
        memcpy(p, "0.000", 5);
        p += 2 - point;
        memcpy(p, digits, (size_t)n);
        return (size_t)(p + n - out);
    }
    if (n <= point) {
        memcpy(p, digits, (size_t)n);
        memset(p + n, '0', (size_t)(point - n));
        return (size_t)point;
    }
    memcpy(p, digits, (size_t)point);
    p[point] = '.';
    memcpy(p + point + 1, digits + point, (size_t)(n - point));
    return (size_t)n + 1;
}

/* m > 0 times 10^exponent. */
static inline size_t put(char *out, uint64_t m, int exponent) {
    char room[24];
    char *end = room + sizeof room, *digits = put_before(end, m);
    while (end[-1] == '0') {
        end--;
        exponent++;
    }
    return lay_out(out, digits, (int)(end - digits), exponent);
}

static size_t put_word(char *out, const char *word) {
    size_t n = strlen(word);
    memcpy(out, word, n);
    return n;
}

size_t number_write_f32(char *out, float x) {
    uint32_t bits;
    int exponent;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x))
        return put_word(out, "nan");
    size_t sign = bits >> 31;
    if (sign)
        *out++ = '-';
    bits &= 0x7fffffff;
    if (bits == 0x7f800000)
        return sign + put_word(out, "inf");
    if (!bits)
        return sign + put_word(out, "0");
    uint64_t m = shortest_f32(bits, &exponent);
    return sign + put(out, m, exponent);
}

size_t number_write_f64(char *out, double x) {
    uint64_t bits;
    int exponent;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x))
        return put_word(out, "nan");
    size_t sign = bits >> 63;
    if (sign)
        *out++ = '-';
    bits &= INT64_MAX;
    if (bits == (uint64_t)2047 << 52)
        return sign + put_word(out, "inf");
    if (!bits)
        return sign + put_word(out, "0");
    uint64_t m = shortest_f64(bits, &exponent);
    return sign + put(out, m, exponent);
}

size_t number_write_i64(char *out, int64_t x) {
    char room[24];
    char *digits = put_before(room + sizeof room, x < 0 ? -(uint64_t)x : (uint64_t)x);
    size_t sign = x < 0, n = (size_t)(room + sizeof room - digits);
    if (sign)
        *out++ = '-';
    memcpy(out, digits, n);
    return sign + n;
}
