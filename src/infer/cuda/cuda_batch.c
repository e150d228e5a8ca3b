/* cuda_batch.c: batches in flight. Three streams, so that one batch is copied in while another computes and a
 * third is copied out; events hold them in order:
 *
 *   in       copy batch n        | copy n+1          | ...
 *   compute                wait copied | launches n  | ...
 *   out                                       wait computed | copy out n
 *
 * A slot's memory on the device is free again when its batch has been collected, and no more than CUDA_DEPTH
 * batches are in flight, so no stream waits for an earlier use of a slot. */
#include <stdio.h>
#include <string.h>

#include "infer/cuda/cuda_program.h"
#include "ops/rules.h"
#include "support/text.h"

/* ---- marks: the GPU writes them whenever it comes to it ---- */

static uint32_t read_mark(const volatile uint32_t *mark) {
    return __atomic_load_n(mark, __ATOMIC_ACQUIRE);
}

static void clear_mark(volatile uint32_t *mark) {
    __atomic_store_n(mark, 0, __ATOMIC_RELAXED);
}

/* ---- launches ---- */

struct frame {
    const struct program *program;
    const struct cuda_slot *slot;
};

static char *region_of(const struct frame *f, enum cuda_region region) {
    return region == REGION_INPUT    ? f->slot->input
           : region == REGION_OUTPUT ? f->slot->output
                                     : f->program->region[region];
}

static const void *address(const void *frame, uint32_t value) {
    const struct frame *f = frame;
    if (value == BOUND_SCRATCH)
        return f->program->scratch;
    const struct cuda_value *v = &f->program->code.values[value];
    return v->region == REGION_CONST ? v->at : region_of(f, v->region) + v->offset;
}

cudaError_t cuda_run(const struct program *p, const struct cuda_slot *slot, const struct cuda_bound *chain) {
    return (cudaError_t)bound_run(chain, address, &(struct frame){p, slot}, p->compute);
}

/* A port's floats between the slot's f32 and the program's halves. */
static cudaError_t convert(const struct frame *f, const struct plan_value *v, enum cuda_region region,
                           bool out) {
    struct walk_plan w = {.operands = 2};
    const struct program *p = f->program;
    char *slot = region_of(f, region) + v->offset,
         *half = region_of(f, region + (REGION_HALF_INPUT - REGION_INPUT)) + v->offset / 2;
    struct k_element e = {.op = K_COPY, .in_count = 1, .in = {out ? half : slot}, .y = out ? slot : half};
    e.in_type[0] = out ? p->code.real : K_F32;
    e.y_type = out ? K_F32 : p->code.real;
    walk_add(&w, rule_count(&v->tensor), (int64_t[]){1, 1});
    if (!v->nbytes)
        return cudaSuccess;
    return walk_make(&w, &e.walk) ? (cudaError_t)k_element_launch(&e, p->compute) : cudaErrorInvalidValue;
}

static cudaError_t convert_ports(const struct frame *f, const struct plan_port *ports, size_t count,
                                 enum cuda_region region, bool out) {
    const struct plan *plan = f->program->code.plan;
    cudaError_t error = cudaSuccess;
    for (size_t i = 0; error == cudaSuccess && f->program->code.real != K_F32 && i < count; i++) {
        const struct plan_value *v = &plan->values[ports[i].value];
        if (v->tensor.dtype == SL_FLOAT && v->place == (out ? PLAN_OUTPUT : PLAN_INPUT))
            error = convert(f, v, region, out);
    }
    return error;
}

/* The mark of a step, behind it on the stream. In a graph only every so many, and none where there are few:
 * a small copy among kernels takes longer than some of them. */
static cudaError_t mark(struct program *p, const struct cuda_slot *slot, size_t done) {
    size_t count = p->code.plan->step_count;
    if (p->device->graphs && (count < CUDA_MARK_EVERY || (done % CUDA_MARK_EVERY && done != count)))
        return cudaSuccess;
    return cudaMemcpyAsync((void *)(uintptr_t)&slot->marks->steps, p->code.marks + done,
                           sizeof *p->code.marks, cudaMemcpyDeviceToHost, p->compute);
}

