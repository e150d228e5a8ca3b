/* filter_zstd.c: RFC 8878 frames through libzstd, one after another. Content checksums are verified,
 * skippable frames skipped, and windows above 128 MiB refused by the library.
 *
 * The library is fed block by block, and nothing while it has output to flush: a call that fails reports no
 * output, so no call may both deliver something good and meet what is bad behind it. */
#include <zstd.h>
#include <zstd_errors.h>

#include "archive/filter.h"
#include "support/mem.h"

#define BLOCK_HEADER_NBYTES 3

struct filter {
    ZSTD_DCtx *z;
    size_t hint;    /* bytes the library wants next */
    bool in_frame;  /* between a frame's first byte and its end */
    bool had_frame; /* at least one was read to its end */
    bool padding;   /* zeros after the last frame */
    bool flushing;  /* the library may hold output that found no room */
    bool no_memory;
    const char *why; /* damage, to be told at every later call */
};

/* A frame, or a skippable one (0x184D2A50 to 5F). */
static bool matches(const unsigned char *head, size_t nbytes) {
    if (nbytes < 4)
        return false;
    bool frame = head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd;
    bool skippable = (head[0] & 0xf0) == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18;
    return frame || skippable;
}

static sl_status open_zstd(struct filter **out, sl_error *err) {
    struct filter *f = mem_alloc(1, sizeof *f);
    if (f)
        f->z = ZSTD_createDCtx();
    if (!f || !f->z) {
        mem_free(f);
        return error_set(err, SL_E_MEMORY, "out of memory for the zstd filter");
    }
    *out = f;
    return SL_OK;
}

static void begin_frame(struct filter *f) {
    f->hint = ZSTD_initDStream(f->z);
    f->in_frame = f->flushing = false;
}

static sl_status start_zstd(struct filter *f, sl_error *err) {
    (void)err;
    begin_frame(f);
    f->had_frame = f->padding = f->no_memory = false;
    f->why = NULL;
    return SL_OK;
}

static int damaged(const struct filter *f, const struct source *source, sl_error *err) {
    if (f->no_memory)
        error_set(err, SL_E_MEMORY, "out of memory for the zstd filter: %s", f->why);
    else
        error_set(err, SL_E_DATA, "zstd stream is damaged at byte %llu: %s",
                  (unsigned long long)source_position(source), f->why);
    return -1;
}

static int cut_off(struct source *source, sl_error *err) {
    if (source->error) {
        source_failed(source, err);
        return -1;
    }
    source->cut_off = true;
    error_set(err, SL_E_DATA, "zstd stream is cut off at byte %llu", (unsigned long long)source->offset);
    return -1;
}

/* Between frames: 1 when one begins, 0 at the clean end, -1 with err. */
static int next_frame(struct filter *f, struct source *source, sl_error *err) {
    while (source_fill(source)) {
        unsigned char c = source->window[source->start];
        if (c == 0 && f->had_frame) {
            f->padding = true;
            source->start++;
        } else if (f->padding) {
            f->why = "bytes follow that are not zstd";
            return damaged(f, source, err);
        } else {
            f->in_frame = true;
            return 1;
        }
    }
    return source->error ? cut_off(source, err) : 0;
}

/* One call of the library. False with err on damage. */
static bool step(struct filter *f, struct source *source, ZSTD_outBuffer *out, sl_error *err) {
    size_t left = source->end - source->start, want = f->flushing ? 0 : f->hint;
    if (want > BLOCK_HEADER_NBYTES) /* the hint counts the next block's header in */
        want -= BLOCK_HEADER_NBYTES;
    ZSTD_inBuffer in = {source->window + source->start, left < want ? left : want, 0};
    size_t rc = ZSTD_decompressStream(f->z, out, &in);
    source->start += in.pos;
    if (ZSTD_isError(rc)) {
        f->no_memory = ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation;
        f->why = f->had_frame && ZSTD_getErrorCode(rc) == ZSTD_error_prefix_unknown
                     ? "bytes follow that are not zstd"
                     : ZSTD_getErrorName(rc);
        damaged(f, source, err);
        return false;
    }
    f->flushing = out->pos == out->size;
    f->hint = rc;
    if (rc == 0) {
        begin_frame(f);
        f->had_frame = true;
    }
    return true;
}

static ssize_t read_zstd(struct filter *f, struct source *source, void *data, size_t cap, sl_error *err) {
    ZSTD_outBuffer out = {data, cap, 0};
    if (f->why)
        return damaged(f, source, err);
    while (out.pos < cap) {
        int frame = 1;
        sl_error *to = out.pos ? NULL : err; /* what was decoded comes first */
        if (!f->in_frame)
            frame = next_frame(f, source, to);
        else if (!f->flushing && !source_fill(source))
            frame = cut_off(source, to);
        if (frame > 0 && step(f, source, &out, to))
            continue;
        if (out.pos)
            break;
        return frame > 0 ? -1 : frame;
    }
    return (ssize_t)out.pos;
}

static void close_zstd(struct filter *f) {
    if (f)
        ZSTD_freeDCtx(f->z);
    mem_free(f);
}

static const char *const suffixes[] = {".zst", ".zstd", NULL};

const struct filter_ops filter_zstd = {.name = "zstd",
                                       .suffixes = suffixes,
                                       .state_nbytes = 288u << 10,
                                       .matches = matches,
                                       .open = open_zstd,
                                       .start = start_zstd,
                                       .read = read_zstd,
                                       .close = close_zstd};
