/* image_decode.c: a JPEG, PNG or WebP file as u8 pixels, by the host's decoders; turned as its EXIF data says
 * where that is asked for, as Pillow's ImageOps.exif_transpose does. What is wrong in EXIF data is as if it
 * were not there. */
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_image_decode;

#define MOST_TARGET 32750 /* twice that is a side */

struct decode {
    sl_pixels pixels;
    size_t room;
    bool orient;
    uint32_t least; /* of a scaled JPEG's shorter side; 0: no scaling */
};

/* --- EXIF: where it lies in each kind of file, and the one tag of it --- */

enum { ORIENTATION = 0x0112, SHORT = 3 };

static uint32_t number(const uint8_t *p, int nbytes, bool big) {
    uint32_t x = 0;
    for (int i = 0; i < nbytes; i++)
        x |= (uint32_t)p[i] << 8 * (big ? nbytes - 1 - i : i);
    return x;
}

/* A TIFF header and its first directory. 1: as it lies, also when it cannot be read. */
static int tiff_orientation(const uint8_t *p, size_t nbytes) {
    bool big = nbytes >= 8 && p[0] == 'M';
    if (nbytes < 8 || (memcmp(p, "II*\0", 4) != 0 && memcmp(p, "MM\0*", 4) != 0))
        return 1;
    size_t at = number(p + 4, 4, big);
    if (at > nbytes - 2)
        return 1;
    size_t count = number(p + at, 2, big);
    for (at += 2; count > 0 && nbytes - at >= 12; count--, at += 12) {
        if (number(p + at, 2, big) != ORIENTATION)
            continue;
        uint32_t value = number(p + at + 8, 2, big);
        return number(p + at + 2, 2, big) == SHORT && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* Segments up to the first scan; the first with EXIF data counts. */
static int jpeg_orientation(const uint8_t *p, size_t nbytes) {
    for (size_t at = 2; nbytes - at >= 4 && p[at] == 0xff && p[at + 1] != 0xda;) {
        size_t length = number(p + at + 2, 2, true);
        if (length < 2 || length > nbytes - at - 2)
            return 1;
        if (p[at + 1] == 0xe1 && length >= 8 && memcmp(p + at + 4, "Exif\0\0", 6) == 0)
            return tiff_orientation(p + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
}

static int png_orientation(const uint8_t *p, size_t nbytes) {
    for (size_t at = 8; nbytes - at >= 12;) {
        size_t length = number(p + at, 4, true);
        if (length > nbytes - at - 12)
            return 1;
        if (memcmp(p + at + 4, "eXIf", 4) == 0)
            return tiff_orientation(p + at + 8, length);
        at += 12 + length;
    }
    return 1;
}

static int webp_orientation(const uint8_t *p, size_t nbytes) {
    for (size_t at = 12; nbytes - at >= 8;) {
        size_t length = number(p + at + 4, 4, false);
        if (length > nbytes - at - 8)
            return 1;
        const uint8_t *data = p + at + 8;
        bool prefixed = length >= 6 && memcmp(data, "Exif\0\0", 6) == 0; /* some writers keep JPEG's */
        if (memcmp(p + at, "EXIF", 4) == 0)
            return tiff_orientation(data + (prefixed ? 6 : 0), length - (prefixed ? 6 : 0));
        at += 8 + length + (length & 1);
        if (at > nbytes)
            return 1;
    }
    return 1;
}

static int orientation(sl_slice file) {
    const uint8_t *p = (const uint8_t *)file.data;
    if (file.nbytes >= 4 && memcmp(p, "\xff\xd8\xff", 3) == 0)
        return jpeg_orientation(p, file.nbytes);
    if (file.nbytes >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0)
        return png_orientation(p, file.nbytes);
    if (file.nbytes >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0)
        return webp_orientation(p, file.nbytes);
    return 1;
}

/* From 5 on rows become columns; the other bits say which ends change places. */
static void turn(int how, const uint8_t *in, int64_t h, int64_t w, size_t c, uint8_t *out) {
    bool swap = how >= 5, from_right = how == 2 || how == 3 || how == 7 || how == 8;
    bool from_below = how == 3 || how == 4 || how == 6 || how == 7;
    for (int64_t y = 0; y < (swap ? w : h); y++)
        for (int64_t x = 0; x < (swap ? h : w); x++, out += c) {
            int64_t row = swap ? x : y, column = swap ? y : x;
            row = from_below ? h - 1 - row : row;
            column = from_right ? w - 1 - column : column;
            memcpy(out, in + (size_t)(row * w + column) * c, c);
        }
}

static sl_status decode_file(const struct decode *decode, const sl_host *host, sl_ctx *ctx, sl_slice file,
                             sl_value *out) {
    int how = decode->orient ? orientation(file) : 1;
    if (how == 1)
        return host->image_decode_scaled(ctx, file, decode->pixels, decode->least, decode->room, out);
    uint8_t *to = out->tensor.data;
    out->tensor.data = host->scratch(ctx);
    sl_status status = host->image_decode_scaled(ctx, file, decode->pixels, decode->least, decode->room, out);
    uint8_t *from = out->tensor.data;
    out->tensor.data = to;
    if (status != SL_OK)
        return status;
    int64_t h = out->tensor.dims[0], w = out->tensor.dims[1];
    turn(how, from, h, w, (size_t)decode->pixels, to);
    out->tensor.dims[0] = how >= 5 ? w : h;
    out->tensor.dims[1] = how >= 5 ? h : w;
    return SL_OK;
}

/* --- plan time --- */

static sl_status decode_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                             void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"mode", "orient", "scale_to", NULL};
    const char *mode = "RGB";
    int64_t orient = 0, target = 0;
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = host->param_text(params, "mode", &mode, err);
    if (status == SL_OK)
        status = host->param_int(params, "orient", &orient, err);
    if (status == SL_OK)
        status = host->param_int(params, "scale_to", &target, err);
    if (status != SL_OK)
        return status;
    if (orient != 0 && orient != 1)
        return host->fail(err, SL_E_MODEL, "cannot use transform 'image.decode': 'orient' is 1 or 0");
    if (target < 0 || target > MOST_TARGET)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'image.decode': 'scale_to' is a side from 1 to %d, or 0",
                          MOST_TARGET);
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
    decode->orient = orient == 1;
    decode->least = (uint32_t)target * 2;
    decode->room = (size_t)host->max_pixels(params) * (size_t)decode->pixels;
    *out = (sl_spec){.kind = SL_KIND_TENSOR,
                     .dtype = SL_UINT8,
                     .rank = 3,
                     .dims = {-1, -1, (int64_t)decode->pixels},
                     .max_nbytes = decode->room};
    *state = decode;
    *scratch_nbytes = decode->orient ? decode->room : 0;
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
        return decode_file(decode, host, ctx, in->bytes, out);
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
    return decode_file(decode, host, ctx, hit->data, out);
}

static const sl_param_doc docs[] = {
    {"mode", "\"RGB\" or \"L\"", "\"RGB\"", "the pixels' format, converted as Pillow's convert() does"},
    {"orient", "1 or 0", "0", "turn the image as its EXIF data says"},
    {"scale_to", "integer", "0",
     "the side that is wanted in the end: a JPEG may be decoded at 1/2, 1/4 or 1/8 while its shorter side "
     "keeps "
     "twice that. Faster, and other pixels"},
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
