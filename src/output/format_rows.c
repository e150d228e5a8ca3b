/* format_rows.c: rows of a batch that came back into lines: through the chains of the results, the format,
 * and the join where there is one. */
#include <stdio.h>
#include <string.h>

#include "output/formatter.h"
#include "support/mem.h"

void formatter_describe(const struct formatter *f, struct result *results) {
    for (size_t i = 0; i < f->count; i++) {
        const sl_spec *spec = chain_spec(f->chains[i]);
        results[i] = (struct result){.name = f->names[i], .spec = spec};
        results[i].value.kind = spec->kind;
        results[i].value.tensor.dtype = spec->dtype;
        results[i].value.tensor.rank = spec->rank;
        memcpy(results[i].value.tensor.dims, spec->dims, sizeof spec->dims);
    }
}

size_t formatter_values_nbytes(const struct formatter *f) {
    size_t nbytes = 0;
    for (size_t i = 0; i < f->count; i++)
        nbytes += (chain_spec(f->chains[i])->max_nbytes + 63) / 64 * 64;
    return nbytes;
}

sl_status format_worker_open(struct format_worker **out, const struct formatter *f, sl_error *err) {
    struct format_worker *w = mem_alloc(1, sizeof *w);
    if (!w)
        return error_set(err, SL_E_MEMORY, "out of memory for a format worker");
    w->formatter = f;
    w->values_nbytes = formatter_values_nbytes(f);
    w->values = mem_map(w->values_nbytes);
    w->rows = mem_alloc(f->plan->input_count + f->plan->output_count + 1, sizeof *w->rows);
    if (f->joins) {
        w->join_room = mem_map(2 * f->row_nbytes);
        w->joining = (struct joining){.how = &f->join, .json = f->ops != &format_csv};
        if (w->join_room)
            buf_init_fixed(&w->joining.room, w->join_room + f->row_nbytes, f->row_nbytes);
    }
    w->hash = f->join.ids ? hash_open() : NULL;
    bool room = w->values && w->rows && (w->join_room || !f->joins) && (w->hash || !f->join.ids);
    sl_status st = room ? worker_ctx_open(&w->ctx, f->chains, f->count, &f->options, err)
                        : error_set(err, SL_E_MEMORY, "out of memory for a format worker");
    if (st != SL_OK) {
        format_worker_close(w);
        return st;
    }
    formatter_describe(f, w->results);
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
    hash_close(w->hash);
    mem_unmap(w->values, w->values_nbytes);
    if (w->join_room)
        mem_unmap(w->join_room, 2 * w->formatter->row_nbytes);
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
    for (size_t i = 0; i < f->plan->output_count; i++)
        w->rows[f->plan->input_count + i] = (const char *)slot->output +
                                            f->plan->values[f->plan->outputs[i].value].offset +
                                            row * f->plan->outputs[i].row_nbytes;
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

/* The result line of a row, or its placeholder. */
static void format_result(struct format_worker *w, struct slot *slot, uint32_t row, struct buf *line) {
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

/* The same through the join and the filter. A reject is joined too where its input can be: it keeps the
 * columns of its neighbours. */
static void format_joined(struct format_worker *w, struct slot *slot, uint32_t row, struct buf *line) {
    const struct formatter *f = w->formatter;
    sl_slice input = {line->data, f->join.input ? slot->rows[row].text_nbytes : 0};
    struct json_path_miss miss;
    struct buf result;
    buf_init_fixed(&result, w->join_room, f->row_nbytes);
    format_result(w, slot, row, &result);
    bool scored = slot->rows[row].state == ROW_GOOD;
    if ((scored || input.nbytes) &&
        join_line(&w->joining, input, (sl_slice){result.data, result.size - 1}, line, &miss))
        return;
    buf_reset(line);
    if (scored) {
        char reason[sizeof slot->rejects->reason];
        snprintf(reason, sizeof reason, "cannot join or filter the result: %.120s", miss.reason);
        reject_row(slot, row, miss.code, reason);
    }
    f->ops->reject(line, &slot->rejects[row], w->results, f->count);
}

/* The record that a row is, of the span it belongs to. */
static void append_id(struct format_worker *w, const struct slot *slot, uint32_t row, struct buf *line) {
    const struct formatter *f = w->formatter;
    const struct span *span = slot->spans;
    char id[37];
    while (span->kind != SPAN_ROWS || row - span->row >= span->count)
        span++;
    inference_id(w->hash, f->identity->id, f->shards[span->shard].name,
                 span->first_record + (row - span->row), id);
    inference_id_append(line, f->ops != &format_csv, id, f->identity->begun);
}

void format_rows(struct format_worker *w, struct slot *slot, uint32_t row, uint32_t count) {
    bool ids = w->formatter->join.ids;
    for (uint32_t r = row; r < row + count; r++) {
        struct buf line;
        buf_init_fixed(&line, slot->text + (size_t)r * slot->text_row_nbytes,
                       slot->text_row_nbytes - (ids ? INFERENCE_ID_NBYTES : 0));
        (w->formatter->joins ? format_joined : format_result)(w, slot, r, &line);
        if (ids) {
            line.cap = slot->text_row_nbytes;
            append_id(w, slot, r, &line);
        }
        slot->rows[r].text_nbytes = (uint32_t)line.size;
    }
}
