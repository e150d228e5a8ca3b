/* test_passes_transpose.c: chains of Reshapes and Transposes keep one Transpose at most, and one that turns
 * rows round sinks to another behind it. Layouts over random chains are what the nodes compute. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/passes/layout.h"
#include "harness.h"
#include "work_rig.h"

static struct model m;
static int shapes;
static int64_t batch;

static void begin(const char *dims) {
    model_begin(&m);
    model_opset(&m, "", 20);
    model_input(&m, "x", SL_FLOAT, dims);
    shapes = 0;
    batch = *dims == 'n' ? 2 : *dims - '0';
}

static void turn(const char *in, const char *out, const char *perm) {
    int64_t list[8];
    size_t count = 0;
    for (; perm[count]; count++)
        list[count] = perm[count] - '0';
    model_node(&m, "Transpose", in, out);
    model_attr_ints(&m, "perm", count, list);
}

static void shape(const char *in, const char *out, size_t count, const int64_t *dims) {
    char name[16], list[64], rank[8];
    snprintf(name, sizeof name, "s%d", shapes++);
    snprintf(rank, sizeof rank, "%zu", count);
    snprintf(list, sizeof list, "%s,%s", in, name);
    model_ints(&m, name, rank, dims);
    model_node(&m, "Reshape", list, out);
}

static void check(sl_status (*pass)(struct work *, sl_error *), size_t inputs, size_t outputs,
                  const char *before, const char *after) {
    struct work_rig r;
    sl_error err = {0};
    const float *old[1], *new[1];
    static float x[4096], y[4096];
    for (size_t i = 0; i < inputs; i++)
        x[i] = (float)(rand() % 2000 - 1000) / 300;
    work_rig_open(&r, &m, batch);
    if (before)
        ck_assert_str_eq(work_rig_nodes(&r), before);
    work_rig_run(&r, x, old);
    memcpy(y, old[0], outputs * sizeof *y);
    ck_assert_int_eq(pass(&r.work, &err), SL_OK);
    ck_assert_int_eq(pass_dead_code(&r.work, &err), SL_OK);
    if (after)
        ck_assert_str_eq(work_rig_nodes(&r), after);
    work_rig_run(&r, x, new);
    for (size_t i = 0; i < outputs; i++)
        ck_assert_msg(fabsf(y[i] - new[0][i]) <= 1e-5f * (fabsf(y[i]) + 1), "%zu: %g, not %g", i,
                      (double)new[0][i], (double)y[i]);
    work_rig_close(&r);
    model_end(&m);
}

START_TEST(chains_cancel_and_merge) {
    begin("n,3,4");
    turn("x", "a", "021");
    turn("a", "y", "021");
    model_output(&m, "y", SL_FLOAT, "n,3,4");
    check(pass_transpose, 24, 24, "Transpose Transpose", "Reshape");
    begin("n,3,4"); /* through a flattening, as keys are turned */
    shape("x", "a", 4, (int64_t[]){2, 3, 2, 2});
    turn("a", "b", "0213");
    shape("b", "c", 3, (int64_t[]){4, 3, 2});
    turn("c", "d", "021");
    shape("d", "y", 4, (int64_t[]){2, 2, 2, 3});
    model_output(&m, "y", SL_FLOAT, "n,2,2,3");
    check(pass_transpose, 24, 24, "Reshape Transpose Reshape Transpose Reshape", "Transpose Reshape Reshape");
    begin("n,3,4"); /* one is left as it is */
    turn("x", "a", "102");
    shape("a", "y", 2, (int64_t[]){6, 4});
    model_output(&m, "y", SL_FLOAT, "6,4");
    check(pass_transpose, 24, 24, "Transpose Reshape", "Transpose Reshape");
}
END_TEST

