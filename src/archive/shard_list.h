/* shard_list.h: what the ways to list an input share: shard.c walks a directory, manifest.c goes by names. */
#ifndef ARCHIVE_SHARD_LIST_H
#define ARCHIVE_SHARD_LIST_H

#include <sys/stat.h>

#include "archive/shard.h"
#include "support/arena.h"

struct shard_list_store {
    struct arena names;
    size_t cap;
    const char *prefix; /* while a directory is walked: what its own names must begin with; NULL: any */
};

sl_status shard_no_memory(sl_error *err);
sl_status shard_list_begin(struct shard_list *list, const char *root, sl_error *err);
sl_status shard_list_add(struct shard_list *list, const char *name, const struct stat *st, sl_error *err);
/* Sorts; or closes the list when `status` is an error. Returns the status. */
sl_status shard_list_end(struct shard_list *list, sl_status status, sl_error *err);

#endif
