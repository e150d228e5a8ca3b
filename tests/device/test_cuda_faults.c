/* Faults of the machine on device 'cuda', by the mock: each gives a clear error with the right status, and
 * nothing is left over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance.h"
#include "infer/cuda/cuda_api.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/unit/harness.h"

static const struct device_options fp32 = {.threads = 1};

struct way {
    struct loaded loaded;
    struct device *device;
    struct program *program;
    struct device_batch batch;
    sl_error err;
};

/* Open, load, three batches; the first failure ends it. */
static sl_status go(struct way *w, int64_t rows) {
    const struct device_ops *ops = &device_cuda;
    sl_status st = ops->open(&w->device, 0, &fp32, &w->err);
    conformance_plan(&w->loaded, "golden/bench/mlp28", rows);
    if (st == SL_OK)
        st = ops->load(w->device, w->loaded.plan, &w->program, &w->err);
    if (st != SL_OK)
        return st;
    w->batch.input = ops->slot_alloc(w->device, w->loaded.plan->input_nbytes);
    w->batch.output = ops->slot_alloc(w->device, w->loaded.plan->output_nbytes);
    if (!w->batch.input || !w->batch.output)
        return error_set(&w->err, SL_E_MEMORY, "no pinned memory");
    for (int i = 0; st == SL_OK && i < 3; i++) {
        struct device_batch *back;
        conformance_fill(w->loaded.plan, w->batch.input, i);
        st = ops->submit(w->program, &w->batch, &w->err);
        if (st == SL_OK)
            st = ops->collect(w->program, &back, &w->err);
        if (st == SL_OK && w->batch.error.status != SL_OK) {
            w->err = w->batch.error;
            st = w->err.status;
        }
    }
    return st;
}

static void leave(struct way *w) {
    if (w->device) {
        device_cuda.slot_free(w->device, w->batch.input, w->loaded.plan->input_nbytes);
        device_cuda.slot_free(w->device, w->batch.output, w->loaded.plan->output_nbytes);
        device_cuda.unload(w->program);
        device_cuda.close(w->device);
    }
    conformance_unplan(&w->loaded);
    ck_assert_msg(!mock_misuse(), "%s", mock_misuse());
    ck_assert_uint_eq(mock_leaks(), 0);
}

static void expect(const struct mock_options *options, int64_t rows, sl_status want, const char *text) {
    struct way w = {.program = NULL};
    mock_reset(options);
    sl_status st = go(&w, rows);
    ck_assert_msg(st == want, "%s: %d is not %d: %s", text, (int)st, (int)want, w.err.text);
    ck_assert_msg(strstr(w.err.text, text) != NULL, "'%s' is not in: %s", text, w.err.text);
    leave(&w);
}

