/* machine.c: cores and memory this process may use. Every reading is optional: what a kernel or container
 * does not show counts as no limit. */
#include "support/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    char full[4096], line[4096];
    path[0] = 0;
    snprintf(full, sizeof full, "%s/proc/self/cgroup", root);
    FILE *f = fopen(full, "re");
    while (f && fgets(line, sizeof line, f)) {
        char *list = strchr(line, ':'), *where = list ? strchr(list + 1, ':') : NULL;
        if (!where)
            continue;
        *where++ = 0;
        where[strcspn(where, "\n")] = 0;
        bool mine = !*controller ? !list[1] : false;
        for (char *word = strtok(list + 1, ","); *controller && word; word = strtok(NULL, ","))
            mine = mine || !strcmp(word, controller);
        if (mine)
            snprintf(path, cap, "%s", where);
    }
    if (f)
        fclose(f);
}

/* In a container the hierarchy is often mounted at our own node: the path of /proc/self/cgroup is tried
 * first, then its parents up to the root of the mount. The tightest limit counts. */
static void walk_up(const char *root, const char *mount, const char *path, const char *file, const char *use,
                    uint64_t *limit, uint64_t *current) {
    char node[3072], full[4096];
    uint64_t value;
    snprintf(node, sizeof node, "%s", path);
    for (;;) {
        snprintf(full, sizeof full, "%s%s/%s", mount, !strcmp(node, "/") ? "" : node, file);
        if (read_number(root, full, &value) && value < (uint64_t)1 << 60 && (!*limit || value < *limit)) {
            *limit = value;
            snprintf(full, sizeof full, "%s%s/%s", mount, !strcmp(node, "/") ? "" : node, use);
            if (!read_number(root, full, current))
                *current = 0;
        }
        char *slash = strrchr(node, '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

static double quota_v2(const char *root, const char *path) {
    char node[3072], full[4096], line[128];
    double least = 0;
    snprintf(node, sizeof node, "%s", path);
    for (;;) {
        double quota, period;
        snprintf(full, sizeof full, "/sys/fs/cgroup%s/cpu.max", !strcmp(node, "/") ? "" : node);
        if (read_line(root, full, line, sizeof line) && sscanf(line, "%lf %lf", &quota, &period) == 2 &&
            period > 0 && (least == 0 || quota / period < least))
            least = quota / period;
        char *slash = strrchr(node, '/');
        if (!slash)
            return least;
        *slash = 0;
    }
}

static double quota_v1(const char *root, const char *path) {
    char full[4096];
    uint64_t quota, period;
    const char *const nodes[] = {path, ""};
    for (int i = 0; i < 2; i++) {
        snprintf(full, sizeof full, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", nodes[i]);
        if (!read_number(root, full, &quota))
            continue;
        snprintf(full, sizeof full, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", nodes[i]);
        if (read_number(root, full, &period) && period)
            return (double)quota / (double)period;
    }
    return 0;
}

static void read_cgroup(struct machine *m, const char *root) {
    char path[3072], line[64];
    if (read_line(root, "/sys/fs/cgroup/cgroup.controllers", line, sizeof line)) {
        m->cgroup = "v2";
        cgroup_path(root, "", path, sizeof path);
        m->quota = quota_v2(root, path);
        walk_up(root, "/sys/fs/cgroup", path, "memory.max", "memory.current", &m->cgroup_limit,
                &m->cgroup_current);
        return;
    }
    cgroup_path(root, "memory", path, sizeof path);
    uint64_t value;
    if (read_number(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", &value)) {
        m->cgroup = "v1";
        walk_up(root, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes",
                &m->cgroup_limit, &m->cgroup_current);
        cgroup_path(root, "cpu", path, sizeof path);
        m->quota = quota_v1(root, path);
    }
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
        m->cores = (unsigned)(m->quota + 0.999);
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
