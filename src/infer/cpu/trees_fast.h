/* trees_fast.h: tree ensembles in a layout made for walking many rows at once. */
#ifndef INFER_CPU_TREES_FAST_H
#define INFER_CPU_TREES_FAST_H

#include "ops/tree.h"

/* Rows go through a tree in groups of 16 lanes, trees in units of 8, whose nodes stay in the first cache
 * while the groups of a block pass. A column is what nodes test, once for each lane: columns of a group are
 * [column, 16]. */
#define TREES_LANES 16
#define TREES_UNIT 8
#define TREES_COLUMN_BITS 12
#define TREES_COLUMN_MASK ((1u << TREES_COLUMN_BITS) - 1)

/* One kind of node: it goes to child `word >> 12`, and one further unless column `word & 4095` <= threshold.
 * Children count from the tree's first node. A leaf is a node that ends where it began: its column is all
 * NaN, its child the node before itself; what it says is in the threshold's bits. */
struct packed_node {
    float threshold;
    uint32_t word;
};

/* A tree's nodes are breadth first from place 1 on, children side by side, so after k steps no row is beyond
 * place 2^(k + 1) - 1, whatever the tree's shape: the first 5 levels are looked up in these. */
struct packed_top {
    float thresholds[32];
    uint32_t words[32];
};

struct packed_tree {
    const struct packed_node *nodes; /* nodes[0] is not used */
    const struct packed_top *top;
    uint32_t depth, target; /* steps to its deepest leaf; of all its leaves, for TREES_ADD_ONE */
};

enum tree_column_kind {
    COLUMN_VALUE, /* the feature, float32 */
    COLUMN_RANK,  /* how many of `bounds` are below the feature, for the other dtypes */
    COLUMN_TEST,  /* 0 where node `node`'s test holds, else 1: equality, membership and other oddities */
};

struct tree_column {
    enum tree_column_kind kind;
    bool nan_low;                 /* NaN passes every test of this column, else none */
    uint32_t feature, node, next; /* next: another column of the feature, while packing */
    const double *bounds;
    size_t bound_count;
};

enum trees_add {
    TREES_ADD_ONE,   /* a leaf says one float32 weight */
    TREES_ADD_DENSE, /* the first of target_count weights, one a target */
    TREES_ADD_ANY    /* the node of the ensemble */
};

struct tree_kernels {
    const char *name;
    /* leaves [TREES_UNIT, TREES_LANES]: what the leaves say that the first `lanes` rows (8 or 16) reach. */
    void (*walk)(const struct packed_tree *const trees[TREES_UNIT], const float *columns, size_t lanes,
                 uint32_t *leaves);
    /* sums [TREES_LANES] += a tree's float32 weights */
    void (*add)(const uint32_t *leaves, double *sums);
};
extern const struct tree_kernels tree_kernels_portable, tree_kernels_avx2, tree_kernels_avx512;

struct fast_trees {
    const struct tree_ensemble *ensemble;
    const struct tree_kernels *kernels;
    struct packed_tree *trees;
    struct tree_column *columns;
    size_t column_count; /* with the one that is all NaN, the last */
    enum trees_add add;
    bool *found;      /* [target_count]: targets that every row has a weight for */
    size_t row_block; /* rows whose columns are made before the trees are walked; a multiple of 16 */
};

/* trees_pack.c: false when the ensemble does not fit the layout (more than 4,095 columns, a tree of a million
 * nodes): the reference stays. SL_E_MEMORY is the only error. */
sl_status trees_pack(const struct tree_ensemble *ensemble, sl_dtype dtype, int64_t rows, struct arena *arena,
                     struct fast_trees **fast, bool *fits, sl_error *err);

/* trees_fast.c */
size_t trees_scratch_nbytes(const struct fast_trees *fast);
/* Bit for bit what tree_run gives. */
void trees_run(const struct fast_trees *fast, const struct op_call *call, void *scratch);
const struct tree_kernels *tree_kernels(void);

#endif
