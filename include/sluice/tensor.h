/* sluice/tensor.h: dtypes and dense tensors, with ONNX's names and numbers. */
#ifndef SLUICE_TENSOR_H
#define SLUICE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SL_MAX_RANK 8

/* TensorProto.DataType of onnx.proto. */
typedef enum sl_dtype {
    SL_UNDEFINED = 0,
    SL_FLOAT = 1,
    SL_UINT8 = 2,
    SL_INT8 = 3,
    SL_UINT16 = 4,
    SL_INT16 = 5,
    SL_INT32 = 6,
    SL_INT64 = 7,
    SL_STRING = 8,
    SL_BOOL = 9,
    SL_FLOAT16 = 10,
    SL_DOUBLE = 11,
    SL_UINT32 = 12,
    SL_UINT64 = 13,
    SL_COMPLEX64 = 14,
    SL_COMPLEX128 = 15,
    SL_BFLOAT16 = 16,
    SL_FLOAT8E4M3FN = 17,
    SL_FLOAT8E4M3FNUZ = 18,
    SL_FLOAT8E5M2 = 19,
    SL_FLOAT8E5M2FNUZ = 20,
    SL_UINT4 = 21,
    SL_INT4 = 22,
    SL_FLOAT4E2M1 = 23,
    SL_FLOAT8E8M0 = 24,
    SL_UINT2 = 25,
    SL_INT2 = 26
} sl_dtype;

/* One past the last. */
#define SL_DTYPE_END 27

/* Text in a tensor of SL_STRING: bytes owned by whoever owns the tensor's data, not NUL-ended. */
typedef struct sl_string {
    const char *data;
    size_t nbytes;
} sl_string;

/* A dense row-major tensor. Says nothing about who owns `data`. A scalar has rank 0. */
typedef struct sl_tensor {
    sl_dtype dtype;
    int rank;
    int64_t dims[SL_MAX_RANK];
    void *data; /* elements; elements of 4 and 2 bits share a byte, from its low bits on */
} sl_tensor;

/* Bits of one element; 0 for SL_UNDEFINED and unknown numbers. SL_STRING counts as one sl_string. */
unsigned sl_dtype_nbits(sl_dtype dtype);

/* ONNX's lower-case name ("float", "int64", ...); "undefined" for unknown numbers. */
const char *sl_dtype_name(sl_dtype dtype);

/* Elements of a shape; false when a dim is negative or the product exceeds INT64_MAX. */
bool sl_shape_count(int rank, const int64_t *dims, int64_t *count);

/* Bytes of a dense tensor; false when the shape is not countable or the bytes exceed SIZE_MAX/2. */
bool sl_shape_nbytes(sl_dtype dtype, int rank, const int64_t *dims, size_t *nbytes);

#ifdef __cplusplus
}
#endif
#endif
