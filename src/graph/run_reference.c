/* run_reference.c: the plainest way to run a plan: one step after the other, each by its operator's
 * reference. */
#include "graph/run_reference.h"

#include "graph/work.h"
#include "support/mem.h"

struct reference {
    const struct plan *plan;
    struct arena memory;          /* what prepare made */
    struct op_prepared *prepared; /* one a step */
    sl_tensor *tensors;           /* one a value */
    const sl_tensor **in;         /* room for one call */
    sl_tensor **out;
    void *arena, *scratch, *dynamic; /* the last for a plan_room */
    char *text;
    size_t scratch_nbytes;
};

sl_status reference_run_node(struct op_call *call, const struct op *op, sl_error *err) {
    struct arena memory;
    struct op_prepared prepared = {0};
    sl_error failed = {0};
    arena_init(&memory);
    sl_status st = op->prepare ? op->prepare(call, &memory, &prepared, err) : SL_OK;
    void *scratch = st == SL_OK ? mem_map(prepared.scratch_nbytes) : NULL;
    if (st == SL_OK && !scratch)
        st = work_out_of_memory(err);
    if (st == SL_OK) {
        call->state = prepared.state;
        call->scratch = scratch;
        call->failed = &failed;
        op->run(call);
        call->failed = NULL;
        if (failed.status != SL_OK)
            *err = failed;
        st = failed.status;
    }
    if (scratch)
        mem_unmap(scratch, prepared.scratch_nbytes);
    arena_clear(&memory);
    return st;
}

static struct op_call step_call(struct reference *r, const struct plan_step *step) {
    for (size_t i = 0; i < step->in_count; i++)
        r->in[i] = step->in[i] == PLAN_NONE ? NULL : &r->tensors[step->in[i]];
    for (size_t i = 0; i < step->out_count; i++)
        r->out[i] = step->out[i] == PLAN_NONE ? NULL : &r->tensors[step->out[i]];
    return (struct op_call){.attrs = step->attrs,
                            .attr_count = step->attr_count,
                            .opset = step->opset,
                            .in = r->in,
                            .in_count = step->in_count,
                            .out = r->out,
                            .out_count = step->out_count,
                            .scratch = r->scratch,
                            .text = r->text ? r->text + step->text_offset : NULL};
}

static sl_status prepare_steps(struct reference *r, sl_error *err) {
    const struct plan *plan = r->plan;
    for (size_t i = 0; i < plan->value_count; i++)
        r->tensors[i] = plan->values[i].tensor;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        struct op_call call = step_call(r, step);
        sl_status st = step->op->prepare ? step->op->prepare(&call, &r->memory, &r->prepared[i], err) : SL_OK;
        if (st == SL_OK)
            st = plan_check_state(step, r->prepared[i].state, err);
        if (st != SL_OK)
            return st;
        if (r->prepared[i].scratch_nbytes > r->scratch_nbytes)
            r->scratch_nbytes = r->prepared[i].scratch_nbytes;
    }
    r->scratch = mem_map(r->scratch_nbytes);
    r->arena = mem_map(plan->arena_nbytes);
    r->text = mem_map(plan->text_nbytes);
    return r->scratch && r->arena && r->text ? SL_OK : work_out_of_memory(err);
}

sl_status reference_open(struct reference **reference, const struct plan *plan, sl_error *err) {
    struct reference *r = mem_alloc(1, sizeof *r);
    size_t widest = 1;
    if (!r)
        return work_out_of_memory(err);
    r->plan = plan;
    arena_init(&r->memory);
    for (size_t i = 0; i < plan->step_count; i++) {
        widest = plan->steps[i].in_count > widest ? plan->steps[i].in_count : widest;
        widest = plan->steps[i].out_count > widest ? plan->steps[i].out_count : widest;
    }
    r->prepared = arena_alloc(&r->memory, plan->step_count, sizeof *r->prepared);
    r->tensors = arena_alloc(&r->memory, plan->value_count, sizeof *r->tensors);
    r->in = arena_alloc(&r->memory, widest, sizeof *r->in);
    r->out = arena_alloc(&r->memory, widest, sizeof *r->out);
    r->dynamic = arena_alloc(&r->memory, 1, plan_room_nbytes(plan));
    sl_status st = r->prepared && r->tensors && r->in && r->out && r->dynamic ? prepare_steps(r, err)
                                                                              : work_out_of_memory(err);
    if (st == SL_OK)
        *reference = r;
    else
        reference_close(r);
    return st;
}

void reference_close(struct reference *r) {
    if (!r)
        return;
    if (r->scratch)
        mem_unmap(r->scratch, r->scratch_nbytes);
    if (r->arena)
        mem_unmap(r->arena, r->plan->arena_nbytes);
    if (r->text)
        mem_unmap(r->text, r->plan->text_nbytes);
    arena_clear(&r->memory);
    mem_free(r);
}

sl_status reference_run(struct reference *r, void *input, void *output, sl_error *err) {
    const struct plan *plan = r->plan;
    sl_error failed = {0};
    for (size_t i = 0; i < plan->value_count; i++) {
        const struct plan_value *value = &plan->values[i];
        char *block = value->place == PLAN_INPUT ? input : value->place == PLAN_OUTPUT ? output : r->arena;
        r->tensors[i].data = value->place == PLAN_CONST ? value->tensor.data : block + value->offset;
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        struct op_call call = step_call(r, &plan->steps[i]);
        bool run = true;
        call.state = r->prepared[i].state;
        if (plan->steps[i].dynamic) {
            sl_status st = plan_size_step(plan, i, &call, plan_room_at(plan, r->dynamic), &run, err);
            if (st != SL_OK)
                return st;
        }
        call.failed = &failed;
        if (run)
            plan->steps[i].op->run(&call);
        if (failed.status != SL_OK) {
            *err = failed;
            return failed.status;
        }
    }
    plan_keep_dims(plan, r->tensors, output);
    plan_keep_texts(plan, output);
    return SL_OK;
}
