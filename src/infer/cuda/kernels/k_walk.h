/* k_walk.h: walking several operands that lie under one shape: the shape's dims, and for each operand the
 * step it takes along each of them (0 where it is repeated). Positions are 32 bits: no value that a kernel
 * walks has more than INT32_MAX elements, which the matchers see to.
 *
 * A division by a dim is a multiplication and a shift: for every n < 2^31, n / d == (n * m >> 32) >> s with
 * m = ceil(2^(31 + log) / d), s = log - 1, log = ceil(log2(d)); m of 0 stands for d = 1. */
#ifndef INFER_CUDA_K_WALK_H
#define INFER_CUDA_K_WALK_H

#include <stdint.h>

#define K_WALK_RANK 10
#define K_WALK_OPERANDS 4

struct k_divide {
    uint32_t by, multiplier, shift;
};

struct k_walk {
    uint32_t count; /* product of the dims */
    int32_t rank;
    struct k_divide dims[K_WALK_RANK];
    int32_t steps[K_WALK_OPERANDS][K_WALK_RANK]; /* in elements */
};

static inline struct k_divide k_divide_by(uint32_t d) {
    uint32_t log = 0;
    while (((uint64_t)1 << log) < d)
        log++;
    struct k_divide by = {d, 0, 0};
    if (d > 1) {
        by.multiplier = (uint32_t)((((uint64_t)1 << (31 + log)) + d - 1) / d);
        by.shift = log - 1;
    }
    return by;
}

#endif
