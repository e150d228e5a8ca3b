/* convolve_deformed.c: DeformConv in two dims: a convolution whose every kernel position is moved by an
 * offset that is data, read bilinearly with zeros outside, and weighed by a mask. Sums in double in the order
 * channel, height, width. */
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/window.h"

enum { X, WEIGHTS, OFFSET, BIAS, MASK };

struct deformed {
    struct window w;
    int64_t groups, group_in, group_out, offset_groups;
};

static sl_status read_deformed(const struct op_call *call, struct deformed *d, sl_error *err) {
    const sl_tensor *x = call->in[X], *w = call->in[WEIGHTS];
    char one[RULE_TEXT], other[RULE_TEXT];
    sl_status st = rule_rank(call, X, 4, err);
    if (st == SL_OK)
        st = rule_rank(call, WEIGHTS, 4, err);
    if (st == SL_OK)
        st = window_read(call, w->dims + 2, false, &d->w, err);
    if (st != SL_OK)
        return st;
    d->groups = op_attr_int(call, "group", 1);
    d->offset_groups = op_attr_int(call, "offset_group", 1);
    if (d->groups < 1 || d->offset_groups < 1 || w->dims[0] % d->groups || x->dims[1] % d->groups ||
        x->dims[1] / d->groups != w->dims[1] || x->dims[1] % d->offset_groups)
        return error_set(err, SL_E_MODEL, "input %s and weights %s do not fit with %lld and %lld groups",
                         rule_text(one, x), rule_text(other, w), (long long)d->groups,
                         (long long)d->offset_groups);
    d->group_in = w->dims[1];
    d->group_out = w->dims[0] / d->groups;
    return SL_OK;
}

/* Input i is [batch, channels, out height, out width]. */
static sl_status check_map(const struct op_call *call, size_t i, const struct deformed *d, int64_t channels,
                           sl_error *err) {
    const sl_tensor *t = call->in[i];
    char text[RULE_TEXT];
    if (t->rank != 4 || t->dims[0] != call->in[X]->dims[0] || t->dims[1] != channels ||
        t->dims[2] != d->w.out[1] || t->dims[3] != d->w.out[2])
        return error_set(err, SL_E_MODEL, "input %zu is %s, expected %lld channels of [%lld, %lld]", i,
                         rule_text(text, t), (long long)channels, (long long)d->w.out[1],
                         (long long)d->w.out[2]);
    return SL_OK;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    struct deformed d;
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++) {
        if (i >= BIAS && !op_has_in(call, i))
            continue;
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
    }
    if (st == SL_OK)
        st = read_deformed(call, &d, err);
    if (st != SL_OK)
        return st;
    int64_t moves = d.offset_groups * d.w.kernel[1] * d.w.kernel[2];
    st = check_map(call, OFFSET, &d, 2 * moves, err);
    if (st == SL_OK && op_has_in(call, MASK))
        st = check_map(call, MASK, &d, moves, err);
    if (st == SL_OK && op_has_in(call, BIAS))
        st = rule_vector(call, BIAS, call->in[WEIGHTS]->dims[0], err);
    if (st == SL_OK)
        rule_set(call->out[0], call->in[X]->dtype, 4,
                 (int64_t[]){call->in[X]->dims[0], call->in[WEIGHTS]->dims[0], d.w.out[1], d.w.out[2]});
    return st;
}

OPS_INLINE double corner(sl_dtype dtype, const struct window *w, const void *x, int64_t plane, double y,
                         double at) {
    if (!(y >= 0 && y < (double)w->in[1] && at >= 0 && at < (double)w->in[2]))
        return 0;
    return element_real(dtype, x, plane + (int64_t)y * w->in[2] + (int64_t)at);
}

OPS_INLINE double sample(sl_dtype dtype, const struct window *w, const void *x, int64_t plane, double y,
                         double at) {
    double top = floor(y), left = floor(at), down = y - top, right = at - left;
    double upper = corner(dtype, w, x, plane, top, left) * (1 - right) +
                   corner(dtype, w, x, plane, top, left + 1) * right;
    double lower = corner(dtype, w, x, plane, top + 1, left) * (1 - right) +
                   corner(dtype, w, x, plane, top + 1, left + 1) * right;
    return upper * (1 - down) + lower * down;
}

/* Element `i` of [batch, filters, out height, out width]. */
OPS_INLINE double deform_one(sl_dtype dtype, const struct op_call *call, const struct deformed *d,
                             int64_t i) {
    const struct window *w = &d->w;
    int64_t filters = call->in[WEIGHTS]->dims[0], channels = call->in[X]->dims[1];
    int64_t outs = w->out[1] * w->out[2], kernel = w->kernel[1] * w->kernel[2];
    int64_t at = i % outs, filter = i / outs % filters, row = i / outs / filters;
    int64_t first = filter / d->group_out * d->group_in, per_offset = channels / d->offset_groups;
    double sum = op_has_in(call, BIAS) ? element_real(dtype, call->in[BIAS]->data, filter) : 0;
    for (int64_t c = 0; c < d->group_in; c++)
        for (int64_t k = 0; k < kernel; k++) {
            int64_t move = (row * d->offset_groups + (first + c) / per_offset) * kernel + k;
            double y =
                (double)(at / w->out[2] * w->stride[1] - w->pad[1] + k / w->kernel[2] * w->dilation[1]);
            double x =
                (double)(at % w->out[2] * w->stride[2] - w->pad[2] + k % w->kernel[2] * w->dilation[2]);
            y += element_real(dtype, call->in[OFFSET]->data, 2 * move * outs + at);
            x += element_real(dtype, call->in[OFFSET]->data, (2 * move + 1) * outs + at);
            double value =
                sample(dtype, w, call->in[X]->data, (row * channels + first + c) * w->in[1] * w->in[2], y, x);
            if (op_has_in(call, MASK))
                value *= element_real(dtype, call->in[MASK]->data, move * outs + at);
            sum +=
                value * element_real(dtype, call->in[WEIGHTS]->data, (filter * d->group_in + c) * kernel + k);
        }
    return sum;
}

OPS_INLINE void deform(sl_dtype dtype, const struct op_call *call, const struct deformed *d) {
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++)
        element_set_real(dtype, call->out[0]->data, i, deform_one(dtype, call, d, i));
}

static void run(const struct op_call *call) {
    struct deformed d;
    if (read_deformed(call, &d, NULL) == SL_OK)
        ELEMENT_DISPATCH_REAL(call->in[X]->dtype, deform, call, &d);
}

const struct op op_deform_conv = {.domain = "",
                                  .name = "DeformConv",
                                  .since = 19,
                                  .min_in = 3,
                                  .max_in = 5,
                                  .min_out = 1,
                                  .max_out = 1,
                                  .attrs = "dilations group kernel_shape offset_group pads strides",
                                  .infer = infer,
                                  .run = run};
