/* verify.c: golden data through a device. Each test_data_set_N folder is one batch of its own shape, run by
 * the same plan and the same device code as a job's batches. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "graph/data_set.h"
#include "job/job.h"
#include "ops/difference.h"
#include "support/json.h"
#include "support/mem.h"
#include "support/text.h"

#define PREFIX "test_data_set_"

struct verify {
    struct job *job;
    const struct sl_verify_options *options;
    struct buf rows;
    size_t output_count, outside_count, set_count;
};

/* What a precision costs, measured over the models of tests/onnx; an output's own dtype may ask for more. */
static double tolerance_of(const struct verify *v, sl_dtype dtype) {
    double own = difference_tolerance(dtype), asked = 0;
    const char *precision = v->job->options->precision;
    if (v->options->tolerance > 0)
        return v->options->tolerance;
    if (own > 0 && !strcmp(precision, "bf16"))
        asked = 3e-2;
    else if (own > 0 && !strcmp(precision, "fp16"))
        asked = 4e-3;
    else if (own > 0 && !strcmp(precision, "int8"))
        asked = 1e-1;
    return fmax(own, asked);
}

/* "float [8, 1000]" */
static const char *type_text(char *out, size_t out_nbytes, const sl_tensor *t) {
    int n = snprintf(out, out_nbytes, "%s [", sl_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++)
        n += snprintf(out + n, out_nbytes - (size_t)n, "%s%lld", i ? ", " : "", (long long)t->dims[i]);
    snprintf(out + n, out_nbytes - (size_t)n, "]");
    return out;
}

static void print_row(struct verify *v, const char *set, const char *name, const sl_tensor *want,
                      const struct difference *d, double tolerance) {
    char type[256], top1[48] = "-";
    if (d->rows)
        snprintf(top1, sizeof top1, "%lld/%lld", (long long)d->top1_same, (long long)d->rows);
    buf_printf(&v->rows, "%-18s %-20s %-26s %10.3g %10.3g %11s %9.1g  ", set, text_quote(name),
               type_text(type, sizeof type, want), d->max_abs, d->max_rel, top1, tolerance);
    if (!d->same_shape)
        buf_puts(&v->rows, "another dtype or shape\n");
    else if (d->outside)
        buf_printf(&v->rows, "%lld of %lld outside, first at %lld: %.9g, expected %.9g\n",
                   (long long)d->outside, (long long)d->count, (long long)d->first, d->got, d->want);
    else
        buf_puts(&v->rows, "within\n");
}

static void print_row_json(struct verify *v, const char *set, const char *name, const struct difference *d,
                           double tolerance) {
    buf_puts(&v->rows, v->output_count ? ",\n  {" : "  {");
    json_put_key(&v->rows, "set");
    json_put_string(&v->rows, set, strlen(set));
    buf_puts(&v->rows, ", ");
    json_put_key(&v->rows, "output");
    json_put_string(&v->rows, name, strlen(name));
    buf_printf(&v->rows, ", \"elements\": %lld, \"max_abs\": ", (long long)d->count);
    json_put_f64(&v->rows, d->max_abs);
    buf_puts(&v->rows, ", \"max_rel\": ");
    json_put_f64(&v->rows, d->max_rel);
    buf_puts(&v->rows, ", \"tolerance\": ");
    json_put_f64(&v->rows, tolerance);
    buf_printf(&v->rows, ", \"outside\": %lld, \"rows\": %lld, \"top1_same\": %lld, \"within\": %s}",
               (long long)d->outside, (long long)d->rows, (long long)d->top1_same,
               d->same_shape && !d->outside ? "true" : "false");
}

static void compare_outputs(struct verify *v, const char *set_name, const struct data_set *set,
                            const struct plan *plan, char *output) {
    for (size_t i = 0; i < plan->output_count; i++) {
        struct difference d;
        sl_tensor got = plan_output(plan, i, output);
        double tolerance = tolerance_of(v, got.dtype);
        if (!set->has_output[i])
            continue;
        difference_measure(&got, &set->outputs[i], tolerance, &d);
        if (v->options->json)
            print_row_json(v, set_name, plan->outputs[i].name, &d, tolerance);
        else
            print_row(v, set_name, plan->outputs[i].name, &set->outputs[i], &d, tolerance);
        v->output_count++;
        v->outside_count += !d.same_shape || d.outside;
    }
}

static sl_status run_batch(struct verify *v, const char *set_name, const struct data_set *set,
                           const struct plan *plan, sl_error *err) {
    const struct device_ops *ops = v->job->device_ops;
    struct device *device = v->job->devices[0];
    struct program *program = NULL;
    struct device_batch batch = {.row_count = plan->batch}, *done;
    sl_status st = ops->load(device, plan, &program, err);
    if (st != SL_OK)
        return st;
    batch.input = ops->slot_alloc(device, plan->input_nbytes);
    batch.output = ops->slot_alloc(device, plan->output_nbytes);
    if (!batch.input || !batch.output) {
        st = error_set(err, SL_E_MEMORY, "out of memory for a batch of golden data");
    } else {
        data_set_fill(set, plan, batch.input);
        st = ops->submit(program, &batch, err);
    }
    if (st == SL_OK)
        st = ops->collect(program, &done, err);
    if (st == SL_OK && batch.error.status != SL_OK) {
        *err = batch.error;
        st = err->status;
    }
    if (st == SL_OK)
        compare_outputs(v, set_name, set, plan, batch.output);
    ops->slot_free(device, batch.input, plan->input_nbytes);
    ops->slot_free(device, batch.output, plan->output_nbytes);
    ops->unload(program);
    return st;
}

