/* roi.c: regions of interest: RoiAlign, MaxRoiPool and com.microsoft's CropAndResize. Regions come from
 * records, so anything may stand in them: positions are computed in float (double for doubles), clamped, and
 * the samples of a bin are at most MOST_SAMPLES a side. */
#include "ops/index.h"
#include "ops/ops.h"

#define MOST_SAMPLES 1024

/* Rounds to what the dtype computes coordinates in: how many samples a bin has depends on it. */
static double rounded(sl_dtype dtype, double x) {
    return dtype == SL_DOUBLE ? x : (double)(float)x;
}

/* Inputs X [n, c, h, w] and regions [count, columns], with their images where they are an input of their own.
 */
static sl_status check(const struct op_call *call, int64_t columns, bool indices, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_rank(call, 0, 4, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_same_dtype(call, 0, 1, err);
    if (st == SL_OK)
        st = rule_rank(call, 1, 2, err);
    if (st == SL_OK && call->in[1]->dims[1] != columns)
        st = error_set(err, SL_E_MODEL, "regions have %lld numbers, expected %lld",
                       (long long)call->in[1]->dims[1], (long long)columns);
    if (st == SL_OK && call->in[1]->dims[0] && !rule_count(call->in[0]))
        st = error_set(err, SL_E_MODEL, "input 0 has no pixels");
    if (st == SL_OK && indices)
        st = rule_dtype(call, 2, OPS_INDEX, err);
    if (st == SL_OK && indices)
        st = rule_vector(call, 2, call->in[1]->dims[0], err);
    return st;
}

static sl_status set_output(const struct op_call *call, int64_t height, int64_t width, sl_error *err) {
    const sl_tensor *x = call->in[0], *rois = call->in[1];
    if (height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX)
        return error_set(err, SL_E_MODEL, "the output would be %lld by %lld", (long long)height,
                         (long long)width);
    rule_set(call->out[0], x->dtype, 4, (int64_t[]){rois->dims[0], x->dims[1], height, width});
    return SL_OK;
}

static double region(const struct op_call *call, int64_t roi, int64_t column) {
    const sl_tensor *rois = call->in[1];
    return element_real(rois->dtype, rois->data, roi * rois->dims[1] + column);
}

/* RoiAlign */
struct side { /* one axis of one region */
    double start, bin;
    int64_t samples, size;
};

static struct side read_side(const struct op_call *call, int64_t roi, int axis, bool half_pixel) {
    sl_dtype dtype = call->in[0]->dtype;
    double scale = (double)op_attr_float(call, "spatial_scale", 1), offset = half_pixel ? 0.5 : 0;
    double ends[2];
    for (int i = 0; i < 2; i++)
        ends[i] = rounded(dtype, rounded(dtype, region(call, roi, 2 * i + 1 - axis) * scale) - offset);
    double length = rounded(dtype, ends[1] - ends[0]);
    if (!half_pixel)
        length = fmax(length, 1); /* an empty region is one pixel */
    struct side side = {.start = ends[0], .size = call->in[0]->dims[2 + axis]};
    side.bin = rounded(dtype, length / (double)call->out[0]->dims[2 + axis]);
    side.samples = op_attr_int(call, "sampling_ratio", 0);
    if (side.samples <= 0)
        side.samples = (int64_t)fmin(fmax(ceil(side.bin), 0), MOST_SAMPLES);
    side.samples = side.samples < MOST_SAMPLES ? side.samples : MOST_SAMPLES;
    return side;
}

/* Two neighbours and how far the position is from the first; false outside the image. */
struct between {
    int64_t low, high;
    double part;
};

static bool find_between(sl_dtype dtype, const struct side *side, int64_t bin, int64_t sample,
                         struct between *b) {
    double step = rounded(dtype, rounded(dtype, ((double)sample + 0.5) * side->bin) / (double)side->samples);
    double x = rounded(dtype, rounded(dtype, side->start + rounded(dtype, (double)bin * side->bin)) + step);
    if (!(x >= -1 && x <= (double)side->size))
        return false;
    x = x < 0 ? 0 : x;
    b->low = (int64_t)x;
    b->high = b->low + 1;
    b->part = x - (double)b->low;
    if (b->low >= side->size - 1) {
        b->low = b->high = side->size - 1;
        b->part = 0;
    }
    return true;
}

/* Samples of one bin of one channel: their mean, or the largest of their weighed corners. */
OPS_INLINE double align_bin(sl_dtype dtype, const void *x, int64_t plane, const struct side side[2],
                            const int64_t at[2], bool largest) {
    double sum = 0;
    bool any = false;
    for (int64_t i = 0; i < side[0].samples; i++)
        for (int64_t k = 0; k < side[1].samples; k++) {
            struct between v, h;
            double corner[4] = {0};
            if (find_between(dtype, &side[0], at[0], i, &v) && find_between(dtype, &side[1], at[1], k, &h)) {
                int64_t top = plane + v.low * side[1].size, low = plane + v.high * side[1].size;
                corner[0] = (1 - v.part) * (1 - h.part) * element_real(dtype, x, top + h.low);
                corner[1] = (1 - v.part) * h.part * element_real(dtype, x, top + h.high);
                corner[2] = v.part * (1 - h.part) * element_real(dtype, x, low + h.low);
                corner[3] = v.part * h.part * element_real(dtype, x, low + h.high);
            }
            double most = fmax(fmax(corner[0], corner[1]), fmax(corner[2], corner[3]));
            if (largest)
                sum = any ? fmax(sum, most) : most;
            else
                sum += corner[0] + corner[1] + corner[2] + corner[3];
            any = true;
        }
    int64_t count = side[0].samples * side[1].samples;
    return largest || count < 1 ? sum : sum / (double)count;
}

static sl_status infer_align(const struct op_call *call, sl_error *err) {
    sl_status st = check(call, 4, true, err);
    if (st == SL_OK && !op_attr_is(call, "mode", "avg", "avg") && !op_attr_is(call, "mode", "max", "avg"))
        st = error_set(err, SL_E_MODEL, "attribute 'mode' is none of avg, max");
    if (st == SL_OK)
        st = set_output(call, op_attr_int(call, "output_height", 1), op_attr_int(call, "output_width", 1),
                        err);
    return st;
}

static void run_align(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    bool half_pixel =
        call->opset >= 16 && op_attr_is(call, "coordinate_transformation_mode", "half_pixel", "half_pixel");
    bool largest = op_attr_is(call, "mode", "max", "avg");
    int64_t bins = y->dims[2] * y->dims[3], size = x->dims[2] * x->dims[3];
    for (int64_t roi = 0; roi < y->dims[0]; roi++) {
        int64_t image = index_at(call->in[2], roi, x->dims[0]);
        const struct side side[2] = {read_side(call, roi, 0, half_pixel),
                                     read_side(call, roi, 1, half_pixel)};
        for (int64_t i = 0; i < x->dims[1] * bins; i++) {
            const int64_t at[2] = {i % bins / y->dims[3], i % y->dims[3]};
            int64_t plane = (image * x->dims[1] + i / bins) * size;
            element_set_real(y->dtype, y->data, roi * x->dims[1] * bins + i,
                             align_bin(x->dtype, x->data, plane, side, at, largest));
        }
    }
}

const struct op op_roi_align = {.domain = "",
                                .name = "RoiAlign",
                                .since = 10,
                                .min_in = 3,
                                .max_in = 3,
                                .min_out = 1,
                                .max_out = 1,
                                .attrs = "coordinate_transformation_mode mode output_height output_width "
                                         "sampling_ratio spatial_scale",
                                .infer = infer_align,
                                .run = run_align};

/* MaxRoiPool: regions are [image, x1, y1, x2, y2], rounded to pixels. */
static sl_status infer_pool(const struct op_call *call, sl_error *err) {
    int64_t shape[2];
    int count;
    sl_status st = check(call, 5, false, err);
    if (st == SL_OK)
        st = rule_ints(call, SIZE_MAX, "pooled_shape", shape, 2, &count, err);
    if (st == SL_OK && count != 2)
        st = error_set(err, SL_E_MODEL, "attribute 'pooled_shape' must have 2 numbers");
    return st == SL_OK ? set_output(call, shape[0], shape[1], err) : st;
}

/* A number of a region as a pixel; far outside is as good as farther. */
static int64_t to_pixel(double x) {
    x = round(x);
    return isnan(x) ? 0 : (int64_t)fmin(fmax(x, -0x1p30), 0x1p30);
}

/* Pixels [*from, *to) of bin `at` along an axis. */
static void find_bin(const struct op_call *call, int64_t roi, int axis, int64_t at, int64_t *from,
                     int64_t *to) {
    double scale = (double)op_attr_float(call, "spatial_scale", 1);
    int64_t start = to_pixel(rounded(call->in[0]->dtype, region(call, roi, 2 - axis) * scale));
    int64_t end = to_pixel(rounded(call->in[0]->dtype, region(call, roi, 4 - axis) * scale));
    int64_t size = call->in[0]->dims[2 + axis], length = end - start + 1 > 1 ? end - start + 1 : 1;
    double bin = rounded(call->in[0]->dtype, (double)length / (double)call->out[0]->dims[2 + axis]);
    *from = start + (int64_t)floor(rounded(call->in[0]->dtype, (double)at * bin));
    *to = start + (int64_t)ceil(rounded(call->in[0]->dtype, (double)(at + 1) * bin));
    *from = *from < 0 ? 0 : *from > size ? size : *from;
    *to = *to < 0 ? 0 : *to > size ? size : *to;
}

static void run_pool(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        int64_t w = i % y->dims[3], h = i / y->dims[3] % y->dims[2];
        int64_t c = i / y->dims[3] / y->dims[2] % y->dims[1], roi = i / y->dims[3] / y->dims[2] / y->dims[1];
        int64_t image = to_pixel(region(call, roi, 0)), top, bottom, left, right;
        image = image < 0 ? 0 : image >= x->dims[0] ? x->dims[0] - 1 : image;
        find_bin(call, roi, 0, h, &top, &bottom);
        find_bin(call, roi, 1, w, &left, &right);
        double most = top < bottom && left < right ? -INFINITY : 0;
        for (int64_t v = top; v < bottom; v++)
            for (int64_t u = left; u < right; u++)
                most = fmax(most, element_real(x->dtype, x->data,
                                               ((image * x->dims[1] + c) * x->dims[2] + v) * x->dims[3] + u));
        element_set_real(y->dtype, y->data, i, most);
    }
}

