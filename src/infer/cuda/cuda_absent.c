/* cuda_absent.c: the answer of a build without CUDA kernels. */
#include <stdio.h>

#include "infer/device.h"

static const char why_absent[] = "this build has no CUDA kernels";

static int count(char *why, size_t why_nbytes) {
    snprintf(why, why_nbytes, "%s", why_absent);
    return 0;
}

static sl_status open_absent(struct device **device, int index, const struct device_options *options,
                             sl_error *err) {
    (void)index;
    (void)options;
    *device = NULL;
    return error_set(err, SL_E_DEVICE, "cannot use device 'cuda': %s", why_absent);
}

static void close_absent(struct device *device) {
    (void)device;
}

static void describe(const struct device *device, char *text, size_t text_nbytes) {
    (void)device;
    snprintf(text, text_nbytes, "cuda: %s", why_absent);
}

static void *slot_alloc(struct device *device, size_t nbytes) {
    (void)device;
    (void)nbytes;
    return NULL;
}

static void slot_free(struct device *device, void *p, size_t nbytes) {
    (void)device;
    (void)p;
    (void)nbytes;
}

static bool supports(const struct device *device, const struct plan *plan, size_t step, char *why,
                     size_t why_nbytes) {
    (void)device;
    (void)plan;
    (void)step;
    snprintf(why, why_nbytes, "%s", why_absent);
    return false;
}

static void memory(const struct device *device, const struct plan *plan, struct device_memory *memory) {
    (void)device;
    (void)plan;
    *memory = (struct device_memory){0};
}

static sl_status load(struct device *device, const struct plan *plan, struct program **program,
                      sl_error *err) {
    (void)plan;
    *program = NULL;
    return open_absent(&device, 0, NULL, err);
}

static void unload(struct program *program) {
    (void)program;
}

static unsigned depth(const struct program *program) {
    (void)program;
    return 0;
}

static sl_status submit(struct program *program, struct device_batch *batch, sl_error *err) {
    (void)program;
    (void)batch;
    return error_set(err, SL_E_DEVICE, "cannot use device 'cuda': %s", why_absent);
}

static sl_status collect(struct program *program, struct device_batch **batch, sl_error *err) {
    (void)program;
    *batch = NULL;
    return error_set(err, SL_E_DEVICE, "cannot use device 'cuda': %s", why_absent);
}

static void print_steps(const struct program *program, struct buf *out) {
    (void)program;
    buf_printf(out, "%s\n", why_absent);
}

const struct device_ops device_cuda = {.name = "cuda",
                                       .count = count,
                                       .open = open_absent,
                                       .close = close_absent,
                                       .describe = describe,
                                       .slot_alloc = slot_alloc,
                                       .slot_free = slot_free,
                                       .supports = supports,
                                       .memory = memory,
                                       .load = load,
                                       .unload = unload,
                                       .depth = depth,
                                       .submit = submit,
                                       .collect = collect,
                                       .print_steps = print_steps};
