/* test_onnx_function.c: graphs inside nodes and functions of the model: names that come from outside, calls
 * that are inlined, and everything a file can get wrong there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/onnx_import.h"
#include "harness.h"
#include "model_rig.h"
#include "support/mem.h"

static struct graph *loads(struct model *m) {
    sl_error err;
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    model_end(m);
    return graph;
}

static void refuses(struct model *m, const char *text) {
    sl_error err;
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph == NULL, "was loaded, expected: %s", text);
    ck_assert_msg(err.status == SL_E_MODEL, "status %d: %s", (int)err.status, err.text);
    ck_assert_msg(strstr(err.text, text) != NULL, "got '%s', expected '%s'", err.text, text);
    model_end(m);
}

/* x and the condition c in, y out; the node comes next. */
static void begin(struct model *m) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,2");
    model_input(m, "c", SL_BOOL, "");
    model_output(m, "y", SL_FLOAT, "n,2");
}

/* A graph of one node from `in` to "out". */
static struct model body_of(const char *op, const char *in) {
    struct model b;
    model_begin(&b);
    model_node(&b, op, in, "out");
    model_output(&b, "out", SL_FLOAT, "n,2");
    return b;
}

static const struct graph *graph_of(const struct graph_node *node, size_t i) {
    return node->attrs[i].graph;
}

START_TEST(a_graph_takes_what_it_reads_from_outside) {
    struct model m, yes = body_of("Add", "x,later"), no = body_of("Mul", "x,w");
    begin(&m);
    model_node(&m, "If", "c", "y");
    model_attr_graph(&m, "then_branch", &yes);
    model_attr_graph(&m, "else_branch", &no);
    model_node(&m, "Neg", "x", "later"); /* behind its reader in the file */
    model_floats(&m, "w", "2", (float[]){1, 2});
    struct graph *g = loads(&m);
    ck_assert_uint_eq(g->node_count, 2);
    ck_assert_str_eq(g->nodes[0].op_type, "Neg");
    const struct graph_node *node = &g->nodes[1];
    ck_assert_uint_eq(node->in_count, 1 + 2 + 2);
    ck_assert_str_eq(g->values[node->in[2]].name, "later");
    ck_assert_str_eq(g->values[node->in[4]].name, "w");
    for (size_t i = 0; i < 2; i++) {
        const struct graph *inner = graph_of(node, i);
        ck_assert_int_eq(node->attrs[i].i, i ? 3 : 1);
        ck_assert_uint_eq(node->attrs[i].count, 2);
        ck_assert_uint_eq(inner->input_count, 2);
        ck_assert_uint_eq(inner->taken_count, 2);
        ck_assert_str_eq(inner->values[inner->inputs[0]].name, "x");
        ck_assert_uint_eq(inner->taken[0], g->inputs[0]);
    }
    ck_assert_uint_eq(graph_node_total(g), 4);
    graph_close(g);
}
END_TEST

/* What the innermost graph reads goes through the one around it. */
START_TEST(values_go_through_graphs_in_between) {
    struct model m, inner = body_of("Neg", "x"), inner2 = body_of("Abs", "x"), outer,
                    no = body_of("Exp", "x");
    begin(&m);
    model_begin(&outer);
    model_node(&outer, "If", "c", "out");
    model_attr_graph(&outer, "then_branch", &inner);
    model_attr_graph(&outer, "else_branch", &inner2);
    model_output(&outer, "out", SL_FLOAT, "n,2");
    model_node(&m, "If", "c", "y");
    model_attr_graph(&m, "then_branch", &outer);
    model_attr_graph(&m, "else_branch", &no);
    struct graph *g = loads(&m);
    const struct graph *middle = graph_of(&g->nodes[0], 0);
    ck_assert_uint_eq(middle->taken_count, 2); /* c and x */
    ck_assert_uint_eq(graph_of(&middle->nodes[0], 0)->taken_count, 1);
    graph_close(g);
}
END_TEST

/* A name made inside hides that of outside. */
START_TEST(names_inside_go_first) {
    struct model m, yes, no = body_of("Neg", "x");
    begin(&m);
    model_begin(&yes);
    model_node(&yes, "Exp", "x", "h");
    model_node(&yes, "Abs", "h", "out");
    model_output(&yes, "out", SL_FLOAT, "n,2");
    model_node(&m, "Relu", "x", "h");
    model_node(&m, "If", "c", "y");
    model_attr_graph(&m, "then_branch", &yes);
    model_attr_graph(&m, "else_branch", &no);
    model_output(&m, "h", SL_FLOAT, "n,2");
    struct graph *g = loads(&m);
    ck_assert_uint_eq(graph_of(&g->nodes[1], 0)->taken_count, 1);
    graph_close(g);
}
END_TEST

