/* window.c: sizes of convolution and pooling windows, as the ONNX operators Conv and MaxPool define them. */
#include "ops/window.h"

#include "ops/rules.h"

#define WINDOW_MOST INT32_MAX

/* A list attribute of `spatial` (or twice as many) numbers of [least, WINDOW_MOST], or `fallback`. */
static sl_status read_list(const struct op_call *call, const char *name, int count, int64_t least,
                           int64_t fallback, int64_t *values, sl_error *err) {
    int given;
    sl_status st = rule_ints(call, SIZE_MAX, name, values, count, &given, err);
    if (st != SL_OK)
        return st;
    if (given > 0 && given != count)
        return error_set(err, SL_E_MODEL, "attribute '%s' has %d numbers, expected %d", name, given, count);
    for (int i = 0; i < count; i++) {
        values[i] = given > 0 ? values[i] : fallback;
        if (values[i] < least || values[i] > WINDOW_MOST)
            return error_set(err, SL_E_MODEL, "attribute '%s' has the number %lld", name,
                             (long long)values[i]);
    }
    return SL_OK;
}

static int64_t divide_up(int64_t a, int64_t b) {
    return a / b + (a % b > 0);
}

/* auto_pad SAME: as many outputs as strides fit, padding split evenly. */
static void pad_same(struct window *w, int d, bool lower) {
    int64_t reach = (w->kernel[d] - 1) * w->dilation[d] + 1;
    w->out[d] = divide_up(w->in[d], w->stride[d]);
    int64_t pad = (w->out[d] - 1) * w->stride[d] + reach - w->in[d];
    pad = pad < 0 ? 0 : pad;
    w->pad[d] = lower ? pad - pad / 2 : pad / 2;
    w->pad_end[d] = pad - w->pad[d];
}

static sl_status place(struct window *w, int d, bool ceil_mode, sl_error *err) {
    int64_t reach = (w->kernel[d] - 1) * w->dilation[d] + 1;
    int64_t room = w->in[d] + w->pad[d] + w->pad_end[d] - reach;
    if (w->in[d] == 0 || room < 0)
        return error_set(
            err, SL_E_MODEL, "the window of %lld does not fit the input of %lld (padding %lld + %lld)",
            (long long)reach, (long long)w->in[d], (long long)w->pad[d], (long long)w->pad_end[d]);
    w->out[d] = (ceil_mode ? divide_up(room, w->stride[d]) : room / w->stride[d]) + 1;
    /* a window that would start in the padding at the end does not count */
    if (ceil_mode && (w->out[d] - 1) * w->stride[d] >= w->in[d] + w->pad[d])
        w->out[d]--;
    return SL_OK;
}

sl_status window_read(const struct op_call *call, const int64_t *kernel, bool ceil_mode, struct window *w,
                      sl_error *err) {
    int64_t stride[WINDOW_DIMS], dilation[WINDOW_DIMS], pads[2 * WINDOW_DIMS];
    int n = call->in[0]->rank - 2;
    if (n < 1 || n > WINDOW_DIMS)
        return error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 3 to 5", call->in[0]->rank);
    sl_status st = read_list(call, "strides", n, 1, 1, stride, err);
    if (st == SL_OK)
        st = read_list(call, "dilations", n, 1, 1, dilation, err);
    if (st == SL_OK)
        st = read_list(call, "pads", 2 * n, 0, 0, pads, err);
    bool upper = op_attr_is(call, "auto_pad", "SAME_UPPER", "NOTSET");
    bool lower = op_attr_is(call, "auto_pad", "SAME_LOWER", "NOTSET");
    bool valid = op_attr_is(call, "auto_pad", "VALID", "NOTSET");
    if (st == SL_OK && !upper && !lower && !valid && !op_attr_is(call, "auto_pad", "NOTSET", "NOTSET"))
        st = error_set(err, SL_E_MODEL,
                       "attribute 'auto_pad' is none of NOTSET, SAME_UPPER, SAME_LOWER, VALID");
    *w = (struct window){.spatial = n};
    for (int d = 0; st == SL_OK && d < WINDOW_DIMS; d++) {
        int i = d - (WINDOW_DIMS - n);
        w->in[d] = i < 0 ? 1 : call->in[0]->dims[i + 2];
        w->kernel[d] = i < 0 ? 1 : kernel[i];
        w->stride[d] = i < 0 ? 1 : stride[i];
        w->dilation[d] = i < 0 ? 1 : dilation[i];
        if (w->kernel[d] < 1 || w->kernel[d] > WINDOW_MOST)
            return error_set(err, SL_E_MODEL, "the kernel has a size of %lld", (long long)w->kernel[d]);
        if (i >= 0 && !upper && !lower && !valid) {
            w->pad[d] = pads[i];
            w->pad_end[d] = pads[i + n];
        }
        if (i >= 0 && (upper || lower))
            pad_same(w, d, lower);
        else
            st = place(w, d, ceil_mode, err);
    }
    return st;
}

