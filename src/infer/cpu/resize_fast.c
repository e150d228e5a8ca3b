/* resize_fast.c: f32 Resize over one axis or two neighbouring ones, row by row: the rows that an output row
 * reads are blended first, all columns at once, then columns are taken from that one row. Weights are the
 * reference's, rounded to float; sums are of floats, so results are within a few ulp of the reference's (the
 * same bits where nothing is blended). */
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "infer/cpu/line_kernels.h"
#include "ops/resize.h"

/* One axis with weights in float: tap k of all outputs stands together, [taps][out]. */
struct side {
    int64_t in, out, taps;
    int32_t *from;
    float *weight;
};

struct resize_fast {
    const struct line_kernels *kernels;
    int64_t outer, inner; /* dims before the rows, and after the columns */
    struct side rows, columns;
    int64_t repeat; /* columns are the input's, each so many times; 0: not so */
};

/* The sum of weight * row, over the taps of one output row. */
static void blend_rows(const struct resize_fast *r, const float *plane, int64_t width, int64_t at,
                       float *to) {
    const struct side *s = &r->rows;
    const int32_t *from = s->from + at;
    const float *weight = s->weight + at;
    size_t n = (size_t)width;
    if (s->taps == 2) {
        r->kernels->blend(to, plane + from[0] * width, plane + from[s->out] * width, weight[0],
                          weight[s->out], n);
        return;
    }
    r->kernels->scale(to, plane + from[0] * width, weight[0], n);
    for (int64_t k = s->out; k < s->taps * s->out; k += s->out)
        r->kernels->add_scaled(to, plane + from[k] * width, weight[k], n);
}

static void take_single(const struct resize_fast *r, const float *row, float *to) {
    const struct side *c = &r->columns;
    size_t n = (size_t)c->out;
    if (r->repeat == 2) {
        r->kernels->weave(to, row, row, 0, (size_t)c->in);
    } else if (c->taps == 1) {
        r->kernels->pick(to, row, c->from, n);
    } else if (c->taps == 2) {
        r->kernels->pick_two(to, row, c->from, c->from + n, c->weight, c->weight + n, n);
    } else {
        for (int64_t i = 0; i < c->out; i++) {
            float sum = 0;
            for (int64_t k = i; k < c->taps * c->out; k += c->out)
                sum += c->weight[k] * row[c->from[k]];
            to[i] = sum;
        }
    }
}

/* Columns of `inner` floats each. */
static void take_wide(const struct resize_fast *r, const float *row, float *to) {
    const struct side *c = &r->columns;
    size_t n = (size_t)r->inner;
    for (int64_t i = 0; i < c->out; i++, to += r->inner) {
        const float *first = row + c->from[i] * r->inner;
        if (c->taps == 1)
            memcpy(to, first, n * sizeof *to);
        else if (c->taps == 2)
            r->kernels->blend(to, first, row + c->from[c->out + i] * r->inner, c->weight[i],
                              c->weight[c->out + i], n);
        else
            r->kernels->scale(to, first, c->weight[i], n);
        for (int64_t k = i + c->out; c->taps > 2 && k < c->taps * c->out; k += c->out)
            r->kernels->add_scaled(to, row + c->from[k] * r->inner, c->weight[k], n);
    }
}

static bool same_taps(const struct side *s, int64_t a, int64_t b) {
    for (int64_t k = 0; k < s->taps * s->out; k += s->out)
        if (s->from[k + a] != s->from[k + b] || s->weight[k + a] != s->weight[k + b])
            return false;
    return true;
}

static void run_resize(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct resize_fast *r = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    const float *x = call->in[0]->data;
    float *y = call->out[0]->data;
    int64_t in_row = r->columns.in * r->inner, out_row = r->columns.out * r->inner;
    for (int64_t n = 0; n < r->outer; n++, x += r->rows.in * in_row) {
        for (int64_t i = 0; i < r->rows.out; i++, y += out_row) {
            const float *row = x + r->rows.from[i] * in_row;
            if (i && same_taps(&r->rows, i - 1, i)) {
                memcpy(y, y - out_row, (size_t)out_row * sizeof *y);
                continue;
            }
            if (r->rows.taps > 1) {
                blend_rows(r, x, in_row, i, frame->scratch);
                row = frame->scratch;
            }
            if (r->inner == 1)
                take_single(r, row, y);
            else
                take_wide(r, row, y);
        }
    }
}

/* ---- which steps ---- */

