/* onednn_attention.c: ONNX Attention in f32: for each row of the batch, all heads' scores by one product over
 * strides (no head is ever copied out), softmax with scale and mask in place, and the weighted sum by a
 * second product, written where the heads stand side by side. Scores are in scratch: for one row of the batch
 * they fit the second-level cache. */
#include <math.h>
#include <string.h>

#include "infer/cpu/onednn.h"
#include "infer/cpu/row_kernels.h"

/* [rows] of one head, and where the next head is, in elements. */
struct heads {
    int64_t count, rows, size, row_step, head_step, batch_step;
};

struct attention {
    struct heads q, k, v, y;
    int64_t batch;
    float scale;
    uint32_t mask; /* or PLAN_NONE */
    const struct row_kernels *kernels;
    const struct onednn_primitive *scores, *sums;
    size_t scores_nbytes; /* of one row of the batch, 64-byte aligned; the mask's row and the library's room
                             follow */
};

static bool read_heads(const struct op_call *call, const sl_tensor *t, const char *count, struct heads *h) {
    if (t->dtype != SL_FLOAT || (t->rank != 3 && t->rank != 4))
        return false;
    if (t->rank == 4) {
        *h = (struct heads){.count = t->dims[1], .rows = t->dims[2], .size = t->dims[3]};
        h->row_step = h->size;
        h->head_step = h->rows * h->size;
    } else {
        int64_t heads = op_attr_int(call, count, 0);
        if (heads < 1)
            return false;
        *h = (struct heads){.count = heads, .rows = t->dims[1], .size = t->dims[2] / heads};
        h->row_step = t->dims[2];
        h->head_step = h->size;
    }
    h->batch_step = h->count * h->rows * h->size;
    return h->batch_step > 0;
}

/* The mask has a number (or a truth) for every key; over rows, heads and batch it may be broadcast. */
static bool mask_fits(const struct plan *plan, const struct attention *a) {
    if (a->mask == PLAN_NONE)
        return true;
    const sl_tensor *t = &plan->values[a->mask].tensor;
    return (t->dtype == SL_FLOAT || t->dtype == SL_BOOL) && t->rank >= 1 && t->rank <= 4 &&
           t->dims[t->rank - 1] == a->k.rows;
}

static bool match(const struct plan *plan, const struct plan_step *step, struct attention *a) {
    struct op_call call = {.attrs = step->attrs, .attr_count = step->attr_count, .opset = step->opset};
    if (*step->op->domain || strcmp(step->op->name, "Attention") || op_attr_int(&call, "is_causal", 0) ||
        op_attr_float(&call, "softcap", 0) != 0 || op_attr_int(&call, "left_window_size", -1) >= 0 ||
        op_attr_int(&call, "right_window_size", -1) >= 0)
        return false;
    for (size_t i = 4; i < step->in_count; i++)
        if (step->in[i] != PLAN_NONE)
            return false;
    for (size_t i = 1; i < step->out_count; i++)
        if (step->out[i] != PLAN_NONE)
            return false;
    const sl_tensor *q = &plan->values[step->in[0]].tensor;
    if (!read_heads(&call, q, "q_num_heads", &a->q) ||
        !read_heads(&call, &plan->values[step->in[1]].tensor, "kv_num_heads", &a->k) ||
        !read_heads(&call, &plan->values[step->in[2]].tensor, "kv_num_heads", &a->v) ||
        !read_heads(&call, &plan->values[step->out[0]].tensor, "q_num_heads", &a->y))
        return false;
    a->batch = q->dims[0];
    a->mask = step->in_count > 3 ? step->in[3] : PLAN_NONE;
    a->scale = op_attr_float(&call, "scale", 1 / sqrtf((float)a->q.size));
    return a->q.count == a->k.count && a->q.count == a->v.count && mask_fits(plan, a);
}

/* ---- the two products ---- */

