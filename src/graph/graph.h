/* graph.h: THE MODEL, at load: what the ONNX file says, checked and bounded, weights in place.
 *
 * graph_load reads the file through a bounded wire reader (depth, node and size limits) that never copies a
 * weight: a constant's data points into the mapped file. A graph is read-only after load, so many plans can
 * be made of it. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "ops/op.h"
#include "sluice/tensor.h"
#include "support/arena.h"
#include "support/buf.h"
#include "support/error.h"

#define GRAPH_NONE UINT32_MAX

struct graph_value {
    const char *name;
    sl_tensor tensor;                   /* dtype, dims (-1: not known yet); data for constants */
    const char *dim_names[SL_MAX_RANK]; /* symbol of a -1 dim, or NULL */
    bool has_shape;                     /* the file gave dtype and dims (inputs, outputs, constants) */
    bool constant;
};

struct graph_node {
    const char *name, *domain, *op_type;
    const struct op *op; /* NULL only while loading */
    const struct attr *attrs;
    size_t attr_count;
    int64_t opset;
    uint32_t *in, *out;         /* values; GRAPH_NONE for an optional one left out */
    size_t in_count, out_count; /* behind a node's own inputs stand those that its graphs read (attr.taken) */
};

struct graph {
    struct arena arena;
    const char *path;
    struct graph_value *values;
    size_t value_count;
    struct graph_node *nodes; /* in an order in which they can run */
    size_t node_count;
    uint32_t *inputs, *outputs; /* values; initializers are not inputs */
    size_t input_count, output_count;
    /* A graph inside a node (If, Loop, Scan): its last inputs are these values of the graph around it. */
    uint32_t *taken;
    size_t taken_count;
    struct graph *next; /* of the model's graphs inside nodes */
    /* The model's: */
    const char *producer, *producer_version;
    int64_t ir_version, opset, opset_ml; /* 0 when the domain is not used */
    size_t parameter_count;              /* elements of all constants the file holds */
    size_t weight_nbytes;
    size_t expanded_nbytes; /* of functions, as often as they are called */
    const void *file;       /* the mapped model */
    size_t file_nbytes;
};

/* Nodes, those of graphs inside nodes among them. */
size_t graph_node_total(const struct graph *graph);

/* Loads a model. SL_E_NOINPUT: there is no such file; SL_E_MODEL: a Git-LFS pointer, not ONNX, damaged, or
 * with operators nobody here can run: those are all listed, by operator and node, one line each. */
sl_status graph_load(struct graph **graph, const char *path, sl_error *err);
void graph_close(struct graph *graph);

/* The bytes are a constant that will hardly be read again: lets go of its pages where they are mapped from a
 * file. What lies elsewhere is left alone: false. Any thread. */
bool graph_drop_pages(const struct graph *graph, const void *data, size_t nbytes);

/* For `inspect`: inputs, outputs, operators with counts, parameters. */
void graph_print(const struct graph *graph, struct buf *out);
/* An object that is not closed: more may follow. */
void graph_print_json(const struct graph *graph, struct buf *out);

#endif
