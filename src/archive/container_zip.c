/* container_zip.c: zip shards, as samples like those of tar: members that follow one another in the directory
 * and share a key are one sample. The directory says where the next member is, so one that cannot be unpacked
 * costs its own sample only. */
#include <string.h>

#include "archive/tar_sample.h"
#include "archive/zip.h"
#include "support/mem.h"

#define MEMBER_WINDOW_NBYTES (128u << 10)

struct container {
    struct container_options options;
    unsigned char *windows; /* of the directory, then of a member */
    struct unzip unzip;
    /* of the shard at hand */
    struct stream *stream;
    struct zip zip;
    struct zip_member entry;
    struct tar_member member; /* pending: it was not used yet, and begins the next sample */
    bool pending, at_end;
    uint64_t skip, left_out;
    uint64_t packed_nbytes, nbytes; /* of all members so far */
    sl_error damage;
};

static void close_zip(struct container *c) {
    if (!c)
        return;
    unzip_close(&c->unzip);
    mem_unmap(c->windows, ZIP_WINDOW_NBYTES + MEMBER_WINDOW_NBYTES);
    mem_free(c);
}

static sl_status open_zip(struct container **out, const struct container_options *options, sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (c)
        c->windows = mem_map(ZIP_WINDOW_NBYTES + MEMBER_WINDOW_NBYTES);
    sl_status st = c && c->windows
                       ? unzip_open(&c->unzip, c->windows + ZIP_WINDOW_NBYTES, MEMBER_WINDOW_NBYTES, err)
                       : error_set(err, SL_E_MEMORY, "out of memory for the zip container");
    if (st != SL_OK) {
        close_zip(c);
        return st;
    }
    c->options = *options;
    *out = c;
    return SL_OK;
}

static sl_status start_zip(struct container *c, struct stream *stream, const char *shard_name,
                           uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    c->stream = stream;
    c->pending = c->at_end = false;
    c->skip = skip_records;
    c->left_out = c->packed_nbytes = c->nbytes = 0;
    c->damage.status = SL_OK;
    c->zip.directory = (struct range){.window = c->windows, .cap = ZIP_WINDOW_NBYTES};
    return zip_open(&c->zip, stream, err);
}

/* The next member that is a file; links and hidden names are left out. */
static bool next_member(struct container *c) {
    struct zip_member *e = &c->entry;
    struct tar_member *m = &c->member;
    for (;;) {
        int any = zip_next(&c->zip, e, &c->damage);
        if (any <= 0) {
            c->at_end = any == 0;
            return false;
        }
        tar_member_init(m, e->name);
        if (e->name_nbytes > ZIP_MAX_NAME)
            m->hostile = "a member's name is longer than 1024 bytes";
        else if (strlen(e->name) != e->name_nbytes)
            m->hostile = "a member's name has control characters";
        if (!e->is_directory && !e->is_link && !m->hidden)
            break;
        c->left_out += !e->is_directory;
    }
    m->offset = e->offset;
    m->end = e->end;
    m->nbytes = e->nbytes;
    return true;
}

/* A member of nothing but one byte a thousand times is as small as it gets: what a whole shard of them would
 * unpack to is capped. */
static bool check_expansion(struct container *c) {
    if (c->entry.nbytes > c->options.max_record_nbytes) /* is not unpacked at all */
        return true;
    c->packed_nbytes += c->entry.packed_nbytes;
    c->nbytes += c->entry.nbytes;
    if (!container_expands(&c->options, c->nbytes, c->packed_nbytes))
        return true;
    error_set(&c->damage, SL_E_DATA, "its members unpack to more than %u times their size (--max-expansion)",
              c->options.max_expansion);
    return false;
}

/* Its bytes to `data`, or nowhere when that is NULL. What is wrong with them is the sample's; false with
 * damage when the shard itself cannot be read. */
static bool read_member(struct container *c, struct tar_sample *sample, char *data) {
    sl_error why = {0};
    if (c->entry.refused)
        tar_sample_reject(sample, "refused-member", c->entry.refused);
    if (!check_expansion(c))
        return false;
    if (!data || c->entry.refused)
        return true;
    unzip_begin(&c->unzip, c->stream, &c->entry);
    sl_status st = unzip_read(&c->unzip, data, (size_t)c->entry.nbytes, &why) < 0
                       ? why.status
                       : unzip_finish(&c->unzip, &why);
    if (st == SL_E_DATA)
        tar_sample_reject(sample, "damaged-member", "a member cannot be unpacked to what was declared");
    else if (st != SL_OK)
        c->damage = why;
    return st == SL_OK || st == SL_E_DATA;
}

static void read_sample(struct container *c, struct tar_sample *sample) {
    if (!c->pending && !next_member(c))
        return;
    tar_sample_begin(sample, &c->member, !c->skip);
    do {
        char *data = tar_sample_add(sample, &c->member);
        c->pending = read_member(c, sample, data) && next_member(c);
    } while (c->pending && tar_sample_matches(sample, &c->member));
    if (c->damage.status != SL_OK) { /* it may lack members */
        tar_sample_abandon(sample);
        return;
    }
    c->skip -= !sample->keep;
    tar_sample_end(sample);
}

static sl_status next_zip(struct container *c, struct block *block, sl_error *err) {
    struct tar_sample sample;
    tar_sample_init(&sample, block, c->options.max_record_nbytes);
    if (block->cap <= TAR_MAX_NAME)
        return error_set(err, SL_E_INTERNAL, "a block of %zu bytes is too small", block->cap);
    while ((!c->at_end || c->pending) && c->damage.status == SL_OK && tar_sample_has_room(&sample))
        read_sample(c, &sample);
    if (block->cut_count || c->damage.status == SL_OK)
        return SL_OK;
    if (err)
        *err = c->damage;
    return c->damage.status;
}

static sl_slice header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static uint64_t left_out(const struct container *c) {
    return c->left_out;
}

static const char *const types[] = {"application/zip", "application/x-zip-compressed", NULL};
static const char *const suffixes[] = {".zip", NULL};

const struct container_ops container_zip = {.name = "zip",
                                            .content_types = types,
                                            .suffixes = suffixes,
                                            .matches = zip_matches,
                                            .kind = SL_RECORD_FIELDS,
                                            .state_nbytes =
                                                ZIP_WINDOW_NBYTES + MEMBER_WINDOW_NBYTES + (44u << 10),
                                            .take_records = 1,
                                            .open = open_zip,
                                            .start = start_zip,
                                            .next = next_zip,
                                            .header = header,
                                            .left_out = left_out,
                                            .close = close_zip};
