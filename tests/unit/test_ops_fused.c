/* test_ops_fused.c: sluice.Conv and sluice.Linear equal the plain operators one after the other, for every
 * activation, with and without bias and residual; the residual may lie where the result goes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model_rig.h"
#include "ops/fuse.h"
#include "support/mem.h"

struct choice {
    enum fuse_activation activation;
    const char *plain; /* the operator that says the same; NULL: none, or more than one */
    float alpha, beta;
};

static const struct choice choices[] = {
    {FUSE_NONE, NULL, 0, 0},
    {FUSE_RELU, "Relu", 0, 0},
    {FUSE_LEAKY_RELU, "LeakyRelu", 0.3f, 0},
    {FUSE_ELU, "Elu", 0.7f, 0},
    {FUSE_CLIP, "Clip", -0.5f, 1.5f},
    {FUSE_SIGMOID, "Sigmoid", 0, 0},
    {FUSE_HARD_SIGMOID, "HardSigmoid", 0.3f, 0.4f},
    {FUSE_HARD_SWISH, "HardSwish", 0, 0},
    {FUSE_SILU, "Swish", 0, 0},
    {FUSE_TANH, "Tanh", 0, 0},
    {FUSE_GELU, "Gelu", 0, 0},
    {FUSE_GELU_TANH, "Gelu", 0, 0},
    {FUSE_MISH, "Mish", 0, 0},
};
#define CHOICES ((int)(sizeof choices / sizeof *choices))

static float numbers[3][1024];

static void fill(void) {
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 1024; i++)
            numbers[k][i] = (float)(rand() % 2001 - 1000) / 700;
}

struct variant {
    const struct choice *choice;
    bool bias, residual, fused, transposed;
};

static void add_activation(struct model *m, const struct variant *v) {
    const struct choice *c = v->choice;
    bool tanh_form = c->activation == FUSE_GELU_TANH;
    if (c->activation == FUSE_CLIP) {
        model_floats(m, "low", "", &c->alpha);
        model_floats(m, "high", "", &c->beta);
    }
    model_node(m, c->plain ? c->plain : "Identity", c->activation == FUSE_CLIP ? "h,low,high" : "h", "y");
    if (c->activation == FUSE_LEAKY_RELU || c->activation == FUSE_ELU || c->activation == FUSE_HARD_SIGMOID)
        model_attr_float(m, "alpha", c->alpha);
    if (c->activation == FUSE_HARD_SIGMOID)
        model_attr_float(m, "beta", c->beta);
    if (tanh_form)
        model_attr_text(m, "approximate", "tanh");
}

static void add_fused(struct model *m, const struct variant *v, const char *op) {
    char list[32];
    snprintf(list, sizeof list, "x,w,%s,%s", v->bias ? "b" : "", v->residual ? "r" : "");
    model_node(m, op, list, "y");
    model_node_domain(m, "sluice");
    model_attr_text(m, "activation", fuse_name(v->choice->activation));
    model_attr_float(m, "alpha", v->choice->alpha);
    model_attr_float(m, "beta", v->choice->beta);
}

/* Residuals are constants here: with the batch in them. */
static float *run_conv(const struct variant *v) {
    struct model m;
    model_begin(&m);
    model_opset(&m, "", 24);
    model_opset(&m, "sluice", 1);
    model_input(&m, "x", SL_FLOAT, "n,4,6,5");
    model_floats(&m, "w", "6,2,3,3", numbers[0]);
    model_floats(&m, "b", "6", numbers[1]);
    model_floats(&m, "r", "2,6,3,2", numbers[1] + 6);
    if (v->fused) {
        add_fused(&m, v, "Conv");
    } else {
        model_node(&m, "Conv", v->bias ? "x,w,b" : "x,w", v->residual ? "c" : "h");
    }
    model_attr_int(&m, "group", 2);
    model_attr_ints(&m, "strides", 2, (int64_t[]){2, 2});
    model_attr_ints(&m, "pads", 4, (int64_t[]){1, 0, 0, 1});
    if (!v->fused && v->residual)
        model_node(&m, "Add", "c,r", "h");
    if (!v->fused)
        add_activation(&m, v);
    model_output(&m, "y", SL_FLOAT, "n,6,3,2");
    float *y = rig_run_model(&m, 2, numbers[2]);
    model_end(&m);
    return y;
}

