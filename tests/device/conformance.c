/* conformance.c: one suite for all devices. */
#include "conformance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/mem.h"

static const struct subject *subject; /* the one whose tests run */

void conformance_plan(struct loaded *loaded, const char *model, int64_t batch) {
    char path[4096];
    sl_error err = {0};
    const char *tests = getenv("SLUICE_TESTS_DIR");
    snprintf(path, sizeof path, "%s/%s/model.onnx", tests ? tests : "tests", model);
    ck_assert_msg(graph_load(&loaded->graph, path, &err) == SL_OK, "%s", err.text);
    struct plan_options options = {.batch = batch};
    ck_assert_msg(plan_make(&loaded->plan, loaded->graph, &options, &err) == SL_OK, "%s", err.text);
}

void conformance_unplan(struct loaded *loaded) {
    plan_close(loaded->plan);
    graph_close(loaded->graph);
}

void conformance_fill(const struct plan *plan, void *input, int64_t first) {
    for (size_t i = 0; i < plan->input_count; i++) {
        const struct plan_port *port = &plan->inputs[i];
        ck_assert_int_eq(plan->values[port->value].tensor.dtype, SL_FLOAT);
        for (int64_t r = 0; r < plan->batch; r++) {
            float *row = (float *)(void *)((char *)input + plan->values[port->value].offset +
                                           (size_t)r * port->row_nbytes);
            uint32_t state = (uint32_t)(first + r) * 2654435761u + 12345u;
            for (size_t k = 0; k < port->row_nbytes / sizeof(float); k++) {
                state = state * 1664525u + 1013904223u;
                row[k] = (float)(int32_t)state / 1e9f;
            }
        }
    }
}

/* A device with a program, and blocks for `depth` batches. */
struct rig {
    struct device *device;
    struct program *program;
    struct loaded loaded;
    unsigned depth;
    struct device_batch batches[64];
};

static void rig_open(struct rig *rig, const struct subject *of, const char *model, int64_t batch) {
    sl_error err = {0};
    *rig = (struct rig){0};
    conformance_plan(&rig->loaded, model, batch);
    ck_assert_msg(of->ops->open(&rig->device, 0, &of->options, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(of->ops->load(rig->device, rig->loaded.plan, &rig->program, &err) == SL_OK, "%s", err.text);
    rig->depth = of->ops->depth(rig->program);
    ck_assert(rig->depth >= 1 && rig->depth <= 64);
    for (unsigned i = 0; i < rig->depth; i++) {
        struct device_batch *b = &rig->batches[i];
        b->input = of->ops->slot_alloc(rig->device, rig->loaded.plan->input_nbytes);
        b->output = of->ops->slot_alloc(rig->device, rig->loaded.plan->output_nbytes);
        b->row_count = batch;
        ck_assert(b->input && b->output);
        ck_assert_uint_eq((uintptr_t)b->input % 64, 0);
        ck_assert_uint_eq((uintptr_t)b->output % 64, 0);
    }
}

static void rig_close(struct rig *rig, const struct subject *of) {
    for (unsigned i = 0; i < rig->depth; i++) {
        of->ops->slot_free(rig->device, rig->batches[i].input, rig->loaded.plan->input_nbytes);
        of->ops->slot_free(rig->device, rig->batches[i].output, rig->loaded.plan->output_nbytes);
    }
    of->ops->unload(rig->program);
    of->ops->close(rig->device);
    conformance_unplan(&rig->loaded);
}

static void run_one(struct rig *rig, const struct subject *of, unsigned i, int64_t first) {
    struct device_batch *back = NULL;
    sl_error err = {0};
    conformance_fill(rig->loaded.plan, rig->batches[i].input, first);
    ck_assert_msg(of->ops->submit(rig->program, &rig->batches[i], &err) == SL_OK, "%s", err.text);
    ck_assert_msg(of->ops->collect(rig->program, &back, &err) == SL_OK, "%s", err.text);
    ck_assert_ptr_eq(back, &rig->batches[i]);
    ck_assert_int_eq(back->error.status, SL_OK);
}

static const float *row_of(const struct rig *rig, unsigned i, size_t port, int64_t row, size_t *count) {
    const struct plan_port *p = &rig->loaded.plan->outputs[port];
    *count = p->row_nbytes / sizeof(float);
    return (const float *)(const void *)((const char *)rig->batches[i].output +
                                         rig->loaded.plan->values[p->value].offset +
                                         (size_t)row * p->row_nbytes);
}

static const char *const models[] = {"golden/bench/mlp28", "../samples/01-tabular-mlp/model",
                                     "../samples/03-digits-cnn/model", "../samples/04-photos-upright/model"};

/* Every model on the device and on the plain references. */
START_TEST(equals_the_references) {
    static const struct subject truth = {.ops = &device_cpu, .options = {.threads = 1, .reference = true}};
    static const int64_t batches[] = {1, 2, 31, 33};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct rig rig, want;
        int64_t batch = batches[m % 4];
        rig_open(&rig, subject, models[m], batch);
        rig_open(&want, &truth, models[m], batch);
        run_one(&rig, subject, 0, 7);
        run_one(&want, &truth, 0, 7);
        for (int64_t r = 0; r < batch; r++) {
            size_t n;
            const float *x = row_of(&rig, 0, 0, r, &n), *y = row_of(&want, 0, 0, r, &n);
            float most = 0;
            for (size_t k = 0; k < n; k++)
                most = fmaxf(most, fabsf(y[k]));
            for (size_t k = 0; k < n; k++)
                ck_assert_msg(fabs((double)x[k] - (double)y[k]) <= subject->tolerance * (double)most,
                              "%s: row %lld output %zu is %.9g, not %.9g", models[m], (long long)r, k,
                              (double)x[k], (double)y[k]);
        }
        rig_close(&rig, subject);
        rig_close(&want, &truth);
    }
}
END_TEST

/* A record's outputs are the same bits in any row and beside any neighbours: each of many records at every
 * row. */
START_TEST(rows_do_not_know_each_other) {
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        const int64_t batch = m < 2 ? 32 : 8, records = subject->slow ? (m < 2 ? 40 : 6) : m < 2 ? 1000 : 64;
        struct rig rig;
        rig_open(&rig, subject, models[m], batch);
        size_t n;
        row_of(&rig, 0, 0, 0, &n);
        float *seen = mem_alloc((size_t)(records + batch) * n, sizeof *seen);
        bool *known = mem_alloc((size_t)(records + batch), sizeof *known);
        for (int64_t first = 1; first < records; first++) { /* record first + r stands in row r */
            run_one(&rig, subject, 0, first);
            for (int64_t r = 0; r < batch; r++) {
                const float *x = row_of(&rig, 0, 0, r, &n);
                float *old = seen + (size_t)(first + r) * n;
                if (known[first + r])
                    ck_assert_msg(!memcmp(x, old, n * sizeof *x), "%s: record %lld differs in row %lld",
                                  models[m], (long long)(first + r), (long long)r);
                memcpy(old, x, n * sizeof *x);
                known[first + r] = true;
            }
        }
        mem_free(seen);
        mem_free(known);
        rig_close(&rig, subject);
    }
}
END_TEST

