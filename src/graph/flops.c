/* flops.c: what the heavy operators cost, two for a multiply-add; everything else counts as nothing. */
#include <string.h>

#include "graph/work.h"
#include "ops/rules.h"

static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t x;
    return __builtin_mul_overflow(a, b, &x) ? UINT64_MAX / 4 : x;
}

/* Of graphs inside: as often as they run; once where nobody knows. */
static uint64_t body_flops(const struct op *op, const struct op_call *call) {
    uint64_t most = 0, trips = op->trips(call);
    for (size_t i = 0; i < call->attr_count; i++)
        if (call->attrs[i].body && plan_of_body(call->attrs[i].body)->flops > most)
            most = plan_of_body(call->attrs[i].body)->flops;
    return times(most, trips == UINT64_MAX ? 1 : trips);
}

uint64_t work_flops(const struct op *op, const struct op_call *call) {
    if (op->body_in)
        return body_flops(op, call);
    if ((*op->domain && strcmp(op->domain, "sluice") != 0) || !call->out_count || !call->out[0])
        return 0;
    uint64_t outs = (uint64_t)rule_count(call->out[0]);
    const sl_tensor *x = call->in_count ? call->in[0] : NULL, *w = call->in_count > 1 ? call->in[1] : NULL;
    if (!strcmp(op->name, "Conv"))
        return times(2 * outs, (uint64_t)rule_product(w, 1, w->rank));
    if (!strcmp(op->name, "ConvTranspose"))
        return times(2 * (uint64_t)rule_count(x), (uint64_t)rule_product(w, 1, w->rank));
    if (!strcmp(op->name, "Gemm"))
        return times(2 * outs, (uint64_t)x->dims[op_attr_int(call, "transA", 0) ? 0 : 1]);
    if (!strcmp(op->name, "MatMul") || !strcmp(op->name, "Linear"))
        return times(2 * outs, (uint64_t)x->dims[x->rank - 1]);
    return 0;
}
