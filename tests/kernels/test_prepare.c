/* test_prepare.c: a model's own preprocessing as one launch of prepare.cu: runs of steps around a Resize,
 * each beside its references on the same pixels; what must be left to their own kernels; and whether a result
 * that is wrong is seen. */
#include <string.h>

#include "harness.h"
#include "run_rig.h"

#define CHW "perm=[0,3,1,2]"
#define MEAN " cf:1,3,1,1"
#define STD " f{0.25}"

/* ---- tests ---- */

/* Every filter, shrinking and enlarging, to odd sizes, of pixels as decoders give them. */
START_TEST(filters) {
    static const char *const modes[] = {"mode='linear'",
                                        "mode='linear' antialias=1",
                                        "mode='cubic'",
                                        "mode='cubic' antialias=1 cubic_coeff_a=-0.5f",
                                        "mode='cubic' exclude_outside=1",
                                        "mode='nearest'",
                                        "mode='nearest' coordinate_transformation_mode='asymmetric'",
                                        "mode='linear' coordinate_transformation_mode='align_corners'",
                                        "mode='linear' coordinate_transformation_mode='pytorch_half_pixel'"};
    static const char *const sizes[] = {". - - i64{2,3,7,5}", ". - - i64{2,3,37,41}", ". - - i64{2,3,17,23}",
                                        ". - - i64{2,3,1,1}", ". - - i64{2,3,9,67}",
                                        /* a block's tile, and one more each way */
                                        ". - - i64{2,3,8,32}", ". - - i64{2,3,9,33}"};
    const struct run_line run[] = {{"Transpose", CHW, "u8:2,17,23,3%256"},
                                   {"Cast", "to=1", "."},
                                   {"Resize", modes[_i], sizes[0]},
                                   {"Sub", "", "." MEAN},
                                   {"Div", "", "." STD},
                                   RUN_END};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct run_line with[6];
        memcpy(with, run, sizeof with);
        with[2].inputs = sizes[i];
        run_check(with, 1, false);
    }
}
END_TEST

/* Crops that end at the borders; steps of a Slice; channels turned round and left out. */
START_TEST(crops) {
    static const char *const cuts[] = {
        ". i64{0,0} i64{9,11} i64{2,3}",           ". i64{8,12} i64{17,23} i64{2,3}",
        ". i64{0,22} i64{17,23} i64{2,3}",         ". i64{16,0} i64{17,23} i64{2,3}",
        ". i64{1,2} i64{17,23} i64{2,3} i64{2,3}", ". i64{16,22} i64{-100,-100} i64{2,3} i64{-1,-1}",
        ". i64{-1} i64{-100} i64{1} i64{-1}"};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        for (int k = 0; k < 3; k++) {
            const char *modes[] = {"mode='linear' antialias=1", "mode='linear'", "mode='nearest'"};
            const struct run_line run[] = {
                {"Transpose", CHW, "u8:2,17,23,3%256"},      {"Slice", "", cuts[i]}, {"Cast", "to=1", "."},
                {"Resize", modes[k], ". - - i64{2,3,8,13}"}, {"Mul", "", "." MEAN},  RUN_END};
            run_check(run, 1, false);
        }
    const struct run_line alpha[] = {{"Slice", "", "u8:1,9,10,4%256 i64{2,1,0} i64{8,9,3} i64{1,2,3}"},
                                     {"Cast", "to=1", "."},
                                     {"Resize", "mode='cubic'", ". - - i64{1,11,9,3}"},
                                     {"Transpose", CHW, "."},
                                     {"Sub", "", "." MEAN},
                                     RUN_END};
    run_check(alpha, 1, false);
    const struct run_line middle[] = {{"CenterCropPad", "axes=[1,2]", "u8:1,15,12,3%256 i64{10,7}"},
                                      {"Cast", "to=1", "."},
                                      {"Resize", "mode='linear'", ". - - i64{1,20,9,3}"},
                                      RUN_END};
    run_check(middle, 1, false);
}
END_TEST

