/* k_tree.h: tree ensembles: trees.cu. The layout of nodes and weights is that of ops/tree.h. */
#ifndef INFER_CUDA_K_TREE_H
#define INFER_CUDA_K_TREE_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* struct tree_node: a branch goes to `child` when its test holds, else one further; a leaf has `feature`
 * weights from weight `child` on. */
struct k_tree_node {
    float threshold;
    uint32_t feature, child;
    uint8_t mode, missing_true;
    uint16_t unused;
};
enum k_tree_mode {
    K_TREE_LEQ,
    K_TREE_LT,
    K_TREE_GTE,
    K_TREE_GT,
    K_TREE_EQ,
    K_TREE_NEQ,
    K_TREE_LEAF,
    K_TREE_MEMBER
};
struct k_tree_weight {
    uint32_t target;
    float weight;
};
struct k_tree_set {
    uint32_t first, count;
};
enum k_tree_aggregate { K_TREE_SUM, K_TREE_AVERAGE, K_TREE_MIN, K_TREE_MAX };
enum k_tree_post { K_POST_NONE, K_POST_SOFTMAX, K_POST_LOGISTIC, K_POST_SOFTMAX_ZERO, K_POST_PROBIT };

/* x [rows, features]; scores [rows, targets]; best [rows], of a classifier. Tables lie on the device. */
struct k_trees {
    const void *x;
    void *scores;  /* or NULL */
    int64_t *best; /* or NULL */
    enum k_type x_type, score_type;
    uint32_t rows, features, tree_count, target_count, base_count;
    const struct k_tree_node *nodes;
    const double *thresholds, *weights_f64; /* NULL: those of the nodes and weights */
    const struct k_tree_weight *weights;
    const uint32_t *roots;
    const struct k_tree_set *sets;
    const double *members, *base;
    const int64_t *labels; /* NULL: the numbers of the classes */
    enum k_tree_aggregate aggregate;
    enum k_tree_post post;
    bool classes; /* a classifier */
    bool add_up;  /* of two classes of which one has weights: their scores add up to 1 */
    bool single;  /* float32 features against float32 thresholds */
};
/* The rows that a block takes: 0 where the targets of one row do not fit its shared memory. */
uint32_t k_trees_rows(uint32_t target_count);
int k_trees_launch(const struct k_trees *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
