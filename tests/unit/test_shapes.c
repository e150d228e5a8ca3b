/* test_shapes.c: binding the open dims of a model's inputs, and shape arithmetic that folds away. */
#include <string.h>

#include "harness.h"
#include "model_rig.h"
#include "support/mem.h"

static struct graph *load(struct model *m) {
    sl_error err;
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    return graph;
}

static struct model with_input(const char *dims) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, dims);
    model_node(&m, "Relu", "x", "y");
    model_output(&m, "y", SL_FLOAT, dims);
    return m;
}

/* Plans and checks the output's shape as text, or the error. */
static void expect(struct model *m, const struct plan_options *options, const char *want) {
    sl_error err = {0};
    struct plan *plan;
    char got[128] = "";
    struct graph *graph = load(m);
    if (plan_make(&plan, graph, options, &err) != SL_OK) {
        ck_assert_msg(strstr(err.text, want) != NULL, "got '%s', expected '%s'", err.text, want);
        ck_assert_int_eq(err.status, SL_E_MODEL);
    } else {
        const sl_tensor *t = &plan->values[plan->outputs[0].value].tensor;
        for (int i = 0; i < t->rank; i++)
            snprintf(got + strlen(got), sizeof got - strlen(got), i ? ",%d" : "%d", (int)t->dims[i]);
        ck_assert_str_eq(got, want);
        plan_close(plan);
    }
    graph_close(graph);
    model_end(m);
}

START_TEST(the_batch_binds_dim_0) {
    struct model m = with_input("batch,3");
    expect(&m, &(struct plan_options){.batch = 32}, "32,3");
    m = with_input("?,3");
    expect(&m, &(struct plan_options){.batch = 32}, "32,3");
    m = with_input("?,3");
    expect(&m, &(struct plan_options){.batch = 0}, "1,3");
    m = with_input("batch,batch");
    expect(&m, &(struct plan_options){.batch = 4}, "4,4");
}
END_TEST

START_TEST(a_fixed_batch_stays) {
    struct model m = with_input("8,3");
    struct graph *graph = load(&m);
    ck_assert_int_eq(graph_fixed_batch(graph), 8);
    graph_close(graph);
    model_end(&m);
    m = with_input("8,3");
    expect(&m, &(struct plan_options){.batch = 0}, "8,3");
    m = with_input("8,3");
    expect(&m, &(struct plan_options){.batch = 8}, "8,3");
    m = with_input("8,3");
    expect(&m, &(struct plan_options){.batch = 32}, "is made for batches of 8, not of 32");
    m = with_input("batch,3");
    graph = load(&m);
    ck_assert_int_eq(graph_fixed_batch(graph), 0);
    graph_close(graph);
    model_end(&m);
}
END_TEST

START_TEST(a_state_of_its_own_shape_is_refused) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "1,3");
    model_input(&m, "state", SL_FLOAT, "2,3");
    model_node(&m, "Add", "x,state", "y");
    model_output(&m, "y", SL_FLOAT, "2,3");
    expect(&m, &(struct plan_options){.batch = 0}, "has 1 in input 'x' and 2 in another");
}
END_TEST

START_TEST(dims_are_bound_by_name) {
    const char *names[] = {"width"};
    int64_t sizes[] = {7};
    struct plan_options options = {.batch = 2, .dim_names = names, .dim_values = sizes, .dim_count = 1};
    struct model m = with_input("n,width");
    expect(&m, &options, "2,7");
    m = with_input("n,height");
    expect(&m, &options, "input 'x' has an open dimension 'height': give it with --dim height=SIZE");
    m = with_input("n,?");
    expect(&m, &options, "input 'x' has an open dimension '?'");
    names[0] = "n";
    m = with_input("n,3");
    expect(&m, &options, "dimension 'n' is 7 by --dim and 2 by the batch");
}
END_TEST

START_TEST(scalars_have_no_rows) {
    struct model m = with_input("");
    expect(&m, &(struct plan_options){.batch = 1}, "input 'x' of the model has no batch dimension");
    m = with_input("");
    expect(&m, &(struct plan_options){.free_rows = true}, "");
}
END_TEST

static struct plan_prologue staged(sl_dtype dtype, int64_t h, int64_t w, int64_t c) {
    struct plan_prologue p = {.staged = {.kind = SL_KIND_TENSOR, .dtype = dtype, .rank = 3}};
    p.staged.dims[0] = h;
    p.staged.dims[1] = w;
    p.staged.dims[2] = c;
    return p;
}

