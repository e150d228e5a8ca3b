/* The conformance suite on device 'cuda', on the mock runtime and the model of a GPU: with graphs and with plain
 * launches. */
#include <stdlib.h>

#include "conformance.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/unit/harness.h"

static void begin(void) {
    struct mock_options options = mock_defaults();
    mock_reset(&options);
}

static void end(void) {
    ck_assert_ptr_null(mock_misuse());
    ck_assert_uint_eq(mock_leaks(), 0);
}

int main(void) {
    static const struct subject cuda = {&device_cuda, {.threads = 1}, 1e-5};
    Suite *suite = suite_create("device cuda");
    conformance_add_fixture(suite, &cuda, begin, end);
    return harness_run(suite);
}
