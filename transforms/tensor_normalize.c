/* tensor_normalize.c: (x * scale - mean) / std as one multiply and one add per value, with factors made when
 * the plan is. Pixels are done in float32; that can be left to the device as its first kernel, and gives the
 * same bits here. Columns are done in double and rounded once: a column may be large against its spread, and
 * in float32 the sum would lose what is left of it. */
#include <math.h>
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_tensor_normalize;

struct normalize {
    float *scale, *offset;
    double *wide; /* pairs of scale and offset, for columns */
    size_t count; /* channels, or 1 for all */
    bool u8;
    bool chw; /* [h,w,c] becomes [c,h,w] */
};

static void normalize_close(const sl_host *host, void *state) {
    struct normalize *n = state;
    if (!n)
        return;
    host->free(n->scale);
    host->free(n->offset);
    host->free(n->wide);
    host->free(n);
}

static sl_status refuse(const sl_host *host, sl_error *err, const char *why) {
    return host->fail(err, SL_E_MODEL, "cannot use transform 'tensor.normalize': %s", why);
}

static sl_status read_layout(const sl_host *host, const sl_params *params, const sl_spec *in,
                             struct normalize *n, sl_error *err) {
    const char *layout = NULL;
    sl_status status = host->param_text(params, "layout", &layout, err);
    if (status != SL_OK)
        return status;
    n->chw = in->rank == 3;
    if (!layout)
        return SL_OK;
    if (strcmp(layout, "nchw") != 0 && strcmp(layout, "nhwc") != 0)
        return refuse(host, err, "'layout' must be \"nchw\" or \"nhwc\"");
    if (in->rank != 3)
        return refuse(host, err, "'layout' is for images, [h,w,c]");
    n->chw = strcmp(layout, "nchw") == 0;
    return SL_OK;
}

/* Both lists are one number for all, or one per channel. */
static sl_status read_factors(const sl_host *host, const sl_params *params, const sl_spec *in,
                              struct normalize *n, sl_error *err) {
    static const double zero = 0.0, one = 1.0;
    const double *mean = &zero, *std = &one;
    double scale = n->u8 ? 1.0 / 255.0 : 1.0;
    size_t mean_count = 1, std_count = 1;
    sl_status status = host->param_number(params, "scale", &scale, err);
    if (status == SL_OK)
        status = host->param_numbers(params, "mean", &mean, &mean_count, err);
    if (status == SL_OK)
        status = host->param_numbers(params, "std", &std, &std_count, err);
    if (status != SL_OK)
        return status;
    n->count = mean_count > std_count ? mean_count : std_count;
    size_t channels = in->rank && in->dims[in->rank - 1] > 0 ? (size_t)in->dims[in->rank - 1] : 1;
    if ((mean_count != 1 && mean_count != n->count) || (std_count != 1 && std_count != n->count) ||
        mean_count == 0 || std_count == 0 || (n->count != 1 && n->count != channels))
        return host->fail(
            err, SL_E_MODEL,
            "cannot use transform 'tensor.normalize': 'mean' has %zu and 'std' %zu numbers, the "
            "input has %zu channels",
            mean_count, std_count, channels);
    n->scale = host->alloc(n->count * sizeof *n->scale);
    n->offset = host->alloc(n->count * sizeof *n->offset);
    n->wide = host->alloc(2 * n->count * sizeof *n->wide);
    if (!n->scale || !n->offset || !n->wide)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'tensor.normalize': out of memory");
    for (size_t c = 0; c < n->count; c++) {
        double m = mean[mean_count == 1 ? 0 : c], s = std[std_count == 1 ? 0 : c];
        n->scale[c] = (float)(scale / s);
        n->offset[c] = (float)(-m / s);
        n->wide[2 * c] = scale / s;
        n->wide[2 * c + 1] = -m / s;
        if (!isfinite(n->scale[c]) || !isfinite(n->offset[c]))
            return refuse(host, err, "'scale', 'mean' and 'std' must give finite factors, and 'std' not 0");
    }
    return SL_OK;
}

