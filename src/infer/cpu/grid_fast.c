/* grid_fast.c: linear GridSample of f32 images: what each position reads is found once for all channels, some
 * thousand positions at a time, and then every channel is picked from its plane. Weights are the reference's,
 * rounded to float. A pixel that is not there has weight zero, so where the first pixel of a plane is
 * infinite or NaN, so is what lies outside; the reference has zero there. */
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "infer/cpu/line_kernels.h"
#include "ops/grid_sample.h"

#define AT_ONCE 2048 /* positions */
#define CORNERS 4

struct grid_fast {
    const struct line_kernels *kernels;
    struct grid_sampling sampling;
};

/* A frame's scratch. */
struct room {
    int32_t from[CORNERS][AT_ONCE];
    float weight[CORNERS][AT_ONCE];
    float lower[AT_ONCE];
};

/* Taps of `count` positions from `grid` on, x first, into the room. */
static void find_corners(const struct grid_fast *g, const sl_tensor *x, const float *grid, int64_t count,
                         struct room *room) {
    for (int64_t i = 0; i < count; i++) {
        struct grid_taps v = grid_find_taps(&g->sampling, (double)grid[2 * i + 1], x->dims[2]);
        struct grid_taps h = grid_find_taps(&g->sampling, (double)grid[2 * i], x->dims[3]);
        for (int k = 0; k < CORNERS; k++) {
            int64_t row = v.from[k / 2], column = h.from[k % 2];
            bool inside = row >= 0 && column >= 0;
            room->from[k][i] = inside ? (int32_t)(row * x->dims[3] + column) : 0;
            room->weight[k][i] = inside ? (float)(v.weight[k / 2] * h.weight[k % 2]) : 0;
        }
    }
}

static void run_grid(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct grid_fast *g = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    const sl_tensor *x = call->in[0], *y = call->out[0];
    const float *planes = x->data, *grid = call->in[1]->data;
    float *out = y->data;
    struct room *room = frame->scratch;
    int64_t positions = y->dims[2] * y->dims[3], size = x->dims[2] * x->dims[3], channels = x->dims[1];
    for (int64_t n = 0; n < x->dims[0]; n++, grid += 2 * positions)
        for (int64_t first = 0; first < positions; first += AT_ONCE) {
            int64_t count = positions - first < AT_ONCE ? positions - first : AT_ONCE;
            find_corners(g, x, grid + 2 * first, count, room);
            for (int64_t c = n * channels; c < (n + 1) * channels; c++) {
                const float *plane = planes + c * size;
                float *to = out + c * positions + first;
                g->kernels->pick_two(to, plane, room->from[0], room->from[1], room->weight[0],
                                     room->weight[1], (size_t)count);
                g->kernels->pick_two(room->lower, plane, room->from[2], room->from[3], room->weight[2],
                                     room->weight[3], (size_t)count);
                g->kernels->add(to, room->lower, (size_t)count);
            }
        }
}

bool grid_take(struct cpu_program *program, size_t index) {
    const struct plan_step *s = &program->plan->steps[index];
    struct cpu_step *step = &program->steps[index];
    struct grid_fast found = {.kernels = line_kernels()};
    if (strcmp(s->op->name, "GridSample") != 0)
        return false;
    const sl_tensor *in[] = {&program->plan->values[s->in[0]].tensor,
                             &program->plan->values[s->in[1]].tensor};
    struct op_call call = {
        .attrs = s->attrs, .attr_count = s->attr_count, .opset = s->opset, .in = in, .in_count = 2};
    if (in[0]->dtype != SL_FLOAT || in[1]->dtype != SL_FLOAT || in[0]->rank != 4 ||
        in[0]->dims[2] > INT32_MAX / (in[0]->dims[3] + 1) ||
        grid_read(&call, &found.sampling, NULL) != SL_OK || found.sampling.mode != GRID_LINEAR)
        return false;
    struct grid_fast *g = arena_alloc(&program->memory, 1, sizeof *g);
    if (!g)
        return false;
    *g = found;
    step->run = run_grid;
    step->provider = g;
    step->scratch_nbytes = sizeof(struct room);
    step->what = "positions, then channels";
    return true;
}
