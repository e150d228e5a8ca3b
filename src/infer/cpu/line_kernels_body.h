/* line_kernels_body.h: the kernels of line_kernels.h. Included once by each line_*.c, which names its table
 * in LINE_KERNELS. Lines are short (an image's width), so what sixteen lanes leave over is done by eight, by
 * four and then one by one. */
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "infer/cpu/line_kernels.h"

#pragma GCC diagnostic ignored "-Wpsabi"

typedef float lanes16 __attribute__((vector_size(64)));
typedef float lanes8 __attribute__((vector_size(32)));
typedef float lanes4 __attribute__((vector_size(16)));
typedef int32_t mask16 __attribute__((vector_size(64)));
typedef int32_t mask8 __attribute__((vector_size(32)));
typedef int32_t mask4 __attribute__((vector_size(16)));

/* Runs STEP(lanes, mask, count) over n floats; STEP works at i. */
#define LINE_EACH(STEP)                                                                                      \
    size_t i = 0;                                                                                            \
    for (; i + 16 <= n; i += 16)                                                                             \
        STEP(lanes16, mask16);                                                                               \
    for (; i + 8 <= n; i += 8)                                                                               \
        STEP(lanes8, mask8);                                                                                 \
    for (; i + 4 <= n; i += 4)                                                                               \
        STEP(lanes4, mask4);

#define LOAD(lanes, name, from)                                                                              \
    lanes name;                                                                                              \
    memcpy(&name, from, sizeof name)
#define STORE(to, value) memcpy(to, &(value), sizeof(value))

static void add(float *to, const float *x, size_t n) {
#define STEP(lanes, mask)                                                                                    \
    do {                                                                                                     \
        LOAD(lanes, a, to + i);                                                                              \
        LOAD(lanes, b, x + i);                                                                               \
        a += b;                                                                                              \
        STORE(to + i, a);                                                                                    \
    } while (0)
    LINE_EACH(STEP)
#undef STEP
    for (; i < n; i++)
        to[i] += x[i];
}

static void most(float *to, const float *x, size_t n) {
#define STEP(lanes, mask)                                                                                    \
    do {                                                                                                     \
        LOAD(lanes, a, to + i);                                                                              \
        LOAD(lanes, b, x + i);                                                                               \
        mask take = (b > a) | (b != b);                                                                      \
        a = (lanes)((take & (mask)b) | (~take & (mask)a));                                                   \
        STORE(to + i, a);                                                                                    \
    } while (0)
    LINE_EACH(STEP)
#undef STEP
    for (; i < n; i++)
        to[i] = x[i] > to[i] || x[i] != x[i] ? x[i] : to[i];
}

static void scale(float *to, const float *x, float a, size_t n) {
#define STEP(lanes, mask)                                                                                    \
    do {                                                                                                     \
        LOAD(lanes, v, x + i);                                                                               \
        v *= a;                                                                                              \
        STORE(to + i, v);                                                                                    \
    } while (0)
    LINE_EACH(STEP)
#undef STEP
    for (; i < n; i++)
        to[i] = a * x[i];
}

static void add_scaled(float *to, const float *x, float a, size_t n) {
#define STEP(lanes, mask)                                                                                    \
    do {                                                                                                     \
        LOAD(lanes, sum, to + i);                                                                            \
        LOAD(lanes, v, x + i);                                                                               \
        sum += v * a;                                                                                        \
        STORE(to + i, sum);                                                                                  \
    } while (0)
    LINE_EACH(STEP)
#undef STEP
    for (; i < n; i++)
        to[i] += a * x[i];
}

static void blend(float *to, const float *x, const float *y, float a, float b, size_t n) {
#define STEP(lanes, mask)                                                                                    \
    do {                                                                                                     \
        LOAD(lanes, v, x + i);                                                                               \
        LOAD(lanes, w, y + i);                                                                               \
        v = v * a + w * b;                                                                                   \
        STORE(to + i, v);                                                                                    \
    } while (0)
    LINE_EACH(STEP)
#undef STEP
    for (; i < n; i++)
        to[i] = a * x[i] + b * y[i];
}

