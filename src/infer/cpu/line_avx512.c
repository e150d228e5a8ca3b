/* line_avx512.c: the line kernels, compiled with AVX-512. */
#define LINE_KERNELS line_kernels_avx512
#define LINE_NAME "lines avx512"
#include "infer/cpu/line_kernels_body.h"
