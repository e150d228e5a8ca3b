/* executor.c: slots in order, out to the devices and back.
 *
 * The submitter puts each slot on the device with the fewest batches in flight and notes it in a queue; the
 * collector takes the queue's head, so slots come back in the order they went out, whatever device ran them.
 */
#include "infer/executor.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support/clock.h"
#include "support/mem.h"
#include "support/thread.h"

struct flight {
    unsigned program;
    struct slot *slot;
};

struct executor {
    struct executor_options options; /* set once */
    struct device_batch *batches;    /* [slot_count]; batch of slot s is batches[s->sequence % slot_count] */
    unsigned *depth;                 /* [program_count]; set once */
    pthread_t submitter, collector;
    bool submitter_runs, collector_runs; /* of the conducting thread */
    pthread_mutex_t mutex;
    pthread_cond_t landed, flying; /* for the submitter, for the collector */
    /* under mutex */
    struct flight *flights; /* ring of flight_room */
    unsigned flight_room, flight_first, flight_count;
    unsigned *in_flight; /* [program_count] */
    bool submit_ended, failed;
};

sl_status executor_open(struct executor **out, const struct executor_options *options, sl_error *err) {
    struct executor *ex = mem_alloc(1, sizeof *ex);
    if (!ex)
        return error_set(err, SL_E_MEMORY, "out of memory for the executor");
    ex->options = *options;
    pthread_mutex_init(&ex->mutex, NULL);
    thread_cond_init(&ex->landed);
    thread_cond_init(&ex->flying);
    ex->flight_room = options->slot_count;
    ex->batches = mem_alloc(options->slot_count, sizeof *ex->batches);
    ex->flights = mem_alloc(ex->flight_room, sizeof *ex->flights);
    ex->depth = mem_alloc(options->program_count, sizeof *ex->depth);
    ex->in_flight = mem_alloc(options->program_count, sizeof *ex->in_flight);
    if (!ex->batches || !ex->flights || !ex->depth || !ex->in_flight) {
        executor_close(ex);
        return error_set(err, SL_E_MEMORY, "out of memory for the executor");
    }
    for (unsigned i = 0; i < options->program_count; i++)
        ex->depth[i] = options->ops->depth(options->programs[i]);
    *out = ex;
    return SL_OK;
}

void executor_close(struct executor *ex) {
    if (!ex)
        return;
    pthread_cond_destroy(&ex->flying);
    pthread_cond_destroy(&ex->landed);
    pthread_mutex_destroy(&ex->mutex);
    mem_free(ex->in_flight);
    mem_free(ex->depth);
    mem_free(ex->flights);
    mem_free(ex->batches);
    mem_free(ex);
}

static void fail(struct executor *ex, const sl_error *err, const struct slot *slot) {
    pthread_mutex_lock(&ex->mutex);
    bool first = !ex->failed;
    ex->failed = true;
    pthread_cond_broadcast(&ex->landed);
    pthread_mutex_unlock(&ex->mutex);
    if (first)
        ex->options.failed(ex->options.ctx, err, slot);
}

/* Rows that hold no record are computed too; zeros make them the same every time. */
static void pad(const struct executor *ex, struct slot *slot) {
    const struct plan *plan = ex->options.plan;
    for (size_t i = 0; i < plan->input_count && slot->row_count < slot->row_cap; i++) {
        const struct plan_port *port = &plan->inputs[i];
        char *rows = (char *)slot->input + plan->values[port->value].offset;
        memset(rows + slot->row_count * port->row_nbytes, 0,
               (slot->row_cap - slot->row_count) * port->row_nbytes);
    }
}

/* Waits for a device with room; false when the job failed. */
static bool pick_program(struct executor *ex, unsigned *program) {
    bool found = false;
    pthread_mutex_lock(&ex->mutex);
    while (!ex->failed && !found) {
        for (unsigned i = 0; i < ex->options.program_count; i++) {
            if (ex->in_flight[i] >= ex->depth[i])
                continue;
            if (!found || ex->in_flight[i] < ex->in_flight[*program])
                *program = i;
            found = true;
        }
        if (!found)
            pthread_cond_wait(&ex->landed, &ex->mutex);
    }
    if (found)
        ex->in_flight[*program]++;
    pthread_mutex_unlock(&ex->mutex);
    return found;
}

static void note_flight(struct executor *ex, unsigned program, struct slot *slot) {
    pthread_mutex_lock(&ex->mutex);
    ex->flights[(ex->flight_first + ex->flight_count++) % ex->flight_room] = (struct flight){program, slot};
    pthread_cond_signal(&ex->flying);
    pthread_mutex_unlock(&ex->mutex);
}

