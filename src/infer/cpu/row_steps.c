/* row_steps.c: f32 steps over the row kernels: unary and broadcast binary operators, Softmax,
 * LayerNormalization, RMSNormalization. Shapes are read from the call when it runs. */
#include <math.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "infer/cpu/row_kernels.h"

/* What a step keeps: one of the kernels and its numbers. */
struct row_step {
    const struct row_kernels *kernels;
    unsigned kernel; /* enum row_unary or row_binary */
    float a, b;
    bool last; /* binary: images lie channels-last */
};

static const struct row_step *of(const struct cpu_step *step) {
    return step->provider;
}

static size_t count_from(const sl_tensor *t, int from) {
    size_t n = 1;
    for (int i = from; i < t->rank; i++)
        n *= (size_t)t->dims[i];
    return n;
}

/* ---- unary ---- */

static void run_unary(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    const struct row_step *s = of(step);
    s->kernels->unary[s->kernel](call->in[0]->data, call->out[0]->data, count_from(call->in[0], 0), s->a,
                                 s->b);
}

/* A bound of Clip: an attribute before opset 11, a constant input since. False: known only when it runs. */
static bool clip_bound(const struct plan *plan, const struct plan_step *step, const struct op_call *call,
                       size_t in, const char *name, float missing, float *bound) {
    *bound = call->opset < 11 ? op_attr_float(call, name, missing) : missing;
    if (call->opset < 11 || step->in_count <= in || step->in[in] == PLAN_NONE)
        return true;
    const struct plan_value *v = &plan->values[step->in[in]];
    if (v->place != PLAN_CONST || v->tensor.dtype != SL_FLOAT)
        return false;
    memcpy(bound, v->tensor.data, sizeof *bound);
    return true;
}

static bool match_unary(const struct plan *plan, const struct plan_step *step, const struct op_call *call,
                        struct row_step *s) {
    static const struct {
        const char *name;
        enum row_unary kernel;
        const char *a, *b; /* attributes, and what they are when absent */
        float a_missing, b_missing;
    } table[] = {{"Relu", ROW_RELU, NULL, NULL, 0, 0},
                 {"LeakyRelu", ROW_LEAKY_RELU, "alpha", NULL, 0.01F, 0},
                 {"Sigmoid", ROW_SIGMOID, NULL, NULL, 0, 0},
                 {"HardSigmoid", ROW_HARD_SIGMOID, "alpha", "beta", 0.2F, 0.5F},
                 {"HardSwish", ROW_HARD_SWISH, NULL, NULL, 0, 0},
                 {"Swish", ROW_SILU, "alpha", NULL, 1, 0},
                 {"Tanh", ROW_TANH, NULL, NULL, 0, 0},
                 {"Erf", ROW_ERF, NULL, NULL, 0, 0},
                 {"Gelu", ROW_GELU, NULL, NULL, 0, 0},
                 {"Exp", ROW_EXP, NULL, NULL, 0, 0},
                 {"Sqrt", ROW_SQRT, NULL, NULL, 0, 0},
                 {"Neg", ROW_NEG, NULL, NULL, 0, 0},
                 {"Abs", ROW_ABS, NULL, NULL, 0, 0},
                 {"Reciprocal", ROW_RECIPROCAL, NULL, NULL, 0, 0}};
    if (!strcmp(step->op->name, "Clip")) {
        s->kernel = ROW_CLIP;
        return clip_bound(plan, step, call, 1, "min", -INFINITY, &s->a) &&
               clip_bound(plan, step, call, 2, "max", INFINITY, &s->b);
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(step->op->name, table[i].name))
            continue;
        s->kernel = table[i].kernel;
        s->a = table[i].a ? op_attr_float(call, table[i].a, table[i].a_missing) : 0;
        s->b = table[i].b ? op_attr_float(call, table[i].b, table[i].b_missing) : 0;
        if (s->kernel == ROW_GELU && op_attr_is(call, "approximate", "tanh", "none"))
            s->kernel = ROW_GELU_TANH;
        return step->in_count == 1;
    }
    return false;
}

/* ---- binary, broadcast as numpy does ---- */

/* Dims of the result from the innermost on, each with the distance of its neighbours in x and y: 0 where
 * broadcast. */
struct walk {
    int rank;
    size_t size[SL_MAX_RANK], x[SL_MAX_RANK], y[SL_MAX_RANK];
};

