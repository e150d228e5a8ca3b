/* test_trees_fast.c: the cpu device's trees: every kernel gives the reference's bits, and the leaves that a
 * naive walk over the model's own lists finds, for random ensembles of every mode, shape and dtype. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/cpu/trees_fast.h"
#include "support/machine.h"
#include "support/mem.h"

enum { FEATURES = 7, MOST_NODES = 40000, MOST_WEIGHTS = 60000, MOST_ROWS = 600 };
enum shape { COMPLETE, RAGGED, STUMPS, LEAVES, CHAINS };

/* The lists of a model. */
static struct {
    size_t count, weight_count, tree_count;
    int64_t trees[MOST_NODES], ids[MOST_NODES], features[MOST_NODES], yes[MOST_NODES], no[MOST_NODES],
        missing[MOST_NODES], first[MOST_NODES]; /* first: position of a tree's node 0, by tree */
    double values[MOST_NODES];
    float values_f32[MOST_NODES];
    sl_string modes[MOST_NODES];
    int64_t weight_trees[MOST_WEIGHTS], weight_ids[MOST_WEIGHTS], targets[MOST_WEIGHTS];
    double weights[MOST_WEIGHTS];
    float weights_f32[MOST_WEIGHTS];
} m;

/* What an ensemble is made of. */
struct recipe {
    enum shape shape;
    size_t trees;
    int depth, targets;
    bool leq, exact;                            /* nothing but LEQ; doubles that are no floats */
    enum { ONE, EACH_TREE, ALL, SOME } weights; /* targets of a leaf */
    enum tree_aggregate aggregate;
    sl_dtype dtype;
};

static double pick_value(const struct recipe *r) {
    static const double special[] = {0,        -0.0,      0.5,   -1.5,   FLT_MAX, -FLT_MAX,
                                     INFINITY, -INFINITY, 1e-45, -1e-45, 3,       -2};
    static const double exact[] = {0.1, 1e300, -1e300, 1e-300, 16777217, 0.30000000000000004};
    int kind = rand() % 8;
    if (kind == 0)
        return rand() % 50 ? 2 : NAN;
    if (kind == 1 && r->exact)
        return exact[rand() % 6];
    return kind < 5 ? special[rand() % 12] : (double)((float)(rand() % 400 - 200) / 64);
}

static void add_weights(const struct recipe *r, int64_t tree, int64_t id) {
    for (int t = 0; t < r->targets; t++) {
        if ((r->weights == ONE && t) || (r->weights == EACH_TREE && t != tree % r->targets) ||
            (r->weights == SOME && rand() % 2))
            continue;
        size_t at = m.weight_count++;
        ck_assert_uint_lt(at, MOST_WEIGHTS);
        m.weight_trees[at] = tree;
        m.weight_ids[at] = id;
        m.targets[at] = t;
        m.weights[at] = (double)(rand() % 2001 - 1000) / 777;
        m.weights_f32[at] = (float)m.weights[at];
    }
}

/* Grows one tree; node ids count in the order of positions. A node's children are appended after it. */
static void grow_tree(const struct recipe *r, int64_t tree) {
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                        "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
    static int levels[MOST_NODES];
    size_t first = m.count++, end = first + 1;
    levels[first] = 0;
    m.first[tree] = (int64_t)first;
    for (size_t i = first; i < end; i++) {
        bool second = i > first && (i - first) % 2 == 0;
        bool leaf = levels[i] >= r->depth || (r->shape == CHAINS && i > first && !second) ||
                    (r->shape == RAGGED && i > first && rand() % 3 == 0);
        m.trees[i] = tree;
        m.ids[i] = (int64_t)(i - first);
        m.features[i] = rand() % FEATURES;
        m.values[i] = pick_value(r);
        m.values_f32[i] = (float)m.values[i];
        m.missing[i] = rand() % 2;
        const char *mode = leaf ? "LEAF" : modes[r->leq ? 0 : rand() % 6];
        m.modes[i] = (sl_string){mode, strlen(mode)};
        m.yes[i] = m.no[i] = 0;
        if (leaf) {
            add_weights(r, tree, m.ids[i]);
            continue;
        }
        ck_assert_uint_lt(end + 2, MOST_NODES);
        m.yes[i] = (int64_t)(end - first);
        m.no[i] = (int64_t)(end - first) + 1;
        levels[end] = levels[end + 1] = levels[i] + 1;
        end += 2;
    }
    m.count = end;
}

