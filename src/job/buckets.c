/* buckets.c: the lengths a model of language is planned for. A text is padded to the shortest of them that
 * holds it and not to the longest text there may be; transform.json says which there are:
 * {"text": {"buckets": "auto"}}, or a list of lengths. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/mem.h"

#define WINDOW_BATCHES 256 /* rows of a slot: so many of the longest bucket's batches */
#define MOST_WINDOW 4096
#define WINDOW_NBYTES ((size_t)24 << 20) /* of a slot's blocks, unless one batch alone is larger */
#define BUCKET_ROWS 512                  /* the most in one batch */

static const int64_t usual[] = {16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512, 1024};

bool job_wants_buckets(const struct job_model *model) {
    const json_t *buckets = json_object_get(json_object_get(model->config, "text"), "buckets");
    return buckets && !(json_is_array(buckets) && !json_array_size(buckets));
}

static bool is_tokenised(const json_t *steps) {
    size_t i;
    const json_t *step;
    json_array_foreach(steps, i, step) {
        const char *name = json_is_object(step) ? json_object_iter_key(json_object_iter((json_t *)step))
                                                : json_string_value(step);
        if (name &&
            (!strcmp(name, "text.tokenize") || !strcmp(name, "text.wordpiece") || !strcmp(name, "text.bpe")))
            return true;
    }
    return false;
}

/* Which inputs are rows of tokens, how long those are, and where their mask is; what is missing, or NULL. */
static const char *find_tokens(struct job *job) {
    const struct graph *graph = job->model.graph;
    const json_t *inputs = json_object_get(job->model.config, "inputs");
    bool mask = false;
    job->token_length = 0;
    if (graph->input_count > MOST_TOKEN_INPUTS)
        return "the model has too many inputs";
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct graph_value *v = &graph->values[graph->inputs[i]];
        const sl_spec *spec = chain_spec(job->chains[i]);
        job->tokens[i] = is_tokenised(json_object_get(inputs, v->name));
        if (!job->tokens[i])
            continue;
        if (spec->rank != 1 || v->tensor.rank != 2 || v->tensor.dims[1] >= 0)
            return "the model has its length fixed";
        if (job->token_length && job->token_length != spec->dims[0])
            return "its inputs have different lengths";
        job->token_length = spec->dims[0];
        if (!strcmp(v->name, "attention_mask")) {
            job->token_mask = i;
            mask = true;
        }
    }
    return !job->token_length ? "no input is tokenised" : mask ? NULL : "it takes no attention_mask";
}

/* Every output is the same for the shorter length, or shorter in one dim. */
static bool same_but_length(const struct plan *a, const struct plan *b, int64_t length, int64_t shorter,
                            bool *shrinks) {
    for (size_t i = 0; i < a->output_count; i++) {
        const sl_tensor *x = &a->values[a->outputs[i].value].tensor,
                        *y = &b->values[b->outputs[i].value].tensor;
        unsigned differ = 0;
        if (x->rank != y->rank || a->outputs[i].dynamic || a->outputs[i].whole)
            return false;
        for (int d = 1; d < x->rank; d++) {
            if (x->dims[d] == y->dims[d])
                continue;
            if (x->dims[d] != length || y->dims[d] != shorter || differ++)
                return false;
            *shrinks = true;
        }
    }
    return true;
}

/* What stands in the way of buckets, or NULL. */
static const char *try_shorter(struct job *job, int64_t shorter, bool automatic) {
    struct plan *longest = NULL, *other = NULL;
    sl_error err = {0};
    bool shrinks = false;
    const char *why = NULL;
    if (job_make_plan_of(job, 1, job->token_length, &longest, &err) != SL_OK ||
        job_make_plan_of(job, 1, shorter, &other, &err) != SL_OK)
        why = "the model takes no shorter text";
    else if (!same_but_length(longest, other, job->token_length, shorter, &shrinks))
        why = "the length of its outputs varies with the text's";
    else if (shrinks && automatic)
        why = "its outputs have a place for every token";
    plan_close(longest);
    plan_close(other);
    return why;
}

/* The lengths that transform.json names, or the usual ones, and the longest there is. */
static sl_status list_lengths(struct job *job, const json_t *list, sl_error *err) {
    size_t count = json_is_array(list) ? json_array_size(list) : sizeof usual / sizeof *usual;
    int64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t length = json_is_array(list) ? json_integer_value(json_array_get(list, i)) : usual[i];
        if (json_is_array(list) && (length <= last || length > job->token_length || count >= MOST_BUCKETS))
            return error_set(err, SL_E_MODEL,
                             "bad 'buckets' in 'text': expected up to %d lengths, each larger than the one "
                             "before, to at most %lld, which is the longest text",
                             MOST_BUCKETS - 1, (long long)job->token_length);
        if (length < job->token_length)
            job->buckets[job->bucket_count++].length = length;
        last = length;
    }
    job->buckets[job->bucket_count++].length = job->token_length;
    return SL_OK;
}

