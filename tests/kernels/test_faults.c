/* test_faults.c: the model sees what it is for. Kernels with one planted fault each (tests/kernels/faults)
 * run in every order; the fault must be seen in one of them, and the same kernel without it must pass in all.
 *
 * Where loads and stores are reported the message is known and must name the line; under AddressSanitizer
 * some faults are that one's to report, or show as a wrong result. Each runs in a process of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults/faults.h"
#include "kernel_rig.h"

enum { INPUTS = 1024, OUTPUTS = 256 };
enum verdict { PASSED = 0, REPORTED = 40, DIFFERENT = 41, CONFLICTS = 42 };

static const struct {
    const char *name;
    int (*launch)(bool wrong, const float *x, float *y);
    enum verdict verdict;
    const char *text[3]; /* all of them in what is reported */
} faults[] = {
#define FAULT(name, verdict, ...)                                                                            \
    {                                                                                                        \
#name, fault_##name, verdict, {                                                                      \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
    FAULT(missing_barrier, REPORTED, "fault_barriers.cu:13 reads", "'room'", "nobody has written yet"),
    FAULT(missing_second_barrier, REPORTED, "fault_barriers.cu", "no barrier in between", "'room'"),
    FAULT(missing_warp_sync, REPORTED, "fault_barriers.cu:36 reads", "'room'", "nobody has written yet"),
    FAULT(divergent_barrier, REPORTED, "sl_sync at fault_barriers.cu", "is a divergent barrier"),
    FAULT(barrier_after_return, REPORTED, "is reached by 131 of 256 threads", "fault_barriers.cu"),
    FAULT(divergent_shuffle, REPORTED, "sl_shfl_xor at fault_barriers.cu", "needs all 32 lanes"),
    FAULT(wrong_barrier_count, REPORTED, "sl_bar_sync at fault_barriers.cu", "waits for ever"),
    FAULT(off_by_one, REPORTED, "fault_memory.cu", "reads 4 bytes", "outside of every buffer"),
    FAULT(write_beyond, REPORTED, "fault_memory.cu", "writes 4 bytes", "outside of every buffer"),
    FAULT(unwritten_global, REPORTED, "fault_memory.cu", "reads 4 bytes", "never written"),
    FAULT(misaligned, REPORTED, "sl_ld16 at fault_memory.cu", "not a multiple of 16"),
    FAULT(misaligned_row, REPORTED, "sl_ldsm_x1 at fault_memory.cu", "not 16-byte aligned"),
    FAULT(shared_overrun, REPORTED, "fault_memory.cu", "byte 1024 of 'dynamic shared memory' (1024 bytes)"),
    FAULT(static_overrun, REPORTED, "fault_memory.cu", "byte 1024 of 'room' (1024 bytes)"),
    FAULT(unwritten_shared, REPORTED, "fault_memory.cu", "byte 308 of 'room'", "nobody has written"),
    FAULT(not_landed, REPORTED, "fault_tiles.cu", "'stages'", "has not landed"),
    FAULT(stage_reused, REPORTED, "sl_cp_async16 at fault_tiles.cu", "no barrier in between", "'stages'"),
    FAULT(wrong_fragment, DIFFERENT, NULL),
    FAULT(bank_conflict, CONFLICTS, "fault_tiles.cu"),
    FAULT(bank_conflict_rows, CONFLICTS, "fault_tiles.cu"),
};

/* In the child: what the kernel does in all orders, told by the exit status; words go to stderr. */
static enum verdict run_all(int i, bool wrong, const float *x, float *y, const float *want) {
    for (int order = 0; rig_order(order); order++) {
        simt_options.count_conflicts = true;
        simt_counts_clear();
        rig_before(y, NULL, OUTPUTS * sizeof *y);
        int err = faults[i].launch(wrong, x, y);
        if (err)
            return REPORTED;
        for (int k = 0; want && k < OUTPUTS; k++)
            if (!(y[k] == want[k]))
                return DIFFERENT;
        struct simt_counts counts = simt_counts();
        if (counts.ldmatrix_conflict || counts.access_conflict) {
            fprintf(stderr, "%u %s %u %s\n", counts.ldmatrix_conflict, counts.ldmatrix_site,
                    counts.access_conflict, counts.access_site);
            return CONFLICTS;
        }
    }
    return PASSED;
}

static int in_child(int i, bool wrong, char *text, size_t text_nbytes) {
    int ends[2], status;
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        float x[INPUTS], want[OUTPUTS];
        dup2(ends[1], 2);
        close(ends[0]);
        for (int k = 0; k < INPUTS; k++)
            x[k] = (float)(k * 7 % 61) - 30;
        float *in = rig_put(x, sizeof x), *out = rig_room(sizeof want);
        if (faults[i].launch(false, in, out))
            _exit(1);
        rig_fetch(want, out, sizeof want);
        _exit((int)run_all(i, wrong, in, out, want));
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n; (n = read(ends[0], text + used, text_nbytes - 1 - used)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        ck_assert(n > 0);
        used += used + (size_t)n + 1 < text_nbytes ? (size_t)n : 0; /* the beginning is enough */
    }
    text[used] = '\0';
    close(ends[0]);
    ck_assert(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

START_TEST(is_seen) {
    char text[16384];
    int verdict = in_child(_i, true, text, sizeof text);
    if (!simt_checks_accesses()) { /* reported, different, or a sanitizer's */
        ck_assert_msg(verdict != PASSED || faults[_i].verdict == CONFLICTS, "%s: not seen", faults[_i].name);
        return;
    }
    ck_assert_msg(verdict == (int)faults[_i].verdict, "%s: status %d: %s", faults[_i].name, verdict, text);
    for (int k = 0; k < 3 && faults[_i].text[k]; k++)
        ck_assert_msg(strstr(text, faults[_i].text[k]), "%s: no '%s' in: %s", faults[_i].name,
                      faults[_i].text[k], text);
}
END_TEST

START_TEST(right_one_passes) {
    char text[16384];
    int verdict = in_child(_i, false, text, sizeof text);
    ck_assert_msg(verdict == PASSED, "%s: status %d: %s", faults[_i].name, verdict, text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("faults");
    TCase *tc = tcase_create("faults");
    const int count = (int)(sizeof faults / sizeof *faults);
#ifdef __SANITIZE_THREAD__ /* sees races between blocks; it has no say here, and takes a second a process */
    printf("0 passed, 0 failed, %d skipped\n", 2 * count);
    return 0;
#endif
    tcase_add_loop_test(tc, is_seen, 0, count);
    tcase_add_loop_test(tc, right_one_passes, 0, count);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
