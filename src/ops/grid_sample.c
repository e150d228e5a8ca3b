/* grid_sample.c: GridSample, which reads an image at positions that are data, and AffineGrid, which makes
 * such positions. Coordinates are computed in the dtype they come in (half types in float), as other runtimes
 * do: which pixel is nearest depends on it. Values are put together in double. */
#include "ops/grid_sample.h"

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

sl_status grid_read(const struct op_call *call, struct grid_sampling *s, sl_error *err) {
    static const char *const modes[] = {"linear", "nearest", "cubic", "bilinear", "nearest", "bicubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    int mode = -1, padding = -1;
    for (int i = 5; i >= 0; i--)
        if (op_attr_is(call, "mode", modes[i], "linear"))
            mode = i % 3;
    for (int i = 0; i < 3; i++)
        if (op_attr_is(call, "padding_mode", paddings[i], "zeros"))
            padding = i;
    if (mode < 0 || padding < 0)
        return error_set(err, SL_E_MODEL, "attribute 'mode' or 'padding_mode' has a value that is not known");
    *s = (struct grid_sampling){.mode = (enum grid_mode)mode,
                                .padding = (enum grid_padding)padding,
                                .corners = op_attr_int(call, "align_corners", 0) != 0,
                                .single = call->in[1]->dtype != SL_DOUBLE,
                                .dims = call->in[0]->rank - 2};
    return SL_OK;
}

static sl_status infer_sample(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0], *grid = call->in[1];
    char one[RULE_TEXT], other[RULE_TEXT];
    struct grid_sampling s;
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_REALS, err);
    if (st == SL_OK)
        st = grid_read(call, &s, err);
    if (st != SL_OK)
        return st;
    if (s.dims < 1 || s.dims > GRID_DIMS || grid->rank != x->rank || grid->dims[0] != x->dims[0] ||
        grid->dims[grid->rank - 1] != s.dims)
        return error_set(err, SL_E_MODEL, "input %s and grid %s do not fit", rule_text(one, x),
                         rule_text(other, grid));
    int64_t dims[SL_MAX_RANK] = {x->dims[0], x->dims[1]};
    for (int d = 0; d < s.dims; d++)
        dims[d + 2] = grid->dims[d + 1];
    if (rule_product(x, 2, x->rank) == 0 && rule_count(grid))
        return error_set(err, SL_E_MODEL, "input %s has no pixels", rule_text(one, x));
    rule_set(call->out[0], x->dtype, x->rank, dims);
    return SL_OK;
}

static double rounded(const struct grid_sampling *s, double x) {
    return s->single ? (double)(float)x : x;
}

/* From [-1, 1] to pixels. Each operation is rounded as one in float would be. */
static double to_pixels(const struct grid_sampling *s, double x, int64_t size) {
    double n = (double)size;
    x = rounded(s, x + 1);
    x = s->corners ? rounded(s, x / 2 * (n - 1)) : rounded(s, rounded(s, rounded(s, x * n) - 1) / 2);
    return isnan(x) ? -1 : fmin(fmax(x, -0x1p31), 0x1p31); /* a position far away is as good as farther */
}

/* Folds x back at the borders until it lies between them. */
static double reflect(double x, double least, double most) {
    double range = most - least, distance = x < least ? least - x : x - most;
    if (x >= least && x <= most)
        return x;
    if (!(range > 0))
        return least;
    double turns = floor(distance / range), rest = distance - turns * range;
    bool back = fmod(turns, 2) == 0;
    return (x < least) == back ? least + rest : most - rest;
}

static int64_t pixel_at(const struct grid_sampling *s, double at, int64_t size) {
    double most = (double)(size - 1);
    if (s->padding == GRID_ZEROS && !(at >= 0 && at <= most))
        return -1;
    if (s->padding == GRID_REFLECTION)
        at = reflect(at, s->corners ? 0 : -0.5, s->corners ? most : most + 0.5);
    return at < 0 ? 0 : at > most ? size - 1 : (int64_t)at;
}

