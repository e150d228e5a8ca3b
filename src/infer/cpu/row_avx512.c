/* row_avx512.c: the row kernels, compiled with AVX-512. */
#define ROW_KERNELS row_kernels_avx512
#define ROW_NAME "avx512"
#include "infer/cpu/row_kernels_body.h"
