/* cpu_reference.c: every step by its operator's reference, bound to a thread's memory once. */
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "support/mem.h"
#include "support/text.h"

static void run_reference(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    frame->plan->steps[step->index].op->run(call);
}

/* The same for a step whose sizes depend on data. */
static void run_dynamic(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct plan *plan = frame->plan;
    const struct op_call *call = &frame->calls[step->index];
    bool run;
    if (plan_size_step(plan, step->index, call, plan_room_at(plan, frame->dynamic), &run, &frame->error) ==
            SL_OK &&
        run)
        plan->steps[step->index].op->run(call);
}

/* A call of one step with its tensors; pointers go into `slots`, which has room for in_count + out_count. */
static void bind_call(const struct plan *plan, size_t index, sl_tensor *values, sl_tensor **slots,
                      struct op_call *call) {
    const struct plan_step *s = &plan->steps[index];
    sl_tensor **in = slots, **out = slots + s->in_count;
    for (size_t i = 0; i < s->in_count; i++)
        in[i] = s->in[i] == PLAN_NONE ? NULL : &values[s->in[i]];
    for (size_t i = 0; i < s->out_count; i++)
        out[i] = s->out[i] == PLAN_NONE ? NULL : &values[s->out[i]];
    *call = (struct op_call){.attrs = s->attrs,
                             .attr_count = s->attr_count,
                             .opset = s->opset,
                             .in = (const sl_tensor *const *)in,
                             .in_count = s->in_count,
                             .out = out,
                             .out_count = s->out_count};
}

static size_t slot_count(const struct plan *plan) {
    size_t count = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        count += plan->steps[i].in_count + plan->steps[i].out_count;
    return count ? count : 1;
}

static sl_tensor *copy_values(const struct plan *plan) {
    sl_tensor *values = mem_alloc(plan->value_count ? plan->value_count : 1, sizeof *values);
    for (size_t i = 0; values && i < plan->value_count; i++)
        values[i] = plan->values[i].tensor;
    return values;
}

static sl_status prepare_all(struct cpu_program *p, sl_tensor *values, sl_tensor **slots, sl_error *err) {
    for (size_t i = 0; i < p->plan->step_count; i++) {
        const struct plan_step *s = &p->plan->steps[i];
        struct op_prepared prepared = {0};
        struct op_call call;
        bind_call(p->plan, i, values, slots, &call);
        slots += s->in_count + s->out_count;
        sl_status st = s->op->prepare ? s->op->prepare(&call, &p->memory, &prepared, err) : SL_OK;
        if (st != SL_OK)
            error_append(err, " (node '%s')", text_quote(s->name));
        else
            st = plan_check_state(s, prepared.state, err);
        if (st != SL_OK)
            return st;
        p->steps[i] = (struct cpu_step){.run = s->dynamic ? run_dynamic : run_reference,
                                        .index = (uint32_t)i,
                                        .state = prepared.state,
                                        .scratch_nbytes = prepared.scratch_nbytes,
                                        .what = "reference"};
    }
    return SL_OK;
}

sl_status reference_fill(struct cpu_program *p, sl_error *err) {
    sl_tensor *values = copy_values(p->plan);
    sl_tensor **slots = mem_alloc(slot_count(p->plan), sizeof *slots);
    p->steps = mem_alloc(p->plan->step_count ? p->plan->step_count : 1, sizeof *p->steps);
    sl_status st = values && slots && p->steps ? prepare_all(p, values, slots, err)
                                               : error_set(err, SL_E_MEMORY, "out of memory for the program");
    mem_free(values);
    mem_free(slots);
    return st;
}

/* ---- frames ---- */

static bool fit(void **memory, size_t *nbytes, size_t wanted) {
    if (*memory && *nbytes >= wanted)
        return true;
    mem_unmap(*memory, *nbytes);
    *memory = mem_map(wanted);
    *nbytes = wanted;
    return *memory != NULL;
}

sl_status room_fit(struct cpu_room *room, const struct cpu_program *p, sl_error *err) {
    if (fit(&room->arena, &room->arena_nbytes, p->plan->arena_nbytes) &&
        fit(&room->scratch, &room->scratch_nbytes, p->scratch_nbytes))
        return SL_OK;
    return error_set(err, SL_E_MEMORY, "out of memory for a compute thread's arena");
}

