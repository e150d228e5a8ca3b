/* test_recurrent_fast.c: LSTM, GRU and RNN on the cpu device against their references, in every direction,
 * with lengths of their own and initial states; a row's bits alone and in a batch; and the kernels of every
 * instruction set against each other. Hidden sizes are around a block of sixteen units. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/cpu/recurrent_kernels.h"
#include "infer/device.h"
#include "model_rig.h"
#include "support/machine.h"
#include "support/mem.h"

enum { STEPS = 9, INPUT = 5, BATCH = 7, MOST_HIDDEN = 33, MOST = 2 * 4 * MOST_HIDDEN * MOST_HIDDEN };

static const struct variant {
    const char *op, *activations;
    int64_t gates, linear;
} variants[] = {{"LSTM", NULL, 4, 0}, {"GRU", NULL, 3, 0},   {"GRU", NULL, 3, 1},
                {"RNN", NULL, 1, 0},  {"RNN", "Relu", 1, 0}, {"RNN", "Relu,Relu", 1, 0}};
static const char *const directions[] = {"forward", "reverse", "bidirectional"};
static const int64_t hidden_sizes[] = {1, 15, 16, 17, 33};
enum { VARIANTS = sizeof variants / sizeof *variants, HIDDEN = sizeof hidden_sizes / sizeof *hidden_sizes };

static uint32_t state;
static float number(float most) {
    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)state / 2147483648.0F * most;
}

static void constant(struct model *m, const char *name, const char *dims, int64_t count, float most) {
    static float data[MOST + MOST_HIDDEN * 64];
    for (int64_t i = 0; i < count; i++)
        data[i] = number(most);
    model_constant(m, name, SL_FLOAT, dims, data, (size_t)count * sizeof *data);
}

/* One node, batch first; with lengths and initial states where `full`. */
static struct graph *make_graph(const struct variant *v, const char *direction, int64_t hidden, bool full) {
    struct model m;
    sl_error err = {0};
    char dims[64];
    int64_t n = !strcmp(direction, "bidirectional") ? 2 : 1, units = v->gates * hidden;
    bool lstm = v->gates == 4;
    model_begin(&m);
    model_opset(&m, "", 22);
    model_input(&m, "x", SL_FLOAT, "n,9,5");
    if (full)
        model_input(&m, "lens", SL_INT32, "n");
    snprintf(dims, sizeof dims, "n,%lld,%lld", (long long)n, (long long)hidden);
    if (full)
        model_input(&m, "h", SL_FLOAT, dims);
    if (full && lstm)
        model_input(&m, "c", SL_FLOAT, dims);
    state = 5;
    snprintf(dims, sizeof dims, "%lld,%lld,%d", (long long)n, (long long)units, INPUT);
    constant(&m, "w", dims, n * units * INPUT, 0.8F);
    snprintf(dims, sizeof dims, "%lld,%lld,%lld", (long long)n, (long long)units, (long long)hidden);
    constant(&m, "r", dims, n * units * hidden, 0.5F);
    snprintf(dims, sizeof dims, "%lld,%lld", (long long)n, (long long)(2 * units));
    constant(&m, "b", dims, n * 2 * units, 0.5F);
    model_node(&m, v->op,
               !full  ? "x,w,r,b"
               : lstm ? "x,w,r,b,lens,h,c"
                      : "x,w,r,b,lens,h",
               lstm ? "y,yh,yc" : "y,yh");
    model_attr_int(&m, "hidden_size", hidden);
    model_attr_int(&m, "layout", 1);
    model_attr_text(&m, "direction", direction);
    if (v->linear)
        model_attr_int(&m, "linear_before_reset", 1);
    if (v->activations && (strchr(v->activations, ',') != NULL) == (n == 2))
        model_attr_texts(&m, "activations", v->activations);
    model_output(&m, "y", SL_FLOAT, "?");
    model_output(&m, "yh", SL_FLOAT, "?");
    if (lstm)
        model_output(&m, "yc", SL_FLOAT, "?");
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    model_end(&m);
    return g;
}

/* Rows [first, first + rows) of the same numbers each time. */
static void fill_inputs(const struct plan *plan, char *block, int64_t first, int64_t rows) {
    static const int32_t lens[BATCH] = {9, 3, 0, 9, 1, 12, 8};
    for (size_t i = 0; i < plan->input_count; i++) {
        const struct plan_value *value = &plan->values[plan->inputs[i].value];
        for (int64_t row = 0; row < rows; row++) {
            char *to = block + value->offset + (size_t)row * plan->inputs[i].row_nbytes;
            state = (uint32_t)(first + row) * 77u + (uint32_t)i;
            for (size_t k = 0; k < plan->inputs[i].row_nbytes / sizeof(float); k++) {
                if (value->tensor.dtype == SL_INT32)
                    ((int32_t *)(void *)to)[k] = lens[first + row];
                else
                    ((float *)(void *)to)[k] = number(2);
            }
        }
    }
}

