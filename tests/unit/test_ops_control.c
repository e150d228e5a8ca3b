/* test_ops_control.c: If, Loop and Scan, unrolled and as steps, with the references and on the cpu device,
 * whose threads run several batches at once; and what is refused. Expected values are reckoned here. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/run_reference.h"
#include "harness.h"
#include "infer/device.h"
#include "model_rig.h"
#include "support/mem.h"

enum { BATCHES = 6 };

/* A graph inside a node. Its outputs need names only. */
static struct model inner(void) {
    struct model b;
    model_begin(&b);
    return b;
}

static void check(const struct plan *plan, const char *output, size_t port, const float *want, size_t count) {
    const struct plan_value *value = &plan->values[plan->outputs[port].value];
    sl_tensor got = plan_output(plan, port, output);
    const float *data = got.data;
    int64_t n;
    ck_assert(sl_shape_count(got.rank, got.dims, &n));
    ck_assert_int_eq(value->tensor.dtype, SL_FLOAT);
    ck_assert_msg((size_t)n == count, "output %zu has %lld elements, expected %zu", port, (long long)n,
                  count);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabsf(data[i] - want[i]) <= 1e-5f * (1 + fabsf(want[i])),
                      "output %zu, element %zu: %g, expected %g", port, i, (double)data[i], (double)want[i]);
}

static void fill(const struct plan *plan, char *block, const void *const *inputs) {
    for (size_t i = 0; i < plan->input_count; i++) {
        const struct plan_value *value = &plan->values[plan->inputs[i].value];
        memcpy(block + value->offset, inputs[i], value->nbytes);
    }
}

/* What a model should give: up to two outputs. */
struct wanted {
    const float *data[2];
    size_t counts[2];
};

static void check_all(const struct plan *plan, const char *output, const struct wanted *want) {
    for (size_t i = 0; i < plan->output_count; i++)
        check(plan, output, i, want->data[i], want->counts[i]);
}

static void on_references(const struct plan *plan, const void *const *inputs, const struct wanted *want) {
    struct reference *reference;
    sl_error err = {0};
    char *in = mem_map(plan->input_nbytes), *out = mem_map(plan->output_nbytes);
    ck_assert_msg(reference_open(&reference, plan, &err) == SL_OK, "%s", err.text);
    fill(plan, in, inputs);
    for (int i = 0; i < 2; i++) { /* nothing of the first run is left over */
        memset(out, 0x55, plan->output_nbytes);
        ck_assert_msg(reference_run(reference, in, out, &err) == SL_OK, "%s", err.text);
        check_all(plan, out, want);
    }
    reference_close(reference);
    mem_unmap(in, plan->input_nbytes);
    mem_unmap(out, plan->output_nbytes);
}

