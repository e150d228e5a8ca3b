/* test_bounds.c: what a plan knows of sizes that depend on data: bounds that go from node to node, shapes
 * that come out as numbers all the same, what passes leave alone, and what is refused, in words. */
#include <string.h>

#include "graph/run_reference.h"
#include "harness.h"
#include "model_rig.h"
#include "support/mem.h"

/* Five rows of a picked tensor: x is [n, 6], p its places above zero. */
static void begin(struct model *m) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,6");
    model_floats(m, "zero", "", (float[]){0});
    model_ints(m, "first", "1", (int64_t[]){0});
    model_ints(m, "one", "1", (int64_t[]){1});
    model_node(m, "Greater", "x,zero", "b");
    model_node(m, "NonZero", "b", "p");
    model_node(m, "Transpose", "p", "t");
    model_node(m, "GatherND", "x,t", "v");
    model_node(m, "Shape", "v", "s");
}

struct made {
    struct graph *graph;
    struct plan *plan;
    sl_error err;
};

static struct made make(struct model *m, struct plan_options options) {
    struct made made = {0};
    made.graph = model_load(m, &made.err);
    ck_assert_msg(made.graph != NULL, "%s", made.err.text);
    if (plan_make(&made.plan, made.graph, &options, &made.err) != SL_OK)
        made.plan = NULL;
    model_end(m);
    return made;
}

static void unmake(struct made *made) {
    plan_close(made->plan);
    graph_close(made->graph);
}

static const struct plan_value *output(const struct made *made, size_t i) {
    ck_assert_msg(made->plan != NULL, "%s", made->err.text);
    return &made->plan->values[made->plan->outputs[i].value];
}

static bool has_step(const struct plan *plan, const char *op) {
    for (size_t i = 0; i < plan->step_count; i++)
        if (!strcmp(plan->steps[i].op->name, op))
            return true;
    return false;
}

START_TEST(bounds_go_on) {
    struct model m;
    begin(&m);
    model_node(&m, "Concat", "v,v", "y"); /* at most twice as many */
    model_attr_int(&m, "axis", 0);
    model_node(&m, "Unsqueeze", "v,first", "u");
    model_output(&m, "y", SL_FLOAT, "k");
    model_output(&m, "u", SL_FLOAT, "1,k");
    struct made made = make(&m, (struct plan_options){.batch = 1});
    const struct plan_value *y = output(&made, 0), *u = output(&made, 1);
    ck_assert(y->dynamic && y->tensor.dims[0] == 12 && y->least[0] == 0);
    ck_assert(u->dynamic && u->tensor.dims[1] == 6 && u->least[0] == 1 && u->least[1] == 0);
    ck_assert(made.plan->dynamic && made.plan->outputs[0].whole && !made.plan->outputs[1].whole);
    unmake(&made);
}
END_TEST

/* The second dim of p's transpose is the rank of x: known, though the first is not. */
START_TEST(what_is_known_of_a_shape_is_a_constant) {
    struct model m;
    begin(&m);
    model_node(&m, "Shape", "t", "ts");
    model_node(&m, "Gather", "ts,one", "rank");
    model_node(&m, "Equal", "s,minus", "e"); /* no size is below zero */
    model_ints(&m, "minus", "1", (int64_t[]){-1});
    model_node(&m, "Where", "e,minus,rank", "w");
    model_node(&m, "ConstantOfShape", "w", "y");
    model_output(&m, "y", SL_FLOAT, "2");
    struct made made = make(&m, (struct plan_options){.batch = 2});
    ck_assert(!output(&made, 0)->dynamic && output(&made, 0)->tensor.dims[0] == 2);
    ck_assert(!has_step(made.plan, "NonZero") && !has_step(made.plan, "Shape"));
    unmake(&made);
}
END_TEST

/* What is put back into a tensor of its own size is known again, so what follows may be fast. */
START_TEST(a_size_that_is_known_again_is_not_dynamic) {
    struct model m;
    begin(&m);
    model_node(&m, "ScatterND", "x,t,v", "y");
    model_node(&m, "Relu", "y", "z");
    model_output(&m, "z", SL_FLOAT, "n,6");
    struct made made = make(&m, (struct plan_options){.batch = 3});
    ck_assert(!output(&made, 0)->dynamic && !made.plan->dynamic);
    for (size_t i = 0; i < made.plan->step_count; i++)
        ck_assert_int_eq(made.plan->steps[i].dynamic,
                         strcmp(made.plan->steps[i].op->name, "Relu") != 0 &&
                             strcmp(made.plan->steps[i].op->name, "Greater") != 0);
    unmake(&made);
}
END_TEST