const struct op op_max_roi_pool = {.domain = "",
                                   .name = "MaxRoiPool",
                                   .since = 1,
                                   .min_in = 2,
                                   .max_in = 2,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .attrs = "pooled_shape spatial_scale",
                                   .infer = infer_pool,
                                   .run = run_pool};

/* CropAndResize: regions are [y1, x1, y2, x2] with 1 the last pixel. */
static sl_status infer_crop(const struct op_call *call, sl_error *err) {
    int64_t size[2];
    int count;
    sl_status st = check(call, 4, true, err);
    if (st == SL_OK)
        st = rule_ints(call, 3, NULL, size, 2, &count, err);
    if (st == SL_OK && count != 2)
        st = error_set(err, SL_E_MODEL, "the crop's size must have 2 numbers");
    if (st == SL_OK && !op_attr_is(call, "mode", "bilinear", "bilinear") &&
        !op_attr_is(call, "mode", "nearest", "bilinear"))
        st = error_set(err, SL_E_MODEL, "attribute 'mode' is none of bilinear, nearest");
    return st == SL_OK ? set_output(call, size[0], size[1], err) : st;
}

static double crop_position(const struct op_call *call, int64_t roi, int axis, int64_t at) {
    sl_dtype dtype = call->in[0]->dtype;
    double last = (double)(call->in[0]->dims[2 + axis] - 1), outs = (double)call->out[0]->dims[2 + axis];
    double from = region(call, roi, axis), to = region(call, roi, 2 + axis);
    if (outs <= 1)
        return rounded(dtype, 0.5 * (from + to) * last);
    double step = rounded(dtype, rounded(dtype, (to - from) * last) / (outs - 1));
    return rounded(dtype, rounded(dtype, from * last) + rounded(dtype, (double)at * step));
}

