/* test_dynamic.c: sizes that depend on data, on the cpu device between steps that are fast: what comes out is
 * what the references give, batch after batch of other sizes, on several threads, and a record's scores do
 * not depend on its neighbours. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/run_reference.h"
#include "harness.h"
#include "infer/device.h"
#include "model_rig.h"
#include "support/mem.h"

enum { ROWS = 4, WIDTH = 24, HIDDEN = 16, CLASSES = 5, THREADS = 2, ROUNDS = 12 };

static void random_floats(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(rand() % 2001 - 1000) / 1000;
}

static void weights(struct model *m, const char *name, const char *dims, size_t count) {
    float *w = mem_alloc(count, sizeof *w);
    random_floats(w, count);
    model_floats(m, name, dims, w);
    mem_free(w);
}

/* Products, then a selection of single elements that is halved and put back, then a product. */
static void write_inner(struct model *m) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,24");
    weights(m, "w1", "24,16", WIDTH * HIDDEN);
    weights(m, "w2", "24,5", WIDTH * CLASSES);
    model_floats(m, "zero", "", (float[]){0});
    model_floats(m, "half", "", (float[]){0.5f});
    model_node(m, "MatMul", "x,w1", "h");
    model_node(m, "Greater", "x,zero", "b");
    model_node(m, "NonZero", "b", "p");
    model_node(m, "Transpose", "p", "t");
    model_node(m, "GatherND", "x,t", "v");
    model_node(m, "Mul", "v,half", "u");
    model_node(m, "ScatterND", "x,t,u", "s");
    model_node(m, "MatMul", "s,w2", "y");
    model_node(m, "Relu", "h", "z");
    model_output(m, "y", SL_FLOAT, "n,5");
    model_output(m, "z", SL_FLOAT, "n,16");
}

/* The rows of a product whose sum is positive, and the best of them: none is an error. */
static void write_outer(struct model *m, bool best) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,24");
    weights(m, "w", "4,6", 24);
    model_floats(m, "zero", "", (float[]){0});
    model_ints(m, "to", "2", (int64_t[]){-1, 4});
    model_ints(m, "first", "1", (int64_t[]){0});
    model_node(m, "Reshape", "x,to", "r");
    model_node(m, "MatMul", "r,w", "h");
    model_node(m, "ReduceMean", "r", "a");
    model_attr_ints(m, "axes", 1, (int64_t[]){1});
    model_attr_int(m, "keepdims", 0);
    model_node(m, "Greater", "a,zero", "b");
    model_node(m, "NonZero", "b", "p");
    model_node(m, "Squeeze", "p,first", "i");
    model_node(m, "Gather", "h,i", "y");
    model_node(m, "Softmax", "y", "z");
    model_output(m, "y", SL_FLOAT, "k,6");
    model_output(m, "z", SL_FLOAT, "k,6");
    if (best) {
        model_node(m, "Gather", "y,first", "top");
        model_output(m, "top", SL_FLOAT, "1,6");
    }
}

/* A product, a product with a bias and a convolution of as many rows as are picked: more than one block of
 * them, or part of one. */
static void write_rows(struct model *m) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,1200");
    weights(m, "w", "4,32", 128);
    weights(m, "v", "32,20", 640);
    weights(m, "c", "20", 20);
    weights(m, "k", "8,2,3,3", 144);
    model_floats(m, "zero", "", (float[]){0});
    model_ints(m, "to", "2", (int64_t[]){-1, 4});
    model_ints(m, "image", "4", (int64_t[]){-1, 2, 4, 5});
    model_ints(m, "first", "1", (int64_t[]){0});
    model_node(m, "Reshape", "x,to", "r");
    model_node(m, "ReduceMean", "r", "a");
    model_attr_ints(m, "axes", 1, (int64_t[]){1});
    model_attr_int(m, "keepdims", 0);
    model_node(m, "Greater", "a,zero", "b");
    model_node(m, "NonZero", "b", "p");
    model_node(m, "Squeeze", "p,first", "i");
    model_node(m, "Gather", "r,i", "g");
    model_node(m, "MatMul", "g,w", "h");
    model_node(m, "Gemm", "h,v,c", "y");
    model_node(m, "Concat", "g,g,g,g,g,g,g,g,g,g", "q");
    model_attr_int(m, "axis", 1);
    model_node(m, "Reshape", "q,image", "l");
    model_node(m, "Conv", "l,k", "z");
    model_output(m, "y", SL_FLOAT, "k,20");
    model_output(m, "z", SL_FLOAT, "k,8,2,3");
}

