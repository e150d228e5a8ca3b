/* test_attention.c: attention beside its reference. */
#include "harness.h"
#include "step_rig.h"
#include "tests/kernels/simt/simt.h"

/* Queries and keys around warps and tiles, heads of sizes that fit chunks and that do not. */
START_TEST(sizes) {
    static const char *const inputs[] = {
        "f:1,1,1,8 f:1,1,1,8 f:1,1,1,8",         "f:2,2,31,32 f:2,2,33,32 f:2,2,33,32",
        "f:1,2,64,64 f:1,2,64,64 f:1,2,64,64",   "f:1,1,65,64 f:1,1,129,64 f:1,1,129,64",
        "f:1,1,7,128 f:1,1,70,128 f:1,1,70,128", "f:1,2,5,40 f:1,2,66,40 f:1,2,66,24",
        "f:1,1,17,20 f:1,1,19,20 f:1,1,19,13",   "f:1,1,3,160 f:1,1,35,160 f:1,1,35,200"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        step_text("Attention", "", inputs[i]);
}
END_TEST

START_TEST(heads_side_by_side) {
    step_text("Attention", "q_num_heads=4 kv_num_heads=4", "f:2,9,64 f:2,11,64 f:2,11,64");
    step_text("Attention", "q_num_heads=4 kv_num_heads=2 scale=0.3f", "f:2,9,128 f:2,70,64 f:2,70,64");
    step_text("Attention", "", "f:1,6,5,16 f:1,2,9,16 f:1,2,9,16");
}
END_TEST

START_TEST(masks) {
    step_text("Attention", "", "f:2,2,9,32 f:2,2,70,32 f:2,2,70,32 f:2,1,1,70");
    step_text("Attention", "", "f:2,2,9,32 f:2,2,70,32 f:2,2,70,32 f:2,9,70");
    step_text("Attention", "", "f:2,2,9,32 f:2,2,70,32 f:2,2,70,32 b:9,70");
    step_text("Attention", "",
              "f:2,2,9,32 f:2,2,70,32 f:2,2,70,32 b:9,1"); /* some queries see no key at all */
    step_text("Attention", "", "f:1,1,5,16 f:1,1,20,16 f:1,1,20,16 f:5,12"); /* shorter than the keys */
    step_text("Attention", "", "f:2,1,5,16 f:2,1,20,16 f:2,1,20,16 f:1,12"); /* the same for all queries */
    step_text("Attention", "", "f:2,2,9,32 f:2,2,70,32 f:2,2,70,32 b:2,1,1,70");
    step_text("Attention", "", "f:2,2,9,31 f:2,2,33,31 f:2,2,33,31 b:2,1,1,33");
    step_text("Attention", "is_causal=1", "f:1,2,70,32 f:1,2,70,32 f:1,2,70,32");
    step_text("Attention", "is_causal=1 softcap=2.0f", "f:1,1,9,16 f:1,1,5,16 f:1,1,5,16");
    step_text("Attention@26", "left_window_size=3 right_window_size=2",
              "f:1,1,90,16 f:1,1,90,16 f:1,1,90,16");
    step_text("Attention@24", "", "f:3,1,4,16 f:3,1,80,16 f:3,1,80,16 - - - i64{7,80,66}");
    step_text("Attention@24", "is_causal=1", "f:3,1,4,16 f:3,1,80,16 f:3,1,80,16 - - - i64{7,80,66}");
}
END_TEST

START_TEST(rows_do_not_know_each_other) {
    step_text("Attention", "#rows q_num_heads=2 kv_num_heads=2", "f:5,9,64 f:5,70,64 f:5,70,64");
}
END_TEST

/* Rows from before, asked for again or not, side by side or head by head. */
START_TEST(past) {
    step_text("Attention", "#out=3", "f:2,2,5,32 f:2,2,5,32 f:2,2,5,24 - f:2,2,9,32 f:2,2,9,24");
    step_text("Attention", "is_causal=1 #out=3",
              "f:2,4,3,16 f:2,2,3,16 f:2,2,3,16 - f:2,2,64,16 f:2,2,64,16");
    step_text("Attention", "q_num_heads=2 kv_num_heads=2 is_causal=1",
              "f:2,5,64 f:2,5,64 f:2,5,66 b:5,8 f:2,2,3,32 f:2,2,3,33");
    step_text("Attention", "q_num_heads=2 kv_num_heads=2 #out=3", "f:2,5,64 f:2,7,64 f:2,7,64");
    step_text_refused("Attention", "#out=4", "f:1,1,2,8 f:1,1,2,8 f:1,1,2,8", "scores");
}
END_TEST

/* Lengths of the batch's own, turned by position, packed or apart, with a bias, a sink, norms. */
START_TEST(groups) {
    static const char *const op = "com.microsoft:GroupQueryAttention";
    step_text(op, "num_heads=4 kv_num_heads=2", "f:2,5,64 f:2,5,32 f:2,5,32 - - i32{4,2} i32{5}");
    step_text(op, "num_heads=4 kv_num_heads=2 #out=3",
              "f:2,5,128 - - f:2,2,9,16 f:2,2,9,16 i32{13,6} i32{14}");
    step_text(op, "num_heads=4 kv_num_heads=2 do_rotary=1 #out=3",
              "f:2,1,64 f:2,1,32 f:2,1,32 f:2,2,70,16 f:2,2,70,16 i32{69,33} i32{70} cf:80,8 cf:80,8");
    step_text(op,
              "num_heads=2 kv_num_heads=2 do_rotary=1 rotary_interleaved=1 softcap=3.0f scale=0.5f #out=3",
              "f:2,7,32 f:2,7,32 f:2,7,32 - - i32{6,3} i32{7} cf:9,4 cf:9,4 i64:2,7%9");
    step_text(op, "num_heads=2 kv_num_heads=1 local_window_size=3 smooth_softmax=1",
              "f:2,9,32 f:2,9,16 f:2,9,16 - - i32{8,4} i32{9}");
    step_text(op, "num_heads=2 kv_num_heads=1 causal=0 q_norm_epsilon=0.5f #out=3",
              "f:2,4,32 f:2,4,16 f:2,4,16 f:2,1,3,16 f:2,1,3,16 i32{6,5} i32{7} - - - f:1,2,4,8 cf:2 - - "
              "cf:16 cf:16");
}
END_TEST

START_TEST(no_bank_conflicts) {
    static const char *const inputs[] = {"f:1,1,64,32 f:1,1,64,32 f:1,1,64,32",
                                         "f:1,1,64,64 f:1,1,64,64 f:1,1,64,64",
                                         "f:1,1,64,128 f:1,1,64,128 f:1,1,64,128"};
    for (int i = 0; i < 3; i++) {
        simt_counts_clear();
        step_text("Attention", "", inputs[i]);
        struct simt_counts c = simt_counts();
        ck_assert_uint_gt(c.mma, 0);
        ck_assert_msg(c.ldmatrix_conflict == 0, "%s: %s", inputs[i], c.ldmatrix_site);
    }
}
END_TEST

START_TEST(shared_memory_of_sm_75) {
    step_arch = 75;
    simt_options.shared_limit = 64 << 10;
    step_text("Attention", "", "f:1,1,9,128 f:1,1,70,128 f:1,1,70,128");
    step_text("Attention", "", "f:1,1,9,256 f:1,1,20,256 f:1,1,20,256");
    simt_options.shared_limit = 0;
    step_arch = 90;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("attention");
    TCase *t = tcase_create("attention");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, sizes);
    tcase_add_test(t, heads_side_by_side);
    tcase_add_test(t, masks);
    tcase_add_test(t, rows_do_not_know_each_other);
    tcase_add_test(t, past);
    tcase_add_test(t, groups);
    tcase_add_test(t, no_bank_conflicts);
    tcase_add_test(t, shared_memory_of_sm_75);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
