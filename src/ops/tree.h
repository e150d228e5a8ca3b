/* tree.h: a tree ensemble as it runs: compact nodes, children side by side, trees in the model's order.
 * TreeEnsemble, TreeEnsembleClassifier and TreeEnsembleRegressor of ai.onnx.ml are prepared into this: it is
 * what their op_prepared.state points to, and devices take it over. */
#ifndef OPS_TREE_H
#define OPS_TREE_H

#include "ops/op.h"

enum tree_mode { TREE_LEQ, TREE_LT, TREE_GTE, TREE_GT, TREE_EQ, TREE_NEQ, TREE_LEAF, TREE_MEMBER };

/* How weights that reach one target are put together. */
enum tree_aggregate { TREE_SUM, TREE_AVERAGE, TREE_MIN, TREE_MAX };

/* A branch goes to `child` when its test holds, else to `child` + 1. A leaf has `feature` weights from weight
 * `child` on. A test on NaN holds only when `missing_true`. */
struct tree_node {
    float threshold;
    uint32_t feature;
    uint32_t child;
    uint8_t mode; /* enum tree_mode */
    uint8_t missing_true;
    uint16_t unused;
};

struct tree_weight {
    uint32_t target;
    float weight;
};

/* What a TREE_MEMBER node tests for: members [first, first + count). Its node says which set as `threshold`'s
 * bits. */
struct tree_set {
    size_t first, count;
};

struct tree_ensemble;

/* From sums to outputs: base values, post_transform, labels. `scores` and `found` are [count, target_count]
 * for rows [first, first + count); `spare` has room for target_count floats, at least 2. */
typedef void tree_finish(const struct op_call *call, const struct tree_ensemble *ensemble, int64_t first,
                         int64_t count, const double *scores, const bool *found, float *spare);

struct tree_ensemble {
    struct tree_node *nodes;
    uint32_t *node_ids;  /* of the model, one a node, for messages and tests */
    double *thresholds;  /* exact ones, where the model gives doubles; else NULL */
    double *weights_f64; /* likewise */
    struct tree_weight *weights;
    uint32_t *roots; /* [tree_count] */
    size_t node_count, weight_count, tree_count;
    size_t feature_count; /* features a row must have at least */
    size_t target_count;  /* targets or classes */
    bool plain;           /* every test is TREE_LEQ and none is missing_true: the short loop applies */
    bool all_positive;    /* no weight is negative */
    bool one_target;      /* all weights name one and the same target */
    double *base;         /* base_values, or NULL */
    size_t base_count;
    struct tree_set *sets; /* with TREE_MEMBER nodes, else NULL */
    double *members;
    enum tree_aggregate aggregate;
    tree_finish *finish;
};

/* Builds the ensemble from a node's attributes, for `targets` targets (or classes). SL_E_MODEL when the trees
 * are no trees. Input 0 says how many features a row has. */
sl_status tree_build(const struct op_call *call, const char *weight_prefix, size_t targets,
                     struct arena *arena, struct tree_ensemble **ensemble, sl_error *err);

/* Element `at` of the features, whatever their dtype. */
double tree_feature(const sl_tensor *x, int64_t at);
/* Whether the test of inner node `at` holds for x. */
bool tree_holds(const struct tree_ensemble *ensemble, uint32_t at, double x);
/* The threshold or weight as the model gives it. */
double tree_threshold(const struct tree_ensemble *ensemble, uint32_t at);
double tree_weight_of(const struct tree_ensemble *ensemble, uint32_t weight);

/* The leaf (index into nodes) that a row of float32 features reaches in tree `tree`. */
uint32_t tree_leaf(const struct tree_ensemble *ensemble, size_t tree, const float *row);
/* The same for float64 features, compared with the exact thresholds. */
uint32_t tree_leaf_f64(const struct tree_ensemble *ensemble, size_t tree, const double *row);

/* Rows that are walked together through one tree after the other. */
#define TREE_BLOCK 64

/* Sums of up to TREE_BLOCK rows; `found` says which targets got any weight at all. */
struct tree_scores {
    double *scores; /* [TREE_BLOCK, target_count] */
    bool *found;    /* likewise */
    void *row;      /* features of the block as float or double, where the input has another dtype */
};
size_t tree_scratch_nbytes(const struct tree_ensemble *ensemble, int64_t features);
struct tree_scores tree_scores_in(const struct tree_ensemble *ensemble, void *scratch);
/* Adds a leaf's weights to a row's sums. */
void tree_add_leaf(const struct tree_ensemble *ensemble, uint32_t leaf, double *scores, bool *found);

/* Scores rows [first, first + count) of x. */
void tree_score_block(const struct tree_ensemble *ensemble, const sl_tensor *x, int64_t first, int64_t count,
                      const struct tree_scores *scores);

/* The operators' run, and the scratch it needs. */
void tree_run(const struct op_call *call);
size_t tree_run_nbytes(const struct tree_ensemble *ensemble, const sl_tensor *x);

#endif
