/* image_resize.c: u8 images to another size, to the byte as Pillow's Image.resize does it (version 13): the
 * filter widened by the scale when an image shrinks, coefficients with 22 bits after the point, rows first,
 * then columns; the other way round where the height shrinks by more than twice as many pixels as the width,
 * which older versions did not do.
 *
 * Every sum is an exact integer, so all passes (image_resize_passes.c) give the same bytes. The coefficients
 * of the last size are kept in the worker's scratch: pictures of one size pay for them once. The host may
 * zero the tail of the scratch between records; a seal behind the coefficients tells. */
#include <math.h>
#include <string.h>

#include "sluice/transform.h"
#include "transforms/image_resize.h"

extern const sl_transform transform_image_resize;

#define MAX_SIDE 65500
#define SEAL 0x5ea1u

enum filter { NEAREST, BOX, BILINEAR, BICUBIC, LANCZOS };

static const struct {
    const char *name;
    double support;
} filters[] = {
    [NEAREST] = {"nearest", 0.0}, [BOX] = {"box", 0.5},         [BILINEAR] = {"bilinear", 1.0},
    [BICUBIC] = {"bicubic", 2.0}, [LANCZOS] = {"lanczos", 3.0},
};

struct resize {
    int64_t shorter, longer; /* or 0: */
    int64_t h, w;
    enum filter filter;
    uint64_t max_pixels;
    size_t axis_nbytes, weights_nbytes; /* parts of the scratch */
    const struct resize_passes *passes;
};

/* The head of the scratch: the coefficients that are there now. */
struct scratch {
    struct axis x, y;
};

/* --- coefficients --- */

static double sinc(double x) {
    x *= 3.14159265358979323846;
    return x == 0.0 ? 1.0 : sin(x) / x;
}

static double weight(enum filter filter, double x) {
    double a = fabs(x);
    switch (filter) {
    case BOX:
        return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case BILINEAR:
        return a < 1.0 ? 1.0 - a : 0.0;
    case BICUBIC:
        if (a < 1.0)
            return ((-0.5 + 2.0) * a - (-0.5 + 3.0)) * a * a + 1;
        return a < 2.0 ? (((a - 5) * a + 8) * a - 4) * -0.5 : 0.0;
    case LANCZOS:
        return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
    case NEAREST:
        break;
    }
    return 0.0;
}

