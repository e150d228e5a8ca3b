/* test_tensor_pool.c: tensor.pool with a mask of the model's input, and what is done to every number:
 * normalize_l2, sigmoid, threshold, round; tensor.part. */
#include <math.h>

#include "tests/unit/chain_rig.h"

static const float steps[4][2] = {{1, -2}, {3, 4}, {-5, 6}, {NAN, NAN}};

static void expect_pool(const char *mode, sl_dtype dtype, const void *mask, float a, float b) {
    struct rig rig;
    char text[128];
    struct chain_input input = {.name = "m",
                                .spec = {.kind = SL_KIND_TENSOR, .dtype = dtype, .rank = 1, .dims = {4}}};
    struct chain_options options = rig_options();
    options.inputs = &input;
    options.input_count = 1;
    snprintf(text, sizeof text, "[{\"tensor.pool\": {\"mode\": \"%s\", \"mask\": \"m\"}}]", mode);
    int64_t dims[] = {4, 2};
    sl_spec in = rig_tensor(SL_FLOAT, 2, dims);
    RIG_OK(rig_open_with(&rig, text, in, NULL, &options));
    chain_set_inputs(rig.ctx, &mask);
    sl_value value = rig_value(&in, (void *)(uintptr_t)steps);
    RIG_OK(rig_apply(&rig, &value));
    ck_assert_int_eq(rig.out.tensor.rank, 1);
    ck_assert_msg(rig_floats(&rig)[0] == a && rig_floats(&rig)[1] == b, "%s: %g %g, expected %g %g", mode,
                  (double)rig_floats(&rig)[0], (double)rig_floats(&rig)[1], (double)a, (double)b);
    rig_close(&rig);
}

START_TEST(pool) {
    const int64_t three[] = {1, 1, 1, 0}, one[] = {0, 1, 0, 0}, none[] = {0, 0, 0, 0};
    const int32_t ends[] = {1, 0, 1, 0};
    const float half[] = {1.0f, 0.5f, 0.0f, 0.0f};
    expect_pool("mean", SL_INT64, three, -1.0f / 3.0f, 8.0f / 3.0f);
    expect_pool("mean", SL_INT64, one, 3, 4);
    expect_pool("mean", SL_INT64, none, 0, 0);
    expect_pool("mean", SL_INT32, ends, -2, 2);
    expect_pool("mean", SL_FLOAT, half, (float)(2.5 / 1.5), 0);
    expect_pool("max", SL_INT64, three, 3, 6);
    expect_pool("max", SL_INT32, ends, 1, 6);
    expect_pool("first", SL_INT64, one, 3, 4);
    expect_pool("last", SL_INT32, ends, -5, 6);
    expect_pool("mean_sqrt", SL_INT64, three, (float)(-1 / sqrt(3.0)), (float)(8 / sqrt(3.0)));
}
END_TEST

START_TEST(pool_refusals) {
    struct rig rig;
    int64_t dims[] = {4, 2};
    sl_spec in = rig_tensor(SL_FLOAT, 2, dims);
    RIG_REFUSED(rig_open(&rig, "[{\"tensor.mean_pool\": {\"mask\": \"m\"}}]", in, NULL),
                "cannot use transform 'tensor.mean_pool': the model has no input or output 'm' (step 1, which gets "
                "float [4,2])");
    ck_assert_int_eq(rig_open(&rig, "[{\"tensor.pool\": {\"mode\": \"median\"}}]", in, NULL), SL_E_MODEL);
    struct chain_input input = {.name = "m",
                                .spec = {.kind = SL_KIND_TENSOR, .dtype = SL_INT64, .rank = 1, .dims = {5}}};
    struct chain_options options = rig_options();
    options.inputs = &input;
    options.input_count = 1;
    RIG_REFUSED(rig_open_with(&rig, "[{\"tensor.pool\": {\"mask\": \"m\"}}]", in, NULL, &options),
                "cannot use transform 'tensor.pool': input 'm' is no mask of 4 numbers (step 1, which gets "
                "float [4,2])");
}
END_TEST

