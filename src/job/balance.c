/* balance.c: how many workers. They start at the cores that cgroup and affinity allow. While the ring is full
 * the model or the disk is the limit, and fewer workers do; while batches are waited for and there is
 * decoding to do, more do. After a few steady looks the number stays. */
#include <stdio.h>

#include "job/job.h"
#include "support/clock.h"

#define SAMPLE_NS 200000000u
#define SETTLE_NS 4000000000u
#define STEADY_LOOKS 3

static void explain(struct job *job, unsigned active, const char *why) {
    struct job_widths *w = &job->widths;
    char *text = job->result->workers_reason;
    size_t cap = sizeof job->result->workers_reason;
    if (job->options->workers)
        snprintf(text, cap, "asked for");
    else if (active == w->workers_max)
        snprintf(text, cap, "one for each of the %u cores this process may use%s%s", w->cores,
                 *why ? "; " : "", why);
    else
        snprintf(text, cap, "began with %u, settled at %u: %s", w->workers_max, active, why);
}

void balance_begin(struct balance *balance, struct job *job) {
    *balance =
        (struct balance){.begun_ns = clock_ns(), .sampled_ns = clock_ns(), .active = job->widths.workers};
    balance->settled = job->options->workers != 0;
    ring_look(job->ring, &balance->ring);
    job->result->workers = job->result->workers_start = job->widths.workers;
    explain(job, balance->active, "");
}

void balance_step(struct balance *balance, struct job *job) {
    uint64_t now = clock_ns(), span = now - balance->sampled_ns;
    if (balance->settled || span < SAMPLE_NS)
        return;
    struct ring_look ring;
    struct tasks_look tasks;
    ring_look(job->ring, &ring);
    tasks_look(job->tasks, &tasks);
    unsigned before = balance->active;
    /* readers wait for a slot: what comes behind decoding is the limit */
    double blocked = (double)(ring.reserve_wait_ns - balance->ring.reserve_wait_ns) / (double)span;
    double starved = (double)(ring.ready_wait_ns - balance->ring.ready_wait_ns) / (double)span;
    char why[96];
    if (blocked > 0.5 && starved < 0.2 && balance->active > 1) {
        balance->active -= (balance->active + 3) / 4;
        if (!balance->active)
            balance->active = 1;
    } else if (starved > 0.5 && tasks.decode_waiting > 0 && balance->active < job->widths.workers_max) {
        balance->active += (balance->active + 3) / 4;
        if (balance->active > job->widths.workers_max)
            balance->active = job->widths.workers_max;
    }
    snprintf(why, sizeof why, "the ring was full %.0f %% of the time, empty %.0f %%",
             100 * (blocked > 1 ? 1 : blocked), 100 * (starved > 1 ? 1 : starved));
    if (balance->active != before)
        tasks_set_active(job->tasks, balance->active);
    balance->steady = balance->active == before ? balance->steady + 1 : 0;
    balance->settled = balance->steady >= STEADY_LOOKS || now - balance->begun_ns > SETTLE_NS;
    balance->ring = ring;
    balance->sampled_ns = now;
    job->result->workers = balance->active;
    explain(job, balance->active, why);
}
