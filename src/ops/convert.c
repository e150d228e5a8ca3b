/* convert.c: Cast and CastLike, and Clip, whose bounds were attributes once and are inputs now. */
#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define CASTABLE (OPS_NUMBERS | OPS_BIT(SL_BOOL) | OPS_BIT(SL_INT4) | OPS_BIT(SL_UINT4))

static sl_status infer_to(const struct op_call *call, int64_t to, sl_error *err) {
    sl_status st = rule_dtype(call, 0, CASTABLE, err);
    if (st != SL_OK)
        return st;
    if (to <= 0 || to > SL_INT4 || !(CASTABLE & OPS_BIT(to)))
        return error_set(err, SL_E_MODEL, "cannot cast %s to %s", sl_dtype_name(call->in[0]->dtype),
                         to > 0 && to <= SL_INT4 ? sl_dtype_name((sl_dtype)to) : "an unknown dtype");
    rule_set(call->out[0], (sl_dtype)to, call->in[0]->rank, call->in[0]->dims);
    return SL_OK;
}

static sl_status infer_cast(const struct op_call *call, sl_error *err) {
    return infer_to(call, op_attr_int(call, "to", 0), err);
}

static sl_status infer_cast_like(const struct op_call *call, sl_error *err) {
    return infer_to(call, op_has_in(call, 1) ? (int64_t)call->in[1]->dtype : 0, err);
}

OPS_INLINE void cast_real(sl_dtype dtype, const sl_tensor *x, const sl_tensor *y, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        element_set_real(y->dtype, y->data, i, element_real(dtype, x->data, i));
}

static void run_cast(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    int64_t n = rule_count(y);
    if (x->dtype == y->dtype && x->data == y->data)
        return;
    if (x->dtype == y->dtype)
        memcpy(y->data, x->data, rule_nbytes(y));
    else if (element_kind(x->dtype) == ELEMENT_SIGNED)
        for (int64_t i = 0; i < n; i++)
            element_set_signed(y->dtype, y->data, i, element_signed(x->dtype, x->data, i));
    else if (element_kind(x->dtype) == ELEMENT_UNSIGNED)
        for (int64_t i = 0; i < n; i++)
            element_set_unsigned(y->dtype, y->data, i, element_unsigned(x->dtype, x->data, i));
    else
        ELEMENT_DISPATCH_REAL(x->dtype, cast_real, x, y, n);
}

const struct op op_cast = {.domain = "",
                           .name = "Cast",
                           .since = 6,
                           .min_in = 1,
                           .max_in = 1,
                           .min_out = 1,
                           .max_out = 1,
                           .attrs = "to saturate round_mode",
                           .infer = infer_cast,
                           .run = run_cast,
                           .elementwise = true};

const struct op op_cast_like = {.domain = "",
                                .name = "CastLike",
                                .since = 15,
                                .min_in = 2,
                                .max_in = 2,
                                .min_out = 1,
                                .max_out = 1,
                                .attrs = "saturate round_mode",
                                .infer = infer_cast_like,
                                .run = run_cast};

static sl_status infer_clip(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    for (size_t i = 1; st == SL_OK && i < 3; i++) {
        if (!op_has_in(call, i))
            continue;
        st = rule_same_dtype(call, 0, i, err);
        if (st == SL_OK && rule_count(call->in[i]) != 1)
            st = error_set(err, SL_E_MODEL, "input %zu must be one number", i);
    }
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

/* The low bound first, so the high one wins where they cross. */
OPS_INLINE void clip_real(sl_dtype dtype, const struct op_call *call, double low, double high) {
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++) {
        double x = element_real(dtype, call->in[0]->data, i);
        x = x < low ? low : x;
        element_set_real(dtype, call->out[0]->data, i, x > high ? high : x);
    }
}

static double real_bound(const struct op_call *call, size_t in, const char *name, float fallback) {
    if (op_has_in(call, in))
        return element_real(call->in[in]->dtype, call->in[in]->data, 0);
    return (double)op_attr_float(call, name, fallback);
}

static void clip_integers(const struct op_call *call) {
    int64_t n = rule_count(call->out[0]);
    sl_dtype dtype = call->in[0]->dtype;
    const void *low = op_has_in(call, 1) ? call->in[1]->data : NULL;
    const void *high = op_has_in(call, 2) ? call->in[2]->data : NULL;
    if (element_kind(dtype) == ELEMENT_SIGNED) {
        int64_t a = low ? element_signed(dtype, low, 0) : INT64_MIN;
        int64_t b = high ? element_signed(dtype, high, 0) : INT64_MAX;
        for (int64_t i = 0; i < n; i++) {
            int64_t x = element_signed(dtype, call->in[0]->data, i);
            x = x < a ? a : x;
            element_set_signed(dtype, call->out[0]->data, i, x > b ? b : x);
        }
        return;
    }
    uint64_t a = low ? element_unsigned(dtype, low, 0) : 0;
    uint64_t b = high ? element_unsigned(dtype, high, 0) : UINT64_MAX;
    for (int64_t i = 0; i < n; i++) {
        uint64_t x = element_unsigned(dtype, call->in[0]->data, i);
        x = x < a ? a : x;
        element_set_unsigned(dtype, call->out[0]->data, i, x > b ? b : x);
    }
}

static void run_clip(const struct op_call *call) {
    if (element_kind(call->in[0]->dtype) != ELEMENT_REAL) {
        clip_integers(call);
        return;
    }
    double low = real_bound(call, 1, "min", -INFINITY), high = real_bound(call, 2, "max", INFINITY);
    ELEMENT_DISPATCH_REAL(call->in[0]->dtype, clip_real, call, low, high);
}

const struct op op_clip = {.domain = "",
                           .name = "Clip",
                           .since = 6,
                           .min_in = 1,
                           .max_in = 3,
                           .min_out = 1,
                           .max_out = 1,
                           .attrs = "min max",
                           .infer = infer_clip,
                           .run = run_clip,
                           .elementwise = true};
