/* convolve_transposed.c: ConvTranspose in one to three dims, with groups, dilations, padding and every way to
 * say the output's size. Each output is the bias plus products summed in double in the order channel, depth,
 * height, width of the kernel, rounded once. */
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/window.h"

struct transposed {
    struct window w;
    int64_t groups, group_in, group_out; /* channels of one group */
};

static sl_status read_transposed(const struct op_call *call, struct transposed *t, sl_error *err) {
    const sl_tensor *x = call->in[0], *w = call->in[1];
    char one[RULE_TEXT], other[RULE_TEXT];
    if (x->rank != w->rank)
        return error_set(err, SL_E_MODEL, "input %s and weights %s differ in dims", rule_text(one, x),
                         rule_text(other, w));
    sl_status st = window_read_transposed(call, w->dims + 2, &t->w, err);
    if (st != SL_OK)
        return st;
    t->groups = op_attr_int(call, "group", 1);
    if (t->groups < 1 || w->dims[0] != x->dims[1] || x->dims[1] % t->groups)
        return error_set(err, SL_E_MODEL, "input %s and weights %s do not fit with %lld groups",
                         rule_text(one, x), rule_text(other, w), (long long)t->groups);
    t->group_in = x->dims[1] / t->groups;
    t->group_out = w->dims[1];
    int given;
    int64_t kernel[WINDOW_DIMS];
    st = rule_ints(call, SIZE_MAX, "kernel_shape", kernel, WINDOW_DIMS, &given, err);
    for (int i = 0; st == SL_OK && i < given; i++)
        if (given != t->w.spatial || kernel[i] != w->dims[i + 2])
            st = error_set(err, SL_E_MODEL, "attribute 'kernel_shape' and weights %s differ",
                           rule_text(other, w));
    return st;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < (op_has_in(call, 2) ? 3 : 2); i++) {
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
    }
    struct transposed t;
    if (st == SL_OK)
        st = read_transposed(call, &t, err);
    if (st == SL_OK && t.group_out > INT32_MAX / t.groups)
        st = error_set(err, SL_E_MODEL, "%lld groups of %lld channels are too many", (long long)t.groups,
                       (long long)t.group_out);
    if (st == SL_OK && op_has_in(call, 2))
        st = rule_vector(call, 2, t.group_out * t.groups, err);
    if (st != SL_OK)
        return st;
    int64_t dims[SL_MAX_RANK] = {call->in[0]->dims[0], t.group_out * t.groups};
    for (int i = 0; i < t.w.spatial; i++)
        dims[i + 2] = t.w.out[i + WINDOW_DIMS - t.w.spatial];
    rule_set(call->out[0], call->in[0]->dtype, call->in[0]->rank, dims);
    return SL_OK;
}

/* The scratch is a line of sums, one for each output of a row. */
static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    (void)arena;
    (void)err;
    prepared->scratch_nbytes = (size_t)call->out[0]->dims[call->out[0]->rank - 1] * sizeof(double);
    return SL_OK;
}

/* The input position that reaches output `at` of dim `d` through kernel position `k`, or -1. */
static int64_t source(const struct window *w, int d, int64_t at, int64_t k) {
    int64_t from = at + w->pad[d] - k * w->dilation[d];
    return from >= 0 && from % w->stride[d] == 0 && from / w->stride[d] < w->in[d] ? from / w->stride[d] : -1;
}

/* Spreads weight * x of one input line over the sums it reaches. */
OPS_INLINE void spread_line(sl_dtype dtype, const struct window *w, const void *x, int64_t line, int64_t kx,
                            double weight, double *sums) {
    int64_t shift = kx * w->dilation[2] - w->pad[2], stride = w->stride[2];
    int64_t from = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t to = shift >= w->out[2] ? 0 : (w->out[2] - shift + stride - 1) / stride;
    to = to < w->in[2] ? to : w->in[2];
    for (int64_t i = from; i < to; i++)
        sums[i * stride + shift] += weight * element_real(dtype, x, line + i);
}

/* All channels and kernel positions of one output line. `image` is the first channel of the group's input,
 * `filter` the first weight of its first channel for this output. */
OPS_INLINE void sum_line(sl_dtype dtype, const struct transposed *t, const void *x, int64_t image,
                         const void *weights, int64_t filter, int64_t z, int64_t y, double *sums) {
    const struct window *w = &t->w;
    int64_t kernel = w->kernel[0] * w->kernel[1] * w->kernel[2];
    for (int64_t c = 0; c < t->group_in; c++)
        for (int64_t kz = 0; kz < w->kernel[0]; kz++) {
            int64_t from_z = source(w, 0, z, kz);
            for (int64_t ky = 0; from_z >= 0 && ky < w->kernel[1]; ky++) {
                int64_t from_y = source(w, 1, y, ky);
                if (from_y < 0)
                    continue;
                int64_t line = image + ((c * w->in[0] + from_z) * w->in[1] + from_y) * w->in[2];
                int64_t at = filter + c * t->group_out * kernel + (kz * w->kernel[1] + ky) * w->kernel[2];
                for (int64_t kx = 0; kx < w->kernel[2]; kx++)
                    spread_line(dtype, w, x, line, kx, element_real(dtype, weights, at + kx), sums);
            }
        }
}

OPS_INLINE void convolve(sl_dtype dtype, const struct op_call *call, const struct transposed *t) {
    const struct window *w = &t->w;
    const sl_tensor *x = call->in[0];
    int64_t image_size = w->in[0] * w->in[1] * w->in[2];
    int64_t kernel = w->kernel[0] * w->kernel[1] * w->kernel[2];
    int64_t lines = w->out[0] * w->out[1], filters = t->group_out * t->groups;
    double *sums = call->scratch;
    for (int64_t i = 0; i < x->dims[0] * filters * lines; i++) {
        int64_t line = i % lines, filter = i / lines % filters, row = i / lines / filters;
        int64_t channel = filter / t->group_out * t->group_in;
        double bias = op_has_in(call, 2) ? element_real(dtype, call->in[2]->data, filter) : 0;
        for (int64_t k = 0; k < w->out[2]; k++)
            sums[k] = bias;
        sum_line(dtype, t, x->data, (row * x->dims[1] + channel) * image_size, call->in[1]->data,
                 (channel * t->group_out + filter % t->group_out) * kernel, line / w->out[1],
                 line % w->out[1], sums);
        for (int64_t k = 0; k < w->out[2]; k++)
            element_set_real(dtype, call->out[0]->data, i * w->out[2] + k, sums[k]);
    }
}

static void run(const struct op_call *call) {
    struct transposed t;
    if (read_transposed(call, &t, NULL) == SL_OK)
        ELEMENT_DISPATCH_REAL(call->in[0]->dtype, convolve, call, &t);
}

const struct op op_conv_transpose = {
    .domain = "",
    .name = "ConvTranspose",
    .since = 1,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attrs = "auto_pad dilations group kernel_shape output_padding output_shape pads strides",
    .infer = infer,
    .prepare = prepare,
    .run = run};
