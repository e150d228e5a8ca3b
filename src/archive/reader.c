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
#include "archive/lines.h"
#include "archive/probe.h"
#include "support/file.h"
#include "support/mem.h"
#include "support/text.h"

#define WINDOW_NBYTES (256u << 10)
#define ZSTD_WINDOW_NBYTES (8u << 20) /* as its tool makes streams unless asked for more */

struct reader {
    struct stream stream; /* first: the container's view of us */
    const struct shard_list *list;
    const struct container_ops *ops;
    struct reader_options options;
    struct container *container;
    struct filter *filters[FILTER_COUNT];
    int filter; /* of the shard at hand */
    struct source source;
    size_t shard;
    bool started;
    uint64_t first_record; /* of the next block */
    uint64_t farthest;     /* that read_at came to, but for the very end */
    uint64_t left_out;     /* of the shards before the one at hand */
    bool header_checked;
    char *expected; /* header_join of the first shard's names, or NULL */
    size_t expected_count;
    char *header_room; /* [LINES_HEADER_NBYTES + 1], mapped and touched only by a header */
};

size_t reader_nbytes(const struct reader_options *options, const struct container_ops *container) {
    /* the mapped windows of the containers are touched as far as a tail or a chunk of tar goes */
    size_t nbytes = sizeof(struct reader) + WINDOW_NBYTES + (192u << 10);
    nbytes += container ? container->state_nbytes : 0;
    for (int i = 0; filter_table[i]; i++)
        nbytes += filter_table[i]->state_nbytes;
    nbytes += options->filter_room_nbytes;
    if (options->compression_type && !strcasecmp(options->compression_type, "zstd"))
        nbytes += ZSTD_WINDOW_NBYTES;
    return nbytes;
}

static ssize_t read_stream(struct stream *stream, void *data, size_t cap, sl_error *err) {
    struct reader *r = (struct reader *)stream;
    ssize_t n = filter_table[r->filter]->read(r->filters[r->filter], &r->source, data, cap, err);
    if (n > 0)
        stream->offset += (uint64_t)n;
    stream->cut_off = n < 0 && r->source.cut_off;
    if (n > 0 && container_expands(&r->options.container, stream->offset, source_position(&r->source))) {
        error_set(err, SL_E_DATA, "it unpacks to more than %u times its size by byte %llu (--max-expansion)",
                  r->options.container.max_expansion, (unsigned long long)source_position(&r->source));
        return -1;
    }
    return n;
}

/* Anywhere in a shard without a filter; progress is the farthest that was read. */
static ssize_t read_stream_at(struct stream *stream, uint64_t at, void *data, size_t cap, sl_error *err) {
    struct reader *r = (struct reader *)stream;
    ssize_t n = file_pread(r->source.fd, data, cap, at);
    if (n < 0)
        error_errno(err, SL_E_IO, errno, "read failed at byte %llu", (unsigned long long)at);
    else if (at + (uint64_t)n > r->farthest && at + (uint64_t)n < stream->nbytes)
        r->farthest = at + (uint64_t)n;
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
    r->source.window = mem_map(WINDOW_NBYTES);
    r->header_room = mem_map(LINES_HEADER_NBYTES + 1);
    sl_status st = r->source.window && r->header_room
                       ? SL_OK
                       : error_set(err, SL_E_MEMORY, "out of memory for a reader");
    for (int i = 0; st == SL_OK && filter_table[i]; i++)
        if ((st = filter_table[i]->open(&r->filters[i], err)) == SL_OK && filter_table[i]->give_room &&
            options->filter_room_nbytes)
            st = filter_table[i]->give_room(r->filters[i], options->filter_room_nbytes, err);
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
    mem_unmap(r->header_room, LINES_HEADER_NBYTES + 1);
    mem_unmap(r->source.window, WINDOW_NBYTES);
    mem_free(r);
}

void reader_expect_header(struct reader *r, const char *const *names, size_t count) {
    mem_free(r->expected);
    r->expected = header_join(names, count);
    r->expected_count = count;
}

/* What went wrong below, told of the shard. */
static sl_status of_shard(const struct reader *r, const sl_error *below, sl_error *err) {
    return error_set(err, below->status, "cannot read shard '%s': %.1400s",
                     text_quote(r->list->items[r->shard].name), below->text);
}

