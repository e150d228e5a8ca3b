/* recurrent_portable.c: the recurrent kernels, compiled for any machine. */
#define RECURRENT_KERNELS recurrent_portable
#define RECURRENT_NAME "recurrent portable"
#define RECURRENT_MOST_ROWS                                                                                  \
    { 0, 4, 2, 2, 1 }
#include "infer/cpu/recurrent_kernels_body.h"
