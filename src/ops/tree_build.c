/* tree_build.c: from the parallel lists of the ONNX attributes to compact trees. A file can claim anything,
 * so every reference is looked up, every node must be reached exactly once from its tree's root, and nothing
 * recurses. */
#include <stdlib.h>
#include <string.h>

#include "ops/rules.h"
#include "ops/tree.h"
#include "ops/tree_lists.h"

#define NOBODY UINT32_MAX

/* (tree, id) -> position in the lists, sorted. */
struct key {
    int64_t tree, id;
    uint32_t at;
};

static int compare_keys(const void *a, const void *b) {
    const struct key *x = a, *y = b;
    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* `hint` is where it stands in the usual file, where ids count the nodes of a tree. */
static uint32_t find_key(const struct key *keys, size_t count, int64_t tree, int64_t id, uint64_t hint) {
    size_t low = 0, high = count;
    if (hint < count && keys[hint].tree == tree && keys[hint].id == id)
        return keys[hint].at;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct key *k = &keys[middle];
        if (k->tree < tree || (k->tree == tree && k->id < id))
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && keys[low].tree == tree && keys[low].id == id ? keys[low].at : NOBODY;
}

static bool parse_mode(const sl_string *text, uint8_t *mode) {
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "LEAF"};
    for (uint8_t i = 0; i <= TREE_LEAF; i++)
        if (text->nbytes == strlen(names[i]) && !memcmp(text->data, names[i], text->nbytes)) {
            *mode = i;
            return true;
        }
    return false;
}

/* What building needs and throws away. It lives in the arena: a model is loaded once. */
struct builder {
    struct tree_lists l;
    struct key *keys;
    uint32_t *yes, *no;               /* children as list positions, or NOBODY */
    uint8_t *modes;                   /* by list position */
    uint32_t *first_weight, *weights; /* chains of weights of a node, in the model's order */
    uint32_t *next_weight;
    uint32_t *queue; /* list position of the node at each place of `nodes` */
    bool *reached, *is_child;
    bool *absorbed; /* the node's test went into the set of the EQ node before it */
    size_t set_count, member_count;
    struct tree_ensemble *e;
};

static sl_status allocate(struct builder *b, struct arena *arena, sl_error *err) {
    size_t n = b->l.count, w = b->l.weight_count;
    struct tree_ensemble *e = b->e;
    b->keys = arena_alloc(arena, n, sizeof *b->keys);
    b->yes = arena_alloc(arena, n, sizeof *b->yes);
    b->no = arena_alloc(arena, n, sizeof *b->no);
    b->modes = arena_alloc(arena, n, sizeof *b->modes);
    b->first_weight = arena_alloc(arena, n, sizeof *b->first_weight);
    b->next_weight = arena_alloc(arena, w, sizeof *b->next_weight);
    b->queue = arena_alloc(arena, n, sizeof *b->queue);
    b->reached = arena_alloc(arena, n, sizeof *b->reached);
    b->is_child = arena_alloc(arena, n, sizeof *b->is_child);
    b->absorbed = arena_alloc(arena, n, sizeof *b->absorbed);
    e->nodes = arena_alloc(arena, n, sizeof *e->nodes);
    e->node_ids = arena_alloc(arena, n, sizeof *e->node_ids);
    e->roots = arena_alloc(arena, n, sizeof *e->roots);
    e->weights = arena_alloc(arena, w, sizeof *e->weights);
    if (b->l.values_f64)
        e->thresholds = arena_alloc(arena, n, sizeof *e->thresholds);
    if (b->l.weights_f64)
        e->weights_f64 = arena_alloc(arena, w, sizeof *e->weights_f64);
    if (!b->keys || !b->yes || !b->no || !b->modes || !b->first_weight || !b->next_weight || !b->queue ||
        !b->reached || !b->is_child || !b->absorbed || !e->nodes || !e->node_ids || !e->roots ||
        !e->weights || (b->l.values_f64 && !e->thresholds) || (b->l.weights_f64 && !e->weights_f64))
        return error_set(err, SL_E_MEMORY, "out of memory for trees");
    return SL_OK;
}

