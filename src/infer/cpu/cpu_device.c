/* cpu_device.c: the CPU as a device. Its threads take whole batches, one each, so no barrier stands inside a
 * batch and nothing spins; batches leave in the order in which they came. */
#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "infer/cpu/cpu_crew.h"
#include "infer/cpu/cpu_step.h"
#include "support/clock.h"
#include "support/machine.h"
#include "support/mem.h"

struct device {
    struct device_options options;
    struct machine machine;
    /* of the programs that are loaded, all together: */
    struct crew *crew;
    struct cpu_room *rooms; /* [threads]: where each thread computes, whatever program it is */
    struct onednn_share *share;
    struct program *programs; /* a list */
};

/* A batch on its way through the crew. */
struct ticket {
    struct crew_task task;
    struct program *program;
    struct device_batch *batch;
};

struct program {
    struct cpu_program code; /* read-only after load */
    struct device *device;
    struct program *next;
    struct cpu_frame *frames; /* [threads] */
    unsigned depth;
    struct ticket *tickets; /* a ring in the order of submission */
    /* counts; index is count % depth. Written by the thread that submits, and by the one that collects */
    _Atomic uint64_t submitted, collected;
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

static void compute(struct crew_task *task, unsigned thread) {
    struct ticket *ticket = (struct ticket *)(void *)task;
    struct device_batch *batch = ticket->batch;
    struct program *p = ticket->program;
    uint64_t wall = clock_ns(), cpu = clock_thread_ns();
    frame_run(&p->frames[thread], &p->code, batch->input, batch->output, &batch->error);
    batch->cpu_ns = clock_thread_ns() - cpu;
    batch->compute_ns = clock_ns() - wall;
}

static sl_status cpu_submit(struct program *p, struct device_batch *batch, sl_error *err) {
    uint64_t number = p->submitted;
    if (number - p->collected == p->depth)
        return error_set(err, SL_E_INTERNAL, "more than %u batches in flight on the cpu device", p->depth);
    struct ticket *ticket = &p->tickets[number % p->depth];
    batch->error.status = SL_OK;
    *ticket = (struct ticket){.task.run = compute, .program = p, .batch = batch};
    p->submitted = number + 1;
    crew_give(p->device->crew, &ticket->task);
    return SL_OK;
}

static sl_status cpu_collect(struct program *p, struct device_batch **batch, sl_error *err) {
    uint64_t number = p->collected;
    if (number == p->submitted)
        return error_set(err, SL_E_INTERNAL, "no batch is in flight on the cpu device");
    struct ticket *ticket = &p->tickets[number % p->depth];
    crew_wait(p->device->crew, &ticket->task);
    *batch = ticket->batch;
    p->collected = number + 1;
    return SL_OK;
}

static unsigned cpu_depth(const struct program *p) {
    return p->depth;
}

/* ---- loading
 * -------------------------------------------------------------------------------------------------- */

/* The last program takes along what all had together. */
static void leave(struct program *p) {
    struct device *device = p->device;
    struct program **at = &device->programs;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    if (device->programs)
        return;
    crew_close(device->crew);
    for (unsigned i = 0; device->rooms && i < device->options.threads; i++)
        room_close(&device->rooms[i]);
    mem_free(device->rooms);
    device->crew = NULL;
    device->rooms = NULL;
}

static void cpu_unload(struct program *p) {
    if (!p)
        return;
    for (uint64_t i = p->collected; i < p->submitted; i++) /* after a failure nobody collects them */
        crew_wait(p->device->crew, &p->tickets[i % p->depth].task);
    for (unsigned i = 0; p->frames && i < p->device->options.threads; i++)
        if (p->frames[i].plan)
            frame_close(&p->frames[i], &p->code);
    code_clear(&p->code);
    leave(p);
    mem_free(p->frames);
    mem_free(p->tickets);
    mem_free(p);
}

/* The crew is at rest while a program is loaded, so rooms may move. */
static sl_status open_frames(struct device *device, struct program *p, sl_error *err) {
    if (!device->rooms)
        device->rooms = mem_alloc(device->options.threads, sizeof *device->rooms);
    if (!device->rooms)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    for (unsigned i = 0; i < device->options.threads; i++) {
        sl_status st = room_fit(&device->rooms[i], &p->code, err);
        for (struct program *other = device->programs; other; other = other->next)
            if (other->frames[i].plan)
                frame_bind(&other->frames[i], &other->code);
        if (st == SL_OK)
            st = frame_open(&p->frames[i], &p->code, i, &device->rooms[i], err);
        if (st != SL_OK)
            return st;
    }
    return SL_OK;
}

static sl_status cpu_load(struct device *device, const struct plan *plan, struct program **out,
                          sl_error *err) {
    struct program *p = mem_alloc(1, sizeof *p);
    if (!p)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    p->device = device;
    p->depth = device->options.threads + 1; /* one waits, so that no thread does */
    p->code.plan = plan;
    p->code.share = plan->loaded_once ? NULL : &device->share;
    p->frames = mem_alloc(device->options.threads, sizeof *p->frames);
    p->tickets = mem_alloc(p->depth, sizeof *p->tickets);
    sl_status st = p->frames && p->tickets ? fill(&p->code, device, err)
                                           : error_set(err, SL_E_MEMORY, "out of memory for the program");
    if (st == SL_OK)
        st = open_frames(device, p, err);
    if (st == SL_OK && !device->crew)
        st = crew_open(&device->crew, device->options.threads, err);
    if (st != SL_OK) {
        cpu_unload(p);
        return st;
    }
    p->next = device->programs;
    device->programs = p;
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
