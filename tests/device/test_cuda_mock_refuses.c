/* The mock runtime itself: what CUDA refuses, and faults. */
#include "mock_rig.h"

static cudaError_t forbidden(int which) {
    void *p;
    size_t n;
    cudaStream_t s;
    switch (which) {
    case 0:
        return cudaMalloc(&p, 100);
    case 1:
        return cudaStreamSynchronize(one);
    case 2:
        return cudaEventSynchronize(event);
    case 3:
        return cudaHostAlloc(&p, 100, 0);
    case 4:
        return cudaStreamCreateWithFlags(&s, 0);
    default:
        n = 4;
        return cudaMemcpy(x, host, n, cudaMemcpyHostToDevice);
    }
}

/* What must not be called by a thread that captures is refused, and the capture is lost with it. */
START_TEST(captures_are_spoiled) {
    for (int i = 0; i < 6; i++) {
        cudaGraph_t graph;
        OK(cudaStreamBeginCapture(one, cudaStreamCaptureModeThreadLocal));
        OK(add_launch(y, x, 1, one));
        IS(cudaErrorStreamCaptureUnsupported, forbidden(i));
        IS(cudaErrorStreamCaptureInvalidated, cudaStreamEndCapture(one, &graph));
        ck_assert_ptr_null(graph);
        ck_assert_ptr_nonnull(mock_misuse());
        end();
        again();
    }
}
END_TEST

static void misuse(const char *text) {
    ck_assert_ptr_nonnull(mock_misuse());
    ck_assert_msg(strstr(mock_misuse(), text) != NULL, "'%s' is not in: %s", text, mock_misuse());
    end();
    again();
}

START_TEST(misuse_is_told) {
    float own[N];
    options.devices = 2;
    end();
    again();
    OK(cudaSetDevice(1));
    IS(cudaErrorInvalidResourceHandle, add_launch(y, x, 1, one));
    misuse("a stream of device 0 while 1 is set");
    OK(cudaMemcpyAsync(own, x, sizeof own, cudaMemcpyDeviceToHost, one));
    OK(cudaStreamSynchronize(one));
    misuse("not pinned");
    OK(cudaMemcpyAsync(x + 1, host, N * sizeof *x, cudaMemcpyHostToDevice, one));
    IS(cudaErrorIllegalAddress, cudaStreamSynchronize(one));
    misuse("beyond memory of the device");
    IS(cudaErrorInvalidValue, cudaFree(host));
    misuse("cudaFree of memory that is none");
    OK(to_device(one));
    OK(cudaStreamDestroy(one));
    stream_open(&one);
    misuse("destroyed while it works");
    OK(cudaSetDevice(1));
    cudaStreamDestroy(one);
    stream_open(&one);
    OK(add_launch(y, x, 1, one));
    OK(cudaStreamSynchronize(one));
    misuse("add on device 1 has memory of device 0");
}
END_TEST

START_TEST(memory_has_its_limits) {
    void *p, *q;
    size_t before, after, total;
    options.memory_nbytes = options.pinned_nbytes = 10000;
    end();
    again();
    OK(cudaMemGetInfo(&before, &total));
    ck_assert_uint_eq(total, 10000);
    ck_assert_uint_eq(before, 10000 - 2 * N * sizeof *x);
    IS(cudaErrorMemoryAllocation, cudaMalloc(&p, before + 1));
    ck_assert_ptr_null(p);
    OK(cudaMalloc(&p, before));
    OK(cudaMemGetInfo(&after, &total));
    ck_assert_uint_eq(after, 0);
    ck_assert_uint_eq(mock_leaks(), 8);
    OK(cudaFree(p));
    IS(cudaErrorMemoryAllocation, cudaHostAlloc(&q, 10000, 0));
    OK(cudaHostAlloc(&q, 10000 - 2 * N * sizeof *host, 0));
    OK(cudaFreeHost(q));
    OK(cudaMemGetInfo(&after, &total));
    ck_assert_uint_eq(after, before);
}
END_TEST

/* A fault of one device is for ever, and its alone. */
START_TEST(faults_stay) {
    float *other;
    cudaStream_t there;
    options.devices = 2;
    options.fault_launch = 2;
    options.fault_error = cudaErrorLaunchFailure;
    end();
    again();
    OK(add_launch(y, x, 1, one));
    OK(cudaStreamSynchronize(one));
    OK(add_launch(y, x, 1, one));
    OK(to_host(y, one));
    IS(cudaErrorLaunchFailure, cudaStreamSynchronize(one));
    IS(cudaErrorLaunchFailure, cudaMalloc((void **)&other, 4));
    IS(cudaErrorLaunchFailure, add_launch(y, x, 1, one));
    IS(cudaErrorLaunchFailure, cudaSetDevice(0));
    OK(cudaSetDevice(1));
    OK(cudaMalloc((void **)&other, N * sizeof *other));
    stream_open(&there);
    OK(add_launch(other, other, 1, there));
    OK(cudaStreamSynchronize(there));
    OK(cudaStreamDestroy(there));
    OK(cudaFree(other));
    IS(cudaErrorLaunchFailure, cudaSetDevice(0));
}
END_TEST

START_TEST(a_chosen_call_fails) {
    void *p;
    long calls;
    options.fail_call = 4;
    strcpy(options.fail_name, "cudaMalloc");
    options.fail_error = cudaErrorMemoryAllocation;
    end();
    again(); /* two of them */
    OK(cudaMalloc(&p, 8));
    OK(cudaFree(p));
    IS(cudaErrorMemoryAllocation, cudaMalloc(&p, 8));
    OK(cudaMalloc(&p, 8)); /* once */
    OK(cudaFree(p));
    calls = mock_calls();
    ck_assert_int_eq(calls, 5);
    IS(cudaErrorMemoryAllocation, cudaGetLastError());
    IS(cudaSuccess, cudaGetLastError());
}
END_TEST

START_TEST(drivers_and_devices) {
    int n = 5, v;
    options.driver = 0;
    mock_reset(&options);
    IS(cudaErrorInsufficientDriver, cudaGetDeviceCount(&n));
    ck_assert_int_eq(n, 0);
    options.driver = 11040;
    mock_reset(&options);
    IS(cudaErrorInsufficientDriver, cudaGetDeviceCount(&n));
    OK(cudaDriverGetVersion(&v));
    ck_assert_int_eq(v, 11040);
    options = mock_defaults();
    options.devices = 3;
    options.arch = 86;
    mock_reset(&options);
    OK(cudaGetDeviceCount(&n));
    ck_assert_int_eq(n, 3);
    IS(cudaErrorInvalidDevice, cudaSetDevice(3));
    OK(cudaDeviceGetAttribute(&v, cudaDevAttrComputeCapabilityMinor, 2));
    ck_assert_int_eq(v, 6);
    again();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("what the mock refuses");
    TCase *tc = tcase_create("mock");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, captures_are_spoiled);
    tcase_add_test(tc, misuse_is_told);
    tcase_add_test(tc, memory_has_its_limits);
    tcase_add_test(tc, faults_stay);
    tcase_add_test(tc, a_chosen_call_fails);
    tcase_add_test(tc, drivers_and_devices);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
