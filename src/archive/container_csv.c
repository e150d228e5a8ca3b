/* container_csv.c: RFC 4180 rows. Cutting only needs to know where quoted fields begin and end; what is in a
 * row is the decoder's business. */
#include "archive/containers.h"
#include "archive/lines.h"
#include "support/mem.h"

struct container {
    struct lines lines;
};

static sl_status open_lines(struct container **out, const struct container_options *options, bool quotes,
                            sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for a container");
    sl_status st = lines_open(&c->lines, options, quotes, err);
    if (st != SL_OK) {
        mem_free(c);
        return st;
    }
    *out = c;
    return SL_OK;
}

static sl_status open_csv(struct container **out, const struct container_options *options, sl_error *err) {
    return open_lines(out, options, true, err);
}

/* JSON Lines: a line end is a line end, since JSON strings cannot hold one. */
static sl_status open_jsonl(struct container **out, const struct container_options *options, sl_error *err) {
    struct container_options plain = *options;
    plain.csv_header = false;
    return open_lines(out, &plain, false, err);
}

static sl_status start(struct container *c, struct stream *stream, const char *shard_name,
                       uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    (void)err;
    lines_start(&c->lines, stream, skip_records);
    return SL_OK;
}

static sl_status next(struct container *c, struct block *block, sl_error *err) {
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

static const char *const csv_types[] = {"text/csv", NULL};
static const char *const csv_suffixes[] = {".csv", ".tsv", ".txt", NULL};
static const char *const jsonl_types[] = {"application/jsonlines", "application/jsonl",
                                          "application/x-ndjson", "application/json", NULL};
static const char *const jsonl_suffixes[] = {".jsonl", ".jsonlines", ".ndjson", ".json", NULL};

const struct container_ops container_csv = {.name = "csv",
                                            .content_types = csv_types,
                                            .suffixes = csv_suffixes,
                                            .kind = SL_RECORD_CSV,
                                            .take_records = 256,
                                            .open = open_csv,
                                            .start = start,
                                            .next = next,
                                            .header = header,
                                            .close = close_csv};

const struct container_ops container_jsonl = {.name = "jsonlines",
                                              .content_types = jsonl_types,
                                              .suffixes = jsonl_suffixes,
                                              .kind = SL_RECORD_JSON,
                                              .take_records = 128,
                                              .open = open_jsonl,
                                              .start = start,
                                              .next = next,
                                              .header = header,
                                              .close = close_csv};
