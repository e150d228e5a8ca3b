/* planted.h: the device's batches with one wait left out (PLANTED: the event as cuda_batch.c writes it), and a test
 * that must see it: with late copies, what is read or written too early is wrong. Without a fault the same test sees
 * nothing (test_cuda_planted_none.c). */
#include <string.h>

#include "conformance.h"
#include "infer/cuda/cuda_api.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/unit/harness.h"

static cudaError_t planted_wait(cudaStream_t stream, cudaEvent_t event, const char *name) {
    return strcmp(name, PLANTED) ? cudaStreamWaitEvent(stream, event, 0) : cudaSuccess;
}
static cudaError_t planted_sync(cudaEvent_t event, const char *name) {
    return strcmp(name, PLANTED) ? cudaEventSynchronize(event) : cudaSuccess;
}
#define cudaStreamWaitEvent(stream, event, flags) planted_wait(stream, event, #event)
#define cudaEventSynchronize(event) planted_sync(event, #event)
#include "src/infer/cuda/cuda_batch.c"
#undef cudaStreamWaitEvent
#undef cudaEventSynchronize

enum { BATCHES = 30, ROWS_EACH = 8 };

static int wrong;

/* Batches through the device, three in flight, beside the cpu's answers. A device that notices by itself counts as
 * well. */
static void run(unsigned seed) {
    struct mock_options mock = mock_defaults();
    struct device_options options = {.threads = 1};
    struct loaded loaded;
    struct device *cpu, *gpu;
    struct program *want, *got;
    struct device_batch reference = {0}, batches[CUDA_DEPTH], *back;
    sl_error err = {0};
    mock.seed = seed;
    mock_reset(&mock);
    conformance_plan(&loaded, "golden/bench/mlp28", ROWS_EACH);
    ck_assert_int_eq(device_cpu.open(&cpu, 0, &options, &err), SL_OK);
    ck_assert_int_eq(device_cpu.load(cpu, loaded.plan, &want, &err), SL_OK);
    ck_assert_int_eq(device_cuda.open(&gpu, 0, &options, &err), SL_OK);
    ck_assert_int_eq(device_cuda.load(gpu, loaded.plan, &got, &err), SL_OK);
    reference.input = device_cpu.slot_alloc(cpu, loaded.plan->input_nbytes);
    reference.output = device_cpu.slot_alloc(cpu, loaded.plan->output_nbytes);
    for (int i = 0; i < CUDA_DEPTH; i++)
        batches[i] = (struct device_batch){.input = device_cuda.slot_alloc(gpu, loaded.plan->input_nbytes),
                                           .output = device_cuda.slot_alloc(gpu, loaded.plan->output_nbytes)};
    for (int i = 0, flying = 0; i < BATCHES + CUDA_DEPTH; i++) {
        if (i >= CUDA_DEPTH && flying) {
            ck_assert_int_eq(device_cuda.collect(got, &back, &err), SL_OK);
            flying--;
            wrong += back->error.status != SL_OK;
            conformance_fill(loaded.plan, reference.input, i - CUDA_DEPTH);
            ck_assert_int_eq(device_cpu.submit(want, &reference, &err), SL_OK);
            ck_assert_int_eq(device_cpu.collect(want, &(struct device_batch *){NULL}, &err), SL_OK);
            const float *x = back->output, *y = reference.output;
            for (int k = 0; k < 2 * ROWS_EACH; k++)
                wrong += !(x[k] - y[k] < 1e-4f && y[k] - x[k] < 1e-4f);
        }
        if (i >= BATCHES)
            continue;
        conformance_fill(loaded.plan, batches[i % CUDA_DEPTH].input, i);
        bool taken = device_cuda.submit(got, &batches[i % CUDA_DEPTH], &err) == SL_OK;
        flying += taken;
        wrong += !taken;
    }
    device_cuda.unload(got); /* first: without the wait, copies may still be on their way */
    for (int i = 0; i < CUDA_DEPTH; i++) {
        device_cuda.slot_free(gpu, batches[i].input, loaded.plan->input_nbytes);
        device_cuda.slot_free(gpu, batches[i].output, loaded.plan->output_nbytes);
    }
    device_cuda.close(gpu);
    device_cpu.unload(want);
    device_cpu.slot_free(cpu, reference.input, loaded.plan->input_nbytes);
    device_cpu.slot_free(cpu, reference.output, loaded.plan->output_nbytes);
    device_cpu.close(cpu);
    conformance_unplan(&loaded);
}

START_TEST(is_seen) {
    for (unsigned seed = 1; seed <= 3; seed++)
        run(seed);
    ck_assert_msg((wrong > 0) == (*PLANTED != 0), "%d numbers are wrong without '%s'", wrong, PLANTED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("planted in the cuda device");
    TCase *tc = tcase_create("waits");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, is_seen);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
