/* container_tar.c: tar shards. libarchive reads ustar, pax and GNU headers; the checks it leaves out are
 * here: the zero blocks at the end (it takes an archive cut at a member's end for whole), holes (10 KB of
 * sparse member become 12 GB), and which damage is only a missing end. Members are never extracted: a name is
 * only a key. tar_sample.c makes samples of the members. */
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>

#include "archive/container.h"
#include "archive/content.h"
#include "archive/tar_sample.h"
#include "support/mem.h"
#include "support/text.h"

#define CHUNK_NBYTES (128u << 10) /* a multiple of 512: then libarchive copies nothing together */
#define BLOCK 512u                /* of the format */

struct container {
    struct container_options options;
    char *chunk;
    locale_t locale; /* libarchive turns pax names into the thread's character set: it must be UTF-8 */
    /* of the shard at hand */
    struct stream *stream;
    struct archive *tar;
    struct archive_entry *entry;
    struct tar_member member; /* pending: it was not used yet, and begins the next sample */
    bool pending;
    uint64_t skip, left_out;
    uint64_t zeros;     /* with which the stream so far ends */
    uint64_t header_at; /* where the next header is, or the end */
    bool stream_ended;  /* at its end, or at damage below (stream_err) */
    bool told;          /* libarchive has met that end, too: a chunk is read ahead of it */
    bool any, at_end;
    sl_error stream_err; /* damage below the tar; what came before it is good */
    sl_error damage;     /* status set: told when what came before is delivered */
    bool cut_off;        /* the damage is only a missing end */
};

static sl_status open_tar(struct container **out, const struct container_options *options, sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (c)
        c->chunk = mem_map(CHUNK_NBYTES);
    if (!c || !c->chunk) {
        mem_free(c);
        return error_set(err, SL_E_MEMORY, "out of memory for the tar container");
    }
    c->options = *options;
    c->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); /* 0: pax names stay ASCII */
    *out = c;
    return SL_OK;
}

static void close_tar(struct container *c) {
    if (!c)
        return;
    if (c->tar)
        archive_read_free(c->tar);
    if (c->locale)
        freelocale(c->locale);
    mem_unmap(c->chunk, CHUNK_NBYTES);
    mem_free(c);
}

/* ---- the stream, as libarchive sees it
 * -------------------------------------------------------------------------------------------------- */

static void count_zeros(struct container *c, size_t nbytes) {
    size_t zeros = 0;
    while (zeros < nbytes && !c->chunk[nbytes - 1 - zeros])
        zeros++;
    c->zeros = zeros == nbytes ? c->zeros + nbytes : zeros;
}

static la_ssize_t read_chunk(struct archive *tar, void *arg, const void **data) {
    struct container *c = arg;
    size_t nbytes = 0;
    (void)tar;
    while (nbytes < CHUNK_NBYTES && !c->stream_ended) {
        ssize_t n = c->stream->read(c->stream, c->chunk + nbytes, CHUNK_NBYTES - nbytes, &c->stream_err);
        c->stream_ended = n <= 0;
        nbytes += n > 0 ? (size_t)n : 0;
    }
    count_zeros(c, nbytes);
    c->told = nbytes == 0;
    *data = c->chunk;
    return nbytes || c->stream_err.status == SL_OK ? (la_ssize_t)nbytes : ARCHIVE_FATAL;
}

static sl_status start_tar(struct container *c, struct stream *stream, const char *shard_name,
                           uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    if (c->tar)
        archive_read_free(c->tar);
    c->stream = stream;
    c->entry = NULL;
    c->skip = skip_records;
    c->left_out = c->zeros = c->header_at = 0;
    c->pending = c->told = c->stream_ended = c->any = c->at_end = c->cut_off = false;
    c->stream_err.status = c->damage.status = SL_OK;
    c->tar = archive_read_new();
    if (!c->tar || archive_read_support_format_tar(c->tar) != ARCHIVE_OK ||
        archive_read_set_options(c->tar, "tar:read_concatenated_archives") != ARCHIVE_OK)
        return error_set(err, SL_E_MEMORY, "out of memory for the tar reader");
    return SL_OK;
}