sl_status window_read_pool(const struct op_call *call, struct window *w, sl_error *err) {
    int64_t kernel[WINDOW_DIMS];
    int count;
    sl_status st = rule_ints(call, SIZE_MAX, "kernel_shape", kernel, WINDOW_DIMS, &count, err);
    if (st == SL_OK && count != call->in[0]->rank - 2)
        st = error_set(err, SL_E_MODEL, "attribute 'kernel_shape' has %d numbers, the input %d dims", count,
                       call->in[0]->rank);
    return st == SL_OK ? window_read(call, kernel, op_attr_int(call, "ceil_mode", 0) != 0, w, err) : st;
}

/* Padding that a transposed window needs to come to `wish`; what is missing stays zero at the end. */
static void place_transposed(struct window *w, int d, int64_t full, int64_t wish, bool upper) {
    int64_t total = full > wish ? full - wish : 0;
    w->pad[d] = upper ? total / 2 : total - total / 2;
    w->pad_end[d] = total - w->pad[d];
    w->out[d] = wish;
}

sl_status window_read_transposed(const struct op_call *call, const int64_t *kernel, struct window *w,
                                 sl_error *err) {
    int64_t stride[WINDOW_DIMS], dilation[WINDOW_DIMS], pads[2 * WINDOW_DIMS], more[WINDOW_DIMS],
        wish[2 + WINDOW_DIMS];
    int n = call->in[0]->rank - 2, wishes;
    if (n < 1 || n > WINDOW_DIMS)
        return error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 3 to 5", call->in[0]->rank);
    sl_status st = read_list(call, "strides", n, 1, 1, stride, err);
    if (st == SL_OK)
        st = read_list(call, "dilations", n, 1, 1, dilation, err);
    if (st == SL_OK)
        st = read_list(call, "pads", 2 * n, 0, 0, pads, err);
    if (st == SL_OK)
        st = read_list(call, "output_padding", n, 0, 0, more, err);
    if (st == SL_OK)
        st = rule_ints(call, SIZE_MAX, "output_shape", wish, 2 + WINDOW_DIMS, &wishes, err);
    if (st == SL_OK && wishes > 0 && wishes != n && wishes != n + 2)
        st = error_set(err, SL_E_MODEL, "attribute 'output_shape' has %d numbers, expected %d", wishes, n);
    if (st != SL_OK)
        return st;
    bool upper = op_attr_is(call, "auto_pad", "SAME_UPPER", "NOTSET");
    bool lower = op_attr_is(call, "auto_pad", "SAME_LOWER", "NOTSET");
    bool valid = op_attr_is(call, "auto_pad", "VALID", "NOTSET");
    *w = (struct window){.spatial = n};
    for (int d = 0; d < WINDOW_DIMS; d++) {
        int i = d - (WINDOW_DIMS - n);
        w->in[d] = i < 0 ? 1 : call->in[0]->dims[i + 2];
        w->kernel[d] = i < 0 ? 1 : kernel[i];
        w->stride[d] = i < 0 ? 1 : stride[i];
        w->dilation[d] = i < 0 ? 1 : dilation[i];
        w->out[d] = 1;
        if (w->kernel[d] < 1 || w->kernel[d] > WINDOW_MOST || w->in[d] < 1 || w->in[d] > WINDOW_MOST)
            return error_set(err, SL_E_MODEL, "a kernel of %lld over an input of %lld has no output",
                             (long long)w->kernel[d], (long long)w->in[d]);
        if (i < 0)
            continue;
        int64_t full = (w->in[d] - 1) * w->stride[d] + more[i] + (w->kernel[d] - 1) * w->dilation[d] + 1;
        if (wishes > 0)
            place_transposed(w, d, full, wish[wishes - n + i], upper);
        else if (upper || lower)
            place_transposed(w, d, full, w->in[d] * w->stride[d], upper);
        else {
            w->pad[d] = valid ? 0 : pads[i];
            w->pad_end[d] = valid ? 0 : pads[i + n];
            w->out[d] = full - w->pad[d] - w->pad_end[d];
        }
        if (w->out[d] < 1 || w->out[d] > WINDOW_MOST)
            return error_set(err, SL_E_MODEL, "the output would have a dim of %lld", (long long)w->out[d]);
    }
    return SL_OK;
}
