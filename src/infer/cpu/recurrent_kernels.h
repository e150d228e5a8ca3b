/* recurrent_kernels.h: what LSTM, GRU and RNN are made of on the CPU: products of a few rows with packed
 * weights, and what follows a product for sixteen units of one row. One source (recurrent_kernels_body.h)
 * compiled for each instruction set; the same bits from all of them, whatever rows go together: every sum is
 * one chain of fused multiply-adds in the order of the weights. */
#ifndef INFER_CPU_RECURRENT_KERNELS_H
#define INFER_CPU_RECURRENT_KERNELS_H

#include <stddef.h>

#define RECURRENT_UNITS 16 /* of a block */
#define RECURRENT_GATES 4  /* at most */
#define RECURRENT_ROWS 6   /* at most, of one product */

/* Weights of `gates` gates over `depth` numbers, for units in blocks of sixteen:
 * [block][depth][gate][unit]. Units that fill up the last block have weights of zero. */
struct recurrent_panels {
    size_t gates, depth, blocks;
    const float *weights;
    const float *bias; /* [block][gate][unit], where a sum begins */
};

struct recurrent_kernels {
    const char *name; /* "avx512", "avx2", "portable" */
    /* y[row] = bias + x[row] times block `block`; y: [gate][unit]. rows: at most most_rows[gates]. */
    void (*multiply)(const struct recurrent_panels *p, size_t block, const float *const *x, size_t rows,
                     float *const *y);
    size_t most_rows[RECURRENT_GATES + 1];
    /* Sixteen units of a row. `in` is what comes from the input, `sums` from the state, both [gate][unit];
     * c and h are updated in place. */
    void (*lstm)(const float *in, const float *sums, float *c, float *h);
    void (*gru)(const float *in, const float *sums, float *h); /* reset after the product */
    /* Reset before it: gates z and r from their sums; reset = r h. Then the hidden gate from its own. */
    void (*gru_reset)(const float *in, const float *sums, const float *h, float *z, float *reset);
    void (*gru_update)(const float *in, const float *sums, const float *z, float *h);
    void (*rnn[2])(const float *in, const float *sums, float *h); /* tanh, relu */
};

extern const struct recurrent_kernels recurrent_portable, recurrent_avx2, recurrent_avx512;

#endif
