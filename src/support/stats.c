/* stats.c: counters that many add to. */
#include "support/stats.h"

#include "support/clock.h"

const char *const stage_names[STAGE_COUNT] = {"read", "decode", "model", "format", "write"};

void stage_begin(struct stage_timer *t) {
    t->wall = clock_ns();
    t->cpu = clock_thread_ns();
}

void stage_end(struct stage_stats *s, const struct stage_timer *t, uint64_t records, uint64_t nbytes) {
    atomic_fetch_add_explicit(&s->cpu_ns, clock_thread_ns() - t->cpu, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->busy_ns, clock_ns() - t->wall, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->records, records, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->nbytes, nbytes, memory_order_relaxed);
}
