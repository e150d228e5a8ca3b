/* test_passes_quantized.c: what a quantiser writes becomes operators over levels, with levels at most one
 * apart from those in float; what must stay stays. */
#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;

static void scale(const char *name, float x) {
    model_floats(&m, name, "", &x);
}

static void zero(const char *name, sl_dtype dtype, int x) {
    uint8_t byte = (uint8_t)x;
    model_constant(&m, name, dtype, "", &byte, 1);
}

static void begin(const char *dims) {
    static int8_t weights[512];
    srand(6);
    for (int i = 0; i < 512; i++)
        weights[i] = (int8_t)(rand() % 255 - 127);
    model_begin(&m);
    model_opset(&m, "", 13);
    model_opset(&m, "com.microsoft", 1);
    model_input(&m, "x", SL_FLOAT, dims);
    scale("xs", 0.02f);
    zero("xz", SL_UINT8, 120);
    scale("ys", 0.05f);
    zero("yz", SL_UINT8, 0);
    zero("mid", SL_UINT8, 99);
    zero("wz", SL_INT8, 0);
    model_floats(&m, "ws", "4", (const float[]){0.01f, 0.02f, 0.005f, 0.03f});
    model_constant(&m, "w8", SL_INT8, "4,4,3,3", weights, 144);
    model_constant(&m, "g8", SL_INT8, "4,4", weights, 16);
    model_floats(&m, "b", "4", (const float[]){0.5f, -0.25f, 1, 0});
    model_node(&m, "QuantizeLinear", "x,xs,xz", "q");
    model_node(&m, "DequantizeLinear", "q,xs,xz", "d");
}

/* After the pass the output, which is dequantised with ys, may be one level off. */
static void check(const char *zero_name, const char *before, const char *after, const char *dims, int count) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    static float x[512], y[512];
    char in[32];
    for (int i = 0; i < 512; i++)
        x[i] = (float)(rand() % 1999 - 1000) / 400;
    snprintf(in, sizeof in, "h,ys,%s", zero_name);
    model_node(&m, "QuantizeLinear", in, "r");
    snprintf(in, sizeof in, "r,ys,%s", zero_name);
    model_node(&m, "DequantizeLinear", in, "y");
    model_output(&m, "y", SL_FLOAT, dims);
    work_rig_open_with(&r, &m, &(struct plan_options){.batch = 2, .int8 = true});
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    for (int i = 0; i < count; i++)
        y[i] = old[0][i];
    ck_assert_int_eq(pass_quantized(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (int i = 0; i < count; i++)
        ck_assert_msg(fabsf(y[i] - new[0][i]) <= 0.051f, "%s: %d is %g, not %g", before, i, (double)new[0][i],
                      (double)y[i]);
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(convolution_takes_in_a_relu) {
    for (int i = 0; i < 2; i++) {
        begin("n,4,5,5");
        model_node(&m, "DequantizeLinear", "w8,ws", "w");
        model_attr_int(&m, "axis", 0);
        model_node(&m, "Conv", "d,w,b", "c");
        model_attr_ints(&m, "pads", 4, (const int64_t[]){1, 1, 1, 1});
        model_node(&m, "Relu", "c", "h");
        if (i) /* levels below zero: the Relu is needed */
            check(
                "mid",
                "QuantizeLinear DequantizeLinear DequantizeLinear Conv Relu QuantizeLinear DequantizeLinear",
                "QuantizeLinear DequantizeLinear DequantizeLinear Conv Relu QuantizeLinear DequantizeLinear",
                "n,4,5,5", 200);
        else
            check(
                "yz",
                "QuantizeLinear DequantizeLinear DequantizeLinear Conv Relu QuantizeLinear DequantizeLinear",
                "QuantizeLinear QLinearConv DequantizeLinear", "n,4,5,5", 200);
    }
}
END_TEST

START_TEST(products) {
    begin("n,4");
    model_node(&m, "DequantizeLinear", "g8,ws", "w");
    model_attr_int(&m, "axis", 0);
    model_node(&m, "Gemm", "d,w,b", "h");
    model_attr_int(&m, "transB", 1);
    check("mid", "QuantizeLinear DequantizeLinear DequantizeLinear Gemm QuantizeLinear DequantizeLinear",
          "QuantizeLinear QGemm DequantizeLinear", "n,4", 8);
    begin("n,3,4");
    model_node(&m, "DequantizeLinear", "g8,ws", "w");
    model_attr_int(&m, "axis", 1);
    model_node(&m, "MatMul", "d,w", "h");
    check("mid", "QuantizeLinear DequantizeLinear DequantizeLinear MatMul QuantizeLinear DequantizeLinear",
          "QuantizeLinear QLinearMatMul DequantizeLinear", "n,3,4", 24);
    begin("n,3,4"); /* scales for rows of the weights cannot leave the sum */
    model_node(&m, "DequantizeLinear", "g8,ws", "w");
    model_attr_int(&m, "axis", 0);
    model_node(&m, "MatMul", "d,w", "h");
    check("mid", "QuantizeLinear DequantizeLinear DequantizeLinear MatMul QuantizeLinear DequantizeLinear",
          "QuantizeLinear DequantizeLinear DequantizeLinear MatMul QuantizeLinear DequantizeLinear", "n,3,4",
          24);
}
END_TEST

START_TEST(sums_and_pools) {
    begin("n,4,5,5");
    model_node(&m, "Add", "d,d", "h");
    check("mid", "QuantizeLinear DequantizeLinear Add QuantizeLinear DequantizeLinear",
          "QuantizeLinear QLinearAdd DequantizeLinear", "n,4,5,5", 200);
    begin("n,4,5,5");
    model_node(&m, "GlobalAveragePool", "d", "h");
    check("mid", "QuantizeLinear DequantizeLinear GlobalAveragePool QuantizeLinear DequantizeLinear",
          "QuantizeLinear QLinearGlobalAveragePool DequantizeLinear", "n,4,1,1", 8);
    begin("n,4,5,5");
    model_node(&m, "Concat", "d,d", "h");
    model_attr_int(&m, "axis", 1);
    check("mid", "QuantizeLinear DequantizeLinear Concat QuantizeLinear DequantizeLinear",
          "QuantizeLinear QLinearConcat DequantizeLinear", "n,8,5,5", 400);
}
END_TEST

START_TEST(movers_keep_their_levels) {
    for (int i = 0; i < 2; i++) {
        begin("n,4,5,5");
        scale("same", 0.05f);
        model_node(&m, "QuantizeLinear", "d,same,mid", "k");
        model_node(&m, "DequantizeLinear", i ? "k,xs,mid" : "k,same,mid", "e");
        model_node(&m, "MaxPool", "e", "h");
        model_attr_ints(&m, "kernel_shape", 2, (const int64_t[]){2, 2});
        static const char *const before =
            "QuantizeLinear DequantizeLinear QuantizeLinear DequantizeLinear MaxPool "
            "QuantizeLinear DequantizeLinear";
        check("mid", before,
              i ? before : "QuantizeLinear DequantizeLinear QuantizeLinear MaxPool DequantizeLinear",
              "n,4,4,4", 128);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_quantized");
    TCase *t = tcase_create("quantized");
    tcase_add_test(t, convolution_takes_in_a_relu);
    tcase_add_test(t, products);
    tcase_add_test(t, sums_and_pools);
    tcase_add_test(t, movers_keep_their_levels);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
