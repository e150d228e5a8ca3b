/* recurrent_fast.c: LSTM, GRU and RNN in f32 with constant weights and the usual activations. The products of
 * the input with its weights are made for many steps at once, then the steps follow one another; a block of
 * sixteen units is finished for all rows while its weights are in the cache. Weights are packed once.
 *
 * A row's numbers never meet another row's, and the order of every sum is fixed, so its bits do not depend on
 * the batch. Rows with lengths of their own drop out when they end. */
#include <math.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "infer/cpu/recurrent_kernels.h"
#include "ops/recurrent.h"
#include "support/machine.h"

#define IN_NUMBERS                                                                                           \
    ((size_t)1 << 17) /* of the input's part that are made at once: 512 KiB stay in the cache */

struct fast {
    const struct recurrent_kernels *kernels;
    struct recurrent r;
    size_t units; /* hidden, in whole blocks */
    bool relu, reset_first;
    size_t chunk;                                       /* steps whose input is multiplied at once */
    struct recurrent_panels in[2], state[2], hidden[2]; /* per direction; hidden: the last gate of a GRU that
                                                           resets first */
};

/* ---- packing ---- */

static float *pack_room(struct arena *arena, size_t count) {
    char *p = arena_alloc(arena, count + RECURRENT_UNITS, sizeof(float));
    return p ? (float *)(void *)(p + (64 - (size_t)(uintptr_t)p % 64) % 64) : NULL;
}

/* Gates [from, from + gates) of ONNX's [all gates * hidden, depth]. The bias is the sum of its parts; NULL:
 * zero. */
static bool pack(struct arena *arena, const struct fast *f, size_t from, size_t gates, size_t depth,
                 const float *weights, const float *bias, const float *more, struct recurrent_panels *p) {
    size_t hidden = (size_t)f->r.hidden, lane = gates * RECURRENT_UNITS, blocks = f->units / RECURRENT_UNITS;
    float *w = pack_room(arena, f->units * gates * depth), *b = pack_room(arena, f->units * gates);
    if (!w || !b)
        return false;
    for (size_t g = 0; g < gates; g++)
        for (size_t u = 0; u < hidden; u++) {
            size_t row = (from + g) * hidden + u, block = u / RECURRENT_UNITS;
            size_t at = g * RECURRENT_UNITS + u % RECURRENT_UNITS;
            for (size_t k = 0; k < depth; k++)
                w[(block * depth + k) * lane + at] = weights[row * depth + k];
            b[block * lane + at] = (bias ? bias[row] : 0) + (more ? more[row] : 0);
        }
    *p = (struct recurrent_panels){.gates = gates, .depth = depth, .blocks = blocks, .weights = w, .bias = b};
    return true;
}

static bool pack_direction(struct arena *arena, struct fast *f, const struct op_call *call, size_t d) {
    size_t gates = (size_t)f->r.cell, hidden = (size_t)f->r.hidden, input = (size_t)f->r.input;
    const float *w = (const float *)call->in[RECURRENT_W]->data + d * gates * hidden * input;
    const float *r = (const float *)call->in[RECURRENT_R]->data + d * gates * hidden * hidden;
    const float *b = call->in_count > RECURRENT_B && call->in[RECURRENT_B]
                         ? (const float *)call->in[RECURRENT_B]->data + d * 2 * gates * hidden
                         : NULL;
    const float *rb = b ? b + gates * hidden : NULL;
    /* a GRU that resets after the product multiplies its own bias, too: then that stays with the state */
    bool apart = f->r.cell == CELL_GRU && !f->reset_first;
    bool done = pack(arena, f, 0, gates, input, w, b, apart ? NULL : rb, &f->in[d]);
    if (f->reset_first)
        return done && pack(arena, f, 0, 2, hidden, r, NULL, NULL, &f->state[d]) &&
               pack(arena, f, 2, 1, hidden, r, NULL, NULL, &f->hidden[d]);
    return done && pack(arena, f, 0, gates, hidden, r, apart ? rb : NULL, NULL, &f->state[d]);
}

/* ---- scratch ---- */

/* A thread's room: what the input gives for a chunk of steps, two states that take turns, and tables of rows
 * of a step. */
struct room {
    float *in, *h, *c, *z, *reset, *sums;
    const float **from;
    float **to;
};

static size_t chunk_rows(const struct fast *f) {
    return f->chunk * (size_t)f->r.batch;
}

static size_t room_nbytes(const struct fast *f) {
    size_t batch = (size_t)f->r.batch, gates = (size_t)f->r.cell;
    size_t floats = chunk_rows(f) * gates * f->units + 4 * batch * f->units +
                    RECURRENT_ROWS * RECURRENT_GATES * RECURRENT_UNITS;
    return floats * sizeof(float) + 2 * chunk_rows(f) * sizeof(float *);
}

