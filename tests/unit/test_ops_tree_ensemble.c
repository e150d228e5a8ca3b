/* test_ops_tree_ensemble.c: chains of equality tests become sets, and TreeEnsemble of ai.onnx.ml 5 refuses
 * what is no tree. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "ops/tree.h"

#define LIST(list_name, ...)                                                                                 \
    {                                                                                                        \
        .name = list_name, .type = ATTR_INTS, .count = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),   \
        .ints = (int64_t[]) {                                                                                \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }

/* Prepares an operator over 1 feature with these attributes and runs it on rows of one feature. */
static sl_status run_trees(const struct op *op, const struct attr *attrs, size_t count, float *rows,
                           int64_t n, float *scores, sl_error *err) {
    sl_tensor x = {.dtype = SL_FLOAT, .rank = 2, .dims = {n, 1}, .data = rows}, y = {0};
    struct op_call call = {.attrs = attrs,
                           .attr_count = count,
                           .in = (const sl_tensor *[]){&x},
                           .in_count = 1,
                           .out = (sl_tensor *[]){&y},
                           .out_count = 1};
    struct op_prepared prepared = {0};
    struct arena arena;
    arena_init(&arena);
    ck_assert_msg(op->infer(&call, err) == SL_OK, "%s", err->text);
    sl_status st = op->prepare(&call, &arena, &prepared, err);
    if (st == SL_OK) {
        call.state = prepared.state;
        call.scratch = arena_alloc(&arena, 1, prepared.scratch_nbytes);
        y.data = scores;
        op->run(&call);
    }
    arena_clear(&arena);
    return st;
}

/* Nodes 0, 2 and 4 ask for 3, 5 and 6 and share node 1, which splits on; 5 is the rest. */
START_TEST(a_chain_of_equals_is_a_set) {
    const sl_string modes[] = {{"BRANCH_EQ", 9}, {"BRANCH_LEQ", 10}, {"BRANCH_EQ", 9}, {"LEAF", 4},
                               {"BRANCH_EQ", 9}, {"LEAF", 4},        {"LEAF", 4}};
    float rows[] = {3, 5, 6, 4, NAN}, scores[5];
    sl_error err = {0};
    for (int tracked = 0; tracked < 4; tracked++) {
        struct attr attrs[] = {
            LIST("nodes_treeids", 0, 0, 0, 0, 0, 0, 0),
            LIST("nodes_nodeids", 0, 1, 2, 3, 4, 5, 6),
            LIST("nodes_featureids", 0, 0, 0, 0, 0, 0, 0),
            LIST("nodes_truenodeids", 1, 3, 1, 0, 1, 0, 0),
            LIST("nodes_falsenodeids", 2, 6, 4, 0, 5, 0, 0),
            LIST("target_treeids", 0, 0, 0),
            LIST("target_nodeids", 3, 5, 6),
            LIST("target_ids", 0, 0, 0),
            {.name = "nodes_values",
             .type = ATTR_FLOATS,
             .count = 7,
             .floats = (float[]){3, 5, 5, 0, 6, 0, 0}},
            {.name = "target_weights", .type = ATTR_FLOATS, .count = 3, .floats = (float[]){10, 20, 30}},
            {.name = "nodes_modes", .type = ATTR_STRINGS, .count = 7, .strings = modes},
            LIST("nodes_missing_value_tracks_true", tracked, 0, tracked, 0, tracked % 2, 0, 0)};
        sl_status st = run_trees(op_find("ai.onnx.ml", "TreeEnsembleRegressor", 3), attrs,
                                 sizeof attrs / sizeof *attrs, rows, 5, scores, &err);
        if (tracked == 2) { /* the last of the chain sends NaN elsewhere, so it cannot join */
            ck_assert_int_eq(st, SL_E_MODEL);
            continue;
        }
        ck_assert_msg(st == SL_OK, "%s", err.text);
        const float want[] = {10, 10, 30, 20, tracked ? 30 : 20};
        for (int i = 0; i < 5; i++)
            ck_assert_float_eq(scores[i], want[i]);
    }
}
END_TEST

