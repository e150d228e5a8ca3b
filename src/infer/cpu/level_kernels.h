/* level_kernels.h: kernels over 8-bit levels. One source (level_kernels_body.h) compiled for each instruction
 * set; the same levels from all of them. */
#ifndef INFER_CPU_LEVEL_KERNELS_H
#define INFER_CPU_LEVEL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y = a * scale[0] + b * scale[1] + offset, rounded to even, to the ends of the dtype. */
struct level_sum {
    bool is_signed; /* s8, else u8 */
    float scale[2], offset;
};

/* n levels each; nothing is aligned; y may be a or b. Any thread. */
struct level_kernels {
    const char *name;
    void (*add)(const void *a, const void *b, void *y, size_t n, const struct level_sum *sum);
    /* level = x / scale + zero; NaN becomes the lowest */
    void (*quantize)(const float *x, void *y, size_t n, bool is_signed, float scale, float zero);
    void (*gather)(const void *a, int32_t *sums, size_t n, bool is_signed); /* sums += a */
};

extern const struct level_kernels level_kernels_portable, level_kernels_avx2, level_kernels_avx512;

/* The best that this machine has. */
const struct level_kernels *level_kernels(void);

#endif
