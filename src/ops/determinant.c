/* determinant.c: Det of square matrices, by elimination with the largest pivot of each column, in double. */
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status infer(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    char text[RULE_TEXT];
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    if (st == SL_OK && x->dims[x->rank - 1] != x->dims[x->rank - 2])
        st = error_set(err, SL_E_MODEL, "input %s is not of square matrices", rule_text(text, x));
    if (st == SL_OK)
        rule_set(call->out[0], x->dtype, x->rank - 2, x->dims);
    return st;
}

/* The scratch is one matrix. */
static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    (void)arena;
    (void)err;
    const sl_tensor *x = call->in[0];
    prepared->scratch_nbytes = (size_t)rule_product(x, x->rank - 2, x->rank) * sizeof(double);
    return SL_OK;
}

/* Swaps row `at` with the one of the largest number in column `at`; true when that changed the sign. */
static bool pivot(double *m, int64_t n, int64_t at) {
    int64_t best = at;
    for (int64_t i = at + 1; i < n; i++)
        if (fabs(m[i * n + at]) > fabs(m[best * n + at]))
            best = i;
    for (int64_t k = at; best != at && k < n; k++) {
        double kept = m[at * n + k];
        m[at * n + k] = m[best * n + k];
        m[best * n + k] = kept;
    }
    return best != at;
}

static double determinant(double *m, int64_t n) {
    double product = 1;
    for (int64_t at = 0; at < n; at++) {
        if (pivot(m, n, at))
            product = -product;
        double top = m[at * n + at];
        product *= top;
        if (top == 0)
            return 0;
        for (int64_t i = at + 1; i < n; i++) {
            double factor = m[i * n + at] / top;
            for (int64_t k = at + 1; k < n; k++)
                m[i * n + k] -= factor * m[at * n + k];
        }
    }
    return product;
}

static void run(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    int64_t n = x->dims[x->rank - 1], size = n * n;
    double *m = call->scratch;
    for (int64_t i = 0, count = rule_count(call->out[0]); i < count; i++) {
        for (int64_t k = 0; k < size; k++)
            m[k] = element_real(x->dtype, x->data, i * size + k);
        element_set_real(x->dtype, call->out[0]->data, i, determinant(m, n));
    }
}

const struct op op_det = {.domain = "",
                          .name = "Det",
                          .since = 11,
                          .min_in = 1,
                          .max_in = 1,
                          .min_out = 1,
                          .max_out = 1,
                          .infer = infer,
                          .prepare = prepare,
                          .run = run};
