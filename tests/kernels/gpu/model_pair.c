/* model_pair.c: one model on the cpu device and on cuda:0, with the same numbers in.
 *
 *     model_pair MODEL fp32|tf32|fp16|bf16 [ROWS]
 *
 * fp32 against the cpu's fp32 within 1e-4 of each output's largest magnitude, fp16 within 2e-2, bf16 and tf32
 * within 5e-2 (random weights amplify what one rounding loses). Ends with 0 when all outputs are within, 1
 * when not, and with the device's status where a model cannot be loaded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/device.h"
#include "ops/difference.h"
#include "support/mem.h"

static const struct {
    const char *name;
    double tolerance;
} precisions[] = {{"fp32", 1e-4}, {"tf32", 5e-2}, {"fp16", 2e-2}, {"bf16", 5e-2}};

static int failed(const sl_error *err) {
    fprintf(stderr, "model_pair: %s\n", err->text);
    return (int)err->status;
}

/* Ids and masks as text models take them, small enough for any vocabulary; else numbers about zero. */
static void fill(const struct plan *plan, char *input) {
    unsigned state = 1;
    for (size_t i = 0; i < plan->input_count; i++) {
        const struct plan_value *v = &plan->values[plan->inputs[i].value];
        char *at = input + v->offset;
        bool mask = strstr(v->name, "mask") != NULL, type = strstr(v->name, "type") != NULL;
        if (v->place != PLAN_INPUT)
            continue;
        for (size_t k = 0; v->tensor.dtype == SL_FLOAT && k < v->nbytes / sizeof(float); k++)
            ((float *)(void *)at)[k] = (float)rand_r(&state) / (float)RAND_MAX * 2 - 1;
        for (size_t k = 0; v->tensor.dtype == SL_INT64 && k < v->nbytes / sizeof(int64_t); k++)
            ((int64_t *)(void *)at)[k] = mask ? 1 : type ? 0 : rand_r(&state) % 16;
        for (size_t k = 0; v->tensor.dtype == SL_UINT8 && k < v->nbytes; k++)
            at[k] = (char)(rand_r(&state) & 0xff);
    }
}

/* One batch; *output is a copy, the caller's. */
static sl_status run(const struct device_ops *ops, enum precision precision, const struct plan *plan,
                     void **output, sl_error *err) {
    struct device_options options = {.precision = precision, .threads = 1};
    struct device *device;
    struct program *program = NULL;
    struct device_batch *done, batch = {.row_count = plan->batch};
    sl_status st = ops->open(&device, 0, &options, err);
    if (st != SL_OK)
        return st;
    st = ops->load(device, plan, &program, err);
    if (st != SL_OK) {
        ops->close(device);
        return st;
    }
    batch.input = ops->slot_alloc(device, plan->input_nbytes);
    batch.output = ops->slot_alloc(device, plan->output_nbytes);
    if (!batch.input || !batch.output)
        return error_set(err, SL_E_MEMORY, "out of memory for a slot");
    fill(plan, batch.input);
    st = ops->submit(program, &batch, err);
    if (st == SL_OK)
        st = ops->collect(program, &done, err);
    if (st == SL_OK && batch.error.status != SL_OK)
        *err = batch.error;
    *output = mem_alloc(plan->output_nbytes + 1, 1);
    if (*output && batch.output)
        memcpy(*output, batch.output, plan->output_nbytes);
    ops->slot_free(device, batch.input, plan->input_nbytes);
    ops->slot_free(device, batch.output, plan->output_nbytes);
    ops->unload(program);
    ops->close(device);
    return st == SL_OK ? batch.error.status : st;
}

static int compare(const struct plan *plan, void *want, void *got, double tolerance) {
    int outside = 0;
    for (size_t i = 0; i < plan->output_count; i++) {
        sl_tensor one = plan_output(plan, i, want), other = plan_output(plan, i, got);
        struct difference d;
        double own = difference_tolerance(one.dtype);
        difference_measure(&other, &one, own > 0 && tolerance > own ? tolerance : own, &d);
        outside += d.outside != 0 || !d.same_shape;
        printf("%s: %lld numbers, off by %.3g of the largest%s\n", plan->outputs[i].name, (long long)d.count,
               d.max_rel, d.outside ? ": outside" : "");
    }
    return outside;
}

int main(int argc, char **argv) {
    sl_error err = {0};
    struct graph *graph;
    struct plan *plan;
    void *want, *got;
    int p = -1;
    for (int i = 0; argc >= 3 && i < 4; i++)
        p = strcmp(argv[2], precisions[i].name) ? p : i;
    if (p < 0) {
        fprintf(stderr, "usage: model_pair MODEL fp32|tf32|fp16|bf16 [ROWS]\n");
        return SL_E_USAGE;
    }
    sl_status st = graph_load(&graph, argv[1], &err);
    int64_t fixed = st == SL_OK ? graph_fixed_batch(graph) : 0;
    struct plan_options how = {.batch = fixed ? fixed : argc > 3 ? atoll(argv[3]) : 3};
    if (st == SL_OK)
        st = plan_make(&plan, graph, &how, &err);
    if (st == SL_OK)
        st = run(&device_cpu, PRECISION_FP32, plan, &want, &err);
    if (st == SL_OK)
        st = run(&device_cuda, (enum precision)p, plan, &got, &err);
    if (st != SL_OK)
        return failed(&err);
    int outside = compare(plan, want, got, precisions[p].tolerance);
    mem_free(want);
    mem_free(got);
    plan_close(plan);
    graph_close(graph);
    return outside ? 1 : 0;
}
