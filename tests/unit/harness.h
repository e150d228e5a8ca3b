/* harness.h: one Check suite, one program. Every test program ends with the line "N passed, N failed, N skipped",
 * which tests/run.sh adds up. CK_FORK=no runs without fork (sanitizers, debuggers). */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <check.h>
#include <stdio.h>

static inline int harness_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int ran = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%d passed, %d failed, 0 skipped\n", ran - failed, failed);
    return failed != 0 || ran == 0;
}

#endif