struct rig {
    struct graph *graph;
    struct plan *plan;
    struct device *device;
    struct program *program;
    struct reference *reference;
};

static void open_rig(struct rig *r, struct model *m, int64_t batch) {
    sl_error err = {0};
    struct device_options options = {.precision = PRECISION_FP32, .threads = THREADS};
    r->graph = model_load(m, &err);
    ck_assert_msg(r->graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&r->plan, r->graph, &(struct plan_options){.batch = batch}, &err) == SL_OK, "%s",
                  err.text);
    ck_assert_int_eq(device_cpu.open(&r->device, 0, &options, &err), SL_OK);
    ck_assert_msg(device_cpu.load(r->device, r->plan, &r->program, &err) == SL_OK, "%s", err.text);
    ck_assert_int_eq(reference_open(&r->reference, r->plan, &err), SL_OK);
    model_end(m);
}

static void close_rig(struct rig *r) {
    reference_close(r->reference);
    device_cpu.unload(r->program);
    device_cpu.close(r->device);
    plan_close(r->plan);
    graph_close(r->graph);
}

static float *input_at(const struct rig *r, void *input) {
    return (float *)(void *)((char *)input + r->plan->values[r->plan->inputs[0].value].offset);
}

static void compare(const struct rig *r, const void *got, const void *want) {
    for (size_t i = 0; i < r->plan->output_count; i++) {
        sl_tensor a = plan_output(r->plan, i, got), b = plan_output(r->plan, i, want);
        int64_t count = 1;
        for (int d = 0; d < b.rank; d++) {
            ck_assert_int_eq(a.dims[d], b.dims[d]);
            count *= b.dims[d];
        }
        for (int64_t k = 0; k < count; k++)
            ck_assert_msg(fabs((double)((float *)a.data)[k] - (double)((float *)b.data)[k]) < 1e-5,
                          "output %zu element %lld: %g, expected %g", i, (long long)k,
                          (double)((float *)a.data)[k], (double)((float *)b.data)[k]);
    }
}

/* As many batches in flight as the device takes, each with its own share of what is selected. */
static void run_rounds(struct rig *r, size_t count) {
    enum { FLYING = THREADS + 1 };
    struct device_batch batches[FLYING], *done;
    char *in[FLYING], *out[FLYING], *want = mem_map(r->plan->output_nbytes);
    sl_error err = {0};
    for (int i = 0; i < FLYING; i++) {
        in[i] = mem_map(r->plan->input_nbytes);
        out[i] = mem_map(r->plan->output_nbytes);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < FLYING; i++) {
            float *x = input_at(r, in[i]), share = (float)((round * FLYING + i) % 5) / 2 - 1;
            random_floats(x, count);
            for (size_t k = 0; k < count; k++)
                x[k] += share; /* from almost none to almost all */
            batches[i] = (struct device_batch){.input = in[i], .output = out[i], .row_count = r->plan->batch};
            ck_assert_int_eq(device_cpu.submit(r->program, &batches[i], &err), SL_OK);
        }
        for (int i = 0; i < FLYING; i++) {
            ck_assert_int_eq(device_cpu.collect(r->program, &done, &err), SL_OK);
            ck_assert_msg(done->error.status == SL_OK, "%s", done->error.text);
            ck_assert_int_eq(reference_run(r->reference, done->input, want, &err), SL_OK);
            compare(r, done->output, want);
        }
    }
    for (int i = 0; i < FLYING; i++) {
        mem_unmap(in[i], r->plan->input_nbytes);
        mem_unmap(out[i], r->plan->output_nbytes);
    }
    mem_unmap(want, r->plan->output_nbytes);
}

START_TEST(inside_a_batch_it_is_what_the_references_give) {
    struct model m;
    struct rig r;
    srand(3);
    write_inner(&m);
    open_rig(&r, &m, ROWS);
    ck_assert(!r.plan->dynamic);
    run_rounds(&r, ROWS * WIDTH);
    close_rig(&r);
}
END_TEST

