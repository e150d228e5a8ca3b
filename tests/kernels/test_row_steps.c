/* test_row_steps.c: the kernels over elements and rows beside their references: elementwise.cu, affine.cu,
 * norm.cu, reduce.cu, lines.cu, embed.cu. Sizes around those of warps, chunks and blocks, where one layout of
 * threads ends and the next begins. */
#include "harness.h"
#include "step_rig.h"

START_TEST(unary_of_all_sizes) {
    static const char *const sizes[] = {"f:1", "f:8", "f:31", "f:64", "f:3,5,7", "f:2,40,32"};
    static const char *const names[] = {"Abs",  "Neg",       "Sigmoid", "Gelu", "Erf",
                                        "Tanh", "HardSwish", "Relu",    "Exp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            step_text(names[i], "", sizes[k]);
}
END_TEST

START_TEST(curves_with_parameters) {
    step_text("LeakyRelu", "alpha=0.3f", "f:64");
    step_text("Elu", "alpha=0.7f", "f:64");
    step_text("Celu", "alpha=0.7f", "f:33");
    step_text("Selu", "", "f:33");
    step_text("HardSigmoid", "alpha=0.3f beta=0.4f", "f:64");
    step_text("Swish", "alpha=0.5f", "f:64");
    step_text("Gelu", "approximate='tanh'", "f:64");
    step_text("Mish", "", "f:64");
    step_text("Softplus", "", "f:64");
    step_text("Shrink", "lambd=0.5f bias=0.25f", "f:64");
    step_text("ThresholdedRelu", "alpha=0.5f", "f:64");
    step_text("com.microsoft:QuickGelu", "alpha=1.5f", "f:64");
    step_text("Clip", "", "f:64 f{-0.5} f{0.75}");
    step_text("Clip", "", "f:33 - f{0.75}");
    step_text("Clip", "", "i32:33 i32{-5} i32{60}");
    step_text("Clip", "", "f:33 f:1 f:1+");
    step_text("Clip@6", "min=-0.5f max=0.5f", "f:40");
}
END_TEST

START_TEST(broadcasts) {
    static const char *const shapes[] = {"f:64 f:64",          "f:2,3,8 f:8",           "f:2,3,8 f:1",
                                         "f:1 f:64",           "f:2,8,16 f:2,8,1",      "f:2,8,16 f:8,1",
                                         "f:2,3,5 f:3,1",      "f:4,1,6 f:1,5,1",       "f:2,3,4,5 f:4,1",
                                         "f:8,1 f:8,24",       "f:2,1,4,1,8 f:3,1,2,1", "f:5,7 f:5,7",
                                         "f:2,8,8,8 f:1,8,1,1"};
    static const char *const images[] = {"f:2,8,3,4 f:2,8,3,4", "f:2,8,3,4 cf:8,1,1", "f:2,8,3,4 f:2,8,1,1",
                                         "f:3,4 f:2,8,3,4",     "f:2,8,3,4 cf:1",     "f:2,16,5 f:2,16,5",
                                         "f:2,1,3,4 f:2,6,3,1"};
    static const char *const names[] = {"Add", "Mul", "Div", "Max"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
            step_text(names[i], "", shapes[k]);
    step_text("PRelu", "", "f:2,8,16 f:8,1");
    step_text("Where", "", "b:2,1,4 f:3,1 f:1,3,4");
    step_text("Where", "", "b:2,1 i64:3 i64:2,3");
    step_text("Sum", "", "f:8,3,8 f:8,1,8 f:1");
    step_text("Mean", "", "f:2,8 f:8 f:2,8 f:1");
    step_text("Sub", "#rows", "f:6,24 cf:24");
    for (size_t k = 0; k < sizeof images / sizeof *images; k++) {
        step_text("Add", "#last", images[k]);
        step_text("Mul", "#last #rows", images[k]);
    }
    step_text("Where", "#last", "b:2,8,3,4 f:2,8,3,4 f:1");
    step_text("Sum", "#last", "f:2,8,3,4 f:8,1,1 f:2,8,3,4");
}
END_TEST

START_TEST(integers_and_tests) {
    static const char *const types[] = {"i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"};
    static const char *const names[] = {"Add", "Sub", "Mul", "Div",   "Mod",
                                        "Min", "Max", "Pow", "Equal", "Less"};
    char inputs[64];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            snprintf(inputs, sizeof inputs, "%s:37 %s:37%%6", types[i], types[i]);
            step_text(names[k], "", inputs);
        }
    step_text("BitShift", "direction='LEFT'", "u8:37 u8:37%9");
    step_text("BitShift", "direction='RIGHT'", "u32:37 u32:37%9");
    step_text("BitwiseXor", "", "i16:37 i16:37");
    step_text("BitwiseNot", "", "u64:37");
    step_text("Xor", "", "b:37 b:37");
    step_text("And", "", "b:4,1 b:1,9");
    step_text("Not", "", "b:37");
    step_text("Mod", "fmod=1", "f:37 f:37+");
    step_text("LessOrEqual", "", "f:37 f:37");
    step_text("Pow", "", "f:37+ i64:37%4");
    step_text("Pow", "", "f:3,8 f{2}");
    step_text("Pow", "", "f:37+ f{2.5}");
    step_text("Pow", "", "i32:9%7 f{2}");
    step_text("Neg", "", "i64:9");
}
END_TEST

START_TEST(casts_between_all_types) {
    static const int to[] = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16};
    static const char *const from[] = {"f:40",  "d:40",   "h:40",   "b:40",   "i8:40",
                                       "u8:40", "i16:40", "i32:40", "i64:40", "u64:40"};
    char attrs[32];
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        for (size_t k = 0; k < sizeof to / sizeof *to; k++) {
            snprintf(attrs, sizeof attrs, "to=%d%s", to[k], i == 9 ? " #f32" : ""); /* f16 has no 2^63 */
            step_text("Cast", attrs, from[i]);
        }
}
END_TEST

