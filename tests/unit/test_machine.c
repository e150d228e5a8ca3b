/* What a machine lets us use, read from trees of files as kernels and container engines show them. */
#include "support/machine.h"
#include "support/mem.h"
#include "support_rig.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static struct machine read_tree(void) {
    struct machine m;
    machine_read_from(&m, rig_dir);
    ck_assert_uint_ge(m.cores, 1);
    ck_assert_uint_le(m.cores, m.online);
    return m;
}

static void memory(const char *available) {
    char text[128];
    snprintf(text, sizeof text, "MemTotal:       99999999 kB\nMemFree:        5 kB\nMemAvailable:   %s\n",
             available);
    rig_puts("proc/meminfo", text);
}

START_TEST(nothing_to_read) {
    struct machine m = read_tree();
    ck_assert_str_eq(m.cgroup, "none");
    ck_assert_uint_eq(m.cgroup_limit, 0);
    ck_assert(m.quota == 0);
    ck_assert_uint_eq(m.memory_available, 0);
    ck_assert_uint_eq(m.cores, m.affinity < m.online ? m.affinity : m.online);
}
END_TEST

START_TEST(no_cgroup) {
    memory("8388608 kB");
    struct machine m = read_tree();
    ck_assert_str_eq(m.cgroup, "none");
    ck_assert_uint_eq(m.memory_available, 8 * GIB);
    ck_assert_uint_eq(m.memory_nbytes, 8 * GIB);
}
END_TEST

