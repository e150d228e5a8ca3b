/* mock_cudart.c: options, calls, errors, devices. */
#include "tests/device/mock/mock_cudart.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/device/mock/mock_inner.h"

pthread_mutex_t mock_mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t mock_changed = PTHREAD_COND_INITIALIZER;
struct mock_options mock_now;
int mock_sticky[MOCK_DEVICES];
size_t mock_objects;
long mock_launch_count[MOCK_DEVICES];
bool mock_released;
__thread int mock_current;

static long calls;
static const char *failed;
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
                                 .fail_error = cudaErrorUnknown,
                                 .fault_error = cudaErrorIllegalAddress};
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
                 {"fault_device", &o->fault_device, NULL, NULL},
                 {"fault_error", &o->fault_error, NULL, NULL},
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
    else if (!strcmp(name, "strict"))
        o->strict = atoi(value) != 0;
    else if (!strcmp(name, "report"))
        o->report = atoi(value) != 0;
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

static __attribute__((destructor)) void end(void) {
    if (mock_now.report)
        fprintf(stderr, "mock: %ld calls, %ld launches\n", mock_calls(), mock_launches());
    if (!mock_now.strict)
        return;
    if (mock_leaks())
        fprintf(stderr, "mock: %zu streams, events, graphs or pieces of memory are left\n", mock_leaks());
    if (mock_leaks() || mock_misuse())
        _exit(99);
}

void mock_reset(const struct mock_options *options) {
    mock_release();
    mock_streams_end();
    pthread_mutex_lock(&mock_mutex);
    mock_memory_end();
    mock_now = *options;
    memset(mock_sticky, 0, sizeof mock_sticky);
    mock_objects = 0;
    calls = 0;
    failed = NULL;
    memset(mock_launch_count, 0, sizeof mock_launch_count);
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

const char *mock_failed(void) {
    pthread_mutex_lock(&mock_mutex);
    const char *name = failed;
    pthread_mutex_unlock(&mock_mutex);
    return name;
}

long mock_launches(void) {
    pthread_mutex_lock(&mock_mutex);
    long n = 0;
    for (int i = 0; i < MOCK_DEVICES; i++)
        n += mock_launch_count[i];
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

/* `sticky`: the fault of the device that is meant. */
static cudaError_t enter(const char *name, const int *sticky) {
    pthread_mutex_lock(&mock_mutex);
    bool meant = !*mock_now.fail_name || !strcmp(mock_now.fail_name, name);
    cudaError_t error = (cudaError_t)*sticky;
    if (meant && ++calls == mock_now.fail_call && error == cudaSuccess) {
        error = (cudaError_t)mock_now.fail_error;
        failed = name;
    }
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

cudaError_t mock_enter(const char *name) {
    return enter(name, &mock_sticky[mock_current]);
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
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable",
     "CUDA-capable device(s) is/are busy or unavailable"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorSystemDriverMismatch, "cudaErrorSystemDriverMismatch",
     "system has unsupported display driver / cuda driver combination"},
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
    bool there = device >= 0 && device < mock_now.devices;
    cudaError_t error = enter("cudaSetDevice", &mock_sticky[there ? device : mock_current]);
    if (there) /* also one that is lost */
        mock_current = device;
    if (error != cudaSuccess)
        return error;
    return mock_leave(there ? cudaSuccess : cudaErrorInvalidDevice);
}
