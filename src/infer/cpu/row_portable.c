/* row_portable.c: the row kernels, compiled for any machine. */
#define ROW_KERNELS row_kernels_portable
#define ROW_NAME "portable"
#include "infer/cpu/row_kernels_body.h"
