/* cuda_prepare.c: see cuda_prepare.h. Resize is where it begins: from there the plan is followed back to the
 * pixels, as long as each step has one reader and only moves, crops or scales. */
#include "infer/cuda/cuda_prepare.h"

#include <math.h>
#include <string.h>

#include "infer/cuda/cuda_launch.h"
#include "ops/move.h"
#include "ops/rules.h"

BOUND_LAUNCH(prepare)

#define AT(type, field) offsetof(struct type, field)

enum { IMAGE, ROW, COLUMN, CHANNEL, RANK };

/* ---- from Resize back to the pixels ---- */

/* How dim d of what Resize reads lies in the value that the walk has come to. */
struct source {
    uint32_t value;
    size_t steps[BOUND_TAKEN], count; /* taken over, the last first */
    int dim[RANK];
    int64_t start[RANK], step[RANK];
};

static bool is_of(const struct plan_step *s, const char *domain, const char *names) {
    size_t n = strlen(s->op->name);
    for (const char *at = names; (at = strstr(at, s->op->name)); at += n)
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return !strcmp(s->op->domain, domain);
    return false;
}

static void cut(struct source *s, int d, int64_t start, int64_t step) {
    s->start[d] = start + step * s->start[d];
    s->step[d] *= step;
}

/* Follows one step; false: it does something else. `axis`: the dim of Resize that holds channels. */
static bool follow(struct cuda_match *at, struct source *s, struct k_prepare *p, int axis) {
    const sl_tensor *x = at->call.in[0], *y = at->call.out[0];
    int perm[SL_MAX_RANK] = {0, 1, 2, 3};
    struct move_cut c;
    if (x->rank != RANK || y->rank != RANK)
        return false;
    if (is_of(at->step, "", "Transpose")) {
        if (move_read_perm(&at->call, perm, NULL) != SL_OK)
            return false;
    } else if (is_of(at->step, "", "Slice")) {
        if (move_read_cut(&at->call, &c, NULL) != SL_OK)
            return false;
        for (int d = 0; d < RANK; d++)
            cut(s, d, c.start[s->dim[d]], c.step[s->dim[d]]);
    } else if (is_of(at->step, "", "CenterCropPad")) {
        for (int d = 0; d < RANK; d++)
            if (y->dims[d] > x->dims[d])
                return false;
        for (int d = 0; d < RANK; d++)
            cut(s, d, (x->dims[s->dim[d]] - y->dims[s->dim[d]]) / 2, 1);
    } else if (is_of(at->step, "", "Cast Add Sub Mul Div") || is_of(at->step, "sluice", "Affine")) {
        if (s->step[axis] != 1 || s->start[axis] || !prepare_link_before(at, p, s->dim[axis]))
            return false;
        if (is_of(at->step, "sluice", "Affine") && op_attr_int(&at->call, "chw", 0))
            memcpy(perm, (int[]){0, 3, 1, 2}, RANK * sizeof *perm);
    } else {
        return false;
    }
    for (int d = 0; d < RANK; d++)
        s->dim[d] = perm[s->dim[d]];
    return true;
}

/* Whether a launch writes the value: a step that was taken over before writes nothing. */
static bool is_made(const struct cuda_match *m, uint32_t value) {
    for (const struct plan_step *s = m->plan->steps; s < m->step; s++)
        for (size_t i = 0; i < s->out_count; i++)
            if (s->out[i] == value)
                return m->host->chain(m->host->self, (size_t)(s - m->plan->steps)) != NULL;
    return true;
}

/* As far back as the steps can be followed to something that is still there when Resize runs. */
static void find_source(struct cuda_match *m, struct k_prepare *p, int axis, struct source *found) {
    const size_t resize = (size_t)(m->step - m->plan->steps);
    struct source s = {.value = m->step->in[0], .dim = {0, 1, 2, 3}, .step = {1, 1, 1, 1}};
    struct k_prepare with = *p;
    size_t reader = resize, maker;
    *found = s;
    while (m->host->chain && s.count < BOUND_TAKEN &&
           (maker = bound_maker(m->plan, reader, s.value)) != SIZE_MAX) {
        struct cuda_match at = *m;
        at.step = &m->plan->steps[maker];
        if (!launch_bind(&at) || !follow(&at, &s, &with, axis))
            break;
        s.value = at.step->in[0];
        s.steps[s.count++] = reader = maker;
        if (is_made(m, s.value) && bound_kept(m->plan, s.value, maker, resize, false)) {
            *found = s;
            *p = with;
        }
    }
}

