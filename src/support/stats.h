/* stats.h: counters that many threads add to and one reads, without a lock. */
#ifndef SUPPORT_STATS_H
#define SUPPORT_STATS_H

#include <stdatomic.h>
#include <stdint.h>

/* The stages of the data's way, in its order; names in stage_names. */
enum stage { STAGE_READ, STAGE_DECODE, STAGE_MODEL, STAGE_FORMAT, STAGE_WRITE, STAGE_COUNT };
extern const char *const stage_names[STAGE_COUNT]; /* "read", "decode", "model", "format", "write" */

struct stage_stats {
    _Atomic uint64_t cpu_ns;  /* CPU time spent in the stage's work, all its threads */
    _Atomic uint64_t busy_ns; /* wall time of the same, so busy - cpu is waiting for the machine */
    _Atomic uint64_t records;
    _Atomic uint64_t nbytes;
};

/* Brackets one piece of work: wall and thread CPU time. */
struct stage_timer {
    uint64_t wall, cpu;
};
void stage_begin(struct stage_timer *t);
void stage_end(struct stage_stats *s, const struct stage_timer *t, uint64_t records, uint64_t nbytes);

#endif