/* Dim number i of `rank`, counted from the innermost in memory: channels first where they lie last. */
static size_t dim_at(const sl_tensor *t, int rank, int i, bool last) {
    int dim = last ? (i == 0 ? 1 : i < rank - 1 ? rank - i : 0) : rank - 1 - i;
    dim -= rank - t->rank; /* missing ones stand in front */
    return dim >= 0 ? (size_t)t->dims[dim] : 1;
}

/* Merges what lies in one piece in both. */
static void walk_over(struct walk *w, const sl_tensor *x, const sl_tensor *y, const sl_tensor *z, bool last) {
    size_t at_x = 1, at_y = 1;
    w->rank = 0;
    for (int i = 0; i < z->rank; i++) {
        size_t size = dim_at(z, z->rank, i, last);
        size_t own_x = dim_at(x, z->rank, i, last), own_y = dim_at(y, z->rank, i, last);
        size_t step_x = own_x == 1 ? 0 : at_x, step_y = own_y == 1 ? 0 : at_y;
        at_x *= own_x;
        at_y *= own_y;
        if (size == 1)
            continue;
        int top = w->rank - 1;
        if (w->rank && step_x == w->x[top] * w->size[top] && step_y == w->y[top] * w->size[top]) {
            w->size[top] *= size;
            continue;
        }
        w->size[w->rank] = size;
        w->x[w->rank] = step_x;
        w->y[w->rank++] = step_y;
    }
    if (!w->rank) /* one element */
        *w = (struct walk){.rank = 1, .size = {1}, .x = {1}, .y = {1}};
}

static void run_binary(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    const struct row_step *s = of(step);
    const float *x = call->in[0]->data, *y = call->in[1]->data;
    float *z = call->out[0]->data;
    size_t at[SL_MAX_RANK] = {0}, total = count_from(call->out[0], 0);
    struct walk w;
    if (!total)
        return;
    walk_over(&w, call->in[0], call->in[1], call->out[0], s->last);
    enum row_form form = w.x[0] && w.y[0] ? ROW_BOTH : w.x[0] ? ROW_SECOND_ONE : ROW_FIRST_ONE;
    for (size_t rows = total / w.size[0]; rows; rows--) {
        s->kernels->binary[s->kernel][form](x, y, z, w.size[0]);
        z += w.size[0];
        for (int d = 1; d < w.rank; d++) {
            x += w.x[d];
            y += w.y[d];
            if (++at[d] < w.size[d])
                break;
            x -= w.x[d] * w.size[d];
            y -= w.y[d] * w.size[d];
            at[d] = 0;
        }
    }
}

static bool match_binary(const struct plan_step *step, struct row_step *s) {
    static const struct {
        const char *name;
        enum row_binary kernel;
    } table[] = {{"Add", ROW_ADD}, {"Sub", ROW_SUB}, {"Mul", ROW_MUL},
                 {"Div", ROW_DIV}, {"Min", ROW_MIN}, {"Max", ROW_MAX}};
    if (step->in_count != 2)
        return false;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(step->op->name, table[i].name)) {
            s->kernel = table[i].kernel;
            return true;
        }
    return false;
}

/* ---- rows ---- */

static void run_softmax(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    const sl_tensor *t = call->in[0];
    size_t n = t->rank ? (size_t)t->dims[t->rank - 1] : 1, rows = n ? count_from(t, 0) / n : 0;
    const float *x = t->data;
    float *y = call->out[0]->data;
    for (; rows; rows--, x += n, y += n)
        of(step)->kernels->softmax(x, y, n);
}

static bool match_softmax(const struct plan *plan, const struct plan_step *step, const struct op_call *call) {
    int rank = plan->values[step->in[0]].tensor.rank;
    int64_t axis = op_attr_int(call, "axis", call->opset < 13 ? 1 : -1);
    return !strcmp(step->op->name, "Softmax") && rank >= 1 && (axis == -1 || axis == rank - 1);
}

static void run_normalize(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    const struct row_step *s = of(step);
    const sl_tensor *t = call->in[0];
    size_t n = count_from(call->in[1], 0), rows = n ? count_from(t, 0) / n : 0;
    const float *x = t->data, *bias = call->in_count > 2 && call->in[2] ? call->in[2]->data : NULL;
    float *y = call->out[0]->data;
    for (; rows; rows--, x += n, y += n)
        s->kernels->normalize(x, call->in[1]->data, bias, y, n, s->a, s->kernel != 0);
}

/* The scale, and the bias if there is one, cover exactly the dims from the axis on. */
static bool covers(const sl_tensor *x, int axis, const sl_tensor *part) {
    int first = part->rank - (x->rank - axis);
    for (int i = 0; i < part->rank; i++)
        if (i < first ? part->dims[i] != 1 : part->dims[i] != x->dims[axis + i - first])
            return false;
    return first >= 0;
}