/* ---- geometry ---- */

/* Which dims of Resize are what; false: it is no Resize of images. */
static bool find_axes(const struct cuda_match *m, const struct resize_tables *t, int *axis) {
    const sl_tensor *x = m->call.in[0];
    if (t->rank != RANK)
        return false;
    for (int channel = 1; channel <= 3; channel += 2) {
        const struct resize_axis *still[] = {&t->axis[0], &t->axis[channel]};
        bool same = x->dims[channel] >= 1 && x->dims[channel] <= K_PREPARE_CHANNELS;
        for (int k = 0; k < 2; k++)
            for (int64_t i = 0; i < still[k]->out; i++)
                same = same && still[k]->taps == 1 && still[k]->in == still[k]->out && still[k]->from[i] == i;
        if (same) {
            memcpy(axis, (int[]){0, channel == 1 ? 2 : 1, channel == 1 ? 3 : 2, channel},
                   RANK * sizeof *axis);
            return true;
        }
    }
    return false;
}

/* Nothing lies outside, and (`one`) weights of one output add up to one: so that offsets may come after. */
static bool is_even(const struct resize_axis *a, bool one) {
    for (int64_t o = 0; o < a->out; o++) {
        double sum = 0;
        for (int k = 0; k < a->taps; k++)
            sum += a->weight[o * a->taps + k];
        if (a->from[o * a->taps] < 0 || (one && fabs(sum - 1) > 1e-6))
            return false;
    }
    return true;
}

/* What each tile of so many outputs reads, as first and last; the most positions of one. */
static int32_t span_of(const struct resize_axis *a, int32_t tile, int32_t *span) {
    int32_t most = 0;
    for (int64_t first = 0; first < a->out; first += tile) {
        int64_t low = INT32_MAX, high = 0;
        for (int64_t i = first * a->taps; i < a->out * a->taps && i < (first + tile) * a->taps; i++) {
            low = a->from[i] < low ? a->from[i] : low;
            high = a->from[i] > high ? a->from[i] : high;
        }
        if (span) {
            span[first / tile * 2] = (int32_t)low;
            span[first / tile * 2 + 1] = (int32_t)high;
        }
        most = high - low + 1 > most ? (int32_t)(high - low + 1) : most;
    }
    return most;
}

/* The patch of a tile, as lines of whole 16 bytes, and what TWICE makes of it. */
static void size_tile(struct k_prepare *p, const struct resize_axis *const *axes, int32_t rows,
                      int32_t columns) {
    const int32_t nbytes = (int32_t)bound_type_nbytes(p->x_type), channels = (int32_t)p->channels.by;
    p->tile[0] = rows;
    p->tile[1] = columns;
    for (int d = 0; d < 2; d++)
        p->patch[d] = span_of(axes[d], p->tile[d], NULL);
    int64_t line = ((int64_t)(p->patch[1] - 1) * p->x_step[2] + p->reach) * nbytes;
    uint64_t pieces = (uint64_t)(line + 15 + 15) / 16,
             stage = pieces * 16 * (uint64_t)p->patch[0] * (uint64_t)(p->interleaved ? 1 : channels),
             mid = p->how == K_PREPARE_TWICE
                       ? (uint64_t)p->patch[0] * (uint64_t)columns * (uint64_t)channels * sizeof(float)
                       : 0;
    p->pieces = k_divide_by((uint32_t)pieces);
    p->stage_nbytes = stage > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)stage;
    p->shared_nbytes = stage + mid > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)(stage + mid);
}

/* The largest tile whose patch leaves room for other blocks, else for this one alone. */
static bool choose_tile(struct k_prepare *p, const struct resize_axis *const *axes) {
    static const uint32_t rooms[] = {24 << 10, 48 << 10};
    for (int room = 0; room < 2; room++)
        for (int32_t columns = 32; columns >= (room ? 8 : 32); columns /= 2)
            for (int32_t rows = 8; rows >= (room ? 1 : 4); rows /= 2) {
                size_tile(p, axes, rows, columns);
                if (p->shared_nbytes <= rooms[room])
                    return true;
            }
    return false;
}

/* Patches of more than this many pixels an output are not worth their reading where few are looked at. */
#define SPARSE 4

