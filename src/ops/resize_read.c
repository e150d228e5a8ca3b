/* resize_read.c: what a Resize or Upsample node asks for, over all the ways that opsets 7 to 19 have to say
 * it: scales as attribute or input, sizes, axes, regions, aspect ratios. */
#include <string.h>

#include "ops/element.h"
#include "ops/resize.h"
#include "ops/rules.h"

static const char *const mode_names[] = {"nearest", "linear", "cubic"};
static const char *const place_names[PLACES] = {"half_pixel",         "half_pixel_symmetric",
                                                "pytorch_half_pixel", "align_corners",
                                                "asymmetric",         "tf_crop_and_resize"};
static const char *const round_names[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

/* Which of the names the attribute is; the first when absent. */
static sl_status read_name(const struct op_call *call, const char *attr, const char *const *names, int count,
                           int *found, sl_error *err) {
    for (int i = 0; i < count; i++)
        if (op_attr_is(call, attr, names[i], names[0])) {
            *found = i;
            return SL_OK;
        }
    return error_set(err, SL_E_MODEL, "attribute '%s' has a value that this operator does not know", attr);
}

static bool is_old(const struct op_call *call) {
    return call->opset < 11;
}

static sl_status read_modes(const struct op_call *call, struct resize_request *r, sl_error *err) {
    int mode = 0, place = 0, round = 0;
    sl_status st = read_name(call, "mode", mode_names, 3, &mode, err);
    if (st == SL_OK && is_old(call)) {
        place = PLACE_ASYMMETRIC;
        round = ROUND_OLD;
        if (mode == RESIZE_CUBIC)
            st = error_set(err, SL_E_MODEL, "attribute 'mode' is cubic, which opset 11 brought");
    } else if (st == SL_OK) {
        st = read_name(call, "coordinate_transformation_mode", place_names, PLACES, &place, err);
        if (st == SL_OK)
            st = read_name(call, "nearest_mode", round_names, 4, &round, err);
    }
    r->mode = (enum resize_mode)mode;
    r->place = (enum resize_place)place;
    r->round = (enum resize_round)round;
    r->antialias = op_attr_int(call, "antialias", 0) != 0 && mode != RESIZE_NEAREST;
    r->exclude_outside = op_attr_int(call, "exclude_outside", 0) != 0 && mode != RESIZE_NEAREST;
    r->cubic_a = (double)op_attr_float(call, "cubic_coeff_a", -0.75f);
    r->outside = (double)op_attr_float(call, "extrapolation_value", 0);
    return st;
}

/* Numbers of a constant input; an empty tensor counts as none. */
static sl_status read_numbers(const struct op_call *call, size_t in, double *values, int count, bool *given,
                              sl_error *err) {
    *given = op_has_in(call, in) && rule_count(call->in[in]) > 0;
    if (!*given)
        return SL_OK;
    const sl_tensor *t = call->in[in];
    if (element_kind(t->dtype) == ELEMENT_OTHER)
        return error_set(err, SL_E_MODEL, "input %zu is %s, expected numbers", in, sl_dtype_name(t->dtype));
    if (!t->data)
        return error_set(err, SL_E_MODEL,
                         "input %zu must be known when the model is loaded, but depends on the records", in);
    if (t->rank != 1 || t->dims[0] != count)
        return error_set(err, SL_E_MODEL, "input %zu has %lld elements, expected %d", in,
                         (long long)rule_count(t), count);
    for (int i = 0; i < count; i++)
        values[i] = element_number(t->dtype, t->data, i);
    return SL_OK;
}

/* Upsample of opset 7 has its scales as an attribute. */
static sl_status read_scale_attr(const struct op_call *call, double *values, int count, bool *given,
                                 sl_error *err) {
    const struct attr *attr = op_attr(call, "scales");
    *given = attr != NULL;
    if (!attr || attr->type != ATTR_FLOATS || attr->count != (size_t)count)
        return error_set(err, SL_E_MODEL, "attribute 'scales' is not a list of %d numbers", count);
    for (int i = 0; i < count; i++)
        values[i] = (double)attr->floats[i];
    return SL_OK;
}

/* One ratio for all axes: the largest result that fits the sizes, or the smallest that covers them. */
static sl_status keep_ratio(const struct op_call *call, const int *axes, int count, struct resize_request *r,
                            sl_error *err) {
    static const char *const names[] = {"stretch", "not_larger", "not_smaller"};
    int policy = 0;
    sl_status st = read_name(call, "keep_aspect_ratio_policy", names, 3, &policy, err);
    if (st != SL_OK || policy == 0 || !count)
        return st;
    double scale = r->scale[axes[0]];
    for (int i = 1; i < count; i++) {
        double other = r->scale[axes[i]];
        scale = policy == 1 ? fmin(scale, other) : fmax(scale, other);
    }
    for (int i = 0; i < count; i++) {
        r->scale[axes[i]] = scale;
        r->out[axes[i]] = (int64_t)(scale * (double)call->in[0]->dims[axes[i]] + 0.5);
    }
    return SL_OK;
}

static sl_status set_sizes(const struct op_call *call, const int *axes, int count, const double *sizes,
                           struct resize_request *r, sl_error *err) {
    for (int i = 0; i < count; i++) {
        int64_t in = call->in[0]->dims[axes[i]];
        if (!(sizes[i] >= 0 && sizes[i] <= INT32_MAX) || (!in && sizes[i] > 0))
            return error_set(err, SL_E_MODEL, "dim %d of %lld would become %g", axes[i], (long long)in,
                             sizes[i]);
        r->out[axes[i]] = (int64_t)sizes[i];
        r->scale[axes[i]] = in ? sizes[i] / (double)in : 1;
    }
    return keep_ratio(call, axes, count, r, err);
}

/* Sizes are rounded down after a product in float, as ONNX's shape inference has it. */
static sl_status set_scales(const struct op_call *call, const int *axes, int count, const double *scales,
                            struct resize_request *r, sl_error *err) {
    for (int i = 0; i < count; i++) {
        int64_t in = call->in[0]->dims[axes[i]];
        float out = floorf((float)in * (float)scales[i]);
        if (!(scales[i] > 0) || !(out >= 0 && out <= (float)(1 << 30)))
            return error_set(err, SL_E_MODEL, "dim %d of %lld has a scale of %g", axes[i], (long long)in,
                             scales[i]);
        r->out[axes[i]] = (int64_t)out;
        r->scale[axes[i]] = scales[i];
    }
    return SL_OK;
}

static sl_status read_roi(const struct op_call *call, const int *axes, int count, struct resize_request *r,
                          sl_error *err) {
    double values[2 * SL_MAX_RANK];
    bool given;
    if (r->place != PLACE_TF_CROP)
        return SL_OK;
    sl_status st = read_numbers(call, 1, values, 2 * count, &given, err);
    if (st == SL_OK && !given)
        st = error_set(err, SL_E_MODEL, "the region of interest is missing");
    for (int i = 0; st == SL_OK && i < count; i++) {
        r->roi[0][axes[i]] = values[i];
        r->roi[1][axes[i]] = values[count + i];
        if (!(fabs(values[i]) < 1e6 && fabs(values[count + i]) < 1e6))
            st = error_set(err, SL_E_MODEL, "the region of axis %d is not finite", axes[i]);
    }
    return st;
}

sl_status resize_read(const struct op_call *call, struct resize_request *r, sl_error *err) {
    const sl_tensor *x = call->in[0];
    double scales[SL_MAX_RANK], sizes[SL_MAX_RANK];
    int axes[SL_MAX_RANK], count = -1;
    bool scaled = false, sized = false;
    memset(r, 0, sizeof *r);
    sl_status st = read_modes(call, r, err);
    if (st == SL_OK && !is_old(call))
        st = rule_axes(call, SIZE_MAX, "axes", x->rank, axes, &count, err);
    for (int d = 0; d < x->rank; d++) {
        r->scale[d] = 1;
        r->roi[1][d] = 1;
        r->out[d] = x->dims[d];
        if (count < 0)
            axes[d] = d;
    }
    count = count < 0 ? x->rank : count;
    if (st == SL_OK && is_old(call) && call->in_count == 1)
        st = read_scale_attr(call, scales, count, &scaled, err);
    else if (st == SL_OK)
        st = read_numbers(call, is_old(call) ? 1 : 2, scales, count, &scaled, err);
    if (st == SL_OK && !is_old(call))
        st = read_numbers(call, 3, sizes, count, &sized, err);
    if (st == SL_OK && scaled == sized)
        st = error_set(err, SL_E_MODEL, "exactly one of scales and sizes must be given");
    if (st == SL_OK)
        st = sized ? set_sizes(call, axes, count, sizes, r, err)
                   : set_scales(call, axes, count, scales, r, err);
    return st == SL_OK ? read_roi(call, axes, count, r, err) : st;
}
