/* The conformance suite on the CPU with all its providers. */
#include "conformance.h"
#include "tests/unit/harness.h"

int main(void) {
    static const struct subject cpu = {.ops = &device_cpu, .options = {.threads = 3}, .tolerance = 1e-5};
    Suite *suite = suite_create("device cpu");
    conformance_add(suite, &cpu);
    return harness_run(suite);
}
