/* control.h: what If, Loop and Scan have in common: a node's graphs, the scratch of their runs, and slices of
 * tensors along an axis. */
#ifndef OPS_CONTROL_H
#define OPS_CONTROL_H

#include "ops/op.h"

/* The graph's attribute with its body; SL_E_MODEL when the node lacks it. */
sl_status control_body(const struct op_call *call, const char *name, const struct attr **attr, sl_error *err);
/* What `count` inputs of a node from `first` on are to its body: their shapes. */
void control_shapes(const struct op_call *call, size_t first, sl_tensor *in, size_t count);
/* An input of one element, or left out. */
sl_status control_single(const struct op_call *call, size_t i, sl_dtype dtype, sl_error *err);
bool control_same(const sl_tensor *a, const sl_tensor *b);
/* What the body takes from the node's inputs, behind its own. */
void control_take(const struct op_call *call, const struct attr *attr, const sl_tensor **in);
/* The body's outputs from `first` on have sizes that do not vary. */
sl_status control_fixed(const struct op_body *body, size_t first, sl_error *err);

/* Room in the scratch of a run, one piece after the other. */
size_t control_room(size_t *used, size_t nbytes);

/* Elements of a tensor with `axis` of `length` put in, whose slices are `slice`. */
sl_status control_stack(const sl_tensor *slice, int axis, int64_t length, sl_tensor *out, sl_error *err);
/* One slice of `t` along the axis, to and from bytes of its own. */
void control_slice_get(const sl_tensor *t, int axis, int64_t index, void *slice);
void control_slice_set(const sl_tensor *t, int axis, int64_t index, const void *slice);

#endif
