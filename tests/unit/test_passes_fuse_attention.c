/* test_passes_fuse_attention.c: the ways exporters write attention become Attention; projections that are
 * handed out in pieces become one each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "work_rig.h"

/* x [n,5,12] gives queries, keys and values of 3 heads of 4. */
#define ROWS 5
#define COLUMNS 12

static struct model m;
static float numbers[640];

static const float *fill(void) {
    for (size_t i = 0; i < 640; i++)
        numbers[i] = (float)(rand() % 1999 - 1000) / 1500;
    return numbers;
}

static void turn(const char *in, const char *out, const char *perm) {
    int64_t list[8];
    size_t count = 0;
    for (; perm[count]; count++)
        list[count] = perm[count] - '0';
    model_node(&m, "Transpose", in, out);
    model_attr_ints(&m, "perm", count, list);
}

static void begin(void) {
    srand(9);
    model_begin(&m);
    model_opset(&m, "", 20);
    model_input(&m, "x", SL_FLOAT, "n,5,12");
    model_floats(&m, "wq", "12,12", fill());
    model_floats(&m, "wk", "12,12", fill());
    model_floats(&m, "wv", "12,12", fill());
    model_floats(&m, "w", "12,36", fill());
    model_floats(&m, "wb", "36", fill());
    model_floats(&m, "mask", "2,1,1,5", (float[]){0, 0, -1e9f, 0, 0, 0, 0, 0, -1e9f, -1e9f});
    model_floats(&m, "bias", "3,5,5", fill());
    model_floats(&m, "zero", "", (float[]){0});
    model_floats(&m, "low", "", (float[]){-3e38f});
    model_floats(&m, "half", "", (float[]){0.5f});
    model_floats(&m, "four", "", (float[]){4});
    model_floats(&m, "root", "", (float[]){0.70710678f});
    model_ints(&m, "heads", "4", (int64_t[]){0, 0, 3, 4});
    model_ints(&m, "rows", "3", (int64_t[]){0, 0, 12});
}

static void project(void) {
    static const char *const names[] = {"q", "k", "v"};
    begin();
    for (int i = 0; i < 3; i++) {
        char a[8], b[8], c[8], list[16];
        snprintf(a, sizeof a, "p%s", names[i]);
        snprintf(b, sizeof b, "r%s", names[i]);
        snprintf(c, sizeof c, "h%s", names[i]);
        snprintf(list, sizeof list, "x,w%s", names[i]);
        model_node(&m, "MatMul", list, a);
        snprintf(list, sizeof list, "%s,heads", a);
        model_node(&m, "Reshape", list, b);
        turn(b, c, i == 1 ? "0231" : "0213");
    }
}

static void finish(const char *probabilities) {
    char list[32];
    snprintf(list, sizeof list, "%s,hv", probabilities);
    model_node(&m, "MatMul", list, "o");
    turn("o", "t", "0213");
    model_node(&m, "Reshape", "t,rows", "y");
    model_output(&m, "y", SL_FLOAT, "n,5,12");
}

