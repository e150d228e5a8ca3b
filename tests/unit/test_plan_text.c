/* test_plan_text.c: texts that steps make: the room that is planned for them, that it is enough for the
 * longest there may be, and that those which go out outlive the batch. */
#include <string.h>

#include "graph/run_reference.h"
#include "harness.h"
#include "model_rig.h"
#include "support/mem.h"

enum { ROWS = 4, ROOM = 10 }; /* bytes of a row's texts */

static struct plan *plan_of(struct model *m, struct graph **graph) {
    struct plan *plan = NULL;
    sl_error err = {0};
    struct plan_options options = {.batch = ROWS, .text_row_nbytes = ROOM};
    *graph = model_load(m, &err);
    ck_assert_msg(*graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&plan, *graph, &options, &err) == SL_OK, "%s", err.text);
    return plan;
}

static sl_string text_of(const char *text) {
    return (sl_string){text, strlen(text)};
}

static void is_text(const void *texts, size_t i, const char *want) {
    sl_string have = ((const sl_string *)texts)[i];
    ck_assert_msg(have.nbytes == strlen(want) && !memcmp(have.data, want, have.nbytes),
                  "text %zu is '%.*s', not '%s'", i, (int)have.nbytes, have.data, want);
}

/* x twice and a constant in between, in upper case; and x itself. */
static void shout(struct model *m) {
    model_begin(m);
    model_opset(m, "", 20);
    model_input(m, "x", SL_STRING, "n,1");
    model_node(m, "Constant", "", "dash");
    model_attr_texts(m, "value_strings", "--");
    model_node(m, "StringConcat", "x,dash", "half");
    model_node(m, "StringConcat", "half,x", "whole");
    model_ints(m, "flat", "1", (int64_t[]){-1});
    model_node(m, "Reshape", "whole,flat", "line");
    model_node(m, "StringNormalizer", "line", "y");
    model_attr_text(m, "case_change_action", "UPPER");
    model_node(m, "Identity", "x", "same");
    model_output(m, "y", SL_STRING, "n");
    model_output(m, "same", SL_STRING, "n,1");
}

