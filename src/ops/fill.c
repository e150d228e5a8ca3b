/* fill.c: tensors made from numbers: Shape, Size, ConstantOfShape, Range, OneHot, Trilu, EyeLike. */
#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define FILL(id, op_name, op_since, in_least, in_most, op_attrs, op_sized)                                   \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = in_least,                                                           \
                               .max_in = in_most,                                                            \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .sized = op_sized,                                                            \
                               .grows = op_sized,                                                            \
                               .infer = infer_##id,                                                          \
                               .run = run_##id};

static int clamp_axis(int64_t axis, int rank) {
    axis += axis < 0 ? rank : 0;
    return (int)(axis < 0 ? 0 : axis > rank ? rank : axis);
}

static sl_status infer_shape(const struct op_call *call, sl_error *err) {
    (void)err;
    int rank = call->in[0]->rank, start = clamp_axis(op_attr_int(call, "start", 0), rank);
    int end = clamp_axis(op_attr_int(call, "end", rank), rank);
    rule_set(call->out[0], SL_INT64, 1, (int64_t[]){end > start ? end - start : 0});
    return SL_OK;
}

static void run_shape(const struct op_call *call) {
    int64_t *out = call->out[0]->data;
    int start = clamp_axis(op_attr_int(call, "start", 0), call->in[0]->rank);
    for (int64_t i = 0; i < call->out[0]->dims[0]; i++)
        out[i] = call->in[0]->dims[start + i];
}

FILL(shape, "Shape", 1, 1, 1, "start end", 0)

static sl_status infer_size(const struct op_call *call, sl_error *err) {
    (void)err;
    rule_set(call->out[0], SL_INT64, 0, NULL);
    return SL_OK;
}

static void run_size(const struct op_call *call) {
    *(int64_t *)call->out[0]->data = rule_count(call->in[0]);
}

FILL(size, "Size", 1, 1, 1, NULL, 0)

static sl_status infer_constant_of_shape(const struct op_call *call, sl_error *err) {
    int64_t dims[SL_MAX_RANK];
    int rank;
    const struct attr *value = op_attr(call, "value");
    if (value && (value->type != ATTR_TENSOR || rule_count(value->tensor) != 1 ||
                  !(OPS_MOVABLE & OPS_BIT(value->tensor->dtype))))
        return error_set(err, SL_E_MODEL, "attribute 'value' is not a tensor of one element");
    sl_status st = rule_ints(call, 0, NULL, dims, SL_MAX_RANK, &rank, err);
    for (int i = 0; st == SL_OK && i < rank; i++)
        if (dims[i] < 0)
            st = error_set(err, SL_E_MODEL, "dim %d of the shape is %lld", i, (long long)dims[i]);
    if (st == SL_OK)
        rule_set(call->out[0], value ? value->tensor->dtype : SL_FLOAT, rank, dims);
    return st;
}

static void run_constant_of_shape(const struct op_call *call) {
    const struct attr *value = op_attr(call, "value");
    sl_tensor *y = call->out[0];
    size_t nbytes = sl_dtype_nbits(y->dtype) / 8;
    if (!value) {
        memset(y->data, 0, rule_nbytes(y));
        return;
    }
    for (int64_t i = 0, n = rule_count(y); i < n; i++)
        memcpy((char *)y->data + (size_t)i * nbytes, value->tensor->data, nbytes);
}

FILL(constant_of_shape, "ConstantOfShape", 9, 1, 1, "value", 1)

