/* container_recordio.c: RecordIO, as MXNet's dmlc-core defines it and SageMaker uses it: a magic number, 29
 * bits of length below 3 of part flags, data, padding to four bytes. Data that hold the magic number are
 * written in parts, with the number taken out between them. No checksum and no way back after damage: the
 * shard ends there. Twice in the table: with SageMaker's protobuf inside, and with anything. */
#include <string.h>

#include "archive/range.h"
#include "support/mem.h"

#define WINDOW_NBYTES (64u << 10)
#define MAGIC 0xced7230au
#define HEAD_NBYTES 8u

enum part { WHOLE, FIRST, MIDDLE, LAST };

struct container {
    struct container_options options;
    struct range in;
    uint64_t skip;
    bool at_end;
    sl_error damage;
};

static sl_status open_recordio(struct container **out, const struct container_options *options,
                               sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (c)
        c->in.window = mem_map(WINDOW_NBYTES);
    if (!c || !c->in.window) {
        mem_free(c);
        return error_set(err, SL_E_MEMORY, "out of memory for the RecordIO container");
    }
    c->in.cap = WINDOW_NBYTES;
    c->options = *options;
    *out = c;
    return SL_OK;
}

static void close_recordio(struct container *c) {
    if (c)
        mem_unmap(c->in.window, WINDOW_NBYTES);
    mem_free(c);
}

static sl_status start_recordio(struct container *c, struct stream *stream, const char *shard_name,
                                uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    (void)err;
    c->skip = skip_records;
    c->at_end = false;
    c->damage.status = SL_OK;
    range_begin(&c->in, stream, 0, stream->read_at ? stream->nbytes : RANGE_OPEN_END);
    return SL_OK;
}

static uint32_t get32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A record as it is put together. */
struct record {
    struct cut cut;
    uint64_t nbytes; /* of all parts so far */
    bool held;
    char *data;
    size_t room;
};

static void put_cut(struct container *c, struct block *block, const struct cut *cut) {
    if (c->skip)
        c->skip--;
    else
        block->cuts[block->cut_count++] = *cut;
}

/* Bytes of a part, from the shard, or from `data`. False when the end comes first. */
static bool take(struct container *c, struct record *r, const void *data, size_t nbytes) {
    char *to = r->data + r->nbytes;
    r->held = r->held && nbytes <= r->room - r->nbytes;
    r->nbytes += nbytes;
    if (data) {
        if (r->held)
            memcpy(to, data, nbytes);
        return true;
    }
    if (r->held)
        return range_read(&c->in, to, nbytes, &c->damage) == (ssize_t)nbytes;
    return range_skip(&c->in, nbytes, &c->damage) == (int64_t)nbytes;
}

/* One part with its padding: its kind; -1 at the end before it, -2 inside it, -3 with damage. */
static int read_part(struct container *c, struct record *r, bool begun) {
    static const unsigned char magic[4] = {0x0a, 0x23, 0xd7, 0xce};
    unsigned char head[HEAD_NBYTES];
    uint64_t at = range_position(&c->in);
    ssize_t n = range_read(&c->in, head, sizeof head, &c->damage);
    if (n != (ssize_t)sizeof head)
        return n == 0 && !begun ? -1 : -2;
    uint32_t word = get32(head + 4), nbytes = word & 0x1fffffffu, part = word >> 29;
    if (get32(head) != MAGIC || part > LAST || (begun ? part == WHOLE || part == FIRST : part > FIRST)) {
        error_set(&c->damage, SL_E_DATA, "RecordIO is damaged at byte %llu: %s", (unsigned long long)at,
                  get32(head) != MAGIC ? "no record begins there" : "parts of a record are out of order");
        return -3;
    }
    if (!begun)
        r->cut.offset = at + HEAD_NBYTES;
    else
        take(c, r, magic, sizeof magic);
    if (!take(c, r, NULL, nbytes))
        return -2;
    r->cut.length = range_position(&c->in) - r->cut.offset;
    uint32_t padding = -nbytes & 3u;
    return range_read(&c->in, NULL, padding, &c->damage) == (ssize_t)padding ? (int)part : -2;
}

