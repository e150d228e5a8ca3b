/* trees_pack.c: a tree ensemble into the layout of trees_fast.h. All six comparisons become "column <= bound"
 * without losing a bit: x < t is x <= the number before t, > and >= swap the children, a threshold that is no
 * float32 is rounded down for float32 features, other dtypes are compared by rank among the thresholds. What
 * NaN does is chosen by the column. What is no comparison becomes a column of its own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "infer/cpu/trees_fast.h"

#define NONE UINT32_MAX
#define MOST_NODES (1u << 20) /* of a tree: children are 20 bits */

enum { MOST_TESTS = 1024, CACHE_NBYTES = 256 << 10 };

struct packer {
    const struct tree_ensemble *e;
    struct arena *arena;
    struct fast_trees *f;
    bool ranks;        /* features are no float32 */
    uint32_t *columns; /* [feature_count]: the first column of each */
    size_t tests;
    uint32_t *queue; /* node of the ensemble at each place of a tree */
    double **bounds; /* [feature_count], with ranks */
    size_t *bound_counts;
};

/* The largest number of the features' dtype that is not above t. */
static double round_down(double t, bool ranks) {
    float f = (float)t;
    if (ranks)
        return t;
    return (double)((double)f > t ? nextafterf(f, -INFINITY) : f);
}

/* False when the node's test is no comparison with a number. */
static bool find_bound(const struct packer *p, uint32_t at, double *bound, bool *swap) {
    enum tree_mode mode = (enum tree_mode)p->e->nodes[at].mode;
    double t = tree_threshold(p->e, at), down = round_down(t, p->ranks);
    bool strict = mode == TREE_LT || mode == TREE_GTE;
    if (mode > TREE_GT || isnan(t) || (strict && t == -INFINITY))
        return false;
    if (strict && down == t)
        down = p->ranks ? nextafter(t, -INFINITY) : (double)nextafterf((float)t, -INFINITY);
    *bound = down;
    *swap = mode == TREE_GTE || mode == TREE_GT;
    return true;
}

static bool same_test(const struct tree_ensemble *e, uint32_t a, uint32_t b) {
    const struct tree_node *x = &e->nodes[a], *y = &e->nodes[b];
    double s = tree_threshold(e, a), t = tree_threshold(e, b);
    return x->mode == y->mode && x->missing_true == y->missing_true &&
           !memcmp(&x->threshold, &y->threshold, sizeof x->threshold) && !memcmp(&s, &t, sizeof s);
}

/* The column of that kind, made when it is new; NONE when there are too many. */
static uint32_t find_column(struct packer *p, enum tree_column_kind kind, bool nan_low, uint32_t at) {
    uint32_t feature = p->e->nodes[at].feature, *last = &p->columns[feature];
    for (; *last != NONE; last = &p->f->columns[*last].next) {
        const struct tree_column *c = &p->f->columns[*last];
        if (c->kind == kind && c->nan_low == nan_low && (kind != COLUMN_TEST || same_test(p->e, c->node, at)))
            return *last;
    }
    if (p->f->column_count >= TREES_COLUMN_MASK || (kind == COLUMN_TEST && p->tests++ >= MOST_TESTS))
        return NONE;
    struct tree_column *c = &p->f->columns[p->f->column_count];
    *c = (struct tree_column){.kind = kind, .nan_low = nan_low, .feature = feature, .node = at, .next = NONE};
    if (kind == COLUMN_RANK) {
        c->bounds = p->bounds[feature];
        c->bound_count = p->bound_counts[feature];
    }
    return *last = (uint32_t)p->f->column_count++;
}

/* ---- ranks ---- */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How many of `count` sorted numbers are below x. */
static size_t rank_of(const double *bounds, size_t count, double x) {
    size_t low = 0;
    while (count) {
        size_t half = count / 2;
        bool below = bounds[low + half] < x;
        low += below ? half + 1 : 0;
        count = below ? count - half - 1 : half;
    }
    return low;
}