START_TEST(wrong_graphs_inside_are_refused) {
    struct model m, b, no;
    begin(&m);
    b = body_of("Neg", "nowhere"), no = body_of("Neg", "x");
    model_node(&m, "If", "c", "y");
    model_node_name(&m, "the if");
    model_attr_graph(&m, "then_branch", &b);
    model_attr_graph(&m, "else_branch", &no);
    refuses(&m, "node 'the if' reads 'nowhere', which nothing makes");
    begin(&m);
    b = body_of("Neg", "y"), no = body_of("Neg", "x");
    model_node(&m, "If", "c", "y");
    model_attr_graph(&m, "then_branch", &b);
    model_attr_graph(&m, "else_branch", &no);
    refuses(&m, "the graph has a cycle through node 'y'");
    begin(&m);
    b = body_of("Foo", "x"), no = body_of("Bar", "x");
    model_node(&no, "Foo", "x", "more");
    model_node(&m, "If", "c", "y");
    model_attr_graph(&m, "then_branch", &b);
    model_attr_graph(&m, "else_branch", &no);
    refuses(&m, ": 3 nodes cannot run here\n  cannot run operator 'Foo'");
    begin(&m);
    b = body_of("Neg", "x");
    model_node(&b, "Abs", "x", "out");
    no = body_of("Neg", "x");
    model_node(&m, "If", "c", "y");
    model_attr_graph(&m, "then_branch", &b);
    model_attr_graph(&m, "else_branch", &no);
    refuses(&m, "value 'out' is made twice (node 'out', operator 'Abs')");
    begin(&m);
    model_node(&m, "Relu", "x", "y");
    struct buf attr;
    buf_init(&attr);
    wire_put_text(&attr, 1, "bodies");
    wire_put_int(&attr, 20, 10);
    wire_put_bytes(&m.node, 5, attr.data, attr.size);
    buf_clear(&attr);
    refuses(&m,
            "attribute 'bodies' is a list of graphs, which sluice does not read (node 'y', operator 'Relu')");
}
END_TEST

/* ---- functions */

/* y = f(x) of domain "my"; its function comes next. */
static void begin_call(struct model *m) {
    model_begin(m);
    model_opset(m, "", 17);
    model_opset(m, "my", 1);
    model_input(m, "x", SL_FLOAT, "n,2");
    model_node(m, "f", "x", "y");
    model_node_domain(m, "my");
    model_node_name(m, "call");
    model_output(m, "y", SL_FLOAT, "n,2");
}

START_TEST(a_call_becomes_the_functions_nodes) {
    struct model m, f;
    begin_call(&m);
    model_node(&m, "f", "y", "z");
    model_node_domain(&m, "my");
    model_output(&m, "z", SL_FLOAT, "n,2");
    model_begin(&f);
    model_node(&f, "Neg", "a", "h");
    model_node(&f, "Exp", "h", "b");
    model_node_name(&f, "last");
    model_function(&m, "my", "f", "a", "b", "", NULL, &f);
    struct graph *g = loads(&m);
    ck_assert_uint_eq(g->node_count, 4);
    ck_assert_str_eq(g->nodes[0].name, "call/h");
    ck_assert_str_eq(g->nodes[1].name, "call/last");
    ck_assert_str_eq(g->nodes[3].name, "z/last");
    ck_assert_uint_eq(g->nodes[1].out[0], g->outputs[0]);
    ck_assert_uint_eq(g->nodes[2].in[0], g->outputs[0]);
    ck_assert_uint_ne(g->nodes[0].out[0], g->nodes[2].out[0]);
    graph_close(g);
}
END_TEST

