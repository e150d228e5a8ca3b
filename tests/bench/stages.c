/* stages.c MODEL INPUT OUTPUT: each stage of a job alone, its neighbours replaced by memory that is filled
 * already, then the whole job beside them. The bound of the whole is the larger of the slowest stage alone
 * and all stages' CPU time over the cores; efficiency is that bound over the wall time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/job.h"
#include "support/clock.h"
#include "support/mem.h"

struct timing {
    double wall, cpu;
    unsigned threads; /* it may use in the job */
};

static void begin(struct timing *t) {
    t->wall -= (double)clock_ns() / 1e9;
    t->cpu -= (double)clock_process_ns() / 1e9;
}

static void end(struct timing *t) {
    t->wall += (double)clock_ns() / 1e9;
    t->cpu += (double)clock_process_ns() / 1e9;
}

static void must(sl_status st, const sl_error *err) {
    if (st == SL_OK)
        return;
    fprintf(stderr, "stages: %s\n", err->text);
    exit((int)st);
}

/* Reading and cutting everything, and decoding every record, one thread each, timed apart. */
static uint64_t read_and_decode(struct job *job, struct slot *slot, struct timing *reading,
                                struct timing *decoding) {
    sl_error err = {0};
    uint64_t records = 0;
    struct block *block = block_pool_take(&job->pool);
    const struct plan_port *port = &job->plan->inputs[0];
    char *rows = (char *)slot->input + job->plan->values[port->value].offset;
    for (size_t shard = 0; shard < job->shards.count; shard++) {
        begin(reading);
        must(reader_start(job->readers[0].reader, shard, 0, &err), &err);
        end(reading);
        for (;;) {
            block_reset(block);
            begin(reading);
            must(reader_next(job->readers[0].reader, block, &err), &err);
            end(reading);
            if (!block->cut_count)
                break;
            begin(decoding);
            for (uint32_t i = 0; i < block->cut_count; i++) {
                sl_field fields[BLOCK_MAX_SAMPLE_FIELDS];
                struct chain_reject reject;
                sl_record record;
                sl_value source, out = {.kind = SL_KIND_TENSOR};
                block_record(block, i, fields, &record);
                chain_source(&record, &source);
                out.tensor.data = rows + (records + i) % (uint64_t)job->plan->batch * port->row_nbytes;
                if (chain_apply(job->workers[0].ctx, 0, &source, &out, &reject) != SL_OK)
                    fprintf(stderr, "stages: record %llu: %s\n", (unsigned long long)(records + i),
                            reject.reason);
            }
            end(decoding);
            records += block->cut_count;
        }
    }
    return records;
}

/* As many batches as the records make, through the device, as many in flight as it takes. */
static void compute(struct job *job, const struct slot *slot, uint64_t batches, struct timing *t) {
    sl_error err = {0};
    unsigned depth = job->device_ops->depth(job->programs[0]);
    struct device_batch *batch = mem_alloc(depth, sizeof *batch), *back;
    void **outputs = mem_alloc(depth, sizeof *outputs);
    for (unsigned i = 0; i < depth; i++)
        outputs[i] = job->device_ops->slot_alloc(job->devices[0], job->plan->output_nbytes);
    begin(t);
    for (uint64_t i = 0; i < batches + depth; i++) {
        if (i >= depth && i - depth < batches)
            must(job->device_ops->collect(job->programs[0], &back, &err), &err);
        if (i >= batches)
            continue;
        batch[i % depth] = (struct device_batch){
            .input = slot->input, .output = outputs[i % depth], .row_count = job->plan->batch};
        must(job->device_ops->submit(job->programs[0], &batch[i % depth], &err), &err);
    }
    end(t);
    memcpy(slot->output, outputs[0], job->plan->output_nbytes);
    for (unsigned i = 0; i < depth; i++)
        job->device_ops->slot_free(job->devices[0], outputs[i], job->plan->output_nbytes);
    mem_free(outputs);
    mem_free(batch);
}

static void format(struct job *job, struct slot *slot, uint64_t batches, struct timing *t) {
    for (uint32_t r = 0; r < slot->row_cap; r++)
        slot->rows[r].state = ROW_GOOD;
    begin(t);
    for (uint64_t i = 0; i < batches; i++)
        format_rows(job->workers[0].format, slot, 0, slot->row_cap);
    end(t);
}

