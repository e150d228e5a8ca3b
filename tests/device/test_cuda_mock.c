/* The mock runtime itself: the orders it runs things in. */
#include "mock_rig.h"

START_TEST(a_stream_is_in_order) {
    for (options.seed = 1; options.seed <= ROUNDS; options.seed++) {
        fill(host, 1);
        OK(to_device(one));
        for (int i = 0; i < 10; i++) {
            OK(add_launch(y, x, 1, one));
            OK(add_launch(x, y, 1, one));
        }
        OK(to_host(x, one));
        OK(cudaStreamSynchronize(one));
        ck_assert(back[0] == 21 && back[N - 1] == 21);
        end();
        again();
    }
    ck_assert(!mock_misuse());
}
END_TEST

/* Two streams without an event between them: the second is ahead at least once; with it, never. */
START_TEST(streams_meet_at_events_only) {
    for (int waits = 0; waits < 2; waits++) {
        int early = 0;
        for (options.seed = 1; options.seed <= ROUNDS; options.seed++) {
            fill(host, 0);
            OK(to_device(one));
            OK(cudaStreamSynchronize(one));
            fill(host, 5);
            for (int i = 0; i < 10; i++) /* the first stream is the slower one */
                OK(add_launch(x, x, 1, one));
            OK(to_device(one));
            OK(cudaEventRecord(event, one));
            if (waits)
                OK(cudaStreamWaitEvent(two, event, 0));
            OK(add_launch(y, x, 0, two));
            OK(to_host(y, two));
            OK(cudaStreamSynchronize(two));
            early += back[N - 1] != 5;
            OK(cudaStreamSynchronize(one));
            end();
            again();
        }
        ck_assert_msg(waits ? early == 0 : early > 0, "waits %d: %d times early", waits, early);
    }
}
END_TEST

/* A wait means the last record before it, not one that comes later: here one that hangs, on another device.
 */
START_TEST(an_event_is_its_last_record) {
    cudaStream_t there;
    cudaEvent_t its;
    float *its_x;
    OK(cudaStreamWaitEvent(two, event, 0)); /* of no record: nothing to wait for */
    OK(cudaStreamSynchronize(two));
    OK(cudaEventQuery(event));
    options.devices = 2;
    options.hang_launch = options.fault_device = 1;
    options.delay_us = 500;
    end();
    again();
    for (int i = 0; i < 20; i++)
        OK(add_launch(y, x, 1, two));
    OK(cudaSetDevice(1));
    stream_open(&there);
    OK(cudaEventCreateWithFlags(&its, cudaEventDefault));
    OK(cudaMalloc((void **)&its_x, N * sizeof *its_x));
    OK(cudaEventRecord(its, there));
    OK(cudaStreamWaitEvent(two, its, 0));
    OK(add_launch(its_x, its_x, 1, there));
    OK(cudaEventRecord(its, there));
    OK(cudaStreamSynchronize(two));
    IS(cudaErrorNotReady, cudaEventQuery(its));
    mock_release();
    OK(cudaEventSynchronize(its));
    OK(cudaEventQuery(its));
    OK(cudaStreamDestroy(there));
    OK(cudaEventDestroy(its));
    OK(cudaFree(its_x));
}
END_TEST

START_TEST(events_measure) {
    cudaEvent_t later;
    float ms = -1;
    OK(cudaEventCreateWithFlags(&later, cudaEventDefault));
    OK(cudaEventRecord(event, one));
    OK(cudaEventSynchronize(event));
    pause_us(5000);
    OK(cudaEventRecord(later, one));
    OK(cudaEventSynchronize(later));
    OK(cudaEventElapsedTime(&ms, event, later));
    ck_assert_msg(ms >= 4 && ms < 5000, "%g ms", (double)ms);
    OK(cudaEventDestroy(later));
}
END_TEST

/* Nobody waits for it: how long a copy takes. */
static double copy_ms(void) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    OK(to_device(one));
    OK(cudaEventRecord(event, one));
    while (cudaEventQuery(event) == cudaErrorNotReady) /* asks without waiting */
        pause_us(50);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

/* Late: who writes over the source before he waits sees his mistake. At once: not. */
START_TEST(copies_are_late) {
    int spoiled = 0;
    for (int i = 0; i < ROUNDS; i++) {
        fill(host, 1);
        OK(to_device(one));
        fill(host, 2);
        OK(to_host(x, one));
        OK(cudaStreamSynchronize(one));
        spoiled += back[0] == 2;
        ck_assert(copy_ms() >= 1.5);
    }
    ck_assert_int_gt(spoiled, 0);
    options.eager = true;
    options.delay_us = 0;
    end();
    again();
    double ms = 2;
    for (int i = 0; i < 1000 && ms >= 1.5; i++) /* a busy machine may take its time */
        ms = copy_ms();
    ck_assert(ms < 1.5);
}
END_TEST

/* Nobody waits: outputs that are read at once are not there yet; some milliseconds later they are. */
START_TEST(copies_happen_in_the_end) {
    fill(host, 3);
    fill(back, 0);
    OK(to_device(one));
    OK(to_host(x, one));
    ck_assert(back[0] == 0);
    for (int i = 0; i < 1000 && cudaEventQuery(event) == cudaSuccess && back[N - 1] != 3; i++) {
        pause_us(2000);
        OK(cudaEventRecord(event, two)); /* asks for nothing of `one`; the mutex makes `back` visible */
        OK(cudaEventSynchronize(event));
    }
    OK(cudaStreamSynchronize(one));
    ck_assert(back[N - 1] == 3);
}
END_TEST

START_TEST(graphs_replay_what_was_captured) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    float *to = y, v = 1;
    fill(host, 1);
    OK(to_device(one));
    OK(cudaStreamSynchronize(one));
    OK(cudaStreamBeginCapture(one, cudaStreamCaptureModeThreadLocal));
    OK(add_launch(to, x, v, one));
    OK(add_launch(x, to, v, one));
    to = NULL, v = 100; /* arguments were taken when it was captured */
    OK(cudaStreamEndCapture(one, &graph));
    ck_assert_int_eq(mock_launches(), 0);
    OK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    OK(cudaGraphDestroy(graph)); /* the other one lives without it */
    for (int i = 0; i < 3; i++)
        OK(cudaGraphLaunch(exec, one));
    OK(to_host(x, one));
    OK(cudaStreamSynchronize(one));
    ck_assert_int_eq(mock_launches(), 6);
    ck_assert(back[0] == 7 && back[N - 1] == 7);
    ck_assert(!to && v == 100 && !mock_misuse());
    OK(cudaGraphExecDestroy(exec));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("the mock runtime");
    TCase *tc = tcase_create("mock");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, a_stream_is_in_order);
    tcase_add_test(tc, streams_meet_at_events_only);
    tcase_add_test(tc, an_event_is_its_last_record);
    tcase_add_test(tc, events_measure);
    tcase_add_test(tc, copies_are_late);
    tcase_add_test(tc, copies_happen_in_the_end);
    tcase_add_test(tc, graphs_replay_what_was_captured);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
