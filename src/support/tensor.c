/* tensor.c: sizes and names of dtypes, and shapes that are checked before anybody multiplies. */
#include "sluice/tensor.h"

static const struct {
    const char *name;
    unsigned nbits;
} dtypes[] = {
    [SL_UNDEFINED] = {"undefined", 0},
    [SL_FLOAT] = {"float", 32},
    [SL_UINT8] = {"uint8", 8},
    [SL_INT8] = {"int8", 8},
    [SL_UINT16] = {"uint16", 16},
    [SL_INT16] = {"int16", 16},
    [SL_INT32] = {"int32", 32},
    [SL_INT64] = {"int64", 64},
    [SL_STRING] = {"string", 8 * sizeof(sl_string)},
    [SL_BOOL] = {"bool", 8},
    [SL_FLOAT16] = {"float16", 16},
    [SL_DOUBLE] = {"double", 64},
    [SL_UINT32] = {"uint32", 32},
    [SL_UINT64] = {"uint64", 64},
    [SL_COMPLEX64] = {"complex64", 64},
    [SL_COMPLEX128] = {"complex128", 128},
    [SL_BFLOAT16] = {"bfloat16", 16},
    [SL_FLOAT8E4M3FN] = {"float8e4m3fn", 8},
    [SL_FLOAT8E4M3FNUZ] = {"float8e4m3fnuz", 8},
    [SL_FLOAT8E5M2] = {"float8e5m2", 8},
    [SL_FLOAT8E5M2FNUZ] = {"float8e5m2fnuz", 8},
    [SL_UINT4] = {"uint4", 4},
    [SL_INT4] = {"int4", 4},
    [SL_FLOAT4E2M1] = {"float4e2m1", 4},
    [SL_FLOAT8E8M0] = {"float8e8m0", 8},
    [SL_UINT2] = {"uint2", 2},
    [SL_INT2] = {"int2", 2},
};

static bool is_known(sl_dtype dtype) {
    return (unsigned)dtype < sizeof dtypes / sizeof *dtypes && dtypes[dtype].name;
}

unsigned sl_dtype_nbits(sl_dtype dtype) {
    return is_known(dtype) ? dtypes[dtype].nbits : 0;
}

const char *sl_dtype_name(sl_dtype dtype) {
    return is_known(dtype) ? dtypes[dtype].name : "undefined";
}

bool sl_shape_count(int rank, const int64_t *dims, int64_t *count) {
    int64_t n = 1;
    if (rank < 0 || rank > SL_MAX_RANK)
        return false;
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0)
            return false;
    for (int i = 0; i < rank; i++)
        if (dims[i] == 0) { /* nothing at all, however large the others are */
            *count = 0;
            return true;
        }
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(n, dims[i], &n))
            return false;
    *count = n;
    return true;
}

bool sl_shape_nbytes(sl_dtype dtype, int rank, const int64_t *dims, size_t *nbytes) {
    int64_t count;
    unsigned nbits = sl_dtype_nbits(dtype);
    if (!nbits || !sl_shape_count(rank, dims, &count))
        return false;
    if ((uint64_t)count > (SIZE_MAX / 2) / ((nbits + 7) / 8))
        return false;
    *nbytes =
        (size_t)count / 8 * nbits + ((size_t)count % 8 * nbits + 7) / 8; /* the bits may not be countable */
    return true;
}
