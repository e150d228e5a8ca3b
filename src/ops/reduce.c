/* reduce.c: Reduce*, ArgMax and ArgMin. Sums in double for floats (rounded once), wrapping for integers; NaN
 * wins in Max and Min as in numpy; the first of equals wins in Arg* unless select_last_index. */
#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/reduce.h"
#include "ops/rules.h"

enum reduction {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD,
    REDUCE_L1,
    REDUCE_L2,
    REDUCE_LOG_SUM,
    REDUCE_LOG_SUM_EXP,
    REDUCE_SUM_SQUARE
};

sl_status reduce_read_axes(const struct op_call *call, struct reduced *r, sl_error *err) {
    int axes[SL_MAX_RANK], count, rank = call->in[0]->rank;
    sl_status st = rule_axes(call, 1, "axes", rank, axes, &count, err);
    if (st != SL_OK)
        return st;
    *r = (struct reduced){.nothing = count <= 0 && op_attr_int(call, "noop_with_empty_axes", 0) != 0};
    for (int i = 0; i < rank; i++)
        r->gone[i] = count <= 0 && !r->nothing;
    for (int i = 0; i < count; i++)
        r->gone[axes[i]] = true;
    return SL_OK;
}

static sl_status infer_kind(const struct op_call *call, unsigned set, sl_error *err) {
    struct reduced r;
    sl_status st = rule_dtype(call, 0, set, err);
    if (st == SL_OK)
        st = reduce_read_axes(call, &r, err);
    if (st != SL_OK)
        return st;
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    bool keep = op_attr_int(call, "keepdims", 1) != 0;
    y->dtype = x->dtype;
    y->rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (!r.gone[i] || keep)
            y->dims[y->rank++] = r.gone[i] ? 1 : x->dims[i];
    return SL_OK;
}

static sl_status infer_number(const struct op_call *call, sl_error *err) {
    return infer_kind(call, OPS_NUMBERS, err);
}

static sl_status infer_order(const struct op_call *call, sl_error *err) {
    return infer_kind(call, OPS_NUMBERS | OPS_BIT(SL_BOOL), err);
}

/* Walks the elements of x that make one element of y, in x's order. */
struct walk {
    int rank;
    int64_t dims[SL_MAX_RANK], strides[SL_MAX_RANK], at[SL_MAX_RANK];
    int64_t count, offset;
};

/* The dims that are gone (or stay), with their strides in x. */
static void walk_begin(struct walk *w, const sl_tensor *x, const struct reduced *r, bool gone) {
    int64_t step = 1;
    *w = (struct walk){.count = 1};
    for (int i = x->rank - 1; i >= 0; i--) {
        if (r->gone[i] == gone) {
            w->dims[w->rank] = x->dims[i];
            w->strides[w->rank++] = step;
            w->count *= x->dims[i];
        }
        step *= x->dims[i];
    }
}

static void walk_next(struct walk *w) {
    for (int d = 0; d < w->rank; d++) {
        w->offset += w->strides[d];
        if (++w->at[d] < w->dims[d])
            return;
        w->offset -= w->strides[d] * w->dims[d];
        w->at[d] = 0;
    }
}

/* log(sum(exp(x))), the largest subtracted first. */
OPS_INLINE double log_sum_exp(sl_dtype dtype, const void *x, int64_t base, struct walk *w) {
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < w->count; i++, walk_next(w))
        largest = fmax(largest, element_number(dtype, x, base + w->offset));
    double shift = isfinite(largest) ? largest : 0;
    for (int64_t i = 0; i < w->count; i++, walk_next(w))
        sum += exp(element_number(dtype, x, base + w->offset) - shift);
    return log(sum) + shift;
}

