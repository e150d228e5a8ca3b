/* Counters, clocks and threads. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "support/clock.h"
#include "support/stats.h"
#include "support/thread.h"

static struct stage_stats shared;

static void *add_many(void *arg) {
    (void)arg;
    for (int i = 0; i < 10000; i++) {
        struct stage_timer t;
        stage_begin(&t);
        stage_end(&shared, &t, 1, 3);
    }
    return NULL;
}

START_TEST(counts_from_many_threads) {
    pthread_t threads[4];
    sl_error err;
    memset(&shared, 0, sizeof shared);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(thread_start(&threads[i], "adds", add_many, NULL, &err), SL_OK);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(shared.records, 40000);
    ck_assert_uint_eq(shared.nbytes, 120000);
    ck_assert_uint_gt(shared.busy_ns, 0);
}
END_TEST

START_TEST(sleep_is_busy_but_no_cpu) {
    struct stage_stats s = {0};
    struct stage_timer t;
    stage_begin(&t);
    usleep(50000);
    stage_end(&s, &t, 1, 1);
    ck_assert_uint_ge(s.busy_ns, 50000000);
    ck_assert_uint_lt(s.cpu_ns, 25000000);
    stage_begin(&t);
    for (uint64_t from = clock_thread_ns(); clock_thread_ns() - from < 20000000;) {
    }
    stage_end(&s, &t, 1, 1);
    ck_assert_uint_ge(s.cpu_ns, 20000000);
    ck_assert_uint_ge(clock_process_ns(), 20000000);
    ck_assert_uint_eq(s.records, 2);
}
END_TEST

START_TEST(stages_have_names) {
    static const char *const names[] = {"read", "decode", "model", "format", "write"};
    ck_assert_int_eq(STAGE_COUNT, 5);
    for (int i = 0; i < STAGE_COUNT; i++)
        ck_assert_str_eq(stage_names[i], names[i]);
}
END_TEST

START_TEST(utc) {
    char text[32];
    int year, month, day, hour, minute, second, used = 0;
    clock_utc(text);
    ck_assert_int_eq(
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour, &minute, &second, &used), 6);
    ck_assert_int_eq(used, 20);
    ck_assert_int_eq(text[20], 0);
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    ck_assert_int_le(labs((long)(timegm(&tm) - time(NULL))), 2);
}
END_TEST

static void *name_and_signals(void *arg) {
    sigset_t blocked;
    pthread_getname_np(pthread_self(), arg, 16);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    return sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT) ? arg : NULL;
}

START_TEST(threads_are_named_and_deaf) {
    pthread_t thread;
    char name[16] = "";
    void *result;
    sl_error err;
    sigset_t ours;
    /* the name may be given after the thread has begun: it looks until it is there */
    for (int i = 0; i < 100 && strcmp(name, "fifteen-letters") != 0; i++) {
        ck_assert_int_eq(thread_start(&thread, "fifteen-letters", name_and_signals, name, &err), SL_OK);
        pthread_join(thread, &result);
        ck_assert_ptr_nonnull(result);
    }
    ck_assert_str_eq(name, "fifteen-letters");
    pthread_sigmask(SIG_BLOCK, NULL, &ours);
    ck_assert(!sigismember(&ours, SIGTERM));
}
END_TEST

START_TEST(waits_time_out) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    thread_cond_init(&cond);
    pthread_mutex_lock(&mutex);
    uint64_t from = clock_ns();
    ck_assert_int_eq(thread_cond_wait_ns(&cond, &mutex, 20000000), ETIMEDOUT);
    ck_assert_uint_ge(clock_ns() - from, 20000000);
    ck_assert_int_eq(thread_cond_wait_ns(&cond, &mutex, 0), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&cond);
}
END_TEST

struct meeting {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool come;
};

static void *come_late(void *arg) {
    struct meeting *m = arg;
    usleep(20000);
    pthread_mutex_lock(&m->mutex);
    m->come = true;
    pthread_cond_signal(&m->cond);
    pthread_mutex_unlock(&m->mutex);
    return NULL;
}

START_TEST(waits_for_ever_are_woken) {
    struct meeting m = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;
    sl_error err;
    thread_cond_init(&m.cond);
    ck_assert_int_eq(thread_start(&thread, "late", come_late, &m, &err), SL_OK);
    pthread_mutex_lock(&m.mutex);
    while (!m.come)
        ck_assert_int_eq(thread_cond_wait_ns(&m.cond, &m.mutex, UINT64_MAX), 0);
    pthread_mutex_unlock(&m.mutex);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&m.cond);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stats");
    TCase *tc = tcase_create("stats");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, counts_from_many_threads);
    tcase_add_test(tc, sleep_is_busy_but_no_cpu);
    tcase_add_test(tc, stages_have_names);
    tcase_add_test(tc, utc);
    tcase_add_test(tc, threads_are_named_and_deaf);
    tcase_add_test(tc, waits_time_out);
    tcase_add_test(tc, waits_for_ever_are_woken);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
