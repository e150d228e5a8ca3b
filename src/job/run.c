/* run.c: the order of a job. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "job/job.h"
#include "support/clock.h"
#include "support/mem.h"
#include "support/text.h"
#include "support/thread.h"

#define SLUICE_VERSION "0.1.0"

const char *sl_version(void) {
    return SLUICE_VERSION;
}

void sl_job_defaults(sl_job_options *options) {
    *options = (sl_job_options){.nbytes = sizeof *options,
                                .device = "auto",
                                .precision = "fp32",
                                .csv_header = -1,
                                .max_record_nbytes = 16u << 20,
                                .max_expansion = 200,
                                .max_join_nbytes = 16u << 10,
                                .max_pixels = 100000000,
                                .max_rejects_percent = 5,
                                .max_rejects = UINT64_MAX,
                                .checkpoint_seconds = 5,
                                .progress_ms = 100};
}

static sl_status check_options(const sl_job_options *o, sl_error *err) {
    if (!o->model || !o->input || !o->output)
        return error_set(err, SL_E_USAGE, "a job needs a model, an input and an output");
    if (o->batch_size < 0 || o->batch_size > 1 << 20)
        return error_set(err, SL_E_USAGE, "bad batch size %lld: from 1 to 1048576, or auto",
                         (long long)o->batch_size);
    if (o->workers > 4096)
        return error_set(err, SL_E_USAGE, "bad number of workers %u: from 1 to 4096, or auto", o->workers);
    if (o->max_record_nbytes < 1 || o->max_record_nbytes > 1u << 30)
        return error_set(err, SL_E_USAGE, "bad record size limit: from 1 byte to 1 GiB");
    if (o->max_join_nbytes < 1 || o->max_join_nbytes > 100u << 20)
        return error_set(err, SL_E_USAGE, "bad limit of a join: from 1 byte to 100 MiB");
    if (o->max_expansion > UINT32_MAX)
        return error_set(err, SL_E_USAGE, "bad expansion limit: up to 4294967295, or 0 for none");
    return SL_OK;
}

/* The real path of what is there, or of its nearest parent that is. */
static bool resolve(const char *path, char real[PATH_MAX]) {
    char part[PATH_MAX];
    if (realpath(path, real))
        return true;
    snprintf(part, sizeof part, "%s", path);
    for (char *slash; (slash = strrchr(part, '/')) != NULL && slash != part;) {
        *slash = 0;
        if (realpath(part, real))
            return true;
    }
    return realpath(path[0] == '/' ? "/" : ".", real) != NULL;
}

/* True when `inner` is `outer` or lies below it; by device and inode, so no spelling of a path escapes. */
static bool lies_within(const char *inner, const char *outer) {
    struct stat out, in;
    char path[PATH_MAX];
    if (stat(outer, &out) != 0 || !S_ISDIR(out.st_mode) || !resolve(inner, path))
        return false;
    for (;;) {
        if (stat(path, &in) != 0)
            return false;
        if (in.st_dev == out.st_dev && in.st_ino == out.st_ino)
            return true;
        char *slash = strrchr(path, '/');
        if (!slash || !slash[1])
            return false;
        slash[slash == path] = 0; /* "/a" becomes "/" */
    }
}

static sl_status check_places(struct job *job, sl_error *err) {
    const char *input = job->shards.root, *output = job->output_path;
    sl_status st = job_place(job->options, job->options->output, job->output_path, err);
    if (st == SL_OK && lies_within(output, input))
        return error_set(err, SL_E_OUTPUT, "output '%s' lies inside input '%s': the next run would read it",
                         text_quote(output), text_quote(input));
    if (st == SL_OK && lies_within(input, output))
        return error_set(err, SL_E_OUTPUT, "input '%s' lies inside output '%s'", text_quote(input),
                         text_quote(output));
    return st;
}

