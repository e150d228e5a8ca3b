/* budget.c: how wide every stage is, how large a batch, and what it all takes, before any of it is taken. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/text.h"

#define BLOCK_NBYTES (512u << 10)     /* fits L2, long enough to amortise handing it over */
#define STACK_NBYTES (64u << 10)      /* what a thread of ours touches of its stack */
#define BATCH_CACHE_NBYTES (8u << 20) /* activations of a batch should stay in cache */
#define BATCH_MAX 1024
#define BATCH_MAX_LINES 4096 /* lines are small: a larger batch is handed over less often */

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

void job_choose_widths(struct job *job) {
    struct job_widths *w = &job->widths;
    size_t shards = job->has_input ? job->shards.count : 1;
    w->cores = job->machine.cores;
    w->workers_max = job->options->workers ? job->options->workers : w->cores;
    w->workers = w->workers_max;
    w->device_threads = w->cores;
    w->readers = job->options->limit ? 1 : least(w->cores, shards > 64 ? 64 : (unsigned)shards);
    w->slots = w->device_threads + w->device_threads / 2 + 3;
    w->blocks = 2 * w->workers_max + 2 * w->readers;
    w->block_nbytes = BLOCK_NBYTES;
}

void job_ring_options(const struct job *job, struct ring_options *options) {
    *options = (struct ring_options){.slot_count = job->widths.slots,
                                     .row_count = (uint32_t)job->plan->batch,
                                     .input_nbytes = job->plan->input_nbytes,
                                     .output_nbytes = job->plan->output_nbytes,
                                     .string_row_nbytes = job->plan->text_row_nbytes,
                                     .text_row_nbytes = formatter_row_nbytes(job->formatter)};
}

/* A worker takes few images or many lines; formatting in pieces of some 32 KiB of text. */
void job_tasks_options(const struct job *job, struct tasks_options *options) {
    size_t rows = (32u << 10) / formatter_row_nbytes(job->formatter) + 1;
    *options = (struct tasks_options){.decode_room = job->widths.blocks * job->widths.slots,
                                      .format_room = job->widths.slots,
                                      .take_decode = job->container ? job->container->take_records : 1,
                                      .take_format = rows > 1024 ? 1024 : (uint32_t)rows,
                                      .active = job->widths.workers};
}

void job_output_options(const struct job *job, struct output_options *options) {
    /* shards in flight: one per reader, and any that have rows in a slot */
    size_t in_flight = job->widths.readers + (size_t)job->widths.slots * (size_t)job->plan->batch;
    *options =
        (struct output_options){.dir = job->options->output,
                                .shards = job->output_shards,
                                .shard_count = job->shards.count,
                                .frame = formatter_frame(job->formatter),
                                .overwrite = job->options->overwrite,
                                .checkpoint_ns = (uint64_t)(job->options->checkpoint_seconds * 1e9),
                                .open_max = in_flight < job->shards.count ? in_flight : job->shards.count};
}

static void add(struct budget *budget, const char *what, uint64_t count, uint64_t each) {
    if (!count || !each || budget->line_count == BUDGET_LINES)
        return;
    budget->lines[budget->line_count++] = (struct budget_line){what, count, each};
    budget->total += count * each;
}

static void find_limit(struct job *job) {
    struct budget *b = &job->budget;
    b->limit = job->machine.memory_nbytes + job->base_nbytes; /* what is ours already counts as free */
    b->limit_from = job->machine.cgroup_limit && job->machine.memory_nbytes < job->machine.memory_available
                        ? "what the cgroup leaves"
                        : "what the machine has free";
    if (job->options->memory_limit) {
        b->limit = job->options->memory_limit;
        b->limit_from = "--memory-limit";
    }
}

void budget_add_up(struct job *job) {
    struct budget *b = &job->budget;
    const struct job_widths *w = &job->widths;
    struct ring_options ring;
    struct tasks_options tasks;
    struct output_options output;
    struct device_memory device;
    *b = (struct budget){0};
    job_ring_options(job, &ring);
    job_tasks_options(job, &tasks);
    job_output_options(job, &output);
    job->device_ops->memory(job->devices[0], job->plan, &device);
    size_t chains = 0;
    for (size_t i = 0; i < job->plan->input_count; i++)
        chains += chain_nbytes(job->chains[i]);
    add(b, "program, libraries and model file", 1, job->base_nbytes);
    add(b, "weights, packed", 1, device.weights_nbytes);
    add(b, "arenas and scratch", 1, device.arena_nbytes);
    add(b, "allowance for libraries", 1, device.library_nbytes);
    add(b, "slots", w->slots, ring_slot_nbytes(&ring));
    add(b, "blocks", w->blocks, block_pool_block_nbytes(w));
    add(b, "readers", w->readers, reader_nbytes(&job->reader_options, job->container));
    add(b, "workers", w->workers_max, chains + formatter_worker_nbytes(job->formatter));
    add(b, "task queues", 1, tasks_nbytes(&tasks));
    add(b, "output", 1, output_nbytes(&output));
    add(b, "thread stacks", w->readers + w->workers_max + w->device_threads + 4, STACK_NBYTES);
    find_limit(job);
}

