/* onnx_case.c: runs a case. Inputs that shapes depend on (sizes, axes) are told to the plan
 * beforehand, as `verify` does. */
#include "onnx_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "graph/data_set.h"
#include "graph/run_reference.h"
#include "infer/device.h"
#include "ops/difference.h"
#include "ops/rules.h"
#include "support/mem.h"

bool case_no_passes;

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

static bool compare_outputs(const struct plan *plan, const struct data_set *set, char *output, char *why,
                            size_t why_nbytes) {
    bool passed = true;
    for (size_t i = 0; passed && i < plan->output_count; i++) {
        sl_tensor got = plan_output(plan, i, output);
        if (set->has_output[i])
            passed = compare(&got, &set->outputs[i], plan->outputs[i].name, why, why_nbytes);
    }
    return passed;
}

static sl_status run_reference(const struct plan *plan, void *input, void *output, sl_error *err) {
    struct reference *reference = NULL;
    sl_status st = reference_open(&reference, plan, err);
    if (st == SL_OK)
        st = reference_run(reference, input, output, err);
    reference_close(reference);
    return st;
}

static sl_status run_device(const struct plan *plan, void *input, void *output, sl_error *err) {
    struct device_options options = {.precision = PRECISION_FP32, .threads = 1};
    struct device_batch batch = {.input = input, .output = output, .row_count = plan->batch}, *done;
    struct device *device = NULL;
    struct program *program = NULL;
    sl_status st = device_cpu.open(&device, 0, &options, err);
    if (st != SL_OK)
        return st;
    st = device_cpu.load(device, plan, &program, err);
    if (st == SL_OK)
        st = device_cpu.submit(program, &batch, err);
    if (st == SL_OK)
        st = device_cpu.collect(program, &done, err);
    if (st == SL_OK && batch.error.status != SL_OK) {
        *err = batch.error;
        st = err->status;
    }
    if (program)
        device_cpu.unload(program);
    device_cpu.close(device);
    return st;
}

/* A case of sizes that depend on data is none when they were all told beforehand. */
static bool is_planned_so(const struct plan *plan, const char *dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/dynamic", dir);
    bool dynamic = access(path, F_OK) != 0;
    for (size_t i = 0; !dynamic && i < plan->step_count; i++)
        dynamic = plan->steps[i].dynamic;
    return dynamic;
}

static enum case_result run_plan(const struct plan *plan, const struct data_set *set, bool device, char *why,
                                 size_t why_nbytes) {
    char *input = mem_map(plan->input_nbytes), *output = mem_map(plan->output_nbytes);
    sl_error err = {0};
    enum case_result result = CASE_REFUSED;
    data_set_fill(set, plan, input);
    if ((device ? run_device : run_reference)(plan, input, output, &err) == SL_OK)
        result = compare_outputs(plan, set, output, why, why_nbytes) ? CASE_PASSED : CASE_FAILED;
    else
        snprintf(why, why_nbytes, "%s", err.text);
    mem_unmap(input, plan->input_nbytes);
    mem_unmap(output, plan->output_nbytes);
    return result;
}

static enum case_result run_set(const char *dir, const struct graph *graph, bool device, char *why,
                                size_t why_nbytes) {
    static struct data_set set;
    char path[4096];
    struct plan *plan = NULL;
    struct plan_options how = {.no_passes = case_no_passes};
    sl_error err = {0};
    enum case_result result = CASE_REFUSED;
    snprintf(path, sizeof path, "%s/test_data_set_0", dir);
    if (data_set_read(&set, graph, path, &err) == SL_OK &&
        data_set_plan(&set, graph, &how, &plan, &err) == SL_OK) {
        result = run_plan(plan, &set, device, why, why_nbytes);
        if (result == CASE_PASSED && !is_planned_so(plan, dir)) {
            snprintf(why, why_nbytes, "no size in the plan depends on data");
            result = CASE_FAILED;
        }
    } else
        snprintf(why, why_nbytes, "%s", err.text);
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

enum case_result case_run(const char *dir, bool device, char *why, size_t why_nbytes) {
    char path[4096];
    struct graph *graph;
    sl_error err = {0};
    read_tolerance(dir);
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    if (graph_load(&graph, path, &err) != SL_OK) {
        snprintf(why, why_nbytes, "%s", err.text);
        return CASE_REFUSED;
    }
    enum case_result result = run_set(dir, graph, device, why, why_nbytes);
    graph_close(graph);
    return result;
}
