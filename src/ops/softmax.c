/* softmax.c: Softmax, LogSoftmax, Hardmax. Before opset 13 the tensor was read as a matrix, rows being the
 * dims before the axis; since then a line runs along the axis alone. The largest is subtracted first; sums in
 * double, in the order of the axis. */
#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

enum form { FORM_SOFTMAX, FORM_LOG, FORM_HARD };

static int64_t default_axis(const struct op_call *call) {
    return call->opset < 13 ? 1 : -1;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    int axis;
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    int64_t given = op_attr_int(call, "axis", default_axis(call));
    if (st == SL_OK && !(call->opset < 13 && given == call->in[0]->rank))
        st = rule_axis(given, call->in[0]->rank, &axis, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

/* One line of n elements, `step` apart. */
OPS_INLINE void line(sl_dtype dtype, const void *x, void *y, int64_t first, int64_t n, int64_t step,
                     enum form form) {
    double largest = -INFINITY, sum = 0;
    int64_t best = 0;
    for (int64_t i = 0; i < n; i++) {
        double value = element_real(dtype, x, first + i * step);
        if (value > largest || isnan(value)) {
            largest = value;
            best = i;
        }
        if (isnan(value))
            break;
    }
    for (int64_t i = 0; form != FORM_HARD && i < n; i++)
        sum += exp(element_real(dtype, x, first + i * step) - largest);
    for (int64_t i = 0; i < n; i++) {
        double shifted = element_real(dtype, x, first + i * step) - largest;
        element_set_real(dtype, y, first + i * step,
                         form == FORM_SOFTMAX ? exp(shifted) / sum
                         : form == FORM_LOG   ? shifted - log(sum)
                                              : (double)(i == best));
    }
}

OPS_INLINE void all_lines(sl_dtype dtype, const struct op_call *call, enum form form) {
    const sl_tensor *x = call->in[0];
    int64_t axis = op_attr_int(call, "axis", default_axis(call));
    int from = (int)(axis < 0 ? axis + x->rank : axis), to = call->opset < 13 ? x->rank : from + 1;
    int64_t n = rule_product(x, from, to), step = rule_product(x, to, x->rank);
    int64_t outer = rule_product(x, 0, from);
    for (int64_t i = 0; n && i < outer * step; i++)
        line(dtype, x->data, call->out[0]->data, i / step * n * step + i % step, n, step, form);
}

#define SOFTMAX(id, op_name, form)                                                                           \
    static void run_##id(const struct op_call *call) {                                                       \
        ELEMENT_DISPATCH_REAL(call->in[0]->dtype, all_lines, call, form);                                    \
    }                                                                                                        \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "axis",                                                              \
                               .infer = infer,                                                               \
                               .run = run_##id,                                                              \
                               .elementwise = true}; /* a line is read before it is written */

SOFTMAX(softmax, "Softmax", FORM_SOFTMAX)
SOFTMAX(log_softmax, "LogSoftmax", FORM_LOG)
SOFTMAX(hardmax, "Hardmax", FORM_HARD)
