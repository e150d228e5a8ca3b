/* cuda_images.c: who looks at windows of images: pools, Resize and Upsample, GridSample, LRN. */
#include "infer/cuda/cuda_prepare.h"
#include "ops/grid_sample.h"
#include "ops/resize.h"
#include "ops/rules.h"
#include "ops/window.h"

BOUND_LAUNCH(pool)
BOUND_LAUNCH(level_pool)
BOUND_LAUNCH(resize)
BOUND_LAUNCH(lrn)
BOUND_LAUNCH(grid)

#define AT(type, field) offsetof(struct type, field)

static bool few_elements(struct cuda_match *m) {
    int64_t x = rule_count(m->call.in[0]), y = rule_count(m->call.out[0]);
    return (x <= INT32_MAX && y <= INT32_MAX) ||
           bound_refuse(m, "a value of %lld elements", (long long)(x > y ? x : y));
}

/* The window, and how x and y lie; both the same way. */
static bool read_pool(struct cuda_match *m, enum k_pool_kind kind, struct k_pool *p) {
    const struct op_call *call = &m->call;
    struct window w;
    if (window_read_pool(call, &w, NULL) != SL_OK)
        return bound_refuse(m, "its window");
    if (!few_elements(m))
        return false;
    if (!bound_has_out(m, 1)) /* the second output counts positions of plain images */
        bound_follow(m, 0, 0);
    bool last = bound_in_value(m, 0).last;
    if (last != bound_out_value(m, 0).last)
        return bound_refuse(m, "an output that lies otherwise than its input");
    *p = (struct k_pool){.x_type = bound_in_type(m, 0),
                         .y_type = bound_out_type(m, 0),
                         .kind = kind,
                         .total = (uint32_t)rule_count(call->out[0]),
                         .inner = k_divide_by(last ? (uint32_t)call->in[0]->dims[1] : 1),
                         .p = (int32_t)op_attr_int(call, "p", 2),
                         .padded = op_attr_int(call, "count_include_pad", 0) != 0,
                         .column_major = op_attr_int(call, "storage_order", 0) != 0,
                         .spatial = w.spatial};
    for (int d = 0; d < WINDOW_DIMS; d++) {
        p->out[d] = k_divide_by((uint32_t)w.out[d]);
        p->in[d] = (int32_t)w.in[d];
        p->kernel[d] = (int32_t)w.kernel[d];
        p->stride[d] = (int32_t)w.stride[d];
        p->dilation[d] = (int32_t)w.dilation[d];
        p->pad[d] = (int32_t)w.pad[d];
        p->pad_end[d] = (int32_t)w.pad_end[d];
    }
    return p->x_type != K_F64 || bound_refuse(m, "dtype 'double'");
}

static bool match_pool(struct cuda_match *m, int kind) {
    struct k_pool p;
    if (!read_pool(m, (enum k_pool_kind)kind, &p))
        return false;
    struct cuda_bound *b = bound_add(m, launch_pool, &p, sizeof p);
    return bound_in(m, b, AT(k_pool, x), 0, 0) && bound_out(m, b, AT(k_pool, y), 0, 0) &&
           (!bound_has_out(m, 1) || bound_out(m, b, AT(k_pool, indices), 1, 0));
}

/* Inputs: x, its scale and zero, those of y. */
static bool match_level_pool(struct cuda_match *m, int kind) {
    struct k_level_pool l = {.scale_type = {bound_in_type(m, 1), bound_in_type(m, 3)}};
    if (op_attr_int(&m->call, "channels_last", 0))
        return bound_refuse(m, "channels_last");
    if (!read_pool(m, (enum k_pool_kind)kind, &l.pool))
        return false;
    struct cuda_bound *b = bound_add(m, launch_level_pool, &l, sizeof l);
    return bound_in(m, b, AT(k_level_pool, pool.x), 0, 0) &&
           bound_out(m, b, AT(k_level_pool, pool.y), 0, 0) &&
           bound_in(m, b, AT(k_level_pool, scale[0]), 1, 0) &&
           bound_in(m, b, AT(k_level_pool, scale[1]), 3, 0) &&
           (!bound_has_in(m, 2) || bound_in(m, b, AT(k_level_pool, zero[0]), 2, 0)) &&
           (!bound_has_in(m, 4) || bound_in(m, b, AT(k_level_pool, zero[1]), 4, 0));
}

