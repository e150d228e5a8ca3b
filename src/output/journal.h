/* journal.h: the append-only file that says which output is finished and where an unfinished one stands. */
#ifndef OUTPUT_JOURNAL_H
#define OUTPUT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output/output.h"
#include "support/error.h"
#include "support/hash.h"

#define JOURNAL_PATH "_sluice/journal"   /* below the output directory */
#define JOURNAL_NBYTES ((size_t)1 << 20) /* lines that wait for journal_sync */

enum journal_kind { JOURNAL_CHECKPOINT, JOURNAL_DONE, JOURNAL_BROKEN };

/* One entry about a shard. */
struct journal_entry {
    enum journal_kind kind;
    uint64_t records, scored, rejected;
    uint64_t out_nbytes, reject_nbytes; /* of the part files (or the final one) at that moment */
    uint64_t in_nbytes;                 /* of the input, as it was listed */
    int64_t in_mtime_ns;
    char sha256[HASH_HEX]; /* of the output; "-" unless done */
    char shard[4096];
};

struct journal;

/* Called for every valid entry, in order. */
typedef sl_status journal_visit(void *ctx, const struct journal_entry *entry, sl_error *err);

/* Reads the journal below dir_fd, if there is one (*found), and cuts off what a crash tore at its end. Facts
 * that differ are SL_E_MODEL, naming the key and both values; so is damage to what was durable once, naming
 * the line. Without a journal nothing is written: journal_begin comes next. */
sl_status journal_open(struct journal **journal, int dir_fd, const struct output_fact *facts,
                       size_t fact_count, journal_visit *visit, void *ctx, bool *found, sl_error *err);
/* Begins a new journal in the place of whatever is there, durably, with an identity of its own. */
sl_status journal_begin(struct journal *journal, int dir_fd, const struct output_fact *facts,
                        size_t fact_count, sl_error *err);
/* Adds a line to what will be written. No allocation. */
sl_status journal_add(struct journal *journal, const struct journal_entry *entry, sl_error *err);
/* Writes the added lines and makes them durable. After a failure the journal must not be written again. */
sl_status journal_sync(struct journal *journal, sl_error *err);
/* Of the journal that was read or begun; as long as it is open. */
const struct output_identity *journal_identity(const struct journal *journal);
void journal_close(struct journal *journal); /* what was not synced is forgotten */

#endif
