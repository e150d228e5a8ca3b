/* element.h: one element of any dtype, as the widest number of its kind. Where `dtype` is a constant the
 * switch disappears, so a body written once over these is compiled into a tight loop per dtype: see
 * ELEMENT_DISPATCH. */
#ifndef OPS_ELEMENT_H
#define OPS_ELEMENT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "ops/half.h"
#include "ops/small_float.h"
#include "sluice/tensor.h"

#define OPS_INLINE static inline __attribute__((always_inline))

enum element_kind { ELEMENT_OTHER, ELEMENT_REAL, ELEMENT_SIGNED, ELEMENT_UNSIGNED };

/* bool counts as unsigned. */
static inline enum element_kind element_kind(sl_dtype dtype) {
    switch ((int)dtype) {
    case SL_FLOAT:
    case SL_DOUBLE:
    case SL_FLOAT16:
    case SL_BFLOAT16:
    case SL_FLOAT8E4M3FN:
    case SL_FLOAT8E4M3FNUZ:
    case SL_FLOAT8E5M2:
    case SL_FLOAT8E5M2FNUZ:
    case SL_FLOAT8E8M0:
    case SL_FLOAT4E2M1:
        return ELEMENT_REAL;
    case SL_INT2:
    case SL_INT4:
    case SL_INT8:
    case SL_INT16:
    case SL_INT32:
    case SL_INT64:
        return ELEMENT_SIGNED;
    case SL_BOOL:
    case SL_UINT2:
    case SL_UINT4:
    case SL_UINT8:
    case SL_UINT16:
    case SL_UINT32:
    case SL_UINT64:
        return ELEMENT_UNSIGNED;
    default:
        return ELEMENT_OTHER;
    }
}

/* An element of 4 or 2 bits: from the low bits on. */
static inline unsigned element_nibble(const void *p, int64_t i) {
    return (unsigned)((const uint8_t *)p)[i / 2] >> (i % 2 * 4) & 15u;
}

static inline unsigned element_crumb(const void *p, int64_t i) {
    return (unsigned)((const uint8_t *)p)[i / 4] >> (i % 4 * 2) & 3u;
}

/* float8 and float4, which nothing computes in. */
static inline double element_small(sl_dtype dtype, const void *p, int64_t i) {
    return small_float_value(dtype, dtype == SL_FLOAT4E2M1 ? element_nibble(p, i) : ((const uint8_t *)p)[i]);
}

OPS_INLINE double element_real(sl_dtype dtype, const void *p, int64_t i) {
    switch ((int)dtype) {
    case SL_FLOAT:
        return (double)((const float *)p)[i];
    case SL_DOUBLE:
        return ((const double *)p)[i];
    case SL_FLOAT16:
        return (double)half_to_float(((const uint16_t *)p)[i]);
    case SL_BFLOAT16:
        return (double)bfloat_to_float(((const uint16_t *)p)[i]);
    default:
        return element_small(dtype, p, i);
    }
}

OPS_INLINE int64_t element_signed(sl_dtype dtype, const void *p, int64_t i) {
    switch ((int)dtype) {
    case SL_INT2:
        return (int64_t)(element_crumb(p, i) ^ 2u) - 2;
    case SL_INT4:
        return (int64_t)(element_nibble(p, i) ^ 8u) - 8;
    case SL_INT8:
        return ((const int8_t *)p)[i];
    case SL_INT16:
        return ((const int16_t *)p)[i];
    case SL_INT32:
        return ((const int32_t *)p)[i];
    case SL_INT64:
        return ((const int64_t *)p)[i];
    default:
        return 0;
    }
}

OPS_INLINE uint64_t element_unsigned(sl_dtype dtype, const void *p, int64_t i) {
    switch ((int)dtype) {
    case SL_BOOL:
        return ((const uint8_t *)p)[i] != 0;
    case SL_UINT2:
        return element_crumb(p, i);
    case SL_UINT4:
        return element_nibble(p, i);
    case SL_UINT8:
        return ((const uint8_t *)p)[i];
    case SL_UINT16:
        return ((const uint16_t *)p)[i];
    case SL_UINT32:
        return ((const uint32_t *)p)[i];
    case SL_UINT64:
        return ((const uint64_t *)p)[i];
    default:
        return 0;
    }
}

