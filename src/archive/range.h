/* range.h: the bytes of a shard between two places, in order, through a window. Where the shard can be read
 * anywhere (no filter) a range may begin anywhere and several may be open; else it is the rest of the stream.
 */
#ifndef ARCHIVE_RANGE_H
#define ARCHIVE_RANGE_H

#include "archive/container.h"

#define RANGE_OPEN_END UINT64_MAX /* the range ends where the stream does */

struct range {
    unsigned char *window; /* [cap], the owner's */
    size_t cap;
    struct stream *stream;
    uint64_t at, end;   /* of the next byte to fetch; behind the last one */
    size_t start, stop; /* fetched and not used: window[start, stop) */
};

/* Behind a filter `at` must be where the stream is. */
void range_begin(struct range *r, struct stream *stream, uint64_t at, uint64_t end);
/* Where the next byte of range_read stands. */
static inline uint64_t range_position(const struct range *r) {
    return r->at - (r->stop - r->start);
}
/* Makes sure the window holds something: its bytes, 0 at the end, -1 with err. */
ssize_t range_fill(struct range *r, sl_error *err);
/* Fills the window up to nbytes (at most its size), fewer at the end or at damage, which range_fill then
 * tells. What it holds. */
size_t range_ensure(struct range *r, size_t nbytes);
/* Exactly nbytes, or fewer at the end: the count; -1 with err. `data` NULL: they are passed over. */
ssize_t range_read(struct range *r, void *data, size_t nbytes, sl_error *err);
/* Passes over bytes, without reading them where that can be; how many there were, or -1 with err. */
int64_t range_skip(struct range *r, uint64_t nbytes, sl_error *err);

#endif
