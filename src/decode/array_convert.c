/* array_convert.c: elements of one dtype as elements of another. A number that would change is a reject,
 * never another number; what a float model takes from doubles is rounded, as the decimals of a CSV are. */
#include <math.h>
#include <string.h>

#include "decode/chain_steps.h"
#include "decode/decode_array.h"
#include "decode/worker_ctx.h"

/* One element, whatever it was. */
struct number {
    enum { REAL, SIGNED, UNSIGNED } kind;
    double real; /* REAL, exactly */
    int64_t i;
    uint64_t u;
};

static bool is_real(sl_dtype d) {
    return d == SL_FLOAT || d == SL_DOUBLE || d == SL_FLOAT16;
}

static bool is_whole(sl_dtype d) {
    return d == SL_BOOL || d == SL_UINT8 || d == SL_INT8 || d == SL_UINT16 || d == SL_INT16 ||
           d == SL_INT32 || d == SL_INT64 || d == SL_UINT32 || d == SL_UINT64;
}

bool array_can_convert(sl_dtype from, sl_dtype to) {
    return (is_real(from) || is_whole(from)) && (is_real(to) || is_whole(to));
}

static double from_half(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double x = exponent == 0    ? ldexp(fraction, -24)
               : exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                                : ldexp(fraction + 1024, exponent - 25);
    return h >> 15 ? -x : x;
}

/* The element's bits, the first byte of the number's value in the lowest. */
static uint64_t load_bits(const unsigned char *p, size_t item, bool big_endian) {
    uint64_t bits = 0;
    for (size_t k = 0; k < item; k++)
        bits |= (uint64_t)p[k] << 8 * (big_endian ? item - 1 - k : k);
    return bits;
}

static struct number load(sl_dtype dtype, uint64_t bits) {
    struct number n = {.kind = REAL};
    uint32_t low = (uint32_t)bits;
    float f;
    switch (dtype) {
    case SL_FLOAT:
        memcpy(&f, &low, sizeof f);
        n.real = (double)f;
        return n;
    case SL_DOUBLE:
        memcpy(&n.real, &bits, sizeof n.real);
        return n;
    case SL_FLOAT16:
        n.real = from_half((uint16_t)bits);
        return n;
    case SL_INT8:
        return (struct number){.kind = SIGNED, .i = (int8_t)(uint8_t)bits};
    case SL_INT16:
        return (struct number){.kind = SIGNED, .i = (int16_t)(uint16_t)bits};
    case SL_INT32:
        return (struct number){.kind = SIGNED, .i = (int32_t)low};
    case SL_INT64:
        return (struct number){.kind = SIGNED, .i = (int64_t)bits};
    case SL_BOOL:
        return (struct number){.kind = UNSIGNED, .u = bits != 0};
    default:
        return (struct number){.kind = UNSIGNED, .u = bits};
    }
}

/* As a whole number between least and most; false when it is none. */
static bool whole(const struct number *n, int64_t least, uint64_t most, uint64_t *bits) {
    if (n->kind == UNSIGNED) {
        *bits = n->u;
        return n->u <= most;
    }
    int64_t i = n->i;
    if (n->kind == REAL) {
        if (!(n->real == trunc(n->real)) || n->real < -0x1p63 || n->real >= 0x1p64)
            return false;
        if (n->real >= 0x1p63) {
            *bits = (uint64_t)n->real;
            return *bits <= most;
        }
        i = (int64_t)n->real;
    }
    *bits = (uint64_t)i;
    return i >= least && (i < 0 || (uint64_t)i <= most);
}

