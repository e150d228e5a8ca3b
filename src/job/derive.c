/* derive.c: how the values of a row reach a model of several inputs when transform.json does not say. What
 * skl2onnx writes of a table has an input of shape [N,1] for each column, text or number. The rule:
 *
 * - a JSON object, or a csv whose header has every input's name: each input takes the value of its name;
 * - any other csv row: the inputs take its fields from left to right, in the model's order, each as many as
 * it has elements, and together all of them;
 * - arrays: each input takes the one of its name, the only input also the only array.
 *
 * A field that is empty is NaN where the model says what becomes of that, as scikit-learn's SimpleImputer
 * does. */
#include <math.h>
#include <string.h>

#include "job/job.h"
#include "support/text.h"

#define MOST_INPUTS 1024

/* Whether the model itself says what a missing number becomes: an Imputer of NaN, or trees with a way for it.
 */
static bool takes_missing(const struct graph_node *node) {
    for (size_t i = 0; i < node->attr_count; i++) {
        const struct attr *a = &node->attrs[i];
        if (!strcmp(node->op_type, "Imputer") && !strcmp(a->name, "replaced_value_float") && isnan(a->f))
            return true;
        for (size_t k = 0; !strcmp(a->name, "nodes_missing_value_tracks_true") && k < a->count; k++)
            if (a->type == ATTR_INTS && a->ints[k])
                return true;
    }
    return false;
}

sl_status derive_missing(struct job_model *model, sl_error *err) {
    for (size_t i = 0; i < model->graph->node_count; i++)
        if (takes_missing(&model->graph->nodes[i])) {
            model->csv_empty_is_nan = true;
            return json_object_set_new(model->config, "csv", json_pack("{s:b}", "empty_is_nan", 1)) == 0
                       ? SL_OK
                       : error_set(err, SL_E_MEMORY, "out of memory for transform.json");
        }
    return SL_OK;
}

static bool has_column(const struct job *job, const char *name) {
    size_t hits = 0;
    for (size_t i = 0; i < job->column_count; i++)
        hits += !strcmp(job->columns[i], name);
    return hits == 1;
}

static const char *input_name(const struct job *job, size_t i) {
    return job->model.graph->values[job->model.graph->inputs[i]].name;
}

/* Elements of input i; an error where a dim is open. */
static sl_status input_count(const struct job *job, size_t i, int64_t *count, sl_error *err) {
    sl_spec target;
    sl_status st = job_input_target(job, i, &target, err);
    if (st == SL_OK && (!sl_shape_count(target.rank, target.dims, count) || *count < 1 || *count > INT32_MAX))
        st = error_set(err, SL_E_MODEL,
                       "how many columns input '%s' takes is not known: write a transform.json, or give its "
                       "dimension with --dim",
                       text_quote(input_name(job, i)));
    return st;
}

/* A chain that begins with the text of the whole record. */
static bool begins_with_text(const json_t *steps) {
    const json_t *step = json_array_get(steps, 0);
    const char *name = json_is_object(step) ? json_object_iter_key(json_object_iter((json_t *)step))
                                            : json_string_value(step);
    return name &&
           (!strcmp(name, "text.tokenize") || !strcmp(name, "text.wordpiece") || !strcmp(name, "text.bpe"));
}

bool derive_takes_text(const struct job *job) {
    const struct graph *graph = job->model.graph;
    const sl_job_options *o = job->options;
    const json_t *chains = json_object_get(job->model.config, "inputs");
    sl_error err = {0};
    int64_t count;
    if (json_object_get(job->model.config, "csv") || o->csv_header >= 0 || o->csv_delimiter ||
        o->input_filter || !graph->input_count)
        return false;
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct graph_value *input = &graph->values[graph->inputs[i]];
        const json_t *steps = json_object_get(chains, input->name);
        if (json_array_size(steps) ? !begins_with_text(steps)
                                   : graph->input_count > 1 || input->tensor.dtype != SL_STRING ||
                                         input_count(job, i, &count, &err) != SL_OK || count != 1)
            return false;
    }
    return true;
}

static json_t *take_fields(int64_t first, int64_t count, int64_t of) {
    json_t *take = json_array(),
           *step = json_pack("[{s:{s:o, s:I}}]", "columns", "take", take, "of", (json_int_t)of);
    for (int64_t i = 0; step && i < count; i++)
        if (json_array_append_new(take, json_integer((json_int_t)(first + i))) != 0) {
            json_decref(step);
            return NULL;
        }
    return step;
}

/* Of a record of arrays each input takes the one of its name; the only input also the only array. */
static sl_status derive_arrays(struct job *job, json_t *chains, sl_error *err) {
    const size_t inputs = job->model.graph->input_count;
    for (size_t i = 0; i < inputs; i++) {
        const char *name = input_name(job, i);
        sl_dtype dtype = job->model.graph->values[job->model.graph->inputs[i]].tensor.dtype;
        const char *decode = dtype == SL_STRING ? "text.decode" : "tensor.decode";
        json_t *steps = inputs == 1 ? json_pack("[{s:{s:s, s:s}}]", decode, "name", name, "or", "only")
                                    : json_pack("[{s:{s:s}}]", decode, "name", name);
        if (!steps || json_object_set_new(chains, name, steps) != 0)
            return error_set(err, SL_E_MEMORY, "out of memory for transform.json");
    }
    return SL_OK;
}

sl_status derive_columns(struct job *job, sl_record_kind kind, sl_error *err) {
    size_t inputs = job->model.graph->input_count;
    json_t *chains = json_object_get(job->model.config, "inputs");
    bool given = chains && !job->model.derived;
    bool by_name = kind == SL_RECORD_JSON || job->columns, single = true;
    int64_t counts[MOST_INPUTS], total = 0, first = 0;
    bool row = kind == SL_RECORD_CSV || kind == SL_RECORD_JSON,
         arrays = chain_source_spec(kind, NULL, 0, 0).kind == SL_KIND_ARRAYS;
    if (given || job->model.tokenised || !((row && inputs >= 2) || arrays) || inputs > MOST_INPUTS)
        return SL_OK;
    if (!chains && json_object_set_new(job->model.config, "inputs", chains = json_object()) != 0)
        return error_set(err, SL_E_MEMORY, "out of memory for transform.json");
    if (arrays)
        return derive_arrays(job, chains, err);
    for (size_t i = 0; i < inputs; i++) {
        sl_status st = input_count(job, i, &counts[i], err);
        if (st != SL_OK)
            return st;
        total += counts[i];
        single = single && counts[i] == 1;
        by_name =
            by_name && (kind == SL_RECORD_JSON || (counts[i] == 1 && has_column(job, input_name(job, i))));
    }
    for (size_t i = 0; i < inputs; i++) {
        const char *name = input_name(job, i);
        json_t *steps = !by_name                 ? take_fields(first, counts[i], total)
                        : single                 ? json_pack("[{s:[s]}]", "columns", name)
                        : kind == SL_RECORD_JSON ? json_pack("[{s:s}]", "field", name)
                                                 : json_pack("[{s:[s]}]", "columns", name);
        if (!steps || json_object_set_new(chains, name, steps) != 0)
            return error_set(err, SL_E_MEMORY, "out of memory for transform.json");
        first += counts[i];
    }
    return SL_OK;
}
