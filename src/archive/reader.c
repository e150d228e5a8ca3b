/* reader.c: opens a shard, picks filter and container, and watches that the file stays the one that was
 * listed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "archive/header.h"
#include "archive/probe.h"
#include "support/file.h"
#include "support/mem.h"
#include "support/text.h"

#define WINDOW_NBYTES (256u << 10)
#define FILTERS 3

struct reader {
    struct stream stream; /* first: the container's view of us */
    const struct shard_list *list;
    const struct container_ops *ops;
    struct reader_options options;
    struct container *container;
    struct filter *filters[FILTERS];
    int filter; /* of the shard at hand */
    struct source source;
    size_t shard;
    bool header_checked;
    char *expected; /* the header row's names, each ended by '\n', or NULL */
};

size_t reader_nbytes(const struct reader_options *options) {
    size_t nbytes = sizeof(struct reader) + WINDOW_NBYTES;
    (void)options; /* the containers' windows are mapped and hardly touched */
    for (int i = 0; filter_table[i]; i++)
        nbytes += filter_table[i]->state_nbytes;
    return nbytes + (96u << 10);
}

static ssize_t read_stream(struct stream *stream, void *data, size_t cap, sl_error *err) {
    struct reader *r = (struct reader *)stream;
    ssize_t n = filter_table[r->filter]->read(r->filters[r->filter], &r->source, data, cap, err);
    if (n > 0)
        stream->offset += (uint64_t)n;
    return n;
}

sl_status reader_open(struct reader **out, const struct shard_list *list,
                      const struct container_ops *container, const struct reader_options *options,
                      sl_error *err) {
    struct reader *r = mem_alloc(1, sizeof *r);
    if (!r)
        return error_set(err, SL_E_MEMORY, "out of memory for a reader");
    r->stream.read = read_stream;
    r->list = list;
    r->ops = container;
    r->options = *options;
    r->source.fd = -1;
    r->source.window_cap = WINDOW_NBYTES;
    r->source.window = mem_alloc(WINDOW_NBYTES, 1);
    sl_status st = r->source.window ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for a reader");
    for (int i = 0; st == SL_OK && filter_table[i]; i++)
        st = filter_table[i]->open(&r->filters[i], err);
    if (st == SL_OK)
        st = container->open(&r->container, &options->container, err);
    if (st != SL_OK) {
        reader_close(r);
        return st;
    }
    *out = r;
    return SL_OK;
}

static void close_shard(struct reader *r) {
    if (r->source.fd >= 0)
        close(r->source.fd);
    r->source.fd = -1;
}

void reader_close(struct reader *r) {
    if (!r)
        return;
    close_shard(r);
    if (r->container)
        r->ops->close(r->container);
    for (int i = 0; filter_table[i]; i++)
        if (r->filters[i])
            filter_table[i]->close(r->filters[i]);
    mem_free(r->expected);
    mem_free(r->source.window);
    mem_free(r);
}

void reader_expect_header(struct reader *r, const char *const *names, size_t count) {
    mem_free(r->expected);
    r->expected = header_join(names, count);
}

/* What went wrong below, told of the shard. */
static sl_status of_shard(const struct reader *r, sl_error *err) {
    sl_error below = *err;
    return error_set(err, below.status, "cannot read shard '%s': %.1500s",
                     text_quote(r->list->items[r->shard].name), below.text);
}

static bool unchanged(const struct reader *r) {
    const struct shard *s = &r->list->items[r->shard];
    struct stat st;
    return fstat(r->source.fd, &st) == 0 && (uint64_t)st.st_size == s->nbytes && st.st_ino == s->inode &&
           (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == s->mtime_ns;
}

sl_status reader_start(struct reader *r, size_t shard, uint64_t skip_records, sl_error *err) {
    close_shard(r);
    r->shard = shard;
    r->source.start = r->source.end = 0;
    r->source.offset = 0;
    r->source.at_end = false;
    r->source.error = 0;
    r->stream.offset = 0;
    r->header_checked = false;
    sl_status st = probe_open(r->list, shard, &r->source.fd, err);
    if (st != SL_OK)
        return st;
    posix_fadvise(r->source.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (!unchanged(r)) {
        error_set(err, SL_E_DATA, "it changed since the job began");
        return of_shard(r, err);
    }
    st = probe_filter(&r->source, r->options.compression_type, &r->filter, err);
    if (st == SL_OK)
        st = filter_table[r->filter]->start(r->filters[r->filter], err);
    if (st == SL_OK)
        st = r->ops->start(r->container, &r->stream, r->list->items[shard].name, skip_records, err);
    return st == SL_OK ? SL_OK : of_shard(r, err);
}

static sl_status check_header(struct reader *r, sl_error *err) {
    sl_slice row = r->ops->header(r->container);
    if (!r->expected || r->header_checked || !row.nbytes)
        return SL_OK;
    r->header_checked = true;
    return header_equals(row, r->options.container.csv_delimiter, r->expected)
               ? SL_OK
               : error_set(err, SL_E_DATA, "its header names other columns than the first shard's");
}

sl_status reader_next(struct reader *r, struct block *block, sl_error *err) {
    block->kind = r->ops->kind;
    block->shard = (uint32_t)r->shard;
    sl_status st = r->ops->next(r->container, block, err);
    if (st == SL_OK)
        st = check_header(r, err);
    if (st == SL_OK && !block->cut_count && !unchanged(r))
        st = error_set(err, SL_E_DATA, "it changed while it was read");
    if (st == SL_OK)
        return SL_OK;
    block->cut_count = 0;
    return of_shard(r, err);
}

uint64_t reader_stored_offset(const struct reader *r) {
    return r->source.offset;
}

sl_slice reader_header(const struct reader *r) {
    return r->ops->header(r->container);
}
