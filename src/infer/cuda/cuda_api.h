/* cuda_api.h: the part of the CUDA runtime that the device calls, declared here, so that the device compiles
 * and runs on the mock runtime of the tests where there is no toolkit. Where there is one its own header
 * comes first, and all of this is compared with it while compiling: prototypes by being declared twice,
 * numbers by assertions. They are the same in CUDA 11.8 to 13. Of cudaDeviceProp only the name is used. */
#ifndef INFER_CUDA_API_H
#define INFER_CUDA_API_H

#include <stddef.h>

#define CUDA_ERRORS(X)                                                                                       \
    X(cudaSuccess, 0)                                                                                        \
    X(cudaErrorInvalidValue, 1)                                                                              \
    X(cudaErrorMemoryAllocation, 2)                                                                          \
    X(cudaErrorInitializationError, 3)                                                                       \
    X(cudaErrorInsufficientDriver, 35)                                                                       \
    X(cudaErrorDevicesUnavailable, 46)                                                                       \
    X(cudaErrorNoDevice, 100)                                                                                \
    X(cudaErrorInvalidDevice, 101)                                                                           \
    X(cudaErrorNoKernelImageForDevice, 209)                                                                  \
    X(cudaErrorInvalidResourceHandle, 400)                                                                   \
    X(cudaErrorNotReady, 600)                                                                                \
    X(cudaErrorIllegalAddress, 700)                                                                          \
    X(cudaErrorLaunchFailure, 719)                                                                           \
    X(cudaErrorSystemDriverMismatch, 803)                                                                    \
    X(cudaErrorStreamCaptureUnsupported, 900)                                                                \
    X(cudaErrorStreamCaptureInvalidated, 901)                                                                \
    X(cudaErrorStreamCaptureUnjoined, 904)                                                                   \
    X(cudaErrorUnknown, 999)
#define CUDA_KINDS(X)                                                                                        \
    X(cudaMemcpyHostToDevice, 1)                                                                             \
    X(cudaMemcpyDeviceToHost, 2)                                                                             \
    X(cudaMemcpyDeviceToDevice, 3)
#define CUDA_ATTRIBUTES(X)                                                                                   \
    X(cudaDevAttrMultiProcessorCount, 16)                                                                    \
    X(cudaDevAttrComputeCapabilityMajor, 75)                                                                 \
    X(cudaDevAttrComputeCapabilityMinor, 76)
#define CUDA_MODES(X) X(cudaStreamCaptureModeThreadLocal, 1)
#define CUDA_FLAGS(X)                                                                                        \
    X(cudaHostAllocPortable, 1)                                                                              \
    X(cudaStreamNonBlocking, 1)                                                                              \
    X(cudaEventDefault, 0)                                                                                   \
    X(cudaEventDisableTiming, 2)

#ifdef SL_CUDA_TOOLKIT
#include <cuda_runtime_api.h>

#define CUDA_SAME(name, value) _Static_assert((int)(name) == (value), #name);
CUDA_ERRORS(CUDA_SAME)
CUDA_KINDS(CUDA_SAME)
CUDA_ATTRIBUTES(CUDA_SAME)
CUDA_MODES(CUDA_SAME)
CUDA_FLAGS(CUDA_SAME)
_Static_assert(sizeof((struct cudaDeviceProp *)0)->name == 256, "the name of a GPU");
#else
#define CUDA_IS(name, value) name = value,
typedef enum cudaError { CUDA_ERRORS(CUDA_IS) } cudaError_t;
enum cudaMemcpyKind { CUDA_KINDS(CUDA_IS) };
enum cudaDeviceAttr { CUDA_ATTRIBUTES(CUDA_IS) };
enum cudaStreamCaptureMode { CUDA_MODES(CUDA_IS) };
enum { CUDA_FLAGS(CUDA_IS) };
typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;
struct cudaDeviceProp {
    char name[256];
};
#endif

cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device);
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceSynchronize(void);
cudaError_t cudaGetLastError(void);
cudaError_t cudaPeekAtLastError(void);
const char *cudaGetErrorName(cudaError_t error);
const char *cudaGetErrorString(cudaError_t error);

cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
cudaError_t cudaMalloc(void **p, size_t nbytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaHostAlloc(void **p, size_t nbytes, unsigned flags);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpy(void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);

#endif
