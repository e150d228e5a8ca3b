/* plan.c: making a plan, in its order: bind dims, infer and fold, passes, then what is left becomes steps and
 * values, each with its place. */
#include "graph/plan.h"

#include <string.h>

#include "graph/passes/passes.h"
#include "graph/work.h"
#include "ops/rules.h"
#include "support/mem.h"
#include "support/text.h"

typedef sl_status pass_fn(struct work *w, sl_error *err);

static sl_status run_list(struct work *w, pass_fn *const *passes, sl_error *err) {
    sl_status st = SL_OK;
    for (; st == SL_OK && *passes; passes++)
        st = (*passes)(w, err);
    return st;
}

static sl_status run_passes(struct work *w, sl_error *err) {
    /* products before transposes, so that a bias is out of their way, and again for what then follows them */
    static pass_fn *const passes[] = {pass_widen,       pass_contrib,     pass_dead_code,   pass_identity,
                                      pass_common,      pass_dead_code,   pass_drop_expand, pass_fold_pad,
                                      pass_batch_norm,  pass_layer_norm,  pass_gelu,        pass_swish,
                                      pass_fuse_tokens, pass_fuse_conv,   pass_fuse_linear, pass_split_linear,
                                      pass_transpose,   pass_hoist_scale, pass_attention,   pass_transpose,
                                      pass_fuse_linear, pass_transpose,   pass_dead_code,   NULL};
    static pass_fn *const first[] = {pass_widen,     pass_identity,     pass_quantized,
                                     pass_dead_code, work_fold_waiting, NULL};
    if (w->options->no_passes)
        return SL_OK;
    sl_status st = bounds_hide(w, err);
    if (st == SL_OK && w->options->int8)
        st = run_list(w, first, err);
    if (st == SL_OK)
        st = run_list(w, passes, err);
    bounds_show(w);
    return st;
}

/* An output that is a constant, an input, or another output too needs a copy to stand in its own block. */
static sl_status separate_outputs(struct work *w, sl_error *err) {
    uint32_t *makers = work_find_makers(w);
    bool *taken = mem_alloc(w->value_count + w->graph->output_count, sizeof *taken);
    sl_status st = makers && taken ? SL_OK : work_out_of_memory(err);
    for (size_t i = 0; st == SL_OK && i < w->graph->output_count; i++) {
        uint32_t from = w->outputs[i];
        bool made = makers[from] != GRAPH_NONE && !w->values[from].constant;
        if (made && !taken[from]) {
            taken[from] = true;
            continue;
        }
        const char *name = w->graph->values[w->graph->outputs[i]].name;
        uint32_t copy = work_add_value(w, name);
        struct work_node *node = work_add_node(w, op_find("", "Identity", 1), name, 1, 1);
        if (copy == GRAPH_NONE || !node) {
            st = work_out_of_memory(err);
            break;
        }
        node->opset = 1;
        node->in[0] = from;
        node->out[0] = copy;
        w->values[copy].tensor = w->values[from].tensor;
        w->values[copy].tensor.data = NULL;
        w->values[copy].bound = w->values[from].bound;
        w->values[copy].known = true;
        w->outputs[i] = copy;
    }
    mem_free(makers);
    mem_free(taken);
    return st;
}

/* Which values are left, and their numbers in the plan. */
struct emitter {
    struct work *w;
    struct plan *plan;
    uint32_t *numbers; /* of a work value, or PLAN_NONE */
};

static uint32_t emit_value(struct emitter *e, uint32_t from, enum plan_place place) {
    if (from == GRAPH_NONE)
        return PLAN_NONE;
    if (e->numbers[from] != PLAN_NONE)
        return e->numbers[from];
    const struct work_value *value = &e->w->values[from];
    struct plan_value *to = &e->plan->values[e->plan->value_count];
    *to = (struct plan_value){.name = value->name,
                              .tensor = value->tensor,
                              .place = value->constant ? PLAN_CONST : place,
                              .nbytes = rule_nbytes(&value->tensor),
                              .dynamic = value->bound && value->bound->dynamic};
    memcpy(to->least, to->dynamic ? value->bound->least : value->tensor.dims, sizeof to->least);
    if (value->constant)
        e->plan->weight_nbytes += to->nbytes;
    return e->numbers[from] = (uint32_t)e->plan->value_count++;
}

