/* test_passes_fuse_linear.c: what MatMul and Gemm take in, and that the values stay. */
#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;
static float numbers[512];

static const float *fill(void) {
    for (size_t i = 0; i < 512; i++)
        numbers[i] = (float)(rand() % 1999 - 1000) / 600;
    return numbers;
}

static void begin(const char *dims) {
    srand(4);
    model_begin(&m);
    model_opset(&m, "", 20);
    model_input(&m, "x", SL_FLOAT, dims);
    model_floats(&m, "w", "6,6", fill());
    model_floats(&m, "b", "6", fill());
    model_floats(&m, "k", "1,6", fill());
    model_floats(&m, "rows", "3,1", fill());
}

static void check(const char *before, const char *after, const char *dims) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    static float x[512], y[512];
    for (int i = 0; i < 512; i++)
        x[i] = (float)(rand() % 1999 - 1000) / 500;
    model_output(&m, "y", SL_FLOAT, dims);
    work_rig_open(&r, &m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    for (int i = 0; i < 36; i++)
        y[i] = old[0][i];
    ck_assert_int_eq(pass_fuse_linear(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (int i = 0; i < 36; i++)
        ck_assert_msg(fabsf(y[i] - new[0][i]) <= 1e-5f * (fabsf(y[i]) + 1), "%s: %d is %g, not %g", before, i,
                      (double)new[0][i], (double)y[i]);
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(matmul_bias_residual_activation) {
    begin("n,3,6");
    model_node(&m, "MatMul", "x,w", "p");
    model_node(&m, "Add", "b,p", "q");
    model_node(&m, "Mul", "q,k", "s");
    model_node(&m, "Add", "x,s", "t");
    model_node(&m, "Gelu", "t", "y");
    check("MatMul Add Mul Add Gelu", "Linear", "n,3,6");
}
END_TEST

START_TEST(gemm_with_its_own_factors) {
    for (int i = 0; i < 2; i++) {
        begin("n,18");
        model_floats(&m, "g", i ? "18,18" : "18,18", (const float[324]){1, 2, 3, [20] = 4, [323] = 5});
        model_node(&m, "Gemm", "x,g", "p");
        model_attr_int(&m, "transB", i);
        model_attr_float(&m, "alpha", 0.5f);
        model_node(&m, "Relu", "p", "y");
        check("Gemm Relu", "Linear", "n,18");
    }
    begin("n,18"); /* its bias counts twice: left alone */
    model_floats(&m, "g", "18,18", (const float[324]){1, 2, 3});
    model_floats(&m, "h", "18", fill());
    model_node(&m, "Gemm", "x,g,h", "p");
    model_attr_float(&m, "beta", 2);
    model_node(&m, "Relu", "p", "y");
    check("Gemm Relu", "Gemm Relu", "n,18");
}
END_TEST

START_TEST(a_reshape_moves_in_front) {
    begin("n,3,6");
    model_ints(&m, "flat", "2", (int64_t[]){6, 6});
    model_ints(&m, "shape", "3", (int64_t[]){2, 3, 6});
    model_node(&m, "Reshape", "x,flat", "f");
    model_node(&m, "MatMul", "f,w", "p");
    model_node(&m, "Reshape", "p,shape", "r");
    model_node(&m, "Mul", "r,b", "y");
    check("Reshape MatMul Reshape Mul", "Reshape Reshape Linear", "2,3,6");
    begin("n,3,6"); /* not one that cuts the columns */
    model_ints(&m, "shape", "3", (int64_t[]){6, 2, 3});
    model_node(&m, "MatMul", "x,w", "p");
    model_node(&m, "Reshape", "p,shape", "r");
    model_node(&m, "Relu", "r", "y");
    check("MatMul Reshape Relu", "MatMul Reshape Relu", "6,2,3");
}
END_TEST

START_TEST(what_stays) {
    begin("n,3,6"); /* no constant weights */
    model_node(&m, "Transpose", "x", "t");
    model_attr_ints(&m, "perm", 3, (int64_t[]){0, 2, 1});
    model_node(&m, "MatMul", "x,t", "p");
    model_node(&m, "Relu", "p", "y");
    check("Transpose MatMul Relu", "Transpose MatMul Relu", "n,3,3");
    begin("n,3,6"); /* an offset for each row of the product */
    model_node(&m, "MatMul", "x,w", "p");
    model_node(&m, "Add", "p,rows", "y");
    check("MatMul Add", "MatMul Add", "n,3,6");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_fuse_linear");
    TCase *t = tcase_create("fuse_linear");
    tcase_add_test(t, matmul_bias_residual_activation);
    tcase_add_test(t, gemm_with_its_own_factors);
    tcase_add_test(t, a_reshape_moves_in_front);
    tcase_add_test(t, what_stays);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
