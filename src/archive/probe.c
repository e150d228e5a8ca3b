/* probe.c: recognises filters by content, containers by name and then by content, and names what it does not
 * read. */
#include "archive/probe.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "archive/content.h"
#include "archive/header.h"
#include "support/file.h"
#include "support/mem.h"
#include "support/text.h"

#define HEAD_NBYTES 4096

sl_status probe_open(const struct shard_list *list, size_t shard, int *fd, sl_error *err) {
    const char *name = list->items[shard].name;
    *fd = file_open_regular(list->dir_fd, name);
    if (*fd >= 0)
        return SL_OK;
    if (errno == ELOOP || errno == EINVAL)
        return error_set(err, SL_E_NOINPUT, "cannot open shard '%s': it is not a regular file",
                         text_quote(name));
    sl_status st = errno == ENOENT || errno == ENOTDIR ? SL_E_NOINPUT : SL_E_IO;
    return error_errno(err, st, errno, "cannot open shard '%s'", text_quote(name));
}

/* SageMaker's names, and those of the other filters. -1: by content. */
static sl_status filter_by_type(const char *type, int *filter, sl_error *err) {
    static const char *const types[] = {"None", "Gzip", "Zstd", "Bzip2", "Xz", "Lz4"};
    *filter = -1;
    if (!type)
        return SL_OK;
    for (int i = 0; i < FILTER_COUNT; i++)
        if (!strcasecmp(type, types[i])) {
            *filter = i;
            return SL_OK;
        }
    return error_set(err, SL_E_USAGE,
                     "unknown compression type '%s': known are None, Gzip, Zstd, Bzip2, Xz, Lz4",
                     text_quote(type));
}

sl_status probe_filter(struct source *source, const char *compression_type, int *filter, sl_error *err) {
    sl_status st = filter_by_type(compression_type, filter, err);
    if (st != SL_OK)
        return st;
    if (!source_fill(source)) { /* no bytes: whatever the filter, a shard of nothing */
        *filter = 0;
        return source->error ? source_failed(source, err) : SL_OK;
    }
    for (int i = 1; *filter < 0 && filter_table[i]; i++)
        if (filter_table[i]->matches(source->window + source->start, source->end - source->start))
            *filter = i;
    if (*filter < 0)
        *filter = 0;
    return SL_OK;
}

/* Does NAME end in one of the suffixes, in any case? Returns the length without it, or 0. */
static size_t without_suffix(const char *name, size_t nbytes, const char *const *suffixes) {
    for (; *suffixes; suffixes++) {
        size_t n = strlen(*suffixes);
        if (nbytes > n && !strncasecmp(name + nbytes - n, *suffixes, n))
            return nbytes - n;
    }
    return 0;
}

/* Does NAME end so, behind a filter's suffix or without one? */
static bool has_suffix(const char *name, const char *const *suffixes) {
    size_t whole = strlen(name), nbytes = whole;
    for (int i = 0; filter_table[i]; i++) {
        size_t left = without_suffix(name, whole, filter_table[i]->suffixes);
        nbytes = left ? left : nbytes;
    }
    return without_suffix(name, nbytes, suffixes) || without_suffix(name, whole, suffixes);
}

const struct container_ops *probe_name(const char *name, const struct reader_options *options) {
    static const char *const txt[] = {".txt", NULL};
    if (options->txt_is_text && has_suffix(name, txt))
        return &container_text;
    for (const struct container_ops *const *c = container_table; *c; c++)
        if (has_suffix(name, (*c)->suffixes))
            return *c;
    return NULL;
}

bool archive_is_tsv(const char *name) {
    static const char *const tsv[] = {".tsv", ".tab", NULL};
    return has_suffix(name, tsv);
}

/* The first decompressed bytes, as many as there are; -1 with err when damage comes first. */
static ssize_t read_head(struct source *source, int filter, unsigned char *head, size_t cap, sl_error *err) {
    struct filter *f;
    const struct filter_ops *ops = filter_table[filter];
    if (ops->open(&f, err) != SL_OK)
        return -1;
    ssize_t n = -1;
    size_t used = 0;
    if (ops->start(f, err) == SL_OK)
        while (used < cap && (n = ops->read(f, source, head + used, cap - used, err)) > 0)
            used += (size_t)n;
    ops->close(f);
    return n < 0 && !used ? -1 : (ssize_t)used;
}

