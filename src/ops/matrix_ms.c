/* matrix_ms.c: FusedMatMul, TransposeMatMul and FusedMatMulActivation of com.microsoft: MatMul with either
 * matrix transposed, with the dims of the batch between rows and columns (transBatch), and a factor. Inverse:
 * of square matrices. Sums in double in the order of k. */
#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

/* An operand as matrices [rows, columns] under outer dims. */
struct operand {
    const sl_tensor *t;
    sl_tensor outer;
    int64_t outer_steps[SL_MAX_RANK];
    int64_t rows, columns, row_step, column_step;
};

static void read_operand(const struct op_call *call, size_t i, struct operand *o) {
    const sl_tensor *t = call->in[i];
    bool trans = op_attr_int(call, i ? "transB" : "transA", 0) != 0 && t->rank > 1;
    bool batch = op_attr_int(call, i ? "transBatchB" : "transBatchA", 0) != 0 && t->rank > 2;
    int64_t steps[SL_MAX_RANK], step = 1;
    for (int d = t->rank - 1; d >= 0; d--) {
        steps[d] = step;
        step *= t->dims[d];
    }
    *o = (struct operand){.t = t, .outer = {.dtype = t->dtype}};
    if (t->rank == 1) { /* a row on the left, a column on the right */
        o->rows = i ? t->dims[0] : 1;
        o->columns = i ? 1 : t->dims[0];
        o->row_step = i ? 1 : 0;
        o->column_step = i ? 0 : 1;
        return;
    }
    int row = batch ? 0 : t->rank - 2, column = t->rank - 1;
    for (int d = 0; d < column; d++)
        if (d != row) {
            o->outer_steps[o->outer.rank] = steps[d];
            o->outer.dims[o->outer.rank++] = t->dims[d];
        }
    o->rows = t->dims[trans ? column : row];
    o->columns = t->dims[trans ? row : column];
    o->row_step = steps[trans ? column : row];
    o->column_step = steps[trans ? row : column];
}

static bool is_activation(const struct op_call *call, const char *name) {
    return op_attr_is(call, "activation", name, "");
}

static sl_status infer_matmul(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < 2; i++) {
        st = rule_dtype(call, i, OPS_REALS, err);
        if (st == SL_OK)
            st = rule_min_rank(call, i, 1, err);
    }
    if (st == SL_OK)
        st = rule_same_dtype(call, 0, 1, err);
    if (st != SL_OK)
        return st;
    struct operand a, b;
    char one[RULE_TEXT], other[RULE_TEXT];
    read_operand(call, 0, &a);
    read_operand(call, 1, &b);
    if (a.columns != b.rows)
        return error_set(err, SL_E_MODEL, "inputs %s and %s do not multiply", rule_text(one, a.t),
                         rule_text(other, b.t));
    if (!is_activation(call, "") && !is_activation(call, "Relu") && !is_activation(call, "Tanh") &&
        !is_activation(call, "Sigmoid") && !is_activation(call, "LeakyRelu"))
        return error_set(err, SL_E_MODEL, "attribute 'activation' names a function not known here");
    sl_tensor y = {.dtype = a.t->dtype};
    st = rule_broadcast(&a.outer, &b.outer, &y, err);
    if (st != SL_OK)
        return st;
    if (a.t->rank > 1)
        y.dims[y.rank++] = a.rows;
    if (b.t->rank > 1)
        y.dims[y.rank++] = b.columns;
    rule_set(call->out[0], y.dtype, y.rank, y.dims);
    return SL_OK;
}

/* Where matrix `at` of the broadcast outer dims begins. */
static int64_t matrix_at(const struct operand *o, const sl_tensor *outer, int64_t at) {
    int64_t index = 0;
    for (int d = outer->rank - 1, i = o->outer.rank - 1; d >= 0; d--, i--) {
        if (i >= 0 && o->outer.dims[i] != 1)
            index += at % outer->dims[d] * o->outer_steps[i];
        at /= outer->dims[d];
    }
    return index;
}

static double activate(const struct op_call *call, double x) {
    if (is_activation(call, "Relu"))
        return x < 0 ? 0 : x;
    if (is_activation(call, "LeakyRelu"))
        return x < 0 ? (double)op_attr_float(call, "activation_alpha", 0.01f) * x : x;
    if (is_activation(call, "Tanh"))
        return tanh(x);
    return is_activation(call, "Sigmoid") ? 1 / (1 + exp(-x)) : x;
}

