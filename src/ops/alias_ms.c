/* alias_ms.c: operators that com.microsoft had before ONNX did: Trilu, GatherND, ReduceSumInteger; and
 * ExpandDims, which is Unsqueeze at one place. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status infer_trilu(const struct op_call *call, sl_error *err) {
    return op_trilu.infer(call, err);
}

static void run_trilu(const struct op_call *call) {
    op_trilu.run(call);
}

static sl_status infer_gather_nd(const struct op_call *call, sl_error *err) {
    return op_gather_nd.infer(call, err);
}

static void run_gather_nd(const struct op_call *call) {
    op_gather_nd.run(call);
}

/* Bytes, summed in 32 bits. */
static sl_status infer_reduce_sum(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_INT8) | OPS_BIT(SL_UINT8), err);
    if (st == SL_OK)
        st = op_reduce_sum.infer(call, err);
    if (st == SL_OK)
        call->out[0]->dtype = call->in[0]->dtype == SL_INT8 ? SL_INT32 : SL_UINT32;
    return st;
}

static void run_reduce_sum(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *y = call->out[0];
    int axes[SL_MAX_RANK], count = -1;
    int64_t steps[SL_MAX_RANK], step = 1; /* of each dim in y, 0 where it goes */
    uint32_t *sums = y->data;
    (void)rule_axes(call, SIZE_MAX, "axes", x->rank, axes, &count, NULL);
    for (int d = x->rank - 1; d >= 0; d--) {
        bool gone = count <= 0;
        for (int i = 0; i < count; i++)
            gone = gone || axes[i] == d;
        steps[d] = gone ? 0 : step;
        step *= gone ? 1 : x->dims[d];
    }
    memset(sums, 0, rule_nbytes(y));
    for (int64_t i = 0, n = rule_count(x); i < n; i++) {
        int64_t at = 0, rest = i;
        for (int d = x->rank - 1; d >= 0; d--) {
            at += rest % x->dims[d] * steps[d];
            rest /= x->dims[d];
        }
        sums[at] += (uint32_t)element_index(x->dtype, x->data, i);
    }
}

static sl_status infer_expand_dims(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0], *axis = call->in[1];
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_BIT(SL_INT32), err);
    if (st == SL_OK && (!axis->data || rule_count(axis) != 1))
        st = error_set(err, SL_E_MODEL, "input 1 must be one number that is known when the model is loaded");
    if (st == SL_OK && x->rank == SL_MAX_RANK)
        st = error_set(err, SL_E_MODEL, "the result would have more than %d dims", SL_MAX_RANK);
    int at = 0;
    if (st == SL_OK)
        st = rule_axis(*(const int32_t *)axis->data, x->rank + 1, &at, err);
    if (st != SL_OK)
        return st;
    sl_tensor *y = call->out[0];
    y->dtype = x->dtype;
    y->rank = x->rank + 1;
    for (int d = 0; d < y->rank; d++)
        y->dims[d] = d < at ? x->dims[d] : d == at ? 1 : x->dims[d - 1];
    return SL_OK;
}

static void run_expand_dims(const struct op_call *call) {
    size_t nbytes = rule_nbytes(call->in[0]);
    if (nbytes)
        memcpy(call->out[0]->data, call->in[0]->data, nbytes);
}

#define ALIAS(id, op_name, op_max_in, op_min_in, op_attrs, op_view)                                          \
    const struct op op_ms_##id = {.domain = "com.microsoft",                                                 \
                                  .name = op_name,                                                           \
                                  .since = 1,                                                                \
                                  .min_in = op_min_in,                                                       \
                                  .max_in = op_max_in,                                                       \
                                  .min_out = 1,                                                              \
                                  .max_out = 1,                                                              \
                                  .attrs = op_attrs,                                                         \
                                  .infer = infer_##id,                                                       \
                                  .run = run_##id,                                                           \
                                  .view = op_view};

ALIAS(trilu, "Trilu", 2, 1, "upper", false)
ALIAS(gather_nd, "GatherND", 2, 2, NULL, false)
ALIAS(reduce_sum, "ReduceSumInteger", 1, 1, "axes keepdims", false)
ALIAS(expand_dims, "ExpandDims", 2, 2, NULL, true)
