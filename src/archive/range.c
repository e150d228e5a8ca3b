/* range.c: see range.h. */
#include "archive/range.h"

#include <string.h>

void range_begin(struct range *r, struct stream *stream, uint64_t at, uint64_t end) {
    r->stream = stream;
    r->at = at;
    r->end = end;
    r->start = r->stop = 0;
}

/* Straight from the shard, past the window, which is empty. */
static ssize_t fetch(struct range *r, void *data, size_t cap, sl_error *err) {
    if (cap > r->end - r->at)
        cap = (size_t)(r->end - r->at);
    if (!cap)
        return 0;
    ssize_t n = r->stream->read_at ? r->stream->read_at(r->stream, r->at, data, cap, err)
                                   : r->stream->read(r->stream, data, cap, err);
    r->at += n > 0 ? (uint64_t)n : 0;
    return n;
}

ssize_t range_fill(struct range *r, sl_error *err) {
    if (r->start == r->stop) {
        ssize_t n = fetch(r, r->window, r->cap, err);
        if (n <= 0)
            return n;
        r->start = 0;
        r->stop = (size_t)n;
    }
    return (ssize_t)(r->stop - r->start);
}

size_t range_ensure(struct range *r, size_t nbytes) {
    sl_error ignored = {0};
    memmove(r->window, r->window + r->start, r->stop - r->start);
    r->stop -= r->start;
    r->start = 0;
    while (r->stop < nbytes) {
        ssize_t n = fetch(r, r->window + r->stop, r->cap - r->stop, &ignored);
        if (n <= 0)
            break;
        r->stop += (size_t)n;
    }
    return r->stop;
}

ssize_t range_read(struct range *r, void *data, size_t nbytes, sl_error *err) {
    size_t done = 0;
    while (done < nbytes) {
        ssize_t n;
        if (data && r->start == r->stop && nbytes - done >= r->cap) {
            n = fetch(r, (char *)data + done, nbytes - done, err);
        } else {
            n = range_fill(r, err);
            if (n > 0 && (size_t)n > nbytes - done)
                n = (ssize_t)(nbytes - done);
            if (n > 0 && data)
                memcpy((char *)data + done, r->window + r->start, (size_t)n);
            r->start += n > 0 ? (size_t)n : 0;
        }
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int64_t range_skip(struct range *r, uint64_t nbytes, sl_error *err) {
    uint64_t done = 0, held = r->stop - r->start;
    if (r->stream->read_at && nbytes > held && r->end != RANGE_OPEN_END) {
        uint64_t rest = r->end - r->at, more = nbytes - held < rest ? nbytes - held : rest;
        r->start = r->stop = 0;
        r->at += more;
        return (int64_t)(held + more);
    }
    while (done < nbytes) {
        uint64_t step = nbytes - done < r->cap ? nbytes - done : r->cap;
        ssize_t n = range_read(r, NULL, (size_t)step, err);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (uint64_t)n;
    }
    return (int64_t)done;
}
