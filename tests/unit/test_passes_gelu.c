/* test_passes_gelu.c: the ways exporters write GELU become Gelu, and what only looks like one stays. */
#include <math.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;

static void begin(void) {
    model_begin(&m);
    model_opset(&m, "", 17);
    model_input(&m, "x", SL_FLOAT, "n,7");
    model_floats(&m, "half", "", (float[]){0.5f});
    model_floats(&m, "one", "", (float[]){1});
    model_floats(&m, "root2", "", (float[]){1.4142135381698608f});
    model_floats(&m, "rhalf", "1", (float[]){0.70710677f});
    model_floats(&m, "cubic", "", (float[]){0.044715f});
    model_floats(&m, "scale", "", (float[]){0.7978845834732056f});
    model_floats(&m, "three", "", (float[]){3});
    model_floats(&m, "two", "", (float[]){2});
}

static void check(const char *before, const char *after) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    float x[14], y[14];
    for (int i = 0; i < 14; i++)
        x[i] = (float)(i - 7) * 0.6f;
    model_output(&m, "y", SL_FLOAT, "n,7");
    work_rig_open(&r, &m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    for (int i = 0; i < 14; i++)
        y[i] = old[0][i];
    ck_assert_int_eq(pass_gelu(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (int i = 0; i < 14; i++)
        ck_assert_float_le(fabsf(y[i] - new[0][i]), 1e-5f * (fabsf(y[i]) + 0.1f));
    work_rig_close(&r);
    model_end(&m);
}

static void erf_form(const char *divide, const char *by) {
    begin();
    model_node(&m, divide, by, "d");
    model_node(&m, "Erf", "d", "e");
    model_node(&m, "Add", "e,one", "s");
}

START_TEST(erf_in_all_orders) {
    erf_form("Div", "x,root2"); /* (x s) / 2 */
    model_node(&m, "Mul", "x,s", "p");
    model_node(&m, "Mul", "p,half", "y");
    check("Div Erf Add Mul Mul", "Gelu");
    erf_form("Mul", "rhalf,x"); /* (x / 2) s */
    model_node(&m, "Mul", "half,x", "h");
    model_node(&m, "Mul", "h,s", "y");
    check("Mul Erf Add Mul Mul", "Gelu");
    erf_form("Mul", "x,rhalf"); /* x (s / 2) */
    model_node(&m, "Div", "s,two", "h");
    model_node(&m, "Mul", "x,h", "y");
    check("Mul Erf Add Div Mul", "Gelu");
}
END_TEST

START_TEST(tanh_form) {
    begin();
    model_node(&m, "Pow", "x,three", "x3");
    model_node(&m, "Mul", "cubic,x3", "c");
    model_node(&m, "Add", "x,c", "a");
    model_node(&m, "Mul", "scale,a", "t");
    model_node(&m, "Tanh", "t", "th");
    model_node(&m, "Add", "one,th", "s");
    model_node(&m, "Mul", "half,x", "h");
    model_node(&m, "Mul", "h,s", "y");
    check("Pow Mul Add Mul Tanh Add Mul Mul", "Gelu");
    begin();
    model_node(&m, "Mul", "x,x", "x2");
    model_node(&m, "Mul", "x2,cubic", "c");
    model_node(&m, "Add", "one,c", "a");
    model_node(&m, "Mul", "scale,x", "sx");
    model_node(&m, "Mul", "sx,a", "t");
    model_node(&m, "Tanh", "t", "th");
    model_node(&m, "Add", "th,one", "s");
    model_node(&m, "Mul", "x,s", "h");
    model_node(&m, "Mul", "h,half", "y");
    check("Mul Mul Add Mul Mul Tanh Add Mul Mul", "Gelu");
}
END_TEST

START_TEST(what_only_looks_like_it) {
    erf_form("Div", "x,two"); /* not sqrt(2) */
    model_node(&m, "Mul", "x,s", "p");
    model_node(&m, "Mul", "p,half", "y");
    check("Div Erf Add Mul Mul", "Div Erf Add Mul Mul");
    erf_form("Div", "x,root2"); /* not half */
    model_node(&m, "Mul", "x,s", "y");
    check("Div Erf Add Mul", "Div Erf Add Mul");
    erf_form("Div", "x,root2"); /* another x */
    model_node(&m, "Neg", "x", "n");
    model_node(&m, "Mul", "n,s", "p");
    model_node(&m, "Mul", "p,half", "y");
    check("Div Erf Add Neg Mul Mul", "Div Erf Add Neg Mul Mul");
    erf_form("Div", "x,root2"); /* the sum is read again */
    model_node(&m, "Mul", "x,s", "p");
    model_node(&m, "Mul", "p,half", "g");
    model_node(&m, "Add", "g,s", "y");
    check("Div Erf Add Mul Mul Add", "Div Erf Add Mul Mul Add");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_gelu");
    TCase *t = tcase_create("gelu");
    tcase_add_test(t, erf_in_all_orders);
    tcase_add_test(t, tanh_form);
    tcase_add_test(t, what_only_looks_like_it);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
