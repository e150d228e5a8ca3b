/* postprocess.c: transform.json's "outputs": what is taken from the model's outputs, the chain it goes
 * through, and what the result is called. Chains are decode's: the same thing at the other end. */
#include <stdio.h>
#include <string.h>

#include "output/format.h"
#include "output/output.h"
#include "support/arena.h"
#include "support/mem.h"
#include "support/text.h"

#define MAX_RESULTS 64

struct formatter {
    const struct format_ops *ops;
    const struct plan *plan;
    struct chain_options options;
    size_t count;
    struct chain *chains[MAX_RESULTS];
    uint32_t port[MAX_RESULTS]; /* the model output each begins with */
    const char *names[MAX_RESULTS];
    sl_spec source[MAX_RESULTS];
    struct chain_input *inputs; /* the model's, for steps that look at one */
    json_t *config;             /* keeps the names alive */
    struct arena memory;        /* names of columns */
    size_t row_nbytes;
    struct output_frame frame;
};

struct format_worker {
    const struct formatter *formatter;
    struct worker_ctx *ctx;
    struct result results[MAX_RESULTS];
    const void **rows; /* of the model's inputs, for the record at hand */
    char *values;      /* the chains' results, one after another */
    size_t values_nbytes;
};

static sl_status find_port(const struct plan *plan, const char *name, uint32_t *port, sl_error *err) {
    const char *names[65] = {NULL};
    for (size_t i = 0; i < plan->output_count; i++) {
        if (!strcmp(plan->outputs[i].name, name)) {
            *port = (uint32_t)i;
            return SL_OK;
        }
        if (i < 64)
            names[i] = plan->outputs[i].name;
    }
    const char *near = text_nearest(name, names);
    return error_set(err, SL_E_MODEL, "'outputs' takes output '%s', which the model does not have; %s '%s'",
                     text_quote(name), near ? "did you mean" : "its first is",
                     text_quote(near ? near : plan->outputs[0].name));
}

/* Names of the columns of an output, where the model has them; not where they do not fit. */
static bool name_columns(struct formatter *f, const struct attr *labels, sl_spec *source) {
    int64_t count;
    if (!labels || source->dtype == SL_STRING || !sl_shape_count(source->rank, source->dims, &count) ||
        (size_t)count != labels->count)
        return true;
    const char **names = arena_alloc(&f->memory, labels->count, sizeof *names);
    for (size_t i = 0; names && i < labels->count; i++) {
        names[i] = labels->type == ATTR_STRINGS
                       ? arena_strndup(&f->memory, labels->strings[i].data, labels->strings[i].nbytes)
                       : arena_printf(&f->memory, "%lld", (long long)labels->ints[i]);
        if (!names[i])
            return false;
    }
    source->labels = names;
    source->label_count = labels->count;
    return names != NULL;
}

/* A result called `name` from a model output, through `steps` (may be NULL). */
static sl_status add_result(struct formatter *f, const char *name, uint32_t port, const json_t *steps,
                            sl_error *err) {
    if (f->count == MAX_RESULTS)
        return error_set(err, SL_E_MODEL, "'outputs' has more than %d results", MAX_RESULTS);
    const struct plan_value *value = &f->plan->values[f->plan->outputs[port].value];
    sl_spec *source = &f->source[f->count];
    *source = (sl_spec){.kind = SL_KIND_TENSOR, .dtype = value->tensor.dtype};
    source->max_nbytes = f->plan->outputs[port].row_nbytes;
    source->text_nbytes = f->plan->outputs[port].text_longest;
    const struct plan_port *from = &f->plan->outputs[port];
    for (int d = from->whole ? 0 : 1; d < value->tensor.rank; d++) /* without the batch dim */
        source->dims[source->rank++] =
            from->dynamic && value->least[d] < value->tensor.dims[d] ? -1 : value->tensor.dims[d];
    if (!name_columns(f, f->plan->outputs[port].labels, source))
        return error_set(err, SL_E_MEMORY, "out of memory for the formatter");
    sl_status st = chain_open(&f->chains[f->count], steps, source, NULL, name, &f->options, err);
    if (st != SL_OK)
        return st;
    f->port[f->count] = port;
    f->names[f->count++] = name;
    return SL_OK;
}

