/* conduct.c: opens everything that streams, starts the threads, watches them, and joins them.
 *
 * The end of a job runs through the pipeline by itself: the last reader finishes the ring, the collector
 * finishes the task queue, the writer sets writer_done. A failure stops every place where a thread could
 * wait. */
#include <stdarg.h>
#include <stdio.h>

#include "job/job.h"
#include "support/clock.h"
#include "support/mem.h"
#include "support/text.h"
#include "support/thread.h"

#define SLOW_BATCH_NS 30000000000ull

static atomic_bool stop_requested;

void sl_job_stop(void) {
    atomic_store(&stop_requested, true);
}

bool job_stop_requested(void) {
    return atomic_load(&stop_requested);
}

void job_note(const struct job *job, const char *format, ...) {
    char line[512];
    va_list args;
    if (!job->options->on_note)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    job->options->on_note(job->options->ctx, line);
}

void job_fail(struct job *job, const sl_error *err) {
    pthread_mutex_lock(&job->mutex);
    if (!job->failed)
        job->error = *err;
    job->failed = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    atomic_store(&job->stopping, true);
    ring_stop(job->ring);
    tasks_stop(job->tasks);
    block_pool_stop(&job->pool);
}

/* ---- open and close
 * ------------------------------------------------------------------------------------------- */

/* What a device reads and writes itself is its own to give. */
static void *device_slot_alloc(void *ctx, size_t nbytes) {
    struct job *job = ctx;
    void *p = job->device_ops->slot_alloc(job->devices[0], nbytes);
    if (!p && job->device_ops->own_depth)
        job->slot_refused = true;
    return p;
}

static void device_slot_free(void *ctx, void *p, size_t nbytes) {
    struct job *job = ctx;
    job->device_ops->slot_free(job->devices[0], p, nbytes);
}

/* Where batches are made of rows, no device sees a slot. */
static void *host_slot_alloc(void *ctx, size_t nbytes) {
    (void)ctx;
    return mem_map(nbytes);
}

static void host_slot_free(void *ctx, void *p, size_t nbytes) {
    (void)ctx;
    mem_unmap(p, nbytes);
}

/* Pinned memory that was refused: what there was to give. */
static void explain_pinned(const struct job *job, sl_error *err) {
    char want[32], left[32];
    struct machine now;
    machine_read(&now);
    text_nbytes(want, sizeof want, job->budget.pinned);
    text_nbytes(left, sizeof left, now.memory_nbytes);
    (void)error_set(err, SL_E_MEMORY,
                    "cannot pin %s of host memory for %u slots of %lld rows: the driver refused, %s are left "
                    "(%s; the memlock limit does not count here); try a smaller --batch-size",
                    want, job->widths.slots, (long long)job->plan->batch, left,
                    now.cgroup_limit ? "of the machine or its cgroup" : "of the machine");
}

static sl_status load_programs(struct job *job, sl_error *err) {
    unsigned plans = job->bucket_count ? job->bucket_count : 1;
    for (unsigned i = 0; i < job->device_count; i++)
        for (unsigned k = plans; k-- > 0;) { /* the longest first: it needs the most */
            const struct plan *plan = job->bucket_count ? job->buckets[k].plan : job->plan;
            struct program **program = job->bucket_count ? &job->buckets[k].programs[i] : &job->programs[i];
            sl_status st = job->device_ops->load(job->devices[i], plan, program, err);
            if (st != SL_OK)
                return st;
        }
    return SL_OK;
}

/* A fault of the device is told with the records that were on it. */
static void executor_failed(void *ctx, const sl_error *err, const struct slot *slot) {
    struct job *job = ctx;
    sl_error full = *err;
    unsigned named = 0;
    for (uint32_t i = 0; err->status == SL_E_GPU && slot && i < slot->span_count; i++) {
        const struct span *span = &slot->spans[i];
        if (span->kind != SPAN_ROWS || named++ > 3)
            continue;
        error_append(&full, named > 3 ? ", and more" : "%sshard '%s' records %llu to %llu",
                     named > 1 ? ", " : "; its records: ", text_quote(job->shards.items[span->shard].name),
                     (unsigned long long)span->first_record,
                     (unsigned long long)(span->first_record + span->count - 1));
    }
    if (named)
        error_append(&full, "; run the same command to resume");
    job_fail(job, &full);
}

static void executor_ended(void *ctx) {
    struct job *job = ctx;
    tasks_finish(job->tasks);
}

