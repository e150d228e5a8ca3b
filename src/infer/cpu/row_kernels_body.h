/* row_kernels_body.h: the kernels of row_kernels.h. Included once by each row_*.c, which names its table in
 * ROW_KERNELS. */
#include <math.h>

#include "infer/cpu/row_kernels.h"
#include "infer/cpu/vec.h"

#define UNARY(name, expression)                                                                              \
    static void name(const float *from, float *to, size_t n, float a, float b) {                             \
        (void)a;                                                                                             \
        (void)b;                                                                                             \
        for (; n >= VEC; from += VEC, to += VEC, n -= VEC) {                                                 \
            vec x = vec_load(from);                                                                          \
            vec_store(to, expression);                                                                       \
        }                                                                                                    \
        if (n) {                                                                                             \
            vec x = vec_load_part(from, n, 0);                                                               \
            vec_store_part(to, expression, n);                                                               \
        }                                                                                                    \
    }

UNARY(relu, vec_max(x, vec_all(0)))
UNARY(leaky_relu, vec_select(x < 0, x *a, x))
UNARY(clip, vec_min(vec_max(x, vec_all(a)), vec_all(b)))
UNARY(sigmoid, vec_sigmoid(x))
UNARY(hard_sigmoid, vec_min(vec_max(x *a + b, vec_all(0)), vec_all(1)))
UNARY(hard_swish, x *vec_min(vec_max(x *(1.0F / 6) + 0.5F, vec_all(0)), vec_all(1)))
UNARY(silu, x *vec_sigmoid(x *a))
UNARY(tangent, vec_tanh(x))
UNARY(error_function, vec_erf(x))
UNARY(gelu, x * 0.5F * (vec_erf(x * 0.70710678F) + 1.0F))
UNARY(gelu_tanh, x * 0.5F * (vec_tanh((x + x * x * x * 0.044715F) * 0.79788456F) + 1.0F))
UNARY(exponential, vec_exp_all(x))
UNARY(root, vec_sqrt(x))
UNARY(negative, -x)
UNARY(absolute, vec_abs(x))
UNARY(reciprocal, 1.0F / x)

#define BINARY(name, expression)                                                                             \
    static void name##_both(const float *p, const float *q, float *to, size_t n) {                           \
        for (; n >= VEC; p += VEC, q += VEC, to += VEC, n -= VEC) {                                          \
            vec x = vec_load(p), y = vec_load(q);                                                            \
            vec_store(to, expression);                                                                       \
        }                                                                                                    \
        if (n) {                                                                                             \
            vec x = vec_load_part(p, n, 0), y = vec_load_part(q, n, 1);                                      \
            vec_store_part(to, expression, n);                                                               \
        }                                                                                                    \
    }                                                                                                        \
    static void name##_second_one(const float *p, const float *q, float *to, size_t n) {                     \
        vec y = vec_all(*q);                                                                                 \
        for (; n >= VEC; p += VEC, to += VEC, n -= VEC) {                                                    \
            vec x = vec_load(p);                                                                             \
            vec_store(to, expression);                                                                       \
        }                                                                                                    \
        if (n) {                                                                                             \
            vec x = vec_load_part(p, n, 0);                                                                  \
            vec_store_part(to, expression, n);                                                               \
        }                                                                                                    \
    }                                                                                                        \
    static void name##_first_one(const float *p, const float *q, float *to, size_t n) {                      \
        vec x = vec_all(*p);                                                                                 \
        for (; n >= VEC; q += VEC, to += VEC, n -= VEC) {                                                    \
            vec y = vec_load(q);                                                                             \
            vec_store(to, expression);                                                                       \
        }                                                                                                    \
        if (n) {                                                                                             \
            vec y = vec_load_part(q, n, 1);                                                                  \
            vec_store_part(to, expression, n);                                                               \
        }                                                                                                    \
    }

BINARY(add, x + y)
BINARY(subtract, x - y)
BINARY(multiply, x *y)
BINARY(divide, x / y)
BINARY(least, vec_select(y != y, y, vec_min(x, y)))
BINARY(most, vec_select(y != y, y, vec_max(x, y)))

static void add_bias(const float *x, const float *y, const float *bias, float *z, size_t n) {
    for (; n >= VEC; x += VEC, y += VEC, z += VEC, n -= VEC) {
        vec v = vec_load(x) + vec_load(y);
        vec_store(z, bias ? v + vec_load(bias) : v);
        bias += bias ? VEC : 0;
    }
    if (n) {
        vec v = vec_load_part(x, n, 0) + vec_load_part(y, n, 0);
        vec_store_part(z, bias ? v + vec_load_part(bias, n, 0) : v, n);
    }
}

static float sum(const float *x, size_t n) {
    vec total = vec_all(0);
    for (; n >= VEC; x += VEC, n -= VEC)
        total += vec_load(x);
    if (n)
        total += vec_load_part(x, n, 0);
    return vec_sum(total);
}