/* A result is a list whose first element may be {"from": OUTPUT}; without it, the model's first output. */
static sl_status add_list(struct formatter *f, const char *name, const json_t *list, sl_error *err) {
    uint32_t port = 0;
    const json_t *head = json_array_get(list, 0), *from = json_object_get(head, "from");
    if (from && (!json_is_string(from) || json_object_size(head) != 1))
        return error_set(err, SL_E_MODEL,
                         "bad 'from' in 'outputs': expected {\"from\": the name of a model output}");
    if (from) {
        sl_status st = find_port(f->plan, json_string_value(from), &port, err);
        if (st != SL_OK)
            return st;
    }
    json_t *steps = json_copy((json_t *)(uintptr_t)list);
    if (!steps || (from && json_array_remove(steps, 0) != 0)) {
        json_decref(steps);
        return error_set(err, SL_E_MEMORY, "out of memory for the outputs");
    }
    sl_status st = add_result(f, name ? name : f->plan->outputs[port].name, port, steps, err);
    json_decref(steps); /* the chain has a copy */
    return st;
}

static sl_status add_results(struct formatter *f, json_t *outputs, sl_error *err) {
    sl_status st = SL_OK;
    if (!outputs) {
        for (uint32_t i = 0; st == SL_OK && i < f->plan->output_count; i++)
            st = add_result(f, f->plan->outputs[i].name, i, NULL, err);
    } else if (json_is_array(outputs)) {
        st = add_list(f, NULL, outputs, err);
    } else if (json_is_object(outputs)) {
        const char *name;
        json_t *steps;
        json_object_foreach(outputs, name, steps) {
            if (st == SL_OK && !json_is_array(steps))
                st = error_set(err, SL_E_MODEL, "bad result '%s' in 'outputs': expected a list of steps",
                               text_quote(name));
            if (st == SL_OK)
                st = add_list(f, name, steps, err);
        }
    } else {
        st =
            error_set(err, SL_E_MODEL, "bad 'outputs': expected a list of steps, or an object of such lists");
    }
    if (st == SL_OK && !f->count)
        st = error_set(err, SL_E_MODEL, "'outputs' names no result");
    return st;
}

/* What steps may look at: the inputs' rows, as they stand in the slot. */
static sl_status name_inputs(struct formatter *f, sl_error *err) {
    size_t count = f->plan->input_count;
    f->inputs = arena_alloc(&f->memory, count + 1, sizeof *f->inputs);
    if (!f->inputs)
        return error_set(err, SL_E_MEMORY, "out of memory for the formatter");
    for (size_t i = 0; i < count; i++) {
        const struct plan_port *port = &f->plan->inputs[i];
        const sl_tensor *t = &f->plan->values[port->value].tensor;
        sl_spec *spec = &f->inputs[i].spec;
        f->inputs[i].name = port->name;
        *spec = (sl_spec){.kind = SL_KIND_TENSOR, .dtype = t->dtype, .max_nbytes = port->row_nbytes};
        for (int d = port->whole ? 0 : 1; d < t->rank; d++)
            spec->dims[spec->rank++] = t->dims[d];
    }
    f->options.inputs = f->inputs;
    f->options.input_count = count;
    return SL_OK;
}

/* Results as they will be, without data. */
static void describe_results(const struct formatter *f, struct result *results) {
    for (size_t i = 0; i < f->count; i++) {
        const sl_spec *spec = chain_spec(f->chains[i]);
        results[i] = (struct result){.name = f->names[i], .spec = spec};
        results[i].value.kind = spec->kind;
        results[i].value.tensor.dtype = spec->dtype;
        results[i].value.tensor.rank = spec->rank;
        memcpy(results[i].value.tensor.dims, spec->dims, sizeof spec->dims);
    }
}

