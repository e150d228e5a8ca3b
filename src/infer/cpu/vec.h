/* vec.h: sixteen floats at a time, in the compiler's own vector types, so that one source serves every
 * instruction set: a file that includes it is compiled once for each, and gives the same bits on all of them,
 * because products and sums are never contracted and lanes are added in one fixed order.
 *
 * Polynomials and rational functions were fitted here by least squares with Lawson weights; the errors beside
 * them were measured over all floats of a grid of two million points against double. */
#ifndef INFER_CPU_VEC_H
#define INFER_CPU_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* vectors never cross a function call of ours: everything here is inlined */
#pragma GCC diagnostic ignored "-Wpsabi"

#define VEC 16
#define VEC_INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(64)));
typedef int32_t veci __attribute__((vector_size(64)));

VEC_INLINE vec vec_all(float x) {
    return (vec){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}

VEC_INLINE vec vec_load(const float *p) {
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

VEC_INLINE void vec_store(float *p, vec v) {
    memcpy(p, &v, sizeof v);
}

/* The first n of 16, the rest `fill`. */
VEC_INLINE vec vec_load_part(const float *p, size_t n, float fill) {
    vec v = vec_all(fill);
    memcpy(&v, p, n * sizeof *p);
    return v;
}

VEC_INLINE void vec_store_part(float *p, vec v, size_t n) {
    memcpy(p, &v, n * sizeof *p);
}

/* Where the mask is all ones a, else b. */
VEC_INLINE vec vec_select(veci mask, vec a, vec b) {
    return (vec)((mask & (veci)a) | (~mask & (veci)b));
}

/* NaN in x stays. */
VEC_INLINE vec vec_min(vec x, vec limit) {
    return vec_select(x > limit, limit, x);
}

VEC_INLINE vec vec_max(vec x, vec limit) {
    return vec_select(x < limit, limit, x);
}

VEC_INLINE vec vec_abs(vec x) {
    return (vec)((veci)x & 0x7fffffff);
}

/* Lanes in a tree: 8 apart, 4, 2, 1. */
VEC_INLINE float vec_sum(vec v) {
    float a[VEC];
    memcpy(a, &v, sizeof a);
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; i++)
            a[i] += a[i + step];
    return a[0];
}

VEC_INLINE float vec_largest(vec v) {
    float a[VEC], most;
    memcpy(a, &v, sizeof a);
    most = a[0];
    for (int i = 1; i < VEC; i++)
        most = a[i] > most ? a[i] : most;
    return most;
}

/* e^x for x <= 88.72, within 1.1 ulp; 0 below -87.33 (no denormals); NaN stays. */
VEC_INLINE vec vec_exp(vec x) {
    vec low = vec_all(-87.33654F), clamped = vec_min(vec_max(x, low), vec_all(88.72284F));
    vec magic = vec_all(12582912.0F); /* 1.5 * 2^23: adding it rounds to the nearest integer */
    vec n = (clamped * 1.44269504F + magic) - magic;
    vec r =
        clamped - n * 0.693359375F + n * 2.12194440e-4F; /* ln 2 in two parts, the first exact in n * it */
    vec p = vec_all(1.3752946e-3F);
    p = p * r + 8.366144e-3F;
    p = p * r + 4.166921e-2F;
    p = p * r + 1.6666542e-1F;
    p = p * r + 4.9999991e-1F;
    p = p * r * r + r + 1.0F;
    /* 2^n in two factors: n may be 128 */
    veci whole = __builtin_convertvector(n, veci), half = whole >> 1;
    vec scale = (vec)((half + 127) << 23), rest = (vec)((whole - half + 127) << 23);
    vec y = p * scale * rest;
    y = vec_select(x < low, vec_all(0), y);
    return vec_select(x != x, x, y);
}

/* The same over all floats: infinity above 88.72. */
VEC_INLINE vec vec_exp_all(vec x) {
    return vec_select(x > 88.72284F, vec_all(__builtin_inff()), vec_exp(x));
}

/* x P(x^2) / Q(x^2), clamped to [-4, 4]: within 3.1 ulp, 3.7e-7 absolute. */
VEC_INLINE vec vec_erf(vec x) {
    vec c = vec_min(vec_max(x, vec_all(-4)), vec_all(4)), t = c * c;
    vec p = vec_all(1.986684083021828e-06F), q = vec_all(3.741790715139359e-05F);
    p = p * t + 0.00028454241692088544F;
    p = p * t + 0.0038828880060464144F;
    p = p * t + 0.05310031399130821F;
    p = p * t + 0.19353637099266052F;
    p = p * t + 1.1283791065216064F;
    q = q * t + 0.0011854353360831738F;
    q = q * t + 0.015206354670226574F;
    q = q * t + 0.11534614861011505F;
    q = q * t + 0.5048497319221497F;
    q = q * t + 1.0F;
    return vec_min(vec_max(c * p / q, vec_all(-1)), vec_all(1));
}

/* Likewise, clamped to [-8, 8]: within 2.9 ulp. */
VEC_INLINE vec vec_tanh(vec x) {
    vec c = vec_min(vec_max(x, vec_all(-8)), vec_all(8)), t = c * c;
    vec p = vec_all(2.3510448796115746e-11F), q = vec_all(0.0002372072049183771F);
    p = p * t + -1.4704968798184836e-08F;
    p = p * t + 9.878918717731722e-06F;
    p = p * t + 0.002985890954732895F;
    p = p * t + 0.12979251146316528F;
    p = p * t + 1.0F;
    q = q * t + 0.024028044193983078F;
    q = q * t + 0.46312567591667175F;
    q = q * t + 1.0F;
    return c * p / q;
}

VEC_INLINE vec vec_sigmoid(vec x) {
    return 1.0F / (vec_exp(-x) + 1.0F);
}

VEC_INLINE vec vec_sqrt(vec x) {
    float a[VEC];
    memcpy(a, &x, sizeof a);
    for (int i = 0; i < VEC; i++)
        a[i] = __builtin_sqrtf(a[i]);
    memcpy(&x, a, sizeof a);
    return x;
}

#endif
