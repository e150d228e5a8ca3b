/* number.c: numbers to text and back.
 *
 * Reading: up to 19 digits go into an integer. For a float the product with a power of ten in double is off
 * by a few units of the double's last place at most, so narrowing it is right unless it lies that close to
 * the midpoint of two floats (or outside the normal range); those, and doubles that are not exact products,
 * go to strtof and strtod. Writing: Schubfach (Raffaele Giulietti, "The Schubfach way to render doubles",
 * 2020) for float. */
#include "support/number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static locale_t c_locale; /* set once */

static void open_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t get_locale(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_locale);
    return c_locale;
}

/* ---- reading
 * -------------------------------------------------------------------------------------------------- */

#define MAX_DIGITS 19   /* always fit a uint64_t */
#define KEPT_DIGITS 800 /* more cannot change a double, but for being zero or not */

/* A text of the grammar, taken apart. value = mantissa * 10^exponent, cut off after MAX_DIGITS digits. */
struct decimal {
    uint64_t mantissa;
    int64_t exponent;
    bool negative, inexact;   /* inexact: digits that are not zero were cut off */
    const char *digits, *end; /* first byte after the sign; byte after the number */
};

static inline bool is_digit(char c) {
    return (unsigned char)(c - '0') < 10;
}

/* Adds one digit; after MAX_DIGITS significant ones it only counts. */
static inline void add_digit(struct decimal *d, int *count, char c, bool fraction) {
    if (*count < MAX_DIGITS) {
        d->mantissa = d->mantissa * 10 + (uint64_t)(c - '0');
        *count += d->mantissa != 0;
        d->exponent -= fraction;
    } else {
        d->inexact = d->inexact || c != '0';
        d->exponent += !fraction;
    }
}

static const char *scan_exponent(const char *p, const char *end, struct decimal *d) {
    const char *q = p + 1;
    bool negative = q < end && *q == '-';
    int64_t e = 0;
    if (q < end && (*q == '+' || *q == '-'))
        q++;
    if (q == end || !is_digit(*q))
        return p; /* "1e" ends before the e */
    for (; q < end && is_digit(*q); q++)
        e = e < 100000 ? e * 10 + (*q - '0') : e;
    d->exponent += negative ? -e : e;
    return q;
}

/* The longest prefix of the grammar; NULL when there is none. */
static const char *scan(const char *p, const char *end, struct decimal *d) {
    int count = 0;
    *d = (struct decimal){0};
    if (p < end && (*p == '-' || *p == '+'))
        d->negative = *p++ == '-';
    if (p == end || !is_digit(*p))
        return NULL;
    d->digits = p;
    if (*p == '0' && p + 1 < end && is_digit(p[1]))
        return NULL; /* JSON has no leading zeros */
    for (; p < end && is_digit(*p); p++)
        add_digit(d, &count, *p, false);
    if (p + 1 < end && *p == '.' && is_digit(p[1]))
        for (p++; p < end && is_digit(*p); p++)
            add_digit(d, &count, *p, true);
    if (p < end && (*p == 'e' || *p == 'E'))
        p = scan_exponent(p, end, d);
    d->end = p;
    return p;
}

/* The same value as a text strtod can take: digits and exponent, bounded in length. */
static void rewrite(const struct decimal *d, char out[KEPT_DIGITS + 48]) {
    char *q = out;
    int64_t dropped = 0, fraction = 0;
    bool nonzero = false, in_fraction = false, started = false;
    for (const char *p = d->digits; p < d->end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            in_fraction = true;
            continue;
        }
        started = started || *p != '0';
        if (started && q - out < KEPT_DIGITS) {
            *q++ = *p;
            fraction += in_fraction;
        } else if (started) {
            nonzero = nonzero || *p != '0';
            dropped += !in_fraction;
        } else {
            fraction += in_fraction;
        }
    }
    if (q == out)
        *q++ = '0';
    /* what the exponent field alone said */
    int64_t written = 0;
    const char *e = d->end;
    while (e > d->digits && e[-1] != 'e' && e[-1] != 'E')
        e--;
    if (e > d->digits) {
        struct decimal field = {0};
        scan_exponent(e - 1, d->end, &field);
        written = field.exponent;
    }
    if (nonzero) { /* one more digit stands for all that were dropped */
        *q++ = '1';
        dropped--;
    }
    snprintf(q, 40, "e%lld", (long long)(written + dropped - fraction));
}

static double slow_f64(const struct decimal *d) {
    char text[KEPT_DIGITS + 48];
    rewrite(d, text);
    double x = strtod_l(text, NULL, get_locale());
    return d->negative ? -x : x;
}

