/* mock_cudart.c: devices, memory, errors. */
#include "tests/device/mock/mock_cudart.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/device/mock/mock_inner.h"

pthread_mutex_t mock_mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t mock_changed = PTHREAD_COND_INITIALIZER;
struct mock_options mock_now;
int mock_sticky[MOCK_DEVICES];
size_t mock_objects;
long mock_launch_count;
bool mock_released;
__thread int mock_current;

enum { MOST_PIECES = 4096 };
static struct piece {
    void *p;
    size_t nbytes;
    int device; /* -1: pinned memory of the host */
} pieces[MOST_PIECES];
static size_t used[MOCK_DEVICES], pinned_used;
static long calls;
static char misuse[300];
static __thread cudaError_t last_error;

/* ---- options ---- */

struct mock_options mock_defaults(void) {
    return (struct mock_options){.devices = 1,
                                 .arch = 90,
                                 .images = 90,
                                 .driver = 13000,
                                 .runtime = 13000,
                                 .memory_nbytes = (size_t)1 << 30,
                                 .pinned_nbytes = (size_t)1 << 30,
                                 .seed = 1,
                                 .delay_us = 50,
                                 .fail_error = cudaErrorUnknown};
}

static void read_option(struct mock_options *o, const char *name, const char *value) {
    const struct {
        const char *name;
        int *i;
        long *l;
        size_t *z;
    } known[] = {{"devices", &o->devices, NULL, NULL},
                 {"arch", &o->arch, NULL, NULL},
                 {"images", &o->images, NULL, NULL},
                 {"driver", &o->driver, NULL, NULL},
                 {"runtime", &o->runtime, NULL, NULL},
                 {"memory", NULL, NULL, &o->memory_nbytes},
                 {"pinned", NULL, NULL, &o->pinned_nbytes},
                 {"seed", NULL, NULL, &o->seed},
                 {"fail_call", NULL, &o->fail_call, NULL},
                 {"fail_error", &o->fail_error, NULL, NULL},
                 {"fault_launch", NULL, &o->fault_launch, NULL},
                 {"hang_launch", NULL, &o->hang_launch, NULL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        if (known[i].i)
            *known[i].i = atoi(value);
        else if (known[i].l)
            *known[i].l = atol(value);
        else
            *known[i].z = strtoull(value, NULL, 10);
        return;
    }
    if (!strcmp(name, "fail_name"))
        snprintf(o->fail_name, sizeof o->fail_name, "%s", value);
    else if (!strcmp(name, "delay"))
        o->delay_us = (unsigned)atoi(value);
    else if (!strcmp(name, "eager"))
        o->eager = atoi(value) != 0;
    else {
        fprintf(stderr, "SLUICE_MOCK: unknown '%s'\n", name);
        abort();
    }
}

static __attribute__((constructor)) void begin(void) {
    const char *text = getenv("SLUICE_MOCK");
    char copy[500], *rest = copy;
    mock_now = mock_defaults();
    snprintf(copy, sizeof copy, "%s", text ? text : "");
    for (char *word; (word = strsep(&rest, " "));) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = 0;
        read_option(&mock_now, word, value);
    }
}

void mock_reset(const struct mock_options *options) {
    mock_release();
    mock_streams_end();
    pthread_mutex_lock(&mock_mutex);
    for (size_t i = 0; i < MOST_PIECES; i++) {
        if (pieces[i].p && pieces[i].device >= 0)
            simt_free(pieces[i].p);
        else
            free(pieces[i].p);
        pieces[i] = (struct piece){0};
    }
    mock_now = *options;
    memset(mock_sticky, 0, sizeof mock_sticky);
    memset(used, 0, sizeof used);
    pinned_used = mock_objects = 0;
    calls = mock_launch_count = 0;
    mock_released = false;
    *misuse = 0;
    last_error = cudaSuccess;
    pthread_mutex_unlock(&mock_mutex);
}

size_t mock_leaks(void) {
    pthread_mutex_lock(&mock_mutex);
    size_t left = mock_objects;
    pthread_mutex_unlock(&mock_mutex);
    return left;
}

long mock_calls(void) {
    pthread_mutex_lock(&mock_mutex);
    long n = calls;
    pthread_mutex_unlock(&mock_mutex);
    return n;
}