static double crop_one(const struct op_call *call, int64_t plane, double v, double h, bool nearest) {
    const sl_tensor *x = call->in[0];
    double last_v = (double)(x->dims[2] - 1), last_h = (double)(x->dims[3] - 1);
    if (!(v >= 0 && v <= last_v && h >= 0 && h <= last_h))
        return (double)op_attr_float(call, "extrapolation_value", 0);
    if (nearest)
        return element_real(x->dtype, x->data,
                            (plane * x->dims[2] + (int64_t)round(v)) * x->dims[3] + (int64_t)round(h));
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        double row = k / 2 ? ceil(v) : floor(v), column = k % 2 ? ceil(h) : floor(h);
        double part_v = v - floor(v), part_h = h - floor(h);
        sum += (k / 2 ? part_v : 1 - part_v) * (k % 2 ? part_h : 1 - part_h) *
               element_real(x->dtype, x->data,
                            (plane * x->dims[2] + (int64_t)row) * x->dims[3] + (int64_t)column);
    }
    return sum;
}

static void run_crop(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    bool nearest = op_attr_is(call, "mode", "nearest", "bilinear");
    int64_t outs = y->dims[2] * y->dims[3], channels = y->dims[1];
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        int64_t roi = i / outs / channels, image = index_at(call->in[2], roi, x->dims[0]);
        element_set_real(y->dtype, y->data, i,
                         crop_one(call, image * channels + i / outs % channels,
                                  crop_position(call, roi, 0, i % outs / y->dims[3]),
                                  crop_position(call, roi, 1, i % y->dims[3]), nearest));
    }
}

const struct op op_crop_and_resize = {.domain = "com.microsoft",
                                      .name = "CropAndResize",
                                      .since = 1,
                                      .min_in = 4,
                                      .max_in = 4,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .attrs = "extrapolation_value mode",
                                      .infer = infer_crop,
                                      .run = run_crop};
