/* small_linear.c: Gemm, MatMul and sluice.Linear with small constant weights, by kernels of our own; layers
 * that follow each other take a chunk of rows through all of them at once.
 *
 * Time on the thread beside oneDNN 2.6.3's, ns a row, one core of a Xeon of the fourth generation with
 * AVX-512, least of thousands of batches (28-64-32-1 with Relu; 13-64-64-3 with Tanh; 100-256-256-10 with
 * Relu, measured without the limit that leaves 256 x 256 weights to oneDNN):
 *
 *     rows         1         8        64       512      4096
 *     28-..   393/1567    98/220    64/76     57/53     57/53
 *     13-..   465/1584   145/290   117/134   117/114   115/107
 *     100-..  3426/4424 1236/1411 1113/1006 1103/983  1155/1118
 *
 * The rule looks at the weights alone: a rule that looked at the rows would give a record other bits in
 * another batch size. */
#include "infer/cpu/small_linear.h"

#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "infer/cpu/row_kernels.h"
#include "ops/fuse.h"
#include "support/machine.h"

enum { MOST_WEIGHTS = 32 << 10, MOST_SIDE = 512, CHUNK_ROWS = 32, MOST_LAYERS = 16 };

/* One layer, and behind `before` those that it runs first: a chunk of rows goes through all of them while its
 * values are in the first cache. */
struct small_step {
    const struct small_step *before;
    unsigned layers; /* with those before */
    struct small_linear linear;
    const struct small_kernels *kernels;
    void (*activation)(const float *x, float *y, size_t n, float a, float b); /* or NULL */
    float a, b;
    uint32_t source, residual, result;
};

/* 256 x 128 weights and less. */
bool small_linear_better(int64_t k, int64_t columns) {
    return k >= 1 && columns >= 1 && k <= MOST_SIDE && columns <= MOST_SIDE && k * columns <= MOST_WEIGHTS;
}

/* NULL where nothing is fused in hardware: the order of roundings is what makes all kernels agree. */
static const struct small_kernels *small_kernels(void) {
    struct machine machine;
    machine_read(&machine);
#ifdef __FP_FAST_FMAF
    const struct small_kernels *portable = &small_kernels_portable;
#else
    const struct small_kernels *portable = NULL;
#endif
    return machine.avx512 ? &small_kernels_avx512 : machine.avx2 ? &small_kernels_avx2 : portable;
}

static void run_layer(const struct small_step *s, const float *x, const float *residual, float *y,
                      size_t rows) {
    s->kernels->product(&s->linear, x, residual, y, rows);
    if (s->activation)
        s->activation(y, y, rows * s->linear.columns, s->a, s->b);
}

static void run_small(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct small_step *last = step->provider, *layers[MOST_LAYERS], *s = last;
    const sl_tensor *t = &frame->values[last->result];
    for (unsigned i = last->layers; i--; s = s->before)
        layers[i] = s;
    const float *x = frame->values[layers[0]->source].data,
                *residual = last->residual == PLAN_NONE ? NULL : frame->values[last->residual].data;
    float *y = t->data, *between[2] = {frame->scratch, (float *)frame->scratch + CHUNK_ROWS * MOST_SIDE};
    size_t rows = 1, n;
    for (int i = 0; i + 1 < t->rank; i++)
        rows *= (size_t)t->dims[i];
    for (; rows; rows -= n) {
        const float *from = x;
        n = rows < CHUNK_ROWS ? rows : CHUNK_ROWS;
        for (unsigned i = 0; i + 1 < last->layers; from = between[i % 2], i++)
            run_layer(layers[i], from, NULL, between[i % 2], n);
        run_layer(last, from, residual, y, n);
        x += n * layers[0]->linear.k;
        y += n * last->linear.columns;
        residual = residual ? residual + n * last->linear.columns : NULL;
    }
}

/* ---- which steps ---- */

