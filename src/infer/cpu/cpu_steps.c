/* cpu_steps.c: who computes each step. In running order, so that the formats of a step's inputs are known
 * when it is its turn; whoever takes it may choose how its outputs lie. What nobody takes stays with its
 * reference. */
#include "infer/cpu/cpu_step.h"

#include <string.h>

#include "infer/cpu/row_kernels.h"
#include "support/text.h"

bool value_may_format(const struct cpu_program *program, uint32_t value) {
    const struct plan_value *v = &program->plan->values[value];
    int64_t images, channels, points;
    format_sizes(&v->tensor, &images, &channels, &points);
    return v->place == PLAN_ARENA && !v->viewed && v->tensor.dtype == SL_FLOAT && v->tensor.rank >= 3 &&
           v->tensor.rank <= 5 && points > 1 && channels > 1;
}

bool levels_may_format(const struct cpu_program *program, uint32_t value) {
    const struct plan_value *v = &program->plan->values[value];
    return v->place == PLAN_ARENA && !v->viewed && v->tensor.rank >= 3 && v->tensor.rank <= 5 &&
           (v->tensor.dtype == SL_INT8 || v->tensor.dtype == SL_UINT8);
}

static size_t align(size_t nbytes) {
    return (nbytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

sl_status step_wants(struct cpu_program *program, size_t index, uint32_t value, bool output,
                     struct cpu_format want, sl_error *err) {
    struct cpu_step *step = &program->steps[index];
    struct cpu_format own = program->formats[value];
    const sl_tensor *tensor = &program->plan->values[value].tensor;
    const struct cpu_convert *old = output ? step->after : step->before;
    unsigned count = output ? step->after_count : step->before_count;
    if (format_same(own, want))
        return SL_OK;
    for (unsigned i = 0; i < count; i++)
        if (old[i].value == value)
            return SL_OK;
    if (step->before_count + step->after_count == CPU_MAX_CONVERTS)
        return error_set(err, SL_E_MODEL, "cannot run node '%s': more than %d of its inputs are images",
                         text_quote(program->plan->steps[index].name), CPU_MAX_CONVERTS);
    struct cpu_convert *all = arena_alloc(&program->memory, count + 1, sizeof *all);
    if (!all)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    if (count)
        memcpy(all, old, count * sizeof *all);
    struct cpu_convert *c = &all[count];
    *c = (struct cpu_convert){.value = value,
                              .from = output ? want : own,
                              .to = output ? own : want,
                              .offset = align(step->scratch_nbytes)};
    format_sizes(tensor, &c->images, &c->channels, &c->points);
    step->scratch_nbytes = c->offset + align(format_nbytes(tensor, want));
    if (output) {
        step->after = all;
        step->after_count++;
    } else {
        step->before = all;
        step->before_count++;
    }
    return SL_OK;
}

/* For a step that knows of no formats, everything is made plain. */
static sl_status make_plain(struct cpu_program *program, size_t index, sl_error *err) {
    const struct plan_step *step = &program->plan->steps[index];
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < step->in_count + step->out_count; i++) {
        bool output = i >= step->in_count;
        uint32_t value = output ? step->out[i - step->in_count] : step->in[i];
        if (value != PLAN_NONE)
            st =
                step_wants(program, index, value, output,
                           (struct cpu_format){LAYOUT_PLAIN, program->plan->values[value].tensor.dtype}, err);
    }
    return st;
}

static sl_status take(struct cpu_program *program, size_t index, sl_error *err) {
    bool taken =
        affine_take(program, index) || grid_take(program, index) || onednn_transposed_take(program, index);
    sl_status st = taken ? SL_OK : resize_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = onednn_einsum_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = image_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = trees_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = small_linear_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = rows_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = onednn_pool_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = levels_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = onednn_int8_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = onednn_product_take(program, index, &taken, err);
    if (st == SL_OK && !taken)
        st = onednn_attention_take(program, index, &taken, err);
    return st;
}

sl_status steps_fill(struct cpu_program *program, sl_error *err) {
    const struct plan *plan = program->plan;
    program->formats = arena_alloc(&program->memory, plan->value_count + 1, sizeof *program->formats);
    if (!program->formats)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    for (size_t i = 0; i < plan->value_count; i++)
        program->formats[i] = (struct cpu_format){LAYOUT_PLAIN, plan->values[i].tensor.dtype};
    program->kernels = row_kernels();
    sl_status st = onednn_open(program, err);
    if (st == SL_OK)
        st = recurrent_fill(program, err);
    for (size_t i = 0; st == SL_OK && i < plan->step_count; i++) {
        /* all but row_blocks take sizes for what they are; graphs inside run by themselves */
        if (plan->steps[i].dynamic)
            st = row_blocks_take(program, i, err);
        else if (!plan->steps[i].op->body_in)
            st = take(program, i, err);
        if (st == SL_OK && !program->steps[i].formatted)
            st = make_plain(program, i, err);
    }
    return st == SL_OK ? onednn_pack_all(program, err) : st;
}