/* Any number as a double; int64 beyond 2^53 rounds. */
OPS_INLINE double element_number(sl_dtype dtype, const void *p, int64_t i) {
    switch (element_kind(dtype)) {
    case ELEMENT_REAL:
        return element_real(dtype, p, i);
    case ELEMENT_SIGNED:
        return (double)element_signed(dtype, p, i);
    case ELEMENT_UNSIGNED:
        return (double)element_unsigned(dtype, p, i);
    default:
        return 0;
    }
}

/* An index or a size: int32 or int64 (or another integer). */
OPS_INLINE int64_t element_index(sl_dtype dtype, const void *p, int64_t i) {
    return element_kind(dtype) == ELEMENT_UNSIGNED ? (int64_t)element_unsigned(dtype, p, i)
                                                   : element_signed(dtype, p, i);
}

static inline void element_set_nibble(void *p, int64_t i, unsigned value) {
    uint8_t *byte = (uint8_t *)p + i / 2;
    *byte = (uint8_t)(i % 2 ? (*byte & 15u) | (value & 15u) << 4 : (*byte & 0xf0u) | (value & 15u));
}

static inline void element_set_crumb(void *p, int64_t i, unsigned value) {
    uint8_t *byte = (uint8_t *)p + i / 4;
    unsigned shift = (unsigned)(i % 4 * 2);
    *byte = (uint8_t)((*byte & ~(3u << shift)) | (value & 3u) << shift);
}

/* The bits of a number of 8 bits or less. */
static inline void element_set_bits(sl_dtype dtype, void *p, int64_t i, unsigned bits) {
    if (dtype == SL_FLOAT4E2M1)
        element_set_nibble(p, i, bits);
    else
        ((uint8_t *)p)[i] = (uint8_t)bits;
}

static inline void element_set_small(sl_dtype dtype, void *p, int64_t i, double x) {
    element_set_bits(dtype, p, i, small_float_bits(dtype, x, true, SMALL_UP));
}

/* Integers keep their low bits, as C's conversions do. */
OPS_INLINE void element_set_unsigned(sl_dtype dtype, void *p, int64_t i, uint64_t x) {
    switch ((int)dtype) {
    case SL_FLOAT:
        ((float *)p)[i] = (float)x;
        break;
    case SL_DOUBLE:
        ((double *)p)[i] = (double)x;
        break;
    case SL_FLOAT16:
        ((uint16_t *)p)[i] = half_from_float((float)x);
        break;
    case SL_BFLOAT16:
        ((uint16_t *)p)[i] = bfloat_from_float((float)x);
        break;
    case SL_BOOL:
        ((uint8_t *)p)[i] = x != 0;
        break;
    case SL_INT2:
    case SL_UINT2:
        element_set_crumb(p, i, (unsigned)(x & 3u));
        break;
    case SL_INT4:
    case SL_UINT4:
        element_set_nibble(p, i, (unsigned)(x & 15u));
        break;
    case SL_INT8:
    case SL_UINT8:
        ((uint8_t *)p)[i] = (uint8_t)x;
        break;
    case SL_INT16:
    case SL_UINT16:
        ((uint16_t *)p)[i] = (uint16_t)x;
        break;
    case SL_INT32:
    case SL_UINT32:
        ((uint32_t *)p)[i] = (uint32_t)x;
        break;
    case SL_INT64:
    case SL_UINT64:
        ((uint64_t *)p)[i] = x;
        break;
    default:
        if (element_kind(dtype) == ELEMENT_REAL)
            element_set_small(dtype, p, i, (double)x);
        break;
    }
}

OPS_INLINE void element_set_signed(sl_dtype dtype, void *p, int64_t i, int64_t x) {
    switch ((int)dtype) {
    case SL_FLOAT:
        ((float *)p)[i] = (float)x;
        break;
    case SL_DOUBLE:
        ((double *)p)[i] = (double)x;
        break;
    case SL_FLOAT16:
        ((uint16_t *)p)[i] = half_from_float((float)x);
        break;
    case SL_BFLOAT16:
        ((uint16_t *)p)[i] = bfloat_from_float((float)x);
        break;
    default:
        if (element_kind(dtype) == ELEMENT_REAL)
            element_set_small(dtype, p, i, (double)x);
        else
            element_set_unsigned(dtype, p, i, (uint64_t)x);
        break;
    }
}

