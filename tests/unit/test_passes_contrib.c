/* test_passes_contrib.c: operators of com.microsoft before and after they are said in other words: the nodes,
 * and the same numbers. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "work_rig.h"

static struct model m;
static float numbers[4096];

/* x is [2, 4, 6]; n: [6], k: [6, 6], q: [6, 18], t: [18] */
static void begin(void) {
    for (int i = 0; i < 4096; i++)
        numbers[i] = (float)((i * 37) % 101 - 50) / 60;
    model_begin(&m);
    model_opset(&m, "", 17);
    model_opset(&m, "com.microsoft", 1);
    model_input(&m, "x", SL_FLOAT, "b,4,6");
    model_floats(&m, "n", "6", numbers + 100);
    model_floats(&m, "n2", "6", numbers + 120);
    model_floats(&m, "n3", "6", numbers + 140);
    model_floats(&m, "k", "6,6", numbers + 200);
    model_floats(&m, "q", "6,18", numbers + 300);
    model_floats(&m, "t", "18", numbers + 500);
    model_floats(&m, "s", "2,4,6", numbers + 600);
    model_floats(&m, "sb", "1,1,4,4", numbers + 700);
    model_constant(&m, "lens", SL_INT32, "2", (int32_t[]){4, 2}, 8);
    model_constant(&m, "keys", SL_INT32, "2,4", (int32_t[]){1, 1, 1, 0, 0, 1, 1, 1}, 32);
    model_constant(&m, "ends", SL_INT32, "4", (int32_t[]){4, 3, 0, 1}, 16);
}

static void node(const char *op, const char *in) {
    model_node(&m, op, in, "y");
    model_node_domain(&m, "com.microsoft");
}

static void check(const char *after) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    float kept[1024];
    model_output(&m, "y", SL_FLOAT, "?");
    work_rig_open(&r, &m, 2);
    work_rig_run(&r, numbers, old);
    const sl_tensor *t = &r.work.values[r.work.outputs[0]].tensor;
    int64_t count = 0;
    ck_assert(sl_shape_count(t->rank, t->dims, &count) && count <= 1024);
    memcpy(kept, old[0], (size_t)count * sizeof *kept);
    ck_assert_msg(pass_contrib(&r.work, &err) == SL_OK, "%s", err.text);
    ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, numbers, new);
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(fabsf(kept[i] - new[0][i]) <= 2e-6f * (fabsf(kept[i]) + 1), "at %lld: %.9g was %.9g",
                      (long long)i, (double)new[0][i], (double)kept[i]);
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(activations) {
    begin();
    node("Gelu", "x");
    check("Gelu");
    begin();
    node("BiasGelu", "x,n");
    check("Add Gelu");
    begin();
    node("FastGelu", "x");
    check("Gelu");
    begin();
    node("FastGelu", "x,n");
    check("Add Gelu");
    begin();
    node("QuickGelu", "x");
    check("Swish");
    begin();
    node("BiasAdd", "x,n,s");
    check("Add Add");
}
END_TEST

START_TEST(norms) {
    begin();
    node("SkipLayerNormalization", "x,s,n,n2,n3");
    model_attr_float(&m, "epsilon", 1e-3f);
    check("Add Add LayerNormalization");
    begin();
    node("SkipLayerNormalization", "x,s,n");
    check("Add LayerNormalization");
    begin();
    node("SkipSimplifiedLayerNormalization", "x,s,n,n2");
    check("Add Add RMSNormalization");
    begin();
    model_node(&m, "SimplifiedLayerNormalization", "x,n", "y");
    check("RMSNormalization");
}
END_TEST

/* The sum is an output of its own. */
START_TEST(skip_keeps_its_sum) {
    begin();
    model_node(&m, "SkipLayerNormalization", "x,s,n,n2", "z,,,sum");
    model_node_domain(&m, "com.microsoft");
    model_node(&m, "Mul", "z,sum", "y");
    check("Add LayerNormalization Mul");
}
END_TEST

START_TEST(products) {
    begin();
    node("FusedMatMul", "x,k");
    model_attr_int(&m, "transB", 1);
    model_attr_float(&m, "alpha", 0.5f);
    check("Linear Mul");
    begin();
    node("FusedMatMul", "x,x");
    model_attr_int(&m, "transB", 1);
    check("Transpose MatMul");
    begin();
    node("FusedMatMul", "x,x");
    model_attr_int(&m, "transA", 1);
    model_attr_float(&m, "alpha", 2);
    check("Transpose MatMul Mul");
    begin();
    node("FusedMatMul", "x,s"); /* a batch between rows and columns has no other words */
    model_attr_int(&m, "transBatchA", 1);
    model_attr_int(&m, "transBatchB", 1);
    model_attr_int(&m, "transB", 1);
    check("FusedMatMul");
}
END_TEST

START_TEST(convolution) {
    begin();
    model_floats(&m, "w", "3,4,2", numbers + 800);
    node("FusedConv", "x,w");
    model_attr_text(&m, "activation", "LeakyRelu");
    model_attr_floats(&m, "activation_params", 1, (float[]){0.3f});
    check("Conv");
}
END_TEST

START_TEST(attention) {
    static const struct {
        const char *in, *after;
    } cases[] = {{"x,q,t", "Linear Split Attention"},
                 {"x,q", "Linear Split Attention"},
                 {"x,q,t,lens", "Linear Split Unsqueeze Less Where Unsqueeze Attention"},
                 {"x,q,t,keys", "Linear Split Greater Where Unsqueeze Attention"},
                 {"x,q,t,keys,,sb", "Linear Split Greater Where Unsqueeze Add Attention"},
                 {"x,q,t,,,sb", "Linear Split Attention"},
                 {"x,q,t,ends", "Attention"}}; /* lengths and starts: stays */
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        begin();
        node("Attention", cases[i / 2].in);
        model_attr_int(&m, "num_heads", 3);
        model_attr_int(&m, "unidirectional", (int64_t)(i % 2));
        model_attr_float(&m, "mask_filter_value", -3); /* that what it hides still counts a little */
        check(cases[i / 2].after);
    }
}
END_TEST

START_TEST(heads) {
    begin();
    node("MultiHeadAttention", "x,s,x,t,keys");
    model_attr_int(&m, "num_heads", 2);
    model_attr_float(&m, "scale", 0.7f);
    check("Add Add Add Greater Where Unsqueeze Attention");
    begin();
    node("MultiHeadAttention", "x,s,s");
    model_attr_int(&m, "num_heads", 2);
    check("Attention");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_contrib");
    TCase *c = tcase_create("passes_contrib");
    tcase_add_test(c, activations);
    tcase_add_test(c, norms);
    tcase_add_test(c, skip_keeps_its_sum);
    tcase_add_test(c, products);
    tcase_add_test(c, convolution);
    tcase_add_test(c, attention);
    tcase_add_test(c, heads);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
