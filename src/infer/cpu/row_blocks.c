/* row_blocks.c: products and convolutions of as many rows as the data makes (regions of a detector, what a
 * mask picks). Primitives are made for one size, so such a step is a program of its own over a fixed number
 * of rows, and runs again and again until all rows are done; the last time it steps back to end where memory
 * ends, and does some rows twice. Each row has the same bits wherever it stands, so that changes nothing.
 *
 * Faster R-CNN with MobileNetV3 at 320, one image with load: 2.09 s by the references, 0.61 s in blocks. The
 * product of its 75 regions of 12,544 numbers: 752 ms with what the arena held behind the rows, 43 ms with
 * zeros there. */
#include <stdio.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "support/mem.h"

#define MOST_ROWS 128  /* enough for weights of some 50 MB to be worth reading */
#define MOST_IMAGES 16 /* rows of images are large: their copies in other layouts stay in cache */

struct row_blocks {
    struct row_blocks *next;
    size_t index; /* of the step in the program */
    int64_t rows, bound;
    size_t in_nbytes, out_nbytes; /* of a row */
    struct plan plan;             /* of one step */
    struct cpu_program code;
    struct cpu_frame *frames; /* one a thread */
    bool *opened;
    char what[80];
};

static bool is_op(const struct plan_step *s, const char *name) {
    return !*s->op->domain && !strcmp(s->op->name, name);
}

/* Only dim 0 is a bound. */
static bool has_open_rows(const struct plan *plan, uint32_t value) {
    const struct plan_value *v = value == PLAN_NONE ? NULL : &plan->values[value];
    if (!v || !v->dynamic || v->tensor.dtype != SL_FLOAT || v->tensor.rank < 2 || !v->nbytes)
        return false;
    for (int d = 1; d < v->tensor.rank; d++)
        if (v->least[d] != v->tensor.dims[d])
            return false;
    return true;
}

/* Row r of the output is made of row r of input 0 and of constants. */
static bool goes_by_rows(const struct plan *plan, const struct plan_step *s) {
    struct op_call call = {.attrs = s->attrs, .attr_count = s->attr_count, .opset = s->opset};
    bool product = is_op(s, "MatMul") || is_op(s, "Gemm");
    if ((!product && !is_op(s, "Conv") && !is_op(s, "ConvTranspose")) || s->out_count != 1 ||
        !has_open_rows(plan, s->in[0]) || !has_open_rows(plan, s->out[0]) || op_attr_int(&call, "transA", 0))
        return false;
    for (size_t i = 1; i < s->in_count; i++) {
        const struct plan_value *v = s->in[i] == PLAN_NONE ? NULL : &plan->values[s->in[i]];
        if (!v)
            continue;
        bool rows = i > 1 && product && v->tensor.rank > 1 && v->tensor.dims[0] != 1;
        if (v->place != PLAN_CONST || rows || (product && v->tensor.rank > 2))
            return false;
    }
    return plan->values[s->in[0]].tensor.dims[0] == plan->values[s->out[0]].tensor.dims[0];
}

/* The step alone, over `rows` rows: value i is input i, the last is the output. */
static sl_status make_plan(struct row_blocks *b, const struct plan *plan, sl_error *err) {
    const struct plan_step *from = &plan->steps[b->index];
    size_t count = from->in_count + 1;
    struct arena *arena = &b->code.memory;
    struct plan_value *values = arena_alloc(arena, count, sizeof *values);
    struct plan_step *step = arena_alloc(arena, 1, sizeof *step);
    uint32_t *ports = arena_alloc(arena, count, sizeof *ports);
    if (!values || !step || !ports)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    for (size_t i = 0; i < count; i++) {
        uint32_t value = i < from->in_count ? from->in[i] : from->out[0];
        ports[i] = value == PLAN_NONE ? PLAN_NONE : (uint32_t)i;
        if (value == PLAN_NONE)
            continue;
        values[i] = plan->values[value];
        if (i != 0 && i != from->in_count)
            continue;
        values[i].place = i ? PLAN_OUTPUT : PLAN_INPUT;
        values[i].dynamic = false;
        values[i].tensor.dims[0] = b->rows;
        values[i].nbytes = values[i].nbytes / (size_t)b->bound * (size_t)b->rows;
    }
    *step = *from;
    step->dynamic = false;
    step->in = ports;
    step->out = ports + from->in_count;
    b->in_nbytes = values[0].nbytes / (size_t)b->rows;
    b->out_nbytes = values[from->in_count].nbytes / (size_t)b->rows;
    b->plan = (struct plan){.graph = plan->graph,
                            .batch = b->rows,
                            .values = values,
                            .value_count = count,
                            .steps = step,
                            .step_count = 1};
    return SL_OK;
}

