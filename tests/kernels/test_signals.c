/* test_signals.c: DFT and STFT beside their references. */
#include "harness.h"
#include "step_rig.h"

START_TEST(transforms) {
    static const char *const inputs[] = {"f:2,1,1 - i64{1}", "f:2,31,2 - i64{1}", "f:3,64,1 - i64{1}",
                                         "f:1,5,33,2 - i64{1}", "f:2,129,1,2 - i64{2}"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs - 1; i++)
        step_text("DFT", "", inputs[i]);
    step_text("DFT", "inverse=1", "f:2,31,2 - i64{1}");
    step_text("DFT", "onesided=1", "f:2,130,1 - i64{1}");
    step_text("DFT", "onesided=1", "f:2,20,1 i64{33} i64{1}"); /* zeros follow */
    step_text("DFT", "onesided=1", "f:2,20,1 i64{7} i64{1}");  /* cut off */
    step_text("DFT", "inverse=1 onesided=1", "f:2,17,2 - i64{1}");
    step_text("DFT", "inverse=1 onesided=1", "f:2,17,2 i64{33} i64{1}");
    step_text("DFT@17", "axis=1 onesided=1", "f:1,10,4,1");
    step_text("DFT", "#rows onesided=1", "f:5,257,1 - i64{1}");
}
END_TEST

START_TEST(frames) {
    step_text("STFT@17", "", "f:2,200,1 i64{16} cf:64 i64{64}");
    step_text("STFT@17", "", "f:2,200 i64{10} cf:33");
    step_text("STFT@17", "onesided=0", "f:2,130,2 i64{40} - i64{64}");
    step_text("STFT@17", "#rows", "f:3,300,1 i64{130} cf:131+ i64{131}");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("signals");
    TCase *t = tcase_create("signals");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, transforms);
    tcase_add_test(t, frames);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
