/* reverse_sequence.c: ReverseSequence: the first steps of each row, as many as its length says, turned round.
 * A length that comes from a record is taken as the nearest one the row has. */
#include <string.h>

#include "ops/index.h"
#include "ops/ops.h"
#include "ops/strided.h"

static sl_status infer(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int64_t batch = op_attr_int(call, "batch_axis", 1), time = op_attr_int(call, "time_axis", 0);
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_INDEX, err);
    if (st == SL_OK && !((batch == 0 && time == 1) || (batch == 1 && time == 0)))
        st = error_set(err, SL_E_MODEL, "attributes 'batch_axis' and 'time_axis' are not 0 and 1");
    if (st == SL_OK)
        st = rule_vector(call, 1, x->dims[batch], err);
    for (int64_t i = 0; st == SL_OK && call->in[1]->data && i < x->dims[batch]; i++) {
        int64_t length = element_index(call->in[1]->dtype, call->in[1]->data, i);
        if (length < 0 || length > x->dims[time])
            st = error_set(err, SL_E_MODEL, "length %lld is outside a dim of %lld", (long long)length,
                           (long long)x->dims[time]);
    }
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run(const struct op_call *call) {
    const sl_tensor *x = call->in[0], *lengths = call->in[1];
    int batch = (int)op_attr_int(call, "batch_axis", 1), time = 1 - batch;
    int64_t steps = x->dims[time];
    size_t slab = (size_t)rule_product(x, 2, x->rank) * strided_nbytes(x);
    for (int64_t i = 0, n = slab ? x->dims[0] * x->dims[1] : 0; i < n; i++) {
        int64_t at[2] = {i / x->dims[1], i % x->dims[1]};
        int64_t length = element_index(lengths->dtype, lengths->data, at[batch]);
        length = length < steps ? length : steps;
        if (at[time] < length)
            at[time] = length - 1 - at[time];
        memcpy((char *)call->out[0]->data + (size_t)i * slab,
               (const char *)x->data + (size_t)(at[0] * x->dims[1] + at[1]) * slab, slab);
    }
}

const struct op op_reverse_sequence = {.domain = "",
                                       .name = "ReverseSequence",
                                       .since = 10,
                                       .min_in = 2,
                                       .max_in = 2,
                                       .min_out = 1,
                                       .max_out = 1,
                                       .attrs = "batch_axis time_axis",
                                       .infer = infer,
                                       .run = run};
