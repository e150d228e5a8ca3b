/* mock_inner.h: what the files of the mock share. */
#ifndef TESTS_MOCK_INNER_H
#define TESTS_MOCK_INNER_H

#include <pthread.h>

#include "infer/cuda/cuda_api.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/kernels/simt/simt.h"

enum { MOCK_DEVICES = 8 };

/* One operation on a stream, or in a graph. */
enum mock_kind { MOCK_COPY, MOCK_LAUNCH, MOCK_RECORD, MOCK_WAIT, MOCK_GRAPH };
struct mock_op {
    enum mock_kind kind;
    void *to;
    const void *from;
    size_t nbytes;
    enum cudaMemcpyKind direction;
    struct simt_launch launch; /* args: owned by the op */
    struct CUevent_st *event;
    uint64_t serial; /* of the event's record that is meant */
    struct CUgraphExec_st *exec;
    uint64_t number; /* on its stream */
    struct mock_op *next;
};

struct CUevent_st {
    int device;
    uint64_t asked, done; /* records: enqueued, executed */
    double ms;            /* when the last one was executed */
    struct CUstream_st *stream;
    uint64_t number; /* of the last record on that stream */
    struct CUevent_st *next;
};

struct CUgraph_st {
    struct mock_op *first, *last;
};
struct CUgraphExec_st {
    int device, users; /* launches on their way */
    struct mock_op *first;
};

struct CUstream_st {
    int device;
    pthread_t thread;
    struct mock_op *first, *last;
    uint64_t enqueued, executed, demanded; /* numbers of operations */
    uint64_t random;
    bool stop;
    struct CUgraph_st *capturing;
    pthread_t capturer;
    bool spoiled; /* the capture has seen what it must not */
};

/* All under mock_mutex. */
extern pthread_mutex_t mock_mutex;
extern pthread_cond_t mock_changed;
extern struct mock_options mock_now;
extern int mock_sticky[MOCK_DEVICES]; /* a fault of the device: every later call returns it */
extern size_t mock_objects;           /* streams, events, graphs, memory */
extern long mock_launch_count[MOCK_DEVICES];
extern bool mock_released;
extern __thread int mock_current; /* this thread's device */

/* A call begins: counts it, injects failures, tells of faults. Takes the mutex on success only. */
cudaError_t mock_enter(const char *name);
cudaError_t mock_leave(cudaError_t error);
/* The same for calls that must not be made by a thread that captures. */
cudaError_t mock_enter_free(const char *name);
bool mock_capturing_here(void); /* under the mutex */
void mock_blame(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Copies now; under the mutex. */
cudaError_t mock_copy(int device, void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind);
/* Blames arguments of a launch that point into another device's memory. */
void mock_look_at(int device, const char *kernel, const void *args, size_t nbytes);
bool mock_is_pinned(const void *p, size_t nbytes);
/* At mock_reset; the second with the mutex held. */
void mock_streams_end(void);
void mock_memory_end(void);

/* Into the stream's queue, or into the graph it captures. */
cudaError_t mock_put(struct CUstream_st *s, const struct mock_op *op);
void mock_op_free(struct mock_op *op);
/* Blames, and is false, where the stream is another device's than this thread's. */
bool mock_right_device(const struct CUstream_st *s, const char *what);

#endif
