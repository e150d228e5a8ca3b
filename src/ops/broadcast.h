/* broadcast.h: walking one output and up to three inputs together under numpy's rules. Dims that can be
 * walked as one are joined, so that most calls have one inner loop with strides 0 or 1. */
#ifndef OPS_BROADCAST_H
#define OPS_BROADCAST_H

#include "ops/op.h"

#define BROADCAST_INPUTS 3

struct broadcast {
    int rank; /* outer dims */
    int64_t dims[SL_MAX_RANK], at[SL_MAX_RANK];
    int64_t strides[BROADCAST_INPUTS][SL_MAX_RANK];
    int64_t inner, inner_strides[BROADCAST_INPUTS]; /* the last dim */
    int64_t base[BROADCAST_INPUTS], out_base;       /* where the inner loop starts */
    bool done;
};

/* `out` has the broadcast shape of the inputs. */
void broadcast_begin(struct broadcast *b, const sl_tensor *out, const sl_tensor *const *in, int count);
/* Moves to the next inner loop; false after the last. */
bool broadcast_next(struct broadcast *b);

#endif
