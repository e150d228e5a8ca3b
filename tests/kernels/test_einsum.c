/* test_einsum.c: Einsum as products of matrices and as sums, and rows of heads, beside their references. */
#include "harness.h"
#include "step_rig.h"
#include "tests/kernels/simt/simt.h"

START_TEST(products) {
    static const char *const cases[][2] = {{"bhid,bhjd->bhij", "f:2,3,9,16 f:2,3,7,16"},
                                           {"bhij,bhjd->bhid", "f:2,3,9,33 f:2,3,33,17"},
                                           {"bhij,bhjd->bihd", "f:2,3,9,31 f:2,3,31,8"},
                                           {"bihd,bjhd->bhij", "f:2,5,3,16 f:2,7,3,16"},
                                           {"ij,jk", "f:31,65 f:65,33"},
                                           {"ij,kj->ki", "f:8,24 f:5,24"},
                                           {"bij,jk->bik", "f:3,5,32 f:32,9"},
                                           {"abcd,cd->ab", "f:3,5,4,8 f:4,8"},
                                           {"ij,j->i", "f:7,64 f:64"},
                                           {"i,i->", "f:65 f:65"},
                                           {"i,j->ij", "f:5 f:7"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char attrs[64];
        snprintf(attrs, sizeof attrs, "equation='%s'", cases[i][0]);
        simt_counts_clear();
        step_text("Einsum", attrs, cases[i][1]);
        ck_assert_msg(simt_counts().mma > 0, "%s went by no tensor core", cases[i][0]);
    }
}
END_TEST

START_TEST(sums) {
    static const char *const cases[][2] = {{"ii->i", "f:7,7"},
                                           {"ii", "f:33,33"},
                                           {"ij->ji", "f:5,9"},
                                           {"ijk->k", "f:3,40,5"},
                                           {"ij,ik->ijk", "f:3,5 f:3,7"},
                                           {"bij,bik,bjk->b", "f:2,5,6 f:2,5,7 f:2,6,7"},
                                           {"ij,ij->", "i32:3,5 i32:3,5"},
                                           {"ij,jk->ik", "i64:3,5%7 i64:5,4%7"},
                                           {"ij,jk->ik", "d:3,5 d:5,4"},
                                           {"ij,k->i", "f:4,6 f:5"},
                                           {"...ij,...jk->...ik", "f:2,1,4,8 f:3,8,5"},
                                           {"ij,jk->ki", "f:1,6 f:6,1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char attrs[64];
        snprintf(attrs, sizeof attrs, "equation='%s'", cases[i][0]);
        step_text("Einsum", attrs, cases[i][1]);
    }
    step_text_refused("Einsum", "equation='a,b,c,d->abcd'", "f:2 f:2 f:2 f:2", "4 inputs");
}
END_TEST

START_TEST(rows_of_equations) {
    step_text("Einsum", "#rows equation='bij,jk->bik'", "f:5,7,33 cf:33,9");
    step_text("Einsum", "#rows equation='bii->b'", "f:5,33,33");
}
END_TEST

START_TEST(rotation) {
    static const char *const attrs[] = {"", "interleaved=1"};
    for (int i = 0; i < 2; i++) {
        char more[100];
        step_text("RotaryEmbedding", attrs[i], "f:2,3,5,16 f:50,8 f:50,8 i64:2,5%60");
        step_text("RotaryEmbedding", attrs[i], "f:2,3,5,66 f:2,5,33 f:2,5,33");
        snprintf(more, sizeof more, "%s num_heads=3 rotary_embedding_dim=6", attrs[i]);
        step_text("RotaryEmbedding", more, "f:2,5,30 f:50,3 f:50,3 i64:2,5%50");
        step_text("com.microsoft:RotaryEmbedding", attrs[i], "f:2,5,32 i64:2,5%50 f:50,4 f:50,4");
        step_text("com.microsoft:RotaryEmbedding", attrs[i], "f:2,4,5,8 i64{3} f:50,4 f:50,4");
    }
    step_text("RotaryEmbedding", "#rows", "f:3,2,5,64 f:3,5,32 f:3,5,32");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("einsum");
    TCase *t = tcase_create("einsum");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, products);
    tcase_add_test(t, sums);
    tcase_add_test(t, rows_of_equations);
    tcase_add_test(t, rotation);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