static float *run_linear(const struct variant *v) {
    struct model m;
    model_begin(&m);
    model_opset(&m, "", 24);
    model_opset(&m, "sluice", 1);
    model_input(&m, "x", SL_FLOAT, "n,3,5");
    model_floats(&m, "w", v->transposed ? "7,5" : "5,7", numbers[0]);
    model_floats(&m, "b", "7", numbers[1]);
    model_floats(&m, "r", "2,3,7", numbers[1] + 7);
    if (v->fused) {
        add_fused(&m, v, "Linear");
        model_attr_int(&m, "transB", v->transposed);
    } else {
        if (v->transposed)
            model_node(&m, "Transpose", "w", "wt");
        model_node(&m, "MatMul", v->transposed ? "x,wt" : "x,w", "p");
        model_node(&m, v->bias ? "Add" : "Identity", v->bias ? "p,b" : "p", "q");
        model_node(&m, v->residual ? "Add" : "Identity", v->residual ? "q,r" : "q", "h");
        add_activation(&m, v);
    }
    model_output(&m, "y", SL_FLOAT, "n,3,7");
    float *y = rig_run_model(&m, 2, numbers[2]);
    model_end(&m);
    return y;
}

/* The plain operators round between each other. */
static void check(float *(*run)(const struct variant *), size_t count) {
    for (int i = 0; i < CHOICES * 8; i++) {
        struct variant v = {.choice = &choices[i / 8], .bias = i & 1, .residual = i & 2, .transposed = i & 4};
        fill();
        float *plain = run(&v);
        v.fused = true;
        float *fused = run(&v);
        for (size_t k = 0; k < count; k++)
            ck_assert_msg(fabsf(plain[k] - fused[k]) <= 2e-6f * (1 + fabsf(plain[k])),
                          "%s, variant %d, element %zu: %g, not %g", fuse_name(v.choice->activation), i % 8,
                          k, (double)fused[k], (double)plain[k]);
        mem_free(plain);
        mem_free(fused);
    }
}

START_TEST(conv_is_its_parts) {
    srand(1);
    check(run_conv, 2 * 6 * 3 * 2);
}
END_TEST

START_TEST(linear_is_its_parts) {
    srand(2);
    check(run_linear, 2 * 3 * 7);
}
END_TEST

START_TEST(the_residual_may_be_overwritten) {
    float x[] = {1, 2, 3, 4}, w[] = {1, 0, 1, 1}, y[] = {10, 20, 30, 40};
    sl_tensor tx = {.dtype = SL_FLOAT, .rank = 2, .dims = {2, 2}, .data = x};
    sl_tensor tw = tx, ty = tx;
    tw.data = w;
    ty.data = y;
    const sl_tensor *in[] = {&tx, &tw, NULL, &ty};
    sl_tensor *out[] = {&ty};
    struct op_call call = {.opset = 1, .in = in, .in_count = 4, .out = out, .out_count = 1};
    op_find("sluice", "Linear", 1)->run(&call);
    ck_assert_float_eq(y[0], 13);
    ck_assert_float_eq(y[3], 44);
}
END_TEST

static void refuse(const char *op, const char *inputs, const char *activation, const char *text) {
    struct model m;
    sl_error err = {0};
    struct plan *plan;
    bool conv = !strcmp(op, "Conv");
    model_begin(&m);
    model_opset(&m, "sluice", 1);
    model_input(&m, "x", SL_FLOAT, conv ? "n,2,3" : "n,2");
    model_floats(&m, "w", conv ? "2,2,1" : "2,2", numbers[0]);
    model_floats(&m, "b", "3", numbers[0]);
    model_node(&m, op, inputs, "y");
    model_node_domain(&m, "sluice");
    model_attr_text(&m, "activation", activation);
    model_output(&m, "y", SL_FLOAT, "n,2");
    struct graph *graph = model_load(&m, &err);
    ck_assert_ptr_nonnull(graph);
    ck_assert_int_eq(plan_make(&plan, graph, &(struct plan_options){.batch = 1}, &err), SL_E_MODEL);
    ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
    graph_close(graph);
    model_end(&m);
}

START_TEST(what_does_not_fit_is_refused) {
    refuse("Linear", "x,w", "Softmax", "attribute 'activation'");
    refuse("Linear", "x,w,b", "", "expected 2 elements");
    refuse("Linear", "x,w,,b", "", "input 3 is float [3]");
    refuse("Linear", "x,b", "", "1 dims");
    refuse("Conv", "x,w,,b", "Relu", "input 3 is float [3]");
    refuse("Conv", "x,w", "relu", "attribute 'activation'");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_fused");
    TCase *t = tcase_create("fused");
    tcase_add_test(t, conv_is_its_parts);
    tcase_add_test(t, linear_is_its_parts);
    tcase_add_test(t, the_residual_may_be_overwritten);
    tcase_add_test(t, what_does_not_fit_is_refused);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
