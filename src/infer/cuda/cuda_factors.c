/* cuda_factors.c: tensors as matrices to be multiplied. */
#include "infer/cuda/cuda_factors.h"

#include <string.h>

#include "ops/rules.h"

static void swap(int64_t *one, int64_t *other) {
    int64_t kept = *one;
    *one = *other;
    *other = kept;
}

struct factor factor_of(const sl_tensor *t, bool left, bool turned, bool batch_between) {
    struct factor f = {.rows = 1, .columns = 1, .batch = {.dtype = t->dtype}};
    int row = batch_between && t->rank > 2 ? 0 : t->rank - 2, column = t->rank - 1;
    if (t->rank == 1) {
        *(left ? &f.columns : &f.rows) = t->dims[0];
        f.row_step = f.column_step = 1;
        return f;
    }
    for (int d = 0; d < column; d++)
        if (d != row) {
            f.batch_steps[f.batch.rank] = rule_product(t, d + 1, t->rank);
            f.batch.dims[f.batch.rank++] = t->dims[d];
        }
    f.rows = t->dims[row];
    f.columns = t->dims[column];
    f.row_step = rule_product(t, row + 1, t->rank);
    f.column_step = 1;
    if (turned) {
        swap(&f.rows, &f.columns);
        swap(&f.row_step, &f.column_step);
    }
    return f;
}

bool factors_are_one(const struct factor *a, const struct factor *b) {
    int64_t step = a->rows * a->row_step;
    if (rule_count(&b->batch) != 1)
        return false;
    for (int d = a->batch.rank - 1; d >= 0; d--) {
        if (a->batch_steps[d] != step)
            return false;
        step *= a->batch.dims[d];
    }
    return a->batch.rank == 0 || a->column_step == 1;
}

/* The dim number `from_right` of the batch, and by how many elements a factor moves along it (0: it is
 * repeated). */
static int64_t batch_dim(const struct factor *f, int from_right, int64_t *step) {
    int d = f->batch.rank - 1 - from_right;
    *step = d < 0 || f->batch.dims[d] == 1 ? 0 : f->batch_steps[d];
    return d < 0 ? 1 : f->batch.dims[d];
}

bool factors_walk(struct cuda_match *m, const struct factor *a, const struct factor *b, uint32_t *batches,
                  struct k_walk *walk) {
    int rank = a->batch.rank > b->batch.rank ? a->batch.rank : b->batch.rank;
    struct walk_plan w = {.operands = 3};
    int64_t steps[SL_MAX_RANK][3], dims[SL_MAX_RANK], count = 1;
    for (int i = 0; i < rank; i++) { /* from the right */
        int64_t of_a = batch_dim(a, i, &steps[i][1]), of_b = batch_dim(b, i, &steps[i][2]);
        dims[i] = of_a == 1 ? of_b : of_a;
        steps[i][0] = count * a->rows * b->columns;
        count *= dims[i];
    }
    for (int i = rank - 1; i >= 0; i--)
        walk_add(&w, dims[i], steps[i]);
    if (count > INT32_MAX || count * a->rows * b->columns > INT32_MAX || !bound_walk(m, &w, walk))
        return bound_refuse(m, "a product of more than 2^31 elements");
    *batches = (uint32_t)count;
    return true;
}
