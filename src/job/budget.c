/* budget.c: how wide every stage is, how large a batch, and what it all takes, before any of it is taken. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/text.h"

#define BLOCK_NBYTES (512u << 10)   /* fits L2, long enough to amortise handing it over */
#define STACK_NBYTES (64u << 10)    /* what a thread of ours touches of its stack */
#define FILTERED_NBYTES (64u << 10) /* of a record usually; more is mapped */

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

/* A device that computes by itself has its batches in flight; beside them one slot fills, one waits for its
 * last rows, one is formatted and one written. */
void job_fit_widths(struct job *job) {
    if (!job->device_ops->own_depth)
        return;
    job->widths.device_threads = job->device_count;
    job->widths.slots = job->device_count * job->device_ops->own_depth + 4;
}

/* A slot whose rows are dealt out to batches needs few beside it: one fills, one is decoded to its end, two
 * are computed, one is formatted and written. */
#define BUCKET_SLOTS 5

unsigned job_slots(const struct job *job) {
    return job->bucket_count ? BUCKET_SLOTS : job->widths.slots;
}

void job_ring_options(const struct job *job, struct ring_options *options) {
    *options = (struct ring_options){.slot_count = job_slots(job),
                                     .row_count = (uint32_t)job->plan->batch,
                                     .input_nbytes = job->plan->input_nbytes,
                                     .output_nbytes = job->plan->output_nbytes,
                                     .string_row_nbytes = job->plan->text_row_nbytes,
                                     .text_row_nbytes = formatter_row_nbytes(job->formatter)};
}

/* A worker takes few images or many lines; formatting in pieces of some 32 KiB of text. */
void job_tasks_options(const struct job *job, struct tasks_options *options) {
    size_t rows = (32u << 10) / formatter_row_nbytes(job->formatter) + 1;
    *options = (struct tasks_options){.decode_room = job->widths.blocks * job_slots(job),
                                      .format_room = job_slots(job),
                                      .take_decode = job->container ? job->container->take_records : 1,
                                      .take_format = rows > 1024 ? 1024 : (uint32_t)rows,
                                      .active = job->widths.workers};
}

void job_output_options(const struct job *job, struct output_options *options) {
    /* shards in flight: one per reader, and any that have rows in a slot */
    size_t in_flight = job->widths.readers + (size_t)job_slots(job) * (size_t)job->plan->batch;
    *options =
        (struct output_options){.dir = job->output_path,
                                .shards = job->output_shards,
                                .shard_count = job->shards.count,
                                .frame = formatter_frame(job->formatter),
                                .overwrite = job->options->overwrite,
                                .checkpoint_ns = (uint64_t)(job->options->checkpoint_seconds * 1e9),
                                .open_max = in_flight < job->shards.count ? in_flight : job->shards.count};
}

static void add_at(struct budget *budget, enum budget_place place, const char *what, uint64_t count,
                   uint64_t each) {
    if (!count || !each || budget->line_count == BUDGET_LINES)
        return;
    budget->lines[budget->line_count++] = (struct budget_line){what, count, each, place};
    if (place == BUDGET_DEVICE)
        budget->gpu_total += count * each;
    else
        budget->total += count * each;
    if (place == BUDGET_PINNED)
        budget->pinned += count * each;
}

