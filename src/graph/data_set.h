/* data_set.h: golden data beside a model, in the form ONNX's own tests have:
 * test_data_set_N/{input,output}_I.pb, each a TensorProto. */
#ifndef GRAPH_DATA_SET_H
#define GRAPH_DATA_SET_H

#include "graph/plan.h"

#define DATA_SET_PORTS 64

/* Tensors of one folder; their data lies in the mapped files or in the arena. */
struct data_set {
    struct arena arena;
    sl_tensor inputs[DATA_SET_PORTS], outputs[DATA_SET_PORTS];
    bool has_output[DATA_SET_PORTS]; /* a file may be left out; inputs are all there */
    const void *files[2 * DATA_SET_PORTS];
    size_t sizes[2 * DATA_SET_PORTS], file_count;
};

/* Reads the folder `dir` for the graph's inputs and outputs. SL_E_NOINPUT: an input is missing; SL_E_MODEL: a
 * file is no tensor, or there are more than DATA_SET_PORTS inputs or outputs. Clear it in any case. */
sl_status data_set_read(struct data_set *set, const struct graph *graph, const char *dir, sl_error *err);
void data_set_clear(struct data_set *set);

/* A plan for exactly these inputs: symbols take the sizes that the data has, dim 0 need not be a batch. Where
 * shapes depend on values, integer inputs are told to the plan beforehand, and at last all of them. `base`
 * gives precision and whatever else is not about shapes; may be NULL. */
sl_status data_set_plan(const struct data_set *set, const struct graph *graph,
                        const struct plan_options *base, struct plan **plan, sl_error *err);

/* The inputs into a block of plan->input_nbytes. */
void data_set_fill(const struct data_set *set, const struct plan *plan, void *input);

#endif
