/* small_linear_avx2.c: small products with AVX2 and FMA: 4 rows and a panel in 8 registers. */
#include "infer/cpu/small_linear.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

#define SMALL_KERNELS small_kernels_avx2
#define SMALL_NAME "avx2"
#define PART 8
#define ROWS 4
#define PANELS 1
typedef __m256 part;
static inline __attribute__((always_inline)) part part_fma(float x, part w, part sum) {
    return _mm256_fmadd_ps(_mm256_set1_ps(x), w, sum);
}
#include "infer/cpu/small_linear_body.h"
#else
/* another architecture: never chosen there */
const struct small_kernels small_kernels_avx2 = {0};
#endif
