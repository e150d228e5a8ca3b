/* container_tar.c: tar shards in WebDataset form: members that follow one another and share a key (the path
 * up to the first dot of its last part) are one sample, and what comes after that dot names the field.
 *
 * libarchive reads ustar, pax and GNU headers; the checks it leaves out are ours: the zero blocks at the end
 * (it takes an archive cut at a member's end for whole), archives that follow on one another (it drops them),
 * sparse members (10 KB become 12 GB), and names that climb. Members are never extracted: a name is only a
 * key. */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "archive/containers.h"
#include "support/mem.h"
#include "support/text.h"

#define CHUNK_NBYTES (64u << 10) /* a multiple of 512, so the parser never straddles two chunks */
#define MAX_KEY 1024u

struct container {
    struct container_options options;
    unsigned char *chunk;
    /* of the shard at hand */
    struct stream *stream;
    struct archive *tar;
    struct archive_entry *entry;      /* read but not used yet: it begins the next sample */
    size_t chunk_start, chunk_nbytes; /* of the chunk that was handed out last */
    uint64_t base;                    /* offset in the stream of the archive's first byte */
    uint64_t delivered;               /* stream bytes given to the parser, since base */
    uint64_t data_end;                /* stream offset after the last member's data */
    uint64_t index, skip;
    bool at_end, any_entry;
    sl_error damage;
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
    *out = c;
    return SL_OK;
}

static void close_archive(struct container *c) {
    if (c->tar)
        archive_read_free(c->tar);
    c->tar = NULL;
    c->entry = NULL;
}

static void close_tar(struct container *c) {
    if (!c)
        return;
    close_archive(c);
    mem_unmap(c->chunk, CHUNK_NBYTES);
    mem_free(c);
}

static sl_status start_tar(struct container *c, struct stream *stream, const char *shard_name,
                           uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    (void)err;
    close_archive(c);
    c->stream = stream;
    c->chunk_start = c->chunk_nbytes = 0;
    c->base = c->delivered = c->data_end = c->index = 0;
    c->skip = skip_records;
    c->at_end = c->any_entry = false;
    c->damage.status = SL_OK;
    return SL_OK;
}

/* Fills the chunk as far as the stream goes; false on damage. */
static bool fill_chunk(struct container *c) {
    c->chunk_start = c->chunk_nbytes = 0;
    while (c->chunk_nbytes < CHUNK_NBYTES) {
        ssize_t n = c->stream->read(c->stream, c->chunk + c->chunk_nbytes, CHUNK_NBYTES - c->chunk_nbytes,
                                    &c->damage);
        if (n < 0)
            return c->chunk_nbytes > 0; /* what came before the damage is good */
        if (n == 0)
            break;
        c->chunk_nbytes += (size_t)n;
    }
    return true;
}

static la_ssize_t read_chunk(struct archive *tar, void *arg, const void **data) {
    struct container *c = arg;
    (void)tar;
    if (c->chunk_start < c->chunk_nbytes && c->delivered == 0) {
        /* the rest of the chunk in which an archive that follows on another begins */
    } else if (c->damage.status != SL_OK || !fill_chunk(c)) {
        return ARCHIVE_FATAL;
    }
    *data = c->chunk + c->chunk_start;
    la_ssize_t n = (la_ssize_t)(c->chunk_nbytes - c->chunk_start);
    c->delivered += (uint64_t)n;
    return n;
}

static sl_status tar_failed(struct container *c, const char *what) {
    const char *why = c->tar ? archive_error_string(c->tar) : NULL;
    if (c->damage.status == SL_OK)
        error_set(&c->damage, SL_E_DATA, "tar is %s at byte %llu%s%s", what, (unsigned long long)c->data_end,
                  why ? ": " : "", why ? text_quote(why) : "");
    return c->damage.status;
}

static sl_status open_archive(struct container *c) {
    c->tar = archive_read_new();
    if (!c->tar || archive_read_support_format_tar(c->tar) != ARCHIVE_OK)
        return error_set(&c->damage, SL_E_MEMORY, "out of memory for the tar reader");
    c->any_entry = false;
    if (archive_read_open(c->tar, c, NULL, read_chunk, NULL) != ARCHIVE_OK)
        return tar_failed(c, "damaged");
    return SL_OK;
}

/* After the zero blocks: more zeros are padding; another archive is read on; anything else would be lost
 * silently. */
static sl_status look_behind_end(struct container *c, bool *more) {
    uint64_t used = (uint64_t)archive_filter_bytes(c->tar, 0);
    uint64_t left = c->delivered - used;
    size_t pos = left <= c->chunk_nbytes ? c->chunk_nbytes - (size_t)left : c->chunk_nbytes;
    uint64_t offset = c->base + used;
    *more = false;
    for (;;) {
        for (; pos < c->chunk_nbytes && !c->chunk[pos]; pos++)
            offset++;
        if (pos < c->chunk_nbytes)
            break;
        if (!fill_chunk(c))
            return c->damage.status;
        if (!c->chunk_nbytes)
            return SL_OK;
        pos = 0;
    }
    size_t into = (size_t)(offset % 512);
    if (into > pos)
        return error_set(&c->damage, SL_E_DATA, "tar is followed by other bytes at byte %llu",
                         (unsigned long long)offset);
    c->chunk_start = pos - into;
    c->base = offset - into;
    c->delivered = 0;
    close_archive(c);
    *more = true;
    return open_archive(c);
}

