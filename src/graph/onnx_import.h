/* onnx_import.h: what the files that read ONNX share. Field numbers are those of onnx.proto. */
#ifndef GRAPH_ONNX_IMPORT_H
#define GRAPH_ONNX_IMPORT_H

#include "graph/external.h"
#include "graph/graph.h"
#include "graph/names.h"
#include "support/wire.h"

/* Bounds of what a file may make us allocate: of all its graphs, functions counted anew at each call. */
#define ONNX_MAX_NODES 100000u
#define ONNX_MAX_VALUES 400000u
#define ONNX_MAX_ATTRS 400000u
#define ONNX_MAX_EDGES 2000000u /* inputs and outputs of all nodes */
#define ONNX_MAX_DEPTH 24u      /* of graphs inside nodes and calls inside functions */
#define ONNX_MAX_FUNCTIONS 10000u
#define ONNX_MAX_EXPANDED ((size_t)64 << 20) /* bytes of functions, and four times the file's beyond */

/* The newest opsets we know. */
#define ONNX_OPSET 28
#define ONNX_OPSET_ML 5

/* What makes a value, when it is no node. */
#define MADE_BY_NOBODY UINT32_MAX
#define MADE_BY_INPUT (UINT32_MAX - 1)
#define MADE_BY_CONSTANT (UINT32_MAX - 2)

/* In a call's names: an input that the call leaves out. */
#define VALUE_ABSENT (UINT32_MAX - 1)

/* A graph with what only loading and closing know. */
struct graph_store {
    struct graph graph; /* first: graph_close gets this back from it */
    struct external external;
};

struct opset {
    const char *domain; /* "" for ai.onnx */
    int64_t version;
};

/* What is known of a value beside itself while its graph is read. */
struct import_origin {
    uint32_t maker; /* a node or MADE_BY_... */
    sl_string name; /* in the file */
};

/* A graph that is being read: the model's, or one inside a node. Its arrays grow and are copied into the
 * arena at the end. */
struct import_graph {
    struct graph *graph;
    struct graph_value *values;
    struct import_origin *origins; /* beside values */
    size_t value_count, value_cap;
    struct graph_node *nodes;
    size_t node_count, node_cap;
};

/* FunctionProto: read anew for each node that calls it. */
struct import_function {
    const char *domain, *name, *overload;
    struct wire wire;
    struct opset *opsets;
    size_t opset_count;
};

/* What names mean: those of a graph, or those of one call of a function, whose nodes become the caller's
 * graph's. */
struct import_scope {
    struct names names;
    struct import_graph *into;
    struct import_scope *parent;
    bool sees_parent; /* a graph inside a node: what it does not make comes from there */
    const struct opset *opsets;
    size_t opset_count;
    /* inside a function, else NULL: */
    const struct import_function *function;
    const struct graph_node *call;
    const char *prefix; /* of the names of what the call makes, or "" */
};

struct importer {
    struct graph *graph; /* the model's */
    struct arena *arena;
    struct external *external;
    struct import_scope *scope;
    size_t depth, value_count, node_count, attr_count, edge_count; /* of all graphs */
    struct opset *opsets;                                          /* the model's */
    size_t opset_count;
    struct import_function *functions;
    size_t function_count;
    struct names function_names; /* to numbers in `functions` */
    struct graph *bodies;        /* graphs inside nodes, linked by `next` in the order they are read */
    struct graph **bodies_end;
    struct import_copy *copies; /* of weights, yet to be made */
    bool placed;                /* the error names its node already */
};

/* The number of a value by name, in the scope's graph, made when new. GRAPH_NONE in *value for the empty
 * name. onnx_graph.c */
sl_status import_value(struct importer *im, struct import_scope *scope, sl_string name, uint32_t *value,
                       sl_error *err);
/* A copy of the text with NUL; NULL when out of memory. Texts with NUL inside are cut there. */
char *import_text(struct importer *im, sl_string text);
/* Says that `maker` makes the value; SL_E_MODEL when something else does already. */
sl_status import_made(struct importer *im, uint32_t value, uint32_t maker, sl_error *err);
/* A GraphProto into the current scope's graph: the model's, or with `body` one inside a node. */
sl_status import_graph(struct importer *im, struct wire w, bool body, sl_error *err);
/* A GraphProto inside a node's attribute. Its last inputs are what it reads of the graph around it. */
sl_status import_body(struct importer *im, struct wire w, const struct graph **body, sl_error *err);
/* One NodeProto into the current graph, or what it stands for: a constant, a function's nodes. */
sl_status import_node(struct importer *im, struct wire w, sl_error *err);
/* Adds a node, which makes its outputs. */
sl_status import_add_node(struct importer *im, const struct graph_node *node, sl_error *err);

/* OperatorSetIdProto. onnx_function.c */
sl_status import_opset(struct importer *im, struct wire w, struct opset *opset, sl_error *err);
/* ModelProto.functions. */
sl_status import_functions(struct importer *im, struct wire w, sl_error *err);
/* The function that the node calls, or NULL. */
const struct import_function *import_find_function(struct importer *im, const struct graph_node *node,
                                                   const char *overload);
/* The function's nodes instead of the node that calls it. */
sl_status import_call(struct importer *im, const struct import_function *function,
                      const struct graph_node *call, sl_error *err);
/* In a function's node: the attribute `name` that the call gives or the function has by default. *present is
 * false when it is neither given nor needed. */
sl_status import_attr_of_call(struct importer *im, sl_string name, struct attr *attr, bool *present,
                              sl_error *err);

/* A TensorProto. Data points into the file where it is aligned, else to a copy; it is never NULL. */
sl_status import_tensor(struct importer *im, struct wire w, sl_tensor *tensor, sl_string *name,
                        sl_error *err);
/* Copies weights out of the file: at once, or, when they are many bytes, in import_copy_all. False when out
 * of memory. onnx_copy.c */
bool import_copy(struct importer *im, void *to, const void *from, size_t nbytes);
void import_copy_all(struct importer *im);
/* An AttributeProto. *present is false for one that refers to what a function was not given. */
sl_status import_attr(struct importer *im, struct wire w, struct attr *attr, bool *present, sl_error *err);
/* A ValueInfoProto. *is_tensor is false for sequences, maps and optionals. */
sl_status import_value_info(struct importer *im, struct wire w, uint32_t *value, struct graph_value *info,
                            bool *is_tensor, sl_error *err);

/* Sorts nodes so that each comes after what it reads. SL_E_MODEL names a node of a cycle, or one that reads
 * what nothing makes. */
sl_status import_order(struct importer *im, sl_error *err);
/* Finds the operator of every node, also in graphs inside nodes; lists all that cannot run. */
sl_status import_operators(struct importer *im, sl_error *err);

/* What a file that is not ONNX looks like, as "a zip archive (a PyTorch checkpoint?)"; NULL when nothing is
 * recognised. `lfs` is set for a Git-LFS pointer. */
const char *file_kind(const void *data, size_t nbytes, bool *lfs);

#endif