START_TEST(affine) {
    step_text("sluice:Affine", "chw=1 scale=[0.1f,0.2f,0.3f] offset=[1f,2f,3f]", "u8:2,5,7,3%256");
    step_text("sluice:Affine", "scale=[0.1f] offset=[-1f] #rows", "u8:3,33%256");
    step_text("sluice:Affine", "scale=[0.5f,2f] offset=[1f,0f]", "f:9,2");
    step_text("sluice:Affine", "chw=1 scale=[0.5f] offset=[0f]", "i32:2,4,5,4%9");
}
END_TEST

/* A warp with 1, 2 and 4 chunks, a block with 1 and 4, and rows that are read again and again. */
START_TEST(layer_norms) {
    static const int sizes[] = {1, 7, 8, 128, 200, 256, 512, 1000, 1024, 1032, 2048, 4096, 8200};
    char inputs[96];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(inputs, sizeof inputs, "f:5,%d cf:%d cf:%d", sizes[i], sizes[i], sizes[i]);
        step_text("LayerNormalization", "#rows", inputs);
    }
    step_text("LayerNormalization", "axis=1 #out=3 epsilon=0.01f", "f:3,4,6 f:4,6");
    step_text("RMSNormalization", "", "f:5,72 f:72");
    step_text("SimplifiedLayerNormalization", "#out=2", "f:5,64 f:64");
    step_text_refused("LayerNormalization", "axis=1", "f:3,4,6 f:6", "does not cover");
}
END_TEST

START_TEST(skips_and_embeddings) {
    step_text("com.microsoft:SkipLayerNormalization", "#out=4", "f:2,3,64 f:2,3,64 cf:64 cf:64 cf:64");
    step_text("com.microsoft:SkipLayerNormalization", "", "f:2,3,30 f:3,30 cf:30 - cf:30");
    step_text("com.microsoft:SkipSimplifiedLayerNormalization", "", "f:2,3,1024 f:1,3,1024 cf:1024 cf:1024");
    step_text("com.microsoft:EmbedLayerNormalization", "#out=2",
              "i32:2,6%9 i32:2,6%2 cf:9,40 cf:8,40 cf:2,40 cf:40 cf:40 i32:2,6%2");
    step_text("com.microsoft:EmbedLayerNormalization", "#out=3",
              "i32:2,6%12 - cf:9,33 cf:8,33 - cf:33 cf:33 - i32:1,6%10");
}
END_TEST

