/* onednn_transposed.c: f32 ConvTranspose: oneDNN multiplies the weights with each image, which gives what
 * every input position spreads over its window; then our own loop adds up, row by row of the output, what
 * falls on it. With a stride s, every s-th output of a row takes from the same kernel columns: such outputs
 * are summed side by side in a line of their own, so that the additions are over neighbours, and the lines
 * are woven together once.
 *
 * The products are made for some output channels at a time, so that they stay in the cache. Every image is
 * multiplied by itself: a record's result does not depend on the batch. */
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "infer/cpu/line_kernels.h"
#include "ops/window.h"

#define MOST_PRODUCTS ((int64_t)1 << 18) /* floats of products at a time, unless one channel has more */
#define MOST_LINES ((int64_t)1 << 20)    /* floats of a row of the output */

struct transposed {
    const struct line_kernels *kernels;
    struct window w;
    int64_t groups, group_in, group_out;
    int64_t at_once; /* output channels */
    int64_t points, kernel;
    int64_t line; /* floats of one line of a row; as many lines as the stride */
    struct column {
        int64_t from, to, place;
    } * columns; /* [kernel width]: points [from, to) of an input row fall on `place` of the lines on */
    int64_t *source[2]; /* depth, height: [out][kernel], the input position that falls there, or -1 */
};

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static struct column find_column(const struct window *w, int64_t kx, int64_t line) {
    int64_t shift = kx * w->dilation[2] - w->pad[2], stride = w->stride[2];
    struct column c = {0};
    c.from = shift < 0 ? (-shift + stride - 1) / stride : 0;
    c.to = shift >= w->out[2] ? 0 : (w->out[2] - shift + stride - 1) / stride;
    c.to = c.to < w->in[2] ? c.to : w->in[2];
    c.place = (shift - floor_div(shift, stride) * stride) * line + floor_div(shift, stride) + c.from;
    return c;
}

/* The input position that reaches output `at` of dim `d` through kernel position `k`, or -1. */
static int64_t source(const struct window *w, int d, int64_t at, int64_t k) {
    int64_t from = at + w->pad[d] - k * w->dilation[d];
    return from >= 0 && from % w->stride[d] == 0 && from / w->stride[d] < w->in[d] ? from / w->stride[d] : -1;
}

/* Adds to the lines what one row of the products holds: [kernel columns][points of the row]. */
static void add_row(const struct transposed *t, const float *products, float *lines) {
    for (int64_t kx = 0; kx < t->w.kernel[2]; kx++, products += t->points) {
        const struct column *c = &t->columns[kx];
        if (c->from < c->to)
            t->kernels->add(lines + c->place, products + c->from, (size_t)(c->to - c->from));
    }
}

static void weave(const struct transposed *t, const float *lines, float bias, float *y) {
    int64_t stride = t->w.stride[2], out = t->w.out[2], whole = out / stride;
    if (stride == 1) {
        t->kernels->offset(y, lines, bias, (size_t)out);
        return;
    }
    if (stride == 2) {
        t->kernels->weave(y, lines, lines + t->line, bias, (size_t)whole);
        if (out % 2)
            y[out - 1] = lines[whole] + bias;
        return;
    }
    for (int64_t r = 0; r < stride; r++)
        for (int64_t i = 0, x = r; x < out; i++, x += stride)
            y[x] = lines[r * t->line + i] + bias;
}

/* One output channel of one image from its products [kernel, points]. */
static void gather(const struct transposed *t, const float *products, float bias, float *lines, float *y) {
    const struct window *w = &t->w;
    for (int64_t row = 0; row < w->out[0] * w->out[1]; row++, y += w->out[2]) {
        memset(lines, 0, (size_t)(w->stride[2] * t->line) * sizeof *lines);
        for (int64_t kz = 0; kz < w->kernel[0]; kz++) {
            int64_t z = t->source[0][row / w->out[1] * w->kernel[0] + kz];
            for (int64_t ky = 0; z >= 0 && ky < w->kernel[1]; ky++) {
                int64_t from = t->source[1][row % w->out[1] * w->kernel[1] + ky];
                if (from >= 0)
                    add_row(t,
                            products + (kz * w->kernel[1] + ky) * w->kernel[2] * t->points +
                                (z * w->in[1] + from) * w->in[2],
                            lines);
            }
        }
        weave(t, lines, bias, y);
    }
}