OPS_INLINE double reduce_one(sl_dtype dtype, const void *x, int64_t base, struct walk *w,
                             enum reduction how) {
    if (how == REDUCE_LOG_SUM_EXP)
        return log_sum_exp(dtype, x, base, w);
    double y = how == REDUCE_MAX ? -INFINITY : how == REDUCE_MIN ? INFINITY : how == REDUCE_PROD ? 1 : 0;
    for (int64_t i = 0; i < w->count; i++, walk_next(w)) {
        double value = element_number(dtype, x, base + w->offset);
        if (how == REDUCE_MAX)
            y = value > y || isnan(value) ? value : y;
        else if (how == REDUCE_MIN)
            y = value < y || isnan(value) ? value : y;
        else if (how == REDUCE_PROD)
            y *= value;
        else if (how == REDUCE_L1)
            y += fabs(value);
        else if (how == REDUCE_L2 || how == REDUCE_SUM_SQUARE)
            y += value * value;
        else
            y += value;
    }
    return how == REDUCE_MEAN      ? y / (double)w->count
           : how == REDUCE_L2      ? sqrt(y)
           : how == REDUCE_LOG_SUM ? log(y)
                                   : y;
}

OPS_INLINE void reduce_real(sl_dtype dtype, const struct op_call *call, const struct reduced *r,
                            enum reduction how) {
    const sl_tensor *x = call->in[0];
    struct walk stay, gone;
    walk_begin(&stay, x, r, false);
    walk_begin(&gone, x, r, true);
    for (int64_t i = 0; i < stay.count; i++, walk_next(&stay))
        element_set_real(dtype, call->out[0]->data, i, reduce_one(dtype, x->data, stay.offset, &gone, how));
}

static uint64_t fold_integer(uint64_t y, uint64_t value, bool is_signed, enum reduction how) {
    bool less = is_signed ? (int64_t)value < (int64_t)y : value < y;
    switch (how) {
    case REDUCE_MAX:
        return less ? y : value;
    case REDUCE_MIN:
        return less ? value : y;
    case REDUCE_PROD:
        return y * value;
    case REDUCE_L1:
        return y + (is_signed && (int64_t)value < 0 ? 0 - value : value);
    case REDUCE_SUM_SQUARE:
        return y + value * value;
    default:
        return y + value;
    }
}

static int64_t divide_integer(uint64_t sum, int64_t count, bool is_signed) {
    if (!count)
        return 0;
    return is_signed ? (int64_t)sum / count : (int64_t)(sum / (uint64_t)count);
}

/* Sum, product, order and mean exactly; roots and logarithms through double. */
static void reduce_integer(const struct op_call *call, const struct reduced *r, enum reduction how) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    bool is_signed = element_kind(x->dtype) == ELEMENT_SIGNED;
    struct walk stay, gone;
    walk_begin(&stay, x, r, false);
    walk_begin(&gone, x, r, true);
    for (int64_t i = 0; i < stay.count; i++, walk_next(&stay)) {
        if (how == REDUCE_L2 || how == REDUCE_LOG_SUM || how == REDUCE_LOG_SUM_EXP) {
            element_set_real(y->dtype, y->data, i, reduce_one(x->dtype, x->data, stay.offset, &gone, how));
            continue;
        }
        uint64_t sum = how == REDUCE_PROD ? 1 : 0;
        for (int64_t k = 0; k < gone.count; k++, walk_next(&gone)) {
            uint64_t value = (uint64_t)element_index(x->dtype, x->data, stay.offset + gone.offset);
            bool starts = k == 0 && (how == REDUCE_MAX || how == REDUCE_MIN);
            sum = starts ? value : fold_integer(sum, value, is_signed, how);
        }
        if (how == REDUCE_MEAN)
            sum = (uint64_t)divide_integer(sum, gone.count, is_signed);
        element_set_unsigned(y->dtype, y->data, i, sum);
    }
}

OPS_INLINE void reduce(const struct op_call *call, enum reduction how) {
    struct reduced r;
    if (reduce_read_axes(call, &r, NULL) != SL_OK)
        return;
    if (element_kind(call->in[0]->dtype) != ELEMENT_REAL)
        reduce_integer(call, &r, how);
    ELEMENT_DISPATCH_REAL(call->in[0]->dtype, reduce_real, call, &r, how);
}

