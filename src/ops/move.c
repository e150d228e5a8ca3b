/* move.c: operators that move whole elements without looking at them: Transpose, Concat, Split, Slice, Tile,
 * Expand. */
#include <string.h>

#include "ops/element.h"
#include "ops/move.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/strided.h"

#define MOVE(id, op_name, in_least, in_most, out_most, op_attrs, op_sized, op_grows)                         \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = in_least,                                                           \
                               .max_in = in_most,                                                            \
                               .min_out = 1,                                                                 \
                               .max_out = out_most,                                                          \
                               .attrs = op_attrs,                                                            \
                               .sized = op_sized,                                                            \
                               .grows = op_grows,                                                            \
                               .infer = infer_##id,                                                          \
                               .run = run_##id};

/* Transpose */
sl_status move_read_perm(const struct op_call *call, int *perm, sl_error *err) {
    int count, rank = call->in[0]->rank;
    sl_status st = rule_axes(call, SIZE_MAX, "perm", rank, perm, &count, err);
    if (st == SL_OK && count >= 0 && count != rank)
        st = error_set(err, SL_E_MODEL, "attribute 'perm' has %d axes, the input %d", count, rank);
    for (int i = 0; count < 0 && i < rank; i++)
        perm[i] = rank - 1 - i;
    return st;
}

static sl_status infer_transpose(const struct op_call *call, sl_error *err) {
    int perm[SL_MAX_RANK];
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = move_read_perm(call, perm, err);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    for (int i = 0; i < call->in[0]->rank; i++)
        call->out[0]->dims[i] = call->in[0]->dims[perm[i]];
    return SL_OK;
}

static void run_transpose(const struct op_call *call) {
    int perm[SL_MAX_RANK];
    int64_t x[SL_MAX_RANK], from[SL_MAX_RANK], to[SL_MAX_RANK];
    if (move_read_perm(call, perm, NULL) != SL_OK)
        return;
    const sl_tensor *out = call->out[0];
    strided_dense(call->in[0], x);
    strided_dense(out, to);
    for (int i = 0; i < out->rank; i++)
        from[i] = x[perm[i]];
    strided_copy(strided_nbytes(out), out->rank, out->dims, call->in[0]->data, from, out->data, to);
}

MOVE(transpose, "Transpose", 1, 1, 1, "perm", 0, 0)

/* Concat and Split: slabs of the dims from `axis` on. */
static sl_status infer_concat(const struct op_call *call, sl_error *err) {
    int axis;
    char one[RULE_TEXT], other[RULE_TEXT];
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", call->opset < 4 ? 1 : 0), call->in[0]->rank, &axis, err);
    if (st != SL_OK)
        return st;
    sl_tensor shape = *call->in[0];
    for (size_t i = 1; i < call->in_count; i++) {
        const sl_tensor *t = call->in[i];
        bool fits = t && t->rank == shape.rank && t->dtype == shape.dtype;
        for (int d = 0; fits && d < shape.rank; d++) {
            fits = d == axis || t->dims[d] == shape.dims[d] || call->loose;
            if (d != axis && t->dims[d] > shape.dims[d])
                shape.dims[d] = t->dims[d];
        }
        if (!fits)
            return error_set(err, SL_E_MODEL, "input %zu is %s, which does not join %s along axis %d", i,
                             t ? rule_text(one, t) : "missing", rule_text(other, call->in[0]), axis);
        shape.dims[axis] += t->dims[axis];
    }
    rule_set(call->out[0], shape.dtype, shape.rank, shape.dims);
    return SL_OK;
}

static void run_concat(const struct op_call *call) {
    const sl_tensor *y = call->out[0];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", call->opset < 4 ? 1 : 0), y->rank, &axis, NULL);
    int64_t outer = rule_product(y, 0, axis);
    char *to = y->data;
    for (int64_t row = 0; row < outer; row++)
        for (size_t i = 0; i < call->in_count; i++) {
            const sl_tensor *x = call->in[i];
            size_t slab = (size_t)rule_product(x, axis, x->rank) * strided_nbytes(x);
            if (slab)
                memcpy(to, (const char *)x->data + (size_t)row * slab, slab);
            to += slab;
        }
}

MOVE(concat, "Concat", 1, -1, 1, "axis", 0, 0)

static sl_status infer_split(const struct op_call *call, sl_error *err) {
    enum { MOST = 1024 };
    int64_t sizes[MOST], sum = 0;
    int axis, given;
    const sl_tensor *x = call->in[0];
    int64_t outs = (int64_t)call->out_count;
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", 0), x->rank, &axis, err);
    if (st == SL_OK)
        st = rule_ints(call, 1, "split", sizes, MOST, &given, err);
    if (st == SL_OK && op_attr_int(call, "num_outputs", outs) != outs)
        st = error_set(err, SL_E_MODEL, "attribute 'num_outputs' is not the number of outputs");
    if (st != SL_OK)
        return st;
    if (outs > MOST || (given >= 0 && given != outs))
        return error_set(err, SL_E_MODEL, "%d sizes for %zu outputs", given, call->out_count);
    int64_t each = (x->dims[axis] + outs - 1) / outs;
    for (int64_t i = 0; i < outs; i++) {
        int64_t rest = x->dims[axis] - sum;
        int64_t size = given >= 0 ? sizes[i] : rest < each ? rest : each;
        if (size < 0 || size > rest)
            return error_set(err, SL_E_MODEL, "the sizes do not add up to %lld", (long long)x->dims[axis]);
        sum += size;
        if (!call->out[i])
            continue;
        rule_set(call->out[i], x->dtype, x->rank, x->dims);
        call->out[i]->dims[axis] = size;
    }
    if (sum != x->dims[axis])
        return error_set(err, SL_E_MODEL, "the sizes do not add up to %lld", (long long)x->dims[axis]);
    return SL_OK;
}

