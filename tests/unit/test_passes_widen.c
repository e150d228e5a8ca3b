/* test_passes_widen.c: models in float16 and bfloat16 compute in float, and keep their inputs and outputs. */
#include <string.h>

#include "graph/passes/passes.h"
#include "harness.h"
#include "ops/half.h"
#include "work_rig.h"

static struct model m;

static uint16_t bits_of(sl_dtype dtype, float x) {
    return dtype == SL_FLOAT16 ? half_from_float(x) : (uint16_t)(float_bits(x) >> 16);
}

/* y = relu(x w + b) with a Cast to the half dtype in between. */
static void begin(sl_dtype dtype) {
    uint16_t w[6], b[3];
    for (int i = 0; i < 6; i++)
        w[i] = bits_of(dtype, (float)i - 2.5F);
    for (int i = 0; i < 3; i++)
        b[i] = bits_of(dtype, 0.25F * (float)i);
    model_begin(&m);
    model_input(&m, "x", dtype, "n,2");
    model_constant(&m, "w", dtype, "2,3", w, sizeof w);
    model_constant(&m, "b", dtype, "3", b, sizeof b);
    model_node(&m, "MatMul", "x,w", "p");
    model_node(&m, "Add", "p,b", "s");
    model_node(&m, "Cast", "s", "c");
    model_attr_int(&m, "to", dtype);
    model_node(&m, "Relu", "c", "y");
    model_output(&m, "y", dtype, "n,3");
}

START_TEST(halves_become_floats) {
    static const sl_dtype dtypes[] = {SL_FLOAT16, SL_BFLOAT16};
    for (int k = 0; k < 2; k++) {
        struct work_rig r;
        sl_error err = {0};
        const float *out[1];
        uint16_t x[2] = {bits_of(dtypes[k], 1.5F), bits_of(dtypes[k], -0.5F)};
        float in[1], want[] = {0, 0, 0};
        memcpy(in, x, sizeof x);
        for (int j = 0; j < 3; j++)
            want[j] = 1.5F * ((float)j - 2.5F) - 0.5F * ((float)j + 0.5F) + 0.25F * (float)j;
        begin(dtypes[k]);
        work_rig_open(&r, &m, 1);
        ck_assert_str_eq(work_rig_nodes(&r), "MatMul Add Cast Relu");
        ck_assert_int_eq(pass_widen(&r.work, &err), SL_OK);
        ck_assert_str_eq(work_rig_nodes(&r), "Cast MatMul Add Cast Relu Cast");
        const struct work *w = &r.work;
        ck_assert_int_eq(w->values[w->inputs[0]].tensor.dtype, dtypes[k]);
        ck_assert_int_eq(w->values[w->outputs[0]].tensor.dtype, dtypes[k]);
        for (size_t i = 1; i < 5; i++)
            ck_assert_int_eq(w->values[w->nodes[i].out[0]].tensor.dtype, SL_FLOAT);
        work_rig_run(&r, in, out);
        for (int j = 0; j < 3; j++)
            ck_assert_uint_eq(((const uint16_t *)out[0])[j], bits_of(dtypes[k], want[j] > 0 ? want[j] : 0));
        work_rig_close(&r);
        model_end(&m);
    }
}
END_TEST

START_TEST(others_stay_as_they_are) {
    struct work_rig r;
    sl_error err = {0};
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,2");
    model_node(&m, "Relu", "x", "y");
    model_output(&m, "y", SL_FLOAT, "n,2");
    work_rig_open(&r, &m, 1);
    ck_assert_int_eq(pass_widen(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), "Relu");
    work_rig_close(&r);
    model_end(&m);
}
END_TEST

/* An output that is an input, and one that is a constant, keep their bits. */
START_TEST(outputs_that_nobody_computes) {
    struct work_rig r;
    sl_error err = {0};
    uint16_t bits = half_from_float(0.3F);
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT16, "n,1");
    model_constant(&m, "c", SL_FLOAT16, "1,1", &bits, sizeof bits);
    model_node(&m, "Neg", "x", "y");
    model_output(&m, "y", SL_FLOAT16, "n,1");
    model_output(&m, "x", SL_FLOAT16, "n,1");
    model_output(&m, "c", SL_FLOAT16, "1,1");
    work_rig_open(&r, &m, 1);
    ck_assert_int_eq(pass_widen(&r.work, &err), SL_OK);
    ck_assert_str_eq(work_rig_nodes(&r), "Cast Neg Cast Cast");
    const float *out[3];
    float in = 0;
    memcpy(&in, &bits, sizeof bits);
    work_rig_run(&r, &in, out);
    ck_assert_uint_eq(*(const uint16_t *)out[0], bits ^ 0x8000u);
    ck_assert_uint_eq(*(const uint16_t *)out[1], bits);
    ck_assert_uint_eq(*(const uint16_t *)out[2], bits);
    work_rig_close(&r);
    model_end(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_widen");
    TCase *c = tcase_create("widen");
    tcase_add_test(c, halves_become_floats);
    tcase_add_test(c, others_stay_as_they_are);
    tcase_add_test(c, outputs_that_nobody_computes);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