void budget_print(const struct budget *budget, struct buf *out) {
    char each[32], total[32];
    for (unsigned i = 0; i < budget->line_count; i++) {
        const struct budget_line *line = &budget->lines[i];
        text_nbytes(each, sizeof each, line->each);
        text_nbytes(total, sizeof total, line->each * line->count);
        if (line->count > 1)
            buf_printf(out, "  %-34s %12s   %llu x %s\n", line->what, total, (unsigned long long)line->count,
                       each);
        else
            buf_printf(out, "  %-34s %12s\n", line->what, total);
    }
    text_nbytes(total, sizeof total, budget->total);
    text_nbytes(each, sizeof each, budget->limit);
    buf_printf(out, "  %-34s %12s   of %s (%s)\n", "total, resident", total, each, budget->limit_from);
}

sl_status job_try_batch(struct job *job, int64_t batch, sl_error *err) {
    if (job->formatter)
        formatter_close(job->formatter);
    if (job->plan)
        plan_close(job->plan);
    job->formatter = NULL;
    job->plan = NULL;
    sl_status st = job_make_plan(job, batch, &job->plan, err);
    if (st == SL_OK)
        st = formatter_open(&job->formatter, json_object_get(job->model.config, "outputs"), job->plan,
                            job->options->accept, &job->chain_options, err);
    if (st == SL_OK)
        budget_add_up(job);
    return st;
}

static sl_status too_big(const struct job *job, sl_error *err) {
    char need[32], have[32];
    text_nbytes(need, sizeof need, job->budget.total);
    text_nbytes(have, sizeof have, job->budget.limit);
    return error_set(
        err, SL_E_MEMORY,
        "not enough memory: batch size %lld needs %s, the limit is %s (%s); try a smaller --batch-size or "
        "fewer --workers",
        (long long)job->plan->batch, need, have, job->budget.limit_from);
}

/* Where every input file is one record, a batch larger than a thread's share would leave threads idle. */
static int64_t most_rows(const struct job *job) {
    bool lines = !job->has_input ||
                 (job->container->kind != SL_RECORD_BYTES && job->container->kind != SL_RECORD_FIELDS);
    int64_t most = lines ? BATCH_MAX_LINES : BATCH_MAX;
    if (job->has_input && job->container == &container_file)
        while (most > 1 && (uint64_t)most * job->widths.device_threads > 2 * job->shards.count)
            most /= 2;
    return most;
}

static sl_status auto_batch(struct job *job, sl_error *err) {
    int64_t most = most_rows(job), batch = most;
    sl_status st = job_try_batch(job, 1, err); /* the least there is: says what a row takes */
    if (st != SL_OK)
        return st;
    if (job->plan->dynamic) {
        snprintf(job->batch_line, sizeof job->batch_line,
                 "auto: one record at a time, because how much the model puts out depends on the record");
        return SL_OK;
    }
    size_t row_nbytes = job->plan->arena_nbytes + job->plan->input_nbytes + job->plan->text_row_nbytes;
    while (batch > 4 && (uint64_t)batch * row_nbytes > BATCH_CACHE_NBYTES)
        batch /= 2;
    sl_error why = {0};
    st = job_try_batch(job, batch, &why);
    if (st == SL_E_MODEL) { /* made for one record, though its shapes do not say so */
        snprintf(job->batch_line, sizeof job->batch_line,
                 "auto: one record at a time, because the model takes no more: %.400s", why.text);
        return job_try_batch(job, 1, err);
    }
    if (st != SL_OK)
        *err = why;
    while (st == SL_OK && job->budget.total > job->budget.limit && batch > 1) {
        batch /= 2;
        st = job_try_batch(job, batch, err);
    }
    char cache[32];
    text_nbytes(cache, sizeof cache, BATCH_CACHE_NBYTES);
    snprintf(
        job->batch_line, sizeof job->batch_line,
        "auto: the largest power of two up to %lld whose activations stay within %s and that fits the memory",
        (long long)most, cache);
    return st;
}

sl_status job_choose_batch(struct job *job, sl_error *err) {
    int64_t fixed = job->model.unbatched ? 1 : graph_fixed_batch(job->model.graph),
            asked = job->options->batch_size;
    sl_status st;
    job->base_nbytes = machine_rss();
    if (fixed || asked) {
        st = job_try_batch(job, asked ? asked : fixed, err);
        snprintf(job->batch_line, sizeof job->batch_line, "%s",
                 job->model.unbatched ? "transform.json says that the model takes one record"
                 : fixed              ? "the model has it fixed"
                                      : "asked for");
    } else {
        st = auto_batch(job, err);
    }
    if (st == SL_OK && job->budget.total > job->budget.limit)
        st = too_big(job, err);
    return st;
}
