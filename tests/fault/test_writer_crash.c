/* test_writer_crash.c: the writer killed at every system call that changes a file, at random moments, and
 * with every such call failing. After each: what stands under a final name is whole, and the same job run
 * again leaves the same tree. */
#include <fcntl.h>
#include <time.h>

#include "support/log.h"
#include "tests/fault/traced.h"
#include "tests/unit/output_rig.h"

static char dir[256];
static struct rig_job job;
static struct output_options options;
static char want[HASH_HEX];
static unsigned seed;

static void setup_job(size_t count, uint64_t most) {
    rig_job_free(&job);
    job = rig_job(count, most);
    options = rig_options(&job, dir);
    rig_want(&job, want);
}

static void setup(void) {
    log_set_level(LOG_QUIET);
    rig_temp_dir(dir);
    job = (struct rig_job){0};
    const char *text = getenv("SLUICE_SEED");
    seed = text ? (unsigned)atoi(text) : (unsigned)time(NULL);
    setup_job(9, 40);
}

static void teardown(void) {
    rig_remove(dir);
    rig_job_free(&job);
}

/* The child's whole life. Slots of 16 rows, a checkpoint after each. */
static int child_run(void *ctx) {
    sl_error err = {0};
    const unsigned *interleaving = ctx;
    return (int)rig_run(&job, &options, *interleaving, 16, 0, &err);
}

/* What stands under a final name is whole, and _SUCCESS stands only where all of them do. */
static void check_finals(const char *when, unsigned k) {
    size_t standing = 0;
    for (size_t i = 0; i < job.count; i++) {
        char name[128], line[RIG_TEXT];
        size_t nbytes, at = 0;
        snprintf(name, sizeof name, "%s.out", job.shards[i].name);
        char *text = rig_read(dir, name, &nbytes);
        if (!text)
            continue;
        standing++;
        for (uint64_t r = 0; r < job.records[i]; r++) {
            size_t n = rig_line(line, i, r);
            ck_assert_msg(at + n <= nbytes && !memcmp(text + at, line, n), "%s %u: %s is not whole", when, k,
                          name);
            at += n;
        }
        ck_assert_msg(at == nbytes, "%s %u: %s is not whole", when, k, name);
        free(text);
    }
    ck_assert_msg(standing == job.count || !rig_exists(dir, "_SUCCESS"), "%s %u: _SUCCESS is early", when, k);
}

static void check_resumed(const char *when, unsigned k) {
    char got[HASH_HEX];
    sl_error err = {0};
    sl_status st = rig_run(&job, &options, k + seed, 16, 0, &err);
    ck_assert_msg(st == SL_OK, "%s %u: %s (seed %u)", when, k, err.text, seed);
    rig_hash_tree(dir, got);
    ck_assert_msg(!strcmp(got, want), "%s %u: another tree (seed %u)", when, k, seed);
    rig_remove(dir);
}

static bool can_trace(void) {
    struct traced t = {.act = TRACED_COUNT, .call = -1};
    unsigned interleaving = 1;
    int status = traced_run(&t, child_run, &interleaving);
    rig_remove(dir);
    if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && t.count > 100)
        return true;
    printf("no tracing here: kills at exact calls are left out\n");
    return false;
}

START_TEST(killed_at_every_call) {
    unsigned k, interleaving = 1;
    for (k = 1; can_trace(); k++) {
        struct traced t = {.act = TRACED_KILL, .call = -1, .at = k};
        int status = traced_run(&t, child_run, &interleaving);
        if (!t.acted) {
            ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            break;
        }
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        check_finals("killed at call", k);
        check_resumed("killed at call", k);
    }
    printf("killed at each of %u calls\n", k - 1);
}
END_TEST

/* Killed, killed again while it resumes, and again. */
START_TEST(killed_again_while_resuming) {
    if (!can_trace())
        return;
    printf("seed %u\n", seed);
    unsigned state = seed;
    for (unsigned round = 0; round < 100; round++) {
        for (int kills = 0; kills < 4; kills++) {
            unsigned interleaving = (unsigned)rand_r(&state);
            struct traced t = {.act = TRACED_KILL, .call = -1, .at = 1 + (unsigned)rand_r(&state) % 250};
            traced_run(&t, child_run, &interleaving);
            check_finals("killed again in round", round);
        }
        check_resumed("killed again in round", round);
    }
}
END_TEST

