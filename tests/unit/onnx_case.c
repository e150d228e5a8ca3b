/* onnx_case.c: running one ONNX test case. The model's inputs are runtime values where that is possible;
 * those that shapes depend on (sizes, axes) are told to the plan beforehand, as `verify` does. */
#include "onnx_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/onnx_import.h"
#include "graph/plan.h"
#include "graph/run_reference.h"
#include "ops/element.h"
#include "ops/rules.h"
#include "support/file.h"
#include "support/mem.h"

#define MOST_PORTS 64

/* Tensors of one data set. */
struct data_set {
    struct arena arena;
    sl_tensor inputs[MOST_PORTS], outputs[MOST_PORTS];
    bool has_input[MOST_PORTS], has_output[MOST_PORTS];
    const void *files[2 * MOST_PORTS];
    size_t sizes[2 * MOST_PORTS], file_count;
};

static bool read_tensor(struct data_set *set, const char *path, sl_tensor *tensor, bool *has, sl_error *err) {
    struct importer im = {.arena = &set->arena};
    sl_string name;
    const void *data;
    size_t nbytes;
    *has = false;
    if (file_map(path, &data, &nbytes, NULL) != SL_OK)
        return true; /* an input that is left out, or not a tensor */
    set->files[set->file_count] = data;
    set->sizes[set->file_count++] = nbytes;
    if (import_tensor(&im, wire_over(data, nbytes), tensor, &name, err) != SL_OK)
        return false;
    *has = true;
    return true;
}

static bool read_set(struct data_set *set, const char *dir, int number, const struct graph *graph,
                     sl_error *err) {
    char path[4096];
    arena_init(&set->arena);
    if (graph->input_count > MOST_PORTS || graph->output_count > MOST_PORTS)
        return error_set(err, SL_E_MODEL, "more than %d ports", MOST_PORTS), false;
    for (size_t i = 0; i < graph->input_count; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d/input_%zu.pb", dir, number, i);
        if (!read_tensor(set, path, &set->inputs[i], &set->has_input[i], err))
            return false;
        if (!set->has_input[i])
            return error_set(err, SL_E_MODEL, "input %zu is not a tensor", i), false;
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d/output_%zu.pb", dir, number, i);
        if (!read_tensor(set, path, &set->outputs[i], &set->has_output[i], err))
            return false;
    }
    return true;
}

static void clear_set(struct data_set *set) {
    for (size_t i = 0; i < set->file_count; i++)
        file_unmap(set->files[i], set->sizes[i]);
    arena_clear(&set->arena);
}

/* First every input is a runtime value; then small integer and bool ones are known; then all are. */
static sl_status make_plan(struct plan **plan, const struct graph *graph, const struct data_set *set,
                           sl_error *err) {
    const sl_tensor *fixed[MOST_PORTS];
    const char *names[MOST_PORTS * SL_MAX_RANK];
    int64_t sizes[MOST_PORTS * SL_MAX_RANK];
    struct plan_options options = {.free_rows = true,
                                   .batch =
                                       graph->input_count && set->inputs[0].rank ? set->inputs[0].dims[0] : 0,
                                   .fixed = fixed,
                                   .dim_names = names,
                                   .dim_values = sizes};
    sl_status st = SL_E_MODEL;
    for (size_t i = 0; i < graph->input_count; i++) { /* symbols take the sizes the data has */
        const struct graph_value *value = &graph->values[graph->inputs[i]];
        for (int d = 0; d < value->tensor.rank && d < set->inputs[i].rank; d++)
            if (value->dim_names[d]) {
                names[options.dim_count] = value->dim_names[d];
                sizes[options.dim_count++] = set->inputs[i].dims[d];
            }
    }
    for (int level = 0; st == SL_E_MODEL && level < 3; level++) {
        for (size_t i = 0; i < graph->input_count; i++) {
            bool real = element_kind(set->inputs[i].dtype) == ELEMENT_REAL;
            fixed[i] = level == 2 || (level == 1 && i > 0 && !real) ? &set->inputs[i] : NULL;
        }
        st = plan_make(plan, graph, &options, err);
    }
    return st;
}

static double own_tolerance; /* of the case, or 0 */

/* How far an element may be off, relative to itself or to the largest of the tensor: sums in another order
 * differ by that much. */
static double tolerance(sl_dtype dtype) {
    return own_tolerance > 0      ? own_tolerance
           : dtype == SL_DOUBLE   ? 1e-9
           : dtype == SL_FLOAT    ? 1e-5
           : dtype == SL_FLOAT16  ? 2e-3
           : dtype == SL_BFLOAT16 ? 1.6e-2
                                  : 0;
}

