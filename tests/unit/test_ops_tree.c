/* test_ops_tree.c: tree ensembles decide exactly, sum in a fixed order, and refuse what is no tree. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model_rig.h"
#include "ops/tree.h"
#include "support/mem.h"

/* One tree of one test: node 0 with leaves 1 (yes, weight 1) and 2 (no, weight 2). */
static void one_test(struct model *m, const char *mode, float threshold, int missing) {
    char modes[64];
    snprintf(modes, sizeof modes, "%s,LEAF,LEAF", mode);
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,1");
    model_node(m, "TreeEnsembleRegressor", "x", "y");
    model_node_domain(m, "ai.onnx.ml");
    model_attr_ints(m, "nodes_treeids", 3, (int64_t[]){0, 0, 0});
    model_attr_ints(m, "nodes_nodeids", 3, (int64_t[]){0, 1, 2});
    model_attr_ints(m, "nodes_featureids", 3, (int64_t[]){0, 0, 0});
    model_attr_ints(m, "nodes_truenodeids", 3, (int64_t[]){1, 0, 0});
    model_attr_ints(m, "nodes_falsenodeids", 3, (int64_t[]){2, 0, 0});
    model_attr_floats(m, "nodes_values", 3, (float[]){threshold, 0, 0});
    model_attr_texts(m, "nodes_modes", modes);
    if (missing >= 0)
        model_attr_ints(m, "nodes_missing_value_tracks_true", 3, (int64_t[]){missing, 0, 0});
    model_attr_ints(m, "target_treeids", 2, (int64_t[]){0, 0});
    model_attr_ints(m, "target_nodeids", 2, (int64_t[]){1, 2});
    model_attr_ints(m, "target_ids", 2, (int64_t[]){0, 0});
    model_attr_floats(m, "target_weights", 2, (float[]){1, 2});
    model_attr_int(m, "n_targets", 1);
    model_output(m, "y", SL_FLOAT, "n,1");
}

START_TEST(decisions_are_exact) {
    static const struct {
        const char *mode;
        float below, at, above; /* 1 where the test holds */
    } modes[] = {{"BRANCH_LEQ", 1, 1, 2}, {"BRANCH_LT", 1, 2, 2}, {"BRANCH_GTE", 2, 1, 1},
                 {"BRANCH_GT", 2, 2, 1},  {"BRANCH_EQ", 2, 1, 2}, {"BRANCH_NEQ", 1, 2, 1}};
    const float threshold = 0.1f;
    for (size_t i = 0; i < 6; i++)
        for (int missing = -1; missing < 2; missing++) {
            struct model m;
            const float x[] = {nextafterf(threshold, -1), threshold, nextafterf(threshold, 1), NAN};
            one_test(&m, modes[i].mode, threshold, missing);
            float *y = rig_run_model(&m, 4, x);
            ck_assert_float_eq(y[0], modes[i].below);
            ck_assert_float_eq(y[1], modes[i].at);
            ck_assert_float_eq(y[2], modes[i].above);
            float nan_wants = missing == 1 || i == 5 ? 1 : 2; /* NaN is not equal to anything */
            ck_assert_float_eq(y[3], nan_wants);
            mem_free(y);
            model_end(&m);
        }
}
END_TEST

/* A complete tree of depth d over feature k % features with pseudo-random thresholds. */
enum { DEPTH = 6, INNER = (1 << DEPTH) - 1, NODES = 2 * INNER + 1, TREES = 20, FEATURES = 9 };

struct forest {
    int64_t trees[TREES * NODES], ids[TREES * NODES], features[TREES * NODES], yes[TREES * NODES],
        no[TREES * NODES];
    float values[TREES * NODES];
    char modes[TREES * NODES * 11];
    int64_t leaf_trees[TREES * (INNER + 1)], leaf_ids[TREES * (INNER + 1)], targets[TREES * (INNER + 1)];
    float weights[TREES * (INNER + 1)];
};

static struct forest forest;

