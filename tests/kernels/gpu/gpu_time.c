/* gpu_time.c: rounds of a captured graph between two events. */
#include "gpu_time.h"

#include <stdlib.h>

#define PART_US 20000.0 /* a part lasts at least this long */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static cudaError_t capture(time_round *run, void *ctx, unsigned rounds, cudaStream_t stream,
                           cudaGraphExec_t *exec) {
    cudaGraph_t graph = NULL;
    int failed = 0;
    cudaError_t err = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    for (unsigned i = 0; err == cudaSuccess && i < rounds && !failed; i++)
        failed = run(ctx, i, stream);
    cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    err = err != cudaSuccess ? err : failed ? (cudaError_t)failed : ended;
    if (err == cudaSuccess)
        err = cudaGraphInstantiateWithFlags(exec, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    return err;
}

static double replay_us(cudaGraphExec_t exec, unsigned replays, cudaStream_t stream, cudaEvent_t *events) {
    float ms = 0;
    cudaEventRecord(events[0], stream);
    for (unsigned i = 0; i < replays; i++)
        cudaGraphLaunch(exec, stream);
    cudaEventRecord(events[1], stream);
    cudaEventSynchronize(events[1]);
    cudaEventElapsedTime(&ms, events[0], events[1]);
    return (double)ms * 1e3;
}

static void measure(struct time_result *result, cudaGraphExec_t exec, unsigned rounds, cudaStream_t stream,
                    cudaEvent_t *events) {
    double parts[TIME_PARTS], once;
    replay_us(exec, 2, stream, events); /* warm */
    once = replay_us(exec, 1, stream, events);
    unsigned replays = once >= PART_US ? 1 : (unsigned)(PART_US / (once > 1 ? once : 1)) + 1;
    for (int i = 0; i < TIME_PARTS; i++)
        parts[i] = replay_us(exec, replays, stream, events) / replays / rounds;
    qsort(parts, TIME_PARTS, sizeof *parts, by_value);
    result->median_us = parts[TIME_PARTS / 2];
    result->least_us = parts[0];
    result->spread = (parts[TIME_PARTS - 1] - parts[0]) / parts[TIME_PARTS / 2];
}

struct time_result time_rounds(time_round *run, void *ctx, unsigned rounds) {
    struct time_result result = {0};
    cudaStream_t stream = NULL;
    cudaGraphExec_t exec = NULL;
    cudaEvent_t events[2] = {NULL, NULL};
    result.err = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    for (int i = 0; result.err == cudaSuccess && i < 2; i++)
        result.err = cudaEventCreateWithFlags(&events[i], cudaEventDefault);
    if (result.err == cudaSuccess)
        result.err = (cudaError_t)run(ctx, 0, stream); /* once outside a graph: an error shows its kernel */
    if (result.err == cudaSuccess)
        result.err = cudaStreamSynchronize(stream);
    if (result.err == cudaSuccess)
        result.err = capture(run, ctx, rounds, stream, &exec);
    if (result.err == cudaSuccess) {
        measure(&result, exec, rounds, stream, events);
        result.err = cudaGetLastError();
    }
    if (exec)
        cudaGraphExecDestroy(exec);
    for (int i = 0; i < 2; i++)
        if (events[i])
            cudaEventDestroy(events[i]);
    if (stream)
        cudaStreamDestroy(stream);
    return result;
}
