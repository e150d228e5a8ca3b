/* source.c: stored bytes of a shard through a window. read, never mmap: a file that shrinks under us is an
 * error, not a SIGBUS. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "archive/filter.h"
#include "support/file.h"

static ssize_t read_fd(struct source *source, void *data, size_t cap) {
    if (source->at_end || source->error || !cap)
        return source->error ? -1 : 0;
    ssize_t n = file_read(source->fd, data, cap);
    if (n < 0)
        source->error = errno;
    else
        source->offset += (size_t)n;
    source->at_end = n == 0;
    return n;
}

bool source_fill(struct source *source) {
    if (source->start < source->end)
        return true;
    ssize_t n = read_fd(source, source->window, source->window_cap);
    source->start = 0;
    source->end = n > 0 ? (size_t)n : 0;
    return n > 0;
}

ssize_t source_read(struct source *source, void *data, size_t cap) {
    size_t n = source->end - source->start;
    if (!n)
        return read_fd(source, data, cap);
    n = n < cap ? n : cap;
    memcpy(data, source->window + source->start, n);
    source->start += n;
    return (ssize_t)n;
}

uint64_t source_position(const struct source *source) {
    return source->offset - (source->end - source->start);
}

bool source_seek(struct source *source, uint64_t position) {
    uint64_t window_at = source->offset - source->end;
    if (position >= window_at && position <= source->offset) {
        source->start = (size_t)(position - window_at);
        return true;
    }
    source->start = source->end = 0;
    source->at_end = false;
    if (lseek(source->fd, (off_t)position, SEEK_SET) < 0)
        source->error = errno;
    source->offset = position;
    return !source->error;
}

sl_status source_failed(const struct source *source, sl_error *err) {
    return error_errno(err, SL_E_IO, source->error, "read failed at byte %llu",
                       (unsigned long long)source->offset);
}
