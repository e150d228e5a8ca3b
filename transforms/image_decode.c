/* image_decode.c: a JPEG, PNG or WebP file as u8 pixels, by the host's decoders. */
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_image_decode;

struct decode {
    sl_pixels pixels;
    size_t room;
};

static sl_status decode_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                             void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"mode", NULL};
    const char *mode = "RGB";
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = host->param_text(params, "mode", &mode, err);
    if (status != SL_OK)
        return status;
    if (in->kind != SL_KIND_BYTES && in->kind != SL_KIND_FIELDS && in->kind != SL_KIND_ARRAY)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'image.decode': it takes a file or a sample");
    if (strcmp(mode, "RGB") != 0 && strcmp(mode, "L") != 0)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'image.decode': 'mode' is \"%s\", expected \"RGB\" or \"L\"",
                          mode);
    struct decode *decode = host->alloc(sizeof *decode);
    if (!decode)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'image.decode': out of memory");
    decode->pixels = strcmp(mode, "L") == 0 ? SL_PIXELS_L : SL_PIXELS_RGB;
    decode->room = (size_t)host->max_pixels(params) * (size_t)decode->pixels;
    *out = (sl_spec){.kind = SL_KIND_TENSOR,
                     .dtype = SL_UINT8,
                     .rank = 3,
                     .dims = {-1, -1, (int64_t)decode->pixels},
                     .max_nbytes = decode->room};
    *state = decode;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void decode_close(const sl_host *host, void *state) {
    host->free(state);
}

/* The extension is what follows the last dot of a member's name, in any case. */
static bool is_image(const sl_slice *name) {
    static const char *const known[] = {"jpg", "jpeg", "png", "webp"};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        size_t nbytes = strlen(known[k]), i = 0;
        if (name->nbytes < nbytes)
            continue;
        const char *tail = name->data + name->nbytes - nbytes;
        if (tail > name->data && tail[-1] != '.')
            continue;
        while (i < nbytes && (tail[i] | 0x20) == known[k][i])
            i++;
        if (i == nbytes)
            return true;
    }
    return false;
}

static sl_status decode_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                              sl_value *out) {
    const struct decode *decode = state;
    const sl_field *hit = NULL;
    if (in->kind != SL_KIND_FIELDS)
        return host->image_decode(ctx, in->bytes, decode->pixels, decode->room, out);
    for (size_t i = 0; i < in->field_count; i++) {
        if (!is_image(&in->fields[i].name))
            continue;
        if (hit)
            return host->reject(ctx, "several-images",
                                "the sample has several images, choose one with {\"field\": name}");
        hit = &in->fields[i];
    }
    if (!hit)
        return host->reject(ctx, "missing-value", "the sample has no jpg, jpeg, png or webp");
    return host->image_decode(ctx, hit->data, decode->pixels, decode->room, out);
}

static const sl_param_doc docs[] = {
    {"mode", "\"RGB\" or \"L\"", "\"RGB\"", "the pixels' format, converted as Pillow's convert() does"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_image_decode = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "image.decode",
    .summary = "decodes a JPEG, PNG or WebP file",
    .shapes = "bytes, or the only image of a sample -> uint8 [h,w,c]",
    .params = docs,
    .open = decode_open,
    .close = decode_close,
    .apply = decode_apply,
};
