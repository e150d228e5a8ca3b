/* recurrent_avx512.c: the recurrent kernels, compiled with AVX-512: 32 registers hold the sums of six rows
 * of four gates. */
#define RECURRENT_KERNELS recurrent_avx512
#define RECURRENT_NAME "recurrent avx512"
#define RECURRENT_MOST_ROWS                                                                                  \
    { 0, 6, 6, 6, 6 }
#include "infer/cpu/recurrent_kernels_body.h"
