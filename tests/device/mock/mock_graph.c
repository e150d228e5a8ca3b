/* mock_graph.c: launches of a stream captured into a graph, and the graph launched. One stream at a time: an
 * event of another stream makes a capture invalid here, where CUDA would take that stream in. */
#include <stdlib.h>

#include "tests/device/mock/mock_inner.h"

static void free_ops(struct mock_op *op) {
    for (struct mock_op *next; op; op = next) {
        next = op->next;
        mock_op_free(op);
    }
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode) {
    cudaError_t error = mock_enter("cudaStreamBeginCapture");
    (void)mode;
    if (error != cudaSuccess)
        return error;
    if (s->capturing)
        return mock_leave(cudaErrorInvalidValue);
    s->capturing = calloc(1, sizeof *s->capturing);
    s->capturer = pthread_self();
    s->spoiled = false;
    return mock_leave(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
    cudaError_t error = mock_enter("cudaStreamEndCapture");
    *graph = NULL;
    if (error != cudaSuccess) {
        pthread_mutex_lock(&mock_mutex); /* a capture that failed is over, too */
        s->spoiled = true;
    }
    if (!s->capturing)
        return mock_leave(error != cudaSuccess ? error : cudaErrorInvalidValue);
    if (s->spoiled) {
        free_ops(s->capturing->first);
        free(s->capturing);
    } else {
        *graph = s->capturing;
        mock_objects++;
    }
    s->capturing = NULL;
    return mock_leave(error != cudaSuccess ? error
                      : *graph             ? cudaSuccess
                                           : cudaErrorStreamCaptureInvalidated);
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags) {
    cudaError_t error = mock_enter("cudaGraphInstantiateWithFlags");
    struct CUstream_st copies = {.device = mock_current};
    (void)flags;
    *out = NULL;
    if (error != cudaSuccess)
        return error;
    for (const struct mock_op *op = graph->first; op; op = op->next)
        mock_put(&copies, op);
    *out = calloc(1, sizeof **out);
    **out = (struct CUgraphExec_st){.device = mock_current, .first = copies.first};
    mock_objects++;
    return mock_leave(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    cudaError_t error = mock_enter("cudaGraphDestroy");
    if (error != cudaSuccess)
        pthread_mutex_lock(&mock_mutex);
    free_ops(graph->first);
    free(graph);
    mock_objects--;
    return mock_leave(error);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    cudaError_t error = mock_enter("cudaGraphExecDestroy");
    if (error != cudaSuccess)
        pthread_mutex_lock(&mock_mutex);
    if (exec->users && !mock_sticky[exec->device])
        mock_blame("a graph is destroyed while it runs");
    free_ops(exec->first);
    free(exec);
    mock_objects--;
    return mock_leave(error);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
    cudaError_t error = mock_enter("cudaGraphLaunch");
    if (error != cudaSuccess)
        return error;
    if (!mock_right_device(s, "cudaGraphLaunch") || exec->device != s->device)
        return mock_leave(cudaErrorInvalidResourceHandle);
    exec->users++;
    return mock_leave(mock_put(s, &(struct mock_op){.kind = MOCK_GRAPH, .exec = exec}));
}
