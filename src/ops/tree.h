/* tree.h: a tree ensemble as it runs: compact nodes, children side by side, trees in the model's order.
 * TreeEnsembleClassifier and TreeEnsembleRegressor of ai.onnx.ml are prepared into this; other devices may
 * take it over. */
#ifndef OPS_TREE_H
#define OPS_TREE_H

#include "ops/op.h"

enum tree_mode { TREE_LEQ, TREE_LT, TREE_GTE, TREE_GT, TREE_EQ, TREE_NEQ, TREE_LEAF };

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
};

/* Builds the ensemble from a node's attributes, for `targets` targets (or classes). SL_E_MODEL when the trees
 * are no trees. Input 0 says how many features a row has. */
sl_status tree_build(const struct op_call *call, const char *weight_prefix, size_t targets,
                     struct arena *arena, struct tree_ensemble **ensemble, sl_error *err);

/* The leaf (index into nodes) that a row of float32 features reaches in tree `tree`. */
uint32_t tree_leaf(const struct tree_ensemble *ensemble, size_t tree, const float *row);
/* The same for float64 features, compared with the exact thresholds. */
uint32_t tree_leaf_f64(const struct tree_ensemble *ensemble, size_t tree, const double *row);

/* Rows that are walked together through one tree after the other. */
#define TREE_BLOCK 64

/* How weights that reach one target are put together. */
enum tree_aggregate { TREE_SUM, TREE_AVERAGE, TREE_MIN, TREE_MAX };

/* Sums of up to TREE_BLOCK rows; `found` says which targets got any weight at all. */
struct tree_scores {
    double *scores; /* [TREE_BLOCK, target_count] */
    bool *found;    /* likewise */
    void *row;      /* features of the block as float or double, where the input has another dtype */
};
size_t tree_scratch_nbytes(const struct tree_ensemble *ensemble, int64_t features);
struct tree_scores tree_scores_in(const struct tree_ensemble *ensemble, void *scratch);

/* Scores rows [first, first + count) of x. */
void tree_score_block(const struct tree_ensemble *ensemble, const sl_tensor *x, int64_t first, int64_t count,
                      enum tree_aggregate aggregate, const struct tree_scores *scores);

#endif
