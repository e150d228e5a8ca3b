/* test_passes_drop_expand.c: Expand of what is broadcast anyway, and Casts in a row; factors behind a
 * Transpose (pass_hoist_scale). */
#include <math.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;

static void begin(const char *dims) {
    model_begin(&m);
    model_opset(&m, "", 18);
    model_input(&m, "x", SL_FLOAT, dims);
    model_ints(&m, "full", "3", (int64_t[]){2, 3, 4});
    model_ints(&m, "more", "4", (int64_t[]){5, 2, 3, 4});
    model_floats(&m, "row", "3,4", (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    model_floats(&m, "w", "4,4", (float[16]){1, 2, -3, [7] = 5, [12] = 0.5f});
    model_floats(&m, "gain", "4,1", (float[]){2, -1, 0.5f, 3});
}

static void check(sl_status (*pass)(struct work *, sl_error *), const char *before, const char *after,
                  const char *dims, size_t count) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    float x[64], y[256];
    for (int i = 0; i < 64; i++)
        x[i] = (float)(i * 37 % 19) - 8.5f;
    model_output(&m, "y", SL_FLOAT, dims);
    work_rig_open(&r, &m, 2);
    ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    for (size_t i = 0; i < count; i++)
        y[i] = old[0][i];
    ck_assert_int_eq(pass(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (size_t i = 0; i < count; i++)
        ck_assert_float_le(fabsf(y[i] - new[0][i]), 1e-5f * (fabsf(y[i]) + 1));
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(expands) {
    begin("n,1,4");
    model_node(&m, "Expand", "x,full", "e");
    model_node(&m, "Mul", "e,row", "y");
    check(pass_drop_expand, "Expand Mul", "Mul", "n,3,4", 24);
    begin("n,1,4"); /* nothing else is as large */
    model_node(&m, "Expand", "x,full", "e");
    model_node(&m, "Mul", "e,x", "y");
    check(pass_drop_expand, "Expand Mul", "Expand Mul", "n,3,4", 24);
    begin("n,3,4"); /* it adds a dim */
    model_node(&m, "Expand", "x,more", "e");
    model_node(&m, "Add", "row,e", "y");
    check(pass_drop_expand, "Expand Add", "Expand Add", "5,n,3,4", 120);
}
END_TEST

START_TEST(casts) {
    begin("n,4");
    model_node(&m, "Cast", "x", "i");
    model_attr_int(&m, "to", SL_INT32);
    model_node(&m, "Cast", "i", "l");
    model_attr_int(&m, "to", SL_INT64);
    model_node(&m, "Cast", "l", "y");
    model_attr_int(&m, "to", SL_FLOAT);
    check(pass_drop_expand, "Cast Cast Cast", "Cast Cast", "n,4", 8); /* the first one truncates */
}
END_TEST

START_TEST(factors_behind_a_transpose) {
    begin("n,3,4");
    model_node(&m, "MatMul", "x,w", "p");
    model_node(&m, "Transpose", "p", "t");
    model_attr_ints(&m, "perm", 3, (int64_t[]){0, 2, 1});
    model_node(&m, "Mul", "gain,t", "y");
    check(pass_hoist_scale, "MatMul Transpose Mul", "MatMul Mul Transpose", "n,4,3", 24);
    begin("n,3,4"); /* not behind anything else */
    model_node(&m, "Relu", "x", "p");
    model_node(&m, "Transpose", "p", "t");
    model_attr_ints(&m, "perm", 3, (int64_t[]){0, 2, 1});
    model_node(&m, "Sub", "gain,t", "y");
    check(pass_hoist_scale, "Relu Transpose Sub", "Relu Transpose Sub", "n,4,3", 24);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_drop_expand");
    TCase *t = tcase_create("drop_expand");
    tcase_add_test(t, expands);
    tcase_add_test(t, casts);
    tcase_add_test(t, factors_behind_a_transpose);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
