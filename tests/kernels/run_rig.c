/* run_rig.c: see run_rig.h. */
#include "run_rig.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kernel_rig.h"
#include "ops/element.h"
#include "ops/rules.h"

/* ---- the plan ---- */

static const char *dtype_word(sl_dtype dtype) {
    return dtype == SL_FLOAT ? "f" : dtype == SL_UINT8 ? "u8" : "i32";
}

static void spell(const sl_tensor *t, char *text, size_t nbytes) {
    int n = snprintf(text, nbytes, "%s:", dtype_word(t->dtype));
    for (int d = 0; d < t->rank; d++)
        n += snprintf(text + n, nbytes - (size_t)n, "%s%lld", d ? "," : "", (long long)t->dims[d]);
}

static void add(struct run *r, struct run_line line) {
    char inputs[300] = "";
    size_t s = r->plan.step_count++, first = r->plan.value_count;
    bool joined = *line.inputs == '.';
    if (joined)
        spell(&r->values[r->out[s - 1]].tensor, inputs, sizeof inputs);
    strncat(inputs, line.inputs + joined, sizeof inputs - strlen(inputs) - 1);
    r->texts[s] = step_read(line.op, line.attrs, inputs);
    const struct plan *plan = step_plan(r->texts[s]);
    ck_assert_uint_le(first + plan->value_count, RUN_VALUES);
    memcpy(r->values + first, plan->values, plan->value_count * sizeof *r->values);
    memcpy(r->data + first, step_data(r->texts[s]), plan->value_count * sizeof *r->data);
    r->plan.value_count += plan->value_count;
    r->steps[s] = plan->steps[0];
    r->steps[s].in = r->in[s];
    r->steps[s].out = &r->out[s];
    for (size_t i = 0; i < r->steps[s].in_count; i++)
        r->in[s][i] = plan->steps[0].in[i] == PLAN_NONE ? PLAN_NONE : plan->steps[0].in[i] + (uint32_t)first;
    r->out[s] = plan->steps[0].out[0] + (uint32_t)first;
    if (joined)
        r->in[s][0] = r->out[s - 1];
    else
        r->values[r->in[s][0]].place = PLAN_INPUT;
    for (size_t v = first; v < r->plan.value_count; v++) {
        r->values[v].nbytes = rule_nbytes(&r->values[v].tensor);
        r->values[v].offset = r->nbytes;
        r->nbytes += r->values[v].nbytes + 64;
    }
}

void run_begin(struct run *r, const struct run_line *lines, enum k_type real) {
    memset(r, 0, sizeof *r);
    arena_init(&r->arena);
    r->real = real;
    r->plan = (struct plan){.values = r->values, .steps = r->steps, .batch = 1};
    for (; lines->op; lines++)
        add(r, *lines);
}

void run_end(struct run *r) {
    for (size_t s = 0; s < r->plan.step_count; s++)
        step_clear(r->texts[s]);
    for (size_t i = 0; i < r->table_count; i++)
        simt_free(r->tables[i]);
    arena_clear(&r->arena);
}

/* ---- references ---- */

void run_references(struct run *r) {
    for (size_t s = 0; s < r->plan.step_count; s++) {
        sl_tensor in[RUN_INPUTS], out = r->values[r->out[s]].tensor;
        const sl_tensor *ins[RUN_INPUTS] = {NULL};
        sl_tensor *outs[] = {&out};
        struct op_prepared prepared = {0};
        for (size_t i = 0; i < r->steps[s].in_count; i++) {
            if (r->in[s][i] == PLAN_NONE)
                continue;
            in[i] = r->values[r->in[s][i]].tensor;
            in[i].data = r->data[r->in[s][i]];
            ins[i] = &in[i];
        }
        out.data = r->data[r->out[s]];
        struct op_call call = {.attrs = r->steps[s].attrs,
                               .attr_count = r->steps[s].attr_count,
                               .opset = r->steps[s].opset,
                               .in = ins,
                               .in_count = r->steps[s].in_count,
                               .out = outs,
                               .out_count = 1};
        if (r->steps[s].op->prepare)
            ck_assert(r->steps[s].op->prepare(&call, &r->arena, &prepared, NULL) == SL_OK);
        call.state = prepared.state;
        r->steps[s].op->run(&call);
    }
}

/* ---- the device ---- */

static enum k_type type_of(const struct run *r, size_t value) {
    sl_dtype dtype = r->values[value].tensor.dtype;
    return dtype == SL_FLOAT ? r->real : dtype == SL_UINT8 ? K_U8 : dtype == SL_INT32 ? K_I32 : K_I64;
}
static enum k_type host_type(void *self, uint32_t value) {
    return type_of(self, value);
}
static bool host_is_last(void *self, uint32_t value) {
    return ((struct run *)self)->lies_last[value];
}
static bool host_make_last(void *self, uint32_t value) {
    struct run *r = self;
    return r->lies_last[value] = r->last && r->values[value].tensor.rank >= 3;
}
static const struct cuda_bound *host_chain(void *self, size_t step) {
    return ((struct run *)self)->chains[step];
}
static void host_take(void *self, size_t step) {
    ((struct run *)self)->chains[step] = NULL;
}
static const void *host_table(void *self, const void *table, size_t nbytes) {
    struct run *r = self;
    ck_assert_uint_lt(r->table_count, RUN_TABLES);
    void *copy = simt_alloc(nbytes);
    memcpy(copy, table, nbytes);
    simt_written(copy, nbytes);
    return r->tables[r->table_count++] = copy;
}
static const void *address(const void *frame, uint32_t value) {
    return ((const struct run *)frame)->device[value];
}

