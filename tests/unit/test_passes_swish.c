/* test_passes_swish.c: products of x and a gate of x become one activation. */
#include <math.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;

static void begin(int opset) {
    model_begin(&m);
    model_opset(&m, "", opset);
    model_input(&m, "x", SL_FLOAT, "n,7");
    model_floats(&m, "quick", "", (float[]){1.702f});
    model_floats(&m, "zero", "", (float[]){0});
    model_floats(&m, "three", "", (float[]){3});
    model_floats(&m, "six", "", (float[]){6});
}

static void check(const char *before, const char *after) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    float x[14], y[14];
    for (int i = 0; i < 14; i++)
        x[i] = (float)(i - 7) * 0.8f;
    model_output(&m, "y", SL_FLOAT, "n,7");
    work_rig_open(&r, &m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    for (int i = 0; i < 14; i++)
        y[i] = old[0][i];
    ck_assert_int_eq(pass_swish(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (int i = 0; i < 14; i++)
        ck_assert_float_le(fabsf(y[i] - new[0][i]), 1e-5f * (fabsf(y[i]) + 0.1f));
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(sigmoid_gates) {
    begin(17);
    model_node(&m, "Sigmoid", "x", "s");
    model_node(&m, "Mul", "s,x", "y");
    check("Sigmoid Mul", "Swish");
    begin(17);
    model_node(&m, "Mul", "quick,x", "q");
    model_node(&m, "Sigmoid", "q", "s");
    model_node(&m, "Mul", "x,s", "y");
    check("Mul Sigmoid Mul", "Swish");
}
END_TEST

START_TEST(mish) {
    begin(17);
    model_node(&m, "Softplus", "x", "p");
    model_node(&m, "Tanh", "p", "t");
    model_node(&m, "Mul", "x,t", "y");
    check("Softplus Tanh Mul", "Mish");
}
END_TEST

START_TEST(hard_gates) {
    begin(13);
    model_node(&m, "HardSigmoid", "x", "s");
    model_attr_float(&m, "alpha", 1.0f / 6);
    model_node(&m, "Mul", "x,s", "y");
    check("HardSigmoid Mul", "HardSwish");
    begin(13);
    model_node(&m, "Add", "x,three", "a");
    model_node(&m, "Clip", "a,zero,six", "c");
    model_node(&m, "Mul", "x,c", "p");
    model_node(&m, "Div", "p,six", "y");
    check("Add Clip Mul Div", "HardSwish");
    begin(13);
    model_node(&m, "Add", "x,three", "a");
    model_node(&m, "Clip", "a,zero,six", "c");
    model_node(&m, "Div", "c,six", "s");
    model_node(&m, "Mul", "x,s", "y");
    check("Add Clip Div Mul", "HardSwish");
    begin(13);
    model_node(&m, "Add", "x,three", "a");
    model_node(&m, "Clip", "a,zero,six", "c");
    model_node(&m, "Div", "c,six", "y");
    check("Add Clip Div", "HardSigmoid");
    begin(10);
    model_node(&m, "Add", "x,three", "a");
    model_node(&m, "Clip", "a", "c");
    model_attr_float(&m, "min", 0);
    model_attr_float(&m, "max", 6);
    model_node(&m, "Div", "c,six", "y");
    check("Add Clip Div", "HardSigmoid");
}
END_TEST

START_TEST(other_gates_stay) {
    begin(17); /* the default alpha is 0.2 */
    model_node(&m, "HardSigmoid", "x", "s");
    model_node(&m, "Mul", "x,s", "y");
    check("HardSigmoid Mul", "HardSigmoid Mul");
    begin(17); /* a gate of something else */
    model_node(&m, "Neg", "x", "n");
    model_node(&m, "Sigmoid", "n", "s");
    model_node(&m, "Mul", "x,s", "y");
    check("Neg Sigmoid Mul", "Neg Sigmoid Mul");
    begin(17); /* clipped elsewhere */
    model_node(&m, "Add", "x,three", "a");
    model_node(&m, "Clip", "a,zero,three", "c");
    model_node(&m, "Div", "c,six", "y");
    check("Add Clip Div", "Add Clip Div");
    begin(17); /* twice the gate */
    model_node(&m, "Sigmoid", "x", "s");
    model_node(&m, "Mul", "x,s", "p");
    model_node(&m, "Add", "p,s", "y");
    check("Sigmoid Mul Add", "Sigmoid Mul Add");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_swish");
    TCase *t = tcase_create("swish");
    tcase_add_test(t, sigmoid_gates);
    tcase_add_test(t, mish);
    tcase_add_test(t, hard_gates);
    tcase_add_test(t, other_gates_stay);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
