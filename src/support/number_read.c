/* number_read.c: decimal text to floats, doubles and integers.
 *
 * Up to 19 digits go into an integer m, eight bytes at a step, so that value = m * 10^e.
 * Float: m times the double nearest to 10^e is off by at most four units of the double's last place;
 * narrowing it is right unless it lies that close to the midpoint of two floats. Double: where m and 10^e are
 * exact, one rounding (Clinger, "How to read floating point numbers accurately", 1990); else m times 128 bits
 * of 10^e (Lemire, "Number parsing at a gigabyte per second", 2021). What neither can decide, and what is
 * subnormal, goes to strtof and strtod as a bounded text. */
#include "support/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "support/number_power.h"

#define MAX_DIGITS 19          /* always fit a uint64_t */
#define KEPT_DIGITS 800        /* more cannot change a double, but for being zero or not */
#define MAX_EXPONENT 100000000 /* beyond the digits of any text we could hold, so it decides alone */

/* A text of the grammar, taken apart: mantissa * 10^exponent, cut off after MAX_DIGITS digits. */
struct decimal {
    uint64_t mantissa;
    int64_t exponent, written; /* written: the exponent field alone */
    bool negative, inexact;    /* inexact: digits were cut off */
    const char *digits, *end;  /* first byte after the sign; byte after the last digit before any exponent */
};

static inline bool is_digit(char c) {
    return (unsigned char)(c - '0') < 10;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* Value of eight digits, given as bytes 0 to 9, the first in the lowest byte: pairs, then pairs of pairs. */
static inline uint64_t eight_digits(uint64_t x) {
    x = x * 10 + (x >> 8);
    return ((x & 0x000000ff000000ffu) * 0x000f424000000064u +
            (x >> 16 & 0x000000ff000000ffu) * 0x0000271000000001u) >>
           32;
}
#endif

/* Appends the digits at p to *value, which may wrap around; returns the byte after them. */
static inline const char *take_digits(const char *p, const char *end, uint64_t *value) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, sizeof x);
        x ^= 0x3030303030303030u; /* a digit is now 0 to 9; a carry from another byte only reaches later ones
                                   */
        uint64_t other = ((x + 0x7676767676767676u) | x) & 0x8080808080808080u;
        if (other) {
            int n = __builtin_ctzll(other) >> 3;
            if (n) /* shifted, the missing ones are leading zeros */
                *value = *value * tens[n] + eight_digits(x << (64 - 8 * n));
            return p + n;
        }
        *value = *value * 100000000 + eight_digits(x);
        p += 8;
    }
#endif
    for (; p < end && is_digit(*p); p++)
        *value = *value * 10 + (uint64_t)(*p - '0');
    return p;
}

/* The same for a text of more than MAX_DIGITS digits: leading zeros do not count, later digits are cut off.
 */
static void take_long(struct decimal *d) {
    int count = 0;
    bool fraction = false;
    d->mantissa = 0;
    d->exponent = d->written;
    for (const char *p = d->digits; p < d->end; p++) {
        if (*p == '.') {
            fraction = true;
        } else if (count < MAX_DIGITS) {
            d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0');
            count += d->mantissa != 0;
            d->exponent -= fraction;
        } else {
            d->inexact = d->inexact || *p != '0';
            d->exponent += !fraction;
        }
    }
}

/* p is at the 'e'. "1e" and "1e+" end before it. */
static const char *scan_exponent(const char *p, const char *end, struct decimal *d) {
    const char *q = p + 1;
    bool negative = q < end && *q == '-';
    int64_t e = 0;
    if (q < end && (*q == '+' || *q == '-'))
        q++;
    if (q == end || !is_digit(*q))
        return p;
    for (; q < end && is_digit(*q); q++)
        e = e < MAX_EXPONENT ? e * 10 + (*q - '0') : e;
    d->written = negative ? -e : e;
    d->exponent += d->written;
    return q;
}

/* The longest prefix of the grammar; NULL when there is none. */
static inline const char *scan(const char *p, const char *end, struct decimal *d) {
    *d = (struct decimal){0};
    if (p < end && (*p == '-' || *p == '+'))
        d->negative = *p++ == '-';
    const char *digits = p;
    p = take_digits(p, end, &d->mantissa);
    ptrdiff_t count = p - digits;
    if (!count || (count > 1 && *digits == '0'))
        return NULL; /* JSON has no leading zeros */
    if (p < end && *p == '.') {
        const char *q = take_digits(p + 1, end, &d->mantissa);
        ptrdiff_t fraction = q - (p + 1);
        if (fraction) { /* "5." ends before the point */
            p = q;
            count += fraction;
            d->exponent = -fraction;
        }
    }
    d->digits = digits;
    d->end = p;
    if (p < end && (*p == 'e' || *p == 'E'))
        p = scan_exponent(p, end, d);
    if (count > MAX_DIGITS)
        take_long(d);
    return p;
}

