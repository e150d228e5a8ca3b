/* pool.c: MaxPool, AveragePool, LpPool and their global forms, in one to three dims. */
#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/window.h"

enum pool { POOL_MAX, POOL_AVERAGE, POOL_LP };

/* A global pool's window is the whole image. */
static sl_status read_global(const struct op_call *call, struct window *w, sl_error *err) {
    if (call->in[0]->rank < 3 || call->in[0]->rank > 2 + WINDOW_DIMS)
        return error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 3 to 5", call->in[0]->rank);
    return window_read(call, call->in[0]->dims + 2, false, w, err);
}

static sl_status infer_window(const struct op_call *call, const struct window *w, unsigned set,
                              sl_error *err) {
    sl_status st = rule_dtype(call, 0, set, err);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    for (int i = 0; i < w->spatial; i++)
        call->out[0]->dims[i + 2] = w->out[i + WINDOW_DIMS - w->spatial];
    if (op_has_out(call, 1))
        rule_set(call->out[1], SL_INT64, call->out[0]->rank, call->out[0]->dims);
    return SL_OK;
}

static sl_status infer_max(const struct op_call *call, sl_error *err) {
    struct window w;
    sl_status st = window_read_pool(call, &w, err);
    unsigned set = OPS_REALS | OPS_BIT(SL_INT8) | OPS_BIT(SL_UINT8);
    return st == SL_OK ? infer_window(call, &w, set, err) : st;
}

static sl_status infer_real(const struct op_call *call, sl_error *err) {
    struct window w;
    sl_status st = window_read_pool(call, &w, err);
    return st == SL_OK ? infer_window(call, &w, OPS_REALS, err) : st;
}

static sl_status infer_global(const struct op_call *call, sl_error *err) {
    struct window w;
    sl_status st = read_global(call, &w, err);
    return st == SL_OK ? infer_window(call, &w, OPS_REALS, err) : st;
}

/* What a window holds: positions that count, and the way they are put together. */
struct gather {
    double value;
    int64_t at;    /* of the largest, in the image */
    int64_t count; /* positions inside */
};

OPS_INLINE struct gather look(sl_dtype dtype, const struct window *w, const void *x, int64_t image,
                              const int64_t at[WINDOW_DIMS], enum pool pool, double p) {
    int64_t from[WINDOW_DIMS], to[WINDOW_DIMS], first[WINDOW_DIMS];
    struct gather found = {.value = pool == POOL_MAX ? -INFINITY : 0, .at = -1};
    for (int d = 0; d < WINDOW_DIMS; d++)
        first[d] = window_range(w, d, at[d], &from[d], &to[d]);
    for (int64_t kz = from[0]; kz < to[0]; kz++)
        for (int64_t ky = from[1]; ky < to[1]; ky++)
            for (int64_t kx = from[2]; kx < to[2]; kx++) {
                int64_t z = first[0] + kz * w->dilation[0], y = first[1] + ky * w->dilation[1];
                int64_t i = (z * w->in[1] + y) * w->in[2] + first[2] + kx * w->dilation[2];
                double value = element_number(dtype, x, image + i);
                found.count++;
                if (pool == POOL_AVERAGE)
                    found.value += value;
                else if (pool == POOL_LP)
                    found.value += pow(fabs(value), p);
                else if (value > found.value || found.at < 0 || (isnan(value) && !isnan(found.value))) {
                    found.value = value;
                    found.at = i;
                }
            }
    return found;
}

/* How many positions of the window lie in the padded image: what count_include_pad divides by. */
static int64_t count_padded(const struct window *w, const int64_t at[WINDOW_DIMS]) {
    int64_t count = 1;
    for (int d = 0; d < WINDOW_DIMS; d++) {
        int64_t first = at[d] * w->stride[d] - w->pad[d];
        int64_t room = (w->in[d] + w->pad_end[d] - first + w->dilation[d] - 1) / w->dilation[d];
        count *= room < w->kernel[d] ? room : w->kernel[d];
    }
    return count;
}

