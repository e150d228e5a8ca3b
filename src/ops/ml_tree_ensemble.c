/* ml_tree_ensemble.c: TreeEnsemble of ai.onnx.ml 5: inner nodes and leaves in lists of their own, set
 * membership tests, one dtype from the features to the scores. Leaves may be shared, inner nodes not: every
 * one must be reached exactly once. */
#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/ml_scores.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/tree.h"

enum { MODE_MEMBER = 6, MODES = 7 }; /* as nodes_modes counts */

/* The attribute lists. */
struct lists {
    size_t count, leaf_count, root_count;
    const int64_t *roots, *features, *yes, *no, *yes_leaf, *no_leaf, *missing, *targets;
    const uint8_t *modes;
    const sl_tensor *splits, *weights, *members;
};

static sl_status read_ints(const struct op_call *call, const char *name, size_t *count, const int64_t **list,
                           sl_error *err) {
    const struct attr *attr = op_attr(call, name);
    if (!attr || attr->type != ATTR_INTS || !attr->count || (*count && attr->count != *count))
        return error_set(err, SL_E_MODEL, "attribute '%s' is not a list of %zu integers", name, *count);
    *count = attr->count;
    *list = attr->ints;
    return SL_OK;
}

/* A tensor of `count` elements (0: any number) of the dtype. */
static sl_status read_tensor(const struct op_call *call, const char *name, size_t count, sl_dtype dtype,
                             const sl_tensor **tensor, sl_error *err) {
    const struct attr *attr = op_attr(call, name);
    if (!attr || attr->type != ATTR_TENSOR || attr->tensor->dtype != dtype ||
        (count && rule_count(attr->tensor) != (int64_t)count))
        return error_set(err, SL_E_MODEL, "attribute '%s' is not a %s tensor of %zu elements", name,
                         sl_dtype_name(dtype), count);
    *tensor = attr->tensor;
    return SL_OK;
}

