/* quant_convolve.c: QLinearConv and ConvInteger: Conv of the levels less their zeros, in double, where it is
 * exact; padding is 0 then, which is the zero's level. */
#include <string.h>

#include "ops/element.h"
#include "ops/fuse.h"
#include "ops/ops.h"
#include "ops/quant.h"

/* Conv over numbers. */
struct inner {
    sl_tensor x, w, b, y;
    const sl_tensor *in[3];
    sl_tensor *out[1];
    struct op_call call;
};

static bool is_linear(const struct op_call *call) {
    return call->in_count >= 8;
}

static const sl_tensor *weights(const struct op_call *call) {
    return call->in[is_linear(call) ? 3 : 1];
}

static const sl_tensor *zero_of(const struct op_call *call, bool of_weights) {
    size_t i = is_linear(call) ? (of_weights ? 5 : 2) : of_weights ? 3 : 2;
    return op_has_in(call, i) ? call->in[i] : NULL;
}

static const sl_tensor *bias_of(const struct op_call *call) {
    return is_linear(call) && op_has_in(call, 8) ? call->in[8] : NULL;
}

static void make_inner(const struct op_call *call, char *room, struct inner *inner) {
    const sl_tensor *b = bias_of(call);
    *inner = (struct inner){.y = {.dtype = SL_DOUBLE}};
    inner->x = quant_shadow(call->in[0], SL_DOUBLE, &room);
    inner->w = quant_shadow(weights(call), SL_DOUBLE, &room);
    if (b)
        inner->b = quant_shadow(b, SL_DOUBLE, &room);
    if (call->out[0]->dtype) {
        inner->y = quant_shadow(call->out[0], SL_DOUBLE, &room);
    }
    inner->in[0] = &inner->x;
    inner->in[1] = &inner->w;
    inner->in[2] = b ? &inner->b : NULL;
    inner->out[0] = &inner->y;
    inner->call = (struct op_call){.attrs = call->attrs,
                                   .attr_count = call->attr_count,
                                   .opset = 11,
                                   .in = inner->in,
                                   .in_count = 3,
                                   .out = inner->out,
                                   .out_count = 1,
                                   .scratch = room};
}

static sl_status check_dtypes(const struct op_call *call, sl_dtype *y, sl_error *err) {
    bool linear = is_linear(call);
    sl_status st = rule_dtype(call, 0, QUANT_BYTES, err);
    if (st == SL_OK)
        st = rule_dtype(call, linear ? 3 : 1, QUANT_BYTES, err);
    if (st != SL_OK || !linear)
        return st;
    st = quant_params(call, 1, 2, call->in[0]->dtype, true, err);
    if (st == SL_OK)
        st = quant_params(call, 4, 5, call->in[3]->dtype, false, err);
    if (st == SL_OK)
        st = rule_dtype(call, 7, QUANT_BYTES, err);
    if (st == SL_OK)
        st = quant_params(call, 6, 7, *y = call->in[7]->dtype, true, err);
    if (st == SL_OK && op_has_in(call, 8))
        st = rule_dtype(call, 8, OPS_BIT(SL_INT32), err);
    return st;
}

static sl_status infer_conv(const struct op_call *call, sl_error *err) {
    struct inner inner;
    struct grain g;
    sl_dtype dtype = SL_INT32;
    sl_status st = check_dtypes(call, &dtype, err);
    if (st != SL_OK)
        return st;
    call->out[0]->dtype = SL_UNDEFINED;
    make_inner(call, NULL, &inner);
    st = convolve_infer(&inner.call, err);
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], dtype, inner.y.rank, inner.y.dims);
    st = grain_read(call->in[0], zero_of(call, false), 1, 0, "the zero", &g, err);
    if (st == SL_OK)
        st = grain_read(weights(call), zero_of(call, true), 0, 0, "the weights' zero", &g, err);
    if (st == SL_OK && is_linear(call))
        st = grain_read(call->out[0], call->in[4], 1, 0, "the weights' scale", &g, err);
    return st;
}

static sl_status prepare_conv(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                              sl_error *err) {
    struct inner inner;
    make_inner(call, NULL, &inner);
    sl_status st = convolve_prepare(&inner.call, arena, prepared, err);
    prepared->scratch_nbytes += quant_shadow_nbytes(call->in[0], SL_DOUBLE) +
                                quant_shadow_nbytes(weights(call), SL_DOUBLE) +
                                quant_shadow_nbytes(call->out[0], SL_DOUBLE) +
                                (bias_of(call) ? quant_shadow_nbytes(bias_of(call), SL_DOUBLE) : 0);
    return st;
}

static void run_conv(const struct op_call *call) {
    struct inner inner;
    struct grain x, w, s;
    sl_tensor *y = call->out[0];
    make_inner(call, call->scratch, &inner);
    const double *sums = inner.y.data;
    if (grain_read(call->in[0], zero_of(call, false), 1, 0, "", &x, NULL) != SL_OK ||
        grain_read(weights(call), zero_of(call, true), 0, 0, "", &w, NULL) != SL_OK ||
        grain_read(y, is_linear(call) ? call->in[4] : NULL, 1, 0, "", &s, NULL) != SL_OK)
        return;
    quant_levels(call->in[0], zero_of(call, false), &x, &inner.x);
    quant_levels(weights(call), zero_of(call, true), &w, &inner.w);
    for (int64_t i = 0, n = bias_of(call) ? rule_count(bias_of(call)) : 0; i < n; i++)
        ((double *)inner.b.data)[i] = (double)((const int32_t *)bias_of(call)->data)[i];
    convolve_run(&inner.call, &(struct fuse){.activation = FUSE_NONE}, NULL);
    int64_t width = grain_width(&s);
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        if (!is_linear(call)) {
            element_set_real(SL_INT32, y->data, i, sums[i]);
            continue;
        }
        float scale = quant_scale(call->in[4], grain_line(&s, i / width));
        float factor = quant_scale(call->in[1], 0) * scale / quant_scale(call->in[6], 0);
        quant_write(y->dtype, y->data, i, (float)sums[i] * factor, quant_zero(call->in[7], 0));
    }
}

#define CONV(id, op_name, in_least, in_most)                                                                 \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 10,                                                                  \
                               .min_in = in_least,                                                           \
                               .max_in = in_most,                                                            \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "auto_pad dilations group kernel_shape pads strides",                \
                               .infer = infer_conv,                                                          \
                               .prepare = prepare_conv,                                                      \
                               .run = run_conv};

CONV(conv_integer, "ConvInteger", 2, 4)
CONV(qlinear_conv, "QLinearConv", 8, 9)