static sl_status run_set(struct verify *v, const char *dir, const char *set_name, sl_error *err) {
    char path[PATH_MAX + 300];
    struct plan *plan = NULL;
    const struct plan_options how = {.int8 = !strcmp(v->job->options->precision, "int8")};
    struct data_set *set = mem_alloc(1, sizeof *set);
    if (!set)
        return error_set(err, SL_E_MEMORY, "out of memory for golden data");
    snprintf(path, sizeof path, "%s/%s", dir, set_name);
    sl_status st = data_set_read(set, v->job->model.graph, path, err);
    if (st == SL_OK)
        st = data_set_plan(set, v->job->model.graph, &how, &plan, err);
    if (st == SL_OK)
        st = run_batch(v, set_name, set, plan, err);
    plan_close(plan);
    data_set_clear(set);
    mem_free(set);
    v->set_count++;
    return st;
}

static bool is_there(const char *dir, const char *name) {
    char path[PATH_MAX + 64];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0;
}

/* DIR holds the folders, numbered from 0, or is one. */
static sl_status run_sets(struct verify *v, const char *dir, sl_error *err) {
    char name[64] = PREFIX "0";
    sl_status st = SL_OK;
    if (!is_there(dir, "."))
        return error_errno(err, SL_E_NOINPUT, errno, "cannot read '%s'", text_quote(dir));
    if (is_there(dir, "input_0.pb"))
        return run_set(v, dir, ".", err);
    for (unsigned i = 1; st == SL_OK && is_there(dir, name); i++) {
        st = run_set(v, dir, name, err);
        snprintf(name, sizeof name, PREFIX "%u", i);
    }
    if (st == SL_OK && !v->set_count)
        st = error_set(err, SL_E_NOINPUT,
                       "cannot find golden data in '%s': expected folders " PREFIX
                       "0, ... with input_0.pb and output_0.pb",
                       text_quote(dir));
    return st;
}

static sl_status give_result(struct verify *v, char **text, sl_error *err) {
    struct buf out;
    bool within = !v->outside_count;
    buf_init(&out);
    if (v->options->json) {
        buf_puts(&out, "{");
        json_put_key(&out, "device");
        json_put_string(&out, v->job->device_line, strlen(v->job->device_line));
        buf_printf(&out, ", \"within\": %s, \"outputs\": [\n%s\n]}\n", within ? "true" : "false",
                   v->rows.data ? v->rows.data : "");
    } else {
        buf_printf(&out, "model   %s\ndevice  %s\n%-18s %-20s %-26s %10s %10s %11s %9s\n%s",
                   text_quote(v->job->model.path), v->job->device_line, "set", "output", "expected",
                   "max abs", "max rel", "top-1", "tolerance", v->rows.data ? v->rows.data : "");
        buf_printf(&out, "%zu of %zu output%s within tolerance\n", v->output_count - v->outside_count,
                   v->output_count, v->output_count == 1 ? "" : "s");
    }
    if (out.failed || v->rows.failed) {
        buf_clear(&out);
        return error_set(err, SL_E_MEMORY, "out of memory for the text");
    }
    *text = out.data;
    return SL_OK;
}

sl_status sl_model_verify(const sl_job_options *options, const sl_verify_options *how, char **text,
                          bool *within, sl_error *err) {
    if (!options->model)
        return error_set(err, SL_E_USAGE, "nothing to verify: a model is needed");
    struct job *job = mem_alloc(1, sizeof *job);
    if (!job)
        return error_set(err, SL_E_MEMORY, "out of memory for the model");
    struct verify v = {.job = job, .options = how};
    job->options = options;
    job->widths.device_threads = 1; /* one batch at a time */
    buf_init(&v.rows);
    sl_status st = job_model_open(&job->model, options->model, err);
    if (st == SL_OK)
        st = job_devices_open(job, err);
    if (st == SL_OK)
        st = run_sets(&v, how->dir ? how->dir : job->model.dir, err);
    if (st == SL_OK && !v.output_count)
        st = error_set(err, SL_E_NOINPUT, "golden data of '%s' has no outputs to compare with",
                       text_quote(job->model.path));
    if (st == SL_OK)
        st = give_result(&v, text, err);
    *within = st == SL_OK && !v.outside_count;
    buf_clear(&v.rows);
    job_devices_close(job);
    job_model_close(&job->model);
    mem_free(job);
    return st;
}
