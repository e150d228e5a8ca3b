/* body.c: a graph inside a node (If, Loop, Scan) that stays there because what decides about it is known only
 * when it runs: a plan of its own, with fixed shapes and its own arena, run step by step with the references.
 * A run lives in the scratch of the node's step, so that nothing is allocated then, and threads share what
 * was prepared. */
#include <string.h>

#include "graph/work.h"
#include "ops/rules.h"
#include "support/mem.h"
#include "support/text.h"

struct body {
    struct op_body op; /* first: what the operator sees */
    struct plan *plan;
};

/* What prepare makes of a body, and where things stand in the scratch of a run. */
struct body_code {
    struct op_prepared *prepared; /* one a step */
    uint32_t *ports;              /* of each value: the input or output whose memory it has */
    size_t tensors, in, out, dynamic, arena, scratch; /* `dynamic`: a plan_room */
};

static size_t room(size_t *used, size_t nbytes) {
    size_t at = *used, rounded, end;
    if (__builtin_add_overflow(nbytes, (size_t)PLAN_ALIGN - 1, &rounded) ||
        __builtin_add_overflow(at, rounded / PLAN_ALIGN * PLAN_ALIGN, &end) || end > SIZE_MAX / 4)
        end = SIZE_MAX / 4; /* which no map grants */
    *used = end;
    return at;
}

static struct op_call step_call(const struct plan_step *step, sl_tensor *tensors, const sl_tensor **in,
                                sl_tensor **out) {
    for (size_t i = 0; i < step->in_count; i++)
        in[i] = step->in[i] == PLAN_NONE ? NULL : &tensors[step->in[i]];
    for (size_t i = 0; i < step->out_count; i++)
        out[i] = step->out[i] == PLAN_NONE ? NULL : &tensors[step->out[i]];
    return (struct op_call){.attrs = step->attrs,
                            .attr_count = step->attr_count,
                            .opset = step->opset,
                            .in = in,
                            .in_count = step->in_count,
                            .out = out,
                            .out_count = step->out_count};
}

static void count_widest(const struct plan *plan, size_t *in, size_t *out) {
    *in = *out = 1;
    for (size_t i = 0; i < plan->step_count; i++) {
        *in = plan->steps[i].in_count > *in ? plan->steps[i].in_count : *in;
        *out = plan->steps[i].out_count > *out ? plan->steps[i].out_count : *out;
    }
}

static sl_status prepare_steps(const struct plan *plan, struct body_code *code, struct arena *arena,
                               size_t *scratch, sl_error *err) {
    size_t widest_in, widest_out;
    count_widest(plan, &widest_in, &widest_out);
    sl_tensor *tensors = mem_alloc(plan->value_count + 1, sizeof *tensors);
    const sl_tensor **in = mem_alloc(widest_in, sizeof *in);
    sl_tensor **out = mem_alloc(widest_out, sizeof *out);
    sl_status st = tensors && in && out ? SL_OK : work_out_of_memory(err);
    for (size_t i = 0; st == SL_OK && i < plan->value_count; i++)
        tensors[i] = plan->values[i].tensor;
    *scratch = 0;
    for (size_t i = 0; st == SL_OK && i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        struct op_call call = step_call(step, tensors, in, out);
        if (step->op->prepare)
            st = step->op->prepare(&call, arena, &code->prepared[i], err);
        if (st != SL_OK)
            error_append(err, " (node '%s')", text_quote(step->name));
        else
            st = plan_check_state(step, code->prepared[i].state, err);
        if (code->prepared[i].scratch_nbytes > *scratch)
            *scratch = code->prepared[i].scratch_nbytes;
    }
    mem_free(tensors);
    mem_free(in);
    mem_free(out);
    return st;
}

/* Values that share an output's memory stand at its offset. Outputs of no bytes have those of the next one.
 */
static void find_ports(const struct plan *plan, uint32_t *ports) {
    for (uint32_t i = 0; i < plan->input_count; i++)
        ports[plan->inputs[i].value] = i;
    for (size_t i = 0; i < plan->value_count; i++)
        for (uint32_t k = 0; plan->values[i].place == PLAN_OUTPUT && k < plan->output_count; k++)
            if (plan->values[plan->outputs[k].value].offset == plan->values[i].offset)
                ports[i] = k;
}

