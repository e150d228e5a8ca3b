/* gather.c: Gather, GatherElements, GatherND. */
#include <string.h>

#include "ops/index.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status check(const struct op_call *call, int *axis, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_INDEX, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", 0), call->in[0]->rank, axis, err);
    if (st == SL_OK && !call->loose && !call->in[0]->dims[*axis] && rule_count(call->in[1]))
        st = error_set(err, SL_E_MODEL, "axis %d is empty", *axis);
    return st;
}

#define GATHER(id, op_name, op_since, op_attrs)                                                              \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = 2,                                                                  \
                               .max_in = 2,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = infer_##id,                                                          \
                               .run = run_##id};

static sl_status infer_gather(const struct op_call *call, sl_error *err) {
    int axis;
    sl_status st = check(call, &axis, err);
    if (st == SL_OK && !call->loose)
        st = index_check(call->in[1], call->in[0]->dims[axis], err);
    if (st != SL_OK)
        return st;
    const sl_tensor *x = call->in[0], *indices = call->in[1];
    if (x->rank - 1 + indices->rank > SL_MAX_RANK)
        return error_set(err, SL_E_MODEL, "the result would have more than %d dims", SL_MAX_RANK);
    int64_t dims[SL_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < axis; i++)
        dims[rank++] = x->dims[i];
    for (int i = 0; i < indices->rank; i++)
        dims[rank++] = indices->dims[i];
    for (int i = axis + 1; i < x->rank; i++)
        dims[rank++] = x->dims[i];
    rule_set(call->out[0], x->dtype, rank, dims);
    return SL_OK;
}

static void run_gather(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", 0), x->rank, &axis, NULL);
    size_t slab = (size_t)rule_product(x, axis + 1, x->rank) * (sl_dtype_nbits(x->dtype) / 8);
    int64_t outer = rule_product(x, 0, axis), n = rule_count(call->in[1]), size = x->dims[axis];
    for (int64_t i = 0; slab && i < outer * n; i++)
        memcpy((char *)call->out[0]->data + (size_t)i * slab,
               (const char *)x->data + (size_t)(i / n * size + index_at(call->in[1], i % n, size)) * slab,
               slab);
}

GATHER(gather, "Gather", 1, "axis")

static sl_status infer_gather_elements(const struct op_call *call, sl_error *err) {
    int axis;
    sl_status st = check(call, &axis, err);
    if (st == SL_OK)
        st = rule_rank(call, 1, call->in[0]->rank, err);
    if (st == SL_OK && !call->loose)
        st = index_check(call->in[1], call->in[0]->dims[axis], err);
    for (int i = 0; st == SL_OK && i < call->in[0]->rank; i++)
        if (i != axis && call->in[1]->dims[i] > call->in[0]->dims[i])
            st = error_set(err, SL_E_MODEL, "dim %d of the indices is larger than the input's", i);
    if (st == SL_OK)
        rule_set(call->out[0], call->in[0]->dtype, call->in[1]->rank, call->in[1]->dims);
    return st;
}

static void run_gather_elements(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *indices = call->in[1];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", 0), x->rank, &axis, NULL);
    size_t nbytes = sl_dtype_nbits(x->dtype) / 8;
    for (int64_t i = 0, n = rule_count(indices); i < n; i++) {
        int64_t rest = i, from = 0, step = 1;
        for (int d = x->rank - 1; d >= 0; d--) {
            int64_t at = rest % indices->dims[d];
            from += (d == axis ? index_at(indices, i, x->dims[d]) : at) * step;
            rest /= indices->dims[d];
            step *= x->dims[d];
        }
        memcpy((char *)call->out[0]->data + (size_t)i * nbytes, (const char *)x->data + (size_t)from * nbytes,
               nbytes);
    }
}

GATHER(gather_elements, "GatherElements", 11, "axis")

/* The last dim of the indices is a position in the dims after `batch_dims`. */
static sl_status infer_gather_nd(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0], *indices = call->in[1];
    int64_t batch = op_attr_int(call, "batch_dims", 0);
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_INDEX, err);
    if (st == SL_OK && (batch < 0 || batch >= x->rank || batch >= indices->rank ||
                        indices->dims[indices->rank - 1] > x->rank - batch))
        st = error_set(err, SL_E_MODEL, "the indices do not fit input 0");
    if (st != SL_OK)
        return st;
    int depth = (int)indices->dims[indices->rank - 1], rank = 0;
    int64_t dims[2 * SL_MAX_RANK];
    for (int i = 0; i < indices->rank - 1; i++) {
        if (i < batch && indices->dims[i] != x->dims[i])
            return error_set(err, SL_E_MODEL, "dim %d of the indices and of input 0 differ", i);
        dims[rank++] = indices->dims[i];
    }
    for (int i = (int)batch + depth; i < x->rank; i++)
        dims[rank++] = x->dims[i];
    if (rank > SL_MAX_RANK)
        return error_set(err, SL_E_MODEL, "the result would have more than %d dims", SL_MAX_RANK);
    for (int i = 0; i < depth; i++)
        if (!x->dims[batch + i] && rule_count(indices))
            return error_set(err, SL_E_MODEL, "axis %d is empty", (int)batch + i);
    rule_set(call->out[0], x->dtype, rank, dims);
    return SL_OK;
}

static void run_gather_nd(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *indices = call->in[1];
    int batch = (int)op_attr_int(call, "batch_dims", 0), depth = (int)indices->dims[indices->rank - 1];
    int64_t positions = rule_product(indices, 0, indices->rank - 1);
    int64_t per_batch = rule_product(indices, batch, indices->rank - 1);
    size_t slab = (size_t)rule_product(x, batch + depth, x->rank) * (sl_dtype_nbits(x->dtype) / 8);
    for (int64_t i = 0; slab && i < positions; i++) {
        int64_t from = i / per_batch;
        for (int d = 0; d < depth; d++)
            from = from * x->dims[batch + d] + index_at(indices, i * depth + d, x->dims[batch + d]);
        memcpy((char *)call->out[0]->data + (size_t)i * slab, (const char *)x->data + (size_t)from * slab,
               slab);
    }
}

GATHER(gather_nd, "GatherND", 11, "batch_dims")
