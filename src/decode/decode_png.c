/* decode_png.c: PNG by libpng, row by row into place.
 *
 * libpng gets its memory from a pool of the worker's that is emptied for each picture: nothing is allocated
 * while records flow, a row bomb ends at the pool's end, and the long jump of an error can leak nothing.
 * Ancillary chunks (colour profiles, texts, transparency) are skipped: Pillow's convert() does not use them,
 * and they are where the trouble is. A wrong checksum anywhere is an error. */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "decode/decode_image.h"
#include "decode/worker_ctx.h"

/* How rows leave libpng before they are what was asked for. */
enum row_format { ROW_DIRECT, ROW_RGB, ROW_GREY16 };

/* One picture on its way; lives outside the frame that calls setjmp. */
struct png_job {
    struct image_decoder *decoder;
    struct image_job *image;
    size_t at; /* bytes of the file that libpng has taken */
    bool early;
    char text[120]; /* libpng's own words */
    jmp_buf jump;
    png_structp png;
    png_infop info;
    enum row_format rows;
    int passes;
    bool refused; /* the size was: the reject is filled */
};

static png_voidp pool_alloc(png_structp png, png_alloc_size_t nbytes) {
    struct image_decoder *decoder = png_get_mem_ptr(png);
    size_t taken = (nbytes + 63) / 64 * 64;
    if (nbytes > PNG_POOL_NBYTES || taken > PNG_POOL_NBYTES - decoder->pool_nbytes)
        return NULL;
    void *p = decoder->pool + decoder->pool_nbytes;
    decoder->pool_nbytes += taken;
    return p;
}

static void pool_free(png_structp png, png_voidp p) {
    (void)png;
    (void)p;
}

static void on_error(png_structp png, png_const_charp text) {
    struct png_job *job = png_get_error_ptr(png);
    strncpy(job->text, text, sizeof job->text - 1);
    longjmp(job->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep out, size_t nbytes) {
    struct png_job *job = png_get_io_ptr(png);
    if (nbytes > job->image->nbytes - job->at) {
        job->early = true;
        png_error(png, "file ends");
    }
    memcpy(out, job->image->data + job->at, nbytes);
    job->at += nbytes;
}

/* Opens libpng on the job; false when the pool is too small even for that (it is not). */
static bool open_png(struct png_job *job) {
    job->decoder->pool_nbytes = 0;
    job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job->decoder,
                                        pool_alloc, pool_free);
    job->info = job->png ? png_create_info_struct(job->png) : NULL;
    if (!job->info)
        return false;
    png_set_read_fn(job->png, job, read_bytes);
    png_set_user_limits(job->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours come from image_check_size */
    png_set_chunk_malloc_max(job->png, 1u << 20);
    png_set_crc_action(job->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, (png_const_bytep) "tRNS", 1);
    return true;
}

/* Asks libpng for 8-bit grey or RGB, whichever leads to the wanted format. */
static void set_transforms(struct png_job *job) {
    png_structp png = job->png;
    int color = png_get_color_type(png, job->info);
    int depth = png_get_bit_depth(png, job->info);
    bool want_rgb = job->image->format == SL_PIXELS_RGB;
    bool grey = color == PNG_COLOR_TYPE_GRAY || color == PNG_COLOR_TYPE_GRAY_ALPHA;

    /* Pillow clips plain 16-bit grey at 255, and takes the high byte of every other 16-bit kind. */
    if (color == PNG_COLOR_TYPE_GRAY && depth == 16) {
        job->rows = ROW_GREY16;
    } else {
        job->rows = grey || want_rgb ? ROW_DIRECT : ROW_RGB;
        if (color == PNG_COLOR_TYPE_PALETTE)
            png_set_palette_to_rgb(png);
        if (color == PNG_COLOR_TYPE_GRAY && depth < 8)
            png_set_expand_gray_1_2_4_to_8(png);
        if (depth == 16)
            png_set_strip_16(png);
        if (color & PNG_COLOR_MASK_ALPHA)
            png_set_strip_alpha(png);
        if (grey && want_rgb)
            png_set_gray_to_rgb(png);
    }
    job->passes = png_set_interlace_handling(png);
    png_read_update_info(png, job->info);
}

static void convert_row(const struct png_job *job, const uint8_t *row, uint8_t *out) {
    uint32_t width = job->image->width;
    if (job->rows == ROW_RGB) {
        image_rgb_to_l(row, out, width);
        return;
    }
    int channels = (int)job->image->format;
    for (uint32_t x = 0; x < width; x++, row += 2)
        for (int c = 0; c < channels; c++)
            *out++ = row[0] ? 255 : row[1];
}

/* Rows go straight to their place; else through one row, or the whole picture when it is interlaced. */
static void read_rows(struct png_job *job) {
    struct image_job *image = job->image;
    size_t out_pitch = (size_t)image->width * (size_t)image->format;
    size_t pitch = png_get_rowbytes(job->png, job->info);
    size_t step = job->passes > 1 ? pitch : 0;
    bool direct = job->rows == ROW_DIRECT;
    if (pitch != (direct ? out_pitch : (size_t)image->width * (job->rows == ROW_RGB ? 3 : 2)))
        png_error(job->png, "row size is not what its header says");
    for (int pass = 0; pass < job->passes; pass++) {
        for (uint32_t y = 0; y < image->height; y++) {
            uint8_t *out = image->out + y * out_pitch;
            uint8_t *row = direct ? out : job->decoder->pixels + y * step;
            png_read_row(job->png, row, NULL);
            if (!direct && pass + 1 == job->passes)
                convert_row(job, row, out);
        }
    }
}

static sl_status reject_png(sl_ctx *ctx, const struct png_job *job) {
    if (job->refused)
        return SL_E_DATA;
    if (job->early)
        return reject_set(ctx, "decode", "truncated-png", "truncated PNG at byte %zu", job->image->nbytes);
    return reject_set(ctx, "decode", "corrupt-png", "corrupt PNG at byte %zu: %s", job->at, job->text);
}

/* The whole of it under one setjmp. Nothing in this frame changes after setjmp, so nothing needs volatile. */
static bool run(sl_ctx *ctx, struct png_job *job) {
    if (setjmp(job->jump))
        return false;
    if (!open_png(job))
        return false;
    png_read_info(job->png, job->info);
    uint32_t width = png_get_image_width(job->png, job->info);
    uint32_t height = png_get_image_height(job->png, job->info);
    if (image_check_size(ctx, "PNG", job->image, width, height) != SL_OK) {
        job->refused = true;
        return false;
    }
    job->image->width = width;
    job->image->height = height;
    set_transforms(job);
    read_rows(job);
    if (png_get_color_type(job->png, job->info) == PNG_COLOR_TYPE_PALETTE &&
        png_get_palette_max(job->png, job->info) > 255)
        return false;
    png_read_end(job->png, NULL);
    return true;
}

sl_status png_decode(sl_ctx *ctx, struct image_decoder *decoder, struct image_job *job) {
    struct png_job png = {.decoder = decoder, .image = job, .text = "out of room"};
    return run(ctx, &png) ? SL_OK : reject_png(ctx, &png);
}
