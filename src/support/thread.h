/* thread.h: pthreads that fail with an sl_error, and named threads. */
#ifndef SUPPORT_THREAD_H
#define SUPPORT_THREAD_H

#include <pthread.h>
#include <stdint.h>

#include "support/error.h"

/* Starts a thread with a name of at most 15 characters, all signals blocked. SL_E_MEMORY when there is none
 * to be had. */
sl_status thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg, sl_error *err);

/* Condition variables on CLOCK_MONOTONIC. Returns 0 or ETIMEDOUT. */
void thread_cond_init(pthread_cond_t *cond);
int thread_cond_wait_ns(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t timeout_ns);

#endif