static struct room lay_out(const struct fast *f, void *scratch) {
    size_t state = (size_t)f->r.batch * f->units;
    struct room m = {.in = scratch};
    m.h = m.in + chunk_rows(f) * (size_t)f->r.cell * f->units;
    m.c = m.h + state;
    m.z = m.c + state;
    m.reset = m.z + state;
    m.sums = m.reset + state;
    m.from = (const float **)(void *)(m.sums + RECURRENT_ROWS * RECURRENT_GATES * RECURRENT_UNITS);
    m.to = (float **)(void *)(m.from + chunk_rows(f));
    return m;
}

/* ---- running ---- */

/* One direction of a call. */
struct pass {
    const struct fast *f;
    const struct op_call *call;
    struct room m;
    int64_t direction;
    const int32_t *lens;
};

static bool has(const struct op_call *call, size_t i) {
    return i < call->in_count && call->in[i];
}

/* The step of x that a row reads at its i-th. */
static int64_t time_of(const struct pass *p, int64_t i, int64_t row) {
    const struct recurrent *r = &p->f->r;
    return recurrent_is_reverse(r, p->direction) ? recurrent_length(r, p->lens, row) - 1 - i : i;
}

static float *in_of(const struct pass *p, int64_t step, int64_t row) {
    const struct recurrent *r = &p->f->r;
    return p->m.in + (size_t)(step % (int64_t)p->f->chunk * r->batch + row) * (size_t)r->cell * p->f->units;
}

/* The input's part of steps [first, first + chunk). Blocks outside, rows inside: a block's weights stay. */
static void multiply_input(const struct pass *p, int64_t first) {
    const struct fast *f = p->f;
    const struct recurrent_panels *panels = &f->in[p->direction];
    const float *x = p->call->in[RECURRENT_X]->data;
    size_t count = 0, most = f->kernels->most_rows[panels->gates];
    for (int64_t i = first; i < first + (int64_t)f->chunk && i < f->r.steps; i++)
        for (int64_t row = 0; row < f->r.batch; row++)
            if (i < recurrent_length(&f->r, p->lens, row)) {
                p->m.from[count] = x + recurrent_x_at(&f->r, time_of(p, i, row), row);
                p->m.to[count++] = in_of(p, i, row);
            }
    for (size_t block = 0; block < panels->blocks; block++)
        for (size_t at = 0; at < count;) {
            size_t rows = count - at < most ? count - at : most;
            f->kernels->multiply(panels, block, p->m.from + at, rows, p->m.to + at);
            for (size_t i = at; i < at + rows; i++)
                p->m.to[i] += panels->gates * RECURRENT_UNITS;
            at += rows;
        }
}

/* What a block of units does after its product, for one row. */
typedef void finish_fn(const struct pass *p, const float *in, const float *sums, size_t state);

static void finish_lstm(const struct pass *p, const float *in, const float *sums, size_t state) {
    p->f->kernels->lstm(in, sums, p->m.c + state, p->m.reset + state);
}

static void finish_rnn(const struct pass *p, const float *in, const float *sums, size_t state) {
    p->f->kernels->rnn[p->f->relu](in, sums, p->m.reset + state);
}

static void finish_gru(const struct pass *p, const float *in, const float *sums, size_t state) {
    memcpy(p->m.reset + state, p->m.h + state, RECURRENT_UNITS * sizeof(float));
    p->f->kernels->gru(in, sums, p->m.reset + state);
}

static void finish_reset(const struct pass *p, const float *in, const float *sums, size_t state) {
    p->f->kernels->gru_reset(in, sums, p->m.h + state, p->m.z + state, p->m.reset + state);
}

static void finish_update(const struct pass *p, const float *in, const float *sums, size_t state) {
    p->f->kernels->gru_update(in, sums, p->m.z + state, p->m.h + state);
}

/* Rows of the batch that still run at a step; returns how many. */
static size_t active_rows(const struct pass *p, int64_t step, size_t *rows, size_t most, int64_t *next) {
    size_t count = 0;
    for (; *next < p->f->r.batch && count < most; ++*next)
        if (step < recurrent_length(&p->f->r, p->lens, *next))
            rows[count++] = (size_t)*next;
    return count;
}

/* Rows of one product, so that the products of a batch are equally large. */
static size_t rows_each(const struct recurrent_panels *panels, const struct fast *f) {
    size_t batch = (size_t)f->r.batch, most = f->kernels->most_rows[panels->gates];
    size_t products = (batch + most - 1) / most;
    return (batch + products - 1) / products;
}

