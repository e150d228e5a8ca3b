/* work_rig.h: a plan in the middle of being made, for tests of single passes: what is there before and after,
 * and that every output keeps its value. */
#ifndef TESTS_WORK_RIG_H
#define TESTS_WORK_RIG_H

#include "graph/passes/passes.h"
#include "model_rig.h"

struct work_rig {
    struct graph *graph;
    struct arena arena;
    struct plan_options options;
    struct work work;
};

/* Shapes are known and constants folded. */
void work_rig_open(struct work_rig *r, struct model *m, int64_t batch);
void work_rig_open_with(struct work_rig *r, struct model *m, const struct plan_options *options);
void work_rig_close(struct work_rig *r);
/* Live nodes, as "Conv Relu Gemm". */
const char *work_rig_nodes(const struct work_rig *r);
/* Runs the live nodes; *output i gets the data of output i (owned by the rig). */
void work_rig_run(struct work_rig *r, const float *input, const float **outputs);

#endif
