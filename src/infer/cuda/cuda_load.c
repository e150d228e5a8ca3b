/* cuda_load.c: a plan on the GPU. Everything is known before the first byte is taken: a rehearsal of the
 * matching adds up weights, tables and scratch, and the plan has the rest. */
#include <stdio.h>
#include <string.h>

#include "infer/cuda/cuda_program.h"
#include "support/mem.h"
#include "support/text.h"

/* What rounding each piece of memory up to CUDA_ALIGN can take at most. */
#define ROUNDING_NBYTES ((size_t)(REGION_COUNT + 3 * CUDA_DEPTH + 4) * CUDA_ALIGN)

static size_t align(size_t nbytes) {
    return (nbytes + CUDA_ALIGN - 1) / CUDA_ALIGN * CUDA_ALIGN;
}

static bool is_work(enum cuda_region region) {
    return region != REGION_INPUT && region != REGION_OUTPUT && region != REGION_CONST;
}

/* Never nothing: an address has to be somewhere. */
static size_t work_nbytes(const struct cuda_code *code) {
    size_t nbytes = align(code->scratch_nbytes) + CUDA_ALIGN;
    for (int i = 0; i < REGION_COUNT; i++)
        nbytes += is_work((enum cuda_region)i) ? align(code->region_nbytes[i]) : 0;
    return nbytes;
}

static size_t slot_nbytes(const struct plan *plan) {
    return align(plan->input_nbytes) + align(plan->output_nbytes) + CUDA_ALIGN;
}

static void code_init(struct cuda_code *code, const struct device *device, const struct plan *plan) {
    *code = (struct cuda_code){.device = device, .plan = plan, .rehearsal = true};
    arena_init(&code->memory);
    arena_init(&code->room);
}

void cuda_memory(const struct device *device, const struct plan *plan, struct device_memory *memory) {
    struct cuda_code code;
    sl_error err = {0};
    size_t free_nbytes = 0, total = 0;
    *memory = (struct device_memory){.own = true};
    code_init(&code, device, plan);
    if (cuda_match_plan(&code, &err) == SL_OK) {
        memory->weights_nbytes = code.weights_nbytes;
        memory->arena_nbytes = work_nbytes(&code);
        memory->slots_nbytes = CUDA_DEPTH * slot_nbytes(plan);
    }
    cuda_code_clear(&code);
    if (device->index == DEVICE_REHEARSED)
        return;
    (void)cudaSetDevice(device->index);
    if (cudaMemGetInfo(&free_nbytes, &total) == cudaSuccess) {
        memory->free_nbytes = free_nbytes;
        memory->total_nbytes = total;
    }
}

/* ---- weights ---- */

static cudaError_t upload_constants(struct cuda_code *code) {
    const enum share_form narrowed = code->real == K_F16 ? SHARE_F16 : SHARE_BF16;
    cudaError_t error = cudaSuccess;
    for (uint32_t i = 0; error == cudaSuccess && i < code->plan->value_count; i++) {
        struct cuda_value *v = &code->values[i];
        const struct plan_value *p = &code->plan->values[i];
        if (v->wanted)
            error = share_put(code->share, &code->refs, p->tensor.data, p->nbytes,
                              v->floats_narrowed ? narrowed : SHARE_AS_IT_IS, &v->at);
    }
    return error;
}

static cudaError_t upload_marks(struct cuda_code *code) {
    uint32_t count = (uint32_t)code->plan->step_count + 1, *numbers = mem_alloc(count, sizeof *numbers);
    char *at = NULL;
    if (!numbers)
        return cudaErrorMemoryAllocation;
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = i;
    cudaError_t error =
        share_put(code->share, &code->refs, numbers, count * sizeof *numbers, SHARE_AS_IT_IS, &at);
    code->marks = (const uint32_t *)(const void *)at;
    mem_free(numbers);
    return error;
}

/* ---- memory ---- */

