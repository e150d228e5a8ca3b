/* lines.h: cutting a stream at its line ends, for CSV (where a quoted field may hold one) and JSON Lines.
 *
 * A block gets whole records only; the unfinished tail waits in the cutter. Blank lines are no records. */
#ifndef ARCHIVE_LINES_H
#define ARCHIVE_LINES_H

#include "archive/container.h"

struct lines {
    /* set once */
    struct container_options options;
    bool quotes; /* a '"' at the start of a field opens a quoted one (RFC 4180) */
    char *tail;  /* [tail_cap]: bytes read after the last whole record */
    size_t tail_cap;
    char *header; /* [HEADER_NBYTES], with options.csv_header */
    size_t header_nbytes;
    /* of the shard at hand */
    struct stream *stream;
    size_t tail_nbytes;
    uint64_t offset; /* in the decompressed shard, of the tail's first byte */
    uint64_t index;  /* of the next record */
    uint64_t skip;   /* records before this one are not delivered */
    bool want_header, started, at_end;
    /* of the record that is being cut */
    size_t scanned; /* bytes of it that were looked at */
    enum { FIELD_START, FIELD_PLAIN, FIELD_QUOTED, FIELD_QUOTE } field;
    bool skipping; /* it is too long: its bytes are dropped, its length counted */
    uint64_t skipped_nbytes;
    sl_error damage; /* status set: the stream broke, and was reported or will be */
};

#define HEADER_NBYTES (1u << 20)

sl_status lines_open(struct lines *lines, const struct container_options *options, bool quotes,
                     sl_error *err);
void lines_start(struct lines *lines, struct stream *stream, uint64_t skip_records);
sl_status lines_next(struct lines *lines, struct block *block, sl_error *err);
void lines_close(struct lines *lines);

#endif
