/* test_small_linear.c: small products are right, have the same bits from every kernel and in every row, and
 * chains of layers give what the references give. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/cpu/small_linear.h"
#include "infer/device.h"
#include "model_rig.h"
#include "support/machine.h"
#include "support/mem.h"

enum { MOST = 300, MOST_ROWS = 70, GUARD = 16 };

static float x[MOST_ROWS * MOST], residual[MOST_ROWS * MOST], weights[MOST * MOST], bias[MOST],
    packed[MOST * (MOST + 16)], packed_bias[MOST + 16], want[MOST_ROWS * MOST + GUARD],
    got[MOST_ROWS * MOST + GUARD];

static void fill(float *to, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(rand() % 2001 - 1000) / 500;
}

static void pack(struct small_linear *l) {
    memset(packed, 0, sizeof packed);
    memset(packed_bias, 0, sizeof packed_bias);
    for (size_t k = 0; k < l->k; k++)
        for (size_t c = 0; c < l->columns; c++)
            packed[(c / SMALL_PANEL * l->k + k) * SMALL_PANEL + c % SMALL_PANEL] =
                weights[k * l->columns + c];
    memcpy(packed_bias, bias, l->columns * sizeof *bias);
    l->panels = packed;
    l->bias = packed_bias;
}

static void check(size_t k, size_t columns, size_t rows, const float *r) {
    const struct small_kernels *kernels[] = {&small_kernels_avx2, &small_kernels_avx512};
    struct small_linear l = {.k = k, .columns = columns};
    struct machine machine;
    size_t cells = rows * columns;
    machine_read(&machine);
    pack(&l);
    for (size_t i = 0; i < cells + GUARD; i++)
        want[i] = 77;
    small_kernels_portable.product(&l, x, r, want, rows);
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < columns; c++) {
            double sum = (double)bias[c], size = fabs(sum);
            for (size_t i = 0; i < k; i++) {
                sum += (double)x[row * k + i] * (double)weights[i * columns + c];
                size += fabs((double)x[row * k + i] * (double)weights[i * columns + c]);
            }
            sum += r ? (double)r[row * columns + c] : 0;
            ck_assert_float_eq_tol(want[row * columns + c], (float)sum, (float)(size + 4) * 1e-6F);
        }
    for (size_t i = cells; i < cells + GUARD; i++)
        ck_assert_float_eq(want[i], 77);
    for (int i = 0; i < 2; i++) {
        if (i ? !machine.avx512 : !machine.avx2)
            continue;
        for (size_t at = 0; at < cells + GUARD; at++)
            got[at] = 77;
        kernels[i]->product(&l, x, r, got, rows);
        ck_assert_msg(!memcmp(want, got, (cells + GUARD) * sizeof *got), "%s: other bits, %zu x %zu x %zu",
                      kernels[i]->name, rows, k, columns);
        for (size_t row = 0; row < rows; row++) { /* every row alone */
            kernels[i]->product(&l, x + row * k, r ? r + row * columns : NULL, got, 1);
            ck_assert_mem_eq(want + row * columns, got, columns * sizeof *got);
        }
    }
}

START_TEST(products_are_right_and_have_the_same_bits) {
    static const size_t sizes[] = {1, 2, 15, 16, 17, 28, 31, 32, 33, 48, 64, 100, 257};
    static const size_t row_counts[] = {1, 2, 3, 4, 7, 8, 9, 11, 16, 17, 67};
    srand(3);
    fill(x, MOST_ROWS * MOST);
    fill(residual, MOST_ROWS * MOST);
    fill(weights, MOST * MOST);
    fill(bias, MOST);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
            size_t rows = row_counts[(k * 5 + n) % (sizeof row_counts / sizeof *row_counts)];
            check(sizes[k], sizes[n], rows, n % 2 ? residual : NULL);
        }
    for (size_t r = 0; r < sizeof row_counts / sizeof *row_counts; r++)
        check(28, 33, row_counts[r], r % 2 ? residual : NULL);
}
END_TEST

