/* machine.h: what this machine lets us use. cgroup v2, v1 and none are all met in the wild. */
#ifndef SUPPORT_MACHINE_H
#define SUPPORT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct machine {
    unsigned cores; /* usable now: min of online, affinity and cgroup quota (rounded up), at least 1 */
    unsigned online, affinity; /* its parts */
    double quota;              /* cgroup CPU quota in cores; 0 when none */
    uint64_t memory_nbytes;    /* usable now: min of MemAvailable and cgroup limit - current use */
    uint64_t memory_available; /* MemAvailable */
    uint64_t cgroup_limit;     /* of the node that leaves the least; 0 when none */
    uint64_t cgroup_current;   /* its use, less the page cache, which the kernel drops for us */
    const char *cgroup;        /* "v2", "v1" or "none" */
    bool avx2, avx512, avx512_bf16;
};

void machine_read(struct machine *m);
/* The same below another root directory, for tests. */
void machine_read_from(struct machine *m, const char *root);
uint64_t machine_peak_rss(void); /* VmHWM of this process, in bytes */
uint64_t machine_rss(void);      /* VmRSS */

#endif