/* Taps of one output of an axis, at most. */
static int32_t tap_count(enum filter filter, int32_t in, int32_t out) {
    double scale = (double)in / out;
    return (int32_t)ceil(filters[filter].support * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
}

static int32_t to_fixed(double x) {
    return (int32_t)(x * (1 << POINT_BITS) + (x < 0 ? -0.5 : 0.5));
}

static void split_taps(struct axis *axis, int32_t i) {
    int16_t *halves = axis->halves + (size_t)i * (size_t)axis->quads * 8;
    const int32_t *k = axis->k + (size_t)i * (size_t)axis->taps;
    memset(halves, 0, (size_t)axis->quads * 8 * sizeof *halves);
    for (int32_t t = 0; t < axis->count[i]; t++) {
        int16_t *quad = halves + (size_t)(t / 4) * 8;
        quad[t % 4] = (int16_t)(k[t] & ((1 << SPLIT_BITS) - 1));
        quad[4 + t % 4] = (int16_t)(k[t] >> SPLIT_BITS);
    }
}

static void fill_axis(struct axis *axis, enum filter filter, double *weights) {
    double scale = (double)axis->in / axis->out;
    double wide = scale < 1.0 ? 1.0 : scale;
    double support = filters[filter].support * wide, narrow = 1.0 / wide;
    for (int32_t i = 0; i < axis->out; i++) {
        double center = (i + 0.5) * scale, sum = 0.0;
        int32_t first = (int32_t)(center - support + 0.5), end = (int32_t)(center + support + 0.5);
        first = first < 0 ? 0 : first;
        end = end > axis->in ? axis->in : end;
        int32_t *k = axis->k + (size_t)i * (size_t)axis->taps;
        for (int32_t t = 0; t < end - first; t++) {
            weights[t] = weight(filter, (t + first - center + 0.5) * narrow);
            sum += weights[t];
        }
        for (int32_t t = 0; t < end - first; t++)
            k[t] = to_fixed(sum != 0.0 ? weights[t] / sum : weights[t]);
        axis->first[i] = first;
        axis->count[i] = end - first;
        split_taps(axis, i);
    }
}

/* Room for any axis: out * taps is at most 2 * support * max(in, out) + 3 * out. */
static size_t axis_room(enum filter filter) {
    size_t taps = (size_t)((2.0 * filters[filter].support + 3.0) * MAX_SIDE);
    size_t halves = 2 * (taps + (size_t)3 * MAX_SIDE); /* rounded up to fours, in two halves of 16 bits */
    return (taps + (size_t)2 * MAX_SIDE) * sizeof(int32_t) + halves * sizeof(int16_t) + 64;
}

static void use_axis(struct axis *axis, char *room, enum filter filter, int32_t in, int32_t out,
                     double *weights) {
    if (axis->in == in && axis->out == out && *axis->seal == SEAL)
        return;
    int32_t taps = tap_count(filter, in, out);
    *axis = (struct axis){.in = in, .out = out, .taps = taps, .quads = (taps + 3) / 4};
    axis->first = (int32_t *)(void *)room;
    axis->count = axis->first + out;
    axis->k = axis->count + out;
    axis->halves = (int16_t *)(void *)(axis->k + (size_t)out * (size_t)taps);
    axis->seal = (uint32_t *)(void *)(axis->halves + (size_t)out * (size_t)axis->quads * 8);
    fill_axis(axis, filter, weights);
    *axis->seal = SEAL;
}

/* --- plan time --- */

static sl_status refuse(const sl_host *host, sl_error *err, const char *why) {
    return host->fail(err, SL_E_MODEL, "cannot use transform 'image.resize': %s", why);
}

static bool is_side(double x) {
    return x >= 1 && x <= MAX_SIDE && x == floor(x);
}

static sl_status read_size(const sl_host *host, const sl_params *params, struct resize *resize,
                           sl_error *err) {
    const double *size = NULL;
    size_t count = 0;
    bool sized = host->param_has(params, "size"), longer = host->param_has(params, "longer");
    if (sized + longer + host->param_has(params, "shorter") != 1)
        return refuse(host, err, "give it one of 'shorter', 'longer' and 'size'");
    sl_status status = host->param_numbers(params,
                                           sized    ? "size"
                                           : longer ? "longer"
                                                    : "shorter",
                                           &size, &count, err);
    if (status != SL_OK)
        return status;
    if (count != (sized ? 2 : 1))
        return refuse(host, err,
                      sized    ? "'size' must be [height, width]"
                      : longer ? "'longer' must be one number"
                               : "'shorter' must be one number");
    for (size_t i = 0; i < count; i++)
        if (!is_side(size[i]))
            return refuse(host, err, "a side must be a whole number from 1 to 65500");
    resize->shorter = sized || longer ? 0 : (int64_t)size[0];
    resize->longer = longer ? (int64_t)size[0] : 0;
    resize->h = sized ? (int64_t)size[0] : 0;
    resize->w = sized ? (int64_t)size[1] : 0;
    return SL_OK;
}

static sl_status read_filter(const sl_host *host, const sl_params *params, struct resize *resize,
                             sl_error *err) {
    const char *name = "bilinear";
    sl_status status = host->param_text(params, "filter", &name, err);
    if (status != SL_OK)
        return status;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (strcmp(name, filters[i].name) == 0) {
            resize->filter = (enum filter)i;
            return SL_OK;
        }
    }
    return host->fail(err, SL_E_MODEL,
                      "cannot use transform 'image.resize': 'filter' is \"%s\", expected nearest, box, "
                      "bilinear, bicubic or lanczos",
                      name);
}

