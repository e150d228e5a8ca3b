/* cpu_device.c: the CPU as a device. Its threads take whole batches, one each, so no barrier stands inside a
 * batch and nothing spins; batches leave in the order in which they came. */
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "support/clock.h"
#include "support/machine.h"
#include "support/mem.h"
#include "support/thread.h"

struct device {
    struct device_options options;
    struct machine machine;
};

enum batch_state { BATCH_WAITING, BATCH_RUNNING, BATCH_DONE };

struct compute_thread {
    struct program *program;
    struct cpu_frame frame;
    pthread_t thread;
};

struct program {
    struct cpu_program code; /* read-only after load */
    struct compute_thread *threads;
    unsigned thread_count, started, depth;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    /* under mutex: a ring of `depth` batches in the order of submission */
    struct device_batch **batches;
    enum batch_state *states;
    uint64_t submitted, taken, collected; /* counts; index is count % depth */
    bool stop;
};

static int cpu_count(char *why, size_t why_nbytes) {
    snprintf(why, why_nbytes, "always there");
    return 1;
}

static bool has_bf16(void) {
    struct machine machine;
    machine_read(&machine);
    return machine.avx512_bf16;
}

static sl_status cpu_open(struct device **out, int index, const struct device_options *options,
                          sl_error *err) {
    if (index != 0)
        return error_set(err, SL_E_DEVICE, "there is only one device 'cpu'");
    if (options->precision == PRECISION_FP16 || options->precision == PRECISION_TF32)
        return error_set(err, SL_E_USAGE, "the cpu device computes in fp32, bf16 or int8, not in '%s'",
                         options->precision == PRECISION_FP16 ? "fp16" : "tf32");
    if (options->precision == PRECISION_BF16 && !has_bf16())
        return error_set(err, SL_E_DEVICE,
                         "cannot use precision 'bf16' on this CPU: it has no AVX-512 BF16, and would be "
                         "slower than in fp32");
    struct device *device = mem_alloc(1, sizeof *device);
    if (!device)
        return error_set(err, SL_E_MEMORY, "out of memory for the cpu device");
    device->options = *options;
    if (!device->options.threads)
        device->options.threads = 1;
    machine_read(&device->machine);
    *out = device;
    return SL_OK;
}

static void cpu_close(struct device *device) {
    mem_free(device);
}

static void cpu_describe(const struct device *device, char *text, size_t text_nbytes) {
    const struct machine *m = &device->machine;
    snprintf(text, text_nbytes, "cpu: %u thread%s%s, oneDNN %s", device->options.threads,
             device->options.threads == 1 ? "" : "s",
             m->avx512 ? ", avx512"
             : m->avx2 ? ", avx2"
                       : "",
             onednn_version());
}

static void *cpu_slot_alloc(struct device *device, size_t nbytes) {
    (void)device;
    return mem_map(nbytes);
}

static void cpu_slot_free(struct device *device, void *p, size_t nbytes) {
    (void)device;
    mem_unmap(p, nbytes);
}

/* Every operator that was imported has a reference. */
static bool cpu_supports(const struct device *device, const struct plan *plan, size_t step, char *why,
                         size_t why_nbytes) {
    (void)device;
    bool runs = plan->steps[step].op->run != NULL;
    snprintf(why, why_nbytes, "%s", runs ? "" : "it has no implementation");
    return runs;
}

/* References first, then what is better over them. */
static sl_status fill(struct cpu_program *code, const struct device *device, sl_error *err) {
    int threads = omp_get_max_threads();
    code->threads = device->options.threads;
    code->precision = device->options.precision;
    code->scratch_nbytes = 64;
    arena_init(&code->memory);
    sl_status st = reference_fill(code, err);
    omp_set_num_threads(1); /* what is made now will run in one thread */
    if (st == SL_OK && !device->options.reference)
        st = steps_fill(code, err);
    omp_set_num_threads(threads);
    for (size_t i = 0; st == SL_OK && i < code->plan->step_count; i++)
        if (code->steps[i].scratch_nbytes > code->scratch_nbytes)
            code->scratch_nbytes = code->steps[i].scratch_nbytes;
    return st;
}

static void code_clear(struct cpu_program *code) {
    row_blocks_clear(code);
    onednn_clear(code);
    arena_clear(&code->memory);
    mem_free(code->steps);
}

/* Rehearses the load: every step finds who computes it, and what that takes. Generated code and what the
 * library keeps for a primitive were measured: some 100 KiB each. */
static void cpu_memory(const struct device *device, const struct plan *plan, struct device_memory *memory) {
    size_t threads = device->options.threads;
    struct cpu_program code = {.plan = plan, .rehearsal = true};
    sl_error err = {0};
    *memory = (struct device_memory){0};
    if (fill(&code, device, &err) == SL_OK) {
        size_t weights = code.memory.used_nbytes + code.mapped_nbytes,
               count = onednn_count(&code) + row_blocks_primitives(&code);
        memory->weights_nbytes = weights > code.released_nbytes ? weights - code.released_nbytes : 0;
        memory->arena_nbytes =
            threads * (plan->arena_nbytes + plan->text_nbytes + code.scratch_nbytes + (64u << 10));
        memory->library_nbytes = count ? count * (100u << 10) + (2u << 20) : 0;
    }
    code_clear(&code);
}

/* ---- running
 * -------------------------------------------------------------------------------------------------- */

