/* scatter.c: ScatterElements (and Scatter, its first name), ScatterND, TensorScatter: a copy of the data with
 * updates written at positions that are data themselves. Updates are taken in the order they stand in, each
 * rounded to the dtype, so the sum of several at one place does not depend on the machine. */
#include <string.h>

#include "ops/index.h"
#include "ops/ops.h"
#include "ops/strided.h"

enum reduction { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MIN, REDUCE_MAX, REDUCTIONS };

static const char *const reduction_names[REDUCTIONS] = {"none", "add", "mul", "min", "max"};

static sl_status read_reduction(const struct op_call *call, enum reduction *reduction, sl_error *err) {
    for (int i = 0; i < REDUCTIONS; i++)
        if (op_attr_is(call, "reduction", reduction_names[i], "none")) {
            *reduction = (enum reduction)i;
            return SL_OK;
        }
    return error_set(err, SL_E_MODEL, "attribute 'reduction' is none of none, add, mul, min, max");
}

/* Data and updates of one dtype, indices of whole numbers, a reduction that the dtype has. */
static sl_status check(const struct op_call *call, enum reduction *reduction, sl_error *err) {
    sl_status st = read_reduction(call, reduction, err);
    unsigned set = *reduction == REDUCE_NONE ? OPS_MOVABLE : OPS_NUMBERS | OPS_BIT(SL_BOOL);
    if (st == SL_OK)
        st = rule_dtype(call, 0, set, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_INDEX, err);
    if (st == SL_OK)
        st = rule_dtype(call, 2, set, err);
    return st == SL_OK ? rule_same_dtype(call, 0, 2, err) : st;
}

static double reduce_real(enum reduction how, double a, double b) {
    switch (how) {
    case REDUCE_ADD:
        return a + b;
    case REDUCE_MUL:
        return a * b;
    case REDUCE_MIN:
        return isnan(a) || a < b ? a : b;
    default:
        return isnan(a) || a > b ? a : b;
    }
}

/* Sums and products of signed integers are those of unsigned ones; only comparing differs. */
static uint64_t reduce_whole(enum reduction how, bool is_signed, uint64_t a, uint64_t b) {
    bool less = is_signed ? (int64_t)a < (int64_t)b : a < b;
    switch (how) {
    case REDUCE_ADD:
        return a + b;
    case REDUCE_MUL:
        return a * b;
    case REDUCE_MIN:
        return less ? a : b;
    default:
        return less ? b : a;
    }
}

/* Brings `count` updates from `from` on into y at `at`. */
static void put(const struct op_call *call, enum reduction how, int64_t at, int64_t from, int64_t count) {
    const sl_tensor *u = call->in[2];
    sl_tensor *y = call->out[0];
    size_t nbytes = strided_nbytes(y);
    if (how == REDUCE_NONE) {
        memcpy((char *)y->data + (size_t)at * nbytes, (const char *)u->data + (size_t)from * nbytes,
               (size_t)count * nbytes);
        return;
    }
    bool is_signed = element_kind(y->dtype) == ELEMENT_SIGNED;
    for (int64_t i = 0; i < count; i++)
        if (element_kind(y->dtype) == ELEMENT_REAL)
            element_set_real(y->dtype, y->data, at + i,
                             reduce_real(how, element_real(y->dtype, y->data, at + i),
                                         element_real(y->dtype, u->data, from + i)));
        else
            element_set_unsigned(y->dtype, y->data, at + i,
                                 reduce_whole(how, is_signed,
                                              (uint64_t)element_index(y->dtype, y->data, at + i),
                                              (uint64_t)element_index(y->dtype, u->data, from + i)));
}

static void copy_data(const struct op_call *call) {
    size_t nbytes = rule_nbytes(call->out[0]);
    if (nbytes && call->out[0]->data != call->in[0]->data)
        memcpy(call->out[0]->data, call->in[0]->data, nbytes);
}