/* Planar pixels, one channel and four, one pixel, floats, and an image wider than many tiles. */
START_TEST(layouts) {
    static const char *const pixels[] = {"u8:1,3,13,18%256", "u8:3,1,21,9%256", "u8:1,4,6,7%256",
                                         "u8:2,3,1,1%256",   "f:2,3,12,11",     "u8:1,3,5,300%256"};
    static const char *const sizes[] = {". - - i64{1,3,9,10}", ". - - i64{3,1,30,4}", ". - - i64{1,4,12,3}",
                                        ". - - i64{2,3,6,5}",  ". - - i64{2,3,5,25}", ". - - i64{1,3,4,133}"};
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++)
        for (int k = 0; k < 4; k++) {
            const struct run_line run[] = {
                {"Cast", "to=1", pixels[i]},
                {"Resize", k % 2 ? "mode='linear'" : "mode='cubic' antialias=1", sizes[i]},
                {"Mul", "", ". f{0.017}"},
                {"Add", "", ". f{-2}"},
                RUN_END};
            run_check(run, 1, k >= 2);
        }
}
END_TEST

/* Sizes where a block makes one row, or none of its patch fits: much smaller than the image. */
START_TEST(far_apart) {
    const struct run_line tall[] = {{"Cast", "to=1", "u8:1,700,40,3%256"},
                                    {"Resize", "mode='linear' antialias=1", ". - - i64{1,3,40,3}"},
                                    RUN_END};
    const struct run_line wide[] = {{"Cast", "to=1", "u8:1,3,300,500%256"},
                                    {"Resize", "mode='cubic' antialias=1", ". - - i64{1,3,2,3}"},
                                    {"Div", "", ". f{255}"},
                                    RUN_END};
    run_check(tall, 1, false);
    run_check(wide, 1, false);
}
END_TEST

/* Bytes in between: what Resize rounds, Round, Clip and casts back and forth. Factors and offsets that stand
 * before Resize come after it, and a sluice.Affine with them. */
START_TEST(numbers) {
    const struct run_line bytes[] = {
        {"Resize", "mode='linear' antialias=1", "u8:2,19,14,3%256 - - i64{2,8,9,3}"},
        {"Cast", "to=1", "."},
        {"Div", "", ". f{255}"},
        {"Sub", "", ". cf:3"},
        {"Transpose", CHW, "."},
        {"Div", "", "." STD},
        RUN_END};
    const struct run_line clipped[] = {{"Cast", "to=1", "u8:1,3,9,9%256"},
                                       {"Resize", "mode='cubic'", ". - - i64{1,3,20,14}"},
                                       {"Clip", "", ". f{0} f{255}"},
                                       {"Round", "", "."},
                                       {"Cast", "to=2", "."},
                                       {"Cast", "to=1", "."},
                                       {"Mul", "", ". f{0.0039}"},
                                       RUN_END};
    const struct run_line before[] = {{"Cast", "to=1", "u8:1,3,17,16%256"},
                                      {"Div", "", ". f{255}"},
                                      {"Sub", "", "." MEAN},
                                      {"Div", "", "." STD},
                                      {"Resize", "mode='linear' antialias=1", ". - - i64{1,3,6,7}"},
                                      {"Add", "", ". f{0.5}"},
                                      RUN_END};
    const struct run_line affine[] = {
        {"sluice:Affine", "scale=[0.017f,0.018f,0.019f] offset=[-2f,-2.1f,-1.8f] chw=1", "u8:2,11,8,3%256"},
        {"Resize", "mode='linear'", ". - - i64{2,3,20,5}"},
        RUN_END};
    run_check(before, 1, false);
    run_check(affine, 1, false);
    run_check_floats(bytes, 1);
    run_check_floats(clipped, 1);
}
END_TEST