static sl_status body_prepare(const struct op_body *op, struct arena *arena, struct op_prepared *prepared,
                              sl_error *err) {
    const struct plan *plan = ((const struct body *)op)->plan;
    struct body_code *code = arena_alloc(arena, 1, sizeof *code);
    size_t used = 0, scratch, widest_in, widest_out;
    if (!code || !(code->prepared = arena_alloc(arena, plan->step_count, sizeof *code->prepared)) ||
        !(code->ports = arena_alloc(arena, plan->value_count, sizeof *code->ports)))
        return work_out_of_memory(err);
    find_ports(plan, code->ports);
    sl_status st = prepare_steps(plan, code, arena, &scratch, err);
    if (st != SL_OK)
        return st;
    count_widest(plan, &widest_in, &widest_out);
    code->tensors = room(&used, plan->value_count * sizeof(sl_tensor));
    code->in = room(&used, widest_in * sizeof(sl_tensor *));
    code->out = room(&used, widest_out * sizeof(sl_tensor *));
    code->dynamic = room(&used, plan_room_nbytes(plan));
    code->arena = room(&used, plan->arena_nbytes);
    code->scratch = room(&used, scratch);
    *prepared = (struct op_prepared){.state = code, .scratch_nbytes = used};
    return SL_OK;
}

static void place_tensors(const struct plan *plan, const struct body_code *code, sl_tensor *tensors,
                          const sl_tensor *const *in, sl_tensor *const *out, char *arena) {
    for (size_t i = 0; i < plan->value_count; i++) {
        const struct plan_value *value = &plan->values[i];
        tensors[i] = value->tensor;
        if (value->place == PLAN_ARENA)
            tensors[i].data = arena + value->offset;
        else if (value->place == PLAN_INPUT)
            tensors[i] = *in[code->ports[i]];
        else if (value->place == PLAN_OUTPUT)
            tensors[i].data = out[code->ports[i]]->data;
    }
}

static bool body_run(const struct op_body *op, const struct op_prepared *prepared, const sl_tensor *const *in,
                     sl_tensor *const *out, void *scratch, sl_error *failed) {
    const struct plan *plan = ((const struct body *)op)->plan;
    const struct body_code *code = prepared->state;
    char *at = scratch;
    sl_tensor *tensors = (sl_tensor *)(void *)(at + code->tensors);
    struct plan_room dynamic = plan_room_at(plan, at + code->dynamic);
    place_tensors(plan, code, tensors, in, out, at + code->arena);
    for (size_t i = 0; i < plan->step_count; i++) {
        struct op_call call = step_call(&plan->steps[i], tensors, (const sl_tensor **)(void *)(at + code->in),
                                        (sl_tensor **)(void *)(at + code->out));
        bool run = true;
        call.state = code->prepared[i].state;
        call.scratch = at + code->scratch;
        call.failed = failed;
        if (plan->steps[i].dynamic && plan_size_step(plan, i, &call, dynamic, &run, failed) != SL_OK)
            return false;
        if (run)
            plan->steps[i].op->run(&call);
        if (failed->status != SL_OK)
            return false;
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        const sl_tensor *made = &tensors[plan->outputs[i].value];
        out[i]->rank = made->rank;
        memcpy(out[i]->dims, made->dims, sizeof made->dims);
    }
    return true;
}

/* ---- making one
 * -------------------------------------------------------------------------------------------------- */

/* The node's own inputs: behind them stand those that its graphs take. */
static size_t own_inputs(const struct work_node *node) {
    size_t count = node->in_count;
    for (size_t i = 0; i < node->attr_count; i++)
        if (node->attrs[i].type == ATTR_GRAPH && (size_t)node->attrs[i].i < count)
            count = (size_t)node->attrs[i].i;
    return count;
}