static int64_t rounded(int64_t n, int64_t by) {
    int64_t x = (2 * n + by) / (2 * by);
    return x > 0 ? x : 1;
}

/* torchvision's rule for the shorter side: the other one is int(n * long / short). For the longer side the
 * other one is round(n * short / long), half up, as letterboxes have it. */
static void output_size(const struct resize *resize, int64_t h, int64_t w, int64_t *out_h, int64_t *out_w) {
    int64_t side = resize->shorter + resize->longer; /* one of them is 0 */
    *out_h = side ? side : resize->h;
    *out_w = side ? side : resize->w;
    if (resize->longer && h >= w)
        *out_w = rounded(resize->longer * w, h);
    else if (resize->longer)
        *out_h = rounded(resize->longer * h, w);
    else if (resize->shorter && w <= h)
        *out_h = resize->shorter * h / w;
    else if (resize->shorter)
        *out_w = resize->shorter * w / h;
}

static sl_status resize_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                             void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"shorter", "longer", "size", "filter", NULL};
    struct resize resize = {.max_pixels = host->max_pixels(params)};
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_UINT8 || in->rank != 3 || in->dims[2] < 1)
        return refuse(host, err, "it takes an image, uint8 [h,w,c]");
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = read_size(host, params, &resize, err);
    if (status == SL_OK)
        status = read_filter(host, params, &resize, err);
    if (status != SL_OK)
        return status;
    size_t c = (size_t)in->dims[2];
    *out = *in;
    if (in->dims[0] > 0 && in->dims[1] > 0)
        output_size(&resize, in->dims[0], in->dims[1], &out->dims[0], &out->dims[1]);
    else if (resize.h)
        out->dims[0] = resize.h, out->dims[1] = resize.w;
    else
        out->dims[0] = out->dims[1] = -1;
    bool fixed = out->dims[0] > 0;
    if (fixed && (uint64_t)out->dims[0] * (uint64_t)out->dims[1] > resize.max_pixels)
        return refuse(host, err, "the result would have more pixels than an image may have");
    out->max_nbytes = (fixed ? (size_t)(out->dims[0] * out->dims[1]) : (size_t)resize.max_pixels) * c;
    resize.passes = resize_passes(-1);
    resize.axis_nbytes = (axis_room(resize.filter) + 63) / 64 * 64;
    /* One output's taps, as doubles. */
    resize.weights_nbytes = ((size_t)(2.0 * filters[resize.filter].support) * MAX_SIDE + 8) * sizeof(double);
    *scratch_nbytes = 128 + 2 * resize.axis_nbytes + resize.weights_nbytes + (size_t)resize.max_pixels * c;
    struct resize *kept = host->alloc(sizeof *kept);
    if (!kept)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'image.resize': out of memory");
    *kept = resize;
    *state = kept;
    return SL_OK;
}

static void resize_close(const sl_host *host, void *state) {
    host->free(state);
}

/* --- per record --- */

/* Pillow walks the source in steps that it adds up, so we add them up too. */
static void nearest(const uint8_t *in, int64_t h, int64_t w, size_t c, uint8_t *out, int64_t out_h,
                    int64_t out_w, int32_t *from) {
    double step = (double)w / (double)out_w, at = step * 0.5;
    for (int64_t x = 0; x < out_w; x++, at += step)
        from[x] = (int32_t)at < w ? (int32_t)at : (int32_t)w - 1;
    step = (double)h / (double)out_h;
    at = step * 0.5;
    for (int64_t y = 0; y < out_h; y++, at += step) {
        const uint8_t *row = in + (size_t)((int64_t)at < h ? (int64_t)at : h - 1) * (size_t)w * c;
        for (int64_t x = 0; x < out_w; x++, out += c)
            for (size_t i = 0; i < c; i++)
                out[i] = row[(size_t)from[x] * c + i];
    }
}

