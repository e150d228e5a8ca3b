/* decode_jpeg.c: JPEG by libjpeg-turbo's TurboJPEG API (2.1), with the exact DCT and smooth upsampling that
 * Pillow uses too.
 *
 * A malformed file can leave a TurboJPEG handle unable to read good ones, so the handle is thrown away after
 * any failure. A warning of the library ends the decoding and rejects the record: a picture that is partly
 * grey must not be scored as if it were whole. */
#include <string.h>
#include <turbojpeg.h>

#include "decode/decode_image.h"
#include "decode/worker_ctx.h"

/* --- four-channel files: Pillow takes them as Adobe writes them, inverted, and goes to RGB by hand --- */

static uint8_t mul_div_255(unsigned a, unsigned b) {
    unsigned t = a * b + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t count) {
    for (size_t i = 0; i < count; i++, cmyk += 4, rgb += 3) {
        unsigned not_k = cmyk[3];
        for (int c = 0; c < 3; c++) {
            int x = (int)not_k - mul_div_255(255u - cmyk[c], not_k);
            rgb[c] = (uint8_t)(x < 0 ? 0 : x);
        }
    }
}

/* --- rejects --- */

static bool ends_whole(const struct image_job *job) {
    return job->nbytes >= 2 && job->data[job->nbytes - 2] == 0xff && job->data[job->nbytes - 1] == 0xd9;
}

/* The library's texts begin with its function's name or with "Corrupt JPEG data:". */
static const char *after_prefix(const char *text) {
    static const char *const prefixes[] = {
        "Corrupt JPEG data: ", "tjDecompressHeader3(): ", "tjDecompress2(): "};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            return text + strlen(prefixes[i]);
    return text;
}

static void drop_handle(struct image_decoder *decoder) {
    tjDestroy(decoder->jpeg);
    decoder->jpeg = NULL;
}

static sl_status reject_jpeg(sl_ctx *ctx, struct image_decoder *decoder, const struct image_job *job,
                             const char *why) {
    char text[160];
    strncpy(text, why, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    drop_handle(decoder);
    bool early = strstr(text, "Premature end of JPEG file") || strstr(text, "contains no image");
    if (early && !ends_whole(job))
        return reject_set(ctx, "decode", "truncated-jpeg", "truncated JPEG at byte %zu", job->nbytes);
    if (strstr(text, "nsupported") || strstr(text, "not support") || strstr(text, "data precision"))
        return reject_set(ctx, "decode", "unsupported-jpeg", "unsupported JPEG: %s", after_prefix(text));
    return reject_set(ctx, "decode", "corrupt-jpeg", "corrupt JPEG: %s", after_prefix(text));
}

/* --- decoding --- */

/* The smallest of 1, 1/2, 1/4 and 1/8 whose shorter side has enough pixels. The inverse DCT of fewer
 * coefficients gives such a picture at once: what is above the new size's Nyquist frequency is never
 * computed. */
static void scale_down(const struct image_job *job, int *width, int *height) {
    for (int by = 8; job->least && by > 1; by /= 2) {
        int w = TJSCALED(*width, ((tjscalingfactor){1, by})),
            h = TJSCALED(*height, ((tjscalingfactor){1, by}));
        if ((uint32_t)(w < h ? w : h) >= job->least) {
            *width = w;
            *height = h;
            return;
        }
    }
}

static bool fresh_handle(struct image_decoder *decoder) {
    if (!decoder->jpeg)
        decoder->jpeg = tjInitDecompress();
    return decoder->jpeg != NULL;
}

/* Reads the header; NULL, or why it could not be. A file of tables without a picture is no failure to the
 * library: its width stays unset. Odd subsampling (4:1:0) makes TurboJPEG's header call fail after it has
 * told everything; the decoder itself can read such files, as Pillow does. */
static const char *read_header(struct image_decoder *decoder, const struct image_job *job, int *width,
                               int *height, int *colorspace) {
    int subsampling = -2;
    *width = *height = *colorspace = -1;
    int failed =
        tjDecompressHeader3(decoder->jpeg, job->data, job->nbytes, width, height, &subsampling, colorspace);
    if (failed && (*width < 1 || *height < 1 || *colorspace < 0 || subsampling != -1))
        return tjGetErrorStr2(decoder->jpeg);
    if (*width < 1)
        return "contains no image";
    if (failed)
        drop_handle(decoder);
    return NULL;
}

static sl_status no_handle(sl_ctx *ctx) {
    return reject_set(ctx, "decode", "out-of-memory", "no memory for a JPEG decoder");
}

sl_status jpeg_decode(sl_ctx *ctx, struct image_decoder *decoder, struct image_job *job) {
    int width, height, colorspace;
    if (!fresh_handle(decoder))
        return no_handle(ctx);
    const char *why = read_header(decoder, job, &width, &height, &colorspace);
    if (why)
        return reject_jpeg(ctx, decoder, job, why);
    if (!fresh_handle(decoder))
        return no_handle(ctx);
    sl_status status = image_check_size(ctx, "JPEG", job, (uint64_t)width, (uint64_t)height);
    if (status != SL_OK)
        return status;
    scale_down(job, &width, &height);
    job->width = (uint32_t)width;
    job->height = (uint32_t)height;

    bool four = colorspace == TJCS_CMYK || colorspace == TJCS_YCCK;
    bool grey = colorspace == TJCS_GRAY;
    bool direct = job->format == SL_PIXELS_RGB ? !four : grey;
    int format = four ? TJPF_CMYK : direct && job->format == SL_PIXELS_L ? TJPF_GRAY : TJPF_RGB;
    uint8_t *pixels = direct ? job->out : decoder->pixels;
    if (tjDecompress2(decoder->jpeg, job->data, job->nbytes, pixels, width, 0, height, format,
                      TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT) != 0)
        return reject_jpeg(ctx, decoder, job, tjGetErrorStr2(decoder->jpeg));

    size_t count = (size_t)width * (size_t)height;
    if (four) /* in place for L: three bytes are written behind the four that were read */
        cmyk_to_rgb(pixels, job->format == SL_PIXELS_RGB ? job->out : pixels, count);
    if (job->format == SL_PIXELS_L && !direct)
        image_rgb_to_l(decoder->pixels, job->out, count);
    return SL_OK;
}