/* What the graph's inputs are: dtype and dims, and data where they are constants. */
static sl_status describe_inputs(struct work *w, const struct work_node *node, const struct attr *attr,
                                 sl_tensor *in, sl_error *err) {
    const struct graph *g = attr->graph;
    size_t own = g->input_count - g->taken_count;
    struct op_call call = work_call(w, node);
    sl_status st = node->op->body_in(&call, attr, in, own, err);
    for (size_t i = 0; st == SL_OK && i < own; i++) {
        const struct graph_value *value = &g->values[g->inputs[i]];
        if (value->has_shape && value->tensor.rank == 1 && in[i].rank == 0) { /* one number as a list */
            in[i].rank = 1;
            in[i].dims[0] = 1;
        }
        if (value->has_shape && value->tensor.dtype != in[i].dtype)
            st = error_set(err, SL_E_MODEL, "its graph's input '%s' is %s, but gets %s",
                           text_quote(value->name), sl_dtype_name(value->tensor.dtype),
                           sl_dtype_name(in[i].dtype));
    }
    for (size_t i = 0; st == SL_OK && i < g->taken_count; i++)
        in[own + i] = w->values[node->in[(size_t)attr->i + i]].tensor;
    for (size_t i = 0; st == SL_OK && i < own_inputs(node); i++)
        if (node->in[i] != GRAPH_NONE && w->values[node->in[i]].bound &&
            w->values[node->in[i]].bound->dynamic)
            st = error_set(err, SL_E_MODEL,
                           "the size of '%s', which it hands to its graph, is known only when it runs",
                           text_quote(w->values[node->in[i]].name));
    return st;
}

/* An output that is a constant has a copy as its last step. */
static void *constant_of(const struct plan *plan, uint32_t value) {
    for (size_t i = plan->step_count; i-- > 0;) {
        const struct plan_step *step = &plan->steps[i];
        if (step->out_count == 1 && step->out[0] == value)
            return step->op->view && plan->values[step->in[0]].place == PLAN_CONST
                       ? plan->values[step->in[0]].tensor.data
                       : NULL;
    }
    return NULL;
}

/* Constants of its own: those that it takes are the outer plan's. */
static size_t own_weights(const struct plan *plan, const sl_tensor *in, size_t in_count) {
    size_t nbytes = plan->weight_nbytes;
    for (size_t i = 0; i < plan->value_count; i++)
        for (size_t k = 0; plan->values[i].place == PLAN_CONST && k < in_count; k++)
            if (in[k].data == plan->values[i].tensor.data) {
                nbytes -= plan->values[i].nbytes;
                break;
            }
    return nbytes;
}

