/* resize.c: Resize and Upsample: nearest, linear and cubic over any axes, as tables made when the model is
 * loaded. Sums in double over the axes from the last to the first, rounded once; whole numbers are rounded to
 * the nearest and kept in range. */
#include "ops/resize.h"

#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/strided.h"

/* The output's length with the fraction that a scale leaves over; none where it is only that of a float. */
static double exact_length(const struct resize_request *r, int d, int64_t in) {
    double length = r->scale[d] * (double)in, whole = (double)r->out[d];
    return fabs(length - whole) <= 1e-6 * whole ? whole : length;
}

/* How many positions align_corners spreads the input over. ONNX's text says the output's length; its
 * reference and its node suite, which shrink only, keep the fraction that a scale leaves over, while torch's
 * exporters and other runtimes, which mostly enlarge, do not. So the fraction counts where the axis shrinks.
 */
static double aligned_length(const struct resize_request *r, int d, int64_t in) {
    return r->scale[d] < 1 ? exact_length(r, d, in) : (double)r->out[d];
}

/* Where output position `at` of an axis lies in the input; *outside when beyond the region. */
static double source(const struct resize_request *r, int d, int64_t in, int64_t at, bool *outside) {
    double x = (double)at, n = (double)in, out = exact_length(r, d, in);
    double start = r->roi[0][d], end = r->roi[1][d];
    *outside = false;
    switch (r->place) {
    case PLACE_ALIGN_CORNERS:
        out = aligned_length(r, d, in);
        return out == 1 ? 0 : x * (n - 1) / (out - 1);
    case PLACE_ASYMMETRIC:
        return x / r->scale[d];
    case PLACE_PYTORCH_HALF_PIXEL:
        return out == 1 ? 0 : (x + 0.5) / r->scale[d] - 0.5;
    case PLACE_HALF_PIXEL_SYMMETRIC:
        return n / 2 * (1 - (double)r->out[d] / out) + (x + 0.5) / r->scale[d] - 0.5;
    case PLACE_TF_CROP:
        x = start * (n - 1) +
            (out == 1 ? (end - start) * (n - 1) / 2 : x * (end - start) * (n - 1) / (out - 1));
        *outside = x < 0 || x > n - 1;
        return x;
    default:
        return (x + 0.5) / r->scale[d] - 0.5;
    }
}

/* The same as one computes it in float, where a scale of 5/3 is not a little less than 5/3: which pixel is
 * nearest must not hang on the eighth digit of a scale that a file holds with seven. */
static double source_nearest(const struct resize_request *r, int d, int64_t in, int64_t at, bool *outside) {
    float x = (float)at, scale = (float)r->scale[d];
    switch (r->place) {
    case PLACE_ASYMMETRIC:
        *outside = false;
        return (double)(x / scale);
    case PLACE_HALF_PIXEL:
    case PLACE_PYTORCH_HALF_PIXEL:
        *outside = false;
        x = (x + 0.5f) / scale;
        return r->place == PLACE_PYTORCH_HALF_PIXEL && r->out[d] == 1 ? 0 : (double)(x - 0.5f);
    default:
        return (double)(float)source(r, d, in, at, outside);
    }
}

static double round_to(const struct resize_request *r, int d, double x) {
    switch (r->round) {
    case ROUND_PREFER_CEIL:
        return floor(x + 0.5);
    case ROUND_FLOOR:
        return floor(x);
    case ROUND_CEIL:
        return ceil(x);
    case ROUND_OLD:
        return r->scale[d] < 1 ? ceil(x) : floor(x);
    default:
        return ceil(x - 0.5);
    }
}

