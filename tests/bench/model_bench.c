/* model_bench.c: a model on a device, as a job runs it, with input that stands in the slots already.
 *
 *     model_bench MODEL PRECISION ROWS THREADS SECONDS [cuda]
 *
 * On the cpu each thread has batches of ROWS, so ROWS * THREADS records are in flight. Prints one JSON object: records a
 * second (the median of ten parts of the time), milliseconds from the start of the process to its first
 * result, and the peak of resident memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "infer/device.h"
#include "support/clock.h"
#include "support/machine.h"
#include "support/mem.h"

enum { MOST = 512, PARTS = 10 };

static const struct device_ops *ops = &device_cpu;

static int failed(const sl_error *err) {
    fprintf(stderr, "model_bench: %s\n", err->text);
    return (int)err->status;
}

/* Ids and masks as text models take them; else numbers about zero. */
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
            ((int64_t *)(void *)at)[k] = mask ? 1 : type ? 0 : 5 + rand_r(&state) % 1000;
    }
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Keeps the device full for the time; the median rate of its parts. */
static sl_status measure(struct program *program, struct device_batch *batches, unsigned depth,
                         double seconds, double *rate, sl_error *err) {
    double rates[PARTS];
    uint64_t submitted = 0, collected = 0;
    sl_status st = SL_OK;
    for (int part = 0; st == SL_OK && part < PARTS; part++) {
        uint64_t begun = clock_ns(), rows = 0, elapsed = 0;
        while (st == SL_OK && (double)elapsed < seconds / PARTS * 1e9) {
            struct device_batch *done;
            for (; st == SL_OK && submitted - collected < depth; submitted++)
                st = ops->submit(program, &batches[submitted % depth], err);
            if (st == SL_OK)
                st = ops->collect(program, &done, err);
            collected++;
            rows += (uint64_t)batches[0].row_count;
            elapsed = clock_ns() - begun;
        }
        rates[part] = (double)rows / (double)elapsed * 1e9;
    }
    for (struct device_batch *done; st == SL_OK && collected < submitted; collected++)
        st = ops->collect(program, &done, err);
    qsort(rates, PARTS, sizeof *rates, compare_doubles);
    *rate = (rates[PARTS / 2 - 1] + rates[PARTS / 2]) / 2;
    return st;
}

/* Since the kernel started this process. */
static double age_ms(void) {
    unsigned long long ticks = 0;
    struct timespec now;
    FILE *f = fopen("/proc/self/stat", "r");
    char line[1024] = "";
    if (f && fgets(line, sizeof line, f)) {
        const char *p = strrchr(line, ')');
        for (int i = 0; p && i < 20; i++)
            p = strchr(p + 1, ' ');
        ticks = p ? strtoull(p, NULL, 10) : 0;
    }
    if (f)
        fclose(f);
    clock_gettime(CLOCK_BOOTTIME, &now);
    return ((double)now.tv_sec + 1e-9 * (double)now.tv_nsec - (double)ticks / 100) * 1e3; /* USER_HZ */
}

static sl_status run(const char *path, enum precision precision, int64_t rows, unsigned threads,
                     double seconds, sl_error *err) {
    struct plan_options how = {.batch = rows, .loaded_once = true, .int8 = precision == PRECISION_INT8};
    struct device_options options = {.precision = precision, .threads = threads};
    static struct device_batch batches[MOST];
    struct graph *graph;
    struct plan *plan;
    struct device *device;
    struct program *program;
    struct device_batch *done;
    double rate = 0;
    sl_status st = graph_load(&graph, path, err);
    if (st == SL_OK)
        st = plan_make(&plan, graph, &how, err);
    if (st == SL_OK)
        st = ops->open(&device, 0, &options, err);
    if (st == SL_OK)
        st = ops->load(device, plan, &program, err);
    if (st != SL_OK)
        return st;
    unsigned depth = ops->depth(program) < MOST ? ops->depth(program) : MOST;
    for (unsigned i = 0; i < depth; i++) {
        batches[i] = (struct device_batch){.input = ops->slot_alloc(device, plan->input_nbytes),
                                           .output = ops->slot_alloc(device, plan->output_nbytes),
                                           .row_count = rows};
        if (i == 0)
            fill(plan, batches[0].input);
        else
            memcpy(batches[i].input, batches[0].input, plan->input_nbytes);
    }
    st = ops->submit(program, &batches[0], err);
    if (st == SL_OK)
        st = ops->collect(program, &done, err);
    double first = age_ms();
    if (st == SL_OK)
        st = measure(program, batches, depth, seconds, &rate, err);
    printf("{\"rate\": %.2f, \"first_ms\": %.0f, \"peak_mib\": %.1f}\n", rate, first,
           (double)machine_peak_rss() / (1 << 20));
    ops->unload(program);
    ops->close(device);
    plan_close(plan);
    graph_close(graph);
    return st;
}

int main(int argc, char **argv) {
    static const char *const names[] = {"fp32", "tf32", "fp16", "bf16", "int8"};
    sl_error err = {0};
    int precision = -1;
    for (int i = 0; (argc == 6 || argc == 7) && i < 5; i++)
        precision = strcmp(argv[2], names[i]) ? precision : i;
    if (precision < 0) {
        fprintf(stderr, "usage: model_bench MODEL fp32|tf32|fp16|bf16|int8 ROWS THREADS SECONDS [cuda]\n");
        return SL_E_USAGE;
    }
    if (argc == 7 && !strcmp(argv[6], "cuda"))
        ops = &device_cuda;
    sl_status st =
        run(argv[1], (enum precision)precision, atoll(argv[3]), (unsigned)atoi(argv[4]), atof(argv[5]), &err);
    return st == SL_OK ? 0 : failed(&err);
}
