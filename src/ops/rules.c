/* rules.c: the parts of shape rules. */
#include "ops/rules.h"

#include <stdio.h>
#include <string.h>

#include "ops/element.h"

const char *rule_text(char text[RULE_TEXT], const sl_tensor *t) {
    int n = snprintf(text, RULE_TEXT, "%s [", sl_dtype_name(t->dtype));
    for (int i = 0; i < t->rank && n < RULE_TEXT - 24; i++) {
        n += snprintf(text + n, (size_t)(RULE_TEXT - n), "%s", i ? ", " : "");
        if (t->dims[i] < 0)
            n += snprintf(text + n, (size_t)(RULE_TEXT - n), "?");
        else
            n += snprintf(text + n, (size_t)(RULE_TEXT - n), "%lld", (long long)t->dims[i]);
    }
    snprintf(text + n, (size_t)(RULE_TEXT - n), "]");
    return text;
}

int64_t rule_count(const sl_tensor *t) {
    return rule_product(t, 0, t->rank);
}

int64_t rule_product(const sl_tensor *t, int from, int to) {
    int64_t n = 1;
    for (int i = from; i < to; i++)
        if (t->dims[i] == 0)
            return 0;
    for (int i = from; i < to; i++)
        n *= t->dims[i];
    return n;
}

size_t rule_nbytes(const sl_tensor *t) {
    size_t nbytes;
    return sl_shape_nbytes(t->dtype, t->rank, t->dims, &nbytes) ? nbytes : 0;
}

void rule_set(sl_tensor *t, sl_dtype dtype, int rank, const int64_t *dims) {
    t->dtype = dtype;
    t->rank = rank;
    for (int i = 0; i < rank; i++)
        t->dims[i] = dims[i];
}

bool op_has_in(const struct op_call *call, size_t i) {
    return i < call->in_count && call->in[i];
}

bool op_has_out(const struct op_call *call, size_t i) {
    return i < call->out_count && call->out[i];
}

sl_status rule_dtype(const struct op_call *call, size_t i, unsigned set, sl_error *err) {
    if (!op_has_in(call, i))
        return error_set(err, SL_E_MODEL, "input %zu is missing", i);
    if (!(set & OPS_BIT(call->in[i]->dtype)))
        return error_set(err, SL_E_MODEL, "input %zu is %s, which this operator does not take", i,
                         sl_dtype_name(call->in[i]->dtype));
    return SL_OK;
}

sl_status rule_same_dtype(const struct op_call *call, size_t i, size_t j, sl_error *err) {
    if (call->in[i]->dtype != call->in[j]->dtype)
        return error_set(err, SL_E_MODEL, "input %zu is %s and input %zu is %s, expected the same", i,
                         sl_dtype_name(call->in[i]->dtype), j, sl_dtype_name(call->in[j]->dtype));
    return SL_OK;
}

sl_status rule_rank(const struct op_call *call, size_t i, int rank, sl_error *err) {
    if (call->in[i]->rank != rank)
        return error_set(err, SL_E_MODEL, "input %zu has %d dims, expected %d", i, call->in[i]->rank, rank);
    return SL_OK;
}

sl_status rule_min_rank(const struct op_call *call, size_t i, int rank, sl_error *err) {
    if (call->in[i]->rank < rank)
        return error_set(err, SL_E_MODEL, "input %zu has %d dims, expected at least %d", i, call->in[i]->rank,
                         rank);
    return SL_OK;
}

sl_status rule_vector(const struct op_call *call, size_t i, int64_t count, sl_error *err) {
    char text[RULE_TEXT];
    if (call->in[i]->rank != 1 || call->in[i]->dims[0] != count)
        return error_set(err, SL_E_MODEL, "input %zu is %s, expected %lld elements", i,
                         rule_text(text, call->in[i]), (long long)count);
    return SL_OK;
}