static double largest(const sl_tensor *t) {
    double most = 0;
    for (int64_t i = 0; element_kind(t->dtype) == ELEMENT_REAL && i < rule_count(t); i++) {
        double x = fabs(element_real(t->dtype, t->data, i));
        most = isfinite(x) && x > most ? x : most;
    }
    return most;
}

static bool same_text(const sl_string *a, const sl_string *b) {
    return a->nbytes == b->nbytes && (!a->nbytes || !memcmp(a->data, b->data, a->nbytes));
}

static bool same_element(const sl_tensor *got, const sl_tensor *want, int64_t i, double scale, double *a,
                         double *b) {
    if (got->dtype == SL_STRING)
        return same_text((const sl_string *)got->data + i, (const sl_string *)want->data + i);
    if (element_kind(got->dtype) != ELEMENT_REAL) {
        *a = (double)element_index(got->dtype, got->data, i);
        *b = (double)element_index(want->dtype, want->data, i);
        return element_index(got->dtype, got->data, i) == element_index(want->dtype, want->data, i);
    }
    *a = element_real(got->dtype, got->data, i);
    *b = element_real(want->dtype, want->data, i);
    return (isnan(*a) && isnan(*b)) || *a == *b || fabs(*a - *b) <= tolerance(got->dtype) * scale;
}

static bool compare(const sl_tensor *got, const sl_tensor *want, const char *name, char *why,
                    size_t why_nbytes) {
    char one[RULE_TEXT], other[RULE_TEXT];
    bool same = got->dtype == want->dtype && got->rank == want->rank;
    for (int d = 0; same && d < got->rank; d++)
        same = got->dims[d] == want->dims[d];
    if (!same) {
        snprintf(why, why_nbytes, "output '%s' is %s, expected %s", name, rule_text(one, got),
                 rule_text(other, want));
        return false;
    }
    double scale = largest(want);
    for (int64_t i = 0; i < rule_count(got); i++) {
        double a = 0, b = 0;
        if (!same_element(got, want, i, scale, &a, &b)) {
            snprintf(why, why_nbytes, "output '%s' element %lld is %.9g, expected %.9g", name, (long long)i,
                     a, b);
            return false;
        }
    }
    return true;
}

static bool run_and_compare(const struct plan *plan, struct reference *reference, const struct data_set *set,
                            char *why, size_t why_nbytes) {
    char *input = mem_map(plan->input_nbytes), *output = mem_map(plan->output_nbytes);
    bool passed = input && output;
    for (size_t i = 0; passed && i < plan->input_count; i++) {
        const struct plan_value *value = &plan->values[plan->inputs[i].value];
        if (value->place == PLAN_INPUT && value->nbytes)
            memcpy(input + value->offset, set->inputs[i].data, value->nbytes);
    }
    if (passed)
        reference_run(reference, input, output);
    for (size_t i = 0; passed && i < plan->output_count; i++) {
        const struct plan_value *value = &plan->values[plan->outputs[i].value];
        sl_tensor got = value->tensor;
        got.data = output + value->offset;
        if (set->has_output[i])
            passed = compare(&got, &set->outputs[i], plan->outputs[i].name, why, why_nbytes);
    }
    mem_unmap(input, plan->input_nbytes);
    mem_unmap(output, plan->output_nbytes);
    return passed;
}

static enum case_result run_set(const char *dir, int number, const struct graph *graph, char *why,
                                size_t why_nbytes) {
    static struct data_set set;
    struct plan *plan = NULL;
    struct reference *reference = NULL;
    sl_error err = {0};
    enum case_result result = CASE_REFUSED;
    memset(&set, 0, sizeof set);
    if (read_set(&set, dir, number, graph, &err) && make_plan(&plan, graph, &set, &err) == SL_OK &&
        reference_open(&reference, plan, &err) == SL_OK)
        result = run_and_compare(plan, reference, &set, why, why_nbytes) ? CASE_PASSED : CASE_FAILED;
    else
        snprintf(why, why_nbytes, "%s", err.text);
    reference_close(reference);
    plan_close(plan);
    clear_set(&set);
    return result;
}

static void read_tolerance(const char *dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tolerance", dir);
    FILE *f = fopen(path, "r");
    own_tolerance = 0;
    if (f && fscanf(f, "%lf", &own_tolerance) != 1)
        own_tolerance = 0;
    if (f)
        fclose(f);
}

enum case_result case_run(const char *dir, char *why, size_t why_nbytes) {
    char path[4096];
    struct graph *graph;
    sl_error err = {0};
    read_tolerance(dir);
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    if (graph_load(&graph, path, &err) != SL_OK) {
        snprintf(why, why_nbytes, "%s", err.text);
        return CASE_REFUSED;
    }
    enum case_result result = run_set(dir, 0, graph, why, why_nbytes);
    graph_close(graph);
    return result;
}
