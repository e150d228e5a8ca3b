/* test_gemm_int8.c: products of levels beside their references. */
#include "harness.h"
#include "step_rig.h"
#include "tests/kernels/simt/simt.h"

/* Both signs on both sides, constant weights and not, around the edges of tiles and of 16 levels. */
START_TEST(integers) {
    static const char *const types[] = {"u8", "i8"};
    static const int m[] = {1, 31, 33, 65}, n[] = {33, 1, 8, 67}, k[] = {1, 16, 33, 80};
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++)
            for (int i = 0; i < 4; i++) {
                char inputs[100];
                snprintf(inputs, sizeof inputs, "%s:%d,%d%s %s%s:%d,%d%s", types[a], m[i], k[i],
                         a ? "" : "%256", i % 2 ? "c" : "", types[b], k[i], n[i], b ? "" : "%256");
                step_text("MatMulInteger", "#f32", inputs);
            }
}
END_TEST

START_TEST(zeros) {
    step_text("MatMulInteger", "#f32", "u8:5,32%256 ci8:32,9 cu8{7} ci8{0}");
    step_text("MatMulInteger", "#f32", "u8:5,32%256 cu8:32,9%256 u8{7} cu8{128}");
    step_text("MatMulInteger", "#f32", "u8:5,32%256 cu8:32,9%256 - cu8:9%256");
    step_text("MatMulInteger", "#f32", "u8:5,33%256 u8:33,9%256 cu8:5%256 cu8:9%256");
    step_text("MatMulInteger", "#f32", "i8:5,33 i8:33,9 i8:5,1 i8:1,9");
    step_text("MatMulInteger", "#f32", "i8:33 i8:33 i8{-3} i8{5}");
    step_text("MatMulInteger", "#f32", "u8:2,3,5,17%256 u8:3,17,6%256 cu8{3} cu8{9}");
    step_text("MatMulInteger", "#f32", "u8:3,1,5,17%256 u8:2,17,6%256 u8{3} u8{9}");
    step_text("MatMulInteger", "#f32", "u8:3,5,16%256 ci8:16,6 u8:1%256 i8:6");
    step_text_refused("MatMulInteger", "", "u8:2,5,17%256 u8:2,17,6%256 u8:2,5,1%256", "each row");
    step_text_refused("MatMulInteger", "", "u8:1,33026%2 u8:33026,1%2", "fit 32 bits");
}
END_TEST

/* Back to levels: the very ones of the reference. */
START_TEST(levels) {
    step_text("QLinearMatMul", "", "u8:33,48%256 f{0.02} u8{120} ci8:48,40 cf{0.01} ci8{0} cf{0.5} cu8{100}");
    step_text("QLinearMatMul", "", "i8:7,48 f{0.02} i8{3} ci8:48,20 cf:20+ ci8:20 cf{9.5} ci8{-3}");
    step_text("QLinearMatMul", "", "i8:7,9 f:7,1+ i8:7,1 i8:9,20 f:1,20+ i8:1,20 f{9.5} i8{-3}");
    step_text("com.microsoft:QGemm", "transB=1 alpha=0.5f",
              "u8:9,32%256 f{0.02} u8{12} ci8:24,32 cf:24+ ci8:24 ci32:24 cf{0.5} cu8{100}");
    step_text("com.microsoft:QGemm", "transA=1 transB=1",
              "u8:32,9%256 f{0.02} u8{12} u8:24,32%256 f{0.01} u8{128} i32:24");
    step_text("com.microsoft:QGemm", "",
              "u8:9,32%256 f{0.02} u8{12} u8:32,24%256 f{0.01} u8{120} - f{0.3} u8{1}");
}
END_TEST

START_TEST(floats) {
    step_text("com.microsoft:MatMulIntegerToFloat", "",
              "u8:9,33%256 ci8:33,17 f{0.02} cf:17+ u8{120} ci8:17 cf:17");
    step_text("com.microsoft:MatMulIntegerToFloat", "", "i8:2,9,32 i8:2,32,17 f{0.02} f{0.01}");
    step_text("com.microsoft:DynamicQuantizeMatMul", "#f32", "f:9,40 ci8:40,17 cf:17+ ci8:17 cf:17");
    step_text("com.microsoft:DynamicQuantizeMatMul", "#f32", "f:2,9,41 cu8:41,17%256 cf{0.02} cu8{128}");
    step_text_refused("com.microsoft:MatMulIntegerToFloat", "",
                      "u8:9,32%256 ci8:32,9 f{0.02} cf{0.01} - - f:9,9", "input 6");
}
END_TEST

START_TEST(rows_do_not_know_each_other) {
    step_text("QLinearMatMul", "#rows",
              "u8:66,80%256 f{0.02} u8{120} ci8:80,40 cf{0.01} ci8{3} cf{0.5} cu8{100}");
}
END_TEST

START_TEST(large_tiles) {
    step_text("MatMulInteger", "#f32", "u8:129,64%256 ci8:64,15361 cu8{3}");
}
END_TEST

START_TEST(no_bank_conflicts) {
    simt_counts_clear();
    step_text("MatMulInteger", "#f32", "u8:64,64%256 ci8:64,64");
    struct simt_counts c = simt_counts();
    ck_assert_uint_gt(c.ldmatrix, 0);
    ck_assert_uint_gt(c.mma, 0);
    ck_assert_msg(c.ldmatrix_conflict == 0, "%s", c.ldmatrix_site);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gemm_int8");
    TCase *tc = tcase_create("gemm_int8");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, integers);
    tcase_add_test(tc, zeros);
    tcase_add_test(tc, levels);
    tcase_add_test(tc, floats);
    tcase_add_test(tc, rows_do_not_know_each_other);
    tcase_add_test(tc, large_tiles);
    tcase_add_test(tc, no_bank_conflicts);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
