/* container_file.c: a file that is one record: an image, a document. Also the table of containers. */
#include <string.h>
#include <strings.h>

#include "archive/containers.h"
#include "support/mem.h"

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
        return error_set(err, SL_E_MEMORY, "out of memory for a container");
    c->options = *options;
    *out = c;
    return SL_OK;
}

static sl_status start_file(struct container *c, struct stream *stream, const char *shard_name,
                            uint64_t skip_records, sl_error *err) {
    (void)err;
    c->stream = stream;
    c->name = shard_name;
    c->skip = skip_records;
    c->done = false;
    return SL_OK;
}

static void add_cut(struct block *block, const char *name, uint64_t length, const char *code,
                    const char *reason) {
    size_t n = strlen(name);
    n = n < 4096 ? n : 4096;
    struct cut *cut = &block->cuts[block->cut_count++];
    *cut = (struct cut){.length = length, .reject_code = code, .reject_reason = reason};
    if (block->cap - block->size >= n) {
        cut->key_start = (uint32_t)block->size;
        cut->key_nbytes = (uint16_t)n;
        memcpy(block->data + block->size, name, n);
    }
    cut->nbytes = code ? 0 : (uint32_t)length;
    block->size += n;
    block->first_record = 0;
}

static sl_status next_file(struct container *c, struct block *block, sl_error *err) {
    uint64_t length = 0;
    ssize_t n = 1;
    if (c->done || c->skip)
        return SL_OK;
    c->done = true;
    bool too_long = false;
    while (n > 0) {
        if (too_long)
            block->size = 0; /* only the length is of interest now */
        size_t room = block->cap - block->size;
        n = c->stream->read(c->stream, block->data + block->size, room < 1u << 20 ? room : 1u << 20, err);
        if (n > 0) {
            length += (uint64_t)n;
            block->size += (size_t)n;
        }
        too_long = length > c->options.max_record_nbytes;
    }
    if (n < 0 && !c->options.allow_truncated)
        return err->status;
    if (n < 0)
        add_cut(block, c->name, length, "truncated", "the file is cut off");
    else if (too_long)
        add_cut(block, c->name, length, "too-long", "record is longer than --max-record-size");
    else if (!length)
        add_cut(block, c->name, 0, "empty", "the file is empty");
    else
        add_cut(block, c->name, length, NULL, NULL);
    return SL_OK;
}

static sl_slice header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static void close_file(struct container *c) {
    mem_free(c);
}

static bool is_image(const unsigned char *head, size_t nbytes) {
    return (nbytes >= 3 && !memcmp(head, "\xff\xd8\xff", 3)) ||
           (nbytes >= 8 && !memcmp(head, "\x89PNG\r\n\x1a\n", 8));
}

static const char *const types[] = {"application/x-image", "image/jpeg", "image/png",
                                    "application/octet-stream", NULL};
static const char *const suffixes[] = {".jpg", ".jpeg", ".png", NULL};

const struct container_ops container_file = {.name = "file",
                                             .content_types = types,
                                             .suffixes = suffixes,
                                             .matches = is_image,
                                             .kind = SL_RECORD_BYTES,
                                             .take_records = 1,
                                             .open = open_file,
                                             .start = start_file,
                                             .next = next_file,
                                             .header = header,
                                             .close = close_file};

const struct container_ops *const container_table[] = {&container_csv, &container_jsonl, &container_tar,
                                                       &container_file, NULL};

const struct container_ops *container_by_name(const char *name) {
    for (const struct container_ops *const *c = container_table; *c; c++)
        if (!strcmp((*c)->name, name))
            return *c;
    return NULL;
}

/* "text/csv; charset=utf-8" is text/csv. */
const struct container_ops *container_by_content_type(const char *content_type) {
    size_t n = strcspn(content_type, "; ");
    for (const struct container_ops *const *c = container_table; *c; c++)
        for (const char *const *type = (*c)->content_types; *type; type++)
            if (strlen(*type) == n && !strncasecmp(*type, content_type, n))
                return *c;
    return NULL;
}
