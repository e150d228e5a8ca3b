/* filter.h: what turns stored bytes into the bytes of the container, exactly one layer, chosen by content.
 *
 * One const struct each in filter_table. A reader opens one of each at start and reuses it for every shard.
 */
#ifndef ARCHIVE_FILTER_H
#define ARCHIVE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/error.h"

/* Stored bytes of one shard: a descriptor and a window over it. */
struct source {
    int fd;
    uint64_t offset; /* stored bytes taken from fd */
    unsigned char *window;
    size_t window_cap, start, end; /* unread bytes are [start, end) */
    bool at_end;                   /* fd gave its last byte */
    int error;                     /* errno of a failed read, 0 otherwise */
    bool cut_off;                  /* a filter met the end inside its data, as against damage */
};

/* Makes sure the window is not empty; false at the end or on an error (source->error). */
bool source_fill(struct source *source);
/* Up to `cap` bytes: what the window holds, else straight from the descriptor. 0 at the end, -1 on an error.
 */
ssize_t source_read(struct source *source, void *data, size_t cap);
/* Stored bytes that were used: source->offset without what is still in the window. */
uint64_t source_position(const struct source *source);
/* Goes on from there, which must be a place in the file. False with source->error. */
bool source_seek(struct source *source, uint64_t position);
/* err for a source whose read failed. Returns its status. */
sl_status source_failed(const struct source *source, sl_error *err);

struct filter; /* state of one filter instance */

struct filter_ops {
    const char *name;            /* "none", "gzip", "zstd", "bzip2", "xz", "lz4" */
    const char *const *suffixes; /* {".gz", NULL}: taken off to find the container by name */
    size_t state_nbytes;         /* what the library behind it takes, for the plan */
    bool (*matches)(const unsigned char *head, size_t nbytes); /* by magic; NULL for none */
    sl_status (*open)(struct filter **filter, sl_error *err);
    sl_status (*start)(struct filter *filter, sl_error *err); /* forget the last shard */
    /* Up to `cap` decompressed bytes; 0 at the clean end; -1 with err (SL_E_DATA truncated or corrupt, naming
     * the stored offset; SL_E_IO), and again at every later call. Bytes decoded before the damage are
     * delivered first. Continues over concatenated members; trailing zeros are skipped; other trailing bytes
     * are damage. A source of no bytes at all is a clean end. The text does not name the shard. */
    ssize_t (*read)(struct filter *filter, struct source *source, void *data, size_t cap, sl_error *err);
    void (*close)(struct filter *filter);
    /* Right after open: so many bytes of memory may be used to decode faster. NULL: it has no use for them.
     */
    sl_status (*give_room)(struct filter *filter, size_t nbytes, sl_error *err);
};

extern const struct filter_ops filter_none, filter_gzip, filter_zstd, filter_bzip2, filter_xz, filter_lz4;
extern const struct filter_ops *const filter_table[]; /* ended by NULL; [0] is none */
#define FILTER_COUNT 6

#endif