static float slow_f32(const struct decimal *d) {
    char text[KEPT_DIGITS + 48];
    rewrite(d, text);
    float x = strtof_l(text, NULL, get_locale());
    return d->negative ? -x : x;
}

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline float to_f32(const struct decimal *d) {
    if (d->mantissa == 0)
        return d->negative ? -0.0f : 0.0f;
    if (d->exponent < -22 || d->exponent > 22)
        return slow_f32(d);
    double x = (double)d->mantissa; /* off by half a unit, and again below, and by the digits cut off */
    x = d->exponent < 0 ? x / powers[-d->exponent] : x * powers[d->exponent];
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t low = bits & 0x1fffffffu; /* what narrowing rounds away; the midpoint is 0x10000000 */
    if (low - 0x0ffffff8u <= 0x10u || x < 2 * (double)FLT_MIN || x > (double)FLT_MAX / 2)
        return slow_f32(d);
    return (float)(d->negative ? -x : x);
}

static inline double to_f64(const struct decimal *d) {
    if (d->mantissa == 0)
        return d->negative ? -0.0 : 0.0;
    if (d->inexact || d->mantissa > (uint64_t)1 << 53 || d->exponent < -22 || d->exponent > 22)
        return slow_f64(d);
    double x = (double)d->mantissa; /* exact, and so is the power: one rounding */
    x = d->exponent < 0 ? x / powers[-d->exponent] : x * powers[d->exponent];
    return d->negative ? -x : x;
}

const char *number_scan_f32(const char *p, const char *end, float *x) {
    struct decimal d;
    p = scan(p, end, &d);
    if (!p)
        return NULL;
    float value = to_f32(&d);
    if (!isfinite(value))
        return NULL;
    *x = value;
    return p;
}

const char *number_scan_f64(const char *p, const char *end, double *x) {
    struct decimal d;
    p = scan(p, end, &d);
    if (!p)
        return NULL;
    double value = to_f64(&d);
    if (!isfinite(value))
        return NULL;
    *x = value;
    return p;
}

/* 1: nan, 2: infinity, 0: neither; the sign separately. */
static int nonfinite_word(const char *text, size_t nbytes, bool *negative) {
    static const struct {
        const char *word;
        int kind;
    } words[] = {{"nan", 1}, {"inf", 2}, {"infinity", 2}};
    *negative = nbytes && *text == '-';
    if (nbytes && (*text == '-' || *text == '+')) {
        text++;
        nbytes--;
    }
    for (int i = 0; i < 3; i++)
        if (nbytes == strlen(words[i].word) && !strncasecmp(text, words[i].word, nbytes))
            return words[i].kind;
    return 0;
}

enum number_error number_read_f64(const char *text, size_t nbytes, bool nonfinite, double *x) {
    struct decimal d;
    bool negative;
    if (!nbytes)
        return NUMBER_EMPTY;
    if (scan(text, text + nbytes, &d) == text + nbytes) {
        double value = to_f64(&d);
        if (!isfinite(value))
            return NUMBER_NONFINITE;
        *x = value;
        return NUMBER_OK;
    }
    int kind = nonfinite_word(text, nbytes, &negative);
    if (!kind)
        return NUMBER_SYNTAX;
    if (!nonfinite)
        return NUMBER_NONFINITE;
    double value = kind == 1 ? (double)NAN : (double)INFINITY;
    *x = negative ? -value : value;
    return NUMBER_OK;
}

enum number_error number_read_f32(const char *text, size_t nbytes, bool nonfinite, float *x) {
    struct decimal d;
    double wide;
    if (nbytes && scan(text, text + nbytes, &d) == text + nbytes) {
        float value = to_f32(&d);
        if (!isfinite(value))
            return NUMBER_NONFINITE;
        *x = value;
        return NUMBER_OK;
    }
    enum number_error error = number_read_f64(text, nbytes, nonfinite, &wide);
    if (error == NUMBER_OK)
        *x = (float)wide;
    return error;
}

enum number_error number_read_i64(const char *text, size_t nbytes, int64_t *x) {
    const char *end = text + nbytes;
    bool negative = nbytes && *text == '-';
    int64_t value = 0;
    if (!nbytes)
        return NUMBER_EMPTY;
    if (*text == '-' || *text == '+')
        text++;
    if (text == end)
        return NUMBER_SYNTAX;
    for (; text < end; text++) {
        int digit = *text - '0';
        if (!is_digit(*text))
            return NUMBER_SYNTAX;
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_add_overflow(value, (int64_t)(negative ? -digit : digit), &value))
            return NUMBER_NONFINITE;
    }
    *x = value;
    return NUMBER_OK;
}

/* ---- writing
 * -------------------------------------------------------------------------------------------------- */

