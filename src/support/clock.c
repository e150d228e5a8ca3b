/* clock.c: time. */
#include "support/clock.h"

static uint64_t read_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_thread_ns(void) {
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_process_ns(void) {
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void clock_utc(char out[32]) {
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
