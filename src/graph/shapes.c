/* shapes.c: the dims of the model's inputs. Open ones are bound by what the caller gives: --dim by name, the
 * batch as dim 0, and the chain, which knows what its rows look like. */
#include <string.h>

#include "graph/work.h"
#include "ops/rules.h"
#include "support/text.h"

int64_t graph_fixed_batch(const struct graph *graph) {
    int64_t batch = 0;
    for (size_t i = 0; i < graph->input_count; i++) {
        const sl_tensor *t = &graph->values[graph->inputs[i]].tensor;
        if (graph->values[graph->inputs[i]].has_shape && t->rank > 0 && t->dims[0] > 0)
            batch = t->dims[0];
    }
    return batch;
}

/* A model with a state of its own shape (a streaming one, say) has no batch of records. */
static sl_status check_one_batch(const struct graph *graph, int64_t batch, sl_error *err) {
    for (size_t i = 0; batch && i < graph->input_count; i++) {
        const struct graph_value *v = &graph->values[graph->inputs[i]];
        if (v->has_shape && v->tensor.rank > 0 && v->tensor.dims[0] > 0 && v->tensor.dims[0] != batch)
            return error_set(
                err, SL_E_MODEL,
                "the first dimension of every input must be the batch, but model '%s' has %lld in input "
                "'%s' and %lld in another",
                text_quote(graph->path), (long long)v->tensor.dims[0], text_quote(v->name), (long long)batch);
    }
    return SL_OK;
}

/* A symbol and what it stands for. */
struct binding {
    const char *name;
    int64_t size;
    const char *by; /* who said so, for messages */
};

struct bindings {
    struct binding *items;
    size_t count;
};

static const struct binding *look_up(const struct bindings *b, const char *name) {
    for (size_t i = 0; name && i < b->count; i++)
        if (!strcmp(b->items[i].name, name))
            return &b->items[i];
    return NULL;
}

/* A dim's symbol gets a size; saying another one later is an error. */
static sl_status bind(struct bindings *b, const char *name, int64_t size, const char *by, sl_error *err) {
    const struct binding *known = look_up(b, name);
    if (!name)
        return SL_OK;
    if (known && known->size != size)
        return error_set(err, SL_E_MODEL, "dimension '%s' is %lld by %s and %lld by %s", text_quote(name),
                         (long long)known->size, known->by, (long long)size, by);
    if (!known)
        b->items[b->count++] = (struct binding){name, size, by};
    return SL_OK;
}

/* The batch: what was asked for, else what the model insists on, else 1. */
static sl_status choose_batch(struct work *w, sl_error *err) {
    int64_t fixed = w->options->unbatched ? 1 : graph_fixed_batch(w->graph), asked = w->options->batch;
    if (asked < 0)
        return error_set(err, SL_E_USAGE, "batch size %lld is negative", (long long)asked);
    if (!w->options->free_rows && asked && fixed && asked != fixed)
        return error_set(err, SL_E_MODEL, "model '%s' is made for batches of %lld, not of %lld",
                         text_quote(w->graph->path), (long long)fixed, (long long)asked);
    w->batch = asked ? asked : fixed ? fixed : 1;
    return w->options->free_rows || w->options->unbatched ? SL_OK : check_one_batch(w->graph, fixed, err);
}

/* The rows a chain gives, in the layout of the model's input. */
static bool chain_dims(const struct work *w, size_t input, sl_tensor *rows) {
    const struct plan_prologue *p = w->options->prologues ? &w->options->prologues[input] : NULL;
    if (!p || p->staged.kind != SL_KIND_TENSOR || p->staged.rank >= SL_MAX_RANK)
        return false;
    int rank = p->staged.rank, first = w->options->unbatched ? 0 : 1;
    *rows = (sl_tensor){.dtype = p->used ? SL_FLOAT : p->staged.dtype, .rank = rank + first};
    rows->dims[0] = w->batch;
    for (int i = 0; i < rank; i++)
        rows->dims[i + first] = p->staged.dims[i];
    if (p->used && p->affine.chw && rank > 1) {
        rows->dims[first] = p->staged.dims[rank - 1];
        for (int i = 1; i < rank; i++)
            rows->dims[i + first] = p->staged.dims[i - 1];
    }
    return true;
}

