/* level_portable.c: the level kernels, compiled for any machine. */
#define LEVEL_KERNELS level_kernels_portable
#define LEVEL_NAME "levels portable"
#include "infer/cpu/level_kernels_body.h"