static sl_status filtered(const struct resize *resize, const sl_host *host, sl_ctx *ctx, const uint8_t *in,
                          int64_t h, int64_t w, size_t c, uint8_t *out, int64_t out_h, int64_t out_w) {
    char *scratch = host->scratch(ctx);
    struct scratch *kept = (struct scratch *)(void *)scratch;
    char *rooms = scratch + 128;
    double *weights = (double *)(void *)(rooms + 2 * resize->axis_nbytes);
    uint8_t *middle = (uint8_t *)weights + resize->weights_nbytes;
    int64_t first = 0, rows = h;
    if (h != out_h) {
        use_axis(&kept->y, rooms + resize->axis_nbytes, resize->filter, (int32_t)h, (int32_t)out_h, weights);
        const struct axis *y = &kept->y;
        first = y->first[0];
        rows = y->first[out_h - 1] + y->count[out_h - 1] - first;
    }
    if (w == out_w) {
        resize->passes->columns(&kept->y, in, 0, out, (size_t)w * c);
        return SL_OK;
    }
    bool columns_first = h > out_h && h - out_h > 2 * (w - out_w);
    if ((columns_first ? (uint64_t)w * (uint64_t)out_h : (uint64_t)out_w * (uint64_t)rows) >
        resize->max_pixels)
        return host->reject(ctx, "too-many-pixels", "resizing %lldx%lld pixels to %lldx%lld needs too many",
                            (long long)w, (long long)h, (long long)out_w, (long long)out_h);
    use_axis(&kept->x, rooms, resize->filter, (int32_t)w, (int32_t)out_w, weights);
    size_t pitch = (size_t)out_w * c;
    if (h == out_h) {
        resize->passes->rows(&kept->x, in, out, h, (int)c);
        return SL_OK;
    }
    if (columns_first) {
        resize->passes->columns(&kept->y, in, 0, middle, (size_t)w * c);
        resize->passes->rows(&kept->x, middle, out, out_h, (int)c);
        return SL_OK;
    }
    resize->passes->rows(&kept->x, in + (size_t)first * (size_t)w * c, middle, rows, (int)c);
    resize->passes->columns(&kept->y, middle, (int32_t)first, out, pitch);
    return SL_OK;
}

static sl_status resize_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                              sl_value *out) {
    const struct resize *resize = state;
    int64_t h = in->tensor.dims[0], w = in->tensor.dims[1], out_h, out_w;
    size_t c = (size_t)in->tensor.dims[2];
    output_size(resize, h, w, &out_h, &out_w);
    if (h > MAX_SIDE || w > MAX_SIDE || out_h > MAX_SIDE || out_w > MAX_SIDE ||
        (uint64_t)out_h * (uint64_t)out_w > resize->max_pixels)
        return host->reject(ctx, "too-many-pixels", "resizing %lldx%lld pixels gives %lldx%lld, too many",
                            (long long)w, (long long)h, (long long)out_w, (long long)out_h);
    out->tensor.dims[0] = out_h;
    out->tensor.dims[1] = out_w;
    if (h == out_h && w == out_w) {
        memcpy(out->tensor.data, in->tensor.data, (size_t)h * (size_t)w * c);
        return SL_OK;
    }
    if (resize->filter == NEAREST) {
        nearest(in->tensor.data, h, w, c, out->tensor.data, out_h, out_w, host->scratch(ctx));
        return SL_OK;
    }
    return filtered(resize, host, ctx, in->tensor.data, h, w, c, out->tensor.data, out_h, out_w);
}

static const sl_param_doc docs[] = {
    {"shorter", "integer", "(or another)", "the shorter side of the result; the other keeps the ratio"},
    {"longer", "integer", "(or another)", "the longer side of the result; the other keeps the ratio"},
    {"size", "[height, width]", "(or another)", "both sides of the result"},
    {"filter", "nearest, box, bilinear, bicubic or lanczos", "bilinear", "Pillow's filters, antialiased"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_image_resize = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "image.resize",
    .summary = "scales an image, to the byte as Pillow does",
    .shapes = "uint8 [h,w,c] -> uint8 [h',w',c]",
    .params = docs,
    .open = resize_open,
    .close = resize_close,
    .apply = resize_apply,
};