static sl_status read_lists(const struct op_call *call, struct lists *l, sl_error *err) {
    sl_dtype dtype = call->in[0]->dtype;
    const struct attr *missing = op_attr(call, "nodes_missing_value_tracks_true");
    *l = (struct lists){0};
    sl_status st = read_ints(call, "tree_roots", &l->root_count, &l->roots, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_featureids", &l->count, &l->features, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_truenodeids", &l->count, &l->yes, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_falsenodeids", &l->count, &l->no, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_trueleafs", &l->count, &l->yes_leaf, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_falseleafs", &l->count, &l->no_leaf, err);
    if (st == SL_OK && missing && missing->count)
        st = read_ints(call, "nodes_missing_value_tracks_true", &l->count, &l->missing, err);
    if (st == SL_OK)
        st = read_ints(call, "leaf_targetids", &l->leaf_count, &l->targets, err);
    if (st == SL_OK)
        st = read_tensor(call, "nodes_splits", l->count, dtype, &l->splits, err);
    if (st == SL_OK)
        st = read_tensor(call, "leaf_weights", l->leaf_count, dtype, &l->weights, err);
    if (st == SL_OK && op_attr(call, "membership_values"))
        st = read_tensor(call, "membership_values", 0, dtype, &l->members, err);
    const sl_tensor *modes = NULL;
    if (st == SL_OK)
        st = read_tensor(call, "nodes_modes", l->count, SL_UINT8, &modes, err);
    l->modes = modes ? modes->data : NULL;
    if (st == SL_OK && (l->count > UINT32_MAX / 8 || l->leaf_count > UINT32_MAX / 8))
        st = error_set(err, SL_E_MODEL, "attribute 'nodes_featureids' has %zu nodes", l->count);
    return st;
}

/* What building needs and throws away. */
struct builder {
    struct lists l;
    struct tree_ensemble *e;
    uint32_t *queue; /* of a node of the ensemble: its inner node, or leaf + count */
    bool *reached;
    uint32_t *set; /* of an inner node */
};

static sl_status allocate(struct builder *b, struct arena *arena, sl_error *err) {
    size_t n = 2 * b->l.count + b->l.root_count, inner = b->l.count;
    struct tree_ensemble *e = b->e;
    bool exact = b->l.splits->dtype == SL_DOUBLE;
    b->queue = arena_alloc(arena, n, sizeof *b->queue);
    b->reached = arena_alloc(arena, inner, sizeof *b->reached);
    b->set = arena_alloc(arena, inner, sizeof *b->set);
    e->nodes = arena_alloc(arena, n, sizeof *e->nodes);
    e->node_ids = arena_alloc(arena, n, sizeof *e->node_ids);
    e->roots = arena_alloc(arena, b->l.root_count, sizeof *e->roots);
    e->weights = arena_alloc(arena, 2 * inner, sizeof *e->weights);
    if (exact) {
        e->thresholds = arena_alloc(arena, n, sizeof *e->thresholds);
        e->weights_f64 = arena_alloc(arena, 2 * inner, sizeof *e->weights_f64);
    }
    if (!b->queue || !b->reached || !b->set || !e->nodes || !e->node_ids || !e->roots || !e->weights ||
        (exact && (!e->thresholds || !e->weights_f64)))
        return error_set(err, SL_E_MEMORY, "out of memory for trees");
    return SL_OK;
}

/* The sets stand one after the other in the order of their nodes, a NaN after each. */
static sl_status read_sets(struct builder *b, struct arena *arena, sl_error *err) {
    const struct lists *l = &b->l;
    size_t sets = 0, at = 0, total = l->members ? (size_t)rule_count(l->members) : 0;
    for (size_t i = 0; i < l->count; i++)
        sets += l->modes[i] == MODE_MEMBER;
    if (!sets)
        return SL_OK;
    b->e->sets = arena_alloc(arena, sets, sizeof *b->e->sets);
    b->e->members = arena_alloc(arena, total, sizeof *b->e->members);
    if (!b->e->sets || !b->e->members)
        return error_set(err, SL_E_MEMORY, "out of memory for trees");
    for (size_t i = 0; i < total; i++)
        b->e->members[i] = element_real(l->members->dtype, l->members->data, (int64_t)i);
    sets = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (l->modes[i] != MODE_MEMBER)
            continue;
        struct tree_set *set = &b->e->sets[sets];
        b->set[i] = (uint32_t)sets++;
        if (at >= total)
            return error_set(err, SL_E_MODEL, "attribute 'membership_values' has no set for node %zu", i);
        for (set->first = at; at < total && !isnan(b->e->members[at]); at++)
            set->count++;
        at++;
    }
    return SL_OK;
}

static void place_leaf(struct builder *b, size_t at, size_t leaf) {
    struct tree_ensemble *e = b->e;
    double weight = element_real(b->l.weights->dtype, b->l.weights->data, (int64_t)leaf);
    e->nodes[at] = (struct tree_node){.mode = TREE_LEAF, .feature = 1, .child = (uint32_t)e->weight_count};
    e->node_ids[at] = (uint32_t)leaf;
    e->weights[e->weight_count] =
        (struct tree_weight){.target = (uint32_t)b->l.targets[leaf], .weight = (float)weight};
    if (e->weights_f64)
        e->weights_f64[e->weight_count] = weight;
    e->weight_count++;
}

static void place_inner(struct builder *b, size_t at, size_t from) {
    const struct lists *l = &b->l;
    struct tree_ensemble *e = b->e;
    struct tree_node *node = &e->nodes[at];
    double threshold = element_real(l->splits->dtype, l->splits->data, (int64_t)from);
    bool member = l->modes[from] == MODE_MEMBER;
    *node = (struct tree_node){.threshold = (float)threshold,
                               .feature = (uint32_t)l->features[from],
                               .child = (uint32_t)e->node_count,
                               .mode = member ? TREE_MEMBER : l->modes[from],
                               .missing_true = l->missing && l->missing[from] != 0};
    if (member)
        memcpy(&node->threshold, &b->set[from], sizeof node->threshold);
    if (e->thresholds)
        e->thresholds[at] = threshold;
    e->node_ids[at] = (uint32_t)from;
    e->plain = e->plain && node->mode == TREE_LEQ && !node->missing_true;
    if (node->feature >= e->feature_count)
        e->feature_count = (size_t)node->feature + 1;
}