static void grow(void) {
    size_t at = 0, leaf = 0, mode = 0;
    srand(5);
    for (int t = 0; t < TREES; t++)
        for (int i = 0; i < NODES; i++, at++) {
            bool is_leaf = i >= INNER;
            forest.trees[at] = t;
            forest.ids[at] = i;
            forest.features[at] = rand() % FEATURES;
            forest.values[at] = (float)(rand() % 200 - 100) / 64;
            forest.yes[at] = is_leaf ? 0 : 2 * i + 1;
            forest.no[at] = is_leaf ? 0 : 2 * i + 2;
            mode +=
                (size_t)sprintf(forest.modes + mode, "%s%s", at ? "," : "", is_leaf ? "LEAF" : "BRANCH_LEQ");
            if (!is_leaf)
                continue;
            forest.leaf_trees[leaf] = t;
            forest.leaf_ids[leaf] = i;
            forest.weights[leaf++] = (float)(rand() % 2001 - 1000) / 777;
        }
}

static int64_t walk(int tree, const float *row) {
    int64_t i = 0;
    while (i < INNER) {
        size_t at = (size_t)(tree * NODES + i);
        i = row[forest.features[at]] <= forest.values[at] ? 2 * i + 1 : 2 * i + 2;
    }
    return i;
}

static void forest_node(struct model *m, const char *rows) {
    char dims[32];
    snprintf(dims, sizeof dims, "%s,%d", rows, FEATURES);
    model_begin(m);
    model_input(m, "x", SL_FLOAT, dims);
    model_node(m, "TreeEnsembleRegressor", "x", "y");
    model_node_domain(m, "ai.onnx.ml");
    model_attr_ints(m, "nodes_treeids", TREES * NODES, forest.trees);
    model_attr_ints(m, "nodes_nodeids", TREES * NODES, forest.ids);
    model_attr_ints(m, "nodes_featureids", TREES * NODES, forest.features);
    model_attr_ints(m, "nodes_truenodeids", TREES * NODES, forest.yes);
    model_attr_ints(m, "nodes_falsenodeids", TREES * NODES, forest.no);
    model_attr_floats(m, "nodes_values", TREES * NODES, forest.values);
    struct buf attr;
    buf_init(&attr);
    wire_put_text(&attr, 1, "nodes_modes");
    wire_put_int(&attr, 20, ATTR_STRINGS);
    for (char *mode = strtok(forest.modes, ","); mode; mode = strtok(NULL, ","))
        wire_put_text(&attr, 9, mode);
    wire_put_bytes(&m->node, 5, attr.data, attr.size);
    buf_clear(&attr);
    model_attr_ints(m, "target_treeids", TREES * (INNER + 1), forest.leaf_trees);
    model_attr_ints(m, "target_nodeids", TREES * (INNER + 1), forest.leaf_ids);
    model_attr_ints(m, "target_ids", TREES * (INNER + 1), forest.targets);
    model_attr_floats(m, "target_weights", TREES * (INNER + 1), forest.weights);
    model_attr_int(m, "n_targets", 1);
    model_output(m, "y", SL_FLOAT, "n,1");
}

/* Every row reaches the leaf that a walk over the model's own lists finds; the score is the sum in the order
 * of the trees, rounded once. */
