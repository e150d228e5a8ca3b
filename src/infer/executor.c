/* executor.c: slots in order, out to the devices and back.
 *
 * The submitter puts each slot on the device with the fewest batches in flight and notes it in a queue; the
 * collector takes the queue's head, so slots come back in the order they went out, whatever device ran them.
 *
 * Where records have lengths, the submitter deals the rows of a slot out to one open batch for each bucket. A
 * batch goes when it is full, or when the slot after its first row's is dealt out too: so a slot is held up
 * by its successor at most, and what shares a batch depends on nothing but the order of the rows. */
#include "infer/executor.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support/clock.h"
#include "support/mem.h"
#include "support/thread.h"

struct flight {
    unsigned program, bucket;
    struct slot *slot;         /* whose batch it is, or the first row's */
    struct composed *composed; /* or NULL */
};

struct executor {
    struct executor_options options; /* set once */
    struct device_batch *batches;    /* [slot_count]; batch of slot s is batches[s->sequence % slot_count] */
    unsigned *depth;                 /* [programs]; set once */
    struct composer *composer;       /* or NULL */
    struct composed *open[MOST_BUCKETS]; /* the submitter's */
    pthread_t submitter, collector;
    bool submitter_runs, collector_runs; /* of the conducting thread */
    pthread_mutex_t mutex;
    pthread_cond_t landed, flying; /* for the submitter, for the collector */
    /* under mutex */
    struct flight *flights; /* ring of flight_room */
    unsigned flight_room, flight_first, flight_count;
    unsigned *in_flight; /* [programs] */
    bool submit_ended, failed;
};

static unsigned bucket_count(const struct executor *ex) {
    return ex->options.compose ? ex->options.compose->bucket_count : 1;
}

static struct program *program_of(const struct executor *ex, unsigned bucket, unsigned program) {
    return ex->options.compose ? ex->options.compose->buckets[bucket].programs[program]
                               : ex->options.programs[program];
}

sl_status executor_open(struct executor **out, const struct executor_options *options, sl_error *err) {
    struct executor *ex = mem_alloc(1, sizeof *ex);
    if (!ex)
        return error_set(err, SL_E_MEMORY, "out of memory for the executor");
    ex->options = *options;
    pthread_mutex_init(&ex->mutex, NULL);
    thread_cond_init(&ex->landed);
    thread_cond_init(&ex->flying);
    const struct composer_options *compose = options->compose;
    unsigned programs = bucket_count(ex) * options->program_count;
    ex->flight_room = compose ? compose->batch_count : options->slot_count;
    ex->batches = mem_alloc(options->slot_count, sizeof *ex->batches);
    ex->flights = mem_alloc(ex->flight_room, sizeof *ex->flights);
    ex->depth = mem_alloc(programs, sizeof *ex->depth);
    ex->in_flight = mem_alloc(programs, sizeof *ex->in_flight);
    if (!ex->batches || !ex->flights || !ex->depth || !ex->in_flight) {
        executor_close(ex);
        return error_set(err, SL_E_MEMORY, "out of memory for the executor");
    }
    for (unsigned i = 0; i < programs; i++)
        ex->depth[i] =
            options->ops->depth(program_of(ex, i / options->program_count, i % options->program_count));
    sl_status st = compose ? composer_open(&ex->composer, compose, err) : SL_OK;
    if (st != SL_OK) {
        executor_close(ex);
        return st;
    }
    *out = ex;
    return SL_OK;
}

