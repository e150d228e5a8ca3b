/* level_avx2.c: the level kernels, compiled with AVX2. */
#define LEVEL_KERNELS level_kernels_avx2
#define LEVEL_NAME "levels avx2"
#include "infer/cpu/level_kernels_body.h"