static bool match_normalize(const struct plan *plan, const struct plan_step *step, const struct op_call *call,
                            struct row_step *s) {
    bool centre = !strcmp(step->op->name, "LayerNormalization");
    const sl_tensor *x = &plan->values[step->in[0]].tensor;
    int64_t axis = op_attr_int(call, "axis", -1);
    if (!centre && strcmp(step->op->name, "RMSNormalization"))
        return false;
    for (size_t i = 1; i < step->out_count; i++)
        if (step->out[i] != PLAN_NONE)
            return false;
    for (size_t i = 1; i < step->in_count; i++)
        if (step->in[i] != PLAN_NONE &&
            (plan->values[step->in[i]].tensor.dtype != SL_FLOAT ||
             !covers(x, (int)(axis < 0 ? axis + x->rank : axis), &plan->values[step->in[i]].tensor)))
            return false;
    s->kernel = centre;
    s->a = op_attr_float(call, "epsilon", 1e-5F);
    return step->in_count > 1 && step->in[1] != PLAN_NONE;
}

/* ---- which steps ---- */

static bool all_f32(const struct plan *plan, const struct plan_step *step) {
    for (size_t i = 0; i < step->in_count; i++)
        if (step->in[i] != PLAN_NONE && plan->values[step->in[i]].tensor.dtype != SL_FLOAT)
            return false;
    return step->in_count && step->in[0] != PLAN_NONE && step->out_count && step->out[0] != PLAN_NONE &&
           plan->values[step->out[0]].tensor.dtype == SL_FLOAT;
}

static bool match(const struct plan *plan, const struct plan_step *step, struct row_step *s,
                  void (**run)(const struct cpu_step *, struct cpu_frame *)) {
    struct op_call call = {.attrs = step->attrs, .attr_count = step->attr_count, .opset = step->opset};
    if (*step->op->domain || !all_f32(plan, step))
        return false;
    if (match_binary(step, s))
        *run = run_binary;
    else if (match_softmax(plan, step, &call))
        *run = run_softmax;
    else if (match_normalize(plan, step, &call, s))
        *run = run_normalize;
    else if (match_unary(plan, step, &call, s))
        *run = run_unary;
    else
        return false;
    return true;
}

/* A plain operand that channels-last needs not turn: nothing but channels, or one number an image. */
static bool turns_alone(const sl_tensor *t, int rank) {
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != 1 && rank - t->rank + i > 1)
            return false;
    return true;
}

/* Elementwise results lie as their largest image does; what else is there is brought into line. */
static sl_status take_layout(struct cpu_program *program, size_t index, struct row_step *s, sl_error *err) {
    const struct plan_step *step = &program->plan->steps[index];
    const sl_tensor *z = &program->plan->values[step->out[0]].tensor;
    struct cpu_format last = {LAYOUT_LAST, SL_FLOAT}, plain = {LAYOUT_PLAIN, SL_FLOAT};
    sl_status st = SL_OK;
    bool image = false;
    size_t operands = step->in_count < 2 || program->steps[index].run == run_unary ? 1 : 2;
    for (size_t i = 0; i < operands; i++)
        image = image || program->formats[step->in[i]].layout == LAYOUT_LAST;
    for (size_t i = 0; image && i < operands; i++) {
        const sl_tensor *t = &program->plan->values[step->in[i]].tensor;
        image = t->rank == z->rank || turns_alone(t, z->rank);
    }
    s->last = image && value_may_format(program, step->out[0]);
    if (s->last)
        program->formats[step->out[0]] = last;
    program->steps[index].formatted = true;
    for (size_t i = 0; st == SL_OK && i < operands; i++) {
        const sl_tensor *t = &program->plan->values[step->in[i]].tensor;
        bool alone = turns_alone(t, z->rank);
        st = step_wants(program, index, step->in[i], false, s->last && !alone ? last : plain, err);
    }
    return st;
}

sl_status rows_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    void (*run)(const struct cpu_step *, struct cpu_frame *);
    struct cpu_step *step = &program->steps[index];
    struct row_step found = {.kernels = program->kernels};
    *taken = match(program->plan, &program->plan->steps[index], &found, &run);
    if (!*taken)
        return SL_OK;
    struct row_step *s = arena_alloc(&program->memory, 1, sizeof *s);
    if (!s)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    *s = found;
    step->run = run;
    step->provider = s;
    step->scratch_nbytes = 0;
    step->what = program->kernels->name;
    return run == run_unary || run == run_binary ? take_layout(program, index, s, err) : SL_OK;
}
