/* test_conv.c: convolutions beside their references, images row-major and channels-last. */
#include "harness.h"
#include "step_rig.h"
#include "tests/kernels/simt/simt.h"

static void both(const char *op, const char *attrs, const char *inputs) {
    char last[300];
    snprintf(last, sizeof last, "#last %s", attrs);
    step_text(op, attrs, inputs);
    step_text(op, last, inputs);
}

/* Strides, dilations, paddings of all sides, kernels larger than the image, 1 to 3 dims. */
START_TEST(windows) {
    both("Conv", "pads=[1,1,1,1]", "f:2,8,5,6 cf:16,8,3,3 cf:16");
    both("Conv", "strides=[2,2] pads=[0,1,2,1]", "f:1,16,7,5 cf:8,16,3,2");
    both("Conv", "dilations=[2,3] pads=[2,3,2,3]", "f:2,8,6,7 cf:9,8,3,3 cf:9");
    both("Conv", "strides=[3,2]", "f:1,8,8,7 cf:8,8,1,1");
    both("Conv", "pads=[3,3,3,3]", "f:1,8,2,2 cf:8,8,5,5");
    both("Conv", "auto_pad='SAME_UPPER' strides=[2,2]", "f:1,8,5,5 cf:8,8,3,3");
    both("Conv", "pads=[1,1]", "f:3,8,11 cf:8,8,3");
    both("Conv", "pads=[1,1,1,1,1,1]", "f:1,8,3,4,5 cf:8,8,3,3,3");
    both("Conv", "", "f:1,8,1,1 cf:40,8,1,1 cf:40");
}
END_TEST

/* Channels that are no multiple of 16 bytes are filled up. */
START_TEST(channels) {
    both("Conv", "pads=[1,1,1,1]", "f:2,3,6,5 cf:5,3,3,3 cf:5");
    both("Conv", "strides=[2,2] pads=[3,3,3,3]", "f:1,3,13,12 cf:16,3,7,7 cf:16");
    both("Conv", "", "f:1,1,4,4 cf:3,1,3,3");
    both("Conv", "", "f:2,13,4,3 cf:7,13,2,2");
    both("Conv", "", "f:2,300,2,2 cf:3,300,1,1 cf:3");
}
END_TEST

/* More positions of a kernel than taps_near has bits. */
START_TEST(wide_kernels) {
    both("Conv", "pads=[40,39]", "f:2,8,50 cf:9,8,70 cf:9");
    both("Conv", "pads=[35,30] strides=[3] dilations=[2] group=2", "f:2,16,90 cf:16,8,66");
    both("Conv", "pads=[31,31]", "f:1,8,9 cf:8,8,62");
    both("Conv", "pads=[4,4,4,4]", "f:1,8,5,5 cf:8,8,9,9");
}
END_TEST

/* Enough tiles for the larger ones: 120 and more. */
START_TEST(large_tiles) {
    step_text("Conv", "#last", "f:1,8,128,120 cf:40,8,2,1 cf:40");
    step_text("Conv", "#last", "f:1,8,90,87 cf:136,8,1,2");
    step_tf32 = true;
    step_text("Conv", "#last #f32 pads=[1,0,0,0]", "f:1,8,128,120 cf:40,8,2,1");
    step_tf32 = false;
}
END_TEST

START_TEST(groups) {
    both("Conv", "group=2 pads=[1,1,1,1]", "f:2,16,5,4 cf:24,8,3,3 cf:24");
    both("Conv", "group=4", "f:1,12,4,4 cf:8,3,2,2 cf:8");
    both("Conv", "group=6", "f:1,6,4,4 cf:12,1,3,3");                           /* two filters a channel */
    both("Conv", "group=32 pads=[1,1,1,1]", "f:1,128,4,3 cf:128,4,3,3 cf:128"); /* sixteen at a time */
    both("Conv", "group=3", "f:2,15,3,3 cf:6,5,2,2 cf:6");
    both("Conv", "group=2", "f:1,26,3,4 cf:140,13,1,1"); /* filled up, but not merged */
}
END_TEST

START_TEST(depthwise) {
    both("Conv", "group=16 pads=[1,1,1,1]", "f:2,16,5,6 cf:16,1,3,3 cf:16");
    both("sluice:Conv", "group=16 pads=[2,2,2,2] strides=[2,2] activation='Silu'",
         "f:1,16,7,5 cf:16,1,5,5 cf:16");
    both("sluice:Conv", "group=13 activation='Relu'", "f:2,13,4,5 cf:13,1,3,3 cf:13 f:2,13,2,3");
    both("Conv", "group=8 pads=[2,0] dilations=[2]", "f:2,8,9 cf:8,1,3");
    both("Conv", "group=8 pads=[2,1,2,3]", "f:2,8,3,9 cf:8,1,5,5");
    both("Conv", "group=8 pads=[3,3,3,3]", "f:1,8,6,5 cf:8,1,7,7 cf:8");
    both("Conv", "group=24 pads=[0,3,2,3] strides=[2,2]", "f:1,24,7,10 cf:24,1,3,7");
    both("Conv", "group=16 pads=[1,1] strides=[2]", "f:2,16,17 cf:16,1,3");
    both("Conv", "group=16 strides=[1,3] pads=[0,1,0,1]", "f:1,16,4,11 cf:16,1,2,3");
    both("Conv", "group=8 pads=[1,1,1,1,1,1]", "f:1,8,3,4,5 cf:8,1,3,3,3");
}
END_TEST