static void end_torn(struct container *c, struct block *block, uint64_t at) {
    uint64_t end = range_position(&c->in);
    bool broken = c->damage.status != SL_OK;
    if (!broken)
        error_set(&c->damage, SL_E_DATA, "RecordIO is cut off at byte %llu", (unsigned long long)end);
    if (!c->options.allow_truncated || (broken && !c->in.stream->cut_off))
        return;
    c->damage.status = SL_OK;
    c->at_end = true;
    put_cut(c, block,
            &(struct cut){.offset = at,
                          .length = end - at,
                          .start = (uint32_t)block->size,
                          .reject_code = "truncated",
                          .reject_reason = "the shard is cut off inside this record"});
}

static void read_record(struct container *c, struct block *block) {
    struct record r = {.held = c->skip == 0,
                       .data = block->data + block->size,
                       .room = c->options.max_record_nbytes,
                       .cut = {.start = (uint32_t)block->size}};
    uint64_t at = range_position(&c->in);
    int part = read_part(c, &r, false);
    while (part == FIRST || part == MIDDLE)
        part = read_part(c, &r, true);
    if (part == -1) {
        c->at_end = true;
    } else if (part == -2) {
        end_torn(c, block, at);
    } else if (part >= 0) {
        if (r.nbytes > c->options.max_record_nbytes) {
            r.cut.reject_code = "too-long";
            r.cut.reject_reason = "record is longer than is allowed (--max-record-size)";
        } else if (r.held) {
            r.cut.nbytes = (uint32_t)r.nbytes;
            block->size += r.nbytes;
        }
        put_cut(c, block, &r.cut);
    }
}

static sl_status next_recordio(struct container *c, struct block *block, sl_error *err) {
    while (!c->at_end && c->damage.status == SL_OK &&
           (!block->cut_count || (block->cut_count < block->max_cuts && block->size < block->target)))
        read_record(c, block);
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

static bool matches(const unsigned char *head, size_t nbytes) {
    return nbytes >= HEAD_NBYTES && get32(head) == MAGIC;
}

/* A record of SageMaker's begins with a feature, a label or its name (fields 1 to 5, all of bytes). */
static bool matches_protobuf(const unsigned char *head, size_t nbytes) {
    return matches(head, nbytes) && nbytes > HEAD_NBYTES && (head[HEAD_NBYTES] & 7) == 2 &&
           head[HEAD_NBYTES] >> 3 >= 1 && head[HEAD_NBYTES] >> 3 <= 5;
}

static const char *const types[] = {"application/x-recordio", NULL};
static const char *const suffixes[] = {".rec", NULL};
static const char *const protobuf_types[] = {"application/x-recordio-protobuf", NULL};
static const char *const protobuf_suffixes[] = {".pbr", ".recordio", NULL};

const struct container_ops container_recordio = {.name = "recordio",
                                                 .content_types = types,
                                                 .suffixes = suffixes,
                                                 .matches = matches,
                                                 .kind = SL_RECORD_BYTES,
                                                 .state_nbytes = WINDOW_NBYTES,
                                                 .take_records = 1,
                                                 .open = open_recordio,
                                                 .start = start_recordio,
                                                 .next = next_recordio,
                                                 .header = header,
                                                 .close = close_recordio};

const struct container_ops container_recordio_protobuf = {.name = "recordio-protobuf",
                                                          .content_types = protobuf_types,
                                                          .suffixes = protobuf_suffixes,
                                                          .matches = matches_protobuf,
                                                          .kind = SL_RECORD_PROTOBUF,
                                                          .state_nbytes = WINDOW_NBYTES,
                                                          .take_records = 64,
                                                          .open = open_recordio,
                                                          .start = start_recordio,
                                                          .next = next_recordio,
                                                          .header = header,
                                                          .close = close_recordio};