/* The next member's header into c->entry, or the end. */
static sl_status next_entry(struct container *c) {
    for (;;) {
        if (!c->tar) {
            if (!fill_chunk(c))
                return c->damage.status;
            if (!c->chunk_nbytes) { /* a file of no bytes: a shard of no records */
                c->at_end = true;
                return SL_OK;
            }
            sl_status st = open_archive(c);
            if (st != SL_OK)
                return st;
        }
        int rc = archive_read_next_header(c->tar, &c->entry);
        if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN) {
            c->any_entry = true;
            return SL_OK;
        }
        c->entry = NULL;
        if (rc != ARCHIVE_EOF)
            return tar_failed(c, "damaged");
        uint64_t used = c->base + (uint64_t)archive_filter_bytes(c->tar, 0);
        if (c->damage.status != SL_OK)
            return c->damage.status;
        if (used < (c->data_end + 511) / 512 * 512 + 512)
            return tar_failed(c, "cut off (it has no end)");
        bool more;
        sl_status st = look_behind_end(c, &more);
        if (st != SL_OK)
            return st;
        if (!more) {
            c->at_end = true;
            return SL_OK;
        }
    }
}

/* ---- samples
 * -------------------------------------------------------------------------------------------------- */

/* Why a name cannot be a key, or NULL. */
static const char *hostile(const char *name) {
    size_t n = strlen(name);
    if (!n || name[0] == '/')
        return "the member's name is empty or absolute";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return "the member's name has control characters";
    if (!text_is_utf8(name, n))
        return "the member's name is not UTF-8";
    for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        if (p[0] == '.' && p[1] == '.' && (!p[2] || p[2] == '/'))
            return "the member's name climbs out with '..'";
    return n > MAX_KEY ? "the member's name is too long" : NULL;
}

static const char *entry_name(struct archive_entry *entry) {
    const char *name = archive_entry_pathname(entry);
    if (!name)
        name = archive_entry_pathname_utf8(entry);
    if (name && name[0] == '.' && name[1] == '/')
        name += 2;
    return name ? name : "";
}

/* Bytes of the key: up to the first dot after the last slash (a dot that begins the part belongs to it). */
static size_t key_nbytes(const char *name) {
    const char *slash = strrchr(name, '/'), *part = slash ? slash + 1 : name;
    const char *dot = *part ? strchr(part + 1, '.') : NULL;
    return dot ? (size_t)(dot - name) : strlen(name);
}

/* A sample under construction in the block. */
struct sample {
    struct block *block;
    struct cut cut;
    char key[MAX_KEY + 1];
    size_t key_nbytes, start;
    bool skipped; /* before the resume point: walked over, not kept */
};

static void reject(struct sample *s, const char *code, const char *reason) {
    if (!s->cut.reject_code) {
        s->cut.reject_code = code;
        s->cut.reject_reason = reason;
    }
}

static void begin_sample(struct container *c, struct sample *s, struct block *block, const char *name) {
    const char *why = hostile(name);
    *s = (struct sample){.block = block, .start = block->size, .skipped = c->index < c->skip};
    s->cut.offset = c->base + (uint64_t)archive_read_header_position(c->tar);
    s->cut.first_field = block->field_count;
    s->cut.key_start = (uint32_t)block->size;
    s->key_nbytes = key_nbytes(name);
    if (s->key_nbytes > MAX_KEY)
        s->key_nbytes = MAX_KEY;
    memcpy(s->key, name, s->key_nbytes);
    memcpy(block->data + block->size, name, s->key_nbytes);
    s->cut.key_nbytes = (uint16_t)s->key_nbytes;
    block->size += s->key_nbytes;
    s->cut.start = (uint32_t)block->size;
    if (why)
        reject(s, "hostile-name", why);
}

static bool same_sample(const struct sample *s, const char *name) {
    size_t n = key_nbytes(name);
    return n == s->key_nbytes && n <= MAX_KEY && !memcmp(name, s->key, n);
}

static bool has_field(const struct sample *s, const char *name, size_t nbytes) {
    const struct block *b = s->block;
    for (uint32_t i = s->cut.first_field; i < b->field_count; i++)
        if (b->fields[i].name_nbytes == nbytes && !memcmp(b->data + b->fields[i].name_start, name, nbytes))
            return true;
    return false;
}