START_TEST(outputs_are_as_long_as_the_record_makes_them) {
    struct model m;
    struct rig r;
    srand(4);
    write_outer(&m, false);
    open_rig(&r, &m, 1);
    ck_assert(r.plan->dynamic && r.plan->outputs[0].whole);
    run_rounds(&r, WIDTH);
    close_rig(&r);
}
END_TEST

/* The least a step may have is none at all: a batch whose share is -1 picks almost none. */
START_TEST(rows_in_blocks_are_what_the_references_give) {
    struct model m;
    struct rig r;
    struct buf text;
    srand(7);
    write_rows(&m);
    open_rig(&r, &m, 1);
    buf_init(&text);
    device_cpu.print_steps(r.program, &text);
    int fast = 0;
    for (const char *at = text.data; (at = strstr(at, "in blocks of ")); at++)
        fast++;
    ck_assert_int_eq(fast, 3);
    buf_clear(&text);
    run_rounds(&r, 1200);
    close_rig(&r);
}
END_TEST

static sl_status run_one(struct rig *r, void *in, void *out, sl_error *err) {
    struct device_batch batch = {.input = in, .output = out, .row_count = r->plan->batch}, *done;
    ck_assert_int_eq(device_cpu.submit(r->program, &batch, err), SL_OK);
    ck_assert_int_eq(device_cpu.collect(r->program, &done, err), SL_OK);
    *err = batch.error;
    return err->status;
}

START_TEST(neighbours_and_rows_change_no_bit) {
    struct model m;
    struct rig r;
    sl_error err = {0};
    float record[WIDTH], want[CLASSES];
    srand(5);
    write_inner(&m);
    open_rig(&r, &m, ROWS);
    char *in = mem_map(r.plan->input_nbytes), *out = mem_map(r.plan->output_nbytes);
    random_floats(record, WIDTH);
    for (int round = 0; round < 3 * ROWS; round++) {
        size_t row = (size_t)round % ROWS;
        float *x = input_at(&r, in);
        memset(x, 0, ROWS * WIDTH * sizeof *x); /* as padding is */
        if (round >= ROWS)
            random_floats(x, ROWS * WIDTH);
        memcpy(x + row * WIDTH, record, sizeof record);
        ck_assert_int_eq(run_one(&r, in, out, &err), SL_OK);
        const float *got = (const float *)plan_output(r.plan, 0, out).data + row * CLASSES;
        if (!round)
            memcpy(want, got, sizeof want);
        ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
    }
    mem_unmap(in, r.plan->input_nbytes);
    mem_unmap(out, r.plan->output_nbytes);
    close_rig(&r);
}
END_TEST

START_TEST(a_shape_that_cannot_be_fails_its_batch_alone) {
    struct model m;
    struct rig r;
    sl_error err = {0};
    srand(6);
    write_outer(&m, true);
    open_rig(&r, &m, 1);
    char *in = mem_map(r.plan->input_nbytes), *out = mem_map(r.plan->output_nbytes);
    for (int round = 0; round < 6; round++) {
        float *x = input_at(&r, in);
        random_floats(x, WIDTH);
        for (int k = 0; k < WIDTH; k++)
            x[k] += round % 2 ? -2 : 2;
        ck_assert_int_eq(run_one(&r, in, out, &err), round % 2 ? SL_E_DATA : SL_OK);
        if (round % 2)
            ck_assert_ptr_nonnull(strstr(err.text, "(operator 'Gather'): "));
        else
            ck_assert_int_eq(plan_output(r.plan, 0, out).dims[0], 6);
    }
    mem_unmap(in, r.plan->input_nbytes);
    mem_unmap(out, r.plan->output_nbytes);
    close_rig(&r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dynamic");
    TCase *tcase = tcase_create("dynamic");
    tcase_add_test(tcase, inside_a_batch_it_is_what_the_references_give);
    tcase_add_test(tcase, outputs_are_as_long_as_the_record_makes_them);
    tcase_add_test(tcase, rows_in_blocks_are_what_the_references_give);
    tcase_add_test(tcase, neighbours_and_rows_change_no_bit);
    tcase_add_test(tcase, a_shape_that_cannot_be_fails_its_batch_alone);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
