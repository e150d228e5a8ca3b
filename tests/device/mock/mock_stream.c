/* mock_stream.c: streams, events, graphs of the mock. A stream is a thread that takes its operations in
 * order, each after a random delay; a copy besides waits until it is asked for (mock_cudart.h). Kernels of
 * one device run one at a time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/device/mock/mock_inner.h"

#define LATE_US 1500 /* nobody asks for a copy: it happens all the same */
enum { MOST_STREAMS = 64 };

static struct CUstream_st *streams[MOST_STREAMS];
static struct CUevent_st *events;
static pthread_mutex_t kernels[MOCK_DEVICES] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
                                                PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
                                                PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
                                                PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Waits on mock_changed for at most `us`. */
static void wait_for(unsigned us) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += (long)us * 1000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&mock_changed, &mock_mutex, &t);
}

static unsigned next_delay(struct CUstream_st *s) {
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return mock_now.delay_us ? (unsigned)(s->random >> 33) % (mock_now.delay_us + 1) : 0;
}

bool mock_capturing_here(void) {
    for (int i = 0; i < MOST_STREAMS; i++)
        if (streams[i] && streams[i]->capturing && pthread_equal(streams[i]->capturer, pthread_self())) {
            streams[i]->spoiled = true;
            return true;
        }
    return false;
}

/* ---- executing ---- */

static bool is_alive(const struct CUstream_st *s) {
    for (int i = 0; s && i < MOST_STREAMS; i++)
        if (streams[i] == s)
            return true;
    return false;
}

/* Somebody waits for operation `number` of a stream, which may be gone by now. */
static void demand(struct CUstream_st *s, uint64_t number) {
    if (is_alive(s) && number > s->demanded) {
        s->demanded = number;
        pthread_cond_broadcast(&mock_changed);
    }
}

static void lose(int device, int error) {
    if (!mock_sticky[device])
        mock_sticky[device] = error;
    pthread_cond_broadcast(&mock_changed);
}

/* All three with the mutex held; run_kernel lets go of it meanwhile. */
static void run_kernel(struct CUstream_st *s, const struct mock_op *op) {
    long number = ++mock_launch_count[s->device];
    bool meant = s->device == mock_now.fault_device;
    if (meant && number == mock_now.fault_launch) {
        lose(s->device, mock_now.fault_error);
        return;
    }
    while (meant && number == mock_now.hang_launch && !mock_released && !s->stop)
        pthread_cond_wait(&mock_changed, &mock_mutex);
    pthread_mutex_unlock(&mock_mutex);
    pthread_mutex_lock(&kernels[s->device]);
    int error = simt_run(&op->launch);
    pthread_mutex_unlock(&kernels[s->device]);
    pthread_mutex_lock(&mock_mutex);
    if (error)
        lose(s->device, error);
}

static void run_copy(struct CUstream_st *s, const struct mock_op *op) {
    double from = now_ms();
    while (!mock_now.eager && s->demanded < op->number && !s->stop && now_ms() - from < LATE_US / 1e3)
        wait_for(LATE_US / 3);
    if (mock_sticky[s->device])
        return;
    cudaError_t error = mock_copy(s->device, op->to, op->from, op->nbytes, op->direction);
    if (error != cudaSuccess)
        lose(s->device, cudaErrorIllegalAddress);
}

static void execute(struct CUstream_st *s, const struct mock_op *op) {
    struct CUevent_st *e = op->event;
    if (op->kind == MOCK_RECORD) {
        e->done = op->serial > e->done ? op->serial : e->done;
        e->ms = now_ms();
    } else if (op->kind == MOCK_WAIT) {
        demand(e->stream, e->number);
        while (e->done < op->serial && !s->stop && !mock_sticky[s->device])
            pthread_cond_wait(&mock_changed, &mock_mutex);
    } else if (mock_sticky[s->device]) {
        return; /* a lost device computes nothing more, but nobody waits for ever */
    } else if (op->kind == MOCK_COPY) {
        run_copy(s, op);
    } else if (op->kind == MOCK_LAUNCH) {
        run_kernel(s, op);
    } else {
        for (const struct mock_op *inner = op->exec->first; inner; inner = inner->next) {
            struct mock_op copy = *inner;
            copy.number = op->number;
            execute(s, &copy);
        }
        op->exec->users--;
    }
}

