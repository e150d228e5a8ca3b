/* container.h: what cuts the decompressed bytes of a shard into records. One const struct each in
 * container_table. */
#ifndef ARCHIVE_CONTAINER_H
#define ARCHIVE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/block.h"
#include "support/error.h"

/* Decompressed bytes of the shard at hand, as containers see them. */
struct stream {
    /* As filter_ops.read: 0 at the end, -1 with err. */
    ssize_t (*read)(struct stream *stream, void *data, size_t cap, sl_error *err);
    uint64_t offset; /* decompressed bytes delivered so far */
    bool cut_off;    /* after -1: the shard ends too early, what it has is good */
    /* Bytes from anywhere in a shard without a filter, for formats that have their directory at the end: up
     * to `cap`, 0 at the end, -1 with err. NULL behind a filter. What it reads does not move `read`. */
    ssize_t (*read_at)(struct stream *stream, uint64_t at, void *data, size_t cap, sl_error *err);
    uint64_t nbytes; /* of such a shard */
};

#define CONTAINER_NO_QUOTE '\n' /* no row holds one */

struct container_options {
    bool csv_header;          /* the first row of each shard names the columns */
    char csv_delimiter;       /* ',' */
    char csv_quote;           /* '"'; CONTAINER_NO_QUOTE: none */
    char csv_comment;         /* a line that begins with it is no record; 0: none */
    bool split_lines;         /* a line end is one inside quotes too */
    size_t max_record_nbytes; /* a longer record is a reject, not an error */
    bool allow_truncated;     /* deliver what a cut-off shard has, its torn tail as a reject */
    uint32_t
        max_expansion; /* a shard that unpacks to more than so many times its size is a bomb; 0: none is */
};

struct container;

struct container_ops {
    const char *name;                 /* "csv", "jsonlines", "tar", "file" */
    const char *const *content_types; /* {"text/csv", NULL}: what --content-type may say */
    const char *const *suffixes;      /* {".csv", NULL}, of the name without the filter's suffix */
    bool (*matches)(const unsigned char *head, size_t nbytes); /* by content; may be NULL */
    sl_record_kind kind;
    size_t state_nbytes;   /* what it may touch beyond a tail or a chunk, for the plan */
    uint32_t take_records; /* how many records a worker takes at a time: 1 for images, many for lines */
    sl_status (*open)(struct container **container, const struct container_options *options, sl_error *err);
    /* A new shard. `skip_records` records are cut but not delivered (resume); offset and index still count
     * them. */
    sl_status (*start)(struct container *container, struct stream *stream, const char *shard_name,
                       uint64_t skip_records, sl_error *err);
    /* Fills an empty block with at least one whole record, or leaves it empty at the end. SL_E_DATA when the
     * rest of the shard cannot be read; records before the damage were delivered by earlier calls or come in
     * this block with SL_OK first. Texts do not name the shard: the reader does. */
    sl_status (*next)(struct container *container, struct block *block, sl_error *err);
    /* The header row of the current shard (csv_header only), valid after the first next(); empty otherwise.
     */
    sl_slice (*header)(const struct container *container);
    /* Members of the current shard that are no records (links, devices, hidden names); may be NULL. */
    uint64_t (*left_out)(const struct container *container);
    void (*close)(struct container *container);
};

extern const struct container_ops container_csv, container_file, container_json, container_jsonl,
    container_libsvm, container_npy, container_npz, container_recordio, container_recordio_protobuf,
    container_tar, container_text, container_tfrecord, container_zip;
extern const struct container_ops *const container_table[]; /* ended by NULL; asked in this order */

/* Whether so many bytes out of so few are too many (looked at from 10 MiB on). */
bool container_expands(const struct container_options *options, uint64_t unpacked_nbytes,
                       uint64_t packed_nbytes);

const struct container_ops *container_by_name(const char *name);
/* By --content-type; NULL when nobody takes it. */
const struct container_ops *container_by_content_type(const char *content_type);

#endif