static sl_status infer_elements(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0], *indices = call->in[1], *updates = call->in[2];
    enum reduction how;
    int axis;
    sl_status st = check(call, &how, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", 0), x->rank, &axis, err);
    for (size_t i = 1; st == SL_OK && i < 3; i++)
        st = rule_rank(call, i, x->rank, err);
    for (int d = 0; st == SL_OK && d < x->rank; d++) {
        if (updates->dims[d] != indices->dims[d])
            st = error_set(err, SL_E_MODEL, "dim %d of the indices and of the updates differ", d);
        else if (d != axis && indices->dims[d] > x->dims[d])
            st = error_set(err, SL_E_MODEL, "dim %d of the indices is larger than the input's", d);
    }
    if (st == SL_OK && !x->dims[axis] && rule_count(indices))
        st = error_set(err, SL_E_MODEL, "axis %d is empty", axis);
    if (st == SL_OK)
        st = index_check(indices, x->dims[axis], err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_elements(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *indices = call->in[1];
    enum reduction how = REDUCE_NONE;
    int axis = 0;
    (void)read_reduction(call, &how, NULL);
    (void)rule_axis(op_attr_int(call, "axis", 0), x->rank, &axis, NULL);
    copy_data(call);
    for (int64_t i = 0, n = rule_count(indices); i < n; i++) {
        int64_t rest = i, to = 0, step = 1;
        for (int d = x->rank - 1; d >= 0; d--) {
            int64_t at = rest % indices->dims[d];
            to += (d == axis ? index_at(indices, i, x->dims[d]) : at) * step;
            rest /= indices->dims[d];
            step *= x->dims[d];
        }
        put(call, how, to, i, 1);
    }
}

/* The last dim of the indices is a position in the first dims of the data. */
static sl_status infer_nd(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0], *indices = call->in[1], *updates = call->in[2];
    enum reduction how;
    sl_status st = check(call, &how, err);
    if (st == SL_OK && (indices->rank < 1 || indices->dims[indices->rank - 1] > x->rank))
        st = error_set(err, SL_E_MODEL, "the indices do not fit input 0");
    if (st != SL_OK)
        return st;
    int depth = (int)indices->dims[indices->rank - 1], outer = indices->rank - 1;
    bool fits = updates->rank == outer + x->rank - depth;
    for (int d = 0; fits && d < updates->rank; d++)
        fits = updates->dims[d] == (d < outer ? indices->dims[d] : x->dims[d - outer + depth]);
    if (!fits)
        return error_set(err, SL_E_MODEL, "the updates do not fit the indices and input 0");
    for (int d = 0; d < depth; d++)
        if (!x->dims[d] && rule_count(indices))
            return error_set(err, SL_E_MODEL, "axis %d is empty", d);
    for (int64_t i = 0, n = indices->data ? rule_count(indices) : 0; i < n; i++) {
        int64_t at = element_index(indices->dtype, indices->data, i), size = x->dims[i % depth];
        if (at < -size || at >= size)
            return error_set(err, SL_E_MODEL, "index %lld is outside a dim of %lld", (long long)at,
                             (long long)size);
    }
    rule_like(call, 0);
    return SL_OK;
}

static void run_nd(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *indices = call->in[1];
    enum reduction how = REDUCE_NONE;
    (void)read_reduction(call, &how, NULL);
    int depth = (int)indices->dims[indices->rank - 1];
    int64_t slab = rule_product(x, depth, x->rank);
    copy_data(call);
    for (int64_t i = 0, n = rule_product(indices, 0, indices->rank - 1); slab && i < n; i++) {
        int64_t to = 0;
        for (int d = 0; d < depth; d++)
            to = to * x->dims[d] + index_at(indices, i * depth + d, x->dims[d]);
        put(call, how, to * slab, i * slab, slab);
    }
}

#define SCATTER(id, op_name, op_since, op_until, op_attrs, op_infer, op_run)                                 \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .until = op_until,                                                            \
                               .min_in = 3,                                                                  \
                               .max_in = 3,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = op_infer,                                                            \
                               .run = op_run};

SCATTER(scatter, "Scatter", 9, 10, "axis", infer_elements, run_elements)
SCATTER(scatter_elements, "ScatterElements", 11, 0, "axis reduction", infer_elements, run_elements)
SCATTER(scatter_nd, "ScatterND", 11, 0, "reduction", infer_nd, run_nd)

/* TensorScatter: a key or value cache [batch, ..., length, ...] with an update written at each row's place.
 */
static sl_status infer_cache(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0], *updates = call->in[1];
    char one[RULE_TEXT], other[RULE_TEXT];
    int axis;
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_same_dtype(call, 0, 1, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    if (st == SL_OK)
        st = rule_rank(call, 1, x->rank, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", -2), x->rank, &axis, err);
    if (st == SL_OK && axis == 0)
        st = error_set(err, SL_E_MODEL, "attribute 'axis' is the batch");
    for (int d = 0; st == SL_OK && d < x->rank; d++)
        if (d == axis ? updates->dims[d] > x->dims[d] : updates->dims[d] != x->dims[d])
            st = error_set(err, SL_E_MODEL, "update %s does not fit cache %s", rule_text(one, updates),
                           rule_text(other, x));
    if (st == SL_OK && op_has_in(call, 2))
        st = rule_dtype(call, 2, OPS_INDEX, err);
    if (st == SL_OK && op_has_in(call, 2))
        st = rule_vector(call, 2, x->dims[0], err);
    if (st == SL_OK && !op_attr_is(call, "mode", "linear", "linear") &&
        !op_attr_is(call, "mode", "circular", "linear"))
        st = error_set(err, SL_E_MODEL, "attribute 'mode' is none of linear, circular");
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_cache(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *updates = call->in[1];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", -2), x->rank, &axis, NULL);
    bool circular = op_attr_is(call, "mode", "circular", "linear");
    int64_t length = x->dims[axis], steps = updates->dims[axis];
    int64_t lines = rule_product(x, 0, axis), per_row = rule_product(x, 1, axis);
    size_t slab = (size_t)rule_product(x, axis + 1, x->rank) * strided_nbytes(x);
    copy_data(call);
    for (int64_t i = 0; slab && i < lines * steps; i++) {
        int64_t line = i / steps, row = line / per_row;
        int64_t start = op_has_in(call, 2) ? element_index(call->in[2]->dtype, call->in[2]->data, row) : 0;
        if (start < 0 || start > INT32_MAX) /* from a record: as near as there is */
            start = start < 0 ? 0 : INT32_MAX;
        int64_t at = start + i % steps;
        at = circular ? at % length : at < length ? at : length - 1;
        memcpy((char *)call->out[0]->data + (size_t)(line * length + at) * slab,
               (const char *)updates->data + (size_t)i * slab, slab);
    }
}

const struct op op_tensor_scatter = {.domain = "",
                                     .name = "TensorScatter",
                                     .since = 24,
                                     .min_in = 2,
                                     .max_in = 3,
                                     .min_out = 1,
                                     .max_out = 1,
                                     .attrs = "axis mode",
                                     .infer = infer_cache,
                                     .run = run_cache};
