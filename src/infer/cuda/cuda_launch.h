/* cuda_launch.h: what a launch is, for cuda_bound.c and cuda_before.c. */
#ifndef INFER_CUDA_LAUNCH_H
#define INFER_CUDA_LAUNCH_H

#include "infer/cuda/cuda_bound.h"

/* Where a pointer of the arguments comes from. */
struct bound_pointer {
    size_t at;         /* in the arguments */
    uint32_t value;    /* of the plan, BOUND_SCRATCH, or PLAN_NONE for a table */
    int64_t offset;    /* bytes */
    const void *table; /* on the device */
};

struct cuda_bound {
    bound_launch *launch;
    void *args;
    size_t nbytes;
    struct bound_pointer pointers[BOUND_POINTERS];
    unsigned pointer_count;
    struct cuda_bound *next;
};

/* False, with the reason: there are too many; or `b` is NULL. */
bool launch_point(struct cuda_match *m, struct cuda_bound *b, struct bound_pointer pointer);

/* The call of m->step. False, with the reason: out of memory. */
bool launch_bind(struct cuda_match *m);

/* cuda_before.c. The step that makes the value, when step `index` alone reads it and it is nothing but memory
 * between them; SIZE_MAX otherwise. */
size_t bound_maker(const struct plan *plan, size_t index, uint32_t value);
/* Whether a value that step `made` reads is still there when step `index` runs, and that step does not write
 * over it; `in_place`: but for one that takes its very memory. */
bool bound_kept(const struct plan *plan, uint32_t value, size_t made, size_t index, bool in_place);

#endif