static void run(const char *json, const float *x, int64_t count, struct rig *rig) {
    sl_spec in = rig_tensor(SL_FLOAT, 1, &count);
    ck_assert_msg(rig_open(rig, json, in, NULL) == SL_OK, "%s", rig->err.text);
    sl_value value = rig_value(&in, (void *)(uintptr_t)x);
    ck_assert_int_eq(rig_apply(rig, &value), SL_OK);
}

START_TEST(every_number) {
    struct rig rig;
    const float x[] = {0.0f, 2.0f, -800.0f, 800.0f};
    run("[\"tensor.sigmoid\"]", x, 4, &rig);
    ck_assert(rig_floats(&rig)[0] == 0.5f && rig_floats(&rig)[2] == 0.0f && rig_floats(&rig)[3] == 1.0f);
    ck_assert(rig_floats(&rig)[1] == (float)(1 / (1 + exp(-2.0))));
    rig_close(&rig);
    run("[{\"tensor.threshold\": 1.5}]", x, 4, &rig);
    const int64_t *y = rig.out.tensor.data;
    ck_assert_int_eq(rig.out.tensor.dtype, SL_INT64);
    ck_assert(y[0] == 0 && y[1] == 1 && y[2] == 0 && y[3] == 1);
    rig_close(&rig);
    const float half[] = {0.5f, 1.5f, -2.5f, 0.5f};
    run("[\"tensor.threshold\"]", half, 4, &rig);
    ck_assert_int_eq(((const int64_t *)rig.out.tensor.data)[0], 0); /* not more than 0.5 */
    rig_close(&rig);
    run("[\"tensor.round\"]", half, 4, &rig);
    ck_assert(rig_floats(&rig)[0] == 0.0f && rig_floats(&rig)[1] == 2.0f && rig_floats(&rig)[2] == -2.0f);
    rig_close(&rig);
    const float digits[] = {0.12345f, -1.0f, 99.995f, NAN};
    run("[{\"tensor.round\": 3}]", digits, 4, &rig);
    ck_assert(rig_floats(&rig)[0] == 0.123f && rig_floats(&rig)[1] == -1.0f && isnan(rig_floats(&rig)[3]));
    rig_close(&rig);
    const float sides[] = {3.0f, 0.0f, -4.0f, 0.0f};
    run("[\"tensor.normalize_l2\"]", sides, 4, &rig);
    ck_assert(rig_floats(&rig)[0] == 0.6f && rig_floats(&rig)[2] == -0.8f && rig_floats(&rig)[1] == 0.0f);
    rig_close(&rig);
    const float zeros[4] = {0};
    run("[\"tensor.normalize_l2\"]", zeros, 4, &rig);
    ck_assert(rig_floats(&rig)[0] == 0.0f);
    rig_close(&rig);
}
END_TEST

START_TEST(part) {
    struct rig rig;
    int64_t dims[] = {4, 2};
    sl_spec in = rig_tensor(SL_FLOAT, 2, dims);
    RIG_OK(rig_open(&rig, "[{\"tensor.part\": 2}]", in, NULL));
    sl_value value = rig_value(&in, (void *)(uintptr_t)steps);
    RIG_OK(rig_apply(&rig, &value));
    ck_assert(rig_floats(&rig)[0] == -5.0f && rig_floats(&rig)[1] == 6.0f);
    rig_close(&rig);
    ck_assert_int_eq(rig_open(&rig, "[{\"tensor.part\": 4}]", in, NULL), SL_E_MODEL);
    ck_assert_int_eq(rig_open(&rig, "[{\"tensor.part\": \"a\"}]", in, NULL), SL_E_MODEL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tensor_pool");
    TCase *tc = tcase_create("tensor_pool");
    tcase_add_test(tc, pool);
    tcase_add_test(tc, pool_refusals);
    tcase_add_test(tc, every_number);
    tcase_add_test(tc, part);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
