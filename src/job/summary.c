/* summary.c: how it went: the counts, the time of each stage, and one sentence on what was the limit. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/clock.h"
#include "support/json.h"

void job_progress_now(struct job *job, sl_job_progress *p) {
    struct output_totals totals;
    struct ring_look ring;
    struct tasks_look tasks;
    output_totals(job->output, &totals);
    ring_look(job->ring, &ring);
    tasks_look(job->tasks, &tasks);
    *p = (sl_job_progress){.seconds = (double)(clock_ns() - job->started_ns) / 1e9,
                           .records = totals.records,
                           .scored = totals.scored,
                           .rejected = totals.rejected,
                           .records_resumed = totals.records_resumed,
                           .total_nbytes = job->shards.total_nbytes,
                           .nbytes_resumed = job->nbytes_resumed,
                           .shards = totals.shards_done + totals.shards_broken,
                           .total_shards = job->shards.count,
                           .slots_full = ring.ready + ring.computing,
                           .slot_count = ring.slot_count,
                           .workers = tasks.active};
    p->nbytes = job->nbytes_resumed + atomic_load(&job->shard_nbytes_done);
    for (unsigned i = 0; i < job->widths.readers; i++)
        p->nbytes += atomic_load(&job->readers[i].offset);
    if (p->nbytes > p->total_nbytes)
        p->nbytes = p->total_nbytes;
}

static void fill_stage(const struct job *job, enum stage which, unsigned threads, sl_job_stage *stage) {
    const struct stage_stats *s = &job->stats[which];
    *stage = (sl_job_stage){.name = stage_names[which],
                            .cpu_seconds = (double)atomic_load(&s->cpu_ns) / 1e9,
                            .busy_seconds = (double)atomic_load(&s->busy_ns) / 1e9,
                            .threads = threads,
                            .records = atomic_load(&s->records),
                            .nbytes = atomic_load(&s->nbytes)};
}

/* Where the threads of each stage waited. */
static void fill_waits(struct job *job, sl_job_result *r) {
    struct ring_look ring;
    struct tasks_look tasks;
    if (!job->ring || !job->tasks)
        return;
    ring_look(job->ring, &ring);
    tasks_look(job->tasks, &tasks);
    r->stages[STAGE_READ].wait_seconds = (double)ring.reserve_wait_ns / 1e9;
    r->stages[STAGE_DECODE].wait_seconds = (double)tasks.idle_ns / 1e9;
    r->stages[STAGE_MODEL].wait_seconds = (double)ring.ready_wait_ns / 1e9;
    r->stages[STAGE_WRITE].wait_seconds = (double)ring.formatted_wait_ns / 1e9;
}

/* Names the stage that bounds the job, with the numbers that say so. */
static void find_bottleneck(const struct job *job, sl_job_result *r) {
    static const char *const noun[SL_STAGE_COUNT] = {"reading", "decoding", "the model", "formatting",
                                                     "writing"};
    double cpu = 0, most = 0, slept = 0;
    int worst = 0, sleeper = -1;
    for (int i = 0; i < SL_STAGE_COUNT; i++) {
        double share = r->stages[i].cpu_seconds, away = r->stages[i].busy_seconds - share;
        unsigned threads = i == STAGE_READ || i == STAGE_WRITE ? r->stages[i].threads : 0;
        cpu += share;
        if (share > most) {
            most = share;
            worst = i;
        }
        /* a thread at work that does not compute waits for storage */
        if (threads && away / threads > slept) {
            slept = away / threads;
            sleeper = i;
        }
    }
    double busy = r->seconds > 0 ? cpu / r->seconds : 0;
    double device = job->device_ops && job->device_ops->own_depth && r->seconds > 0
                        ? r->stages[STAGE_MODEL].busy_seconds / r->seconds / job->device_count
                        : 0;
    if (!r->records || r->records == r->records_resumed)
        snprintf(r->bottleneck, sizeof r->bottleneck, "nothing was left to score");
    else if (device > 0.6)
        snprintf(r->bottleneck, sizeof r->bottleneck, "the GPU is the limit: busy %.0f %% of the time",
                 100 * device);
    else if (sleeper >= 0 && slept > 0.6 * r->seconds && busy < 0.6 * job->widths.cores)
        snprintf(r->bottleneck, sizeof r->bottleneck,
                 "storage is the limit: %s waited for it %.0f %% of the time", noun[sleeper],
                 100 * slept / r->seconds);
    else
        snprintf(r->bottleneck, sizeof r->bottleneck,
                 "%s is the limit: %.0f %% of the CPU time, %.1f of %u cores busy", noun[worst],
                 cpu > 0 ? 100 * most / cpu : 0, busy, job->widths.cores);
}

