/* topk.c: TopK: the k largest or smallest of each line along an axis, in order, with where they stood. Equal
 * ones come in the order of their places; NaN counts as larger than every number. Always sorted, which
 * sorted=0 leaves open. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/strided.h"

static sl_status infer(const struct op_call *call, sl_error *err) {
    int64_t k = 0;
    int count = 0, axis = 0;
    bool attribute = call->opset < 10, open = !attribute && op_has_in(call, 1) && !call->in[1]->data;
    if (call->in_count != (attribute ? 1u : 2u))
        return error_set(err, SL_E_MODEL, "TopK of opset %lld has %d inputs, not %zu", (long long)call->opset,
                         attribute ? 1 : 2, call->in_count);
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", -1), call->in[0]->rank, &axis, err);
    if (st == SL_OK && open) {
        st = rule_dtype(call, 1, OPS_BIT(SL_INT64), err);
        if (st == SL_OK && rule_count(call->in[1]) != 1)
            st = error_set(err, SL_E_MODEL, "input 1 must be one number");
        k = call->in[0]->dims[axis];
    }
    if (st == SL_OK && !open)
        st = rule_ints(call, attribute ? SIZE_MAX : 1, attribute ? "k" : NULL, &k, 1, &count, err);
    if (st == SL_OK && !open && count != 1)
        st = error_set(err, SL_E_MODEL, "k is missing");
    if (st == SL_OK && (k < 0 || (k > call->in[0]->dims[axis] && !call->loose)))
        st = error_set(err, SL_E_MODEL, "k is %lld, but axis %d has %lld elements", (long long)k, axis,
                       (long long)call->in[0]->dims[axis]);
    for (size_t i = 0; st == SL_OK && i < call->out_count; i++) {
        if (!op_has_out(call, i))
            continue;
        rule_like(call, i);
        call->out[i]->dims[axis] = k;
        if (i == 1)
            call->out[i]->dtype = SL_INT64;
        if (open)
            rule_at_most(call, i, axis, 0);
    }
    return st;
}

static int line_axis(const struct op_call *call) {
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", -1), call->in[0]->rank, &axis, NULL);
    return axis;
}

static int64_t line_k(const struct op_call *call) {
    const sl_tensor *y = op_has_out(call, 0) ? call->out[0] : call->out[1];
    return y->dims[line_axis(call)];
}

static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    (void)arena, (void)err;
    prepared->scratch_nbytes = (size_t)line_k(call) * sizeof(int64_t);
    return SL_OK;
}

/* One line of x, and the places chosen from it so far: a heap, the last in order on top. */
struct line {
    const sl_tensor *x;
    int64_t first, step; /* of x, in elements */
    int64_t *places;
    bool largest;
};

static int compare(const sl_tensor *x, int64_t a, int64_t b) {
    if (element_kind(x->dtype) == ELEMENT_REAL) {
        double one = element_real(x->dtype, x->data, a), two = element_real(x->dtype, x->data, b);
        if (isnan(one) || isnan(two))
            return (int)isnan(one) - (int)isnan(two);
        return (one > two) - (one < two);
    }
    int64_t one = element_index(x->dtype, x->data, a), two = element_index(x->dtype, x->data, b);
    if (x->dtype == SL_UINT64)
        return ((uint64_t)one > (uint64_t)two) - ((uint64_t)one < (uint64_t)two);
    return (one > two) - (one < two);
}

/* Whether place a of the line goes before place b; no two are equal. */
static bool before(const struct line *l, int64_t a, int64_t b) {
    int order = compare(l->x, l->first + a * l->step, l->first + b * l->step);
    return order ? (order > 0) == l->largest : a < b;
}

/* Puts `place` on top of a heap of `count` and lets it sink to where it belongs. */
static void sink(const struct line *l, int64_t count, int64_t place) {
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(l, l->places[child], l->places[(child + 1)]))
            child++;
        if (!before(l, place, l->places[child]))
            break;
        l->places[at] = l->places[child];
    }
    l->places[at] = place;
}

/* Adds `place` at the heap's end and lets it rise. */
static void rise(const struct line *l, int64_t count, int64_t place) {
    int64_t at = count;
    for (; at > 0; at = (at - 1) / 2) {
        int64_t parent = l->places[(at - 1) / 2];
        if (!before(l, parent, place))
            break;
        l->places[at] = parent;
    }
    l->places[at] = place;
}

static void choose(const struct line *l, int64_t n, int64_t k) {
    for (int64_t i = 0; i < n && k > 0; i++) {
        if (i < k)
            rise(l, i, i);
        else if (before(l, i, l->places[0]))
            sink(l, k, i);
    }
    for (int64_t last = k - 1; last > 0; last--) {
        int64_t top = l->places[0], place = l->places[last];
        sink(l, last, place);
        l->places[last] = top;
    }
}

static void run(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *values = op_has_out(call, 0) ? call->out[0] : NULL;
    sl_tensor *indices = op_has_out(call, 1) ? call->out[1] : NULL;
    int axis = line_axis(call);
    int64_t n = x->dims[axis], k = line_k(call), step = rule_product(x, axis + 1, x->rank);
    size_t nbytes = strided_nbytes(x);
    struct line l = {.x = x,
                     .step = step,
                     .places = call->scratch,
                     .largest = call->opset < 11 || op_attr_int(call, "largest", 1) != 0};
    for (int64_t i = 0, lines = rule_product(x, 0, axis) * step; i < lines; i++) {
        l.first = i / step * n * step + i % step;
        choose(&l, n, k);
        for (int64_t j = 0, to = i / step * k * step + i % step; j < k; j++, to += step) {
            if (indices)
                ((int64_t *)indices->data)[to] = l.places[j];
            if (values)
                memcpy((char *)values->data + (size_t)to * nbytes,
                       (const char *)x->data + (size_t)(l.first + l.places[j] * step) * nbytes, nbytes);
        }
    }
}

const struct op op_topk = {.domain = "",
                           .name = "TopK",
                           .since = 1,
                           .min_in = 1,
                           .max_in = 2,
                           .min_out = 1,
                           .max_out = 2,
                           .attrs = "axis k largest sorted",
                           .infer = infer,
                           .prepare = prepare,
                           .run = run,
                           .sized = 2,
                           .grows = 2};