static void choose_way(struct k_prepare *p, const struct resize_axis *const *axes) {
    bool few = p->taps[0] * p->taps[1] <= 4;
    p->how = few ? K_PREPARE_ONCE : K_PREPARE_TWICE;
    bool fits = p->x_step[2] > 0 && (p->interleaved || p->x_step[2] == 1) && choose_tile(p, axes);
    if (fits && (!few || (int64_t)p->patch[0] * p->patch[1] <= SPARSE * p->tile[0] * p->tile[1]))
        return;
    p->how = K_PREPARE_DIRECT;
    p->reach = 1;
    size_tile(p, axes, 8, 32);
    p->stage_nbytes = p->shared_nbytes = 0;
}

/* Where the source's pixels lie. */
static void place_source(struct cuda_match *m, const struct source *s, const int *axis, struct k_prepare *p) {
    const struct walk_value x = {&m->plan->values[s->value].tensor,
                                 m->host->is_last && m->host->is_last(m->host->self, s->value)};
    for (int k = 0; k < RANK; k++) {
        int64_t step = walk_step(x, s->dim[axis[k]]);
        p->x_step[k] = (int32_t)(step * s->step[axis[k]]);
        p->first += (int32_t)(step * s->start[axis[k]]);
    }
    const int32_t last = p->x_step[CHANNEL] * ((int32_t)p->channels.by - 1), far = last < 0 ? -last : last;
    p->interleaved = far < p->x_step[COLUMN];
    p->lowest = p->interleaved && last < 0 ? last : 0;
    p->reach = p->interleaved ? far + 1 : 1;
    p->x_type = m->host->type(m->host->self, s->value);
    p->x_nbytes = rule_count(x.t) * (int64_t)bound_type_nbytes(p->x_type);
}

static void place_result(struct cuda_match *m, struct k_prepare *p) {
    const struct walk_value y = bound_out_value(m, 0);
    for (int k = 0; k < RANK; k++)
        p->y_step[k] = (int32_t)walk_step(y, p->axis[k]);
    p->y_type = bound_out_type(m, 0);
    p->planar = p->y_step[COLUMN] == 1;
}

/* One axis' tables, a tap's entries side by side. */
static bool bind_axis(struct cuda_match *m, struct cuda_bound *b, int d, const struct resize_axis *a,
                      int32_t tile) {
    size_t count = (size_t)a->out * (size_t)a->taps, tiles = (size_t)((a->out + tile - 1) / tile);
    int32_t *from = bound_room(m, count, sizeof *from), *span = bound_room(m, tiles * 2, sizeof *span);
    float *weight = bound_room(m, count, sizeof *weight);
    size_t at = (size_t)d * sizeof(void *);
    if (!from || !span || !weight)
        return false;
    for (int64_t o = 0; o < a->out; o++)
        for (int k = 0; k < a->taps; k++) {
            from[k * a->out + o] = (int32_t)a->from[o * a->taps + k];
            weight[k * a->out + o] = (float)a->weight[o * a->taps + k];
        }
    (void)span_of(a, tile, span);
    return bound_table(m, b, AT(k_prepare, from) + at, from, count * sizeof *from) &&
           bound_table(m, b, AT(k_prepare, weight) + at, weight, count * sizeof *weight) &&
           bound_table(m, b, AT(k_prepare, span) + at, span, tiles * 2 * sizeof *span);
}

/* ---- Resize ---- */

/* Resize makes whole numbers of whole numbers. */
static void settle(struct k_prepare *p) {
    if (p->y_type != K_U8)
        return;
    p->links[p->link_count++] = (struct k_prepare_link){.op = K_PREPARE_ROUND};
    p->links[p->link_count++] = (struct k_prepare_link){.op = K_PREPARE_CLIP, .b = 255};
}

static bool has_offsets(const struct k_prepare *p) {
    for (int32_t l = 0; l < p->link_count; l++)
        if (p->links[l].op == K_PREPARE_ADD || p->links[l].op == K_PREPARE_SUB)
            return true;
    return false;
}

static bool takes(const struct cuda_match *m, const struct source *s, const struct k_prepare *p) {
    return (p->x_type == K_U8 || (m->plan->values[s->value].place == PLAN_INPUT && bound_is_real(p->x_type) &&
                                  p->x_type != K_F64)) &&
           (p->y_type == K_U8 || (bound_is_real(p->y_type) && p->y_type != K_F64)) &&
           rule_count(&m->plan->values[s->value].tensor) <= INT32_MAX;
}

