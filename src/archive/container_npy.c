/* container_npy.c: a NumPy array, whose rows (along its first dimension) are the records. Read, not mapped,
 * though a row is never copied more often than that: a file that shrinks under us must be an error, not a
 * SIGBUS. */
#include <string.h>

#include "archive/array_rows.h"
#include "support/mem.h"

struct container {
    struct array_rows rows;
};

static sl_status open_npy(struct container **out, const struct container_options *options, sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for the npy container");
    sl_status st = array_rows_open(&c->rows, options, 1, err);
    if (st != SL_OK)
        mem_free(c);
    else
        *out = c;
    return st;
}

static sl_status start_npy(struct container *c, struct stream *stream, const char *shard_name,
                           uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    array_rows_begin(&c->rows, stream);
    struct array_part *part = array_rows_next_part(&c->rows);
    unzip_begin_plain(&part->from, stream);
    sl_status st = array_rows_add(&c->rows, "", 0, err);
    return st == SL_OK ? array_rows_settle(&c->rows, skip_records, err) : st;
}

static sl_status next_npy(struct container *c, struct block *block, sl_error *err) {
    return array_rows_next(&c->rows, block, err);
}

static sl_slice header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static void close_npy(struct container *c) {
    if (c)
        array_rows_close(&c->rows);
    mem_free(c);
}

static bool matches(const unsigned char *head, size_t nbytes) {
    return npy_matches(head, nbytes);
}

static const char *const types[] = {"application/x-npy", NULL};
static const char *const suffixes[] = {".npy", NULL};

const struct container_ops container_npy = {.name = "npy",
                                            .content_types = types,
                                            .suffixes = suffixes,
                                            .matches = matches,
                                            .kind = SL_RECORD_ARRAYS,
                                            .state_nbytes = 2u * ARRAY_WINDOW_NBYTES + ARRAY_GATHER_NBYTES,
                                            .take_records = 64,
                                            .open = open_npy,
                                            .start = start_npy,
                                            .next = next_npy,
                                            .header = header,
                                            .close = close_npy};