static bool put_whole(const struct number *n, sl_dtype to, void *out, size_t at) {
    uint64_t x = 0;
    switch (to) {
    case SL_BOOL:
        return whole(n, 0, 1, &x) ? (((uint8_t *)out)[at] = (uint8_t)x, true) : false;
    case SL_UINT8:
        return whole(n, 0, UINT8_MAX, &x) ? (((uint8_t *)out)[at] = (uint8_t)x, true) : false;
    case SL_INT8:
        return whole(n, INT8_MIN, INT8_MAX, &x) ? (((uint8_t *)out)[at] = (uint8_t)x, true) : false;
    case SL_UINT16:
        return whole(n, 0, UINT16_MAX, &x) ? (((uint16_t *)out)[at] = (uint16_t)x, true) : false;
    case SL_INT16:
        return whole(n, INT16_MIN, INT16_MAX, &x) ? (((uint16_t *)out)[at] = (uint16_t)x, true) : false;
    case SL_UINT32:
        return whole(n, 0, UINT32_MAX, &x) ? (((uint32_t *)out)[at] = (uint32_t)x, true) : false;
    case SL_INT32:
        return whole(n, INT32_MIN, INT32_MAX, &x) ? (((uint32_t *)out)[at] = (uint32_t)x, true) : false;
    case SL_UINT64:
        return whole(n, 0, UINT64_MAX, &x) ? (((uint64_t *)out)[at] = x, true) : false;
    default:
        return whole(n, INT64_MIN, INT64_MAX, &x) ? (((uint64_t *)out)[at] = x, true) : false;
    }
}

/* Integers must be told from their neighbours by the real that they become. */
static bool put_real(const struct number *n, sl_dtype to, void *out, size_t at) {
    double x = n->kind == REAL ? n->real : n->kind == SIGNED ? (double)n->i : (double)n->u;
    bool exact = n->kind == REAL ||
                 (n->kind == SIGNED ? x < 0x1p63 && (int64_t)x == n->i : x < 0x1p64 && (uint64_t)x == n->u);
    if (to == SL_DOUBLE) {
        ((double *)out)[at] = x;
        return exact;
    }
    float f = (float)x;
    if (n->kind != REAL && (double)f != x)
        return false;
    if (isinf(f) && !isinf(x))
        return false;
    if (to == SL_FLOAT)
        ((float *)out)[at] = f;
    return exact && (to == SL_FLOAT || (cast_to_half(f, (uint16_t *)out + at) &&
                                        (n->kind == REAL || from_half(((uint16_t *)out)[at]) == x)));
}

static sl_status reject(sl_ctx *ctx, const struct number *n, sl_dtype to, size_t i) {
    if (n->kind == REAL)
        return reject_set(ctx, "decode", "inexact-number", "element %zu is %.17g, which is no %s", i, n->real,
                          sl_dtype_name(to));
    if (n->kind == SIGNED)
        return reject_set(ctx, "decode", "inexact-number", "element %zu is %lld, which is no %s", i,
                          (long long)n->i, sl_dtype_name(to));
    return reject_set(ctx, "decode", "inexact-number", "element %zu is %llu, which is no %s", i,
                      (unsigned long long)n->u, sl_dtype_name(to));
}

/* What needs no look at each element. */
static bool convert_fast(sl_dtype from, bool big_endian, const void *data, size_t count, sl_dtype to,
                         void *out) {
    const bool swapped = big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
    const size_t item = sl_dtype_nbits(from) / 8;
    if (from == SL_BOOL || (swapped && item > 1))
        return false;
    if (from == to) {
        if (count)
            memcpy(out, data, count * item);
        return true;
    }
    if (from == SL_UINT8 && to == SL_FLOAT) {
        for (size_t i = 0; i < count; i++)
            ((float *)out)[i] = ((const uint8_t *)data)[i];
        return true;
    }
    return false;
}

sl_status array_convert(sl_ctx *ctx, sl_dtype from, bool big_endian, const void *data, size_t count,
                        sl_dtype to, void *out) {
    const unsigned char *p = data;
    const size_t item = sl_dtype_nbits(from) / 8;
    if (convert_fast(from, big_endian, data, count, to, out))
        return SL_OK;
    for (size_t i = 0; i < count; i++, p += item) {
        struct number n = load(from, load_bits(p, item, big_endian));
        bool ok = is_real(to) ? put_real(&n, to, out, i) : put_whole(&n, to, out, i);
        if (!ok)
            return reject(ctx, &n, to, i);
    }
    return SL_OK;
}