sl_status cuda_launch(struct program *p, struct cuda_slot *slot, bool check, sl_error *err) {
    const struct plan *plan = p->code.plan;
    const struct frame frame = {p, slot};
    sl_status st = cuda_say(err, convert_ports(&frame, plan->inputs, plan->input_count, REGION_INPUT, false),
                            "convert the inputs on GPU %d", p->device->index);
    for (size_t i = 0; st == SL_OK && i < plan->step_count; i++) {
        cudaError_t error = cuda_run(p, slot, p->code.steps[i].chain);
        if (error == cudaSuccess)
            error = check ? cudaStreamSynchronize(p->compute) : mark(p, slot, i + 1);
        st = cuda_say(err, error, "run step '%s' (%s) on GPU %d", text_quote(plan->steps[i].name),
                      p->code.steps[i].what, p->device->index);
    }
    if (st == SL_OK)
        st = cuda_say(err, convert_ports(&frame, plan->outputs, plan->output_count, REGION_OUTPUT, true),
                      "convert the outputs on GPU %d", p->device->index);
    return st;
}

/* ---- batches ---- */

/* Puts everything on the streams; what fails at once is told, what fails later is found by collect. */
static sl_status enqueue(struct program *p, struct cuda_slot *s, const struct device_batch *batch,
                         sl_error *err) {
    const struct plan *plan = p->code.plan;
    cudaError_t error = cudaSetDevice(p->device->index); /* of this thread */
    if (error == cudaSuccess)
        error = cudaMemcpyAsync(s->input, batch->input, plan->input_nbytes, cudaMemcpyHostToDevice, p->in);
    if (error == cudaSuccess)
        error = cudaEventRecord(s->copied, p->in);
    if (error == cudaSuccess)
        error = cudaStreamWaitEvent(p->compute, s->copied, 0);
    if (error == cudaSuccess)
        error = cudaEventRecord(s->began, p->compute);
    sl_status st = cuda_say(err, error, "copy a batch to GPU %d", p->device->index);
    if (st == SL_OK && s->graph)
        st = cuda_say(err, cudaGraphLaunch(s->graph, p->compute), "launch a batch on GPU %d",
                      p->device->index);
    else if (st == SL_OK)
        st = cuda_launch(p, s, false, err);
    if (st != SL_OK)
        return st;
    error = cudaEventRecord(s->computed, p->compute);
    if (error == cudaSuccess)
        error = cudaStreamWaitEvent(p->out, s->computed, 0);
    if (error == cudaSuccess)
        error =
            cudaMemcpyAsync(batch->output, s->output, plan->output_nbytes, cudaMemcpyDeviceToHost, p->out);
    if (error == cudaSuccess) /* not in the way of the kernels */
        error = cudaMemcpyAsync((void *)(uintptr_t)&s->marks->out, p->code.marks + plan->step_count,
                                sizeof *p->code.marks, cudaMemcpyDeviceToHost, p->out);
    if (error == cudaSuccess)
        error = cudaEventRecord(s->ended, p->out);
    return cuda_say(err, error, "copy a batch from GPU %d", p->device->index);
}

/* ---- what went wrong, and where ---- */

/* The step that a batch is at, in words, as far as its marks tell. */
static void say_step(const struct program *p, const struct cuda_slot *s, char *text, size_t text_nbytes) {
    const struct plan *plan = p->code.plan;
    size_t done = read_mark(&s->marks->steps), count = plan->step_count;
    bool graph = p->device->graphs;
    if (graph && count < CUDA_MARK_EVERY)
        snprintf(text, text_nbytes, "in one of its %zu steps (SLUICE_CUDA_GRAPHS=0 tells which)", count);
    else if (done >= count)
        snprintf(text, text_nbytes, "behind its last step");
    else if (graph)
        snprintf(text, text_nbytes,
                 "in step '%s' (%s) or one of the %d behind it (SLUICE_CUDA_GRAPHS=0 tells which)",
                 text_quote(plan->steps[done].name), p->code.steps[done].what, CUDA_MARK_EVERY - 1);
    else
        snprintf(text, text_nbytes, "in step '%s' (%s)", text_quote(plan->steps[done].name),
                 p->code.steps[done].what);
}

/* The oldest batch in flight whose output is not there: after a fault, the one that it hit. */
static uint64_t oldest_at_work(struct program *p) {
    pthread_mutex_lock(&p->mutex);
    uint64_t n = p->collected;
    while (n + 1 < p->submitted && read_mark(&p->slots[n % CUDA_DEPTH].marks->out))
        n++;
    pthread_mutex_unlock(&p->mutex);
    return n;
}

