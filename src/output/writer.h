/* writer.h: what the files of the writer share. In the order of a job: output_dir.c (directory, lock, paths),
 * output_open.c (memory, open and close), output_state.c (where the last run stood), writer.c (rows into part
 * files), part.c (part files), commit.c (durability), finish.c (the end). fresh.c and journal.c know
 * nothing of them. */
#ifndef OUTPUT_WRITER_H
#define OUTPUT_WRITER_H

#include <pthread.h>

#include "output/journal.h"
#include "output/output.h"
#include "support/buf.h"
#include "support/hash.h"

#define PATH_NBYTES 4096
#define SUFFIX ".out"
#define PARTS_PATH "_sluice/parts"
#define LONGEST_PREFIX PARTS_PATH "/rejects/"

#define STAGE_NBYTES ((size_t)1 << 20)     /* lines are written in pieces of that size */
#define REJECTS_NBYTES ((size_t)256 << 10) /* and rejects in these */
#define COMMIT_GROUP 64u          /* finished shards that wait for one commit; each holds descriptors */
#define COMMIT_LATE_NS 500000000u /* but none waits longer */

/* A shard's part files, while rows come or until the group commit. */
struct part {
    uint32_t shard;
    int fd, reject_fd; /* -1: not open */
    uint64_t out_nbytes, reject_nbytes;
    uint64_t records, scored, rejected;
    bool dirty; /* written since the last checkpoint */
    bool used;
    struct hash *hash; /* of the lines so far */
};

struct shard_entry {
    struct shard_progress progress;
    uint64_t reject_nbytes;
    unsigned char sha256[32]; /* of a finished output */
    int32_t part;             /* in output->parts, or -1 */
    bool stands;              /* an output of ours that no journal line tells of: to be replaced */
    bool changed;             /* its input is not what it was; only while opening */
};

struct output {
    int dir_fd, lock_fd;
    char *dir;
    const struct output_shard *shards; /* the caller's */
    size_t shard_count;
    uint32_t *by_name;         /* shards sorted by name; only while opening */
    struct output_fact *facts; /* own copies */
    size_t fact_count;
    const struct output_frame *frame; /* the caller's, or NULL */
    uint64_t checkpoint_ns, checkpointed_ns;
    struct journal *journal;
    struct shard_entry *entries;
    struct part *parts;
    size_t part_count;
    struct part *group[COMMIT_GROUP]; /* finished, not committed yet */
    unsigned group_count;
    uint64_t group_ns;           /* when the first of them was finished */
    struct buf stage;            /* lines of a span on their way; room for copies at both ends of a job */
    struct buf rejects;          /* rejects of a span on their way */
    struct journal_entry *entry; /* scratch: it is large */
    sl_error failure;            /* the first one: nothing is written after it */
    pthread_mutex_t mutex;
    struct output_totals totals; /* under mutex */
};

/* ---- output_dir.c ---- */

enum place { PLACE_FINAL, PLACE_LINES, PLACE_REJECTS };
/* Where a shard's file stands, below the output directory. Names were checked when the output was opened. */
void output_path(const struct output *o, uint32_t shard, enum place place, char path[PATH_NBYTES]);
/* An error about a path below the output directory, from errno. */
sl_status output_failed(const struct output *o, const char *what, const char *path, sl_error *err);
bool output_exists(const struct output *o, const char *path);
/* Creates the directory and takes the lock; output_sign writes into it whose it is. */
sl_status output_open_dir(struct output *o, sl_error *err);
sl_status output_sign(struct output *o, sl_error *err);
/* Makes the directory's own name durable, and _sluice in it. */
sl_status output_sync_dir(const struct output *o, sl_error *err);
void remove_parts(const struct output *o); /* with all below it; what cannot be removed does no harm */

/* ---- output_state.c ---- */

/* Reads the journal and brings memory to where the last run stood, or begins a new job. */
sl_status output_open_state(struct output *o, bool overwrite, bool *finished, sl_error *err);

/* ---- part.c ---- */

/* The part of a shard that has rows to come, opened (and cut back to its checkpoint) when it is not. Uses
 * the stage. */
sl_status part_open(struct output *o, uint32_t shard, struct part **part, sl_error *err);
/* Appends what is staged to the part's files. */
sl_status part_put_lines(struct output *o, struct part *part, const void *data, size_t nbytes, sl_error *err);
sl_status part_put_rejects(struct output *o, struct part *part, sl_error *err);
/* Writes the number of records where the frame has room for it; the hash goes over all of it again. Uses the
 * stage. */
sl_status part_put_count(struct output *o, struct part *part, sl_error *err);
void part_close(struct output *o, struct part *part);
/* Forgets what was written of a shard that broke. */
sl_status part_abandon(struct output *o, uint32_t shard, sl_error *err);

/* ---- commit.c ---- */

/* Puts a finished part into the group; commits the group when it is full. */
sl_status commit_later(struct output *o, struct part *part, sl_error *err);
sl_status commit_group(struct output *o, sl_error *err);
sl_status commit_checkpoint(struct output *o, sl_error *err);
/* The journal's line about a shard as its entry has it. */
sl_status journal_shard(struct output *o, uint32_t shard, enum journal_kind kind, sl_error *err);

/* Remembers the first failure: what a failed sync lost must not be trusted because a later one succeeds. */
sl_status output_keep(struct output *o, sl_status st, const sl_error *err);
/* SL_OK, or the failure that was kept, again. */
sl_status output_check(const struct output *o, sl_error *err);

#endif