static sl_status check_results(const struct formatter *f, sl_error *err) {
    for (size_t i = 0; i < f->count; i++) {
        const sl_spec *spec = chain_spec(f->chains[i]);
        bool shown = spec->kind == SL_KIND_RANKED ||
                     (spec->kind == SL_KIND_TENSOR && sl_dtype_nbits(spec->dtype) >= 8 &&
                      spec->dtype != SL_COMPLEX64 && spec->dtype != SL_COMPLEX128);
        if (!shown)
            return error_set(
                err, SL_E_MODEL, "cannot write result '%s': no format for %s", text_quote(f->names[i]),
                spec->kind == SL_KIND_TENSOR ? sl_dtype_name(spec->dtype) : "what its last step gives");
    }
    return SL_OK;
}

sl_status formatter_open(struct formatter **out, const json_t *outputs, const struct plan *plan,
                         const char *accept, const struct chain_options *options, sl_error *err) {
    struct formatter *f = mem_alloc(1, sizeof *f);
    if (!f)
        return error_set(err, SL_E_MEMORY, "out of memory for the formatter");
    f->plan = plan;
    f->options = *options;
    arena_init(&f->memory);
    f->config = json_incref((json_t *)(uintptr_t)outputs);
    f->ops = format_by_accept(accept ? accept : "text/csv");
    sl_status st =
        f->ops
            ? SL_OK
            : error_set(err, SL_E_USAGE,
                        "unknown accept '%s': known are text/csv, application/jsonlines, application/json, "
                        "application/x-npy",
                        text_quote(accept));
    struct result results[MAX_RESULTS];
    if (st == SL_OK)
        st = name_inputs(f, err);
    if (st == SL_OK)
        st = add_results(f, f->config, err);
    if (st == SL_OK)
        describe_results(f, results);
    if (st == SL_OK)
        st = f->ops->check ? f->ops->check(results, f->count, err) : check_results(f, err);
    if (st != SL_OK) {
        formatter_close(f);
        return st;
    }
    if (f->ops->frame)
        f->ops->frame(&f->frame, results);
    f->row_nbytes = f->ops->line_nbytes(results, f->count);
    *out = f;
    return SL_OK;
}

void formatter_close(struct formatter *f) {
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        chain_close(f->chains[i]);
    json_decref(f->config);
    arena_clear(&f->memory);
    mem_free(f);
}

size_t formatter_row_nbytes(const struct formatter *f) {
    return f->row_nbytes;
}

const struct output_frame *formatter_frame(const struct formatter *f) {
    return f->ops->frame ? &f->frame : NULL;
}

const char *formatter_content_type(const struct formatter *f) {
    return f->ops->accepts[0];
}

static size_t values_nbytes(const struct formatter *f) {
    size_t nbytes = 0;
    for (size_t i = 0; i < f->count; i++)
        nbytes += (chain_spec(f->chains[i])->max_nbytes + 63) / 64 * 64;
    return nbytes;
}

size_t formatter_worker_nbytes(const struct formatter *f) {
    size_t nbytes = sizeof(struct format_worker) + values_nbytes(f);
    for (size_t i = 0; i < f->count; i++)
        nbytes += chain_nbytes(f->chains[i]);
    return nbytes;
}

void formatter_print(const struct formatter *f, struct buf *out) {
    for (size_t i = 0; i < f->count; i++) {
        buf_printf(out, "  '%s' from output '%s'\n", text_quote(f->names[i]),
                   text_quote(f->plan->outputs[f->port[i]].name));
        chain_print(f->chains[i], out);
    }
}

