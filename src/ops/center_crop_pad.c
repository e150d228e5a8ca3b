/* center_crop_pad.c: CenterCropPad: to a given size around the middle, by cutting off or adding zeros. */
#include <string.h>

#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/strided.h"

static sl_status infer(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int64_t shape[SL_MAX_RANK];
    int axes[SL_MAX_RANK], count, sizes;
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE & ~OPS_BIT(SL_STRING), err);
    if (st == SL_OK)
        st = rule_axes(call, SIZE_MAX, "axes", x->rank, axes, &count, err);
    if (st == SL_OK)
        st = rule_ints(call, 1, NULL, shape, SL_MAX_RANK, &sizes, err);
    if (st == SL_OK && sizes != (count < 0 ? x->rank : count))
        st = error_set(err, SL_E_MODEL, "%d sizes for %d axes", sizes, count < 0 ? x->rank : count);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    for (int i = 0; i < sizes; i++) {
        if (shape[i] < 0)
            return error_set(err, SL_E_MODEL, "size %d is %lld", i, (long long)shape[i]);
        call->out[0]->dims[count < 0 ? i : axes[i]] = shape[i];
    }
    return SL_OK;
}

static void run(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    int64_t x_strides[SL_MAX_RANK], y_strides[SL_MAX_RANK], dims[SL_MAX_RANK], from = 0, to = 0;
    size_t nbytes = strided_nbytes(x);
    if (!rule_count(y))
        return;
    memset(y->data, 0, rule_nbytes(y));
    strided_dense(x, x_strides);
    strided_dense(y, y_strides);
    for (int d = 0; d < x->rank; d++) {
        bool crop = y->dims[d] < x->dims[d];
        dims[d] = crop ? y->dims[d] : x->dims[d];
        from += crop ? (x->dims[d] - y->dims[d]) / 2 * x_strides[d] : 0;
        to += crop ? 0 : (y->dims[d] - x->dims[d]) / 2 * y_strides[d];
    }
    strided_copy(nbytes, x->rank, dims, (const char *)x->data + from * (int64_t)nbytes, x_strides,
                 (char *)y->data + to * (int64_t)nbytes, y_strides);
}

const struct op op_center_crop_pad = {.domain = "",
                                      .name = "CenterCropPad",
                                      .since = 18,
                                      .min_in = 2,
                                      .max_in = 2,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .attrs = "axes",
                                      .infer = infer,
                                      .run = run};