static bool match_lrn(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    (void)detail;
    if (!few_elements(m))
        return false;
    struct k_lrn n = {.type = bound_in_type(m, 0),
                      .total = (uint32_t)rule_count(x),
                      .pixels = k_divide_by((uint32_t)rule_product(x, 2, x->rank)),
                      .channels = k_divide_by((uint32_t)x->dims[1]),
                      .size = (int32_t)op_attr_int(&m->call, "size", 1),
                      .alpha = op_attr_float(&m->call, "alpha", 1e-4f),
                      .beta = op_attr_float(&m->call, "beta", 0.75f),
                      .bias = op_attr_float(&m->call, "bias", 1)};
    if (n.type == K_F64 || bound_out_type(m, 0) != n.type)
        return bound_refuse(m, "inputs of different dtypes");
    struct cuda_bound *b = bound_add(m, launch_lrn, &n, sizeof n);
    return bound_in(m, b, AT(k_lrn, x), 0, 0) && bound_out(m, b, AT(k_lrn, y), 0, 0);
}

static bool match_grid(struct cuda_match *m, int detail) {
    static const enum k_grid_mode modes[] = {
        [GRID_LINEAR] = K_GRID_LINEAR, [GRID_NEAREST] = K_GRID_NEAREST, [GRID_CUBIC] = K_GRID_CUBIC};
    static const enum k_grid_padding paddings[] = {
        [GRID_ZEROS] = K_GRID_ZEROS, [GRID_BORDER] = K_GRID_BORDER, [GRID_REFLECTION] = K_GRID_REFLECTION};
    const sl_tensor *x = m->call.in[0], *grid = m->call.in[1];
    struct grid_sampling s;
    (void)detail;
    if (grid_read(&m->call, &s, NULL) != SL_OK)
        return bound_refuse(m, "its attributes");
    if (!few_elements(m))
        return false;
    struct k_grid g = {.type = bound_in_type(m, 0),
                       .grid_type = bound_in_type(m, 1),
                       .mode = modes[s.mode],
                       .padding = paddings[s.padding],
                       .corners = s.corners,
                       .dims = s.dims,
                       .channels = (int32_t)x->dims[1],
                       .total = (uint32_t)(rule_count(grid) / s.dims),
                       .positions = k_divide_by((uint32_t)rule_product(grid, 1, grid->rank - 1))};
    if (g.type != K_F32 && g.type != K_F16 && g.type != K_BF16)
        return bound_refuse(m, "dtype '%s'", sl_dtype_name(x->dtype));
    if (bound_out_type(m, 0) != g.type || g.grid_type == K_F64)
        return bound_refuse(m, "inputs of different dtypes");
    for (int d = 0; d < 3; d++)
        g.in[d] = d < 3 - s.dims ? 1 : (int32_t)x->dims[d - 1 + s.dims];
    struct cuda_bound *b = bound_add(m, launch_grid, &g, sizeof g);
    return bound_in(m, b, AT(k_grid, x), 0, 0) && bound_in(m, b, AT(k_grid, grid), 1, 0) &&
           bound_out(m, b, AT(k_grid, y), 0, 0);
}

/* ---- Resize ---- */

static bool is_touched(const struct resize_axis *axis) {
    bool same = axis->in == axis->out && axis->taps == 1;
    for (int64_t i = 0; same && i < axis->out; i++)
        same = axis->from[i] == i;
    return !same;
}