static dnnl_status_t add_product(struct cpu_program *program, size_t index, const dnnl_dims_t *dims,
                                 const dnnl_dims_t *strides, const struct onednn_primitive **out) {
    static const int args[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    desc_t desc[3] = {0};
    struct onednn_primitive *p = onednn_add(program);
    dnnl_status_t st = p ? dnnl_primitive_attr_create(&attr) : dnnl_out_of_memory;
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    for (int i = 0; st == dnnl_success && i < 3; i++) {
        st = desc_strided(&desc[i], 3, dims[i], dnnl_f32, strides[i]);
        p->values[i] = (struct onednn_value){args[i], 0, REF(desc[i])};
    }
#if DNNL_VERSION_MAJOR >= 3
    if (st == dnnl_success)
        st = dnnl_matmul_primitive_desc_create(&pd, program->onednn->engine, desc[0], desc[1], NULL, desc[2],
                                               attr);
#else
    dnnl_matmul_desc_t matmul;
    if (st == dnnl_success)
        st = dnnl_matmul_desc_init(&matmul, &desc[0], &desc[1], NULL, &desc[2]);
    if (st == dnnl_success)
        st = dnnl_primitive_desc_create(&pd, &matmul, attr, program->onednn->engine, NULL);
#endif
    if (st == dnnl_success) {
        p->value_count = 3;
        st = onednn_finish(program, index, p, pd);
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    for (int i = 0; i < 3; i++)
        desc_clear(&desc[i]);
    *out = p;
    return st;
}

/* q times k turned, and the weights times v; both with all heads as a stack. */
static dnnl_status_t make(struct cpu_program *program, size_t index, struct attention *a,
                          size_t *library_nbytes) {
    int64_t heads = a->q.count, rows = a->q.rows, keys = a->k.rows, size = a->q.size, width = a->v.size;
    const dnnl_dims_t scores[3] = {{heads, rows, size}, {heads, size, keys}, {heads, rows, keys}};
    const dnnl_dims_t scores_strides[3] = {
        {a->q.head_step, a->q.row_step, 1}, {a->k.head_step, 1, a->k.row_step}, {rows * keys, keys, 1}};
    const dnnl_dims_t sums[3] = {{heads, rows, keys}, {heads, keys, width}, {heads, rows, width}};
    const dnnl_dims_t sums_strides[3] = {
        {rows * keys, keys, 1}, {a->v.head_step, a->v.row_step, 1}, {a->y.head_step, a->y.row_step, 1}};
    dnnl_status_t st = add_product(program, index, scores, scores_strides, &a->scores);
    *library_nbytes = program->steps[index].scratch_nbytes;
    if (st == dnnl_success)
        st = add_product(program, index, sums, sums_strides, &a->sums);
    if (st == dnnl_success && program->steps[index].scratch_nbytes > *library_nbytes)
        *library_nbytes = program->steps[index].scratch_nbytes;
    return st;
}

/* ---- running ---- */

static void execute(const struct onednn_primitive *p, unsigned thread, const void *x, const void *w, void *y,
                    void *scratch) {
    const struct onednn_thread *t = &p->threads[thread];
    dnnl_memory_set_data_handle(t->values[0], (void *)(uintptr_t)x);
    dnnl_memory_set_data_handle(t->values[1], (void *)(uintptr_t)w);
    dnnl_memory_set_data_handle(t->values[2], y);
    dnnl_memory_set_data_handle(t->scratchpad, scratch);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, t->values[0]},
                              {DNNL_ARG_WEIGHTS, t->values[1]},
                              {DNNL_ARG_DST, t->values[2]},
                              {DNNL_ARG_SCRATCHPAD, t->scratchpad}};
    dnnl_primitive_execute(p->primitive, t->stream, 4, args);
}

/* Where the mask's row for (b, head, i) begins, its dims aligned at the right. */
static int64_t mask_at(const sl_tensor *t, const int64_t at[3]) {
    int64_t index = 0;
    for (int d = 0; d + 1 < t->rank; d++)
        index = index * t->dims[d] + (t->dims[d] == 1 ? 0 : at[3 - (t->rank - 1) + d]);
    return index * t->dims[t->rank - 1];
}

static const float *mask_row(const sl_tensor *t, const int64_t at[3], float *room, int64_t keys) {
    int64_t from = mask_at(t, at);
    if (t->dtype == SL_FLOAT)
        return (const float *)t->data + from;
    for (int64_t i = 0; i < keys; i++)
        room[i] = ((const uint8_t *)t->data)[from + i] ? 0 : -INFINITY;
    return room;
}

static void run_attention(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct attention *a = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    const sl_tensor *mask = a->mask == PLAN_NONE ? NULL : call->in[3];
    float *scores = frame->scratch, *room = (float *)(void *)((char *)frame->scratch + a->scores_nbytes);
    size_t keys = (size_t)a->k.rows;
    char *library = (char *)(room + (keys + 15) / 16 * 16);
    for (int64_t b = 0; b < a->batch; b++) {
        execute(a->scores, frame->thread, (const float *)call->in[0]->data + b * a->q.batch_step,
                (const float *)call->in[1]->data + b * a->k.batch_step, scores, library);
        float *row = scores;
        for (int64_t head = 0; head < a->q.count; head++)
            for (int64_t i = 0; i < a->q.rows; i++, row += keys)
                a->kernels->softmax_masked(
                    row, mask ? mask_row(mask, (const int64_t[]){b, head, i}, room, a->k.rows) : NULL,
                    a->scale, keys);
        execute(a->sums, frame->thread, scores, (const float *)call->in[2]->data + b * a->v.batch_step,
                (float *)call->out[0]->data + b * a->y.batch_step, library);
    }
}

sl_status onednn_attention_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    struct cpu_step *step = &program->steps[index], before = *step;
    struct attention found = {.kernels = program->kernels};
    size_t library_nbytes;
    if (!match(program->plan, &program->plan->steps[index], &found))
        return SL_OK;
    struct attention *a = arena_alloc(&program->memory, 1, sizeof *a);
    if (!a)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    *a = found;
    dnnl_status_t st = make(program, index, a, &library_nbytes);
    if (st == dnnl_unimplemented) {
        *step = before;
        return SL_OK;
    }
    if (st != dnnl_success)
        return onednn_failed(st, &program->plan->steps[index], err);
    size_t keys = (size_t)a->k.rows;
    a->scores_nbytes = ((size_t)(a->q.count * a->q.rows) * keys * sizeof(float) + 63) / 64 * 64;
    step->run = run_attention;
    step->provider = a;
    step->what = a->scores->what;
    step->formatted = false; /* everything plain */
    step->scratch_nbytes = a->scores_nbytes + (keys + 15) / 16 * 64 + library_nbytes;
    *taken = true;
    return SL_OK;
}