static sl_status too_large(const struct program *p, size_t need, size_t free_nbytes, size_t total,
                           sl_error *err) {
    char needs[32], frees[32], totals[32], weights[32];
    text_nbytes(needs, sizeof needs, need);
    text_nbytes(frees, sizeof frees, free_nbytes);
    text_nbytes(totals, sizeof totals, total);
    text_nbytes(weights, sizeof weights, p->code.weights_nbytes);
    if (need <= free_nbytes)
        return error_set(
            err, SL_E_MEMORY,
            "GPU %d refused %s of memory, though %s of %s are free: they are in pieces, or another "
            "process was faster; try again, or a smaller --batch-size",
            p->device->index, needs, frees, totals);
    size_t rows = (size_t)p->code.plan->batch, fixed = p->code.weights_nbytes + ROUNDING_NBYTES;
    size_t row = (need - p->code.weights_nbytes) / (rows ? rows : 1) + 1,
           fits = free_nbytes > fixed ? (free_nbytes - fixed) / row : 0;
    if (fits)
        return error_set(
            err, SL_E_MEMORY,
            "not enough memory on GPU %d: the model (%s) and batches of %zu need %s, %s of %s are "
            "free; --batch-size %zu fits",
            p->device->index, weights, rows, needs, frees, totals, fits);
    return error_set(
        err, SL_E_MEMORY,
        "not enough memory on GPU %d: the model (%s) and batches of %zu need %s, %s of %s are free; "
        "no batch size fits",
        p->device->index, weights, rows, needs, frees, totals);
}

static sl_status take_memory(struct program *p, sl_error *err) {
    const struct plan *plan = p->code.plan;
    /* of weights that others have up already, the rest shows when it is copied */
    size_t weights = p->device->share.chunks ? 0 : p->code.weights_nbytes, work = work_nbytes(&p->code),
           free_nbytes = 0, slot = slot_nbytes(plan), total = 0, need = weights + work + CUDA_DEPTH * slot;
    sl_status st =
        cuda_say(err, cudaMemGetInfo(&free_nbytes, &total), "ask for the memory of GPU %d", p->device->index);
    if (st != SL_OK)
        return st;
    if (need > free_nbytes)
        return too_large(p, need, free_nbytes, total, err);
    p->code.refs.expected_nbytes = p->code.weights_nbytes;
    cudaError_t error = cudaMalloc((void **)&p->work, work);
    for (int i = 0; error == cudaSuccess && i < CUDA_DEPTH; i++) {
        error = cudaMalloc((void **)&p->slots[i].input, slot);
        p->slots[i].output = p->slots[i].input + align(plan->input_nbytes);
    }
    if (error == cudaErrorMemoryAllocation) /* it is in pieces, or somebody was faster */
        return too_large(p, need, free_nbytes, total, err);
    return cuda_say(err, error, "reserve memory on GPU %d", p->device->index);
}

static void lay_out(struct program *p) {
    char *at = p->work;
    for (int i = 0; i < REGION_COUNT; i++) {
        p->region[i] = is_work((enum cuda_region)i) ? at : NULL;
        at += is_work((enum cuda_region)i) ? align(p->code.region_nbytes[i]) : 0;
    }
    p->scratch = at;
}

/* ---- streams ---- */

static cudaError_t make_streams(struct program *p) {
    cudaStream_t *streams[] = {&p->in, &p->compute, &p->out};
    cudaError_t error =
        cudaHostAlloc((void **)&p->marks, CUDA_DEPTH * sizeof *p->marks, cudaHostAllocPortable);
    for (int i = 0; error == cudaSuccess && i < CUDA_DEPTH; i++)
        p->slots[i].marks = &p->marks[i];
    for (int i = 0; error == cudaSuccess && i < 3; i++)
        error = cudaStreamCreateWithFlags(streams[i], cudaStreamNonBlocking);
    for (int i = 0; error == cudaSuccess && i < CUDA_DEPTH; i++) {
        struct cuda_slot *s = &p->slots[i];
        error = cudaEventCreateWithFlags(&s->copied, cudaEventDisableTiming);
        if (error == cudaSuccess)
            error = cudaEventCreateWithFlags(&s->began, cudaEventDefault);
        if (error == cudaSuccess)
            error = cudaEventCreateWithFlags(&s->computed, cudaEventDefault);
        if (error == cudaSuccess)
            error = cudaEventCreateWithFlags(&s->ended, cudaEventDisableTiming);
    }
    return error;
}

/* The first launch outside a graph, step by step: a kernel that this GPU has no code for, or that faults, is
 * named. It computes a batch of zeros. */
