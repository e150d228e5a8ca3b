/* writer.h: what the files of the writer share: open.c (lock, journal, state), write.c (rows into part
 * files), commit.c (durability) and finish.c (the end). */
#ifndef OUTPUT_WRITER_H
#define OUTPUT_WRITER_H

#include <pthread.h>

#include "output/journal.h"
#include "output/output.h"
#include "support/buf.h"
#include "support/hash.h"

/* A shard's part files, while rows come or until the group commit. */
struct part {
    uint32_t shard;
    int fd, reject_fd; /* -1: not open */
    uint64_t out_nbytes, reject_nbytes;
    uint64_t records, scored, rejected;
    bool dirty; /* written since the last checkpoint */
    bool used;
    struct hash *hash;
};

struct shard_entry {
    struct shard_progress progress;
    uint64_t reject_nbytes;
    unsigned char sha256[32]; /* of a finished output */
    int32_t part;             /* in output->parts, or -1 */
};

#define COMMIT_GROUP 64u /* finished shards that wait for one commit */

struct output {
    int dir_fd, lock_fd;
    char *dir;
    const struct output_shard *shards; /* the caller's */
    size_t shard_count;
    struct output_fact *facts; /* own copies */
    size_t fact_count;
    uint64_t checkpoint_ns, checkpointed_ns;
    bool replace; /* outputs that stand there are ours */
    struct journal *journal;
    struct shard_entry *entries;
    struct part *parts;
    size_t part_count;
    struct part *group[COMMIT_GROUP]; /* finished, not committed yet */
    unsigned group_count;
    uint64_t group_ns;           /* when the first of them was finished */
    struct buf stage;            /* lines of a span, then one write */
    struct buf line;             /* one line of rejects */
    struct journal_entry *entry; /* scratch: it is large */
    pthread_mutex_t mutex;
    struct output_totals totals; /* under mutex */
};

/* "_sluice/parts/NAME" + suffix (".out" or ".rej") into path. SL_E_OUTPUT when it is too long. */
sl_status part_path(const struct output *o, uint32_t shard, const char *suffix, char path[4096],
                    sl_error *err);
/* The part of a shard that has rows to come, opened (and cut back to its checkpoint) when it is not. */
sl_status part_open(struct output *o, uint32_t shard, struct part **part, sl_error *err);
void part_close(struct output *o, struct part *part);
/* Forgets what was written of a shard that broke. */
sl_status part_abandon(struct output *o, uint32_t shard, sl_error *err);

/* Puts a finished part into the group; commits the group when it is full. */
sl_status commit_later(struct output *o, struct part *part, sl_error *err);
sl_status commit_group(struct output *o, sl_error *err);

/* An error about a path below the output directory; no space left is SL_E_OUTPUT. */
sl_status output_failed(const struct output *o, const char *what, const char *path, sl_error *err);

void fill_entry(const struct output *o, uint32_t shard, enum journal_kind kind, struct journal_entry *entry);
/* Removes _sluice/parts and all below it. */
void remove_parts(const struct output *o);

#endif
