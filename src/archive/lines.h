/* lines.h: cutting a stream at its line ends, for CSV (where a quoted field may hold one) and JSON Lines.
 *
 * A record is a line without its end (LF or CR LF); the last one needs none. A byte order mark at the start
 * of the shard belongs to no record, blank lines are no records. Bytes are read straight into the block; what
 * follows the last whole record waits in `tail` for the next block. */
#ifndef ARCHIVE_LINES_H
#define ARCHIVE_LINES_H

#include "archive/container.h"

#define LINES_HEADER_NBYTES (1u << 20) /* longest header row */

/* Where in a row the scanner stands (RFC 4180). LINE: it does not need to know. */
enum quote_state { LINE, FIELD_START, FIELD_BARE, FIELD_QUOTED, QUOTE_IN_QUOTED };

struct lines {
    /* set once */
    size_t max_record;
    bool allow_truncated, with_header;
    bool quotes;       /* a quote at the start of a field opens a quoted one */
    bool spaces_blank; /* a line of spaces and tabs is blank too */
    char delimiter, quote;
    char comment; /* a line that begins with it is no record; 0: none */
    char *tail;   /* [tail_cap] */
    size_t tail_cap;
    char *header; /* [LINES_HEADER_NBYTES] */
    /* of the shard at hand */
    struct stream *stream;
    size_t tail_start, tail_end; /* bytes read and not cut yet */
    uint64_t offset;             /* in the shard, of tail_start */
    uint64_t skip;               /* records still to drop */
    size_t header_nbytes;
    bool header_due, begun, at_end, refused;
    sl_error damage; /* status set: told when what came before is delivered */
    /* of a record that outgrew max_record: its bytes are dropped as they come */
    bool dropping, drop_cr; /* drop_cr: the last byte dropped was a '\r' */
    bool drop_comment;      /* quotes mean nothing in it */
    enum quote_state drop_state;
    uint64_t drop_offset;
};

/* `quotes` and `spaces_blank` as above; `options` are copied. */
sl_status lines_open(struct lines *lines, const struct container_options *options, bool quotes,
                     bool spaces_blank, sl_error *err);
void lines_start(struct lines *lines, struct stream *stream, uint64_t skip_records);
sl_status lines_next(struct lines *lines, struct block *block, sl_error *err);
void lines_close(struct lines *lines);

#endif
