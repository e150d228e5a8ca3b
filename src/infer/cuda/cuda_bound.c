/* cuda_bound.c: steps as chains of launches, of cuda_bound.h. */
#include "infer/cuda/cuda_launch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/half.h"
#include "ops/rules.h"

static int run_one(const struct cuda_bound *b, const void *(*address)(const void *, uint32_t),
                   const void *frame, k_stream stream) {
    union {
        char bytes[BOUND_NBYTES];
        max_align_t align;
    } args;
    memcpy(args.bytes, b->args, b->nbytes);
    for (unsigned i = 0; i < b->pointer_count; i++) {
        const struct bound_pointer *p = &b->pointers[i];
        const void *at =
            p->value == PLAN_NONE ? p->table : (const char *)address(frame, p->value) + p->offset;
        memcpy(args.bytes + p->at, &at, sizeof at);
    }
    return b->launch(args.bytes, stream);
}

int bound_run(const struct cuda_bound *chain, const void *(*address)(const void *, uint32_t),
              const void *frame, k_stream stream) {
    int status = 0;
    for (; chain && status == 0; chain = chain->next)
        status = run_one(chain, address, frame, stream);
    return status;
}

void bound_values(const struct cuda_bound *chain, void (*visit)(void *self, uint32_t value), void *self) {
    for (; chain; chain = chain->next)
        for (unsigned i = 0; i < chain->pointer_count; i++)
            if (chain->pointers[i].value != PLAN_NONE && chain->pointers[i].value != BOUND_SCRATCH)
                visit(self, chain->pointers[i].value);
}

/* ---- what matchers ask ---- */

bool bound_refuse(struct cuda_match *m, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(m->why, m->why_nbytes, format, args);
    va_end(args);
    return false;
}

bool bound_walk(struct cuda_match *m, struct walk_plan *w, struct k_walk *walk) {
    return walk_make(w, walk) || bound_refuse(m, "a value of more than 2^31 elements or too many dims");
}

bool bound_has_in(const struct cuda_match *m, size_t i) {
    return op_has_in(&m->call, i);
}

bool bound_has_out(const struct cuda_match *m, size_t i) {
    return op_has_out(&m->call, i);
}

enum k_type bound_in_type(const struct cuda_match *m, size_t i) {
    return m->host->type(m->host->self, m->step->in[i]);
}

enum k_type bound_out_type(const struct cuda_match *m, size_t i) {
    return m->host->type(m->host->self, m->step->out[i]);
}

static bool lies_last(const struct cuda_match *m, uint32_t value) {
    return m->host->is_last && m->host->is_last(m->host->self, value);
}

struct walk_value bound_in_value(const struct cuda_match *m, size_t i) {
    return (struct walk_value){m->call.in[i], lies_last(m, m->step->in[i])};
}

struct walk_value bound_out_value(const struct cuda_match *m, size_t i) {
    return (struct walk_value){m->call.out[i], lies_last(m, m->step->out[i])};
}

void bound_follow(struct cuda_match *m, size_t i, size_t in) {
    if (bound_in_value(m, in).last && m->call.out[i]->rank == m->call.in[in]->rank && m->host->make_last)
        (void)m->host->make_last(m->host->self, m->step->out[i]);
}

bool bound_is_real(enum k_type type) {
    return type == K_F32 || type == K_F16 || type == K_BF16 || type == K_F64;
}

size_t bound_type_nbytes(enum k_type type) {
    switch (type) {
    case K_F64:
    case K_U64:
    case K_I64:
        return 8;
    case K_F32:
    case K_U32:
    case K_I32:
        return 4;
    case K_F16:
    case K_BF16:
    case K_U16:
    case K_I16:
        return 2;
    default:
        return 1;
    }
}

const sl_tensor *bound_const(const struct cuda_match *m, size_t i) {
    const sl_tensor *t = bound_has_in(m, i) ? m->call.in[i] : NULL;
    return t && m->plan->values[m->step->in[i]].place == PLAN_CONST && t->data ? t : NULL;
}

void *bound_room(struct cuda_match *m, size_t count, size_t size) {
    void *room = arena_alloc(m->host->room, count ? count : 1, size);
    if (!room)
        (void)bound_refuse(m, "out of memory for its tables");
    return room;
}

const struct op_prepared *bound_prepare(struct cuda_match *m) {
    struct op_prepared *prepared = bound_room(m, 1, sizeof *prepared);
    sl_error err = {0};
    if (!prepared)
        return NULL;
    if (m->step->op->prepare(&m->call, m->host->room, prepared, &err) == SL_OK)
        return prepared;
    (void)bound_refuse(m, "%s", err.text);
    return NULL;
}

/* ---- launches ---- */