/* Expand to the most there can be looks like nothing to a pass that compares sizes. */
START_TEST(passes_leave_bounds_alone) {
    float x[6] = {-1, -2, -3, 4, -5, -6};
    struct model m;
    begin(&m);
    model_ints(&m, "six", "1", (int64_t[]){6});
    model_node(&m, "Expand", "v,six", "y"); /* v will have one element */
    model_node(&m, "Expand", "v,s", "same");
    model_node(&m, "Add", "same,v", "z");
    model_output(&m, "y", SL_FLOAT, "6");
    model_output(&m, "z", SL_FLOAT, "k");
    struct made made = make(&m, (struct plan_options){.free_rows = true, .batch = 1});
    struct reference *reference;
    sl_error err = {0};
    ck_assert_msg(made.plan != NULL, "%s", made.err.text);
    char *out = mem_map(made.plan->output_nbytes);
    ck_assert_int_eq(reference_open(&reference, made.plan, &err), SL_OK);
    ck_assert_msg(reference_run(reference, x, out, &err) == SL_OK, "%s", err.text);
    sl_tensor y = plan_output(made.plan, 0, out), z = plan_output(made.plan, 1, out);
    ck_assert(y.dims[0] == 6 && ((float *)y.data)[5] == 4.0f);
    ck_assert(z.dims[0] == 1 && ((float *)z.data)[0] == 8.0f);
    reference_close(reference);
    mem_unmap(out, made.plan->output_nbytes);
    unmake(&made);
}
END_TEST

static void refused(struct model *m, int64_t batch, const char *words) {
    struct made made = make(m, (struct plan_options){.batch = batch});
    ck_assert(made.plan == NULL);
    ck_assert_int_eq(made.err.status, SL_E_MODEL);
    ck_assert_msg(strstr(made.err.text, words) != NULL, "%s", made.err.text);
    unmake(&made);
}

START_TEST(what_has_no_bound_is_refused) {
    struct model m;
    begin(&m);
    model_node(&m, "Cast", "x", "i"); /* sizes out of the blue */
    model_attr_int(&m, "to", SL_INT64);
    model_node(&m, "ReduceMax", "i", "top");
    model_attr_int(&m, "keepdims", 0);
    model_node(&m, "Unsqueeze", "top,first", "n");
    model_node(&m, "ConstantOfShape", "n", "y");
    model_output(&m, "y", SL_FLOAT, "k");
    refused(&m, 1, "(operator 'ConstantOfShape')");
    begin(&m);
    model_node(&m, "Squeeze", "s", "n"); /* the fewer there are, the more comes out */
    model_ints(&m, "start", "", (int64_t[]){9});
    model_ints(&m, "back", "", (int64_t[]){-1});
    model_node(&m, "Range", "start,n,back", "y");
    model_output(&m, "y", SL_INT64, "k");
    refused(&m, 1, "dim 0 of output 0 depends on the records and has no bound");
}
END_TEST

START_TEST(rows_of_several_records_are_not_told_apart) {
    struct model m;
    begin(&m);
    model_output(&m, "v", SL_FLOAT, "k");
    refused(&m, 2, "output 'v'");
    begin(&m);
    model_output(&m, "v", SL_FLOAT, "k");
    refused(&m, 2, "such a model runs with --batch-size 1");
}
END_TEST

/* What has to meet a size that is known has that size, though a rule sees only bounds; and of a number of
 * elements that is taken there is that number. */
START_TEST(sizes_that_must_agree_are_planned) {
    struct model m;
    begin(&m);
    model_floats(&m, "c", "4", (float[]){1, 2, 3, 4});
    model_ints(&m, "three", "1", (int64_t[]){3});
    model_node(&m, "Add", "v,c", "y");
    model_node(&m, "TopK", "v,three", "z,places");
    model_node(&m, "Gather", "v,one", "w");
    model_output(&m, "y", SL_FLOAT, "k");
    model_output(&m, "z", SL_FLOAT, "3");
    model_output(&m, "w", SL_FLOAT, "1");
    struct made made = make(&m, (struct plan_options){.batch = 1, .free_rows = true});
    ck_assert(output(&made, 0)->dynamic && output(&made, 0)->tensor.dims[0] == 6 &&
              output(&made, 0)->least[0] == 4);
    ck_assert(!output(&made, 1)->dynamic && output(&made, 1)->tensor.dims[0] == 3);
    ck_assert(!output(&made, 2)->dynamic);
    struct reference *reference;
    sl_error err = {0};
    char *out = mem_map(made.plan->output_nbytes);
    ck_assert_int_eq(reference_open(&reference, made.plan, &err), SL_OK);
    float four[6] = {1, 2, -3, 4, -5, 6}, two[6] = {1, 2, -3, -4, -5, -6};
    ck_assert_msg(reference_run(reference, four, out, &err) == SL_OK, "%s", err.text);
    ck_assert(plan_output(made.plan, 0, out).dims[0] == 4);
    ck_assert_int_eq(reference_run(reference, two, out, &err), SL_E_DATA);
    ck_assert_ptr_nonnull(strstr(err.text, "(operator 'Add'): float [2] and float [4] do not broadcast"));
    reference_close(reference);
    mem_unmap(out, made.plan->output_nbytes);
    unmake(&made);
}
END_TEST