START_TEST(what_follows) {
    both("sluice:Conv", "pads=[1,1,1,1] activation='Relu'", "f:2,8,4,4 cf:16,8,3,3 cf:16 f:2,16,4,4");
    both("sluice:Conv", "activation='Clip' alpha=0.0f beta=6.0f", "f:2,8,4,3 cf:16,8,1,1 cf:16");
    both("sluice:Conv", "group=8 activation='LeakyRelu' alpha=0.1f", "f:2,8,4,3 cf:8,1,1,3 cf:8 f:2,8,4,1");
    both("sluice:Conv", "activation='HardSwish'", "f:1,3,4,4 cf:6,3,3,3 cf:6 f:1,6,2,2");
}
END_TEST

START_TEST(transposed) {
    both("ConvTranspose", "strides=[2,2]", "f:2,8,4,3 cf:8,6,2,2 cf:6");
    both("ConvTranspose", "strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]", "f:1,5,3,4 cf:5,3,3,3");
    both("ConvTranspose", "group=2 strides=[2,1] dilations=[1,2]", "f:1,8,3,3 cf:8,4,3,2 cf:8");
    both("ConvTranspose", "strides=[3]", "f:2,4,5 cf:4,2,2 cf:2");
    both("ConvTranspose", "strides=[4,1] dilations=[2,1] pads=[3,0,1,0]", "f:1,16,3,3 cf:16,9,5,2 cf:9");
    both("ConvTranspose", "strides=[2,3] dilations=[3,2] pads=[0,4,2,1]", "f:2,8,4,5 cf:8,8,4,4");
    both("ConvTranspose", "", "f:1,8,3,4 cf:8,16,3,3");
    both("ConvTranspose", "strides=[2,2,2] pads=[1,1,1,1,1,1]", "f:1,8,2,3,3 cf:8,3,4,4,4 cf:3");
    both("ConvTranspose", "strides=[2,2] auto_pad='SAME_UPPER'", "f:1,8,3,3 cf:8,8,3,3");
    both("ConvTranspose", "strides=[5,5] group=2", "f:2,8,3,2 cf:8,3,6,4 cf:6"); /* gathered */
    both("ConvTranspose", "strides=[20] pads=[3,7]", "f:2,5,4 cf:5,3,32 cf:3");
}
END_TEST

START_TEST(rows_do_not_know_each_other) {
    both("sluice:Conv", "#rows pads=[1,1,1,1] activation='Relu'", "f:9,8,3,3 cf:8,8,3,3 cf:8");
    both("Conv", "#rows group=8", "f:9,8,3,3 cf:8,1,2,2");
    both("ConvTranspose", "#rows strides=[2,2]", "f:7,8,3,3 cf:8,4,2,2");
}
END_TEST

START_TEST(refusals) {
    step_text_refused("Conv", "", "f:1,8,4,4 f:8,8,3,3", "weights that are not known");
    step_text_refused("Conv", "", "d:1,8,4,4 cd:8,8,3,3", "dtype 'double'");
    step_arch = 75;
    step_text("Conv", "#f32", "f:1,8,4,4 cf:8,8,3,3");
    step_arch = 90;
}
END_TEST

START_TEST(no_bank_conflicts) {
    simt_counts_clear();
    step_text("Conv", "#last pads=[1,1,1,1]", "f:2,32,6,6 cf:64,32,3,3");
    struct simt_counts c = simt_counts();
    ck_assert_uint_gt(c.ldmatrix, 0);
    ck_assert_uint_gt(c.cp_async, 0);
    ck_assert_msg(c.ldmatrix_conflict == 0, "%s", c.ldmatrix_site);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("conv");
    TCase *t = tcase_create("conv");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, windows);
    tcase_add_test(t, channels);
    tcase_add_test(t, large_tiles);
    tcase_add_test(t, wide_kernels);
    tcase_add_test(t, groups);
    tcase_add_test(t, depthwise);
    tcase_add_test(t, what_follows);
    tcase_add_test(t, transposed);
    tcase_add_test(t, rows_do_not_know_each_other);
    tcase_add_test(t, refusals);
    tcase_add_test(t, no_bank_conflicts);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
