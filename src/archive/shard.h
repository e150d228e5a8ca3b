/* shard.h: the list of input files, in the one order that every run sees. */
#ifndef ARCHIVE_SHARD_H
#define ARCHIVE_SHARD_H

#include <stdbool.h>
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
/* As S3 lists: what is in `dir` and below and begins with `prefix`, which may reach into a name. */
sl_status shard_list_open_prefix(struct shard_list *list, const char *dir, const char *prefix, sl_error *err);

/* A SageMaker manifest: [{"prefix": "s3://bucket/prefix/"}, "key", ...]. */
struct manifest {
    char *prefix;
    char **keys; /* [count]; relative to the prefix */
    size_t count;
    struct shard_list_store *store; /* memory of it all */
};
/* Whether a JSON file is one by its content: such a head, and nothing but texts behind it. */
bool manifest_is(const char *path);
sl_status manifest_open(struct manifest *manifest, const char *path, sl_error *err);
void manifest_close(struct manifest *manifest);
/* What a manifest names, below `dir`; `lead` is the part of the prefix behind its last '/', which every name
 * begins with. SL_E_NOINPUT: one that is not there; SL_E_USAGE: one that climbs, or is named twice. */
sl_status shard_list_open_manifest(struct shard_list *list, const char *dir, const char *lead,
                                   const struct manifest *manifest, sl_error *err);
void shard_list_close(struct shard_list *list);

#endif