static sl_status index_nodes(struct builder *b, sl_error *err) {
    size_t n = b->l.count;
    for (size_t i = 0; i < n; i++)
        b->keys[i] = (struct key){b->l.trees[i], b->l.ids[i], (uint32_t)i};
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++)
        sorted = compare_keys(&b->keys[i - 1], &b->keys[i]) < 0;
    if (!sorted)
        qsort(b->keys, n, sizeof *b->keys, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (b->keys[i].tree == b->keys[i - 1].tree && b->keys[i].id == b->keys[i - 1].id)
            return error_set(err, SL_E_MODEL, "tree %lld has node %lld twice", (long long)b->keys[i].tree,
                             (long long)b->keys[i].id);
    return SL_OK;
}

static sl_status link_children(struct builder *b, int64_t features, sl_error *err) {
    const struct tree_lists *l = &b->l;
    for (size_t i = 0; i < l->count; i++) {
        b->yes[i] = b->no[i] = b->first_weight[i] = NOBODY;
        if (!parse_mode(&l->modes[i], &b->modes[i]))
            return error_set(err, SL_E_MODEL, "tree %lld, node %lld has an unknown mode",
                             (long long)l->trees[i], (long long)l->ids[i]);
        if (b->modes[i] == TREE_LEAF)
            continue;
        b->yes[i] = find_key(b->keys, l->count, l->trees[i], l->yes[i],
                             i + (uint64_t)l->yes[i] - (uint64_t)l->ids[i]);
        b->no[i] =
            find_key(b->keys, l->count, l->trees[i], l->no[i], i + (uint64_t)l->no[i] - (uint64_t)l->ids[i]);
        if (b->yes[i] == NOBODY || b->no[i] == NOBODY)
            return error_set(err, SL_E_MODEL, "tree %lld, node %lld has a child that does not exist",
                             (long long)l->trees[i], (long long)l->ids[i]);
        if (l->features[i] < 0 || l->features[i] >= features)
            return error_set(err, SL_E_MODEL, "tree %lld, node %lld tests feature %lld, rows have %lld",
                             (long long)l->trees[i], (long long)l->ids[i], (long long)l->features[i],
                             (long long)features);
        b->is_child[b->yes[i]] = b->is_child[b->no[i]] = true;
    }
    return SL_OK;
}

static bool missing_true(const struct tree_lists *l, uint32_t node) {
    return l->missing && l->missing[node] != 0;
}

/* Converters write "category is one of a, b, c" as a chain of EQ nodes that share the child for yes, which
 * would make the tree a lattice. Such a chain becomes one node that tests for membership. */
static sl_status find_chains(struct builder *b, struct arena *arena, sl_error *err) {
    const struct tree_lists *l = &b->l;
    uint32_t *parents = b->queue; /* not needed before trees are placed */
    memset(parents, 0, l->count * sizeof *parents);
    for (size_t i = 0; i < l->count; i++)
        if (b->modes[i] != TREE_LEAF) {
            parents[b->yes[i]]++;
            parents[b->no[i]]++;
        }
    for (uint32_t i = 0; i < l->count; i++) {
        uint32_t next = b->no[i];
        if (b->modes[i] == TREE_EQ && b->modes[next] == TREE_EQ && parents[next] == 1 && next != i &&
            b->yes[i] == b->yes[next] && l->features[i] == l->features[next] &&
            missing_true(l, i) == missing_true(l, next)) {
            b->absorbed[next] = true;
            b->set_count++;
        }
    }
    if (!b->set_count)
        return SL_OK;
    b->e->sets = arena_alloc(arena, b->set_count, sizeof *b->e->sets);
    b->e->members = arena_alloc(arena, 2 * b->set_count, sizeof *b->e->members);
    b->set_count = 0;
    return b->e->sets && b->e->members ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for trees");
}

static double threshold_of(const struct tree_lists *l, uint32_t node) {
    return l->values_f64 ? l->values_f64[node] : (double)l->values[node];
}

