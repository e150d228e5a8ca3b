/* recurrent_kernels_body.h: the kernels of recurrent_kernels.h. Included once by each recurrent_*.c, which
 * names its table in RECURRENT_KERNELS and says how many rows fit its registers. */
#include <stdint.h>
#include <string.h>

#include "infer/cpu/recurrent_kernels.h"

/* Sixteen floats. The same operations on every machine, each rounded once: a fused multiply-add is one
 * everywhere, minimum and maximum keep a NaN in x. */
#if defined __AVX512F__
#include <immintrin.h>
typedef struct {
    __m512 v;
} lanes;
#define LANES_LOAD(p)                                                                                        \
    { _mm512_loadu_ps(p) }
#define LANES_STORE(p, a) _mm512_storeu_ps(p, a.v)
#define LANES_ALL(x)                                                                                         \
    { _mm512_set1_ps(x) }
#define LANES_EACH(op, ...)                                                                                  \
    { _mm512_##op##_ps(__VA_ARGS__) }
#define LANES_OP2(op, a, b) LANES_EACH(op, a.v, b.v)
#define LANES_OP3(op, a, b, c) LANES_EACH(op, a.v, b.v, c.v)
#elif defined __AVX2__
#include <immintrin.h>
typedef struct {
    __m256 low, high;
} lanes;
#define LANES_LOAD(p)                                                                                        \
    { _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) }
#define LANES_STORE(p, a) (_mm256_storeu_ps(p, a.low), _mm256_storeu_ps(p + 8, a.high))
#define LANES_ALL(x)                                                                                         \
    { _mm256_set1_ps(x), _mm256_set1_ps(x) }