static void grow(const struct recipe *r) {
    m.count = m.weight_count = 0;
    m.tree_count = r->trees;
    for (size_t t = 0; t < r->trees; t++)
        grow_tree(r, (int64_t)t);
}

/* The weights' sum (or least, most) of a target for a row, straight from the lists. */
static double walk(const struct recipe *r, const double *row, int target) {
    double score = 0;
    bool any = false;
    for (size_t t = 0; t < m.tree_count; t++) {
        size_t first = (size_t)m.first[t], at = first;
        while (strcmp(m.modes[at].data, "LEAF")) {
            const char *mode = m.modes[at].data + 7;
            double x = row[m.features[at]], v = r->exact ? m.values[at] : (double)m.values_f32[at];
            bool yes = !strcmp(mode, "LEQ")   ? x <= v
                       : !strcmp(mode, "LT")  ? x < v
                       : !strcmp(mode, "GTE") ? x >= v
                       : !strcmp(mode, "GT")  ? x > v
                       : !strcmp(mode, "EQ")  ? x == v
                                              : x != v;
            yes = yes || (!r->leq && m.missing[at] && isnan(x));
            at = first + (size_t)(yes ? m.yes[at] : m.no[at]);
        }
        for (size_t w = 0; w < m.weight_count; w++) {
            if (m.weight_trees[w] != (int64_t)t || m.weight_ids[w] != m.ids[at] || m.targets[w] != target)
                continue;
            double weight = r->exact ? m.weights[w] : (double)m.weights_f32[w];
            bool takes = !any || (r->aggregate == TREE_MIN ? weight < score : weight > score);
            score = r->aggregate <= TREE_AVERAGE ? score + weight : takes ? weight : score;
            any = true;
        }
    }
    return r->aggregate == TREE_AVERAGE ? score / (double)m.tree_count : score;
}

static void put(sl_tensor *x, size_t at, double value) {
    if (x->dtype == SL_FLOAT)
        ((float *)x->data)[at] = (float)value;
    else if (x->dtype == SL_DOUBLE)
        ((double *)x->data)[at] = value;
    else if (x->dtype == SL_INT64)
        ((int64_t *)x->data)[at] = isfinite(value) && fabs(value) < 1e15 ? (int64_t)value : 7;
    else
        ((int32_t *)x->data)[at] = isfinite(value) && fabs(value) < 1e9 ? (int32_t)value : 7;
}

static void fill_rows(const struct recipe *r, sl_tensor *x) {
    for (size_t i = 0; i < MOST_ROWS * FEATURES; i++) {
        double value = pick_value(r);
        int kind = rand() % 6;
        put(x, i,
            kind == 0   ? NAN
            : kind == 1 ? (double)nextafterf((float)value, INFINITY)
            : kind == 2 ? (double)nextafterf((float)value, -INFINITY)
                        : value);
    }
}

#define LIST(list_name, list, size)                                                                          \
    { .name = list_name, .type = ATTR_INTS, .count = size, .ints = list }