/* Puts the chain that begins at `from` into a set, in `node`; returns its last node. */
static uint32_t place_chain(struct builder *b, uint32_t from, struct tree_node *node) {
    struct tree_set *set = &b->e->sets[b->set_count];
    uint32_t which = (uint32_t)b->set_count++;
    set->first = b->member_count;
    b->e->members[b->member_count++] = threshold_of(&b->l, from);
    while (b->absorbed[b->no[from]]) {
        from = b->no[from];
        b->reached[from] = true;
        b->e->members[b->member_count++] = threshold_of(&b->l, from);
    }
    set->count = b->member_count - set->first;
    node->mode = TREE_MEMBER;
    memcpy(&node->threshold, &which, sizeof which);
    return from;
}

/* Weights of a node keep the model's order, so that sums do. */
static sl_status link_weights(struct builder *b, sl_error *err) {
    const struct tree_lists *l = &b->l;
    struct tree_ensemble *e = b->e;
    uint32_t last = 0;
    int64_t last_id = 0;
    e->all_positive = e->one_target = true;
    for (size_t i = l->weight_count; i-- > 0;) {
        uint32_t node = find_key(b->keys, l->count, l->weight_trees[i], l->weight_ids[i],
                                 last + (uint64_t)l->weight_ids[i] - (uint64_t)last_id);
        last = node;
        last_id = l->weight_ids[i];
        if (node == NOBODY || b->modes[node] != TREE_LEAF)
            return error_set(err, SL_E_MODEL, "a weight names leaf %lld of tree %lld, which is none",
                             (long long)l->weight_ids[i], (long long)l->weight_trees[i]);
        if (l->weight_targets[i] < 0 || (uint64_t)l->weight_targets[i] >= e->target_count)
            return error_set(err, SL_E_MODEL, "a weight names target %lld of %zu",
                             (long long)l->weight_targets[i], e->target_count);
        b->next_weight[i] = b->first_weight[node];
        b->first_weight[node] = (uint32_t)i;
        if ((l->weights_f64 ? l->weights_f64[i] : (double)l->weights[i]) < 0)
            e->all_positive = false;
        if (l->weight_targets[i] != l->weight_targets[0])
            e->one_target = false;
    }
    return SL_OK;
}

static void place_leaf(struct builder *b, uint32_t from, struct tree_node *node) {
    struct tree_ensemble *e = b->e;
    node->child = (uint32_t)e->weight_count;
    for (uint32_t w = b->first_weight[from]; w != NOBODY; w = b->next_weight[w]) {
        double weight = b->l.weights_f64 ? b->l.weights_f64[w] : (double)b->l.weights[w];
        e->weights[e->weight_count].target = (uint32_t)b->l.weight_targets[w];
        e->weights[e->weight_count].weight = (float)weight;
        if (e->weights_f64)
            e->weights_f64[e->weight_count] = weight;
        e->weight_count++;
        node->feature++;
    }
}

/* Breadth first, both children of a node next to each other: the top of a tree shares few cache lines. */
static sl_status place_tree(struct builder *b, uint32_t root, sl_error *err) {
    const struct tree_lists *l = &b->l;
    struct tree_ensemble *e = b->e;
    size_t next = e->node_count;
    b->queue[e->node_count++] = root;
    b->reached[root] = true;
    for (; next < e->node_count; next++) {
        uint32_t from = b->queue[next];
        struct tree_node *node = &e->nodes[next];
        *node = (struct tree_node){.threshold = (float)threshold_of(l, from),
                                   .mode = b->modes[from],
                                   .missing_true = missing_true(l, from)};
        e->node_ids[next] = (uint32_t)l->ids[from];
        if (e->thresholds)
            e->thresholds[next] = threshold_of(l, from);
        if (node->mode == TREE_LEAF) {
            place_leaf(b, from, node);
            continue;
        }
        node->feature = (uint32_t)l->features[from];
        node->child = (uint32_t)e->node_count;
        if (node->feature >= e->feature_count)
            e->feature_count = (size_t)node->feature + 1;
        if (node->mode == TREE_EQ && b->absorbed[b->no[from]])
            from = place_chain(b, from, node);
        e->plain = e->plain && node->mode == TREE_LEQ && !node->missing_true;
        if (b->reached[b->yes[from]] || b->reached[b->no[from]] || b->yes[from] == b->no[from])
            return error_set(err, SL_E_MODEL, "tree %lld, node %lld has a child that is reached twice",
                             (long long)l->trees[from], (long long)l->ids[from]);
        b->reached[b->yes[from]] = b->reached[b->no[from]] = true;
        b->queue[e->node_count++] = b->yes[from];
        b->queue[e->node_count++] = b->no[from];
    }
    return SL_OK;
}