START_TEST(leaves_and_sums_are_exact) {
    enum { ROWS = 1000 };
    static float x[ROWS * FEATURES];
    struct model m;
    sl_error err = {0};
    grow();
    for (size_t i = 0; i < ROWS * FEATURES; i++)
        x[i] = (float)(rand() % 300 - 150) / 64; /* thresholds are hit often */
    forest_node(&m, "n");
    struct graph *graph = model_load(&m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    sl_tensor in = {.dtype = SL_FLOAT, .rank = 2, .dims = {ROWS, FEATURES}, .data = x};
    struct op_call call = {.attrs = graph->nodes[0].attrs,
                           .attr_count = graph->nodes[0].attr_count,
                           .in = (const sl_tensor *[]){&in},
                           .in_count = 1};
    struct tree_ensemble *e;
    struct arena arena;
    arena_init(&arena);
    ck_assert_msg(tree_build(&call, "target", 1, &arena, &e, &err) == SL_OK, "%s", err.text);
    ck_assert_uint_eq(sizeof(struct tree_node), 16);
    ck_assert_uint_eq(e->tree_count, TREES);
    ck_assert(e->plain);
    void *out;
    struct plan *plan;
    ck_assert_int_eq(plan_make(&plan, graph, &(struct plan_options){.batch = ROWS}, &err), SL_OK);
    rig_run(plan, (const void *[]){x}, &out);
    for (int r = 0; r < ROWS; r++) {
        double sum = 0, exact[FEATURES];
        for (int i = 0; i < FEATURES; i++)
            exact[i] = (double)x[r * FEATURES + i];
        for (int t = 0; t < TREES; t++) {
            int64_t want = walk(t, x + r * FEATURES);
            ck_assert_int_eq(e->node_ids[tree_leaf(e, (size_t)t, x + r * FEATURES)], want);
            ck_assert_int_eq(e->node_ids[tree_leaf_f64(e, (size_t)t, exact)], want);
            sum += (double)forest.weights[t * (INNER + 1) + want - INNER];
        }
        ck_assert_float_eq(((float *)out)[r], (float)sum);
    }
    mem_free(out);
    plan_close(plan);
    arena_clear(&arena);
    graph_close(graph);
    model_end(&m);
}
END_TEST

/* Attributes of a good tree with one list replaced. */
static void refuses(const char *name, const int64_t *values, const char *text) {
    struct model m;
    sl_error err = {0};
    struct plan *plan;
    static const struct {
        const char *name;
        int64_t values[5];
    } good[] = {{"nodes_treeids", {0, 0, 0, 0, 0}},      {"nodes_nodeids", {0, 1, 2, 3, 4}},
                {"nodes_featureids", {0, 1, 0, 0, 0}},   {"nodes_truenodeids", {1, 3, 0, 0, 0}},
                {"nodes_falsenodeids", {2, 4, 0, 0, 0}}, {"target_treeids", {0, 0, 0}},
                {"target_nodeids", {2, 3, 4}},           {"target_ids", {0, 0, 0}}};
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,2");
    model_node(&m, "TreeEnsembleRegressor", "x", "y");
    model_node_domain(&m, "ai.onnx.ml");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        model_attr_ints(&m, good[i].name, good[i].name[0] == 'n' ? 5 : 3,
                        name && !strcmp(name, good[i].name) ? values : good[i].values);
    model_attr_floats(&m, "nodes_values", 5, (float[]){0, 0, 0, 0, 0});
    model_attr_texts(&m, "nodes_modes",
                     name && !strcmp(name, "modes") ? "BRANCH_LEQ,BRANCH_LEQ,LEAF,LEAF,LEAVE"
                                                    : "BRANCH_LEQ,BRANCH_LEQ,LEAF,LEAF,LEAF");
    model_attr_floats(&m, "target_weights", 3, (float[]){1, 2, 3});
    model_attr_int(&m, "n_targets", 1);
    model_output(&m, "y", SL_FLOAT, "n,1");
    struct graph *graph = model_load(&m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&plan, graph, &(struct plan_options){.batch = 2}, &err) == SL_OK, "%s", err.text);
    struct op_call call = {.attrs = graph->nodes[0].attrs,
                           .attr_count = graph->nodes[0].attr_count,
                           .in = (const sl_tensor *[]){&plan->values[plan->inputs[0].value].tensor},
                           .in_count = 1};
    struct tree_ensemble *e;
    struct arena arena;
    arena_init(&arena);
    sl_status st = tree_build(&call, "target", 1, &arena, &e, &err);
    if (text) {
        ck_assert_msg(st == SL_E_MODEL, "%s was accepted", name);
        ck_assert_msg(strstr(err.text, text) != NULL, "got '%s', expected '%s'", err.text, text);
    } else {
        ck_assert_msg(st == SL_OK, "%s", err.text);
    }
    arena_clear(&arena);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}