/* ---- the C library, for what is hard ---- */

static locale_t c_locale; /* set once */

static void open_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t get_locale(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_locale);
    return c_locale;
}

#define TEXT_CAP (KEPT_DIGITS + 32)

/* The same value as a text of bounded length: digits without a point, and an exponent. */
static void rewrite(const struct decimal *d, char out[TEXT_CAP]) {
    char *q = out;
    int64_t exponent = d->written;
    bool fraction = false, rest = false;
    for (const char *p = d->digits; p < d->end; p++) {
        if (*p == '.') {
            fraction = true;
        } else if (q - out < KEPT_DIGITS) {
            if (q > out || *p != '0')
                *q++ = *p;
            exponent -= fraction;
        } else {
            rest = rest || *p != '0';
            exponent += !fraction;
        }
    }
    if (rest) { /* one digit more stands for all that were dropped */
        *q++ = '1';
        exponent--;
    }
    snprintf(q, TEXT_CAP - (size_t)(q - out), "e%lld", (long long)exponent);
}

static __attribute__((noinline)) float hard_f32(const struct decimal *d) {
    char text[TEXT_CAP];
    rewrite(d, text);
    return strtof_l(text, NULL, get_locale());
}

static __attribute__((noinline)) double hard_f64(const struct decimal *d) {
    char text[TEXT_CAP];
    rewrite(d, text);
    return strtod_l(text, NULL, get_locale());
}

/* ---- a float ---- */

#define NEAREST_FIRST (-64)
#define NEAREST_LAST 38

static const double nearest[] = {
    1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55, 1e-54, 1e-53, 1e-52, 1e-51, 1e-50,
    1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42, 1e-41, 1e-40, 1e-39, 1e-38, 1e-37, 1e-36, 1e-35,
    1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20,
    1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9,  1e-8,  1e-7,  1e-6,  1e-5,
    1e-4,  1e-3,  1e-2,  1e-1,  1e0,   1e1,   1e2,   1e3,   1e4,   1e5,   1e6,   1e7,   1e8,   1e9,   1e10,
    1e11,  1e12,  1e13,  1e14,  1e15,  1e16,  1e17,  1e18,  1e19,  1e20,  1e21,  1e22,  1e23,  1e24,  1e25,
    1e26,  1e27,  1e28,  1e29,  1e30,  1e31,  1e32,  1e33,  1e34,  1e35,  1e36,  1e37,  1e38};
_Static_assert(sizeof nearest / sizeof *nearest == NEAREST_LAST - NEAREST_FIRST + 1, "a power is missing");

static inline float positive_f32(const struct decimal *d) {
    if (d->mantissa == 0)
        return 0;
    if (d->exponent == 0 && !d->inexact)
        return (float)d->mantissa; /* one rounding */
    if (d->exponent < NEAREST_FIRST || d->exponent > NEAREST_LAST)
        return hard_f32(d);
    double x = (double)d->mantissa * nearest[d->exponent - NEAREST_FIRST];
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t low = bits & 0x1fffffffu; /* what narrowing rounds away; a midpoint is 0x10000000 */
    if (low - 0x0ffffff8u <= 0x10u || x < 2 * (double)FLT_MIN || x > (double)FLT_MAX)
        return hard_f32(d);
    return (float)x;
}

static inline float to_f32(const struct decimal *d) {
    float x = positive_f32(d);
    return d->negative ? -x : x;
}

/* ---- a double ---- */

__extension__ typedef unsigned __int128 wide;

