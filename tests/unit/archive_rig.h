/* archive_rig.h: what the tests of the archive stage share: a stream from memory that breaks where it is told
 * to, everything a container or a reader cuts as one list, a directory of files, and compressed and tarred
 * bytes. */
#ifndef TESTS_ARCHIVE_RIG_H
#define TESTS_ARCHIVE_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "archive/archive.h"
#include "harness.h"
#include "support/buf.h"
#include "support/mem.h"

static inline uint32_t rig_random(uint64_t *state) { /* PCG, XSH-RR */
    uint64_t x = *state;
    *state = x * 6364136223846793005u + 1442695040888963407u;
    uint32_t word = (uint32_t)(((x >> 18) ^ x) >> 27), turn = (uint32_t)(x >> 59);
    return word >> turn | word << (-turn & 31);
}

/* ---- a stream from memory
 * -------------------------------------------------------------------------------------------------- */

struct rig_stream {
    struct stream stream; /* first */
    const char *data;
    size_t nbytes, at;
    size_t most;     /* bytes a read gives; 0: any number, at random */
    uint64_t random; /* its state */
    sl_status fails; /* at the end of the data; SL_OK: a clean end */
    bool cut_off;
};

static inline ssize_t rig_stream_read(struct stream *stream, void *data, size_t cap, sl_error *err) {
    struct rig_stream *s = (struct rig_stream *)stream;
    size_t n = s->nbytes - s->at, most = s->most ? s->most : 1 + rig_random(&s->random) % 97;
    if (!n && s->fails != SL_OK) {
        stream->cut_off = s->cut_off;
        error_set(err, s->fails, "the stream broke");
        return -1;
    }
    n = n < most ? n : most;
    n = n < cap ? n : cap;
    if (n)
        memcpy(data, s->data + s->at, n);
    s->at += n;
    stream->offset += n;
    return (ssize_t)n;
}

static inline ssize_t rig_stream_read_at(struct stream *stream, uint64_t at, void *data, size_t cap,
                                         sl_error *err) {
    struct rig_stream *s = (struct rig_stream *)stream;
    size_t n = at < s->nbytes ? s->nbytes - (size_t)at : 0,
           most = s->most ? s->most : 1 + rig_random(&s->random) % 97;
    (void)err;
    n = n < most ? n : most;
    n = n < cap ? n : cap;
    if (n)
        memcpy(data, s->data + at, n);
    return (ssize_t)n;
}

static inline struct rig_stream rig_stream(const void *data, size_t nbytes) {
    return (struct rig_stream){
        .stream = {.read = rig_stream_read, .read_at = rig_stream_read_at, .nbytes = nbytes},
        .data = data,
        .nbytes = nbytes,
        .most = 1u << 30};
}

/* ---- everything that was cut
 * -------------------------------------------------------------------------------------------------- */

struct rig_cut {
    uint64_t offset, length;
    const char *code;             /* "" for a good one */
    size_t start, nbytes;         /* in text: the bytes, or "name=bytes;" of every field */
    size_t key_start, key_nbytes; /* in text */
    size_t field_count;
};

struct rig_cuts {
    struct rig_cut *items;
    size_t count, room;
    struct buf text;
    size_t blocks;
    sl_status status; /* with which it ended */
    sl_error err;
};

static inline void rig_cuts_clear(struct rig_cuts *c) {
    mem_free(c->items);
    buf_clear(&c->text);
    *c = (struct rig_cuts){0};
}

static inline void rig_add_record(struct rig_cuts *c, const struct block *block, uint32_t i) {
    sl_field fields[BLOCK_MAX_SAMPLE_FIELDS];
    sl_record record;
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 64;
        c->items = mem_grow(c->items, c->room, sizeof *c->items);
        ck_assert_ptr_nonnull(c->items);
    }
    block_record(block, i, fields, &record);
    ck_assert_uint_eq(record.index, block->first_record + i);
    struct rig_cut *cut = &c->items[c->count++];
    *cut = (struct rig_cut){.offset = record.offset,
                            .length = record.length,
                            .code = block->cuts[i].reject_code ? block->cuts[i].reject_code : "",
                            .start = c->text.size,
                            .field_count = record.field_count};
    if (block->cuts[i].reject_code) {
        ck_assert_ptr_nonnull(block->cuts[i].reject_reason);
    } else if (block->kind == SL_RECORD_FIELDS) {
        for (size_t k = 0; k < record.field_count; k++) {
            buf_append(&c->text, fields[k].name.data, fields[k].name.nbytes);
            buf_putc(&c->text, '=');
            buf_append(&c->text, fields[k].data.data, fields[k].data.nbytes);
            buf_putc(&c->text, ';');
        }
    } else {
        buf_append(&c->text, record.bytes.data, record.bytes.nbytes);
    }
    cut->nbytes = c->text.size - cut->start;
    cut->key_start = c->text.size;
    cut->key_nbytes = record.key.nbytes;
    buf_append(&c->text, record.key.data, record.key.nbytes);
}