/* How much of it is whose, nobody can tell: so it is all one record's. */
static sl_status emit_dynamic_port(struct emitter *e, uint32_t value, const char *name,
                                   struct plan_port *port, sl_error *err) {
    const sl_tensor *t = &e->w->values[value].tensor;
    const int64_t *least = e->w->values[value].bound->least;
    char text[RULE_TEXT];
    if (e->w->batch != 1)
        return error_set(err, SL_E_MODEL,
                         "output '%s' of model '%s' is %s at most, as its records make it, and nothing tells "
                         "which row is of which record: such a model runs with --batch-size 1",
                         text_quote(name), text_quote(e->w->graph->path), rule_text(text, t));
    port->name = name;
    port->value = emit_value(e, value, PLAN_OUTPUT);
    port->dynamic = e->plan->dynamic = true;
    port->whole = e->w->options->unbatched || !t->rank || t->dims[0] != 1 || least[0] != 1;
    port->row_nbytes = rule_nbytes(t);
    return SL_OK;
}

static sl_status emit_port(struct emitter *e, uint32_t value, const char *name, enum plan_place place,
                           struct plan_port *port, sl_error *err) {
    const sl_tensor *t = &e->w->values[value].tensor;
    char text[RULE_TEXT];
    const struct work_bound *bound = e->w->values[value].bound;
    bool whole = e->w->options->unbatched, rows = t->rank > 0 && t->dims[0] == e->w->batch;
    if (bound && bound->dynamic && !e->w->options->free_rows)
        return emit_dynamic_port(e, value, name, port, err);
    if (!rows && !whole && !e->w->options->free_rows)
        return error_set(err, SL_E_MODEL,
                         "output '%s' of model '%s' is %s, but its first dimension must be the batch (%lld)",
                         text_quote(name), text_quote(e->w->graph->path), rule_text(text, t),
                         (long long)e->w->batch);
    port->name = name;
    port->value = emit_value(e, value, place);
    port->dynamic = e->plan->values[port->value].dynamic;
    e->plan->dynamic = e->plan->dynamic || port->dynamic;
    port->whole = whole;
    port->row_nbytes = whole ? rule_nbytes(t) : rows && t->dims[0] ? rule_nbytes(t) / (size_t)t->dims[0] : 0;
    return SL_OK;
}

/* ZipMap gives the columns of a score matrix names, which are not in the tensor. */
static const struct attr *find_labels(const struct graph *g, uint32_t output) {
    for (size_t i = 0; i < g->node_count; i++) {
        const struct graph_node *node = &g->nodes[i];
        if (!node->out_count || node->out[0] != output || strcmp(node->op_type, "ZipMap") != 0)
            continue;
        for (size_t k = 0; k < node->attr_count; k++)
            if ((node->attrs[k].type == ATTR_STRINGS || node->attrs[k].type == ATTR_INTS) &&
                node->attrs[k].count)
                return &node->attrs[k];
    }
    return NULL;
}

static sl_status emit_ports(struct emitter *e, sl_error *err) {
    const struct graph *g = e->w->graph;
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < g->input_count; i++)
        st = emit_port(e, e->w->inputs[i], g->values[g->inputs[i]].name, PLAN_INPUT,
                       &e->plan->inputs[e->plan->input_count++], err);
    for (size_t i = 0; st == SL_OK && i < g->output_count; i++) {
        struct plan_port *port = &e->plan->outputs[e->plan->output_count++];
        st = emit_port(e, e->w->outputs[i], g->values[g->outputs[i]].name, PLAN_OUTPUT, port, err);
        port->labels = find_labels(g, g->outputs[i]);
    }
    return st;
}

static void emit_dynamic(struct plan *plan, struct plan_step *step) {
    size_t count = step->in_count + step->out_count;
    for (size_t i = 0; i < count; i++) {
        uint32_t value = i < step->in_count ? step->in[i] : step->out[i - step->in_count];
        step->dynamic = step->dynamic || (value != PLAN_NONE && plan->values[value].dynamic);
    }
    if (step->dynamic && count > plan->dynamic_room)
        plan->dynamic_room = count;
}

