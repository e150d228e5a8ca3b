/* test_coverage.c: every operator there is has a matcher, or stands here with the reason why it has none. An
 * entry that has one by now must go. Also what matchers make of numbers. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "harness.h"
#include "infer/cuda/cuda_bound.h"

extern const struct op *const op_table[];

static const char texts[] = "texts stay on the host", sizes[] = "its result is as large as the data makes it",
                  graphs[] = "graphs inside the node",
                  folded[] = "its inputs are sizes: it folds away at load",
                  rewritten[] = "said in other operators when the plan is made",
                  training[] = "of training, not of scoring", rare[] = "no model at hand has it",
                  whole[] = "products of whole numbers and deformed convolutions";

static const struct {
    const char *domain, *names, *why;
    bool either; /* may have one */
} left_out[] = {
    {"", "StringConcat StringSplit StringNormalizer RegexFullMatch TfIdfVectorizer", texts, false},
    {"com.microsoft", "Tokenizer", texts, false},
    {"sluice", "TokenCounts", texts, false},
    {"ai.onnx.ml", "LabelEncoder CategoryMapper OneHotEncoder", texts, false},
    {"", "NonZero Compress Unique NonMaxSuppression", sizes, false},
    {"", "If Loop Scan", graphs, false},
    {"", "Shape Size ConstantOfShape Range EyeLike", folded, false},
    {"", "HannWindow HammingWindow BlackmanWindow MelWeightMatrix", folded, false},
    {"", "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss", training, false},
    {"com.microsoft", "Attention MultiHeadAttention", rewritten, false},
    {"com.microsoft", "FastGelu BiasGelu BiasAdd", rewritten, false},
    {"com.microsoft", "BiasSplitGelu BiasSoftmax GroupNorm SkipGroupNorm", rare, false},
    {"com.microsoft", "FusedMatMulActivation FusedGemm", rare, true},
    {"com.microsoft", "TransposeMatMul FusedConv", rewritten, true},
    {"", "MaxUnpool Col2Im MeanVarianceNormalization Dropout TensorScatter AffineGrid Det", rare, false},
    {"", "RoiAlign MaxRoiPool", sizes, false},
    {"com.microsoft", "CropAndResize Inverse QLinearSoftmax", rare, false},
    {"", "LinearAttention CausalConvWithState SwiGLU", rare, false},
    {"ai.onnx.ml", "FeatureVectorizer SVMClassifier SVMRegressor", rare, false},
    {"ai.onnx.ml", "ZipMap", "a name for columns: it is no step", false},
    {"", "MatMulInteger QLinearMatMul DeformConv ConvInteger QLinearConv", whole, true},
    {"com.microsoft", "QGemm MatMulIntegerToFloat DynamicQuantizeMatMul MatMulNBits", whole, true},
};

static bool is_named(const char *names, const char *name) {
    size_t n = strlen(name);
    for (const char *at = names; (at = strstr(at, name)); at += n)
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return true;
    return false;
}

/* Which entry names it; SIZE_MAX: none. */
static size_t entry_of(const struct op *op) {
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (!strcmp(left_out[i].domain, op->domain) && is_named(left_out[i].names, op->name))
            return i;
    return SIZE_MAX;
}

START_TEST(every_operator) {
    char missing[4096] = "", idle[4096] = "";
    for (const struct op *const *op = op_table; *op; op++) {
        bool known = bound_knows(*op);
        size_t entry = entry_of(*op);
        char *list = known == (entry == SIZE_MAX) || (known && left_out[entry].either) ? NULL
                     : known                                                           ? idle
                                                                                       : missing;
        if (list)
            snprintf(list + strlen(list), sizeof missing - strlen(list), " %s:%s", (*op)->domain,
                     (*op)->name);
    }
    ck_assert_msg(!*missing, "no matcher and no reason:%s", missing);
    ck_assert_msg(!*idle, "a matcher and a reason for none:%s", idle);
}
END_TEST

START_TEST(finite_stays_finite) {
    static const struct {
        float x;
        uint64_t half, bfloat;
    } numbers[] = {{-FLT_MAX, 0xfbff, 0xff7f}, {FLT_MAX, 0x7bff, 0x7f7f}, {-INFINITY, 0xfc00, 0xff80},
                   {65519, 0x7bff, 0x4780},    {65520, 0x7bff, 0x4780},   {1, 0x3c00, 0x3f80}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t half = 0, bfloat = 0;
        ck_assert(bound_number(K_F16, (double)numbers[i].x, &half));
        ck_assert(bound_number(K_BF16, (double)numbers[i].x, &bfloat));
        ck_assert_uint_eq(half, numbers[i].half);
        ck_assert_uint_eq(bfloat, numbers[i].bfloat);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("coverage");
    TCase *t = tcase_create("coverage");
    tcase_add_test(t, every_operator);
    tcase_add_test(t, finite_stays_finite);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