START_TEST(norms_of_images) {
    step_text("InstanceNormalization", "epsilon=0.001f", "f:2,3,7,9 f:3 f:3");
    step_text("GroupNormalization@21", "num_groups=2", "f:2,6,5,5 f:6 f:6");
    step_text("GroupNormalization@18", "num_groups=2", "f:2,6,30 f:2 f:2");
    step_text("BatchNormalization", "", "f:2,5,4,3 cf:5 cf:5 cf:5 cf:5+");
    step_text("BatchNormalization", "#last", "f:2,5,4,3 cf:5 cf:5 cf:5 cf:5+");
    step_text("BatchNormalization", "", "f:2,5,4,6 cf:5 cf:5 cf:5 cf:5+");
    step_text("BatchNormalization", "#last #rows", "f:3,24,3,3 cf:24 cf:24 cf:24 cf:24+");
    step_text("BatchNormalization", "", "f:5,16 cf:16 cf:16 cf:16 cf:16+");
    step_text("BatchNormalization", "epsilon=0.1f", "f:7,5 cf:5 cf:5 cf:5 cf:5+");
    step_text_refused("BatchNormalization", "training_mode=1", "f:7,5 cf:5 cf:5 cf:5 cf:5+", "training_mode");
    step_text("LRN", "size=3 alpha=0.1f beta=0.5f bias=2f", "f:2,7,3,3");
    step_text("LpNormalization", "axis=1 p=1", "f:2,7,3");
    step_text("LpNormalization", "#rows", "f:5,70");
}
END_TEST

START_TEST(reductions) {
    static const char *const names[] = {"ReduceSum",       "ReduceMean",     "ReduceMax", "ReduceMin",
                                        "ReduceProd",      "ReduceL1",       "ReduceL2",  "ReduceLogSum",
                                        "ReduceLogSumExp", "ReduceSumSquare"};
    static const char *const inputs[] = {"f:3,40+ i64{1}",  "f:33,4+ i64{0}",      "f:2,3,5+ i64{0,2}",
                                         "f:3,4+",          "f:2,5,3,7+ i64{2,3}", "f:2,3,4,5+ i64{1,3}",
                                         "i32:4,6%9 i64{1}"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++)
            step_text(names[i], "", inputs[k]);
    step_text("ReduceSum", "keepdims=0 #rows", "f:3,1500 i64{1}");
    step_text("ReduceMean", "#rows", "f:3,300,5 i64{1}");
    step_text("ReduceMax", "", "u8:9,11 i64{0}");
    step_text("ReduceSum", "noop_with_empty_axes=1", "f:3,4");
    step_text("GlobalAveragePool", "#rows", "f:3,5,7,7");
    step_text("GlobalAveragePool", "#rows", "f:3,5,8,7");
    step_text("ReduceSum", "#rows", "f:2,3,2048 i64{2}");
    step_text("ReduceMean", "keepdims=0", "f:2,5,4,16 i64{2,3}");
    step_text("GlobalMaxPool", "", "f:2,3,40,30");
    step_text("GlobalAveragePool", "#rows #last", "f:3,40,7,7");
    step_text("ReduceMean", "#last keepdims=0", "f:2,5,3,4 i64{2,3}");
    step_text("ReduceMax", "#last", "f:2,5,3,4 i64{1}");
    step_text("GlobalLpPool", "", "f:2,3,5");
}
END_TEST

START_TEST(lines) {
    static const char *const forms[] = {"Softmax", "LogSoftmax", "Hardmax"};
    for (size_t i = 0; i < 3; i++) {
        step_text(forms[i], "#rows", "f:5,33");
        step_text(forms[i], "axis=1", "f:2,9,5");
        step_text(forms[i], "", "f:3,1100");
        step_text(forms[i], "axis=0", "f:7");
    }
    step_text("Softmax@11", "axis=1", "f:3,4,5");
    step_text("Softmax", "", "d:3,9");
    step_text("ArgMax", "axis=1 #rows", "f:5,67");
    step_text("ArgMax", "axis=1 keepdims=0", "f:3,21,5");
    step_text("ArgMin", "axis=0 select_last_index=1", "i32:9,4%3");
    step_text("ArgMin", "axis=1 select_last_index=1", "i64:4,40%3");
    step_text("TopK", "#out=2 #rows", "f:3,300 i64{7}");
    step_text("TopK", "axis=1 largest=0 #out=2", "f:2,9,4 i64{9}");
    step_text("TopK", "#out=2", "i32:3,50%5 i64{12}");
    step_text("CumSum", "", "f:3,40 i64{1}");
    step_text("CumSum", "exclusive=1 reverse=1", "i64:3,7,2 i32{1}");
    step_text("CumProd@26", "", "f:3,5+ i64{0}");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("row_steps");
    TCase *t = tcase_create("rows");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, unary_of_all_sizes);
    tcase_add_test(t, curves_with_parameters);
    tcase_add_test(t, broadcasts);
    tcase_add_test(t, integers_and_tests);
    tcase_add_test(t, casts_between_all_types);
    tcase_add_test(t, affine);
    tcase_add_test(t, layer_norms);
    tcase_add_test(t, skips_and_embeddings);
    tcase_add_test(t, norms_of_images);
    tcase_add_test(t, reductions);
    tcase_add_test(t, lines);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
