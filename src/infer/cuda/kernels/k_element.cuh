/* k_element.cuh: what elementwise.cu and chain.cu share: the operators on floats, 16 bytes of an operand at a
 * time. */
#ifndef INFER_CUDA_K_ELEMENT_CUH
#define INFER_CUDA_K_ELEMENT_CUH

#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_rows.h"

/* ---- the operators on floats ---- */

template <typename C> SL_DEVICE C logistic(C x) {
    return (C)1 / ((C)1 + exp(-x));
}

template <typename C> SL_DEVICE C clamp(C x, C low, C high) {
    x = x < low ? low : x; /* the low bound first, so the high one wins where they cross */
    return x > high ? high : x;
}

template <typename C> SL_DEVICE C softplus(C x) {
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

template <typename C> SL_DEVICE C gelu_tanh(C x) {
    return (C)0.5 * x * ((C)1 + tanh((C)0.7978845608028654 * (x + (C)0.044715 * x * x * x)));
}

/* The sign of the divisor, as Python's %. */
template <typename C> SL_DEVICE C modulo(C x, C y) {
    C rest = fmod(x, y);
    if (rest > 0 || rest < 0)
        return (rest < 0) != (y < 0) ? rest + y : rest;
    return rest != rest ? rest : copysign((C)0, y);
}

template <typename C> SL_DEVICE C shrink(C x, C lambda, C bias) {
    return x < -lambda ? x + bias : x > lambda ? x - bias : x != x ? x : (C)0;
}

/* EACH(operator, result) for numbers x, y of type C and parameters a, b. */
#define PACKED_OPS(EACH)                                                                                     \
    EACH(K_COPY, x)                                                                                          \
    EACH(K_ABS, fabs(x))                                                                                     \
    EACH(K_NEG, -x)                                                                                          \
    EACH(K_RELU, x < 0 ? (C)0 : x)                                                                           \
    EACH(K_LEAKY_RELU, x < 0 ? a * x : x)                                                                    \
    EACH(K_CLIP, clamp(x, a, b))                                                                             \
    EACH(K_SIGMOID, logistic(x))                                                                             \
    EACH(K_HARD_SIGMOID, clamp(a *x + b, (C)0, (C)1))                                                        \
    EACH(K_HARD_SWISH, x *clamp(x / (C)6 + (C)0.5, (C)0, (C)1))                                              \
    EACH(K_SWISH, x *logistic(a *x))                                                                         \
    EACH(K_TANH, tanh(x))                                                                                    \
    EACH(K_GELU, (C)0.5 * x * ((C)1 + erf(x * (C)0.7071067811865476)))                                       \
    EACH(K_GELU_TANH, gelu_tanh(x))                                                                          \
    EACH(K_ERF, erf(x))                                                                                      \
    EACH(K_EXP, exp(x))                                                                                      \
    EACH(K_SQRT, sqrt(x))                                                                                    \
    EACH(K_RECIPROCAL, (C)1 / x)                                                                             \
    EACH(K_SCALE, a *x)                                                                                      \
    EACH(K_SQUARE, x *x)                                                                                     \
    EACH(K_MISH, x *tanh(softplus(x)))                                                                       \
    EACH(K_ELU, x < 0 ? a * expm1(x) : x)                                                                    \
    EACH(K_ADD, x + y)                                                                                       \
    EACH(K_SUB, x - y)                                                                                       \
    EACH(K_MUL, x *y)                                                                                        \
    EACH(K_DIV, x / y)                                                                                       \
    EACH(K_MIN, x != x || x < y ? x : y)                                                                     \
    EACH(K_MAX, x != x || x > y ? x : y)                                                                     \
    EACH(K_PRELU, x < 0 ? x * y : x)

#define OTHER_OPS(EACH)                                                                                      \
    EACH(K_SIGN, x > 0 ? (C)1 : x < 0 ? (C)-1 : x)                                                           \
    EACH(K_FLOOR, floor(x))                                                                                  \
    EACH(K_CEIL, ceil(x))                                                                                    \
    EACH(K_ROUND, rint(x)) /* halves to even */                                                              \
    EACH(K_LOG, log(x))                                                                                      \
    EACH(K_SIN, sin(x))                                                                                      \
    EACH(K_COS, cos(x))                                                                                      \
    EACH(K_TAN, tan(x))                                                                                      \
    EACH(K_ASIN, asin(x))                                                                                    \
    EACH(K_ACOS, acos(x))                                                                                    \
    EACH(K_ATAN, atan(x))                                                                                    \
    EACH(K_SINH, sinh(x))                                                                                    \
    EACH(K_COSH, cosh(x))                                                                                    \
    EACH(K_ASINH, asinh(x))                                                                                  \
    EACH(K_ACOSH, acosh(x))                                                                                  \
    EACH(K_ATANH, atanh(x))                                                                                  \
    EACH(K_IS_NAN, (C)(x != x))                                                                              \
    EACH(K_IS_INF, (C)(x == x && x - x != 0 && (x < 0 ? a : b) != 0))                                        \
    EACH(K_CELU, x < 0 ? a * expm1(x / a) : x)                                                               \
    EACH(K_SELU, b *(x > 0 ? x : a * expm1(x)))                                                              \
    EACH(K_SOFTPLUS, softplus(x))                                                                            \
    EACH(K_SOFTSIGN, x / ((C)1 + fabs(x)))                                                                   \
    EACH(K_THRESHOLDED_RELU, x > a || x != x ? x : (C)0)                                                     \
    EACH(K_SHRINK, shrink(x, a, b))                                                                          \
    EACH(K_OVER, x / a)                                                                                      \
    EACH(K_POW, pow(x, y))                                                                                   \
    EACH(K_MOD, modulo(x, y))                                                                                \
    EACH(K_FMOD, fmod(x, y))

/* ---- 16 bytes at a time ---- */

/* The elements of an input that go with outputs i ... i + 16 / sizeof(T) - 1, as floats. */
template <typename T, int V>
SL_DEVICE void k_read_pack(const T *p, int reach, const k_divide &inner, const k_divide &period, uint32_t i,
                           float (&x)[V]) {
    if (reach == K_REACH_CHANNEL) {
        float one = sl_to_float(p[k_remainder(k_quotient(i, inner), period)]);
#pragma unroll
        for (int v = 0; v < V; v++)
            x[v] = one;
        return;
    }
    if (reach == K_REACH_ROW)
        i = k_remainder(i, period);
    k_pack<T> pack = *(const k_pack<T> *)(p + i);
#pragma unroll
    for (int v = 0; v < V; v++)
        x[v] = sl_to_float(pack.v[v]);
}

#define PACKED_CASE(op, result)                                                                              \
    case op:                                                                                                 \
        _Pragma("unroll") for (int v = 0; v < V; v++) {                                                      \
            const C x = left[v], y = right[v];                                                               \
            (void)y;                                                                                         \
            left[v] = (result);                                                                              \
        }                                                                                                    \
        break;

template <int V>
SL_DEVICE void k_apply_pack(int op, float (&left)[V], const float (&right)[V], float a, float b) {
    typedef float C;
    switch (op) {
        PACKED_OPS(PACKED_CASE)
    default:
        break;
    }
}

#endif