/* Where output i begins along the axis: an output that nobody reads has no shape, so sizes are read again. */
int64_t move_split_size(const struct op_call *call, size_t i, int axis) {
    const struct attr *sizes = op_attr(call, "split");
    if (call->out[i])
        return call->out[i]->dims[axis];
    if (op_has_in(call, 1))
        return element_index(call->in[1]->dtype, call->in[1]->data, (int64_t)i);
    if (sizes)
        return sizes->ints[i];
    int64_t n = (int64_t)call->out_count;
    return (call->in[0]->dims[axis] + n - 1) / n;
}

static void run_split(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", 0), x->rank, &axis, NULL);
    size_t inner = (size_t)rule_product(x, axis + 1, x->rank) * strided_nbytes(x);
    size_t line = (size_t)x->dims[axis] * inner, start = 0;
    for (size_t i = 0; i < call->out_count; i++) {
        size_t slab = (size_t)move_split_size(call, i, axis) * inner;
        for (int64_t row = 0; call->out[i] && slab && row < rule_product(x, 0, axis); row++)
            memcpy((char *)call->out[i]->data + (size_t)row * slab,
                   (const char *)x->data + (size_t)row * line + start, slab);
        start += slab;
    }
}

MOVE(split, "Split", 1, 2, -1, "axis split num_outputs", 0, 0)

/* Slice */

static int64_t clamp_index(int64_t x, int64_t low, int64_t high) {
    return x < low ? low : x > high ? high : x;
}

sl_status move_read_cut(const struct op_call *call, struct move_cut *cut, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int64_t starts[SL_MAX_RANK], ends[SL_MAX_RANK], steps[SL_MAX_RANK];
    int axes[SL_MAX_RANK], count, end_count, axis_count, step_count;
    sl_status st = rule_ints(call, 1, "starts", starts, x->rank, &count, err);
    if (st == SL_OK)
        st = rule_ints(call, 2, "ends", ends, x->rank, &end_count, err);
    if (st == SL_OK)
        st = rule_axes(call, 3, "axes", x->rank, axes, &axis_count, err);
    if (st == SL_OK)
        st = rule_ints(call, 4, NULL, steps, x->rank, &step_count, err);
    if (st == SL_OK && (count < 0 || count != end_count || (axis_count >= 0 && axis_count != count) ||
                        (step_count >= 0 && step_count != count)))
        st = error_set(err, SL_E_MODEL, "starts, ends, axes and steps differ in number");
    for (int i = 0; i < x->rank; i++) {
        cut->start[i] = 0;
        cut->step[i] = 1;
        cut->size[i] = x->dims[i];
    }
    for (int i = 0; st == SL_OK && i < count; i++) {
        int axis = axis_count < 0 ? i : axes[i];
        int64_t dim = x->dims[axis], step = step_count < 0 ? 1 : steps[i];
        if (step == 0)
            return error_set(err, SL_E_MODEL, "a step is 0");
        step = clamp_index(step, -INT32_MAX, INT32_MAX); /* beyond any dim either way */
        starts[i] += starts[i] < 0 ? dim : 0;
        ends[i] += ends[i] < 0 ? dim : 0;
        int64_t start = clamp_index(starts[i], 0, step > 0 ? dim : dim - 1);
        int64_t end = clamp_index(ends[i], step > 0 ? 0 : -1, dim);
        int64_t reach = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
        cut->start[axis] = start;
        cut->step[axis] = step;
        cut->size[axis] = reach <= 0 ? 0 : (reach + stride - 1) / stride;
    }
    return st;
}

/* Where starts and ends come from the records, what is left of a dim is at most the dim. */
static bool is_open(const struct op_call *call) {
    bool open = false;
    for (size_t i = 1; i < call->in_count; i++)
        open = open || (op_has_in(call, i) && !call->in[i]->data);
    return open;
}

