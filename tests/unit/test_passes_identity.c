/* test_passes_identity.c: nodes that change nothing go, those that only look so stay. */
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
    ck_assert_int_eq(pass_identity(&r.work, &err), SL_OK);
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

static void end(struct model *m, const char *output) {
    model_node(m, "Neg", output, "y");
    model_output(m, "y", SL_FLOAT, "n,3");
}

START_TEST(identity_and_dropout_go) {
    struct model m;
    begin(&m);
    model_node(&m, "Identity", "x", "a");
    model_node(&m, "Dropout", "a", "b");
    model_node(&m, "Relu", "b", "c");
    model_node(&m, "Dropout", "c", "d");
    end(&m, "d");
    check(&m, "Identity Dropout Relu Dropout Neg", "Relu Neg");
}
END_TEST

START_TEST(casts_reshapes_and_the_like_go_when_they_change_nothing) {
    struct model m;
    begin(&m);
    model_ints(&m, "shape", "2", (int64_t[]){-1, 3});
    model_ints(&m, "zeros", "2", (int64_t[]){0, 0});
    model_ints(&m, "ends", "2", (int64_t[]){99, 99});
    model_node(&m, "Cast", "x", "a");
    model_attr_int(&m, "to", SL_FLOAT);
    model_node(&m, "Reshape", "a,shape", "b");
    model_node(&m, "Transpose", "b", "c");
    model_attr_ints(&m, "perm", 2, (int64_t[]){0, 1});
    model_node(&m, "Concat", "c", "d");
    model_attr_int(&m, "axis", 0);
    model_node(&m, "Slice", "d,zeros,ends", "e");
    model_ints(&m, "none", "4", (int64_t[]){0, 0, 0, 0});
    model_node(&m, "Pad", "e,none", "f");
    end(&m, "f");
    check(&m, "Cast Reshape Transpose Concat Slice Pad Neg", "Neg");
}
END_TEST

START_TEST(what_changes_something_stays) {
    struct model m;
    begin(&m);
    model_ints(&m, "last", "1", (int64_t[]){-1});
    model_ints(&m, "first", "1", (int64_t[]){-99});
    model_ints(&m, "axis", "1", (int64_t[]){1});
    model_node(&m, "Slice", "x,last,first,axis,last", "a"); /* backwards */
    model_ints(&m, "shift", "4", (int64_t[]){0, 1, 0, -1});
    model_node(&m, "Pad", "a,shift", "p");
    model_node(&m, "Concat", "p,p", "b");
    model_attr_int(&m, "axis", 1);
    model_ints(&m, "wish", "3", (int64_t[]){-1, 2, 3});
    model_node(&m, "Reshape", "b,wish", "c");
    model_node(&m, "ReduceMax", "c", "d");
    model_attr_ints(&m, "axes", 1, (int64_t[]){1});
    model_attr_int(&m, "keepdims", 0);
    end(&m, "d");
    check(&m, "Slice Pad Concat Reshape ReduceMax Neg", "Slice Pad Concat Reshape ReduceMax Neg");
}
END_TEST

START_TEST(outputs_may_be_what_is_left) {
    struct model m;
    begin(&m);
    model_node(&m, "Relu", "x", "a");
    model_node(&m, "Identity", "a", "y");
    model_node(&m, "Identity", "x", "z");
    model_output(&m, "y", SL_FLOAT, "n,3");
    model_output(&m, "z", SL_FLOAT, "n,3");
    check(&m, "Relu Identity Identity", "Relu");
}
END_TEST

START_TEST(a_mask_that_is_read_keeps_its_dropout) {
    struct model m;
    begin(&m);
    model_node(&m, "Dropout", "x", "a,mask");
    model_node(&m, "Where", "mask,a,x", "b");
    end(&m, "b");
    check(&m, "Dropout Where Neg", "Dropout Where Neg");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_identity");
    TCase *t = tcase_create("identity");
    tcase_add_test(t, identity_and_dropout_go);
    tcase_add_test(t, casts_reshapes_and_the_like_go_when_they_change_nothing);
    tcase_add_test(t, what_changes_something_stays);
    tcase_add_test(t, outputs_may_be_what_is_left);
    tcase_add_test(t, a_mask_that_is_read_keeps_its_dropout);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
