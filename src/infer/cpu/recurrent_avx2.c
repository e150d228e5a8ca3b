/* recurrent_avx2.c: the recurrent kernels, compiled with AVX2 and FMA: 16 registers, two for sixteen sums. */
#define RECURRENT_KERNELS recurrent_avx2
#define RECURRENT_NAME "recurrent avx2"
#define RECURRENT_MOST_ROWS                                                                                  \
    { 0, 5, 2, 2, 1 }
#include "infer/cpu/recurrent_kernels_body.h"
