/* thread.c: pthreads that fail with words. */
#include "support/thread.h"

#include <signal.h>

#include "support/clock.h"

sl_status thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg, sl_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return error_errno(err, SL_E_MEMORY, rc, "cannot start thread '%s'", name);
    pthread_setname_np(*thread, name);
    return SL_OK;
}

void thread_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int thread_cond_wait_ns(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t timeout_ns) {
    uint64_t at;
    if (__builtin_add_overflow(clock_ns(), timeout_ns, &at))
        at = UINT64_MAX;
    struct timespec t = {.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
    return pthread_cond_timedwait(cond, mutex, &t);
}
