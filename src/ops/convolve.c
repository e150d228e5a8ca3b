/* convolve.c: Conv in one to three dims, with groups, dilations and padding. Each output is the bias plus
 * products summed in double in the order channel, depth, height, width, rounded once. */
#include "ops/element.h"
#include "ops/fuse.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/window.h"

struct convolution {
    struct window w;
    int64_t groups, group_in, group_out; /* channels of one group */
};

static sl_status read_convolution(const struct op_call *call, struct convolution *c, sl_error *err) {
    const sl_tensor *x = call->in[0], *w = call->in[1];
    char one[RULE_TEXT], other[RULE_TEXT];
    if (x->rank != w->rank)
        return error_set(err, SL_E_MODEL, "input %s and weights %s differ in dims", rule_text(one, x),
                         rule_text(other, w));
    sl_status st = window_read(call, w->dims + 2, false, &c->w, err);
    if (st != SL_OK)
        return st;
    c->groups = op_attr_int(call, "group", 1);
    if (c->groups < 1 || c->groups > w->dims[0] || w->dims[0] % c->groups || x->dims[1] % c->groups ||
        x->dims[1] / c->groups != w->dims[1])
        return error_set(err, SL_E_MODEL, "input %s and weights %s do not fit with %lld groups",
                         rule_text(one, x), rule_text(other, w), (long long)c->groups);
    c->group_in = w->dims[1];
    c->group_out = w->dims[0] / c->groups;
    int given;
    int64_t kernel[WINDOW_DIMS];
    st = rule_ints(call, SIZE_MAX, "kernel_shape", kernel, WINDOW_DIMS, &given, err);
    for (int i = 0; st == SL_OK && i < given; i++)
        if (given != c->w.spatial || kernel[i] != w->dims[i + 2])
            st = error_set(err, SL_E_MODEL, "attribute 'kernel_shape' and weights %s differ",
                           rule_text(other, w));
    return st;
}

sl_status convolve_infer(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < (op_has_in(call, 2) ? 3 : 2); i++) {
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
    }
    struct convolution c;
    if (st == SL_OK)
        st = read_convolution(call, &c, err);
    if (st == SL_OK && op_has_in(call, 2))
        st = rule_vector(call, 2, call->in[1]->dims[0], err);
    if (st != SL_OK)
        return st;
    int64_t dims[SL_MAX_RANK] = {call->in[0]->dims[0], call->in[1]->dims[0]};
    for (int i = 0; i < c.w.spatial; i++)
        dims[i + 2] = c.w.out[i + WINDOW_DIMS - c.w.spatial];
    rule_set(call->out[0], call->in[0]->dtype, call->in[0]->rank, dims);
    return SL_OK;
}

/* The scratch is a line of sums, one for each output of a row. */
sl_status convolve_prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                           sl_error *err) {
    (void)arena;
    (void)err;
    prepared->scratch_nbytes = (size_t)call->out[0]->dims[call->out[0]->rank - 1] * sizeof(double);
    return SL_OK;
}

/* Adds weight * x over one kernel position to the sums it reaches. */
OPS_INLINE void add_line(sl_dtype dtype, const struct window *w, const void *x, int64_t line, int64_t kx,
                         double weight, double *sums) {
    int64_t shift = kx * w->dilation[2] - w->pad[2], stride = w->stride[2];
    int64_t from = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t to = shift >= w->in[2] ? 0 : (w->in[2] - shift + stride - 1) / stride;
    to = to < w->out[2] ? to : w->out[2];
    for (int64_t i = from; i < to; i++)
        sums[i] += weight * element_real(dtype, x, line + i * stride + shift);
}

/* All channels and kernel positions of one output line. `image` is the first channel of the group, `filter`
 * the output channel's weights. */
OPS_INLINE void sum_line(sl_dtype dtype, const struct convolution *c, const void *x, int64_t image,
                         const void *weights, int64_t filter, int64_t z, int64_t y, double *sums) {
    const struct window *w = &c->w;
    int64_t z_from, z_to, y_from, y_to;
    int64_t z_first = window_range(w, 0, z, &z_from, &z_to), y_first = window_range(w, 1, y, &y_from, &y_to);
    for (int64_t channel = 0; channel < c->group_in; channel++) {
        for (int64_t kz = z_from; kz < z_to; kz++) {
            for (int64_t ky = y_from; ky < y_to; ky++) {
                int64_t plane = channel * w->in[0] + z_first + kz * w->dilation[0];
                int64_t line = image + (plane * w->in[1] + y_first + ky * w->dilation[1]) * w->in[2];
                int64_t at = filter + ((channel * w->kernel[0] + kz) * w->kernel[1] + ky) * w->kernel[2];
                for (int64_t kx = 0; kx < w->kernel[2]; kx++)
                    add_line(dtype, w, x, line, kx, element_real(dtype, weights, at + kx), sums);
            }
        }
    }
}

OPS_INLINE void convolve(sl_dtype dtype, const struct op_call *call, const struct convolution *c,
                         const struct fuse *fuse, const sl_tensor *residual) {
    const struct window *w = &c->w;
    const sl_tensor *x = call->in[0], *weights = call->in[1];
    int64_t channel_size = w->in[0] * w->in[1] * w->in[2];
    int64_t filter_size = c->group_in * w->kernel[0] * w->kernel[1] * w->kernel[2];
    int64_t lines = w->out[0] * w->out[1], filters = weights->dims[0];
    double *sums = call->scratch;
    for (int64_t i = 0; i < x->dims[0] * filters * lines; i++) {
        int64_t line = i % lines, filter = i / lines % filters, row = i / lines / filters;
        int64_t image = (row * x->dims[1] + filter / c->group_out * c->group_in) * channel_size;
        double bias = op_has_in(call, 2) ? element_real(dtype, call->in[2]->data, filter) : 0;
        for (int64_t k = 0; k < w->out[2]; k++)
            sums[k] = bias;
        sum_line(dtype, c, x->data, image, weights->data, filter * filter_size, line / w->out[1],
                 line % w->out[1], sums);
        for (int64_t k = 0; k < w->out[2]; k++)
            fuse_write(dtype, fuse, residual, call->out[0]->data, i * w->out[2] + k, sums[k]);
    }
}

void convolve_run(const struct op_call *call, const struct fuse *fuse, const sl_tensor *residual) {
    struct convolution c;
    if (read_convolution(call, &c, NULL) == SL_OK)
        ELEMENT_DISPATCH_REAL(call->in[0]->dtype, convolve, call, &c, fuse, residual);
}

static void run(const struct op_call *call) {
    convolve_run(call, &(struct fuse){.activation = FUSE_NONE}, NULL);
}

const struct op op_conv = {.domain = "",
                           .name = "Conv",
                           .since = 1,
                           .min_in = 2,
                           .max_in = 3,
                           .min_out = 1,
                           .max_out = 1,
                           .attrs = "auto_pad dilations group kernel_shape pads strides",
                           .infer = convolve_infer,
                           .prepare = convolve_prepare,
                           .run = run};
