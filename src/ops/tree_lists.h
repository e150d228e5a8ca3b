/* tree_lists.h: the parallel lists in which TreeEnsembleClassifier and -Regressor describe trees. */
#ifndef OPS_TREE_LISTS_H
#define OPS_TREE_LISTS_H

#include "ops/op.h"

/* The attribute lists, all of `count` entries. */
struct tree_lists {
    size_t count, weight_count;
    const int64_t *trees, *ids, *features, *yes, *no, *missing;
    const sl_string *modes;
    const float *values, *weights;
    const double *values_f64, *weights_f64;
    const int64_t *weight_trees, *weight_ids, *weight_targets;
};

/* Reads them from a node's attributes; `prefix` is what the weights' names begin with. They stay where they
 * are. */
sl_status tree_lists_read(const struct op_call *call, const char *prefix, struct tree_lists *lists,
                          sl_error *err);

#endif
