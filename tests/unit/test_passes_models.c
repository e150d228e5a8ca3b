/* test_passes_models.c: real architectures in very small, as torch's two exporters write them
 * (tests/onnx/make_small.py), give the same values with passes and without, on the references. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model_rig.h"
#include "ops/rules.h"
#include "support/mem.h"

#define FOLDER "tests/golden/plans/"
#define MOST 64

static char names[MOST][64];

static int list_models(void) {
    int count = 0;
    DIR *dir = opendir(FOLDER);
    const struct dirent *entry;
    while (dir && count < MOST && (entry = readdir(dir)))
        if (strstr(entry->d_name, ".onnx"))
            snprintf(names[count++], sizeof names[0], "%s", entry->d_name);
    if (dir)
        closedir(dir);
    return count;
}

/* Floats; token ids; then a mask whose last tokens are hidden in one row. */
static void *make_input(const sl_tensor *t, size_t index) {
    int64_t n = rule_count(t);
    float *floats = mem_alloc((size_t)n, 8);
    int64_t *ints = (int64_t *)floats;
    for (int64_t i = 0; i < n; i++) {
        if (t->dtype == SL_FLOAT)
            floats[i] = (float)(rand() % 2001 - 1000) / 500;
        else
            ints[i] = index ? i != n / 2 - 1 : rand() % 40;
    }
    return floats;
}

static void run(const struct graph *graph, bool passes, void **inputs, void **outputs, size_t *steps,
                sl_tensor *result) {
    struct plan *plan;
    sl_error err = {0};
    struct plan_options options = {.no_passes = !passes};
    ck_assert_msg(plan_make(&plan, graph, &options, &err) == SL_OK, "%s", err.text);
    for (size_t i = 0; i < plan->input_count; i++)
        if (!inputs[i])
            inputs[i] = make_input(&plan->values[plan->inputs[i].value].tensor, i);
    rig_run(plan, (const void *const *)inputs, outputs);
    *steps = plan->step_count;
    *result = plan->values[plan->outputs[0].value].tensor;
    plan_close(plan);
}

static void compare(const char *name, const sl_tensor *t, const float *want, const float *got) {
    double largest = 0;
    for (int64_t i = 0; i < rule_count(t); i++)
        largest = fmax(largest, fabs((double)want[i]));
    ck_assert_msg(largest > 1e-3, "%s: only zeros", name);
    for (int64_t i = 0; i < rule_count(t); i++)
        ck_assert_msg(fabs((double)want[i] - (double)got[i]) <= 1e-5 * largest,
                      "%s: element %lld is %g, not %g", name, (long long)i, (double)got[i], (double)want[i]);
}

START_TEST(passes_keep_every_value) {
    int count = list_models();
    ck_assert_int_ge(count, 20);
    for (int i = 0; i < count; i++) {
        char path[128];
        struct graph *graph;
        sl_error err = {0};
        void *inputs[4] = {NULL}, *plain[4], *passed[4];
        size_t before, after;
        sl_tensor want, got;
        srand(3);
        snprintf(path, sizeof path, FOLDER "%s", names[i]);
        ck_assert_msg(graph_load(&graph, path, &err) == SL_OK, "%s", err.text);
        run(graph, false, inputs, plain, &before, &want);
        run(graph, true, inputs, passed, &after, &got);
        ck_assert_msg(after < before, "%s: %zu steps, %zu without passes", names[i], after, before);
        ck_assert_int_eq(want.rank, got.rank);
        compare(names[i], &want, plain[0], passed[0]);
        for (size_t k = 0; k < graph->output_count; k++) {
            mem_free(plain[k]);
            mem_free(passed[k]);
        }
        for (size_t k = 0; k < graph->input_count; k++)
            mem_free(inputs[k]);
        graph_close(graph);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_models");
    TCase *t = tcase_create("models");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, passes_keep_every_value);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
