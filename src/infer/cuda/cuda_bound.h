/* cuda_bound.h: how the matchers of this folder say what a step launches. A step is a chain of launches whose
 * arguments are all known but for addresses: each pointer among them names a value of the plan, and is filled
 * in when the step is launched (or captured).
 *
 * A matcher gets a cuda_match, looks at the call, and adds launches; where it cannot, it says why. */
#ifndef INFER_CUDA_BOUND_H
#define INFER_CUDA_BOUND_H

#include "graph/plan.h"
#include "infer/cuda/cuda_walk.h"
#include "infer/cuda/kernels.h"

/* The largest of the kernels' argument structs, and the pointers in one. */
#define BOUND_NBYTES 2048
#define BOUND_POINTERS 16
#define BOUND_TAKEN 8

typedef int bound_launch(const void *args, k_stream stream);
struct cuda_bound;

/* What matchers need of whoever loads the program. */
struct bound_host {
    void *self;
    /* The type in which a value lies on the device. */
    enum k_type (*type)(void *self, uint32_t value);
    /* Whether a value is an image that lies channels-last, and whether an output may from now on (asked once,
     * before its launches are made). Both NULL: everything is row-major. A step whose operator does not know
     * of it (bound_knows_last) is matched only when all its inputs are row-major. */
    bool (*is_last)(void *self, uint32_t value);
    bool (*make_last)(void *self, uint32_t value);
    /* Zeroed memory: of the program, and what is gone when the step has been matched. */
    struct arena *arena, *room;
    bool rehearsal; /* tables are only counted: what is in them does not matter */
    /* Copies a table to the device for as long as the program lives; NULL: out of memory. */
    const void *(*table)(void *self, const void *table, size_t nbytes);
    /* A step wants this much scratch while it runs: steps run one after the other and share it. */
    void (*scratch)(void *self, size_t nbytes);
    /* The launches that an earlier step was given; and to take them away, since a later one does their work.
     * Both NULL: every step does its own. */
    const struct cuda_bound *(*chain)(void *self, size_t step);
    void (*take)(void *self, size_t step);
    unsigned arch;       /* 75 ... 90: what the GPU can */
    struct cudnn *cudnn; /* not NULL: steps are matched by cuDNN instead of our kernels */
    bool tf32;           /* products of f32 may round their factors to tf32 */
};

/* The value that stands for the step's scratch in `address` of bound_run. */
#define BOUND_SCRATCH (UINT32_MAX - 1)

struct cuda_match {
    const struct bound_host *host;
    const struct plan *plan;
    const struct plan_step *step;
    struct op_call call; /* tensors as the plan has them: data of constants only */
    struct cuda_bound *first, *last;
    size_t scratch_nbytes;                  /* taken so far */
    size_t taken[BOUND_TAKEN], taken_count; /* steps whose work is done here, too */
    char *why;
    size_t why_nbytes;
};

/* One operator that a family knows; `detail` is the family's. */
struct bound_operator {
    const char *domain, *name;
    bool (*match)(struct cuda_match *m, int detail);
    int detail;
    bool last; /* knows of images that lie channels-last */
};

/* A family: an array of operators, ended by one without a name. */
extern const struct bound_operator bound_rows[], bound_norms[], bound_reduce[], bound_move[], bound_gather[],
    bound_images[], bound_trees[], bound_recurrent[], bound_levels[], bound_embed[], bound_features[],
    bound_place[], bound_products[], bound_convolve[], bound_attention[], bound_products_int8[],
    bound_cudnn[], bound_einsum[], bound_heads[], bound_signals[];

/* What does the work of the step before it along with its own, so that that one's result is never written:
 * sluice.Affine before a convolution of pixels. A step is taken over where its only result has one reader, of
 * this operator, that agrees; where nobody sees it under another shape; and where the step reads an input of
 * the model, which stays where it is all the time that a batch computes. bound_step gives the step taken over
 * no launches, and its reader's matcher asks bound_taken. `takes` is asked for both, and depends on nothing
 * but the plan and the types of values. */
struct bound_taker {
    const char *domain, *name, *of_domain, *of_name;
    bool (*takes)(struct cuda_match *m, const struct plan_step *of);
};
extern const struct bound_taker bound_takers[]; /* ended by one without a name */

/* The step whose result is input i and whose work this one does too, or NULL. */
const struct plan_step *bound_taken(const struct cuda_match *m, size_t i);

/* The launches of a step in *chain (NULL: none is needed), and the operator's name as what runs it. False:
 * `why` says why not. */
bool bound_step(const struct bound_host *host, const struct plan *plan, size_t index,
                struct cuda_bound **chain, const char **kernel, char *why, size_t why_nbytes);
