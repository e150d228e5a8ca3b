/* test_passes_layer_norm.c: LayerNormalization and RMSNormalization as exporters spell them out. */
#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;

static void begin(int opset) {
    model_begin(&m);
    model_opset(&m, "", opset);
    model_input(&m, "x", SL_FLOAT, "n,3,4");
    model_floats(&m, "eps", "", (float[]){0.01f});
    model_floats(&m, "one", "", (float[]){1});
    model_floats(&m, "two", "", (float[]){2});
    model_floats(&m, "half", "", (float[]){-0.5f});
    model_floats(&m, "g", "4", (float[]){1, 2, -3, 0.5f});
    model_floats(&m, "g3", "1,1,4", (float[]){1, 2, -3, 0.5f});
    model_floats(&m, "b", "4", (float[]){0.5f, 1, 2, 3});
    model_floats(&m, "rows", "3,4", (float[12]){1, 2, 3, 4, 5});
    model_ints(&m, "last", "1", (int64_t[]){-1});
    model_ints(&m, "both", "2", (int64_t[]){1, 2});
    model_ints(&m, "middle", "1", (int64_t[]){1});
}

static void mean(const char *of, const char *to, const char *axes) {
    char list[32];
    snprintf(list, sizeof list, "%s,%s", of, axes);
    model_node(&m, "ReduceMean", list, to);
}

static void check(const char *before, const char *after) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    float x[24], y[24];
    srand(5);
    for (int i = 0; i < 24; i++)
        x[i] = (float)(rand() % 2000 - 1000) / 300;
    model_output(&m, "y", SL_FLOAT, "n,3,4");
    work_rig_open(&r, &m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    for (int i = 0; i < 24; i++)
        y[i] = old[0][i];
    ck_assert_int_eq(pass_layer_norm(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (int i = 0; i < 24; i++)
        ck_assert_float_le(fabsf(y[i] - new[0][i]), 1e-5f * (fabsf(y[i]) + 1));
    work_rig_close(&r);
    model_end(&m);
}

/* Up to the deviation "s". */
static void moments(const char *axes, const char *square) {
    begin(18);
    mean("x", "mean", axes);
    model_node(&m, "Sub", "x,mean", "d");
    model_node(&m, square, *square == 'P' ? "d,two" : "d,d", "p");
    mean("p", "v", axes);
    model_node(&m, "Add", "v,eps", "a");
    model_node(&m, "Sqrt", "a", "s");
}

START_TEST(layer_norm) {
    moments("last", "Pow");
    model_node(&m, "Div", "d,s", "n");
    model_node(&m, "Mul", "n,g", "h");
    model_node(&m, "Add", "h,b", "y");
    check("ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add", "LayerNormalization");
    moments("both", "Mul"); /* over two dims, through the reciprocal, without a bias */
    model_node(&m, "Reciprocal", "s", "r");
    model_node(&m, "Mul", "d,r", "n");
    model_node(&m, "Mul", "rows,n", "y");
    check("ReduceMean Sub Mul ReduceMean Add Sqrt Reciprocal Mul Mul", "LayerNormalization");
    moments("last", "Pow"); /* nothing follows */
    model_node(&m, "Div", "d,s", "y");
    check("ReduceMean Sub Pow ReduceMean Add Sqrt Div", "LayerNormalization");
    moments("last", "Pow"); /* parameters with dims of 1; the bias in front */
    model_node(&m, "Div", "d,s", "n");
    model_node(&m, "Mul", "g3,n", "h");
    model_node(&m, "Add", "b,h", "y");
    check("ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add", "LayerNormalization");
}
END_TEST

START_TEST(axes_as_an_attribute) {
    begin(13);
    model_node(&m, "ReduceMean", "x", "mean");
    model_attr_ints(&m, "axes", 1, (int64_t[]){-1});
    model_node(&m, "Sub", "x,mean", "d");
    model_node(&m, "Pow", "d,two", "p");
    model_node(&m, "ReduceMean", "p", "v");
    model_attr_ints(&m, "axes", 1, (int64_t[]){2});
    model_node(&m, "Add", "v,eps", "a");
    model_node(&m, "Sqrt", "a", "s");
    model_node(&m, "Div", "d,s", "y");
    check("ReduceMean Sub Pow ReduceMean Add Sqrt Div", "LayerNormalization");
}
END_TEST

static void squares(void) {
    begin(18);
    model_node(&m, "Pow", "x,two", "p");
    mean("p", "v", "last");
    model_node(&m, "Add", "v,eps", "a");
}

START_TEST(rms_norm) {
    squares();
    model_node(&m, "Sqrt", "a", "s");
    model_node(&m, "Div", "one,s", "r");
    model_node(&m, "Mul", "x,r", "n");
    model_node(&m, "Mul", "g,n", "y");
    check("Pow ReduceMean Add Sqrt Div Mul Mul", "RMSNormalization");
    squares();
    model_node(&m, "Pow", "a,half", "r");
    model_node(&m, "Mul", "x,r", "n");
    model_node(&m, "Mul", "g,n", "h");
    model_node(&m, "Add", "h,b", "y"); /* it has no bias */
    check("Pow ReduceMean Add Pow Mul Mul Add", "RMSNormalization Add");
}
END_TEST

START_TEST(what_stays) {
    moments("middle", "Pow"); /* not the last dims */
    model_node(&m, "Div", "d,s", "y");
    check("ReduceMean Sub Pow ReduceMean Add Sqrt Div", "ReduceMean Sub Pow ReduceMean Add Sqrt Div");
    begin(18); /* the deviation of something else */
    mean("x", "mean", "last");
    model_node(&m, "Sub", "x,mean", "d");
    model_node(&m, "Mul", "d,x", "p");
    mean("p", "v", "last");
    model_node(&m, "Add", "v,eps", "a");
    model_node(&m, "Abs", "a", "q");
    model_node(&m, "Sqrt", "q", "s");
    model_node(&m, "Div", "d,s", "y");
    check("ReduceMean Sub Mul ReduceMean Add Abs Sqrt Div", "ReduceMean Sub Mul ReduceMean Add Abs Sqrt Div");
    moments("last", "Pow"); /* a scale for each row comes after */
    model_node(&m, "Div", "d,s", "n");
    model_node(&m, "Mul", "n,rows", "y");
    check("ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul", "LayerNormalization Mul");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_layer_norm");
    TCase *t = tcase_create("layer_norm");
    tcase_add_test(t, layer_norm);
    tcase_add_test(t, axes_as_an_attribute);
    tcase_add_test(t, rms_norm);
    tcase_add_test(t, what_stays);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
