/* test_chain_steps.c: steps that take over the work of those before them: elementwise chains, Add before a
 * norm. Plans of several steps made by hand, with memory laid out by hand, beside the references step by
 * step. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/cuda/cuda_bound.h"
#include "kernel_rig.h"
#include "ops/rules.h"

enum { VALUES = 16, STEPS = 8 };

struct chain_rig {
    struct plan plan;
    struct plan_value values[VALUES];
    struct plan_step steps[STEPS];
    uint32_t in[STEPS][3], out[STEPS];
    struct cuda_bound *chains[STEPS];
    float *data[VALUES];  /* what the references make of it */
    void *device[VALUES]; /* by offset: values at the same offset are the same memory */
    enum k_type real;
};

/* A value of so many dims at an offset of the arena; SIZE_MAX: a constant. */
static uint32_t add_value(struct chain_rig *r, size_t offset, int rank, const int64_t *dims) {
    struct plan_value *v = &r->values[r->plan.value_count];
    *v = (struct plan_value){.tensor = {.dtype = SL_FLOAT, .rank = rank},
                             .place = offset == SIZE_MAX ? PLAN_CONST : PLAN_ARENA,
                             .offset = offset == SIZE_MAX ? 0 : offset};
    memcpy(v->tensor.dims, dims, (size_t)rank * sizeof *dims);
    size_t n = (size_t)rule_count(&v->tensor);
    v->nbytes = n * sizeof(float);
    float *data = calloc(n, sizeof *data);
    for (size_t i = 0; i < n; i++)
        data[i] = (float)rig_uniform(0.25, 2);
    r->data[r->plan.value_count] = data;
    return (uint32_t)r->plan.value_count++;
}

static uint32_t add_step(struct chain_rig *r, const char *op, size_t offset, int rank, const int64_t *dims,
                         uint32_t a, uint32_t b, uint32_t c) {
    size_t i = r->plan.step_count++;
    uint32_t y = add_value(r, offset, rank, dims);
    memcpy(r->in[i], (uint32_t[]){a, b, c}, sizeof r->in[i]);
    r->out[i] = y;
    r->steps[i] = (struct plan_step){.op = op_find("", op, 20),
                                     .name = op,
                                     .opset = 20,
                                     .in = r->in[i],
                                     .out = &r->out[i],
                                     .in_count = c != PLAN_NONE   ? 3
                                                 : b != PLAN_NONE ? 2
                                                                  : 1,
                                     .out_count = 1};
    ck_assert_ptr_nonnull(r->steps[i].op);
    return y;
}

static void begin(struct chain_rig *r, enum k_type real) {
    memset(r, 0, sizeof *r);
    r->real = real;
    r->plan = (struct plan){.values = r->values, .steps = r->steps, .batch = 1};
    rig_seed(7);
}

static enum k_type type(void *self, uint32_t value) {
    (void)value;
    return ((struct chain_rig *)self)->real;
}
static const struct cuda_bound *chain(void *self, size_t step) {
    return ((struct chain_rig *)self)->chains[step];
}
static void take(void *self, size_t step) {
    ((struct chain_rig *)self)->chains[step] = NULL;
}
static const void *address(const void *frame, uint32_t value) {
    return ((const struct chain_rig *)frame)->device[value];
}

/* Numbers as the program has them. */
static void round_all(struct chain_rig *r) {
    for (size_t v = 0; v < r->plan.value_count; v++)
        for (size_t i = 0; i < r->values[v].nbytes / sizeof(float); i++) {
            rig_set(r->real, &r->data[v][i], 0, (double)r->data[v][i]);
            r->data[v][i] = (float)rig_get(r->real, &r->data[v][i], 0);
        }
}

static void run_references(struct chain_rig *r) {
    for (size_t s = 0; s < r->plan.step_count; s++) {
        sl_tensor in[3], out = r->values[r->out[s]].tensor;
        const sl_tensor *ins[3];
        sl_tensor *outs[] = {&out};
        for (size_t i = 0; i < r->steps[s].in_count; i++) {
            in[i] = r->values[r->in[s][i]].tensor;
            in[i].data = r->data[r->in[s][i]];
            ins[i] = &in[i];
        }
        out.data = r->data[r->out[s]];
        struct op_call call = {
            .opset = 20, .in = ins, .in_count = r->steps[s].in_count, .out = outs, .out_count = 1};
        r->steps[s].op->run(&call);
    }
}