long mock_launches(void) {
    pthread_mutex_lock(&mock_mutex);
    long n = mock_launch_count;
    pthread_mutex_unlock(&mock_mutex);
    return n;
}

void mock_release(void) {
    pthread_mutex_lock(&mock_mutex);
    mock_released = true;
    pthread_cond_broadcast(&mock_changed);
    pthread_mutex_unlock(&mock_mutex);
}

const char *mock_misuse(void) {
    return *misuse ? misuse : NULL;
}

void mock_blame(const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!*misuse) {
        vsnprintf(misuse, sizeof misuse, format, args);
        fprintf(stderr, "mock: %s\n", misuse);
    }
    va_end(args);
}

/* ---- a call ---- */

cudaError_t mock_enter(const char *name) {
    pthread_mutex_lock(&mock_mutex);
    bool meant = !*mock_now.fail_name || !strcmp(mock_now.fail_name, name);
    cudaError_t error = (cudaError_t)mock_sticky[mock_current];
    if (meant && ++calls == mock_now.fail_call && error == cudaSuccess)
        error = (cudaError_t)mock_now.fail_error;
    if (error == cudaSuccess && (!mock_now.driver || mock_now.driver < mock_now.runtime))
        error = cudaErrorInsufficientDriver;
    if (error == cudaSuccess && !mock_now.devices)
        error = cudaErrorNoDevice;
    if (error != cudaSuccess) {
        last_error = error;
        pthread_mutex_unlock(&mock_mutex);
    }
    return error;
}

cudaError_t mock_leave(cudaError_t error) {
    if (error != cudaSuccess)
        last_error = error;
    pthread_mutex_unlock(&mock_mutex);
    return error;
}

cudaError_t mock_enter_free(const char *name) {
    cudaError_t error = mock_enter(name);
    if (error == cudaSuccess && mock_capturing_here()) {
        mock_blame("%s while capturing", name);
        return mock_leave(cudaErrorStreamCaptureUnsupported);
    }
    return error;
}

cudaError_t cudaGetLastError(void) {
    cudaError_t error = last_error;
    pthread_mutex_lock(&mock_mutex);
    last_error = (cudaError_t)mock_sticky[mock_current];
    pthread_mutex_unlock(&mock_mutex);
    return error;
}

cudaError_t cudaPeekAtLastError(void) {
    return last_error;
}

static const struct {
    cudaError_t error;
    const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
};

const char *cudaGetErrorName(cudaError_t error) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == error)
            return errors[i].name;
    return "cudaErrorUnknown";
}

const char *cudaGetErrorString(cudaError_t error) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == error)
            return errors[i].text;
    return "unknown error";
}

/* ---- devices ---- */