/* Trees in the order in which the model first names them. A node that no other one names is a root; a tree
 * has one. */
static sl_status place_trees(struct builder *b, sl_error *err) {
    const struct tree_lists *l = &b->l;
    for (size_t i = 0; i < l->count; i++) {
        if (b->is_child[i])
            continue;
        if (b->e->tree_count) {
            uint32_t last = b->queue[b->e->roots[b->e->tree_count - 1]];
            if (l->trees[last] == l->trees[i])
                return error_set(err, SL_E_MODEL, "tree %lld has two roots, nodes %lld and %lld",
                                 (long long)l->trees[i], (long long)l->ids[last], (long long)l->ids[i]);
        }
        b->e->roots[b->e->tree_count++] = (uint32_t)b->e->node_count;
        sl_status st = place_tree(b, (uint32_t)i, err);
        if (st != SL_OK)
            return st;
    }
    for (size_t i = 0; i < l->count; i++)
        if (!b->reached[i])
            return error_set(err, SL_E_MODEL, "tree %lld, node %lld cannot be reached from a root",
                             (long long)l->trees[i], (long long)l->ids[i]);
    return SL_OK;
}

static sl_status read_base(const struct op_call *call, struct tree_ensemble *e, struct arena *arena,
                           sl_error *err) {
    const struct attr *base = op_attr(call, "base_values"), *exact = op_attr(call, "base_values_as_tensor");
    bool from_tensor = exact && exact->type == ATTR_TENSOR && rule_count(exact->tensor) > 0 &&
                       (exact->tensor->dtype == SL_DOUBLE || exact->tensor->dtype == SL_FLOAT);
    e->base_count = from_tensor                         ? (size_t)rule_count(exact->tensor)
                    : base && base->type == ATTR_FLOATS ? base->count
                                                        : 0;
    if (!e->base_count)
        return SL_OK;
    if (e->base_count != 1 && e->base_count != e->target_count)
        return error_set(err, SL_E_MODEL, "attribute 'base_values' has %zu numbers for %zu targets",
                         e->base_count, e->target_count);
    e->base = arena_alloc(arena, e->base_count, sizeof *e->base);
    if (!e->base)
        return error_set(err, SL_E_MEMORY, "out of memory for trees");
    for (size_t i = 0; i < e->base_count; i++)
        e->base[i] = !from_tensor                        ? (double)base->floats[i]
                     : exact->tensor->dtype == SL_DOUBLE ? ((const double *)exact->tensor->data)[i]
                                                         : (double)((const float *)exact->tensor->data)[i];
    return SL_OK;
}

sl_status tree_build(const struct op_call *call, const char *weight_prefix, size_t targets,
                     struct arena *arena, struct tree_ensemble **ensemble, sl_error *err) {
    const sl_tensor *x = call->in[0];
    struct builder b = {.e = arena_alloc(arena, 1, sizeof *b.e)};
    if (!b.e)
        return error_set(err, SL_E_MEMORY, "out of memory for trees");
    b.e->target_count = targets;
    b.e->plain = true;
    sl_status st = tree_lists_read(call, weight_prefix, &b.l, err);
    if (st == SL_OK)
        st = allocate(&b, arena, err);
    if (st == SL_OK)
        st = index_nodes(&b, err);
    if (st == SL_OK)
        st = link_children(&b, x->dims[x->rank - 1], err);
    if (st == SL_OK)
        st = find_chains(&b, arena, err);
    if (st == SL_OK)
        st = link_weights(&b, err);
    if (st == SL_OK)
        st = place_trees(&b, err);
    if (st == SL_OK)
        st = read_base(call, b.e, arena, err);
    *ensemble = b.e;
    return st;
}
