/* container_npz.c: several NumPy arrays of one length in a zip archive, stored or deflated: row i of each, by
 * the arrays' names, is record i. */
#include <string.h>

#include "archive/array_rows.h"
#include "support/mem.h"
#include "support/text.h"

struct container {
    struct array_rows rows;
    struct zip zip;
    unsigned char *window;
    struct zip_member *member;
    uint64_t left_out;
};

static void close_npz(struct container *c) {
    if (!c)
        return;
    array_rows_close(&c->rows);
    mem_unmap(c->window, ZIP_WINDOW_NBYTES);
    mem_free(c->member);
    mem_free(c);
}

static sl_status open_npz(struct container **out, const struct container_options *options, sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (c) {
        c->window = mem_map(ZIP_WINDOW_NBYTES);
        c->member = mem_alloc(1, sizeof *c->member);
    }
    sl_status st = c && c->window && c->member
                       ? array_rows_open(&c->rows, options, ARRAY_ROWS_MOST, err)
                       : error_set(err, SL_E_MEMORY, "out of memory for the npz container");
    if (st != SL_OK)
        close_npz(c);
    else
        *out = c;
    return st;
}

static sl_status of_array(const struct zip_member *m, sl_error *below, sl_error *err) {
    return error_set(err, below->status, "its array '%.200s': %.1400s",
                     text_quote_n(m->name, m->name_nbytes < 200 ? m->name_nbytes : 200), below->text);
}

/* A part for the member when it is an array of rows. */
static sl_status take_member(struct container *c, sl_error *err) {
    struct zip_member *m = c->member;
    struct array_rows *rows = &c->rows;
    sl_error below = {0};
    sl_status st = SL_OK;
    if (m->is_directory || m->is_link || m->name_nbytes > ZIP_MAX_NAME || !text_ends_with(m->name, ".npy")) {
        c->left_out += !m->is_directory;
        return SL_OK;
    }
    size_t name_nbytes = m->name_nbytes - 4;
    struct array_part *part = array_rows_next_part(rows);
    for (size_t i = 0; st == SL_OK && i < rows->part_count; i++) {
        const struct array_part *p = &rows->parts[i];
        if (p->name_nbytes == name_nbytes &&
            !memcmp(p->prefix + p->prefix_nbytes - name_nbytes, m->name, name_nbytes))
            st = error_set(&below, SL_E_DATA, "there are two of that name");
    }
    if (st == SL_OK && !part)
        st = error_set(&below, SL_E_DATA, "there are more than %u", ARRAY_ROWS_MOST);
    if (st == SL_OK && m->refused)
        st = error_set(&below, SL_E_DATA, "%s", m->refused);
    if (st == SL_OK) {
        unzip_begin(&part->from, rows->stream, m);
        st = array_rows_add(rows, m->name, name_nbytes, &below);
    }
    return st == SL_OK ? SL_OK : of_array(m, &below, err);
}

static sl_status start_npz(struct container *c, struct stream *stream, const char *shard_name,
                           uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    int any = 1;
    c->left_out = 0;
    c->zip.directory = (struct range){.window = c->window, .cap = ZIP_WINDOW_NBYTES};
    array_rows_begin(&c->rows, stream);
    sl_status st = zip_open(&c->zip, stream, err);
    while (st == SL_OK && (any = zip_next(&c->zip, c->member, err)) > 0)
        st = take_member(c, err);
    if (st == SL_OK && any < 0)
        return err->status;
    if (st == SL_OK && !c->rows.part_count)
        st = error_set(err, SL_E_DATA, "it has no arrays");
    return st == SL_OK ? array_rows_settle(&c->rows, skip_records, err) : st;
}

static sl_status next_npz(struct container *c, struct block *block, sl_error *err) {
    return array_rows_next(&c->rows, block, err);
}

static sl_slice header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static uint64_t left_out(const struct container *c) {
    return c->left_out;
}

/* A zip whose first member is an array: how NumPy writes them. */
static bool matches(const unsigned char *head, size_t nbytes) {
    size_t name = nbytes > 30 ? (size_t)head[26] | (size_t)head[27] << 8 : 0;
    return zip_matches(head, nbytes) && head[2] == 3 && name > 4 && nbytes >= 30 + name &&
           !memcmp(head + 30 + name - 4, ".npy", 4);
}

static const char *const types[] = {"application/x-npz", NULL};
static const char *const suffixes[] = {".npz", NULL};

const struct container_ops container_npz = {
    .name = "npz",
    .content_types = types,
    .suffixes = suffixes,
    .matches = matches,
    .kind = SL_RECORD_ARRAYS,
    .state_nbytes = ARRAY_ROWS_MOST * (ARRAY_WINDOW_NBYTES + (44u << 10)) + ARRAY_GATHER_NBYTES,
    .take_records = 64,
    .open = open_npz,
    .start = start_npz,
    .next = next_npz,
    .header = header,
    .left_out = left_out,
    .close = close_npz};
