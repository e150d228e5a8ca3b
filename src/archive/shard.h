/* shard.h: the list of input files, in the one order that every run sees. */
#ifndef ARCHIVE_SHARD_H
#define ARCHIVE_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "support/error.h"

struct shard {
    const char *name; /* relative to the list's root, '/' separated, raw bytes */
    uint64_t nbytes;  /* as stored */
    uint64_t inode;
    int64_t mtime_ns;
};

struct shard_list {
    struct shard *items; /* ascending by the bytes of name */
    size_t count;
    int dir_fd;            /* the root, or the directory of a single file */
    char *root;            /* as given */
    uint64_t total_nbytes; /* as stored */
    /* what was left out, for one line of notice */
    size_t hidden, links, special, empty_dirs;
    struct shard_list_store *store; /* memory of the names */
};

/* Lists INPUT: a directory (recursively; hidden names, "_sluice" and "_SUCCESS" left out; regular files only,
 * links not followed) or one regular file. SL_E_NOINPUT when there is nothing, or it cannot be read, naming
 * it. */
sl_status shard_list_open(struct shard_list *list, const char *input, sl_error *err);
void shard_list_close(struct shard_list *list);

#endif
