/* plan_print.c: the steps of a plan as a table. */
#include <string.h>

#include "graph/plan.h"
#include "ops/rules.h"
#include "support/text.h"

static const char *const places[] = {
    [PLAN_CONST] = "model", [PLAN_INPUT] = "input", [PLAN_OUTPUT] = "output", [PLAN_ARENA] = "arena"};

/* Names stand in as deep as their graph does: this many columns a level. */
#define INDENT 2

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Of the steps and those of graphs inside them. */
static size_t longest(const struct plan *plan, bool names, size_t depth) {
    size_t width = 4;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        width =
            larger(width, names ? INDENT * depth + strlen(text_quote(step->name)) : strlen(step->op->name));
        for (size_t k = 0; k < step->attr_count; k++)
            if (step->attrs[k].body)
                width = larger(width, longest(plan_of_body(step->attrs[k].body), names, depth + 1));
    }
    return width;
}

struct table {
    struct buf *out;
    int name_width, op_width;
};

static void print_steps(const struct table *t, const struct plan *plan, int depth);

/* "-- then_branch of 'node'", then its steps, a level deeper. */
static void print_bodies(const struct table *t, const struct plan_step *step, int depth) {
    for (size_t i = 0; i < step->attr_count; i++) {
        if (!step->attrs[i].body)
            continue;
        buf_printf(t->out, "%4s  %*s-- %s of '%s'\n", "", INDENT * depth, "", step->attrs[i].name,
                   text_quote(step->name));
        print_steps(t, plan_of_body(step->attrs[i].body), depth + 1);
    }
}

static void print_step(const struct table *t, const struct plan *plan, size_t at, int depth) {
    const struct plan_step *step = &plan->steps[at];
    bool first = true;
    for (size_t k = 0; k < step->out_count; k++) {
        char shape[RULE_TEXT], size[24];
        if (step->out[k] == PLAN_NONE)
            continue;
        const struct plan_value *value = &plan->values[step->out[k]];
        int indent = INDENT * depth < t->name_width ? INDENT * depth : t->name_width;
        if (first)
            buf_printf(t->out, "%4zu  %*s%-*.*s  %-*s", at, indent, "", t->name_width - indent,
                       t->name_width - indent, text_quote(step->name), t->op_width, step->op->name);
        else
            buf_printf(t->out, "%4s  %-*s  %-*s", "", t->name_width, "", t->op_width, "");
        rule_text(shape, &value->tensor);
        if (value->dynamic && strlen(shape) + 9 < sizeof shape)
            strcat(shape, " at most");
        buf_printf(t->out, "  %-28s  %-6s  %10s\n", shape, places[value->place],
                   text_nbytes(size, sizeof size, value->nbytes));
        first = false;
    }
}

static void print_steps(const struct table *t, const struct plan *plan, int depth) {
    for (size_t i = 0; i < plan->step_count; i++) {
        print_step(t, plan, i, depth);
        print_bodies(t, &plan->steps[i], depth);
    }
}

void plan_print_steps(const struct plan *plan, struct buf *out) {
    size_t names = longest(plan, true, 0), operators = longest(plan, false, 0);
    struct table t = {.out = out,
                      .name_width = names > 40 ? 40 : (int)names,
                      .op_width = operators > 40 ? 40 : (int)operators};
    buf_printf(out, "%4s  %-*s  %-*s  %-28s  %-6s  %10s\n", "step", t.name_width, "name", t.op_width,
               "operator", "output", "place", "bytes");
    print_steps(&t, plan, 0);
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