/* What only gives something back, and what is asked when a batch's output is there already, which then counts. */
static bool may_fail(const char *name) {
    static const char *const names[] = {"cudaGraphDestroy", "cudaEventElapsedTime", "cudaEventSynchronize",
                                        "cudaSetDevice"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

/* Whether call n was made at all. Where it failed before all was given back, the way ended there with a text.
 */
static bool call_fails(long n, int error) {
    struct mock_options options = mock_defaults();
    struct way w = {.program = NULL};
    options.fail_call = n;
    options.fail_error = error;
    options.delay_us = 0;
    mock_reset(&options);
    sl_status st = go(&w, 4);
    const char *name = mock_failed();
    bool may = name && may_fail(name);
    ck_assert_msg(name ? st != SL_OK || may : st == SL_OK, "call %ld, %s: %d, %s", n, name, (int)st,
                  w.err.text);
    ck_assert_msg(st == SL_OK || strlen(w.err.text) > 10, "call %ld, %s: '%s'", n, name, w.err.text);
    leave(&w);
    return mock_failed();
}

/* The Nth call fails, N = 1, 2, 3, ... until none does: as a fault, and as memory that is out. */
START_TEST(every_call_fails_once) {
    const int errors[] = {cudaErrorUnknown, cudaErrorMemoryAllocation, cudaErrorIllegalAddress};
    for (int i = 0; i < 6; i++) {
        long n = 1;
        setenv("SLUICE_CUDA_GRAPHS", i < 3 ? "1" : "0", 1);
        while (call_fails(n, errors[i % 3]))
            n++;
        ck_assert_int_gt(n, 90);
    }
    unsetenv("SLUICE_CUDA_GRAPHS");
}
END_TEST

START_TEST(no_gpu) {
    struct mock_options options = mock_defaults();
    options.driver = 0;
    expect(&options, 4, SL_E_DEVICE, "there is no NVIDIA driver");
    options.driver = 11040;
    options.runtime = 12020;
    expect(&options, 4, SL_E_DEVICE, "the driver supports CUDA 11.4, this build needs 12.2");
    options = mock_defaults();
    options.devices = 0;
    expect(&options, 4, SL_E_DEVICE, "there is no NVIDIA GPU");
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    expect(&options, 4, SL_E_DEVICE, "CUDA_VISIBLE_DEVICES='' hides every GPU");
    unsetenv("CUDA_VISIBLE_DEVICES");
}
END_TEST

START_TEST(wrong_gpu) {
    struct mock_options options = mock_defaults();
    options.arch = 61;
    expect(&options, 4, SL_E_DEVICE, "its compute capability is 6.1");
    options.arch = 100;
    options.images = 90;
    expect(&options, 4, SL_E_DEVICE, "this build has no kernels for this GPU");
}
END_TEST

START_TEST(memory_that_is_not_there) {
    struct mock_options options = mock_defaults();
    options.memory_nbytes = 200 << 10;
    expect(&options, 1000, SL_E_MEMORY, "--batch-size ");
    options.memory_nbytes = 4 << 10;
    expect(&options, 1000, SL_E_MEMORY, "no batch size fits");
    options = mock_defaults();
    options.pinned_nbytes = 100;
    expect(&options, 1000, SL_E_MEMORY, "no pinned memory");
}
END_TEST

/* What it says fits does fit. */
START_TEST(the_batch_size_that_fits) {
    struct mock_options options = mock_defaults();
    struct way w = {.program = NULL};
    options.memory_nbytes = 200 << 10;
    mock_reset(&options);
    ck_assert_int_eq(go(&w, 1000), SL_E_MEMORY);
    long fits = atol(strstr(w.err.text, "--batch-size ") + 13);
    leave(&w);
    w = (struct way){.program = NULL};
    mock_reset(&options);
    ck_assert_msg(go(&w, fits) == SL_OK, "%ld: %s", fits, w.err.text);
    leave(&w);
}
END_TEST

/* A kernel faults in the second batch: that batch and all later ones, and nothing hangs. */
START_TEST(a_fault_is_for_ever) {
    struct mock_options options = mock_defaults();
    struct way w = {.program = NULL};
    sl_error err = {0};
    mock_reset(&options);
    ck_assert_int_eq(go(&w, 4), SL_OK);
    long each = mock_launches() / 4; /* of one batch: three ran, and one when it was loaded */
    leave(&w);
    w = (struct way){.program = NULL};
    options.fault_launch = 2 * each + 1;
    mock_reset(&options);
    ck_assert_int_eq(go(&w, 4), SL_E_GPU);
    ck_assert_msg(strstr(w.err.text, "batch 1") && strstr(w.err.text, "illegal memory access"), "%s",
                  w.err.text);
    ck_assert_int_eq(device_cuda.submit(w.program, &w.batch, &err), SL_E_GPU);
    leave(&w);
}
END_TEST

/* Launched one by one, the step is known; the batch is that which it hit, whichever comes back first. */
START_TEST(a_fault_names_its_step) {
    struct mock_options options = mock_defaults();
    struct way w = {.program = NULL};
    setenv("SLUICE_CUDA_GRAPHS", "0", 1);
    options.fault_launch = 1;
    mock_reset(&options);
    ck_assert_int_eq(go(&w, 4), SL_E_GPU); /* when it is loaded */
    ck_assert_msg(strstr(w.err.text, "run step '") != NULL, "%s", w.err.text);
    leave(&w);
    options.fault_launch = 0;
    w = (struct way){.program = NULL};
    mock_reset(&options);
    ck_assert_int_eq(go(&w, 4), SL_OK);
    long each = mock_launches() / 4;
    leave(&w);
    for (long step = 0; step < each; step++) {
        char want[200];
        w = (struct way){.program = NULL};
        options.fault_launch = 3 * each + 1 + step;
        mock_reset(&options);
        ck_assert_int_eq(go(&w, 4), SL_E_GPU);
        snprintf(want, sizeof want, "compute batch 2 on GPU 0, in step '%s'",
                 w.loaded.plan->steps[step].name);
        ck_assert_msg(strstr(w.err.text, want) != NULL, "'%s' is not in: %s", want, w.err.text);
        ck_assert_ptr_eq(w.batch.culprit, &w.batch);
        leave(&w);
    }
    unsetenv("SLUICE_CUDA_GRAPHS");
}
END_TEST

/* A batch that hangs: what it waits for can be asked meanwhile. */
START_TEST(a_hang_says_where) {
    struct mock_options options = mock_defaults();
    struct way w = {.program = NULL};
    struct device_batch *back;
    char text[400] = "";
    mock_reset(&options);
    setenv("SLUICE_CUDA_GRAPHS", "0", 1);
    ck_assert_int_eq(go(&w, 4), SL_OK);
    device_cuda.look(w.program, text, sizeof text);
    ck_assert_str_eq(text, "GPU 0 has no batch");
    long each = mock_launches() / 4;
    leave(&w);
    w = (struct way){.program = NULL};
    options.hang_launch = 4 * each + 2;
    mock_reset(&options);
    ck_assert_int_eq(go(&w, 4), SL_OK);
    ck_assert_int_eq(device_cuda.submit(w.program, &w.batch, &w.err), SL_OK);
    struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    device_cuda.look(w.program, text, sizeof text);
    ck_assert_msg(strstr(text, "has 1 in flight; batch 3 is in step '") &&
                      strstr(text, w.loaded.plan->steps[1].name),
                  "%s", text);
    mock_release();
    ck_assert_int_eq(device_cuda.collect(w.program, &back, &w.err), SL_OK);
    ck_assert_int_eq(back->error.status, SL_OK);
    leave(&w);
    unsetenv("SLUICE_CUDA_GRAPHS");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("faults of the cuda device");
    TCase *tc = tcase_create("faults");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, every_call_fails_once);
    tcase_add_test(tc, no_gpu);
    tcase_add_test(tc, wrong_gpu);
    tcase_add_test(tc, memory_that_is_not_there);
    tcase_add_test(tc, the_batch_size_that_fits);
    tcase_add_test(tc, a_fault_is_for_ever);
    tcase_add_test(tc, a_fault_names_its_step);
    tcase_add_test(tc, a_hang_says_where);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
