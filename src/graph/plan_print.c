/* plan_print.c: the steps of a plan as a table. */
#include <string.h>

#include "graph/plan.h"
#include "ops/rules.h"
#include "support/text.h"

static const char *const places[] = {
    [PLAN_CONST] = "model", [PLAN_INPUT] = "input", [PLAN_OUTPUT] = "output", [PLAN_ARENA] = "arena"};

static int longest(const struct plan *plan, bool names) {
    size_t width = 4;
    for (size_t i = 0; i < plan->step_count; i++) {
        size_t nbytes = strlen(names ? text_quote(plan->steps[i].name) : plan->steps[i].op->name);
        width = nbytes > width ? nbytes : width;
    }
    return width > 40 ? 40 : (int)width;
}

void plan_print_steps(const struct plan *plan, struct buf *out) {
    int name_width = longest(plan, true), op_width = longest(plan, false);
    buf_printf(out, "%4s  %-*s  %-*s  %-28s  %-6s  %10s\n", "step", name_width, "name", op_width, "operator",
               "output", "place", "bytes");
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        bool first = true;
        for (size_t k = 0; k < step->out_count; k++) {
            char shape[RULE_TEXT], size[24];
            if (step->out[k] == PLAN_NONE)
                continue;
            const struct plan_value *value = &plan->values[step->out[k]];
            if (first)
                buf_printf(out, "%4zu  %-*.*s  %-*s", i, name_width, name_width, text_quote(step->name),
                           op_width, step->op->name);
            else
                buf_printf(out, "%4s  %-*s  %-*s", "", name_width, "", op_width, "");
            rule_text(shape, &value->tensor);
            if (value->dynamic && strlen(shape) + 9 < sizeof shape)
                strcat(shape, " at most");
            buf_printf(out, "  %-28s  %-6s  %10s\n", shape, places[value->place],
                       text_nbytes(size, sizeof size, value->nbytes));
            first = false;
        }
    }
}

void plan_print_dynamic(const struct plan *plan, struct buf *out) {
    for (size_t i = 0; i < plan->output_count; i++) {
        char shape[RULE_TEXT];
        const struct plan_port *port = &plan->outputs[i];
        if (port->dynamic)
            buf_printf(out, "  output '%s' is as long as the record makes it, %s at most\n",
                       text_quote(port->name), rule_text(shape, &plan->values[port->value].tensor));
    }
}
