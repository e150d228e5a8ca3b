/* device.h: BATCHES INTO OUTPUTS. The seam between the engine and what computes: `cpu`, `cuda:N`, and in
 * tests a fake that is slow and fails on demand. All are peers under one conformance test (tests/device/).
 *
 * Threads: open, load, unload, close and slot calls come from one thread. After load, `submit` comes from one
 * thread and `collect` from another, at the same time. Batches come back in the order they went in. */
#ifndef INFER_DEVICE_H
#define INFER_DEVICE_H

#include "graph/plan.h"
#include "support/error.h"

enum precision { PRECISION_FP32, PRECISION_TF32, PRECISION_FP16, PRECISION_BF16, PRECISION_INT8 };

/* cuda: whose kernels. cuDNN's where it has one, or where it was measured to be faster. */
enum kernels { KERNELS_OURS, KERNELS_CUDNN, KERNELS_AUTO };

struct device;  /* one opened device */
struct program; /* one plan loaded on a device */

struct device_options {
    enum precision precision;
    unsigned threads; /* cpu: threads that compute, at least 1 */
    bool reference;   /* cpu: plain references only (tests, doubts) */
    enum kernels kernels;
};

/* A batch on its way. Between submit and collect it belongs to the device. */
struct device_batch {
    void *input;                  /* plan->input_nbytes, from slot_alloc */
    void *output;                 /* plan->output_nbytes, from slot_alloc */
    int64_t row_count;            /* rows that matter; the rest is padding, and is computed too */
    void *owner;                  /* the caller's */
    uint64_t compute_ns, cpu_ns;  /* set by the device: wall and CPU time of the batch */
    sl_error error;               /* set by the device when this batch failed */
    struct device_batch *culprit; /* with an error: the batch in flight that caused it; NULL: this one */
};

/* What a program will take, known before load. */
struct device_memory {
    size_t weights_nbytes; /* packed copies; the model file's own pages are not counted. On CUDA plans that
                              are loaded side by side have what is the same in common; this is of one alone */
    size_t arena_nbytes;   /* all arenas and scratch */
    size_t library_nbytes; /* allowance for what libraries allocate */
    /* `own`: all of the above is memory of the device, not the host's, with slots_nbytes for the batches in
     * flight there; so much of it is free now (total 0: it does not say). The host's slots are pinned then.
     */
    bool own;
    size_t slots_nbytes;
    uint64_t free_nbytes, total_nbytes;
};

/* open() of this index, where a device allows it: nothing is computed, but supports and memory answer for a
 * device that is not here. */
#define DEVICE_REHEARSED (-1)

struct device_ops {
    const char *name; /* "cpu", "cuda" */
    /* Batches in flight on each device that computes by itself; 0: threads of the host compute. */
    unsigned own_depth;
    /* How many there are. 0: `why` says why not and what would help. */
    int (*count)(char *why, size_t why_nbytes);
    sl_status (*open)(struct device **device, int index, const struct device_options *options, sl_error *err);
    void (*close)(struct device *device);
    void (*describe)(const struct device *device, char *text,
                     size_t text_nbytes); /* "cpu: 4 threads, avx512, oneDNN 2.6.3" */
    /* Slot memory, 64-byte aligned, zeroed; pinned on CUDA. NULL when refused. */
    void *(*slot_alloc)(struct device *device, size_t nbytes);
    void (*slot_free)(struct device *device, void *p, size_t nbytes);
    /* Whether a step can run here; when not, `why` says what is missing. */
    bool (*supports)(const struct device *device, const struct plan *plan, size_t step, char *why,
                     size_t why_nbytes);
    void (*memory)(const struct device *device, const struct plan *plan, struct device_memory *memory);
    /* Weights packed, kernels chosen, arenas reserved: nothing is allocated afterwards. The plan must outlive
     * it. */
    sl_status (*load)(struct device *device, const struct plan *plan, struct program **program,
                      sl_error *err);
    void (*unload)(struct program *program);
    unsigned (*depth)(const struct program *program); /* batches in flight that keep it busy */
    /* Never waits; at most `depth` batches in flight. */
    sl_status (*submit)(struct program *program, struct device_batch *batch, sl_error *err);
    /* Waits for the oldest batch in flight and gives it back. A batch that failed comes back too, its error
     * set. Call only with at least one in flight. */
    sl_status (*collect)(struct program *program, struct device_batch **batch, sl_error *err);
    /* Optional. What is in flight and how far it has come; any thread, and also while nothing moves. */
    void (*look)(struct program *program, char *text, size_t text_nbytes);
    /* One line a step: what runs it ("oneDNN jit:avx512_core", "reference"). */
    void (*print_steps)(const struct program *program, struct buf *out);
};

extern const struct device_ops device_cpu;
extern const struct device_ops device_cuda; /* cuda_absent.c where it is not built in */

#endif