static void compute(struct program *p, struct cpu_frame *frame, struct device_batch *batch) {
    uint64_t wall = clock_ns(), cpu = clock_thread_ns();
    frame_run(frame, &p->code, batch->input, batch->output, &batch->error);
    batch->cpu_ns = clock_thread_ns() - cpu;
    batch->compute_ns = clock_ns() - wall;
}

static void *compute_run(void *arg) {
    struct compute_thread *self = arg;
    struct program *p = self->program;
    omp_set_num_threads(1); /* oneDNN starts no team in this thread */
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (p->taken == p->submitted && !p->stop)
            pthread_cond_wait(&p->work, &p->mutex);
        if (p->taken == p->submitted)
            break;
        unsigned at = (unsigned)(p->taken++ % p->depth);
        struct device_batch *batch = p->batches[at];
        p->states[at] = BATCH_RUNNING;
        pthread_mutex_unlock(&p->mutex);
        compute(p, &self->frame, batch);
        pthread_mutex_lock(&p->mutex);
        p->states[at] = BATCH_DONE;
        pthread_cond_broadcast(&p->done);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static sl_status cpu_submit(struct program *p, struct device_batch *batch, sl_error *err) {
    sl_status st = SL_OK;
    pthread_mutex_lock(&p->mutex);
    if (p->submitted - p->collected == p->depth) {
        st = error_set(err, SL_E_INTERNAL, "more than %u batches in flight on the cpu device", p->depth);
    } else {
        unsigned at = (unsigned)(p->submitted++ % p->depth);
        batch->error.status = SL_OK;
        p->batches[at] = batch;
        p->states[at] = BATCH_WAITING;
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->mutex);
    return st;
}

static sl_status cpu_collect(struct program *p, struct device_batch **batch, sl_error *err) {
    sl_status st = SL_OK;
    pthread_mutex_lock(&p->mutex);
    if (p->collected == p->submitted) {
        st = error_set(err, SL_E_INTERNAL, "no batch is in flight on the cpu device");
    } else {
        unsigned at = (unsigned)(p->collected % p->depth);
        while (p->states[at] != BATCH_DONE)
            pthread_cond_wait(&p->done, &p->mutex);
        *batch = p->batches[at];
        p->collected++;
    }
    pthread_mutex_unlock(&p->mutex);
    return st;
}

static unsigned cpu_depth(const struct program *p) {
    return p->depth;
}

/* ---- loading
 * -------------------------------------------------------------------------------------------------- */

static void stop_threads(struct program *p) {
    pthread_mutex_lock(&p->mutex);
    p->stop = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; i < p->started; i++)
        pthread_join(p->threads[i].thread, NULL);
}

static void cpu_unload(struct program *p) {
    if (!p)
        return;
    stop_threads(p);
    for (unsigned i = 0; p->threads && i < p->thread_count; i++)
        if (p->threads[i].frame.plan)
            frame_close(&p->threads[i].frame, &p->code);
    code_clear(&p->code);
    mem_free(p->threads);
    mem_free(p->batches);
    mem_free(p->states);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    mem_free(p);
}

static sl_status open_thread(struct program *p, unsigned i, sl_error *err) {
    p->threads[i].program = p;
    return frame_open(&p->threads[i].frame, &p->code, i, err);
}

static sl_status start_threads(struct program *p, sl_error *err) {
    for (unsigned i = 0; i < p->thread_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "compute-%u", i % 1000u);
        sl_status st = thread_start(&p->threads[i].thread, name, compute_run, &p->threads[i], err);
        if (st != SL_OK)
            return st;
        p->started++;
    }
    return SL_OK;
}

static sl_status cpu_load(struct device *device, const struct plan *plan, struct program **out,
                          sl_error *err) {
    struct program *p = mem_alloc(1, sizeof *p);
    if (!p)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    p->thread_count = device->options.threads;
    p->depth = p->thread_count + 1; /* one waits, so that no thread does */
    p->code.plan = plan;
    p->threads = mem_alloc(p->thread_count, sizeof *p->threads);
    p->batches = mem_alloc(p->depth, sizeof *p->batches);
    p->states = mem_alloc(p->depth, sizeof *p->states);
    sl_status st = p->threads && p->batches && p->states
                       ? fill(&p->code, device, err)
                       : error_set(err, SL_E_MEMORY, "out of memory for the program");
    for (unsigned i = 0; st == SL_OK && i < p->thread_count; i++)
        st = open_thread(p, i, err);
    if (st == SL_OK)
        st = start_threads(p, err);
    if (st != SL_OK) {
        cpu_unload(p);
        return st;
    }
    *out = p;
    return SL_OK;
}

static void cpu_print_steps(const struct program *p, struct buf *out) {
    for (size_t i = 0; i < p->code.plan->step_count; i++)
        buf_printf(out, "  %-24s %s\n", p->code.plan->steps[i].name,
                   p->code.steps[i].run ? p->code.steps[i].what : "fused into a step beside it");
}

const struct device_ops device_cpu = {.name = "cpu",
                                      .count = cpu_count,
                                      .open = cpu_open,
                                      .close = cpu_close,
                                      .describe = cpu_describe,
                                      .slot_alloc = cpu_slot_alloc,
                                      .slot_free = cpu_slot_free,
                                      .supports = cpu_supports,
                                      .memory = cpu_memory,
                                      .load = cpu_load,
                                      .unload = cpu_unload,
                                      .depth = cpu_depth,
                                      .submit = cpu_submit,
                                      .collect = cpu_collect,
                                      .print_steps = cpu_print_steps};
