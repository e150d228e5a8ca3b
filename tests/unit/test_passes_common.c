/* test_passes_common.c: what is computed twice is computed once; what only looks alike is not. */
#include "harness.h"
#include "work_rig.h"

static void check(struct model *m, const char *before, const char *after) {
    struct work_rig r;
    sl_error err = {0};
    const float x[] = {1, -2, 3, -4, 5, -6};
    const float *old[4], *new[4];
    work_rig_open(&r, m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    ck_assert_int_eq(pass_common(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (size_t o = 0; o < r.graph->output_count; o++)
        for (int i = 0; i < 6; i++)
            ck_assert_float_eq(old[o][i], new[o][i]);
    work_rig_close(&r);
    model_end(m);
}

static void begin(struct model *m) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,3");
}

START_TEST(chains_of_the_same_meet) {
    struct model m;
    begin(&m);
    model_node(&m, "Relu", "x", "a");
    model_node(&m, "Exp", "a", "b");
    model_node(&m, "Relu", "x", "c");
    model_node(&m, "Exp", "c", "d");
    model_node(&m, "Add", "b,d", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    check(&m, "Relu Exp Relu Exp Add", "Relu Exp Add");
}
END_TEST

START_TEST(attributes_count) {
    struct model m;
    begin(&m);
    for (int i = 0; i < 3; i++) {
        char out[4] = {'a', (char)('0' + i), 0};
        model_node(&m, "LeakyRelu", "x", out);
        model_attr_float(&m, "alpha", i == 2 ? 0.5f : 0.25f);
    }
    model_node(&m, "Sum", "a0,a1,a2", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    check(&m, "LeakyRelu LeakyRelu LeakyRelu Sum", "LeakyRelu LeakyRelu Sum");
}
END_TEST

START_TEST(the_order_of_inputs_counts) {
    struct model m;
    begin(&m);
    model_node(&m, "Neg", "x", "a");
    model_node(&m, "Sub", "x,a", "b");
    model_node(&m, "Sub", "a,x", "c");
    model_node(&m, "Sub", "x,a", "d");
    model_node(&m, "Sum", "b,c,d", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    check(&m, "Neg Sub Sub Sub Sum", "Neg Sub Sub Sum");
}
END_TEST

START_TEST(outputs_can_be_the_same) {
    struct model m;
    begin(&m);
    model_node(&m, "Exp", "x", "y");
    model_node(&m, "Exp", "x", "z");
    model_output(&m, "y", SL_FLOAT, "n,3");
    model_output(&m, "z", SL_FLOAT, "n,3");
    check(&m, "Exp Exp", "Exp");
}
END_TEST

/* Exporters write a number anew for each use. */
START_TEST(equal_constants_are_one) {
    struct model m;
    begin(&m);
    model_floats(&m, "k1", "", (float[]){2});
    model_floats(&m, "k2", "", (float[]){2});
    model_floats(&m, "k3", "1", (float[]){2}); /* another shape */
    model_floats(&m, "k4", "", (float[]){3});
    model_node(&m, "Mul", "x,k1", "a");
    model_node(&m, "Mul", "x,k2", "b");
    model_node(&m, "Mul", "x,k3", "c");
    model_node(&m, "Mul", "x,k4", "d");
    model_node(&m, "Sum", "a,b,c,d", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    check(&m, "Mul Mul Mul Mul Sum", "Mul Mul Mul Sum");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_common");
    TCase *t = tcase_create("common");
    tcase_add_test(t, chains_of_the_same_meet);
    tcase_add_test(t, equal_constants_are_one);
    tcase_add_test(t, attributes_count);
    tcase_add_test(t, the_order_of_inputs_counts);
    tcase_add_test(t, outputs_can_be_the_same);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
