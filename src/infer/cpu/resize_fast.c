/* resize_fast.c: f32 Resize over one axis or two neighbouring ones, row by row: the rows that an output row
 * reads are blended first, all columns at once, then columns are taken from that one row. Weights are the
 * reference's, rounded to float; sums are of floats, so results are within a few ulp of the reference's (the
 * same bits where nothing is blended). */
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "ops/resize.h"

/* One axis with weights in float. */
struct side {
    int64_t in, out, taps;
    int64_t *from;
    float *weight;
};

struct resize_fast {
    int64_t outer, inner; /* dims before the rows, and after the columns */
    struct side rows, columns;
    int64_t repeat; /* columns are the input's, each so many times; 0: not so */
};

/* ---- kernels ---- */

/* to = sum of weight * row, over the taps of one output row. */
static void blend_rows(const float *plane, int64_t width, const struct side *rows, int64_t at, float *to) {
    const int64_t *from = rows->from + at * rows->taps;
    const float *weight = rows->weight + at * rows->taps;
    const float *first = plane + from[0] * width;
    if (rows->taps == 2) {
        const float *second = plane + from[1] * width;
        float a = weight[0], b = weight[1];
        for (int64_t i = 0; i < width; i++)
            to[i] = a * first[i] + b * second[i];
        return;
    }
    for (int64_t i = 0; i < width; i++)
        to[i] = weight[0] * first[i];
    for (int64_t k = 1; k < rows->taps; k++) {
        const float *row = plane + from[k] * width;
        float a = weight[k];
        for (int64_t i = 0; i < width; i++)
            to[i] += a * row[i];
    }
}

static void take_single(const struct resize_fast *r, const float *row, float *to) {
    const struct side *c = &r->columns;
    if (r->repeat == 2) {
        for (int64_t i = 0; i < c->in; i++)
            to[2 * i] = to[2 * i + 1] = row[i];
    } else if (c->taps == 1) {
        for (int64_t i = 0; i < c->out; i++)
            to[i] = row[c->from[i]];
    } else if (c->taps == 2) {
        for (int64_t i = 0; i < c->out; i++)
            to[i] = c->weight[2 * i] * row[c->from[2 * i]] + c->weight[2 * i + 1] * row[c->from[2 * i + 1]];
    } else {
        for (int64_t i = 0; i < c->out; i++) {
            float sum = 0;
            for (int64_t k = i * c->taps; k < (i + 1) * c->taps; k++)
                sum += c->weight[k] * row[c->from[k]];
            to[i] = sum;
        }
    }
}

/* Columns of `inner` floats each. */
static void take_wide(const struct resize_fast *r, const float *row, float *to) {
    const struct side *c = &r->columns;
    for (int64_t i = 0; i < c->out; i++, to += r->inner) {
        const float *first = row + c->from[i * c->taps] * r->inner;
        float a = c->weight[i * c->taps];
        if (c->taps == 1) {
            memcpy(to, first, (size_t)r->inner * sizeof *to);
            continue;
        }
        for (int64_t k = 0; k < r->inner; k++)
            to[k] = a * first[k];
        for (int64_t t = 1; t < c->taps; t++) {
            const float *more = row + c->from[i * c->taps + t] * r->inner;
            a = c->weight[i * c->taps + t];
            for (int64_t k = 0; k < r->inner; k++)
                to[k] += a * more[k];
        }
    }
}

static bool same_taps(const struct side *s, int64_t a, int64_t b) {
    for (int64_t k = 0; k < s->taps; k++)
        if (s->from[a * s->taps + k] != s->from[b * s->taps + k] ||
            s->weight[a * s->taps + k] != s->weight[b * s->taps + k])
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
            const float *row = x + r->rows.from[i * r->rows.taps] * in_row;
            if (i && same_taps(&r->rows, i - 1, i)) {
                memcpy(y, y - out_row, (size_t)out_row * sizeof *y);
                continue;
            }
            if (r->rows.taps > 1) {
                blend_rows(x, in_row, &r->rows, i, frame->scratch);
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
        side->from[i] = axis->from[i];
        side->weight[i] = (float)axis->weight[i];
    }
    return side->from && side->weight;
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

static bool fill(struct resize_fast *r, const struct resize_tables *t, struct arena *arena) {
    static const int64_t zero = 0;
    static const double one = 1;
    struct resize_axis single = {.in = 1, .out = 1, .taps = 1, .from = &zero, .weight = &one};
    int first, last;
    if (!find_axes(t, &first, &last))
        return false;
    *r = (struct resize_fast){.outer = 1, .inner = 1};
    for (int d = 0; d < first; d++)
        r->outer *= t->axis[d].in;
    for (int d = last + 1; d < t->rank; d++)
        r->inner *= t->axis[d].in;
    if (!copy_side(&r->rows, first == last ? &single : &t->axis[first], arena) ||
        !copy_side(&r->columns, &t->axis[last], arena))
        return false;
    r->repeat = find_repeat(&r->columns);
    return true;
}

bool resize_take(struct cpu_program *program, size_t index) {
    const struct plan_step *s = &program->plan->steps[index];
    struct cpu_step *step = &program->steps[index];
    bool named = !*s->op->domain && (!strcmp(s->op->name, "Resize") || !strcmp(s->op->name, "Upsample"));
    if (!named || program->plan->values[s->in[0]].tensor.dtype != SL_FLOAT)
        return false;
    struct resize_fast *r = arena_alloc(&program->memory, 1, sizeof *r);
    if (!r || !fill(r, step->state, &program->memory))
        return false;
    step->run = run_resize;
    step->provider = r;
    step->scratch_nbytes = (size_t)(r->columns.in * r->inner) * sizeof(float);
    step->what = r->rows.taps == 1 && r->columns.taps == 1 ? "rows moved" : "rows blended";
    return true;
}