OPS_INLINE void multiply(sl_dtype dtype, const struct op_call *call, const struct operand *a,
                         const struct operand *b, int64_t a_at, int64_t b_at, int64_t y_at) {
    double alpha = (double)op_attr_float(call, "alpha", 1);
    bool plain = is_activation(call, "");
    for (int64_t i = 0; i < a->rows; i++)
        for (int64_t j = 0; j < b->columns; j++) {
            double sum = 0;
            for (int64_t k = 0; k < a->columns; k++)
                sum += element_real(dtype, a->t->data, a_at + i * a->row_step + k * a->column_step) *
                       element_real(dtype, b->t->data, b_at + k * b->row_step + j * b->column_step);
            element_set_real(dtype, call->out[0]->data, y_at + i * b->columns + j,
                             plain ? alpha * sum : activate(call, alpha * sum));
        }
}

static void run_matmul(const struct op_call *call) {
    struct operand a, b;
    sl_tensor outer = {.dtype = call->in[0]->dtype};
    read_operand(call, 0, &a);
    read_operand(call, 1, &b);
    if (rule_broadcast(&a.outer, &b.outer, &outer, NULL) != SL_OK)
        return;
    for (int64_t i = 0, n = rule_count(&outer); i < n; i++)
        ELEMENT_DISPATCH_REAL(outer.dtype, multiply, call, &a, &b, matrix_at(&a, &outer, i),
                              matrix_at(&b, &outer, i), i * a.rows * b.columns);
}

#define MATMUL(id, op_name, op_attrs)                                                                        \
    const struct op op_##id = {.domain = "com.microsoft",                                                    \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = 2,                                                                  \
                               .max_in = 2,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "alpha transA transB" op_attrs,                                      \
                               .infer = infer_matmul,                                                        \
                               .run = run_matmul};

MATMUL(fused_matmul, "FusedMatMul", " transBatchA transBatchB")
MATMUL(transpose_matmul, "TransposeMatMul", "")
MATMUL(fused_matmul_activation, "FusedMatMulActivation",
       " transBatchA transBatchB activation activation_alpha activation_axis activation_beta "
       "activation_gamma")

static sl_status infer_inverse(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    const sl_tensor *x = call->in[0];
    if (st == SL_OK && x->dims[x->rank - 1] != x->dims[x->rank - 2])
        st = error_set(err, SL_E_MODEL, "input 0 has no square matrices");
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

/* The matrix and the identity beside it. */
static sl_status prepare_inverse(const struct op_call *call, struct arena *arena,
                                 struct op_prepared *prepared, sl_error *err) {
    (void)arena;
    (void)err;
    size_t n = (size_t)call->in[0]->dims[call->in[0]->rank - 1];
    prepared->scratch_nbytes = 2 * n * n * sizeof(double);
    return SL_OK;
}

/* Gauss and Jordan, by the largest pivot of each column; m is [n, 2n]. */
static void eliminate(double *m, int64_t n) {
    for (int64_t c = 0; c < n; c++) {
        int64_t best = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(m[r * 2 * n + c]) > fabs(m[best * 2 * n + c]))
                best = r;
        double pivot = m[best * 2 * n + c];
        for (int64_t k = 0; k < 2 * n; k++) {
            double x = m[best * 2 * n + k];
            m[best * 2 * n + k] = m[c * 2 * n + k];
            m[c * 2 * n + k] = x / pivot;
        }
        for (int64_t r = 0; r < n; r++) {
            double factor = m[r * 2 * n + c];
            for (int64_t k = 0; r != c && k < 2 * n; k++)
                m[r * 2 * n + k] -= factor * m[c * 2 * n + k];
        }
    }
}

static void run_inverse(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    int64_t n = x->dims[x->rank - 1], count = n ? rule_count(x) / (n * n) : 0;
    double *m = call->scratch;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < n * n; k++) {
            m[k / n * 2 * n + k % n] = element_real(x->dtype, x->data, i * n * n + k);
            m[k / n * 2 * n + n + k % n] = k / n == k % n;
        }
        eliminate(m, n);
        for (int64_t k = 0; k < n * n; k++)
            element_set_real(x->dtype, call->out[0]->data, i * n * n + k, m[k / n * 2 * n + n + k % n]);
    }
}

const struct op op_inverse = {.domain = "com.microsoft",
                              .name = "Inverse",
                              .since = 1,
                              .min_in = 1,
                              .max_in = 1,
                              .min_out = 1,
                              .max_out = 1,
                              .infer = infer_inverse,
                              .prepare = prepare_inverse,
                              .run = run_inverse};