/* m * 10^e for m > 0, rounded as Lemire's section 5 to 8 does; negative where that is not sure. */
static double product_f64(uint64_t m, int64_t e) {
    if (e < POWER_FIRST || e > 308)
        return -1;
    struct power power = power_of_ten((int)e);
    /* an exact product with one of these must not come out a hair below: rounded up, not off */
    if (e < 0 && e >= -27 && ++power.low == 0)
        power.high++;
    int zeros = __builtin_clzll(m);
    m <<= zeros;
    wide p = (wide)m * power.high;
    uint64_t high = (uint64_t)(p >> 64), low = (uint64_t)p;
    if ((high & 0x1ff) == 0x1ff) { /* the bits to come may carry into those that count */
        uint64_t more = (uint64_t)((wide)m * power.low >> 64);
        high += __builtin_add_overflow(low, more, &low);
        if (low == UINT64_MAX && (e < -27 || e > 55))
            return -1;
    }
    int upper = (int)(high >> 63);
    uint64_t bits = high >> (upper + 9); /* 53 bits and one to round by */
    int biased = power_log2((int)e) + 63 + upper - zeros + 1023;
    if (biased <= 0)
        return -1; /* subnormal */
    /* exactly between two doubles: to the even one, which the increment below must not pass */
    if (low <= 1 && e >= -4 && e <= 23 && (bits & 3) == 1 && bits << (upper + 9) == high)
        bits &= ~(uint64_t)1;
    bits = (bits + (bits & 1)) >> 1;
    if (bits >> 53) {
        bits >>= 1;
        biased++;
    }
    if (biased >= 2047)
        return HUGE_VAL;
    bits = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)biased << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double positive_f64(const struct decimal *d) {
    uint64_t m = d->mantissa;
    int64_t e = d->exponent;
    if (m == 0)
        return 0;
    if (!d->inexact && m <= (uint64_t)1 << 53 && e >= -22 && e <= 22)
        return e < 0 ? (double)m / nearest[-e - NEAREST_FIRST] : (double)m * nearest[e - NEAREST_FIRST];
    double x = product_f64(m, e);
    if (x >= 0 && d->inexact && product_f64(m + 1, e) != x)
        x = -1; /* the digits cut off decide */
    return x >= 0 ? x : hard_f64(d);
}

static inline double to_f64(const struct decimal *d) {
    double x = positive_f64(d);
    return d->negative ? -x : x;
}

/* ---- the calls ---- */

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

/* "nan", "inf" or "infinity" with a sign or none; false when it is neither. */
static bool nonfinite_word(const char *text, size_t nbytes, double *x) {
    bool negative = *text == '-';
    if (*text == '-' || *text == '+') {
        text++;
        nbytes--;
    }
    if (nbytes == 3 && !strncasecmp(text, "nan", 3))
        *x = (double)NAN;
    else if ((nbytes == 3 && !strncasecmp(text, "inf", 3)) ||
             (nbytes == 8 && !strncasecmp(text, "infinity", 8)))
        *x = (double)INFINITY;
    else
        return false;
    *x = negative ? -*x : *x;
    return true;
}

enum number_error number_read_f64(const char *text, size_t nbytes, bool nonfinite, double *x) {
    struct decimal d;
    double value;
    if (!nbytes)
        return NUMBER_EMPTY;
    if (scan(text, text + nbytes, &d) == text + nbytes) {
        value = to_f64(&d);
        nonfinite = isfinite(value);
    } else if (!nonfinite_word(text, nbytes, &value)) {
        return NUMBER_SYNTAX;
    }
    if (!nonfinite)
        return NUMBER_NONFINITE;
    *x = value;
    return NUMBER_OK;
}

enum number_error number_read_f32(const char *text, size_t nbytes, bool nonfinite, float *x) {
    struct decimal d;
    double wide_value;
    if (nbytes && scan(text, text + nbytes, &d) == text + nbytes) {
        float value = to_f32(&d);
        if (!isfinite(value))
            return NUMBER_NONFINITE;
        *x = value;
        return NUMBER_OK;
    }
    enum number_error error = number_read_f64(text, nbytes, nonfinite, &wide_value); /* a word, or an error */
    if (error == NUMBER_OK)
        *x = (float)wide_value;
    return error;
}

enum number_error number_read_i64(const char *text, size_t nbytes, int64_t *x) {
    const char *end = text + nbytes;
    int64_t value = 0;
    bool fits = true;
    if (!nbytes)
        return NUMBER_EMPTY;
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (text == end || (*text == '0' && end - text > 1))
        return NUMBER_SYNTAX;
    for (; text < end; text++) {
        int digit = *text - '0';
        if (!is_digit(*text))
            return NUMBER_SYNTAX;
        fits = fits && !__builtin_mul_overflow(value, (int64_t)10, &value) &&
               !__builtin_add_overflow(value, (int64_t)(negative ? -digit : digit), &value);
    }
    if (!fits)
        return NUMBER_NONFINITE;
    *x = value;
    return NUMBER_OK;
}
