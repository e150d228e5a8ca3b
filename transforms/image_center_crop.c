/* image_center_crop.c: the middle of an image, as torchvision's CenterCrop cuts it: the offset is rounded
 * half to even, and an image that is too small is padded with zeros first. Hugging Face's processors round
 * the offset down, and pad the odd row first. */
#include <math.h>
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_image_center_crop;

#define MAX_SIDE 65500

struct crop {
    int64_t h, w;
    bool down;
};

static sl_status read_size(const sl_host *host, const sl_params *params, struct crop *crop, sl_error *err) {
    const double *size = NULL;
    size_t count = 0;
    sl_status status = host->param_numbers(params, "size", &size, &count, err);
    if (status != SL_OK)
        return status;
    if (count != 1 && count != 2)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'image.center_crop': 'size' must be n or [height, width]");
    for (size_t i = 0; i < count; i++)
        if (!(size[i] >= 1 && size[i] <= MAX_SIDE) || size[i] != floor(size[i]))
            return host->fail(err, SL_E_MODEL,
                              "cannot use transform 'image.center_crop': 'size' has %g, expected a whole "
                              "number from 1 to %d",
                              size[i], MAX_SIDE);
    crop->h = (int64_t)size[0];
    crop->w = (int64_t)size[count - 1];
    return SL_OK;
}

static sl_status read_offset(const sl_host *host, const sl_params *params, struct crop *crop, sl_error *err) {
    const char *offset = "half-even";
    sl_status status = host->param_text(params, "offset", &offset, err);
    crop->down = strcmp(offset, "down") == 0;
    if (status == SL_OK && !crop->down && strcmp(offset, "half-even") != 0)
        return host->fail(
            err, SL_E_MODEL,
            "cannot use transform 'image.center_crop': 'offset' is \"%s\", expected \"half-even\" "
            "or \"down\"",
            offset);
    return status;
}

static sl_status crop_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                           void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"size", "offset", NULL};
    struct crop crop = {0};
    sl_status status = host->param_only(params, keys, err);
    if (status != SL_OK)
        return status;
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_UINT8 || in->rank != 3 || in->dims[2] < 1)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'image.center_crop': it takes an image, uint8 [h,w,c]");
    status = read_size(host, params, &crop, err);
    if (status == SL_OK)
        status = read_offset(host, params, &crop, err);
    if (status != SL_OK)
        return status;
    struct crop *kept = host->alloc(sizeof *kept);
    if (!kept)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'image.center_crop': out of memory");
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

/* round(n / 2.0) as Python has it: half to even. */
static int64_t half_even(int64_t n) {
    return (n & 1) == 0 ? n / 2 : (n / 2) + ((n / 2) & 1);
}

/* Where a side of `have` lies on a side of `want`: source offset, target offset, length. */
struct overlap {
    int64_t from, to, length;
};

static struct overlap place(int64_t have, int64_t want, bool down) {
    if (have < want) {
        /* torchvision pads (want - have) / 2 before; what is then as long as wanted is cut at 0. */
        return (struct overlap){.from = 0, .to = (want - have + down) / 2, .length = have};
    }
    int64_t from = down ? (have - want) / 2 : half_even(have - want);
    return (struct overlap){.from = from, .to = 0, .length = want};
}

static sl_status crop_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                            sl_value *out) {
    const struct crop *crop = state;
    const int64_t *dims = in->tensor.dims;
    (void)host;
    (void)ctx;
    struct overlap y = place(dims[0], crop->h, crop->down), x = place(dims[1], crop->w, crop->down);
    size_t c = (size_t)dims[2], out_pitch = (size_t)crop->w * c, in_pitch = (size_t)dims[1] * c;
    const uint8_t *from = (const uint8_t *)in->tensor.data + (size_t)y.from * in_pitch + (size_t)x.from * c;
    uint8_t *to = out->tensor.data;
    if (y.length < crop->h || x.length < crop->w)
        memset(to, 0, (size_t)crop->h * out_pitch);
    to += (size_t)y.to * out_pitch + (size_t)x.to * c;
    for (int64_t row = 0; row < y.length; row++, from += in_pitch, to += out_pitch)
        memcpy(to, from, (size_t)x.length * c);
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"size", "integer or [height, width]", NULL, "the result's size in pixels"},
    {"offset", "half-even or down", "half-even",
     "how half a pixel is rounded: torchvision's way, or Hugging Face's"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_image_center_crop = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "image.center_crop",
    .summary = "cuts out the middle, pads with zeros where the image is smaller",
    .shapes = "uint8 [h,w,c] -> uint8 [size,size,c]",
    .params = docs,
    .open = crop_open,
    .close = crop_close,
    .apply = crop_apply,
};