/* Runs rows on the device; the output block, which mem_unmap frees. */
static char *run_rows(const struct graph *g, int64_t first, int64_t rows, bool reference,
                      struct plan **plan) {
    sl_error err = {0};
    struct device *device;
    struct program *program;
    struct device_batch *done;
    struct plan_options options = {.batch = rows};
    struct device_options how = {.threads = 1, .reference = reference};
    struct buf steps;
    ck_assert_msg(plan_make(plan, g, &options, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.open(&device, 0, &how, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.load(device, *plan, &program, &err) == SL_OK, "%s", err.text);
    buf_init(&steps);
    device_cpu.print_steps(program, &steps);
    ck_assert_msg((strstr(steps.data, "recurrent ") != NULL) == !reference, "the step is run by: %s",
                  steps.data);
    buf_clear(&steps);
    struct device_batch batch = {.input = mem_map((*plan)->input_nbytes),
                                 .output = mem_map((*plan)->output_nbytes),
                                 .row_count = rows};
    fill_inputs(*plan, batch.input, first, rows);
    ck_assert(device_cpu.submit(program, &batch, &err) == SL_OK);
    ck_assert(device_cpu.collect(program, &done, &err) == SL_OK);
    mem_unmap(batch.input, (*plan)->input_nbytes);
    device_cpu.unload(program);
    device_cpu.close(device);
    return batch.output;
}

static const float *row_of(const struct plan *plan, const char *block, size_t output, int64_t row) {
    return (const float *)(const void *)(block + plan->values[plan->outputs[output].value].offset +
                                         (size_t)row * plan->outputs[output].row_nbytes);
}

static void check_model(const struct variant *v, const char *direction, int64_t hidden, bool full) {
    struct graph *g = make_graph(v, direction, hidden, full);
    struct plan *plan, *want_plan, *one;
    char *got = run_rows(g, 0, BATCH, false, &plan), *want = run_rows(g, 0, BATCH, true, &want_plan);
    for (int64_t row = 0; row < BATCH; row++) {
        char *alone = run_rows(g, row, 1, false, &one);
        for (size_t o = 0; o < plan->output_count; o++) {
            const float *y = row_of(plan, got, o, row), *z = row_of(want_plan, want, o, row);
            size_t count = plan->outputs[o].row_nbytes / sizeof *y;
            float most = 1; /* a Relu's state grows, and what it adds up to may be small */
            for (size_t i = 0; i < count; i++)
                most = fmaxf(most, fabsf(z[i]));
            for (size_t i = 0; i < count; i++)
                ck_assert_msg(fabsf(y[i] - z[i]) <= 2e-6F * most,
                              "%s %s of %lld, row %lld, output %zu at %zu: %.9g, expected %.9g", v->op,
                              direction, (long long)hidden, (long long)row, o, i, (double)y[i], (double)z[i]);
            ck_assert_msg(!memcmp(y, row_of(one, alone, o, 0), plan->outputs[o].row_nbytes),
                          "%s %s: row %lld alone gives other bits", v->op, direction, (long long)row);
        }
        mem_unmap(alone, one->output_nbytes);
        plan_close(one);
    }
    mem_unmap(got, plan->output_nbytes);
    mem_unmap(want, want_plan->output_nbytes);
    plan_close(plan);
    plan_close(want_plan);
    graph_close(g);
}

START_TEST(same_as_reference) {
    for (size_t d = 0; d < 3; d++)
        for (size_t h = 0; h < HIDDEN; h++)
            for (int full = 0; full < 2; full++)
                check_model(&variants[_i], directions[d], hidden_sizes[h], full != 0);
}
END_TEST

/* ---- kernels ---- */

enum { DEPTH = 37, LANE = RECURRENT_GATES * RECURRENT_UNITS };
static float weights[2 * DEPTH * LANE], bias[2 * LANE], rows[RECURRENT_ROWS][DEPTH];
static float in[LANE], sums[RECURRENT_ROWS][LANE], own[3][RECURRENT_UNITS];

/* Everything a table computes, one after the other. */
static size_t compute_all(const struct recurrent_kernels *k, float *out) {
    float *at = out;
    for (size_t gates = 1; gates <= RECURRENT_GATES; gates++)
        for (size_t block = 0; block < 2; block++)
            for (size_t count = 1; count <= RECURRENT_ROWS; count++) {
                struct recurrent_panels p = {gates, DEPTH, 2, weights, bias};
                const float *from[RECURRENT_ROWS];
                float *to[RECURRENT_ROWS];
                for (size_t r = 0; r < count; r++) {
                    from[r] = rows[r];
                    to[r] = at;
                    at += gates * RECURRENT_UNITS;
                }
                k->multiply(&p, block, from, count, to);
            }
    for (size_t which = 0; which < 6; which++) {
        float c[RECURRENT_UNITS], h[RECURRENT_UNITS], more[RECURRENT_UNITS] = {0};
        memcpy(c, own[0], sizeof c);
        memcpy(h, own[1], sizeof h);
        if (which == 0)
            k->lstm(in, sums[0], c, h);
        else if (which == 1)
            k->gru(in, sums[0], h);
        else if (which == 2)
            k->gru_reset(in, sums[0], own[2], h, more);
        else if (which == 3)
            k->gru_update(in, sums[0], own[2], h);
        else
            k->rnn[which - 4](in, sums[0], h);
        memcpy(at, c, sizeof c);
        memcpy(at + RECURRENT_UNITS, h, sizeof h);
        memcpy(at + 2 * RECURRENT_UNITS, more, sizeof more);
        at += 3 * RECURRENT_UNITS;
    }
    return (size_t)(at - out);
}

static void fill(float *to, size_t count, float most) {
    for (size_t i = 0; i < count; i++)
        to[i] = number(most);
}

START_TEST(same_bits_everywhere) {
    static float first[20000], other[20000];
    struct machine machine;
    machine_read(&machine);
    for (unsigned round = 0; round < 50; round++) {
        state = round;
        fill(weights, sizeof weights / sizeof *weights, 1);
        fill(bias, sizeof bias / sizeof *bias, 1);
        fill(rows[0], sizeof rows / sizeof(float), 2);
        fill(in, LANE, round % 2 ? 3 : 40);
        fill(sums[0], sizeof sums / sizeof(float), 3);
        fill(own[0], sizeof own / sizeof(float), 2);
        in[round % LANE] = round % 3 ? in[0] : round % 2 ? NAN : -INFINITY;
        size_t count = compute_all(&recurrent_portable, first);
        ck_assert(count < sizeof first / sizeof *first);
        if (machine.avx2) {
            compute_all(&recurrent_avx2, other);
            for (size_t i = 0; i < count; i++)
                ck_assert_msg(!memcmp(&first[i], &other[i], 4) || (isnan(first[i]) && isnan(other[i])),
                              "avx2 at %zu: %.9g, portable %.9g", i, (double)other[i], (double)first[i]);
        }
        if (machine.avx512) {
            compute_all(&recurrent_avx512, other);
            for (size_t i = 0; i < count; i++)
                ck_assert_msg(!memcmp(&first[i], &other[i], 4) || (isnan(first[i]) && isnan(other[i])),
                              "avx512 at %zu: %.9g, portable %.9g", i, (double)other[i], (double)first[i]);
        }
    }
}
END_TEST

/* Gates over a wide range against the formulas in double. */
START_TEST(gates_are_accurate) {
    for (int step = -2000; step <= 2000; step++) {
        float c[RECURRENT_UNITS], h[RECURRENT_UNITS];
        memset(sums, 0, sizeof sums);
        for (size_t i = 0; i < LANE; i++)
            in[i] = (float)step / 100 + (float)i / 7;
        fill(c, RECURRENT_UNITS, 2);
        for (size_t u = 0; u < RECURRENT_UNITS; u++) {
            double g[4];
            for (size_t k = 0; k < 4; k++)
                g[k] = (double)in[k * RECURRENT_UNITS + u];
            own[0][u] = (float)((double)c[u] / (1 + exp(-g[2])) + tanh(g[3]) / (1 + exp(-g[0])));
            own[1][u] = (float)(tanh((double)own[0][u]) / (1 + exp(-g[1])));
        }
        recurrent_portable.lstm(in, sums[0], c, h);
        for (size_t u = 0; u < RECURRENT_UNITS; u++) {
            ck_assert_float_eq_tol(c[u], own[0][u], 1e-6F);
            ck_assert_float_eq_tol(h[u], own[1][u], 1e-6F);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recurrent_fast");
    TCase *c = tcase_create("recurrent_fast");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, same_as_reference, 0, VARIANTS);
    tcase_add_test(c, same_bits_everywhere);
    tcase_add_test(c, gates_are_accurate);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