static uint64_t plus(uint64_t a, uint64_t b) {
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static sl_status finish(struct work *w, struct body *body, sl_error *err) {
    struct plan *plan = body->plan;
    sl_tensor *out = arena_alloc(w->arena, plan->output_count, sizeof *out);
    const int64_t **least = arena_alloc(w->arena, plan->output_count, sizeof *least);
    uint64_t cost = 0;
    if (!out || !least || !plan_inner_cost(plan, &cost))
        return work_out_of_memory(err);
    cost = plus(cost, plan->flops + 64 * (plan->step_count + 1));
    for (size_t i = 0; i < plan->value_count; i++)
        cost = plus(cost, plan->values[i].nbytes);
    for (size_t i = 0; i < plan->output_count; i++) {
        out[i] = plan->values[plan->outputs[i].value].tensor;
        out[i].data = constant_of(plan, plan->outputs[i].value);
        if (plan->values[plan->outputs[i].value].dynamic)
            least[i] = plan->values[plan->outputs[i].value].least;
    }
    plan->weight_nbytes = own_weights(plan, body->op.in, body->op.in_count);
    body->op.cost = cost;
    body->op.out = out;
    body->op.least = least;
    body->op.out_count = plan->output_count;
    body->op.prepare = body_prepare;
    body->op.run = body_run;
    if (plan->text_nbytes)
        return error_set(err, SL_E_MODEL, "its graph makes texts");
    return SL_OK;
}

static sl_status make_plan(struct work *w, struct body *body, const struct graph *g,
                           const struct work_node *node, const struct attr *attr, sl_error *err) {
    const sl_tensor **fixed = mem_alloc(g->input_count + 1, sizeof *fixed);
    const struct work_bound **bounds = mem_alloc(g->input_count + 1, sizeof *bounds);
    struct plan_options options = *w->options;
    options.batch = w->batch;
    options.free_rows = true;
    options.int8 = options.loaded_once = false;
    options.prologues = NULL;
    options.epilogues = NULL;
    options.dim_count = 0;
    options.fixed = fixed;
    options.bounds = bounds;
    options.budget = w->budget;
    sl_status st = fixed && bounds ? SL_OK : work_out_of_memory(err);
    for (size_t i = 0; st == SL_OK && i < g->input_count; i++)
        fixed[i] = &body->op.in[i];
    for (size_t i = 0; st == SL_OK && i < g->taken_count; i++)
        bounds[g->input_count - g->taken_count + i] = w->values[node->in[(size_t)attr->i + i]].bound;
    if (st == SL_OK)
        st = plan_make(&body->plan, g, &options, err);
    mem_free(fixed);
    mem_free(bounds);
    if (st != SL_OK)
        return st;
    body->plan->next = w->bodies;
    w->bodies = body->plan;
    return SL_OK;
}

static sl_status make_body(struct work *w, const struct work_node *node, struct attr *attr, sl_error *err) {
    const struct graph *g = attr->graph;
    struct body *body = arena_alloc(w->arena, 1, sizeof *body);
    sl_tensor *in = arena_alloc(w->arena, g->input_count, sizeof *in);
    sl_error inner = {0};
    if (!body || !in)
        return work_out_of_memory(err);
    sl_status st = describe_inputs(w, node, attr, in, &inner);
    if (st != SL_OK)
        return work_in_node(w, node, st, &inner, err);
    body->op.in = in;
    body->op.in_count = g->input_count;
    st = make_plan(w, body, g, node, attr, err); /* its errors name a node of their own */
    if (st != SL_OK)
        return st;
    st = finish(w, body, &inner);
    attr->body = &body->op;
    return st == SL_OK ? SL_OK : work_in_node(w, node, st, &inner, err);
}

sl_status work_make_bodies(struct work *w, size_t at, sl_error *err) {
    struct work_node node = w->nodes[at];
    struct attr *attrs = arena_alloc(w->arena, node.attr_count, sizeof *attrs);
    sl_status st = attrs ? SL_OK : work_out_of_memory(err);
    for (size_t i = 0; st == SL_OK && i < node.attr_count; i++) {
        attrs[i] = node.attrs[i];
        if (attrs[i].type == ATTR_GRAPH)
            st = make_body(w, &node, &attrs[i], err);
    }
    w->nodes[at].attrs = attrs;
    return st;
}

const struct plan *plan_of_body(const struct op_body *body) {
    return ((const struct body *)body)->plan;
}

uint64_t work_body_cost(const struct op *op, const struct op_call *call) {
    uint64_t most = 0, total;
    if (!op->body_in)
        return 0;
    for (size_t i = 0; i < call->attr_count; i++)
        if (call->attrs[i].body && call->attrs[i].body->cost > most)
            most = call->attrs[i].body->cost;
    return __builtin_mul_overflow(most, op->trips(call), &total) ? UINT64_MAX : total;
}

bool plan_inner_cost(const struct plan *plan, uint64_t *cost) {
    size_t widest_in, widest_out;
    count_widest(plan, &widest_in, &widest_out);
    sl_tensor *tensors = mem_alloc(plan->value_count + 1, sizeof *tensors);
    const sl_tensor **in = mem_alloc(widest_in, sizeof *in);
    sl_tensor **out = mem_alloc(widest_out, sizeof *out);
    bool there = tensors && in && out;
    for (size_t i = 0; there && i < plan->value_count; i++) {
        tensors[i] = plan->values[i].tensor;
        if (plan->values[i].place != PLAN_CONST)
            tensors[i].data = NULL;
    }
    *cost = 0;
    for (size_t i = 0; there && i < plan->step_count; i++) {
        struct op_call call = step_call(&plan->steps[i], tensors, in, out);
        *cost = plus(*cost, work_body_cost(plan->steps[i].op, &call));
    }
    mem_free(tensors);
    mem_free(in);
    mem_free(out);
    return there;
}

void work_close(struct work *w) {
    while (w->bodies) {
        struct plan *next = w->bodies->next;
        plan_close(w->bodies);
        w->bodies = next;
    }
}