static sl_status bound_cut(const struct op_call *call, sl_error *err) {
    int axes[SL_MAX_RANK], count = -1, rank = call->in[0]->rank;
    bool known = op_has_in(call, 3) && call->in[3]->data;
    sl_status st = SL_OK;
    for (size_t i = 1; st == SL_OK && i < call->in_count; i++) {
        if (!op_has_in(call, i))
            continue;
        st = rule_dtype(call, i, OPS_BIT(SL_INT64) | OPS_BIT(SL_INT32), err);
        if (st == SL_OK)
            st = rule_rank(call, i, 1, err);
    }
    if (st == SL_OK && known)
        st = rule_axes(call, 3, NULL, rank, axes, &count, err);
    if (st != SL_OK)
        return st;
    if (count < 0) /* the first so many axes, or any */
        count = op_has_in(call, 1) && !op_has_in(call, 3) ? (int)call->in[1]->dims[0] : rank;
    rule_like(call, 0);
    for (int i = 0; i < count && i < rank; i++)
        rule_at_most(call, 0, known ? axes[i] : i, 0);
    return SL_OK;
}

static sl_status infer_slice(const struct op_call *call, sl_error *err) {
    struct move_cut cut;
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK && is_open(call))
        return bound_cut(call, err);
    if (st == SL_OK)
        st = move_read_cut(call, &cut, err);
    if (st == SL_OK)
        rule_set(call->out[0], call->in[0]->dtype, call->in[0]->rank, cut.size);
    return st;
}

static void run_slice(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *y = call->out[0];
    struct move_cut cut;
    int64_t from[SL_MAX_RANK], to[SL_MAX_RANK], first = 0;
    if (move_read_cut(call, &cut, NULL) != SL_OK || !rule_count(y))
        return;
    strided_dense(x, from);
    strided_dense(y, to);
    for (int i = 0; i < x->rank; i++) {
        first += cut.start[i] * from[i];
        from[i] *= cut.step[i];
    }
    strided_copy(strided_nbytes(x), y->rank, y->dims,
                 (const char *)x->data + first * (int64_t)strided_nbytes(x), from, y->data, to);
}

MOVE(slice, "Slice", 1, 5, 1, "axes ends starts", 30, 0)

/* Tile and Expand: the input again and again. Where the last dims are those of the input a whole piece is
 * copied, where the input has one there, one element is written all over it. */
static void fill_piece(char *to, const char *from, size_t nbytes, int64_t count) {
    memcpy(to, from, nbytes);
    for (size_t done = nbytes, all = (size_t)count * nbytes; done < all; done *= 2)
        memcpy(to + done, to, done < all - done ? done : all - done);
}

static void repeat(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *y = call->out[0];
    size_t nbytes = strided_nbytes(x);
    int64_t strides[SL_MAX_RANK], piece = 1, n = rule_count(y);
    int lead = y->rank - x->rank, rank = y->rank;
    bool ones = !x->rank || x->dims[x->rank - 1] == 1;
    strided_dense(x, strides);
    for (; rank > 0; rank--) {
        int64_t size = rank > lead ? x->dims[rank - 1 - lead] : 1;
        if (size != (ones ? 1 : y->dims[rank - 1]))
            break;
        piece *= y->dims[rank - 1];
    }
    for (int64_t i = 0; i < n; i += piece) {
        int64_t rest = i / piece, from = 0;
        for (int d = rank - 1; d >= 0; d--) {
            if (d >= lead)
                from += rest % y->dims[d] % x->dims[d - lead] * strides[d - lead];
            rest /= y->dims[d];
        }
        char *to = (char *)y->data + (size_t)i * nbytes;
        const char *at = (const char *)x->data + (size_t)from * nbytes;
        if (ones)
            fill_piece(to, at, nbytes, piece);
        else
            memcpy(to, at, (size_t)piece * nbytes);
    }
}

static sl_status infer_tile(const struct op_call *call, sl_error *err) {
    int64_t repeats[SL_MAX_RANK];
    int count;
    const sl_tensor *x = call->in[0];
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_ints(call, 1, NULL, repeats, SL_MAX_RANK, &count, err);
    if (st == SL_OK && count != x->rank)
        st = error_set(err, SL_E_MODEL, "%d repeats for %d dims", count, x->rank);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    for (int i = 0; i < count; i++)
        if (repeats[i] < 0 || __builtin_mul_overflow(x->dims[i], repeats[i], &call->out[0]->dims[i]))
            return error_set(err, SL_E_MODEL, "repeat %d is %lld", i, (long long)repeats[i]);
    return SL_OK;
}

static void run_tile(const struct op_call *call) {
    repeat(call);
}

MOVE(tile, "Tile", 2, 2, 1, NULL, 2, 2)

static sl_status infer_expand(const struct op_call *call, sl_error *err) {
    sl_tensor wish = {.dtype = SL_INT64};
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_ints(call, 1, NULL, wish.dims, SL_MAX_RANK, &wish.rank, err);
    for (int i = 0; st == SL_OK && i < wish.rank; i++)
        if (wish.dims[i] < 0)
            st = error_set(err, SL_E_MODEL, "dim %d of the new shape is %lld", i, (long long)wish.dims[i]);
    if (st == SL_OK)
        st = rule_broadcast(call->in[0], &wish, &wish, err);
    if (st == SL_OK)
        rule_set(call->out[0], call->in[0]->dtype, wish.rank, wish.dims);
    return st;
}

static void run_expand(const struct op_call *call) {
    repeat(call);
}

MOVE(expand, "Expand", 2, 2, 1, NULL, 2, 2)