static void offset(float *to, const float *x, float a, size_t n) {
#define STEP(lanes, mask)                                                                                    \
    do {                                                                                                     \
        LOAD(lanes, v, x + i);                                                                               \
        v += a;                                                                                              \
        STORE(to + i, v);                                                                                    \
    } while (0)
    LINE_EACH(STEP)
#undef STEP
    for (; i < n; i++)
        to[i] = x[i] + a;
}

static void divide(float *to, const float *x, const float *y, float a, size_t n) {
#define STEP(lanes, mask)                                                                                    \
    do {                                                                                                     \
        LOAD(lanes, v, x + i);                                                                               \
        LOAD(lanes, w, y + i);                                                                               \
        v /= w * a;                                                                                          \
        STORE(to + i, v);                                                                                    \
    } while (0)
    LINE_EACH(STEP)
#undef STEP
    for (; i < n; i++)
        to[i] = x[i] / (a * y[i]);
}

static void weave(float *to, const float *x, const float *y, float a, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        LOAD(lanes8, v, x + i);
        LOAD(lanes8, w, y + i);
        v += a;
        w += a;
        lanes8 low = __builtin_shufflevector(v, w, 0, 8, 1, 9, 2, 10, 3, 11);
        lanes8 high = __builtin_shufflevector(v, w, 4, 12, 5, 13, 6, 14, 7, 15);
        STORE(to + 2 * i, low);
        STORE(to + 2 * i + 8, high);
    }
    for (; i < n; i++) {
        to[2 * i] = x[i] + a;
        to[2 * i + 1] = y[i] + a;
    }
}

static void split(float *x, float *y, const float *from, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        LOAD(lanes8, v, from + 2 * i);
        LOAD(lanes8, w, from + 2 * i + 8);
        lanes8 even = __builtin_shufflevector(v, w, 0, 2, 4, 6, 8, 10, 12, 14);
        lanes8 odd = __builtin_shufflevector(v, w, 1, 3, 5, 7, 9, 11, 13, 15);
        STORE(x + i, even);
        STORE(y + i, odd);
    }
    for (; i < n; i++) {
        x[i] = from[2 * i];
        y[i] = from[2 * i + 1];
    }
}

static void pick(float *to, const float *x, const int32_t *at, size_t n) {
    size_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(to + i, _mm512_i32gather_ps(_mm512_loadu_si512(at + i), x, 4));
#elif defined(__AVX2__)
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(
            to + i, _mm256_i32gather_ps(x, _mm256_loadu_si256((const __m256i *)(const void *)(at + i)), 4));
#endif
    for (; i < n; i++)
        to[i] = x[at[i]];
}

static void pick_two(float *to, const float *x, const int32_t *at, const int32_t *bt, const float *a,
                     const float *b, size_t n) {
    size_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_i32gather_ps(_mm512_loadu_si512(at + i), x, 4);
        __m512 w = _mm512_i32gather_ps(_mm512_loadu_si512(bt + i), x, 4);
        v = _mm512_mul_ps(v, _mm512_loadu_ps(a + i));
        w = _mm512_mul_ps(w, _mm512_loadu_ps(b + i));
        _mm512_storeu_ps(to + i, _mm512_add_ps(v, w));
    }
#elif defined(__AVX2__)
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_i32gather_ps(x, _mm256_loadu_si256((const __m256i *)(const void *)(at + i)), 4);
        __m256 w = _mm256_i32gather_ps(x, _mm256_loadu_si256((const __m256i *)(const void *)(bt + i)), 4);
        v = _mm256_mul_ps(v, _mm256_loadu_ps(a + i));
        w = _mm256_mul_ps(w, _mm256_loadu_ps(b + i));
        _mm256_storeu_ps(to + i, _mm256_add_ps(v, w));
    }
#endif
    for (; i < n; i++)
        to[i] = a[i] * x[at[i]] + b[i] * x[bt[i]];
}

const struct line_kernels LINE_KERNELS = {.name = LINE_NAME,
                                          .add = add,
                                          .most = most,
                                          .scale = scale,
                                          .add_scaled = add_scaled,
                                          .blend = blend,
                                          .offset = offset,
                                          .divide = divide,
                                          .weave = weave,
                                          .split = split,
                                          .pick = pick,
                                          .pick_two = pick_two};
