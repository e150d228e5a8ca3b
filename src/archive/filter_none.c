/* filter_none.c: bytes as they are. What the window holds comes first, then they are read straight to where
 * the container wants them: a plain shard is copied once, by the kernel. */
#include "archive/filter.h"
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

static ssize_t read_none(struct filter *filter, struct source *source, void *data, size_t cap,
                         sl_error *err) {
    (void)filter;
    ssize_t n = source_read(source, data, cap);
    if (n < 0)
        source_failed(source, err);
    return n;
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