START_TEST(room_is_planned) {
    struct model m;
    struct graph *graph;
    shout(&m);
    struct plan *plan = plan_of(&m, &graph);
    size_t half = ROWS * (ROOM + 2), whole = half + ROWS * ROOM, upper = whole + whole / 2;
    ck_assert_uint_eq(plan->text_row_nbytes, ROOM);
    ck_assert_uint_eq(plan->text_nbytes, half + whole + upper);
    ck_assert_uint_eq(plan->outputs[0].text_longest, (2 * ROOM + 2) * 3 / 2);
    ck_assert_uint_eq(plan->outputs[0].text_nbytes, upper);
    ck_assert_uint_eq(plan->outputs[1].text_longest, ROOM);
    ck_assert_uint_eq(plan->outputs[1].text_nbytes, 0); /* the slot has these bytes already */
    ck_assert_uint_ge(plan->output_nbytes, plan->outputs[0].text_offset + upper);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

static void *output_at(const struct plan *plan, char *output, size_t i) {
    return output + plan->values[plan->outputs[i].value].offset;
}

START_TEST(results_outlive_the_batch) {
    struct model m;
    struct graph *graph;
    struct reference *reference = NULL;
    sl_error err = {0};
    shout(&m);
    struct plan *plan = plan_of(&m, &graph);
    ck_assert_int_eq(reference_open(&reference, plan, &err), SL_OK);
    /* the longest a row may have, what grows from two bytes to three (U+0250), nothing at all */
    sl_string one[ROWS] = {text_of("abcdefghij"),
                           text_of("\xc9\x90\xc9\x90\xc9\x90\xc9\x90\xc9\x90"),
                           {NULL, 0},
                           text_of("\xc3\xbc")};
    sl_string two[ROWS] = {text_of("q"), text_of("r"), text_of("s"), text_of("t")};
    char *first = mem_map(plan->output_nbytes), *second = mem_map(plan->output_nbytes);
    ck_assert(first && second);
    ck_assert_int_eq(reference_run(reference, one, first, &err), SL_OK);
    ck_assert_int_eq(reference_run(reference, two, second, &err), SL_OK);
    is_text(output_at(plan, first, 0), 0, "ABCDEFGHIJ--ABCDEFGHIJ");
    is_text(output_at(plan, first, 0), 1,
            "\xe2\xb1\xaf\xe2\xb1\xaf\xe2\xb1\xaf\xe2\xb1\xaf\xe2\xb1\xaf--"
            "\xe2\xb1\xaf\xe2\xb1\xaf\xe2\xb1\xaf\xe2\xb1\xaf\xe2\xb1\xaf");
    is_text(output_at(plan, first, 0), 2, "--");
    is_text(output_at(plan, first, 0), 3, "\xc3\x9c--\xc3\x9c");
    is_text(output_at(plan, first, 1), 0, "abcdefghij");
    is_text(output_at(plan, second, 0), 3, "T--T");
    mem_unmap(first, plan->output_nbytes);
    mem_unmap(second, plan->output_nbytes);
    reference_close(reference);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

START_TEST(constants_are_folded) {
    struct model m;
    struct graph *graph;
    model_begin(&m);
    model_opset(&m, "", 20);
    model_input(&m, "x", SL_STRING, "n");
    model_node(&m, "Constant", "", "a");
    model_attr_texts(&m, "value_strings", "Ja");
    model_node(&m, "StringConcat", "a,a", "b");
    model_node(&m, "StringNormalizer", "b", "c");
    model_attr_text(&m, "case_change_action", "LOWER");
    model_node(&m, "Equal", "x,c", "y");
    model_output(&m, "y", SL_BOOL, "n");
    struct plan *plan = plan_of(&m, &graph);
    ck_assert_uint_eq(plan->step_count, 1);
    ck_assert_uint_eq(plan->text_nbytes, 0);
    sl_string x[ROWS] = {text_of("jaja"), text_of("JaJa"), {NULL, 0}, text_of("jaj")};
    void *y;
    rig_run(plan, (const void *[]){x}, &y);
    ck_assert(((bool *)y)[0] && !((bool *)y)[1] && !((bool *)y)[2] && !((bool *)y)[3]);
    mem_free(y);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

/* What would let rows change places or have no bound is refused, and says why. */
START_TEST(refused) {
    static const struct {
        const char *op, *attr, *value, *why;
    } cases[] = {{"StringNormalizer", "stopwords", "the,and", "the others would change places"},
                 {"StringSplit", NULL, NULL, "'maxsplit' would bound them"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model m;
        sl_error err = {0};
        struct plan *plan = NULL;
        struct plan_options options = {.batch = ROWS, .text_row_nbytes = ROOM};
        model_begin(&m);
        model_opset(&m, "", 20);
        model_input(&m, "x", SL_STRING, "n");
        model_node(&m, cases[i].op, "x", "y");
        if (cases[i].attr)
            model_attr_texts(&m, cases[i].attr, cases[i].value);
        model_output(&m, "y", SL_STRING, i ? "n,?" : "n");
        struct graph *graph = model_load(&m, &err);
        ck_assert_msg(graph != NULL, "%s", err.text);
        ck_assert_int_eq(plan_make(&plan, graph, &options, &err), SL_E_MODEL);
        ck_assert_msg(strstr(err.text, cases[i].why) != NULL, "%s", err.text);
        graph_close(graph);
        model_end(&m);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plan_text");
    TCase *tests = tcase_create("plan_text");
    tcase_add_test(tests, room_is_planned);
    tcase_add_test(tests, results_outlive_the_batch);
    tcase_add_test(tests, constants_are_folded);
    tcase_add_test(tests, refused);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
