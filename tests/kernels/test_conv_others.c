/* test_conv_others.c: convolutions of levels, and deformed ones. */
#include "harness.h"
#include "step_rig.h"

START_TEST(integers) {
    step_text("ConvInteger", "pads=[1,1,1,1]", "u8:2,3,5,4 ci8:7,3,3,3");
    step_text("ConvInteger", "strides=[2,1] dilations=[1,2] pads=[0,2,1,0]", "i8:1,4,6,7 cu8:6,4,3,2");
    step_text("ConvInteger", "group=2 pads=[1,1]", "u8:2,4,9 cu8:6,2,3 u8{37} u8{200}");
    step_text("ConvInteger", "", "i8:1,2,3,3,3 ci8:3,2,2,2,2 i8{-5} i8{-3,4,100}");
    step_text("ConvInteger", "pads=[4,4,4,4]", "u8:1,1,2,2 ci8:3,1,5,5 u8{255}");
    step_text("ConvInteger", "#rows", "u8:3,3,5,4 ci8:7,3,3,3 u8{3}");
}
END_TEST

/* x, its scale and zero, w, its scale and zero, those of y, bias. */
START_TEST(linear) {
    step_text("QLinearConv", "pads=[1,1,1,1]",
              "u8:2,3,5,4 f{0.02} u8{128} ci8:7,3,3,3 f{0.01} i8{0} f{0.05} u8{100} ci32:7");
    step_text("QLinearConv", "group=4 strides=[2,2]",
              "i8:1,8,7,7 f{0.02} i8{-7} ci8:8,2,3,3 f{0.01,0.02,0.03,0.015,0.01,0.02,0.03,0.015} i8{0} "
              "f{0.04} i8{5}");
    step_text("QLinearConv", "auto_pad='SAME_UPPER' strides=[2,2]",
              "u8:2,8,5,5 f{0.5} u8{0} cu8:3,8,1,1 f{0.25,0.5,1} u8{1,2,3} f{8} u8{0} ci32:3");
}
END_TEST

START_TEST(too_long_sums) {
    step_text_refused("ConvInteger", "", "u8:1,33026,1,1 ci8:1,33026,1,1", "sums of 33026 products");
}
END_TEST

static void both(const char *attrs, const char *inputs) {
    char last[200];
    snprintf(last, sizeof last, "#last %s", attrs);
    step_text("DeformConv", attrs, inputs);
    if (!strstr(attrs, "#f32"))
        return;
    step_text("DeformConv", last, inputs);
}

/* Offsets up to 2 in all directions, so some places lie outside. */
START_TEST(deformed) {
    both("#f32 pads=[1,1,1,1]", "f:2,3,5,6 cf:4,3,3,3 f:2,18,5,6");
    both("#f32 strides=[2,1] dilations=[1,2] pads=[1,0,0,2]",
         "f:1,8,6,5 cf:9,8,2,3 f:1,12,3,3 cf:9 f:1,6,3,3");
    both("#f32 group=2 offset_group=2", "f:1,12,4,5 cf:6,6,2,2 f:1,16,3,4 cf:6 f:1,8,3,4");
    both("#f32 group=3 offset_group=1", "f:2,6,3,3 cf:3,2,2,2 f:2,8,2,2 cf:3");
    both("pads=[1,1,1,1]", "f:1,16,4,4 cf:8,16,3,3 f:1,18,4,4 cf:8 f:1,9,4,4+");
    step_text("DeformConv", "#rows", "f:4,8,4,4 cf:8,8,3,3 f:4,18,2,2");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("conv_others");
    TCase *t = tcase_create("conv_others");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, integers);
    tcase_add_test(t, linear);
    tcase_add_test(t, too_long_sums);
    tcase_add_test(t, deformed);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
