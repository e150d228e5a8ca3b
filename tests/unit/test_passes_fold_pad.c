/* test_passes_fold_pad.c: Pad with zeros goes into Conv and AveragePool, other Pads stay. */
#include <math.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;

static void begin(int opset) {
    model_begin(&m);
    model_opset(&m, "", opset);
    model_input(&m, "x", SL_FLOAT, "n,2,4,4");
    model_floats(&m, "w", "1,2,3,3", (float[18]){1, -2, 3, 0.5f, [9] = 2, [17] = 4});
    model_ints(&m, "around", "8", (int64_t[]){0, 0, 1, 0, 0, 0, 1, 2});
    model_ints(&m, "channels", "8", (int64_t[]){0, 1, 0, 0, 0, 0, 0, 0});
    model_ints(&m, "less", "8", (int64_t[]){0, 0, 1, 1, 0, 0, 1, -1});
    model_ints(&m, "two", "4", (int64_t[]){1, 2, 0, 1});
    model_ints(&m, "last", "2", (int64_t[]){-2, 3});
    model_floats(&m, "one", "", (float[]){1});
    model_floats(&m, "zero", "", (float[]){0});
}

static void check(const char *before, const char *after, const char *dims, size_t count) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    float x[64], y[256];
    for (int i = 0; i < 64; i++)
        x[i] = (float)(i * 37 % 19) - 8;
    model_output(&m, "y", SL_FLOAT, dims);
    work_rig_open(&r, &m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    for (size_t i = 0; i < count; i++)
        y[i] = old[0][i];
    ck_assert_int_eq(pass_fold_pad(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (size_t i = 0; i < count; i++)
        ck_assert_float_le(fabsf(y[i] - new[0][i]), 1e-5f);
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(into_conv) {
    begin(13);
    model_node(&m, "Pad", "x,around,zero", "p");
    model_node(&m, "Conv", "p,w", "y");
    check("Pad Conv", "Conv", "n,1,4,4", 32);
    begin(18); /* with padding of its own, and named axes */
    model_node(&m, "Pad", "x,two,,last", "p");
    model_node(&m, "Conv", "p,w", "y");
    model_attr_ints(&m, "pads", 4, (int64_t[]){0, 1, 1, 0});
    check("Pad Conv", "Conv", "n,1,4,6", 48);
    begin(9); /* attributes */
    model_node(&m, "Pad", "x", "p");
    model_attr_ints(&m, "pads", 8, (int64_t[]){0, 0, 1, 0, 0, 0, 1, 2});
    model_node(&m, "Conv", "p,w", "y");
    check("Pad Conv", "Conv", "n,1,4,4", 32);
}
END_TEST

START_TEST(into_average_pool) {
    begin(13);
    model_node(&m, "Pad", "x,around", "p");
    model_node(&m, "AveragePool", "p", "y");
    model_attr_ints(&m, "kernel_shape", 2, (int64_t[]){3, 3});
    check("Pad AveragePool", "AveragePool", "n,2,4,4", 64);
    begin(13); /* its own padding does not count */
    model_node(&m, "Pad", "x,around", "p");
    model_node(&m, "AveragePool", "p", "y");
    model_attr_ints(&m, "kernel_shape", 2, (int64_t[]){3, 3});
    model_attr_ints(&m, "pads", 4, (int64_t[]){1, 1, 0, 0});
    check("Pad AveragePool", "Pad AveragePool", "n,2,5,5", 100);
}
END_TEST

START_TEST(what_stays) {
    begin(13); /* ones */
    model_node(&m, "Pad", "x,around,one", "p");
    model_node(&m, "Conv", "p,w", "y");
    check("Pad Conv", "Pad Conv", "n,1,4,4", 32);
    begin(13); /* cut off */
    model_node(&m, "Pad", "x,less", "p");
    model_node(&m, "Conv", "p,w", "y");
    check("Pad Conv", "Pad Conv", "n,1,4,2", 16);
    begin(13); /* mirrored */
    model_node(&m, "Pad", "x,around", "p");
    model_attr_text(&m, "mode", "reflect");
    model_node(&m, "Conv", "p,w", "y");
    check("Pad Conv", "Pad Conv", "n,1,4,4", 32);
    begin(13); /* more channels */
    model_floats(&m, "w3", "1,3,3,3", (float[27]){1, 2, 3, [20] = 4});
    model_node(&m, "Pad", "x,channels", "p");
    model_node(&m, "Conv", "p,w3", "y");
    check("Pad Conv", "Pad Conv", "n,1,2,2", 8);
    begin(13); /* a maximum sees the zeros */
    model_node(&m, "Pad", "x,around", "p");
    model_node(&m, "MaxPool", "p", "y");
    model_attr_ints(&m, "kernel_shape", 2, (int64_t[]){3, 3});
    check("Pad MaxPool", "Pad MaxPool", "n,2,4,4", 64);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_fold_pad");
    TCase *t = tcase_create("fold_pad");
    tcase_add_test(t, into_conv);
    tcase_add_test(t, into_average_pool);
    tcase_add_test(t, what_stays);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
