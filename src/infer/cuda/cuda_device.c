/* cuda_device.c: CUDA behind infer/device.h. One of these for each GPU; threads set theirs before they call
 * the runtime, so several work in one process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/cuda/cuda_cudnn.h"
#include "infer/cuda/cuda_program.h"
#include "support/mem.h"

static int count_gpus(char *why, size_t why_nbytes) {
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) {
        snprintf(why, why_nbytes, "a GPU works");
        return count;
    }
    (void)cudaGetLastError();
    cuda_say_none(error, why, why_nbytes);
    return 0;
}

static sl_status check_precision(const struct device *device, sl_error *err) {
    enum precision p = device->options.precision;
    if (device->arch < 80 && (p == PRECISION_BF16 || p == PRECISION_TF32))
        return error_set(err, SL_E_DEVICE,
                         "cannot use precision '%s' on GPU %d (%s): its tensor cores begin with compute "
                         "capability 8.0, this is %u.%u; use fp16",
                         p == PRECISION_BF16 ? "bf16" : "tf32", device->index, device->name,
                         device->arch / 10, device->arch % 10);
    return SL_OK;
}

static sl_status read_card(struct device *device, sl_error *err) {
    struct cudaDeviceProp properties;
    int major = 0, minor = 0;
    cudaError_t error = cudaSetDevice(device->index);
    memset(&properties, 0, sizeof properties);
    if (error == cudaSuccess)
        error = cudaGetDeviceProperties(&properties, device->index);
    if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device->index);
    if (error == cudaSuccess)
        error = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device->index);
    if (error == cudaSuccess)
        error = cudaDriverGetVersion(&device->driver);
    if (error == cudaSuccess)
        error = cudaRuntimeGetVersion(&device->runtime);
    if (error != cudaSuccess)
        return cuda_say(err, error, "open GPU %d", device->index);
    snprintf(device->name, sizeof device->name, "%s", properties.name);
    device->arch = (unsigned)(major * 10 + minor);
    if (device->arch < CUDA_OLDEST)
        return error_set(err, SL_E_DEVICE,
                         "cannot use GPU %d (%s): its compute capability is %d.%d, kernels begin with %d.%d",
                         device->index, device->name, major, minor, CUDA_OLDEST / 10, CUDA_OLDEST % 10);
    return check_precision(device, err);
}

/* For the matchers alone: what CUDA_REHEARSED can do, where nothing will be computed. */
static void be_rehearsed(struct device *device) {
    device->arch = CUDA_REHEARSED;
    snprintf(device->name, sizeof device->name, "no GPU");
}

/* `auto` does without where there is none. */
static sl_status open_cudnn(struct device *device, sl_error *err) {
    char why[200];
    if (device->options.kernels == KERNELS_OURS || cudnn_open(&device->cudnn, why, sizeof why) ||
        device->options.kernels == KERNELS_AUTO)
        return SL_OK;
    return error_set(err, SL_E_DEVICE, "cannot use cuDNN's kernels on GPU %d: %s", device->index, why);
}

static sl_status open_gpu(struct device **out, int index, const struct device_options *options,
                          sl_error *err) {
    char why[300];
    int count = count_gpus(why, sizeof why);
    const char *graphs = getenv("SLUICE_CUDA_GRAPHS");
    *out = NULL;
    if (!count && index != DEVICE_REHEARSED)
        return error_set(err, SL_E_DEVICE, "cannot use device 'cuda': %s", why);
    if (index != DEVICE_REHEARSED && (index < 0 || index >= count))
        return error_set(err, SL_E_USAGE, "there is no device 'cuda:%d': there are %d, from 0", index, count);
    struct device *device = mem_alloc(1, sizeof *device);
    if (!device)
        return error_set(err, SL_E_MEMORY, "out of memory for device 'cuda:%d'", index);
    device->options = *options;
    device->index = index;
    device->graphs = !graphs || strcmp(graphs, "0") != 0;
    sl_status st = SL_OK;
    if (index == DEVICE_REHEARSED)
        be_rehearsed(device);
    else
        st = read_card(device, err);
    if (st == SL_OK && index != DEVICE_REHEARSED)
        st = open_cudnn(device, err);
    if (st != SL_OK) {
        mem_free(device);
        return st;
    }
    *out = device;
    return SL_OK;
}

static void close_gpu(struct device *device) {
    if (device && device->cudnn) {
        (void)cudaSetDevice(device->index);
        cudnn_close(device->cudnn);
    }
    mem_free(device);
}

static void describe(const struct device *device, char *text, size_t text_nbytes) {
    snprintf(text, text_nbytes, "cuda:%d: %s, compute capability %u.%u, CUDA driver %d.%d", device->index,
             device->name, device->arch / 10, device->arch % 10, device->driver / 1000,
             device->driver % 1000 / 10);
    size_t used = strlen(text);
    if (device->cudnn && used + 3 < text_nbytes) {
        memcpy(text + used, ", ", 3);
        cudnn_describe(device->cudnn, text + used + 2, text_nbytes - used - 2);
    }
}

/* Page-aligned by the runtime; pinned for every GPU, since slots go to whichever is free. */
static void *slot_alloc(struct device *device, size_t nbytes) {
    void *p = NULL;
    if (cudaSetDevice(device->index) != cudaSuccess ||
        cudaHostAlloc(&p, nbytes ? nbytes : 1, cudaHostAllocPortable) != cudaSuccess) {
        (void)cudaGetLastError();
        return NULL;
    }
    memset(p, 0, nbytes);
    return p;
}

static void slot_free(struct device *device, void *p, size_t nbytes) {
    (void)nbytes;
    (void)cudaSetDevice(device->index);
    (void)cudaFreeHost(p);
}

static bool supports(const struct device *device, const struct plan *plan, size_t step, char *why,
                     size_t why_nbytes) {
    return cuda_match_one(device, plan, step, why, why_nbytes);
}

static unsigned depth(const struct program *program) {
    (void)program;
    return CUDA_DEPTH;
}

static void print_steps(const struct program *program, struct buf *out) {
    const struct plan *plan = program->code.plan;
    for (size_t i = 0; i < plan->step_count; i++)
        buf_printf(out, "  %-24s %s\n", plan->steps[i].name,
                   program->code.steps[i].chain ? program->code.steps[i].what : "nothing to do");
}

const struct device_ops device_cuda = {.name = "cuda",
                                       .own_depth = CUDA_DEPTH,
                                       .count = count_gpus,
                                       .open = open_gpu,
                                       .close = close_gpu,
                                       .describe = describe,
                                       .slot_alloc = slot_alloc,
                                       .slot_free = slot_free,
                                       .supports = supports,
                                       .memory = cuda_memory,
                                       .load = cuda_load,
                                       .unload = cuda_unload,
                                       .depth = depth,
                                       .submit = cuda_submit,
                                       .collect = cuda_collect,
                                       .look = cuda_look,
                                       .print_steps = print_steps};