/* Sets the damage, and whether it is only that the end is missing. What libarchive says of positions is not
 * to be had after a fatal error. */
static void set_damage(struct container *c, const char *what) {
    const char *said = archive_error_string(c->tar);
    if (c->told && c->stream_err.status != SL_OK) {
        c->damage = c->stream_err;
        c->cut_off = c->stream->cut_off;
    } else if (!c->any && c->stream->offset >= BLOCK && said && strstr(said, "Unrecognized")) {
        const char *like = content_refused((unsigned char *)c->chunk, BLOCK);
        error_set(&c->damage, SL_E_DATA, "it is %s", like ? like : "not a tar archive");
    } else if (c->told) {
        c->cut_off = true;
        error_set(&c->damage, SL_E_DATA, "tar is cut off at byte %llu",
                  (unsigned long long)c->stream->offset);
    } else {
        error_set(&c->damage, SL_E_DATA, "tar is damaged in the %s at byte %llu%s%s%s", what,
                  (unsigned long long)c->header_at, said ? " (" : "", said ? text_quote(said) : "",
                  said ? ")" : "");
    }
}

/* ---- members
 * -------------------------------------------------------------------------------------------------- */

/* Whether all that follows the last member is zeros, of one block at least. */
static bool has_end(const struct container *c) {
    uint64_t rest = c->stream->offset - c->header_at;
    return c->told && c->stream_err.status == SL_OK && rest >= BLOCK && c->zeros >= rest;
}

/* The next member's header into c->entry; false at the end, or with damage set. All data of the member before
 * was read or skipped. */
static bool next_entry(struct container *c) {
    int rc = ARCHIVE_OK;
    if (c->any)
        c->header_at = (uint64_t)archive_filter_bytes(c->tar, 0);
    else
        rc = archive_read_open(c->tar, c, NULL, read_chunk, NULL);
    if (rc == ARCHIVE_OK)
        rc = archive_read_next_header(c->tar, &c->entry);
    if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN) {
        c->any = true;
        return true;
    }
    c->entry = NULL;
    bool empty = c->stream_ended && c->stream_err.status == SL_OK && !c->stream->offset;
    if (empty || has_end(c))
        c->at_end = true;
    else
        set_damage(c, "header");
    return false;
}

/* Its name as the archive has it; NULL when it cannot be told. */
static const char *entry_name(struct container *c) {
    const char *said = archive_error_string(c->tar);
    if (said && strstr(said, "Pathname"))
        return NULL; /* not UTF-8 though pax says so; libarchive has put something else there */
    return archive_entry_pathname(c->entry);
}

/* The member's bytes to `data`, or nowhere when that is NULL. False with damage set. */
static bool read_member(struct container *c, char *data) {
    const uint64_t nbytes = c->member.nbytes;
    uint64_t done = 0;
    const void *piece;
    size_t n;
    la_int64_t at;
    int rc = data ? ARCHIVE_OK : archive_read_data_skip(c->tar);
    while (data && (rc = archive_read_data_block(c->tar, &piece, &n, &at)) == ARCHIVE_OK) {
        if ((uint64_t)at != done || n > nbytes - done) {
            error_set(&c->damage, SL_E_DATA, "tar member at byte %llu is not as long as it says",
                      (unsigned long long)c->header_at);
            return false;
        }
        memcpy(data + done, piece, n);
        done += n;
    }
    bool whole = data ? rc == ARCHIVE_EOF && done == nbytes : rc == ARCHIVE_OK || rc == ARCHIVE_WARN;
    if (!whole)
        set_damage(c, "member");
    return whole;
}