static void add(struct budget *budget, const char *what, uint64_t count, uint64_t each) {
    add_at(budget, BUDGET_HOST, what, count, each);
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

/* Every device gets the same; the one with the least left is the limit. */
static void find_gpu_limit(struct job *job, const struct plan *plan, const struct device_memory *first) {
    struct budget *b = &job->budget;
    unsigned tightest = 0;
    struct device_memory least = *first, other;
    char total[32];
    for (unsigned i = 1; i < job->device_count; i++) {
        job->device_ops->memory(job->devices[i], plan, &other);
        if (!other.total_nbytes || (least.total_nbytes && other.free_nbytes >= least.free_nbytes))
            continue;
        least = other;
        tightest = i;
    }
    b->gpu_limit = least.free_nbytes;
    b->gpu_weights = first->weights_nbytes;
    text_nbytes(total, sizeof total, least.total_nbytes);
    snprintf(b->gpu_limit_from, sizeof b->gpu_limit_from, "what device %u of %u has free of %s", tightest + 1,
             job->device_count, total);
    if (job->device_count == 1)
        snprintf(b->gpu_limit_from, sizeof b->gpu_limit_from, "what it has free of %s", total);
    if (!least.total_nbytes) { /* load asks again, and says what is wrong */
        b->gpu_limit = UINT64_MAX;
        snprintf(b->gpu_limit_from, sizeof b->gpu_limit_from, "what it has is unknown");
    }
    if (!job->options->gpu_memory || job->options->gpu_memory >= b->gpu_limit)
        return;
    b->gpu_limit = job->options->gpu_memory;
    snprintf(b->gpu_limit_from, sizeof b->gpu_limit_from, "--gpu-memory");
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Of all plans together. Buckets have their weights in common, and on the host their arenas, too: a thread is
 * in one batch at a time. */
static void device_needs(const struct job *job, struct device_memory *all) {
    const struct device_ops *ops = job->device_ops;
    if (!job->bucket_count)
        ops->memory(job->devices[0], job->plan, all);
    for (unsigned i = 0; i < job->bucket_count; i++) {
        struct device_memory one;
        ops->memory(job->devices[0], job->buckets[i].plan, &one);
        if (!i)
            *all = (struct device_memory){
                .own = one.own, .free_nbytes = one.free_nbytes, .total_nbytes = one.total_nbytes};
        all->weights_nbytes = larger(all->weights_nbytes, one.weights_nbytes);
        all->arena_nbytes =
            one.own ? all->arena_nbytes + one.arena_nbytes : larger(all->arena_nbytes, one.arena_nbytes);
        all->library_nbytes += one.library_nbytes;
        all->slots_nbytes += one.slots_nbytes;
    }
}

static void add_device(struct job *job) {
    struct budget *b = &job->budget;
    struct device_memory device;
    device_needs(job, &device);
    enum budget_place place = device.own ? BUDGET_DEVICE : BUDGET_HOST;
    add_at(b, place, device.own ? "weights" : "weights, packed", 1, device.weights_nbytes);
    add_at(b, place, device.own ? "arena and scratch" : "arenas and scratch", 1, device.arena_nbytes);
    add_at(b, place, "allowance for libraries", 1, device.library_nbytes);
    if (device.own) {
        add_at(b, place, "batches in flight", job->device_ops->own_depth,
               device.slots_nbytes / job->device_ops->own_depth);
        find_gpu_limit(job, job->bucket_count ? job->buckets[0].plan : job->plan, &device);
    }
}

/* What the device reads and writes is pinned, where it has memory of its own. */
static void add_slots(struct job *job) {
    struct ring_options ring;
    struct budget *b = &job->budget;
    job_ring_options(job, &ring);
    size_t blocks = ring.input_nbytes + ring.output_nbytes;
    if (job->bucket_count) {
        struct bucket buckets[MOST_BUCKETS];
        struct composer_options compose;
        job_composer_options(job, buckets, &compose);
        add(b, "slots", ring.slot_count, ring_slot_nbytes(&ring));
        add_at(b, job->device_ops->own_depth ? BUDGET_PINNED : BUDGET_HOST, "batches by length",
               compose.batch_count, composer_batch_nbytes(&compose));
    } else if (job->device_ops->own_depth) {
        add_at(b, BUDGET_PINNED, "slots, pinned", job->widths.slots, blocks);
        add(b, "slots, their rows", job->widths.slots, ring_slot_nbytes(&ring) - blocks);
    } else {
        add(b, "slots", job->widths.slots, ring_slot_nbytes(&ring));
    }
}

void budget_add_up(struct job *job) {
    struct budget *b = &job->budget;
    const struct job_widths *w = &job->widths;
    struct tasks_options tasks;
    struct output_options output;
    *b = (struct budget){0};
    job_tasks_options(job, &tasks);
    job_output_options(job, &output);
    size_t chains = 0;
    for (size_t i = 0; i < job->plan->input_count; i++)
        chains += chain_nbytes(job->chains[i]);
    add(b, "program, libraries and model file", 1, job->base_nbytes);
    add_device(job);
    add_slots(job);
    add(b, "blocks", w->blocks, block_pool_block_nbytes(w));
    add(b, "readers", w->readers, reader_nbytes(&job->reader_options, job->container));
    add(b, "workers", w->workers_max, chains + formatter_worker_nbytes(job->formatter));
    add(b, "filtered records", job->processing.filters ? w->workers_max : 0, FILTERED_NBYTES);
    add(b, "task queues", 1, tasks_nbytes(&tasks));
    add(b, "output", 1, output_nbytes(&output));
    add(b, "thread stacks", w->readers + w->workers_max + w->device_threads + 4, STACK_NBYTES);
    find_limit(job);
}

bool budget_fits(const struct budget *b) {
    return b->total <= b->limit && (!b->gpu_total || b->gpu_total <= b->gpu_limit);
}

static void print_line(const struct budget_line *line, struct buf *out) {
    char each[32], total[32];
    text_nbytes(each, sizeof each, line->each);
    text_nbytes(total, sizeof total, line->each * line->count);
    if (line->count > 1)
        buf_printf(out, "  %-34s %12s   %llu x %s\n", line->what, total, (unsigned long long)line->count,
                   each);
    else
        buf_printf(out, "  %-34s %12s\n", line->what, total);
}

static void print_total(const char *what, uint64_t nbytes, uint64_t limit, const char *from,
                        struct buf *out) {
    char total[32], most[32];
    text_nbytes(total, sizeof total, nbytes);
    text_nbytes(most, sizeof most, limit);
    buf_printf(out, "  %-34s %12s   of %s (%s)\n", what, total, most, from);
}

void budget_print(const struct budget *budget, struct buf *out) {
    for (unsigned i = 0; i < budget->line_count; i++)
        if (budget->lines[i].place != BUDGET_DEVICE)
            print_line(&budget->lines[i], out);
    print_total("total, resident", budget->total, budget->limit, budget->limit_from, out);
    if (!budget->gpu_total)
        return;
    buf_puts(out, "\nmemory of the GPU\n");
    for (unsigned i = 0; i < budget->line_count; i++)
        if (budget->lines[i].place == BUDGET_DEVICE)
            print_line(&budget->lines[i], out);
    print_total("total", budget->gpu_total, budget->gpu_limit, budget->gpu_limit_from, out);
}

sl_status job_try_batch(struct job *job, int64_t batch, sl_error *err) {
    if (job->formatter)
        formatter_close(job->formatter);
    if (job->plan)
        plan_close(job->plan);
    job->formatter = NULL;
    job->plan = NULL;
    sl_status st = job_make_plan_of(job, batch, 0, &job->plan, err);
    if (st == SL_OK)
        st = formatter_open(&job->formatter, job->outputs, job->plan, job_accept(job), &job->chain_options,
                            err);
    struct format_join join = {.input = job->processing.join,
                               .input_nbytes = (size_t)job->options->max_join_nbytes,
                               .filter = &job->processing.output,
                               .ids = job->options->inference_ids};
    if (st == SL_OK)
        st = formatter_join(job->formatter, &join, err);
    if (st == SL_OK)
        budget_add_up(job);
    return st;
}
