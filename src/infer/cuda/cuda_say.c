/* cuda_say.c: the runtime's errors in words, with what to do about them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "infer/cuda/cuda_program.h"

static sl_status status_of(cudaError_t error) {
    switch (error) {
    case cudaErrorMemoryAllocation:
        return SL_E_MEMORY;
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorDevicesUnavailable:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorInitializationError:
        return SL_E_DEVICE;
    default:
        return SL_E_GPU;
    }
}

static const char *remedy_of(cudaError_t error) {
    switch (error) {
    case cudaErrorNoKernelImageForDevice:
        return ": this build has no kernels for this GPU; build with CUDA_ARCHS set to its compute "
               "capability";
    case cudaErrorDevicesUnavailable:
        return ": another process holds the GPU exclusively";
    case cudaErrorSystemDriverMismatch:
        return ": the driver's module and its library differ; the host was updated: reboot, or restart the "
               "container";
    default:
        return "";
    }
}

sl_status cuda_say(sl_error *err, cudaError_t error, const char *format, ...) {
    char what[600];
    va_list args;
    if (error == cudaSuccess)
        return SL_OK;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return error_set(err, status_of(error), "cannot %s: %s (%d), %s%s", what, cudaGetErrorName(error),
                     (int)error, cudaGetErrorString(error), remedy_of(error));
}

static void say_versions(char *why, size_t why_nbytes) {
    int driver = 0, runtime = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
        bool there = access("/dev/nvidiactl", F_OK) == 0 || access("/proc/driver/nvidia/version", F_OK) == 0;
        snprintf(why, why_nbytes, "%s",
                 there
                     ? "the machine has an NVIDIA driver, but not its CUDA library here: start the container "
                       "with --gpus all and NVIDIA_DRIVER_CAPABILITIES=compute,utility"
                     : "there is no NVIDIA driver: no GPU in this machine, or a container started without "
                       "--gpus all");
        return;
    }
    if (cudaRuntimeGetVersion(&runtime) != cudaSuccess)
        runtime = 0;
    snprintf(why, why_nbytes,
             "the driver supports CUDA %d.%d, this build needs %d.%d: update the driver (on SageMaker Batch "
             "Transform set TransformAmiVersion), or use a build for the older CUDA",
             driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

void cuda_say_none(cudaError_t error, char *why, size_t why_nbytes) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (error == cudaErrorInsufficientDriver)
        say_versions(why, why_nbytes);
    else if ((error == cudaErrorNoDevice || error == cudaSuccess) && visible)
        snprintf(why, why_nbytes, "CUDA_VISIBLE_DEVICES='%.40s' hides every GPU", visible);
    else if (error == cudaErrorNoDevice || error == cudaSuccess)
        snprintf(why, why_nbytes, "there is no NVIDIA GPU");
    else
        snprintf(why, why_nbytes, "%s (%d), %s%s", cudaGetErrorName(error), (int)error,
                 cudaGetErrorString(error), remedy_of(error));
}
