/* rules.h: what shape rules are made of. All return SL_E_MODEL with a text that the graph completes with the
 * node's name; inputs count from 0. */
#ifndef OPS_RULES_H
#define OPS_RULES_H

#include "ops/op.h"

/* Sets of dtypes. */
#define OPS_BIT(dtype) (1u << (dtype))
#define OPS_REALS (OPS_BIT(SL_FLOAT) | OPS_BIT(SL_DOUBLE) | OPS_BIT(SL_FLOAT16) | OPS_BIT(SL_BFLOAT16))
#define OPS_SIGNED (OPS_BIT(SL_INT8) | OPS_BIT(SL_INT16) | OPS_BIT(SL_INT32) | OPS_BIT(SL_INT64))
#define OPS_UNSIGNED (OPS_BIT(SL_UINT8) | OPS_BIT(SL_UINT16) | OPS_BIT(SL_UINT32) | OPS_BIT(SL_UINT64))
#define OPS_INTS (OPS_SIGNED | OPS_UNSIGNED)
#define OPS_NUMBERS (OPS_REALS | OPS_INTS)
/* Numbers to convert from and to, which nothing computes in. */
#define OPS_FLOAT8                                                                                           \
    (OPS_BIT(SL_FLOAT8E4M3FN) | OPS_BIT(SL_FLOAT8E4M3FNUZ) | OPS_BIT(SL_FLOAT8E5M2) |                        \
     OPS_BIT(SL_FLOAT8E5M2FNUZ))
#define OPS_SMALL_INTS (OPS_BIT(SL_INT4) | OPS_BIT(SL_UINT4) | OPS_BIT(SL_INT2) | OPS_BIT(SL_UINT2))
#define OPS_SMALL (OPS_FLOAT8 | OPS_BIT(SL_FLOAT8E8M0) | OPS_BIT(SL_FLOAT4E2M1) | OPS_SMALL_INTS)
#define OPS_COMPLEX (OPS_BIT(SL_COMPLEX64) | OPS_BIT(SL_COMPLEX128))
/* Whole bytes that can be moved about without knowing what they are. */
#define OPS_MOVABLE                                                                                          \
    (OPS_NUMBERS | OPS_COMPLEX | OPS_FLOAT8 | OPS_BIT(SL_FLOAT8E8M0) | OPS_BIT(SL_BOOL) | OPS_BIT(SL_STRING))

/* "float [2, 3]" into `text`, a dim that is not known as "?"; returns it. */
#define RULE_TEXT 160
const char *rule_text(char text[RULE_TEXT], const sl_tensor *t);

/* Elements of a shape that was checked before. */
int64_t rule_count(const sl_tensor *t);
/* Product of dims [from, to). */
int64_t rule_product(const sl_tensor *t, int from, int to);
size_t rule_nbytes(const sl_tensor *t);

void rule_set(sl_tensor *t, sl_dtype dtype, int rank, const int64_t *dims);

bool op_has_in(const struct op_call *call, size_t i);
bool op_has_out(const struct op_call *call, size_t i);

/* Input i is there and of one of the dtypes. */
sl_status rule_dtype(const struct op_call *call, size_t i, unsigned set, sl_error *err);
/* Inputs i and j have one dtype. */
sl_status rule_same_dtype(const struct op_call *call, size_t i, size_t j, sl_error *err);
sl_status rule_rank(const struct op_call *call, size_t i, int rank, sl_error *err);
sl_status rule_min_rank(const struct op_call *call, size_t i, int rank, sl_error *err);
/* Input i is a tensor of rank 1 with `count` elements. */
sl_status rule_vector(const struct op_call *call, size_t i, int64_t count, sl_error *err);
/* Turns an axis of [-rank, rank) into [0, rank). */
sl_status rule_axis(int64_t axis, int rank, int *out, sl_error *err);
/* Shape of a and b under numpy's rules into out's rank and dims. `out` may be `a`. */
sl_status rule_broadcast(const sl_tensor *a, const sl_tensor *b, sl_tensor *out, sl_error *err);
/* That of all inputs from `first` on, with input 0's dtype unless `dtype` is set. */
sl_status rule_broadcast_all(const struct op_call *call, size_t first, sl_dtype dtype, sl_error *err);
/* Output i: a copy of input 0's dtype and dims. */
void rule_like(const struct op_call *call, size_t out);

/* A dim of output `out` is a bound: what comes is between `least` and that. */
void rule_at_most(const struct op_call *call, size_t out, int dim, int64_t least);

/* A list of integers that is an attribute in old opsets and a constant input in newer ones (or, with `in`
 * SIZE_MAX or `name` NULL, only one of the two). *count is -1 when there is neither. */
sl_status rule_ints(const struct op_call *call, size_t in, const char *name, int64_t *values, int max,
                    int *count, sl_error *err);
/* The same for axes: normalised, without repetition. */
sl_status rule_axes(const struct op_call *call, size_t in, const char *name, int rank, int *axes, int *count,
                    sl_error *err);

#endif
