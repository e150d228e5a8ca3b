/* plan.h: the list of steps for one batch size, with every shape known and every byte placed. Graph's public
 * header for the devices.
 *
 * Values live in one of four places: constants (in the model file or folded), the slot's input block, the
 * slot's output block, or the arena (reused by liveness; one arena per batch in flight). Batch rows are dim 0
 * of every input and output: row r of an input is at offset + r * row_nbytes. */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "graph/graph.h"
#include "sluice/transform.h"

#define PLAN_ALIGN 64
#define PLAN_NONE UINT32_MAX

enum plan_place { PLAN_CONST, PLAN_INPUT, PLAN_OUTPUT, PLAN_ARENA };

struct plan_value {
    const char *name;
    sl_tensor tensor; /* shape with the batch bound; data only for PLAN_CONST */
    enum plan_place place;
    size_t offset; /* in its block; multiple of PLAN_ALIGN */
    size_t nbytes;
    uint32_t memory; /* in the arena values of one number are one piece of memory */
    /* Some dims are known only when a batch has run: between `least` and the tensor's, which memory is
     * planned for. */
    bool dynamic;
    int64_t least[SL_MAX_RANK];
    bool viewed; /* its bytes are read under another shape too: they must lie row-major */
};

struct plan_step {
    const struct op *op;
    const char *name; /* the node's, or a made-up one */
    const struct attr *attrs;
    size_t attr_count;
    int64_t opset;
    uint32_t *in, *out; /* values or PLAN_NONE */
    size_t in_count, out_count;
    bool dynamic;       /* one of its inputs or outputs is: it runs by its reference, sized for each batch */
    uint64_t flops;     /* 2 per multiply-add; 0 where nobody counts */
    size_t text_offset; /* of the bytes of the texts it makes, in a batch's text room */
};

/* An input as the slot holds it (after chains), and a model output. */
struct plan_port {
    const char *name;
    uint32_t value;
    size_t row_nbytes;
    /* A string output: the longest text it can have, and where the texts that steps made for it are kept in
     * the output block (text_nbytes 0: none is made, all belong to the model or to the slot's input). */
    size_t text_longest, text_offset, text_nbytes;
    /* `dynamic`: an output whose dims stand in the output block too, as int64_t[SL_MAX_RANK]; then (but for
     * free_rows) a batch is one record. `whole`: a record's value is all of it, not a row. */
    bool dynamic, whole;
    size_t dims_offset;
    const struct attr
        *labels; /* an output that ZipMap made: names of its columns (texts or integers), or NULL */
};

struct plan {
    const struct graph *graph; /* what it was made of */
    bool loaded_once;          /* plan_options.loaded_once */
    bool dynamic;              /* an output is */
    size_t dynamic_room;       /* tensors that plan_size_step needs room for */
    struct arena memory;
    int64_t batch;
    struct plan_value *values;
    size_t value_count;
    struct plan_step *steps;
    size_t step_count;
    struct plan_port *inputs, *outputs; /* in the model's order */
    size_t input_count, output_count;
    size_t input_nbytes, output_nbytes; /* of a slot's blocks */
    size_t arena_nbytes;                /* of one batch in flight */
    size_t peak_live_nbytes;            /* the least an arena could be */
    size_t text_nbytes;                 /* of the texts that steps make, of one batch in flight */
    size_t text_row_nbytes;             /* text that one row may bring; 0 without string inputs */
    size_t weight_nbytes;               /* constants that steps read */
    uint64_t flops;                     /* of one batch */
    struct plan *bodies, *next;         /* of graphs inside nodes; a list */
};

/* How input i reaches the slot when its chain leaves an affine step to the device: the plan's input then has
 * the staged dtype and dims (without the batch dim), and its first step is sluice.Affine. */
struct plan_prologue {
    bool used;
    sl_spec staged;
    sl_affine affine;
};

/* What a chain of results leaves to the device of output i, float [batch, sequence, n]: one vector of the
 * sequence, over the places where a model input [batch, sequence] is not 0. The plan's output is [batch, n].
 */
struct plan_epilogue {
    enum plan_pool {
        PLAN_POOL_NONE,
        PLAN_POOL_MEAN,
        PLAN_POOL_MEAN_SQRT,
        PLAN_POOL_FIRST,
        PLAN_POOL_LAST
    } pool;
    size_t mask; /* the input */
};

struct work_bound; /* work.h */
struct plan_budget;

