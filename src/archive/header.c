/* header.c: one CSV row into names, and names against names. */
#include "archive/header.h"

#include <csv.h>
#include <string.h>

#include "support/mem.h"
#include "support/text.h"

/* The row is cut already: libcsv must not trim, not end it early, and not allocate. */
static int never(unsigned char c) {
    (void)c;
    return 0;
}

static void *refuse(void *p, size_t nbytes) {
    (void)p;
    (void)nbytes;
    return NULL;
}

/* Calls `take` with every field. `room` is row.nbytes + 1 bytes: no field is longer than its row. */
static sl_status split(sl_slice row, char delimiter, char quote, char *room,
                       void (*take)(void *, size_t, void *), void *ctx, sl_error *err) {
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return error_set(err, SL_E_INTERNAL, "cannot set up libcsv");
    csv_set_delim(&parser, (unsigned char)(delimiter ? delimiter : ','));
    csv_set_quote(&parser, (unsigned char)(quote ? quote : '"'));
    csv_set_space_func(&parser, never);
    csv_set_term_func(&parser, never);
    csv_set_realloc_func(&parser, refuse);
    parser.entry_buf = (unsigned char *)room; /* ours: the parser is not freed */
    parser.entry_size = row.nbytes + 1;
    size_t done = csv_parse(&parser, row.data, row.nbytes, take, NULL, ctx);
    if (done == row.nbytes && csv_fini(&parser, take, NULL, ctx) == 0)
        return SL_OK;
    return error_set(err, SL_E_DATA, "its header row has a quote where RFC 4180 allows none");
}

struct listing {
    char **names;
    char *text;
    size_t count;
};

static void list_name(void *data, size_t nbytes, void *ctx) {
    struct listing *list = ctx;
    list->names[list->count++] = list->text;
    if (nbytes)
        memcpy(list->text, data, nbytes);
    list->text[nbytes] = 0;
    list->text += nbytes + 1;
}

sl_status header_names(sl_slice row, char delimiter, char quote, char ***names, size_t *count,
                       sl_error *err) {
    size_t most = 1;
    *names = NULL;
    *count = 0;
    if (!row.nbytes)
        return SL_OK;
    for (size_t i = 0; i < row.nbytes; i++)
        most += row.data[i] == (delimiter ? delimiter : ',');
    char *room = mem_alloc(row.nbytes + 1, 1);
    struct listing list = {.names = mem_alloc(1, most * sizeof *list.names + row.nbytes + most)};
    sl_status st = SL_OK;
    if (!room || !list.names) {
        st = error_set(err, SL_E_MEMORY, "out of memory for %zu column names", most);
    } else {
        list.text = (char *)(list.names + most);
        st = split(row, delimiter, quote, room, list_name, &list, err);
    }
    mem_free(room);
    if (st != SL_OK) {
        mem_free(list.names);
        return st;
    }
    *names = list.names;
    *count = list.count;
    return SL_OK;
}

char *header_join(const char *const *names, size_t count) {
    size_t nbytes = 1;
    for (size_t i = 0; i < count; i++)
        nbytes += strlen(names[i]) + 1;
    char *joined = mem_alloc(nbytes, 1), *p = joined;
    for (size_t i = 0; joined && i < count; i++) {
        size_t n = strlen(names[i]) + 1;
        memcpy(p, names[i], n);
        p += n;
    }
    return joined;
}

struct comparison {
    const char *name;    /* the one that is expected next */
    size_t count, found; /* names expected; fields so far */
    size_t wrong;        /* the first field that differs, from 1; 0: none */
    char is[128], should_be[128];
};

static void compare_name(void *data, size_t nbytes, void *ctx) {
    struct comparison *c = ctx;
    if (++c->found > c->count || c->wrong)
        return;
    size_t n = strlen(c->name);
    if (nbytes != n || (n && memcmp(data, c->name, n))) {
        c->wrong = c->found;
        text_escape(c->is, sizeof c->is, nbytes ? data : "", nbytes);
        text_escape(c->should_be, sizeof c->should_be, c->name, n);
    }
    c->name += n + 1;
}

sl_status header_check(sl_slice row, char delimiter, char quote, const char *joined, size_t count, char *room,
                       sl_error *err) {
    struct comparison c = {.name = joined, .count = count};
    sl_status st = split(row, delimiter, quote, room, compare_name, &c, err);
    if (st == SL_OK && c.found != count)
        return error_set(err, SL_E_DATA, "its header row has %zu columns, the first shard's has %zu", c.found,
                         count);
    if (st == SL_OK && c.wrong)
        return error_set(err, SL_E_DATA,
                         "its header row names column %zu '%s', the first shard's names it '%s'", c.wrong,
                         c.is, c.should_be);
    return st;
}