/* One product over the state of all rows, each block followed by what it is for. */
static void multiply_state(const struct pass *p, const struct recurrent_panels *panels, const float *state,
                           int64_t step, finish_fn *finish) {
    const struct fast *f = p->f;
    size_t lane = panels->gates * RECURRENT_UNITS, most = rows_each(panels, f);
    float *sums[RECURRENT_ROWS];
    for (size_t i = 0; i < RECURRENT_ROWS; i++)
        sums[i] = p->m.sums + i * lane;
    for (size_t block = 0; block < panels->blocks; block++)
        for (int64_t next = 0; next < f->r.batch;) {
            size_t rows[RECURRENT_ROWS], count = active_rows(p, step, rows, most, &next);
            const float *from[RECURRENT_ROWS];
            for (size_t i = 0; i < count; i++)
                from[i] = state + rows[i] * f->units;
            if (count)
                f->kernels->multiply(panels, block, from, count, sums);
            for (size_t i = 0; i < count; i++)
                finish(p, in_of(p, step, (int64_t)rows[i]) + block * (size_t)f->r.cell * RECURRENT_UNITS,
                       sums[i], rows[i] * f->units + block * RECURRENT_UNITS);
        }
}

static void run_step(struct pass *p, int64_t step) {
    const struct fast *f = p->f;
    const struct recurrent_panels *state = &f->state[p->direction];
    if (f->reset_first) {
        multiply_state(p, state, p->m.h, step, finish_reset);
        multiply_state(p, &f->hidden[p->direction], p->m.reset, step, finish_update);
        return;
    }
    multiply_state(p, state, p->m.h, step,
                   f->r.cell == CELL_LSTM  ? finish_lstm
                   : f->r.cell == CELL_GRU ? finish_gru
                                           : finish_rnn);
    /* the new states become the old ones; a row that has ended takes its own along */
    for (int64_t row = 0; p->lens && row < f->r.batch; row++)
        if (step >= recurrent_length(&f->r, p->lens, row))
            memcpy(p->m.reset + (size_t)row * f->units, p->m.h + (size_t)row * f->units,
                   f->units * sizeof(float));
    float *h = p->m.h;
    p->m.h = p->m.reset;
    p->m.reset = h;
}

static void copy_state(const struct pass *p, const sl_tensor *t, float *state, bool out) {
    const struct recurrent *r = &p->f->r;
    size_t nbytes = (size_t)r->hidden * sizeof(float);
    for (int64_t row = 0; row < r->batch; row++) {
        float *own = state + (size_t)row * p->f->units;
        float *at = t ? (float *)t->data + recurrent_state_at(r, p->direction, row) : NULL;
        if (out)
            memcpy(at, own, nbytes);
        else if (at)
            memcpy(own, at, nbytes);
    }
}

static void write_step(const struct pass *p, int64_t step) {
    const struct recurrent *r = &p->f->r;
    size_t nbytes = (size_t)r->hidden * sizeof(float);
    for (int64_t row = 0; row < r->batch; row++) {
        bool runs = step < recurrent_length(r, p->lens, row);
        float *y = p->call->out[0]->data;
        y += recurrent_y_at(r, runs ? time_of(p, step, row) : step, p->direction, row);
        if (runs)
            memcpy(y, p->m.h + (size_t)row * p->f->units, nbytes);
        else
            memset(y, 0, nbytes);
    }
}

static void run_direction(const struct fast *f, const struct op_call *call, void *scratch, int64_t d) {
    struct pass p = {.f = f, .call = call, .m = lay_out(f, scratch), .direction = d};
    p.lens = has(call, RECURRENT_LENS) ? call->in[RECURRENT_LENS]->data : NULL;
    memset(p.m.h, 0, 4 * (size_t)f->r.batch * f->units * sizeof(float));
    copy_state(&p, has(call, RECURRENT_H) ? call->in[RECURRENT_H] : NULL, p.m.h, false);
    if (f->r.cell == CELL_LSTM)
        copy_state(&p, has(call, RECURRENT_C) ? call->in[RECURRENT_C] : NULL, p.m.c, false);
    for (int64_t step = 0; step < f->r.steps; step++) {
        if (step % (int64_t)f->chunk == 0)
            multiply_input(&p, step);
        run_step(&p, step);
        if (call->out_count > 0 && call->out[0])
            write_step(&p, step);
    }
    if (call->out_count > 1 && call->out[1])
        copy_state(&p, call->out[1], p.m.h, true);
    if (call->out_count > 2 && call->out[2])
        copy_state(&p, call->out[2], p.m.c, true);
}

static void run(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct fast *f = step->provider;
    for (int64_t d = 0; d < f->r.directions; d++)
        run_direction(f, &frame->calls[step->index], frame->scratch, d);
}

