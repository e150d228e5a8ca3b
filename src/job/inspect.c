/* inspect.c: what a model is, what a record costs, and what each device can run of it. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/json.h"
#include "support/mem.h"
#include "support/text.h"

/* Steps of one operator after the passes. */
struct share {
    const struct op *op;
    size_t steps;
    uint64_t flops, nbytes;
};

struct cost {
    struct plan *plan;
    struct share *shares; /* by FLOPs, then bytes */
    size_t share_count;
    uint64_t nbytes; /* read and written by all steps, weights included */
};

/* What is read and written once; of a table that is looked up, the rows. */
static uint64_t step_nbytes(const struct plan *plan, const struct plan_step *step) {
    uint64_t nbytes = 0;
    bool table = !strncmp(step->op->name, "Gather", 6);
    for (size_t i = 0; i < step->in_count; i++)
        if (step->in[i] != PLAN_NONE)
            nbytes += plan->values[table && !i ? step->out[0] : step->in[i]].nbytes;
    for (size_t i = 0; i < step->out_count; i++)
        nbytes += step->out[i] == PLAN_NONE ? 0 : plan->values[step->out[i]].nbytes;
    return nbytes;
}

static bool costs_more(const struct share *a, const struct share *b) {
    return a->flops != b->flops ? a->flops > b->flops : a->nbytes > b->nbytes;
}

static void add_step(struct cost *c, const struct plan_step *step) {
    size_t i = 0;
    uint64_t nbytes = step_nbytes(c->plan, step);
    while (i < c->share_count && c->shares[i].op != step->op)
        i++;
    if (i == c->share_count)
        c->shares[c->share_count++] = (struct share){.op = step->op};
    c->shares[i].steps++;
    c->shares[i].flops += step->flops;
    c->shares[i].nbytes += nbytes;
    c->nbytes += nbytes;
}

static sl_status cost_open(struct cost *c, const struct graph *graph, const sl_job_options *options,
                           sl_error *err) {
    struct plan_options how = {.batch = graph_fixed_batch(graph) ? 0 : 1,
                               .dim_names = options->dim_names,
                               .dim_values = options->dim_values,
                               .dim_count = options->dim_count};
    sl_status st = plan_make(&c->plan, graph, &how, err);
    if (st != SL_OK)
        return st;
    c->shares = mem_alloc(c->plan->step_count + 1, sizeof *c->shares);
    if (!c->shares)
        return error_set(err, SL_E_MEMORY, "out of memory for the costs");
    for (size_t i = 0; i < c->plan->step_count; i++)
        add_step(c, &c->plan->steps[i]);
    for (size_t i = 1; i < c->share_count; i++) /* few kinds: insertion keeps equals in order */
        for (size_t k = i; k > 0 && costs_more(&c->shares[k], &c->shares[k - 1]); k--) {
            struct share swap = c->shares[k];
            c->shares[k] = c->shares[k - 1];
            c->shares[k - 1] = swap;
        }
    return SL_OK;
}

static void cost_close(struct cost *c) {
    mem_free(c->shares);
    plan_close(c->plan);
}

/* "8.18 GFLOP". */
static char *flops_text(char *out, size_t cap, uint64_t flops) {
    static const char *const units[] = {"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"};
    double x = (double)flops;
    size_t unit = 0;
    while (x >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        x /= 1000;
        unit++;
    }
    snprintf(out, cap, unit ? "%.3g %s" : "%.0f %s", x, units[unit]);
    return out;
}

static void print_cost(const struct cost *c, struct buf *out) {
    char flops[32], nbytes[32], weights[32], peak[32];
    const struct plan *plan = c->plan;
    buf_printf(out, "cost of %lld record%s, after the passes\n", (long long)plan->batch,
               plan->batch == 1 ? "" : "s");
    buf_printf(out, "  %s, %s moved, %s of weights, %s of activations at most at once\n",
               flops_text(flops, sizeof flops, plan->flops), text_nbytes(nbytes, sizeof nbytes, c->nbytes),
               text_nbytes(weights, sizeof weights, plan->weight_nbytes),
               text_nbytes(peak, sizeof peak, plan->peak_live_nbytes));
    for (size_t i = 0; i < c->share_count; i++) {
        const struct share *s = &c->shares[i];
        buf_printf(out, "  %-28s %6zu step%s %12s %5.1f %%  %10s%s%s\n", s->op->name, s->steps,
                   s->steps == 1 ? " " : "s", flops_text(flops, sizeof flops, s->flops),
                   plan->flops ? 100.0 * (double)s->flops / (double)plan->flops : 0,
                   text_nbytes(nbytes, sizeof nbytes, s->nbytes), *s->op->domain ? "  " : "", s->op->domain);
    }
}