/* ceil(10^k * 2^s) with s such that it has 64 bits, for k from -31 to 46: exact for 0 <= k <= 27. */
static const uint64_t schubfach_powers[] = {
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
#define SCHUBFACH_FIRST (-31)

__extension__ typedef unsigned __int128 wide;

static inline uint32_t round_to_odd(uint64_t g, uint32_t cp) {
    wide p = (wide)g * cp;
    uint32_t y1 = (uint32_t)(p >> 64), y0 = (uint32_t)(p >> 32);
    return y1 | (y0 > 1);
}

/* digits * 10^exponent, the shortest that reads back as the finite positive float, nearest to it among these.
 */
static uint32_t shortest_f32(uint32_t bits, int *exponent) {
    uint32_t fraction = bits & 0x7fffff, biased = bits >> 23 & 0xff;
    uint32_t c = biased ? fraction | 0x800000 : fraction;
    int q = (biased ? (int)biased : 1) - 150;
    if (q <= 0 && q > -24 && (c & ((1u << -q) - 1)) == 0) { /* a whole number */
        *exponent = 0;
        return c >> -q;
    }
    uint32_t odd = c & 1, closer = fraction == 0 && biased > 1;
    int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22; /* floor(log10(2^q)), or of 3/4 of it */
    int h = q + ((-k * 1741647) >> 19) + 1;
    uint64_t g = schubfach_powers[-k - SCHUBFACH_FIRST];
    uint32_t lower = round_to_odd(g, (4 * c - 2 + closer) << h) + odd;
    uint32_t middle = round_to_odd(g, (4 * c) << h);
    uint32_t upper = round_to_odd(g, (4 * c + 2) << h) - odd;
    uint32_t s = middle / 4;
    if (s >= 10) { /* one digit less */
        uint32_t t = s / 10;
        bool down = lower <= 40 * t, up = 40 * t + 40 <= upper;
        if (down != up) {
            *exponent = k + 1;
            return t + up;
        }
    }
    *exponent = k;
    bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
    if (down != up)
        return s + up;
    return s + (middle > 4 * s + 2 || (middle == 4 * s + 2 && (s & 1)));
}

/* Decimal digits of x > 0, most significant first, trailing zeros taken off into *exponent. */
static int put_digits(char *out, uint32_t x, int *exponent) {
    char backwards[10];
    int n = 0;
    for (; x % 10 == 0; x /= 10)
        ++*exponent;
    for (; x; x /= 10)
        backwards[n++] = (char)('0' + x % 10);
    for (int i = 0; i < n; i++)
        out[i] = backwards[n - 1 - i];
    return n;
}

/* Lays out n digits times 10^exponent as %g would, but for whole numbers below 1e16, which stay whole. */
static size_t lay_out(char *out, const char *digits, int n, int exponent) {
    int point = n + exponent; /* digits before the decimal point */
    char *p = out;
    if (point > 16 || point < -3) {
        *p++ = digits[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, digits + 1, (size_t)n - 1);
            p += n - 1;
        }
        p += sprintf(p, "e%c%02d", point - 1 < 0 ? '-' : '+', abs(point - 1));
    } else if (point <= 0) {
        *p++ = '0';
        *p++ = '.';
        memset(p, '0', (size_t)-point);
        p += -point;
        memcpy(p, digits, (size_t)n);
        p += n;
    } else {
        int whole = n < point ? n : point;
        memcpy(p, digits, (size_t)whole);
        p += whole;
        memset(p, '0', (size_t)(point - whole));
        p += point - whole;
        if (n > point) {
            *p++ = '.';
            memcpy(p, digits + point, (size_t)(n - point));
            p += n - point;
        }
    }
    return (size_t)(p - out);
}

static size_t put_word(char *out, const char *word) {
    size_t n = strlen(word);
    memcpy(out, word, n);
    return n;
}

size_t number_write_f32(char *out, float x) {
    uint32_t bits;
    char digits[10];
    int exponent;
    size_t sign = 0;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x))
        return put_word(out, "nan");
    if (bits >> 31) {
        out[0] = '-';
        sign = 1;
    }
    bits &= 0x7fffffff;
    if (bits == 0x7f800000)
        return sign + put_word(out + sign, "inf");
    if (!bits)
        return sign + put_word(out + sign, "0");
    uint32_t value = shortest_f32(bits, &exponent);
    int n = put_digits(digits, value, &exponent);
    return sign + lay_out(out + sign, digits, n, exponent);
}

/* %.*g in the C locale with the least precision that reads back; taken apart and laid out like the floats. */
size_t number_write_f64(char *out, double x) {
    char text[40], digits[24];
    if (isnan(x))
        return put_word(out, "nan");
    if (isinf(x))
        return put_word(out, x < 0 ? "-inf" : "inf");
    if (x == 0)
        return put_word(out, signbit(x) ? "-0" : "0");
    locale_t before = uselocale(get_locale());
    for (int precision = 14; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, fabs(x));
        if (strtod(text, NULL) == fabs(x))
            break;
    }
    uselocale(before);
    int n = 0;
    char *p = text;
    for (; *p != 'e'; p++)
        if (is_digit(*p))
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    size_t sign = x < 0;
    if (sign)
        out[0] = '-';
    return sign + lay_out(out + sign, digits, n, atoi(p + 1) + 1 - n);
}

size_t number_write_i64(char *out, int64_t x) {
    return (size_t)snprintf(out, NUMBER_MAX_CHARS, "%lld", (long long)x);
}