struct cuda_bound *bound_add(struct cuda_match *m, bound_launch *launch, const void *args, size_t nbytes) {
    struct cuda_bound *b = arena_alloc(m->host->arena, 1, sizeof *b);
    void *copy = arena_alloc(m->host->arena, 1, nbytes);
    if (!b || !copy) {
        (void)bound_refuse(m, "out of memory for its launches");
        return NULL;
    }
    memcpy(copy, args, nbytes);
    *b = (struct cuda_bound){.launch = launch, .args = copy, .nbytes = nbytes};
    if (m->last)
        m->last->next = b;
    else
        m->first = b;
    m->last = b;
    return b;
}

bool launch_point(struct cuda_match *m, struct cuda_bound *b, struct bound_pointer pointer) {
    if (!b)
        return false;
    if (b->pointer_count == BOUND_POINTERS)
        return bound_refuse(m, "too many pointers");
    b->pointers[b->pointer_count++] = pointer;
    return true;
}

bool bound_in(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t i, int64_t offset) {
    return launch_point(m, b, (struct bound_pointer){.at = at, .value = m->step->in[i], .offset = offset});
}

bool bound_out(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t i, int64_t offset) {
    return launch_point(m, b, (struct bound_pointer){.at = at, .value = m->step->out[i], .offset = offset});
}

bool bound_in_of(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct plan_step *taken,
                 size_t i) {
    return launch_point(m, b, (struct bound_pointer){.at = at, .value = taken->in[i]});
}

bool bound_table(struct cuda_match *m, struct cuda_bound *b, size_t at, const void *table, size_t nbytes) {
    const void *on_device = m->host->table(m->host->self, table, nbytes);
    if (!on_device)
        return bound_refuse(m, "out of memory for its tables");
    return launch_point(m, b, (struct bound_pointer){.at = at, .value = PLAN_NONE, .table = on_device});
}

/* ---- scratch ---- */

#define SCRATCH_ALIGN 256