void job_fill_result(struct job *job, double seconds) {
    sl_job_result *r = job->result;
    const struct job_widths *w = &job->widths;
    struct output_totals totals;
    output_totals(job->output, &totals);
    r->records = totals.records;
    r->scored = totals.scored;
    r->rejected = totals.rejected;
    r->records_resumed = totals.records_resumed;
    r->shards_done = totals.shards_done;
    r->shards_broken = totals.shards_broken;
    r->shard_count = job->shards.count;
    r->in_nbytes = job->shards.total_nbytes;
    r->out_nbytes = totals.out_nbytes;
    r->seconds = seconds;
    fill_stage(job, STAGE_READ, w->readers, &r->stages[STAGE_READ]);
    fill_stage(job, STAGE_DECODE, r->workers, &r->stages[STAGE_DECODE]);
    fill_stage(job, STAGE_MODEL, w->device_threads, &r->stages[STAGE_MODEL]);
    fill_stage(job, STAGE_FORMAT, r->workers, &r->stages[STAGE_FORMAT]);
    fill_stage(job, STAGE_WRITE, 1, &r->stages[STAGE_WRITE]);
    fill_waits(job, r);
    find_bottleneck(job, r);
    job_fill_nonfinite(job, r);
    r->memory_planned = job->budget.total;
    r->memory_peak = machine_peak_rss();
}

static void put_text(struct buf *out, const char *key, const char *text) {
    json_put_key(out, key);
    json_put_string(out, text, strlen(text));
    buf_puts(out, ",\n  ");
}

static void put_u64(struct buf *out, const char *key, uint64_t value) {
    json_put_key(out, key);
    json_put_u64(out, value);
    buf_puts(out, ",\n  ");
}

static void put_f64(struct buf *out, const char *key, double value, const char *after) {
    json_put_key(out, key);
    buf_printf(out, "%.6f%s", value, after);
}

static void put_stages(const sl_job_result *r, struct buf *out) {
    json_put_key(out, "stages");
    buf_puts(out, "[");
    for (int i = 0; i < SL_STAGE_COUNT; i++) {
        const sl_job_stage *s = &r->stages[i];
        buf_printf(out, "%s\n    {\"name\": \"%s\", \"threads\": %u, \"records\": %llu, \"bytes\": %llu, ",
                   i ? "," : "", s->name, s->threads, (unsigned long long)s->records,
                   (unsigned long long)s->nbytes);
        put_f64(out, "cpu_seconds", s->cpu_seconds, ", ");
        put_f64(out, "busy_seconds", s->busy_seconds, ", ");
        put_f64(out, "wait_seconds", s->wait_seconds, "}");
    }
    buf_puts(out, "\n  ],\n  ");
}

static void put_broken(const struct job *job, struct buf *out) {
    json_put_key(out, "broken_shards");
    buf_puts(out, "[");
    bool first = true;
    for (size_t i = 0; i < job->shards.count; i++) {
        if (!job->shard_errors[i][0])
            continue;
        buf_puts(out, first ? "\n    {" : ",\n    {");
        json_put_key(out, "shard");
        json_put_string(out, job->shards.items[i].name, strlen(job->shards.items[i].name));
        buf_puts(out, ", ");
        json_put_key(out, "reason");
        json_put_string(out, job->shard_errors[i], strlen(job->shard_errors[i]));
        buf_puts(out, "}");
        first = false;
    }
    buf_puts(out, first ? "]\n" : "\n  ]\n");
}

void job_summary_json(const struct job *job, struct buf *out) {
    const sl_job_result *r = job->result;
    char utc[32];
    clock_utc(utc);
    buf_puts(out, "{\n  ");
    put_text(out, "sluice", sl_version());
    put_text(out, "ended", utc);
    put_u64(out, "records", r->records);
    put_u64(out, "scored", r->scored);
    put_u64(out, "rejected", r->rejected);
    put_u64(out, "records_resumed", r->records_resumed);
    put_u64(out, "nonfinite", r->nonfinite);
    if (r->nonfinite)
        put_text(out, "nonfinite_first", r->nonfinite_first);
    put_u64(out, "shards", r->shard_count);
    put_u64(out, "shards_done", r->shards_done);
    put_u64(out, "shards_broken", r->shards_broken);
    put_u64(out, "input_bytes", r->in_nbytes);
    put_u64(out, "output_bytes", r->out_nbytes);
    put_f64(out, "seconds", r->seconds, ",\n  ");
    put_f64(out, "load_seconds", r->load_seconds, ",\n  ");
    put_f64(out, "records_per_second",
            r->seconds > 0 ? (double)(r->records - r->records_resumed) / r->seconds : 0, ",\n  ");
    put_text(out, "device", r->device);
    put_u64(out, "batch_size", (uint64_t)r->batch_size);
    put_u64(out, "workers_at_start", r->workers_start);
    put_u64(out, "workers", r->workers);
    put_text(out, "workers_reason", r->workers_reason);
    put_text(out, "bottleneck", r->bottleneck);
    put_u64(out, "memory_planned_bytes", r->memory_planned);
    put_u64(out, "memory_peak_bytes", r->memory_peak);
    put_text(out, "model_sha256", job->model.sha256);
    put_stages(r, out);
    put_broken(job, out);
    buf_puts(out, "}\n");
}
