/* small_float.h: the real numbers of 8 and 4 bits: float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz,
 * float8e8m0 (a power of two) and float4e2m1, as ONNX's Cast defines them. */
#ifndef OPS_SMALL_FLOAT_H
#define OPS_SMALL_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/tensor.h"

enum small_round {
    SMALL_UP,
    SMALL_DOWN,
    SMALL_NEAREST
}; /* of float8e8m0; the others round to nearest even */

bool small_float_is(sl_dtype dtype);
/* The number that the bits stand for; 0 for a dtype that is none of these. */
double small_float_value(sl_dtype dtype, unsigned bits);
/* The nearest number's bits. What is too large becomes the largest number when `saturate`, else infinity
 * where the dtype has one, else NaN; float4e2m1 has neither, and saturates always. */
unsigned small_float_bits(sl_dtype dtype, double x, bool saturate, enum small_round round);

#endif