/* Every call fails once, or from then on: a status other than success, nothing lost. */
static void failing(long call, int errnum, bool for_ever, bool may_succeed) {
    unsigned interleaving = 1;
    for (unsigned k = 1;; k++) {
        struct traced t = {.act = TRACED_FAIL, .call = call, .at = k, .errnum = errnum, .for_ever = for_ever};
        int status = traced_run(&t, child_run, &interleaving);
        ck_assert_msg(WIFEXITED(status), "call %ld failing at %u: signal %d", call, k, WTERMSIG(status));
        int rc = WEXITSTATUS(status);
        if (!t.acted) {
            ck_assert_int_eq(rc, 0);
            ck_assert_msg(k > 1, "call %ld never came", call);
            rig_remove(dir);
            return;
        }
        ck_assert_msg(may_succeed || rc == SL_E_OUTPUT || rc == SL_E_IO || rc == SL_E_MEMORY ||
                          rc == SL_E_PERMISSION,
                      "call %ld failing with %d at %u: status %d", call, errnum, k, rc);
        /* _SUCCESS may stand where only making its directory durable failed; check_finals says whether it is
         * true */
        ck_assert_msg(rc == 0 || !rig_exists(dir, "_SUCCESS") || call == SYS_fsync || call == SYS_openat,
                      "call %ld failing at %u: _SUCCESS", call, k);
        check_finals("failing", k);
        check_resumed("failing", k);
    }
}

START_TEST(every_call_fails) {
    if (!TRACED_CAN_FAIL || !can_trace())
        return;
    failing(SYS_write, ENOSPC, false, false);
    failing(SYS_write, ENOSPC, true, false);
    failing(SYS_write, EIO, false, false);
    failing(SYS_fsync, EIO, false, false);
    failing(SYS_fdatasync, EIO, false, false);
    failing(SYS_fdatasync, ENOSPC, false, false);
    failing(SYS_renameat2, EACCES, false, false);
    failing(SYS_openat, EMFILE, false, true); /* a look at what may be missing, too */
    failing(SYS_openat, EIO, false, true);
    failing(SYS_mkdirat, ENOSPC, false, true);
#ifdef SYS_unlink
    failing(SYS_unlink, EIO, false, true); /* parts that stay are removed next time */
#endif
}
END_TEST

/* File systems that know no RENAME_NOREPLACE, and those that know no links either. */
START_TEST(no_rename_noreplace) {
    unsigned interleaving = 1;
    if (!TRACED_CAN_FAIL || !can_trace())
        return;
    failing(SYS_renameat2, EINVAL, false, true);
    struct traced t = {
        .act = TRACED_FAIL, .call = SYS_renameat2, .at = 1, .errnum = EINVAL, .for_ever = true};
    int status = traced_run(&t, child_run, &interleaving);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0 && t.acted);
    check_resumed("without renameat2", 0);
}
END_TEST

/* In the child: what Check writes of each assertion goes to a file that the parent reads, too, and a kill in the middle
 * of it would be taken for the parent's own words. Nothing else is open above the standard streams. */
static void leave_check(void) {
    int null = open("/dev/null", O_WRONLY);
    for (int fd = 3; null >= 0 && fd < 64; fd++)
        if (fd != null && fcntl(fd, F_GETFD) >= 0)
            dup2(null, fd);
}

/* Moments that are not system calls, in a larger job. */
START_TEST(killed_at_random_moments) {
    struct timespec from, to;
    enum { KILLS = 60 };
    unsigned met = 0, state = seed;
    printf("seed %u\n", seed);
    setup_job(40, 3000);
    clock_gettime(CLOCK_MONOTONIC, &from);
    check_resumed("undisturbed", 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    long whole_ns = (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
    for (unsigned k = 0; k < KILLS; k++) {
        int status;
        unsigned interleaving = (unsigned)rand_r(&state);
        long wait_ns = (long)((double)rand_r(&state) / RAND_MAX * (double)whole_ns);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            leave_check();
            _exit(child_run(&interleaving));
        }
        nanosleep(&(struct timespec){wait_ns / 1000000000, wait_ns % 1000000000}, NULL);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        met += WIFSIGNALED(status);
        check_finals("killed at random", k);
        if (k % 3 == 2) /* the third kill of the same job, then to its end */
            check_resumed("killed at random", k);
    }
    printf("%u of %d kills met a running job\n", met, KILLS);
    ck_assert_uint_gt(met, KILLS / 10); /* on a busy machine many come before the job begins */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("writer_crash");
    TCase *c = tcase_create("writer_crash");
    tcase_set_timeout(c, 240);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, killed_at_every_call);
    tcase_add_test(c, killed_again_while_resuming);
    tcase_add_test(c, every_call_fails);
    tcase_add_test(c, no_rename_noreplace);
    tcase_add_test(c, killed_at_random_moments);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