static void *submit_run(void *arg) {
    struct executor *ex = arg;
    struct slot *slot;
    while ((slot = ring_next_ready(ex->options.ring)) != NULL) {
        unsigned program = 0;
        sl_error err = {0};
        if (!slot->row_count) { /* nothing but ends of shards */
            ring_computed(ex->options.ring, slot);
            continue;
        }
        if (!pick_program(ex, &program))
            break;
        pad(ex, slot);
        struct device_batch *batch = &ex->batches[slot->sequence % ex->options.slot_count];
        memset(batch, 0, sizeof *batch);
        batch->input = slot->input;
        batch->output = slot->output;
        batch->row_count = slot->row_count;
        batch->owner = slot;
        if (ex->options.ops->submit(ex->options.programs[program], batch, &err) != SL_OK) {
            fail(ex, &err, batch->culprit ? batch->culprit->owner : slot);
            break;
        }
        note_flight(ex, program, slot);
    }
    pthread_mutex_lock(&ex->mutex);
    ex->submit_ended = true;
    pthread_cond_signal(&ex->flying);
    pthread_mutex_unlock(&ex->mutex);
    return NULL;
}

/* The oldest batch in flight; false when there will be none. */
static bool next_flight(struct executor *ex, struct flight *flight) {
    pthread_mutex_lock(&ex->mutex);
    while (!ex->flight_count && !ex->submit_ended)
        pthread_cond_wait(&ex->flying, &ex->mutex);
    bool got = ex->flight_count > 0;
    if (got) {
        *flight = ex->flights[ex->flight_first];
        ex->flight_first = (ex->flight_first + 1) % ex->flight_room;
        ex->flight_count--;
    }
    pthread_mutex_unlock(&ex->mutex);
    return got;
}

static void landed(struct executor *ex, unsigned program) {
    pthread_mutex_lock(&ex->mutex);
    ex->in_flight[program]--;
    pthread_cond_signal(&ex->landed);
    pthread_mutex_unlock(&ex->mutex);
}

/* A record whose data asks for what cannot be is lost alone, where it was alone in its batch. */
static bool reject_alone(struct slot *slot, const sl_error *why) {
    if (why->status != SL_E_DATA || slot->row_cap != 1)
        return false;
    if (slot->rows[0].state != ROW_GOOD)
        return true;
    struct row_reject *reject = &slot->rejects[0];
    *reject = (struct row_reject){.stage = "model", .code = "impossible-shape"};
    snprintf(reject->reason, sizeof reject->reason, "%.199s", why->text);
    slot->rows[0].state = ROW_REJECTED;
    return true;
}

/* Collects everything that was submitted, also after a failure: the device owns those batches until then. */
static void *collect_run(void *arg) {
    struct executor *ex = arg;
    struct flight flight;
    bool broken = false;
    while (next_flight(ex, &flight)) {
        struct device_batch *batch = NULL;
        sl_error err = {0};
        if (ex->options.ops->collect(ex->options.programs[flight.program], &batch, &err) != SL_OK) {
            fail(ex, &err, NULL);
            break;
        }
        landed(ex, flight.program);
        if (batch->error.status == SL_E_DATA && flight.slot->row_cap > 1)
            error_append(&batch->error,
                         " (records share a batch of %u: with --batch-size 1 only the one would be rejected)",
                         flight.slot->row_cap);
        if (batch->error.status != SL_OK && !reject_alone(flight.slot, &batch->error)) {
            fail(ex, &batch->error, batch->culprit ? batch->culprit->owner : flight.slot);
            broken = true;
        }
        if (broken)
            continue;
        struct stage_stats *stats = ex->options.stats;
        atomic_fetch_add(&stats->cpu_ns, batch->cpu_ns);
        atomic_fetch_add(&stats->busy_ns, batch->compute_ns);
        atomic_fetch_add(&stats->records, (uint64_t)batch->row_count);
        ring_computed(ex->options.ring, flight.slot);
        ex->options.computed(ex->options.ctx, flight.slot);
    }
    ex->options.ended(ex->options.ctx);
    return NULL;
}

sl_status executor_start(struct executor *ex, sl_error *err) {
    sl_status st = thread_start(&ex->submitter, "submit", submit_run, ex, err);
    if (st != SL_OK)
        return st;
    ex->submitter_runs = true;
    st = thread_start(&ex->collector, "collect", collect_run, ex, err);
    ex->collector_runs = st == SL_OK;
    if (st != SL_OK)
        fail(ex, err, NULL);
    return st;
}

void executor_join(struct executor *ex) {
    if (ex->submitter_runs)
        pthread_join(ex->submitter, NULL);
    if (ex->collector_runs)
        pthread_join(ex->collector, NULL);
    ex->submitter_runs = ex->collector_runs = false;
}
