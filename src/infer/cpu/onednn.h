/* onednn.h: what the files over oneDNN share, for its 2.x and 3.x C APIs.
 *
 * What the library taught (2.6.3): primitives must be made while omp has one thread, or they split their work
 * for the wrong number; scratchpads must be the caller's, or a primitive runs only in the thread that made
 * it; a primitive with user scratchpad may run in many threads at once. */
#ifndef INFER_CPU_ONEDNN_H
#define INFER_CPU_ONEDNN_H

#include <oneapi/dnnl/dnnl.h>

#include "infer/cpu/cpu_step.h"

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t desc_t;
typedef const_dnnl_memory_desc_t desc_ref;
#define REF(desc) (desc)
static inline void desc_clear(desc_t *desc) {
    if (*desc)
        dnnl_memory_desc_destroy(*desc);
    *desc = NULL;
}
static inline dnnl_status_t desc_make(desc_t *desc, int rank, const dnnl_dims_t dims, dnnl_data_type_t dtype,
                                      dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(desc, rank, dims, dtype, tag);
}
static inline dnnl_status_t desc_strided(desc_t *desc, int rank, const dnnl_dims_t dims,
                                         dnnl_data_type_t dtype, const dnnl_dims_t strides) {
    return dnnl_memory_desc_create_with_strides(desc, rank, dims, dtype, strides);
}
static inline dnnl_status_t ops_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha, float beta) {
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, beta);
}
static inline dnnl_status_t ops_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
}
#else
typedef dnnl_memory_desc_t desc_t;
typedef const dnnl_memory_desc_t *desc_ref;
#define REF(desc) (&(desc))
static inline void desc_clear(desc_t *desc) {
    *desc = (desc_t){0};
}
static inline dnnl_status_t desc_make(desc_t *desc, int rank, const dnnl_dims_t dims, dnnl_data_type_t dtype,
                                      dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(desc, rank, dims, dtype, tag);
}
static inline dnnl_status_t desc_strided(desc_t *desc, int rank, const dnnl_dims_t dims,
                                         dnnl_data_type_t dtype, const dnnl_dims_t strides) {
    return dnnl_memory_desc_init_by_strides(desc, rank, dims, dtype, strides);
}
static inline dnnl_status_t ops_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha, float beta) {
    return dnnl_post_ops_append_eltwise(ops, 1, kind, alpha, beta);
}
static inline dnnl_status_t ops_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1);
}
#endif

/* The values a primitive works on, and what is fixed. */
enum { ONEDNN_VALUES = 4, ONEDNN_FIXED = 3, ONEDNN_ARGS = 7 + ONEDNN_FIXED };

struct onednn_value {
    int arg; /* DNNL_ARG_... */
    uint32_t value;
    desc_ref desc; /* while it is made */
};

/* A primitive of a step. Made with everything it needs; run by any thread, each with memory objects of its
 * own. */
struct onednn_primitive {
    struct onednn_primitive *next;
    dnnl_primitive_t primitive;
    struct onednn_value values[ONEDNN_VALUES];
    unsigned value_count;
    dnnl_memory_t weights, bias;       /* or NULL */
    dnnl_memory_t fixed[ONEDNN_FIXED]; /* scales and zeros, where the library wants them when it runs */
    int fixed_args[ONEDNN_FIXED];
    unsigned fixed_count;
    void *packed; /* the reordered weights, or NULL when they are used as they are */
    size_t packed_nbytes;
    struct onednn_thread {
        dnnl_stream_t stream;
        dnnl_memory_t values[ONEDNN_VALUES], scratchpad;
    } * threads;
    unsigned thread_count;
    char what[64];
};

struct onednn_packing;

struct onednn {
    dnnl_engine_t engine;
    struct onednn_primitive *primitives;
    struct onednn_packing *packings; /* still to be done */
};

/* An empty one that onednn_clear will free; NULL when out of memory. */
struct onednn_primitive *onednn_add(struct cpu_program *program);
/* Makes the primitive of a description for all threads and hands the step to it. */
dnnl_status_t onednn_finish(struct cpu_program *program, size_t index, struct onednn_primitive *p,
                            dnnl_primitive_desc_t pd);
/* onednn_pack.c: `data` in `from` as the primitive wants its weights. What has to be moved is moved by
 * onednn_pack_all. */
dnnl_status_t onednn_pack(struct cpu_program *program, struct onednn_primitive *p, desc_ref from,
                          const void *data, desc_ref wanted);
void onednn_pack_clear(struct cpu_program *program);

/* onednn_share.c: what other programs of the device have packed from the same numbers; NULL: nobody did, or
 * share is NULL. */
void *onednn_share_find(struct onednn_share **share, desc_ref from, const void *data, desc_ref wanted);
/* The share owns `packed` from now on, with one user. False when out of memory; nothing is done without a
 * share. */
bool onednn_share_add(struct onednn_share **share, const struct plan *plan, desc_ref from, const void *data,
                      desc_ref wanted, void *packed);
/* One user less; false: it is not the share's. */
bool onednn_share_drop(struct onednn_share **share, void *packed);
/* The plan's numbers are going: nobody may be compared with them any more. */
void onednn_share_forget(struct onednn_share **share, const struct plan *plan);
sl_status onednn_failed(dnnl_status_t status, const struct plan_step *step, sl_error *err);

dnnl_data_type_t onednn_dtype(sl_dtype dtype);
/* [n, c, ...] of a value in a format. */
dnnl_format_tag_t onednn_image_tag(enum cpu_layout layout, int rank);

#endif
