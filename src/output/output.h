/* output.h: OUTPUTS INTO FILES. Formatters turn rows into lines (any worker), the writer puts lines into part
 * files in order and commits them (one thread). Output's public header. */
#ifndef OUTPUT_OUTPUT_H
#define OUTPUT_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/chain.h"
#include "feed/slot.h"
#include "graph/plan.h"
#include "support/buf.h"
#include "support/error.h"
#include "support/json_path.h"

/* ---- lines
 * ---------------------------------------------------------------------------------------------------- */

/* What stands around the lines of an output, and where its number of records is to be written at its end. */
#define OUTPUT_FRAME_NBYTES 320u /* the longest npy header */
struct output_frame {
    char begin[OUTPUT_FRAME_NBYTES];
    size_t begin_nbytes;
    const char *between, *end; /* in front of every record but the first; behind the last. NULL: nothing */
    size_t count_at, count_nbytes; /* in `begin`, blanks in front; 0 bytes: nowhere */
};

struct formatter; /* read-only after open; shared by all workers */

/* `outputs` is transform.json's "outputs" (NULL: every model output as it is). `accept`: "text/csv",
 * "application/jsonlines", "application/json", "application/x-npy" or NULL (text/csv). SL_E_MODEL: an output
 * the model does not have, a chain that does not fit; SL_E_USAGE: an accept nobody writes. */
sl_status formatter_open(struct formatter **formatter, const json_t *outputs, const struct plan *plan,
                         const char *accept, const struct chain_options *options, sl_error *err);
void formatter_close(struct formatter *formatter);

/* What SageMaker's DataProcessing does to results. Whoever decodes a row leaves its input at the row's place
 * in slot->text and its size in text_nbytes; 0: it cannot be joined. */
struct format_join {
    bool input;                     /* JoinSource Input */
    size_t input_nbytes;            /* of a record, at most */
    const struct json_path *filter; /* OutputFilter, or NULL; the caller's */
    bool ids;                       /* GenerateInferenceId: formatter_identify must follow */
};
/* Right after formatter_open. SL_E_USAGE: this format has no joins, the filter does not fit it. */
sl_status formatter_join(struct formatter *formatter, const struct format_join *join, sl_error *err);

/* By what a job is known in its output, however often it goes on. */
struct output_identity {
    char id[37];    /* a random UUID */
    char begun[21]; /* "2026-01-31T12:00:00Z" */
};
struct output_shard;
/* Before the first row, where there are ids. Both are the caller's. */
void formatter_identify(struct formatter *formatter, const struct output_identity *identity,
                        const struct output_shard *shards);

size_t formatter_row_nbytes(const struct formatter *formatter); /* the longest line, '\n' included */
/* Valid as long as the formatter. */
const struct output_frame *formatter_frame(const struct formatter *formatter);
const char *formatter_content_type(const struct formatter *formatter);
size_t formatter_worker_nbytes(const struct formatter *formatter);
void formatter_print(const struct formatter *formatter, struct buf *out); /* the chains, for plan */

struct format_worker; /* one thread's */
sl_status format_worker_open(struct format_worker **worker, const struct formatter *formatter, sl_error *err);
void format_worker_close(struct format_worker *worker);
/* Writes slot->text of rows [row, row + count): a result line, or the placeholder of a rejected row ("ERROR"
 * in csv,
 * {"error": reason} in JSON Lines). Sets text_nbytes. No allocation. */
void format_rows(struct format_worker *worker, struct slot *slot, uint32_t row, uint32_t count);

/* ---- files
 * ---------------------------------------------------------------------------------------------------- */

/* An input as the output stage needs to know it. */
struct output_shard {
    const char *name; /* relative path; the output is NAME.out */
    uint64_t nbytes;
    int64_t mtime_ns;
};

/* One thing that must be the same when a job is resumed ("model_sha256", "transform", "accept", ...). */
struct output_fact {
    const char *key, *value;
};

struct output_options {
    const char *dir; /* created when missing */
    const struct output_shard *shards;
    size_t shard_count;
    const struct output_fact *facts; /* the fingerprint */
    size_t fact_count;
    const struct output_frame *frame; /* NULL: lines and nothing else; the caller's */
    bool overwrite;                   /* begin anew whatever is there */
    uint64_t checkpoint_ns;           /* at most this long between checkpoints of a shard (5 s; tests less) */
    size_t open_max;                  /* part files open at once: shards in flight */
};

enum shard_state { SHARD_NEW, SHARD_PARTIAL, SHARD_DONE, SHARD_BROKEN };

/* Where a shard stands. */
struct shard_progress {
    enum shard_state state;
    uint64_t records, scored, rejected; /* written so far (durable, right after open) */
    uint64_t out_nbytes;
};

struct output; /* the writer's; one thread, but output_totals and output_shard_progress right after open */

/* Takes the lock, reads the journal, checks it against facts and shards, and cuts part files back to their
 * last checkpoint. SL_E_INTERRUPTED: another job holds the lock (its pid, host and start are named);
 * SL_E_MODEL: the facts differ (the key and both values named) or an input of the journal changed;
 * SL_E_OUTPUT, SL_E_PERMISSION: cannot be created. *finished: everything is there already (_SUCCESS stands);
 * nothing was changed. */
sl_status output_open(struct output **output, const struct output_options *options, bool *finished,
                      sl_error *err);
const struct output_identity *output_identity(const struct output *output);
const struct shard_progress *output_shard_progress(const struct output *output, size_t shard);
size_t output_nbytes(const struct output_options *options); /* memory it takes, for the plan */

/* Writes the lines of a computed and formatted slot, its rejects, and ends shards as the spans say. */
sl_status output_write_slot(struct output *output, const struct slot *slot, sl_error *err);
/* Makes everything written so far durable; also called now and then by the writer when nothing comes. */
sl_status output_checkpoint(struct output *output, sl_error *err);

struct output_totals {
    uint64_t shards_done, shards_broken;
    uint64_t records, scored, rejected; /* of the whole job, earlier runs included */
    uint64_t records_resumed;           /* of these, written by earlier runs */
    uint64_t out_nbytes;
};
void output_totals(const struct output *output, struct output_totals *totals); /* any thread */

/* The end: when every shard is done, gathers rejects.jsonl and writes _SUCCESS, last. Checks that the counts
 * add up (SL_E_INTERNAL). `summary` is the text of summary.json, written before _SUCCESS. When shards are
 * missing or broken only the summary is written. */
sl_status output_finish(struct output *output, const char *summary, size_t summary_nbytes, sl_error *err);
/* Releases the lock. After an error the journal stands as the last checkpoint left it. */
void output_close(struct output *output);

#endif