void executor_close(struct executor *ex) {
    if (!ex)
        return;
    pthread_cond_destroy(&ex->flying);
    pthread_cond_destroy(&ex->landed);
    pthread_mutex_destroy(&ex->mutex);
    composer_close(ex->composer);
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
    if (ex->composer)
        composer_stop(ex->composer);
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

/* Under the mutex: batches on a device, whatever their length. */
static unsigned load_of(const struct executor *ex, unsigned program) {
    unsigned load = 0;
    for (unsigned b = 0; b < bucket_count(ex); b++)
        load += ex->in_flight[b * ex->options.program_count + program];
    return load;
}

/* Waits for a device with room; false when the job failed. */
static bool pick_program(struct executor *ex, unsigned bucket, unsigned *program) {
    unsigned *in_flight = ex->in_flight + bucket * ex->options.program_count;
    const unsigned *depth = ex->depth + bucket * ex->options.program_count;
    bool found = false;
    pthread_mutex_lock(&ex->mutex);
    while (!ex->failed && !found) {
        for (unsigned i = 0; i < ex->options.program_count; i++) {
            if (in_flight[i] >= depth[i])
                continue;
            if (!found || load_of(ex, i) < load_of(ex, *program))
                *program = i;
            found = true;
        }
        if (!found)
            pthread_cond_wait(&ex->landed, &ex->mutex);
    }
    if (found)
        in_flight[*program]++;
    pthread_mutex_unlock(&ex->mutex);
    return found;
}

static void note_flight(struct executor *ex, const struct flight *flight) {
    pthread_mutex_lock(&ex->mutex);
    ex->flights[(ex->flight_first + ex->flight_count++) % ex->flight_room] = *flight;
    pthread_cond_signal(&ex->flying);
    pthread_mutex_unlock(&ex->mutex);
}

/* False when the job failed. */
static bool send(struct executor *ex, struct flight flight, struct device_batch *batch) {
    sl_error err = {0};
    if (!pick_program(ex, flight.bucket, &flight.program))
        return false;
    batch->owner = flight.slot;
    batch->culprit = NULL;
    batch->error.status = SL_OK;
    if (ex->options.ops->submit(program_of(ex, flight.bucket, flight.program), batch, &err) != SL_OK) {
        fail(ex, &err, batch->culprit ? batch->culprit->owner : flight.slot);
        return false;
    }
    note_flight(ex, &flight);
    return true;
}

static bool send_slot(struct executor *ex, struct slot *slot) {
    struct device_batch *batch = &ex->batches[slot->sequence % ex->options.slot_count];
    pad(ex, slot);
    *batch =
        (struct device_batch){.input = slot->input, .output = slot->output, .row_count = slot->row_count};
    return send(ex, (struct flight){.slot = slot}, batch);
}

/* ---- batches of rows ---- */

static void rows_computed(struct executor *ex, struct slot *slot, uint32_t count) {
    if (atomic_fetch_sub_explicit(&slot->uncomputed, count, memory_order_acq_rel) != count)
        return;
    ring_computed(ex->options.ring, slot);
    ex->options.computed(ex->options.ctx, slot);
}

static bool send_open(struct executor *ex, unsigned bucket) {
    struct composed *b = ex->open[bucket];
    ex->open[bucket] = NULL;
    composer_pad(ex->composer, b);
    b->batch.row_count = b->count;
    return send(ex, (struct flight){.bucket = bucket, .slot = b->rows[0].slot, .composed = b}, &b->batch);
}

/* Open batches with a row of a slot before `sequence` go as they are. */
static bool send_before(struct executor *ex, uint64_t sequence) {
    for (unsigned i = 0; i < bucket_count(ex); i++)
        if (ex->open[i] && ex->open[i]->rows[0].slot->sequence < sequence && !send_open(ex, i))
            return false;
    return true;
}

static bool deal_out(struct executor *ex, struct slot *slot) {
    uint32_t rejected = 0;
    atomic_store_explicit(&slot->uncomputed, slot->row_count + 1, memory_order_relaxed);
    for (uint32_t r = 0; r < slot->row_count; r++) {
        unsigned bucket = slot->rows[r].bucket;
        if (slot->rows[r].state != ROW_GOOD) {
            rejected++;
            continue;
        }
        if (!ex->open[bucket] && !(ex->open[bucket] = composer_take(ex->composer, bucket)))
            return false;
        if (composer_add(ex->composer, ex->open[bucket], slot, r) && !send_open(ex, bucket))
            return false;
    }
    rows_computed(ex, slot, rejected + 1);
    return send_before(ex, slot->sequence);
}

static void *submit_run(void *arg) {
    struct executor *ex = arg;
    struct slot *slot;
    bool well = true;
    while (well && (slot = ring_next_ready(ex->options.ring)) != NULL) {
        if (!slot->row_count) /* nothing but ends of shards */
            ring_computed(ex->options.ring, slot);
        else
            well = ex->composer ? deal_out(ex, slot) : send_slot(ex, slot);
    }
    if (well && ex->composer)
        send_before(ex, UINT64_MAX);
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

static void landed(struct executor *ex, const struct flight *flight) {
    pthread_mutex_lock(&ex->mutex);
    ex->in_flight[flight->bucket * ex->options.program_count + flight->program]--;
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

static void take_back(struct executor *ex, const struct flight *flight) {
    struct composed *b = flight->composed;
    if (!b) {
        ring_computed(ex->options.ring, flight->slot);
        ex->options.computed(ex->options.ctx, flight->slot);
        return;
    }
    composer_scatter(ex->composer, b);
    for (uint32_t r = 0, next; r < b->count; r = next) {
        struct slot *slot = b->rows[r].slot;
        for (next = r + 1; next < b->count && b->rows[next].slot == slot;)
            next++;
        rows_computed(ex, slot, next - r);
    }
    composer_give(ex->composer, b);
}

/* Collects everything that was submitted, also after a failure: the device owns those batches until then. */
static void *collect_run(void *arg) {
    struct executor *ex = arg;
    struct flight flight;
    bool broken = false;
    while (next_flight(ex, &flight)) {
        struct device_batch *batch = NULL;
        sl_error err = {0};
        if (ex->options.ops->collect(program_of(ex, flight.bucket, flight.program), &batch, &err) != SL_OK) {
            fail(ex, &err, NULL);
            break;
        }
        landed(ex, &flight);
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
        take_back(ex, &flight);
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