START_TEST(rows_sink_through_a_product) {
    static const float w[12] = {1, -2, 3, 4, 0.5f, 6, 7, -8, 9, 1, 1, 2};
    begin("n,3,4"); /* rows turned, product, turned back */
    model_floats(&m, "w", "4,3", w);
    turn("x", "t", "102");
    model_node(&m, "MatMul", "t,w", "p");
    model_node(&m, "Relu", "p", "r");
    turn("r", "y", "102");
    model_output(&m, "y", SL_FLOAT, "n,3,3");
    check(pass_transpose, 24, 18, "Transpose MatMul Relu Transpose", "MatMul Relu Reshape");
    begin("n,3,4"); /* the columns are turned too: it stays */
    model_floats(&m, "w", "3,4", w);
    turn("x", "t", "021");
    model_node(&m, "MatMul", "t,w", "p");
    turn("p", "y", "021");
    model_output(&m, "y", SL_FLOAT, "n,4,4");
    check(pass_transpose, 24, 32, "Transpose MatMul Transpose", "Transpose MatMul Transpose");
    begin("4,3,4"); /* the next Transpose turns other rows: nothing is gained */
    model_floats(&m, "w", "4,3", w);
    shape("x", "s", 4, (int64_t[]){2, 2, 3, 4});
    turn("s", "t", "1023");
    model_node(&m, "MatMul", "t,w", "p");
    turn("p", "y", "0213");
    model_output(&m, "y", SL_FLOAT, "2,3,2,3");
    check(pass_transpose, 48, 36, "Reshape Transpose MatMul Transpose", "Reshape Transpose MatMul Transpose");
    begin("n,3,4"); /* no Transpose waits behind: it stays where the rows are narrow */
    model_floats(&m, "w", "4,3", w);
    turn("x", "t", "102");
    model_node(&m, "MatMul", "t,w", "y");
    model_output(&m, "y", SL_FLOAT, "3,n,3");
    check(pass_transpose, 24, 18, "Transpose MatMul", "Transpose MatMul");
}
END_TEST

/* Factors of 48 and their orders: whatever the chain, what is built from the layout is the same. */
static size_t random_dims(int64_t *dims) {
    int64_t left = 48;
    size_t rank = 0;
    while (left > 1 && rank < 5) {
        int64_t d = rand() % 4 == 0 ? 1 : 2 + rand() % 3;
        if (rank == 4 || left % d)
            d = rank == 4 ? left : 1;
        dims[rank++] = d;
        left /= d;
    }
    if (left > 1)
        dims[rank - 1] *= left;
    return rank;
}

START_TEST(random_chains) {
    srand(17);
    for (int round = 0; round < 300; round++) {
        char in[8] = "x", out[8], perm[9], dims_text[32] = "";
        int64_t dims[8] = {2, 4, 6};
        size_t rank = 3;
        int count = 2 + rand() % 5;
        begin("n,4,6");
        for (int i = 0; i < count; i++) {
            snprintf(out, sizeof out, i == count - 1 ? "y" : "v%d", i);
            if (rand() % 2) {
                rank = random_dims(dims);
                shape(in, out, rank, dims);
            } else {
                int64_t was[8];
                memcpy(was, dims, sizeof was);
                for (size_t k = 0; k < rank; k++)
                    perm[k] = (char)('0' + k);
                perm[rank] = 0;
                for (size_t k = rank; k-- > 1;) {
                    size_t other = (size_t)rand() % (k + 1);
                    char c = perm[k];
                    perm[k] = perm[other];
                    perm[other] = c;
                }
                for (size_t k = 0; k < rank; k++)
                    dims[k] = was[perm[k] - '0'];
                turn(in, out, perm);
            }
            strcpy(in, out);
        }
        for (size_t k = 0; k < rank; k++)
            snprintf(dims_text + strlen(dims_text), 4, k ? ",%d" : "%d", (int)dims[k]);
        model_output(&m, "y", SL_FLOAT, dims_text);
        check(pass_transpose, 48, 48, NULL, NULL);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_transpose");
    TCase *t = tcase_create("transpose");
    tcase_add_test(t, chains_cancel_and_merge);
    tcase_add_test(t, rows_sink_through_a_product);
    tcase_add_test(t, random_chains);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
