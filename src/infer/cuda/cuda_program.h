/* cuda_program.h: what a device, a program and a batch on it are, for the files that make up the CUDA device:
 *
 *   cuda_device.c   the seam: which GPUs there are, opening one, pinned memory
 *   cuda_match.c    a plan's steps as launches: types, layouts, what is refused
 *   cuda_choose.c   who runs a step that cuDNN has, too
 *   cuda_arena.c    where values lie between their launches
 *   cuda_load.c     what it takes, and taking it: weights up, slots, streams, graphs
 *   cuda_share.c    weights, which programs of one GPU have in common
 *   cuda_batch.c    batches in flight
 *   cuda_say.c      what the runtime's errors mean, in words
 *
 * The device's memory is three kinds of blocks: the weights (constants that launches read, and their tables;
 * in chunks that programs share), the work of a batch (arena, scratch; one, since batches compute one after
 * the other), and for each batch in flight its input and output. */
#ifndef INFER_CUDA_PROGRAM_H
#define INFER_CUDA_PROGRAM_H

#include <pthread.h>

#include "infer/cuda/cuda_api.h"
#include "infer/cuda/cuda_bound.h"
#include "infer/device.h"

/* Batches in flight: one copied in, one computed, one copied out. */
#define CUDA_DEPTH 3
#define CUDA_ALIGN 256
#define CUDA_REHEARSED 80 /* what is matched for where there is no GPU */
#define CUDA_OLDEST 75    /* compute capability, times ten */

/* Weights on one GPU; load and unload come from one thread. */
struct cuda_share {
    struct cuda_chunk *chunks;
};
enum share_form { SHARE_AS_IT_IS, SHARE_F16, SHARE_BF16 }; /* the latter: f32 narrowed on the way */

/* What a program has of it. */
struct cuda_refs {
    struct cuda_chunk **chunks, *open; /* `open`: the one that is being filled */
    size_t count, cap;
    size_t expected_nbytes; /* that may still come */
};

struct device {
    struct cuda_share share;
    struct device_options options;
    int index, driver, runtime;
    unsigned arch; /* compute capability: 75 ... */
    char name[256];
    struct cudnn *cudnn; /* NULL: not asked for, or not there */
    bool graphs;         /* launches captured once for each slot; SLUICE_CUDA_GRAPHS=0: launched one by one */
};

/* Where a value lies. In a program of halves every float of the plan has two bytes instead of four: floats
 * have regions of their own, half as large, with the plan's offsets halved; what else is there stays where
 * the plan has it. Floats of the slot's own blocks are converted on the way in and out. */
enum cuda_region {
    REGION_INPUT,
    REGION_OUTPUT,
    REGION_ARENA,
    REGION_HALF_INPUT,
    REGION_HALF_OUTPUT,
    REGION_HALF_ARENA,
    REGION_CONST,
    REGION_COUNT
};

struct cuda_value {
    enum cuda_region region;
    enum k_type type;
    size_t offset;        /* in its region */
    char *at;             /* of a constant that is wanted */
    bool last;            /* an image that lies channels-last */
    bool plain;           /* must lie row-major, because of where it is */
    bool never;           /* and because of who reads it */
    bool wanted;          /* a constant that a launch reads */
    bool floats_narrowed; /* a constant of f32 that the device has in halves */
};

struct cuda_step {
    const struct cuda_bound *chain, *other; /* other: by cuDNN, until cuda_choose; or NULL */
    const char *what;
};

/* A plan's launches, and what they take. */
struct cuda_code {
    const struct device *device;
    const struct plan *plan;
    struct arena memory; /* chains */
    struct arena room;   /* what matchers need while they match */
    struct cuda_value *values;
    struct cuda_step *steps;
    enum k_type real;         /* of the program's floats */
    bool rehearsal;           /* only to learn what it takes */
    struct cuda_share *share; /* not in rehearsals */
    struct cuda_refs refs;
    const uint32_t *marks; /* on the device: what marks are set to, 0, 1, 2, ... */
    size_t weights_nbytes; /* of constants and tables, so far; programs may share them */
    size_t scratch_nbytes, region_nbytes[REGION_COUNT];
    cudaError_t failed; /* of an upload */
};

