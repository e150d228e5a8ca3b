/* machine.c: cores and memory this process may use. Every reading is optional: what a kernel or container
 * does not show counts as no limit. */
#include "support/machine.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_LIMIT ((uint64_t)1 << 60) /* v1 says "none" with a huge number */

/* First line of ROOT + path. */
static bool read_line(const char *root, const char *path, char *line, size_t cap) {
    char full[4096];
    snprintf(full, sizeof full, "%s%s", root, path);
    FILE *f = fopen(full, "re");
    if (!f)
        return false;
    bool got = fgets(line, (int)cap, f) != NULL;
    fclose(f);
    return got;
}

static bool read_number(const char *root, const char *path, uint64_t *value) {
    char line[128];
    char *end;
    if (!read_line(root, path, line, sizeof line))
        return false;
    *value = strtoull(line, &end, 10); /* "max" has no digits */
    return end != line && line[0] != '-';
}

/* "Key:   123 kB" of a /proc file, in bytes; 0 when it is not there. */
static uint64_t read_kb(const char *root, const char *path, const char *key) {
    char full[4096], line[256];
    uint64_t value = 0;
    snprintf(full, sizeof full, "%s%s", root, path);
    FILE *f = fopen(full, "re");
    size_t n = strlen(key);
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, n) && line[n] == ':')
            value = strtoull(line + n + 1, NULL, 10) * 1024;
    if (f)
        fclose(f);
    return value;
}

/* Where this process sits in a controller's hierarchy ("" for v2's single line "0::/path"). */
static void cgroup_path(const char *root, const char *controller, char *path, size_t cap) {
    char full[4096], line[4096], *rest = NULL;
    path[0] = 0;
    snprintf(full, sizeof full, "%s/proc/self/cgroup", root);
    FILE *f = fopen(full, "re");
    while (f && fgets(line, sizeof line, f)) {
        char *list = strchr(line, ':'), *where = list ? strchr(list + 1, ':') : NULL;
        if (!where)
            continue;
        *where++ = 0;
        where[strcspn(where, "\n")] = 0;
        bool mine = !*controller && !list[1];
        for (char *word = strtok_r(list + 1, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
            mine = mine || !strcmp(word, controller);
        if (mine)
            snprintf(path, cap, "%s", strcmp(where, "/") ? where : "");
    }
    if (f)
        fclose(f);
}

/* One kind of memory controller: its files, and the keys of memory.stat for what it would give back. */
struct memory_files {
    const char *mount, *limit, *use, *inactive, *active;
};
static const struct memory_files memory_v2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                              "inactive_file", "active_file"};
static const struct memory_files memory_v1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                              "memory.usage_in_bytes", "total_inactive_file",
                                              "total_active_file"};

/* Bytes of the page cache at a node. A container that has just copied its input in has filled its limit with
 * them; the kernel drops them for us, so they are no use, as MemAvailable counts it. */
static uint64_t page_cache(const char *root, const char *node, const struct memory_files *files) {
    char full[4096], key[64];
    unsigned long long value;
    uint64_t sum = 0;
    snprintf(full, sizeof full, "%s%s/memory.stat", root, node);
    FILE *f = fopen(full, "re");
    while (f && fscanf(f, "%63s %llu", key, &value) == 2)
        if (!strcmp(key, files->inactive) || !strcmp(key, files->active))
            sum += value;
    if (f)
        fclose(f);
    return sum;
}

static void memory_at(struct machine *m, const char *root, const char *node,
                      const struct memory_files *files) {
    char full[4096];
    uint64_t limit, use = 0;
    snprintf(full, sizeof full, "%s/%s", node, files->limit);
    if (!read_number(root, full, &limit) || limit >= NO_LIMIT)
        return;
    snprintf(full, sizeof full, "%s/%s", node, files->use);
    if (read_number(root, full, &use)) {
        uint64_t cache = page_cache(root, node, files);
        use -= cache < use ? cache : use;
    }
    uint64_t left = limit > use ? limit - use : 0;
    uint64_t least = m->cgroup_limit > m->cgroup_current ? m->cgroup_limit - m->cgroup_current : 0;
    if (m->cgroup_limit && least <= left)
        return;
    m->cgroup_limit = limit;
    m->cgroup_current = use;
}

