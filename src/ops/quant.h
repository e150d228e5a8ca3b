/* quant.h: quantised tensors: x = scale * (level - zero). The references of the quantised operators go
 * through the numbers behind the levels: integer sums in double are exact below 2^53, and everything after
 * them is in float, in the order in which ONNX Runtime computes, so levels agree with it. */
#ifndef OPS_QUANT_H
#define OPS_QUANT_H

#include "ops/op.h"
#include "ops/rules.h"

#define QUANT_BYTES (OPS_BIT(SL_INT8) | OPS_BIT(SL_UINT8))

/* Which scale (or zero) goes with which element of a tensor: one for all, one for each index of a dim, or one
 * for each block of a dim. */
struct grain {
    int rank;
    int64_t dims[SL_MAX_RANK], step[SL_MAX_RANK], block[SL_MAX_RANK];
};

/* For elements of x's shape: `param` is one number, a vector along `axis` (counted from the end when
 * negative), or has x's rank with dims 1 where it repeats; block 0: `axis` is not cut into blocks. NULL is
 * one number. `name` is for messages ("the scale"). */
sl_status grain_read(const sl_tensor *x, const sl_tensor *param, int axis, int64_t block, const char *name,
                     struct grain *g, sl_error *err);
/* Where the params of line `line` (of the last dim) begin; element i of it has grain_in(g, i) more. */
int64_t grain_line(const struct grain *g, int64_t line);
/* Elements of the last dim; 1 for a scalar. */
int64_t grain_width(const struct grain *g);
/* How many elements next to each other always share their params, and the param of element `at`. */
int64_t grain_alike(const struct grain *g);
int64_t grain_at(const struct grain *g, int64_t at);
static inline int64_t grain_in(const struct grain *g, int64_t i) {
    return g->rank ? i / g->block[g->rank - 1] * g->step[g->rank - 1] : 0;
}

/* Number i of a scale or zero; a missing zero is 0. */
float quant_scale(const sl_tensor *t, int64_t i);
int64_t quant_zero(const sl_tensor *t, int64_t i);

/* The level of a number already divided by its scale: rounded to even, moved by the zero, to the ends of the
 * dtype where it does not fit (NaN to the low one). */
int64_t quant_level(sl_dtype dtype, float x, int64_t zero);
void quant_write(sl_dtype dtype, void *y, int64_t i, float x, int64_t zero);

/* A tensor of x's shape in `dtype`, with its data in the room at *room, which moves on. With *room NULL there
 * is no data, and *room stays so. */
sl_tensor quant_shadow(const sl_tensor *x, sl_dtype dtype, char **room);
size_t quant_shadow_nbytes(const sl_tensor *x, sl_dtype dtype);

/* level - zero into a shadow of SL_DOUBLE. */
void quant_levels(const sl_tensor *x, const sl_tensor *zero, const struct grain *g, const sl_tensor *shadow);
/* scale * (level - zero), rounded to float twice, into a shadow of SL_FLOAT: one scale for all. */
void quant_reals(const sl_tensor *x, const sl_tensor *scale, const sl_tensor *zero, const sl_tensor *shadow);
/* A shadow of SL_FLOAT into levels: one scale for all. */
void quant_levels_of(const sl_tensor *shadow, const sl_tensor *scale, const sl_tensor *zero,
                     const sl_tensor *y);

/* DynamicQuantizeLinear's choice for uint8: the range of x with 0 in it. */
void quant_choose(const float *x, int64_t count, float *scale, int64_t *zero);

/* Inputs `scale` and `zero` are there (the zero may be missing) and fit; `dtype` is that of the levels. */
sl_status quant_params(const struct op_call *call, size_t scale, size_t zero, sl_dtype dtype, bool one,
                       sl_error *err);

#endif
