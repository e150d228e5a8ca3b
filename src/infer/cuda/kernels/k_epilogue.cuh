/* k_epilogue.cuh: what becomes of eight sums: scale, bias, residual, activation, one rounding, one store. */
#ifndef INFER_CUDA_K_EPILOGUE_CUH
#define INFER_CUDA_K_EPILOGUE_CUH

#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_gemm.h"

SL_DEVICE float k_logistic(float x) {
    float e = expf(-fabsf(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

SL_DEVICE float k_between(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

/* As fuse_apply of ops/fused.c, in float. */
SL_DEVICE float k_activate(enum k_activation act, float x, float a, float b) {
    switch (act) {
    case K_ACT_RELU:
        return x < 0 ? 0 : x;
    case K_ACT_LEAKY_RELU:
        return x < 0 ? a * x : x;
    case K_ACT_ELU:
        return x < 0 ? a * expm1f(x) : x;
    case K_ACT_CLIP:
        return k_between(x, a, b);
    case K_ACT_SIGMOID:
        return k_logistic(x);
    case K_ACT_HARD_SIGMOID:
        return k_between(a * x + b, 0, 1);
    case K_ACT_HARD_SWISH:
        return x * k_between(x / 6 + 0.5f, 0, 1);
    case K_ACT_SILU:
        return x * k_logistic(x);
    case K_ACT_TANH:
        return tanhf(x);
    case K_ACT_GELU:
        return 0.5f * x * (1 + erff(x * 0.70710678f));
    case K_ACT_GELU_TANH:
        return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case K_ACT_MISH:
        return x * tanhf(x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x)));
    default:
        return x;
    }
}

/* Sums of one tile, which begins at `row0`, `column0` of a result of `rows` x `columns`. */
template <typename T> struct k_put {
    T *y;
    const T *residual;
    const float *bias;
    int64_t ld;
    int32_t row0, column0, rows, columns;
    float scale, a, b;
    enum k_activation act;
    bool packed; /* eight of a row are at a multiple of 16 bytes */

    SL_DEVICE void eight(int32_t row, int32_t column, float *v) const {
        row += row0;
        column += column0;
        if (row >= rows || column >= columns)
            return;
        const int64_t at = (int64_t)row * ld + column;
        const bool whole = packed && column + 8 <= columns;
#pragma unroll
        for (int k = 0; k < 8; k++)
            v[k] = v[k] * scale + (bias && column + k < columns ? bias[column + k] : 0);
        if (residual)
            add(at, column, v, whole);
        if (act != K_ACT_NONE) {
#pragma unroll
            for (int k = 0; k < 8; k++)
                v[k] = k_activate(act, v[k], a, b);
        }
        store(at, column, v, whole);
    }

    SL_DEVICE void add(int64_t at, int32_t column, float *v, bool whole) const {
        const int EACH = 16 / sizeof(T);
        if (whole) {
#pragma unroll
            for (int k = 0; k < 8; k += EACH) {
                k_pack<T> r = *(const k_pack<T> *)(residual + at + k);
#pragma unroll
                for (int i = 0; i < EACH; i++)
                    v[k + i] += sl_to_float(r.v[i]);
            }
            return;
        }
#pragma unroll
        for (int k = 0; k < 8; k++)
            v[k] += column + k < columns ? sl_to_float(residual[at + k]) : 0;
    }

    SL_DEVICE void store(int64_t at, int32_t column, const float *v, bool whole) const {
        const int EACH = 16 / sizeof(T);
        if (whole) {
#pragma unroll
            for (int k = 0; k < 8; k += EACH) {
                k_pack<T> r;
#pragma unroll
                for (int i = 0; i < EACH; i++)
                    r.v[i] = sl_from_float<T>(v[k + i]);
                *(k_pack<T> *)(y + at + k) = r;
            }
            return;
        }
#pragma unroll
        for (int k = 0; k < 8; k++)
            if (column + k < columns)
                y[at + k] = sl_from_float<T>(v[k]);
    }
};

/* `packed`: what the launcher knows of addresses and strides; y and residual begin at `offset` elements. */
template <typename T>
SL_DEVICE k_put<T> k_put_of(const struct k_epilogue &e, int64_t offset, int32_t row0, int32_t column0,
                            int32_t rows, int32_t columns, bool packed) {
    k_put<T> put;
    put.y = (T *)e.y + offset;
    put.residual = e.residual ? (const T *)e.residual + offset : (const T *)0;
    put.bias = e.bias;
    put.ld = e.ld;
    put.row0 = row0;
    put.column0 = column0;
    put.rows = rows;
    put.columns = columns;
    put.scale = e.scale;
    put.a = e.a;
    put.b = e.b;
    put.act = e.act;
    put.packed = packed;
    return put;
}

#endif