sl_status format_worker_open(struct format_worker **out, const struct formatter *f, sl_error *err) {
    struct format_worker *w = mem_alloc(1, sizeof *w);
    if (!w)
        return error_set(err, SL_E_MEMORY, "out of memory for a format worker");
    w->formatter = f;
    w->values_nbytes = values_nbytes(f);
    w->values = mem_map(w->values_nbytes);
    w->rows = mem_alloc(f->plan->input_count + 1, sizeof *w->rows);
    sl_status st = w->values && w->rows ? worker_ctx_open(&w->ctx, f->chains, f->count, &f->options, err)
                                        : error_set(err, SL_E_MEMORY, "out of memory for a format worker");
    if (st != SL_OK) {
        format_worker_close(w);
        return st;
    }
    describe_results(f, w->results);
    char *at = w->values;
    for (size_t i = 0; i < f->count; i++) {
        w->results[i].value.tensor.data = at;
        at += (chain_spec(f->chains[i])->max_nbytes + 63) / 64 * 64;
    }
    *out = w;
    return SL_OK;
}

void format_worker_close(struct format_worker *w) {
    if (!w)
        return;
    if (w->ctx)
        worker_ctx_close(w->ctx);
    mem_unmap(w->values, w->values_nbytes);
    mem_free(w->rows);
    mem_free(w);
}

/* Runs the chains of one scored row; false when one of them refuses it. */
static bool run_chains(struct format_worker *w, const struct slot *slot, uint32_t row,
                       struct chain_reject *reject) {
    const struct formatter *f = w->formatter;
    for (size_t i = 0; i < f->plan->input_count; i++)
        w->rows[i] = (const char *)slot->input + f->plan->values[f->plan->inputs[i].value].offset +
                     row * f->plan->inputs[i].row_nbytes;
    chain_set_inputs(w->ctx, w->rows);
    for (size_t i = 0; i < f->count; i++) {
        const struct plan_port *port = &f->plan->outputs[f->port[i]];
        const sl_spec *spec = &f->source[i];
        sl_value in = {.kind = SL_KIND_TENSOR,
                       .tensor = {.dtype = spec->dtype,
                                  .rank = spec->rank,
                                  .data = (char *)slot->output + f->plan->values[port->value].offset +
                                          row * port->row_nbytes}};
        memcpy(in.tensor.dims, spec->dims, sizeof spec->dims);
        if (port->dynamic) {
            sl_tensor now = plan_output(f->plan, f->port[i], slot->output);
            memcpy(in.tensor.dims, now.dims + (port->whole ? 0 : 1), (size_t)spec->rank * sizeof *now.dims);
        }
        if (chain_apply(w->ctx, i, &in, &w->results[i].value, reject) != SL_OK)
            return false;
    }
    return true;
}

/* A scored row whose result cannot be had. Its key is not known here: only rejects carry theirs. */
static void reject_row(struct slot *slot, uint32_t row, const char *code, const char *reason) {
    struct row_reject *reject = &slot->rejects[row];
    reject->stage = "format";
    snprintf(reject->code, sizeof reject->code, "%s", code);
    snprintf(reject->reason, sizeof reject->reason, "%s", reason);
    reject->key[0] = 0;
    slot->rows[row].state = ROW_REJECTED;
}

static void format_row(struct format_worker *w, struct slot *slot, uint32_t row, struct buf *line) {
    const struct format_ops *ops = w->formatter->ops;
    struct chain_reject why;
    if (slot->rows[row].state == ROW_GOOD) {
        if (run_chains(w, slot, row, &why)) {
            ops->line(line, w->results, w->formatter->count);
            if (!line->failed)
                return;
            buf_reset(line); /* only a dim that varies can get here */
            reject_row(slot, row, "result-too-long",
                       "the result is longer than the room planned for its line");
        } else {
            reject_row(slot, row, why.code, why.reason);
        }
    }
    ops->reject(line, &slot->rejects[row], w->results, w->formatter->count);
}

void format_rows(struct format_worker *w, struct slot *slot, uint32_t row, uint32_t count) {
    for (uint32_t r = row; r < row + count; r++) {
        struct buf line;
        buf_init_fixed(&line, slot->text + (size_t)r * slot->text_row_nbytes, slot->text_row_nbytes);
        format_row(w, slot, r, &line);
        slot->rows[r].text_nbytes = (uint32_t)line.size;
    }
}
