/* cuda_factors.h: what is multiplied, as matrices: for cuda_products.c and cuda_products_int8.c. */
#ifndef INFER_CUDA_FACTORS_H
#define INFER_CUDA_FACTORS_H

#include "infer/cuda/cuda_bound.h"

/* A factor as matrices [rows, columns]: a vector is a row on the left, a column on the right. */
struct factor {
    int64_t rows, columns, row_step, column_step;
    sl_tensor batch; /* the dims before */
    int64_t batch_steps[SL_MAX_RANK];
};

/* `turned`: its last two dims change places; `batch_between`: its rows are the first dim, as transBatchA and
 * transBatchB say. */
struct factor factor_of(const sl_tensor *t, bool left, bool turned, bool batch_between);
/* One matrix after the other on the left, one matrix on the right: rows of one product. */
bool factors_are_one(const struct factor *a, const struct factor *b);
/* The batches of Y [rows, columns] and where their matrices are: operand 0 of the walk is Y, 1: A, 2: B. */
bool factors_walk(struct cuda_match *m, const struct factor *a, const struct factor *b, uint32_t *batches,
                  struct k_walk *walk);

#endif
