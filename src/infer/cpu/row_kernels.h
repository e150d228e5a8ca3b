/* row_kernels.h: f32 kernels over contiguous rows, for steps that oneDNN has none for. One source
 * (row_kernels_body.h) compiled for each instruction set; the same bits from all of them. */
#ifndef INFER_CPU_ROW_KERNELS_H
#define INFER_CPU_ROW_KERNELS_H

#include <stddef.h>

enum row_unary {
    ROW_RELU,
    ROW_LEAKY_RELU, /* a: slope */
    ROW_CLIP,       /* a: min, b: max */
    ROW_SIGMOID,
    ROW_HARD_SIGMOID, /* a: alpha, b: beta */
    ROW_HARD_SWISH,
    ROW_SILU, /* x sigmoid(a x) */
    ROW_TANH,
    ROW_ERF,
    ROW_GELU,
    ROW_GELU_TANH,
    ROW_EXP,
    ROW_SQRT,
    ROW_NEG,
    ROW_ABS,
    ROW_RECIPROCAL,
    ROW_UNARY_COUNT
};

enum row_binary { ROW_ADD, ROW_SUB, ROW_MUL, ROW_DIV, ROW_MIN, ROW_MAX, ROW_BINARY_COUNT };

/* Which operand is one number for the whole row. */
enum row_form { ROW_BOTH, ROW_SECOND_ONE, ROW_FIRST_ONE, ROW_FORM_COUNT };

/* Outputs may be an input itself, but may not overlap it otherwise. Nothing is aligned. Any thread. */
struct row_kernels {
    const char *name; /* "avx512", "avx2", "portable" */
    void (*unary[ROW_UNARY_COUNT])(const float *x, float *y, size_t n, float a, float b);
    void (*binary[ROW_BINARY_COUNT][ROW_FORM_COUNT])(const float *x, const float *y, float *z, size_t n);
    /* z = x + y + bias (bias [n], may be NULL); sum over n, in a fixed order */
    void (*add_bias)(const float *x, const float *y, const float *bias, float *z, size_t n);
    /* y = (x - mean) / sqrt(variance + epsilon) * scale + bias over n; bias may be NULL; without `centre` by
     * the root mean square alone. Moments in two passes over f32. */
    void (*normalize)(const float *x, const float *scale, const float *bias, float *y, size_t n,
                      float epsilon, int centre);
    void (*softmax)(const float *x, float *y, size_t n);
    /* x becomes softmax(x * scale + mask); mask may be NULL. A row that is -infinity all over becomes zeros.
     */
    void (*softmax_masked)(float *x, const float *mask, float scale, size_t n);
    float (*sum)(const float *x, size_t n);
    float (*largest)(const float *x, size_t n);
};

extern const struct row_kernels row_kernels_portable, row_kernels_avx2, row_kernels_avx512;

/* The best that this machine has. */
const struct row_kernels *row_kernels(void);

#endif
