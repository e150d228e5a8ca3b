/* source.c: stored bytes of a shard through a window. pread, never mmap: a file that shrinks is an error, not
 * a SIGBUS. */
#include <errno.h>

#include "archive/filter.h"
#include "support/file.h"

bool source_fill(struct source *source) {
    if (source->start < source->end)
        return true;
    if (source->at_end || source->error)
        return false;
    ssize_t n = file_read(source->fd, source->window, source->window_cap);
    if (n < 0)
        source->error = errno;
    source->at_end = n == 0;
    source->start = 0;
    source->end = n > 0 ? (size_t)n : 0;
    source->offset += source->end;
    return n > 0;
}
