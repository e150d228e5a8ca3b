/* test_rows.c: a record's score is the same bits in any row of a batch, with any neighbours, and in any batch
 * size. 1,008 records each go once through every row of a batch of 16, beside other records every time, then
 * through batches of 1, 3 and 64. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/device.h"
#include "support/mem.h"

enum { ROWS = 16, GROUPS = 63, RECORDS = ROWS * GROUPS };

/* A model on the cpu device at one batch size. */
struct rig {
    struct graph *graph;
    struct plan *plan;
    struct device *device;
    struct program *program;
    struct device_batch batch;
};

static void rig_open(struct rig *rig, const char *model, int64_t rows, enum precision precision) {
    char path[4096];
    sl_error err = {0};
    struct plan_options plan = {.batch = rows};
    struct device_options options = {.precision = precision, .threads = 1};
    const char *tests = getenv("SLUICE_TESTS_DIR");
    snprintf(path, sizeof path, "%s/%s", tests ? tests : "tests", model);
    ck_assert_msg(graph_load(&rig->graph, path, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(plan_make(&rig->plan, rig->graph, &plan, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.open(&rig->device, 0, &options, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.load(rig->device, rig->plan, &rig->program, &err) == SL_OK, "%s", err.text);
    rig->batch = (struct device_batch){.input = device_cpu.slot_alloc(rig->device, rig->plan->input_nbytes),
                                       .output = device_cpu.slot_alloc(rig->device, rig->plan->output_nbytes),
                                       .row_count = rows};
}

static void rig_close(struct rig *rig) {
    device_cpu.slot_free(rig->device, rig->batch.input, rig->plan->input_nbytes);
    device_cpu.slot_free(rig->device, rig->batch.output, rig->plan->output_nbytes);
    device_cpu.unload(rig->program);
    device_cpu.close(rig->device);
    plan_close(rig->plan);
    graph_close(rig->graph);
}

static void rig_run(struct rig *rig) {
    sl_error err = {0};
    struct device_batch *done;
    ck_assert_msg(device_cpu.submit(rig->program, &rig->batch, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.collect(rig->program, &done, &err) == SL_OK, "%s", err.text);
}

/* Record r into row `row`: numbers of its own, some of them 0 and some large. */
static void put_record(struct rig *rig, size_t r, int64_t row) {
    uint32_t state = (uint32_t)r * 2654435761u + 99u;
    for (size_t i = 0; i < rig->plan->input_count; i++) {
        const struct plan_port *port = &rig->plan->inputs[i];
        const struct plan_value *value = &rig->plan->values[port->value];
        float *x =
            (float *)(void *)((char *)rig->batch.input + value->offset + (size_t)row * port->row_nbytes);
        ck_assert_int_eq(value->tensor.dtype, SL_FLOAT);
        for (size_t k = 0; k < port->row_nbytes / sizeof(float); k++) {
            state = state * 1664525u + 1013904223u;
            x[k] = state % 17 == 0 ? 0 : (float)(int32_t)state / (state % 31 == 0 ? 1e8F : 1e9F);
        }
    }
}

/* What record r gave, compared with what it gave the first time. */
static void check_record(const struct rig *rig, char *want, bool *known, size_t r, int64_t row) {
    size_t at = 0, nbytes = 0;
    for (size_t i = 0; i < rig->plan->output_count; i++)
        nbytes += rig->plan->outputs[i].row_nbytes;
    for (size_t i = 0; i < rig->plan->output_count; i++) {
        const struct plan_port *port = &rig->plan->outputs[i];
        const char *got = (char *)rig->batch.output + rig->plan->values[port->value].offset +
                          (size_t)row * port->row_nbytes;
        char *first = want + r * nbytes + at;
        if (!known[r])
            memcpy(first, got, port->row_nbytes);
        ck_assert_msg(!memcmp(first, got, port->row_nbytes),
                      "record %zu in row %lld of %lld: other bits in output %zu", r, (long long)row,
                      (long long)rig->plan->batch, i);
        at += port->row_nbytes;
    }
    known[r] = true;
}

static size_t row_nbytes(const struct rig *rig) {
    size_t nbytes = 0;
    for (size_t i = 0; i < rig->plan->output_count; i++)
        nbytes += rig->plan->outputs[i].row_nbytes;
    return nbytes;
}

/* Round k: record r stands in row (r + k) of a group that its fellows of last round are not in. */
static void every_row(struct rig *rig, char *want, bool *known) {
    static const size_t steps[ROWS] = {1,  2,  4,  5,  8,  10, 11, 13,
                                       16, 17, 19, 20, 22, 23, 25, 26}; /* coprime to 63 */
    for (size_t k = 0; k < ROWS; k++)
        for (size_t group = 0; group < GROUPS; group++) {
            size_t records[ROWS];
            for (size_t c = 0; c < ROWS; c++) {
                size_t q = (group * steps[k] + c * 7) % GROUPS;
                records[(c + k) % ROWS] = q * ROWS + c;
            }
            for (size_t row = 0; row < ROWS; row++)
                put_record(rig, records[row], (int64_t)row);
            rig_run(rig);
            for (size_t row = 0; row < ROWS; row++)
                check_record(rig, want, known, records[row], (int64_t)row);
        }
}

static void other_size(const char *model, int64_t rows, enum precision precision, char *want, bool *known) {
    struct rig rig;
    rig_open(&rig, model, rows, precision);
    for (size_t first = 0; first < 192; first += (size_t)rows) {
        for (int64_t row = 0; row < rows; row++)
            put_record(&rig, first + (size_t)row, row);
        rig_run(&rig);
        for (int64_t row = 0; row < rows; row++)
            check_record(&rig, want, known, first + (size_t)row, row);
    }
    rig_close(&rig);
}

static void check_model(const char *model, enum precision precision) {
    struct rig rig;
    bool *known = mem_alloc(RECORDS, sizeof *known);
    rig_open(&rig, model, ROWS, precision);
    char *want = mem_alloc(RECORDS, row_nbytes(&rig));
    ck_assert(known && want);
    every_row(&rig, want, known);
    rig_close(&rig);
    /* products in bf16 are cut into other pieces for other sizes, so there the sums differ in their last bits
     */
    if (precision == PRECISION_BF16)
        goto done;
    other_size(model, 1, precision, want, known);
    other_size(model, 3, precision, want, known);
    other_size(model, 64, precision, want, known);
done:
    mem_free(want);
    mem_free(known);
}

/* The small tabular models: 1,024 records, each once in every row of a batch of 64. In round k record c of a
 * group stands in row c + k, beside records of other groups. */
static void check_every_row_of_64(const char *model) {
    enum { WIDE = 64, MANY = 16 };
    struct rig rig;
    bool *known = mem_alloc(WIDE * MANY, sizeof *known);
    rig_open(&rig, model, WIDE, PRECISION_FP32);
    char *want = mem_alloc(WIDE * MANY, row_nbytes(&rig));
    ck_assert(known && want);
    for (size_t k = 0; k < WIDE; k++)
        for (size_t group = 0; group < MANY; group++) {
            size_t records[WIDE];
            for (size_t c = 0; c < WIDE; c++)
                records[(c + k) % WIDE] = (group + c * k) % MANY * WIDE + c;
            for (size_t row = 0; row < WIDE; row++)
                put_record(&rig, records[row], (int64_t)row);
            rig_run(&rig);
            for (size_t row = 0; row < WIDE; row++)
                check_record(&rig, want, known, records[row], (int64_t)row);
        }
    rig_close(&rig);
    mem_free(want);
    mem_free(known);
}

static const char *const models[] = {"../samples/01-tabular-mlp/model/model.onnx",
                                     "../samples/02-tabular-trees/model/model.onnx",
                                     "../samples/03-digits-cnn/model/model.onnx",
                                     "../samples/04-photos-upright/model/model.onnx",
                                     "golden/models/transformer.onnx",
                                     "golden/models/unet.onnx",
                                     "golden/models/unet.onnx",
                                     "golden/models/lstm_gru.onnx"};

START_TEST(fp32) {
    check_model(models[_i], PRECISION_FP32);
}
END_TEST

START_TEST(bf16) {
    check_model(models[_i], PRECISION_BF16);
}
END_TEST

START_TEST(every_row_of_64) {
    check_every_row_of_64(models[_i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rows");
    TCase *c = tcase_create("rows");
    tcase_set_timeout(c, 240);
    tcase_add_loop_test(c, fp32, 0, (int)(sizeof models / sizeof *models));
    tcase_add_loop_test(c, bf16, 0, (int)(sizeof models / sizeof *models));
    tcase_add_loop_test(c, every_row_of_64, 0, 2); /* the network and the trees */
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