/* First in, first out, as many in flight as the depth allows, over and over. */
START_TEST(first_in_first_out) {
    struct rig rig;
    struct device_batch *back = NULL;
    sl_error err = {0};
    rig_open(&rig, subject, models[0], 16);
    unsigned rounds = subject->slow ? 40 : 200;
    for (unsigned i = 0; i < rounds + rig.depth; i++) {
        struct device_batch *b = &rig.batches[i % rig.depth];
        if (i >= rig.depth) {
            ck_assert_msg(subject->ops->collect(rig.program, &back, &err) == SL_OK, "%s", err.text);
            ck_assert_ptr_eq(back, b);
            ck_assert_ptr_eq(back->owner, (void *)(uintptr_t)(i - rig.depth + 1));
        }
        if (i >= rounds)
            continue;
        conformance_fill(rig.loaded.plan, b->input, i);
        b->owner = (void *)(uintptr_t)(i + 1);
        ck_assert_msg(subject->ops->submit(rig.program, b, &err) == SL_OK, "%s", err.text);
    }
    rig_close(&rig, subject);
}
END_TEST

/* One more than the depth is refused and harms nothing. */
START_TEST(depth_is_kept) {
    struct rig rig;
    struct device_batch extra, *back = NULL;
    sl_error err = {0};
    rig_open(&rig, subject, models[0], 4);
    extra = rig.batches[0]; /* copied now: in flight it is the device's */
    for (unsigned i = 0; i < rig.depth; i++)
        ck_assert_int_eq(subject->ops->submit(rig.program, &rig.batches[i], &err), SL_OK);
    ck_assert_int_ne(subject->ops->submit(rig.program, &extra, &err), SL_OK);
    ck_assert(err.text[0]);
    for (unsigned i = 0; i < rig.depth; i++) {
        ck_assert_int_eq(subject->ops->collect(rig.program, &back, &err), SL_OK);
        ck_assert_ptr_eq(back, &rig.batches[i]);
    }
    rig_close(&rig, subject);
}
END_TEST

START_TEST(loads_and_unloads) {
    for (int i = 0; i < (subject->slow ? 4 : 20); i++) {
        struct rig one, two;
        rig_open(&one, subject, models[i % 4], 3);
        rig_open(&two, subject, models[(i + 1) % 4], 5);
        run_one(&one, subject, 0, i);
        run_one(&two, subject, 0, i);
        rig_close(&one, subject);
        rig_close(&two, subject);
    }
}
END_TEST

START_TEST(says_what_it_is) {
    struct rig rig;
    char text[200] = "";
    struct buf steps;
    struct device_memory memory = {0};
    ck_assert_int_ge(subject->ops->count(text, sizeof text), 1);
    rig_open(&rig, subject, models[0], 8);
    subject->ops->describe(rig.device, text, sizeof text);
    ck_assert(text[0]);
    subject->ops->memory(rig.device, rig.loaded.plan, &memory);
    ck_assert_uint_gt(memory.arena_nbytes, 0);
    ck_assert(memory.own || memory.arena_nbytes >= rig.loaded.plan->arena_nbytes);
    for (size_t i = 0; i < rig.loaded.plan->step_count; i++)
        ck_assert(subject->ops->supports(rig.device, rig.loaded.plan, i, text, sizeof text));
    buf_init(&steps);
    subject->ops->print_steps(rig.program, &steps);
    ck_assert_uint_gt(steps.size, 0);
    buf_clear(&steps);
    struct device *none = NULL;
    sl_error err = {0};
    ck_assert_int_ne(subject->ops->open(&none, 99, &subject->options, &err), SL_OK);
    ck_assert(err.text[0]);
    rig_close(&rig, subject);
}
END_TEST

void conformance_add(Suite *suite, const struct subject *of) {
    TCase *tc = tcase_create(of->ops->name);
    subject = of;
    tcase_set_timeout(tc, 240);
    if (of->begin)
        tcase_add_checked_fixture(tc, of->begin, of->end);
    tcase_add_test(tc, equals_the_references);
    tcase_add_test(tc, rows_do_not_know_each_other);
    tcase_add_test(tc, first_in_first_out);
    tcase_add_test(tc, depth_is_kept);
    tcase_add_test(tc, loads_and_unloads);
    tcase_add_test(tc, says_what_it_is);
    suite_add_tcase(suite, tc);
}