/* MaxPool's second output: where in the input the largest was. */
static int64_t flat_index(const struct window *w, int64_t image, int64_t at, bool column_major) {
    if (!column_major)
        return image + at;
    int64_t x = at % w->in[2], y = at / w->in[2] % w->in[1], z = at / w->in[2] / w->in[1];
    if (w->spatial == 3)
        return image + (x * w->in[1] + y) * w->in[0] + z;
    return image + x * w->in[1] + y;
}

OPS_INLINE void pool_all(sl_dtype dtype, const struct op_call *call, const struct window *w, enum pool pool) {
    const sl_tensor *x = call->in[0];
    int64_t image_size = w->in[0] * w->in[1] * w->in[2], outs = w->out[0] * w->out[1] * w->out[2];
    bool padded = op_attr_int(call, "count_include_pad", 0) != 0;
    bool column_major = op_attr_int(call, "storage_order", 0) != 0;
    double p = (double)op_attr_int(call, "p", 2);
    int64_t *indices = op_has_out(call, 1) ? call->out[1]->data : NULL;
    for (int64_t i = 0; i < x->dims[0] * x->dims[1] * outs; i++) {
        int64_t rest = i % outs, image = i / outs * image_size;
        int64_t at[] = {rest / (w->out[1] * w->out[2]), rest / w->out[2] % w->out[1], rest % w->out[2]};
        struct gather found = look(dtype, w, x->data, image, at, pool, p);
        if (pool == POOL_AVERAGE)
            found.value /= (double)(padded ? count_padded(w, at) : found.count);
        else if (pool == POOL_LP)
            found.value = pow(found.value, 1 / p);
        element_set_real(dtype, call->out[0]->data, i, found.value);
        if (indices)
            indices[i] = flat_index(w, image, found.at < 0 ? 0 : found.at, column_major);
    }
}

static void run_max(const struct op_call *call) {
    struct window w;
    sl_dtype dtype = call->in[0]->dtype;
    if (window_read_pool(call, &w, NULL) != SL_OK)
        return;
    if (dtype == SL_INT8)
        pool_all(SL_INT8, call, &w, POOL_MAX);
    else if (dtype == SL_UINT8)
        pool_all(SL_UINT8, call, &w, POOL_MAX);
    ELEMENT_DISPATCH_REAL(dtype, pool_all, call, &w, POOL_MAX);
}

#define RUN_POOL(id, read, pool)                                                                             \
    static void run_##id(const struct op_call *call) {                                                       \
        struct window w;                                                                                     \
        if (read(call, &w, NULL) == SL_OK)                                                                   \
            ELEMENT_DISPATCH_REAL(call->in[0]->dtype, pool_all, call, &w, pool);                             \
    }

RUN_POOL(average, window_read_pool, POOL_AVERAGE)
RUN_POOL(lp, window_read_pool, POOL_LP)
RUN_POOL(global_max, read_global, POOL_MAX)
RUN_POOL(global_average, read_global, POOL_AVERAGE)
RUN_POOL(global_lp, read_global, POOL_LP)

#define POOL(id, op_name, op_since, op_until, outs, op_attrs, op_infer, op_run)                              \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .until = op_until,                                                            \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = outs,                                                              \
                               .attrs = op_attrs,                                                            \
                               .infer = op_infer,                                                            \
                               .run = op_run};

#define WINDOW_ATTRS "auto_pad ceil_mode dilations kernel_shape pads strides "
POOL(max_pool, "MaxPool", 1, 0, 2, WINDOW_ATTRS "storage_order", infer_max, run_max)
POOL(average_pool, "AveragePool", 1, 0, 1, WINDOW_ATTRS "count_include_pad", infer_real, run_average)
POOL(lp_pool, "LpPool", 2, 0, 1, WINDOW_ATTRS "p", infer_real, run_lp)
POOL(global_max_pool, "GlobalMaxPool", 1, 0, 1, NULL, infer_global, run_global_max)
POOL(global_average_pool, "GlobalAveragePool", 1, 0, 1, NULL, infer_global, run_global_average)
POOL(global_lp_pool, "GlobalLpPool", 2, 0, 1, "p", infer_global, run_global_lp)