/* Prepares the operator and runs it by the reference and by every kernel, for several row counts. */
static void check(const struct recipe *r) {
    static const char *const aggregates[] = {"SUM", "AVERAGE", "MIN", "MAX"};
    static const int64_t row_counts[] = {1, 7, 8, 9, 16, 17, 100, MOST_ROWS};
    static double x_data[MOST_ROWS * FEATURES];
    static float want[MOST_ROWS * 1000], got[MOST_ROWS * 1000];
    const struct tree_kernels *kernels[] = {&tree_kernels_portable, &tree_kernels_avx2, &tree_kernels_avx512};
    struct machine machine;
    machine_read(&machine);
    grow(r);
    sl_tensor values = {.dtype = SL_DOUBLE, .rank = 1, .dims = {(int64_t)m.count}, .data = m.values};
    sl_tensor weights = {.dtype = SL_DOUBLE, .rank = 1, .dims = {(int64_t)m.weight_count}, .data = m.weights};
    const struct attr attrs[] = {
        LIST("nodes_treeids", m.trees, m.count),
        LIST("nodes_nodeids", m.ids, m.count),
        LIST("nodes_featureids", m.features, m.count),
        LIST("nodes_truenodeids", m.yes, m.count),
        LIST("nodes_falsenodeids", m.no, m.count),
        LIST("target_treeids", m.weight_trees, m.weight_count),
        LIST("target_nodeids", m.weight_ids, m.weight_count),
        LIST("target_ids", m.targets, m.weight_count),
        {.name = "nodes_modes", .type = ATTR_STRINGS, .count = m.count, .strings = m.modes},
        {.name = "n_targets", .type = ATTR_INT, .i = r->targets},
        {.name = "aggregate_function",
         .type = ATTR_STRING,
         .s = {aggregates[r->aggregate], strlen(aggregates[r->aggregate])}},
        {.name = r->exact ? "nodes_values_as_tensor" : "nodes_values",
         .type = r->exact ? ATTR_TENSOR : ATTR_FLOATS,
         .count = m.count,
         .floats = m.values_f32,
         .tensor = &values},
        {.name = r->exact ? "target_weights_as_tensor" : "target_weights",
         .type = r->exact ? ATTR_TENSOR : ATTR_FLOATS,
         .count = m.weight_count,
         .floats = m.weights_f32,
         .tensor = &weights},
        LIST("nodes_missing_value_tracks_true", m.missing, m.count)};
    sl_tensor x = {.dtype = r->dtype, .rank = 2, .dims = {MOST_ROWS, FEATURES}, .data = x_data}, y = {0};
    struct op_call call = {.attrs = attrs,
                           .attr_count = sizeof attrs / sizeof *attrs - r->leq,
                           .opset = 3,
                           .in = (const sl_tensor *[]){&x},
                           .in_count = 1,
                           .out = (sl_tensor *[]){&y},
                           .out_count = 1};
    const struct op *op = op_find("ai.onnx.ml", "TreeEnsembleRegressor", 3);
    struct op_prepared prepared = {0};
    struct fast_trees *fast;
    struct arena arena;
    sl_error err = {0};
    bool fits;
    arena_init(&arena);
    fill_rows(r, &x);
    ck_assert_msg(op->infer(&call, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(op->prepare(&call, &arena, &prepared, &err) == SL_OK, "%s", err.text);
    ck_assert_int_eq(trees_pack(prepared.state, r->dtype, 256, &arena, &fast, &fits, &err), SL_OK);
    ck_assert(fits);
    call.state = prepared.state;
    void *scratch = mem_alloc(1, prepared.scratch_nbytes),
         *fast_scratch = mem_alloc(1, trees_scratch_nbytes(fast));
    call.scratch = scratch;
    for (size_t n = 0; n < sizeof row_counts / sizeof *row_counts; n++) {
        size_t cells = (size_t)(row_counts[n] * r->targets);
        x.dims[0] = y.dims[0] = row_counts[n];
        y.data = want;
        op->run(&call);
        y.data = got;
        for (int k = 0; k < 3; k++) {
            if ((k == 1 && !machine.avx2) || (k == 2 && !machine.avx512))
                continue;
            fast->kernels = kernels[k];
            memset(got, 0x5a, sizeof got);
            trees_run(fast, &call, fast_scratch);
            ck_assert_msg(!memcmp(want, got, cells * sizeof *got), "%s: other bits at %lld rows",
                          kernels[k]->name, (long long)row_counts[n]);
        }
    }
    for (size_t row = 0; row < 40; row++) {
        double features[FEATURES];
        for (size_t i = 0; i < FEATURES; i++)
            features[i] = tree_feature(&x, (int64_t)(row * FEATURES + i));
        for (int t = 0; t < r->targets && t < 5; t++)
            ck_assert_float_eq(want[row * (size_t)r->targets + (size_t)t], (float)walk(r, features, t));
    }
    mem_free(scratch);
    mem_free(fast_scratch);
    arena_clear(&arena);
}

static const struct recipe recipes[] = {
    {COMPLETE, 20, 8, 1, true, false, ONE, TREE_SUM, SL_FLOAT},
    {COMPLETE, 21, 5, 1, false, false, ONE, TREE_SUM, SL_FLOAT},
    {COMPLETE, 7, 4, 1, false, true, ONE, TREE_SUM, SL_FLOAT},
    {RAGGED, 50, 12, 1, true, false, ONE, TREE_SUM, SL_FLOAT},
    {RAGGED, 50, 12, 1, false, false, ONE, TREE_AVERAGE, SL_FLOAT},
    {RAGGED, 30, 9, 1, false, true, ONE, TREE_SUM, SL_FLOAT},
    {RAGGED, 30, 9, 1, false, true, ONE, TREE_SUM, SL_DOUBLE},
    {RAGGED, 30, 9, 1, false, false, ONE, TREE_SUM, SL_DOUBLE},
    {RAGGED, 30, 9, 3, false, false, EACH_TREE, TREE_SUM, SL_INT64},
    {RAGGED, 30, 9, 3, false, false, ALL, TREE_SUM, SL_INT32},
    {RAGGED, 33, 7, 5, false, false, EACH_TREE, TREE_SUM, SL_FLOAT},
    {RAGGED, 33, 7, 5, false, true, EACH_TREE, TREE_SUM, SL_FLOAT},
    {RAGGED, 10, 6, 4, false, false, ALL, TREE_AVERAGE, SL_FLOAT},
    {RAGGED, 10, 6, 4, false, true, ALL, TREE_SUM, SL_FLOAT},
    {RAGGED, 10, 6, 4, false, false, SOME, TREE_SUM, SL_FLOAT},
    {RAGGED, 10, 6, 2, false, false, SOME, TREE_MIN, SL_FLOAT},
    {RAGGED, 10, 6, 2, false, false, ALL, TREE_MAX, SL_DOUBLE},
    {STUMPS, 100, 1, 1, false, false, ONE, TREE_SUM, SL_FLOAT},
    {LEAVES, 3, 0, 1, false, false, ONE, TREE_SUM, SL_FLOAT},
    {CHAINS, 9, 60, 1, false, false, ONE, TREE_SUM, SL_FLOAT},
    {CHAINS, 9, 60, 1, true, false, ONE, TREE_SUM, SL_DOUBLE},
    {RAGGED, 30, 4, 1000, false, false, EACH_TREE, TREE_SUM, SL_FLOAT},
    {STUMPS, 15, 1, 1000, true, false, ALL, TREE_SUM, SL_FLOAT},
};

START_TEST(every_kernel_gives_the_reference_and_the_walk) {
    for (unsigned seed = 1; seed <= 3; seed++) {
        srand(seed);
        check(&recipes[_i]);
    }
}
END_TEST

/* What does not fit is left to the reference: more columns than a word can name. */
START_TEST(too_many_columns_do_not_fit) {
    enum { WIDE = 5000, COUNT = 2 * WIDE + 1 };
    struct tree_ensemble e = {.node_count = COUNT,
                              .tree_count = 1,
                              .feature_count = WIDE,
                              .target_count = 1,
                              .nodes = mem_alloc(COUNT, sizeof *e.nodes),
                              .roots = (uint32_t[]){0},
                              .weights = (struct tree_weight[]){{0, 1}}};
    struct fast_trees *fast;
    struct arena arena;
    sl_error err = {0};
    bool fits;
    for (uint32_t i = 0; i < COUNT; i++) /* a chain: places 1 and 2 below 0, 3 and 4 below 2, ... */
        e.nodes[i] = (struct tree_node){.mode = TREE_LEAF, .feature = 1};
    for (uint32_t i = 0; i < WIDE; i++)
        e.nodes[2 * i] = (struct tree_node){.mode = TREE_LEQ, .feature = i, .child = 2 * i + 1};
    arena_init(&arena);
    ck_assert_int_eq(trees_pack(&e, SL_FLOAT, 8, &arena, &fast, &fits, &err), SL_OK);
    ck_assert(!fits);
    for (uint32_t i = 0; i < WIDE; i++)
        e.nodes[2 * i].feature = i % 4095;
    ck_assert_int_eq(trees_pack(&e, SL_FLOAT, 8, &arena, &fast, &fits, &err), SL_OK);
    ck_assert(fits);
    ck_assert_uint_eq(fast->trees[0].depth, WIDE);
    arena_clear(&arena);
    mem_free(e.nodes);
}
END_TEST

/* Set membership, a test that is a column: 0, 1 and 3 are members, 2 and NaN are none, unless NaN is tracked.
 */
START_TEST(members_are_found) {
    sl_tensor splits = {.dtype = SL_FLOAT, .rank = 1, .dims = {1}, .data = (float[]){0}},
              weights = {.dtype = SL_FLOAT, .rank = 1, .dims = {2}, .data = (float[]){10, 20}},
              modes = {.dtype = SL_UINT8, .rank = 1, .dims = {1}, .data = (uint8_t[]){6}},
              members = {.dtype = SL_FLOAT, .rank = 1, .dims = {4}, .data = (float[]){3, 0, 1, NAN}};
    int64_t none[] = {0}, one[] = {1}, zeros[] = {0, 0};
    float rows[] = {0, 1, 2, 3, NAN, -0.0F}, got[6], want[6];
    sl_tensor x = {.dtype = SL_FLOAT, .rank = 2, .dims = {6, 1}, .data = rows}, y = {0};
    for (int tracked = 0; tracked < 2; tracked++) {
        const struct attr attrs[] = {LIST("tree_roots", none, 1),
                                     LIST("nodes_featureids", none, 1),
                                     LIST("nodes_truenodeids", none, 1),
                                     LIST("nodes_falsenodeids", one, 1),
                                     LIST("nodes_trueleafs", one, 1),
                                     LIST("nodes_falseleafs", one, 1),
                                     LIST("nodes_missing_value_tracks_true", tracked ? one : none, 1),
                                     LIST("leaf_targetids", zeros, 2),
                                     {.name = "nodes_splits", .type = ATTR_TENSOR, .tensor = &splits},
                                     {.name = "leaf_weights", .type = ATTR_TENSOR, .tensor = &weights},
                                     {.name = "nodes_modes", .type = ATTR_TENSOR, .tensor = &modes},
                                     {.name = "membership_values", .type = ATTR_TENSOR, .tensor = &members}};
        struct op_call call = {.attrs = attrs,
                               .attr_count = sizeof attrs / sizeof *attrs,
                               .opset = 5,
                               .in = (const sl_tensor *[]){&x},
                               .in_count = 1,
                               .out = (sl_tensor *[]){&y},
                               .out_count = 1};
        const struct op *op = op_find("ai.onnx.ml", "TreeEnsemble", 5);
        struct op_prepared prepared = {0};
        struct fast_trees *fast;
        struct arena arena;
        sl_error err = {0};
        bool fits;
        arena_init(&arena);
        ck_assert_msg(op->infer(&call, &err) == SL_OK, "%s", err.text);
        ck_assert_msg(op->prepare(&call, &arena, &prepared, &err) == SL_OK, "%s", err.text);
        ck_assert_int_eq(trees_pack(prepared.state, SL_FLOAT, 6, &arena, &fast, &fits, &err), SL_OK);
        ck_assert(fits);
        call.state = prepared.state;
        call.scratch = arena_alloc(&arena, 1, prepared.scratch_nbytes);
        y.data = want;
        op->run(&call);
        y.data = got;
        trees_run(fast, &call, arena_alloc(&arena, 1, trees_scratch_nbytes(fast)));
        ck_assert_mem_eq(want, got, sizeof got);
        for (int i = 0; i < 6; i++)
            ck_assert_float_eq(got[i], i == 2 || (i == 4 && !tracked) ? 20 : 10);
        arena_clear(&arena);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trees_fast");
    TCase *t = tcase_create("trees");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_kernel_gives_the_reference_and_the_walk, 0,
                        (int)(sizeof recipes / sizeof *recipes));
    tcase_add_test(t, too_many_columns_do_not_fit);
    tcase_add_test(t, members_are_found);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
