/* device_fake.c: one thread, a FIFO, and mishaps. */
#include "device_fake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "infer/cpu/cpu_step.h"
#include "support/mem.h"

struct fake_settings fake_settings = {.depth = 2};

struct device {
    int unused;
};

struct program {
    struct cpu_program code;
    struct cpu_frame frame;
    struct cpu_room room;
    struct fake_settings settings;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct device_batch *batches[64];
    uint64_t submits, submitted, done, collected, collects;
    bool stop;
};

static int fake_count(char *why, size_t why_nbytes) {
    snprintf(why, why_nbytes, "it is a fake");
    return 1;
}

static sl_status fake_open(struct device **device, int index, const struct device_options *options,
                           sl_error *err) {
    (void)options;
    if (index != 0)
        return error_set(err, SL_E_DEVICE, "there is one fake");
    *device = mem_alloc(1, sizeof **device);
    return *device ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory");
}

static void fake_close(struct device *device) {
    mem_free(device);
}

static void fake_describe(const struct device *device, char *text, size_t text_nbytes) {
    (void)device;
    snprintf(text, text_nbytes, "fake");
}

static void *fake_slot_alloc(struct device *device, size_t nbytes) {
    (void)device;
    return mem_map(nbytes);
}

static void fake_slot_free(struct device *device, void *p, size_t nbytes) {
    (void)device;
    mem_unmap(p, nbytes);
}

static bool fake_supports(const struct device *device, const struct plan *plan, size_t step, char *why,
                          size_t nbytes) {
    (void)device;
    (void)plan;
    (void)step;
    snprintf(why, nbytes, "%s", "");
    return true;
}

static void fake_memory(const struct device *device, const struct plan *plan, struct device_memory *memory) {
    (void)device;
    *memory = (struct device_memory){.arena_nbytes = plan->arena_nbytes};
}

static void compute(struct program *p, struct device_batch *batch) {
    const struct plan *plan = p->code.plan;
    if (p->settings.delay_us)
        usleep((useconds_t)((unsigned)rand() % p->settings.delay_us));
    if (!p->settings.identity) {
        (void)frame_run(&p->frame, &p->code, batch->input, batch->output, &batch->error);
        return;
    }
    size_t n = plan->input_nbytes < plan->output_nbytes ? plan->input_nbytes : plan->output_nbytes;
    memcpy(batch->output, batch->input, n);
}

static void *fake_run(void *arg) {
    struct program *p = arg;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (p->done == p->submitted && !p->stop)
            pthread_cond_wait(&p->changed, &p->mutex);
        if (p->done == p->submitted)
            break;
        struct device_batch *batch = p->batches[p->done % 64];
        bool fails = p->done + 1 == p->settings.fail_batch;
        pthread_mutex_unlock(&p->mutex);
        compute(p, batch);
        if (fails)
            error_set(&batch->error, SL_E_GPU, "the fake broke batch %llu",
                      (unsigned long long)p->settings.fail_batch);
        pthread_mutex_lock(&p->mutex);
        p->done++;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void fake_unload(struct program *p) {
    pthread_mutex_lock(&p->mutex);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    frame_close(&p->frame, &p->code);
    room_close(&p->room);
    arena_clear(&p->code.memory);
    mem_free(p->code.steps);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    mem_free(p);
}

static sl_status fake_load(struct device *device, const struct plan *plan, struct program **out,
                           sl_error *err) {
    struct program *p = mem_alloc(1, sizeof *p);
    (void)device;
    p->settings = fake_settings;
    p->code.plan = plan;
    p->code.scratch_nbytes = 64;
    arena_init(&p->code.memory);
    sl_status st = reference_fill(&p->code, err);
    for (size_t i = 0; st == SL_OK && i < plan->step_count; i++)
        if (p->code.steps[i].scratch_nbytes > p->code.scratch_nbytes)
            p->code.scratch_nbytes = p->code.steps[i].scratch_nbytes;
    if (st == SL_OK)
        st = room_fit(&p->room, &p->code, err);
    if (st == SL_OK)
        st = frame_open(&p->frame, &p->code, 0, &p->room, err);
    if (st != SL_OK)
        return st;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    pthread_create(&p->thread, NULL, fake_run, p);
    *out = p;
    return SL_OK;
}

static unsigned fake_depth(const struct program *p) {
    return p->settings.depth;
}

static sl_status fake_submit(struct program *p, struct device_batch *batch, sl_error *err) {
    sl_status st = SL_OK;
    pthread_mutex_lock(&p->mutex);
    if (++p->submits == p->settings.fail_submit)
        st = error_set(err, SL_E_GPU, "the fake refused a batch");
    else if (p->submitted - p->collected >= p->settings.depth)
        st = error_set(err, SL_E_INTERNAL, "more than %u batches in flight", p->settings.depth);
    else {
        batch->error.status = SL_OK;
        p->batches[p->submitted++ % 64] = batch;
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
    return st;
}

static sl_status fake_collect(struct program *p, struct device_batch **batch, sl_error *err) {
    sl_status st = SL_OK;
    pthread_mutex_lock(&p->mutex);
    if (++p->collects == p->settings.fail_collect || p->collected == p->submitted) {
        st = error_set(err, SL_E_GPU, "the fake lost a batch");
    } else {
        while (p->done == p->collected)
            pthread_cond_wait(&p->changed, &p->mutex);
        *batch = p->batches[p->collected++ % 64];
    }
    pthread_mutex_unlock(&p->mutex);
    return st;
}

static void fake_print_steps(const struct program *p, struct buf *out) {
    (void)p;
    buf_puts(out, "fake\n");
}

const struct device_ops device_fake = {.name = "fake",
                                       .count = fake_count,
                                       .open = fake_open,
                                       .close = fake_close,
                                       .describe = fake_describe,
                                       .slot_alloc = fake_slot_alloc,
                                       .slot_free = fake_slot_free,
                                       .supports = fake_supports,
                                       .memory = fake_memory,
                                       .load = fake_load,
                                       .unload = fake_unload,
                                       .depth = fake_depth,
                                       .submit = fake_submit,
                                       .collect = fake_collect,
                                       .print_steps = fake_print_steps};
