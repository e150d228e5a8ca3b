/* test_onednn_int8.c: a chain over levels (QLinearConv with groups and strides, MaxPool, QLinearAdd,
 * QLinearGlobalAveragePool, QGemm) on the cpu device against the references: at most one level apart after
 * each, and the same for a record wherever it stands. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/device.h"
#include "model_rig.h"
#include "support/mem.h"

#define ROWS 3
#define ROW (16 * 9 * 9)

static struct model m;
static uint8_t input[ROWS * ROW];

static void byte(const char *name, sl_dtype dtype, int x) {
    uint8_t level = (uint8_t)x;
    model_constant(&m, name, dtype, "", &level, 1);
}

static void begin(sl_dtype dtype) {
    static int8_t weights[16 * 16 * 9];
    static int32_t bias[16];
    float scales[16], xs = 0.02f, ys = 0.3f;
    for (int i = 0; i < 16 * 16 * 9; i++)
        weights[i] = (int8_t)(rand() % 255 - 127);
    for (int i = 0; i < 16; i++) {
        scales[i] = (float)(rand() % 100 + 50) / 6000;
        bias[i] = rand() % 20000 - 10000;
    }
    for (int i = 0; i < ROWS * ROW; i++)
        input[i] = (uint8_t)rand();
    memcpy(input + 2 * ROW, input, ROW); /* the last row is the first again */
    model_begin(&m);
    model_opset(&m, "", 13);
    model_opset(&m, "com.microsoft", 1);
    model_input(&m, "x", dtype, "n,16,9,9");
    model_floats(&m, "xs", "", &xs);
    model_floats(&m, "ys", "", &ys);
    model_floats(&m, "ws", "16", scales);
    byte("xz", dtype, 30);
    byte("yz", dtype, 11);
    byte("wz", SL_INT8, 0);
    model_constant(&m, "w", SL_INT8, "16,16,3,3", weights, 16 * 16 * 9);
    model_constant(&m, "wd", SL_INT8, "16,1,3,3", weights, 16 * 9);
    model_constant(&m, "g", SL_INT8, "16,16", weights, 16 * 16);
    model_constant(&m, "b", SL_INT32, "16", bias, sizeof bias);
}

static void on_device(const struct plan *plan, void *out) {
    struct device_options options = {.precision = PRECISION_INT8, .threads = 1};
    struct device *device;
    struct program *program;
    sl_error err = {0};
    ck_assert(device_cpu.open(&device, 0, &options, &err) == SL_OK);
    struct device_batch batch = {.input = device_cpu.slot_alloc(device, plan->input_nbytes),
                                 .output = device_cpu.slot_alloc(device, plan->output_nbytes),
                                 .row_count = ROWS},
                        *done;
    memcpy(batch.input, input, sizeof input);
    ck_assert_msg(device_cpu.load(device, plan, &program, &err) == SL_OK, "%s", err.text);
    ck_assert(device_cpu.submit(program, &batch, &err) == SL_OK);
    ck_assert(device_cpu.collect(program, &done, &err) == SL_OK);
    memcpy(out, batch.output, plan->output_nbytes);
    device_cpu.unload(program);
    device_cpu.slot_free(device, batch.input, plan->input_nbytes);
    device_cpu.slot_free(device, batch.output, plan->output_nbytes);
    device_cpu.close(device);
}

static void check(sl_dtype dtype, const char *dims, int row) {
    struct plan_options options = {.batch = ROWS, .int8 = true};
    const void *inputs[] = {input};
    void *want[1];
    struct plan *plan;
    sl_error err = {0};
    model_output(&m, "y", dtype, dims);
    struct graph *graph = model_load(&m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&plan, graph, &options, &err) == SL_OK, "%s", err.text);
    uint8_t *got = mem_alloc(plan->output_nbytes, 1);
    rig_run(plan, inputs, want);
    on_device(plan, got);
    int off = 0;
    for (int i = 0; i < ROWS * row; i++) {
        uint8_t a = got[i], b = ((uint8_t *)want[0])[i];
        int apart = dtype == SL_INT8 ? (int8_t)a - (int8_t)b : a - b;
        ck_assert_msg(abs(apart) <= 1, "element %d is %d levels off", i, apart);
        off += apart != 0;
    }
    ck_assert_int_le(off * 20, ROWS * row); /* ties are rare */
    ck_assert_mem_eq(got, got + 2 * row, (size_t)row);
    mem_free(got);
    mem_free(want[0]);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}

START_TEST(convolutions) {
    static const sl_dtype dtypes[] = {SL_UINT8, SL_INT8};
    for (int i = 0; i < 2; i++) {
        begin(dtypes[i]);
        model_node(&m, "QLinearConv", "x,xs,xz,w,ws,wz,ys,yz,b", "y");
        model_attr_ints(&m, "pads", 4, (const int64_t[]){1, 0, 1, 2});
        model_attr_ints(&m, "strides", 2, (const int64_t[]){2, 1});
        check(dtypes[i], "n,16,5,9", 16 * 5 * 9);
        begin(dtypes[i]); /* one filter a channel */
        model_node(&m, "QLinearConv", "x,xs,xz,wd,ws,wz,ys,yz", "y");
        model_attr_ints(&m, "pads", 4, (const int64_t[]){1, 1, 1, 1});
        model_attr_int(&m, "group", 16);
        check(dtypes[i], "n,16,9,9", ROW);
    }
}
END_TEST

START_TEST(sums_pools_products) {
    begin(SL_UINT8);
    model_node(&m, "MaxPool", "x", "p");
    model_attr_ints(&m, "kernel_shape", 2, (const int64_t[]){3, 3});
    model_attr_ints(&m, "pads", 4, (const int64_t[]){1, 1, 1, 1});
    model_node(&m, "QLinearAdd", "x,xs,xz,p,ys,yz,ys,yz", "y");
    model_node_domain(&m, "com.microsoft");
    check(SL_UINT8, "n,16,9,9", ROW);
    begin(SL_UINT8);
    model_node(&m, "QLinearGlobalAveragePool", "x,xs,xz,xs,yz", "y");
    model_node_domain(&m, "com.microsoft");
    check(SL_UINT8, "n,16,1,1", 16);
    begin(SL_UINT8);
    model_node(&m, "QLinearGlobalAveragePool", "x,xs,xz,xs,yz", "a");
    model_node_domain(&m, "com.microsoft");
    model_node(&m, "Flatten", "a", "f");
    model_node(&m, "QGemm", "f,xs,yz,g,ws,wz,b,ys,xz", "y");
    model_node_domain(&m, "com.microsoft");
    model_attr_int(&m, "transB", 1);
    check(SL_UINT8, "n,16", 16);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("onednn_int8");
    TCase *t = tcase_create("onednn_int8");
    srand(12);
    tcase_add_test(t, convolutions);
    tcase_add_test(t, sums_pools_products);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
