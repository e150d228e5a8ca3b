/* decode_webp.c: WebP by libwebp, lossy and lossless, straight into place. Alpha is dropped, as Pillow's
 * convert() does; an animation is refused: Pillow would take its first frame, and a picture that stands for a
 * film is no record. */
#include <string.h>
#include <webp/decode.h>

#include "decode/decode_image.h"
#include "decode/worker_ctx.h"

static sl_status reject_webp(sl_ctx *ctx, const struct image_job *job, VP8StatusCode code) {
    switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return reject_set(ctx, "decode", "truncated-webp", "truncated WebP at byte %zu", job->nbytes);
    case VP8_STATUS_OUT_OF_MEMORY:
        return reject_set(ctx, "decode", "out-of-memory", "no memory for a WebP decoder");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return reject_set(ctx, "decode", "unsupported-webp",
                          "unsupported WebP: a feature that libwebp does not have");
    default:
        return reject_set(ctx, "decode", "corrupt-webp", "corrupt WebP");
    }
}

sl_status webp_decode(sl_ctx *ctx, struct image_decoder *decoder, struct image_job *job) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return reject_set(ctx, "decode", "unsupported-webp", "libwebp is of another version than its header");
    VP8StatusCode code = WebPGetFeatures(job->data, job->nbytes, &config.input);
    if (code != VP8_STATUS_OK)
        return reject_webp(ctx, job, code);
    if (config.input.has_animation)
        return reject_set(ctx, "decode", "unsupported-webp", "unsupported WebP: it is an animation");
    if (config.input.width < 1 || config.input.height < 1)
        return reject_webp(ctx, job, VP8_STATUS_BITSTREAM_ERROR);
    sl_status status =
        image_check_size(ctx, "WebP", job, (uint64_t)config.input.width, (uint64_t)config.input.height);
    if (status != SL_OK)
        return status;
    job->width = (uint32_t)config.input.width;
    job->height = (uint32_t)config.input.height;
    size_t count = (size_t)job->width * job->height;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = job->format == SL_PIXELS_RGB ? job->out : decoder->pixels;
    config.output.u.RGBA.stride = (int)job->width * 3;
    config.output.u.RGBA.size = count * 3;
    code = WebPDecode(job->data, job->nbytes, &config);
    if (code != VP8_STATUS_OK)
        return reject_webp(ctx, job, code);
    if (job->format == SL_PIXELS_L)
        image_rgb_to_l(decoder->pixels, job->out, count);
    return SL_OK;
}
