/* test_passes_fuse_conv.c: what a Conv takes in, where it stops, and that the values stay. */
#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;
static float numbers[512];
static const char *last; /* the output that is compared */
static char fused[32];   /* name of the last fused node */

static const float *fill(void) {
    for (size_t i = 0; i < 512; i++)
        numbers[i] = (float)(rand() % 1999 - 1000) / 600;
    return numbers;
}

/* x [n,3,5,5] and its convolution "c" [n,4,5,5]. */
static void begin(bool bias) {
    srand(3);
    model_begin(&m);
    model_opset(&m, "", 18);
    model_input(&m, "x", SL_FLOAT, "n,3,5,5");
    model_floats(&m, "w", "4,3,3,3", fill());
    model_floats(&m, "w1", "4,3,1,1", fill());
    model_floats(&m, "b", "4", fill());
    model_floats(&m, "k", "4,1,1", fill());
    model_floats(&m, "k4", "1,4,1,1", fill());
    model_floats(&m, "wide", "5", fill());
    model_floats(&m, "one", "", fill());
    model_floats(&m, "zero", "", (float[]){0});
    model_floats(&m, "six", "", (float[]){1.5f});
    model_node(&m, "Conv", bias ? "x,w,b" : "x,w", "c");
    model_node_name(&m, "the conv");
    model_attr_ints(&m, "pads", 4, (int64_t[]){1, 1, 1, 1});
    last = "y";
}

static void check(const char *before, const char *after) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[2], *new[2];
    static float x[150], y[200];
    for (int i = 0; i < 150; i++)
        x[i] = (float)(rand() % 1999 - 1000) / 500;
    model_output(&m, last, SL_FLOAT, "n,4,5,5");
    work_rig_open(&r, &m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    for (int i = 0; i < 200; i++)
        y[i] = old[0][i];
    ck_assert_int_eq(pass_fuse_conv(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    for (size_t i = 0; i < r.work.node_count; i++)
        if (!r.work.nodes[i].dead && !strcmp(r.work.nodes[i].op->domain, "sluice"))
            snprintf(fused, sizeof fused, "%s", r.work.nodes[i].name);
    work_rig_run(&r, x, new);
    for (int i = 0; i < 200; i++)
        ck_assert_msg(fabsf(y[i] - new[0][i]) <= 1e-5f * (fabsf(y[i]) + 1), "%s: %d is %g, not %g", before, i,
                      (double)new[0][i], (double)y[i]);
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(every_activation) {
    static const struct {
        const char *op, *in;
    } list[] = {{"Relu", "c"},      {"LeakyRelu", "c"}, {"Elu", "c"},  {"Clip", "c,zero,six"},
                {"Clip", "c,,six"}, {"Sigmoid", "c"},   {"Tanh", "c"}, {"HardSigmoid", "c"},
                {"HardSwish", "c"}, {"Mish", "c"}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char before[64];
        begin(i % 2);
        model_node(&m, list[i].op, list[i].in, "y");
        snprintf(before, sizeof before, "Conv %s", list[i].op);
        check(before, "Conv");
        ck_assert_str_eq(fused, "the conv");
    }
}
END_TEST

START_TEST(constants_become_weights_and_bias) {
    begin(true);
    model_node(&m, "Mul", "c,k", "d");
    model_node(&m, "Add", "k4,d", "e");
    model_node(&m, "Div", "e,one", "f");
    model_node(&m, "Sub", "f,k", "y");
    check("Conv Mul Add Div Sub", "Conv");
    begin(false);
    model_node(&m, "BatchNormalization", "c,b,b,b,pos", "y");
    model_floats(&m, "pos", "4", (float[]){1, 2, 0.5f, 3});
    check("Conv BatchNormalization", "Conv");
    begin(false); /* one number for each column is not one a channel */
    model_node(&m, "Mul", "c,wide", "y");
    check("Conv Mul", "Conv Mul");
    begin(false); /* the other way round */
    model_node(&m, "Sub", "k,c", "y");
    check("Conv Sub", "Conv Sub");
}
END_TEST

START_TEST(a_residual_and_what_follows) {
    begin(true);
    model_node(&m, "Conv", "x,w1", "side");
    model_node(&m, "Add", "c,side", "s");
    model_node(&m, "Add", "s,k", "t");
    model_node(&m, "Relu", "t", "y");
    check("Conv Conv Add Add Relu", "Conv Conv");
    begin(true); /* a factor behind the residual is no factor of the weights */
    model_node(&m, "Conv", "x,w1", "side");
    model_node(&m, "Add", "side,c", "s");
    model_node(&m, "Mul", "s,k", "y");
    check("Conv Conv Add Mul", "Conv Conv Mul");
    begin(true); /* one residual only */
    model_node(&m, "Conv", "x,w1", "side");
    model_node(&m, "Relu", "side", "other");
    model_node(&m, "Add", "c,side", "s");
    model_node(&m, "Add", "s,other", "y");
    check("Conv Conv Relu Add Add", "Conv Relu Conv Add");
    begin(true); /* nothing is taken in behind the activation */
    model_node(&m, "Relu", "c", "r");
    model_node(&m, "Add", "r,k", "y");
    check("Conv Relu Add", "Conv Add");
}
END_TEST

START_TEST(only_what_nobody_else_reads) {
    begin(true);
    model_node(&m, "Relu", "c", "r");
    model_node(&m, "Add", "r,c", "y");
    check("Conv Relu Add", "Conv Relu Add");
    begin(true); /* an output */
    model_node(&m, "Relu", "c", "y");
    model_output(&m, "y", SL_FLOAT, "n,4,5,5");
    last = "c";
    check("Conv Relu", "Conv Relu");
    begin(true); /* twice the same */
    model_node(&m, "Add", "c,c", "y");
    check("Conv Add", "Conv Add");
}
END_TEST

START_TEST(a_residual_that_broadcasts_stays) {
    begin(true);
    model_node(&m, "GlobalAveragePool", "x", "g");
    model_node(&m, "Conv", "g,w1", "side");
    model_node(&m, "Add", "c,side", "y");
    check("Conv GlobalAveragePool Conv Add", "Conv GlobalAveragePool Conv Add");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_fuse_conv");
    TCase *t = tcase_create("fuse_conv");
    tcase_add_test(t, every_activation);
    tcase_add_test(t, constants_become_weights_and_bias);
    tcase_add_test(t, a_residual_and_what_follows);
    tcase_add_test(t, only_what_nobody_else_reads);
    tcase_add_test(t, a_residual_that_broadcasts_stays);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
