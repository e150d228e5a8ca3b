/* cpu_step.h: a plan on the CPU: a table of steps that begins as the operators' references and is overwritten
 * by what is better. Steps are shared by all threads; what a thread needs of its own is in its frame. */
#ifndef INFER_CPU_STEP_H
#define INFER_CPU_STEP_H

#include "infer/cpu/value_format.h"
#include "infer/device.h"

struct cpu_frame;
struct row_kernels;
struct row_blocks;

/* A step has at most this many inputs and outputs that are converted for it. */
#define CPU_MAX_CONVERTS 64

struct cpu_step {
    /* Computes step `index` of the frame's batch. NULL: done by a step beside it (fused). */
    void (*run)(const struct cpu_step *step, struct cpu_frame *frame);
    uint32_t index;
    const void *state;     /* reference: op_prepared.state */
    void *provider;        /* what overwrote it keeps here */
    size_t scratch_nbytes; /* its own, then its conversions' */
    const char *what;      /* "reference", "oneDNN jit:avx512_core", ... */
    /* Values it wants in another format than they lie in: inputs into scratch before it runs, outputs out of
     * scratch after. `formatted`: it said so itself; else everything is made plain for it. */
    const struct cpu_convert *before, *after;
    unsigned before_count, after_count;
    bool formatted;
};

/* Memory that a thread computes in: the arena of one batch and the scratch of one step. */
struct cpu_room {
    void *arena, *scratch;
    size_t arena_nbytes, scratch_nbytes;
};

/* One compute thread's view of a program. */
struct cpu_frame {
    const struct plan *plan;
    unsigned thread;
    const struct cpu_room *room; /* of all programs that the thread runs */
    void *scratch;               /* the room's */
    char *text;                  /* of the texts that steps make */
    sl_tensor *values;           /* [value_count]; data of inputs and outputs set for each batch */
    struct op_call *calls;       /* [step_count] */
    void *dynamic;               /* of a plan_room */
    sl_error error;              /* of a step whose sizes depend on data */
};

struct cpu_program {
    const struct plan *plan;
    struct cpu_step *steps;     /* [step_count] */
    struct cpu_format *formats; /* [value_count]: how each value lies in memory */
    enum precision precision;
    const struct row_kernels *kernels;
    struct arena memory;   /* what prepare made */
    size_t scratch_nbytes; /* of a frame */
    size_t packed_nbytes;  /* weights that providers copied, of these in maps of their own: */
    size_t mapped_nbytes;
    size_t released_nbytes; /* of the model's memory that packing makes free again */
    bool rehearsal; /* only to learn what it would take: nothing large is copied, no code is generated */
    struct onednn_share **share; /* packed weights of all programs on the device, or NULL */
    struct onednn *onednn;       /* or NULL */
    struct row_blocks *blocks;   /* steps of as many rows as the data makes */
    unsigned threads;
};

/* cpu_reference.c */
sl_status reference_fill(struct cpu_program *program, sl_error *err);
/* Makes the room large enough. What it held is lost, and frames in it must be bound again. */
sl_status room_fit(struct cpu_room *room, const struct cpu_program *program, sl_error *err);
void room_close(struct cpu_room *room);
sl_status frame_open(struct cpu_frame *frame, const struct cpu_program *program, unsigned thread,
                     const struct cpu_room *room, sl_error *err);
void frame_bind(struct cpu_frame *frame, const struct cpu_program *program); /* to its room */
void frame_close(struct cpu_frame *frame, const struct cpu_program *program);
/* Runs one step, its values in the formats that it wants. */
void step_run(const struct cpu_step *step, struct cpu_frame *frame);
/* Points inputs and outputs at a batch's blocks and runs every step. Fails only where a size depends on data
 * (plan_size_step). */
sl_status frame_run(struct cpu_frame *frame, const struct cpu_program *program, void *input, void *output,
                    sl_error *err);

/* cpu_steps.c: overwrites the references with what is better, step by step in running order, and settles how
 * every value lies in memory. */
sl_status steps_fill(struct cpu_program *program, sl_error *err);
/* The step `index` wants `value`, one of its inputs or outputs, in `want`. Call after the step's own
 * scratch_nbytes is known. */
sl_status step_wants(struct cpu_program *program, size_t index, uint32_t value, bool output,
                     struct cpu_format want, sl_error *err);
/* Whether the value may lie otherwise than row-major. */
bool value_may_format(const struct cpu_program *program, uint32_t value);
/* The same for levels of 8 bits, which lie channels-last between operators over levels. */
bool levels_may_format(const struct cpu_program *program, uint32_t value);

/* onednn.c: the library's engine, and what its primitives have in common. Primitives are made for one thread
 * each. */
sl_status onednn_open(struct cpu_program *program, sl_error *err);
/* Packs the weights of all primitives, on as many threads as will compute. */
sl_status onednn_pack_all(struct cpu_program *program, sl_error *err);
void onednn_clear(struct cpu_program *program);
/* onednn_product.c, onednn_pool.c: take the step when they can; *taken says so. */
sl_status onednn_product_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);
/* onednn_int8.c: products and convolutions of levels. */
sl_status onednn_int8_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);
sl_status onednn_pool_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);
sl_status onednn_attention_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);
const char *onednn_version(void);
/* Primitives that it made. */
size_t onednn_count(const struct cpu_program *program);

/* level_steps.c: QuantizeLinear, QLinearAdd, QLinearGlobalAveragePool by our own kernels. */
sl_status levels_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);

/* affine_fast.c: the u8 and f32 cases of sluice.Affine, bit-identical to the reference. */
bool affine_take(struct cpu_program *program, size_t index);

/* resize_fast.c: f32 Resize and Upsample, within a few ulp of the reference. */
sl_status resize_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);

/* onednn_transposed.c: f32 ConvTranspose; false: not one it takes. */
bool onednn_transposed_take(struct cpu_program *program, size_t index);

/* grid_fast.c: linear GridSample of f32 images, within a few ulp of the reference; false: not taken. */
bool grid_take(struct cpu_program *program, size_t index);

/* onednn_einsum.c: f32 Einsum of two inputs, where it is a product of matrices. */
sl_status onednn_einsum_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);

/* row_steps.c: f32 elementwise, broadcast, softmax and normalisation steps by our own kernels. */
sl_status rows_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);

/* image_steps.c: steps that only move images about, where channels-last spares the moving. */
sl_status image_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);

/* recurrent_fast.c: LSTM, GRU and RNN in f32 with constant weights. */
sl_status recurrent_fill(struct cpu_program *program, sl_error *err);

/* small_linear.c: products with small constant weights, in f32. `better`: its rule of choice beside oneDNN.
 */
bool small_linear_better(int64_t k, int64_t columns);
sl_status small_linear_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);

/* row_blocks.c: products and convolutions whose number of rows depends on data, by steps for a fixed number.
 */
sl_status row_blocks_take(struct cpu_program *program, size_t index, sl_error *err);
size_t row_blocks_primitives(const struct cpu_program *program);
/* What a thread needs for them. */
sl_status row_blocks_open(const struct cpu_program *program, unsigned thread, sl_error *err);
void row_blocks_close(const struct cpu_program *program, unsigned thread);
void row_blocks_clear(struct cpu_program *program);

/* trees_fast.c: tree ensembles. */
sl_status trees_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err);

#endif