static void quota_is(struct machine *m, double quota, double period) {
    if (quota > 0 && period > 0 && (m->quota == 0 || quota / period < m->quota))
        m->quota = quota / period;
}

static void quota_v2(struct machine *m, const char *root, const char *node) {
    char full[4096], line[128];
    double quota, period;
    snprintf(full, sizeof full, "%s/cpu.max", node);
    if (read_line(root, full, line, sizeof line) && sscanf(line, "%lf %lf", &quota, &period) == 2)
        quota_is(m, quota, period);
}

static void quota_v1(struct machine *m, const char *root, const char *node) {
    char full[4096];
    uint64_t quota, period;
    snprintf(full, sizeof full, "%s/cpu.cfs_quota_us", node);
    if (!read_number(root, full, &quota))
        return;
    snprintf(full, sizeof full, "%s/cpu.cfs_period_us", node);
    if (read_number(root, full, &period))
        quota_is(m, (double)quota, (double)period);
}

/* In a container the hierarchy is often mounted at our own node, and a limit may stand at any node above us:
 * the path of /proc/self/cgroup is tried first, then its parents up to the root of the mount. What leaves the
 * least counts. */
static bool parent_of(char *node, size_t mount_nbytes) {
    char *slash = strrchr(node + mount_nbytes, '/');
    if (slash)
        *slash = 0;
    return slash != NULL;
}

static void read_cgroup_v2(struct machine *m, const char *root) {
    char path[2048], node[3072];
    m->cgroup = "v2";
    cgroup_path(root, "", path, sizeof path);
    snprintf(node, sizeof node, "%s%s", memory_v2.mount, path);
    do {
        memory_at(m, root, node, &memory_v2);
        quota_v2(m, root, node);
    } while (parent_of(node, strlen(memory_v2.mount)));
}

static void read_cgroup_v1(struct machine *m, const char *root) {
    static const char *const cpu_mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    char path[2048], node[3072];
    uint64_t value;
    cgroup_path(root, "memory", path, sizeof path);
    if (read_number(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", &value))
        m->cgroup = "v1";
    snprintf(node, sizeof node, "%s%s", memory_v1.mount, path);
    do
        memory_at(m, root, node, &memory_v1);
    while (parent_of(node, strlen(memory_v1.mount)));
    cgroup_path(root, "cpu", path, sizeof path);
    for (int i = 0; i < 2; i++) {
        snprintf(node, sizeof node, "%s%s", cpu_mounts[i], path);
        do
            quota_v1(m, root, node);
        while (parent_of(node, strlen(cpu_mounts[i])));
    }
    if (m->quota > 0)
        m->cgroup = "v1";
}

static void read_cgroup(struct machine *m, const char *root) {
    char line[512];
    if (read_line(root, "/sys/fs/cgroup/cgroup.controllers", line, sizeof line))
        read_cgroup_v2(m, root);
    else
        read_cgroup_v1(m, root);
}

static void read_cpu(struct machine *m) {
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    m->online = online > 0 ? (unsigned)online : 1;
    m->affinity = m->online;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        m->affinity = (unsigned)CPU_COUNT(&set);
#if defined __x86_64__
    m->avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    m->avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    m->avx512_bf16 = m->avx512 && __builtin_cpu_supports("avx512bf16");
#endif
}

void machine_read_from(struct machine *m, const char *root) {
    *m = (struct machine){.cgroup = "none"};
    read_cpu(m);
    read_cgroup(m, root);
    m->cores = m->affinity < m->online ? m->affinity : m->online;
    if (m->quota > 0 && m->quota < m->cores)
        m->cores = (unsigned)ceil(m->quota);
    if (!m->cores)
        m->cores = 1;
    m->memory_available = read_kb(root, "/proc/meminfo", "MemAvailable");
    m->memory_nbytes = m->memory_available;
    if (m->cgroup_limit) {
        uint64_t left = m->cgroup_limit > m->cgroup_current ? m->cgroup_limit - m->cgroup_current : 0;
        if (left < m->memory_nbytes)
            m->memory_nbytes = left;
    }
}

void machine_read(struct machine *m) {
    machine_read_from(m, "");
}

uint64_t machine_peak_rss(void) {
    return read_kb("", "/proc/self/status", "VmHWM");
}

uint64_t machine_rss(void) {
    return read_kb("", "/proc/self/status", "VmRSS");
}