void room_close(struct cpu_room *room) {
    mem_unmap(room->arena, room->arena_nbytes);
    mem_unmap(room->scratch, room->scratch_nbytes);
    *room = (struct cpu_room){0};
}

void frame_bind(struct cpu_frame *f, const struct cpu_program *p) {
    const struct plan *plan = p->plan;
    f->scratch = f->room->scratch;
    for (size_t i = 0; i < plan->step_count; i++)
        f->calls[i].scratch = f->scratch;
    for (size_t i = 0; i < plan->value_count; i++)
        if (plan->values[i].place == PLAN_ARENA)
            f->values[i].data = (char *)f->room->arena + plan->values[i].offset;
}

sl_status frame_open(struct cpu_frame *f, const struct cpu_program *p, unsigned thread,
                     const struct cpu_room *room, sl_error *err) {
    const struct plan *plan = p->plan;
    *f = (struct cpu_frame){.plan = plan, .thread = thread, .room = room};
    f->text = mem_map(plan->text_nbytes);
    f->values = copy_values(plan);
    f->dynamic = mem_alloc(1, plan_room_nbytes(plan) + 1);
    /* calls and their pointers in one block */
    f->calls =
        mem_alloc(1, (plan->step_count + 1) * sizeof *f->calls + slot_count(plan) * sizeof(sl_tensor *));
    if (!f->text || !f->values || !f->dynamic || !f->calls) {
        frame_close(f, p);
        return error_set(err, SL_E_MEMORY, "out of memory for a compute thread's arena");
    }
    sl_tensor **slots = (sl_tensor **)(void *)(f->calls + plan->step_count + 1);
    for (size_t i = 0; i < plan->step_count; i++) {
        bind_call(plan, i, f->values, slots, &f->calls[i]);
        f->calls[i].state = p->steps[i].state;
        f->calls[i].failed = &f->error;
        f->calls[i].text = f->text + plan->steps[i].text_offset;
        slots += plan->steps[i].in_count + plan->steps[i].out_count;
    }
    frame_bind(f, p);
    sl_status st = row_blocks_open(p, thread, err);
    if (st != SL_OK)
        frame_close(f, p);
    return st;
}

void frame_close(struct cpu_frame *f, const struct cpu_program *p) {
    row_blocks_close(p, f->thread);
    mem_unmap(f->text, p->plan->text_nbytes);
    mem_free(f->values);
    mem_free(f->dynamic);
    mem_free(f->calls);
    *f = (struct cpu_frame){0};
}

/* While a step runs, the values it wants otherwise are its own copies in scratch. */
void step_run(const struct cpu_step *step, struct cpu_frame *f) {
    void *kept[CPU_MAX_CONVERTS];
    unsigned before = step->before_count, all = before + step->after_count;
    for (unsigned i = 0; i < all; i++) {
        const struct cpu_convert *c = i < before ? &step->before[i] : &step->after[i - before];
        void *own = (char *)f->scratch + c->offset;
        kept[i] = f->values[c->value].data;
        if (i < before)
            format_convert(c, kept[i], own);
        f->values[c->value].data = own;
    }
    step->run(step, f);
    for (unsigned i = all; i-- > 0;) {
        const struct cpu_convert *c = i < before ? &step->before[i] : &step->after[i - before];
        if (i >= before)
            format_convert(c, f->values[c->value].data, kept[i]);
        f->values[c->value].data = kept[i];
    }
}

sl_status frame_run(struct cpu_frame *f, const struct cpu_program *p, void *input, void *output,
                    sl_error *err) {
    const struct plan *plan = p->plan;
    for (size_t i = 0; i < plan->value_count; i++) {
        const struct plan_value *v = &plan->values[i];
        if (v->place == PLAN_INPUT)
            f->values[i].data = (char *)input + v->offset;
        else if (v->place == PLAN_OUTPUT)
            f->values[i].data = (char *)output + v->offset;
    }
    f->error.status = SL_OK;
    for (size_t i = 0; f->error.status == SL_OK && i < plan->step_count; i++)
        if (p->steps[i].run)
            step_run(&p->steps[i], f);
    if (f->error.status != SL_OK) {
        *err = f->error;
        return err->status;
    }
    plan_keep_dims(plan, f->values, output);
    plan_keep_texts(plan, output);
    return SL_OK;
}
