/* image_pad.c: an image on a larger canvas: what a detector's letterbox puts around it, or what a fixed input
 * needs. */
#include <math.h>
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_image_pad;

#define MAX_SIDE 65500
#define MAX_CHANNELS 4

struct pad {
    int64_t h, w;
    bool center; /* else the image stands at the top left */
    uint8_t fill[MAX_CHANNELS];
};

static sl_status refuse(const sl_host *host, sl_error *err, const char *why) {
    return host->fail(err, SL_E_MODEL, "cannot use transform 'image.pad': %s", why);
}

static sl_status read_size(const sl_host *host, const sl_params *params, struct pad *pad, sl_error *err) {
    const double *size = NULL;
    size_t count = 0;
    sl_status status = host->param_numbers(params, "size", &size, &count, err);
    if (status != SL_OK)
        return status;
    if (count != 1 && count != 2)
        return refuse(host, err, "'size' must be n or [height, width]");
    for (size_t i = 0; i < count; i++)
        if (!(size[i] >= 1 && size[i] <= MAX_SIDE) || size[i] != floor(size[i]))
            return refuse(host, err, "a side must be a whole number from 1 to 65500");
    pad->h = (int64_t)size[0];
    pad->w = (int64_t)size[count - 1];
    return SL_OK;
}

/* One number for all channels, or one for each. */
static sl_status read_fill(const sl_host *host, const sl_params *params, int64_t channels, struct pad *pad,
                           sl_error *err) {
    static const double zero = 0;
    const double *fill = &zero;
    size_t count = 1;
    sl_status status = host->param_numbers(params, "fill", &fill, &count, err);
    if (status != SL_OK)
        return status;
    if (count != 1 && count != (size_t)channels)
        return refuse(host, err, "'fill' must be one number, or one for each channel");
    for (int64_t c = 0; c < channels; c++) {
        double x = fill[count == 1 ? 0 : c];
        if (!(x >= 0 && x <= 255) || x != floor(x))
            return refuse(host, err, "'fill' must be whole numbers from 0 to 255");
        pad->fill[c] = (uint8_t)x;
    }
    return SL_OK;
}

static sl_status read_params(const sl_host *host, const sl_params *params, const sl_spec *in, struct pad *pad,
                             sl_error *err) {
    static const char *const keys[] = {"size", "fill", "at", NULL};
    const char *at = "center";
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = read_size(host, params, pad, err);
    if (status == SL_OK)
        status = read_fill(host, params, in->dims[2], pad, err);
    if (status == SL_OK)
        status = host->param_text(params, "at", &at, err);
    pad->center = strcmp(at, "center") == 0;
    if (status == SL_OK && !pad->center && strcmp(at, "top-left") != 0)
        return refuse(host, err, "'at' must be \"center\" or \"top-left\"");
    return status;
}

static sl_status pad_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                          void **state, size_t *scratch_nbytes, sl_error *err) {
    struct pad pad = {0};
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_UINT8 || in->rank != 3 || in->dims[2] < 1 ||
        in->dims[2] > MAX_CHANNELS)
        return refuse(host, err, "it takes an image, uint8 [h,w,c]");
    sl_status status = read_params(host, params, in, &pad, err);
    if (status != SL_OK)
        return status;
    if (in->dims[0] > pad.h || in->dims[1] > pad.w)
        return refuse(host, err, "the image is larger than 'size'");
    struct pad *kept = host->alloc(sizeof *kept);
    if (!kept)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'image.pad': out of memory");
    *kept = pad;
    *out = *in;
    out->dims[0] = pad.h;
    out->dims[1] = pad.w;
    out->max_nbytes = (size_t)pad.h * (size_t)pad.w * (size_t)in->dims[2];
    *state = kept;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void pad_close(const sl_host *host, void *state) {
    host->free(state);
}

static void fill(const struct pad *pad, uint8_t *out, size_t pixels, size_t c) {
    if (c == 1) {
        memset(out, pad->fill[0], pixels);
        return;
    }
    for (size_t i = 0; i < pixels; i++, out += c)
        memcpy(out, pad->fill, c);
}

static sl_status pad_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                           sl_value *out) {
    const struct pad *pad = state;
    int64_t h = in->tensor.dims[0], w = in->tensor.dims[1];
    size_t c = (size_t)in->tensor.dims[2], pitch = (size_t)pad->w * c;
    if (h > pad->h || w > pad->w)
        return host->reject(ctx, "too-large", "an image of %lldx%lld pixels does not fit into %lldx%lld",
                            (long long)w, (long long)h, (long long)pad->w, (long long)pad->h);
    size_t top = pad->center ? (size_t)(pad->h - h) / 2 : 0,
           left = pad->center ? (size_t)(pad->w - w) / 2 : 0;
    const uint8_t *from = in->tensor.data;
    uint8_t *to = out->tensor.data;
    fill(pad, to, top * (size_t)pad->w, c);
    to += top * pitch;
    for (int64_t y = 0; y < h; y++, from += (size_t)w * c, to += pitch) {
        fill(pad, to, left, c);
        memcpy(to + left * c, from, (size_t)w * c);
        fill(pad, to + (left + (size_t)w) * c, (size_t)pad->w - left - (size_t)w, c);
    }
    fill(pad, to, ((size_t)pad->h - top - (size_t)h) * (size_t)pad->w, c);
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"size", "integer or [height, width]", NULL, "the canvas; a larger image is rejected"},
    {"fill", "number or list", "0", "its colour, 0 to 255, for all channels or for each"},
    {"at", "center or top-left", "center", "where the image stands"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_image_pad = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "image.pad",
    .summary = "puts an image on a larger canvas, as letterboxes do",
    .shapes = "uint8 [h,w,c] -> uint8 [size,size,c]",
    .params = docs,
    .open = pad_open,
    .close = pad_close,
    .apply = pad_apply,
};