/* Queues a child; a leaf counts on from the inner nodes. */
static sl_status queue_child(struct builder *b, size_t from, int64_t child, bool leaf, sl_error *err) {
    const struct lists *l = &b->l;
    if (child < 0 || (uint64_t)child >= (leaf ? l->leaf_count : l->count))
        return error_set(err, SL_E_MODEL, "node %zu has the child %lld, which does not exist", from,
                         (long long)child);
    if (!leaf && b->reached[child])
        return error_set(err, SL_E_MODEL, "node %lld is reached twice", (long long)child);
    if (!leaf)
        b->reached[child] = true;
    b->queue[b->e->node_count++] = (uint32_t)child + (leaf ? (uint32_t)l->count : 0);
    return SL_OK;
}

static sl_status place_tree(struct builder *b, size_t root, sl_error *err) {
    const struct lists *l = &b->l;
    size_t next = b->e->node_count;
    sl_status st = queue_child(b, root, (int64_t)root, false, err);
    for (; st == SL_OK && next < b->e->node_count; next++) {
        size_t from = b->queue[next];
        if (from >= l->count) {
            place_leaf(b, next, from - l->count);
            continue;
        }
        place_inner(b, next, from);
        st = queue_child(b, from, l->yes[from], l->yes_leaf[from] != 0, err);
        if (st == SL_OK)
            st = queue_child(b, from, l->no[from], l->no_leaf[from] != 0, err);
    }
    return st;
}

static sl_status check_lists(const struct lists *l, int64_t features, int64_t targets, sl_error *err) {
    for (size_t i = 0; i < l->count; i++) {
        if (l->modes[i] >= MODES)
            return error_set(err, SL_E_MODEL, "node %zu has the unknown mode %u", i, l->modes[i]);
        if (l->features[i] < 0 || l->features[i] >= features)
            return error_set(err, SL_E_MODEL, "node %zu tests feature %lld, rows have %lld", i,
                             (long long)l->features[i], (long long)features);
    }
    for (size_t i = 0; i < l->leaf_count; i++)
        if (l->targets[i] < 0 || l->targets[i] >= targets)
            return error_set(err, SL_E_MODEL, "leaf %zu names target %lld of %lld", i,
                             (long long)l->targets[i], (long long)targets);
    for (size_t i = 0; i < l->root_count; i++)
        if (l->roots[i] < 0 || (uint64_t)l->roots[i] >= l->count)
            return error_set(err, SL_E_MODEL, "root %lld does not exist", (long long)l->roots[i]);
    return SL_OK;
}

static sl_status build(const struct op_call *call, struct arena *arena, struct tree_ensemble **out,
                       sl_error *err) {
    struct builder b = {.e = arena_alloc(arena, 1, sizeof *b.e)};
    const sl_tensor *x = call->in[0];
    int64_t targets = op_attr_int(call, "n_targets", 1);
    if (!b.e)
        return error_set(err, SL_E_MEMORY, "out of memory for trees");
    b.e->plain = true;
    b.e->target_count = (size_t)targets;
    sl_status st = read_lists(call, &b.l, err);
    if (st == SL_OK)
        st = check_lists(&b.l, x->dims[x->rank - 1], targets, err);
    if (st == SL_OK)
        st = allocate(&b, arena, err);
    if (st == SL_OK)
        st = read_sets(&b, arena, err);
    for (size_t i = 0; st == SL_OK && i < b.l.root_count; i++) {
        b.e->roots[b.e->tree_count++] = (uint32_t)b.e->node_count;
        st = place_tree(&b, (size_t)b.l.roots[i], err);
    }
    for (size_t i = 0; st == SL_OK && i < b.l.count; i++)
        if (!b.reached[i])
            st = error_set(err, SL_E_MODEL, "node %zu cannot be reached from a root", i);
    *out = b.e;
    return st;
}

