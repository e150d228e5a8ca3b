/* filter_library.c: bzip2, xz and lz4 through libarchive, with exactly one layer named: left to itself it
 * would unwrap layer after layer (RELIABILITY.md, finding 3). The library makes a new reader for every shard;
 * that memory is its own. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "archive/filter.h"
#include "support/mem.h"

struct filter {
    const struct filter_ops *ops;
    int code; /* ARCHIVE_FILTER_... */
    struct archive *archive;
    struct source *source;     /* while the library reads */
    uint64_t fed;              /* stored bytes handed to the library */
    const unsigned char *last; /* the last of them: stay in the window when the source has no more */
    size_t last_nbytes;
    bool begun, ended;
    char why[200]; /* damage, to be told at every later call */
};

static bool is_bzip2(const unsigned char *head, size_t nbytes) {
    return nbytes >= 10 && !memcmp(head, "BZh", 3) && head[3] >= '1' && head[3] <= '9' &&
           (!memcmp(head + 4, "1AY&SY", 6) || !memcmp(head + 4, "\x17\x72\x45\x38\x50\x90", 6));
}

static bool is_xz(const unsigned char *head, size_t nbytes) {
    return nbytes >= 6 && !memcmp(head, "\xfd\x37zXZ\0", 6);
}

/* A frame, or a skippable one of whoever writes them first. */
static bool is_lz4(const unsigned char *head, size_t nbytes) {
    return nbytes >= 4 && !memcmp(head, "\x04\x22\x4d\x18", 4);
}

static sl_status open_code(struct filter **out, const struct filter_ops *ops, int code, sl_error *err) {
    struct filter *f = mem_alloc(1, sizeof *f);
    if (!f)
        return error_set(err, SL_E_MEMORY, "out of memory for the %s filter", ops->name);
    f->ops = ops;
    f->code = code;
    *out = f;
    return SL_OK;
}

static sl_status open_bzip2(struct filter **out, sl_error *err) {
    return open_code(out, &filter_bzip2, ARCHIVE_FILTER_BZIP2, err);
}

static sl_status open_xz(struct filter **out, sl_error *err) {
    return open_code(out, &filter_xz, ARCHIVE_FILTER_XZ, err);
}

static sl_status open_lz4(struct filter **out, sl_error *err) {
    return open_code(out, &filter_lz4, ARCHIVE_FILTER_LZ4, err);
}

static sl_status start(struct filter *f, sl_error *err) {
    (void)err;
    archive_read_free(f->archive);
    f->archive = NULL;
    f->begun = f->ended = false;
    f->fed = f->last_nbytes = 0;
    f->why[0] = 0;
    return SL_OK;
}

/* The library asks for stored bytes: the whole window, which it keeps until it asks again. */
static la_ssize_t feed(struct archive *a, void *ctx, const void **data) {
    struct filter *f = ctx;
    struct source *source = f->source;
    if (!source_fill(source)) {
        if (source->error)
            archive_set_error(a, source->error, "read failed");
        return source->error ? ARCHIVE_FATAL : 0;
    }
    *data = source->window + source->start;
    la_ssize_t n = (la_ssize_t)(source->end - source->start);
    source->start = source->end;
    f->fed += (uint64_t)n;
    f->last = *data;
    f->last_nbytes = (size_t)n;
    return n;
}

static int failed(struct filter *f, struct source *source, sl_error *err) {
    if (source->error) {
        source_failed(source, err);
        return -1;
    }
    if (!f->why[0]) {
        const char *text = f->archive ? archive_error_string(f->archive) : "out of memory";
        if (!text ||
            !strcmp(text, "Unrecognized archive format")) /* what it says when the first block is bad */
            text = "nothing of it can be decoded";
        snprintf(f->why, sizeof f->why, "%s", text);
    }
    if (!f->ended && source->at_end) { /* the library wanted more, or met damage close to the end */
        source->cut_off = true;
        error_set(err, SL_E_DATA, "%s stream is cut off or damaged near its end at byte %llu: %s",
                  f->ops->name, (unsigned long long)source->offset, f->why);
    } else {
        error_set(err, f->archive ? SL_E_DATA : SL_E_MEMORY, "%s stream is damaged before byte %llu: %s",
                  f->ops->name, (unsigned long long)source_position(source), f->why);
    }
    return -1;
}

/* One named filter over "raw", which is everything as one entry. */
static bool begin(struct filter *f) {
    struct archive_entry *entry;
    f->begun = true;
    f->archive = archive_read_new();
    return f->archive && archive_read_support_format_raw(f->archive) == ARCHIVE_OK &&
           archive_read_append_filter(f->archive, f->code) >= ARCHIVE_WARN &&
           archive_read_open(f->archive, f, NULL, feed, NULL) == ARCHIVE_OK &&
           archive_read_next_header(f->archive, &entry) == ARCHIVE_OK;
}

static bool all_zero(const unsigned char *data, size_t nbytes) {
    for (size_t i = 0; i < nbytes; i++)
        if (data[i])
            return false;
    return true;
}

/* The library stops at what is no further member and says nothing: what it left must be zeros. */
static int check_rest(struct filter *f, struct source *source, sl_error *err) {
    uint64_t left = f->fed - (uint64_t)archive_filter_bytes(f->archive, 1);
    size_t n = left < f->last_nbytes ? (size_t)left : f->last_nbytes;
    bool clean = !n || all_zero(f->last + f->last_nbytes - n, n);
    f->ended = true;
    while (clean && source_fill(source)) {
        clean = all_zero(source->window + source->start, source->end - source->start);
        source->start = source->end;
    }
    if (!clean)
        snprintf(f->why, sizeof f->why, "bytes follow that are not %s", f->ops->name);
    return clean && !source->error ? 0 : failed(f, source, err);
}

static ssize_t read_library(struct filter *f, struct source *source, void *data, size_t cap, sl_error *err) {
    f->source = source;
    if (f->why[0])
        return failed(f, source, err);
    if (f->ended)
        return 0;
    if (!f->begun && !source_fill(source)) /* no bytes at all */
        return source->error ? failed(f, source, err) : 0;
    if (!f->begun && !begin(f))
        return failed(f, source, err);
    la_ssize_t n = archive_read_data(f->archive, data, cap);
    if (n < 0)
        return failed(f, source, err);
    return n ? n : check_rest(f, source, err);
}

static void close_library(struct filter *f) {
    if (f)
        archive_read_free(f->archive);
    mem_free(f);
}

static const char *const bzip2_suffixes[] = {".bz2", NULL};
static const char *const xz_suffixes[] = {".xz", NULL};
static const char *const lz4_suffixes[] = {".lz4", NULL};

const struct filter_ops filter_bzip2 = {.name = "bzip2",
                                        .suffixes = bzip2_suffixes,
                                        .state_nbytes = 0, /* counted when a shard has it: up to 3.7 MiB */
                                        .matches = is_bzip2,
                                        .open = open_bzip2,
                                        .start = start,
                                        .read = read_library,
                                        .close = close_library};

const struct filter_ops filter_xz = {.name = "xz",
                                     .suffixes = xz_suffixes,
                                     .state_nbytes = 0,
                                     .matches = is_xz,
                                     .open = open_xz,
                                     .start = start,
                                     .read = read_library,
                                     .close = close_library};

const struct filter_ops filter_lz4 = {.name = "lz4",
                                      .suffixes = lz4_suffixes,
                                      .state_nbytes = 0,
                                      .matches = is_lz4,
                                      .open = open_lz4,
                                      .start = start,
                                      .read = read_library,
                                      .close = close_library};