/* One axis' tables in the types that the kernel takes. */
static bool bind_axis(struct cuda_match *m, struct cuda_bound *b, int d, const struct resize_axis *axis) {
    size_t count = (size_t)axis->out * (size_t)axis->taps;
    int32_t *from = bound_room(m, count, sizeof *from);
    float *weight = bound_room(m, count, sizeof *weight);
    if (!from || !weight)
        return false;
    for (size_t i = 0; i < count; i++) {
        from[i] = (int32_t)axis->from[i];
        weight[i] = (float)axis->weight[i];
    }
    return bound_table(m, b, AT(k_resize, from) + (size_t)d * sizeof(void *), from, count * sizeof *from) &&
           bound_table(m, b, AT(k_resize, weight) + (size_t)d * sizeof(void *), weight,
                       count * sizeof *weight);
}

static bool match_resize(struct cuda_match *m, int detail) {
    const struct op_prepared *prepared = bound_prepare(m);
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0];
    enum k_type type = bound_in_type(m, 0);
    (void)detail;
    if (!prepared || !few_elements(m))
        return false;
    const struct resize_tables *t = prepared->state;
    bound_follow(m, 0, 0);
    bool done;
    if (!prepare_resize(m, t, &done) || done)
        return done;
    const bool image = bound_in_value(m, 0).last; /* channels-last: they are inside all other dims */
    int first = t->rank, last = -1;
    for (int d = 0; d < t->rank; d++)
        if (is_touched(&t->axis[d])) {
            first = d < first ? d : first;
            last = d;
        }
    first = last < 0 ? 0 : first;
    last = last < 0 ? 0 : last;
    if (image != bound_out_value(m, 0).last || (image && first < 2))
        return bound_refuse(m, "an output that lies otherwise than its input, or channels that are resized");
    if (last - first >= 3)
        return bound_refuse(m, "axes %d to %d at once", first, last);
    if (type != K_F32 && type != K_F16 && type != K_BF16 && type != K_U8 && type != K_I8)
        return bound_refuse(m, "dtype '%s'", sl_dtype_name(x->dtype));
    struct k_resize r = {
        .x_type = type,
        .y_type = bound_out_type(m, 0),
        .total = (uint32_t)rule_count(y),
        .inner = k_divide_by((uint32_t)(rule_product(x, last + 1, x->rank) * (image ? x->dims[1] : 1))),
        .outside = (float)t->outside};
    int shift = 2 - last; /* axes first ... last are the kernel's last ones */
    for (int d = 0; d < 3; d++) {
        const struct resize_axis *axis = d - shift >= first && d - shift <= last ? &t->axis[d - shift] : NULL;
        r.in[d] = axis ? (int32_t)axis->in : 1;
        r.out[d] = k_divide_by((uint32_t)(axis ? axis->out : 1));
        r.taps[d] = axis ? axis->taps : 1;
    }
    struct cuda_bound *b = bound_add(m, launch_resize, &r, sizeof r);
    bool ok = bound_in(m, b, AT(k_resize, x), 0, 0) && bound_out(m, b, AT(k_resize, y), 0, 0);
    for (int d = first; ok && d <= last && t->rank; d++)
        if (is_touched(&t->axis[d]))
            ok = bind_axis(m, b, d + shift, &t->axis[d]);
    return ok;
}

const struct bound_operator bound_images[] = {
    {"", "MaxPool", match_pool, K_POOL_MAX, true},
    {"", "AveragePool", match_pool, K_POOL_AVERAGE, true},
    {"", "LpPool", match_pool, K_POOL_LP, true},
    {"com.microsoft", "QLinearAveragePool", match_level_pool, K_POOL_AVERAGE, true},
    {"", "GridSample", match_grid, 0, false},
    {"com.microsoft", "GridSample", match_grid, 0, false},
    {"", "LRN", match_lrn, 0, false},
    {"", "Resize", match_resize, 0, true},
    {"", "Upsample", match_resize, 0, true},
    {NULL, NULL, NULL, 0, false}};