/* TreeEnsemble of two nodes and three leaves, with one list replaced. */
static void refuses_ensemble(const char *name, int64_t first, int64_t second, const char *text) {
    static const struct {
        const char *name;
        int64_t values[2];
    } good[] = {{"tree_roots", {0, 0}},         {"nodes_featureids", {0, 0}}, {"nodes_truenodeids", {1, 1}},
                {"nodes_falsenodeids", {0, 2}}, {"nodes_trueleafs", {0, 1}},  {"nodes_falseleafs", {1, 1}}};
    sl_tensor splits = {.dtype = SL_FLOAT, .rank = 1, .dims = {2}, .data = (float[]){2, 1}},
              weights = {.dtype = SL_FLOAT, .rank = 1, .dims = {3}, .data = (float[]){10, 20, 30}},
              modes = {.dtype = SL_UINT8, .rank = 1, .dims = {2}, .data = (uint8_t[]){0, 0}};
    int64_t lists[6][2];
    struct attr attrs[10];
    float rows[] = {1, 2, 3}, scores[3];
    sl_error err = {0};
    for (size_t i = 0; i < 6; i++) {
        bool replaced = name && !strcmp(name, good[i].name);
        lists[i][0] = replaced ? first : good[i].values[0];
        lists[i][1] = replaced ? second : good[i].values[1];
        attrs[i] =
            (struct attr){.name = good[i].name, .type = ATTR_INTS, .count = i ? 2 : 1, .ints = lists[i]};
    }
    if (name && !strcmp(name, "modes"))
        ((uint8_t *)modes.data)[1] = (uint8_t)first;
    attrs[6] = (struct attr)LIST("leaf_targetids", 0, 0, 0);
    attrs[7] = (struct attr){.name = "nodes_splits", .type = ATTR_TENSOR, .tensor = &splits};
    attrs[8] = (struct attr){.name = "leaf_weights", .type = ATTR_TENSOR, .tensor = &weights};
    attrs[9] = (struct attr){.name = "nodes_modes", .type = ATTR_TENSOR, .tensor = &modes};
    sl_status st = run_trees(op_find("ai.onnx.ml", "TreeEnsemble", 5), attrs, 10, rows, 3, scores, &err);
    if (text) {
        ck_assert_msg(st == SL_E_MODEL, "%s was accepted", name);
        ck_assert_msg(strstr(err.text, text) != NULL, "got '%s', expected '%s'", err.text, text);
        return;
    }
    ck_assert_msg(st == SL_OK, "%s", err.text);
    ck_assert_float_eq(scores[0], 20);
    ck_assert_float_eq(scores[1], 30);
    ck_assert_float_eq(scores[2], 10);
}

START_TEST(what_is_no_ensemble_is_refused) {
    refuses_ensemble(NULL, 0, 0, NULL);
    refuses_ensemble("tree_roots", 2, 0, "root 2 does not exist");
    refuses_ensemble("tree_roots", 1, 0, "node 0 cannot be reached");
    refuses_ensemble("nodes_featureids", 0, 1, "node 1 tests feature 1, rows have 1");
    refuses_ensemble("nodes_truenodeids", 2, 1, "has the child 2, which does not exist");
    refuses_ensemble("nodes_truenodeids", 1, 3, "has the child 3, which does not exist");
    refuses_ensemble("nodes_truenodeids", 0, 1, "node 0 is reached twice");
    refuses_ensemble("nodes_falseleafs", 0, 1, "node 0 is reached twice");
    refuses_ensemble("modes", 7, 0, "node 1 has the unknown mode 7");
    refuses_ensemble("modes", 6, 0, "'membership_values' has no set for node 1");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_tree_ensemble");
    TCase *t = tcase_create("tree");
    tcase_add_test(t, a_chain_of_equals_is_a_set);
    tcase_add_test(t, what_is_no_ensemble_is_refused);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