cudaError_t cudaDriverGetVersion(int *version) {
    *version = mock_now.driver;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = mock_now.runtime;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count) {
    *count = 0;
    cudaError_t error = mock_enter("cudaGetDeviceCount");
    if (error != cudaSuccess)
        return error;
    *count = mock_now.devices;
    return mock_leave(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device) {
    cudaError_t error = mock_enter("cudaGetDeviceProperties");
    if (error != cudaSuccess)
        return error;
    if (device < 0 || device >= mock_now.devices)
        return mock_leave(cudaErrorInvalidDevice);
    snprintf(properties->name, sizeof properties->name, "Mock GPU %d.%d", mock_now.arch / 10,
             mock_now.arch % 10);
    return mock_leave(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    cudaError_t error = mock_enter("cudaDeviceGetAttribute");
    if (error != cudaSuccess)
        return error;
    if (device < 0 || device >= mock_now.devices)
        return mock_leave(cudaErrorInvalidDevice);
    *value = attribute == cudaDevAttrComputeCapabilityMajor   ? mock_now.arch / 10
             : attribute == cudaDevAttrComputeCapabilityMinor ? mock_now.arch % 10
                                                              : 4;
    return mock_leave(cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
    cudaError_t error = mock_enter("cudaSetDevice");
    if (error != cudaSuccess)
        return error;
    if (device < 0 || device >= mock_now.devices)
        return mock_leave(cudaErrorInvalidDevice);
    mock_current = device;
    return mock_leave((cudaError_t)mock_sticky[device]);
}

/* ---- memory ---- */

static struct piece *find_piece(const void *p) {
    for (size_t i = 0; i < MOST_PIECES; i++)
        if (pieces[i].p == p && p)
            return &pieces[i];
    return NULL;
}

static bool add_piece(void *p, size_t nbytes, int device) {
    for (size_t i = 0; i < MOST_PIECES; i++) {
        if (pieces[i].p)
            continue;
        pieces[i] = (struct piece){p, nbytes, device};
        mock_objects++;
        return true;
    }
    return false;
}

bool mock_is_pinned(const void *p, size_t nbytes) {
    for (size_t i = 0; i < MOST_PIECES; i++)
        if (pieces[i].p && pieces[i].device < 0 && (const char *)p >= (const char *)pieces[i].p &&
            (const char *)p + nbytes <= (const char *)pieces[i].p + pieces[i].nbytes)
            return true;
    return false;
}

cudaError_t cudaMemGetInfo(size_t *free_nbytes, size_t *total) {
    cudaError_t error = mock_enter("cudaMemGetInfo");
    if (error != cudaSuccess)
        return error;
    *total = mock_now.memory_nbytes;
    *free_nbytes = mock_now.memory_nbytes - used[mock_current];
    return mock_leave(cudaSuccess);
}

cudaError_t cudaMalloc(void **p, size_t nbytes) {
    cudaError_t error = mock_enter_free("cudaMalloc");
    if (error != cudaSuccess)
        return error;
    *p = NULL;
    if (nbytes > mock_now.memory_nbytes - used[mock_current])
        return mock_leave(cudaErrorMemoryAllocation);
    *p = simt_alloc(nbytes);
    if (!*p || !add_piece(*p, nbytes, mock_current))
        return mock_leave(cudaErrorMemoryAllocation);
    used[mock_current] += nbytes;
    return mock_leave(cudaSuccess);
}

/* Given back even by a device that is lost: the process wants to see its own leaks. */
static cudaError_t give_back(void *p, bool pinned, const char *name) {
    cudaError_t error = p ? mock_enter_free(name) : cudaSuccess;
    if (!p)
        return cudaSuccess;
    if (error != cudaSuccess)
        pthread_mutex_lock(&mock_mutex);
    struct piece *piece = find_piece(p);
    if (!piece || (piece->device < 0) != pinned) {
        mock_blame("%s of memory that is none", name);
        return mock_leave(cudaErrorInvalidValue);
    }
    if (pinned) {
        pinned_used -= piece->nbytes;
        free(p);
    } else {
        used[piece->device] -= piece->nbytes;
        simt_free(p);
    }
    *piece = (struct piece){0};
    mock_objects--;
    return mock_leave(error);
}

cudaError_t cudaFree(void *p) {
    return give_back(p, false, "cudaFree");
}

cudaError_t cudaFreeHost(void *p) {
    return give_back(p, true, "cudaFreeHost");
}

cudaError_t cudaHostAlloc(void **p, size_t nbytes, unsigned flags) {
    cudaError_t error = mock_enter_free("cudaHostAlloc");
    (void)flags;
    if (error != cudaSuccess)
        return error;
    *p = NULL;
    if (nbytes > mock_now.pinned_nbytes - pinned_used)
        return mock_leave(cudaErrorMemoryAllocation);
    if (posix_memalign(p, 4096, nbytes ? nbytes : 1) != 0 || !add_piece(*p, nbytes, -1))
        return mock_leave(cudaErrorMemoryAllocation);
    memset(*p, 0xa5, nbytes);
    pinned_used += nbytes;
    return mock_leave(cudaSuccess);
}

cudaError_t mock_copy(void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind) {
    const void *device = kind == cudaMemcpyHostToDevice ? to : from;
    if (!nbytes)
        return cudaSuccess;
    if (!simt_inside(device, nbytes) ||
        (kind == cudaMemcpyDeviceToDevice && !simt_inside(to, nbytes))) {
        mock_blame("a copy of %zu bytes beyond memory of the device", nbytes);
        return cudaErrorInvalidValue;
    }
    memcpy(to, from, nbytes);
    if (kind != cudaMemcpyDeviceToHost)
        simt_written(to, nbytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind) {
    cudaError_t error = mock_enter_free("cudaMemcpy");
    return error == cudaSuccess ? mock_leave(mock_copy(to, from, nbytes, kind)) : error;
}
