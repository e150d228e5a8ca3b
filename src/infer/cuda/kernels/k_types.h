/* k_types.h: what the arguments of all kernels are made of. Plain C, seen by the device (C11), by nvcc and by
 * the host build of the kernels. */
#ifndef INFER_CUDA_K_TYPES_H
#define INFER_CUDA_K_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CUstream_st *k_stream; /* a cudaStream_t, without its header */

enum k_type { K_F32, K_F16, K_BF16, K_F64, K_U8, K_I8, K_U16, K_I16, K_U32, K_I32, K_U64, K_I64, K_BOOL };

#endif