/* Given, by default, or not at all. */
START_TEST(attributes_go_into_the_function) {
    struct model m, f;
    struct buf attr, more;
    begin_call(&m);
    model_attr_float(&m, "alpha", 0.25f);
    model_node(&m, "f", "x", "z");
    model_node_domain(&m, "my");
    model_output(&m, "z", SL_FLOAT, "n,2");
    buf_init(&attr);
    buf_init(&more);
    wire_put_text(&attr, 1, "k");
    wire_put_int(&attr, 20, ATTR_INT);
    wire_put_int(&attr, 3, 7);
    wire_put_bytes(&more, 11, attr.data, attr.size);
    model_begin(&f);
    model_node(&f, "LeakyRelu", "a", "h");
    model_attr_ref(&f, "alpha", ATTR_FLOAT, "alpha");
    model_node(&f, "Constant", "", "c");
    model_attr_ref(&f, "value_int", ATTR_INT, "k");
    model_node(&f, "Cast", "c", "d");
    model_attr_int(&f, "to", SL_FLOAT);
    model_node(&f, "Mul", "h,d", "b");
    model_function(&m, "my", "f", "a", "b", "alpha", &more, &f);
    buf_clear(&attr);
    buf_clear(&more);
    struct graph *g = loads(&m);
    ck_assert_uint_eq(g->node_count, 6);
    ck_assert_uint_eq(g->nodes[0].attr_count, 1);
    ck_assert(g->nodes[0].attrs[0].f == 0.25f);
    ck_assert_uint_eq(g->nodes[3].attr_count, 0);
    const struct graph_value *c = &g->values[g->nodes[1].in[0]];
    ck_assert(c->constant && *(const int64_t *)c->tensor.data == 7);
    graph_close(g);
}
END_TEST

/* An output that is an input, one that is there twice, an input that the call leaves out. */
START_TEST(odd_calls_work) {
    struct model m, f;
    model_begin(&m);
    model_opset(&m, "", 17);
    model_opset(&m, "my", 1);
    model_input(&m, "x", SL_FLOAT, "n,2");
    model_node(&m, "f", "x", "p,q,r");
    model_node_domain(&m, "my");
    model_output(&m, "p", SL_FLOAT, "n,2");
    model_output(&m, "q", SL_FLOAT, "n,2");
    model_output(&m, "r", SL_FLOAT, "n,2");
    model_begin(&f);
    model_node(&f, "Clip", "a,low", "b"); /* `low` is not given */
    model_function(&m, "my", "f", "a,low", "a,b,b", "", NULL, &f);
    struct graph *g = loads(&m);
    ck_assert_uint_eq(g->node_count, 3);
    ck_assert_uint_eq(g->nodes[0].in[1], GRAPH_NONE);
    ck_assert_str_eq(g->nodes[1].op_type, "Identity");
    ck_assert_str_eq(g->nodes[2].op_type, "Identity");
    graph_close(g);
}
END_TEST

START_TEST(wrong_functions_are_refused) {
    struct model m, f;
    begin_call(&m);
    refuses(&m, "cannot run operator 'f' (node 'call', domain 'my', opset 1)");
    begin_call(&m);
    f = body_of("f", "a");
    model_node_domain(&f, "my");
    model_function(&m, "my", "f", "a", "out", "", NULL, &f);
    refuses(&m, "function 'f' of domain 'my' calls itself (node 'y', operator 'f')");
    begin_call(&m);
    f = body_of("g", "a");
    model_node_domain(&f, "my");
    model_function(&m, "my", "f", "a", "out", "", NULL, &f);
    f = body_of("f", "a");
    model_node_domain(&f, "my");
    model_function(&m, "my", "g", "a", "out", "", NULL, &f);
    refuses(&m, "function 'f' of domain 'my' calls itself");
    begin_call(&m);
    for (int i = 0; i < 2; i++) {
        f = body_of("Neg", "a");
        model_function(&m, "my", "f", "a", "out", "", NULL, &f);
    }
    refuses(&m, "function 'f' of domain 'my' is there twice");
    begin_call(&m);
    f = body_of("Neg", "a");
    model_function(&m, "my", "f", "", "out", "", NULL, &f);
    refuses(&m, "function 'f' has 0 inputs and 1 outputs, its call 1 and 1");
    begin_call(&m);
    f = body_of("Neg", "x"); /* a name of the caller's */
    model_function(&m, "my", "f", "a", "out", "", NULL, &f);
    refuses(&m, "function 'f' reads 'x', which nothing makes");
    begin_call(&m);
    f = body_of("Neg", "a");
    model_function(&m, "my", "f", "a", "other", "", NULL, &f);
    refuses(&m, "function 'f' does not make its output 'other'");
    begin_call(&m);
    model_attr_float(&m, "beta", 1);
    f = body_of("Neg", "a");
    model_function(&m, "my", "f", "a", "out", "alpha", NULL, &f);
    refuses(&m, "unknown attribute 'beta' of function 'f'");
    begin_call(&m);
    f = body_of("LeakyRelu", "a");
    model_attr_ref(&f, "alpha", ATTR_FLOAT, "slope");
    model_function(&m, "my", "f", "a", "out", "alpha", NULL, &f);
    refuses(&m, "attribute 'slope' refers to one that function 'f' does not have");
    begin_call(&m);
    model_attr_int(&m, "alpha", 1);
    f = body_of("LeakyRelu", "a");
    model_attr_ref(&f, "alpha", ATTR_FLOAT, "alpha");
    model_function(&m, "my", "f", "a", "out", "alpha", NULL, &f);
    refuses(&m, "attribute 'alpha' is not of the type that its function wants");
    begin_call(&m);
    f = body_of("Constant", "");
    model_attr_ref(&f, "value_float", ATTR_FLOAT, "v");
    model_function(&m, "my", "f", "a", "out", "v", NULL, &f);
    refuses(&m, "a constant has 0 attributes and 1 outputs");
    begin(&m);
    model_node(&m, "LeakyRelu", "x", "y");
    model_attr_ref(&m, "alpha", ATTR_FLOAT, "alpha");
    refuses(&m, "attribute 'alpha' refers to a function's, outside a function");
}
END_TEST

