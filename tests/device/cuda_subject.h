/* cuda_subject.h: device 'cuda' on the mock runtime under the conformance suite; nothing may be left over, and nothing
 * done that CUDA does not allow. */
#ifndef TESTS_CUDA_SUBJECT_H
#define TESTS_CUDA_SUBJECT_H

#include <stdlib.h>

#include "conformance.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/unit/harness.h"

static void cuda_subject_begin(void) {
    struct mock_options options = mock_defaults();
    mock_reset(&options);
}

static void cuda_subject_end(void) {
    ck_assert_msg(!mock_misuse(), "%s", mock_misuse());
    ck_assert_uint_eq(mock_leaks(), 0);
}

static int cuda_subject_run(const char *graphs) {
    static const struct subject cuda = {.ops = &device_cuda,
                                        .options = {.threads = 1},
                                        .tolerance = 1e-5,
                                        .slow = true,
                                        .begin = cuda_subject_begin,
                                        .end = cuda_subject_end};
    Suite *suite = suite_create("device cuda");
    setenv("SLUICE_CUDA_GRAPHS", graphs, 1);
    conformance_add(suite, &cuda);
    return harness_run(suite);
}

#endif
