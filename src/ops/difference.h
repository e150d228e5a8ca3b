/* difference.h: how far a computed tensor is from the expected one. */
#ifndef OPS_DIFFERENCE_H
#define OPS_DIFFERENCE_H

#include "sluice/tensor.h"

struct difference {
    bool same_shape;  /* dtype, rank and dims; nothing else is set when false */
    int64_t count;    /* elements */
    int64_t outside;  /* of these, farther off than the tolerance; texts and integers that differ */
    int64_t first;    /* the first of them, or -1 */
    double got, want; /* there */
    double max_abs;   /* over finite elements */
    double max_rel;   /* max_abs over the largest expected magnitude, as below */
    int64_t rows,
        top1_same; /* rows whose largest element stands at the same place; rows 0: not a table of scores */
};

/* What is expected of real numbers of a dtype, relative to the largest magnitude of the tensor: sums in
 * another order differ by that much. 0 for integers, bool and text, which must be equal. */
double difference_tolerance(sl_dtype dtype);

/* An element is within when it equals, both are NaN, or |got - want| <= tolerance * the largest |want|,
 * but at least 1/256. */
void difference_measure(const sl_tensor *got, const sl_tensor *want, double tolerance, struct difference *d);

#endif