/* The next member that is a file into c->member; links, devices and hidden names are left out. */
static bool next_member(struct container *c) {
    struct tar_member *m = &c->member;
    for (;;) {
        archive_clear_error(c->tar);
        if (!next_entry(c))
            return false;
        mode_t type = archive_entry_filetype(c->entry);
        tar_member_init(m, entry_name(c));
        if (type == AE_IFREG && !archive_entry_hardlink(c->entry) && !m->hidden)
            break;
        c->left_out += type != AE_IFDIR;
        if (!read_member(c, NULL))
            return false;
    }
    int64_t size = archive_entry_size(c->entry);
    m->nbytes = (uint64_t)(size > 0 ? size : 0);
    m->offset = c->header_at;
    m->end = (uint64_t)archive_filter_bytes(c->tar, 0) + m->nbytes;
    m->sparse = archive_entry_sparse_count(c->entry) > 0;
    return true;
}

/* ---- samples
 * -------------------------------------------------------------------------------------------------- */

static void deliver(struct container *c, struct tar_sample *sample) {
    c->skip -= !sample->keep;
    tar_sample_end(sample);
}

/* The sample at hand may lack members, so it is never delivered as a good one. */
static void end_torn(struct container *c, struct tar_sample *sample) {
    if (!c->cut_off || !c->options.allow_truncated) {
        tar_sample_abandon(sample);
        return;
    }
    sample->cut.reject_code = NULL;
    tar_sample_reject(sample, "truncated", "the shard is cut off inside this record");
    sample->cut.length = c->stream->offset - sample->cut.offset;
    deliver(c, sample);
    c->damage.status = SL_OK;
    c->at_end = true;
}

/* Damage where no sample has begun: in a header, or where only left-out members came before. */
static void end_bare(struct container *c, struct tar_sample *sample) {
    struct tar_member torn;
    tar_member_init(&torn, "");
    torn.offset = c->header_at;
    if (!c->cut_off || !c->options.allow_truncated)
        return;
    if (torn.offset < c->stream->offset) {
        tar_sample_begin(sample, &torn, !c->skip);
        end_torn(c, sample);
    }
    c->damage.status = SL_OK;
    c->at_end = true;
}

static void read_sample(struct container *c, struct tar_sample *sample) {
    if (!c->pending && !next_member(c)) {
        if (!c->at_end)
            end_bare(c, sample);
        return;
    }
    tar_sample_begin(sample, &c->member, !c->skip);
    do {
        char *data = tar_sample_add(sample, &c->member);
        c->pending = false;
        if (!read_member(c, data))
            break;
        if (c->member.sparse) /* shorter in the archive than it says; its padding is counted */
            sample->cut.length = (uint64_t)archive_filter_bytes(c->tar, 0) - sample->cut.offset;
        c->pending = next_member(c);
    } while (c->pending && tar_sample_matches(sample, &c->member));
    if (c->pending || c->at_end)
        deliver(c, sample);
    else
        end_torn(c, sample);
}

static sl_status next_tar(struct container *c, struct block *block, sl_error *err) {
    struct tar_sample sample;
    tar_sample_init(&sample, block, c->options.max_record_nbytes);
    if (block->cap <= TAR_MAX_NAME)
        return error_set(err, SL_E_INTERNAL, "a block of %zu bytes is too small", block->cap);
    locale_t before = c->locale ? uselocale(c->locale) : (locale_t)0;
    while (!c->at_end && c->damage.status == SL_OK && tar_sample_has_room(&sample))
        read_sample(c, &sample);
    if (c->locale)
        uselocale(before);
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

static bool matches(const unsigned char *head, size_t nbytes) {
    return nbytes >= 262 && !memcmp(head + 257, "ustar", 5);
}

static const char *const types[] = {"application/x-tar", "application/tar", NULL};
static const char *const suffixes[] = {".tar", ".tgz", NULL};

const struct container_ops container_tar = {.name = "tar",
                                            .content_types = types,
                                            .suffixes = suffixes,
                                            .matches = matches,
                                            .kind = SL_RECORD_FIELDS,
                                            .take_records = 1,
                                            .open = open_tar,
                                            .start = start_tar,
                                            .next = next_tar,
                                            .header = header,
                                            .left_out = left_out,
                                            .close = close_tar};
