/* batch.c: how many rows go through the model together. On the CPU what fits the caches; on a device that
 * computes by itself sizes are tried there, and the smallest that is as good as any is taken. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/clock.h"
#include "support/text.h"

#define BATCH_CACHE_NBYTES (8u << 20) /* activations of a batch should stay in cache */
#define BATCH_MAX 1024
#define BATCH_MAX_LINES 4096 /* lines are small: a larger batch is handed over less often */
#define TRIAL_FIRST 8
#define TRIAL_NS 30000000ull       /* a size is measured this long */
#define TRIALS_NS 10000000000ull   /* and all of them no longer than this, */
#define TRIAL_LONG_NS 300000000ull /* nor beyond a batch that takes this: the device is full by then */
#define TRIAL_DEPTH 8
#define WORTH 1.03 /* a size counts as better from here on */

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

/* ---- what does not fit ---- */

/* The most rows below `batch`, which does not fit, or 0. Leaves another plan. */
static int64_t largest_that_fits(struct job *job, int64_t batch) {
    int64_t low = 0, high = batch;
    sl_error err = {0};
    for (int tries = 0; tries < 16 && high - low > 1; tries++) {
        int64_t middle = low + (high - low) / 2;
        if (job_try_batch(job, middle, &err) == SL_OK && budget_fits(&job->budget))
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void say_gpu(const struct budget *b, int64_t batch, sl_error *err) {
    char need[32], have[32], weights[32];
    text_nbytes(need, sizeof need, b->gpu_total);
    text_nbytes(have, sizeof have, b->gpu_limit);
    text_nbytes(weights, sizeof weights, b->gpu_weights);
    (void)error_set(err, SL_E_MEMORY,
                    "not enough memory on the GPU: the model's weights (%s) and batches of %lld need %s, the "
                    "limit is %s (%s)",
                    weights, (long long)batch, need, have, b->gpu_limit_from);
}

static void say_host(const struct budget *b, int64_t batch, sl_error *err) {
    char need[32], have[32], pinned[32];
    text_nbytes(need, sizeof need, b->total);
    text_nbytes(have, sizeof have, b->limit);
    text_nbytes(pinned, sizeof pinned, b->pinned);
    (void)error_set(err, SL_E_MEMORY, "not enough memory: batch size %lld needs %s, the limit is %s (%s)",
                    (long long)batch, need, have, b->limit_from);
    if (b->pinned)
        error_append(err, ", %s of it pinned", pinned);
}

static sl_status too_big(struct job *job, bool fixed, sl_error *err) {
    int64_t batch = job->plan->batch;
    if (job->budget.total <= job->budget.limit)
        say_gpu(&job->budget, batch, err);
    else
        say_host(&job->budget, batch, err);
    bool host = job->budget.total > job->budget.limit;
    int64_t fits = fixed || batch == 1 ? 0 : largest_that_fits(job, batch);
    if (fits)
        error_append(err, "; --batch-size %lld fits", (long long)fits);
    else
        error_append(err, "; %s%s", fixed ? "the model has it fixed" : "no batch size fits",
                     host ? ", try fewer --workers" : "");
    return err->status;
}

/* ---- sizes tried on the device ---- */

/* Numbers like any others: a device may be faster with zeros. Ids and texts stay 0. */
static void fill_inputs(const struct plan *plan, char *input) {
    uint32_t state = 12345;
    for (size_t i = 0; i < plan->input_count; i++) {
        const struct plan_value *v = &plan->values[plan->inputs[i].value];
        if (v->place != PLAN_INPUT || (v->tensor.dtype != SL_FLOAT && v->tensor.dtype != SL_UINT8))
            continue;
        for (size_t k = 0; k < v->nbytes / (v->tensor.dtype == SL_FLOAT ? sizeof(float) : 1); k++) {
            state = state * 1664525u + 1013904223u;
            if (v->tensor.dtype == SL_FLOAT)
                ((float *)(void *)(input + v->offset))[k] = (float)(int32_t)state / 1e9f;
            else
                input[v->offset + k] = (char)(state >> 24);
        }
    }
}

/* Sends batches through, as many in flight as there may be, until `ns` have passed; *done rows' batches. */
static sl_status send_batches(const struct job *job, struct program *program, struct device_batch *batches,
                              unsigned depth, uint64_t ns, uint64_t *done, sl_error *err) {
    const struct device_ops *ops = job->device_ops;
    uint64_t begun = clock_ns(), sent = 0;
    sl_status st = SL_OK;
    for (*done = 0; st == SL_OK && (!*done || sent > *done || clock_ns() - begun < ns);) {
        struct device_batch *back = NULL;
        while (st == SL_OK && sent - *done < depth && (!sent || clock_ns() - begun < ns)) {
            st = ops->submit(program, &batches[sent % depth], err);
            sent += st == SL_OK;
        }
        if (st == SL_OK)
            st = ops->collect(program, &back, err);
        *done += st == SL_OK;
        if (st == SL_OK && back->error.status != SL_OK) {
            *err = back->error;
            st = err->status;
        }
    }
    return st;
}

/* The time of one row, and of one batch alone, which comes first and is not counted unless it is long. */
static sl_status run_trial(const struct job *job, struct program *program, struct device_batch *batches,
                           unsigned depth, double *row_ns, uint64_t *batch_ns, sl_error *err) {
    uint64_t begun = clock_ns(), done = 0;
    sl_status st = send_batches(job, program, batches, 1, 0, &done, err);
    *batch_ns = clock_ns() - begun;
    *row_ns = (double)*batch_ns / (double)job->plan->batch;
    if (st != SL_OK || *batch_ns >= TRIAL_LONG_NS)
        return st;
    begun = clock_ns();
    st = send_batches(job, program, batches, depth, TRIAL_NS, &done, err);
    *row_ns = (double)(clock_ns() - begun) / ((double)done * (double)job->plan->batch);
    return st;
}

/* The job's plan on its first device, loaded and unloaded again. */
static sl_status time_plan(const struct job *job, double *row_ns, uint64_t *batch_ns, sl_error *err) {
    const struct device_ops *ops = job->device_ops;
    struct device *device = job->devices[0];
    struct program *program = NULL;
    struct device_batch batches[TRIAL_DEPTH];
    unsigned depth = ops->own_depth < TRIAL_DEPTH ? ops->own_depth : TRIAL_DEPTH;
    memset(batches, 0, sizeof batches);
    sl_status st = ops->load(device, job->plan, &program, err);
    for (unsigned i = 0; st == SL_OK && i < depth; i++) {
        batches[i].input = ops->slot_alloc(device, job->plan->input_nbytes);
        batches[i].output = ops->slot_alloc(device, job->plan->output_nbytes);
        batches[i].row_count = job->plan->batch;
        if (!batches[i].input || !batches[i].output)
            st = error_set(err, SL_E_MEMORY, "out of pinned memory for batches of %lld",
                           (long long)job->plan->batch);
        else
            fill_inputs(job->plan, batches[i].input);
    }
    if (st == SL_OK)
        st = run_trial(job, program, batches, depth, row_ns, batch_ns, err);
    if (program)
        ops->unload(program);
    for (unsigned i = 0; i < depth; i++) {
        if (batches[i].input)
            ops->slot_free(device, batches[i].input, job->plan->input_nbytes);
        if (batches[i].output)
            ops->slot_free(device, batches[i].output, job->plan->output_nbytes);
    }
    return st;
}

struct trials {
    int64_t batch[16];
    double row_ns[16], best_ns;
    unsigned count;
};

static void say_trials(struct job *job, const struct trials *t, int64_t chosen) {
    char *line = job->batch_line;
    size_t cap = sizeof job->batch_line, n;
    n = (size_t)snprintf(line, cap, "auto: tried on the device, microseconds a row:");
    for (unsigned i = 0; i < t->count && n < cap; i++)
        n += (size_t)snprintf(line + n, cap - n, "%s %lld rows %.3g", i ? "," : "", (long long)t->batch[i],
                              t->row_ns[i] / 1e3);
    if (n < cap)
        snprintf(line + n, cap - n, "; %lld is the smallest within 3 %% of the best", (long long)chosen);
}

/* Doubles the size while a row gets cheaper. Everything up to `most` fits. */
static sl_status try_sizes(struct job *job, int64_t most, struct trials *t, sl_error *err) {
    uint64_t begun = clock_ns(), batch_ns = 0;
    unsigned no_gain = 0;
    for (int64_t batch = most < TRIAL_FIRST ? most : TRIAL_FIRST;
         batch <= most && no_gain < 2 && t->count < sizeof t->batch / sizeof *t->batch; batch *= 2) {
        double *row_ns = &t->row_ns[t->count];
        sl_status st = job_try_batch(job, batch, err);
        if (st == SL_OK)
            st = time_plan(job, row_ns, &batch_ns, err);
        if (st != SL_OK)
            return st;
        t->batch[t->count++] = batch;
        no_gain = t->best_ns > 0 && *row_ns * WORTH > t->best_ns ? no_gain + 1 : 0;
        if (!(t->best_ns > 0) || *row_ns < t->best_ns)
            t->best_ns = *row_ns;
        if (batch_ns >= TRIAL_LONG_NS || clock_ns() - begun > TRIALS_NS)
            break;
    }
    return SL_OK;
}

static sl_status measured_batch(struct job *job, int64_t most, sl_error *err) {
    struct trials t = {0};
    unsigned i = 0;
    sl_status st = try_sizes(job, most, &t, err);
    if (st != SL_OK)
        return st;
    while (t.row_ns[i] > t.best_ns * WORTH)
        i++;
    say_trials(job, &t, t.batch[i]);
    return job_try_batch(job, t.batch[i], err);
}

/* ---- the choice ---- */

static sl_status one_record(struct job *job, const char *why, sl_error *err) {
    snprintf(job->batch_line, sizeof job->batch_line, "auto: one record at a time, because %.400s", why);
    return job_try_batch(job, 1, err);
}

static sl_status auto_batch(struct job *job, sl_error *err) {
    int64_t most = most_rows(job), batch = most;
    bool own = job->device_ops->own_depth > 0;
    sl_status st = job_try_batch(job, 1, err); /* the least there is: says what a row takes */
    if (st != SL_OK)
        return st;
    if (job->plan->dynamic)
        return one_record(job, "how much the model puts out depends on the record", err);
    size_t row_nbytes = job->plan->arena_nbytes + job->plan->input_nbytes + job->plan->text_row_nbytes;
    if (job->processing.join) /* every row has room for its input, of which it seldom needs as much */
        row_nbytes += formatter_row_nbytes(job->formatter) / 2;
    while (!own && batch > 4 && (uint64_t)batch * row_nbytes > BATCH_CACHE_NBYTES)
        batch /= 2;
    sl_error why = {0};
    st = job_try_batch(job, batch, &why);
    if (st == SL_E_MODEL) { /* made for one record, though its shapes do not say so */
        char text[420];
        snprintf(text, sizeof text, "the model takes no more: %.380s", why.text);
        return one_record(job, text, err);
    }
    if (st != SL_OK)
        *err = why;
    while (st == SL_OK && !budget_fits(&job->budget) && batch > 1) {
        batch /= 2;
        st = job_try_batch(job, batch, err);
    }
    if (own && st == SL_OK && budget_fits(&job->budget))
        return measured_batch(job, batch, err);
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
    if (fixed || asked) {
        st = job_try_batch(job, asked ? asked : fixed, err);
        snprintf(job->batch_line, sizeof job->batch_line, "%s",
                 job->model.unbatched ? "transform.json says that the model takes one record"
                 : fixed              ? "the model has it fixed"
                                      : "asked for");
    } else {
        st = auto_batch(job, err);
    }
    if (st == SL_OK && !budget_fits(&job->budget))
        st = too_big(job, fixed != 0, err);
    return st;
}
