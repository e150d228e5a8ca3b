/* container_jsonl.c: JSON Lines. A line end is a line end, since a JSON string cannot hold one. */
#include <string.h>

#include "archive/container.h"
#include "archive/content.h"
#include "archive/lines.h"
#include "support/mem.h"

struct container {
    struct lines lines;
};

static sl_status open_jsonl(struct container **out, const struct container_options *options, sl_error *err) {
    struct container_options plain = *options;
    struct container *c = mem_alloc(1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for the JSON Lines container");
    plain.csv_header = false;
    sl_status st = lines_open(&c->lines, &plain, false, true, err);
    if (st != SL_OK)
        mem_free(c);
    else
        *out = c;
    return st;
}

static sl_status start_jsonl(struct container *c, struct stream *stream, const char *shard_name,
                             uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    (void)err;
    lines_start(&c->lines, stream, skip_records);
    return SL_OK;
}

static sl_status next_jsonl(struct container *c, struct block *block, sl_error *err) {
    return lines_next(&c->lines, block, err);
}

static sl_slice no_header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static void close_jsonl(struct container *c) {
    if (c)
        lines_close(&c->lines);
    mem_free(c);
}

/* The first line is a whole object or array, or does not end in sight. */
static bool matches(const unsigned char *head, size_t nbytes) {
    size_t start = 0;
    if (nbytes >= 3 && !memcmp(head, "\xef\xbb\xbf", 3))
        start = 3;
    while (start < nbytes && head[start] && strchr(" \t\r\n", head[start]))
        start++;
    if (start == nbytes || (head[start] != '{' && head[start] != '[') || !content_is_text(head, nbytes))
        return false;
    const unsigned char *feed = memchr(head + start, '\n', nbytes - start);
    size_t end = feed ? (size_t)(feed - head) : nbytes;
    while (end > start && strchr(" \t\r", head[end - 1]))
        end--;
    return (!feed && nbytes >= 4096) || head[end - 1] == (head[start] == '{' ? '}' : ']');
}

static const char *const types[] = {"application/jsonlines", "application/x-jsonlines", "application/jsonl",
                                    "application/x-ndjson", NULL};
static const char *const suffixes[] = {".jsonl", ".jsonlines", ".ndjson", NULL};

const struct container_ops container_jsonl = {.name = "jsonlines",
                                              .content_types = types,
                                              .suffixes = suffixes,
                                              .matches = matches,
                                              .kind = SL_RECORD_JSON,
                                              .take_records = 128,
                                              .open = open_jsonl,
                                              .start = start_jsonl,
                                              .next = next_jsonl,
                                              .header = no_header,
                                              .close = close_jsonl};