static void print_cost_json(const struct cost *c, struct buf *out) {
    const struct plan *plan = c->plan;
    buf_printf(out,
               "{\"records\": %lld, \"flops\": %llu, \"bytes_moved\": %llu, \"weight_bytes\": %llu, "
               "\"activation_bytes\": %llu, \"steps\": [",
               (long long)plan->batch, (unsigned long long)plan->flops, (unsigned long long)c->nbytes,
               (unsigned long long)plan->weight_nbytes, (unsigned long long)plan->peak_live_nbytes);
    for (size_t i = 0; i < c->share_count; i++)
        buf_printf(
            out,
            "%s{\"operator\": \"%s\", \"domain\": \"%s\", \"count\": %zu, \"flops\": %llu, \"bytes\": %llu}",
            i ? ", " : "", c->shares[i].op->name,
            *c->shares[i].op->domain ? c->shares[i].op->domain : "ai.onnx", c->shares[i].steps,
            (unsigned long long)c->shares[i].flops, (unsigned long long)c->shares[i].nbytes);
    buf_puts(out, "]}");
}

/* ---- what each device can run ---- */

/* Operators a device lacks, with how often; returns how many steps those are. */
static size_t print_missing(const struct plan *plan, const struct device_ops *ops, struct device *device,
                            struct buf *out) {
    char why[160];
    size_t missing = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        if (ops->supports(device, plan, i, why, sizeof why))
            continue;
        if (missing++ < 8)
            buf_printf(out, "%s%s '%s': %s", missing > 1 ? "; " : "", plan->steps[i].op->name,
                       text_quote(plan->steps[i].name), why);
    }
    if (missing > 8)
        buf_printf(out, "; and %zu more", missing - 8);
    return missing;
}

/* A device as it is asked about: a row of what each can run. */
static const struct asked {
    const char *name;
    const struct device_ops *ops;
    enum precision precision;
} asked[] = {{"cpu", &device_cpu, PRECISION_FP32},
             {"cuda", &device_cuda, PRECISION_FP32},
             {"cuda fp16", &device_cuda, PRECISION_FP16}};

/* What it can run; where it is not here, what its kernels could; `missing` gets what it lacks. */
static void say_device(const struct plan *plan, const struct asked *a, char *line, size_t line_nbytes,
                       struct buf *missing) {
    char why[300] = "";
    struct device_options options = {.precision = a->precision, .threads = 1};
    struct device *device = NULL;
    sl_error err = {0};
    size_t n = 0;
    if (a->ops->count(why, sizeof why) <= 0 || a->ops->open(&device, 0, &options, &err) != SL_OK) {
        bool said = a > asked && a[-1].ops == a->ops; /* the line before has the reason */
        n = (size_t)snprintf(line, line_nbytes, said ? "not here" : "not here: %.300s",
                             err.status != SL_OK ? err.text : why);
        if (a->ops->open(&device, DEVICE_REHEARSED, &options, &err) != SL_OK)
            return;
        n += (size_t)snprintf(line + n, line_nbytes - n, "; has kernels for ");
    }
    size_t lacks = print_missing(plan, a->ops, device, missing);
    if (lacks)
        snprintf(line + n, line_nbytes - n, "%zu of %zu steps; it lacks ", plan->step_count - lacks,
                 plan->step_count);
    else
        snprintf(line + n, line_nbytes - n, "all %zu step%s", plan->step_count,
                 plan->step_count == 1 ? "" : "s");
    a->ops->close(device);
}

static void print_device(const struct plan *plan, const struct asked *a, bool json, struct buf *out) {
    char line[512];
    struct buf missing;
    buf_init(&missing);
    say_device(plan, a, line, sizeof line, &missing);
    if (json) {
        json_put_key(out, a->name);
        buf_append(&missing, "", 1);
        char text[1536];
        snprintf(text, sizeof text, "%s%s", line, missing.data ? missing.data : "");
        json_put_string(out, text, strlen(text));
    } else {
        buf_printf(out, "  %-9s %s%s\n", a->name, line, missing.size ? missing.data : "");
    }
    buf_clear(&missing);
}

static void print_more(const struct cost *cost, const sl_error *why, bool json, struct buf *out) {
    if (!cost->plan) {
        if (json) {
            buf_puts(out, ",\n \"cost\": null, \"cost_unknown\": ");
            json_put_string(out, why->text, strlen(why->text));
        } else {
            buf_printf(out, "cost\n  not known: %s\n", why->text);
        }
        return;
    }
    buf_puts(out, json ? ",\n \"cost\": " : "");
    if (json)
        print_cost_json(cost, out);
    else
        print_cost(cost, out);
    buf_puts(out, json ? ",\n \"devices\": {" : "devices\n");
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        buf_puts(out, json && i ? ", " : "");
        print_device(cost->plan, &asked[i], json, out);
    }
    buf_puts(out, json ? "}" : "");
}

sl_status sl_model_inspect(const sl_job_options *options, bool json, char **text, sl_error *err) {
    struct job_model model = {0};
    struct cost cost = {0};
    struct buf out;
    sl_error why = {0};
    if (!options->model)
        return error_set(err, SL_E_USAGE, "nothing to inspect: a model is needed");
    sl_status st = job_model_open(&model, options->model, err);
    if (st == SL_OK) {
        buf_init(&out);
        if (cost_open(&cost, model.graph, options, &why) == SL_E_MEMORY)
            out.failed = true;
        if (json) {
            graph_print_json(model.graph, &out);
            print_more(&cost, &why, json, &out);
            buf_puts(&out, "}\n");
        } else {
            graph_print(model.graph, &out);
            print_more(&cost, &why, json, &out);
        }
        cost_close(&cost);
        st = job_give_text(&out, text, err);
    }
    job_model_close(&model);
    return st;
}
