/* test_passes_dead_code.c: what no output needs goes, with all that only it needed. */
#include "harness.h"
#include "work_rig.h"

static void check(struct model *m, const char *before, const char *after) {
    struct work_rig r;
    sl_error err = {0};
    work_rig_open(&r, m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    ck_assert_int_eq(pass_dead_code(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_close(&r);
    model_end(m);
}

START_TEST(unread_nodes_go) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_node(&m, "Relu", "x", "a");
    model_node(&m, "Exp", "a", "b"); /* read only by what is not needed */
    model_node(&m, "Log", "b", "c");
    model_node(&m, "Neg", "a", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    check(&m, "Relu Exp Log Neg", "Relu Neg");
}
END_TEST

START_TEST(everything_stays_when_it_is_needed) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_node(&m, "Relu", "x", "a");
    model_node(&m, "Neg", "a", "y");
    model_output(&m, "a", SL_FLOAT, "n,3");
    model_output(&m, "y", SL_FLOAT, "n,3");
    check(&m, "Relu Neg", "Relu Neg");
}
END_TEST

START_TEST(outputs_that_nobody_reads_are_left_out) {
    struct model m;
    struct work_rig r;
    sl_error err = {0};
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,1,4");
    model_node(&m, "MaxPool", "x", "y,where");
    model_attr_ints(&m, "kernel_shape", 1, (int64_t[]){2});
    model_output(&m, "y", SL_FLOAT, "n,1,3");
    work_rig_open(&r, &m, 2);
    ck_assert_uint_ne(r.work.nodes[0].out[1], GRAPH_NONE);
    ck_assert_int_eq(pass_dead_code(&r.work, &err), SL_OK);
    ck_assert_uint_eq(r.work.nodes[0].out[1], GRAPH_NONE);
    work_rig_close(&r);
    model_end(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_dead_code");
    TCase *t = tcase_create("dead_code");
    tcase_add_test(t, unread_nodes_go);
    tcase_add_test(t, everything_stays_when_it_is_needed);
    tcase_add_test(t, outputs_that_nobody_reads_are_left_out);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