/* Truncated towards zero, at the ends of int64 where it does not fit; NaN becomes 0. */
static inline int64_t element_truncate(double x) {
    if (!(x > -0x1p63))
        return x <= -0x1p63 ? INT64_MIN : 0;
    return x >= 0x1p63 ? INT64_MAX : (int64_t)x;
}

/* Narrow integers keep the low bits of the truncated number, as numpy and ONNX Runtime do. */
OPS_INLINE void element_set_real(sl_dtype dtype, void *p, int64_t i, double x) {
    switch ((int)dtype) {
    case SL_FLOAT:
        ((float *)p)[i] = (float)x;
        break;
    case SL_DOUBLE:
        ((double *)p)[i] = x;
        break;
    case SL_FLOAT16:
        ((uint16_t *)p)[i] = half_from_float((float)x);
        break;
    case SL_BFLOAT16:
        ((uint16_t *)p)[i] = bfloat_from_float((float)x);
        break;
    case SL_BOOL:
        ((uint8_t *)p)[i] = x != 0;
        break;
    case SL_UINT64:
        ((uint64_t *)p)[i] = x >= 0x1p64   ? UINT64_MAX
                             : x >= 0x1p63 ? (uint64_t)x
                                           : (uint64_t)element_truncate(x);
        break;
    default:
        if (element_kind(dtype) == ELEMENT_REAL)
            element_set_small(dtype, p, i, x);
        else
            element_set_unsigned(dtype, p, i, (uint64_t)element_truncate(x));
        break;
    }
}

/* Runs BODY(dtype, ...) with dtype a constant in each branch. */
#define ELEMENT_DISPATCH_REAL(dtype, BODY, ...)                                                              \
    switch ((int)(dtype)) {                                                                                  \
    case SL_FLOAT:                                                                                           \
        BODY(SL_FLOAT, __VA_ARGS__);                                                                         \
        break;                                                                                               \
    case SL_DOUBLE:                                                                                          \
        BODY(SL_DOUBLE, __VA_ARGS__);                                                                        \
        break;                                                                                               \
    case SL_FLOAT16:                                                                                         \
        BODY(SL_FLOAT16, __VA_ARGS__);                                                                       \
        break;                                                                                               \
    case SL_BFLOAT16:                                                                                        \
        BODY(SL_BFLOAT16, __VA_ARGS__);                                                                      \
        break;                                                                                               \
    default:                                                                                                 \
        break;                                                                                               \
    }

#define ELEMENT_DISPATCH_SIGNED(dtype, BODY, ...)                                                            \
    switch ((int)(dtype)) {                                                                                  \
    case SL_INT8:                                                                                            \
        BODY(SL_INT8, __VA_ARGS__);                                                                          \
        break;                                                                                               \
    case SL_INT16:                                                                                           \
        BODY(SL_INT16, __VA_ARGS__);                                                                         \
        break;                                                                                               \
    case SL_INT32:                                                                                           \
        BODY(SL_INT32, __VA_ARGS__);                                                                         \
        break;                                                                                               \
    case SL_INT64:                                                                                           \
        BODY(SL_INT64, __VA_ARGS__);                                                                         \
        break;                                                                                               \
    default:                                                                                                 \
        break;                                                                                               \
    }

#define ELEMENT_DISPATCH_UNSIGNED(dtype, BODY, ...)                                                          \
    switch ((int)(dtype)) {                                                                                  \
    case SL_BOOL:                                                                                            \
        BODY(SL_BOOL, __VA_ARGS__);                                                                          \
        break;                                                                                               \
    case SL_UINT8:                                                                                           \
        BODY(SL_UINT8, __VA_ARGS__);                                                                         \
        break;                                                                                               \
    case SL_UINT16:                                                                                          \
        BODY(SL_UINT16, __VA_ARGS__);                                                                        \
        break;                                                                                               \
    case SL_UINT32:                                                                                          \
        BODY(SL_UINT32, __VA_ARGS__);                                                                        \
        break;                                                                                               \
    case SL_UINT64:                                                                                          \
        BODY(SL_UINT64, __VA_ARGS__);                                                                        \
        break;                                                                                               \
    default:                                                                                                 \
        break;                                                                                               \
    }

#endif