static void run_blocks(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct row_blocks *b = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    struct cpu_frame *own = &b->frames[frame->thread];
    bool run;
    if (plan_size_step(frame->plan, step->index, call, plan_room_at(frame->plan, frame->dynamic), &run,
                       &frame->error) != SL_OK ||
        !run)
        return;
    void *scratch = own->scratch;
    int64_t n = call->out[0]->dims[0], end = (n + b->rows - 1) / b->rows * b->rows;
    end = end < b->bound ? end : b->bound;
    /* what lies behind the rows is computed too: leftovers read as denormal numbers cost hundreds of cycles
     * each */
    memset((char *)call->in[0]->data + (size_t)n * b->in_nbytes, 0, (size_t)(end - n) * b->in_nbytes);
    own->scratch = frame->scratch;
    for (int64_t at = 0; at < n; at += b->rows) {
        size_t first = (size_t)(at + b->rows <= b->bound ? at : b->bound - b->rows);
        own->values[0].data = (char *)call->in[0]->data + first * b->in_nbytes;
        own->values[call->in_count].data = (char *)call->out[0]->data + first * b->out_nbytes;
        step_run(&b->code.steps[0], own);
    }
    own->scratch = scratch;
}

static void drop(struct row_blocks *b) {
    mem_free(b->frames);
    mem_free(b->opened);
    onednn_clear(&b->code);
    arena_clear(&b->code.memory);
    mem_free(b->code.steps);
    mem_free(b);
}

static sl_status fill(struct row_blocks *b, const struct cpu_program *program, sl_error *err) {
    b->code.plan = &b->plan;
    b->code.precision = program->precision;
    b->code.rehearsal = program->rehearsal;
    b->code.threads = program->threads;
    b->frames = mem_alloc(program->threads, sizeof *b->frames);
    b->opened = mem_alloc(program->threads, sizeof *b->opened);
    sl_status st = b->frames && b->opened ? make_plan(b, program->plan, err)
                                          : error_set(err, SL_E_MEMORY, "out of memory for the program");
    if (st == SL_OK)
        st = reference_fill(&b->code, err);
    return st == SL_OK ? steps_fill(&b->code, err) : st;
}

sl_status row_blocks_take(struct cpu_program *program, size_t index, sl_error *err) {
    const struct plan_step *s = &program->plan->steps[index];
    if (!goes_by_rows(program->plan, s))
        return SL_OK;
    const sl_tensor *x = &program->plan->values[s->in[0]].tensor;
    int64_t most = x->rank > 2 && !is_op(s, "MatMul") ? MOST_IMAGES : MOST_ROWS;
    struct row_blocks *b = mem_alloc(1, sizeof *b);
    if (!b)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    arena_init(&b->code.memory);
    b->index = index;
    b->bound = x->dims[0];
    int64_t blocks = (b->bound + most - 1) / most; /* of equal size: few rows are done twice */
    b->rows = (b->bound + blocks - 1) / blocks;
    sl_status st = fill(b, program, err);
    if (st != SL_OK || !strcmp(b->code.steps[0].what, "reference")) {
        drop(b);
        return st;
    }
    b->next = program->blocks;
    program->blocks = b;
    program->packed_nbytes += b->code.packed_nbytes;
    program->mapped_nbytes += b->code.mapped_nbytes + b->code.memory.used_nbytes;
    struct cpu_step *step = &program->steps[index];
    step->run = run_blocks;
    step->provider = b;
    snprintf(b->what, sizeof b->what, "%s, in blocks of %lld rows", b->code.steps[0].what,
             (long long)b->rows);
    step->what = b->what;
    if (b->code.steps[0].scratch_nbytes > step->scratch_nbytes)
        step->scratch_nbytes = b->code.steps[0].scratch_nbytes;
    return SL_OK;
}

size_t row_blocks_primitives(const struct cpu_program *program) {
    size_t count = 0;
    for (const struct row_blocks *b = program->blocks; b; b = b->next)
        count += onednn_count(&b->code);
    return count;
}

sl_status row_blocks_open(const struct cpu_program *program, unsigned thread, sl_error *err) {
    static const struct cpu_room none; /* there is no arena, and the scratch is the whole program's */
    sl_status st = SL_OK;
    for (struct row_blocks *b = program->blocks; st == SL_OK && b; b = b->next) {
        st = frame_open(&b->frames[thread], &b->code, thread, &none, err);
        b->opened[thread] = st == SL_OK;
    }
    return st;
}

void row_blocks_close(const struct cpu_program *program, unsigned thread) {
    for (struct row_blocks *b = program->blocks; b; b = b->next) {
        if (b->opened[thread])
            frame_close(&b->frames[thread], &b->code);
        b->opened[thread] = false;
    }
}

void row_blocks_clear(struct cpu_program *program) {
    while (program->blocks) {
        struct row_blocks *b = program->blocks;
        program->blocks = b->next;
        drop(b);
    }
}