/* Every feature's bounds, sorted, each once. */
static bool sort_bounds(struct packer *p) {
    const struct tree_ensemble *e = p->e;
    double bound;
    bool swap;
    p->bounds = arena_alloc(p->arena, e->feature_count, sizeof *p->bounds);
    p->bound_counts = arena_alloc(p->arena, e->feature_count, sizeof *p->bound_counts);
    if (!p->bounds || !p->bound_counts)
        return false;
    for (uint32_t i = 0; i < e->node_count; i++)
        if (e->nodes[i].mode != TREE_LEAF && find_bound(p, i, &bound, &swap))
            p->bound_counts[e->nodes[i].feature]++;
    for (size_t i = 0; i < e->feature_count; i++) {
        p->bounds[i] = arena_alloc(p->arena, p->bound_counts[i], sizeof **p->bounds);
        if (p->bound_counts[i] && !p->bounds[i])
            return false;
        p->bound_counts[i] = 0;
    }
    for (uint32_t i = 0; i < e->node_count; i++)
        if (e->nodes[i].mode != TREE_LEAF && find_bound(p, i, &bound, &swap))
            p->bounds[e->nodes[i].feature][p->bound_counts[e->nodes[i].feature]++] = bound;
    for (size_t i = 0; i < e->feature_count; i++) {
        size_t kept = 0;
        if (p->bound_counts[i])
            qsort(p->bounds[i], p->bound_counts[i], sizeof **p->bounds, compare_doubles);
        for (size_t k = 0; k < p->bound_counts[i]; k++)
            if (!kept || p->bounds[i][k] != p->bounds[i][kept - 1])
                p->bounds[i][kept++] = p->bounds[i][k];
        p->bound_counts[i] = kept;
    }
    return true;
}

/* ---- nodes ---- */

static bool pack_inner(struct packer *p, uint32_t at, uint32_t child, struct packed_node *node, bool *swap) {
    const struct tree_node *from = &p->e->nodes[at];
    double bound = 0.5;
    bool compares = find_bound(p, at, &bound, swap);
    if (!compares)
        *swap = false;
    uint32_t column = find_column(p, compares ? (p->ranks ? COLUMN_RANK : COLUMN_VALUE) : COLUMN_TEST,
                                  compares && *swap != (from->missing_true != 0), at);
    if (column == NONE)
        return false;
    if (compares && p->ranks)
        bound = (double)rank_of(p->bounds[from->feature], p->bound_counts[from->feature], bound);
    *node = (struct packed_node){.threshold = (float)bound, .word = child << TREES_COLUMN_BITS | column};
    return true;
}

static void pack_leaf(const struct packer *p, uint32_t at, uint32_t place, struct packed_node *node) {
    const struct tree_node *from = &p->e->nodes[at];
    node->word = (place - 1) << TREES_COLUMN_BITS | TREES_COLUMN_MASK; /* the NaN column, see fix_leaves */
    if (p->f->add == TREES_ADD_ONE)
        node->threshold = p->e->weights[from->child].weight;
    else
        memcpy(&node->threshold, p->f->add == TREES_ADD_DENSE ? &from->child : &at, sizeof at);
}

/* Breadth first from place 1 on. */
static bool pack_tree(struct packer *p, size_t tree, struct packed_node *nodes, uint32_t *node_count) {
    const struct tree_ensemble *e = p->e;
    struct packed_tree *t = &p->f->trees[tree];
    uint32_t end = 2, level_end = 2;
    p->queue[1] = e->roots[tree];
    for (uint32_t place = 1; place < end; place++) {
        uint32_t at = p->queue[place];
        bool swap;
        if (place == level_end) {
            level_end = end;
            t->depth++;
        }
        if (e->nodes[at].mode == TREE_LEAF) {
            pack_leaf(p, at, place, &nodes[place]);
            t->target = e->nodes[at].feature ? e->weights[e->nodes[at].child].target : 0;
            continue;
        }
        if (end + 2 > MOST_NODES || !pack_inner(p, at, end, &nodes[place], &swap))
            return false;
        p->queue[end] = e->nodes[at].child + swap;
        p->queue[end + 1] = e->nodes[at].child + !swap;
        end += 2;
    }
    t->nodes = nodes;
    *node_count = end;
    return true;
}

/* Only when all trees are packed the number of the NaN column is known. */
static void fix_leaves(struct packer *p, struct packed_node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        if ((nodes[i].word & TREES_COLUMN_MASK) == TREES_COLUMN_MASK)
            nodes[i].word = (nodes[i].word & ~TREES_COLUMN_MASK) | (uint32_t)(p->f->column_count - 1);
}

static void fill_top(struct packed_top *top, const struct packed_node *nodes, uint32_t count) {
    for (uint32_t i = 1; i < 32 && i < count; i++) {
        top->thresholds[i] = nodes[i].threshold;
        top->words[i] = nodes[i].word;
    }
}