/* Weight of an input position `x` away, in units of the filter. */
static double weigh(const struct resize_request *r, double x) {
    double a = r->cubic_a;
    x = fabs(x);
    if (r->mode == RESIZE_LINEAR)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* How far the filter reaches on one side, in input positions: further where antialiasing widens it. */
static int64_t reach_of(const struct resize_request *r, int d) {
    double reach = r->mode == RESIZE_CUBIC ? 2 : 1;
    if (r->mode == RESIZE_NEAREST)
        return 0;
    return r->antialias && r->scale[d] < 1 ? (int64_t)ceil(reach / r->scale[d]) : (int64_t)reach;
}

/* Taps of one output position around `x`. */
static void fill_taps(const struct resize_request *r, int d, int64_t in, double x, int taps, int64_t *from,
                      double *weight) {
    double base = taps == 1 ? round_to(r, d, x) : floor(x) - taps / 2 + 1, sum = 0;
    double filter = r->antialias ? fmin(r->scale[d], 1) : 1;
    for (int k = 0; k < taps; k++) {
        double at = base + k;
        bool inside = at >= 0 && at <= (double)(in - 1);
        weight[k] = taps == 1 ? 1 : !inside && r->exclude_outside ? 0 : weigh(r, (at - x) * filter);
        from[k] = inside ? (int64_t)at : at < 0 ? 0 : in - 1;
        sum += weight[k];
    }
    for (int k = 0; (r->antialias || r->exclude_outside) && sum != 0 && k < taps; k++)
        weight[k] /= sum;
}

static bool is_untouched(const struct resize_request *r, int d, int64_t in) {
    return fabs(r->scale[d] - 1) <= 1e-9 && r->out[d] == in && r->roi[0][d] == 0 && r->roi[1][d] == 1;
}

static sl_status make_axis(const struct resize_request *r, int d, int64_t in, struct arena *arena,
                           struct resize_axis *axis, bool *outside, sl_error *err) {
    bool untouched = is_untouched(r, d, in);
    int64_t taps = untouched || !reach_of(r, d) ? 1 : 2 * reach_of(r, d);
    *axis = (struct resize_axis){.in = in, .out = r->out[d], .taps = (int)taps};
    if (taps > INT32_MAX / 2)
        return error_set(err, SL_E_MODEL, "axis %d is scaled by %g, which is too little", d, r->scale[d]);
    int64_t *from = arena_alloc(arena, (size_t)(axis->out * taps + 1), sizeof *from);
    double *weight = arena_alloc(arena, (size_t)(axis->out * taps + 1), sizeof *weight);
    if (!from || !weight)
        return error_set(err, SL_E_MEMORY, "out of memory for the tables of axis %d", d);
    for (int64_t i = 0; i < axis->out; i++) {
        bool out = false;
        double x = untouched                   ? (double)i
                   : r->mode == RESIZE_NEAREST ? source_nearest(r, d, in, i, &out)
                                               : source(r, d, in, i, &out);
        if (untouched) {
            from[i] = i;
            weight[i] = 1;
        } else {
            fill_taps(r, d, in, x, axis->taps, from + i * taps, weight + i * taps);
        }
        if (out)
            from[i * taps] = -1;
        *outside = *outside || out;
    }
    axis->from = from;
    axis->weight = weight;
    return SL_OK;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    struct resize_request r;
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = resize_read(call, &r, err);
    if (st == SL_OK && (r.mode != RESIZE_NEAREST || r.place == PLACE_TF_CROP))
        st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        rule_set(call->out[0], call->in[0]->dtype, call->in[0]->rank, r.out);
    return st;
}

static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    struct resize_request r;
    struct resize_tables *t = arena_alloc(arena, 1, sizeof *t);
    bool outside = false;
    if (!t)
        return error_set(err, SL_E_MEMORY, "out of memory for the tables");
    sl_status st = resize_read(call, &r, err);
    t->rank = call->in[0]->rank;
    t->outside = r.outside;
    t->plain = true;
    for (int d = 0; st == SL_OK && d < t->rank; d++) {
        st = make_axis(&r, d, call->in[0]->dims[d], arena, &t->axis[d], &outside, err);
        t->plain = t->plain && t->axis[d].taps == 1;
    }
    t->plain = t->plain && !outside;
    prepared->state = t;
    return st;
}

/* The sum over the taps of the axes from `d` on; `line` is the position in the axes before. */

static double sum_taps(const struct resize_tables *t, const sl_tensor *x, const int64_t *at, int d,
                       int64_t line) {
    if (d == t->rank)
        return element_number(x->dtype, x->data, line);
    const struct resize_axis *axis = &t->axis[d];
    const int64_t *from = axis->from + at[d] * axis->taps;
    const double *weight = axis->weight + at[d] * axis->taps;
    if (axis->taps == 1)
        return sum_taps(t, x, at, d + 1, line * axis->in + from[0]);
    double sum = 0;
    for (int k = 0; k < axis->taps; k++)
        sum += weight[k] * sum_taps(t, x, at, d + 1, line * axis->in + from[k]);
    return sum;
}

static void set_number(sl_tensor *y, int64_t i, double value) {
    if (element_kind(y->dtype) != ELEMENT_REAL) {
        int bits = (int)sl_dtype_nbits(y->dtype);
        bool is_signed = element_kind(y->dtype) == ELEMENT_SIGNED;
        double least = is_signed ? -ldexp(1, bits - 1) : 0, most = ldexp(1, is_signed ? bits - 1 : bits) - 1;
        value = fmin(fmax(rint(value), least), most);
    }
    element_set_real(y->dtype, y->data, i, value);
}

static void run(const struct op_call *call) {
    const struct resize_tables *t = call->state;
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    size_t nbytes = strided_nbytes(x);
    int64_t at[SL_MAX_RANK];
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        int64_t rest = i, from = 0, step = 1;
        bool outside = false;
        for (int d = t->rank - 1; d >= 0; d--) {
            const struct resize_axis *axis = &t->axis[d];
            at[d] = rest % axis->out;
            rest /= axis->out;
            int64_t first = axis->from[at[d] * axis->taps];
            outside = outside || first < 0;
            from += first * step;
            step *= axis->in;
        }
        if (t->plain)
            memcpy((char *)y->data + (size_t)i * nbytes, (const char *)x->data + (size_t)from * nbytes,
                   nbytes);
        else
            set_number(y, i, outside ? t->outside : sum_taps(t, x, at, 0, 0));
    }
}

#define RESIZE(id, op_name, op_since, op_until, in_most, op_attrs)                                           \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .until = op_until,                                                            \
                               .min_in = 1,                                                                  \
                               .max_in = in_most,                                                            \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = infer,                                                               \
                               .prepare = prepare,                                                           \
                               .run = run};

RESIZE(upsample, "Upsample", 7, 9, 2, "mode scales")
RESIZE(resize, "Resize", 10, 0, 4,
       "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
       "keep_aspect_ratio_policy mode nearest_mode")