static void on_device(const struct plan *plan, const void *const *inputs, const struct wanted *want) {
    struct device_options options = {.precision = PRECISION_FP32, .threads = 3};
    struct device *device;
    struct program *program;
    struct device_batch batches[BATCHES], *done;
    sl_error err = {0};
    ck_assert_msg(device_cpu.open(&device, 0, &options, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.load(device, plan, &program, &err) == SL_OK, "%s", err.text);
    for (size_t i = 0; i < BATCHES; i++) {
        batches[i] = (struct device_batch){.input = mem_map(plan->input_nbytes),
                                           .output = mem_map(plan->output_nbytes),
                                           .row_count = plan->batch};
        fill(plan, batches[i].input, inputs);
    }
    mem_freeze(); /* a debug build aborts when a run allocates */
    for (size_t sent = 0, back = 0; back < BATCHES;) {
        if (sent < BATCHES && sent - back < device_cpu.depth(program)) {
            ck_assert_msg(device_cpu.submit(program, &batches[sent++], &err) == SL_OK, "%s", err.text);
            continue;
        }
        ck_assert_msg(device_cpu.collect(program, &done, &err) == SL_OK, "%s", err.text);
        ck_assert_ptr_eq(done, &batches[back++]);
    }
    ck_assert_uint_eq(mem_frozen_calls(), 0);
    mem_thaw();
    for (size_t i = 0; i < BATCHES; i++) {
        check_all(plan, batches[i].output, want);
        mem_unmap(batches[i].input, plan->input_nbytes);
        mem_unmap(batches[i].output, plan->output_nbytes);
    }
    device_cpu.unload(program);
    device_cpu.close(device);
}

/* `bodies`: how many steps with graphs inside are left with passes, and without. */
static void gives(struct model *m, const void *const *inputs, const size_t bodies[2],
                  const struct wanted *want) {
    sl_error err = {0};
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    for (int plain = 0; plain < 2; plain++) {
        struct plan_options options = {.free_rows = true, .no_passes = plain};
        struct plan *plan;
        size_t left = 0;
        ck_assert_msg(plan_make(&plan, graph, &options, &err) == SL_OK, "%s", err.text);
        for (size_t i = 0; i < plan->step_count; i++)
            left += plan->steps[i].op->body_in != NULL;
        ck_assert_uint_eq(left, bodies[plain]);
        on_references(plan, inputs, want);
        on_device(plan, inputs, want);
        plan_close(plan);
    }
    graph_close(graph);
    model_end(m);
}

static void refuses(struct model *m, const char *text) {
    sl_error err = {0};
    struct plan *plan;
    struct plan_options options = {.free_rows = true};
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&plan, graph, &options, &err) == SL_E_MODEL, "was planned, expected: %s", text);
    ck_assert_msg(strstr(err.text, text) != NULL, "got '%s', expected '%s'", err.text, text);
    graph_close(graph);
    model_end(m);
}

/* ---- If */

static void put_if(struct model *m, const char *condition, struct model yes, struct model no) {
    model_node(m, "If", condition, "y");
    model_attr_graph(m, "then_branch", &yes);
    model_attr_graph(m, "else_branch", &no);
}

static struct model one_node(const char *op, const char *in) {
    struct model b = inner();
    model_node(&b, op, in, "out");
    model_output(&b, "out", SL_FLOAT, "?,?");
    return b;
}

/* w is a constant and h is computed outside; the dead code must see that they are read. */
static void begin_if(struct model *m) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "2,2");
    model_input(m, "c", SL_BOOL, "");
    model_floats(m, "w", "2", (float[]){10, 20});
    model_node(m, "Neg", "x", "h");
}

START_TEST(an_if_takes_one_branch) {
    const float x[] = {1, 2, 3, 4};
    for (uint8_t c = 0; c < 2; c++) {
        struct model m;
        begin_if(&m);
        put_if(&m, "c", one_node("Add", "h,w"), one_node("Mul", "x,w"));
        model_output(&m, "y", SL_FLOAT, "2,2");
        gives(&m, (const void *[]){x, &c}, (const size_t[]){1, 1},
              &(struct wanted){{c ? (float[]){9, 18, 7, 16} : (float[]){10, 40, 30, 80}}, {4}});
    }
}
END_TEST

START_TEST(a_known_if_is_its_branch) {
    const float x[] = {1, 2, 3, 4};
    const uint8_t unused = 0;
    for (uint8_t c = 0; c < 2; c++) {
        struct model m;
        begin_if(&m);
        model_constant(&m, "known", SL_BOOL, "", &c, 1);
        /* branches of different shapes are fine here */
        put_if(&m, "known", one_node("Add", "h,w"), one_node("MatMul", "x,column"));
        model_floats(&m, "column", "2,1", (float[]){1, 10});
        model_output(&m, "y", SL_FLOAT, "2,?");
        gives(&m, (const void *[]){x, &unused}, (const size_t[]){0, 0},
              &(struct wanted){{c ? (float[]){9, 18, 7, 16} : (float[]){21, 43}}, {c ? 4 : 2}});
    }
}
END_TEST