/* The model's output from the device, with or without what overwrites the references (mem_free it). */
static float *run_device(struct model *m, int64_t rows, const float *input, bool reference, size_t *nbytes,
                         char *steps, size_t steps_nbytes) {
    struct device_options options = {.threads = 1, .reference = reference};
    struct plan *plan;
    struct device *device;
    struct program *program;
    struct device_batch batch = {.row_count = rows}, *done;
    struct buf text;
    sl_error err = {0};
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_int_eq(plan_make(&plan, graph, &(struct plan_options){.batch = rows}, &err), SL_OK);
    ck_assert_int_eq(device_cpu.open(&device, 0, &options, &err), SL_OK);
    ck_assert_msg(device_cpu.load(device, plan, &program, &err) == SL_OK, "%s", err.text);
    batch.input = device_cpu.slot_alloc(device, plan->input_nbytes);
    batch.output = device_cpu.slot_alloc(device, plan->output_nbytes);
    const struct plan_value *in = &plan->values[plan->inputs[0].value];
    memcpy((char *)batch.input + in->offset, input, in->nbytes);
    ck_assert_int_eq(device_cpu.submit(program, &batch, &err), SL_OK);
    ck_assert_int_eq(device_cpu.collect(program, &done, &err), SL_OK);
    *nbytes = plan->output_nbytes;
    float *output = mem_alloc(1, *nbytes);
    memcpy(output, batch.output, *nbytes);
    buf_init(&text);
    device_cpu.print_steps(program, &text);
    snprintf(steps, steps_nbytes, "%.*s", (int)text.size, (const char *)text.data);
    buf_clear(&text);
    device_cpu.slot_free(device, batch.input, plan->input_nbytes);
    device_cpu.slot_free(device, batch.output, plan->output_nbytes);
    device_cpu.unload(program);
    device_cpu.close(device);
    plan_close(plan);
    graph_close(graph);
    return output;
}

static size_t count_text(const char *in, const char *what) {
    size_t n = 0;
    for (const char *at = in; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

/* Layers 20-40-40-40. BRANCH: the first layer is read twice, so it cannot vanish into a chain. INSIDE: both
 * ends lie in the arena, where the second result takes the place of what the first layer reads. */
enum chain { ALONE, BRANCH, INSIDE };

static void chain(enum chain kind, int64_t rows) {
    bool branch = kind == BRANCH, inside = kind == INSIDE;
    struct model m;
    char steps[1000];
    size_t nbytes, same;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,20");
    model_floats(&m, "w1", "20,40", weights);
    model_floats(&m, "b1", "40", bias);
    model_floats(&m, "w2", "40,40", weights + 1000);
    model_floats(&m, "w3", "40,40", weights + 3000);
    model_floats(&m, "b3", "40", bias + 50);
    if (inside)
        model_node(&m, "Neg", "x", "z");
    model_node(&m, "Gemm", inside ? "z,w1,b1" : "x,w1,b1", "g1");
    model_node(&m, "Relu", "g1", "a1");
    model_node(&m, "MatMul", "a1,w2", "g2");
    model_node(&m, "Tanh", "g2", "a2");
    if (branch)
        model_node(&m, "Sub", "a2,a1", "c2");
    model_node(&m, "Gemm", branch ? "c2,w3,b3" : "a2,w3,b3", "g3");
    model_attr_int(&m, "transB", 1);
    model_node(&m, "Sigmoid", "g3", inside ? "a3" : "y");
    if (inside)
        model_node(&m, "Neg", "a3", "y");
    model_output(&m, "y", SL_FLOAT, "n,40");
    float *fast = run_device(&m, rows, x, false, &nbytes, steps, sizeof steps);
    size_t fused = count_text(steps, "fused into a step beside it");
    ck_assert_msg(fused == (kind == ALONE ? 2 : kind == INSIDE ? 1 : 0), "%s", steps);
    float *truth = run_device(&m, rows, x, true, &same, steps, sizeof steps);
    ck_assert_uint_eq(nbytes, same);
    for (size_t i = 0; i < (size_t)rows * 40; i++)
        ck_assert_float_eq_tol(fast[i], truth[i], 2e-6F);
    mem_free(fast);
    mem_free(truth);
    model_end(&m);
}

START_TEST(chains_of_layers_give_what_the_references_give) {
    struct machine machine;
    machine_read(&machine);
    if (!machine.avx2)
        return;
    srand(4);
    fill(x, MOST_ROWS * MOST);
    fill(weights, MOST * MOST);
    fill(bias, MOST);
    for (size_t i = 0; i < 5000; i++)
        weights[i] /= 8;
    for (int64_t rows = 1; rows <= 67; rows += rows < 9 ? 1 : 29) {
        chain(ALONE, rows);
        chain(BRANCH, rows);
        chain(INSIDE, rows);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("small_linear");
    TCase *t = tcase_create("linear");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, products_are_right_and_have_the_same_bits);
    tcase_add_test(t, chains_of_layers_give_what_the_references_give);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