sl_status rule_axis(int64_t axis, int rank, int *out, sl_error *err) {
    if (axis < -rank || axis >= rank)
        return error_set(err, SL_E_MODEL, "axis %lld does not exist in %d dims", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return SL_OK;
}

/* `loose`: the dims are bounds, of which the larger one holds for both. */
static sl_status broadcast(const sl_tensor *a, const sl_tensor *b, bool loose, sl_tensor *out,
                           sl_error *err) {
    char one[RULE_TEXT], other[RULE_TEXT];
    int rank = a->rank > b->rank ? a->rank : b->rank;
    int64_t dims[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int ai = i - (rank - a->rank), bi = i - (rank - b->rank);
        int64_t x = ai < 0 ? 1 : a->dims[ai], y = bi < 0 ? 1 : b->dims[bi];
        if (x != y && x != 1 && y != 1 && !loose)
            return error_set(err, SL_E_MODEL, "%s and %s do not broadcast", rule_text(one, a),
                             rule_text(other, b));
        dims[i] = x == 1 || (y != 1 && y > x) ? y : x;
    }
    rule_set(out, out->dtype, rank, dims);
    return SL_OK;
}

sl_status rule_broadcast(const sl_tensor *a, const sl_tensor *b, sl_tensor *out, sl_error *err) {
    return broadcast(a, b, false, out, err);
}

sl_status rule_broadcast_all(const struct op_call *call, size_t first, sl_dtype dtype, sl_error *err) {
    sl_tensor shape = *call->in[first];
    for (size_t i = first + 1; i < call->in_count; i++) {
        sl_status st = broadcast(&shape, call->in[i], call->loose, &shape, err);
        if (st != SL_OK)
            return st;
    }
    rule_set(call->out[0], dtype ? dtype : call->in[first]->dtype, shape.rank, shape.dims);
    return SL_OK;
}

void rule_like(const struct op_call *call, size_t out) {
    rule_set(call->out[out], call->in[0]->dtype, call->in[0]->rank, call->in[0]->dims);
}

void rule_at_most(const struct op_call *call, size_t out, int dim, int64_t least) {
    if (!call->least)
        return;
    call->least[out].bounds |= 1u << dim;
    call->least[out].dims[dim] = least;
}

sl_status rule_ints(const struct op_call *call, size_t in, const char *name, int64_t *values, int max,
                    int *count, sl_error *err) {
    *count = -1;
    if (in != SIZE_MAX && op_has_in(call, in)) {
        const sl_tensor *t = call->in[in];
        if (t->dtype != SL_INT64 && t->dtype != SL_INT32)
            return error_set(err, SL_E_MODEL, "input %zu is %s, expected int64", in, sl_dtype_name(t->dtype));
        if (!t->data)
            return error_set(err, SL_E_MODEL,
                             "input %zu must be known when the model is loaded, but depends on the records",
                             in);
        int64_t n = rule_count(t);
        if (t->rank > 1 || n > max)
            return error_set(err, SL_E_MODEL, "input %zu has %lld elements, expected at most %d", in,
                             (long long)n, max);
        for (int64_t i = 0; i < n; i++)
            values[i] = element_index(t->dtype, t->data, i);
        *count = (int)n;
        return SL_OK;
    }
    const struct attr *attr = name ? op_attr(call, name) : NULL;
    if (!attr)
        return SL_OK;
    if (attr->type == ATTR_INT) {
        values[0] = attr->i;
        *count = 1;
        return SL_OK;
    }
    if (attr->type != ATTR_INTS || attr->count > (size_t)max)
        return error_set(err, SL_E_MODEL, "attribute '%s' is not a list of at most %d integers", name, max);
    if (attr->count)
        memcpy(values, attr->ints, attr->count * sizeof *values);
    *count = (int)attr->count;
    return SL_OK;
}

sl_status rule_axes(const struct op_call *call, size_t in, const char *name, int rank, int *axes, int *count,
                    sl_error *err) {
    int64_t values[SL_MAX_RANK];
    bool seen[SL_MAX_RANK] = {false};
    sl_status st = rule_ints(call, in, name, values, SL_MAX_RANK, count, err);
    for (int i = 0; st == SL_OK && i < *count; i++) {
        st = rule_axis(values[i], rank, &axes[i], err);
        if (st == SL_OK && seen[axes[i]])
            st = error_set(err, SL_E_MODEL, "axis %d is given twice", axes[i]);
        if (st == SL_OK)
            seen[axes[i]] = true;
    }
    return st;
}
