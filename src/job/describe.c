/* describe.c: what a job would do, and which transforms there are: text for people, or JSON. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/json.h"
#include "support/mem.h"
#include "support/text.h"

void sl_text_free(char *text) {
    mem_free(text);
}

sl_status job_give_text(struct buf *out, char **text, sl_error *err) {
    if (out->failed || !out->data) {
        buf_clear(out);
        return error_set(err, SL_E_MEMORY, "out of memory for the text");
    }
    *text = out->data; /* the caller's now */
    return SL_OK;
}

/* ---- plan
 * ----------------------------------------------------------------------------------------------------- */

static void print_shape(const struct job *job, const sl_spec *spec, struct buf *out) {
    bool batch = !job->model.unbatched;
    buf_printf(out, "%s [%s", sl_dtype_name(spec->dtype), batch ? "batch" : "");
    for (int d = 0; d < spec->rank; d++)
        buf_printf(out, "%s%lld", d || batch ? ", " : "", (long long)spec->dims[d]);
    buf_puts(out, "]");
}

static void print_chains(const struct job *job, struct buf *out) {
    for (size_t i = 0; i < job->plan->input_count; i++) {
        buf_printf(out, "\ninput '%s'\n", job->plan->inputs[i].name);
        chain_print(job->chains[i], out);
        buf_puts(out, "  in the slot: ");
        print_shape(job, chain_spec(job->chains[i]), out);
        buf_puts(out, job->prologues[i].used ? ", normalised on the device\n" : "\n");
    }
    buf_printf(out, "\noutput, %s\n", formatter_content_type(job->formatter));
    formatter_print(job->formatter, out);
    plan_print_dynamic(job->plan, out);
    if (job->plan->dynamic && job->plan->output_count > 1)
        buf_puts(out, "  application/jsonlines (--accept) says where each of them ends\n");
}

static void print_config(const struct job *job, struct buf *out) {
    char *text = json_dumps(job->model.config, JSON_REAL_PRECISION(16) | JSON_INDENT(2));
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    buf_printf(out, "\ntransform.json (%s)\n%s\n",
               job->model.derived ? "derived from the model" : job->model.dir, text ? text : "");
    release(text);
}

/* What each batch size would take. Makes a plan of each, so the job's own plan is gone afterwards. */
static void print_batches(struct job *job, struct buf *out) {
    char arena[32], total[32];
    int64_t chosen = job->plan->batch, most = chosen > 256 ? 2 * chosen : 4 * chosen;
    sl_error err = {0};
    if (job->model.unbatched || graph_fixed_batch(job->model.graph) || job->plan->dynamic ||
        job->bucket_count)
        return;
    buf_puts(out, "\nbatch sizes\n");
    for (int64_t batch = 1; batch <= most; batch = batch < chosen && chosen < 2 * batch
                                                       ? chosen
                                                       : 2 * batch) { /* one asked for may lie between */
        if (job_try_batch(job, batch, &err) != SL_OK)
            continue;
        buf_printf(out, "%s %6lld rows  %10s of activations in flight  %10s in all",
                   batch == chosen ? "*" : " ", (long long)batch,
                   text_nbytes(arena, sizeof arena, job->plan->arena_nbytes),
                   text_nbytes(total, sizeof total, job->budget.total));
        if (job->budget.gpu_total)
            buf_printf(out, "  %10s of the GPU", text_nbytes(total, sizeof total, job->budget.gpu_total));
        buf_puts(out, budget_fits(&job->budget) ? "\n" : ", does not fit\n");
    }
}

static void print_buckets(const struct job *job, struct buf *out) {
    if (*job->bucket_line)
        buf_printf(out, "lengths %s\n", job->bucket_line);
    for (unsigned i = 0; i < job->bucket_count; i++)
        buf_printf(out, "%s%lld tokens x %lld rows", i ? ", " : "lengths ", (long long)job->buckets[i].length,
                   (long long)job->buckets[i].rows);
    if (job->bucket_count)
        buf_printf(out, "; of %lld rows at a time\n", (long long)job->plan->batch);
}

static void print_plan(struct job *job, struct buf *out) {
    char size[32];
    buf_printf(out, "model   %s\n", text_quote(job->model.path));
    buf_printf(out, "device  %s\n", job->device_line);
    if (job->has_input) {
        text_nbytes(size, sizeof size, job->shards.total_nbytes);
        buf_printf(out, "input   %zu shard%s, %s, %s\n", job->shards.count, job->shards.count == 1 ? "" : "s",
                   job->container->name, size);
    }
    const struct plan *plan = job_longest_plan(job);
    buf_printf(out, "batch   %lld rows (%s)\n", (long long)plan->batch, job->batch_line);
    print_buckets(job, out);
    buf_printf(out, "workers %u, readers %u, device threads %u, slots %u\n", job->widths.workers,
               job->widths.readers, job->widths.device_threads, job_slots(job));
    print_config(job, out);
    print_chains(job, out);
    buf_puts(out, "\nsteps\n");
    plan_print_steps(plan, out);
    buf_puts(out, "\nmemory\n");
    budget_print(&job->budget, out);
    print_batches(job, out);
}

