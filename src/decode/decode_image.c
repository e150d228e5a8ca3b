/* decode_image.c: which decoder reads a picture, and what all of them share. What a file is shows in its
 * first bytes, never in its name; formats we cannot read are recognised to say so by name. */
#include "decode/decode_image.h"

#include <string.h>
#include <turbojpeg.h>

#include "decode/worker_ctx.h"
#include "support/mem.h"
#include "support/text.h"

sl_status image_decoder_open(struct image_decoder *decoder, uint64_t max_pixels, sl_error *err) {
    *decoder = (struct image_decoder){.max_pixels = max_pixels};
    if (max_pixels <= SIZE_MAX / 8)
        decoder->pixels = mem_map((size_t)max_pixels * 4);
    decoder->pool = mem_map(PNG_POOL_NBYTES);
    decoder->jpeg = tjInitDecompress();
    if (decoder->pixels && decoder->pool && decoder->jpeg)
        return SL_OK;
    image_decoder_close(decoder);
    return error_set(err, SL_E_MEMORY, "cannot reserve room for images of %llu pixels: out of memory",
                     (unsigned long long)max_pixels);
}

void image_decoder_close(struct image_decoder *decoder) {
    if (decoder->jpeg)
        tjDestroy(decoder->jpeg);
    if (decoder->pool)
        mem_unmap(decoder->pool, PNG_POOL_NBYTES);
    if (decoder->pixels)
        mem_unmap(decoder->pixels, (size_t)decoder->max_pixels * 4);
    *decoder = (struct image_decoder){.jpeg = NULL};
}

void image_rgb_to_l(const uint8_t *rgb, uint8_t *l, size_t count) {
    for (size_t i = 0; i < count; i++, rgb += 3)
        l[i] = (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

sl_status image_check_size(sl_ctx *ctx, const char *format, const struct image_job *job, uint64_t width,
                           uint64_t height) {
    uint64_t max_pixels = ctx->worker->image.max_pixels;
    if (width == 0 || height == 0)
        return reject_set(ctx, "decode", "empty-image", "%s of %llux%llu pixels has none", format,
                          (unsigned long long)width, (unsigned long long)height);
    if (width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE)
        return reject_set(ctx, "decode", "too-many-pixels", "%s of %llux%llu pixels, a side may have %u",
                          format, (unsigned long long)width, (unsigned long long)height, IMAGE_MAX_SIDE);
    uint64_t room = job->room / (uint64_t)job->format;
    uint64_t most = room < max_pixels ? room : max_pixels;
    if (width * height > most)
        return reject_set(ctx, "decode", "too-many-pixels",
                          "%s of %llux%llu pixels, at most %llu are allowed", format,
                          (unsigned long long)width, (unsigned long long)height, (unsigned long long)most);
    return SL_OK;
}

static const struct {
    const char *name, *magic;
    size_t at, nbytes;
} unread[] = {
    {"GIF", "GIF8", 0, 4},          {"BMP", "BM", 0, 2},
    {"TIFF", "II*\0", 0, 4},        {"TIFF", "MM\0*", 0, 4},
    {"HEIF or AVIF", "ftyp", 4, 4}, {"JPEG 2000", "\0\0\0\x0cjP", 0, 6},
    {"JPEG XL", "\xff\x0a", 0, 2},
};

static sl_status reject_format(sl_ctx *ctx, sl_slice encoded) {
    for (size_t i = 0; i < sizeof unread / sizeof *unread; i++)
        if (encoded.nbytes >= unread[i].at + unread[i].nbytes &&
            memcmp(encoded.data + unread[i].at, unread[i].magic, unread[i].nbytes) == 0)
            return reject_set(ctx, "decode", "unsupported-image",
                              "%s is not supported, only JPEG, PNG and WebP", unread[i].name);
    if (encoded.nbytes == 0)
        return reject_set(ctx, "decode", "empty-image", "image file is empty");
    return reject_set(ctx, "decode", "unknown-image", "not a JPEG, PNG or WebP file, it begins with '%s'",
                      text_quote_n(encoded.data, encoded.nbytes < 8 ? encoded.nbytes : 8));
}

sl_status image_read(sl_ctx *ctx, sl_slice encoded, sl_pixels format, size_t room, sl_value *out) {
    return image_read_scaled(ctx, encoded, format, 0, room, out);
}

sl_status image_read_scaled(sl_ctx *ctx, sl_slice encoded, sl_pixels format, uint32_t least, size_t room,
                            sl_value *out) {
    struct image_decoder *decoder = &ctx->worker->image;
    struct image_job job = {.data = (const uint8_t *)encoded.data,
                            .nbytes = encoded.nbytes,
                            .format = format,
                            .room = room,
                            .least = least,
                            .out = out->tensor.data};
    sl_status status;
    if (encoded.nbytes >= 3 && memcmp(encoded.data, "\xff\xd8\xff", 3) == 0)
        status = jpeg_decode(ctx, decoder, &job);
    else if (encoded.nbytes >= 8 && memcmp(encoded.data, "\x89PNG\r\n\x1a\n", 8) == 0)
        status = png_decode(ctx, decoder, &job);
    else if (encoded.nbytes >= 12 && memcmp(encoded.data, "RIFF", 4) == 0 &&
             memcmp(encoded.data + 8, "WEBP", 4) == 0)
        status = webp_decode(ctx, decoder, &job);
    else
        return reject_format(ctx, encoded);
    bool huge = (uint64_t)job.width * job.height * 4 > WORKER_KEEP_NBYTES;
    if (swell_note(&decoder->swell, huge))
        mem_trim(decoder->pixels, WORKER_KEEP_NBYTES, (size_t)decoder->max_pixels * 4);
    if (status != SL_OK)
        return status;
    out->kind = SL_KIND_TENSOR;
    out->tensor.dtype = SL_UINT8;
    out->tensor.rank = 3;
    out->tensor.dims[0] = job.height;
    out->tensor.dims[1] = job.width;
    out->tensor.dims[2] = format;
    return SL_OK;
}