static sl_status open_executor(struct job *job, sl_error *err) {
    job_composer_options(job, job->bucket_list, &job->compose);
    job->compose.alloc = device_slot_alloc;
    job->compose.free = device_slot_free;
    job->compose.ctx = job;
    struct executor_options options = {.ring = job->ring,
                                       .plan = job->plan,
                                       .ops = job->device_ops,
                                       .programs = job->programs,
                                       .program_count = job->device_count,
                                       .slot_count = job_slots(job),
                                       .compose = job->bucket_count ? &job->compose : NULL,
                                       .stats = &job->stats[STAGE_MODEL],
                                       .computed = job_slot_computed,
                                       .failed = executor_failed,
                                       .ended = executor_ended,
                                       .ctx = job};
    return executor_open(&job->executor, &options, err);
}

static sl_status open_readers(struct job *job, sl_error *err) {
    job->readers = mem_alloc(job->widths.readers, sizeof *job->readers);
    if (!job->readers)
        return error_set(err, SL_E_MEMORY, "out of memory for the readers");
    for (unsigned i = 0; i < job->widths.readers; i++) {
        struct job_reader *r = &job->readers[i];
        r->job = job;
        sl_status st = reader_open(&r->reader, &job->shards, job->container, &job->reader_options, err);
        if (st != SL_OK)
            return st;
        if (job->header)
            reader_expect_header(r->reader, (const char *const *)job->header, job->header_count);
    }
    return SL_OK;
}

static sl_status open_workers(struct job *job, sl_error *err) {
    job->workers = mem_alloc(job->widths.workers_max, sizeof *job->workers);
    if (!job->workers)
        return error_set(err, SL_E_MEMORY, "out of memory for the workers");
    for (unsigned i = 0; i < job->widths.workers_max; i++) {
        struct job_worker *worker = &job->workers[i];
        worker->job = job;
        worker->number = i;
        if (job->processing.filters && !(worker->filtered = mem_map((size_t)job->options->max_record_nbytes)))
            return error_set(err, SL_E_MEMORY, "out of memory for the workers");
        sl_status st =
            worker_ctx_open(&worker->ctx, job->chains, job->plan->input_count, &job->chain_options, err);
        if (st == SL_OK)
            st = format_worker_open(&worker->format, job->formatter, err);
        if (st != SL_OK)
            return st;
    }
    return SL_OK;
}

sl_status job_open_streams(struct job *job, sl_error *err) {
    struct ring_options ring;
    struct tasks_options tasks;
    job_ring_options(job, &ring);
    job_tasks_options(job, &tasks);
    ring.slot_alloc = job->bucket_count ? host_slot_alloc : device_slot_alloc;
    ring.slot_free = job->bucket_count ? host_slot_free : device_slot_free;
    ring.ctx = job;
    sl_status st = load_programs(job, err);
    if (st == SL_OK)
        st = ring_open(&job->ring, &ring, err);
    if (st == SL_OK)
        st = tasks_open(&job->tasks, &tasks, err);
    if (st == SL_OK)
        st = block_pool_open(&job->pool, &job->widths, job->options->max_record_nbytes, err);
    if (st == SL_OK)
        st = open_executor(job, err);
    if (st == SL_E_MEMORY && job->slot_refused)
        explain_pinned(job, err);
    if (st == SL_OK)
        st = open_readers(job, err);
    if (st == SL_OK)
        st = open_workers(job, err);
    if (st == SL_OK && !(job->shard_errors = mem_map(job->shards.count * sizeof *job->shard_errors)))
        st = error_set(err, SL_E_MEMORY, "out of memory for %zu shards", job->shards.count);
    return st;
}

void job_close_streams(struct job *job) {
    for (unsigned i = 0; job->workers && i < job->widths.workers_max; i++) {
        if (job->workers[i].format)
            format_worker_close(job->workers[i].format);
        if (job->workers[i].ctx)
            worker_ctx_close(job->workers[i].ctx);
        if (job->workers[i].filtered)
            mem_unmap(job->workers[i].filtered, (size_t)job->options->max_record_nbytes);
    }
    for (unsigned i = 0; job->readers && i < job->widths.readers; i++)
        if (job->readers[i].reader)
            reader_close(job->readers[i].reader);
    mem_free(job->workers);
    mem_free(job->readers);
    if (job->shard_errors)
        mem_unmap(job->shard_errors, job->shards.count * sizeof *job->shard_errors);
    /* programs first: after a failure a device may still be at work in slots that nobody collected */
    for (unsigned i = 0; i < job->device_count; i++) {
        if (job->programs[i])
            job->device_ops->unload(job->programs[i]);
        for (unsigned k = 0; k < job->bucket_count; k++)
            if (job->buckets[k].programs[i])
                job->device_ops->unload(job->buckets[k].programs[i]);
    }
    executor_close(job->executor);
    block_pool_close(&job->pool);
    tasks_close(job->tasks);
    ring_close(job->ring);
}