static void say_none(struct job *job, const char *why) {
    job->bucket_count = 0;
    snprintf(job->bucket_line, sizeof job->bucket_line, "one, because %s", why);
}

/* As many tokens in a batch of any length. */
static sl_status plan_buckets(struct job *job, int64_t rows, sl_error *err) {
    for (unsigned i = 0; i < job->bucket_count; i++) {
        struct job_bucket *b = &job->buckets[i];
        int64_t fits = rows * job->token_length / b->length;
        b->rows = fits < rows ? rows : fits > BUCKET_ROWS && rows < BUCKET_ROWS ? BUCKET_ROWS : fits;
        sl_status st = job_make_plan_of(job, b->rows, b->length, &b->plan, err);
        if (st != SL_OK)
            return st;
    }
    return SL_OK;
}

/* How many rows a slot has: many batches, so that few are left with room. */
static int64_t window_rows(const struct job *job, int64_t rows) {
    size_t row_nbytes = (job->plan->input_nbytes + job->plan->output_nbytes) / (size_t)job->plan->batch +
                        formatter_row_nbytes(job->formatter) + 1;
    int64_t window = rows * WINDOW_BATCHES;
    for (unsigned i = 0; i < job->bucket_count; i++)
        window = job->buckets[i].rows > window ? job->buckets[i].rows : window;
    while (window > 2 * rows && (window > MOST_WINDOW || (size_t)window * row_nbytes > WINDOW_NBYTES))
        window /= 2;
    return window;
}

sl_status job_settle_buckets(struct job *job, sl_error *err) {
    const json_t *list = json_object_get(json_object_get(job->model.config, "text"), "buckets");
    int64_t rows = job->plan->batch;
    bool automatic = !json_is_array(list);
    if (!job_wants_buckets(&job->model))
        return SL_OK;
    const char *why = find_tokens(job);
    if (!why && (job->model.unbatched || graph_fixed_batch(job->model.graph) || job->plan->dynamic))
        why = "the model has its batch fixed";
    sl_status st = why ? SL_OK : list_lengths(job, list, err);
    if (st == SL_OK && !why)
        why =
            job->bucket_count < 2 ? "no text is longer" : try_shorter(job, job->buckets[0].length, automatic);
    if (st != SL_OK || why) {
        if (st == SL_OK && !automatic && strcmp(why, "no text is longer") != 0)
            return error_set(err, SL_E_MODEL, "cannot use 'buckets': %s", why);
        say_none(job, why ? why : "");
        return st;
    }
    st = plan_buckets(job, rows, err);
    if (st == SL_OK)
        st = job_try_batch(job, window_rows(job, rows), err);
    while (st == SL_OK && !budget_fits(&job->budget) && job->plan->batch > 2 * rows)
        st = job_try_batch(job, job->plan->batch / 2, err);
    if (st != SL_OK || budget_fits(&job->budget))
        return st;
    job_close_buckets(job);
    say_none(job, "more do not fit the memory");
    return job_try_batch(job, rows, err);
}

const struct plan *job_longest_plan(const struct job *job) {
    return job->bucket_count ? job->buckets[job->bucket_count - 1].plan : job->plan;
}

void job_close_buckets(struct job *job) {
    for (unsigned i = 0; i < job->bucket_count; i++)
        plan_close(job->buckets[i].plan);
    memset(job->buckets, 0, sizeof job->buckets);
    job->bucket_count = 0;
}

/* ---- for the stages ---- */

void job_composer_options(const struct job *job, struct bucket *buckets, struct composer_options *options) {
    unsigned depth = job->device_ops->own_depth ? job->device_ops->own_depth : job->widths.device_threads + 1;
    for (unsigned i = 0; i < job->bucket_count; i++)
        buckets[i] = (struct bucket){job->buckets[i].length, job->buckets[i].plan, job->buckets[i].programs};
    *options = (struct composer_options){.plan = job->plan,
                                         .buckets = buckets,
                                         .bucket_count = job->bucket_count,
                                         .batch_count = job->bucket_count + job->device_count * depth + 2};
}

/* Of a row that was decoded. */
unsigned job_row_bucket(const struct job *job, const void *mask) {
    const struct plan *plan = job->plan;
    size_t each = plan->inputs[job->token_mask].row_nbytes / (size_t)job->token_length;
    return job->bucket_count < 2
               ? 0
               : bucket_of(job->bucket_list, job->bucket_count, mask, (size_t)job->token_length, each);
}
