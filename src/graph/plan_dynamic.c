/* plan_dynamic.c: steps whose sizes depend on data, while a batch runs. Before each of them its shape rule is
 * asked again, now with what the inputs are in this batch; memory is there for the most that it said when the
 * plan was made. */
#include <string.h>

#include "graph/plan.h"
#include "ops/rules.h"
#include "support/text.h"

size_t plan_room_nbytes(const struct plan *plan) {
    return plan->dynamic_room * (sizeof(sl_tensor) + sizeof(sl_tensor *));
}

struct plan_room plan_room_at(const struct plan *plan, void *block) {
    sl_tensor *tensors = block;
    return (struct plan_room){.tensors = tensors,
                              .in = (const sl_tensor **)(void *)(tensors + plan->dynamic_room)};
}

sl_status plan_check_state(const struct plan_step *step, const void *state, sl_error *err) {
    if (!step->dynamic || !state || step->op->any_size)
        return SL_OK;
    return error_set(
        err, SL_E_MODEL,
        "cannot run node '%s' (operator '%s'): it is prepared for one size, and its input's size "
        "depends on the records",
        text_quote(step->name), step->op->name);
}

/* The rule sees the values of constants and of what it makes a shape of; others it would take for constants.
 */
static void show_inputs(const struct plan *plan, const struct plan_step *step, const struct op_call *call,
                        struct plan_room room) {
    for (size_t i = 0; i < step->in_count; i++) {
        room.in[i] = call->in[i];
        if (!call->in[i] || plan->values[step->in[i]].place == PLAN_CONST ||
            (i < 32 && (step->op->sized >> i & 1u)))
            continue;
        room.tensors[i] = *call->in[i];
        room.tensors[i].data = NULL;
        room.in[i] = &room.tensors[i];
    }
}

static sl_status check_output(const struct plan_step *step, size_t i, const sl_tensor *t,
                              const struct plan_value *planned, sl_error *err) {
    char one[RULE_TEXT], other[RULE_TEXT];
    bool fits = t->rank == planned->tensor.rank && t->dtype == planned->tensor.dtype;
    for (int d = 0; fits && d < t->rank; d++)
        fits = t->dims[d] >= 0 && t->dims[d] <= planned->tensor.dims[d];
    if (fits)
        return SL_OK;
    return error_set(
        err, SL_E_INTERNAL,
        "cannot run node '%s' (operator '%s'): output %zu would be %s, and at most %s was planned",
        text_quote(step->name), step->op->name, i, rule_text(one, t), rule_text(other, &planned->tensor));
}

sl_status plan_size_step(const struct plan *plan, size_t index, const struct op_call *call,
                         struct plan_room room, bool *run, sl_error *err) {
    const struct plan_step *step = &plan->steps[index];
    struct op_call asked = *call;
    sl_error inner = {0};
    asked.in = room.in;
    asked.least = NULL;
    show_inputs(plan, step, call, room);
    for (size_t i = 0; i < step->out_count; i++)
        if (call->out[i])
            room.tensors[step->in_count + i].data = call->out[i]->data;
    *run = step->op->bounded;
    if (step->op->infer(&asked, &inner) != SL_OK)
        return error_set(err, SL_E_DATA, "cannot run node '%s' (operator '%s'): %s", text_quote(step->name),
                         step->op->name, inner.text);
    for (size_t i = 0; i < step->out_count; i++) {
        if (!call->out[i])
            continue;
        call->out[i]->data = room.tensors[step->in_count + i].data;
        sl_status st = check_output(step, i, call->out[i], &plan->values[step->out[i]], err);
        if (st != SL_OK)
            return st;
        *run = *run || rule_count(call->out[i]) > 0;
    }
    return SL_OK;
}

void plan_keep_dims(const struct plan *plan, const sl_tensor *values, void *output) {
    for (size_t i = 0; i < plan->output_count; i++) {
        const struct plan_port *port = &plan->outputs[i];
        if (port->dynamic)
            memcpy((char *)output + port->dims_offset, values[port->value].dims,
                   sizeof values[port->value].dims);
    }
}

sl_tensor plan_output(const struct plan *plan, size_t i, const void *output) {
    const struct plan_port *port = &plan->outputs[i];
    const struct plan_value *value = &plan->values[port->value];
    sl_tensor t = value->tensor;
    if (value->place != PLAN_CONST)
        t.data = (char *)(uintptr_t)output + value->offset;
    if (port->dynamic)
        memcpy(t.dims, (const char *)output + port->dims_offset, sizeof t.dims);
    return t;
}