/* Only the batch knows the size: of what the branches give, and of what they get. */
START_TEST(an_if_may_vary_in_size) {
    const float x[] = {1, -2, 3, 4};
    for (uint8_t c = 0; c < 2; c++) {
        struct model m, b = inner();
        begin_if(&m);
        model_node(&m, "Greater", "x,zero", "positive");
        model_floats(&m, "zero", "", (float[]){0});
        model_node(&m, "NonZero", "positive", "where");
        model_node(&m, "Cast", "where", "places"); /* [2, at most 4]: here 3 */
        model_attr_int(&m, "to", SL_FLOAT);
        model_node(&b, "Concat", "places,h", "out");
        model_attr_int(&b, "axis", 1);
        model_output(&b, "out", SL_FLOAT, "2,?");
        put_if(&m, "c", b, one_node("Neg", "h"));
        model_output(&m, "y", SL_FLOAT, "2,?");
        gives(&m, (const void *[]){x, &c}, (const size_t[]){1, 1},
              &(struct wanted){{c ? (float[]){0, 1, 1, -1, 2, 0, 0, 1, -3, -4} : (float[]){1, -2, 3, 4}},
                               {c ? 10 : 4}});
    }
}
END_TEST

START_TEST(wrong_ifs_are_refused) {
    struct model m;
    begin_if(&m);
    put_if(&m, "c", one_node("Neg", "x"), one_node("Neg", "w"));
    model_output(&m, "y", SL_FLOAT, "?,?");
    refuses(&m, "cannot plan node 'y' (operator 'If') of model");
    begin_if(&m);
    put_if(&m, "c", one_node("Neg", "x"), one_node("Neg", "w"));
    model_output(&m, "y", SL_FLOAT, "?,?");
    refuses(&m, "output 0 is float [2, 2] in one branch and float [2] in the other");
    begin_if(&m);
    put_if(&m, "x", one_node("Neg", "x"), one_node("Abs", "x"));
    model_output(&m, "y", SL_FLOAT, "2,2");
    refuses(&m, "input 0 is float [2, 2], expected one bool");
    begin_if(&m);
    put_if(&m, "c", one_node("MatMul", "x,bad"), one_node("Abs", "x"));
    model_floats(&m, "bad", "3,1", (float[]){1, 2, 3});
    model_output(&m, "y", SL_FLOAT, "2,2");
    refuses(&m, "cannot plan node 'out' (operator 'MatMul')");
    begin_if(&m);
    model_node(&m, "If", "c", "y");
    model_output(&m, "y", SL_FLOAT, "2,2");
    refuses(&m, "it has no graph 'then_branch'");
}
END_TEST

/* ---- Loop */

/* n = 2 h + i + w, beside it a row of n for each iteration, and `more` as the next condition. */
static struct model loop_body(bool rows, const char *more) {
    struct model b = inner();
    model_input(&b, "i", SL_INT64, "");
    model_input(&b, "again", SL_BOOL, "");
    model_input(&b, "h", SL_FLOAT, "2");
    model_node(&b, "Cast", "i", "f");
    model_attr_int(&b, "to", SL_FLOAT);
    model_node(&b, "Add", "h,h", "g");
    model_node(&b, "Add", "g,f", "k");
    model_node(&b, "Add", "k,w", "n");
    if (!strcmp(more, "small")) {
        model_floats(&b, "limit", "", (float[]){100});
        model_node(&b, "ReduceMax", "n", "most");
        model_attr_int(&b, "keepdims", 0);
        model_node(&b, "Less", "most,limit", "small");
    }
    model_output(&b, more, SL_BOOL, "");
    model_output(&b, "n", SL_FLOAT, "2");
    if (rows)
        model_output(&b, "n", SL_FLOAT, "2");
    return b;
}

/* x is carried, w from outside. */
static void put_loop(struct model *m, const char *inputs, bool rows, const char *more) {
    struct model b = loop_body(rows, more);
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "2");
    model_input(m, "v", SL_FLOAT, "2");
    model_input(m, "count", SL_INT64, "");
    model_input(m, "go", SL_BOOL, "");
    model_node(m, "Neg", "v", "w");
    model_node(m, "Loop", inputs, rows ? "y,rows" : "y");
    model_attr_graph(m, "body", &b);
    model_output(m, "y", SL_FLOAT, "2");
    if (rows)
        model_output(m, "rows", SL_FLOAT, "?,2");
}

