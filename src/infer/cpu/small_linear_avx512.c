/* small_linear_avx512.c: small products with AVX-512: 8 rows and 2 panels in 16 registers. */
#include "infer/cpu/small_linear.h"

#ifdef __AVX512F__
#include <immintrin.h>

#define SMALL_KERNELS small_kernels_avx512
#define SMALL_NAME "avx512"
#define PART 16
#define ROWS 8
#define PANELS 2
typedef __m512 part;
static inline __attribute__((always_inline)) part part_fma(float x, part w, part sum) {
    return _mm512_fmadd_ps(_mm512_set1_ps(x), w, sum);
}
#include "infer/cpu/small_linear_body.h"
#else
/* another architecture: never chosen there */
const struct small_kernels small_kernels_avx512 = {0};
#endif