/* Each function calls the next one twice: 2^40 nodes from a kilobyte. */
START_TEST(calls_do_not_explode) {
    struct model m, f;
    char name[16], next[16];
    begin_call(&m);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, i ? "f%d" : "f", i);
        snprintf(next, sizeof next, "f%d", i + 1);
        model_begin(&f);
        for (int k = 0; k < 4; k++) {
            char in[8], out[8];
            snprintf(in, sizeof in, "v%d", k);
            snprintf(out, sizeof out, "v%d", k + 1);
            model_node(&f, i == 19 ? "Neg" : next, in, out);
            if (i < 19)
                model_node_domain(&f, "my");
        }
        model_function(&m, "my", name, "v0", "v4", "", NULL, &f);
    }
    refuses(&m, "it has more than 100000 nodes");
    begin_call(&m);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, i ? "f%d" : "f", i);
        snprintf(next, sizeof next, "f%d", i + 1);
        f = body_of(next, "a");
        model_node_domain(&f, "my");
        model_function(&m, "my", name, "a", "out", "", NULL, &f);
    }
    refuses(&m, "its functions are nested deeper than 24");
}
END_TEST

/* A large constant inside a function that is called often. */
START_TEST(functions_bytes_are_bounded) {
    enum { COUNT = 1 << 18, CALLS = 400 };
    static float data[COUNT];
    struct model m, f;
    char in[16], out[16];
    model_begin(&m);
    model_opset(&m, "", 17);
    model_opset(&m, "my", 1);
    model_input(&m, "x", SL_FLOAT, "n,2");
    for (int i = 0; i < CALLS; i++) {
        snprintf(in, sizeof in, i ? "v%d" : "x", i);
        snprintf(out, sizeof out, "v%d", i + 1);
        model_node(&m, "f", in, out);
        model_node_domain(&m, "my");
    }
    model_output(&m, out, SL_FLOAT, "n,2");
    f = body_of("Neg", "a");
    model_node(&f, "Constant", "", "c");
    model_attr_floats(&f, "value_floats", COUNT, data);
    model_function(&m, "my", "f", "a", "out", "", NULL, &f);
    refuses(&m, "its functions are called so often that they would be too large");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("onnx_function");
    TCase *t = tcase_create("import");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_graph_takes_what_it_reads_from_outside);
    tcase_add_test(t, values_go_through_graphs_in_between);
    tcase_add_test(t, names_inside_go_first);
    tcase_add_test(t, wrong_graphs_inside_are_refused);
    tcase_add_test(t, a_call_becomes_the_functions_nodes);
    tcase_add_test(t, attributes_go_into_the_function);
    tcase_add_test(t, odd_calls_work);
    tcase_add_test(t, wrong_functions_are_refused);
    tcase_add_test(t, calls_do_not_explode);
    tcase_add_test(t, functions_bytes_are_bounded);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
