/* mock_rig.h: two streams, an event, pinned and device memory, and a kernel, for tests of the mock itself. */
#ifndef TESTS_MOCK_RIG_H
#define TESTS_MOCK_RIG_H

#include <string.h>
#include <time.h>

#include "infer/cuda/cuda_api.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/kernels/simt/simt.h"
#include "tests/unit/harness.h"

enum { N = 64, ROUNDS = 20 };
#define OK(call) ck_assert_int_eq((call), cudaSuccess)
#define IS(error, call) ck_assert_int_eq((call), (error))

static struct mock_options options;
static float *host, *back; /* pinned, N each */
static float *x, *y;       /* on device 0, N each */
static cudaStream_t one, two;
static cudaEvent_t event;

static inline void stream_open(cudaStream_t *s) {
    OK(cudaStreamCreateWithFlags(s, cudaStreamNonBlocking));
}

static inline void again(void) {
    mock_reset(&options);
    OK(cudaSetDevice(0));
    OK(cudaHostAlloc((void **)&host, N * sizeof *host, cudaHostAllocPortable));
    OK(cudaHostAlloc((void **)&back, N * sizeof *back, cudaHostAllocPortable));
    OK(cudaMalloc((void **)&x, N * sizeof *x));
    OK(cudaMalloc((void **)&y, N * sizeof *y));
    stream_open(&one);
    stream_open(&two);
    OK(cudaEventCreateWithFlags(&event, cudaEventDefault));
}

static inline void begin(void) {
    options = mock_defaults();
    again();
}

static inline void end(void) {
    cudaSetDevice(0);
    cudaStreamDestroy(one);
    cudaStreamDestroy(two);
    cudaEventDestroy(event);
    cudaFree(x);
    cudaFree(y);
    cudaFreeHost(host);
    cudaFreeHost(back);
    ck_assert_uint_eq(mock_leaks(), 0);
}

static inline void fill(float *p, float v) {
    for (int i = 0; i < N; i++)
        p[i] = v;
}

static inline void pause_us(long us) {
    nanosleep(&(struct timespec){0, us * 1000}, NULL);
}

struct add {
    float *y;
    const float *x;
    float v;
};

static inline void add_body(const void *args) {
    const struct add *a = args;
    uint32_t i = simt_self->thread.x;
    a->y[i] = a->x[i] + a->v;
}

/* y = x + v, in one block. */
static inline int add_launch(float *to, const float *from, float v, cudaStream_t s) {
    struct add args = {to, from, v};
    struct simt_launch launch = {.kernel = "add",
                                 .grid = {1, 1, 1},
                                 .block = {N, 1, 1},
                                 .body = add_body,
                                 .args = &args,
                                 .args_nbytes = sizeof args};
    return simt_launch(&launch, s);
}

static inline cudaError_t to_device(cudaStream_t s) {
    return cudaMemcpyAsync(x, host, N * sizeof *x, cudaMemcpyHostToDevice, s);
}
static inline cudaError_t to_host(const float *from, cudaStream_t s) {
    return cudaMemcpyAsync(back, from, N * sizeof *back, cudaMemcpyDeviceToHost, s);
}

#endif