/* What must be the same when a job goes on. */
#define FACTS 10
#define FACT_NBYTES 240
static void fill_facts(const struct job *job, struct output_fact facts[FACTS],
                       char text[FACTS][FACT_NBYTES]) {
    const struct container_options *c = &job->reader_options.container;
    snprintf(text[0], FACT_NBYTES, "%s", SLUICE_VERSION);
    snprintf(text[1], FACT_NBYTES, "%s", job->model.sha256);
    snprintf(text[2], FACT_NBYTES, "%s", job->model.config_sha256);
    snprintf(text[3], FACT_NBYTES, "%s", job->options->precision);
    snprintf(text[4], FACT_NBYTES, "%s", formatter_content_type(job->formatter));
    snprintf(text[5], FACT_NBYTES, "%s", job->container->name);
    snprintf(text[6], FACT_NBYTES, "header=%d delimiter=%d quote=%d comment=%d base=%d nan=%d", c->csv_header,
             c->csv_delimiter, c->csv_quote, c->csv_comment, (int)job->chain_options.libsvm_base,
             job->chain_options.libsvm_missing_is_nan);
    snprintf(text[7], FACT_NBYTES, "record=%zu pixels=%llu truncated=%d", c->max_record_nbytes,
             (unsigned long long)job->options->max_pixels, c->allow_truncated);
    snprintf(text[8], FACT_NBYTES, "%llu", (unsigned long long)job->options->limit);
    snprintf(text[9], FACT_NBYTES, "input=%s join=%d output=%s line=%d longest=%llu%s",
             job->processing.input.text, job->processing.join, job->processing.output.text, c->split_lines,
             job->processing.join ? (unsigned long long)job->options->max_join_nbytes : 0,
             job->options->inference_ids ? " ids" : "");
    static const char *const keys[FACTS] = {
        "sluice",    "model_sha256", "transform_sha256", "precision", "accept",
        "container", "csv",          "limits",           "limit",     "data_processing"};
    for (int i = 0; i < FACTS; i++)
        facts[i] = (struct output_fact){keys[i], text[i]};
}

static sl_status open_output(struct job *job, bool *finished, sl_error *err) {
    struct output_fact facts[FACTS];
    char text[FACTS][FACT_NBYTES];
    job->output_shards = mem_alloc(job->shards.count, sizeof *job->output_shards);
    if (!job->output_shards)
        return error_set(err, SL_E_MEMORY, "out of memory for %zu shards", job->shards.count);
    for (size_t i = 0; i < job->shards.count; i++)
        job->output_shards[i] = (struct output_shard){job->shards.items[i].name, job->shards.items[i].nbytes,
                                                      job->shards.items[i].mtime_ns};
    struct output_options options;
    job_output_options(job, &options);
    fill_facts(job, facts, text);
    options.facts = facts;
    options.fact_count = FACTS;
    sl_status st = output_open(&job->output, &options, finished, err);
    if (st == SL_OK)
        formatter_identify(job->formatter, output_identity(job->output), job->output_shards);
    return st;
}

/* How much of the input is done, and one line about it. */
static void look_at_resume(struct job *job) {
    struct output_totals totals;
    output_totals(job->output, &totals);
    uint64_t done = 0;
    for (size_t i = 0; i < job->shards.count; i++)
        if (output_shard_progress(job->output, i)->state == SHARD_DONE) {
            job->nbytes_resumed += job->shards.items[i].nbytes;
            done++;
        }
    job->limit_left = job->options->limit;
    if (job->limit_left)
        job->limit_left = totals.records < job->options->limit ? job->options->limit - totals.records : 0;
    if (totals.records_resumed || done)
        job_note(job, "resuming: %llu of %zu shards done, %llu records written", (unsigned long long)done,
                 job->shards.count, (unsigned long long)totals.records_resumed);
}