static const float loop_x[] = {1, 2}, loop_v[] = {0.5f, -0.25f};

/* What the loop gives after `trips`; the rows too. */
static void reckon(int64_t trips, float *y, float *rows) {
    memcpy(y, loop_x, sizeof loop_x);
    for (int64_t i = 0; i < trips; i++)
        for (int k = 0; k < 2; k++)
            rows[2 * i + k] = y[k] = 2 * y[k] + (float)i - loop_v[k];
}

START_TEST(a_loop_counts) {
    float y[2], rows[64];
    for (int64_t count = 0; count < 8; count += 1 + count) {
        for (uint8_t go = 0; go < 2; go++) {
            const void *inputs[] = {loop_x, loop_v, &count, &go};
            struct model m;
            put_loop(&m, "count,go,x", false, "again");
            reckon(go ? count : 0, y, rows);
            gives(&m, inputs, (const size_t[]){1, 1}, &(struct wanted){{y}, {2}});
            put_loop(&m, "count,,x", false, "again");
            reckon(count, y, rows);
            gives(&m, inputs, (const size_t[]){1, 1}, &(struct wanted){{y}, {2}});
        }
    }
}
END_TEST

START_TEST(a_known_loop_is_unrolled) {
    static const int64_t counts[] = {0, 1, 5};
    float y[2], rows[64];
    const uint8_t go = 1;
    for (size_t i = 0; i < 3; i++) {
        struct model m;
        put_loop(&m, "known,,x", true, "again");
        model_ints(&m, "known", "", &counts[i]);
        reckon(counts[i], y, rows);
        /* without a trip it is left: its rows have a shape that the body tells */
        gives(&m, (const void *[]){loop_x, loop_v, &counts[i], &go}, (const size_t[]){counts[i] == 0, 1},
              &(struct wanted){{y, rows}, {2, (size_t)counts[i] * 2}});
    }
}
END_TEST

/* What goes into an iteration is still there when the other values of it are made. */
START_TEST(carried_values_change_places) {
    const float p[] = {1, 2}, q[] = {10, 20};
    for (int64_t count = 0; count < 4; count++) {
        struct model m, b = inner();
        model_begin(&m);
        model_input(&m, "p", SL_FLOAT, "2");
        model_input(&m, "q", SL_FLOAT, "2");
        model_input(&m, "count", SL_INT64, "");
        model_input(&b, "i", SL_INT64, "");
        model_input(&b, "c", SL_BOOL, "");
        model_input(&b, "a", SL_FLOAT, "2");
        model_input(&b, "b", SL_FLOAT, "2");
        model_output(&b, "c", SL_BOOL, "");
        model_output(&b, "b", SL_FLOAT, "2");
        model_output(&b, "a", SL_FLOAT, "2");
        model_node(&m, "Loop", "count,,p,q", "y,z");
        model_attr_graph(&m, "body", &b);
        model_output(&m, "y", SL_FLOAT, "2");
        model_output(&m, "z", SL_FLOAT, "2");
        gives(&m, (const void *[]){p, q, &count}, (const size_t[]){1, 1},
              &(struct wanted){{count % 2 ? q : p, count % 2 ? p : q}, {2, 2}});
    }
}
END_TEST

/* Rows that are known only when it has run. */
START_TEST(a_loop_may_end_early) {
    static const int64_t most = 20;
    float y[2] = {1, 2}, rows[64];
    int64_t trips = 0;
    for (uint8_t go = 0; go < 2; go++) {
        struct model m;
        put_loop(&m, "known,go,x", true, "small");
        model_ints(&m, "known", "", &most);
        for (trips = 0; go && trips < most && (trips == 0 || (y[0] < 100 && y[1] < 100)); trips++)
            reckon(trips + 1, y, rows);
        ck_assert(!go || (trips > 2 && trips < 10));
        reckon(trips, y, rows);
        gives(&m, (const void *[]){loop_x, loop_v, &most, &go}, (const size_t[]){1, 1},
              &(struct wanted){{y, rows}, {2, (size_t)trips * 2}});
    }
}
END_TEST