static void write_out(struct job *job, struct slot *slot, uint64_t batches, const char *dir,
                      struct timing *t) {
    struct output_shard shard = {"all.csv", 1, 1};
    struct output_fact fact = {"bench", "write"};
    struct output_options options = {.dir = dir,
                                     .shards = &shard,
                                     .shard_count = 1,
                                     .facts = &fact,
                                     .fact_count = 1,
                                     .overwrite = true,
                                     .checkpoint_ns = 5000000000u,
                                     .open_max = 1};
    struct output *output;
    sl_error err = {0};
    bool finished;
    must(output_open(&output, &options, &finished, &err), &err);
    begin(t);
    for (uint64_t i = 0; i <= batches; i++) {
        bool last = i == batches;
        slot->span_count = 1;
        slot->spans[0] = (struct span){.count = last ? 0 : slot->row_cap,
                                       .kind = last ? SPAN_END : SPAN_ROWS,
                                       .first_record = i * slot->row_cap};
        must(output_write_slot(output, slot, &err), &err);
    }
    must(output_finish(output, "{}\n", 3, &err), &err);
    end(t);
    output_close(output);
    (void)job;
}

static void stages_alone(const sl_job_options *options, const char *scratch,
                         struct timing timings[SL_STAGE_COUNT], uint64_t *records, unsigned *cores) {
    sl_error err = {0};
    sl_job_result result = {0};
    struct job *job = mem_alloc(1, sizeof *job);
    struct lease lease;
    job->options = options;
    job->result = &result;
    pthread_mutex_init(&job->mutex, NULL);
    must(job_prepare(job, &err), &err);
    must(job_open_streams(job, &err), &err);
    *cores = job->widths.cores;
    ring_reserve(job->ring, 0, 0, (uint32_t)job->plan->batch, &lease);
    *records = read_and_decode(job, lease.slot, &timings[0], &timings[1]);
    uint64_t batches = (*records + (uint64_t)job->plan->batch - 1) / (uint64_t)job->plan->batch;
    compute(job, lease.slot, batches, &timings[2]);
    format(job, lease.slot, batches, &timings[3]);
    write_out(job, lease.slot, batches, scratch, &timings[4]);
    unsigned threads[SL_STAGE_COUNT] = {job->widths.readers, job->widths.workers, 1, job->widths.workers, 1};
    for (int i = 0; i < SL_STAGE_COUNT; i++)
        timings[i].threads = threads[i] < *cores ? threads[i] : *cores;
    job_close_streams(job);
    job_unprepare(job);
    mem_free(job);
}

int main(int argc, char **argv) {
    struct timing timings[SL_STAGE_COUNT] = {{0}};
    sl_job_options options;
    sl_job_result result;
    sl_error err = {0};
    char scratch[4096];
    uint64_t records;
    unsigned cores;
    if (argc < 4) {
        fprintf(stderr, "usage: stages MODEL INPUT OUTPUT [REPEAT]\n");
        return SL_E_USAGE;
    }
    sl_job_defaults(&options);
    options.model = argv[1];
    options.input = argv[2];
    options.output = argv[3];
    options.overwrite = true;
    snprintf(scratch, sizeof scratch, "%s.write-alone", argv[3]);
    stages_alone(&options, scratch, timings, &records, &cores);
    double best = 1e30;
    for (int i = 0, n = argc > 4 ? atoi(argv[4]) : 3; i < n;
         i++) { /* the median of few is its middle; the best is stable */
        must(sl_job_run(&options, &result, &err), &err);
        best = result.seconds < best ? result.seconds : best;
    }
    double slowest = 0, cpu = 0;
    printf("%-8s %10s %10s %8s %14s\n", "stage", "wall s", "cpu s", "threads", "records/s");
    for (int i = 0; i < SL_STAGE_COUNT; i++) {
        double alone = timings[i].wall / timings[i].threads;
        printf("%-8s %10.3f %10.3f %8u %14.0f\n", stage_names[i], timings[i].wall, timings[i].cpu,
               timings[i].threads, (double)records / alone);
        slowest = alone > slowest ? alone : slowest;
        cpu += timings[i].cpu;
    }
    double bound = cpu / cores > slowest ? cpu / cores : slowest;
    printf("%-8s %10.3f %10s %8u %14.0f\n", "whole", best, "", cores, (double)records / best);
    printf("bound %.3f s (slowest stage alone %.3f s, all CPU time over %u cores %.3f s): the whole takes "
           "%.2fx of it\n",
           bound, slowest, cores, cpu / cores, best / bound);
    return 0;
}
