/* image_crop.c: a rectangle of an image, given by its corner and size. An image that does not hold it is
 * rejected. */
#include "sluice/transform.h"

#include <string.h>

extern const sl_transform transform_image_crop;

#define MAX_SIDE 65500

struct crop {
    int64_t top, left, h, w;
};

static sl_status read_side(const sl_host *host, const sl_params *params, const char *key, int64_t least,
                           int64_t *side, sl_error *err) {
    if (!host->param_has(params, key))
        return host->fail(err, SL_E_MODEL, "cannot use transform 'image.crop': '%s' is missing", key);
    sl_status status = host->param_int(params, key, side, err);
    if (status == SL_OK && (*side < least || *side > MAX_SIDE))
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'image.crop': '%s' is %lld, expected %lld to %d", key,
                          (long long)*side, (long long)least, MAX_SIDE);
    return status;
}

static sl_status crop_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                           void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"top", "left", "height", "width", NULL};
    struct crop crop = {0};
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_UINT8 || in->rank != 3 || in->dims[2] < 1)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'image.crop': it takes an image, uint8 [h,w,c]");
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = read_side(host, params, "top", 0, &crop.top, err);
    if (status == SL_OK)
        status = read_side(host, params, "left", 0, &crop.left, err);
    if (status == SL_OK)
        status = read_side(host, params, "height", 1, &crop.h, err);
    if (status == SL_OK)
        status = read_side(host, params, "width", 1, &crop.w, err);
    if (status != SL_OK)
        return status;
    if ((in->dims[0] > 0 && crop.top + crop.h > in->dims[0]) ||
        (in->dims[1] > 0 && crop.left + crop.w > in->dims[1]))
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'image.crop': the image is %lldx%lld pixels only",
                          (long long)in->dims[1], (long long)in->dims[0]);
    struct crop *kept = host->alloc(sizeof *kept);
    if (!kept)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'image.crop': out of memory");
    *kept = crop;
    *out = *in;
    out->dims[0] = crop.h;
    out->dims[1] = crop.w;
    out->max_nbytes = (size_t)crop.h * (size_t)crop.w * (size_t)in->dims[2];
    *state = kept;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void crop_close(const sl_host *host, void *state) {
    host->free(state);
}

static sl_status crop_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                            sl_value *out) {
    const struct crop *crop = state;
    int64_t h = in->tensor.dims[0], w = in->tensor.dims[1];
    size_t c = (size_t)in->tensor.dims[2];
    if (crop->top + crop->h > h || crop->left + crop->w > w)
        return host->reject(ctx, "too-small", "an image of %lldx%lld pixels has no %lldx%lld at %lld,%lld",
                            (long long)w, (long long)h, (long long)crop->w, (long long)crop->h,
                            (long long)crop->left, (long long)crop->top);
    const uint8_t *from = (const uint8_t *)in->tensor.data + (size_t)(crop->top * w + crop->left) * c;
    uint8_t *to = out->tensor.data;
    for (int64_t y = 0; y < crop->h; y++, from += (size_t)w * c, to += (size_t)crop->w * c)
        memcpy(to, from, (size_t)crop->w * c);
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"top", "integer", NULL, "the first row"},
    {"left", "integer", NULL, "the first column"},
    {"height", "integer", NULL, "how many rows"},
    {"width", "integer", NULL, "how many columns"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_image_crop = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "image.crop",
    .summary = "cuts out a rectangle",
    .shapes = "uint8 [h,w,c] -> uint8 [height,width,c]",
    .params = docs,
    .open = crop_open,
    .close = crop_close,
    .apply = crop_apply,
};
