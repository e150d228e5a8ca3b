/* container_file.c: a shard that is one record: an image. Its key is the file's name. */
#include <string.h>

#include "archive/container.h"
#include "archive/content.h"
#include "support/mem.h"

#define CHUNK_NBYTES (1u << 20)
#define MAX_KEY 4096u

struct container {
    struct container_options options;
    struct stream *stream;
    const char *name;
    uint64_t skip;
    bool done;
};

static sl_status open_file(struct container **out, const struct container_options *options, sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for the file container");
    c->options = *options;
    *out = c;
    return SL_OK;
}

static sl_status start_file(struct container *c, struct stream *stream, const char *shard_name,
                            uint64_t skip_records, sl_error *err) {
    const char *slash = strrchr(shard_name, '/');
    (void)err;
    c->stream = stream;
    c->name = slash ? slash + 1 : shard_name;
    c->skip = skip_records;
    c->done = false;
    return SL_OK;
}

/* Reads the file behind `start`; of one that is too long only the length is of interest. -1 on damage. */
static int read_all(struct container *c, struct block *block, size_t start, uint64_t *length, sl_error *err) {
    for (size_t end = start;;) {
        if (*length > c->options.max_record_nbytes || end == block->cap)
            end = start;
        size_t room = block->cap - end;
        ssize_t n =
            c->stream->read(c->stream, block->data + end, room < CHUNK_NBYTES ? room : CHUNK_NBYTES, err);
        if (n <= 0)
            return (int)n;
        end += (size_t)n;
        *length += (uint64_t)n;
        block->size = end > block->size ? end : block->size;
    }
}

static void reject(struct cut *cut, const char *code, const char *reason) {
    cut->reject_code = code;
    cut->reject_reason = reason;
}

static sl_status next_file(struct container *c, struct block *block, sl_error *err) {
    if (c->done || c->skip)
        return SL_OK;
    c->done = true;
    size_t key = strnlen(c->name, MAX_KEY);
    if (key >= block->cap)
        return error_set(err, SL_E_INTERNAL, "a block of %zu bytes is too small", block->cap);
    memcpy(block->data, c->name, key);
    block->size = key;
    struct cut cut = {.start = (uint32_t)key, .key_nbytes = (uint16_t)key};
    sl_error damage = {0};
    if (read_all(c, block, key, &cut.length, &damage) < 0) {
        if (!c->stream->cut_off || !c->options.allow_truncated) {
            if (err)
                *err = damage;
            return damage.status;
        }
        reject(&cut, "truncated", "the file is cut off");
    } else if (cut.length > c->options.max_record_nbytes || cut.length > block->cap - key) {
        reject(&cut, "too-long", "the file is longer than is allowed (--max-record-size)");
    } else if (!cut.length) {
        reject(&cut, "empty", "the file is empty");
    } else {
        cut.nbytes = (uint32_t)cut.length;
    }
    block->cuts[block->cut_count++] = cut;
    return SL_OK;
}

static sl_slice header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static void close_file(struct container *c) {
    mem_free(c);
}

static bool matches(const unsigned char *head, size_t nbytes) {
    const char *image = content_image(head, nbytes);
    return image && (!strcmp(image, "a JPEG image") || !strcmp(image, "a PNG image"));
}

static const char *const types[] = {"application/x-image", "image/jpeg", "image/png",
                                    "application/octet-stream", NULL};
static const char *const suffixes[] = {".jpg", ".jpeg", ".png", NULL};

const struct container_ops container_file = {.name = "file",
                                             .content_types = types,
                                             .suffixes = suffixes,
                                             .matches = matches,
                                             .kind = SL_RECORD_BYTES,
                                             .take_records = 1,
                                             .open = open_file,
                                             .start = start_file,
                                             .next = next_file,
                                             .header = header,
                                             .close = close_file};