static uint64_t shard_left_out(const struct reader *r) {
    return r->started && r->ops->left_out ? r->ops->left_out(r->container) : 0;
}

/* A reader is opened for one container: a shard whose name says another is refused, not misread. */
static sl_status check_kind(const struct reader *r, sl_error *err) {
    const struct container_ops *named = probe_name(r->list->items[r->shard].name, &r->options);
    if (r->options.content_type || !named || named == r->ops)
        return SL_OK;
    return error_set(err, SL_E_DATA, "it is %s, while the others are %s", named->name, r->ops->name);
}

static bool unchanged(const struct reader *r) {
    const struct shard *s = &r->list->items[r->shard];
    struct stat st;
    return fstat(r->source.fd, &st) == 0 && (uint64_t)st.st_size == s->nbytes && st.st_ino == s->inode &&
           (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == s->mtime_ns;
}

sl_status reader_start(struct reader *r, size_t shard, uint64_t skip_records, sl_error *err) {
    close_shard(r);
    r->left_out += shard_left_out(r);
    r->started = false;
    r->shard = shard;
    r->source = (struct source){.fd = -1, .window = r->source.window, .window_cap = WINDOW_NBYTES};
    r->stream = (struct stream){.read = read_stream};
    r->first_record = skip_records;
    r->header_checked = false;
    r->farthest = 0;
    sl_error below = {0};
    sl_status st = probe_open(r->list, shard, &r->source.fd, err);
    if (st != SL_OK)
        return st;
    posix_fadvise(r->source.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (!unchanged(r))
        st = error_set(&below, SL_E_DATA, "it changed after the input was listed");
    if (st == SL_OK)
        st = check_kind(r, &below);
    if (st == SL_OK)
        st = probe_filter(&r->source, r->options.compression_type, &r->filter, &below);
    if (st == SL_OK)
        st = filter_table[r->filter]->start(r->filters[r->filter], &below);
    if (st == SL_OK && filter_table[r->filter] == &filter_none) {
        r->stream.read_at = read_stream_at;
        r->stream.nbytes = r->list->items[shard].nbytes;
    }
    if (st == SL_OK)
        st = r->ops->start(r->container, &r->stream, r->list->items[shard].name, skip_records, &below);
    r->started = st == SL_OK;
    return st == SL_OK ? SL_OK : of_shard(r, &below, err);
}

static sl_status check_header(struct reader *r, sl_error *err) {
    sl_slice row = r->ops->header(r->container);
    if (!r->expected_count || r->header_checked || !row.nbytes)
        return SL_OK;
    if (!r->expected)
        return error_set(err, SL_E_MEMORY, "out of memory for the names of its columns");
    r->header_checked = true;
    return header_check(row, r->options.container.csv_delimiter, r->options.container.csv_quote, r->expected,
                        r->expected_count, r->header_room, err);
}

sl_status reader_next(struct reader *r, struct block *block, sl_error *err) {
    sl_error below = {0};
    block_reset(block);
    block->kind = r->ops->kind;
    block->shard = (uint32_t)r->shard;
    block->first_record = r->first_record;
    sl_status st = r->started ? r->ops->next(r->container, block, &below)
                              : error_set(&below, SL_E_INTERNAL, "it was not opened");
    if (st == SL_OK)
        st = check_header(r, &below);
    if (st == SL_OK && !block->cut_count && !unchanged(r))
        st = error_set(&below, SL_E_DATA, "it changed while it was read");
    r->first_record += block->cut_count;
    if (st == SL_OK)
        return SL_OK;
    block->cut_count = 0;
    r->left_out += shard_left_out(r);
    r->started = false;
    return of_shard(r, &below, err);
}

uint64_t reader_left_out(const struct reader *r) {
    return r->left_out + shard_left_out(r);
}

uint64_t reader_stored_offset(const struct reader *r) {
    uint64_t read = source_position(&r->source);
    return read > r->farthest ? read : r->farthest;
}

sl_slice reader_header(const struct reader *r) {
    return r->ops->header(r->container);
}