static void cubic_weights(double x, double *weight) {
    const double a = -0.75;
    double y = 1 - x;
    weight[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    weight[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    weight[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
    weight[3] = ((a * (y + 1) - 5 * a) * (y + 1) + 8 * a) * (y + 1) - 4 * a;
}

struct grid_taps grid_find_taps(const struct grid_sampling *s, double x, int64_t size) {
    struct grid_taps taps = {.count = s->mode == GRID_NEAREST ? 1 : s->mode == GRID_LINEAR ? 2 : 4};
    double least = s->corners ? 0 : -0.5, most = (double)(size - 1) - least;
    x = to_pixels(s, x, size);
    x = s->mode == GRID_NEAREST ? rint(x) : x;
    /* the border holds positions back, but of a cubic only its pixels: so torch and ONNX Runtime have it */
    if (s->mode != GRID_CUBIC && s->padding == GRID_BORDER && (x < least || x > most))
        x = fmin(fmax(x, 0), (double)(size - 1));
    else if (s->padding == GRID_REFLECTION)
        x = rounded(s, reflect(x, least, most));
    double first = floor(x), part = x - first;
    if (s->mode == GRID_CUBIC) {
        cubic_weights(part, taps.weight);
        first -= 1;
    } else {
        taps.weight[0] = s->mode == GRID_LINEAR ? 1 - part : 1;
        taps.weight[1] = part;
        first = s->mode == GRID_LINEAR ? first : trunc(x);
    }
    for (int k = 0; k < taps.count; k++)
        taps.from[k] = pixel_at(s, first + k, size);
    return taps;
}

static double sum_taps(const sl_tensor *x, const struct grid_taps *taps, int d, int dims, int64_t line) {
    if (d == dims)
        return element_number(x->dtype, x->data, line);
    double sum = 0;
    for (int k = 0; k < taps[d].count; k++)
        if (taps[d].from[k] >= 0)
            sum +=
                taps[d].weight[k] * sum_taps(x, taps, d + 1, dims, line * x->dims[d + 2] + taps[d].from[k]);
    return sum;
}

static void run_sample(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *grid = call->in[1];
    sl_tensor *y = call->out[0];
    struct grid_sampling s;
    if (grid_read(call, &s, NULL) != SL_OK)
        return;
    int64_t positions = rule_product(grid, 1, grid->rank - 1), channels = x->dims[1];
    for (int64_t i = 0; i < x->dims[0] * positions; i++) {
        struct grid_taps taps[GRID_DIMS];
        for (int d = 0; d < s.dims; d++) /* the grid has x first, dims have it last */
            taps[d] = grid_find_taps(&s, element_real(grid->dtype, grid->data, i * s.dims + s.dims - 1 - d),
                                     x->dims[d + 2]);
        for (int64_t c = 0; c < channels; c++) {
            int64_t plane = i / positions * channels + c;
            element_set_real(y->dtype, y->data, plane * positions + i % positions,
                             sum_taps(x, taps, 0, s.dims, plane));
        }
    }
}

#define GRID_SAMPLE(id, op_domain, op_since)                                                                 \
    const struct op op_##id = {.domain = op_domain,                                                          \
                               .name = "GridSample",                                                         \
                               .since = op_since,                                                            \
                               .min_in = 2,                                                                  \
                               .max_in = 2,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "align_corners mode padding_mode",                                   \
                               .infer = infer_sample,                                                        \
                               .run = run_sample};

GRID_SAMPLE(grid_sample, "", 16)
GRID_SAMPLE(ms_grid_sample, "com.microsoft", 1)

/* AffineGrid: theta [n, d, d + 1] times every position of an image of `size`, from -1 to 1. */
static sl_status infer_affine(const struct op_call *call, sl_error *err) {
    const sl_tensor *theta = call->in[0];
    int64_t size[SL_MAX_RANK], dims[SL_MAX_RANK];
    int rank;
    char text[RULE_TEXT];
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_ints(call, 1, NULL, size, SL_MAX_RANK, &rank, err);
    if (st == SL_OK && (rank < 4 || rank > 5 || theta->rank != 3 || theta->dims[0] != size[0] ||
                        theta->dims[1] != rank - 2 || theta->dims[2] != rank - 1))
        st = error_set(err, SL_E_MODEL, "input 0 is %s, which does not fit a size of %d dims",
                       rule_text(text, theta), rank);
    for (int d = 0; st == SL_OK && d < rank; d++)
        if (size[d] < 0)
            st = error_set(err, SL_E_MODEL, "dim %d of the size is %lld", d, (long long)size[d]);
    if (st != SL_OK)
        return st;
    dims[0] = size[0];
    for (int d = 2; d < rank; d++)
        dims[d - 1] = size[d];
    dims[rank - 1] = rank - 2;
    rule_set(call->out[0], theta->dtype, rank, dims);
    return SL_OK;
}

static double grid_position(int64_t at, int64_t size, bool corners) {
    if (corners)
        return size > 1 ? -1 + 2 * (double)at / (double)(size - 1) : 0;
    return (2 * (double)at + 1) / (double)size - 1;
}

static void run_affine(const struct op_call *call) {
    const sl_tensor *theta = call->in[0];
    sl_tensor *y = call->out[0];
    int dims = y->rank - 2;
    bool corners = op_attr_int(call, "align_corners", 0) != 0;
    int64_t positions = rule_product(y, 1, y->rank - 1);
    for (int64_t i = 0; i < y->dims[0] * positions; i++) {
        double at[GRID_DIMS + 1];
        int64_t rest = i % positions;
        for (int d = dims; d >= 1; d--) { /* at: x first, then a one */
            at[dims - d] = grid_position(rest % y->dims[d], y->dims[d], corners);
            rest /= y->dims[d];
        }
        at[dims] = 1;
        for (int row = 0; row < dims; row++) {
            double sum = 0;
            for (int k = 0; k <= dims; k++)
                sum +=
                    element_real(theta->dtype, theta->data, (i / positions * dims + row) * (dims + 1) + k) *
                    at[k];
            element_set_real(y->dtype, y->data, i * dims + row, sum);
        }
    }
}

const struct op op_affine_grid = {.domain = "",
                                  .name = "AffineGrid",
                                  .since = 20,
                                  .min_in = 2,
                                  .max_in = 2,
                                  .min_out = 1,
                                  .max_out = 1,
                                  .attrs = "align_corners",
                                  .infer = infer_affine,
                                  .run = run_affine};
