/* half.h: float16 and bfloat16 as bits, to float and back (nearest, ties to even). Portable: no F16C needed.
 */
#ifndef OPS_HALF_H
#define OPS_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 1023u;
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent)
        return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float x = (float)fraction * 0x1p-24f; /* subnormal: exact */
    return sign ? -x : x;
}

static inline uint16_t half_from_float(float x) {
    uint32_t bits = float_bits(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (rest >= 0x477ff000u) /* 65520 and more round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (rest < 0x38800000u) { /* subnormal: let the adder round at the right bit */
        float magic = float_from_bits(rest) + 0.5f;
        return (uint16_t)(sign | (float_bits(magic) - 0x3f000000u));
    }
    rest += 0xfffu + (rest >> 13 & 1u) - (112u << 23);
    return (uint16_t)(sign | rest >> 13);
}

static inline float bfloat_to_float(uint16_t b) {
    return float_from_bits((uint32_t)b << 16);
}

static inline uint16_t bfloat_from_float(float x) {
    uint32_t bits = float_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* The same, but what is finite stays finite: the lowest f32, which masks are made of, is no -infinity. */
static inline uint16_t half_from_finite(float x) {
    uint16_t h = half_from_float(x);
    return (h & 0x7fffu) == 0x7c00u && (float_bits(x) & 0x7fffffffu) < 0x7f800000u ? (uint16_t)(h - 1) : h;
}

static inline uint16_t bfloat_from_finite(float x) {
    uint16_t b = bfloat_from_float(x);
    return (b & 0x7fffu) == 0x7f80u && (float_bits(x) & 0x7fffffffu) < 0x7f800000u ? (uint16_t)(b - 1) : b;
}

#endif