static sl_status try_launches(struct program *p, sl_error *err) {
    size_t nbytes = p->code.plan->input_nbytes;
    char *zeros = mem_alloc(nbytes ? nbytes : 1, 1);
    sl_status st = zeros ? cuda_say(err, cudaMemcpy(p->slots[0].input, zeros, nbytes, cudaMemcpyHostToDevice),
                                    "copy to GPU %d", p->device->index)
                         : error_set(err, SL_E_MEMORY, "out of memory for the program");
    mem_free(zeros);
    return st == SL_OK ? cuda_launch(p, &p->slots[0], true, err) : st;
}

static sl_status capture(struct program *p, struct cuda_slot *slot, sl_error *err) {
    cudaGraph_t graph = NULL;
    cudaError_t error = cudaStreamBeginCapture(p->compute, cudaStreamCaptureModeThreadLocal);
    sl_status st = cuda_say(err, error, "capture the launches of a batch");
    if (st != SL_OK)
        return st;
    st = cuda_launch(p, slot, false, err);
    error = cudaStreamEndCapture(p->compute, &graph);
    if (st == SL_OK && error == cudaSuccess)
        error = cudaGraphInstantiateWithFlags(&slot->graph, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    return st == SL_OK ? cuda_say(err, error, "make a graph of a batch's launches") : st;
}

static sl_status fill_weights(struct program *p, sl_error *err) {
    size_t free_nbytes = 0, total = 0, need = p->code.weights_nbytes + work_nbytes(&p->code);
    p->code.rehearsal = false;
    p->code.share = &p->device->share;
    sl_status st = cuda_match_plan(&p->code, err);
    if (st == SL_OK)
        st = cuda_say(err, upload_constants(&p->code), "copy the weights to GPU %d", p->device->index);
    if (st == SL_OK)
        st = cuda_say(err, upload_marks(&p->code), "copy the weights to GPU %d", p->device->index);
    if (st == SL_E_MEMORY && cudaMemGetInfo(&free_nbytes, &total) == cudaSuccess)
        error_append(err, "; the program needs %zu bytes, %zu of %zu are free", need, free_nbytes, total);
    return st;
}

static sl_status fill(struct program *p, sl_error *err) {
    sl_status st = take_memory(p, err);
    if (st != SL_OK)
        return st;
    st = fill_weights(p, err);
    if (st != SL_OK)
        return st;
    lay_out(p);
    st = cuda_say(err, make_streams(p), "make streams on GPU %d", p->device->index);
    if (st == SL_OK)
        st = try_launches(p, err);
    if (st == SL_OK)
        st = cuda_choose(p, err);
    for (int i = 0; st == SL_OK && p->device->graphs && i < CUDA_DEPTH; i++)
        st = capture(p, &p->slots[i], err);
    return st;
}

sl_status cuda_load(struct device *device, const struct plan *plan, struct program **out, sl_error *err) {
    struct program *p = mem_alloc(1, sizeof *p);
    if (!p)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    pthread_mutex_init(&p->mutex, NULL);
    p->device = device;
    code_init(&p->code, device, plan);
    sl_status st = cuda_say(err, cudaSetDevice(device->index), "use GPU %d", device->index);
    if (st == SL_OK)
        st = cuda_match_plan(&p->code, err);
    if (st == SL_OK)
        st = fill(p, err);
    if (st != SL_OK) {
        cuda_unload(p);
        return st;
    }
    *out = p;
    return SL_OK;
}

void cuda_unload(struct program *p) {
    if (!p)
        return;
    (void)cudaSetDevice(p->device->index);
    cudaStream_t streams[] = {p->in, p->compute, p->out};
    for (int i = 0; i < 3; i++)
        if (streams[i])
            (void)cudaStreamSynchronize(streams[i]); /* nothing may run while its memory goes */
    for (int i = 0; i < 3; i++)
        if (streams[i])
            (void)cudaStreamDestroy(streams[i]);
    for (int i = 0; i < CUDA_DEPTH; i++) {
        struct cuda_slot *s = &p->slots[i];
        cudaEvent_t events[] = {s->copied, s->began, s->computed, s->ended};
        if (s->graph)
            (void)cudaGraphExecDestroy(s->graph);
        for (int k = 0; k < 4; k++)
            if (events[k])
                (void)cudaEventDestroy(events[k]);
        (void)cudaFree(s->input);
    }
    (void)cudaFreeHost(p->marks);
    (void)cudaFree(p->work);
    share_release(&p->device->share, &p->code.refs);
    cuda_code_clear(&p->code);
    pthread_mutex_destroy(&p->mutex);
    mem_free(p);
}
