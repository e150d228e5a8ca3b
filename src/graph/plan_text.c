/* plan_text.c: room for text. A string in a tensor is a pointer and a length; its bytes belong to the record
 * (the slot's input), to the model (labels, constants), or to the step that made it. The last have a bounded
 * room here, each step its own for as long as the batch runs: what a row may bring bounds what can be made of
 * it. */
#include <string.h>

#include "graph/work.h"
#include "ops/rules.h"
#include "support/mem.h"

/* Beside each value of the plan. */
struct known_text {
    struct op_text bound;
    bool made; /* bytes in a step's room, perhaps */
};

static size_t plus(size_t a, size_t b) {
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX / 4 : sum;
}

static size_t times(size_t a, size_t b) {
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX / 4 : product;
}

static void add_texts(struct op_text *bound, const sl_string *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bound->longest = texts[i].nbytes > bound->longest ? texts[i].nbytes : bound->longest;
        bound->total = plus(bound->total, texts[i].nbytes);
    }
}

static struct op_text constant_text(const sl_tensor *t) {
    struct op_text bound = {0};
    if (t->dtype == SL_STRING && t->data)
        add_texts(&bound, t->data, (size_t)rule_count(t));
    return bound;
}

/* Texts that come from attributes (labels, values, defaults). */
static size_t longest_attr(const struct op_call *call) {
    struct op_text bound = {0};
    for (size_t i = 0; i < call->attr_count; i++) {
        const struct attr *attr = &call->attrs[i];
        if (attr->type == ATTR_STRING)
            add_texts(&bound, &attr->s, 1);
        else if (attr->type == ATTR_STRINGS)
            add_texts(&bound, attr->strings, attr->count);
        else if (attr->type == ATTR_TENSOR && attr->tensor->dtype == SL_STRING)
            add_texts(&bound, attr->tensor->data, (size_t)rule_count(attr->tensor));
    }
    return bound.longest > 7 ? bound.longest : 7; /* "_Unused" */
}

size_t text_room(const struct op *op, const struct op_call *call) {
    struct op_text in[8] = {{0}}, out = {0};
    if (!op->text)
        return 0;
    for (size_t i = 0; i < call->in_count && i < 8; i++)
        if (call->in[i])
            in[i] = constant_text(call->in[i]);
    return op->text(call, in, &out);
}

static bool is_string(const struct plan *plan, uint32_t value) {
    return value != PLAN_NONE && plan->values[value].tensor.dtype == SL_STRING;
}

/* What is known of a step's outputs, from its inputs; and its room. */
static void bound_step(struct plan *plan, struct plan_step *step, struct known_text *known) {
    const sl_tensor *in[8] = {NULL};
    sl_tensor *out[1] = {step->out_count && step->out[0] != PLAN_NONE ? &plan->values[step->out[0]].tensor
                                                                      : NULL};
    struct op_text bounds[8] = {{0}};
    struct op_call call = {.attrs = step->attrs,
                           .attr_count = step->attr_count,
                           .opset = step->opset,
                           .in = in,
                           .in_count = step->in_count < 8 ? step->in_count : 8,
                           .out = out,
                           .out_count = 1};
    struct known_text all = {.bound = {.longest = longest_attr(&call)}};
    for (size_t i = 0; i < step->in_count; i++) {
        if (!is_string(plan, step->in[i]))
            continue;
        const struct known_text *k = &known[step->in[i]];
        all.bound.longest = k->bound.longest > all.bound.longest ? k->bound.longest : all.bound.longest;
        all.made = all.made || k->made;
    }
    for (size_t i = 0; i < call.in_count; i++)
        if (step->in[i] != PLAN_NONE) {
            in[i] = &plan->values[step->in[i]].tensor;
            bounds[i] = known[step->in[i]].bound;
        }
    for (size_t i = 0; i < step->out_count; i++) {
        if (!is_string(plan, step->out[i]))
            continue;
        struct known_text *k = &known[step->out[i]];
        *k = all;
        k->bound.total = times(all.bound.longest, (size_t)rule_count(&plan->values[step->out[i]].tensor));
        if (step->op->view && step->in_count)
            k->bound = bounds[0];
        if (!step->op->text || i > 0)
            continue;
        k->bound = (struct op_text){0};
        size_t room = step->op->text(&call, bounds, &k->bound);
        step->text_offset = plan->text_nbytes;
        plan->text_nbytes = plus(plan->text_nbytes, room);
        k->made = k->made || room > 0;
    }
}

static void bound_inputs(struct plan *plan, size_t row_nbytes, struct known_text *known) {
    for (size_t i = 0; i < plan->value_count; i++)
        if (plan->values[i].place == PLAN_CONST)
            known[i].bound = constant_text(&plan->values[i].tensor);
    for (size_t i = 0; i < plan->input_count; i++) {
        uint32_t value = plan->inputs[i].value;
        if (!is_string(plan, value) || plan->values[value].place == PLAN_CONST)
            continue;
        const sl_tensor *t = &plan->values[value].tensor;
        known[value].bound.longest = row_nbytes;
        known[value].bound.total = times(row_nbytes, (size_t)(t->rank ? t->dims[0] : 1));
        plan->text_row_nbytes = row_nbytes;
    }
}

sl_status plan_texts(struct plan *plan, const struct plan_options *options, sl_error *err) {
    struct known_text *known = mem_alloc(plan->value_count + 1, sizeof *known);
    if (!known)
        return work_out_of_memory(err);
    bound_inputs(plan, options->text_row_nbytes, known);
    for (size_t i = 0; i < plan->step_count; i++)
        bound_step(plan, &plan->steps[i], known);
    for (size_t i = 0; i < plan->output_count; i++) {
        struct plan_port *port = &plan->outputs[i];
        if (!is_string(plan, port->value))
            continue;
        port->text_longest = known[port->value].bound.longest;
        port->text_nbytes = known[port->value].made ? known[port->value].bound.total : 0;
    }
    bool fits = plan->text_nbytes < SIZE_MAX / 8;
    mem_free(known);
    return fits ? SL_OK
                : error_set(err, SL_E_MODEL, "the texts that the model makes have no bound that fits");
}

void plan_keep_texts(const struct plan *plan, void *output) {
    for (size_t i = 0; i < plan->output_count; i++) {
        const struct plan_port *port = &plan->outputs[i];
        const struct plan_value *value = &plan->values[port->value];
        if (!port->text_nbytes || value->place != PLAN_OUTPUT)
            continue;
        sl_string *cells = (sl_string *)(void *)((char *)output + value->offset);
        char *text = (char *)output + port->text_offset;
        sl_tensor out = plan_output(plan, i, output);
        for (int64_t k = 0, n = rule_count(&out); k < n; k++) {
            if (cells[k].nbytes)
                memcpy(text, cells[k].data, cells[k].nbytes);
            cells[k].data = text;
            text += cells[k].nbytes;
        }
    }
}
