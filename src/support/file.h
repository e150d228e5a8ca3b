/* file.h: system calls that finish what they began. Interrupted calls are resumed; short ones are continued.
 */
#ifndef SUPPORT_FILE_H
#define SUPPORT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/error.h"

/* Bytes read (0 at the end), or -1 with errno. */
ssize_t file_read(int fd, void *data, size_t nbytes);
ssize_t file_pread(int fd, void *data, size_t nbytes, uint64_t offset);
/* 0, or -1 with errno; on failure some bytes may have been written. */
int file_write_all(int fd, const void *data, size_t nbytes);

/* Opens a regular file below `dir_fd` for reading: no link as last part, never blocks on a fifo. -1 with
 * errno (ELOOP for a link, EINVAL for what is not a regular file). */
int file_open_regular(int dir_fd, const char *path);

/* mkdir -p of every directory before the last '/', or of the whole path when `all`. 0, or -1 with errno. */
int file_make_dirs(int dir_fd, const char *path, bool all);

/* Durable and never half-seen: writes `path`.tmp below dir_fd, fsync, rename, fsync of the directory. */
sl_status file_replace(int dir_fd, const char *path, const void *data, size_t nbytes, sl_error *err);

/* fsync of the directory that holds `path` below dir_fd. 0, or -1 with errno. */
int file_sync_parent(int dir_fd, const char *path);

/* A read-only map of a whole regular file; *nbytes 0 and NULL for an empty one. For models, which do not
 * change under us; inputs are read, not mapped. */
sl_status file_map(const char *path, const void **data, size_t *nbytes, sl_error *err);
void file_unmap(const void *data, size_t nbytes);

#endif