static uint32_t input(const struct plan_step *step, size_t i) {
    return i < step->in_count ? step->in[i] : PLAN_NONE;
}

static bool is_op(const struct plan_step *step, const char *domain, const char *name) {
    return !strcmp(step->op->domain, domain) && !strcmp(step->op->name, name);
}

static const sl_tensor *constant(const struct plan *plan, uint32_t value) {
    const struct plan_value *v = value == PLAN_NONE ? NULL : &plan->values[value];
    return v && v->place == PLAN_CONST && v->tensor.dtype == SL_FLOAT ? &v->tensor : NULL;
}

static bool find_activation(const struct op_call *call, const struct row_kernels *rows,
                            struct small_step *s) {
    static const int kernels[FUSE_ACTIVATIONS] = {[FUSE_NONE] = -1,
                                                  [FUSE_RELU] = ROW_RELU,
                                                  [FUSE_LEAKY_RELU] = ROW_LEAKY_RELU,
                                                  [FUSE_ELU] = -2,
                                                  [FUSE_CLIP] = ROW_CLIP,
                                                  [FUSE_SIGMOID] = ROW_SIGMOID,
                                                  [FUSE_HARD_SIGMOID] = ROW_HARD_SIGMOID,
                                                  [FUSE_HARD_SWISH] = ROW_HARD_SWISH,
                                                  [FUSE_SILU] = ROW_SILU,
                                                  [FUSE_TANH] = ROW_TANH,
                                                  [FUSE_GELU] = ROW_GELU,
                                                  [FUSE_GELU_TANH] = ROW_GELU_TANH,
                                                  [FUSE_MISH] = -2};
    struct fuse fuse;
    if (fuse_read(call, &fuse, NULL) != SL_OK || kernels[fuse.activation] == -2)
        return false;
    s->activation = fuse.activation == FUSE_NONE ? NULL : rows->unary[kernels[fuse.activation]];
    s->a = fuse.activation == FUSE_SILU ? 1 : fuse.alpha;
    s->b = fuse.beta;
    return true;
}

/* Whether the step is a product with f32 rows and constant weights [k, columns]; the bias, if any, [columns].
 */
static bool match(const struct cpu_program *program, size_t index, struct small_step *s, bool *transposed,
                  const float **bias) {
    const struct plan *plan = program->plan;
    const struct plan_step *step = &plan->steps[index];
    struct op_call call = {.attrs = step->attrs, .attr_count = step->attr_count, .opset = step->opset};
    bool gemm = is_op(step, "", "Gemm"), linear = is_op(step, "sluice", "Linear");
    if (program->precision != PRECISION_FP32 || (!gemm && !linear && !is_op(step, "", "MatMul")))
        return false;
    const sl_tensor *x = &plan->values[step->in[0]].tensor, *y = &plan->values[step->out[0]].tensor;
    const sl_tensor *w = constant(plan, step->in[1]);
    if (!w || w->rank != 2 || x->dtype != SL_FLOAT || y->dtype != SL_FLOAT || x->rank < 2 ||
        (gemm && (op_attr_float(&call, "alpha", 1) != 1 || op_attr_float(&call, "beta", 1) != 1 ||
                  op_attr_int(&call, "transA", 0))))
        return false;
    *transposed = (gemm || linear) && op_attr_int(&call, "transB", 0) != 0;
    s->linear.k = (size_t)w->dims[*transposed];
    s->linear.columns = (size_t)w->dims[!*transposed];
    s->source = step->in[0];
    s->result = step->out[0];
    s->residual = linear ? input(step, 3) : PLAN_NONE;
    uint32_t b = gemm || linear ? input(step, 2) : PLAN_NONE;
    const sl_tensor *t = constant(plan, b);
    *bias = t ? t->data : NULL;
    if (b != PLAN_NONE && (!t || !t->rank || t->dims[t->rank - 1] != (int64_t)s->linear.columns))
        return false;
    for (int i = 0; t && i + 1 < t->rank; i++)
        if (t->dims[i] != 1)
            return false;
    s->activation = NULL;
    return small_linear_better((int64_t)s->linear.k, (int64_t)s->linear.columns) &&
           (!linear || find_activation(&call, program->kernels, s));
}

