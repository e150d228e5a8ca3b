/* op.h: WHAT AN OPERATOR MEANS. One file a family, each operator a shape rule and a plain-C reference, in
 * that order, and one line in op_table. Operators know no graph: a call is a node's attributes and its
 * tensors.
 *
 * The references are the truth: tests compare every device with them, and constants are folded by running
 * them. They are clear first, and accumulate in double where it matters. */
#ifndef OPS_OP_H
#define OPS_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/tensor.h"
#include "support/arena.h"
#include "support/error.h"

enum attr_type {
    ATTR_FLOAT = 1, /* AttributeProto.AttributeType */
    ATTR_INT = 2,
    ATTR_STRING = 3,
    ATTR_TENSOR = 4,
    ATTR_GRAPH = 5,
    ATTR_FLOATS = 6,
    ATTR_INTS = 7,
    ATTR_STRINGS = 8
};

struct op_body;
struct op_prepared;

struct attr {
    const char *name;
    enum attr_type type;
    float f;
    int64_t i;
    sl_string s;
    size_t count; /* of the list that is set */
    const float *floats;
    const int64_t *ints;
    const sl_string *strings;
    const sl_tensor *tensor;
    /* ATTR_GRAPH: struct graph of graph.h, opaque here; of its inputs the last `count` are the node's from
     * input `i` on. When a plan is made it gets a body. */
    const void *graph;
    const struct op_body *body;
};

/* A graph inside a node (If, Loop, Scan) when the plan is made: shapes are known or bounded, to be run any
 * number of times. Its inputs are its own, then those it takes from the node's inputs (attr.i, attr.count).
 */
struct op_body {
    const sl_tensor *in, *out;   /* shapes at their most; data where they are constants */
    const int64_t *const *least; /* of each output: the least its dims can be, or NULL where they are fixed */
    size_t in_count, out_count;
    uint64_t cost; /* of a run: multiply-adds, bytes and steps, roughly */
    /* What runs need that is made once, and the scratch of one. */
    sl_status (*prepare)(const struct op_body *body, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err);
    /* Sets the outputs' dims; of constants among the inputs nothing is looked at. False, with *failed set,
     * when the data asks for a size that is not possible. */
    bool (*run)(const struct op_body *body, const struct op_prepared *prepared, const sl_tensor *const *in,
                sl_tensor *const *out, void *scratch, sl_error *failed);
};

/* What a shape rule says of an output's dims that it can only bound: the least they can be. */
struct op_least {
    unsigned bounds; /* dims that are bounds: a bit each; of the others, dims is not set */
    int64_t dims[SL_MAX_RANK];
};

/* One node with its tensors. An optional input or output that is left out is NULL. While shapes are inferred,
 * data is set only for constants; when it runs, always. Memory belongs to the caller. */
struct op_call {
    const struct attr *attrs;
    size_t attr_count;
    int64_t opset; /* of the node's domain */
    const sl_tensor *const *in;
    size_t in_count;
    sl_tensor *const *out;
    size_t out_count;
    const void *state; /* from prepare, or NULL */
    void *scratch;     /* op_prepared.scratch_nbytes, 64-byte aligned; private to the caller's thread */
    char *text; /* room for the bytes of the texts it makes, as op.text bounds them; kept for the batch */
    sl_error *failed; /* while it runs: for graphs inside, see op_body.run; the caller looks at its status */
    bool loose;       /* while a plan is made: dims of inputs are bounds, need not fit each other */
    struct op_least *least; /* while a plan is made: one an output, see rule_at_most; else NULL */
    size_t text_limit;      /* while shapes are inferred: the longest text that a record may bring */
};

/* What is known of the texts in a string tensor: bytes of the longest, and of all of them together. */
struct op_text {
    size_t longest, total;
};

/* What prepare made of a node: repacked weights or tables, and the scratch a run needs. */
struct op_prepared {
    const void *state;
    size_t scratch_nbytes;
};

struct op {
    const char *domain; /* "" for ai.onnx, "ai.onnx.ml", "com.microsoft", "sluice" for our own */
    const char *name;
    int since, until;   /* opsets of the domain this entry is for, inclusive; until 0: no end */
    int min_in, max_in; /* max_in -1: any number */
    int min_out, max_out;
    const char *attrs; /* names of the attributes it knows, separated by spaces; NULL: none */
    /* Sets dtype, rank and dims of every non-NULL out. SL_E_MODEL with text as "input 'B' has 3 dims,
     * expected 2". */
    sl_status (*infer)(const struct op_call *call, sl_error *err);
    /* Once per node after shapes are known; may be NULL. Allocates from the arena. */
    sl_status (*prepare)(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err);
    /* Computes the outputs. Cannot fail; everything was checked. Any thread. Where `bounded`, it sets the
     * dims that the rule could only bound; memory is there for the bound. */
    void (*run)(const struct op_call *call);
    /* For operators that make texts of their own: the bounds of output 0, given those of the inputs (zeros
     * where an input is no string tensor); returns the room it needs. NULL: texts of its outputs are those of
     * its inputs or attributes. */
    size_t (*text)(const struct op_call *call, const struct op_text *in, struct op_text *out);
    /* Operators with graphs inside: dtype and dims of the own inputs of the graph that `attr` holds, `count`
     * of them; data where they are known. */
    sl_status (*body_in)(const struct op_call *call, const struct attr *attr, sl_tensor *in, size_t count,
                         sl_error *err);
    /* How often they run at most; UINT64_MAX where nothing says so. */
    uint64_t (*trips)(const struct op_call *call);
    bool elementwise; /* output 0 may take the place of input 0 */
    unsigned over; /* further inputs whose place output 0 may take, where they have its shape: a bit each */
    bool bounded;  /* how much comes out is known only when it has run */
    bool any_size; /* what prepare makes is good for smaller inputs too */
    unsigned
        sized; /* inputs whose values its shape rule reads, and that may come from the records: a bit each */
    unsigned grows; /* of these, those with which the dims of its outputs grow */
    bool view;      /* output 0 is input 0's bytes, at most under another shape */
};

extern const struct op *const op_table[]; /* ended by NULL */

/* The entry for a node, or NULL. */
const struct op *op_find(const char *domain, const char *name, int64_t opset);
/* True when some opset has an operator of that name (for better messages). */
bool op_known(const char *domain, const char *name);

/* Attributes, with the fallback where absent or of another type. */
const struct attr *op_attr(const struct op_call *call, const char *name);
int64_t op_attr_int(const struct op_call *call, const char *name, int64_t fallback);
float op_attr_float(const struct op_call *call, const char *name, float fallback);
/* True when the attribute is this text; `fallback` stands for an absent one. */
bool op_attr_is(const struct op_call *call, const char *name, const char *text, const char *fallback);

#endif
