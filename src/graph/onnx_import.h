/* onnx_import.h: what the files that read ONNX share. Field numbers are those of onnx.proto. */
#ifndef GRAPH_ONNX_IMPORT_H
#define GRAPH_ONNX_IMPORT_H

#include "graph/external.h"
#include "graph/graph.h"
#include "graph/names.h"
#include "graph/onnx_wire.h"

/* Bounds of what a file may make us allocate. */
#define ONNX_MAX_NODES 100000u
#define ONNX_MAX_VALUES 400000u
#define ONNX_MAX_ATTRS 400000u
#define ONNX_MAX_EDGES 2000000u /* inputs and outputs of all nodes */

/* The newest opsets we know. */
#define ONNX_OPSET 28
#define ONNX_OPSET_ML 5

/* What makes a value, when it is no node. */
#define MADE_BY_NOBODY UINT32_MAX
#define MADE_BY_INPUT (UINT32_MAX - 1)
#define MADE_BY_CONSTANT (UINT32_MAX - 2)

/* A graph with what only loading and closing know. */
struct graph_store {
    struct graph graph; /* first: graph_close gets this back from it */
    struct external external;
};

struct opset {
    const char *domain; /* "" for ai.onnx */
    int64_t version;
};

struct importer {
    struct graph *graph;
    struct arena *arena;
    struct external *external;
    struct names names;
    struct graph_value *values; /* grows; copied into the arena at the end */
    uint32_t *makers;           /* beside values: a node or MADE_BY_... */
    size_t value_count, value_cap;
    size_t attr_count, edge_count;
    struct opset *opsets;
    size_t opset_count;
    struct import_copy *copies; /* of weights, yet to be made */
};

/* The number of a value by name, made when new. GRAPH_NONE in *value for the empty name. */
sl_status import_value(struct importer *im, sl_string name, uint32_t *value, sl_error *err);
/* A copy of the text with NUL; NULL when out of memory. Texts with NUL inside are cut there. */
char *import_text(struct importer *im, sl_string text);
/* Says that `maker` makes the value; SL_E_MODEL when something else does already. */
sl_status import_made(struct importer *im, uint32_t value, uint32_t maker, sl_error *err);

/* A TensorProto. Data points into the file where it is aligned, else to a copy; it is never NULL. */
sl_status import_tensor(struct importer *im, struct wire w, sl_tensor *tensor, sl_string *name,
                        sl_error *err);
/* Copies weights out of the file: at once, or, when they are many bytes, in import_copy_all. False when out
 * of memory. onnx_copy.c */
bool import_copy(struct importer *im, void *to, const void *from, size_t nbytes);
void import_copy_all(struct importer *im);
/* An AttributeProto. */
sl_status import_attr(struct importer *im, struct wire w, struct attr *attr, sl_error *err);
/* A NodeProto as node `index`. `is_constant` is set when it was a Constant, which becomes a value and no
 * node. */
sl_status import_node(struct importer *im, struct wire w, uint32_t index, struct graph_node *node,
                      bool *is_constant, sl_error *err);
/* A ValueInfoProto. *is_tensor is false for sequences, maps and optionals. */
sl_status import_value_info(struct importer *im, struct wire w, uint32_t *value, struct graph_value *info,
                            bool *is_tensor, sl_error *err);

/* Sorts nodes so that each comes after what it reads. SL_E_MODEL names a node of a cycle, or one that reads
 * what nothing makes. */
sl_status import_order(struct importer *im, sl_error *err);
/* Finds every node's operator; lists all that cannot run. */
sl_status import_operators(struct importer *im, sl_error *err);

/* What a file that is not ONNX looks like, as "a zip archive (a PyTorch checkpoint?)"; NULL when nothing is
 * recognised. `lfs` is set for a Git-LFS pointer. */
const char *file_kind(const void *data, size_t nbytes, bool *lfs);

#endif