START_TEST(the_chain_binds_what_is_open) {
    struct plan_prologue p = staged(SL_FLOAT, 4, 5, 3);
    struct plan_options options = {.batch = 2, .prologues = &p};
    struct model m = with_input("n,h,w,3");
    expect(&m, &options, "2,4,5,3");
    m = with_input("n,s,s,3");
    expect(&m, &options, "input 'x' of the model is float [?, ?, ?, 3], its chain gives float [2, 4, 5, 3]");
    m = with_input("n,4,6,3");
    expect(&m, &options, "input 'x' of the model is float [?, 4, 6, 3], its chain gives float [2, 4, 5, 3]");
    m = with_input("n,60");
    expect(&m, &options, "its chain gives float [2, 4, 5, 3]");
    p = staged(SL_UINT8, 4, 5, 3);
    m = with_input("n,h,w,3");
    expect(&m, &options, "its chain gives uint8 [2, 4, 5, 3]");
}
END_TEST

static void pixels_become_planes(const char *dims, bool unbatched) {
    float scale[] = {0.5f, 1, 2}, offset[] = {0, 1, -1};
    struct plan_prologue p = staged(SL_UINT8, 2, 2, 3);
    p.used = true;
    p.affine = (sl_affine){.scale = scale, .offset = offset, .count = 3, .chw = true};
    struct plan_options options = {.batch = 1, .prologues = &p, .unbatched = unbatched};
    struct model m = with_input(dims);
    struct graph *graph = load(&m);
    struct plan *plan;
    sl_error err = {0};
    ck_assert_msg(plan_make(&plan, graph, &options, &err) == SL_OK, "%s", err.text);
    ck_assert_str_eq(plan->steps[0].op->name, "Affine");
    ck_assert_str_eq(plan->steps[0].op->domain, "sluice");
    const struct plan_value *in = &plan->values[plan->inputs[0].value];
    ck_assert_int_eq(in->tensor.dtype, SL_UINT8);
    ck_assert_int_eq(in->tensor.dims[3], 3);
    ck_assert_uint_eq(plan->inputs[0].row_nbytes, 12);
    ck_assert_str_eq(plan->inputs[0].name, "x");
    const uint8_t pixels[] = {2, 4, 1, 6, 8, 2, 10, 12, 3, 14, 16, 4};
    void *out;
    rig_run(plan, (const void *[]){pixels}, &out);
    const float want[] = {1, 3, 5, 7, 5, 9, 13, 17, 1, 3, 5, 7}; /* after Relu */
    for (int i = 0; i < 12; i++)
        ck_assert_float_eq(((float *)out)[i], want[i]);
    const struct plan_port *y = &plan->outputs[0];
    ck_assert_int_eq(plan->values[y->value].tensor.rank, unbatched ? 3 : 4);
    ck_assert(y->whole == unbatched && y->row_nbytes == sizeof want);
    mem_free(out);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}

START_TEST(a_prologue_turns_pixels_into_planes) {
    pixels_become_planes("n,3,h,w", false);
    pixels_become_planes("3,h,w", true);
}
END_TEST

/* Where no dim is the batch, none is bound to it, and outputs may have any shape. */
START_TEST(without_a_batch_dims_are_as_they_are) {
    struct plan_prologue p = staged(SL_FLOAT, 4, 5, 3);
    struct plan_options options = {.batch = 1, .prologues = &p, .unbatched = true};
    struct model m = with_input("h,w,3");
    expect(&m, &options, "4,5,3");
    m = with_input("n,h,w,3");
    expect(&m, &options, "its chain gives float [4, 5, 3]");
    m = with_input("n,7");
    options.prologues = NULL;
    expect(&m, &options, "input 'x' has an open dimension 'n'");
}
END_TEST

/* What exporters write around a Reshape: Shape, Gather, Unsqueeze, Concat. */
START_TEST(shape_arithmetic_folds_away) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3,4");
    model_ints(&m, "zero", "", (int64_t[]){0});
    model_ints(&m, "axis", "1", (int64_t[]){0});
    model_ints(&m, "rest", "1", (int64_t[]){-1});
    model_node(&m, "Shape", "x", "shape");
    model_node(&m, "Gather", "shape,zero", "rows");
    model_node(&m, "Unsqueeze", "rows,axis", "rows1");
    model_node(&m, "Concat", "rows1,rest", "wish");
    model_attr_int(&m, "axis", 0);
    model_node(&m, "Reshape", "x,wish", "flat");
    model_node(&m, "Relu", "flat", "y");
    model_output(&m, "y", SL_FLOAT, "n,12");
    struct graph *graph = load(&m);
    struct plan *plan;
    sl_error err = {0};
    ck_assert_msg(plan_make(&plan, graph, &(struct plan_options){.batch = 5}, &err) == SL_OK, "%s", err.text);
    ck_assert_uint_eq(plan->step_count, 1); /* the Reshape is a view */
    ck_assert_str_eq(plan->steps[0].op->name, "Relu");
    ck_assert_uint_eq(plan->arena_nbytes, 0);
    ck_assert_int_eq(plan->values[plan->outputs[0].value].tensor.dims[1], 12);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

