/* trees_avx512.c: the walk of trees_fast.h with AVX-512. A gather costs about as many cycles as it has lanes,
 * a permute one: the first 5 levels (4 with 8 lanes) are looked up in registers, further nodes are gathered
 * as pairs of threshold and word. Four trees of 16 lanes or eight of 8 go side by side, since every level
 * waits for two gathers, one after the other. */
#include "infer/cpu/trees_fast.h"

#if defined(__AVX512F__) && defined(__AVX512VL__)
#include <immintrin.h>

#define SIDE 4 /* trees of 16 lanes side by side */

static inline __attribute__((always_inline)) __m512i step16(__m512 thresholds, __m512i words,
                                                            const float *columns, __m512i lane) {
    __m512i at = _mm512_add_epi32(
        _mm512_slli_epi32(_mm512_and_si512(words, _mm512_set1_epi32(TREES_COLUMN_MASK)), 4), lane);
    __m512 x = _mm512_i32gather_ps(at, columns, 4);
    __mmask16 other = _mm512_cmp_ps_mask(x, thresholds, _CMP_NLE_UQ);
    __m512i child = _mm512_srli_epi32(words, TREES_COLUMN_BITS);
    return _mm512_mask_add_epi32(child, other, child, _mm512_set1_epi32(1));
}

/* All rows are at the root: its column is one load. */
static inline __attribute__((always_inline)) __m512i root16(const struct packed_top *top,
                                                            const float *columns) {
    uint32_t word = top->words[1];
    __m512 x = _mm512_loadu_ps(columns + (size_t)(word & TREES_COLUMN_MASK) * TREES_LANES);
    __mmask16 other = _mm512_cmp_ps_mask(x, _mm512_set1_ps(top->thresholds[1]), _CMP_NLE_UQ);
    __m512i child = _mm512_set1_epi32((int)(word >> TREES_COLUMN_BITS));
    return _mm512_mask_add_epi32(child, other, child, _mm512_set1_epi32(1));
}

static inline __attribute__((always_inline)) __m512i top16(const struct packed_top *top, __m512i at,
                                                           const float *columns, __m512i lane) {
    __m512 thresholds = _mm512_permutexvar_ps(at, _mm512_loadu_ps(top->thresholds));
    return step16(thresholds, _mm512_permutexvar_epi32(at, _mm512_loadu_si512(top->words)), columns, lane);
}

static inline __attribute__((always_inline)) __m512i low16(const struct packed_top *top, __m512i at,
                                                           const float *columns, __m512i lane) {
    __m512 thresholds =
        _mm512_permutex2var_ps(_mm512_loadu_ps(top->thresholds), at, _mm512_loadu_ps(top->thresholds + 16));
    __m512i words =
        _mm512_permutex2var_epi32(_mm512_loadu_si512(top->words), at, _mm512_loadu_si512(top->words + 16));
    return step16(thresholds, words, columns, lane);
}

static inline __attribute__((always_inline)) __m512i node16(const struct packed_node *nodes, __m512i at,
                                                            const float *columns, __m512i lane) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    __m512i low = _mm512_i32gather_epi64(_mm512_castsi512_si256(at), nodes, 8);
    __m512i high = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(at, 1), nodes, 8);
    return step16(_mm512_castsi512_ps(_mm512_permutex2var_epi32(low, even, high)),
                  _mm512_permutex2var_epi32(low, odd, high), columns, lane);
}

static void walk16(const struct packed_tree *const trees[SIDE], const float *columns, uint32_t *leaves) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i at[SIDE];
    uint32_t depth = 0;
#pragma GCC unroll 4
    for (int t = 0; t < SIDE; t++) {
        at[t] = root16(trees[t]->top, columns);
        depth = trees[t]->depth > depth ? trees[t]->depth : depth;
    }
    for (uint32_t level = 1; level < 4 && level < depth; level++) {
#pragma GCC unroll 4
        for (int t = 0; t < SIDE; t++)
            at[t] = top16(trees[t]->top, at[t], columns, lane);
    }
    if (depth > 4) {
#pragma GCC unroll 4
        for (int t = 0; t < SIDE; t++)
            at[t] = low16(trees[t]->top, at[t], columns, lane);
    }
    __mmask16 moved = 1;
    for (uint32_t level = 5; level < depth && moved; level++) {
        moved = 0;
#pragma GCC unroll 4
        for (int t = 0; t < SIDE; t++) {
            __m512i next = node16(trees[t]->nodes, at[t], columns, lane);
            moved = (__mmask16)(moved | _mm512_cmpneq_epi32_mask(next, at[t]));
            at[t] = next;
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < SIDE; t++)
        _mm512_storeu_si512(leaves + t * TREES_LANES, _mm512_i32gather_epi32(at[t], trees[t]->nodes, 8));
}

