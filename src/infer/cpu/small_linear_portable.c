/* small_linear_portable.c: small products on any machine; what it lacks in fused instructions is emulated, so
 * on such a machine this is for tests only. */
#include <math.h>

#define SMALL_KERNELS small_kernels_portable
#define SMALL_NAME "portable"
#define PART 4
#define ROWS 4
#define PANELS 1
typedef float part __attribute__((vector_size(16)));
static inline __attribute__((always_inline)) part part_fma(float x, part w, part sum) {
    for (int i = 0; i < PART; i++)
        sum[i] = fmaf(x, w[i], sum[i]);
    return sum;
}
#include "infer/cpu/small_linear_body.h"
