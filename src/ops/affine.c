/* affine.c: sluice.Affine, the step that a transform chain leaves to the device: widen, scale, shift and, for
 * images, turn [n, h, w, c] into [n, c, h, w].
 *
 *   y[n, c, ...] = (float)x[n, ..., c] * scale[c] + offset[c]
 *
 * One multiplication and one addition, each rounded (two statements, so that no compiler joins them), so that
 * every device gives the same bits. Without `chw` the channel stays the last dim. */
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status infer(const struct op_call *call, sl_error *err) {
    const struct attr *scale = op_attr(call, "scale"), *offset = op_attr(call, "offset");
    const sl_tensor *x = call->in[0];
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    bool chw = op_attr_int(call, "chw", 0) != 0;
    if (st == SL_OK)
        st = rule_min_rank(call, 0, chw ? 3 : 1, err);
    if (st != SL_OK)
        return st;
    int64_t channels = x->dims[x->rank - 1];
    if (!scale || !offset || scale->type != ATTR_FLOATS || offset->type != ATTR_FLOATS ||
        scale->count != offset->count || (scale->count != 1 && scale->count != (size_t)channels))
        return error_set(err, SL_E_MODEL, "%zu scales and %zu offsets for %lld channels",
                         scale ? scale->count : 0, offset ? offset->count : 0, (long long)channels);
    rule_set(call->out[0], SL_FLOAT, x->rank, x->dims);
    if (chw) {
        call->out[0]->dims[1] = channels;
        for (int i = 2; i < x->rank; i++)
            call->out[0]->dims[i] = x->dims[i - 1];
    }
    return SL_OK;
}

OPS_INLINE void affine(sl_dtype dtype, const struct op_call *call,
                       float (*read)(sl_dtype, const void *, int64_t)) {
    const sl_tensor *x = call->in[0];
    const struct attr *scale = op_attr(call, "scale"), *offset = op_attr(call, "offset");
    bool chw = op_attr_int(call, "chw", 0) != 0;
    float *y = call->out[0]->data;
    int64_t channels = x->dims[x->rank - 1], pixels = rule_product(x, 1, x->rank - 1);
    for (int64_t i = 0, n = rule_count(x); i < n; i++) {
        int64_t c = i % channels, pixel = i / channels % (pixels ? pixels : 1), row = i / channels / pixels;
        size_t k = scale->count == 1 ? 0 : (size_t)c;
        float value = read(dtype, x->data, i) * scale->floats[k];
        y[chw ? (row * channels + c) * pixels + pixel : i] = value + offset->floats[k];
    }
}

OPS_INLINE float read_real(sl_dtype dtype, const void *p, int64_t i) {
    return (float)element_real(dtype, p, i);
}

OPS_INLINE float read_signed(sl_dtype dtype, const void *p, int64_t i) {
    return (float)element_signed(dtype, p, i);
}

OPS_INLINE float read_unsigned(sl_dtype dtype, const void *p, int64_t i) {
    return (float)element_unsigned(dtype, p, i);
}

static void run(const struct op_call *call) {
    sl_dtype dtype = call->in[0]->dtype;
    ELEMENT_DISPATCH_REAL(dtype, affine, call, read_real);
    ELEMENT_DISPATCH_SIGNED(dtype, affine, call, read_signed);
    ELEMENT_DISPATCH_UNSIGNED(dtype, affine, call, read_unsigned);
}

const struct op op_affine = {.domain = "sluice",
                             .name = "Affine",
                             .since = 1,
                             .min_in = 1,
                             .max_in = 1,
                             .min_out = 1,
                             .max_out = 1,
                             .attrs = "scale offset chw",
                             .infer = infer,
                             .run = run};