static bool is_untouched(const struct resize_axis *axis) {
    if (axis->taps != 1 || axis->in != axis->out)
        return false;
    for (int64_t i = 0; i < axis->out; i++)
        if (axis->from[i] != i)
            return false;
    return true;
}

static bool has_outside(const struct resize_axis *axis) {
    for (int64_t i = 0; i < axis->out * axis->taps; i++)
        if (axis->from[i] < 0)
            return true;
    return false;
}

static bool copy_side(struct side *side, const struct resize_axis *axis, struct arena *arena) {
    size_t count = (size_t)(axis->out * axis->taps);
    *side = (struct side){axis->in, axis->out, axis->taps, NULL, NULL};
    side->from = arena_alloc(arena, count + 1, sizeof *side->from);
    side->weight = arena_alloc(arena, count + 1, sizeof *side->weight);
    for (size_t i = 0; side->from && side->weight && i < count; i++) {
        size_t to = i % (size_t)axis->taps * (size_t)axis->out + i / (size_t)axis->taps;
        side->from[to] = (int32_t)axis->from[i];
        side->weight[to] = (float)axis->weight[i];
    }
    return side->from && side->weight && axis->in <= INT32_MAX;
}

static int64_t find_repeat(const struct side *columns) {
    int64_t repeat = columns->in ? columns->out / columns->in : 0;
    if (columns->taps != 1 || repeat * columns->in != columns->out)
        return 0;
    for (int64_t i = 0; i < columns->out; i++)
        if (columns->from[i] != i / repeat)
            return 0;
    return repeat;
}

/* The axes that change: at most two, side by side. */
static bool find_axes(const struct resize_tables *t, int *first, int *last) {
    *first = *last = -1;
    for (int d = 0; d < t->rank; d++) {
        if (has_outside(&t->axis[d]))
            return false;
        if (is_untouched(&t->axis[d]))
            continue;
        *first = *first < 0 ? d : *first;
        *last = d;
    }
    return *last >= 0 && *last - *first <= 1;
}

/* With `last_channels`, channels (axis 1) lie behind all other axes: then they are part of each column. */
static bool fill(struct resize_fast *r, const struct resize_tables *t, bool last_channels,
                 struct arena *arena) {
    static const int64_t zero = 0;
    static const double one = 1;
    struct resize_axis single = {.in = 1, .out = 1, .taps = 1, .from = &zero, .weight = &one};
    int first, last;
    if (!find_axes(t, &first, &last))
        return false;
    *r = (struct resize_fast){.kernels = line_kernels(), .outer = 1, .inner = 1};
    for (int d = 0; d < first; d++)
        *(last_channels && d == 1 ? &r->inner : &r->outer) *= t->axis[d].in;
    for (int d = last + 1; d < t->rank; d++)
        r->inner *= t->axis[d].in;
    if (last_channels && first < 2)
        return false;
    if (!copy_side(&r->rows, first == last ? &single : &t->axis[first], arena) ||
        !copy_side(&r->columns, &t->axis[last], arena))
        return false;
    r->repeat = find_repeat(&r->columns);
    return true;
}

sl_status resize_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *s = &program->plan->steps[index];
    struct cpu_step *step = &program->steps[index];
    const struct cpu_format channels_last = {LAYOUT_LAST, SL_FLOAT};
    bool named = !*s->op->domain && (!strcmp(s->op->name, "Resize") || !strcmp(s->op->name, "Upsample"));
    if (!named || program->plan->values[s->in[0]].tensor.dtype != SL_FLOAT)
        return SL_OK;
    struct resize_fast *r = arena_alloc(&program->memory, 1, sizeof *r);
    if (!r)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    bool last = program->formats[s->in[0]].layout == LAYOUT_LAST && value_may_format(program, s->out[0]) &&
                fill(r, step->state, true, &program->memory);
    if (!last && !fill(r, step->state, false, &program->memory))
        return SL_OK;
    *taken = true;
    step->run = run_resize;
    step->provider = r;
    step->scratch_nbytes = (size_t)(r->columns.in * r->inner) * sizeof(float);
    step->what = r->rows.taps == 1 && r->columns.taps == 1 ? "rows moved" : "rows blended";
    if (!last)
        return SL_OK;
    step->what = r->rows.taps == 1 && r->columns.taps == 1 ? "rows moved, channels last"
                                                           : "rows blended, channels last";
    step->formatted = true;
    program->formats[s->out[0]] = channels_last;
    return step_wants(program, index, s->in[0], false, channels_last, err);
}
