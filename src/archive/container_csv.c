/* container_csv.c: RFC 4180 rows. Cutting only needs to know where quoted fields begin and end; what is in a
 * row is the decoder's business. */
#include <string.h>

#include "archive/container.h"
#include "archive/content.h"
#include "archive/lines.h"
#include "support/mem.h"

struct container {
    struct lines lines;
};

static sl_status open_csv(struct container **out, const struct container_options *options, sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for the CSV container");
    sl_status st = lines_open(&c->lines, options, !options->split_lines, false, err);
    if (st != SL_OK)
        mem_free(c);
    else
        *out = c;
    return st;
}

static sl_status start_csv(struct container *c, struct stream *stream, const char *shard_name,
                           uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    (void)err;
    lines_start(&c->lines, stream, skip_records);
    return SL_OK;
}

static sl_status next_csv(struct container *c, struct block *block, sl_error *err) {
    return lines_next(&c->lines, block, err);
}

static sl_slice header(const struct container *c) {
    return (sl_slice){c->lines.header, c->lines.header_nbytes};
}

static void close_csv(struct container *c) {
    if (c)
        lines_close(&c->lines);
    mem_free(c);
}

/* Text whose first line holds a comma, or nothing but a number. */
static bool matches(const unsigned char *head, size_t nbytes) {
    const char *text = (const char *)head;
    size_t n = 0;
    bool comma = false, number = true;
    for (; n < nbytes && text[n] != '\n' && text[n] != '\r'; n++) {
        comma = comma || text[n] == ',';
        number = number && text[n] && strchr("+-.0123456789eE", text[n]);
    }
    return n && (comma || number) && content_is_text(head, nbytes) && !content_refused(head, nbytes);
}

static const char *const types[] = {"text/csv", "text/tab-separated-values", NULL};
static const char *const suffixes[] = {".csv", ".tsv", ".tab", ".txt", NULL};

const struct container_ops container_csv = {.name = "csv",
                                            .content_types = types,
                                            .suffixes = suffixes,
                                            .matches = matches,
                                            .kind = SL_RECORD_CSV,
                                            .take_records = 512,
                                            .open = open_csv,
                                            .start = start_csv,
                                            .next = next_csv,
                                            .header = header,
                                            .close = close_csv};