/* Known input, known size: nothing is left of it. */
START_TEST(constants_are_folded) {
    struct model m;
    begin(&m);
    model_floats(&m, "c", "5", (float[]){0, 7, 0, 8, 9});
    model_node(&m, "NonZero", "c", "places");
    model_node(&m, "Squeeze", "places,first", "i");
    model_node(&m, "Gather", "x,i", "y");
    model_attr_int(&m, "axis", 1);
    model_output(&m, "y", SL_FLOAT, "n,3");
    struct made made = make(&m, (struct plan_options){.batch = 4});
    ck_assert(!output(&made, 0)->dynamic && output(&made, 0)->tensor.dims[1] == 3);
    ck_assert(!has_step(made.plan, "NonZero"));
    unmake(&made);
}
END_TEST

/* The rows of x that have something above two. */
static void begin_rows(struct model *m, const char *dims) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, dims);
    model_floats(m, "two", "", (float[]){2});
    model_ints(m, "first", "1", (int64_t[]){0});
    model_node(m, "Flatten", "x", "f");
    model_node(m, "ReduceMax", "f", "r");
    model_attr_ints(m, "axes", 1, (int64_t[]){1});
    model_attr_int(m, "keepdims", 0);
    model_node(m, "Greater", "r,two", "b");
    model_node(m, "NonZero", "b", "p");
    model_node(m, "Squeeze", "p,first", "i");
    model_node(m, "Gather", "x,i", "g");
}

/* What is prepared for one size refuses another, by name; what is prepared of constants runs. */
START_TEST(what_is_prepared_for_a_size_says_so) {
    const float x[6] = {1, 0, 3, 4, 0, 5};
    struct model m;
    struct reference *reference = NULL;
    sl_error err = {0};
    begin_rows(&m, "n,1,2,2");
    model_floats(&m, "scales", "4", (float[]){1, 1, 2, 2});
    model_node(&m, "Resize", "g,,scales", "y");
    model_output(&m, "y", SL_FLOAT, "k,1,4,4");
    struct made made = make(&m, (struct plan_options){.batch = 3, .free_rows = true});
    ck_assert_msg(made.plan != NULL, "%s", made.err.text);
    ck_assert_int_eq(reference_open(&reference, made.plan, &err), SL_E_MODEL);
    ck_assert_ptr_nonnull(strstr(err.text, "(operator 'Resize'): it is prepared for one size"));
    unmake(&made);
    begin_rows(&m, "n,2");
    model_node(&m, "Cast", "g", "c");
    model_attr_int(&m, "to", SL_INT64);
    model_node(&m, "LabelEncoder", "c", "y");
    model_node_domain(&m, "ai.onnx.ml");
    model_attr_ints(&m, "keys_int64s", 2, (int64_t[]){3, 4});
    model_attr_ints(&m, "values_int64s", 2, (int64_t[]){30, 40});
    model_output(&m, "y", SL_INT64, "k,2");
    made = make(&m, (struct plan_options){.batch = 3, .free_rows = true});
    ck_assert_msg(made.plan != NULL, "%s", made.err.text);
    char *out = mem_map(made.plan->output_nbytes);
    ck_assert_msg(reference_open(&reference, made.plan, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(reference_run(reference, (void *)(uintptr_t)x, out, &err) == SL_OK, "%s", err.text);
    sl_tensor y = plan_output(made.plan, 0, out);
    ck_assert(y.dims[0] == 2 && ((int64_t *)y.data)[0] == 30 && ((int64_t *)y.data)[1] == 40);
    reference_close(reference);
    mem_unmap(out, made.plan->output_nbytes);
    unmake(&made);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bounds");
    TCase *tcase = tcase_create("bounds");
    tcase_add_test(tcase, bounds_go_on);
    tcase_add_test(tcase, what_is_known_of_a_shape_is_a_constant);
    tcase_add_test(tcase, a_size_that_is_known_again_is_not_dynamic);
    tcase_add_test(tcase, passes_leave_bounds_alone);
    tcase_add_test(tcase, what_has_no_bound_is_refused);
    tcase_add_test(tcase, rows_of_several_records_are_not_told_apart);
    tcase_add_test(tcase, sizes_that_must_agree_are_planned);
    tcase_add_test(tcase, constants_are_folded);
    tcase_add_test(tcase, what_is_prepared_for_a_size_says_so);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