/* Rule */
static sl_status infer_ensemble(const struct op_call *call, sl_error *err) {
    int64_t aggregate = op_attr_int(call, "aggregate_function", 1),
            post = op_attr_int(call, "post_transform", 0);
    int64_t targets = op_attr_int(call, "n_targets", 1);
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_FLOAT) | OPS_BIT(SL_DOUBLE) | OPS_BIT(SL_FLOAT16), err);
    if (st == SL_OK)
        st = rule_rank(call, 0, 2, err);
    if (st == SL_OK && (aggregate < 0 || aggregate > 3))
        st = error_set(err, SL_E_MODEL, "attribute 'aggregate_function' is %lld", (long long)aggregate);
    if (st == SL_OK && (post < 0 || post > 4))
        st = error_set(err, SL_E_MODEL, "attribute 'post_transform' is %lld", (long long)post);
    if (st == SL_OK && (targets < 1 || targets > INT32_MAX / TREE_BLOCK))
        st = error_set(err, SL_E_MODEL, "attribute 'n_targets' is %lld", (long long)targets);
    if (st == SL_OK)
        rule_set(call->out[0], call->in[0]->dtype, 2, (int64_t[]){call->in[0]->dims[0], targets});
    return st;
}

/* Reference. post_transform in float; without one, scores keep the dtype's precision. */
static void finish(const struct op_call *call, const struct tree_ensemble *e, int64_t first, int64_t count,
                   const double *scores, const bool *found, float *spare) {
    enum post_transform post = (enum post_transform)op_attr_int(call, "post_transform", 0);
    const sl_tensor *y = call->out[0];
    int64_t n = (int64_t)e->target_count;
    (void)found;
    for (int64_t row = 0; row < count; row++, scores += n) {
        bool changes = post != POST_NONE && (n > 1 || post == POST_PROBIT);
        double share = e->aggregate == TREE_AVERAGE ? (double)e->tree_count : 1;
        for (int64_t i = 0; i < n; i++)
            spare[i] = (float)(scores[i] / share);
        post_apply(changes ? post : POST_NONE, spare, (size_t)n);
        for (int64_t i = 0; i < n; i++)
            element_set_real(y->dtype, y->data, (first + row) * n + i,
                             changes ? (double)spare[i] : scores[i] / share);
    }
}

static sl_status prepare_ensemble(const struct op_call *call, struct arena *arena,
                                  struct op_prepared *prepared, sl_error *err) {
    static const enum tree_aggregate aggregates[] = {TREE_AVERAGE, TREE_SUM, TREE_MIN, TREE_MAX};
    struct tree_ensemble *e = NULL;
    sl_status st = build(call, arena, &e, err);
    if (st != SL_OK)
        return st;
    e->aggregate = aggregates[op_attr_int(call, "aggregate_function", 1)];
    e->finish = finish;
    prepared->state = e;
    prepared->scratch_nbytes = tree_run_nbytes(e, call->in[0]);
    return SL_OK;
}

const struct op op_tree_ensemble = {
    .domain = "ai.onnx.ml",
    .name = "TreeEnsemble",
    .since = 5,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attrs = "aggregate_function leaf_targetids leaf_weights membership_values n_targets nodes_falseleafs "
             "nodes_falsenodeids nodes_featureids nodes_hitrates nodes_missing_value_tracks_true nodes_modes "
             "nodes_splits nodes_trueleafs nodes_truenodeids post_transform tree_roots",
    .infer = infer_ensemble,
    .prepare = prepare_ensemble,
    .any_size = true,
    .run = tree_run};