/* Carried values of a growing shape need unrolling; an If of the iteration's number goes away with it. */
START_TEST(iterations_may_differ) {
    static const int64_t three = 3, one = 1;
    const float x[] = {1, 2};
    struct model m, b = inner();
    sl_error err;
    struct plan *plan;
    struct plan_options options = {.batch = 1};
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,2");
    model_ints(&m, "three", "", &three);
    model_input(&b, "i", SL_INT64, "");
    model_input(&b, "again", SL_BOOL, "");
    model_input(&b, "h", SL_FLOAT, "?,2");
    model_ints(&b, "one", "", &one);
    model_node(&b, "Equal", "i,one", "second");
    struct model yes = one_node("Neg", "x"), no = one_node("Abs", "x");
    put_if(&b, "second", yes, no);
    model_node(&b, "Concat", "h,y", "longer");
    model_attr_int(&b, "axis", 1);
    model_output(&b, "again", SL_BOOL, "");
    model_output(&b, "longer", SL_FLOAT, "?,?");
    model_node(&m, "Loop", "three,,x", "z");
    model_attr_graph(&m, "body", &b);
    model_output(&m, "z", SL_FLOAT, "n,?");
    struct graph *graph = model_load(&m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&plan, graph, &options, &err) == SL_OK, "%s", err.text);
    for (size_t i = 0; i < plan->step_count; i++)
        ck_assert(plan->steps[i].op->body_in == NULL);
    on_references(plan, (const void *[]){x}, &(struct wanted){{(float[]){1, 2, 1, 2, -1, -2, 1, 2}}, {8}});
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

/* A while loop with a counter of its own, as TensorFlow writes it. Where it is too large to be unrolled its
 * trips are counted when the plan is made, and bound what it gathers. */
START_TEST(a_while_loop_is_counted) {
    static float rows[2 * 900];
    static const int64_t zero = 0, one = 1, turns[] = {5, 900};
    static const uint8_t yes = 1;
    for (size_t k = 0; k < 2; k++) {
        struct model m, b = inner();
        float y[2] = {1, 2};
        model_input(&b, "turn", SL_INT64, "");
        model_input(&b, "again", SL_BOOL, "");
        model_input(&b, "i", SL_INT64, "");
        model_input(&b, "h", SL_FLOAT, "2");
        model_ints(&b, "one", "", &one);
        model_ints(&b, "most", "", &turns[k]);
        model_node(&b, "Add", "i,one", "j");
        model_node(&b, "Less", "j,most", "more");
        model_node(&b, "Add", "h,x", "a");
        model_node(&b, "Neg", "a", "c");
        model_node(&b, "Sub", "c,x", "d");
        model_output(&b, "more", SL_BOOL, "");
        model_output(&b, "j", SL_INT64, "");
        model_output(&b, "d", SL_FLOAT, "2");
        model_output(&b, "a", SL_FLOAT, "2");
        model_begin(&m);
        model_input(&m, "x", SL_FLOAT, "2");
        model_ints(&m, "zero", "", &zero);
        model_constant(&m, "yes", SL_BOOL, "", &yes, 1);
        model_node(&m, "Loop", ",yes,zero,x", "i,y,rows");
        model_attr_graph(&m, "body", &b);
        model_output(&m, "y", SL_FLOAT, "2");
        model_output(&m, "rows", SL_FLOAT, "?,2");
        for (int64_t i = 0; i < turns[k]; i++)
            for (int c = 0; c < 2; c++) {
                rows[2 * i + c] = y[c] + loop_x[c];
                y[c] = -rows[2 * i + c] - loop_x[c];
            }
        gives(&m, (const void *[]){loop_x}, (const size_t[]){k, 1},
              &(struct wanted){{y, rows}, {2, 2 * (size_t)turns[k]}});
    }
}
END_TEST

