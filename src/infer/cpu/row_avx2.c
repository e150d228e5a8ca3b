/* row_avx2.c: the row kernels, compiled with AVX2. */
#define ROW_KERNELS row_kernels_avx2
#define ROW_NAME "avx2"
#include "infer/cpu/row_kernels_body.h"