/* Values that begin at the same offset share memory: the larger one's. */
static void fill_device(struct chain_rig *r) {
    memset(r->device, 0, sizeof r->device);
    for (size_t v = 0; v < r->plan.value_count; v++) {
        size_t n = r->values[v].nbytes / sizeof(float), most = n, input = v;
        for (size_t s = 0; s < r->plan.step_count; s++)
            input = r->out[s] == v ? SIZE_MAX : input;
        for (size_t w = 0; w < r->plan.value_count; w++)
            if (r->values[v].place == PLAN_ARENA && r->values[w].place == PLAN_ARENA &&
                r->values[w].offset == r->values[v].offset) {
                most =
                    r->values[w].nbytes / sizeof(float) > most ? r->values[w].nbytes / sizeof(float) : most;
                r->device[v] = w < v ? r->device[w] : r->device[v];
            }
        if (!r->device[v])
            r->device[v] = simt_alloc(most * rig_size(r->real));
        for (size_t i = 0; input != SIZE_MAX && i < n; i++)
            rig_set(r->real, r->device[v], i, (double)r->data[v][i]);
        if (input != SIZE_MAX)
            simt_written(r->device[v], n * rig_size(r->real));
    }
}

static void free_device(struct chain_rig *r) {
    for (size_t v = 0; v < r->plan.value_count; v++) {
        void *p = r->device[v];
        for (size_t w = v; p && w < r->plan.value_count; w++)
            r->device[w] = r->device[w] == p ? NULL : r->device[w];
        simt_free(p);
    }
}

/* Runs all steps in all orders; `left`: steps that still launch something. The last value is the result. */
static void check(struct chain_rig *r, unsigned left) {
    struct arena arena;
    struct bound_host host = {
        .self = r, .type = type, .arena = &arena, .room = &arena, .chain = chain, .take = take, .arch = 90};
    uint32_t y = r->out[r->plan.step_count - 1];
    unsigned launches = 0;
    arena_init(&arena);
    round_all(r);
    for (size_t s = 0; s < r->plan.step_count; s++) {
        char why[200] = "";
        const char *kernel;
        struct cuda_bound *made = NULL;
        ck_assert_msg(bound_step(&host, &r->plan, s, &made, &kernel, why, sizeof why), "%s", why);
        r->chains[s] = made;
    }
    for (size_t s = 0; s < r->plan.step_count; s++)
        launches += r->chains[s] != NULL;
    ck_assert_uint_eq(launches, left);
    for (int order = 0; rig_order(order); order++) {
        fill_device(r);
        for (size_t s = 0; s < r->plan.step_count; s++)
            ck_assert_int_eq(bound_run(r->chains[s], address, r, NULL), 0);
        if (!order)
            run_references(r);
        double tolerance = r->real == K_F32 ? 4e-6 : r->real == K_F16 ? 3e-3 : 2e-2;
        for (size_t i = 0; i < r->values[y].nbytes / sizeof(float); i++) {
            double got = rig_get(r->real, r->device[y], i), want = (double)r->data[y][i];
            ck_assert_msg(fabs(got - want) <= tolerance * (1 + fabs(want)), "element %zu is %g, expected %g",
                          i, got, want);
        }
        free_device(r);
    }
    for (size_t v = 0; v < r->plan.value_count; v++)
        free(r->data[v]);
    arena_clear(&arena);
}

static const enum k_type reals[] = {K_F32, K_F16, K_BF16};
#define D2(rows, columns)                                                                                    \
    2, (const int64_t[]) {                                                                                   \
        rows, columns                                                                                        \
    }
#define NONE PLAN_NONE

/* relu(c * (a + b)) / d, then tanh: b and d repeated, operands on either side. */
START_TEST(five_become_one) {
    struct chain_rig r;
    begin(&r, reals[_i]);
    uint32_t a = add_value(&r, 0, D2(33, 64)), b = add_value(&r, SIZE_MAX, D2(1, 64)),
             c = add_value(&r, 40960, D2(33, 64)), d = add_value(&r, SIZE_MAX, D2(1, 1));
    uint32_t t = add_step(&r, "Add", 10240, D2(33, 64), b, a, NONE);
    t = add_step(&r, "Mul", 20480, D2(33, 64), c, t, NONE);
    t = add_step(&r, "Relu", 30720, D2(33, 64), t, NONE, NONE);
    t = add_step(&r, "Div", 51200, D2(33, 64), d, t, NONE);
    (void)add_step(&r, "Tanh", 61440, D2(33, 64), t, NONE, NONE);
    check(&r, 1);
}
END_TEST