static inline void rig_add_block(struct rig_cuts *c, const struct block *block) {
    ck_assert_uint_le(block->cut_count, block->max_cuts);
    ck_assert_uint_le(block->field_count, block->max_fields);
    ck_assert_uint_le(block->size, block->cap);
    c->blocks++;
    for (uint32_t i = 0; i < block->cut_count; i++)
        rig_add_record(c, block, i);
}

/* How the blocks are; the room behind the target is for one record, as the job's pool has it. */
struct rig_shape {
    size_t target;
    uint32_t max_cuts, max_fields;
};

static inline void rig_block_open(struct block *block, struct rig_shape shape, size_t max_record) {
    sl_error err = {0};
    uint32_t cuts = shape.max_cuts ? shape.max_cuts : 16384;
    uint32_t fields = shape.max_fields ? shape.max_fields : 4096;
    size_t target = shape.target ? shape.target : 256u << 10;
    ck_assert_msg(block_open(block, target, target + max_record + 4096, cuts, fields, &err) == SL_OK, "%s",
                  err.text);
}

/* All that a container cuts of a stream. */
static inline void rig_cut_stream(struct rig_cuts *cuts, const struct container_ops *ops,
                                  const struct container_options *options, struct rig_shape shape,
                                  struct rig_stream *stream, uint64_t skip) {
    struct container *container = NULL;
    struct block block;
    *cuts = (struct rig_cuts){0};
    buf_init(&cuts->text);
    rig_block_open(&block, shape, options->max_record_nbytes);
    ck_assert(ops->open(&container, options, &cuts->err) == SL_OK);
    ck_assert(ops->start(container, &stream->stream, "shard", skip, &cuts->err) == SL_OK);
    for (;;) {
        block_reset(&block);
        block.kind = ops->kind;
        cuts->status = ops->next(container, &block, &cuts->err);
        if (cuts->status != SL_OK || !block.cut_count)
            break;
        rig_add_block(cuts, &block);
    }
    ck_assert_uint_eq(block.cut_count, 0);
    block_reset(&block); /* an end stays an end */
    ck_assert(ops->next(container, &block, &cuts->err) == cuts->status);
    ck_assert_uint_eq(block.cut_count, 0);
    ops->close(container);
    block_close(&block);
}

/* "bytes" of a good record, "!code" of a rejected one. */
static inline bool rig_is(const struct rig_cuts *cuts, size_t i, const char *expected) {
    const struct rig_cut *cut = &cuts->items[i];
    if (expected[0] == '!')
        return !strcmp(cut->code, expected + 1);
    return !*cut->code && cut->nbytes == strlen(expected) &&
           !memcmp(cuts->text.data + cut->start, expected, cut->nbytes);
}

static inline bool rig_key_is(const struct rig_cuts *cuts, size_t i, const char *expected) {
    const struct rig_cut *cut = &cuts->items[i];
    return cut->key_nbytes == strlen(expected) &&
           !memcmp(cuts->text.data + cut->key_start, expected, cut->key_nbytes);
}

/* The list ends with NULL. */
static inline void rig_expect(const struct rig_cuts *cuts, const char *const *expected) {
    size_t count = 0;
    for (; expected[count]; count++) {
        ck_assert_msg(count < cuts->count, "record %zu is missing (status %d: %s)", count, cuts->status,
                      cuts->err.text);
        ck_assert_msg(rig_is(cuts, count, expected[count]), "record %zu is '%.*s' (%s), expected '%s'", count,
                      (int)cuts->items[count].nbytes, cuts->text.data + cuts->items[count].start,
                      cuts->items[count].code, expected[count]);
    }
    ck_assert_uint_eq(cuts->count, count);
}

static inline void rig_expect_same(const struct rig_cuts *a, const struct rig_cuts *b, size_t b_from) {
    ck_assert_uint_eq(a->count, b->count - b_from);
    for (size_t i = 0; i < a->count; i++) {
        const struct rig_cut *x = &a->items[i], *y = &b->items[b_from + i];
        ck_assert_uint_eq(x->offset, y->offset);
        ck_assert_uint_eq(x->length, y->length);
        ck_assert_str_eq(x->code, y->code);
        ck_assert_uint_eq(x->nbytes, y->nbytes);
        ck_assert_uint_eq(x->key_nbytes, y->key_nbytes);
        ck_assert(!x->nbytes ||
                  !memcmp(a->text.data + x->start, b->text.data + y->start, x->nbytes + x->key_nbytes));
    }
    ck_assert_int_eq(a->status, b->status);
}

/* ---- files
 * -------------------------------------------------------------------------------------------------- */

static char rig_dir[64]; /* made by rig_make_dir, gone with rig_remove_dir */