START_TEST(wrong_loops_are_refused) {
    struct model m, b;
    put_loop(&m, "count,,x", true, "again");
    refuses(&m, "output 1 has a row for each iteration, and nothing bounds their number");
    put_loop(&m, ",go,x", true, "small");
    refuses(&m, "output 1 has a row for each iteration, and nothing bounds their number");
    put_loop(&m, "count,go", false, "again");
    refuses(&m, "its graph has 3 inputs, expected 2");
    put_loop(&m, "x,go,x", false, "again");
    refuses(&m, "input 0 is float [2], expected one int64");
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "2");
    model_input(&m, "count", SL_INT64, "");
    b = inner();
    model_input(&b, "i", SL_INT64, "");
    model_input(&b, "again", SL_BOOL, "");
    model_input(&b, "h", SL_FLOAT, "?");
    model_node(&b, "Concat", "h,h", "n");
    model_attr_int(&b, "axis", 0);
    model_output(&b, "again", SL_BOOL, "");
    model_output(&b, "n", SL_FLOAT, "?");
    model_node(&m, "Loop", "count,,x", "y");
    model_attr_graph(&m, "body", &b);
    model_output(&m, "y", SL_FLOAT, "?");
    refuses(&m, "carried value 0 is float [2] before an iteration and float [4] after it");
}
END_TEST

/* Loops in loops that end by a counter of their own: each could be followed for 900 trips, and tried as a
 * step first, so that without a bound over all of them a kilobyte would be planned for ever. */
START_TEST(nested_loops_are_not_followed_for_ever) {
    static const int64_t limit = 900;
    static const uint8_t go = 1;
    struct model m, b = inner();
    sl_error err;
    struct plan *plan;
    struct plan_options options = {.free_rows = true};
    model_input(&b, "i", SL_INT64, "");
    model_input(&b, "c", SL_BOOL, "");
    model_input(&b, "h", SL_FLOAT, "2");
    model_node(&b, "Less", "i,limit", "again");
    model_node(&b, "Neg", "h", "y");
    for (int depth = 0; depth < 20; depth++) {
        struct model outer = inner();
        model_output(&b, "again", SL_BOOL, "");
        model_output(&b, "y", SL_FLOAT, "2");
        model_output(&b, "h", SL_FLOAT, "2");
        model_input(&outer, "i", SL_INT64, "");
        model_input(&outer, "c", SL_BOOL, "");
        model_input(&outer, "h", SL_FLOAT, "2");
        model_node(&outer, "Less", "i,limit", "again");
        model_node(&outer, "Loop", ",go,h", "y,rows");
        model_attr_graph(&outer, "body", &b);
        b = outer;
    }
    model_output(&b, "again", SL_BOOL, "");
    model_output(&b, "y", SL_FLOAT, "2");
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "2");
    model_ints(&m, "limit", "", &limit);
    model_constant(&m, "go", SL_BOOL, "", &go, 1);
    model_node(&m, "Loop", ",go,x", "y");
    model_attr_graph(&m, "body", &b);
    model_output(&m, "y", SL_FLOAT, "2");
    struct graph *graph = model_load(&m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_int_eq(plan_make(&plan, graph, &options, &err), SL_E_MODEL);
    ck_assert_ptr_nonnull(strstr(err.text, "nothing bounds their number"));
    graph_close(graph);
    model_end(&m);
}
END_TEST

/* ---- Scan */

