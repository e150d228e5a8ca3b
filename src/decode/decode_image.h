/* decode_image.h: JPEG, PNG and WebP files in memory as rows of u8 pixels, as Pillow's convert("RGB") and
 * convert("L") would give them (alpha dropped, no EXIF turning, no gamma). */
#ifndef DECODE_DECODE_IMAGE_H
#define DECODE_DECODE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/transform.h"

/* Neither side of a picture may be longer: libjpeg's own limit, and it bounds a PNG row. */
#define IMAGE_MAX_SIDE 65500u
/* Room for libpng: its structs, inflate's window and two rows of the widest picture in 16-bit RGBA. */
#define PNG_POOL_NBYTES ((size_t)4 << 20)

/* Whether an area holds pages that only a huge value needed, and for how many records they were not. */
struct swell {
    bool swollen;
    uint32_t quiet;
};

/* Notes one more record; true when the pages should go back now. */
bool swell_note(struct swell *swell, bool huge);

/* One worker's. */
struct image_decoder {
    uint64_t max_pixels;
    void *jpeg;         /* tjhandle; NULL after a failure, made again for the next picture */
    uint8_t *pixels;    /* max_pixels * 4: pictures in a format that is not yet the one asked for */
    uint8_t *pool;      /* PNG_POOL_NBYTES: what libpng allocates from, emptied for each picture */
    size_t pool_nbytes; /* used of it */
    struct swell swell; /* of pixels */
};

/* A picture to decode: where it goes and what must fit. */
struct image_job {
    const uint8_t *data;
    size_t nbytes;
    sl_pixels format; /* asked for: its number is the channel count */
    size_t room;      /* bytes at out */
    uint8_t *out;     /* u8 [height, width, format] */
    uint32_t width, height;
    uint32_t least; /* of the shorter side, where a scaled JPEG will do; 0: the whole picture */
};

sl_status image_decoder_open(struct image_decoder *decoder, uint64_t max_pixels, sl_error *err);
void image_decoder_close(struct image_decoder *decoder);

/* The host's image_decode: SL_OK, or the record is rejected. */
sl_status image_read(sl_ctx *ctx, sl_slice encoded, sl_pixels format, size_t room, sl_value *out);

/* The host's image_decode_scaled. */
sl_status image_read_scaled(sl_ctx *ctx, sl_slice encoded, sl_pixels format, uint32_t least, size_t room,
                            sl_value *out);

/* The caps on a picture, checked from its header before any pixel has memory. */
sl_status image_check_size(sl_ctx *ctx, const char *format, const struct image_job *job, uint64_t width,
                           uint64_t height);
/* RGB to L as Pillow's L24 has it. */
void image_rgb_to_l(const uint8_t *rgb, uint8_t *l, size_t count);

/* decode_jpeg.c, decode_png.c, decode_webp.c */
sl_status jpeg_decode(sl_ctx *ctx, struct image_decoder *decoder, struct image_job *job);
sl_status png_decode(sl_ctx *ctx, struct image_decoder *decoder, struct image_job *job);
sl_status webp_decode(sl_ctx *ctx, struct image_decoder *decoder, struct image_job *job);

#endif