static size_t panel_count(const struct small_linear *l) {
    return (l->columns + SMALL_PANEL - 1) / SMALL_PANEL;
}

static bool pack(struct cpu_program *program, struct small_linear *l, const float *weights, bool transposed,
                 const float *bias) {
    size_t panels = panel_count(l);
    float *to = arena_alloc(&program->memory, panels * l->k * SMALL_PANEL + SMALL_PANEL, sizeof *to),
          *own = arena_alloc(&program->memory, panels * SMALL_PANEL, sizeof *own);
    if (!to || !own)
        return false;
    to += (64 - (size_t)to % 64) % 64 / sizeof *to; /* a panel's line is a cache line */
    for (size_t k = 0; k < l->k; k++)
        for (size_t c = 0; c < l->columns; c++)
            to[(c / SMALL_PANEL * l->k + k) * SMALL_PANEL + c % SMALL_PANEL] =
                weights[transposed ? c * l->k + k : k * l->columns + c];
    if (bias)
        memcpy(own, bias, l->columns * sizeof *own);
    l->panels = to;
    l->bias = own;
    return true;
}

/* ---- chains of layers ---- */

static unsigned reads(const struct plan *plan, uint32_t value) {
    unsigned n = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        for (size_t k = 0; k < plan->steps[i].in_count; k++)
            n += plan->steps[i].in[k] == value;
    return n;
}

static bool overlap(const struct plan_value *a, const struct plan_value *b) {
    return a->place == b->place && a->offset < b->offset + b->nbytes && b->offset < a->offset + a->nbytes;
}

/* The step before, when this layer alone reads what it makes. A chunk's results are written before the next
 * chunk is read, so the chain's ends must lie apart. */
static const struct small_step *find_before(const struct cpu_program *program, size_t index,
                                            const struct small_step *s) {
    const struct plan *plan = program->plan;
    const struct cpu_step *prior = index ? &program->steps[index - 1] : NULL;
    const struct small_step *before = prior && prior->run == run_small ? prior->provider : NULL,
                            *first = before;
    if (!before || before->result != s->source || before->layers == MOST_LAYERS ||
        before->residual != PLAN_NONE || s->residual != PLAN_NONE ||
        plan->values[s->source].place != PLAN_ARENA || plan->values[s->source].tensor.rank != 2 ||
        reads(plan, s->source) != 1)
        return NULL;
    while (first->before)
        first = first->before;
    return overlap(&plan->values[first->source], &plan->values[s->result]) ? NULL : before;
}

sl_status small_linear_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    struct small_step found, *s;
    const float *bias;
    bool transposed;
    found.kernels = small_kernels();
    if (!found.kernels || !match(program, index, &found, &transposed, &bias))
        return SL_OK;
    const struct plan_step *step = &program->plan->steps[index];
    s = arena_alloc(&program->memory, 1, sizeof *s);
    if (!s || !pack(program, &found.linear, program->plan->values[step->in[1]].tensor.data, transposed, bias))
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    *s = found;
    s->before = find_before(program, index, s);
    s->layers = s->before ? s->before->layers + 1 : 1;
    if (s->before)
        program->steps[index - 1].run = NULL;
    program->packed_nbytes += panel_count(&s->linear) * (s->linear.k + 1) * SMALL_PANEL * sizeof(float);
    program->steps[index].run = run_small;
    program->steps[index].provider = s;
    program->steps[index].scratch_nbytes = 2 * CHUNK_ROWS * MOST_SIDE * sizeof(float);
    program->steps[index].what = s->kernels->name;
    *taken = true;
    return SL_OK;
}