/* How leaves add up: every one the same way, or any way. */
static enum trees_add find_add(const struct tree_ensemble *e) {
    bool one = true, dense = true;
    for (size_t tree = 0; tree < e->tree_count; tree++) {
        size_t end = tree + 1 < e->tree_count ? e->roots[tree + 1] : e->node_count;
        uint32_t target = NONE;
        for (size_t i = e->roots[tree]; i < end; i++) {
            const struct tree_node *n = &e->nodes[i];
            if (n->mode != TREE_LEAF)
                continue;
            dense = dense && n->feature == e->target_count;
            for (uint32_t k = 0; dense && k < n->feature; k++)
                dense = e->weights[n->child + k].target == k;
            one = one && n->feature == 1 && (target == NONE || e->weights[n->child].target == target);
            target = n->feature ? e->weights[n->child].target : NONE;
        }
    }
    bool sums = e->aggregate == TREE_SUM || e->aggregate == TREE_AVERAGE;
    return !sums                    ? TREES_ADD_ANY
           : one && !e->weights_f64 ? TREES_ADD_ONE
           : dense                  ? TREES_ADD_DENSE
                                    : TREES_ADD_ANY;
}

static size_t find_row_block(const struct fast_trees *f, int64_t rows) {
    size_t wide = f->column_count * sizeof(float), sums = f->ensemble->target_count * 2 * sizeof(double);
    size_t block = CACHE_NBYTES / (wide > sums ? wide : sums) / TREES_LANES * TREES_LANES;
    size_t most = ((size_t)rows + TREES_LANES - 1) / TREES_LANES * TREES_LANES;
    block = block > 512 ? 512 : block;
    block = block > most ? most : block;
    return block ? block : TREES_LANES;
}

static bool allocate(struct packer *p, struct packed_node **nodes, struct packed_top **tops) {
    const struct tree_ensemble *e = p->e;
    struct fast_trees *f = p->f;
    *nodes = arena_alloc(p->arena, e->node_count + e->tree_count, sizeof **nodes);
    *tops = arena_alloc(p->arena, e->tree_count, sizeof **tops);
    f->trees = arena_alloc(p->arena, e->tree_count, sizeof *f->trees);
    f->columns = arena_alloc(p->arena, TREES_COLUMN_MASK + 1, sizeof *f->columns);
    f->found = arena_alloc(p->arena, e->target_count, sizeof *f->found);
    p->queue = arena_alloc(p->arena, e->node_count + 1, sizeof *p->queue);
    p->columns = arena_alloc(p->arena, e->feature_count, sizeof *p->columns);
    for (size_t i = 0; p->columns && i < e->feature_count; i++)
        p->columns[i] = NONE;
    return *nodes && *tops && f->trees && f->columns && f->found && p->queue &&
           (p->columns || !e->feature_count);
}

static bool pack_all(struct packer *p, struct packed_node *nodes, struct packed_top *tops) {
    const struct tree_ensemble *e = p->e;
    struct packed_node *at = nodes;
    for (size_t i = 0; i < e->tree_count; i++) {
        uint32_t count;
        if (!pack_tree(p, i, at, &count))
            return false;
        at += count;
        if (p->f->add == TREES_ADD_ONE)
            p->f->found[p->f->trees[i].target] = true;
    }
    p->f->column_count++; /* the NaN column */
    for (size_t i = 0; i < e->tree_count; i++) {
        const struct packed_node *first = p->f->trees[i].nodes;
        const struct packed_node *end = i + 1 < e->tree_count ? p->f->trees[i + 1].nodes : at;
        fix_leaves(p, nodes + (first - nodes), (uint32_t)(end - first));
        fill_top(&tops[i], first, (uint32_t)(end - first));
        p->f->trees[i].top = &tops[i];
    }
    return true;
}

sl_status trees_pack(const struct tree_ensemble *e, sl_dtype dtype, int64_t rows, struct arena *arena,
                     struct fast_trees **fast, bool *fits, sl_error *err) {
    struct packer p = {.e = e, .arena = arena, .ranks = dtype != SL_FLOAT};
    struct packed_node *nodes;
    struct packed_top *tops;
    *fits = e->tree_count > 0 && e->node_count < (1u << 24);
    if (!*fits)
        return SL_OK;
    p.f = arena_alloc(arena, 1, sizeof *p.f);
    if (!p.f || !allocate(&p, &nodes, &tops) || (p.ranks && !sort_bounds(&p)))
        return error_set(err, SL_E_MEMORY, "out of memory for trees");
    p.f->ensemble = e;
    p.f->kernels = tree_kernels();
    p.f->add = find_add(e);
    *fits = pack_all(&p, nodes, tops);
    if (*fits && p.f->add == TREES_ADD_DENSE)
        memset(p.f->found, true, e->target_count * sizeof *p.f->found);
    p.f->row_block = find_row_block(p.f, rows);
    *fast = p.f;
    return SL_OK;
}
