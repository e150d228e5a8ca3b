/* simt_gpu.c: simt.h's host side on a real GPU: linked instead of the model, it makes the kernels' tests run
 * there (make gpu-tests). Memory is managed, so that tests read and write it as they do the model's; launches
 * wait for their kernel, so that an error is that kernel's. Orders and checks are the model's alone: a GPU
 * runs each kernel as often, in its own order, and the results must still be the same bits. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/simt/simt.h"

struct simt_options simt_options;
int (*simt_stream)(const struct simt_launch *launch, struct CUstream_st *stream);

static __attribute__((constructor)) void launches_wait(void) {
    setenv("CUDA_LAUNCH_BLOCKING", "1", 1);
}

void *simt_alloc(size_t nbytes) {
    void *p = NULL;
    cudaError_t err = cudaMallocManaged(&p, nbytes ? nbytes : 1, cudaMemAttachGlobal);
    if (err != cudaSuccess) {
        fprintf(stderr, "no device memory: %s\n", cudaGetErrorString(err));
        return NULL;
    }
    memset(p, 0xff, nbytes);
    return p;
}

void simt_free(void *p) {
    cudaFree(p);
}

bool simt_inside(const void *p, size_t nbytes) {
    (void)p;
    (void)nbytes;
    return true;
}

void simt_written(const void *p, size_t nbytes) {
    (void)p;
    (void)nbytes;
}

void simt_poison(void *p, size_t nbytes) {
    memset(p, 0xff, nbytes);
}

bool simt_checks_accesses(void) {
    return false;
}

const char *simt_failure(void) {
    return cudaGetErrorString(cudaPeekAtLastError());
}

void simt_failure_clear(void) {
    (void)cudaGetLastError();
}

struct simt_counts simt_counts(void) {
    return (struct simt_counts){0};
}

void simt_counts_clear(void) {
}
