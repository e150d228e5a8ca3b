/* data_set.c: reads test_data_set_N folders with the importer's own bounded reader. */
#include "graph/data_set.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "graph/onnx_import.h"
#include "support/file.h"
#include "support/text.h"

static sl_status read_tensor(struct data_set *set, const char *path, sl_tensor *tensor, sl_error *err) {
    struct importer im = {.arena = &set->arena};
    sl_string name;
    const void *data;
    size_t nbytes;
    sl_status st = file_map(path, &data, &nbytes, err);
    if (st != SL_OK)
        return st;
    set->files[set->file_count] = data;
    set->sizes[set->file_count++] = nbytes;
    st = import_tensor(&im, wire_over(data, nbytes), tensor, &name, err);
    import_copy_all(&im);
    if (st != SL_OK)
        error_append(err, " (in '%s')", text_quote(path));
    return st;
}

sl_status data_set_read(struct data_set *set, const struct graph *graph, const char *dir, sl_error *err) {
    char path[PATH_MAX];
    sl_status st = SL_OK;
    memset(set, 0, sizeof *set);
    arena_init(&set->arena);
    if (graph->input_count > DATA_SET_PORTS || graph->output_count > DATA_SET_PORTS)
        return error_set(err, SL_E_MODEL,
                         "cannot read golden data: the model has more than %d inputs or outputs",
                         DATA_SET_PORTS);
    for (size_t i = 0; st == SL_OK && i < graph->input_count; i++) {
        snprintf(path, sizeof path, "%s/input_%zu.pb", dir, i);
        st = read_tensor(set, path, &set->inputs[i], err);
    }
    for (size_t i = 0; st == SL_OK && i < graph->output_count; i++) {
        snprintf(path, sizeof path, "%s/output_%zu.pb", dir, i);
        st = read_tensor(set, path, &set->outputs[i], err);
        set->has_output[i] = st == SL_OK;
        if (st == SL_E_NOINPUT)
            st = SL_OK;
    }
    return st;
}

void data_set_clear(struct data_set *set) {
    for (size_t i = 0; i < set->file_count; i++)
        file_unmap(set->files[i], set->sizes[i]);
    arena_clear(&set->arena);
    set->file_count = 0;
}

/* The symbols of the model's inputs with the sizes that the data has. */
static size_t bind_symbols(const struct data_set *set, const struct graph *graph, const char **names,
                           int64_t *sizes) {
    size_t count = 0;
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct graph_value *value = &graph->values[graph->inputs[i]];
        for (int d = 0; d < value->tensor.rank && d < set->inputs[i].rank; d++)
            if (value->dim_names[d]) {
                names[count] = value->dim_names[d];
                sizes[count++] = set->inputs[i].dims[d];
            }
    }
    return count;
}

static size_t text_of(const sl_tensor *t) {
    size_t nbytes = 0;
    int64_t count = 0;
    if (t->dtype == SL_STRING && !sl_shape_count(t->rank, t->dims, &count))
        return 0;
    for (int64_t i = 0; i < count; i++)
        nbytes += ((const sl_string *)t->data)[i].nbytes;
    return nbytes;
}

static bool is_real(sl_dtype dtype) {
    return dtype == SL_FLOAT || dtype == SL_DOUBLE || dtype == SL_FLOAT16 || dtype == SL_BFLOAT16;
}

/* A model whose every input is known folds away: that is for tests of operators, not for images. */
#define MOST_TOLD ((size_t)1 << 16)

static bool is_small(const struct data_set *set, const struct graph *graph) {
    size_t total = 0, nbytes;
    for (size_t i = 0; i < graph->input_count; i++)
        total += sl_shape_nbytes(set->inputs[i].dtype, set->inputs[i].rank, set->inputs[i].dims, &nbytes) &&
                         nbytes < MOST_TOLD
                     ? nbytes
                     : MOST_TOLD;
    return total < MOST_TOLD;
}

sl_status data_set_plan(const struct data_set *set, const struct graph *graph,
                        const struct plan_options *base, struct plan **plan, sl_error *err) {
    const sl_tensor *fixed[DATA_SET_PORTS];
    const char *names[DATA_SET_PORTS * SL_MAX_RANK];
    int64_t sizes[DATA_SET_PORTS * SL_MAX_RANK];
    struct plan_options options = base ? *base : (struct plan_options){0};
    options.free_rows = true;
    options.text_row_nbytes = 1;
    for (size_t i = 0; i < graph->input_count; i++)
        options.text_row_nbytes += text_of(&set->inputs[i]);
    options.batch = graph->input_count && set->inputs[0].rank ? set->inputs[0].dims[0] : 0;
    options.fixed = fixed;
    options.dim_names = names;
    options.dim_values = sizes;
    options.dim_count = bind_symbols(set, graph, names, sizes);
    sl_status st = SL_E_MODEL;
    sl_error first = {0};
    for (int level = 0; st == SL_E_MODEL && level < (is_small(set, graph) ? 3 : 2); level++) {
        for (size_t i = 0; i < graph->input_count; i++) {
            fixed[i] = level == 2 || (level == 1 && i > 0 && !is_real(set->inputs[i].dtype)) ? &set->inputs[i]
                                                                                             : NULL;
        }
        st = plan_make(plan, graph, &options, err);
        if (level == 0 && st != SL_OK && err)
            first = *err;
    }
    if (st == SL_E_MODEL && err) /* what is wrong with the model as it is; the others are attempts */
        *err = first;
    return st;
}

void data_set_fill(const struct data_set *set, const struct plan *plan, void *input) {
    for (size_t i = 0; i < plan->input_count; i++) {
        const struct plan_value *value = &plan->values[plan->inputs[i].value];
        if (value->place == PLAN_INPUT && value->nbytes)
            memcpy((char *)input + value->offset, set->inputs[i].data, value->nbytes);
    }
}
