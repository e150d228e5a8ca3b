/* reduce.h: what a Reduce* node says: shared by the references and the devices. */
#ifndef OPS_REDUCE_H
#define OPS_REDUCE_H

#include "ops/op.h"

/* Which dims go, and which stay. */
struct reduced {
    bool gone[SL_MAX_RANK];
    bool nothing; /* no axes and noop_with_empty_axes: the input as it is */
};
sl_status reduce_read_axes(const struct op_call *call, struct reduced *r, sl_error *err);

#endif
