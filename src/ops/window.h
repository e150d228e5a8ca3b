/* window.h: where the window of a convolution or a pool stands. One to three spatial dims, always held as
 * three: [d, h, w] with the missing ones 1 in front. */
#ifndef OPS_WINDOW_H
#define OPS_WINDOW_H

#include "ops/op.h"

#define WINDOW_DIMS 3

struct window {
    int spatial; /* dims that are really there */
    int64_t in[WINDOW_DIMS], out[WINDOW_DIMS], kernel[WINDOW_DIMS], stride[WINDOW_DIMS],
        dilation[WINDOW_DIMS], pad[WINDOW_DIMS], pad_end[WINDOW_DIMS];
};

/* Fills the window from input 0's spatial dims, `kernel` (of `spatial` numbers) and the attributes strides,
 * dilations, pads, auto_pad; `ceil_mode` rounds output sizes up. SL_E_MODEL when they do not fit. */
sl_status window_read(const struct op_call *call, const int64_t *kernel, bool ceil_mode, struct window *w,
                      sl_error *err);

/* MaxPool, AveragePool, LpPool: the kernel and ceil_mode are attributes too. */
sl_status window_read_pool(const struct op_call *call, struct window *w, sl_error *err);

/* The same for ConvTranspose, where a window stands around each input position and the output is what they
 * cover: in[d] positions, out[d] = (in - 1) * stride + (kernel - 1) * dilation + 1 less the padding, with the
 * attributes output_padding and output_shape. */
sl_status window_read_transposed(const struct op_call *call, const int64_t *kernel, struct window *w,
                                 sl_error *err);

/* Input coordinates that output position `at` of dim `d` reads: first + i * dilation for i in [*from, *to).
 */
static inline int64_t window_range(const struct window *w, int d, int64_t at, int64_t *from, int64_t *to) {
    int64_t first = at * w->stride[d] - w->pad[d], step = w->dilation[d];
    int64_t low = first < 0 ? (-first + step - 1) / step : 0;
    int64_t high = first >= w->in[d] ? 0 : (w->in[d] - first + step - 1) / step;
    *to = high < w->kernel[d] ? high : w->kernel[d];
    *from = low < *to ? low : *to;
    return first;
}

#endif