static void print_plan_json(const struct job *job, struct buf *out) {
    static const char *const places[] = {"host", "pinned", "gpu"};
    buf_puts(out, "{");
    json_put_key(out, "model");
    json_put_string(out, job->model.path, strlen(job->model.path));
    buf_puts(out, ", ");
    json_put_key(out, "device");
    json_put_string(out, job->device_line, strlen(job->device_line));
    buf_printf(out, ", \"batch_size\": %lld, ", (long long)job_longest_plan(job)->batch);
    json_put_key(out, "batch_reason");
    json_put_string(out, job->batch_line, strlen(job->batch_line));
    buf_printf(out,
               ", \"workers\": %u, \"readers\": %u, \"device_threads\": %u, \"slots\": %u, \"steps\": %zu, "
               "\"shards\": %zu, \"input_bytes\": %llu, \"memory\": [",
               job->widths.workers, job->widths.readers, job->widths.device_threads, job_slots(job),
               job_longest_plan(job)->step_count, job->has_input ? job->shards.count : 0,
               job->has_input ? (unsigned long long)job->shards.total_nbytes : 0);
    for (unsigned i = 0; i < job->budget.line_count; i++) {
        const struct budget_line *line = &job->budget.lines[i];
        buf_printf(out, "%s{\"what\": \"%s\", \"where\": \"%s\", \"count\": %llu, \"bytes_each\": %llu}",
                   i ? ", " : "", line->what, places[line->place], (unsigned long long)line->count,
                   (unsigned long long)line->each);
    }
    char *text = json_dumps(job->model.config, JSON_COMPACT);
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    buf_printf(out, "], \"memory_total_bytes\": %llu, \"memory_limit_bytes\": %llu, ",
               (unsigned long long)job->budget.total, (unsigned long long)job->budget.limit);
    if (job->budget.gpu_total)
        buf_printf(out, "\"gpu_total_bytes\": %llu, \"gpu_limit_bytes\": %llu, ",
                   (unsigned long long)job->budget.gpu_total, (unsigned long long)job->budget.gpu_limit);
    buf_printf(out, "\"transform\": %s}\n", text ? text : "null");
    release(text);
}

sl_status sl_job_plan(const sl_job_options *options, bool json, char **text, sl_error *err) {
    sl_job_result result = {0};
    if (!options->model)
        return error_set(err, SL_E_USAGE, "a plan needs a model");
    struct job *job = mem_alloc(1, sizeof *job);
    if (!job)
        return error_set(err, SL_E_MEMORY, "out of memory for the plan");
    job->options = options;
    job->result = &result;
    sl_status st = job_prepare(job, err);
    if (st == SL_OK) {
        struct buf out;
        buf_init(&out);
        if (json)
            print_plan_json(job, &out);
        else
            print_plan(job, &out);
        st = job_give_text(&out, text, err);
    }
    job_unprepare(job);
    mem_free(job);
    return st;
}

/* ---- transforms
 * ----------------------------------------------------------------------------------------------- */

static void print_transform(const sl_transform *t, struct buf *out) {
    buf_printf(out, "%s\n  %s\n  %s\n", t->name, t->summary, t->shapes);
    for (const sl_param_doc *p = t->params; p && p->name; p++)
        buf_printf(out, "  %-10s %-18s %s%s%s%s\n", *p->name ? p->name : "(value)", p->type, p->text,
                   p->missing ? " [" : "", p->missing ? p->missing : "", p->missing ? "]" : "");
}

static void print_transform_json(const sl_transform *t, struct buf *out) {
    buf_printf(out, "{\"name\": \"%s\", \"summary\": ", t->name);
    json_put_string(out, t->summary, strlen(t->summary));
    buf_puts(out, ", \"shapes\": ");
    json_put_string(out, t->shapes, strlen(t->shapes));
    buf_puts(out, ", \"params\": [");
    for (const sl_param_doc *p = t->params; p && p->name; p++) {
        buf_printf(out, "%s{\"name\": \"%s\", \"type\": \"%s\", \"default\": ", p == t->params ? "" : ", ",
                   p->name, p->type);
        if (p->missing)
            json_put_string(out, p->missing, strlen(p->missing));
        else
            buf_puts(out, "null");
        buf_puts(out, ", \"text\": ");
        json_put_string(out, p->text, strlen(p->text));
        buf_puts(out, "}");
    }
    buf_puts(out, "]}");
}

sl_status sl_transforms_text(const char *name, bool json, char **text, sl_error *err) {
    struct buf out;
    unsigned count = 0;
    buf_init(&out);
    buf_puts(&out, json ? "[" : "");
    for (const sl_transform *const *t = sl_transforms; *t; t++) {
        if (name && strcmp((*t)->name, name))
            continue;
        if (json) {
            buf_puts(&out, count ? ",\n " : "");
            print_transform_json(*t, &out);
        } else if (name) {
            print_transform(*t, &out);
        } else {
            buf_printf(&out, "%-20s %s\n", (*t)->name, (*t)->summary);
        }
        count++;
    }
    buf_puts(&out, json ? "]\n" : "");
    if (count)
        return job_give_text(&out, text, err);
    buf_clear(&out);
    return error_set(err, SL_E_USAGE, "unknown transform '%s': 'sluice transforms' lists them",
                     text_quote(name));
}