static sl_status infer_range(const struct op_call *call, sl_error *err) {
    unsigned set = OPS_REALS | OPS_SIGNED;
    double ends[3];
    for (size_t i = 0; i < 3; i++) {
        sl_status st = rule_dtype(call, i, set, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
        if (st != SL_OK)
            return st;
        if (!call->in[i]->data || rule_count(call->in[i]) != 1)
            return error_set(err, SL_E_MODEL, "input %zu must be one number, known when the model is loaded",
                             i);
        ends[i] = element_number(call->in[i]->dtype, call->in[i]->data, 0);
    }
    double count = ceil((ends[1] - ends[0]) / ends[2]);
    if (!(fabs(ends[2]) > 0) || isnan(count) || count > 0x1p40)
        return error_set(err, SL_E_MODEL, "the range from %g to %g by %g has no end", ends[0], ends[1],
                         ends[2]);
    rule_set(call->out[0], call->in[0]->dtype, 1, (int64_t[]){count > 0 ? (int64_t)count : 0});
    return SL_OK;
}

static void run_range(const struct op_call *call) {
    sl_tensor *y = call->out[0];
    sl_dtype dtype = y->dtype;
    for (int64_t i = 0; i < y->dims[0]; i++) {
        if (element_kind(dtype) == ELEMENT_REAL)
            element_set_real(dtype, y->data, i,
                             element_real(dtype, call->in[0]->data, 0) +
                                 (double)i * element_real(dtype, call->in[2]->data, 0));
        else
            element_set_unsigned(dtype, y->data, i,
                                 (uint64_t)element_signed(dtype, call->in[0]->data, 0) +
                                     (uint64_t)i * (uint64_t)element_signed(dtype, call->in[2]->data, 0));
    }
}

FILL(range, "Range", 11, 3, 3, NULL, 2)

static sl_status infer_one_hot(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int axis;
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_dtype(call, 2, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_vector(call, 2, 2, err);
    if (st == SL_OK && (!call->in[1]->data || rule_count(call->in[1]) != 1))
        st = error_set(err, SL_E_MODEL, "the depth must be one number, known when the model is loaded");
    if (st == SL_OK && x->rank == SL_MAX_RANK)
        st = error_set(err, SL_E_MODEL, "the result would have more than %d dims", SL_MAX_RANK);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", -1), x->rank + 1, &axis, err);
    if (st != SL_OK)
        return st;
    double depth = element_number(call->in[1]->dtype, call->in[1]->data, 0);
    if (!(depth >= 1 && depth <= INT32_MAX))
        return error_set(err, SL_E_MODEL, "the depth is %g", depth);
    int64_t dims[SL_MAX_RANK];
    for (int i = 0; i <= x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : i == axis ? (int64_t)depth : x->dims[i - 1];
    rule_set(call->out[0], call->in[2]->dtype, x->rank + 1, dims);
    return SL_OK;
}

static void run_one_hot(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *y = call->out[0];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", -1), y->rank, &axis, NULL);
    size_t nbytes = sl_dtype_nbits(y->dtype) / 8;
    int64_t depth = y->dims[axis], inner = rule_product(y, axis + 1, y->rank);
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        double wish = element_number(x->dtype, x->data, i / inner / depth * inner + i % inner);
        wish = trunc(wish);
        bool on = (wish < 0 ? wish + (double)depth : wish) == (double)(i / inner % depth);
        memcpy((char *)y->data + (size_t)i * nbytes, (const char *)call->in[2]->data + (on ? nbytes : 0),
               nbytes);
    }
}

FILL(one_hot, "OneHot", 9, 3, 3, "axis", 2)

static sl_status infer_trilu(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE & ~OPS_BIT(SL_STRING), err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    if (st == SL_OK && op_has_in(call, 1))
        st = rule_dtype(call, 1, OPS_BIT(SL_INT64), err);
    if (st == SL_OK && op_has_in(call, 1) && rule_count(call->in[1]) != 1)
        st = error_set(err, SL_E_MODEL, "input 1 must be one number");
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_trilu(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *y = call->out[0];
    size_t nbytes = sl_dtype_nbits(x->dtype) / 8;
    double k = op_has_in(call, 1) ? (double)*(const int64_t *)call->in[1]->data : 0;
    bool upper = op_attr_int(call, "upper", 1) != 0;
    int64_t w = x->dims[x->rank - 1], h = x->dims[x->rank - 2];
    for (int64_t i = 0, n = rule_count(x); i < n; i++) {
        double distance = (double)(i % w) - (double)(i / w % h);
        char *to = (char *)y->data + (size_t)i * nbytes;
        if (upper ? distance >= k : distance <= k)
            memcpy(to, (const char *)x->data + (size_t)i * nbytes, nbytes);
        else
            memset(to, 0, nbytes);
    }
}

FILL(trilu, "Trilu", 14, 1, 2, "upper", 0)

static sl_status infer_eye_like(const struct op_call *call, sl_error *err) {
    sl_status st = rule_rank(call, 0, 2, err);
    int64_t dtype = op_attr_int(call, "dtype", (int64_t)call->in[0]->dtype);
    if (st == SL_OK &&
        (dtype < 1 || dtype > SL_BFLOAT16 || !((OPS_NUMBERS | OPS_BIT(SL_BOOL)) & OPS_BIT(dtype))))
        st = error_set(err, SL_E_MODEL, "attribute 'dtype' is not a number's");
    if (st == SL_OK)
        rule_set(call->out[0], (sl_dtype)dtype, 2, call->in[0]->dims);
    return st;
}

static void run_eye_like(const struct op_call *call) {
    sl_tensor *y = call->out[0];
    int64_t k = op_attr_int(call, "k", 0);
    for (int64_t i = 0, n = rule_count(y); i < n; i++)
        element_set_unsigned(y->dtype, y->data, i, (double)(i % y->dims[1] - i / y->dims[1]) == (double)k);
}

FILL(eye_like, "EyeLike", 9, 1, 1, "dtype k", 0)