START_TEST(nodes_that_do_not_fit_are_named) {
    struct model m;
    sl_error err = {0};
    struct plan *plan;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_floats(&m, "w", "4,2", (float[]){1, 2, 3, 4, 5, 6, 7, 8});
    model_node(&m, "MatMul", "x,w", "y");
    model_node_name(&m, "dense");
    model_output(&m, "y", SL_FLOAT, "n,2");
    struct graph *graph = load(&m);
    ck_assert_int_eq(plan_make(&plan, graph, &(struct plan_options){.batch = 2}, &err), SL_E_MODEL);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot plan node 'dense' (operator 'MatMul') of model '"));
    ck_assert_ptr_nonnull(strstr(err.text, "': inputs float [2, 3] and float [4, 2] do not multiply"));
    graph_close(graph);
    model_end(&m);
}
END_TEST

START_TEST(shapes_that_depend_on_records_are_refused) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_input(&m, "shape", SL_INT64, "n");
    model_node(&m, "Reshape", "x,shape", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    expect(&m, &(struct plan_options){.batch = 2},
           "input 1 must be known when the model is loaded, but depends on the records");
}
END_TEST

START_TEST(outputs_must_have_rows) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_node(&m, "ReduceSum", "x", "y");
    model_output(&m, "y", SL_FLOAT, "1,1");
    expect(&m, &(struct plan_options){.batch = 2}, "output 'y' of model '/tmp/sluice-model-");
}
END_TEST

/* Sizes that no memory has: refused when planned, before anything is allocated. */
START_TEST(huge_results_are_refused) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_ints(&m, "wish", "4", (int64_t[]){1 << 30, 1 << 30, 1 << 30, 3});
    model_node(&m, "Expand", "x,wish", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    expect(&m, &(struct plan_options){.batch = 1}, "output 0 would be too large");
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_ints(&m, "wish", "2", (int64_t[]){INT64_MAX, 3});
    model_node(&m, "Expand", "x,wish", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    expect(&m, &(struct plan_options){.batch = 1}, "output 0 would have a dim of 9223372036854775807");
}
END_TEST

/* A small file may not make a huge constant: it stays a step, whose memory (here the output's, which takes
 * its place) the caller sees before anything is allocated. */
START_TEST(huge_constants_stay_steps) {
    struct model m;
    struct plan *plan;
    sl_error err = {0};
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,1");
    model_ints(&m, "wish", "2", (int64_t[]){1, (int64_t)1 << 34});
    model_node(&m, "ConstantOfShape", "wish", "zeros");
    model_node(&m, "Add", "x,zeros", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    struct graph *graph = load(&m);
    ck_assert_msg(plan_make(&plan, graph, &(struct plan_options){.batch = 1}, &err) == SL_OK, "%s", err.text);
    ck_assert_uint_eq(plan->step_count, 2);
    ck_assert_uint_eq(plan->arena_nbytes + plan->output_nbytes, (size_t)1 << 36);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shapes");
    TCase *t = tcase_create("shapes");
    tcase_add_test(t, the_batch_binds_dim_0);
    tcase_add_test(t, a_fixed_batch_stays);
    tcase_add_test(t, a_state_of_its_own_shape_is_refused);
    tcase_add_test(t, dims_are_bound_by_name);
    tcase_add_test(t, scalars_have_no_rows);
    tcase_add_test(t, the_chain_binds_what_is_open);
    tcase_add_test(t, a_prologue_turns_pixels_into_planes);
    tcase_add_test(t, without_a_batch_dims_are_as_they_are);
    tcase_add_test(t, shape_arithmetic_folds_away);
    tcase_add_test(t, nodes_that_do_not_fit_are_named);
    tcase_add_test(t, shapes_that_depend_on_records_are_refused);
    tcase_add_test(t, outputs_must_have_rows);
    tcase_add_test(t, huge_results_are_refused);
    tcase_add_test(t, huge_constants_stay_steps);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
