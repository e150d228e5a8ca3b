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

#endif