/* The name says nothing: what do the bytes say? */
static sl_status probe_content(struct source *source, int filter, const struct container_ops **container,
                               sl_error *err) {
    unsigned char head[HEAD_NBYTES];
    sl_error below = {0};
    ssize_t n = read_head(source, filter, head, sizeof head, &below);
    if (n < 0)
        return error_set(err, below.status, "%s", below.text);
    for (const struct container_ops *const *c = container_table; *c; c++)
        if ((*c)->matches && (*c)->matches(head, (size_t)n)) {
            *container = *c;
            return SL_OK;
        }
    const char *what = content_refused(head, (size_t)n);
    if (what)
        return error_set(err, SL_E_DATA, "it is %s", what);
    const char *like = !n ? "it is empty and has no suffix"
                       : !content_is_text(head, (size_t)n)
                           ? "it is binary of a kind that is not known"
                           : "it is text of a kind that its name does not tell";
    return error_set(err, SL_E_DATA, "%s; say what it is with --content-type", like);
}

/* What contradicts a name: text that is a zip archive. */
static sl_status check_content(const struct source *source, const struct container_ops *container,
                               sl_error *err) {
    const unsigned char *head = source->window + source->start;
    size_t nbytes = source->end - source->start;
    if (container == &container_file || (container->matches && container->matches(head, nbytes)))
        return SL_OK;
    const char *what = content_refused(head, nbytes);
    return what ? error_set(err, SL_E_DATA, "it is %s", what) : SL_OK;
}

static sl_status probe(struct source *source, const char *name, const struct reader_options *options,
                       const struct container_ops **container, int *filter, sl_error *err) {
    sl_status st = probe_filter(source, options->compression_type, filter, err);
    if (st != SL_OK || *container)
        return st;
    *container = probe_name(name, options);
    if (!*container)
        return probe_content(source, *filter, container, err);
    return *filter ? SL_OK : check_content(source, *container, err);
}

static sl_status unknown_type(const char *content_type, sl_error *err) {
    error_set(err, SL_E_USAGE, "unknown content type '%s': known are ", text_quote(content_type));
    for (const struct container_ops *const *c = container_table; *c; c++)
        error_append(err, "%s%s", c == container_table ? "" : ", ", (*c)->content_types[0]);
    return SL_E_USAGE;
}

sl_status archive_probe(const struct shard_list *list, size_t shard, const struct reader_options *options,
                        const struct container_ops **container, const char **filter_name, sl_error *err) {
    unsigned char window[HEAD_NBYTES];
    struct source source = {.fd = -1, .window = window, .window_cap = sizeof window};
    const char *name = list->items[shard].name;
    sl_error below = {0};
    int filter = 0;
    *container = NULL;
    if (options->content_type && !(*container = container_by_content_type(options->content_type)))
        return unknown_type(options->content_type, err);
    sl_status st = probe_open(list, shard, &source.fd, err);
    if (st != SL_OK)
        return st;
    st = probe(&source, name, options, container, &filter, &below);
    close(source.fd);
    *filter_name = filter_table[filter < 0 ? 0 : filter]->name;
    if (st == SL_OK || st == SL_E_USAGE)
        return st == SL_OK ? SL_OK : error_set(err, st, "%s", below.text);
    *container = NULL;
    return error_set(err, st, "cannot read shard '%s': %.1400s", text_quote(name), below.text);
}

sl_status archive_csv_header(const struct shard_list *list, size_t shard,
                             const struct reader_options *options, char ***names, size_t *count,
                             sl_error *err) {
    struct reader *reader = NULL;
    struct block block = {0};
    struct reader_options with = *options;
    with.container.csv_header = true;
    *names = NULL;
    *count = 0;
    sl_status st = reader_open(&reader, list, &container_csv, &with, err);
    if (st == SL_OK)
        st = block_open(&block, 64u << 10, (128u << 10) + with.container.max_record_nbytes, 1, 1, err);
    if (st == SL_OK)
        st = reader_start(reader, shard, 0, err);
    if (st == SL_OK)
        st = reader_next(reader, &block, err);
    if (st == SL_OK || (st == SL_E_DATA && reader_header(reader).nbytes)) { /* damage later on */
        sl_error below = {0};
        st = header_names(reader_header(reader), with.container.csv_delimiter, with.container.csv_quote,
                          names, count, &below);
        if (st != SL_OK)
            error_set(err, st, "cannot read shard '%s': %s", text_quote(list->items[shard].name), below.text);
    }
    block_close(&block);
    reader_close(reader);
    return st;
}