/* x * sigmoid(x), whose result takes the memory of x. */
START_TEST(in_place) {
    struct chain_rig r;
    begin(&r, reals[_i]);
    uint32_t x = add_value(&r, 0, D2(7, 40));
    uint32_t t = add_step(&r, "Sigmoid", 2048, D2(7, 40), x, NONE, NONE);
    (void)add_step(&r, "Mul", 0, D2(7, 40), x, t, NONE);
    check(&r, 1);
}
END_TEST

/* Two readers; a result that is viewed; memory that is used again in between; an input partly written over; a
 * length that 16 bytes do not divide: nothing is taken over. */
START_TEST(left_alone) {
    struct chain_rig r;
    begin(&r, reals[_i]);
    uint32_t x = add_value(&r, 0, D2(5, 8)), t = add_step(&r, "Exp", 256, D2(5, 8), x, NONE, NONE);
    uint32_t u = add_step(&r, "Abs", 512, D2(5, 8), t, NONE, NONE);
    (void)add_step(&r, "Add", 768, D2(5, 8), t, u, NONE);
    check(&r, 2);
    begin(&r, reals[_i]);
    x = add_value(&r, 0, D2(5, 8));
    t = add_step(&r, "Exp", 256, D2(5, 8), x, NONE, NONE);
    r.values[t].viewed = true;
    (void)add_step(&r, "Abs", 512, D2(5, 8), t, NONE, NONE);
    check(&r, 2);
    begin(&r, reals[_i]);
    x = add_value(&r, 0, D2(5, 8));
    u = add_value(&r, 1024, 1, (const int64_t[]){40});
    t = add_step(&r, "Exp", 256, D2(5, 8), x, NONE, NONE);
    u = add_step(&r, "ReduceMax", 0, D2(1, 1), u, NONE, NONE);
    (void)add_step(&r, "Add", 512, D2(5, 8), t, u, NONE);
    r.values[u].tensor.rank = 1;
    check(&r, 3);
    begin(&r, reals[_i]);
    x = add_value(&r, 0, D2(1, 8));
    u = add_value(&r, 1024, D2(5, 8));
    t = add_step(&r, "Add", 256, D2(5, 8), x, u, NONE);
    (void)add_step(&r, "Abs", 0, D2(5, 8), t, NONE, NONE);
    check(&r, 2);
    begin(&r, reals[_i]);
    x = add_value(&r, 0, D2(5, 7));
    t = add_step(&r, "Exp", 256, D2(5, 7), x, NONE, NONE);
    (void)add_step(&r, "Abs", 512, D2(5, 7), t, NONE, NONE);
    check(&r, 2);
}
END_TEST

/* More than a launch holds: the chain goes on in a second one. */
START_TEST(long_chain) {
    struct chain_rig r;
    begin(&r, reals[_i]);
    uint32_t t = add_value(&r, 0, D2(3, 16)), add = add_value(&r, SIZE_MAX, D2(1, 16));
    for (size_t i = 1; i < STEPS; i++)
        t = add_step(&r, i % 2 ? "Add" : "Mul", i * 256, D2(3, 16), t, add, NONE);
    check(&r, 2); /* 6 inputs: 5 operators */
}
END_TEST

START_TEST(add_and_norm) {
    static const int64_t rows[] = {1, 4, 12};
    for (int i = 0; i < 3; i++) {
        struct chain_rig r;
        begin(&r, reals[_i]);
        uint32_t x = add_value(&r, 0, D2(12, 72)),
                 skip = add_value(&r, SIZE_MAX, 3, (const int64_t[]){1, rows[i], 72}),
                 gamma = add_value(&r, SIZE_MAX, 1, (const int64_t[]){72}),
                 beta = add_value(&r, SIZE_MAX, 1, (const int64_t[]){72});
        r.values[x].tensor.rank = 3;
        memcpy(r.values[x].tensor.dims, (int64_t[]){12 / rows[i], rows[i], 72}, 3 * sizeof(int64_t));
        const int64_t dims[] = {12 / rows[i], rows[i], 72};
        uint32_t t = add_step(&r, "Add", 4096, 3, dims, i % 2 ? skip : x, i % 2 ? x : skip, NONE);
        (void)add_step(&r, "LayerNormalization", i == 1 ? 0 : 8192, 3, dims, t, gamma, beta);
        check(&r, 1);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("chain_steps");
    TCase *t = tcase_create("chain");
    tcase_add_loop_test(t, five_become_one, 0, 3);
    tcase_add_loop_test(t, in_place, 0, 3);
    tcase_add_loop_test(t, left_alone, 0, 3);
    tcase_add_loop_test(t, long_chain, 0, 3);
    tcase_add_loop_test(t, add_and_norm, 0, 3);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
