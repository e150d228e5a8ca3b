/* k_device.cuh: what the kernels over rows and elements share: numbers of any type, walks, sums over a group
 * of threads in one fixed order. */
#ifndef INFER_CUDA_K_DEVICE_CUH
#define INFER_CUDA_K_DEVICE_CUH

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"
#include "sluice/kernel.cuh"

/* 16 bytes of one type: what a thread reads or writes at once. */
template <typename T> struct alignas(16) k_pack { T v[16 / sizeof(T)]; };

/* What moves at once where nobody looks at it. */
struct alignas(16) k_unit16 {
    uint64_t v[2];
};

/* ---- division and walks ---- */

SL_DEVICE uint32_t k_quotient(uint32_t n, const k_divide &d) {
    return d.multiplier ? (uint32_t)((uint64_t)n * d.multiplier >> 32) >> d.shift : n;
}

SL_DEVICE uint32_t k_remainder(uint32_t n, const k_divide &d) {
    return n - k_quotient(n, d) * d.by;
}

/* Where element i of the shape lies in each of the first OPERANDS operands. */
template <int OPERANDS> SL_DEVICE void k_walk_to(const k_walk &w, uint32_t i, int32_t (&at)[OPERANDS]) {
#pragma unroll
    for (int k = 0; k < OPERANDS; k++)
        at[k] = 0;
    for (int d = w.rank - 1; d >= 0; d--) {
        uint32_t rest = k_quotient(i, w.dims[d]);
        int32_t place = (int32_t)(i - rest * w.dims[d].by);
        i = rest;
#pragma unroll
        for (int k = 0; k < OPERANDS; k++)
            at[k] += place * w.steps[k][d];
    }
}

/* ---- numbers: C is float, double, int64_t or uint64_t, what one computes in ---- */

template <typename C> SL_DEVICE C k_load(const void *p, int type, int64_t i) {
    switch (type) {
    case K_F32:
        return (C)((const float *)p)[i];
    case K_F16:
        return (C)sl_to_float(((const sl_half *)p)[i]);
    case K_BF16:
        return (C)sl_to_float(((const sl_bfloat16 *)p)[i]);
    case K_F64:
        return (C)((const double *)p)[i];
    case K_U8:
        return (C)((const uint8_t *)p)[i];
    case K_I8:
        return (C)((const int8_t *)p)[i];
    case K_U16:
        return (C)((const uint16_t *)p)[i];
    case K_I16:
        return (C)((const int16_t *)p)[i];
    case K_U32:
        return (C)((const uint32_t *)p)[i];
    case K_I32:
        return (C)((const int32_t *)p)[i];
    case K_U64:
        return (C)((const uint64_t *)p)[i];
    case K_I64:
        return (C)((const int64_t *)p)[i];
    default: /* K_BOOL */
        return (C)(((const uint8_t *)p)[i] != 0);
    }
}

/* Element i as a C, of a type known to the compiler; T void: of the type that `type` says. */
template <typename C, typename T> struct k_element_of {
    static SL_DEVICE C load(const void *p, int, int64_t i) {
        return (C)sl_to_float(((const T *)p)[i]);
    }
};
template <typename C> struct k_element_of<C, void> {
    static SL_DEVICE C load(const void *p, int type, int64_t i) {
        return k_load<C>(p, type, i);
    }
};

/* Truncated towards zero, at the ends of int64 where it does not fit; NaN becomes 0. */
SL_DEVICE int64_t k_truncate(double x) {
    if (!(x > -9223372036854775808.0))
        return x <= -9223372036854775808.0 ? INT64_MIN : 0;
    return x >= 9223372036854775808.0 ? INT64_MAX : (int64_t)x;
}
SL_DEVICE int64_t k_whole(float x) {
    if (!(x > -9223372036854775808.0f))
        return x <= -9223372036854775808.0f ? INT64_MIN : 0;
    return x >= 9223372036854775808.0f ? INT64_MAX : (int64_t)x;
}
SL_DEVICE int64_t k_whole(double x) {
    return k_truncate(x);
}
SL_DEVICE int64_t k_whole(int64_t x) {
    return x;
}
SL_DEVICE int64_t k_whole(uint64_t x) {
    return (int64_t)x;
}
SL_DEVICE uint64_t k_natural(double x) {
    return x >= 18446744073709551616.0  ? UINT64_MAX
           : x >= 9223372036854775808.0 ? (uint64_t)x
                                        : (uint64_t)k_truncate(x);
}
SL_DEVICE uint64_t k_natural(float x) {
    return k_natural((double)x);
}
SL_DEVICE uint64_t k_natural(int64_t x) {
    return (uint64_t)x;
}
SL_DEVICE uint64_t k_natural(uint64_t x) {
    return x;
}

/* Floats are rounded once; narrow integers keep their low bits, as the references do. */
template <typename C> SL_DEVICE void k_store(void *p, int type, int64_t i, C x) {
    switch (type) {
    case K_F32:
        ((float *)p)[i] = (float)x;
        break;
    case K_F16:
        ((sl_half *)p)[i] = sl_from_float<sl_half>((float)x);
        break;
    case K_BF16:
        ((sl_bfloat16 *)p)[i] = sl_from_float<sl_bfloat16>((float)x);
        break;
    case K_F64:
        ((double *)p)[i] = (double)x;
        break;
    case K_U8:
    case K_I8:
        ((uint8_t *)p)[i] = (uint8_t)k_whole(x);
        break;
    case K_U16:
    case K_I16:
        ((uint16_t *)p)[i] = (uint16_t)k_whole(x);
        break;
    case K_U32:
    case K_I32:
        ((uint32_t *)p)[i] = (uint32_t)k_whole(x);
        break;
    case K_U64:
        ((uint64_t *)p)[i] = k_natural(x);
        break;
    case K_I64:
        ((int64_t *)p)[i] = k_whole(x);
        break;
    default: /* K_BOOL */
        ((uint8_t *)p)[i] = x != (C)0;
        break;
    }
}

/* A position that comes as data: negative ones count from the end (`clamped`: not even those), what lies
 * outside is brought inside. */
SL_DEVICE int32_t k_index(const void *p, int type, int64_t i, int32_t size, bool clamped = false) {
    int64_t at = type == K_I32 ? ((const int32_t *)p)[i] : ((const int64_t *)p)[i];
    at += at < 0 && !clamped ? size : 0;
    return at < 0 ? 0 : at >= size ? size - 1 : (int32_t)at;
}

/* ---- sums over a group of threads ---- */

/* The sum over the 32 lanes of a warp, the same bits in all of them: a butterfly adds the same pairs on both
 * sides, and x + y is y + x. */
SL_DEVICE float k_warp_sum(float x) {
#pragma unroll
    for (int step = 16; step; step >>= 1)
        x += sl_shfl_xor(x, step);
    return x;
}

/* The same over the whole block of 32 * WARPS threads; `room` has WARPS floats. All threads take part. */
template <int WARPS> SL_DEVICE float k_block_sum(float x, float *room) {
    x = k_warp_sum(x);
    if (WARPS == 1)
        return x;
    if (threadIdx.x % 32 == 0)
        room[threadIdx.x / 32] = x;
    sl_sync();
    float sum = 0;
#pragma unroll
    for (int i = 0; i < WARPS; i++)
        sum += room[i];
    sl_sync(); /* the next sum writes there again */
    return sum;
}

#endif
