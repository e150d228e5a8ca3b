/* ops.h: the operators of every family, for the files that define them and for op_table.c. */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include "ops/op.h"

#define OP(id) extern const struct op op_##id;
#include "ops/op_list.h"
#undef OP

#endif
