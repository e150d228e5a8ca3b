/* work.h: a plan while it is made: a private copy of the graph's nodes and values that passes may change. All
 * memory is the plan's. */
#ifndef GRAPH_WORK_H
#define GRAPH_WORK_H

#include "graph/plan.h"

/* What is known of a value that is different for every batch. A shape that is made of such values, or of
 * shapes that depend on data, has its bounds from here. bounds.c */
struct work_bound {
    bool dynamic;               /* some dims are bounds: */
    int64_t least[SL_MAX_RANK]; /* what each dim is at least; the tensor's dims are the most */
    const void *low, *high;     /* elements are between these, or NULL */
};

struct work_value {
    const char *name;
    sl_tensor tensor; /* data for constants */
    bool known;       /* dtype and dims are */
    bool constant;
    const struct work_bound *bound; /* NULL: every dim is what it is, and nothing is known of the elements */
};

struct work_node {
    const struct op *op;
    const char *name;
    const struct attr *attrs;
    size_t attr_count;
    int64_t opset;
    uint32_t *in, *out;
    size_t in_count, out_count;
    bool dead;
    const struct op
        *hidden; /* its operator while passes run, where a size in it is known only to the batch */
};

/* What a file makes a plan spend, with the plans of graphs inside its nodes, whether they come to anything or
 * not. */
struct plan_budget {
    size_t folded_nbytes; /* constants that were made */
    size_t added_count;   /* nodes that came from graphs inside nodes */
    size_t tried_count;   /* those that were only looked at */
};

struct work {
    const struct graph *graph;
    const struct plan_options *options;
    struct arena *arena;
    struct work_value *values;
    size_t value_count, value_cap;
    struct work_node *nodes; /* in running order */
    size_t node_count, node_cap;
    uint32_t *inputs, *outputs; /* the slot's; counts as in the graph */
    int64_t batch;
    struct plan_budget own_budget, *budget; /* the latter is that of the outermost plan */
    size_t folded_limit;
    bool unsorted;             /* nodes were added behind their readers */
    struct plan *bodies;       /* of graphs inside nodes */
    size_t call_width;         /* inputs or outputs that there is room for */
    const sl_tensor **call_in; /* room for one call */
    sl_tensor **call_out;
    sl_tensor *call_room; /* copies of one call's tensors: outputs, then inputs */
    struct op_least *call_least;
};

/* Copies the graph, with the inputs' dims bound (shapes.c), the prologues in front and the epilogues behind.
 */
sl_status work_open(struct work *w, const struct graph *graph, const struct plan_options *options,
                    struct arena *arena, sl_error *err);
/* The epilogue of an output, behind the model. pool_output.c */
sl_status work_pool_output(struct work *w, size_t output, sl_error *err);
/* Closes the plans of graphs inside nodes, unless a plan has taken them. body.c */
void work_close(struct work *w);
/* GRAPH_NONE when out of memory. */
uint32_t work_add_value(struct work *w, const char *name);
/* A node with room for its inputs and outputs, all GRAPH_NONE; NULL when out of memory. */
struct work_node *work_add_node(struct work *w, const struct op *op, const char *name, size_t in_count,
                                size_t out_count);
sl_status work_out_of_memory(sl_error *err);

/* Puts the nodes that were added behind where their readers need them; the others keep their order. */
sl_status work_sort(struct work *w, sl_error *err);

/* The node's call, in the work's room: valid until the next one. */
struct op_call work_call(struct work *w, const struct work_node *node);

/* Dims of the model's inputs, without those still open: by --dim, by the batch, by the chain. shapes.c */
sl_status work_bind_inputs(struct work *w, sl_error *err);
/* Infers every shape and folds what is constant; with plan_options.int8, DequantizeLinear of bytes is left
 * for work_fold_waiting, which comes after the pass that looks for it. fold.c */
sl_status work_infer(struct work *w, sl_error *err);
sl_status work_fold_waiting(struct work *w, sl_error *err);

/* A shape that output i of a node would have is possible. fold.c */
sl_status work_check_shape(const sl_tensor *t, size_t i, sl_error *err);
/* The node's shapes, with the bounds of those that depend on data; `err` gets the rule's text. Values that
 * turn out to be known become constants. bounds.c */
sl_status bounds_infer(struct work *w, struct work_node *node, sl_error *err);
/* Passes look at sizes, so they see nothing of nodes whose sizes are bounds. */
sl_status bounds_hide(struct work *w, sl_error *err);
void bounds_show(struct work *w);

/* The error of a rule with the node's name. fold.c */
sl_status work_in_node(const struct work *w, const struct work_node *node, sl_status st,
                       const sl_error *inner, sl_error *err);
/* Infers and folds the nodes from `from` on, in their order. fold.c */
sl_status work_infer_from(struct work *w, size_t from, sl_error *err);
/* Puts the nodes of a graph behind the others and infers them: values `in` are its inputs, `out` gets its
 * outputs; `name` goes before the names of its nodes. inline.c */
sl_status work_inline(struct work *w, const struct graph *g, const char *name, const uint32_t *in,
                      uint32_t *out, sl_error *err);
/* Adds a node of one output behind the others and infers it; GRAPH_NONE when out of memory or refused. */
uint32_t work_add_step(struct work *w, const char *op, int64_t opset, const char *name,
                       const struct attr *attrs, size_t attr_count, const uint32_t *in, size_t in_count,
                       sl_error *err);
/* Node `at` has graphs inside: puts them in its place where what decides about them is known and they are not
 * too large; the node is dead then. unroll.c */
sl_status work_unroll(struct work *w, size_t at, sl_error *err);
/* FlexAttention with graphs inside becomes its steps. unfold_flex.c */
sl_status work_unfold_flex(struct work *w, size_t at, sl_error *err);
/* Else plans them; the node gets the bodies. body.c */
sl_status work_make_bodies(struct work *w, size_t at, sl_error *err);
/* What running the node's bodies takes, roughly; UINT64_MAX when nobody knows. */
uint64_t work_body_cost(const struct op *op, const struct op_call *call);

/* How often each value is read: by nodes and as an output. Free with mem_free; NULL when out of memory. */
uint32_t *work_count_uses(const struct work *w);
/* Which node makes each value, or GRAPH_NONE. Likewise. */
uint32_t *work_find_makers(const struct work *w);

/* Runs one node with the reference. Its outputs have data. run_reference.c */
sl_status reference_run_node(struct op_call *call, const struct op *op, sl_error *err);

/* Multiply-adds of a node times two, where they are counted. flops.c */
uint64_t work_flops(const struct op *op, const struct op_call *call);

/* Plans the room for texts that steps make. plan_text.c */
sl_status plan_texts(struct plan *plan, const struct plan_options *options, sl_error *err);
/* The same for a node whose inputs are constants: the room it needs. */
size_t text_room(const struct op *op, const struct op_call *call);

/* Gives every value of the plan its place; drops views that need no copy. place.c */
sl_status place_values(struct plan *plan, sl_error *err);

#endif
