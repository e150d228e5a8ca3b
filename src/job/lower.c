/* lower.c: the first step of a chain of results that the device does instead: tensor.pool over the attention
 * mask. What the device computes last is then one vector of a record and not one for each of its tokens, and
 * that is all that is copied out, kept in a slot and gone through by a worker. */
#include <string.h>

#include "job/job.h"
#include "support/mem.h"

static const struct graph_value *input_at(const struct graph *graph, size_t i) {
    return &graph->values[graph->inputs[i]];
}

/* Which input of the model the step's mask is; false: the step is none that is lowered. */
static bool read_pool(const struct graph *graph, const json_t *step, struct plan_epilogue *epilogue) {
    static const char *const modes[] = {"", "mean", "mean_sqrt", "first", "last"};
    const json_t *params = json_object_get(step, "tensor.pool");
    if (!params)
        params = json_object_get(step, "tensor.mean_pool");
    const char *mask = json_string_value(json_object_get(params, "mask"));
    const json_t *mode = json_object_get(params, "mode");
    const char *word = mode ? json_string_value(mode) : "mean";
    for (size_t i = 0; mask && word && i < graph->input_count; i++) {
        const struct graph_value *v = input_at(graph, i);
        if (strcmp(v->name, mask) != 0 || !v->has_shape || v->tensor.rank != 2)
            continue;
        for (int k = 1; k <= PLAN_POOL_LAST; k++)
            if (!strcmp(word, modes[k])) {
                *epilogue = (struct plan_epilogue){(enum plan_pool)k, i};
                return true;
            }
    }
    return false;
}

static size_t output_named(const struct graph *graph, const char *name) {
    size_t i = 0;
    while (i < graph->output_count && strcmp(graph->values[graph->outputs[i]].name, name) != 0)
        i++;
    return i;
}

static bool is_sequence(const struct graph_value *v) {
    return v->has_shape && v->tensor.rank == 3 && v->tensor.dtype == SL_FLOAT;
}

/* One list of "outputs": {"from": ...}, the pooling, the rest; only with a single list is it known that
 * nobody else wants the tokens. */
sl_status job_lower(struct job *job, sl_error *err) {
    const struct graph *graph = job->model.graph;
    json_t *outputs = json_object_get(job->model.config, "outputs");
    size_t first = json_object_get(json_array_get(outputs, 0), "from") ? 1 : 0;
    const char *from = json_string_value(json_object_get(json_array_get(outputs, 0), "from"));
    size_t output = from ? output_named(graph, from) : 0;
    struct plan_epilogue epilogue;
    job->outputs = json_incref(outputs);
    if (job->model.unbatched || !json_is_array(outputs) || output >= graph->output_count ||
        !is_sequence(&graph->values[graph->outputs[output]]) ||
        !read_pool(graph, json_array_get(outputs, first), &epilogue))
        return SL_OK;
    json_decref(job->outputs);
    job->outputs = json_copy(outputs);
    job->epilogues = mem_alloc(graph->output_count, sizeof *job->epilogues);
    if (!job->outputs || !job->epilogues || json_array_remove(job->outputs, first) != 0)
        return error_set(err, SL_E_MEMORY, "out of memory for the outputs");
    job->epilogues[output] = epilogue;
    return SL_OK;
}
