/* small_linear_body.h: the kernels of small_linear.h. Included once by each small_linear_*.c, which names its
 * table in SMALL_KERNELS, and says how many floats a register takes (PART), how they are fused (part_fma),
 * and how many rows and panels share what was loaded (ROWS, PANELS). */
#include <string.h>

#include "infer/cpu/small_linear.h"

#define INLINE static inline __attribute__((always_inline))
enum { PARTS = SMALL_PANEL / PART }; /* registers of a panel */

INLINE void part_store(float *y, const float *residual, part sum, size_t n) {
    float out[PART];
    part r;
    if (n >= PART) {
        if (residual) {
            memcpy(&r, residual, sizeof r);
            sum += r;
        }
        memcpy(y, &sum, sizeof sum);
        return;
    }
    memcpy(out, &sum, sizeof out);
    for (size_t i = 0; i < n; i++)
        y[i] = residual ? out[i] + residual[i] : out[i];
}

/* `rows` rows times `panels` panels from column `first` on; both are constants where this is inlined. */
INLINE void block(const struct small_linear *l, const float *x, const float *residual, float *y, size_t first,
                  size_t rows, size_t panels) {
    part sums[ROWS][PANELS * PARTS];
    const float *weights = l->panels + first * l->k;
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (size_t p = 0; p < panels * PARTS; p++)
            memcpy(&sums[r][p], l->bias + first + p * PART, sizeof(part));
    for (size_t k = 0; k < l->k; k++) {
        part w[PANELS * PARTS];
#pragma GCC unroll 8
        for (size_t p = 0; p < panels * PARTS; p++)
            memcpy(&w[p], weights + (p / PARTS * l->k + k) * SMALL_PANEL + p % PARTS * PART, sizeof(part));
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (size_t p = 0; p < panels * PARTS; p++)
                sums[r][p] = part_fma(x[r * l->k + k], w[p], sums[r][p]);
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (size_t p = 0; p < panels * PARTS; p++) {
            size_t column = first + p * PART, at = r * l->columns + column;
            if (column < l->columns)
                part_store(y + at, residual ? residual + at : NULL, sums[r][p], l->columns - column);
        }
}

INLINE void all_columns(const struct small_linear *l, const float *x, const float *residual, float *y,
                        size_t rows) {
    size_t first = 0;
    for (; first + (PANELS - 1) * SMALL_PANEL < l->columns; first += PANELS * SMALL_PANEL)
        block(l, x, residual, y, first, rows, PANELS);
    if (PANELS > 1 && first < l->columns)
        block(l, x, residual, y, first, rows, 1);
}

static void product(const struct small_linear *l, const float *x, const float *residual, float *y,
                    size_t rows) {
    for (size_t n; rows; rows -= n) {
        n = rows >= ROWS ? ROWS : rows >= 2 ? 2 : 1;
        if (n == ROWS)
            all_columns(l, x, residual, y, ROWS);
        else if (n == 2)
            all_columns(l, x, residual, y, 2);
        else
            all_columns(l, x, residual, y, 1);
        x += n * l->k;
        y += n * l->columns;
        residual = residual ? residual + n * l->columns : NULL;
    }
}

const struct small_kernels SMALL_KERNELS = {SMALL_NAME, product};
