/* archive.h: BYTES INTO RECORDS. Opens a shard, picks filter and container, and fills blocks. */
#ifndef ARCHIVE_ARCHIVE_H
#define ARCHIVE_ARCHIVE_H

#include "archive/block.h"
#include "archive/container.h"
#include "archive/shard.h"

struct reader_options {
    const char *content_type;     /* NULL: by name and content */
    bool txt_is_text;             /* what a .txt is where nobody says: a text a line; else a table */
    const char *compression_type; /* NULL: by content; "None", "Gzip" as SageMaker says it, "Zstd", ... */
    struct container_options container;
    size_t filter_room_nbytes; /* memory of a reader for filters that can use it to be faster; 0: none */
};

/* What a shard would be read as, from its name and first bytes. SL_E_NOINPUT/SL_E_IO when it cannot be
 * opened, SL_E_DATA when nobody recognises it (says what it looks like: lzip, zip, parquet, ...). */
sl_status archive_probe(const struct shard_list *list, size_t shard, const struct reader_options *options,
                        const struct container_ops **container, const char **filter_name, sl_error *err);

/* Whether the name says that fields are between tabs: .tsv, also behind a filter's suffix. */
bool archive_is_tsv(const char *name);

/* The names in the first row of a CSV shard (csv_header), for the plan. *names and its texts are one
 * mem_alloc block: free with mem_free(*names). NULL and 0 when the shard has no row. */
sl_status archive_csv_header(const struct shard_list *list, size_t shard,
                             const struct reader_options *options, char ***names, size_t *count,
                             sl_error *err);

struct reader; /* used by one thread at a time */

/* Allocates everything a reader needs for any number of shards. */
sl_status reader_open(struct reader **reader, const struct shard_list *list,
                      const struct container_ops *container, const struct reader_options *options,
                      sl_error *err);
/* Bytes a reader holds, its libraries' state included: for the plan. The window of a zstd stream (8 MiB as
 * its tool makes them) is counted when compression_type says Zstd. */
size_t reader_nbytes(const struct reader_options *options, const struct container_ops *container);
/* Begins a shard, after `skip_records` records. Errors: SL_E_NOINPUT (gone), SL_E_IO, SL_E_PERMISSION,
 * SL_E_DATA. */
sl_status reader_start(struct reader *reader, size_t shard, uint64_t skip_records, sl_error *err);
/* Fills the block with the next records; block->cut_count is 0 at the end of the shard. Sets block->shard,
 * first_record and kind. SL_E_DATA for damage (what came before it was delivered), for a csv header that
 * names other columns than reader_expect_header said, and when the shard changed (size, mtime) while it was
 * read. */
sl_status reader_next(struct reader *reader, struct block *block, sl_error *err);
/* The names are copied. Without this call any header is taken. */
void reader_expect_header(struct reader *reader, const char *const *names, size_t count);
/* Stored bytes of this shard that were used, for progress. */
uint64_t reader_stored_offset(const struct reader *reader);
/* Tar members so far, over all shards, that are no records: links, devices, hidden names. */
uint64_t reader_left_out(const struct reader *reader);
void reader_close(struct reader *reader);

#endif
