/* move.h: what nodes say that only move elements: shared by the references and the devices. All fail only
 * where the shape rule fails. */
#ifndef OPS_MOVE_H
#define OPS_MOVE_H

#include "ops/op.h"

/* Transpose: dim i of the output is dim perm[i] of the input. */
sl_status move_read_perm(const struct op_call *call, int *perm, sl_error *err);

/* Slice: a start and a step for each dim, and how many positions are left. */
struct move_cut {
    int64_t start[SL_MAX_RANK], step[SL_MAX_RANK], size[SL_MAX_RANK];
};
sl_status move_read_cut(const struct op_call *call, struct move_cut *cut, sl_error *err);

/* Split: how much of the axis output i has, also where nobody reads it and it has no shape. */
int64_t move_split_size(const struct op_call *call, size_t i, int axis);

/* DepthToSpace (`to_space`) and SpaceToDepth: six dims in the order of the output, and the strides of each in
 * the input. */
struct move_blocks {
    int64_t dims[6], from[6];
};
struct move_blocks move_find_blocks(const struct op_call *call, bool to_space);

/* Pad. Position i of dim d is position i - begin[d] of the input. */
enum move_fill { FILL_CONSTANT, FILL_EDGE, FILL_REFLECT, FILL_WRAP };
struct move_padding {
    int64_t begin[SL_MAX_RANK], end[SL_MAX_RANK];
    enum move_fill fill;
};
sl_status move_read_padding(const struct op_call *call, struct move_padding *p, sl_error *err);

#endif
