/* cuDNN beside our own kernels on device 'cuda': by the mocks of both libraries. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/unit/harness.h"

enum { ROWS = 4 };

static void use_mock(void) {
    struct mock_options options = mock_defaults();
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 60);
    ck_assert_int_gt(n, 0);
    path[n] = 0;
    snprintf(strrchr(path, '/'), 60, "/../kernels/libmock_cudnn.so");
    setenv("SLUICE_CUDNN", path, 1);
    mock_reset(&options);
}

/* The digits' network on a device; *steps says whose launches it has. */
static void run(const struct device_ops *ops, enum kernels kernels, float *scores, size_t count,
                struct buf *steps) {
    struct device_options options = {.threads = 1, .kernels = kernels};
    struct device *device;
    struct program *program;
    struct loaded loaded;
    struct device_batch batch = {.row_count = ROWS}, *back;
    sl_error err = {0};
    conformance_plan(&loaded, "../samples/03-digits-cnn/model", ROWS);
    ck_assert_msg(ops->open(&device, 0, &options, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(ops->load(device, loaded.plan, &program, &err) == SL_OK, "%s", err.text);
    batch.input = ops->slot_alloc(device, loaded.plan->input_nbytes);
    batch.output = ops->slot_alloc(device, loaded.plan->output_nbytes);
    conformance_fill(loaded.plan, batch.input, 3);
    ck_assert_msg(ops->submit(program, &batch, &err) == SL_OK, "%s", err.text);
    ck_assert_int_eq(ops->collect(program, &back, &err), SL_OK);
    ck_assert_msg(batch.error.status == SL_OK, "%s", batch.error.text);
    ck_assert_uint_le(count * sizeof *scores, loaded.plan->output_nbytes);
    memcpy(scores, batch.output, count * sizeof *scores);
    ops->print_steps(program, steps);
    ops->slot_free(device, batch.input, loaded.plan->input_nbytes);
    ops->slot_free(device, batch.output, loaded.plan->output_nbytes);
    ops->unload(program);
    ops->close(device);
    conformance_unplan(&loaded);
}

static void compare(enum kernels kernels, bool must, bool may) {
    float want[10 * ROWS], got[10 * ROWS];
    struct buf steps, ignored;
    buf_init(&steps);
    buf_init(&ignored);
    use_mock();
    run(&device_cpu, KERNELS_OURS, want, 10 * ROWS, &ignored);
    run(&device_cuda, kernels, got, 10 * ROWS, &steps);
    for (int i = 0; i < 10 * ROWS; i++)
        ck_assert_msg(got[i] - want[i] < 1e-3f && want[i] - got[i] < 1e-3f, "%d: %g, expected %g", i,
                      (double)got[i], (double)want[i]);
    bool has = steps.size && strstr(steps.data, "cuDNN") != NULL;
    ck_assert_msg(has ? may : !must, "%s", steps.data);
    ck_assert_msg(!mock_misuse(), "%s", mock_misuse());
    ck_assert_uint_eq(mock_leaks(), 0);
    buf_clear(&steps);
    buf_clear(&ignored);
}

START_TEST(each_choice) {
    compare(KERNELS_OURS, false, false);
    compare(KERNELS_CUDNN, true, true);
    compare(KERNELS_AUTO, false, true); /* who is faster is chance here */
}
END_TEST

START_TEST(without_it) {
    struct device_options options = {.threads = 1, .kernels = KERNELS_CUDNN};
    struct device *device;
    sl_error err = {0};
    use_mock();
    setenv("SLUICE_CUDNN", "/nowhere", 1);
    ck_assert_int_eq(device_cuda.open(&device, 0, &options, &err), SL_E_DEVICE);
    ck_assert_msg(strstr(err.text, "there is no cuDNN here") != NULL, "%s", err.text);
    options.kernels = KERNELS_AUTO;
    ck_assert_int_eq(device_cuda.open(&device, 0, &options, &err), SL_OK);
    device_cuda.close(device);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cudnn on the cuda device");
    TCase *tc = tcase_create("cudnn");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, each_choice);
    tcase_add_test(tc, without_it);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