/* Whether it has a matcher, and whether that knows of images that lie channels-last. */
bool bound_knows(const struct op *op);
bool bound_knows_last(const struct op *op);
/* Launches them; `address` says where a value of the plan lies in `frame`, at a
 * multiple of 16 bytes. Returns 0 or the cudaError. */
int bound_run(const struct cuda_bound *chain, const void *(*address)(const void *frame, uint32_t value),
              const void *frame, k_stream stream);

/* The values of the plan that its launches point at. */
void bound_values(const struct cuda_bound *chain, void (*visit)(void *self, uint32_t value), void *self);

/* False, with the reason. */
bool bound_refuse(struct cuda_match *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Refuses a walk that does not fit 32 bits. */
bool bound_walk(struct cuda_match *m, struct walk_plan *w, struct k_walk *walk);

bool bound_has_in(const struct cuda_match *m, size_t i);
bool bound_has_out(const struct cuda_match *m, size_t i);
/* The types in which inputs and outputs lie on the device. */
enum k_type bound_in_type(const struct cuda_match *m, size_t i);
enum k_type bound_out_type(const struct cuda_match *m, size_t i);
bool bound_is_real(enum k_type type);
size_t bound_type_nbytes(enum k_type type);
/* The same as they lie in memory. */
struct walk_value bound_in_value(const struct cuda_match *m, size_t i);
struct walk_value bound_out_value(const struct cuda_match *m, size_t i);
/* Lets output i lie as input `in` does, where it may. */
void bound_follow(struct cuda_match *m, size_t i, size_t in);
/* An input known when the model is loaded, or NULL. */
const sl_tensor *bound_const(const struct cuda_match *m, size_t i);

/* Adds a launch with a copy of `args`; its pointers are bound afterwards. NULL: out of memory. */
struct cuda_bound *bound_add(struct cuda_match *m, bound_launch *launch, const void *args, size_t nbytes);
/* The pointer at byte `at` of the arguments is input or output i, `offset` bytes further on. Missing ones
 * stay NULL. `b` may be NULL, and then nothing happens: only the last call's result need be looked at. */
bool bound_in(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t i, int64_t offset);
bool bound_out(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t i, int64_t offset);
/* Input i of a step that is taken over. */
bool bound_in_of(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct plan_step *taken,
                 size_t i);
/* A table of our own, copied to the device when the model is loaded. */
bool bound_table(struct cuda_match *m, struct cuda_bound *b, size_t at, const void *table, size_t nbytes);

/* The same for `count` floats, in the type in which the device has its floats. */
bool bound_floats(struct cuda_match *m, struct cuda_bound *b, size_t at, const float *values, size_t count,
                  enum k_type type);
/* Scratch of the step, at a multiple of 256 bytes, uninitialised; bound_scratch_at points an argument at it.
 * It lives from the step's first launch to its last. */
size_t bound_scratch(struct cuda_match *m, size_t nbytes);
bool bound_scratch_at(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t scratch);
/* Room for a table while the step is matched; NULL and a reason: out of memory. */
void *bound_room(struct cuda_match *m, size_t count, size_t size);
/* What the operator itself prepares (tables of Resize, nodes of trees), or NULL and a reason. */
const struct op_prepared *bound_prepare(struct cuda_match *m);
/* A number as one element of a type, in `bits`; false: not a type of numbers. */
bool bound_number(enum k_type type, double x, uint64_t *bits);

/* ---- doing an earlier step's work as well ---- */

/* The launch that makes input i, where it is the only one of its step and is `launch`, nobody else reads the
 * input, and all that it reads is still there when this step runs; else NULL. What it reads overlaps no
 * output of this step, or (`in_place`) is the very memory of one. */
const struct cuda_bound *bound_before(struct cuda_match *m, size_t i, bound_launch *launch, bool in_place);
const void *bound_args(const struct cuda_bound *b);
/* The pointer at byte `at` of the arguments is the one at byte `from_at` of that launch's. */
bool bound_same(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct cuda_bound *from,
                size_t from_at);
/* The step that makes input i has nothing left to do. */
bool bound_take(struct cuda_match *m, size_t i);

/* What other families take over: k_element. */
extern bound_launch bound_element;

/* A launcher of kernels.h in the form that bound_add takes. */
#define BOUND_LAUNCH(id)                                                                                     \
    static int launch_##id(const void *args, k_stream stream) {                                              \
        return k_##id##_launch(args, stream);                                                                \
    }

/* Copies (and converts) one operand: y at `y_offset` elements + steps[0], x at `x_offset` + steps[1]; between
 * types where they differ. cuda_move.c */
bool bound_copy(struct cuda_match *m, struct walk_plan *w, size_t in, int64_t x_offset, size_t out,
                int64_t y_offset);

#endif
