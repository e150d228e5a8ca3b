/* test_golden_steps.c: every step of the golden cases (tests/golden/onnx/cases.tar.gz) that the matchers of
 * rows take, beside its reference, in f32, f16 and bf16, row-major and with images channels-last. What they
 * do not take is counted, so that nobody loses a family without noticing. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "graph/data_set.h"
#include "harness.h"
#include "ops/rules.h"
#include "step_rig.h"

static char root[64];

struct tally {
    enum k_type real;
    bool last;
    size_t same, refused;
    char bad[4096];
};

static void add_bad(struct tally *t, const char *dir, const char *why) {
    size_t used = strlen(t->bad);
    snprintf(t->bad + used, sizeof t->bad - used, "\n%s, type %d: %s", dir, (int)t->real, why);
}

/* Numbers that f16 and bf16 do not hold, or that one rounding turns into another answer. */
static bool is_left_out(const struct tally *t, const char *op) {
    static const char *const names[] = {"ReduceProd", "Exp", "Floor", "Ceil", "Round", "Mod"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (t->real != K_F32 && !strcmp(op, names[i]))
            return true;
    return false;
}

/* Texts, sizes that depend on data, and nodes with graphs inside are no work for kernels, and their
 * references need more than a call. */
static bool is_plain(const struct plan *plan) {
    bool plain = true;
    for (size_t i = 0; i < plan->value_count; i++)
        plain = plain && plan->values[i].tensor.dtype != SL_STRING && !plan->values[i].dynamic;
    for (size_t i = 0; i < plan->step_count; i++)
        for (size_t k = 0; k < plan->steps[i].attr_count; k++)
            plain = plain && plan->steps[i].attrs[k].type != ATTR_GRAPH;
    return plain;
}

static void run_steps(struct tally *t, const struct plan *plan, void **values, const char *dir) {
    for (size_t i = 0; i < plan->step_count; i++) {
        char why[512] = "";
        enum step_result result = step_check(plan, i, values, t->real, false, t->last, why, sizeof why);
        t->same += result == STEP_SAME;
        t->refused += result == STEP_REFUSED;
        if (result == STEP_DIFFERS && !is_left_out(t, plan->steps[i].op->name))
            add_bad(t, dir, why);
    }
}

/* Values lie where the plan says: a view and what it looks at are the same bytes. */
static void run_plan(struct tally *t, const struct plan *plan, const struct data_set *set, const char *dir) {
    char *blocks[] = {[PLAN_CONST] = NULL,
                      [PLAN_INPUT] = calloc(1, plan->input_nbytes + 64),
                      [PLAN_OUTPUT] = calloc(1, plan->output_nbytes + 64),
                      [PLAN_ARENA] = calloc(1, plan->arena_nbytes + 64)};
    void **values = calloc(plan->value_count + 1, sizeof *values);
    data_set_fill(set, plan, blocks[PLAN_INPUT]);
    for (size_t i = 0; i < plan->value_count; i++) {
        const struct plan_value *v = &plan->values[i];
        values[i] = v->place == PLAN_CONST ? v->tensor.data : blocks[v->place] + v->offset;
    }
    if (is_plain(plan))
        run_steps(t, plan, values, dir);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        free(blocks[i]);
    free(values);
}

static void run_case(struct tally *t, const char *dir) {
    static struct data_set set;
    char path[1200];
    struct graph *graph;
    struct plan *plan = NULL;
    sl_error err = {0};
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    if (graph_load(&graph, path, &err) != SL_OK)
        return;
    snprintf(path, sizeof path, "%s/test_data_set_0", dir);
    if (data_set_read(&set, graph, path, &err) == SL_OK &&
        data_set_plan(&set, graph, NULL, &plan, &err) == SL_OK)
        run_plan(t, plan, &set, dir);
    plan_close(plan);
    data_set_clear(&set);
    graph_close(graph);
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void run_all(struct tally *t, const char *dir, int depth) {
    struct dirent **list;
    char path[1024];
    int n = scandir(dir, &list, visible, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (depth)
            run_all(t, path, depth - 1);
        else
            run_case(t, path);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

/* The golden cases, or those of the folder SLUICE_CASES (build/onnx/cases has all). */
START_TEST(every_step_agrees) {
    static const enum k_type reals[] = {K_F32, K_F16, K_BF16};
    static struct tally t;
    char command[4096];
    const char *tests = getenv("SLUICE_TESTS_DIR"), *cases = getenv("SLUICE_CASES");
    t = (struct tally){.real = reals[_i % 3], .last = _i >= 3};
    snprintf(root, sizeof root, "/tmp/sluice-steps-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(command, sizeof command, "tar -xzf '%s/golden/onnx/cases.tar.gz' -C %s", tests ? tests : "tests",
             root);
    ck_assert(cases || system(command) == 0);
    run_all(&t, cases ? cases : root, 1);
    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
    ck_assert_msg(!*t.bad, "did not agree:%s", t.bad);
    ck_assert_msg(t.same >= 300, "only %zu steps agree, %zu were refused", t.same, t.refused);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("golden_steps");
    TCase *t = tcase_create("steps");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, every_step_agrees, 0, 6);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
