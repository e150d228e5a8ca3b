/* line_portable.c: the line kernels, compiled for any machine. */
#define LINE_KERNELS line_kernels_portable
#define LINE_NAME "lines portable"
#include "infer/cpu/line_kernels_body.h"