static float largest(const float *x, size_t n) {
    vec most = vec_all(-INFINITY);
    for (; n >= VEC; x += VEC, n -= VEC) {
        vec v = vec_load(x);
        most = vec_select(v > most, v, most);
    }
    if (n) {
        vec v = vec_load_part(x, n, -INFINITY);
        most = vec_select(v > most, v, most);
    }
    return vec_largest(most);
}

/* Sum of squared distances from the mean. */
static float squares(const float *x, size_t n, float mean) {
    vec total = vec_all(0);
    for (; n >= VEC; x += VEC, n -= VEC) {
        vec d = vec_load(x) - mean;
        total += d * d;
    }
    if (n) {
        vec d = vec_load_part(x, n, mean) - mean;
        total += d * d;
    }
    return vec_sum(total);
}

static void normalize(const float *x, const float *scale, const float *bias, float *y, size_t n,
                      float epsilon, int centre) {
    float mean = centre ? sum(x, n) / (float)n : 0;
    float inverse = 1 / sqrtf(squares(x, n, mean) / (float)n + epsilon);
    for (; n >= VEC; x += VEC, scale += VEC, y += VEC, n -= VEC) {
        vec v = (vec_load(x) - mean) * inverse * vec_load(scale);
        vec_store(y, bias ? v + vec_load(bias) : v);
        bias += bias ? VEC : 0;
    }
    if (n) {
        vec v = (vec_load_part(x, n, 0) - mean) * inverse * vec_load_part(scale, n, 0);
        vec_store_part(y, bias ? v + vec_load_part(bias, n, 0) : v, n);
    }
}

static int has_nan(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != x[i])
            return 1;
    return 0;
}

/* A row of nothing but -inf gives NaN, as the definition does. */
static void softmax(const float *x, float *y, size_t n) {
    float most = largest(x, n);
    vec total = vec_all(0);
    size_t left = n;
    float *to = y;
    for (; left >= VEC; x += VEC, to += VEC, left -= VEC) {
        vec e = vec_exp(vec_load(x) - most);
        vec_store(to, e);
        total += e;
    }
    if (left) { /* -inf less the largest is e^-inf: lanes that are not there add nothing */
        vec e = vec_exp(vec_load_part(x, left, -INFINITY) - most);
        vec_store_part(to, e, left);
        total += e;
    }
    float inverse = 1 / vec_sum(total);
    multiply_second_one(y, &inverse, y, n);
}

static void softmax_masked(float *x, const float *mask, float scale, size_t n) {
    size_t i = 0;
    vec most = vec_all(-INFINITY);
    for (; i + VEC <= n; i += VEC) {
        vec v = vec_load(x + i) * scale;
        v = mask ? v + vec_load(mask + i) : v;
        vec_store(x + i, v);
        most = vec_select(v > most, v, most);
    }
    if (i < n) {
        vec v = vec_load_part(x + i, n - i, 0) * scale;
        v = mask ? v + vec_load_part(mask + i, n - i, 0) : v;
        vec_store_part(x + i, v, n - i);
        v = vec_load_part(x + i, n - i, -INFINITY);
        most = vec_select(v > most, v, most);
    }
    if (vec_largest(most) == -INFINITY && !has_nan(x, n))
        memset(x, 0, n * sizeof *x);
    else
        softmax(x, x, n);
}

#define FORMS(name)                                                                                          \
    { name##_both, name##_second_one, name##_first_one }

const struct row_kernels ROW_KERNELS = {.name = ROW_NAME,
                                        .unary = {[ROW_RELU] = relu,
                                                  [ROW_LEAKY_RELU] = leaky_relu,
                                                  [ROW_CLIP] = clip,
                                                  [ROW_SIGMOID] = sigmoid,
                                                  [ROW_HARD_SIGMOID] = hard_sigmoid,
                                                  [ROW_HARD_SWISH] = hard_swish,
                                                  [ROW_SILU] = silu,
                                                  [ROW_TANH] = tangent,
                                                  [ROW_ERF] = error_function,
                                                  [ROW_GELU] = gelu,
                                                  [ROW_GELU_TANH] = gelu_tanh,
                                                  [ROW_EXP] = exponential,
                                                  [ROW_SQRT] = root,
                                                  [ROW_NEG] = negative,
                                                  [ROW_ABS] = absolute,
                                                  [ROW_RECIPROCAL] = reciprocal},
                                        .binary = {[ROW_ADD] = FORMS(add),
                                                   [ROW_SUB] = FORMS(subtract),
                                                   [ROW_MUL] = FORMS(multiply),
                                                   [ROW_DIV] = FORMS(divide),
                                                   [ROW_MIN] = FORMS(least),
                                                   [ROW_MAX] = FORMS(most)},
                                        .add_bias = add_bias,
                                        .normalize = normalize,
                                        .softmax = softmax,
                                        .softmax_masked = softmax_masked,
                                        .sum = sum,
                                        .largest = largest};
