/* The conformance suite on the fake, so that the suite itself is known not to lean on the CPU device; and the
 * device that is not there. */
#include "conformance.h"
#include "device_fake.h"
#include "tests/unit/harness.h"

START_TEST(absent_cuda_says_why) {
    char why[200] = "";
    struct device *device = NULL;
    struct device_options options = {.threads = 1};
    sl_error err = {0};
    if (device_cuda.count(why, sizeof why) > 0)
        return;
    ck_assert(why[0]);
    ck_assert_int_eq(device_cuda.open(&device, 0, &options, &err), SL_E_DEVICE);
    ck_assert(err.text[0]);
}
END_TEST

int main(void) {
    static const struct subject fake = {.ops = &device_fake, .options = {.threads = 1}, .tolerance = 0};
    Suite *suite = suite_create("device fake");
    fake_settings = (struct fake_settings){.depth = 3, .delay_us = 50};
    conformance_add(suite, &fake);
    TCase *tc = tcase_create("absent");
    tcase_add_test(tc, absent_cuda_says_why);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