static void run(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct transposed *t = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    const float *x = call->in[0]->data, *weights = call->in[1]->data;
    const float *bias = call->in_count > 2 && call->in[2] ? call->in[2]->data : NULL;
    float *y = call->out[0]->data, *lines = frame->scratch, *products = lines + t->w.stride[2] * t->line;
    int64_t outs = t->w.out[0] * t->w.out[1] * t->w.out[2], columns = t->group_out * t->kernel;
    for (int64_t i = 0; i < call->in[0]->dims[0] * t->groups; i++, x += t->group_in * t->points) {
        int64_t group = i % t->groups;
        for (int64_t c = 0; c < t->group_out; c += t->at_once) {
            int64_t count = t->group_out - c < t->at_once ? t->group_out - c : t->at_once;
            dnnl_sgemm('T', 'N', count * t->kernel, t->points, t->group_in, 1,
                       weights + group * t->group_in * columns + c * t->kernel, columns, x, t->points, 0,
                       products, t->points);
            for (int64_t k = 0; k < count; k++, y += outs)
                gather(t, products + k * t->kernel * t->points, bias ? bias[group * t->group_out + c + k] : 0,
                       lines, y);
        }
    }
}

static bool read_geometry(const struct plan *plan, const struct plan_step *s, struct transposed *t) {
    const sl_tensor *x = &plan->values[s->in[0]].tensor, *w = &plan->values[s->in[1]].tensor;
    const sl_tensor *in[] = {x};
    struct op_call call = {
        .attrs = s->attrs, .attr_count = s->attr_count, .opset = s->opset, .in = in, .in_count = 1};
    *t = (struct transposed){
        .kernels = line_kernels(), .groups = op_attr_int(&call, "group", 1), .points = 1, .kernel = 1};
    if (window_read_transposed(&call, w->dims + 2, &t->w, NULL) != SL_OK)
        return false;
    t->group_in = x->dims[1] / t->groups;
    t->group_out = w->dims[1];
    for (int d = 0; d < WINDOW_DIMS; d++) {
        t->points *= t->w.in[d];
        t->kernel *= t->w.kernel[d];
    }
    t->at_once = MOST_PRODUCTS / (t->points * t->kernel);
    t->at_once = t->at_once < 1 ? 1 : t->at_once > t->group_out ? t->group_out : t->at_once;
    t->line = (t->w.out[2] + t->w.stride[2] - 1) / t->w.stride[2];
    return t->group_in > 0 && t->group_out > 0 && t->line * t->w.stride[2] <= MOST_LINES;
}

/* The tables; false when out of memory. */
static bool fill(struct transposed *t, struct arena *arena) {
    const struct window *w = &t->w;
    t->columns = arena_alloc(arena, (size_t)w->kernel[2], sizeof *t->columns);
    for (int64_t kx = 0; t->columns && kx < w->kernel[2]; kx++)
        t->columns[kx] = find_column(w, kx, t->line);
    for (int d = 0; d < 2; d++) {
        t->source[d] = arena_alloc(arena, (size_t)(w->out[d] * w->kernel[d]), sizeof *t->source[d]);
        for (int64_t i = 0; t->source[d] && i < w->out[d] * w->kernel[d]; i++)
            t->source[d][i] = source(w, d, i / w->kernel[d], i % w->kernel[d]);
    }
    return t->columns && t->source[0] && t->source[1];
}

bool onednn_transposed_take(struct cpu_program *program, size_t index) {
    const struct plan_step *s = &program->plan->steps[index];
    struct cpu_step *step = &program->steps[index];
    struct transposed found;
    if (*s->op->domain || strcmp(s->op->name, "ConvTranspose") ||
        program->plan->values[s->in[0]].tensor.dtype != SL_FLOAT || !read_geometry(program->plan, s, &found))
        return false;
    struct transposed *t = arena_alloc(&program->memory, 1, sizeof *t);
    if (!t || !fill(&found, &program->memory))
        return false;
    *t = found;
    step->run = run;
    step->provider = t;
    step->scratch_nbytes =
        (size_t)(t->w.stride[2] * t->line + t->at_once * t->kernel * t->points) * sizeof(float);
    step->what = "oneDNN gemm, woven";
    return true;
}