static sl_status mismatch(const struct work *w, size_t input, const sl_tensor *rows, sl_error *err) {
    const struct graph_value *value = &w->graph->values[w->graph->inputs[input]];
    char one[RULE_TEXT], other[RULE_TEXT];
    return error_set(err, SL_E_MODEL, "input '%s' of the model is %s, its chain gives %s",
                     text_quote(value->name), rule_text(one, &value->tensor), rule_text(other, rows));
}

static sl_status bind_input(struct work *w, struct bindings *b, size_t input, sl_error *err) {
    const struct graph_value *value = &w->graph->values[w->graph->inputs[input]];
    sl_tensor rows, t = value->tensor;
    bool chain = chain_dims(w, input, &rows);
    if (!value->has_shape && chain)
        t = rows;
    else if (!value->has_shape)
        return error_set(err, SL_E_MODEL, "input '%s' of the model has no shape", text_quote(value->name));
    bool rows_first = !w->options->free_rows && !w->options->unbatched;
    if (rows_first && t.rank < 1)
        return error_set(err, SL_E_MODEL, "input '%s' of the model has no batch dimension",
                         text_quote(value->name));
    if (chain && (t.rank != rows.rank || t.dtype != rows.dtype))
        return mismatch(w, input, &rows, err);
    for (int d = 0; d < t.rank; d++) {
        const struct binding *known = look_up(b, value->dim_names[d]);
        if (t.dims[d] < 0 && known)
            t.dims[d] = known->size;
        else if (t.dims[d] < 0 && d == 0 && !w->options->unbatched)
            t.dims[d] = w->batch;
        if (t.dims[d] < 0 && chain && rows.dims[d] >= 0) {
            sl_status st = bind(b, value->dim_names[d], rows.dims[d], "a chain", err);
            if (st != SL_OK)
                return st;
            t.dims[d] = rows.dims[d];
        }
        if (t.dims[d] < 0)
            return error_set(
                err, SL_E_MODEL, "input '%s' has an open dimension '%s': give it with --dim %s=SIZE",
                text_quote(value->name), value->dim_names[d] ? text_quote(value->dim_names[d]) : "?",
                value->dim_names[d] ? text_quote(value->dim_names[d]) : "NAME");
        if (chain && rows.dims[d] >= 0 && rows.dims[d] != t.dims[d])
            return mismatch(w, input, &rows, err);
    }
    if (rows_first && t.dims[0] != w->batch)
        return error_set(err, SL_E_MODEL, "input '%s' has %lld rows, the batch has %lld",
                         text_quote(value->name), (long long)t.dims[0], (long long)w->batch);
    size_t nbytes;
    if (!sl_shape_nbytes(t.dtype, t.rank, t.dims, &nbytes))
        return error_set(err, SL_E_MODEL, "input '%s' has an impossible shape", text_quote(value->name));
    w->values[w->inputs[input]].tensor = t;
    w->values[w->inputs[input]].known = true;
    return SL_OK;
}

/* An input whose value is known beforehand is a constant; of a graph inside a node it may be known by its
 * shape. */
static void fix_input(struct work *w, size_t input) {
    struct work_value *value = &w->values[w->inputs[input]];
    value->tensor = *w->options->fixed[input];
    value->known = true;
    value->constant = value->tensor.data != NULL;
    value->bound = w->options->bounds ? w->options->bounds[input] : NULL;
}

sl_status work_bind_inputs(struct work *w, sl_error *err) {
    const struct graph *g = w->graph;
    const struct plan_options *o = w->options;
    size_t inputs = g->input_count;
    struct bindings b = {
        .items = arena_alloc(w->arena, o->dim_count + inputs * (SL_MAX_RANK + 1), sizeof *b.items)};
    if (!b.items)
        return work_out_of_memory(err);
    sl_status st = choose_batch(w, err);
    for (size_t i = 0; st == SL_OK && i < o->dim_count; i++)
        st = bind(&b, o->dim_names[i], o->dim_values[i], "--dim", err);
    for (size_t i = 0; st == SL_OK && i < inputs; i++) {
        const struct graph_value *value = &g->values[g->inputs[i]];
        if (!o->unbatched && value->has_shape && value->tensor.rank > 0 && value->tensor.dims[0] < 0 &&
            !(o->free_rows && look_up(&b, value->dim_names[0]))) {
            st = bind(&b, value->dim_names[0], w->batch, "the batch", err);
        }
    }
    for (size_t i = 0; st == SL_OK && i < inputs; i++) {
        if (o->fixed && o->fixed[i]) {
            fix_input(w, i);
            continue;
        }
        st = bind_input(w, &b, i, err);
    }
    return st;
}
