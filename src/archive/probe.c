/* probe.c: recognises filters by content, containers by name and then by content, and names what it does not
 * read. */
#include "archive/probe.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

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
        return error_set(err, SL_E_DATA, "cannot read shard '%s': not a regular file", text_quote(name));
    sl_status st = errno == ENOENT ? SL_E_NOINPUT : errno == EACCES ? SL_E_PERMISSION : SL_E_IO;
    return error_errno(err, st, errno, "cannot open shard '%s'", text_quote(name));
}

/* SageMaker's names, and Zstd. -1: by content. */
static sl_status filter_by_type(const char *type, int *filter, sl_error *err) {
    static const char *const types[] = {"None", "Gzip", "Zstd"};
    *filter = -1;
    if (!type)
        return SL_OK;
    for (int i = 0; i < 3; i++)
        if (!strcasecmp(type, types[i])) {
            *filter = i;
            return SL_OK;
        }
    return error_set(err, SL_E_USAGE, "unknown compression type '%s': known are None, Gzip, Zstd",
                     text_quote(type));
}

sl_status probe_filter(struct source *source, const char *compression_type, int *filter, sl_error *err) {
    sl_status st = filter_by_type(compression_type, filter, err);
    if (st != SL_OK || *filter >= 0)
        return st;
    *filter = 0;
    if (!source_fill(source))
        return source->error ? error_errno(err, SL_E_IO, source->error, "cannot read its first bytes")
                             : SL_OK;
    for (int i = 1; filter_table[i]; i++)
        if (filter_table[i]->matches(source->window + source->start, source->end - source->start))
            *filter = i;
    return SL_OK;
}

/* What people also have, and sluice does not read. */
static const char *looks_like(const unsigned char *head, size_t nbytes) {
    static const struct {
        const char *magic;
        size_t nbytes, at;
        const char *what;
    } table[] = {
        {"\xfd"
         "7zXZ",
         5, 0, "xz-compressed"},
        {"BZh", 3, 0, "bzip2-compressed"},
        {"\x04\x22\x4d\x18", 4, 0, "lz4-compressed"},
        {"PK\x03\x04", 4, 0, "a zip file"},
        {"7z\xbc\xaf", 4, 0, "a 7z file"},
        {"PAR1", 4, 0, "a Parquet file"},
        {"ARROW1", 6, 0, "an Arrow file"},
        {"\x93NUMPY", 6, 0, "a NumPy file"},
        {"\x89HDF", 4, 0, "an HDF5 file"},
        {"GIF8", 4, 0, "a GIF image"},
        {"BM", 2, 0, "a BMP image"},
        {"WEBP", 4, 8, "a WebP image"},
        {"%PDF", 4, 0, "a PDF"},
        {"\xff\xfe", 2, 0, "UTF-16 text"},
        {"\xfe\xff", 2, 0, "UTF-16 text"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (nbytes >= table[i].at + table[i].nbytes &&
            !memcmp(head + table[i].at, table[i].magic, table[i].nbytes))
            return table[i].what;
    for (size_t i = 0; i < nbytes; i++)
        if (head[i] < 9)
            return "binary of a kind sluice does not know";
    return "text of a kind its name does not tell";
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

static const struct container_ops *container_by_suffix(const char *name) {
    size_t whole = strlen(name), nbytes = whole;
    for (int i = 0; filter_table[i]; i++) {
        size_t left = without_suffix(name, whole, filter_table[i]->suffixes);
        nbytes = left ? left : nbytes;
    }
    for (const struct container_ops *const *c = container_table; *c; c++)
        if (without_suffix(name, nbytes, (*c)->suffixes) || without_suffix(name, whole, (*c)->suffixes))
            return *c;
    return NULL;
}

/* The first decompressed bytes. */
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

static sl_status by_content(const char *name, struct source *source, int filter,
                            const struct container_ops **container, sl_error *err) {
    unsigned char head[HEAD_NBYTES];
    ssize_t n = read_head(source, filter, head, sizeof head, err);
    if (n < 0)
        return err->status;
    for (const struct container_ops *const *c = container_table; *c; c++)
        if ((*c)->matches && (*c)->matches(head, (size_t)n)) {
            *container = *c;
            return SL_OK;
        }
    return error_set(err, SL_E_DATA, "cannot tell what shard '%s' is: %s; say with --content-type",
                     text_quote(name), n ? looks_like(head, (size_t)n) : "empty");
}

sl_status archive_probe(const struct shard_list *list, size_t shard, const struct reader_options *options,
                        const struct container_ops **container, const char **filter_name, sl_error *err) {
    unsigned char window[HEAD_NBYTES];
    struct source source = {.fd = -1, .window = window, .window_cap = sizeof window};
    const char *name = list->items[shard].name;
    int filter = 0;
    *container = NULL;
    if (options->content_type && !(*container = container_by_content_type(options->content_type)))
        return error_set(err, SL_E_USAGE, "unknown content type '%s'", text_quote(options->content_type));
    sl_status st = probe_open(list, shard, &source.fd, err);
    if (st != SL_OK)
        return st;
    st = probe_filter(&source, options->compression_type, &filter, err);
    *filter_name = filter_table[filter]->name;
    if (st == SL_OK && !*container)
        *container = container_by_suffix(name);
    if (st == SL_OK && !*container)
        st = by_content(name, &source, filter, container, err);
    close(source.fd);
    return st;
}

sl_status archive_csv_header(const struct shard_list *list, size_t shard,
                             const struct reader_options *options, char ***names, size_t *count,
                             sl_error *err) {
    struct reader *reader = NULL;
    struct block block = {0};
    sl_status st = reader_open(&reader, list, container_by_name("csv"), options, err);
    if (st == SL_OK)
        st = block_open(&block, 64u << 10, (64u << 10) + options->container.max_record_nbytes + (2u << 20), 1,
                        1, err);
    if (st == SL_OK)
        st = reader_start(reader, shard, 0, err);
    if (st == SL_OK)
        st = reader_next(reader, &block, err);
    if (st == SL_OK)
        st = header_names(reader_header(reader), options->container.csv_delimiter, names, count, err);
    block_close(&block);
    reader_close(reader);
    return st;
}