/* What is not of this kind: more channels than pixels have, what lies outside, pixels that others read or
 * whose memory is used again, bytes that nobody writes any more, a constant along another dim, another
 * operator. */
START_TEST(left_alone) {
    const struct run_line many[] = {
        {"Cast", "to=1", "u8:1,5,9,8%256"}, {"Resize", "mode='linear'", ". - - i64{1,5,4,6}"}, RUN_END};
    const struct run_line outside[] = {
        {"Cast", "to=1", "u8:1,3,5,6%256"},
        {"Resize", "mode='linear' coordinate_transformation_mode='tf_crop_and_resize' extrapolation_value=9f",
         ". f{0,0,-0.5,0.2,1,1,1.2,0.9} - i64{1,3,4,4}"},
        RUN_END};
    const struct run_line along[] = {{"Cast", "to=1", "u8:1,3,5,8%256"},
                                     {"Resize", "mode='linear'", ". - - i64{1,3,4,8}"},
                                     {"Mul", "", ". cf:8"},
                                     RUN_END};
    const struct run_line other[] = {{"Cast", "to=1", "u8:1,3,5,8%256"},
                                     {"Resize", "mode='linear'", ". - - i64{1,3,4,8}"},
                                     {"Relu", "", "."},
                                     RUN_END};
    const struct run_line twice[] = {{"Resize", "mode='nearest'", "u8:1,3,9,8%256 - - i64{1,3,7,6}"},
                                     {"Cast", "to=1", "."},
                                     {"Resize", "mode='linear'", ". - - i64{1,3,5,11}"},
                                     RUN_END};
    run_check_floats(twice, 2);
    run_check(many, 2, false);
    run_check(outside, 2, false);
    run_check(along, 2, false);
    run_check(other, 2, false);
    const struct run_line run[] = {{"Cast", "to=1", "u8:1,3,5,8%256"},
                                   {"Resize", "mode='linear'", ". - - i64{1,3,4,8}"},
                                   {"Mul", "", ". f{2}"},
                                   RUN_END};
    for (int way = 0; way < 3; way++) {
        struct run r;
        run_begin(&r, run, K_F32);
        if (way == 0)
            r.values[r.out[0]].viewed = true;
        if (way == 1)
            r.values[r.out[1]].place = PLAN_OUTPUT;
        if (way == 2) { /* Resize's result takes the memory of the pixels */
            r.values[r.in[0][0]].place = PLAN_ARENA;
            r.values[r.in[0][0]].offset = r.values[r.out[1]].offset;
        }
        run_references(&r);
        ck_assert_msg(run_match(&r) == (way == 1 ? 2 : 3), "%d", way);
        ck_assert_double_le(run_launch(&r), 1e-5);
        run_end(&r);
    }
}
END_TEST

/* One pixel that the references do not have is seen: at the corners too. */
START_TEST(planted) {
    const struct run_line run[] = {{"Cast", "to=1", "u8:1,3,9,40%256"},
                                   {"Resize", "mode='linear' antialias=1", ". - - i64{1,3,5,23}"},
                                   RUN_END};
    static const size_t pixels[] = {0, 39, 8 * 40, 3 * 9 * 40 - 1};
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++) {
        struct run r;
        run_begin(&r, run, K_F32);
        run_references(&r);
        ((uint8_t *)r.data[r.in[0][0]])[pixels[i]] ^= 0x40;
        ck_assert_uint_eq(run_match(&r), 1);
        ck_assert_double_gt(run_launch(&r), 1e-3);
        run_end(&r);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("prepare");
    TCase *t = tcase_create("prepare");
    tcase_set_timeout(t, 240);
    tcase_add_loop_test(t, filters, 0, 9);
    tcase_add_test(t, crops);
    tcase_add_test(t, layouts);
    tcase_add_test(t, far_apart);
    tcase_add_test(t, numbers);
    tcase_add_test(t, left_alone);
    tcase_add_test(t, planted);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
