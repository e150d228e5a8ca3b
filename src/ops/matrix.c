/* matrix.c: Gemm, MatMul. Products are summed in double in the order of k and rounded once, so a row's result
 * does not depend on which row it is. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define COLUMNS 64 /* sums that are carried side by side */

/* One product: a [m,k] and b [k,n] with any strides, y [m,n] dense; y = alpha * a b + beta * c. */
struct product {
    int64_t m, n, k;
    const void *a, *b, *c; /* c may be NULL */
    int64_t a_offset, b_offset, y_offset;
    int64_t a_row, a_column, b_row, b_column, c_row, c_column;
    void *y;
    double alpha, beta;
};

OPS_INLINE void multiply_block(sl_dtype dtype, const struct product *p, int64_t i, int64_t j, int64_t width) {
    double sums[COLUMNS] = {0};
    for (int64_t k = 0; k < p->k; k++) {
        double a = element_real(dtype, p->a, p->a_offset + i * p->a_row + k * p->a_column);
        int64_t b = p->b_offset + k * p->b_row + j * p->b_column;
        for (int64_t x = 0; x < width; x++)
            sums[x] += a * element_real(dtype, p->b, b + x * p->b_column);
    }
    for (int64_t x = 0; x < width; x++) {
        double y = p->alpha * sums[x];
        if (p->c)
            y += p->beta * element_real(dtype, p->c, i * p->c_row + (j + x) * p->c_column);
        element_set_real(dtype, p->y, p->y_offset + i * p->n + j + x, y);
    }
}

OPS_INLINE void multiply_real(sl_dtype dtype, const struct product *p) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j += COLUMNS)
            multiply_block(dtype, p, i, j, p->n - j < COLUMNS ? p->n - j : COLUMNS);
}

/* Integers wrap; alpha and beta must be whole numbers to mean anything, and are 1 in practice. */
static void multiply_integers(sl_dtype dtype, const struct product *p) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < p->k; k++)
                sum += (uint64_t)element_index(dtype, p->a, p->a_offset + i * p->a_row + k * p->a_column) *
                       (uint64_t)element_index(dtype, p->b, p->b_offset + k * p->b_row + j * p->b_column);
            sum *= (uint64_t)(int64_t)p->alpha;
            if (p->c)
                sum += (uint64_t)(int64_t)p->beta *
                       (uint64_t)element_index(dtype, p->c, i * p->c_row + j * p->c_column);
            element_set_unsigned(dtype, p->y, p->y_offset + i * p->n + j, sum);
        }
}

static void multiply(sl_dtype dtype, const struct product *p) {
    if (element_kind(dtype) != ELEMENT_REAL)
        multiply_integers(dtype, p);
    ELEMENT_DISPATCH_REAL(dtype, multiply_real, p);
}

static sl_status infer_gemm(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < (op_has_in(call, 2) ? 3 : 2); i++) {
        st = rule_dtype(call, i, OPS_NUMBERS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
        if (st == SL_OK && i < 2)
            st = rule_rank(call, i, 2, err);
    }
    if (st != SL_OK)
        return st;
    const sl_tensor *a = call->in[0], *b = call->in[1];
    int ta = op_attr_int(call, "transA", 0) != 0, tb = op_attr_int(call, "transB", 0) != 0;
    char one[RULE_TEXT], other[RULE_TEXT];
    if (a->dims[1 - ta] != b->dims[tb])
        return error_set(err, SL_E_MODEL, "inputs %s and %s do not multiply", rule_text(one, a),
                         rule_text(other, b));
    sl_tensor shape = {.dtype = a->dtype, .rank = 2, .dims = {a->dims[ta], b->dims[1 - tb]}};
    rule_set(call->out[0], a->dtype, 2, shape.dims);
    if (!op_has_in(call, 2))
        return SL_OK;
    st = rule_broadcast(&shape, call->in[2], &shape, err);
    if (st == SL_OK &&
        (shape.rank != 2 || shape.dims[0] != call->out[0]->dims[0] || shape.dims[1] != call->out[0]->dims[1]))
        return error_set(err, SL_E_MODEL, "input 2 is %s, the product is %s", rule_text(one, call->in[2]),
                         rule_text(other, call->out[0]));
    return st;
}

