/* onednn_einsum.c: f32 Einsum of two inputs as products of matrices by oneDNN. The letters that both inputs
 * and the output have are walked; those that only the first has become the rows, only the second the columns,
 * and those that the output lacks are summed. That is a matrix product wherever the letters of a kind lie
 * evenly behind each other and one side of each matrix is dense; what is not stays with the reference. The
 * output's first letter is always walked: it may be the batch, and a record's product must not depend on how
 * many there are. */
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "ops/einsum.h"

#define LEAST_PRODUCTS 16 /* below that a call costs more than the reference's loop */

enum { A, B, Y, OPERANDS };

/* Letters of one kind as one dim. */
struct run {
    int64_t size, stride[OPERANDS];
};

struct einsum_gemm {
    int walk_count;
    struct run walk[SL_MAX_RANK];
    struct run rows, columns, sums;
    char transpose_a, transpose_b;
    int64_t lda, ldb, ldc;
    bool swapped; /* A is input 1 */
};

enum kind { KIND_WALK, KIND_ROWS, KIND_COLUMNS, KIND_SUMS, KIND_NONE };

static bool named(const uint8_t *labels, int count, uint8_t label) {
    return memchr(labels, label, (size_t)count) != NULL;
}

static enum kind kind_of(const struct einsum *e, uint8_t label, const int64_t stride[OPERANDS], bool walked) {
    if (!named(e->out, e->out_rank, label))
        return stride[A] && stride[B] ? KIND_SUMS : KIND_NONE;
    if (walked || (stride[A] && stride[B]) || (!stride[A] && !stride[B]))
        return KIND_WALK;
    return stride[A] ? KIND_ROWS : KIND_COLUMNS;
}

/* Puts a letter behind those of its kind; false where it does not lie evenly behind them. */
static bool append(struct run *run, int64_t size, const int64_t stride[OPERANDS]) {
    for (int k = 0; k < OPERANDS; k++) {
        if (run->size > 1 && run->stride[k] != stride[k] * size)
            return false;
        run->stride[k] = stride[k];
    }
    run->size *= size;
    return true;
}

static bool sort_letters(const struct einsum *e, struct einsum_gemm *g) {
    int64_t y_stride[EINSUM_LABELS] = {0}, step = 1;
    for (int d = e->out_rank - 1; d >= 0; d--) {
        y_stride[e->out[d]] = step;
        step *= e->size[e->out[d]];
    }
    g->rows.size = g->columns.size = g->sums.size = 1;
    for (int i = 0; i < e->label_count; i++) {
        uint8_t label = e->order[i];
        const int64_t stride[OPERANDS] = {e->stride[g->swapped ? 1 : 0][label],
                                          e->stride[g->swapped ? 0 : 1][label], y_stride[label]};
        if (e->size[label] == 1)
            continue;
        switch (kind_of(e, label, stride, e->out_rank && label == e->out[0])) {
        case KIND_WALK:
            g->walk[g->walk_count].size = e->size[label];
            memcpy(g->walk[g->walk_count++].stride, stride, sizeof stride);
            break;
        case KIND_ROWS:
            if (!append(&g->rows, e->size[label], stride))
                return false;
            break;
        case KIND_COLUMNS:
            if (!append(&g->columns, e->size[label], stride))
                return false;
            break;
        case KIND_SUMS:
            if (!append(&g->sums, e->size[label], stride))
                return false;
            break;
        default:
            return false;
        }
    }
    return true;
}

/* One of the two dims must be dense; `minor` says which letter that is. *ld: the other's stride. */
static bool find_layout(int64_t major, int64_t major_size, int64_t minor, int64_t minor_size, int64_t *ld) {
    *ld = major_size > 1 ? major : minor_size;
    return (minor == 1 || minor_size == 1) && *ld >= minor_size;
}

static bool choose_layouts(struct einsum_gemm *g) {
    int64_t m = g->rows.size, n = g->columns.size, k = g->sums.size;
    g->transpose_a = g->transpose_b = 'N';
    if (!find_layout(g->rows.stride[A], m, g->sums.stride[A], k, &g->lda)) {
        g->transpose_a = 'T';
        if (!find_layout(g->sums.stride[A], k, g->rows.stride[A], m, &g->lda))
            return false;
    }
    if (!find_layout(g->sums.stride[B], k, g->columns.stride[B], n, &g->ldb)) {
        g->transpose_b = 'T';
        if (!find_layout(g->columns.stride[B], n, g->sums.stride[B], k, &g->ldb))
            return false;
    }
    return find_layout(g->rows.stride[Y], m, g->columns.stride[Y], n, &g->ldc);
}

static void run_einsum(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct einsum_gemm *g = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    const float *a = call->in[g->swapped ? 1 : 0]->data, *b = call->in[g->swapped ? 0 : 1]->data;
    float *y = call->out[0]->data;
    int64_t at[SL_MAX_RANK] = {0}, count = 1;
    for (int d = 0; d < g->walk_count; d++)
        count *= g->walk[d].size;
    for (int64_t i = 0; i < count; i++) {
        dnnl_sgemm(g->transpose_a, g->transpose_b, g->rows.size, g->columns.size, g->sums.size, 1, a, g->lda,
                   b, g->ldb, 0, y, g->ldc);
        for (int d = g->walk_count - 1; d >= 0; d--) {
            const struct run *w = &g->walk[d];
            int64_t move = ++at[d] < w->size ? 1 : 1 - w->size;
            a += move * w->stride[A];
            b += move * w->stride[B];
            y += move * w->stride[Y];
            if (move == 1)
                break;
            at[d] = 0;
        }
    }
}

/* Inputs in the order that makes the output's dense dim the columns. */
static bool read_gemm(const struct einsum *e, struct einsum_gemm *g) {
    for (int swapped = 0; swapped < 2; swapped++) {
        *g = (struct einsum_gemm){.swapped = swapped != 0};
        if (sort_letters(e, g) && choose_layouts(g))
            return g->rows.size * g->columns.size * g->sums.size >= LEAST_PRODUCTS;
    }
    return false;
}

static bool is_f32(const struct plan *plan, uint32_t value) {
    const sl_tensor *t = &plan->values[value].tensor;
    int64_t count;
    return t->dtype == SL_FLOAT && sl_shape_count(t->rank, t->dims, &count) && count > 0;
}

sl_status onednn_einsum_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan *plan = program->plan;
    const struct plan_step *s = &plan->steps[index];
    struct cpu_step *step = &program->steps[index];
    struct einsum_gemm found;
    struct einsum e;
    if (*s->op->domain || strcmp(s->op->name, "Einsum") || s->in_count != 2 || !is_f32(plan, s->in[0]) ||
        !is_f32(plan, s->in[1]))
        return SL_OK;
    const sl_tensor *in[] = {&plan->values[s->in[0]].tensor, &plan->values[s->in[1]].tensor};
    struct op_call call = {
        .attrs = s->attrs, .attr_count = s->attr_count, .opset = s->opset, .in = in, .in_count = 2};
    if (einsum_read(&call, &e, NULL) != SL_OK || !read_gemm(&e, &found))
        return SL_OK;
    struct einsum_gemm *g = arena_alloc(&program->memory, 1, sizeof *g);
    if (!g)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    *g = found;
    *taken = true;
    step->run = run_einsum;
    step->provider = g;
    step->scratch_nbytes = 0;
    step->what = "oneDNN gemm";
    return SL_OK;
}