static inline __attribute__((always_inline)) __m256i step8(__m256 thresholds, __m256i words,
                                                           const float *columns, __m256i lane) {
    __m256i at = _mm256_add_epi32(
        _mm256_slli_epi32(_mm256_and_si256(words, _mm256_set1_epi32(TREES_COLUMN_MASK)), 4), lane);
    __m256 x = _mm256_i32gather_ps(columns, at, 4);
    __mmask8 other = _mm256_cmp_ps_mask(x, thresholds, _CMP_NLE_UQ);
    __m256i child = _mm256_srli_epi32(words, TREES_COLUMN_BITS);
    return _mm256_mask_add_epi32(child, other, child, _mm256_set1_epi32(1));
}

static inline __attribute__((always_inline)) __m256i root8(const struct packed_top *top,
                                                           const float *columns) {
    uint32_t word = top->words[1];
    __m256 x = _mm256_loadu_ps(columns + (size_t)(word & TREES_COLUMN_MASK) * TREES_LANES);
    __mmask8 other = _mm256_cmp_ps_mask(x, _mm256_set1_ps(top->thresholds[1]), _CMP_NLE_UQ);
    __m256i child = _mm256_set1_epi32((int)(word >> TREES_COLUMN_BITS));
    return _mm256_mask_add_epi32(child, other, child, _mm256_set1_epi32(1));
}

static inline __attribute__((always_inline)) __m256i top8(const struct packed_top *top, __m256i at,
                                                          const float *columns, __m256i lane) {
    __m256 thresholds =
        _mm256_permutex2var_ps(_mm256_loadu_ps(top->thresholds), at, _mm256_loadu_ps(top->thresholds + 8));
    __m256i words =
        _mm256_permutex2var_epi32(_mm256_loadu_si256((const __m256i *)(const void *)top->words), at,
                                  _mm256_loadu_si256((const __m256i *)(const void *)(top->words + 8)));
    return step8(thresholds, words, columns, lane);
}

static inline __attribute__((always_inline)) __m256i node8(const struct packed_node *nodes, __m256i at,
                                                           const float *columns, __m256i lane) {
    __m512i pairs = _mm512_i32gather_epi64(at, nodes, 8);
    return step8(_mm256_castsi256_ps(_mm512_cvtepi64_epi32(pairs)),
                 _mm512_cvtepi64_epi32(_mm512_srli_epi64(pairs, 32)), columns, lane);
}

static void walk8(const struct packed_tree *const trees[TREES_UNIT], const float *columns, uint32_t *leaves) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i at[TREES_UNIT];
    uint32_t depth = 0;
#pragma GCC unroll 8
    for (int t = 0; t < TREES_UNIT; t++) {
        at[t] = root8(trees[t]->top, columns);
        depth = trees[t]->depth > depth ? trees[t]->depth : depth;
    }
    for (uint32_t level = 1; level < 4 && level < depth; level++) {
#pragma GCC unroll 8
        for (int t = 0; t < TREES_UNIT; t++)
            at[t] = top8(trees[t]->top, at[t], columns, lane);
    }
    __mmask8 moved = 1;
    for (uint32_t level = 4; level < depth && moved; level++) {
        moved = 0;
#pragma GCC unroll 8
        for (int t = 0; t < TREES_UNIT; t++) {
            __m256i next = node8(trees[t]->nodes, at[t], columns, lane);
            moved = (__mmask8)(moved | _mm256_cmpneq_epi32_mask(next, at[t]));
            at[t] = next;
        }
    }
#pragma GCC unroll 8
    for (int t = 0; t < TREES_UNIT; t++)
        _mm256_storeu_si256((__m256i *)(void *)(leaves + t * TREES_LANES),
                            _mm256_i32gather_epi32((const int *)(const void *)trees[t]->nodes, at[t], 8));
}

static void walk(const struct packed_tree *const trees[TREES_UNIT], const float *columns, size_t lanes,
                 uint32_t *leaves) {
    if (lanes <= TREES_LANES / 2) {
        walk8(trees, columns, leaves);
        return;
    }
    for (int t = 0; t < TREES_UNIT; t += SIDE)
        walk16(trees + t, columns, leaves + t * TREES_LANES);
}

static void add(const uint32_t *leaves, double *sums) {
    for (int i = 0; i < TREES_LANES; i += 8) {
        __m512d weights = _mm512_cvtps_pd(_mm256_loadu_ps((const float *)(const void *)(leaves + i)));
        _mm512_storeu_pd(sums + i, _mm512_add_pd(_mm512_loadu_pd(sums + i), weights));
    }
}

const struct tree_kernels tree_kernels_avx512 = {"avx512", walk, add};
#else
/* another architecture: never chosen there */
const struct tree_kernels tree_kernels_avx512 = {0};
#endif