size_t bound_scratch(struct cuda_match *m, size_t nbytes) {
    size_t at = m->scratch_nbytes;
    m->scratch_nbytes += (nbytes + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
    m->host->scratch(m->host->self, m->scratch_nbytes);
    return at;
}

bool bound_scratch_at(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t scratch) {
    return launch_point(m, b,
                        (struct bound_pointer){.at = at, .value = BOUND_SCRATCH, .offset = (int64_t)scratch});
}

/* ---- floats of the device ---- */

static uint16_t half_of(enum k_type type, float x) {
    return type == K_F16 ? half_from_finite(x) : bfloat_from_finite(x);
}

bool bound_floats(struct cuda_match *m, struct cuda_bound *b, size_t at, const float *values, size_t count,
                  enum k_type type) {
    if (type == K_F32)
        return bound_table(m, b, at, values, count * sizeof *values);
    uint16_t *halves = bound_room(m, count, sizeof *halves);
    for (size_t i = 0; halves && i < count; i++)
        halves[i] = half_of(type, values[i]);
    return halves && bound_table(m, b, at, halves, count * sizeof *halves);
}

bool bound_number(enum k_type type, double x, uint64_t *bits) {
    float f = (float)x;
    int64_t whole = (int64_t)x;
    if (type == K_F64)
        memcpy(bits, &x, sizeof x);
    else if (type == K_F32)
        memcpy(bits, &f, sizeof f);
    else if (type == K_F16 || type == K_BF16)
        *bits = half_of(type, f);
    else
        memcpy(bits, &whole, sizeof whole); /* the low bytes are those of every integer */
    return true;
}

/* ---- a step ---- */

static const struct bound_operator *find_in(const struct bound_operator *family, const struct op *op) {
    for (const struct bound_operator *o = family; o->name; o++)
        if (!strcmp(o->name, op->name) && !strcmp(o->domain, op->domain))
            return o;
    return NULL;
}

static const struct bound_operator *find(const struct op *op) {
    static const struct bound_operator *const families[] = {
        bound_rows,          bound_norms,  bound_reduce,    bound_move,     bound_gather,
        bound_images,        bound_trees,  bound_recurrent, bound_levels,   bound_embed,
        bound_features,      bound_place,  bound_products,  bound_convolve, bound_attention,
        bound_products_int8, bound_einsum, bound_heads,     bound_signals};
    const struct bound_operator *known = NULL;
    for (size_t f = 0; !known && f < sizeof families / sizeof *families; f++)
        known = find_in(families[f], op);
    return known;
}

bool launch_bind(struct cuda_match *m) {
    const struct plan_step *s = m->step;
    const sl_tensor **in = bound_room(m, s->in_count, sizeof *in);
    sl_tensor **out = bound_room(m, s->out_count, sizeof *out);
    sl_tensor *copies = bound_room(m, s->out_count, sizeof *copies);
    if (!in || !out || !copies)
        return false;
    for (size_t i = 0; i < s->in_count; i++)
        in[i] = s->in[i] == PLAN_NONE ? NULL : &m->plan->values[s->in[i]].tensor;
    for (size_t i = 0; i < s->out_count; i++) {
        if (s->out[i] == PLAN_NONE)
            continue;
        copies[i] = m->plan->values[s->out[i]].tensor;
        out[i] = &copies[i];
    }
    m->call = (struct op_call){.attrs = s->attrs,
                               .attr_count = s->attr_count,
                               .opset = s->opset,
                               .in = in,
                               .in_count = s->in_count,
                               .out = out,
                               .out_count = s->out_count};
    return true;
}

static bool check_types(struct cuda_match *m) {
    const unsigned set = OPS_REALS | OPS_INTS | OPS_BIT(SL_BOOL);
    for (size_t i = 0; i < m->call.in_count + m->call.out_count; i++) {
        size_t out = i - m->call.in_count;
        const sl_tensor *t = i < m->call.in_count ? m->call.in[i] : m->call.out[out];
        if (t && !(set & OPS_BIT(t->dtype)))
            return bound_refuse(m, "dtype '%s'", sl_dtype_name(t->dtype));
    }
    return true;
}

/* An operator that knows of no layouts gets none. */
static bool check_layouts(struct cuda_match *m, const struct bound_operator *known) {
    for (size_t i = 0; !known->last && i < m->call.in_count; i++)
        if (m->call.in[i] && lies_last(m, m->step->in[i]))
            return bound_refuse(m, "input %zu lies channels-last", i);
    return true;
}

/* Nothing to compute: all outputs are empty. */
static bool is_empty(const struct cuda_match *m) {
    for (size_t i = 0; i < m->call.out_count; i++)
        if (m->call.out[i] && rule_count(m->call.out[i]))
            return false;
    return true;
}

/* ---- steps that are taken over ---- */

/* The only step that reads a value, or NULL. */
static const struct plan_step *only_reader(const struct plan *plan, uint32_t value) {
    const struct plan_step *reader = NULL;
    size_t count = 0;
    for (size_t k = 0; k < plan->step_count; k++)
        for (size_t i = 0; i < plan->steps[k].in_count; i++)
            if (plan->steps[k].in[i] == value) {
                reader = &plan->steps[k];
                count++;
            }
    return count == 1 ? reader : NULL;
}

static bool is_step(const struct plan_step *s, const char *domain, const char *name) {
    return !strcmp(s->op->domain, domain) && !strcmp(s->op->name, name);
}

/* Who does the step's work, or NULL: itself. */
static const struct plan_step *taken_by(const struct bound_host *host, const struct plan *plan,
                                        const struct plan_step *of) {
    char why[300];
    if (host->cudnn || of->out_count != 1 || of->in_count != 1 || plan->values[of->in[0]].place != PLAN_INPUT)
        return NULL;
    const struct plan_value *between = &plan->values[of->out[0]];
    const struct plan_step *reader =
        between->place == PLAN_ARENA && !between->viewed ? only_reader(plan, of->out[0]) : NULL;
    struct cuda_match m = {.host = host, .plan = plan, .step = reader, .why = why, .why_nbytes = sizeof why};
    for (const struct bound_taker *t = bound_takers; reader && t->name; t++)
        if (is_step(reader, t->domain, t->name) && is_step(of, t->of_domain, t->of_name) &&
            !reader->dynamic && launch_bind(&m) && t->takes(&m, of))
            return reader;
    return NULL;
}

const struct plan_step *bound_taken(const struct cuda_match *m, size_t i) {
    for (const struct plan_step *s = m->plan->steps; s < m->step; s++)
        if (s->out_count == 1 && s->out[0] == m->step->in[i])
            return taken_by(m->host, m->plan, s) == m->step ? s : NULL;
    return NULL;
}

bool bound_knows(const struct op *op) {
    return find(op) != NULL;
}

bool bound_knows_last(const struct op *op) {
    const struct bound_operator *known = find(op);
    return known && known->last;
}

bool bound_step(const struct bound_host *host, const struct plan *plan, size_t index,
                struct cuda_bound **chain, const char **kernel, char *why, size_t why_nbytes) {
    struct cuda_match m = {
        .host = host, .plan = plan, .step = &plan->steps[index], .why = why, .why_nbytes = why_nbytes};
    const struct bound_operator *known = host->cudnn ? find_in(bound_cudnn, m.step->op) : find(m.step->op);
    if (!known)
        return bound_refuse(&m, "there is no kernel for it");
    if (m.step->dynamic)
        return bound_refuse(&m, "sizes that depend on the data");
    if (!launch_bind(&m) || !check_types(&m) || !check_layouts(&m, known) ||
        (!is_empty(&m) && !taken_by(host, plan, m.step) && !known->match(&m, known->detail)))
        return false;
    for (size_t i = 0; i < m.taken_count; i++)
        host->take(host->self, m.taken[i]);
    *chain = m.first;
    *kernel = known->name;
    return true;
}
