/* test_passes_batch_norm.c: BatchNormalization becomes a part of the Conv or Gemm before it, and only where
 * that is the same. */
#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "work_rig.h"

static float numbers[512];

static const float *random_floats(void) {
    for (size_t i = 0; i < 512; i++)
        numbers[i] = (float)(rand() % 2000 - 1000) / 500;
    return numbers;
}

static void add_norm(struct model *m, const char *in, const char *out, const char *channels) {
    char list[64];
    static int n;
    n++;
    for (int i = 0; i < 4; i++) {
        char name[16];
        float values[8];
        for (int k = 0; k < 8; k++)
            values[k] = (float)(rand() % 1000 + 100) / 500 * (i == 3 || rand() % 2 ? 1 : -1);
        snprintf(name, sizeof name, "p%d_%d", n, i);
        model_floats(m, name, channels, values);
    }
    snprintf(list, sizeof list, "%s,p%d_0,p%d_1,p%d_2,p%d_3", in, n, n, n, n);
    model_node(m, "BatchNormalization", list, out);
    model_attr_float(m, "epsilon", 0.01f);
}

static void check(struct model *m, const char *before, const char *after, size_t count) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[4], *new[4];
    work_rig_open(&r, m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    const float *x = random_floats();
    work_rig_run(&r, x, old);
    ck_assert_int_eq(pass_batch_norm(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (size_t i = 0; i < count; i++)
        ck_assert_float_le(fabsf(old[0][i] - new[0][i]), 1e-5f * (fabsf(old[0][i]) + 1));
    work_rig_close(&r);
    model_end(m);
}

static void begin_conv(struct model *m, bool bias) {
    srand(3);
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,4,5,5");
    model_floats(m, "w", "6,2,3,3", random_floats());
    model_floats(m, "b", "6", random_floats());
    model_node(m, "Conv", bias ? "x,w,b" : "x,w", "h");
    model_attr_int(m, "group", 2);
}

START_TEST(behind_a_conv_with_bias) {
    struct model m;
    begin_conv(&m, true);
    add_norm(&m, "h", "y", "6");
    model_output(&m, "y", SL_FLOAT, "n,6,3,3");
    check(&m, "Conv BatchNormalization", "Conv", 2 * 6 * 9);
}
END_TEST

START_TEST(behind_a_conv_without_bias_and_twice) {
    struct model m;
    begin_conv(&m, false);
    add_norm(&m, "h", "i", "6");
    add_norm(&m, "i", "y", "6");
    model_output(&m, "y", SL_FLOAT, "n,6,3,3");
    check(&m, "Conv BatchNormalization BatchNormalization", "Conv", 2 * 6 * 9);
}
END_TEST

START_TEST(not_when_somebody_else_reads_the_conv) {
    struct model m;
    begin_conv(&m, true);
    add_norm(&m, "h", "i", "6");
    model_node(&m, "Add", "h,i", "y");
    model_output(&m, "y", SL_FLOAT, "n,6,3,3");
    check(&m, "Conv BatchNormalization Add", "Conv BatchNormalization Add", 2 * 6 * 9);
}
END_TEST

START_TEST(not_when_the_conv_is_an_output) {
    struct model m;
    begin_conv(&m, true);
    add_norm(&m, "h", "y", "6");
    model_output(&m, "y", SL_FLOAT, "n,6,3,3");
    model_output(&m, "h", SL_FLOAT, "n,6,3,3");
    check(&m, "Conv BatchNormalization", "Conv BatchNormalization", 2 * 6 * 9);
}
END_TEST

START_TEST(not_behind_something_else) {
    struct model m;
    begin_conv(&m, true);
    model_node(&m, "Relu", "h", "r");
    add_norm(&m, "r", "y", "6");
    model_output(&m, "y", SL_FLOAT, "n,6,3,3");
    check(&m, "Conv Relu BatchNormalization", "Conv Relu BatchNormalization", 2 * 6 * 9);
}
END_TEST

static void gemm(bool transposed, const char *bias_dims, float beta, bool merges) {
    struct model m;
    srand(5);
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_floats(&m, "w", transposed ? "6,3" : "3,6", random_floats());
    if (bias_dims)
        model_floats(&m, "b", bias_dims, random_floats());
    model_node(&m, "Gemm", bias_dims ? "x,w,b" : "x,w", "h");
    model_attr_int(&m, "transB", transposed);
    model_attr_float(&m, "alpha", 0.5f);
    model_attr_float(&m, "beta", beta);
    add_norm(&m, "h", "y", "6");
    model_output(&m, "y", SL_FLOAT, "n,6");
    check(&m, "Gemm BatchNormalization", merges ? "Gemm" : "Gemm BatchNormalization", 12);
}

START_TEST(behind_a_gemm) {
    gemm(false, NULL, 1, true);
    gemm(true, NULL, 1, true);
    gemm(false, "6", 1, true);
    gemm(true, "1,6", 1, true);
    gemm(true, "6", 2, false);    /* the bias counts twice */
    gemm(false, "1", 1, false);   /* one bias for all columns */
    gemm(false, "2,6", 1, false); /* a bias for each row */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_batch_norm");
    TCase *t = tcase_create("batch_norm");
    tcase_add_test(t, behind_a_conv_with_bias);
    tcase_add_test(t, behind_a_conv_without_bias_and_twice);
    tcase_add_test(t, not_when_somebody_else_reads_the_conv);
    tcase_add_test(t, not_when_the_conv_is_an_output);
    tcase_add_test(t, not_behind_something_else);
    tcase_add_test(t, behind_a_gemm);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