struct plan_options {
    int64_t batch; /* rows; a model with a fixed batch dim takes that (SL_E_MODEL when it differs and batch is
                      not 0) */
    const struct plan_prologue *prologues; /* per model input, or NULL */
    const struct plan_epilogue *epilogues; /* per model output, or NULL */
    const char *const *dim_names;          /* --dim NAME=VALUE */
    const int64_t *dim_values;
    size_t dim_count;
    bool no_passes;         /* the model as it is, for tests: constants are folded all the same */
    bool int8;              /* operators between DequantizeLinear and QuantizeLinear compute in levels */
    bool unbatched;         /* dim 0 is no batch: inputs and outputs are one record's, as they are */
    size_t text_row_nbytes; /* text that one record may bring: string inputs are planned for it */
    bool loaded_once; /* on one device, and nobody looks at its constants afterwards: those that it packs may
                         go */
    /* For `verify` and tests of single operators. */
    bool free_rows; /* dim 0 need not be the batch */
    const sl_tensor *const
        *fixed; /* per model input: its value where shapes depend on it (then it is PLAN_CONST), or NULL */
    const struct work_bound *const
        *bounds; /* of a graph inside a node: what is known of its inputs, or NULL */
    /* of a graph inside a node, whose inputs `fixed` describes (data: those that are constants): shared with
     * the plan around it */
    struct plan_budget *budget;
};

/* The batch size a model insists on, or 0 when its inputs leave dim 0 open. */
int64_t graph_fixed_batch(const struct graph *graph);

/* Binds dims, infers shapes, folds constants, drops dead steps, places memory. The graph must outlive the
 * plan. SL_E_MODEL names the node and what does not fit. */
sl_status plan_make(struct plan **plan, const struct graph *graph, const struct plan_options *options,
                    sl_error *err);
void plan_close(struct plan *plan);

/* Room for plan_size_step, of the caller's thread: plan->dynamic_room of each. */
struct plan_room {
    sl_tensor *tensors;
    const sl_tensor **in;
};
/* Bytes of both in one block; 0 where no step is dynamic. */
size_t plan_room_nbytes(const struct plan *plan);
struct plan_room plan_room_at(const struct plan *plan, void *block);

/* Whether a dynamic step can run with what prepare made of the most it may get: SL_E_MODEL by name when not.
 */
sl_status plan_check_state(const struct plan_step *step, const void *state, sl_error *err);

/* Before a dynamic step runs: sets its outputs' dims for what its inputs are in this batch. *run is false
 * when there is nothing to compute. SL_E_DATA: a shape that the batch's data asks for is not possible;
 * SL_E_INTERNAL: it is larger than planned. Allocates nothing. */
sl_status plan_size_step(const struct plan *plan, size_t index, const struct op_call *call,
                         struct plan_room room, bool *run, sl_error *err);

/* After the steps have run, `values` being the batch's tensors: writes the dims of dynamic outputs into the
 * output block. */
void plan_keep_dims(const struct plan *plan, const sl_tensor *values, void *output);
/* Output i as it stands in an output block, with the dims it has there. */
sl_tensor plan_output(const struct plan *plan, size_t i, const void *output);

/* After plan_keep_dims: moves texts that they made and that go out into the output block, so that the
 * next batch may begin. */
void plan_keep_texts(const struct plan *plan, void *output);

/* A line for each output whose size depends on the record. */
void plan_print_dynamic(const struct plan *plan, struct buf *out);
/* The plan of a graph inside a node: of an attribute's body. */
const struct plan *plan_of_body(const struct op_body *body);
/* What running all of them takes, roughly: multiply-adds, bytes, steps. UINT64_MAX: nobody knows. False when
 * out of memory. */
bool plan_inner_cost(const struct plan *plan, uint64_t *cost);

/* One thing to place in an arena: alive from step `first` to step `last`, both included. */
struct place_block {
    size_t nbytes, offset;
    uint32_t first, last;
};
/* Sets offsets; returns the bytes needed, or SIZE_MAX when out of memory. nbytes are multiples of PLAN_ALIGN.
 */
size_t place_blocks(struct place_block *blocks, size_t count);
/* The most that is alive at once; SIZE_MAX when out of memory. */
size_t place_peak(const struct place_block *blocks, size_t count);

/* The steps as a table: name, operator, output shape, place and bytes. */
void plan_print_steps(const struct plan *plan, struct buf *out);

#endif
