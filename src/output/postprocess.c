/* postprocess.c: transform.json's "outputs": what is taken from the model's outputs, the chain it goes
 * through, and what the result is called. Chains are decode's: the same thing at the other end. */
#include <stdio.h>
#include <string.h>

#include "output/formatter.h"
#include "support/mem.h"
#include "support/text.h"

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

/* What steps may look at: rows of the model's inputs and outputs, as they stand in the slot. */
static sl_status name_inputs(struct formatter *f, sl_error *err) {
    size_t inputs = f->plan->input_count, count = inputs + f->plan->output_count;
    f->inputs = arena_alloc(&f->memory, count + 1, sizeof *f->inputs);
    if (!f->inputs)
        return error_set(err, SL_E_MEMORY, "out of memory for the formatter");
    for (size_t i = 0; i < count; i++) {
        const struct plan_port *port = i < inputs ? &f->plan->inputs[i] : &f->plan->outputs[i - inputs];
        const sl_tensor *t = &f->plan->values[port->value].tensor;
        sl_spec *spec = &f->inputs[i].spec;
        f->inputs[i].name = port->name;
        *spec = (sl_spec){.kind = SL_KIND_TENSOR, .dtype = t->dtype, .max_nbytes = port->row_nbytes};
        for (int d = port->whole ? 0 : 1; d < t->rank; d++)
            spec->dims[spec->rank++] = port->dynamic ? -1 : t->dims[d];
    }
    f->options.inputs = f->inputs;
    f->options.input_count = count;
    return SL_OK;
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
        formatter_describe(f, results);
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

sl_status formatter_join(struct formatter *f, const struct format_join *join, sl_error *err) {
    bool csv = f->ops == &format_csv;
    f->join = *join;
    f->joins = join->input || (join->filter && join->filter->step_count);
    if (!f->joins && !join->ids)
        return SL_OK;
    if (f->ops == &format_npy)
        return error_set(err, SL_E_USAGE,
                         "JoinSource, OutputFilter and GenerateInferenceId need an accept of text/csv, "
                         "application/jsonlines or "
                         "application/json, this is '%s'",
                         f->ops->accepts[0]);
    if (csv && join->filter && !json_path_fits_rows(join->filter))
        return error_set(
            err, SL_E_USAGE,
            "bad OutputFilter '%s': a text/csv row has no names, only indexes such as $[0,-1] or "
            "$[1:]",
            text_quote(join->filter->text));
    f->row_nbytes += f->joins ? JOIN_WORDS_NBYTES + (join->input ? join->input_nbytes : 0) : 0;
    f->row_nbytes += join->ids ? INFERENCE_ID_NBYTES : 0;
    return SL_OK;
}

void formatter_identify(struct formatter *f, const struct output_identity *identity,
                        const struct output_shard *shards) {
    f->identity = identity;
    f->shards = shards;
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

size_t formatter_worker_nbytes(const struct formatter *f) {
    size_t nbytes =
        sizeof(struct format_worker) + formatter_values_nbytes(f) + (f->joins ? 2 * f->row_nbytes : 0);
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
