/* executor.h: takes full slots off the ring in order, sends them to the devices, and hands them on as they
 * come back. It knows no operator and no device by name; two threads, one that submits and one that collects.
 */
#ifndef INFER_EXECUTOR_H
#define INFER_EXECUTOR_H

#include "feed/ring.h"
#include "infer/compose.h"
#include "infer/device.h"
#include "support/stats.h"

struct executor;

struct executor_options {
    struct ring *ring;
    const struct plan *plan;
    const struct device_ops *ops;
    struct program *const *programs; /* the plan loaded on each device */
    unsigned program_count, slot_count;
    /* Where there are buckets batches are made of rows by their length, and `programs` are the buckets' own.
     * `plan` then is only how slots lie. */
    const struct composer_options *compose; /* NULL: a slot is a batch */
    struct stage_stats *stats;
    /* Either thread: the slot's outputs are there. The callee owns it from now on. Slots come in order, but
     * for those whose batches are made of rows. */
    void (*computed)(void *ctx, struct slot *slot);
    /* Either thread, at most once: nothing more will be computed. `slot`: whose batch it was, or NULL; it is
     * lent for the call. */
    void (*failed)(void *ctx, const sl_error *err, const struct slot *slot);
    /* Collector thread, last: every batch is back. */
    void (*ended)(void *ctx);
    void *ctx;
};

/* Allocates; starts nothing. */
sl_status executor_open(struct executor **executor, const struct executor_options *options, sl_error *err);
/* Starts the threads. They end when the ring has no more slots, or was stopped. */
sl_status executor_start(struct executor *executor, sl_error *err);
void executor_join(struct executor *executor); /* waits for their end; also after a failed start */
void executor_close(struct executor *executor);

#endif