static sl_status normalize_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                                void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"scale", "mean", "std", "layout", NULL};
    if (in->kind != SL_KIND_TENSOR || (in->dtype != SL_UINT8 && in->dtype != SL_FLOAT))
        return refuse(host, err, "it takes a tensor of uint8 or float");
    sl_status status = host->param_only(params, keys, err);
    if (status != SL_OK)
        return status;
    struct normalize *n = host->alloc(sizeof *n);
    if (!n)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'tensor.normalize': out of memory");
    n->u8 = in->dtype == SL_UINT8;
    status = read_layout(host, params, in, n, err);
    if (status == SL_OK)
        status = read_factors(host, params, in, n, err);
    if (status != SL_OK) {
        normalize_close(host, n);
        return status;
    }
    *out = *in;
    out->dtype = SL_FLOAT;
    out->max_nbytes = n->u8 ? in->max_nbytes * sizeof(float) : in->max_nbytes;
    if (n->chw) {
        out->dims[0] = in->dims[2];
        out->dims[1] = in->dims[0];
        out->dims[2] = in->dims[1];
    }
    *state = n;
    *scratch_nbytes = 0;
    return SL_OK;
}

/* Reads every `step`-th of `count` groups; y is dense when `step` is not 1. */
static void run_u8(const uint8_t *x, size_t step, size_t count, float scale, float offset, float *y,
                   size_t y_step) {
    for (size_t i = 0; i < count; i++)
        y[i * y_step] = (float)x[i * step] * scale + offset;
}

static void run_f32(const float *x, size_t step, size_t count, const double *wide, float *y, size_t y_step) {
    for (size_t i = 0; i < count; i++)
        y[i * y_step] = (float)((double)x[i * step] * wide[0] + wide[1]);
}

/* A row of columns, each with its own pair: the usual case. */
static void run_columns(const float *x, size_t count, const double *wide, float *y) {
    for (size_t i = 0; i < count; i++)
        y[i] = (float)((double)x[i] * wide[2 * i] + wide[2 * i + 1]);
}

static sl_status normalize_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                                 sl_value *out) {
    const struct normalize *n = state;
    const sl_tensor *t = &in->tensor;
    size_t channels = t->rank ? (size_t)t->dims[t->rank - 1] : 1, groups = 1;
    (void)host;
    (void)ctx;
    for (int d = 0; d + 1 < t->rank; d++)
        groups *= (size_t)t->dims[d];
    if (n->chw) {
        out->tensor.dims[0] = t->dims[2];
        out->tensor.dims[1] = t->dims[0];
        out->tensor.dims[2] = t->dims[1];
    } else {
        memcpy(out->tensor.dims, t->dims, sizeof t->dims);
    }
    if (n->count == 1 && !n->chw) { /* one factor over everything */
        groups *= channels;
        channels = 1;
    }
    if (!n->u8 && groups == 1 && n->count == channels) {
        run_columns(t->data, channels, n->wide, out->tensor.data);
        return SL_OK;
    }
    for (size_t c = 0; c < channels; c++) {
        float scale = n->scale[n->count == 1 ? 0 : c], offset = n->offset[n->count == 1 ? 0 : c];
        float *y = (float *)out->tensor.data + (n->chw ? c * groups : c);
        size_t y_step = n->chw ? 1 : channels;
        if (n->u8)
            run_u8((const uint8_t *)t->data + c, channels, groups, scale, offset, y, y_step);
        else
            run_f32((const float *)t->data + c, channels, groups, n->wide + (n->count == 1 ? 0 : 2 * c), y,
                    y_step);
    }
    return SL_OK;
}

static bool normalize_lower(const void *state, sl_affine *affine) {
    const struct normalize *n = state;
    *affine = (sl_affine){.scale = n->scale, .offset = n->offset, .count = n->count, .chw = n->chw};
    return n->u8;
}

static const sl_param_doc docs[] = {
    {"scale", "number", "1/255 for uint8, else 1", "factor before mean and std"},
    {"mean", "number or list", "0", "one for all, or one per channel"},
    {"std", "number or list", "1", "one for all, or one per channel"},
    {"layout", "\"nchw\" or \"nhwc\"", "\"nchw\"", "whether an image [h,w,c] becomes [c,h,w]"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_tensor_normalize = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "tensor.normalize",
    .summary = "(x * scale - mean) / std, per channel",
    .shapes = "uint8 or float [h,w,c] -> float [c,h,w] (or [h,w,c]); [n] -> float [n]",
    .params = docs,
    .open = normalize_open,
    .close = normalize_close,
    .apply = normalize_apply,
    .lower = normalize_lower,
};
