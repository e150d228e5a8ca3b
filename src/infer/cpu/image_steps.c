/* image_steps.c: steps that only move images about, where channels-last spares the moving: Transpose between
 * planes and channels-last, which then is a copy, and Concat along the channels. */
#include <string.h>

#include "infer/cpu/cpu_step.h"

static size_t nbytes_of(const sl_tensor *t, sl_dtype dtype) {
    return format_nbytes(t, (struct cpu_format){LAYOUT_PLAIN, dtype});
}

static void run_copy(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    memcpy(call->out[0]->data, call->in[0]->data, nbytes_of(call->out[0], call->out[0]->dtype));
}

/* perm is [0, 2, .., rank-1, 1] (to the end), or [0, rank-1, 1, .., rank-2] (from it). */
static bool is_turn(const struct plan_step *step, int rank, bool to_end) {
    struct op_call call = {.attrs = step->attrs, .attr_count = step->attr_count};
    const struct attr *perm = op_attr(&call, "perm");
    if (!perm || perm->count != (size_t)rank || rank < 3 || perm->ints[0] != 0)
        return false;
    for (int i = 1; i < rank; i++) {
        int64_t want = to_end ? (i == rank - 1 ? 1 : i + 1) : (i == 1 ? rank - 1 : i - 1);
        if (perm->ints[i] != want)
            return false;
    }
    return true;
}

static sl_status take_transpose(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *s = &program->plan->steps[index];
    const sl_tensor *x = &program->plan->values[s->in[0]].tensor;
    struct cpu_format last = {LAYOUT_LAST, SL_FLOAT};
    struct cpu_step *step = &program->steps[index];
    if (x->dtype != SL_FLOAT)
        return SL_OK;
    if (is_turn(s, x->rank, true) && program->formats[s->in[0]].layout == LAYOUT_LAST) {
        *taken = true;
    } else if (is_turn(s, x->rank, false) && value_may_format(program, s->out[0])) {
        program->formats[s->out[0]] = last;
        *taken = true;
    }
    if (!*taken)
        return SL_OK;
    step->run = run_copy;
    step->what = "copy, channels last";
    step->formatted = true;
    step->scratch_nbytes = 0;
    return program->formats[s->in[0]].layout == LAYOUT_LAST
               ? step_wants(program, index, s->in[0], false, last, err)
               : SL_OK;
}

/* ---- Concat ---- */

static void run_concat(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    size_t element = (size_t)(uintptr_t)step->provider;
    int64_t images, channels, points, own;
    format_sizes(call->out[0], &images, &channels, &points);
    size_t at = 0, row = (size_t)channels * element;
    for (size_t i = 0; i < call->in_count; i++) {
        const char *from = call->in[i]->data;
        char *to = (char *)call->out[0]->data + at;
        format_sizes(call->in[i], &images, &own, &points);
        size_t n = (size_t)own * element;
        for (int64_t p = 0; p < images * points; p++, from += n, to += row)
            memcpy(to, from, n);
        at += n;
    }
}

static sl_status take_concat(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *s = &program->plan->steps[index];
    struct op_call call = {.attrs = s->attrs, .attr_count = s->attr_count};
    struct cpu_step *step = &program->steps[index];
    int rank = program->plan->values[s->out[0]].tensor.rank;
    int64_t axis = op_attr_int(&call, "axis", 1);
    struct cpu_format format = {LAYOUT_LAST, SL_BFLOAT16};
    if (!value_may_format(program, s->out[0]) || (axis != 1 && axis != 1 - rank))
        return SL_OK;
    for (size_t i = 0; i < s->in_count; i++) {
        if (program->formats[s->in[i]].layout != LAYOUT_LAST)
            return SL_OK;
        if (program->formats[s->in[i]].dtype != SL_BFLOAT16)
            format.dtype = SL_FLOAT;
    }
    *taken = true;
    program->formats[s->out[0]] = format;
    step->run = run_concat;
    step->provider = (void *)(uintptr_t)(sl_dtype_nbits(format.dtype) / 8);
    step->what = "pixels, channels last";
    step->formatted = true;
    step->scratch_nbytes = 0;
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < s->in_count; i++)
        st = step_wants(program, index, s->in[i], false, format, err);
    return st;
}

sl_status image_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *s = &program->plan->steps[index];
    if (*s->op->domain)
        return SL_OK;
    if (!strcmp(s->op->name, "Transpose"))
        return take_transpose(program, index, taken, err);
    if (!strcmp(s->op->name, "Concat"))
        return take_concat(program, index, taken, err);
    return SL_OK;
}
