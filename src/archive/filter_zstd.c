/* filter_zstd.c: RFC 8878 frames through libzstd, one after another; content checksums are verified,
 * skippable frames skipped, and windows above 128 MiB refused by the library. */
#include <string.h>
#include <zstd.h>

#include "archive/filters.h"
#include "support/mem.h"

struct filter {
    ZSTD_DCtx *z;
    bool in_frame, damaged;
};

static bool matches(const unsigned char *head, size_t nbytes) {
    return nbytes >= 4 && head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd;
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

static sl_status start_zstd(struct filter *f, sl_error *err) {
    (void)err;
    ZSTD_DCtx_reset(f->z, ZSTD_reset_session_only);
    f->in_frame = f->damaged = false;
    return SL_OK;
}

static ssize_t damage(struct filter *f, const struct source *source, sl_error *err, const char *what) {
    f->damaged = true;
    error_set(err, SL_E_DATA, "zstd stream is %s at byte %llu", what,
              (unsigned long long)(source->offset - (source->end - source->start)));
    return -1;
}

static ssize_t read_zstd(struct filter *f, struct source *source, void *data, size_t cap, sl_error *err) {
    ZSTD_outBuffer out = {data, cap, 0};
    if (f->damaged)
        return damage(f, source, err, "damaged");
    while (!out.pos) {
        if (!source_fill(source)) {
            if (source->error) {
                source_failed(source, err);
                return -1;
            }
            if (!f->in_frame)
                return 0;
        }
        /* at the end the library may still hold output that had no room before */
        ZSTD_inBuffer in = {source->window + source->start, source->end - source->start, 0};
        bool at_end = in.size == 0;
        size_t rc = ZSTD_decompressStream(f->z, &out, &in);
        source->start += in.pos;
        if (ZSTD_isError(rc)) {
            if (!out.pos)
                return damage(f, source, err, ZSTD_getErrorName(rc));
            f->damaged = true; /* what was decoded comes first */
        }
        f->in_frame = rc != 0;
        if (at_end && f->in_frame && !out.pos)
            return damage(f, source, err, "cut off");
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
                                       .state_nbytes = 256u << 10,
                                       .matches = matches,
                                       .open = open_zstd,
                                       .start = start_zstd,
                                       .read = read_zstd,
                                       .close = close_zstd};
