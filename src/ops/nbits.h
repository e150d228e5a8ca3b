/* nbits.h: MatMulNBits of com.microsoft: y = a w^T + bias, where the rows of w are levels of 2, 4 or 8 bits
 * in blocks with a scale and zero each. */
#ifndef OPS_NBITS_H
#define OPS_NBITS_H

#include "ops/op.h"

struct nbits {
    int64_t k, n, bits, block, blocks;                       /* blocks of a row */
    const sl_tensor *a, *b, *scales, *zeros, *groups, *bias; /* from `zeros` on they may be NULL */
};

/* SL_E_MODEL where the attributes do not fit each other. */
sl_status nbits_read(const struct op_call *call, struct nbits *p, sl_error *err);
/* Row `n` of the weights as k numbers; b, scales, zeros and groups must have their data. */
void nbits_row(const struct nbits *p, int64_t n, double *w);

#endif