bool prepare_resize(struct cuda_match *m, const struct resize_tables *t, bool *done) {
    struct k_prepare p = {0};
    struct source s;
    *done = false;
    if (!find_axes(m, t, p.axis))
        return true;
    const struct resize_axis *axes[] = {&t->axis[p.axis[ROW]], &t->axis[p.axis[COLUMN]]};
    find_source(m, &p, p.axis[CHANNEL], &s);
    if (!is_even(axes[0], has_offsets(&p)) || !is_even(axes[1], has_offsets(&p)))
        return true;
    const sl_tensor *y = m->call.out[0];
    p.channels = k_divide_by((uint32_t)y->dims[p.axis[CHANNEL]]);
    for (int d = 0; d < 2; d++) {
        p.out[d] = (int32_t)axes[d]->out;
        p.taps[d] = axes[d]->taps;
    }
    place_source(m, &s, p.axis, &p);
    place_result(m, &p);
    if (!takes(m, &s, &p))
        return true;
    settle(&p);
    choose_way(&p, axes);
    const uint32_t down = (uint32_t)((p.out[0] + p.tile[0] - 1) / p.tile[0]),
                   across = (uint32_t)((p.out[1] + p.tile[1] - 1) / p.tile[1]);
    p.tiles = k_divide_by(down * across);
    p.across = k_divide_by(across);
    p.line = k_divide_by((uint32_t)p.tile[1] * p.channels.by);
    p.columns = k_divide_by((uint32_t)p.tile[1]);
    p.blocks = (uint32_t)y->dims[0] * p.tiles.by;
    struct cuda_bound *b = bound_add(m, launch_prepare, &p, sizeof p);
    *done = launch_point(m, b, (struct bound_pointer){.at = AT(k_prepare, x), .value = s.value}) &&
            bound_out(m, b, AT(k_prepare, y), 0, 0) && bind_axis(m, b, 0, axes[0], p.tile[0]) &&
            bind_axis(m, b, 1, axes[1], p.tile[1]);
    for (size_t i = 0; *done && i < s.count; i++)
        m->taken[m->taken_count++] = s.steps[i];
    return *done;
}

/* ---- behind Resize ---- */

/* The launch that makes input i, with other arguments. */
static bool go_on(struct cuda_match *m, size_t i, const struct cuda_bound *before, struct k_prepare *p,
                  bool *done) {
    place_result(m, p);
    struct cuda_bound *b = bound_add(m, launch_prepare, p, sizeof *p);
    *done = bound_out(m, b, AT(k_prepare, y), 0, 0) &&
            bound_same(m, b, AT(k_prepare, x), before, AT(k_prepare, x));
    for (size_t d = 0; *done && d < 2; d++) {
        const size_t at[] = {AT(k_prepare, from) + d * sizeof(void *),
                             AT(k_prepare, weight) + d * sizeof(void *),
                             AT(k_prepare, span) + d * sizeof(void *)};
        for (size_t k = 0; *done && k < 3; k++)
            *done = bound_same(m, b, at[k], before, at[k]);
    }
    *done = *done && bound_take(m, i);
    return *done;
}

bool prepare_element(struct cuda_match *m, const struct k_element *e, bool *done) {
    const sl_tensor *y = m->call.out[0];
    *done = false;
    if (e->in_count > 2 || y->rank != RANK)
        return true;
    for (size_t i = 0; i < (size_t)e->in_count; i++) {
        const struct cuda_bound *before = bound_before(m, i, launch_prepare, false);
        bool ordered = i == 0 || e->op == K_ADD || e->op == K_MUL;
        const sl_tensor *other = e->in_count == 2 ? bound_const(m, 1 - i) : NULL;
        if (!before || !ordered || (e->in_count == 2 && !other) ||
            memcmp(m->call.in[i]->dims, y->dims, RANK * sizeof *y->dims) != 0)
            continue;
        struct k_prepare p = *(const struct k_prepare *)bound_args(before);
        struct k_element of = *e;
        of.in_type[0] = e->in_type[i];
        if (prepare_link(&p, &of, m->call.in[i], other, p.axis[CHANNEL]))
            return go_on(m, i, before, &p, done);
    }
    return true;
}

bool prepare_transpose(struct cuda_match *m, const int *perm, bool *done) {
    const struct cuda_bound *before = bound_before(m, 0, launch_prepare, false);
    *done = false;
    if (!before)
        return true;
    struct k_prepare p = *(const struct k_prepare *)bound_args(before);
    for (int k = 0; k < RANK; k++)
        for (int d = 0; d < RANK; d++)
            if (perm[d] == ((const struct k_prepare *)bound_args(before))->axis[k])
                p.axis[k] = d;
    return go_on(m, 0, before, &p, done);
}
