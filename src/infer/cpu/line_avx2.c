/* line_avx2.c: the line kernels, compiled with AVX2. */
#define LINE_KERNELS line_kernels_avx2
#define LINE_NAME "lines avx2"
#include "infer/cpu/line_kernels_body.h"
