/* convert.c: Cast, CastLike and BitCast, and Clip, whose bounds were attributes once and are inputs now. */
#include <math.h>
#include <string.h>

#include "ops/cast_text.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define CASTABLE (OPS_NUMBERS | OPS_BIT(SL_BOOL) | OPS_BIT(SL_STRING) | OPS_SMALL)

static sl_status infer_to(const struct op_call *call, int64_t to, sl_error *err) {
    sl_status st = rule_dtype(call, 0, CASTABLE, err);
    if (st != SL_OK)
        return st;
    if (to <= 0 || to >= SL_DTYPE_END || !(CASTABLE & OPS_BIT(to)))
        return error_set(err, SL_E_MODEL, "cannot cast %s to %s", sl_dtype_name(call->in[0]->dtype),
                         to > 0 && to < SL_DTYPE_END ? sl_dtype_name((sl_dtype)to) : "an unknown dtype");
    rule_set(call->out[0], (sl_dtype)to, call->in[0]->rank, call->in[0]->dims);
    return SL_OK;
}

static sl_status infer_cast(const struct op_call *call, sl_error *err) {
    return infer_to(call, op_attr_int(call, "to", 0), err);
}

static sl_status infer_cast_like(const struct op_call *call, sl_error *err) {
    return infer_to(call, op_has_in(call, 1) ? (int64_t)call->in[1]->dtype : 0, err);
}

static size_t text_cast(const struct op_call *call, const struct op_text *in, struct op_text *out) {
    if (call->out[0]->dtype != SL_STRING)
        return 0;
    if (call->in[0]->dtype == SL_STRING) { /* the same texts */
        *out = in[0];
        return 0;
    }
    out->longest = CAST_TEXT_MOST;
    out->total = (size_t)rule_count(call->out[0]) * CAST_TEXT_MOST;
    return out->total;
}

OPS_INLINE void cast_real(sl_dtype dtype, const sl_tensor *x, const sl_tensor *y, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        element_set_real(y->dtype, y->data, i, element_real(dtype, x->data, i));
}

static void cast_to_small(const struct op_call *call, const sl_tensor *x, const sl_tensor *y) {
    bool saturate = op_attr_int(call, "saturate", 1) != 0;
    enum small_round round = op_attr_is(call, "round_mode", "down", "up")      ? SMALL_DOWN
                             : op_attr_is(call, "round_mode", "nearest", "up") ? SMALL_NEAREST
                                                                               : SMALL_UP;
    for (int64_t i = 0, n = rule_count(y); i < n; i++)
        element_set_bits(y->dtype, y->data, i,
                         small_float_bits(y->dtype, element_number(x->dtype, x->data, i), saturate, round));
}

static void cast_numbers(const struct op_call *call, const sl_tensor *x, const sl_tensor *y) {
    int64_t n = rule_count(y);
    if (small_float_is(y->dtype))
        cast_to_small(call, x, y);
    else if (element_kind(x->dtype) == ELEMENT_SIGNED)
        for (int64_t i = 0; i < n; i++)
            element_set_signed(y->dtype, y->data, i, element_signed(x->dtype, x->data, i));
    else if (element_kind(x->dtype) == ELEMENT_UNSIGNED)
        for (int64_t i = 0; i < n; i++)
            element_set_unsigned(y->dtype, y->data, i, element_unsigned(x->dtype, x->data, i));
    else if (small_float_is(x->dtype))
        cast_real(x->dtype, x, y, n);
    else
        ELEMENT_DISPATCH_REAL(x->dtype, cast_real, x, y, n);
}

static void run_cast(const struct op_call *call) {
    sl_tensor x = *call->in[0], *y = call->out[0];
    uint8_t copy[8];
    if (x.dtype == y->dtype) {
        if (x.data != y->data)
            memcpy(y->data, x.data, rule_nbytes(y));
    } else if (x.dtype == SL_STRING) {
        cast_from_text(call);
    } else if (y->dtype == SL_STRING) {
        cast_to_text(call);
    } else {
        if (x.data == y->data && sl_dtype_nbits(x.dtype) < 8) { /* elements of other bits in the same byte */
            memcpy(copy, x.data, rule_nbytes(&x));
            x.data = copy;
        }
        cast_numbers(call, &x, y);
    }
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
                           .text = text_cast,
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
                                .run = run_cast,
                                .text = text_cast};

static sl_status infer_bit_cast(const struct op_call *call, sl_error *err) {
    int64_t to = op_attr_int(call, "to", 0);
    sl_status st = rule_dtype(call, 0, ~OPS_BIT(SL_STRING), err);
    if (st != SL_OK)
        return st;
    if (to <= 0 || to >= SL_DTYPE_END || to == SL_STRING ||
        sl_dtype_nbits((sl_dtype)to) != sl_dtype_nbits(call->in[0]->dtype))
        return error_set(err, SL_E_MODEL, "cannot take the bits of %s for %s",
                         sl_dtype_name(call->in[0]->dtype),
                         to > 0 && to < SL_DTYPE_END ? sl_dtype_name((sl_dtype)to) : "an unknown dtype");
    rule_set(call->out[0], (sl_dtype)to, call->in[0]->rank, call->in[0]->dims);
    return SL_OK;
}

static void run_bit_cast(const struct op_call *call) {
    if (call->out[0]->data != call->in[0]->data)
        memcpy(call->out[0]->data, call->in[0]->data, rule_nbytes(call->out[0]));
}

const struct op op_bit_cast = {.domain = "",
                               .name = "BitCast",
                               .since = 26,
                               .min_in = 1,
                               .max_in = 1,
                               .min_out = 1,
                               .max_out = 1,
                               .attrs = "to",
                               .infer = infer_bit_cast,
                               .run = run_bit_cast,
                               .elementwise = true};

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
