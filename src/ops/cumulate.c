/* cumulate.c: CumSum and CumProd: along one axis, each element put together with all before it. */
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status infer(const struct op_call *call, sl_error *err) {
    int64_t axis;
    int count, at;
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_ints(call, 1, NULL, &axis, 1, &count, err);
    if (st == SL_OK && count != 1)
        st = error_set(err, SL_E_MODEL, "the axis is missing");
    if (st == SL_OK)
        st = rule_axis(axis, call->in[0]->rank, &at, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void cumulate(const struct op_call *call, bool product) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    int axis = 0;
    (void)rule_axis(element_index(call->in[1]->dtype, call->in[1]->data, 0), x->rank, &axis, NULL);
    bool exclusive = op_attr_int(call, "exclusive", 0) != 0, reverse = op_attr_int(call, "reverse", 0) != 0;
    bool real = element_kind(x->dtype) == ELEMENT_REAL;
    int64_t n = x->dims[axis], inner = rule_product(x, axis + 1, x->rank);
    for (int64_t line = 0, lines = rule_product(x, 0, axis) * inner; line < lines; line++) {
        double sum = product ? 1 : 0;
        uint64_t whole = product ? 1 : 0;
        for (int64_t k = 0; k < n; k++) {
            int64_t i = line / inner * n * inner + line % inner + (reverse ? n - 1 - k : k) * inner;
            double value = real ? element_real(x->dtype, x->data, i) : 0;
            uint64_t whole_value = real ? 0 : (uint64_t)element_index(x->dtype, x->data, i);
            double next = product ? sum * value : sum + value;
            uint64_t next_whole = product ? whole * whole_value : whole + whole_value;
            if (real)
                element_set_real(y->dtype, y->data, i, exclusive ? sum : next);
            else
                element_set_unsigned(y->dtype, y->data, i, exclusive ? whole : next_whole);
            sum = next;
            whole = next_whole;
        }
    }
}

static void run_sum(const struct op_call *call) {
    cumulate(call, false);
}

static void run_product(const struct op_call *call) {
    cumulate(call, true);
}

#define CUMULATE(id, op_name, op_since, op_run)                                                              \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = 2,                                                                  \
                               .max_in = 2,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "exclusive reverse",                                                 \
                               .infer = infer,                                                               \
                               .run = op_run};

CUMULATE(cum_sum, "CumSum", 11, run_sum)
CUMULATE(cum_prod, "CumProd", 26, run_product)
