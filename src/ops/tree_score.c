/* tree_score.c: walking trees. A block of rows goes through one tree after the other, so that a tree's nodes
 * are fetched once a block; sums are in double, in the order of the trees, so a row's score does not depend
 * on its neighbours. */
#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/rules.h"
#include "ops/tree.h"

OPS_INLINE bool holds(enum tree_mode mode, double x, double threshold) {
    switch (mode) {
    case TREE_LEQ:
        return x <= threshold;
    case TREE_LT:
        return x < threshold;
    case TREE_GTE:
        return x >= threshold;
    case TREE_GT:
        return x > threshold;
    case TREE_EQ:
        return x == threshold;
    default:
        return x != threshold;
    }
}

static bool is_member(const struct tree_ensemble *e, const struct tree_node *node, double x) {
    uint32_t which;
    memcpy(&which, &node->threshold, sizeof which);
    const double *member = e->members + e->sets[which].first;
    for (size_t i = 0; i < e->sets[which].count; i++)
        if (member[i] == x)
            return true;
    return false;
}

double tree_feature(const sl_tensor *x, int64_t at) {
    return element_number(x->dtype, x->data, at);
}

double tree_threshold(const struct tree_ensemble *e, uint32_t at) {
    return e->thresholds ? e->thresholds[at] : (double)e->nodes[at].threshold;
}

double tree_weight_of(const struct tree_ensemble *e, uint32_t weight) {
    return e->weights_f64 ? e->weights_f64[weight] : (double)e->weights[weight].weight;
}

/* NaN fails every comparison but BRANCH_NEQ's, and holds where the model tracks it. */
OPS_INLINE bool test(const struct tree_ensemble *e, const struct tree_node *node, double x,
                     double threshold) {
    bool yes =
        node->mode == TREE_MEMBER ? is_member(e, node, x) : holds((enum tree_mode)node->mode, x, threshold);
    return yes || (node->missing_true && isnan(x));
}

bool tree_holds(const struct tree_ensemble *e, uint32_t at, double x) {
    return test(e, &e->nodes[at], x, tree_threshold(e, at));
}

OPS_INLINE uint32_t step(const struct tree_ensemble *e, uint32_t at, double x, double threshold) {
    const struct tree_node *node = &e->nodes[at];
    return node->child + (test(e, node, x, threshold) ? 0 : 1);
}

OPS_INLINE uint32_t leaf_plain(const struct tree_ensemble *e, uint32_t at, const float *row) {
    const struct tree_node *nodes = e->nodes;
    while (nodes[at].mode != TREE_LEAF)
        at = nodes[at].child + (row[nodes[at].feature] <= nodes[at].threshold ? 0 : 1);
    return at;
}

uint32_t tree_leaf(const struct tree_ensemble *e, size_t tree, const float *row) {
    uint32_t at = e->roots[tree];
    if (e->plain)
        return leaf_plain(e, at, row);
    while (e->nodes[at].mode != TREE_LEAF)
        at = step(e, at, (double)row[e->nodes[at].feature], (double)e->nodes[at].threshold);
    return at;
}

uint32_t tree_leaf_f64(const struct tree_ensemble *e, size_t tree, const double *row) {
    uint32_t at = e->roots[tree];
    while (e->nodes[at].mode != TREE_LEAF)
        at = step(e, at, row[e->nodes[at].feature], tree_threshold(e, at));
    return at;
}

static size_t align(size_t nbytes) {
    return (nbytes + 63) / 64 * 64;
}

size_t tree_scratch_nbytes(const struct tree_ensemble *e, int64_t features) {
    size_t cells = TREE_BLOCK * e->target_count;
    return align(cells * sizeof(double)) + align(cells * sizeof(bool)) + (size_t)features * sizeof(double);
}

struct tree_scores tree_scores_in(const struct tree_ensemble *e, void *scratch) {
    size_t cells = TREE_BLOCK * e->target_count;
    char *at = scratch;
    return (struct tree_scores){.scores = scratch,
                                .found = (bool *)(at + align(cells * sizeof(double))),
                                .row = at + align(cells * sizeof(double)) + align(cells * sizeof(bool))};
}

OPS_INLINE void add_leaf(const struct tree_ensemble *e, uint32_t leaf, double *scores, bool *found) {
    const struct tree_node *node = &e->nodes[leaf];
    for (uint32_t i = node->child; i < node->child + node->feature; i++) {
        uint32_t target = e->weights[i].target;
        double weight = tree_weight_of(e, i);
        if (e->aggregate == TREE_SUM || e->aggregate == TREE_AVERAGE)
            scores[target] += weight;
        else if (!found[target] ||
                 (e->aggregate == TREE_MIN ? weight < scores[target] : weight > scores[target]))
            scores[target] = weight;
        found[target] = true;
    }
}

void tree_add_leaf(const struct tree_ensemble *e, uint32_t leaf, double *scores, bool *found) {
    add_leaf(e, leaf, scores, found);
}

static void score_floats(const struct tree_ensemble *e, const float *x, int64_t width, int64_t count,
                         const struct tree_scores *s) {
    for (size_t tree = 0; tree < e->tree_count; tree++)
        for (int64_t row = 0; row < count; row++) {
            size_t cell = (size_t)row * e->target_count;
            add_leaf(e, tree_leaf(e, tree, x + row * width), s->scores + cell, s->found + cell);
        }
}

/* Other dtypes: a row at a time, in double. */
static void score_others(const struct tree_ensemble *e, const sl_tensor *x, int64_t first, int64_t count,
                         const struct tree_scores *s) {
    int64_t width = x->dims[x->rank - 1];
    double *features = s->row;
    for (int64_t row = 0; row < count; row++) {
        size_t cell = (size_t)row * e->target_count;
        for (int64_t i = 0; i < width; i++)
            features[i] = tree_feature(x, (first + row) * width + i);
        for (size_t tree = 0; tree < e->tree_count; tree++)
            add_leaf(e, tree_leaf_f64(e, tree, features), s->scores + cell, s->found + cell);
    }
}

void tree_score_block(const struct tree_ensemble *e, const sl_tensor *x, int64_t first, int64_t count,
                      const struct tree_scores *s) {
    int64_t width = x->dims[x->rank - 1];
    memset(s->scores, 0, (size_t)count * e->target_count * sizeof *s->scores);
    memset(s->found, 0, (size_t)count * e->target_count * sizeof *s->found);
    if (x->dtype == SL_FLOAT && !e->thresholds)
        score_floats(e, (const float *)x->data + first * width, width, count, s);
    else
        score_others(e, x, first, count, s);
}

size_t tree_run_nbytes(const struct tree_ensemble *e, const sl_tensor *x) {
    return align(tree_scratch_nbytes(e, x->dims[x->rank - 1])) + (e->target_count + 2) * sizeof(float);
}

void tree_run(const struct op_call *call) {
    const struct tree_ensemble *e = call->state;
    const sl_tensor *x = call->in[0];
    struct tree_scores s = tree_scores_in(e, call->scratch);
    float *spare =
        (float *)(void *)((char *)call->scratch + align(tree_scratch_nbytes(e, x->dims[x->rank - 1])));
    for (int64_t first = 0, rows = x->rank == 1 ? 1 : x->dims[0]; first < rows; first += TREE_BLOCK) {
        int64_t count = rows - first < TREE_BLOCK ? rows - first : TREE_BLOCK;
        tree_score_block(e, x, first, count, &s);
        e->finish(call, e, first, count, s.scores, s.found, spare);
    }
}
