/* container_text.c: plain text, one record a line: a sentence, a document. Blank lines are no records. */
#include "archive/container.h"
#include "archive/lines.h"
#include "support/mem.h"

struct container {
    struct lines lines;
};

static sl_status open_text(struct container **out, const struct container_options *options, sl_error *err) {
    struct container_options plain = *options;
    struct container *c = mem_alloc(1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for the text container");
    plain.csv_header = false;
    sl_status st = lines_open(&c->lines, &plain, false, true, err);
    if (st != SL_OK)
        mem_free(c);
    else
        *out = c;
    return st;
}

static sl_status start_text(struct container *c, struct stream *stream, const char *shard_name,
                            uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    (void)err;
    lines_start(&c->lines, stream, skip_records);
    return SL_OK;
}

static sl_status next_text(struct container *c, struct block *block, sl_error *err) {
    return lines_next(&c->lines, block, err);
}

static sl_slice no_header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static void close_text(struct container *c) {
    if (c)
        lines_close(&c->lines);
    mem_free(c);
}

static const char *const types[] = {"text/plain", NULL};
static const char *const suffixes[] = {".text", NULL}; /* and .txt, where a model takes text: probe.c */

const struct container_ops container_text = {.name = "text",
                                             .content_types = types,
                                             .suffixes = suffixes,
                                             .kind = SL_RECORD_TEXT,
                                             .take_records = 128,
                                             .open = open_text,
                                             .start = start_text,
                                             .next = next_text,
                                             .header = no_header,
                                             .close = close_text};
