/* cuda_walk.h: the walks of kernels/k_walk.h, made from shapes: dims that all operands can take as one are
 * joined, so that most walks have one to three dims. */
#ifndef INFER_CUDA_WALK_H
#define INFER_CUDA_WALK_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_walk.h"
#include "sluice/tensor.h"

/* A walk being made: dims from the outermost on, with the step of each operand. */
struct walk_plan {
    int rank, operands;
    int64_t dims[2 * SL_MAX_RANK], steps[K_WALK_OPERANDS][2 * SL_MAX_RANK];
};

/* A tensor as it lies in memory. `last`: an image [n, c, ...] that lies as [n, ..., c]. */
struct walk_value {
    const sl_tensor *t;
    bool last;
};

/* Elements from one position of dim d to the next. */
int64_t walk_step(struct walk_value v, int d);
/* Dim number k of a tensor in the order of its memory, from the outermost on. */
int walk_dim(struct walk_value v, int k);

/* Adds a dim inside those there are. */
void walk_add(struct walk_plan *w, int64_t dim, const int64_t *steps);
/* The dims of `shape` in the order of its memory; each value is spread over them as numpy does. */
void walk_over(struct walk_plan *w, struct walk_value shape, const struct walk_value *values, int count);
/* Takes out dims of 1 and joins what lies side by side for every operand. */
void walk_join(struct walk_plan *w);
/* Joins, and makes the kernel's form. False where the walk is too large for 32 bits or has too many dims. */
bool walk_make(struct walk_plan *w, struct k_walk *out);

#endif
