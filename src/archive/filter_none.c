/* filter_none.c: bytes as they are, and the table of filters. */
#include <errno.h>
#include <string.h>

#include "archive/filters.h"
#include "support/mem.h"

struct filter {
    char unused;
};

static sl_status open_none(struct filter **filter, sl_error *err) {
    *filter = mem_alloc(1, sizeof **filter);
    return *filter ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for a filter");
}

static sl_status start_none(struct filter *filter, sl_error *err) {
    (void)filter;
    (void)err;
    return SL_OK;
}

sl_status source_failed(const struct source *source, sl_error *err) {
    return error_errno(err, SL_E_IO, source->error, "cannot read at byte %llu",
                       (unsigned long long)source->offset);
}

static ssize_t read_none(struct filter *filter, struct source *source, void *data, size_t cap,
                         sl_error *err) {
    (void)filter;
    if (!source_fill(source)) {
        if (!source->error)
            return 0;
        source_failed(source, err);
        return -1;
    }
    size_t n = source->end - source->start;
    n = n < cap ? n : cap;
    memcpy(data, source->window + source->start, n);
    source->start += n;
    return (ssize_t)n;
}

static void close_none(struct filter *filter) {
    mem_free(filter);
}

static const char *const suffixes[] = {NULL};

const struct filter_ops filter_none = {.name = "none",
                                       .suffixes = suffixes,
                                       .open = open_none,
                                       .start = start_none,
                                       .read = read_none,
                                       .close = close_none};

const struct filter_ops *const filter_table[] = {&filter_none, &filter_gzip, &filter_zstd, NULL};
