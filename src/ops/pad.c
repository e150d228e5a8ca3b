/* pad.c: Pad, with its four ways to fill the border. */
#include <string.h>

#include "ops/element.h"
#include "ops/move.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status read_fill(const struct op_call *call, enum move_fill *fill, sl_error *err) {
    static const char *const names[] = {"constant", "edge", "reflect", "wrap"};
    for (int i = 0; i < 4; i++)
        if (op_attr_is(call, "mode", names[i], "constant")) {
            *fill = (enum move_fill)i;
            return SL_OK;
        }
    return error_set(err, SL_E_MODEL, "attribute 'mode' is none of constant, edge, reflect, wrap");
}

sl_status move_read_padding(const struct op_call *call, struct move_padding *p, sl_error *err) {
    int64_t pads[2 * SL_MAX_RANK];
    int axes[SL_MAX_RANK], count, axis_count = -1, rank = call->in[0]->rank;
    *p = (struct move_padding){.fill = FILL_CONSTANT};
    sl_status st = rule_ints(call, 1, "pads", pads, 2 * SL_MAX_RANK, &count, err);
    if (st == SL_OK)
        st = rule_axes(call, 3, NULL, rank, axes, &axis_count, err);
    if (st == SL_OK)
        st = read_fill(call, &p->fill, err);
    int dims = axis_count < 0 ? rank : axis_count;
    if (st == SL_OK && count != 2 * dims)
        st = error_set(err, SL_E_MODEL, "%d pads for %d dims", count, dims);
    for (int i = 0; st == SL_OK && i < dims; i++) {
        int axis = axis_count < 0 ? i : axes[i];
        int64_t size = call->in[0]->dims[axis], most = p->fill == FILL_REFLECT ? size - 1 : INT32_MAX;
        p->begin[axis] = pads[i];
        p->end[axis] = pads[i + dims];
        if (pads[i] < -size || pads[i + dims] < -size || pads[i] + pads[i + dims] < -size || pads[i] > most ||
            pads[i + dims] > most || (!size && p->fill != FILL_CONSTANT))
            st = error_set(err, SL_E_MODEL, "pads of %lld and %lld do not fit a dim of %lld",
                           (long long)pads[i], (long long)pads[i + dims], (long long)size);
    }
    return st;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    struct move_padding p;
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK && op_has_in(call, 2))
        st = rule_same_dtype(call, 0, 2, err);
    if (st == SL_OK && op_has_in(call, 2) && rule_count(call->in[2]) != 1)
        st = error_set(err, SL_E_MODEL, "input 2 must be one value");
    if (st == SL_OK)
        st = move_read_padding(call, &p, err);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    for (int i = 0; i < call->in[0]->rank; i++)
        call->out[0]->dims[i] += p.begin[i] + p.end[i];
    return SL_OK;
}

/* The index in the input, or -1 for the constant. */
static int64_t source(int64_t i, int64_t size, enum move_fill fill) {
    if (i >= 0 && i < size)
        return i;
    if (fill == FILL_CONSTANT)
        return -1;
    if (fill == FILL_EDGE)
        return i < 0 ? 0 : size - 1;
    if (fill == FILL_REFLECT)
        return i < 0 ? -i : 2 * (size - 1) - i;
    return ((i % size) + size) % size;
}

static void run(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *y = call->out[0];
    struct move_padding p;
    char constant[16] = {0};
    size_t nbytes = sl_dtype_nbits(x->dtype) / 8;
    if (move_read_padding(call, &p, NULL) != SL_OK)
        return;
    if (op_has_in(call, 2))
        memcpy(constant, call->in[2]->data, nbytes);
    else if (element_kind(x->dtype) != ELEMENT_OTHER)
        element_set_real(x->dtype, constant, 0, (double)op_attr_float(call, "value", 0));
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        int64_t rest = i, from = 0, step = 1;
        for (int d = y->rank - 1; d >= 0; d--) {
            int64_t at = source(rest % y->dims[d] - p.begin[d], x->dims[d], p.fill);
            from = at < 0 || from < 0 ? -1 : from + at * step;
            rest /= y->dims[d];
            step *= x->dims[d];
        }
        memcpy((char *)y->data + (size_t)i * nbytes,
               from < 0 ? constant : (const char *)x->data + (size_t)from * nbytes, nbytes);
    }
}

const struct op op_pad = {.domain = "",
                          .name = "Pad",
                          .since = 2,
                          .min_in = 1,
                          .max_in = 4,
                          .min_out = 1,
                          .max_out = 1,
                          .attrs = "mode pads value",
                          .infer = infer,
                          .run = run,
                          .sized = 2,
                          .grows = 2};