/* The member's payload into the block; SL_E_DATA when the archive breaks inside it. */
static sl_status read_payload(struct container *c, struct sample *s, const char *field, size_t field_nbytes,
                              size_t size) {
    struct block *b = s->block;
    struct block_field *f = &b->fields[b->field_count++];
    *f = (struct block_field){.name_start = (uint32_t)b->size,
                              .name_nbytes = (uint16_t)field_nbytes,
                              .data_start = (uint32_t)(b->size + field_nbytes),
                              .data_nbytes = (uint32_t)size};
    memcpy(b->data + b->size, field, field_nbytes);
    b->size += field_nbytes;
    for (size_t done = 0; done < size;) {
        la_ssize_t n = archive_read_data(c->tar, b->data + b->size, size - done);
        if (n <= 0)
            return tar_failed(c, "cut off");
        done += (size_t)n;
        b->size += (size_t)n;
    }
    s->cut.field_count++;
    return SL_OK;
}

/* One more member of the sample. */
static sl_status add_member(struct container *c, struct sample *s, const char *name) {
    int64_t size = archive_entry_size(c->entry);
    uint64_t data_start = c->base + (uint64_t)archive_filter_bytes(c->tar, 0);
    char field[256];
    size_t n = strlen(name + s->key_nbytes);
    const char *from = name + s->key_nbytes + (n ? 1 : 0);
    n = n ? n - 1 : 0;
    if (n > sizeof field)
        n = sizeof field;
    for (size_t i = 0; i < n; i++)
        field[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + 32) : from[i];
    c->data_end = data_start + (uint64_t)size;
    s->cut.length = c->data_end - s->cut.offset;
    size_t held = s->block->size - s->start;
    if (size < 0 || archive_entry_sparse_count(c->entry) > 0)
        reject(s, "sparse-member", "a member is stored as a sparse file");
    else if ((uint64_t)size > c->options.max_record_nbytes ||
             held + (size_t)size > c->options.max_record_nbytes)
        reject(s, "too-long", "record is longer than --max-record-size");
    else if (s->cut.field_count == BLOCK_MAX_SAMPLE_FIELDS || s->block->field_count == s->block->max_fields)
        reject(s, "too-many-members", "the sample has more than 64 members");
    else if (has_field(s, field, n))
        reject(s, "duplicate-member", "the sample has two members of the same name");
    if (s->cut.reject_code || s->skipped) {
        if (archive_read_data_skip(c->tar) != ARCHIVE_OK)
            return tar_failed(c, "cut off");
        return SL_OK;
    }
    return read_payload(c, s, field, n, (size_t)size);
}

static void end_sample(struct container *c, struct sample *s) {
    struct block *b = s->block;
    if (s->skipped || s->cut.reject_code) { /* nothing of it but the key is kept */
        b->field_count = s->cut.first_field;
        s->cut.field_count = 0;
        b->size = s->skipped ? s->start : s->cut.start;
    }
    s->cut.nbytes = (uint32_t)(b->size - s->cut.start);
    if (!s->skipped) {
        if (!b->cut_count)
            b->first_record = c->index;
        b->cuts[b->cut_count++] = s->cut;
    }
    c->index++;
}

/* Regular members only; links, directories and devices are walked over. Returns with the first member of the
 * next sample in c->entry, or at the end. */
static sl_status next_member(struct container *c) {
    do {
        sl_status st = next_entry(c);
        if (st != SL_OK || c->at_end)
            return st;
    } while (archive_entry_filetype(c->entry) != AE_IFREG || archive_entry_hardlink(c->entry));
    return SL_OK;
}

static sl_status read_sample(struct container *c, struct block *block) {
    struct sample s;
    sl_status st = SL_OK;
    begin_sample(c, &s, block, entry_name(c->entry));
    do {
        st = add_member(c, &s, entry_name(c->entry));
        if (st == SL_OK)
            st = next_member(c);
    } while (st == SL_OK && !c->at_end && same_sample(&s, entry_name(c->entry)));
    if (st == SL_OK) {
        end_sample(c, &s);
        return SL_OK;
    }
    /* the sample may be torn, so it is not delivered as a good one */
    if (c->options.allow_truncated) {
        reject(&s, "truncated", "the shard is cut off inside this record");
        end_sample(c, &s);
    } else {
        block->size = s.start;
        block->field_count = s.cut.first_field;
    }
    return st;
}

static bool has_room(const struct block *block) {
    return block->size < block->target && block->cut_count < block->max_cuts &&
           block->field_count + BLOCK_MAX_SAMPLE_FIELDS <= block->max_fields;
}

static sl_status next_tar(struct container *c, struct block *block, sl_error *err) {
    sl_status st = c->damage.status;
    if (st == SL_OK && !c->at_end && !c->entry)
        st = next_member(c);
    while (st == SL_OK && !c->at_end && has_room(block))
        st = read_sample(c, block);
    if (st == SL_OK)
        return SL_OK;
    if (c->options.allow_truncated && st == SL_E_DATA) {
        c->at_end = true;
        c->damage.status = SL_OK;
        return SL_OK;
    }
    if (block->cut_count) /* these are whole; the damage is told next time */
        return SL_OK;
    *err = c->damage;
    return st;
}

static sl_slice header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static bool matches(const unsigned char *head, size_t nbytes) {
    return nbytes >= 263 && !memcmp(head + 257, "ustar", 5);
}

static const char *const types[] = {"application/x-tar", NULL};
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
                                            .close = close_tar};