/* How far a batch has come, in pinned memory: copies on its streams write here, so it can be read when
 * nothing else answers any more. */
struct cuda_marks {
    uint32_t steps; /* the steps that have ended, as far as there are marks */
    uint32_t out;   /* not 0: its output is there */
};
#define CUDA_MARK_EVERY 32 /* steps from one mark to the next in a graph; plain launches have one each */

/* One batch's way through the device. */
struct cuda_slot {
    volatile struct cuda_marks *marks;
    char *input, *output;
    cudaEvent_t copied, began, computed, ended;
    cudaGraphExec_t graph;
    struct device_batch *batch;
};

struct program {
    struct device *device;
    struct cuda_code code;
    char *work; /* regions of the arena, then scratch */
    char *region[REGION_COUNT];
    char *scratch;
    struct cuda_slot slots[CUDA_DEPTH];
    struct cuda_marks *marks; /* [CUDA_DEPTH], pinned */
    cudaStream_t in, compute, out;
    pthread_mutex_t mutex;
    /* under mutex */
    uint64_t submitted, collected;
    sl_error lost; /* a fault after which the device takes nothing more */
};

/* cuda_match.c. Fills values, steps and what they take; SL_E_MODEL names the step and why it has no kernel.
 * code->device and plan are set. */
sl_status cuda_match_plan(struct cuda_code *code, sl_error *err);
void cuda_code_clear(struct cuda_code *code);
/* Whether one step has kernels; `why` says why not. */
bool cuda_match_one(const struct device *device, const struct plan *plan, size_t step, char *why,
                    size_t why_nbytes);

/* cuda_arena.c. After matching: where values of the arena lie, and what that takes. */
sl_status cuda_place_arena(struct cuda_code *code, sl_error *err);

/* cuda_load.c */
void cuda_memory(const struct device *device, const struct plan *plan, struct device_memory *memory);
sl_status cuda_load(struct device *device, const struct plan *plan, struct program **program, sl_error *err);
void cuda_unload(struct program *program);

/* cuda_choose.c. After a first batch has run: whose launches each step keeps. */
sl_status cuda_choose(struct program *program, sl_error *err);

/* cuda_share.c. Puts nbytes on the GPU, unless they are there, at a multiple of CUDA_ALIGN. */
cudaError_t share_put(struct cuda_share *share, struct cuda_refs *refs, const void *data, size_t nbytes,
                      enum share_form form, char **at);
void share_release(struct cuda_share *share, struct cuda_refs *refs);

/* cuda_batch.c */
sl_status cuda_submit(struct program *program, struct device_batch *batch, sl_error *err);
sl_status cuda_collect(struct program *program, struct device_batch **batch, sl_error *err);
/* What is in flight, and how far it has come; asks the runtime nothing, so it answers during a hang too. */
void cuda_look(struct program *program, char *text, size_t text_nbytes);
/* A step's launches on the stream, with the slot's memory. */
cudaError_t cuda_run(const struct program *program, const struct cuda_slot *slot,
                     const struct cuda_bound *chain);
/* The launches of one batch on the stream; with `check` each step is waited for, so that a fault names it. */
sl_status cuda_launch(struct program *program, struct cuda_slot *slot, bool check, sl_error *err);

/* cuda_say.c. SL_OK for cudaSuccess, else status with "cannot WHAT: name (number): words"; status is
 * SL_E_MEMORY where memory ran out, SL_E_DEVICE where there is no device to use, else SL_E_GPU. */
sl_status cuda_say(sl_error *err, cudaError_t error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Why there is no GPU to use, and what would help. */
void cuda_say_none(cudaError_t error, char *why, size_t why_nbytes);

#endif
