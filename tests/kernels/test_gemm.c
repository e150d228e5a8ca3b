/* test_gemm.c: products of matrices beside their references. */
#include "harness.h"
#include "step_rig.h"
#include "tests/kernels/simt/simt.h"

/* Around the edges of warps, tiles and lines: 1, 31, 32, 33, 64 + 1, primes. */
START_TEST(sizes) {
    static const int m[] = {1, 31, 32, 33, 65, 7}, n[] = {1, 33, 64, 8, 31, 67}, k[] = {1, 8, 31, 32, 33, 40};
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j += 2) {
            char inputs[100];
            snprintf(inputs, sizeof inputs, "f:%d,%d cf:%d,%d", m[i], k[(i + j) % 6], k[(i + j) % 6],
                     n[(i + 2 * j) % 6]);
            step_text("sluice:Linear", "", inputs);
        }
}
END_TEST

START_TEST(what_follows) {
    static const char *const acts[] = {"Relu",      "LeakyRelu", "Elu",  "Clip",     "Sigmoid", "HardSigmoid",
                                       "HardSwish", "Silu",      "Tanh", "GeluTanh", "Gelu",    "Mish"};
    char attrs[100];
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        snprintf(attrs, sizeof attrs, "activation='%s'%s", acts[i],
                 acts[i][0] == 'C' ? " alpha=-0.5f beta=0.75f" : "");
        step_text("sluice:Linear", attrs, "f:5,16 cf:16,24 cf:24 f:5,24");
    }
    step_text("sluice:Linear", "transB=1", "f:3,4,24 cf:17,24 cf:17");
    step_text("sluice:Linear", "", "f:3,24 cf:24,17 - f:3,17");
}
END_TEST

START_TEST(rows_do_not_know_each_other) {
    step_text("sluice:Linear", "#rows activation='Gelu'", "f:70,72 cf:72,40 cf:40");
    step_text("MatMul", "#rows", "f:66,33 cf:33,9");
}
END_TEST

START_TEST(large_tiles) {
    step_text("sluice:Linear", "", "f:130,64 cf:64,15500 cf:15500");
}
END_TEST

START_TEST(any_rank) {
    step_text("MatMul", "", "f:8 f:8");
    step_text("MatMul", "", "f:9 f:9,5");
    step_text("MatMul", "", "f:5,9 f:9");
    step_text("MatMul", "", "f:2,3,5,16 f:2,3,16,24");
    step_text("MatMul", "", "f:2,1,5,9 f:3,9,7");
    step_text("MatMul", "", "f:3,5,9 f:2,1,9,7");
    step_text("MatMul", "", "f:4,5,16 cf:16,8");
    step_text("com.microsoft:FusedMatMul", "transA=1 transB=1 alpha=0.125f", "f:2,16,5 f:2,24,16");
    step_text("Gemm", "transA=1 alpha=0.5f beta=2.0f", "f:16,5 f:16,7 cf:7");
    step_text("Gemm", "transB=1", "f:5,16 f:7,16 f:5,7");
    step_text("Gemm", "transB=1", "f:5,16 f:7,16 f:5,1");
    step_text("Gemm", "", "f:5,16 cf:16,8 cf:1");
}
END_TEST

START_TEST(kin) {
    step_text("com.microsoft:TransposeMatMul", "transB=1", "f:2,5,16 f:2,24,16");
    step_text("com.microsoft:FusedMatMul", "transBatchA=1 transBatchB=1 transB=1", "f:5,3,16 f:9,3,16");
    step_text("com.microsoft:FusedMatMul", "transBatchA=1", "f:5,3,16 cf:16,9");
    step_text("com.microsoft:FusedMatMulActivation",
              "activation='LeakyRelu' activation_alpha=0.25f alpha=0.5f", "f:5,17 f:17,9");
    step_text("com.microsoft:FusedGemm", "activation='Relu' transB=1 alpha=0.5f beta=2.0f",
              "f:5,16 cf:9,16 cf:9");
    step_text("com.microsoft:FusedGemm", "activation='Tanh'", "f:5,16 f:16,9 f:5,9");
    step_text_refused("com.microsoft:FusedGemm", "activation='Relu'", "f:5,16 f:16,9 f:9", "no constant row");
    step_text("com.microsoft:MatMulNBits", "K=40 N=9 bits=4 block_size=16",
              "f:2,5,40 cu8:9,3,8%256 cf:27+ - - cf:9");
    step_text("com.microsoft:MatMulNBits", "K=32 N=9 bits=8 block_size=16",
              "f:5,32 cu8:9,2,16%256 cf:18+ cu8:18%256");
    step_text_refused("com.microsoft:MatMulNBits", "K=32 N=9 bits=8 block_size=16",
                      "f:5,32 u8:9,2,16%256 cf:18+", "when the model is loaded");
}
END_TEST

START_TEST(older_cards_and_tf32) {
    step_tf32 = true;
    simt_counts_clear();
    step_text("sluice:Linear", "#f32", "f:33,40 cf:40,17");
    ck_assert_uint_gt(simt_counts().mma, 0);
    step_arch = 75;
    simt_counts_clear();
    step_text("sluice:Linear", "#f32", "f:33,40 cf:40,17");
    ck_assert_uint_eq(simt_counts().mma, 0);
    step_text_refused("MatMul", "", "d:3,4 d:4,5", "dtype");
    step_arch = 90;
    step_tf32 = false;
}
END_TEST

START_TEST(no_bank_conflicts) {
    simt_counts_clear();
    step_text("sluice:Linear", "", "f:64,64 cf:64,64");
    struct simt_counts c = simt_counts();
    ck_assert_uint_gt(c.ldmatrix, 0);
    ck_assert_uint_gt(c.mma, 0);
    ck_assert_msg(c.ldmatrix_conflict == 0, "%s", c.ldmatrix_site);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gemm");
    TCase *tc = tcase_create("gemm");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, sizes);
    tcase_add_test(tc, what_follows);
    tcase_add_test(tc, rows_do_not_know_each_other);
    tcase_add_test(tc, large_tiles);
    tcase_add_test(tc, any_rank);
    tcase_add_test(tc, kin);
    tcase_add_test(tc, older_cards_and_tf32);
    tcase_add_test(tc, no_bank_conflicts);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
