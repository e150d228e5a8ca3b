/* container_tfrecord.c: TFRecord files: length, masked CRC-32C of the length, data, masked CRC-32C of the
 * data. A wrong checksum of the data rejects the record; a wrong one of the length ends the shard, for
 * nothing says where the next record begins. What the data are (tf.train.Example) is the decoder's business.
 */
#include <string.h>

#include "archive/range.h"
#include "support/crc32c.h"
#include "support/mem.h"

#define WINDOW_NBYTES (64u << 10)
#define HEAD_NBYTES 12u
#define TAIL_NBYTES 4u

struct container {
    struct container_options options;
    struct range in;
    uint64_t skip;
    bool at_end;
    sl_error damage;
};

static sl_status open_tfrecord(struct container **out, const struct container_options *options,
                               sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (c)
        c->in.window = mem_map(WINDOW_NBYTES);
    if (!c || !c->in.window) {
        mem_free(c);
        return error_set(err, SL_E_MEMORY, "out of memory for the TFRecord container");
    }
    c->in.cap = WINDOW_NBYTES;
    c->options = *options;
    *out = c;
    return SL_OK;
}

static void close_tfrecord(struct container *c) {
    if (c)
        mem_unmap(c->in.window, WINDOW_NBYTES);
    mem_free(c);
}

static sl_status start_tfrecord(struct container *c, struct stream *stream, const char *shard_name,
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

/* A sum of data that hold sums would be no sum: the format turns it. */
static uint32_t masked(const void *data, size_t nbytes) {
    uint32_t crc = crc32c(0, data, nbytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_cut(struct container *c, struct block *block, struct cut cut) {
    if (c->skip)
        c->skip--;
    else
        block->cuts[block->cut_count++] = cut;
}

/* The end came inside a record that begins at `at`. */
static void end_torn(struct container *c, struct block *block, uint64_t at) {
    uint64_t end = range_position(&c->in);
    bool broken = c->damage.status != SL_OK;
    if (!broken)
        error_set(&c->damage, SL_E_DATA, "TFRecord is cut off at byte %llu", (unsigned long long)end);
    if (!c->options.allow_truncated || (broken && !c->in.stream->cut_off))
        return;
    c->damage.status = SL_OK;
    c->at_end = true;
    put_cut(c, block,
            (struct cut){.offset = at,
                         .length = end - at,
                         .start = (uint32_t)block->size,
                         .reject_code = "truncated",
                         .reject_reason = "the shard is cut off inside this record"});
}

/* Data and checksum of a record that is wanted, into the block. False when the end came first. */
static bool read_data(struct container *c, struct block *block, struct cut *cut) {
    unsigned char tail[TAIL_NBYTES];
    char *data = block->data + block->size;
    size_t nbytes = (size_t)cut->length;
    if (range_read(&c->in, data, nbytes, &c->damage) != (ssize_t)nbytes ||
        range_read(&c->in, tail, sizeof tail, &c->damage) != (ssize_t)sizeof tail)
        return false;
    cut->start = (uint32_t)block->size;
    if (masked(data, nbytes) != get32(tail)) {
        cut->reject_code = "bad-checksum";
        cut->reject_reason = "the checksum of the record is wrong";
        return true;
    }
    cut->nbytes = (uint32_t)nbytes;
    block->size += nbytes;
    return true;
}

static bool pass_over(struct container *c, uint64_t nbytes) {
    return nbytes + TAIL_NBYTES > nbytes &&
           range_skip(&c->in, nbytes + TAIL_NBYTES, &c->damage) == (int64_t)(nbytes + TAIL_NBYTES);
}

static void read_record(struct container *c, struct block *block) {
    unsigned char head[HEAD_NBYTES];
    uint64_t at = range_position(&c->in);
    ssize_t n = range_read(&c->in, head, sizeof head, &c->damage);
    if (n == 0) {
        c->at_end = true;
    } else if (n != (ssize_t)sizeof head) {
        end_torn(c, block, at);
    } else if (masked(head, 8) != get32(head + 8)) {
        error_set(&c->damage, SL_E_DATA,
                  "TFRecord is damaged at byte %llu: the checksum of a length is wrong",
                  (unsigned long long)at);
    } else {
        struct cut cut = {.offset = at + HEAD_NBYTES,
                          .length = get32(head) | (uint64_t)get32(head + 4) << 32};
        bool too_long = cut.length > c->options.max_record_nbytes;
        bool whole = c->skip || too_long ? pass_over(c, cut.length) : read_data(c, block, &cut);
        if (!whole) {
            end_torn(c, block, at);
            return;
        }
        if (too_long) {
            cut.start = (uint32_t)block->size;
            cut.reject_code = "too-long";
            cut.reject_reason = "record is longer than is allowed (--max-record-size)";
        }
        put_cut(c, block, cut);
    }
}

static sl_status next_tfrecord(struct container *c, struct block *block, sl_error *err) {
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
    return nbytes >= HEAD_NBYTES && masked(head, 8) == get32(head + 8);
}

static const char *const types[] = {"application/x-tfrecord", "application/x-tfexample",
                                    "application/tfrecord", NULL};
static const char *const suffixes[] = {".tfrecord", ".tfrecords", ".tfrec", NULL};

const struct container_ops container_tfrecord = {.name = "tfrecord",
                                                 .content_types = types,
                                                 .suffixes = suffixes,
                                                 .matches = matches,
                                                 .kind = SL_RECORD_EXAMPLE,
                                                 .state_nbytes = WINDOW_NBYTES,
                                                 .take_records = 16,
                                                 .open = open_tfrecord,
                                                 .start = start_tfrecord,
                                                 .next = next_tfrecord,
                                                 .header = header,
                                                 .close = close_tfrecord};