static inline void rig_make_dir(void) {
    strcpy(rig_dir, "/tmp/sluice-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(rig_dir));
}

static inline int rig_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void rig_remove_dir(void) {
    nftw(rig_dir, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* One of eight buffers: a path below the directory. */
static inline const char *rig_path(const char *name) {
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", rig_dir, name);
    return path;
}

static inline void rig_write(const char *name, const void *data, size_t nbytes) {
    FILE *f = fopen(rig_path(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, nbytes, f), nbytes);
    fclose(f);
}

/* All that a reader cuts of one shard below the directory; the list may be that of the whole directory. */
static inline void rig_read_shard(struct rig_cuts *cuts, const char *input,
                                  const struct reader_options *options, const struct container_ops *ops,
                                  uint64_t skip) {
    struct shard_list list;
    struct reader *reader = NULL;
    struct block block;
    *cuts = (struct rig_cuts){0};
    buf_init(&cuts->text);
    rig_block_open(&block, (struct rig_shape){0}, options->container.max_record_nbytes);
    ck_assert_msg(shard_list_open(&list, input, &cuts->err) == SL_OK, "%s", cuts->err.text);
    ck_assert_uint_eq(list.count, 1);
    ck_assert(reader_open(&reader, &list, ops, options, &cuts->err) == SL_OK);
    cuts->status = reader_start(reader, 0, skip, &cuts->err);
    while (cuts->status == SL_OK) {
        cuts->status = reader_next(reader, &block, &cuts->err);
        ck_assert_uint_eq(block.first_record, skip + cuts->count);
        if (!block.cut_count)
            break;
        rig_add_block(cuts, &block);
    }
    reader_close(reader);
    shard_list_close(&list);
    block_close(&block);
}

/* ---- compressed bytes, appended
 * -------------------------------------------------------------------------------------------------- */

static inline void rig_gzip(struct buf *out, const void *data, size_t nbytes) {
    z_stream z = {0};
    ck_assert(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t most = deflateBound(&z, nbytes) + 64;
    ck_assert(buf_reserve(out, most));
    z.next_in = (unsigned char *)(uintptr_t)data;
    z.avail_in = (uInt)nbytes;
    z.next_out = (unsigned char *)out->data + out->size;
    z.avail_out = (uInt)most;
    ck_assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->size += most - z.avail_out;
    deflateEnd(&z);
}

static inline void rig_zstd(struct buf *out, const void *data, size_t nbytes) {
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    size_t most = ZSTD_compressBound(nbytes);
    ck_assert(buf_reserve(out, most));
    size_t n = ZSTD_compress2(z, out->data + out->size, most, data, nbytes);
    ck_assert(!ZSTD_isError(n));
    out->size += n;
    ZSTD_freeCCtx(z);
}

/* ---- tar, header by header
 * -------------------------------------------------------------------------------------------------- */

struct rig_tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6],
        version[2], owner[32], group[32], major[8], minor[8], prefix[155], rest[12];
};

static inline void rig_tar_finish(struct rig_tar_header *h) {
    unsigned sum = 0;
    memset(h->sum, ' ', sizeof h->sum);
    for (size_t i = 0; i < sizeof *h; i++)
        sum += ((const unsigned char *)h)[i];
    snprintf(h->sum, sizeof h->sum, "%06o", sum);
    h->sum[7] = ' ';
}

static inline struct rig_tar_header rig_tar_header(const char *name, char type, size_t nbytes) {
    struct rig_tar_header h = {.type = type};
    ck_assert_uint_eq(sizeof h, 512);
    memcpy(h.name, name, strnlen(name, sizeof h.name));
    memcpy(h.mode, "0000644", 8);
    memcpy(h.uid, "0000000", 8);
    memcpy(h.gid, "0000000", 8);
    snprintf(h.size, sizeof h.size, "%011zo", nbytes);
    memcpy(h.mtime, "00000000000", 12);
    memcpy(h.magic, "ustar", 6);
    memcpy(h.version, "00", 2);
    rig_tar_finish(&h);
    return h;
}

static inline void rig_tar_data(struct buf *out, const void *data, size_t nbytes) {
    static const char zeros[512];
    if (nbytes)
        buf_append(out, data, nbytes);
    buf_append(out, zeros, (512 - nbytes % 512) % 512);
}

static inline void rig_tar_member(struct buf *out, const char *name, char type, const void *data,
                                  size_t nbytes) {
    struct rig_tar_header h = rig_tar_header(name, type, nbytes);
    buf_append(out, &h, sizeof h);
    rig_tar_data(out, data, nbytes);
}

static inline void rig_tar_file(struct buf *out, const char *name, const char *text) {
    rig_tar_member(out, name, '0', text, strlen(text));
}

/* A pax header in front of the next member: "path=..." and so on. */
static inline void rig_tar_pax(struct buf *out, const char *key, const void *value, size_t nbytes) {
    struct buf record;
    buf_init(&record);
    size_t body = strlen(key) + nbytes + 3, digits = 1;
    for (size_t n = body + 1; n >= 10; n /= 10)
        digits++;
    if (body + digits >= 10 && digits == 1)
        digits = 2;
    if (body + digits >= 100 && digits == 2)
        digits = 3;
    buf_printf(&record, "%zu %s=", body + digits, key);
    buf_append(&record, value, nbytes);
    buf_putc(&record, '\n');
    rig_tar_member(out, "PaxHeaders/x", 'x', record.data, record.size);
    buf_clear(&record);
}

static inline void rig_tar_end(struct buf *out) {
    static const char zeros[1024];
    buf_append(out, zeros, sizeof zeros);
}

#endif