START_TEST(what_is_no_tree_is_refused) {
    refuses(NULL, NULL, NULL);
    refuses("nodes_truenodeids", (int64_t[]){1, 0, 0, 0, 0}, "cannot be reached from a root"); /* a cycle */
    refuses("nodes_truenodeids", (int64_t[]){1, 1, 0, 0, 0}, "is reached twice");
    refuses("nodes_truenodeids", (int64_t[]){1, 2, 0, 0, 0}, "is reached twice"); /* a lattice */
    refuses("nodes_truenodeids", (int64_t[]){1, 4, 0, 0, 0}, "is reached twice");
    refuses("nodes_truenodeids", (int64_t[]){1, 9, 0, 0, 0}, "has a child that does not exist");
    refuses("nodes_truenodeids", (int64_t[]){1, -1, 0, 0, 0}, "has a child that does not exist");
    refuses("nodes_nodeids", (int64_t[]){0, 1, 2, 3, 3}, "has node 3 twice");
    refuses("nodes_featureids", (int64_t[]){0, 2, 0, 0, 0}, "tests feature 2, rows have 2");
    refuses("nodes_featureids", (int64_t[]){0, -1, 0, 0, 0}, "tests feature -1, rows have 2");
    refuses("target_nodeids", (int64_t[]){2, 3, 1}, "a weight names leaf 1 of tree 0, which is none");
    refuses("target_nodeids", (int64_t[]){2, 3, 7}, "a weight names leaf 7 of tree 0, which is none");
    refuses("target_ids", (int64_t[]){0, 0, 1}, "a weight names target 1 of 1");
    refuses("modes", NULL, "has an unknown mode");
}
END_TEST

/* A chain as deep as it is long: nothing recurses. */
START_TEST(a_deep_tree_is_fine) {
    enum { LEVELS = 100000, COUNT = 2 * LEVELS + 1 };
    int64_t *ids = mem_alloc(COUNT, sizeof *ids), *zeros = mem_alloc(COUNT, sizeof *zeros);
    int64_t *yes = mem_alloc(COUNT, sizeof *yes), *no = mem_alloc(COUNT, sizeof *no);
    float *values = mem_alloc(COUNT, sizeof *values);
    sl_string *modes = mem_alloc(COUNT, sizeof *modes);
    for (int i = 0; i < COUNT; i++) {
        bool leaf = i % 2 == 1 || i == COUNT - 1;
        ids[i] = i;
        yes[i] = leaf ? 0 : i + 2;
        no[i] = leaf ? 0 : i + 1;
        modes[i] = leaf ? (sl_string){"LEAF", 4} : (sl_string){"BRANCH_LEQ", 10};
    }
    const struct attr attrs[] = {
        {.name = "nodes_treeids", .type = ATTR_INTS, .count = COUNT, .ints = zeros},
        {.name = "nodes_nodeids", .type = ATTR_INTS, .count = COUNT, .ints = ids},
        {.name = "nodes_featureids", .type = ATTR_INTS, .count = COUNT, .ints = zeros},
        {.name = "nodes_truenodeids", .type = ATTR_INTS, .count = COUNT, .ints = yes},
        {.name = "nodes_falsenodeids", .type = ATTR_INTS, .count = COUNT, .ints = no},
        {.name = "nodes_values", .type = ATTR_FLOATS, .count = COUNT, .floats = values},
        {.name = "nodes_modes", .type = ATTR_STRINGS, .count = COUNT, .strings = modes},
        {.name = "target_treeids", .type = ATTR_INTS, .count = 1, .ints = zeros},
        {.name = "target_nodeids", .type = ATTR_INTS, .count = 1, .ints = ids + COUNT - 1},
        {.name = "target_ids", .type = ATTR_INTS, .count = 1, .ints = zeros},
        {.name = "target_weights", .type = ATTR_FLOATS, .count = 1, .floats = values}};
    sl_tensor x = {.dtype = SL_FLOAT, .rank = 2, .dims = {1, 1}};
    struct op_call call = {.attrs = attrs,
                           .attr_count = sizeof attrs / sizeof *attrs,
                           .in = (const sl_tensor *[]){&x},
                           .in_count = 1};
    struct tree_ensemble *e;
    struct arena arena;
    sl_error err = {0};
    arena_init(&arena);
    ck_assert_msg(tree_build(&call, "target", 1, &arena, &e, &err) == SL_OK, "%s", err.text);
    ck_assert_uint_eq(e->node_ids[tree_leaf(e, 0, (float[]){0})], COUNT - 1);
    ck_assert_uint_eq(e->node_ids[tree_leaf(e, 0, (float[]){1})], 1);
    arena_clear(&arena);
    mem_free(ids);
    mem_free(zeros);
    mem_free(yes);
    mem_free(no);
    mem_free(values);
    mem_free(modes);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_tree");
    TCase *t = tcase_create("tree");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, decisions_are_exact);
    tcase_add_test(t, leaves_and_sums_are_exact);
    tcase_add_test(t, what_is_no_tree_is_refused);
    tcase_add_test(t, a_deep_tree_is_fine);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
