/* test_passes_fuse_tokens.c: a text vectorizer in one step says what it said in three. */
#include <string.h>

#include "harness.h"
#include "model_rig.h"
#include "support/mem.h"

enum { ROWS = 6, WIDTH = 4, ROOM = 40 };

/* skl2onnx's chain over words of a, b and c; `pad` stands behind the last. */
static void text_model(struct model *m, const char *mode, const char *pad, bool second_reader) {
    model_begin(m);
    model_opset(m, "", 18);
    model_opset(m, "com.microsoft", 1);
    model_input(m, "x", SL_STRING, "n,1");
    model_node(m, "Tokenizer", "x", "t");
    model_node_domain(m, "com.microsoft");
    model_attr_text(m, "tokenexp", "[a-z]+");
    model_attr_text(m, "pad_value", pad);
    model_attr_int(m, "mark", 0);
    model_attr_int(m, "mincharnum", 1);
    model_node(m, "Flatten", "t", "f");
    model_node(m, "TfIdfVectorizer", "f", "y");
    model_attr_text(m, "mode", mode);
    model_attr_texts(m, "pool_strings", "a,b,a,b,c,pad");
    model_attr_ints(m, "ngram_counts", 2, (int64_t[]){0, 2});
    model_attr_ints(m, "ngram_indexes", 4, (int64_t[]){3, 0, 1, 2});
    model_attr_floats(m, "weights", 4, (float[]){0.5F, 2, 4, 0.25F});
    model_attr_int(m, "min_gram_length", 1);
    model_attr_int(m, "max_gram_length", 2);
    model_attr_int(m, "max_skip_count", 1);
    model_output(m, "y", SL_FLOAT, "n,4");
    if (second_reader)
        model_output(m, "t", SL_STRING, "n,1,20");
}

static struct plan *plan_of(struct model *m, bool passes, struct graph **graph) {
    struct plan *plan = NULL;
    sl_error err = {0};
    struct plan_options options = {.batch = ROWS, .text_row_nbytes = ROOM, .no_passes = !passes};
    *graph = model_load(m, &err);
    ck_assert_msg(*graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&plan, *graph, &options, &err) == SL_OK, "%s", err.text);
    return plan;
}

static float *answer(struct model *m, bool passes, size_t *steps) {
    static const char *const texts[ROWS] = {"a b a b", "",         "c pad, a c a",
                                            "zz",      "ab a  b!", "a b a b a b a b a b a b a b a b a b a b"};
    sl_string x[ROWS];
    struct graph *graph;
    struct plan *plan = plan_of(m, passes, &graph);
    void *y;
    for (int i = 0; i < ROWS; i++)
        x[i] = (sl_string){texts[i], strlen(texts[i])};
    *steps = plan->step_count;
    rig_run(plan, (const void *[]){x}, &y);
    plan_close(plan);
    graph_close(graph);
    return y;
}

/* In all modes, and where the pool holds the padding, which then counts. */
START_TEST(same_in_one_step) {
    static const char *const modes[] = {"TF", "IDF", "TFIDF"};
    struct model m;
    for (int i = 0; i < 6; i++) {
        size_t before, after;
        text_model(&m, modes[i % 3], i < 3 ? "#" : "pad", false);
        float *want = answer(&m, false, &before), *got = answer(&m, true, &after);
        ck_assert_uint_eq(before, 2);
        ck_assert_uint_eq(after, 1);
        ck_assert(!memcmp(want, got, ROWS * WIDTH * sizeof *got));
        ck_assert_float_gt(got[3], 0); /* "a" is there */
        mem_free(want);
        mem_free(got);
        model_end(&m);
    }
}
END_TEST

START_TEST(kept_where_tokens_are_read_again) {
    struct model m;
    struct graph *graph;
    text_model(&m, "TF", "#", true);
    struct plan *plan = plan_of(&m, true, &graph);
    ck_assert_uint_eq(plan->step_count, 2);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_fuse_tokens");
    TCase *tests = tcase_create("passes_fuse_tokens");
    tcase_add_test(tests, same_in_one_step);
    tcase_add_test(tests, kept_where_tokens_are_read_again);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
