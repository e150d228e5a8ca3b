/* einsum.h: an Einsum equation read against its inputs: every dim is a label, and each input moves by a
 * stride when a label takes a step. */
#ifndef OPS_EINSUM_H
#define OPS_EINSUM_H

#include "ops/op.h"

#define EINSUM_MOST_INPUTS 16
#define EINSUM_ELLIPSIS 128 /* labels from here on are the dims of "...", counted from the last */
#define EINSUM_LABELS (EINSUM_ELLIPSIS + SL_MAX_RANK)
#define EINSUM_MOST_SUMS 64

struct einsum {
    int64_t size[EINSUM_LABELS];
    unsigned uses[EINSUM_LABELS]; /* times in the inputs */
    uint8_t order[EINSUM_LABELS]; /* labels as they first appear */
    int label_count;
    int out_rank;
    uint8_t out[SL_MAX_RANK];
    int sum_count;
    uint8_t sum[EINSUM_MOST_SUMS]; /* labels that the output does not have */
    int64_t stride[EINSUM_MOST_INPUTS]
                  [EINSUM_LABELS]; /* 0 where an input does not have the label, or broadcasts */
};

sl_status einsum_read(const struct op_call *call, struct einsum *e, sl_error *err);

#endif