static sl_status emit_step(struct emitter *e, const struct work_node *node, sl_error *err) {
    struct plan_step *step = &e->plan->steps[e->plan->step_count++];
    struct op_call call = work_call(e->w, node);
    *step = (struct plan_step){.op = node->op,
                               .name = node->name,
                               .attrs = node->attrs,
                               .attr_count = node->attr_count,
                               .opset = node->opset,
                               .in = arena_alloc(&e->plan->memory, node->in_count, sizeof *step->in),
                               .out = arena_alloc(&e->plan->memory, node->out_count, sizeof *step->out),
                               .in_count = node->in_count,
                               .out_count = node->out_count,
                               .flops = work_flops(node->op, &call)};
    if (!step->in || !step->out)
        return work_out_of_memory(err);
    for (size_t i = 0; i < node->in_count; i++)
        step->in[i] = emit_value(e, node->in[i], PLAN_ARENA);
    for (size_t i = 0; i < node->out_count; i++)
        step->out[i] = emit_value(e, node->out[i], PLAN_ARENA);
    for (size_t i = 0; i < node->attr_count; i++)
        if (node->attrs[i].body)
            e->plan->weight_nbytes += plan_of_body(node->attrs[i].body)->weight_nbytes;
    emit_dynamic(e->plan, step);
    e->plan->flops += step->flops;
    return SL_OK;
}

static sl_status emit(struct work *w, struct plan *plan, sl_error *err) {
    struct emitter e = {.w = w, .plan = plan, .numbers = mem_alloc(w->value_count, sizeof *e.numbers)};
    plan->batch = w->batch;
    plan->graph = w->graph;
    plan->loaded_once = w->options->loaded_once;
    plan->values = arena_alloc(&plan->memory, w->value_count, sizeof *plan->values);
    plan->steps = arena_alloc(&plan->memory, w->node_count, sizeof *plan->steps);
    plan->inputs = arena_alloc(&plan->memory, w->graph->input_count, sizeof *plan->inputs);
    plan->outputs = arena_alloc(&plan->memory, w->graph->output_count, sizeof *plan->outputs);
    sl_status st = e.numbers && plan->values && plan->steps && plan->inputs && plan->outputs
                       ? SL_OK
                       : work_out_of_memory(err);
    for (size_t i = 0; st == SL_OK && i < w->value_count; i++)
        e.numbers[i] = PLAN_NONE;
    if (st == SL_OK)
        st = emit_ports(&e, err);
    for (size_t i = 0; st == SL_OK && i < w->node_count; i++)
        if (!w->nodes[i].dead)
            st = emit_step(&e, &w->nodes[i], err);
    mem_free(e.numbers);
    return st;
}

sl_status plan_make(struct plan **out, const struct graph *graph, const struct plan_options *options,
                    sl_error *err) {
    struct work w;
    sl_error own = {0}; /* what is below counts on one */
    struct plan *plan = mem_alloc(1, sizeof *plan);
    err = err ? err : &own;
    if (!plan)
        return work_out_of_memory(err);
    arena_init(&plan->memory);
    sl_status st = work_open(&w, graph, options, &plan->memory, err);
    if (st == SL_OK)
        st = work_infer(&w, err);
    if (st == SL_OK)
        st = run_passes(&w, err);
    if (st == SL_OK)
        st = separate_outputs(&w, err);
    if (st == SL_OK)
        st = emit(&w, plan, err);
    plan->bodies = w.bodies;
    if (st == SL_OK)
        st = plan_texts(plan, options, err);
    if (st == SL_OK)
        st = place_values(plan, err);
    if (st == SL_OK)
        *out = plan;
    else
        plan_close(plan);
    return st;
}

void plan_close(struct plan *plan) {
    if (!plan)
        return;
    for (struct plan *body = plan->bodies, *next; body; body = next) {
        next = body->next;
        plan_close(body);
    }
    arena_clear(&plan->memory);
    mem_free(plan);
}