static void check(const char *after) {
    static sl_status (*const passes[])(struct work *, sl_error *) = {
        pass_fuse_linear, pass_transpose, pass_split_linear, pass_attention, pass_transpose, pass_dead_code};
    struct work_rig r;
    sl_error err = {0};
    const float *old[2], *new[2];
    static float x[2 * ROWS * COLUMNS], y[2 * ROWS * COLUMNS];
    char text[256] = "", *out = text;
    for (int i = 0; i < 2 * ROWS * COLUMNS; i++)
        x[i] = (float)(rand() % 2000 - 1000) / 300;
    work_rig_open(&r, &m, 2);
    work_rig_run(&r, x, old);
    memcpy(y, old[0], sizeof y);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
        ck_assert_int_eq(passes[i](&r.work, &err), SL_OK);
    for (size_t i = 0; i < r.work.node_count; i++) /* views cost nothing */
        if (!r.work.nodes[i].dead && !r.work.nodes[i].op->view)
            out += sprintf(out, "%s%s", out == text ? "" : " ", r.work.nodes[i].op->name);
    ck_assert_str_eq(text, after);
    work_rig_run(&r, x, new);
    for (int i = 0; i < 2 * ROWS * COLUMNS; i++)
        ck_assert_msg(fabsf(y[i] - new[0][i]) <= 1e-5f * (fabsf(y[i]) + 1), "%d: %g, not %g", i,
                      (double)new[0][i], (double)y[i]);
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(masks_and_factors) {
    project(); /* behind the product, with an added mask */
    model_node(&m, "MatMul", "hq,hk", "s");
    model_node(&m, "Div", "s,four", "d");
    model_node(&m, "Add", "d,mask", "a");
    model_node(&m, "Softmax", "a", "p");
    finish("p");
    check("MatMul MatMul MatMul Attention");
    project(); /* half at q, half at k; a bias for each head */
    model_node(&m, "Mul", "hq,root", "sq");
    model_node(&m, "Mul", "root,hk", "sk");
    model_node(&m, "MatMul", "sq,sk", "s");
    model_node(&m, "Add", "bias,s", "a");
    model_node(&m, "Softmax", "a", "p");
    finish("p");
    check("MatMul MatMul MatMul Attention");
    project(); /* no mask, no factor */
    model_node(&m, "MatMul", "hq,hk", "s");
    model_node(&m, "Softmax", "s", "p");
    finish("p");
    check("MatMul MatMul MatMul Attention");
}
END_TEST

START_TEST(guards_and_choices) {
    project(); /* the guard against rows without keys */
    model_node(&m, "MatMul", "hq,hk", "s");
    model_node(&m, "Add", "s,mask", "a");
    model_node(&m, "Softmax", "a", "p");
    model_node(&m, "IsNaN", "p", "n");
    model_node(&m, "Where", "n,zero,p", "g");
    finish("g");
    check("MatMul MatMul MatMul Attention");
    for (int i = 0; i < 2; i++) { /* Where instead of Add, either way round */
        project();
        model_node(&m, "Equal", "mask,zero", "keep");
        model_node(&m, "Less", "mask,zero", "hide");
        model_node(&m, "MatMul", "hq,hk", "s");
        model_node(&m, "Mul", "s,half", "f");
        model_node(&m, "Where", i ? "keep,f,low" : "hide,low,f", "a");
        model_node(&m, "Softmax", "a", "p");
        finish("p");
        check("MatMul MatMul MatMul Where Attention"); /* the mask is constant here, but made by a node */
    }
}
END_TEST

/* The batch is two windows here, each with a mask of its own. */
START_TEST(windows) {
    for (int i = 0; i < 2; i++) {
        project();
        model_floats(&m, "shift", "1,2,1,5,5", (float[50]){-100, [7] = -100, [31] = -100, [49] = -100});
        model_ints(&m, "apart", "5", (int64_t[]){1, 2, 3, 5, 5});
        model_ints(&m, "joined", "4", (int64_t[]){2, 3, 5, 5});
        model_node(&m, "MatMul", "hq,hk", "s");
        if (i)
            model_node(&m, "Add", "s,bias", "a");
        model_node(&m, "Reshape", i ? "a,apart" : "s,apart", "w5");
        model_node(&m, "Add", "w5,shift", "m5");
        model_node(&m, "Reshape", "m5,joined", "a4");
        model_node(&m, "Softmax", "a4", "p");
        finish("p");
        check("MatMul MatMul MatMul Transpose Transpose Transpose Attention Transpose");
    }
}
END_TEST

START_TEST(what_stays) {
    project(); /* softmax over the queries */
    model_node(&m, "MatMul", "hq,hk", "s");
    model_node(&m, "Softmax", "s", "p");
    model_attr_int(&m, "axis", 2);
    finish("p");
    check("MatMul Transpose MatMul Transpose MatMul Transpose MatMul Softmax MatMul Transpose");
    project(); /* somebody reads the weights */
    model_node(&m, "MatMul", "hq,hk", "s");
    model_node(&m, "Softmax", "s", "p");
    finish("p");
    model_output(&m, "p", SL_FLOAT, "n,3,5,5");
    check("MatMul Transpose MatMul Transpose MatMul Transpose MatMul Softmax MatMul Transpose");
    project(); /* scaled behind the mask */
    model_node(&m, "MatMul", "hq,hk", "s");
    model_node(&m, "Add", "s,bias", "a");
    model_node(&m, "Mul", "a,half", "f");
    model_node(&m, "Softmax", "f", "p");
    finish("p");
    check("MatMul Transpose MatMul Transpose MatMul Transpose MatMul Add Mul Softmax MatMul Transpose");
}
END_TEST

/* One projection [.., 36] as [n, rows, 3, heads, 4] with the three in front. */
static void packed(bool split) {
    begin();
    model_ints(&m, "pack", "5", (int64_t[]){0, 0, 3, 3, 4});
    model_ints(&m, "first", "", (int64_t[]){0});
    model_ints(&m, "second", "", (int64_t[]){1});
    model_ints(&m, "third", "", (int64_t[]){-1});
    model_ints(&m, "front", "1", (int64_t[]){0});
    model_node(&m, "MatMul", "x,w", "p");
    model_node(&m, "Add", "p,wb", "b");
    model_node(&m, "Reshape", "b,pack", "r");
    turn("r", "packed", "20314");
    if (split) {
        model_node(&m, "Split", "packed", "q1,k1,v1");
        model_attr_int(&m, "num_outputs", 3);
        model_node(&m, "Squeeze", "q1,front", "hq");
        model_node(&m, "Squeeze", "k1,front", "hk1");
        model_node(&m, "Squeeze", "v1,front", "hv");
    } else {
        model_node(&m, "Gather", "packed,first", "hq");
        model_node(&m, "Gather", "packed,second", "hk1");
        model_node(&m, "Gather", "packed,third", "hv");
    }
    turn("hk1", "hk", "0132");
    model_node(&m, "MatMul", "hq,hk", "s");
    model_node(&m, "Softmax", "s", "pr");
}

START_TEST(packed_projections) {
    for (int i = 0; i < 2; i++) {
        packed(i);
        finish("pr");
        check("Linear Linear Linear Attention");
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_fuse_attention");
    TCase *t = tcase_create("attention");
    tcase_add_test(t, masks_and_factors);
    tcase_add_test(t, guards_and_choices);
    tcase_add_test(t, windows);
    tcase_add_test(t, what_stays);
    tcase_add_test(t, packed_projections);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