#define REDUCE(id, op_name, how, op_infer)                                                                   \
    static void run_##id(const struct op_call *call) {                                                       \
        reduce(call, how);                                                                                   \
    }                                                                                                        \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = 1,                                                                  \
                               .max_in = 2,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "axes keepdims noop_with_empty_axes",                                \
                               .infer = op_infer,                                                            \
                               .run = run_##id};

REDUCE(reduce_sum, "ReduceSum", REDUCE_SUM, infer_number)
REDUCE(reduce_mean, "ReduceMean", REDUCE_MEAN, infer_number)
REDUCE(reduce_max, "ReduceMax", REDUCE_MAX, infer_order)
REDUCE(reduce_min, "ReduceMin", REDUCE_MIN, infer_order)
REDUCE(reduce_prod, "ReduceProd", REDUCE_PROD, infer_number)
REDUCE(reduce_l1, "ReduceL1", REDUCE_L1, infer_number)
REDUCE(reduce_l2, "ReduceL2", REDUCE_L2, infer_number)
REDUCE(reduce_log_sum, "ReduceLogSum", REDUCE_LOG_SUM, infer_number)
REDUCE(reduce_log_sum_exp, "ReduceLogSumExp", REDUCE_LOG_SUM_EXP, infer_number)
REDUCE(reduce_sum_square, "ReduceSumSquare", REDUCE_SUM_SQUARE, infer_number)

static sl_status infer_arg(const struct op_call *call, sl_error *err) {
    int axis;
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", 0), call->in[0]->rank, &axis, err);
    if (st == SL_OK && call->in[0]->dims[axis] == 0)
        st = error_set(err, SL_E_MODEL, "axis %d is empty", axis);
    if (st != SL_OK)
        return st;
    const sl_tensor *x = call->in[0];
    bool keep = op_attr_int(call, "keepdims", 1) != 0;
    call->out[0]->dtype = SL_INT64;
    call->out[0]->rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (i != axis || keep)
            call->out[0]->dims[call->out[0]->rank++] = i == axis ? 1 : x->dims[i];
    return SL_OK;
}

/* Whether element i of x goes before the best so far. */
static bool is_better(const sl_tensor *x, int64_t i, int64_t best, bool most, bool last) {
    if (element_kind(x->dtype) == ELEMENT_REAL) {
        double value = element_real(x->dtype, x->data, i), than = element_real(x->dtype, x->data, best);
        if (isnan(than))
            return last && isnan(value);
        return isnan(value) || (most ? value > than : value < than) || (last && value == than);
    }
    int64_t value = element_index(x->dtype, x->data, i), than = element_index(x->dtype, x->data, best);
    bool less = x->dtype == SL_UINT64 ? (uint64_t)value < (uint64_t)than : value < than;
    return value == than ? last : less != most;
}

static void run_arg(const struct op_call *call, bool most) {
    const sl_tensor *x = call->in[0];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", 0), x->rank, &axis, NULL);
    bool last = op_attr_int(call, "select_last_index", 0) != 0;
    int64_t n = x->dims[axis], step = rule_product(x, axis + 1, x->rank);
    int64_t *y = call->out[0]->data;
    for (int64_t line = 0, lines = rule_product(x, 0, axis) * step; line < lines; line++) {
        int64_t first = line / step * n * step + line % step, best = 0;
        for (int64_t i = 1; i < n; i++)
            if (is_better(x, first + i * step, first + best * step, most, last))
                best = i;
        y[line] = best;
    }
}

static void run_arg_max(const struct op_call *call) {
    run_arg(call, true);
}

static void run_arg_min(const struct op_call *call) {
    run_arg(call, false);
}

#define ARG(id, op_name)                                                                                     \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "axis keepdims select_last_index",                                   \
                               .infer = infer_arg,                                                           \
                               .run = run_##id};
ARG(arg_max, "ArgMax")
ARG(arg_min, "ArgMin")
