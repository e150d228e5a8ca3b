/* onnx_case.c: runs a case on the references. Inputs that shapes depend on (sizes, axes) are told to the plan
 * beforehand, as `verify` does. */
#include "onnx_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/data_set.h"
#include "graph/run_reference.h"
#include "ops/difference.h"
#include "ops/rules.h"
#include "support/mem.h"

static double own_tolerance; /* of the case, or 0 */

static bool compare(const sl_tensor *got, const sl_tensor *want, const char *name, char *why,
                    size_t why_nbytes) {
    char one[RULE_TEXT], other[RULE_TEXT];
    struct difference d;
    double tolerance = own_tolerance > 0 ? own_tolerance : fmin(difference_tolerance(got->dtype), 1e-5);
    if (got->dtype == SL_FLOAT16 || got->dtype == SL_BFLOAT16)
        tolerance = fmax(own_tolerance, difference_tolerance(got->dtype));
    difference_measure(got, want, tolerance, &d);
    if (!d.same_shape)
        snprintf(why, why_nbytes, "output '%s' is %s, expected %s", name, rule_text(one, got),
                 rule_text(other, want));
    else if (d.outside)
        snprintf(why, why_nbytes, "output '%s' element %lld is %.9g, expected %.9g", name, (long long)d.first,
                 d.got, d.want);
    return d.same_shape && !d.outside;
}

static bool run_and_compare(const struct plan *plan, struct reference *reference, const struct data_set *set,
                            char *why, size_t why_nbytes) {
    char *input = mem_map(plan->input_nbytes), *output = mem_map(plan->output_nbytes);
    bool passed = input && output;
    if (passed) {
        data_set_fill(set, plan, input);
        reference_run(reference, input, output);
    }
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

static enum case_result run_set(const char *dir, const struct graph *graph, char *why, size_t why_nbytes) {
    static struct data_set set;
    char path[4096];
    struct plan *plan = NULL;
    struct reference *reference = NULL;
    sl_error err = {0};
    enum case_result result = CASE_REFUSED;
    snprintf(path, sizeof path, "%s/test_data_set_0", dir);
    if (data_set_read(&set, graph, path, &err) == SL_OK &&
        data_set_plan(&set, graph, NULL, &plan, &err) == SL_OK &&
        reference_open(&reference, plan, &err) == SL_OK)
        result = run_and_compare(plan, reference, &set, why, why_nbytes) ? CASE_PASSED : CASE_FAILED;
    else
        snprintf(why, why_nbytes, "%s", err.text);
    reference_close(reference);
    plan_close(plan);
    data_set_clear(&set);
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
    enum case_result result = run_set(dir, graph, why, why_nbytes);
    graph_close(graph);
    return result;
}
