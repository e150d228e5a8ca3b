/* test_unfold_flex.c: FlexAttention with graphs inside, against sums reckoned here; and graphs that do not
 * fit. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "model_rig.h"
#include "support/mem.h"

enum { HEADS = 2, ROWS = 3, SIZE = 4 };

/* q, k and v are one input: heads of queries twice as many as those of keys where `grouped`. */
static struct model model_of(struct model *score, struct model *prob, bool grouped) {
    struct model m;
    model_begin(&m);
    model_opset(&m, "", 26);
    model_opset(&m, "ai.onnx.preview", 1);
    model_input(&m, "q", SL_FLOAT, "n,2,3,4");
    if (grouped) {
        model_ints(&m, "first", "1", (int64_t[]){0});
        model_ints(&m, "one", "1", (int64_t[]){1});
        model_node(&m, "Slice", "q,first,one,one", "k");
    }
    model_node(&m, "FlexAttention", grouped ? "q,k,k" : "q,q,q", "y");
    model_node_domain(&m, "ai.onnx.preview");
    if (score)
        model_attr_graph(&m, "score_mod", score);
    if (prob)
        model_attr_graph(&m, "prob_mod", prob);
    model_output(&m, "y", SL_FLOAT, "n,2,3,4");
    return m;
}

static struct model graph_of(const char *op) {
    struct model b;
    model_begin(&b);
    model_input(&b, "s", SL_FLOAT, "a,b,c,d");
    model_node(&b, op, "s", "t");
    model_output(&b, "t", SL_FLOAT, "a,b,c,d");
    return b;
}

static void attend(const float *x, bool grouped, bool relu, bool neg, float *y) {
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < ROWS; i++) {
            const float *q = x + (h * ROWS + i) * SIZE, *k = x + (grouped ? 0 : h) * ROWS * SIZE;
            double p[ROWS], sum = 0;
            for (int j = 0; j < ROWS; j++) {
                double s = 0;
                for (int c = 0; c < SIZE; c++)
                    s += (double)q[c] * (double)k[j * SIZE + c];
                s /= sqrt((double)SIZE);
                p[j] = exp(relu && s < 0 ? 0 : s);
                sum += p[j];
            }
            for (int c = 0; c < SIZE; c++) {
                double out = 0;
                for (int j = 0; j < ROWS; j++)
                    out += p[j] / sum * (neg ? -1 : 1) * (double)k[j * SIZE + c];
                y[(h * ROWS + i) * SIZE + c] = (float)out;
            }
        }
}

START_TEST(graphs_change_scores_and_probabilities) {
    float x[2 * HEADS * ROWS * SIZE], want[HEADS * ROWS * SIZE];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)((i * 37) % 23) / 11 - 1;
    for (int how = 0; how < 8; how++) {
        struct model score = graph_of("Relu"), prob = graph_of("Neg");
        struct model m = model_of(how & 1 ? &score : NULL, how & 2 ? &prob : NULL, (how & 4) != 0);
        float *y = rig_run_model(&m, 2, x);
        for (int row = 0; row < 2; row++) {
            attend(x + row * HEADS * ROWS * SIZE, (how & 4) != 0, (how & 1) != 0, (how & 2) != 0, want);
            for (int i = 0; i < HEADS * ROWS * SIZE; i++)
                ck_assert_float_eq_tol(y[row * HEADS * ROWS * SIZE + i], want[i], 1e-5F);
        }
        mem_free(y);
        model_end(&m);
        model_end(&score);
        model_end(&prob);
    }
}
END_TEST

static void refused(struct model *m, const char *why) {
    sl_error err = {0};
    struct plan *plan;
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_int_eq(plan_make(&plan, graph, &(struct plan_options){.batch = 2}, &err), SL_E_MODEL);
    ck_assert_msg(strstr(err.text, why) != NULL, "'%s', not '%s'", err.text, why);
    graph_close(graph);
    model_end(m);
}

START_TEST(graphs_that_do_not_fit) {
    struct model b = graph_of("Transpose"), m = model_of(&b, NULL, false);
    refused(&m, "its graph 'score_mod' changes the shape or dtype");
    model_end(&b);
    b = graph_of("Relu");
    model_output(&b, "s", SL_FLOAT, "a,b,c,d");
    m = model_of(NULL, &b, false);
    refused(&m, "its graph 'prob_mod' must have one input and one output");
    model_end(&b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("unfold_flex");
    TCase *c = tcase_create("flex");
    tcase_add_test(c, graphs_change_scores_and_probabilities);
    tcase_add_test(c, graphs_that_do_not_fit);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
