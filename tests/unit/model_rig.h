/* model_rig.h: writes ONNX models for tests, byte by byte, so that they can also be wrong on purpose; and
 * runs them. No Python, no protobuf.
 *
 *     struct model m;
 *     model_begin(&m);
 *     model_input(&m, "x", SL_FLOAT, "n,3");
 *     model_floats(&m, "w", "3,2", (float[]){1, 2, 3, 4, 5, 6});
 *     model_node(&m, "MatMul", "x,w", "y");
 *     model_output(&m, "y", SL_FLOAT, "n,2");
 *     struct graph *g = model_load(&m, &err);      NULL when refused
 *     model_end(&m);
 */
#ifndef TESTS_MODEL_RIG_H
#define TESTS_MODEL_RIG_H

#include "graph/plan.h"
#include "support/buf.h"

struct model {
    struct buf graph; /* GraphProto so far */
    struct buf node;  /* NodeProto not yet added */
    struct buf head;  /* fields of ModelProto before the graph */
    bool in_node;
    bool own_opsets; /* model_opset was called: no default one */
};

void model_begin(struct model *m);
void model_end(struct model *m);

void model_opset(struct model *m, const char *domain, int64_t version);
/* `dims` as "n,3,224": numbers, or symbols; "" a scalar, "?" an unknown dim. */
void model_input(struct model *m, const char *name, sl_dtype dtype, const char *dims);
void model_output(struct model *m, const char *name, sl_dtype dtype, const char *dims);
void model_constant(struct model *m, const char *name, sl_dtype dtype, const char *dims, const void *data,
                    size_t nbytes);
void model_floats(struct model *m, const char *name, const char *dims, const float *data);
void model_ints(struct model *m, const char *name, const char *dims, const int64_t *data);

/* A node; inputs and outputs separated by commas, "" for one that is left out. Attributes follow. */
void model_node(struct model *m, const char *op, const char *inputs, const char *outputs);
void model_node_name(struct model *m, const char *name);
void model_node_domain(struct model *m, const char *domain);
void model_attr_int(struct model *m, const char *name, int64_t x);
void model_attr_float(struct model *m, const char *name, float x);
void model_attr_text(struct model *m, const char *name, const char *text);
void model_attr_ints(struct model *m, const char *name, size_t count, const int64_t *x);
void model_attr_floats(struct model *m, const char *name, size_t count, const float *x);
/* Texts separated by commas. */
void model_attr_texts(struct model *m, const char *name, const char *texts);
/* A graph inside the node: another model, of which only the graph counts; ends it. */
void model_attr_graph(struct model *m, const char *name, struct model *body);
/* An attribute that is the `ref` of the function that the node is in. */
void model_attr_ref(struct model *m, const char *name, enum attr_type type, const char *ref);
/* A function, its nodes those of another model; lists separated by commas. Ends `body`. `more`: further
 * fields, or NULL. */
void model_function(struct model *m, const char *domain, const char *name, const char *inputs,
                    const char *outputs, const char *attrs, const struct buf *more, struct model *body);

/* The bytes of the model so far; they stay with the rig. */
void model_bytes(struct model *m, struct buf *out);
/* Writes bytes to a file of this process; returns its path, which is the same each time. */
const char *model_write(const void *data, size_t nbytes);
struct graph *model_load(struct model *m, sl_error *err);

/* Protobuf, for models that are wrong. */
void wire_put_varint(struct buf *b, uint64_t x);
void wire_put_int(struct buf *b, unsigned field, uint64_t x);
void wire_put_bytes(struct buf *b, unsigned field, const void *data, size_t nbytes);
void wire_put_text(struct buf *b, unsigned field, const char *text);

/* Runs a plan on its references: `inputs` are the ports' values one after the other, `outputs` get room that
 * mem_free frees. Fails the test when it cannot. */
void rig_run(const struct plan *plan, const void *const *inputs, void **outputs);
/* Loads, plans for `batch` rows and runs; returns output 0 (mem_free it). */
float *rig_run_model(struct model *m, int64_t batch, const float *input);

#endif
