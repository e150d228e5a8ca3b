/* clock.h: time. Any thread. */
#ifndef SUPPORT_CLOCK_H
#define SUPPORT_CLOCK_H

#include <stdint.h>
#include <time.h>

uint64_t clock_ns(void);        /* CLOCK_MONOTONIC */
uint64_t clock_thread_ns(void); /* CPU time of the calling thread */
uint64_t clock_process_ns(void);
void clock_utc(char out[32]); /* "2026-01-31T12:00:00Z" */

#endif
