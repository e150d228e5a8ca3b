/* small_float.c: one description a format and arithmetic in double, in which all of these are exact, so one
 * rounding decides. A number reaches float8 through float, as everywhere else. */
#include "ops/small_float.h"

#include <math.h>
#include <stddef.h>

#include "ops/half.h"

struct format {
    sl_dtype dtype;
    int fraction, bias;           /* bits; what the exponent is stored with on top */
    unsigned sign, infinity, nan; /* bits; 0: there is none */
    double most;
};

static const struct format formats[] = {{SL_FLOAT8E4M3FN, 3, 7, 0x80, 0, 0x7f, 448},
                                        {SL_FLOAT8E4M3FNUZ, 3, 8, 0x80, 0, 0x80, 240},
                                        {SL_FLOAT8E5M2, 2, 15, 0x80, 0x7c, 0x7f, 57344},
                                        {SL_FLOAT8E5M2FNUZ, 2, 16, 0x80, 0, 0x80, 57344},
                                        {SL_FLOAT4E2M1, 1, 1, 8, 0, 0, 6}};

static const struct format *format_of(sl_dtype dtype) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].dtype == dtype)
            return &formats[i];
    return NULL;
}

bool small_float_is(sl_dtype dtype) {
    return dtype == SL_FLOAT8E8M0 || format_of(dtype);
}

/* A format without negative zero keeps NaN in its place. */
static bool is_unsigned_zero(const struct format *f) {
    return f->nan == f->sign;
}

double small_float_value(sl_dtype dtype, unsigned bits) {
    if (dtype == SL_FLOAT8E8M0)
        return bits == 255 ? (double)NAN : ldexp(1, (int)bits - 127);
    const struct format *f = format_of(dtype);
    if (!f)
        return 0;
    unsigned rest = bits & (f->sign - 1);
    double sign = bits & f->sign ? -1 : 1;
    if (is_unsigned_zero(f) ? bits == f->nan : f->infinity ? rest > f->infinity : f->nan && rest == f->nan)
        return (double)NAN;
    if (f->infinity && rest == f->infinity)
        return sign * (double)INFINITY;
    int exponent = (int)(rest >> f->fraction);
    int whole = (int)(rest & ((1u << f->fraction) - 1)) | (exponent ? 1 << f->fraction : 0);
    return sign * ldexp(whole, (exponent ? exponent : 1) - f->bias - f->fraction);
}

/* float8e8m0 from a float's own exponent; the sign is dropped. */
static unsigned power_bits(float x, bool saturate, enum small_round round) {
    uint32_t bits = float_bits(x), exponent = bits >> 23 & 255, fraction = bits & 0x7fffff;
    if (isnan(x) || isinf(x))
        return isinf(x) && saturate ? 254 : 255;
    if (x == 0)
        return saturate || round != SMALL_NEAREST ? 0 : 255;
    bool up;
    if (exponent == 0) /* subnormal: the least power, 2^-127, has only this bit */
        up = round != SMALL_DOWN && fraction > 0x400000;
    else
        up = round == SMALL_UP ? fraction != 0 : round == SMALL_NEAREST && fraction >= 0x400000;
    exponent += up;
    return exponent == 255 && saturate ? 254 : exponent;
}

static double magnitude_step(const struct format *f, double x) {
    int exponent;
    frexp(x, &exponent); /* x = [0.5, 1) * 2^exponent */
    int low = 1 - f->bias;
    return ldexp(1, (exponent - 1 < low ? low : exponent - 1) - f->fraction);
}

/* x is a multiple of its own step and not larger than the format's most. */
static unsigned exact_bits(const struct format *f, double x) {
    double step = magnitude_step(f, x);
    unsigned whole = (unsigned)(x / step), hidden = 1u << f->fraction;
    return whole < hidden ? whole : (unsigned)(ilogb(x) + f->bias) * hidden + (whole - hidden);
}

unsigned small_float_bits(sl_dtype dtype, double wide, bool saturate, enum small_round round) {
    const struct format *f = format_of(dtype);
    float narrow = (float)wide;
    if (dtype == SL_FLOAT8E8M0)
        return power_bits(narrow, saturate, round);
    if (!f)
        return 0;
    double x = fabs((double)narrow);
    unsigned sign = signbit(narrow) ? f->sign : 0;
    if (isnan(x))
        return f->nan ? f->nan | sign : f->sign; /* float4e2m1: -0, as in onnx's own cases */
    double rounded = isinf(x) || x == 0 ? x : rint(x / magnitude_step(f, x)) * magnitude_step(f, x);
    if (rounded > f->most) {
        if (!saturate && f->nan)
            return f->infinity ? f->infinity | sign : f->nan | sign;
        rounded = f->most;
    }
    if (rounded == 0)
        return is_unsigned_zero(f) ? 0 : sign;
    return exact_bits(f, rounded) | sign;
}
