/* select.c: what is picked by what the data says: NonZero, Compress. How much comes out is known only when
 * they have run. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/strided.h"

/* NonZero: the places of what is not zero, a column each; of a scalar, columns of no rows. */
static sl_status infer_nonzero(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], SL_INT64, 2, (int64_t[]){call->in[0]->rank, rule_count(call->in[0])});
    rule_at_most(call, 0, 1, 0);
    return SL_OK;
}

static bool is_zero(const sl_tensor *x, int64_t i) {
    static const char zeros[16] = {0};
    size_t nbytes = strided_nbytes(x);
    if (x->dtype == SL_STRING)
        return !((const sl_string *)x->data)[i].nbytes;
    if (element_kind(x->dtype) != ELEMENT_OTHER)
        return element_number(x->dtype, x->data, i) == 0;
    if (x->dtype == SL_COMPLEX64) /* minus zero is zero too */
        return ((const float *)x->data)[2 * i] == 0 && ((const float *)x->data)[2 * i + 1] == 0;
    if (x->dtype == SL_COMPLEX128)
        return ((const double *)x->data)[2 * i] == 0 && ((const double *)x->data)[2 * i + 1] == 0;
    return !memcmp((const char *)x->data + (size_t)i * nbytes, zeros, nbytes);
}

static void run_nonzero(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    int64_t n = rule_count(x), found = 0, at = 0, *out = y->data;
    for (int64_t i = 0; i < n; i++)
        found += !is_zero(x, i);
    y->dims[1] = found;
    for (int64_t i = 0; i < n && at < found; i++) {
        if (is_zero(x, i))
            continue;
        int64_t rest = i;
        for (int d = x->rank - 1; d >= 0; d--) {
            out[d * found + at] = rest % x->dims[d];
            rest /= x->dims[d];
        }
        at++;
    }
}

const struct op op_nonzero = {.domain = "",
                              .name = "NonZero",
                              .since = 9,
                              .min_in = 1,
                              .max_in = 1,
                              .min_out = 1,
                              .max_out = 1,
                              .infer = infer_nonzero,
                              .run = run_nonzero,
                              .bounded = true};

/* Compress: the slabs along an axis (or all elements, one after the other) for which the condition holds; a
 * condition that ends early holds for none of the rest. */
static bool has_axis(const struct op_call *call, int *axis, sl_error *err, sl_status *st) {
    const struct attr *attr = op_attr(call, "axis");
    *axis = 0;
    *st = attr ? rule_axis(attr->i, call->in[0]->rank, axis, err) : SL_OK;
    return attr != NULL;
}

static sl_status infer_compress(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int axis;
    bool slabs = false;
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_BIT(SL_BOOL), err);
    if (st == SL_OK)
        st = rule_rank(call, 1, 1, err);
    if (st == SL_OK)
        slabs = has_axis(call, &axis, err, &st);
    if (st != SL_OK)
        return st;
    int64_t n = slabs ? x->dims[axis] : rule_count(x), most = call->in[1]->dims[0];
    if (slabs)
        rule_like(call, 0);
    else
        rule_set(call->out[0], x->dtype, 1, &n);
    call->out[0]->dims[axis] = n < most ? n : most;
    rule_at_most(call, 0, axis, 0);
    return SL_OK;
}

static void run_compress(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *condition = call->in[1];
    sl_tensor *y = call->out[0];
    const uint8_t *wanted = condition->data;
    int axis;
    sl_status st;
    bool slabs = has_axis(call, &axis, NULL, &st);
    int64_t n = slabs ? x->dims[axis] : rule_count(x), found = 0;
    int64_t most = n < condition->dims[0] ? n : condition->dims[0],
            outer = slabs ? rule_product(x, 0, axis) : 1;
    size_t slab = (size_t)(slabs ? rule_product(x, axis + 1, x->rank) : 1) * strided_nbytes(x);
    char *to = y->data;
    for (int64_t i = 0; i < most; i++)
        found += wanted[i] != 0;
    y->dims[axis] = found;
    for (int64_t row = 0; slab && row < outer; row++)
        for (int64_t i = 0; i < most; i++)
            if (wanted[i]) {
                memcpy(to, (const char *)x->data + (size_t)(row * n + i) * slab, slab);
                to += slab;
            }
}

const struct op op_compress = {.domain = "",
                               .name = "Compress",
                               .since = 9,
                               .min_in = 2,
                               .max_in = 2,
                               .min_out = 1,
                               .max_out = 1,
                               .attrs = "axis",
                               .infer = infer_compress,
                               .run = run_compress,
                               .bounded = true};
