/* small_linear.h: products of f32 rows with small constant weights, where a library's call costs more than
 * the work. One source (small_linear_body.h) compiled for each instruction set; the same bits from all of
 * them. */
#ifndef INFER_CPU_SMALL_LINEAR_H
#define INFER_CPU_SMALL_LINEAR_H

#include <stddef.h>

#define SMALL_PANEL 16

/* y = x W + bias + residual. Every sum begins with the bias and takes products in the order of k, each fused
 * with its addition, whatever rows stand beside it. */
struct small_linear {
    const float *panels; /* [columns / 16 rounded up, k, 16], zeros beyond the columns */
    const float *bias;   /* [columns rounded up to 16] */
    size_t k, columns;
};

struct small_kernels {
    const char *name;
    /* x [rows, k]; y and residual (or NULL) [rows, columns]; y may be the residual */
    void (*product)(const struct small_linear *linear, const float *x, const float *residual, float *y,
                    size_t rows);
};
extern const struct small_kernels small_kernels_portable, small_kernels_avx2, small_kernels_avx512;

#endif