void mock_op_free(struct mock_op *op) {
    free((void *)(uintptr_t)op->launch.args);
    free(op);
}

static void *stream_run(void *arg) {
    struct CUstream_st *s = arg;
    pthread_mutex_lock(&mock_mutex);
    for (;;) {
        while (!s->first && !s->stop)
            pthread_cond_wait(&mock_changed, &mock_mutex);
        if (!s->first)
            break;
        unsigned us = next_delay(s);
        if (us) {
            pthread_mutex_unlock(&mock_mutex);
            nanosleep(&(struct timespec){0, (long)us * 1000}, NULL);
            pthread_mutex_lock(&mock_mutex);
        }
        struct mock_op *op = s->first;
        execute(s, op);
        s->first = op->next;
        if (!s->first)
            s->last = NULL;
        s->executed = op->number;
        mock_op_free(op);
        pthread_cond_broadcast(&mock_changed);
    }
    pthread_mutex_unlock(&mock_mutex);
    return NULL;
}

/* ---- enqueueing ---- */

/* Into the stream's queue, or into the graph it captures. */
cudaError_t mock_put(struct CUstream_st *s, const struct mock_op *op) {
    struct mock_op *copy = malloc(sizeof *copy);
    *copy = *op;
    copy->next = NULL;
    if (op->launch.args) {
        void *args = malloc(op->launch.args_nbytes + 1);
        memcpy(args, op->launch.args, op->launch.args_nbytes);
        copy->launch.args = args;
    }
    struct mock_op **first = s->capturing ? &s->capturing->first : &s->first;
    struct mock_op **last = s->capturing ? &s->capturing->last : &s->last;
    copy->number = s->capturing ? 0 : ++s->enqueued;
    if (*last)
        (*last)->next = copy;
    else
        *first = copy;
    *last = copy;
    pthread_cond_broadcast(&mock_changed);
    return cudaSuccess;
}

bool mock_right_device(const struct CUstream_st *s, const char *what) {
    if (s->device == mock_current)
        return true;
    mock_blame("%s: a stream of device %d while %d is set", what, s->device, mock_current);
    return false;
}

static int launch(const struct simt_launch *l, struct CUstream_st *s) {
    cudaError_t error = mock_enter("cudaLaunchKernel");
    if (error != cudaSuccess)
        return (int)error;
    if (mock_now.images < mock_now.arch / 10 * 10)
        return (int)mock_leave(cudaErrorNoKernelImageForDevice);
    if (!s || !mock_right_device(s, l->kernel))
        return (int)mock_leave(cudaErrorInvalidResourceHandle);
    mock_look_at(s->device, l->kernel, l->args, l->args_nbytes);
    return (int)mock_leave(mock_put(s, &(struct mock_op){.kind = MOCK_LAUNCH, .launch = *l}));
}

static __attribute__((constructor)) void take_launches(void) {
    simt_stream = launch;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind,
                            cudaStream_t s) {
    cudaError_t error = mock_enter("cudaMemcpyAsync");
    if (error != cudaSuccess)
        return error;
    if (!mock_right_device(s, "cudaMemcpyAsync"))
        return mock_leave(cudaErrorInvalidResourceHandle);
    if (!mock_is_pinned(kind == cudaMemcpyHostToDevice ? from : to, nbytes))
        mock_blame("cudaMemcpyAsync with memory of the host that is not pinned");
    return mock_leave(mock_put(
        s,
        &(struct mock_op){.kind = MOCK_COPY, .to = to, .from = from, .nbytes = nbytes, .direction = kind}));
}

