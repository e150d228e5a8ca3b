/* trees_avx2.c: the walk of trees_fast.h with AVX2: 8 lanes, nodes and columns gathered, four trees side by
 * side. */
#include "infer/cpu/trees_fast.h"

#ifdef __AVX2__
#include <immintrin.h>

#define SIDE 4

static inline __attribute__((always_inline)) __m256i step(const struct packed_node *nodes, __m256i at,
                                                          const float *columns, __m256i lane) {
    __m256 thresholds = _mm256_i32gather_ps(&nodes->threshold, at, 8);
    __m256i words = _mm256_i32gather_epi32((const int *)(const void *)&nodes->word, at, 8);
    __m256i column = _mm256_and_si256(words, _mm256_set1_epi32(TREES_COLUMN_MASK));
    __m256 x = _mm256_i32gather_ps(columns, _mm256_add_epi32(_mm256_slli_epi32(column, 4), lane), 4);
    __m256i other = _mm256_castps_si256(_mm256_cmp_ps(x, thresholds, _CMP_NLE_UQ)); /* -1 or 0 */
    return _mm256_sub_epi32(_mm256_srli_epi32(words, TREES_COLUMN_BITS), other);
}

static void walk8(const struct packed_tree *const trees[SIDE], const float *columns, uint32_t *leaves) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i at[SIDE];
    uint32_t depth = 0;
    int stays = 0;
#pragma GCC unroll 4
    for (int t = 0; t < SIDE; t++) {
        at[t] = _mm256_set1_epi32(1);
        depth = trees[t]->depth > depth ? trees[t]->depth : depth;
    }
    for (; depth && stays != -1; depth--) {
        __m256i same = _mm256_set1_epi32(-1);
#pragma GCC unroll 4
        for (int t = 0; t < SIDE; t++) {
            __m256i next = step(trees[t]->nodes, at[t], columns, lane);
            same = _mm256_and_si256(same, _mm256_cmpeq_epi32(next, at[t]));
            at[t] = next;
        }
        stays = _mm256_movemask_epi8(same);
    }
#pragma GCC unroll 4
    for (int t = 0; t < SIDE; t++)
        _mm256_storeu_si256((__m256i *)(void *)(leaves + t * TREES_LANES),
                            _mm256_i32gather_epi32((const int *)(const void *)trees[t]->nodes, at[t], 8));
}

static void walk(const struct packed_tree *const trees[TREES_UNIT], const float *columns, size_t lanes,
                 uint32_t *leaves) {
    for (size_t first = 0; first < lanes; first += 8)
        for (int t = 0; t < TREES_UNIT; t += SIDE)
            walk8(trees + t, columns + first, leaves + t * TREES_LANES + first);
}

static void add(const uint32_t *leaves, double *sums) {
    for (int i = 0; i < TREES_LANES; i += 4) {
        __m256d weights = _mm256_cvtps_pd(_mm_loadu_ps((const float *)(const void *)(leaves + i)));
        _mm256_storeu_pd(sums + i, _mm256_add_pd(_mm256_loadu_pd(sums + i), weights));
    }
}

const struct tree_kernels tree_kernels_avx2 = {"avx2", walk, add};
#else
/* another architecture: never chosen there */
const struct tree_kernels tree_kernels_avx2 = {0};
#endif
