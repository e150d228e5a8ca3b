/* control.c: the common part of If, Loop and Scan. */
#include "ops/control.h"

#include <string.h>

#include "ops/rules.h"

sl_status control_body(const struct op_call *call, const char *name, const struct attr **attr,
                       sl_error *err) {
    const struct attr *a = op_attr(call, name);
    if (!a || a->type != ATTR_GRAPH || !a->body)
        return error_set(err, SL_E_MODEL, "it has no graph '%s'", name);
    *attr = a;
    return SL_OK;
}

void control_shapes(const struct op_call *call, size_t first, sl_tensor *in, size_t count) {
    for (size_t i = 0; i < count; i++) {
        in[i] = *call->in[first + i];
        in[i].data = NULL;
    }
}

sl_status control_single(const struct op_call *call, size_t i, sl_dtype dtype, sl_error *err) {
    char text[RULE_TEXT];
    if (!op_has_in(call, i))
        return SL_OK;
    if (call->in[i]->dtype != dtype || rule_count(call->in[i]) != 1)
        return error_set(err, SL_E_MODEL, "input %zu is %s, expected one %s", i, rule_text(text, call->in[i]),
                         sl_dtype_name(dtype));
    return SL_OK;
}

bool control_same(const sl_tensor *a, const sl_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           (!a->rank || !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims));
}

void control_take(const struct op_call *call, const struct attr *attr, const sl_tensor **in) {
    size_t own = attr->body->in_count - attr->count;
    for (size_t i = 0; i < attr->count; i++)
        in[own + i] = call->in[(size_t)attr->i + i];
}

sl_status control_fixed(const struct op_body *body, size_t first, sl_error *err) {
    for (size_t i = first; i < body->out_count; i++)
        if (body->least[i])
            return error_set(err, SL_E_MODEL, "the size of output %zu of its graph varies", i);
    return SL_OK;
}

size_t control_room(size_t *used, size_t nbytes) {
    size_t at = *used, rounded, end;
    if (__builtin_add_overflow(nbytes, (size_t)63, &rounded) ||
        __builtin_add_overflow(at, rounded / 64 * 64, &end) || end > SIZE_MAX / 4)
        end = SIZE_MAX / 4; /* which no map grants */
    *used = end;
    return at;
}

sl_status control_stack(const sl_tensor *slice, int axis, int64_t length, sl_tensor *out, sl_error *err) {
    if (slice->rank == SL_MAX_RANK)
        return error_set(err, SL_E_MODEL, "its result has more than %d dims", SL_MAX_RANK);
    if (sl_dtype_nbits(slice->dtype) % 8)
        return error_set(err, SL_E_MODEL, "it gathers %s, which is less than a byte",
                         sl_dtype_name(slice->dtype));
    out->dtype = slice->dtype;
    out->rank = slice->rank + 1;
    for (int i = 0; i < out->rank; i++)
        out->dims[i] = i < axis ? slice->dims[i] : i == axis ? length : slice->dims[i - 1];
    return SL_OK;
}

/* Outer runs of `length` pieces of `piece` bytes. */
struct pieces {
    int64_t outer, length;
    size_t piece;
};

static struct pieces cut(const sl_tensor *t, int axis) {
    return (struct pieces){rule_product(t, 0, axis), t->dims[axis],
                           (size_t)rule_product(t, axis + 1, t->rank) * (sl_dtype_nbits(t->dtype) / 8)};
}

void control_slice_get(const sl_tensor *t, int axis, int64_t index, void *slice) {
    struct pieces p = cut(t, axis);
    for (int64_t i = 0; p.piece && i < p.outer; i++)
        memcpy((char *)slice + (size_t)i * p.piece,
               (const char *)t->data + (size_t)(i * p.length + index) * p.piece, p.piece);
}

void control_slice_set(const sl_tensor *t, int axis, int64_t index, const void *slice) {
    struct pieces p = cut(t, axis);
    for (int64_t i = 0; p.piece && i < p.outer; i++)
        memcpy((char *)t->data + (size_t)(i * p.length + index) * p.piece,
               (const char *)slice + (size_t)i * p.piece, p.piece);
}