/* ---- streams ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags) {
    cudaError_t error = mock_enter_free("cudaStreamCreateWithFlags");
    (void)flags;
    *out = NULL;
    if (error != cudaSuccess)
        return error;
    for (int i = 0; i < MOST_STREAMS; i++) {
        if (streams[i])
            continue;
        struct CUstream_st *s = calloc(1, sizeof *s);
        s->device = mock_current;
        s->random = mock_now.seed * 1000003u + (uint64_t)i;
        if (pthread_create(&s->thread, NULL, stream_run, s) != 0) {
            free(s);
            break;
        }
        mock_objects++;
        *out = streams[i] = s;
        return mock_leave(cudaSuccess);
    }
    return mock_leave(cudaErrorMemoryAllocation);
}

static void end_stream(struct CUstream_st *s) {
    for (int i = 0; i < MOST_STREAMS; i++)
        if (streams[i] == s)
            streams[i] = NULL;
    s->stop = true;
    s->demanded = UINT64_MAX;
    pthread_cond_broadcast(&mock_changed);
    pthread_mutex_unlock(&mock_mutex);
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&mock_mutex);
    mock_objects--;
    free(s);
}

cudaError_t cudaStreamDestroy(cudaStream_t s) {
    cudaError_t error = mock_enter_free("cudaStreamDestroy");
    if (error != cudaSuccess)
        pthread_mutex_lock(&mock_mutex);
    if (s->first && !mock_sticky[s->device])
        mock_blame("a stream is destroyed while it works");
    end_stream(s);
    return mock_leave(error);
}

static void forget(struct CUevent_st *e) {
    struct CUevent_st **at = &events;
    while (*at && *at != e)
        at = &(*at)->next;
    if (*at)
        *at = e->next;
    free(e);
}

void mock_streams_end(void) {
    pthread_mutex_lock(&mock_mutex);
    for (int i = 0; i < MOST_STREAMS; i++)
        if (streams[i])
            end_stream(streams[i]);
    while (events)
        forget(events);
    pthread_mutex_unlock(&mock_mutex);
}

cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    cudaError_t error = mock_enter_free("cudaStreamSynchronize");
    if (error != cudaSuccess)
        return error;
    uint64_t number = s->enqueued;
    demand(s, number);
    while (s->executed < number && !mock_sticky[s->device])
        pthread_cond_wait(&mock_changed, &mock_mutex);
    return mock_leave((cudaError_t)mock_sticky[s->device]);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags) {
    cudaError_t error = mock_enter("cudaStreamWaitEvent");
    (void)flags;
    if (error != cudaSuccess)
        return error;
    if (s->capturing) {
        s->spoiled = true;
        return mock_leave(cudaErrorStreamCaptureUnsupported);
    }
    return mock_leave(mock_put(s, &(struct mock_op){.kind = MOCK_WAIT, .event = e, .serial = e->asked}));
}

/* ---- events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags) {
    cudaError_t error = mock_enter_free("cudaEventCreateWithFlags");
    (void)flags;
    *out = NULL;
    if (error != cudaSuccess)
        return error;
    *out = calloc(1, sizeof **out);
    (*out)->device = mock_current;
    (*out)->next = events;
    events = *out;
    mock_objects++;
    return mock_leave(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t e) {
    cudaError_t error = mock_enter_free("cudaEventDestroy");
    if (error != cudaSuccess)
        pthread_mutex_lock(&mock_mutex);
    mock_objects--;
    forget(e);
    return mock_leave(error);
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
    cudaError_t error = mock_enter("cudaEventRecord");
    if (error != cudaSuccess)
        return error;
    if (!mock_right_device(s, "cudaEventRecord") || e->device != s->device)
        return mock_leave(cudaErrorInvalidResourceHandle);
    error = mock_put(s, &(struct mock_op){.kind = MOCK_RECORD, .event = e, .serial = ++e->asked});
    e->stream = s;
    e->number = s->enqueued;
    return mock_leave(error);
}

cudaError_t cudaEventSynchronize(cudaEvent_t e) {
    cudaError_t error = mock_enter_free("cudaEventSynchronize");
    if (error != cudaSuccess)
        return error;
    uint64_t serial = e->asked;
    demand(e->stream, e->number);
    while (e->done < serial && !mock_sticky[e->device])
        pthread_cond_wait(&mock_changed, &mock_mutex);
    return mock_leave((cudaError_t)mock_sticky[e->device]);
}

cudaError_t cudaEventQuery(cudaEvent_t e) {
    cudaError_t error = mock_enter("cudaEventQuery");
    if (error != cudaSuccess)
        return error;
    bool ready = e->done >= e->asked;
    pthread_mutex_unlock(&mock_mutex);
    return ready ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) {
    cudaError_t error = mock_enter("cudaEventElapsedTime");
    if (error != cudaSuccess)
        return error;
    *ms = (float)(to->ms - from->ms);
    return mock_leave(from->done < from->asked || to->done < to->asked ? cudaErrorNotReady : cudaSuccess);
}