/* Where element i of a value stands, as it lies. */
static size_t place_of(const struct run *r, size_t v, size_t i) {
    const sl_tensor *t = &r->values[v].tensor;
    if (!r->lies_last[v])
        return i;
    size_t points = (size_t)rule_product(t, 2, t->rank), channels = (size_t)t->dims[1],
           image = i / points / channels;
    return (image * points + i % points) * channels + i / points % channels;
}

static void fill_device(struct run *r) {
    for (size_t v = 0; v < r->plan.value_count; v++) {
        const sl_tensor *t = &r->values[v].tensor;
        size_t n = r->data[v] ? (size_t)rule_count(t) : 0;
        enum k_type type = type_of(r, v);
        bool made = false;
        for (size_t s = 0; s < r->plan.step_count; s++)
            made = made || r->out[s] == v;
        if (!n)
            continue;
        r->device[v] = simt_alloc(n * rig_size(type));
        for (size_t i = 0; !made && i < n; i++)
            rig_set(type, r->device[v], place_of(r, v, i), element_number(t->dtype, r->data[v], (int64_t)i));
        if (!made)
            simt_written(r->device[v], n * rig_size(type));
    }
}

static void free_device(struct run *r) {
    for (size_t v = 0; v < r->plan.value_count; v++) {
        simt_free(r->device[v]);
        r->device[v] = NULL;
    }
}

/* The largest difference of the result, in units of the largest number there is. */
static double differ(const struct run *r) {
    uint32_t y = r->out[r->plan.step_count - 1];
    const sl_tensor *t = &r->values[y].tensor;
    double worst = 0, scale = 1;
    for (int64_t i = 0; i < rule_count(t); i++) {
        double want = element_number(t->dtype, r->data[y], i),
               got = rig_get(type_of(r, y), r->device[y], place_of(r, y, (size_t)i));
        scale = fabs(want) > scale ? fabs(want) : scale;
        worst = !(fabs(got - want) <= worst) ? fabs(got - want) : worst;
    }
    return worst / scale;
}

unsigned run_match(struct run *r) {
    struct bound_host host = {.self = r,
                              .type = host_type,
                              .is_last = host_is_last,
                              .make_last = host_make_last,
                              .table = host_table,
                              .arena = &r->arena,
                              .room = &r->arena,
                              .chain = host_chain,
                              .take = host_take,
                              .arch = 90};
    unsigned launches = 0;
    for (size_t s = 0; s < r->plan.step_count; s++) {
        char why[200] = "";
        const char *kernel;
        struct cuda_bound *made = NULL;
        ck_assert_msg(bound_step(&host, &r->plan, s, &made, &kernel, why, sizeof why), "%s: %s",
                      r->steps[s].name, why);
        r->chains[s] = made;
    }
    for (size_t s = 0; s < r->plan.step_count; s++)
        launches += r->chains[s] != NULL;
    return launches;
}

double run_launch(struct run *r) {
    double worst = 0;
    for (int order = 0; rig_order(order); order++) {
        fill_device(r);
        for (size_t s = 0; s < r->plan.step_count; s++)
            ck_assert_int_eq(bound_run(r->chains[s], address, r, NULL), 0);
        double d = differ(r);
        worst = d > worst ? d : worst;
        free_device(r);
    }
    return worst;
}

void run_check(const struct run_line *lines, unsigned launches, bool last) {
    static const enum k_type reals[] = {K_F32, K_F16, K_BF16};
    static const double tolerances[] = {1e-5, 1e-3, 8e-3};
    for (int i = 0; i < 3; i++) {
        struct run r;
        run_begin(&r, lines, reals[i]);
        r.last = r.lies_last[r.in[0][0]] = last;
        run_references(&r);
        unsigned left = run_match(&r);
        double d = run_launch(&r);
        ck_assert_msg(left == launches, "%s %s: %u launches, expected %u", lines->op, lines->inputs, left,
                      launches);
        ck_assert_msg(d <= tolerances[i], "%s of %s, %s, type %d: off by %g", lines->op, lines->inputs,
                      lines[1].op ? lines[1].inputs : "", (int)reals[i], d);
        run_end(&r);
    }
}

void run_check_floats(const struct run_line *lines, unsigned launches) {
    struct run r;
    run_begin(&r, lines, K_F32);
    run_references(&r);
    ck_assert_uint_eq(run_match(&r), launches);
    ck_assert_double_le(run_launch(&r), 1e-5);
    run_end(&r);
}