/* A container of Docker or Kubernetes on v2: its own node is the root of the mount. */
START_TEST(v2_container) {
    memory("8388608 kB");
    rig_puts("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
    rig_puts("proc/self/cgroup", "0::/\n");
    rig_puts("sys/fs/cgroup/memory.max", "2147483648\n");
    rig_puts("sys/fs/cgroup/memory.current", "1610612736\n");
    rig_puts("sys/fs/cgroup/cpu.max", "50000 100000\n");
    struct machine m = read_tree();
    ck_assert_str_eq(m.cgroup, "v2");
    ck_assert_uint_eq(m.cgroup_limit, 2 * GIB);
    ck_assert_uint_eq(m.cgroup_current, 1536 * MIB);
    ck_assert_uint_eq(m.memory_nbytes, 512 * MIB);
    ck_assert(m.quota == 0.5);
    ck_assert_uint_eq(m.cores, 1);
    /* the page cache is not use: most of it is free for us */
    rig_puts("sys/fs/cgroup/memory.stat",
             "anon 104857600\nfile 1505755136\ninactive_anon 1\ninactive_file 1073741824\n"
             "active_file 268435456\nunevictable 0\n");
    m = read_tree();
    ck_assert_uint_eq(m.cgroup_current, 256 * MIB);
    ck_assert_uint_eq(m.memory_nbytes, 1792 * MIB);
    /* the machine has less than the limit leaves */
    memory("1024 kB");
    ck_assert_uint_eq(read_tree().memory_nbytes, MIB);
}
END_TEST

/* A service of systemd: limits stand at nodes above, the one that leaves least counts. */
START_TEST(v2_nested) {
    memory("8388608 kB");
    rig_puts("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    rig_puts("proc/self/cgroup", "0::/batch.slice/job.service/child\n");
    rig_puts("sys/fs/cgroup/batch.slice/job.service/child/memory.max", "max\n");
    rig_puts("sys/fs/cgroup/batch.slice/job.service/child/cpu.max", "max 100000\n");
    rig_puts("sys/fs/cgroup/batch.slice/job.service/memory.max", "1073741824\n");
    rig_puts("sys/fs/cgroup/batch.slice/job.service/memory.current", "1048576\n");
    rig_puts("sys/fs/cgroup/batch.slice/job.service/cpu.max", "400000 100000\n");
    rig_puts("sys/fs/cgroup/batch.slice/memory.max", "4294967296\n");
    rig_puts("sys/fs/cgroup/batch.slice/memory.current", "4293918720\n"); /* others have nearly all of it */
    rig_puts("sys/fs/cgroup/batch.slice/cpu.max", "100000 100000\n");
    struct machine m = read_tree();
    ck_assert_uint_eq(m.cgroup_limit, 4 * GIB);
    ck_assert_uint_eq(m.memory_nbytes, MIB);
    ck_assert(m.quota == 1);
    /* over the limit: nothing is left, not a number below zero */
    rig_puts("sys/fs/cgroup/batch.slice/memory.current", "9999999999\n");
    ck_assert_uint_eq(read_tree().memory_nbytes, 0);
}
END_TEST

START_TEST(v2_without_limits) {
    memory("1048576 kB");
    rig_puts("sys/fs/cgroup/cgroup.controllers", "\n");
    rig_puts("sys/fs/cgroup/memory.max", "max\n");
    rig_puts("sys/fs/cgroup/cpu.max", "max 100000\n");
    struct machine m = read_tree();
    ck_assert_str_eq(m.cgroup, "v2");
    ck_assert_uint_eq(m.cgroup_limit, 0);
    ck_assert(m.quota == 0);
    ck_assert_uint_eq(m.memory_nbytes, GIB);
}
END_TEST

START_TEST(quota_is_rounded_up) {
    char text[64];
    rig_puts("sys/fs/cgroup/cgroup.controllers", "cpu\n");
    struct machine m = read_tree();
    if (m.cores < 2)
        return; /* nothing to limit */
    rig_puts("sys/fs/cgroup/cpu.max", "100001 100000\n");
    ck_assert_uint_eq(read_tree().cores, 2);
    rig_puts("sys/fs/cgroup/cpu.max", "100000 100000\n");
    ck_assert_uint_eq(read_tree().cores, 1);
    rig_puts("sys/fs/cgroup/cpu.max", "1000 100000\n");
    ck_assert_uint_eq(read_tree().cores, 1);
    snprintf(text, sizeof text, "%u00000 100000\n", m.cores + 5);
    rig_puts("sys/fs/cgroup/cpu.max", text);
    ck_assert_uint_eq(read_tree().cores, m.cores);
}
END_TEST

/* v1: one hierarchy a controller, "no limit" is a huge number. */
START_TEST(v1) {
    memory("8388608 kB");
    rig_puts("proc/self/cgroup", "9:name=systemd:/\n4:memory:/jobs/a\n2:cpu,cpuacct:/jobs/b\n0::/\n");
    rig_puts("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    rig_puts("sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes", "1073741824\n");
    rig_puts("sys/fs/cgroup/memory/jobs/a/memory.usage_in_bytes", "805306368\n");
    rig_puts("sys/fs/cgroup/memory/jobs/a/memory.stat",
             "cache 1\ninactive_file 1\ntotal_inactive_file 268435456\ntotal_active_file 0\n");
    rig_puts("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    rig_puts("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    rig_puts("sys/fs/cgroup/cpu/jobs/b/cpu.cfs_quota_us", "150000\n");
    rig_puts("sys/fs/cgroup/cpu/jobs/b/cpu.cfs_period_us", "100000\n");
    struct machine m = read_tree();
    ck_assert_str_eq(m.cgroup, "v1");
    ck_assert_uint_eq(m.cgroup_limit, GIB);
    ck_assert_uint_eq(m.cgroup_current, 512 * MIB);
    ck_assert_uint_eq(m.memory_nbytes, 512 * MIB);
    ck_assert(m.quota == 1.5);
}
END_TEST

/* The path of the host is in /proc/self/cgroup, but the container sees only its own node. */
START_TEST(v1_container) {
    memory("8388608 kB");
    rig_puts("proc/self/cgroup", "4:memory:/docker/0123\n2:cpu,cpuacct:/docker/0123\n");
    rig_puts("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    rig_puts("sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
    rig_puts("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
    rig_puts("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    struct machine m = read_tree();
    ck_assert_uint_eq(m.memory_nbytes, GIB);
    ck_assert(m.quota == 0.5);
}
END_TEST

START_TEST(v1_without_limits) {
    memory("1048576 kB");
    rig_puts("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    rig_puts("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
    struct machine m = read_tree();
    ck_assert_str_eq(m.cgroup, "v1");
    ck_assert_uint_eq(m.cgroup_limit, 0);
    ck_assert_uint_eq(m.memory_nbytes, GIB);
}
END_TEST

START_TEST(rubbish_is_no_limit) {
    memory("lots");
    rig_puts("proc/self/cgroup", "\n:\n0:\n::::\nx");
    rig_puts("sys/fs/cgroup/cgroup.controllers", "cpu");
    rig_puts("sys/fs/cgroup/memory.max", "");
    rig_puts("sys/fs/cgroup/cpu.max", "0 0\n");
    struct machine m = read_tree();
    ck_assert_uint_eq(m.cgroup_limit, 0);
    ck_assert(m.quota == 0);
    ck_assert_uint_eq(m.memory_available, 0);
}
END_TEST

START_TEST(this_machine) {
    struct machine m;
    machine_read(&m);
    ck_assert_uint_ge(m.cores, 1);
    ck_assert_uint_ge(m.online, m.cores);
    ck_assert_uint_gt(m.memory_nbytes, MIB);
    ck_assert_uint_le(m.memory_nbytes, m.memory_available);
    ck_assert(!m.avx512 || m.avx2);
    ck_assert(!m.avx512_bf16 || m.avx512);
    size_t nbytes = 64 * MIB;
    uint64_t before = machine_rss();
    char *p = mem_map(nbytes);
    memset(p, 1, nbytes);
    ck_assert_uint_ge(machine_rss(), before + nbytes * 3 / 4);
    mem_unmap(p, nbytes);
    ck_assert_uint_lt(machine_rss(), before + nbytes / 4);
    ck_assert_uint_ge(machine_peak_rss(), before + nbytes * 3 / 4);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("machine");
    TCase *tc = tcase_create("machine");
    tcase_add_checked_fixture(tc, rig_make_dir, rig_remove_dir);
    tcase_add_test(tc, nothing_to_read);
    tcase_add_test(tc, no_cgroup);
    tcase_add_test(tc, v2_container);
    tcase_add_test(tc, v2_nested);
    tcase_add_test(tc, v2_without_limits);
    tcase_add_test(tc, quota_is_rounded_up);
    tcase_add_test(tc, v1);
    tcase_add_test(tc, v1_container);
    tcase_add_test(tc, v1_without_limits);
    tcase_add_test(tc, rubbish_is_no_limit);
    tcase_add_test(tc, this_machine);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