/* s' = s + a - b over slices of two inputs; 10 s' is gathered. */
static void put_scan(struct model *m, int64_t length, const int64_t *axes, const int64_t *backward,
                     int64_t out_axis, int64_t out_backward) {
    struct model b = inner();
    char dims[32];
    model_begin(m);
    model_input(m, "s", SL_FLOAT, "2");
    snprintf(dims, sizeof dims, axes[0] ? "2,%lld" : "%lld,2", (long long)length);
    model_input(m, "p", SL_FLOAT, dims);
    snprintf(dims, sizeof dims, axes[1] ? "2,%lld" : "%lld,2", (long long)length);
    model_input(m, "q", SL_FLOAT, dims);
    model_input(&b, "h", SL_FLOAT, "2");
    model_input(&b, "a", SL_FLOAT, "2");
    model_input(&b, "b", SL_FLOAT, "2");
    model_floats(&b, "ten", "", (float[]){10});
    model_node(&b, "Sub", "a,b", "d");
    model_node(&b, "Add", "h,d", "n");
    model_node(&b, "Mul", "n,ten", "row");
    model_output(&b, "n", SL_FLOAT, "2");
    model_output(&b, "row", SL_FLOAT, "2");
    model_node(m, "Scan", "s,p,q", "y,rows");
    model_attr_graph(m, "body", &b);
    model_attr_int(m, "num_scan_inputs", 2);
    model_attr_ints(m, "scan_input_axes", 2, axes);
    model_attr_ints(m, "scan_input_directions", 2, backward);
    model_attr_ints(m, "scan_output_axes", 1, &out_axis);
    model_attr_ints(m, "scan_output_directions", 1, &out_backward);
    model_output(m, "y", SL_FLOAT, "2");
    model_output(m, "rows", SL_FLOAT, "?,?");
}

enum { LONG_SCAN = 1500 };

START_TEST(a_scan_goes_along_axes_in_directions) {
    static const int64_t lengths[] = {0, 1, 5, LONG_SCAN};
    static float p[2 * LONG_SCAN], q[2 * LONG_SCAN], rows[2 * LONG_SCAN];
    for (size_t n = 0; n < 4; n++)
        for (unsigned how = 0; how < 64; how += n == 3 ? 21 : 1) {
            int64_t length = lengths[n], axes[2] = {how & 1, how >> 1 & 1};
            int64_t backward[2] = {how >> 2 & 1, how >> 3 & 1}, out_axis = how >> 4 & 1,
                    out_backward = how >> 5;
            float s[] = {3, 4}, y[] = {3, 4};
            struct model m;
            for (int i = 0; i < 2 * length; i++) {
                p[i] = (float)(i % 17) / 4;
                q[i] = (float)(i % 13) / 4;
            }
            for (int64_t t = 0; t < length; t++)
                for (int k = 0; k < 2; k++) {
                    int64_t at = backward[0] ? length - 1 - t : t, bt = backward[1] ? length - 1 - t : t;
                    int64_t to = out_backward ? length - 1 - t : t;
                    y[k] +=
                        p[axes[0] ? k * length + at : 2 * at + k] - q[axes[1] ? k * length + bt : 2 * bt + k];
                    rows[out_axis ? k * length + to : 2 * to + k] = 10 * y[k];
                }
            put_scan(&m, length, axes, backward, out_axis ? -1 : 0, out_backward);
            gives(&m, (const void *[]){s, p, q}, (const size_t[]){length == 0 || length == LONG_SCAN, 1},
                  &(struct wanted){{y, rows}, {2, (size_t)length * 2}});
        }
}
END_TEST

START_TEST(wrong_scans_are_refused) {
    struct model m;
    const int64_t axes[] = {0, 0}, none[] = {0, 0}, far[] = {0, 2};
    put_scan(&m, 5, axes, none, 3, 0);
    refuses(&m, "axis 3 does not exist in 2 dims");
    put_scan(&m, 5, far, none, 0, 0);
    refuses(&m, "axis 2 does not exist in 2 dims");
}
END_TEST

/* "chosen": an If of `go`. */
static void put_branches(struct model *m) {
    struct model yes = inner(), no = inner();
    model_node(&yes, "Neg", "x", "out");
    model_output(&yes, "out", SL_FLOAT, "2");
    model_node(&no, "Add", "x,w", "out");
    model_output(&no, "out", SL_FLOAT, "2");
    model_node(m, "If", "go", "chosen");
    model_attr_graph(m, "then_branch", &yes);
    model_attr_graph(m, "else_branch", &no);
}

