/* level_avx512.c: the level kernels, compiled with AVX-512. */
#define LEVEL_KERNELS level_kernels_avx512
#define LEVEL_NAME "levels avx512"
#include "infer/cpu/level_kernels_body.h"
