/* line_kernels.h: f32 kernels over the lines of images: what Resize, ConvTranspose and pools do to a whole
 * row at a time. One source (line_kernels_body.h) compiled for each instruction set; the same bits from all
 * of them. */
#ifndef INFER_CPU_LINE_KERNELS_H
#define INFER_CPU_LINE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* n floats each; nothing is aligned, outputs do not overlap inputs. Any thread. */
struct line_kernels {
    const char *name;                                                 /* "lines avx512", ... */
    void (*add)(float *to, const float *x, size_t n);                 /* to += x */
    void (*most)(float *to, const float *x, size_t n);                /* to = the larger; NaN stays */
    void (*scale)(float *to, const float *x, float a, size_t n);      /* to = a x */
    void (*add_scaled)(float *to, const float *x, float a, size_t n); /* to += a x */
    void (*blend)(float *to, const float *x, const float *y, float a, float b, size_t n); /* to = a x + b y */
    void (*offset)(float *to, const float *x, float a, size_t n);                         /* to = x + a */
    void (*divide)(float *to, const float *x, const float *y, float a, size_t n);         /* to = x / (a y) */
    /* to[2 i] = x[i] + a, to[2 i + 1] = y[i] + a; and back without a */
    void (*weave)(float *to, const float *x, const float *y, float a, size_t n);
    void (*split)(float *x, float *y, const float *from, size_t n);
    /* to[i] = x[at[i]]; to[i] = a[i] x[at[i]] + b[i] x[bt[i]] */
    void (*pick)(float *to, const float *x, const int32_t *at, size_t n);
    void (*pick_two)(float *to, const float *x, const int32_t *at, const int32_t *bt, const float *a,
                     const float *b, size_t n);
};

extern const struct line_kernels line_kernels_portable, line_kernels_avx2, line_kernels_avx512;

/* The best that this machine has. */
const struct line_kernels *line_kernels(void);

#endif