static sl_status load_and_plan(const char *path) {
    struct graph *graph = NULL;
    struct plan *plan = NULL;
    struct reference *reference = NULL;
    struct plan_options options = {.free_rows = true};
    sl_error err = {0};
    sl_status st = graph_load(&graph, path, &err);
    if (st == SL_OK)
        st = plan_make(&plan, graph, &options, &err);
    if (st == SL_OK)
        st = reference_open(&reference, plan, &err);
    if (st == SL_OK)
        reference_close(reference);
    if (plan)
        plan_close(plan);
    if (graph)
        graph_close(graph);
    return st;
}

/* Whichever allocation fails: nothing crashes and nothing stays behind (as the sanitizer's build sees). */
START_TEST(memory_may_run_out) {
    static const int64_t known = 12, few = 3;
    struct model m, again;
    struct buf bytes;
    size_t failed = 0;
    put_loop(&m, "count,,x", false, "again"); /* a step */
    struct model tried = loop_body(true, "again"), unrolled = loop_body(true, "again");
    model_ints(&m, "known", "", &known);
    model_ints(&m, "few", "", &few);
    model_node(&m, "Loop", "known,go,x", "tried,tried_rows");
    model_attr_graph(&m, "body", &tried);
    model_node(&m, "Loop", "few,,x", "unrolled,unrolled_rows");
    model_attr_graph(&m, "body", &unrolled);
    put_branches(&m);
    model_output(&m, "tried_rows", SL_FLOAT, "?,2");
    model_output(&m, "unrolled_rows", SL_FLOAT, "?,2");
    model_output(&m, "chosen", SL_FLOAT, "2");
    again = m;
    model_bytes(&again, &bytes);
    const char *path = model_write(bytes.data, bytes.size);
    ck_assert_int_eq(load_and_plan(path), SL_OK);
    for (size_t n = 1; n < 1500; n++) {
        mem_fail_nth(n, false);
        sl_status st = load_and_plan(path);
        mem_fail_nth(0, false);
        ck_assert_msg(st == SL_OK || st == SL_E_MEMORY, "allocation %zu: status %d", n, (int)st);
        failed += st == SL_E_MEMORY;
    }
    ck_assert_uint_gt(failed, 100);
    remove(path);
    buf_clear(&bytes);
    model_end(&again);
}
END_TEST

/* The table of a plan shows what is inside. */
START_TEST(a_plan_shows_graphs_inside) {
    struct model m;
    struct plan *plan;
    struct plan_options options = {.free_rows = true};
    struct buf out;
    sl_error err;
    put_loop(&m, "count,,x", false, "again");
    struct graph *graph = model_load(&m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&plan, graph, &options, &err) == SL_OK, "%s", err.text);
    buf_init(&out);
    plan_print_steps(plan, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "Loop"));
    const char *body = strstr(out.data, "-- body of 'y'\n");
    ck_assert_ptr_nonnull(body);
    ck_assert_ptr_nonnull(strstr(body, "   0    "));
    ck_assert_ptr_nonnull(strstr(body, "Cast"));
    buf_clear(&out);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_control");
    TCase *t = tcase_create("control");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, an_if_takes_one_branch);
    tcase_add_test(t, a_known_if_is_its_branch);
    tcase_add_test(t, an_if_may_vary_in_size);
    tcase_add_test(t, wrong_ifs_are_refused);
    tcase_add_test(t, a_loop_counts);
    tcase_add_test(t, a_while_loop_is_counted);
    tcase_add_test(t, a_known_loop_is_unrolled);
    tcase_add_test(t, carried_values_change_places);
    tcase_add_test(t, a_loop_may_end_early);
    tcase_add_test(t, iterations_may_differ);
    tcase_add_test(t, nested_loops_are_not_followed_for_ever);
    tcase_add_test(t, wrong_loops_are_refused);
    tcase_add_test(t, a_scan_goes_along_axes_in_directions);
    tcase_add_test(t, wrong_scans_are_refused);
    tcase_add_test(t, memory_may_run_out);
    tcase_add_test(t, a_plan_shows_graphs_inside);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