void cuda_look(struct program *p, char *text, size_t text_nbytes) {
    char step[300];
    uint64_t n = oldest_at_work(p);
    pthread_mutex_lock(&p->mutex);
    uint64_t in_flight = p->submitted - p->collected;
    pthread_mutex_unlock(&p->mutex);
    say_step(p, &p->slots[n % CUDA_DEPTH], step, sizeof step);
    if (in_flight)
        snprintf(text, text_nbytes, "GPU %d has %llu in flight; batch %llu is %s", p->device->index,
                 (unsigned long long)in_flight, (unsigned long long)n, step);
    else
        snprintf(text, text_nbytes, "GPU %d has no batch", p->device->index);
}

/* A batch that failed is given back: nothing may still read or write its memory. */
static void settle(struct program *p) {
    (void)cudaStreamSynchronize(p->in);
    (void)cudaStreamSynchronize(p->compute);
    (void)cudaStreamSynchronize(p->out);
}

/* A fault of the GPU is for ever: the process has to end. What was copied out before it is good all the
 * same; the others take its text with them. */
static void lose(struct program *p, struct device_batch *batch, cudaError_t error) {
    char step[300];
    settle(p);
    uint64_t hit = oldest_at_work(p);
    struct cuda_slot *s = &p->slots[hit % CUDA_DEPTH];
    say_step(p, s, step, sizeof step);
    (void)cuda_say(&batch->error, error, "compute batch %llu on GPU %d, %s", (unsigned long long)hit,
                   p->device->index, step);
    batch->error.status = SL_E_GPU;
    batch->culprit = s->batch;
    pthread_mutex_lock(&p->mutex);
    if (p->lost.status == SL_OK)
        p->lost = batch->error;
    pthread_mutex_unlock(&p->mutex);
}

/* Whether the runtime answers every call with the same error. */
static bool is_lost(const struct cuda_slot *s) {
    cudaError_t error = cudaEventQuery(s->ended);
    return error != cudaSuccess && error != cudaErrorNotReady;
}

sl_status cuda_submit(struct program *p, struct device_batch *batch, sl_error *err) {
    pthread_mutex_lock(&p->mutex);
    sl_status st = p->lost.status;
    bool full = p->submitted - p->collected == CUDA_DEPTH;
    struct cuda_slot *s = &p->slots[p->submitted % CUDA_DEPTH];
    if (st != SL_OK)
        (void)error_set(err, st, "%s", p->lost.text);
    pthread_mutex_unlock(&p->mutex);
    if (st != SL_OK)
        return st;
    if (full)
        return error_set(err, SL_E_INTERNAL, "more than %d batches in flight on GPU %d", CUDA_DEPTH,
                         p->device->index);
    batch->error.status = SL_OK;
    batch->culprit = NULL;
    s->batch = batch;
    clear_mark(&s->marks->steps);
    clear_mark(&s->marks->out);
    st = enqueue(p, s, batch, err);
    if (st == SL_E_GPU && is_lost(s)) {
        lose(p, batch, cudaGetLastError());
        *err = batch->error;
    } else if (st != SL_OK) {
        settle(p);
    } else {
        pthread_mutex_lock(&p->mutex);
        p->submitted++;
        pthread_mutex_unlock(&p->mutex);
    }
    return st;
}

sl_status cuda_collect(struct program *p, struct device_batch **out, sl_error *err) {
    pthread_mutex_lock(&p->mutex);
    uint64_t number = p->collected;
    bool none = number == p->submitted;
    pthread_mutex_unlock(&p->mutex);
    if (none)
        return error_set(err, SL_E_INTERNAL, "no batch is in flight on GPU %d", p->device->index);
    struct cuda_slot *s = &p->slots[number % CUDA_DEPTH];
    struct device_batch *batch = s->batch;
    float ms = 0;
    cudaError_t error = cudaSetDevice(p->device->index);
    if (error == cudaSuccess)
        error = cudaEventSynchronize(s->ended);
    if (error == cudaSuccess)
        error = cudaEventElapsedTime(&ms, s->began, s->computed);
    batch->compute_ns = (uint64_t)((double)ms * 1e6);
    batch->cpu_ns = 0;
    if (error != cudaSuccess && !read_mark(&s->marks->out))
        lose(p, batch, error);
    pthread_mutex_lock(&p->mutex);
    p->collected++;
    pthread_mutex_unlock(&p->mutex);
    *out = batch;
    return SL_OK;
}