static void note_input(const struct job *job) {
    char size[32];
    text_nbytes(size, sizeof size, job->shards.total_nbytes);
    job_note(job, "input: %zu shard%s (%s, %s), %s", job->shards.count, job->shards.count == 1 ? "" : "s",
             job->container->name, job->filter_name, size);
    if (job->shards.links || job->shards.special)
        job_note(job, "input: left out %zu links and %zu special files", job->shards.links,
                 job->shards.special);
}

/* After the stream: what stands, and with which status. */
static sl_status finish(struct job *job, sl_error *err) {
    sl_job_result *r = job->result;
    struct buf summary;
    buf_init(&summary);
    job_fill_result(job, (double)(clock_ns() - job->started_ns) / 1e9);
    if (r->records != r->scored + r->rejected)
        return error_set(
            err, SL_E_INTERNAL, "the counts do not add up: %llu records, %llu scored, %llu rejected",
            (unsigned long long)r->records, (unsigned long long)r->scored, (unsigned long long)r->rejected);
    job_summary_json(job, &summary);
    sl_status st = summary.failed ? error_set(err, SL_E_MEMORY, "out of memory for the summary")
                                  : output_finish(job->output, summary.data, summary.size, err);
    buf_clear(&summary);
    if (st != SL_OK)
        return st;
    if (r->shards_broken) /* also when interrupted: what is broken stays broken */
        return error_set(err, SL_E_DATA, "%llu of %llu shards cannot be read; the others are done",
                         (unsigned long long)r->shards_broken, (unsigned long long)r->shard_count);
    if (r->shards_done < r->shard_count)
        return error_set(err, SL_E_INTERRUPTED,
                         "interrupted: %llu of %llu shards done; run the same command to resume",
                         (unsigned long long)r->shards_done, (unsigned long long)r->shard_count);
    return r->rejected && !job->options->rejects_ok ? SL_REJECTS : SL_OK;
}

static sl_status run_job(struct job *job, sl_error *err) {
    uint64_t begun = clock_ns();
    bool finished = false;
    sl_status st = job_prepare(job, err);
    if (st == SL_OK)
        st = check_places(job, err);
    if (st == SL_OK)
        st = job_model_hash(&job->model, err);
    if (st != SL_OK)
        return st;
    job->result->batch_size = job_longest_plan(job)->batch;
    snprintf(job->result->device, sizeof job->result->device, "%.255s", job->device_line);
    job_note(job, "device %s", job->device_line);
    note_input(job);
    if ((st = open_output(job, &finished, err)) != SL_OK)
        return st;
    if (finished) {
        job->result->already_finished = true;
        job_fill_result(job, 0);
        return job->result->rejected && !job->options->rejects_ok ? SL_REJECTS : SL_OK;
    }
    if ((st = job_open_streams(job, err)) != SL_OK)
        return st;
    look_at_resume(job);
    job->result->load_seconds = (double)(clock_ns() - begun) / 1e9;
    st = job_stream(job, err);
    if (st == SL_OK)
        return finish(job, err);
    job_fill_result(job, (double)(clock_ns() - job->started_ns) / 1e9);
    return st;
}

sl_status sl_job_run(const sl_job_options *options, sl_job_result *result, sl_error *err) {
    *result = (sl_job_result){0};
    sl_status st = check_options(options, err);
    struct job *job = st == SL_OK ? mem_alloc(1, sizeof *job) : NULL;
    if (st == SL_OK && !job)
        st = error_set(err, SL_E_MEMORY, "out of memory for the job");
    if (st == SL_OK) {
        job->options = options;
        job->result = result;
        pthread_mutex_init(&job->mutex, NULL);
        thread_cond_init(&job->changed);
        st = run_job(job, err);
        job_close_streams(job);
        if (job->output)
            output_close(job->output);
        mem_free(job->output_shards);
        job_unprepare(job);
        mem_free(job);
    }
    snprintf(result->output, sizeof result->output, "%s", options->output ? options->output : "");
    result->status = st;
    return st;
}
