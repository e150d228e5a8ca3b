/* ring.h: the bounded set of slots that travel from decode to device to output and back.
 *
 * A row's address is reserved when its record is cut (ring_reserve); everything after may happen in any
 * order. Slots are computed and written in the order in which they were opened, so output is in order with no
 * reordering buffer. Backpressure begins at ring_reserve: no free slot, no new record.
 *
 *   FREE -> FILLING -> READY -> COMPUTING -> COMPUTED -> FORMATTED -> FREE
 *        reserve    rows_done   next_ready   computed    rows_formatted  release
 *
 * Every call may come from any thread; which stage calls which is said at each. */
#ifndef FEED_RING_H
#define FEED_RING_H

#include "feed/slot.h"
#include "support/error.h"

struct ring;

struct ring_options {
    unsigned slot_count;
    uint32_t row_count; /* rows of a slot: the batch size */
    size_t input_nbytes, output_nbytes, text_row_nbytes;
    size_t string_row_nbytes; /* text that a row's string inputs may have; 0 without any */
    void *(*slot_alloc)(void *ctx, size_t nbytes); /* for input and output; NULL when refused */
    void (*slot_free)(void *ctx, void *p, size_t nbytes);
    void *ctx;
};

sl_status ring_open(struct ring **ring, const struct ring_options *options, sl_error *err);
void ring_close(struct ring *ring);
size_t ring_slot_nbytes(const struct ring_options *options); /* of one slot, for the plan */

/* Rows for records of one shard, all in one slot. */
struct lease {
    struct slot *slot;
    uint32_t row, count;
};

/* Reader: up to `want` (> 0) rows for the records that begin with first_record. Waits for a free slot; false
 * when the ring was stopped. The caller owes ring_rows_decoded for every row. */
bool ring_reserve(struct ring *ring, uint32_t shard, uint64_t first_record, uint32_t want,
                  struct lease *lease);
/* Reader: the shard ended after `records` records, or (error not NULL) cannot be read on. False when stopped.
 */
bool ring_end_shard(struct ring *ring, uint32_t shard, uint64_t records, const char *error);
/* Conductor, when the last reader is done: seals the slot that is open, and says that no more will come. */
void ring_finish(struct ring *ring);
/* First error or stop: all waits return false from now on. */
void ring_stop(struct ring *ring);

/* Worker: `count` rows of the slot are decoded (or rejected). */
void ring_rows_decoded(struct ring *ring, struct slot *slot, uint32_t count);

/* Executor: the next slot in order whose rows are all decoded, or NULL when no more will come (or stopped).
 */
struct slot *ring_next_ready(struct ring *ring);
/* Executor: the batch came back. A slot without rows needs no batch but goes this way too. */
void ring_computed(struct ring *ring, struct slot *slot);
/* Worker: `count` rows of the slot are formatted. */
void ring_rows_formatted(struct ring *ring, struct slot *slot, uint32_t count);

/* Writer: the next slot in order, formatted; NULL when no more will come (or stopped). Gives up after
 * timeout_ns with *idle true and NULL. */
struct slot *ring_next_formatted(struct ring *ring, uint64_t timeout_ns, bool *idle);
/* Writer: done with it. */
void ring_release(struct ring *ring, struct slot *slot);

/* For progress and the control of workers. */
struct ring_look {
    unsigned slot_count, filling, ready, computing, formatting, free;
    uint64_t reserve_wait_ns;   /* readers waited for a free slot, all of them together */
    uint64_t ready_wait_ns;     /* the executor waited for a full batch */
    uint64_t formatted_wait_ns; /* the writer waited for a formatted one */
    uint64_t slots_computed;
};
void ring_look(struct ring *ring, struct ring_look *look);

#endif