static void run_gemm(const struct op_call *call) {
    const sl_tensor *a = call->in[0], *b = call->in[1], *y = call->out[0];
    bool ta = op_attr_int(call, "transA", 0) != 0, tb = op_attr_int(call, "transB", 0) != 0;
    struct product p = {.m = y->dims[0],
                        .n = y->dims[1],
                        .k = a->dims[ta ? 0 : 1],
                        .a = a->data,
                        .b = b->data,
                        .y = y->data,
                        .a_row = ta ? 1 : a->dims[1],
                        .a_column = ta ? a->dims[1] : 1,
                        .b_row = tb ? 1 : b->dims[1],
                        .b_column = tb ? b->dims[1] : 1,
                        .alpha = (double)op_attr_float(call, "alpha", 1),
                        .beta = (double)op_attr_float(call, "beta", 1)};
    if (op_has_in(call, 2)) {
        const sl_tensor *c = call->in[2];
        p.c = c->data;
        p.c_column = c->rank > 0 && c->dims[c->rank - 1] != 1;
        p.c_row = c->rank > 1 && c->dims[0] != 1 ? c->dims[1] : 0;
    }
    multiply(y->dtype, &p);
}

const struct op op_gemm = {.domain = "",
                           .name = "Gemm",
                           .since = 7,
                           .min_in = 2,
                           .max_in = 3,
                           .min_out = 1,
                           .max_out = 1,
                           .attrs = "alpha beta transA transB",
                           .infer = infer_gemm,
                           .run = run_gemm};

/* MatMul's view of an input: a vector is a row on the left, a column on the right. */
static sl_tensor as_matrices(const sl_tensor *t, bool left) {
    sl_tensor m = *t;
    if (t->rank == 1) {
        m.rank = 2;
        m.dims[left ? 1 : 0] = t->dims[0];
        m.dims[left ? 0 : 1] = 1;
    }
    return m;
}

/* The dims before the last two. */
static sl_tensor outer_dims(const sl_tensor *t) {
    sl_tensor outer = *t;
    outer.rank = t->rank - 2;
    return outer;
}

static sl_status infer_matmul(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_same_dtype(call, 0, 1, err);
    for (size_t i = 0; st == SL_OK && i < 2; i++)
        st = rule_min_rank(call, i, 1, err);
    if (st != SL_OK)
        return st;
    sl_tensor a = as_matrices(call->in[0], true), b = as_matrices(call->in[1], false);
    char one[RULE_TEXT], other[RULE_TEXT];
    if (a.dims[a.rank - 1] != b.dims[b.rank - 2])
        return error_set(err, SL_E_MODEL, "inputs %s and %s do not multiply", rule_text(one, call->in[0]),
                         rule_text(other, call->in[1]));
    sl_tensor oa = outer_dims(&a), ob = outer_dims(&b), y = {.dtype = a.dtype};
    st = rule_broadcast(&oa, &ob, &y, err);
    if (st != SL_OK)
        return st;
    if (call->in[0]->rank > 1)
        y.dims[y.rank++] = a.dims[a.rank - 2];
    if (call->in[1]->rank > 1)
        y.dims[y.rank++] = b.dims[b.rank - 1];
    rule_set(call->out[0], a.dtype, y.rank, y.dims);
    return SL_OK;
}

/* Index of the matrix of `t` that goes with matrix `at` of the broadcast outer dims. */
static int64_t matrix_at(const sl_tensor *t, const sl_tensor *outer, int64_t at) {
    int64_t index = 0, step = 1;
    for (int d = outer->rank - 1, i = t->rank - 3; d >= 0; d--, i--) {
        int64_t x = at % outer->dims[d];
        at /= outer->dims[d];
        if (i < 0)
            continue;
        index += (t->dims[i] == 1 ? 0 : x) * step;
        step *= t->dims[i];
    }
    return index;
}

static void run_matmul(const struct op_call *call) {
    sl_tensor a = as_matrices(call->in[0], true), b = as_matrices(call->in[1], false);
    sl_tensor oa = outer_dims(&a), ob = outer_dims(&b), outer = {.dtype = a.dtype};
    if (rule_broadcast(&oa, &ob, &outer, NULL) != SL_OK)
        return;
    struct product p = {.m = a.dims[a.rank - 2],
                        .n = b.dims[b.rank - 1],
                        .k = a.dims[a.rank - 1],
                        .a = a.data,
                        .b = b.data,
                        .y = call->out[0]->data,
                        .a_row = a.dims[a.rank - 1],
                        .a_column = 1,
                        .b_row = b.dims[b.rank - 1],
                        .b_column = 1,
                        .alpha = 1};
    for (int64_t i = 0, count = rule_count(&outer); i < count; i++) {
        p.a_offset = matrix_at(&a, &outer, i) * p.m * p.k;
        p.b_offset = matrix_at(&b, &outer, i) * p.k * p.n;
        p.y_offset = i * p.m * p.n;
        multiply(a.dtype, &p);
    }
}

const struct op op_matmul = {.domain = "",
                             .name = "MatMul",
                             .since = 1,
                             .min_in = 2,
                             .max_in = 2,
                             .min_out = 1,
                             .max_out = 1,
                             .infer = infer_matmul,
                             .run = run_matmul};
