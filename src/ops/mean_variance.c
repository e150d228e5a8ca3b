/* mean_variance.c: MeanVarianceNormalization: less the mean, by the standard deviation, over any axes. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status read_axes(const struct op_call *call, bool reduced[SL_MAX_RANK], sl_error *err) {
    int axes[SL_MAX_RANK] = {0, 2, 3}, count;
    sl_status st = rule_axes(call, SIZE_MAX, "axes", call->in[0]->rank, axes, &count, err);
    if (st == SL_OK && count < 0 && call->in[0]->rank != 4)
        st = error_set(err, SL_E_MODEL, "attribute 'axes' is missing, and the input has %d dims",
                       call->in[0]->rank);
    memset(reduced, 0, SL_MAX_RANK * sizeof *reduced);
    for (int i = 0; st == SL_OK && i < (count < 0 ? 3 : count); i++)
        reduced[axes[i]] = true;
    return st;
}

/* Elements that share a mean have one group. */
static int64_t group_of(const sl_tensor *x, const bool *reduced, int64_t i) {
    int64_t group = 0, step = 1;
    for (int d = x->rank - 1; d >= 0; d--) {
        if (!reduced[d]) {
            group += i % x->dims[d] * step;
            step *= x->dims[d];
        }
        i /= x->dims[d];
    }
    return group;
}

static int64_t group_count(const sl_tensor *x, const bool *reduced) {
    int64_t count = 1;
    for (int d = 0; d < x->rank; d++)
        count *= reduced[d] ? 1 : x->dims[d];
    return count;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    bool reduced[SL_MAX_RANK];
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = read_axes(call, reduced, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

/* The scratch is a mean and a sum of squares for each group. */
static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    bool reduced[SL_MAX_RANK];
    (void)arena;
    sl_status st = read_axes(call, reduced, err);
    if (st == SL_OK)
        prepared->scratch_nbytes = 2 * (size_t)group_count(call->in[0], reduced) * sizeof(double);
    return st;
}

static void run(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    bool reduced[SL_MAX_RANK];
    if (read_axes(call, reduced, NULL) != SL_OK || !rule_count(x))
        return;
    int64_t n = rule_count(x), groups = group_count(x, reduced);
    double *mean = call->scratch, *squares = mean + groups, size = (double)(n / groups);
    memset(mean, 0, 2 * (size_t)groups * sizeof *mean);
    for (int64_t i = 0; i < n; i++)
        mean[group_of(x, reduced, i)] += element_real(x->dtype, x->data, i) / size;
    for (int64_t i = 0; i < n; i++) {
        int64_t group = group_of(x, reduced, i);
        double distance = element_real(x->dtype, x->data, i) - mean[group];
        squares[group] += distance * distance;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t group = group_of(x, reduced, i);
        element_set_real(x->dtype, call->out[0]->data, i,
                         (element_real(x->dtype, x->data, i) - mean[group]) /
                             (sqrt(squares[group] / size) + 1e-9));
    }
}

const struct op op_mean_variance = {.domain = "",
                                    .name = "MeanVarianceNormalization",
                                    .since = 9,
                                    .min_in = 1,
                                    .max_in = 1,
                                    .min_out = 1,
                                    .max_out = 1,
                                    .attrs = "axes",
                                    .infer = infer,
                                    .prepare = prepare,
                                    .run = run};