/* ---- run
 * ------------------------------------------------------------------------------------------------------ */

static sl_status start_threads(struct job *job, sl_error *err) {
    char name[16];
    sl_status st = thread_start(&job->writer, "write", job_writer_run, job, err);
    job->writer_runs = st == SL_OK;
    for (unsigned i = 0; st == SL_OK && i < job->widths.workers_max; i++) {
        snprintf(name, sizeof name, "worker-%u", i % 1000u);
        st = thread_start(&job->workers[i].thread, name, job_worker_run, &job->workers[i], err);
        job->workers[i].runs = st == SL_OK;
    }
    if (st == SL_OK)
        st = executor_start(job->executor, err);
    atomic_store(&job->readers_at_work, job->widths.readers);
    for (unsigned i = 0; st == SL_OK && i < job->widths.readers; i++) {
        snprintf(name, sizeof name, "read-%u", i % 1000u);
        st = thread_start(&job->readers[i].thread, name, job_reader_run, &job->readers[i], err);
        job->readers[i].runs = st == SL_OK;
    }
    return st;
}

static void join_threads(struct job *job) {
    for (unsigned i = 0; i < job->widths.readers; i++)
        if (job->readers[i].runs)
            pthread_join(job->readers[i].thread, NULL);
    executor_join(job->executor);
    for (unsigned i = 0; i < job->widths.workers_max; i++)
        if (job->workers[i].runs)
            pthread_join(job->workers[i].thread, NULL);
    if (job->writer_runs)
        pthread_join(job->writer, NULL);
}

static bool ended(struct job *job, uint64_t timeout_ns) {
    pthread_mutex_lock(&job->mutex);
    if (!job->writer_done && !job->failed)
        thread_cond_wait_ns(&job->changed, &job->mutex, timeout_ns);
    bool done = job->writer_done || job->failed;
    pthread_mutex_unlock(&job->mutex);
    return done;
}

/* Says once what a device is at that gives no batch back. */
struct patience {
    uint64_t computed, since_ns;
    bool said;
};

static void watch_device(struct job *job, struct patience *p, uint64_t now) {
    char text[400];
    struct ring_look ring;
    ring_look(job->ring, &ring);
    if (ring.slots_computed != p->computed || !ring.computing || !p->since_ns) {
        *p = (struct patience){.computed = ring.slots_computed, .since_ns = now};
        return;
    }
    if (p->said || !job->device_ops->look || now - p->since_ns < SLOW_BATCH_NS)
        return;
    p->said = true;
    unsigned plans = job->bucket_count ? job->bucket_count : 1;
    for (unsigned i = 0; i < job->device_count * plans; i++) {
        struct program *program =
            job->bucket_count ? job->buckets[i % plans].programs[i / plans] : job->programs[i];
        job->device_ops->look(program, text, sizeof text);
        job_note(job, "no batch has come back for %llu s: %s",
                 (unsigned long long)((now - p->since_ns) / 1000000000u), text);
    }
}

/* The conducting thread while the others work: progress, the workers' balance, and a wish to stop. */
static void watch(struct job *job) {
    unsigned every_ms = job->options->progress_ms ? job->options->progress_ms : 100;
    uint64_t shown_ns = 0;
    struct balance balance;
    struct patience patience = {0};
    balance_begin(&balance, job);
    while (!ended(job, 50u * 1000000u)) {
        uint64_t now = clock_ns();
        balance_step(&balance, job);
        watch_device(job, &patience, now);
        if (job_stop_requested() && !atomic_exchange(&job->stopping, true))
            job_note(job, "stopping: finishing what is on its way");
        if (job->options->on_progress && now - shown_ns >= every_ms * 1000000ull) {
            sl_job_progress progress;
            job_progress_now(job, &progress);
            job->options->on_progress(job->options->ctx, &progress);
            shown_ns = now;
        }
    }
}

static void last_progress(struct job *job) {
    sl_job_progress progress;
    if (!job->options->on_progress)
        return;
    job_progress_now(job, &progress);
    progress.last = true;
    job->options->on_progress(job->options->ctx, &progress);
}

sl_status job_stream(struct job *job, sl_error *err) {
    sl_error start_err = {0};
    job->started_ns = clock_ns();
    mem_freeze();
    if (start_threads(job, &start_err) != SL_OK)
        job_fail(job, &start_err);
    watch(job);
    join_threads(job);
    mem_thaw();
    last_progress(job);
    if (!job->failed)
        return SL_OK;
    if (err)
        *err = job->error;
    return job->error.status;
}