#define LANES_OP2(op, a, b)                                                                                  \
    { _mm256_##op##_ps(a.low, b.low), _mm256_##op##_ps(a.high, b.high) }
#define LANES_OP3(op, a, b, c)                                                                               \
    { _mm256_##op##_ps(a.low, b.low, c.low), _mm256_##op##_ps(a.high, b.high, c.high) }
#endif

#ifdef LANES_LOAD
#define INLINE static inline __attribute__((always_inline))
INLINE lanes load(const float *p) {
    return (lanes)LANES_LOAD(p);
}
INLINE void store(float *p, lanes a) {
    LANES_STORE(p, a);
}
INLINE lanes all(float x) {
    return (lanes)LANES_ALL(x);
}
INLINE lanes add(lanes a, lanes b) {
    return (lanes)LANES_OP2(add, a, b);
}
INLINE lanes times(lanes a, lanes b) {
    return (lanes)LANES_OP2(mul, a, b);
}
INLINE lanes over(lanes a, lanes b) {
    return (lanes)LANES_OP2(div, a, b);
}
INLINE lanes at_least(lanes x, lanes low) {
    return (lanes)LANES_OP2(max, low, x);
}
INLINE lanes at_most(lanes x, lanes high) {
    return (lanes)LANES_OP2(min, high, x);
}
/* a b + c */
INLINE lanes fused(lanes a, lanes b, lanes c) {
    return (lanes)LANES_OP3(fmadd, a, b, c);
}
#else
typedef struct {
    float v[RECURRENT_UNITS];
} lanes;
#define INLINE static inline /* left to the compiler: sanitized, all in one function takes it minutes */
#define EACH(expression)                                                                                     \
    lanes y;                                                                                                 \
    for (int i = 0; i < RECURRENT_UNITS; i++)                                                                \
        y.v[i] = expression;                                                                                 \
    return y
INLINE lanes load(const float *p) {
    EACH(p[i]);
}
INLINE void store(float *p, lanes a) {
    memcpy(p, a.v, sizeof a.v);
}
INLINE lanes all(float x) {
    EACH(x);
}
INLINE lanes add(lanes a, lanes b) {
    EACH(a.v[i] + b.v[i]);
}
INLINE lanes times(lanes a, lanes b) {
    EACH(a.v[i] * b.v[i]);
}
INLINE lanes over(lanes a, lanes b) {
    EACH(a.v[i] / b.v[i]);
}
INLINE lanes at_least(lanes x, lanes low) {
    EACH(low.v[i] > x.v[i] ? low.v[i] : x.v[i]);
}
INLINE lanes at_most(lanes x, lanes high) {
    EACH(high.v[i] < x.v[i] ? high.v[i] : x.v[i]);
}
INLINE lanes fused(lanes a, lanes b, lanes c) {
    EACH(__builtin_fmaf(a.v[i], b.v[i], c.v[i]));
}
#endif

#ifdef LANES_LOAD
/* A loop that is written out, so that what it indexes may be in registers. */
#ifdef __clang__
#define UNROLLED(i, n) _Pragma("clang loop unroll(full)") for (size_t i = 0; i < (n); i++)
#else
#define UNROLLED(i, n) _Pragma("GCC unroll 8") for (size_t i = 0; i < (n); i++)
#endif

/* rows and gates are constants where this is inlined, so that all sums stay in registers. */
INLINE void multiply_rows(const struct recurrent_panels *p, size_t block, const float *const *x,
                          float *const *y, size_t rows, size_t gates) {
    const float *w = p->weights + block * p->depth * gates * RECURRENT_UNITS;
    const float *bias = p->bias + block * gates * RECURRENT_UNITS;
    lanes sums[RECURRENT_ROWS][RECURRENT_GATES], column[RECURRENT_GATES];
    UNROLLED(r, rows) {
        UNROLLED(g, gates) {
            sums[r][g] = load(bias + g * RECURRENT_UNITS);
        }
    }
    for (size_t k = 0; k < p->depth; k++, w += gates * RECURRENT_UNITS) {
        UNROLLED(g, gates) {
            column[g] = load(w + g * RECURRENT_UNITS);
        }
        UNROLLED(r, rows) {
            UNROLLED(g, gates) {
                sums[r][g] = fused(all(x[r][k]), column[g], sums[r][g]);
            }
        }
    }
    UNROLLED(r, rows) {
        UNROLLED(g, gates) {
            store(y[r] + g * RECURRENT_UNITS, sums[r][g]);
        }
    }
}

/* One function for each number of rows and gates: the compiler must not mix their registers. */
#define MULTIPLY(rows, gates)                                                                                \
    static __attribute__((noinline)) void multiply_##rows##_##gates(                                         \
        const struct recurrent_panels *p, size_t block, const float *const *x, float *const *y) {            \
        multiply_rows(p, block, x, y, rows, gates);                                                          \
    }
#define MULTIPLY_GATES(gates)                                                                                \
    MULTIPLY(1, gates)                                                                                       \
    MULTIPLY(2, gates)                                                                                       \
    MULTIPLY(3, gates) MULTIPLY(4, gates) MULTIPLY(5, gates) MULTIPLY(6, gates)

MULTIPLY_GATES(1)
MULTIPLY_GATES(2)
MULTIPLY_GATES(3)
MULTIPLY_GATES(4)

#define GATES(gates)                                                                                         \
    {                                                                                                        \
        multiply_1_##gates, multiply_2_##gates, multiply_3_##gates, multiply_4_##gates, multiply_5_##gates,  \
            multiply_6_##gates                                                                               \
    }

static void multiply(const struct recurrent_panels *p, size_t block, const float *const *x, size_t rows,
                     float *const *y) {
    static void (*const table[RECURRENT_GATES][RECURRENT_ROWS])(
        const struct recurrent_panels *, size_t, const float *const *, float *const *) = {GATES(1), GATES(2),
                                                                                          GATES(3), GATES(4)};
    table[p->gates - 1][rows - 1](p, block, x, y);
}

#else
static void multiply(const struct recurrent_panels *p, size_t block, const float *const *x, size_t rows,
                     float *const *y) {
    size_t lane = p->gates * RECURRENT_UNITS;
    for (size_t r = 0; r < rows; r++)
        memcpy(y[r], p->bias + block * lane, lane * sizeof(float));
    for (size_t k = 0; k < p->depth; k++) {
        const float *w = p->weights + (block * p->depth + k) * lane;
        for (size_t r = 0; r < rows; r++)
            for (size_t u = 0; u < lane; u++)
                y[r][u] = __builtin_fmaf(x[r][k], w[u], y[r][u]);
    }
}
#endif

/* A quotient that is not divided yet: products of gates share one division. */
struct ratio {
    lanes up, down;
};

/* tanh(x) = x P(x^2) / Q(x^2), x brought into [-8, 8]; the polynomials are vec_tanh's of vec.h. */
INLINE struct ratio tangent(lanes x) {
    lanes c = at_most(at_least(x, all(-8)), all(8)), t = times(c, c);
    lanes p = fused(all(2.3510448796115746e-11F), t, all(-1.4704968798184836e-08F));
    lanes q = fused(all(0.0002372072049183771F), t, all(0.024028044193983078F));
    p = fused(p, t, all(9.878918717731722e-06F));
    p = fused(p, t, all(0.002985890954732895F));
    p = fused(p, t, all(0.12979251146316528F));
    p = fused(p, t, all(1));
    q = fused(q, t, all(0.46312567591667175F));
    return (struct ratio){times(c, p), fused(q, t, all(1))};
}

/* 1 / (1 + e^-x) = (1 + tanh(x / 2)) / 2 */
INLINE struct ratio logistic(lanes x) {
    struct ratio r = tangent(times(x, all(0.5F)));
    return (struct ratio){add(r.down, r.up), add(r.down, r.down)};
}

/* Gate g of the sum of both parts. */
INLINE lanes gate(const float *in, const float *sums, size_t g) {
    return add(load(in + g * RECURRENT_UNITS), load(sums + g * RECURRENT_UNITS));
}

static void lstm(const float *in, const float *sums, float *c, float *h) {
    struct ratio i = logistic(gate(in, sums, 0)), o = logistic(gate(in, sums, 1));
    struct ratio f = logistic(gate(in, sums, 2)), g = tangent(gate(in, sums, 3));
    /* f c + i g over one denominator */
    lanes up = times(i.up, g.up), down = times(i.down, g.down);
    up = fused(times(f.up, load(c)), down, times(up, f.down));
    lanes state = over(up, times(down, f.down));
    struct ratio t = tangent(state);
    store(c, state);
    store(h, over(times(o.up, t.up), times(o.down, t.down)));
}

/* (1 - z) n + z h */
INLINE void mix(lanes z, struct ratio n, float *h) {
    lanes old = load(h), new = over(n.up, n.down);
    store(h, fused(z, add(old, times(new, all(-1))), new));
}

static void gru(const float *in, const float *sums, float *h) {
    struct ratio z = logistic(gate(in, sums, 0)), r = logistic(gate(in, sums, 1));
    lanes reset = times(over(r.up, r.down), load(sums + 2 * RECURRENT_UNITS));
    mix(over(z.up, z.down), tangent(add(load(in + 2 * RECURRENT_UNITS), reset)), h);
}

static void gru_reset(const float *in, const float *sums, const float *h, float *z, float *reset) {
    struct ratio keep = logistic(gate(in, sums, 0)), r = logistic(gate(in, sums, 1));
    store(z, over(keep.up, keep.down));
    store(reset, times(over(r.up, r.down), load(h)));
}

static void gru_update(const float *in, const float *sums, const float *z, float *h) {
    mix(load(z), tangent(add(load(in + 2 * RECURRENT_UNITS), load(sums))), h);
}

static void rnn_tanh(const float *in, const float *sums, float *h) {
    struct ratio t = tangent(gate(in, sums, 0));
    store(h, over(t.up, t.down));
}

static void rnn_relu(const float *in, const float *sums, float *h) {
    store(h, at_least(gate(in, sums, 0), all(0)));
}

const struct recurrent_kernels RECURRENT_KERNELS = {.name = RECURRENT_NAME,
                                                    .multiply = multiply,
                                                    .most_rows = RECURRENT_MOST_ROWS,
                                                    .lstm = lstm,
                                                    .gru = gru,
                                                    .gru_reset = gru_reset,
                                                    .gru_update = gru_update,
                                                    .rnn = {rnn_tanh, rnn_relu}};