/* ---- which steps ---- */

/* A step's call, with the tensors of the plan; false when it is none of ours. */
struct candidate {
    struct op_call call;
    const sl_tensor *in[8];
    sl_tensor *out[3];
    enum recurrent_cell cell;
};

static bool is_usual(const struct recurrent *r) {
    for (int64_t d = 0; d < r->directions; d++) {
        enum recurrent_curve first = r->activations[d][0].curve;
        if (r->cell == CELL_RNN) {
            if ((first != CURVE_TANH && first != CURVE_RELU) || first != r->activations[0][0].curve)
                return false;
            continue;
        }
        if (first != CURVE_SIGMOID || r->activations[d][1].curve != CURVE_TANH ||
            (r->cell == CELL_LSTM && r->activations[d][2].curve != CURVE_TANH))
            return false;
    }
    return !r->couple && isinf(r->clip);
}

static bool is_constant(const struct plan *plan, const struct plan_step *s, size_t i) {
    return i >= s->in_count || s->in[i] == PLAN_NONE || plan->values[s->in[i]].place == PLAN_CONST;
}

static bool match(const struct plan *plan, const struct plan_step *s, struct candidate *c,
                  struct recurrent *r) {
    c->cell = !strcmp(s->op->name, "LSTM") ? CELL_LSTM : !strcmp(s->op->name, "GRU") ? CELL_GRU : CELL_RNN;
    if (*s->op->domain || (c->cell == CELL_RNN && strcmp(s->op->name, "RNN") != 0) || s->in_count > 8 ||
        s->out_count > 3)
        return false;
    for (size_t i = 0; i < s->in_count; i++)
        c->in[i] = s->in[i] == PLAN_NONE ? NULL : &plan->values[s->in[i]].tensor;
    for (size_t i = 0; i < s->out_count; i++)
        c->out[i] = s->out[i] == PLAN_NONE ? NULL : &plan->values[s->out[i]].tensor;
    c->call = (struct op_call){.attrs = s->attrs,
                               .attr_count = s->attr_count,
                               .opset = s->opset,
                               .in = c->in,
                               .in_count = s->in_count,
                               .out = c->out,
                               .out_count = s->out_count};
    bool peepholes = s->in_count > RECURRENT_P && c->in[RECURRENT_P];
    return c->in[RECURRENT_X]->dtype == SL_FLOAT && !peepholes && is_constant(plan, s, RECURRENT_W) &&
           is_constant(plan, s, RECURRENT_R) && is_constant(plan, s, RECURRENT_B) &&
           recurrent_read(&c->call, c->cell, r, NULL) == SL_OK && is_usual(r) && r->steps > 0 &&
           r->batch > 0 && r->input > 0;
}

static const struct recurrent_kernels *choose(void) {
    struct machine machine;
    machine_read(&machine);
    return machine.avx512 ? &recurrent_avx512 : machine.avx2 ? &recurrent_avx2 : &recurrent_portable;
}

static sl_status take(struct cpu_program *program, size_t index, const struct candidate *c,
                      const struct recurrent *r, sl_error *err) {
    struct fast *f = arena_alloc(&program->memory, 1, sizeof *f);
    if (!f)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    *f = (struct fast){.kernels = choose(), .r = *r};
    f->units = ((size_t)r->hidden + RECURRENT_UNITS - 1) / RECURRENT_UNITS * RECURRENT_UNITS;
    f->relu = r->activations[0][0].curve == CURVE_RELU;
    f->reset_first = r->cell == CELL_GRU && !r->linear_before_reset;
    f->chunk = IN_NUMBERS / ((size_t)r->batch * (size_t)r->cell * f->units);
    f->chunk = f->chunk < 1 ? 1 : f->chunk < (size_t)r->steps ? f->chunk : (size_t)r->steps;
    size_t before = program->memory.used_nbytes;
    for (size_t d = 0; d < (size_t)r->directions; d++)
        if (!pack_direction(&program->memory, f, &c->call, d))
            return error_set(err, SL_E_MEMORY, "out of memory for packed weights");
    program->packed_nbytes += program->memory.used_nbytes - before;
    program->steps[index] = (struct cpu_step){.run = run,
                                              .index = (uint32_t)index,
                                              .provider = f,
                                              .scratch_nbytes = room_nbytes(f),
                                              .what = f->kernels->name};
    return SL_OK;
}

sl_status recurrent_fill(struct cpu_program *program, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < program->plan->step_count; i++) {
        struct candidate c;
        struct recurrent r;
        if (!program->plan->steps[i].dynamic && match(program->plan, &program->plan->steps[i], &c, &r))
            st = take(program, i, &c, &r, err);
    }
    return st;
}
