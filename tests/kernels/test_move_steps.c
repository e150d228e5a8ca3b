/* test_move_steps.c: the kernels that move, gather, look at windows, walk trees and run through time, beside
 * their references: move.cu, pad.cu, gather.cu, scatter.cu, pool.cu, resize.cu, recurrent.cu, quantize.cu,
 * features.cu. */
#include "harness.h"
#include "step_rig.h"

START_TEST(copies) {
    step_text("Transpose", "perm=[0,2,1]", "f:2,40,33");
    step_text("Transpose", "perm=[1,0]", "f:70,9");
    step_text("Transpose", "perm=[0,2,1,3]", "f:2,5,3,16");
    step_text("Transpose", "perm=[0,2,1,3]", "f:2,5,3,7");
    step_text("Transpose", "perm=[3,1,0,2]", "f:2,3,4,5");
    step_text("Transpose", "perm=[0,3,1,2]", "u8:2,9,8,3");
    step_text("Transpose", "", "i64:9,10,11");
    step_text("Slice", "", "f:4,20,6 i64{0,2} i64{4,20} i64{0,1} i64{1,3}");
    step_text("Slice", "", "f:9,8 i64{-1} i64{-100} i64{0} i64{-2}");
    step_text("Slice", "", "i32:6,32 i64{8} i64{24} i64{1}");
    step_text("Concat", "axis=1", "f:2,3,8 f:2,1,8 f:2,5,8");
    step_text("Concat", "axis=-1", "u8:3,5 u8:3,2 u8:3,9");
    step_text("Split", "axis=1 #out=3", "f:2,9,8 i64{2,3,4}");
    step_text("Split", "axis=-1 #out=2 num_outputs=2", "f:3,7");
    step_text("Expand", "", "f:3,1 i64{2,3,4}");
    step_text("Expand", "", "f:1,16 i64{5,16}");
    step_text("Tile", "", "f:2,3 i64{2,3}");
    step_text("Tile", "", "i64:2,8 i64{3,1}");
    step_text("DepthToSpace", "blocksize=2", "f:2,8,3,4");
    step_text("DepthToSpace", "blocksize=2 mode='CRD'", "f:2,8,3,4");
    step_text("SpaceToDepth", "blocksize=2", "f:2,3,4,6");
    step_text("Transpose", "perm=[0,2,3,1] #last", "f:2,12,3,5");
    step_text("Transpose", "perm=[1,0,3,2] #last", "f:2,12,3,5");
    step_text("Slice", "#last", "f:2,12,6,5 i64{1,5,4} i64{9,0,5} i64{1,2,3} i64{2,-2,1}");
    step_text("Concat", "axis=1 #last", "f:2,8,3,2 f:2,1,3,2 f:2,5,3,2");
    step_text("Concat", "axis=2 #last", "f:2,8,3,2 f:2,8,1,2");
    step_text("Split", "axis=1 #out=2 #last", "f:2,12,3,4 i64{8,4}");
    step_text("Expand", "#last", "f:2,3,1,4 i64{2,3,5,4}");
    step_text("Reshape", "", "f:2,12 i64{4,6}");
    step_text("Identity", "", "b:33");
}
END_TEST

START_TEST(pads) {
    static const char *const modes[] = {"constant", "edge", "reflect", "wrap"};
    char attrs[32];
    for (int i = 0; i < 4; i++) {
        snprintf(attrs, sizeof attrs, "mode='%s'", modes[i]);
        step_text("Pad", attrs, "f:2,5,6 i64{0,2,3,1,1,2}");
        step_text("Pad", attrs, "f:7 i64{-2,4}");
    }
    step_text("Pad", "", "f:3,4 i64{1,1,1,1} f{2.5}");
    step_text("Pad", "#last mode='reflect'", "f:2,3,4,5 i64{0,0,1,2,0,0,2,1}");
    step_text("Pad", "#last", "f:2,3,4 i64{0,1,2,1,0,-1}");
    step_text("Pad", "", "u8:3,4 i64{1,1,0,2} u8{7}");
    step_text("Pad@10", "pads=[0,1,0,2] value=-1.5f", "f:3,4");
    step_text_refused("Pad", "", "f:3,4 i64{1,1,1,1} f:1", "known when the model is loaded");
}
END_TEST

/* Positions come as data; some lie outside and are brought inside. */
START_TEST(gathers) {
    step_text("Gather", "", "cf:11,24 i64:3,5%11");
    step_text("Gather", "", "cf:11,7 i64:6");
    step_text("Gather", "axis=1", "f:4,9,3 i32:5%9");
    step_text("Gather", "axis=2", "u8:2,3,9 i64:2,2%9");
    step_text("GatherElements", "axis=1", "f:4,9,3 i64:4,5,2%9");
    step_text("GatherElements", "axis=0", "i64:9,3 i32:4,3");
    step_text("GatherND", "", "f:4,5,8 i64:6,2%4");
    step_text("GatherND", "batch_dims=1", "b:3,9 i64:3,5,1%9");
    step_text("GatherND", "", "f:4,5 i64:7,2");
}
END_TEST

START_TEST(scatters) {
    static const char *const how[] = {"none", "add", "mul", "min", "max"};
    char attrs[48];
    for (int i = 0; i < 5; i++) {
        snprintf(attrs, sizeof attrs, "reduction='%s'", how[i]);
        step_text("ScatterND", attrs, "f:6,4 i64:9,1%6 f:9,4");
        step_text("ScatterND", attrs, "i32:4,5 i64:7,2%4 i32:7%5");
        snprintf(attrs, sizeof attrs, "axis=1 reduction='%s'", how[i]);
        step_text("ScatterElements", attrs, "f:3,7,2 i64:3,9,2%7 f:3,9,2");
    }
    step_text("ScatterElements", "", "u8:7,3 i64:4,2%7 u8:4,2");
}
END_TEST

START_TEST(places) {
    step_text("OneHot", "", "i64:3,4%6 i64{5} f{-1,2}");
    step_text("OneHot", "axis=0", "f:7 i64{4} i64{10,20}");
    step_text("OneHot", "axis=1", "i32:2,3 i32{3} u8{0,1}");
    step_text("Trilu", "", "f:2,5,7");
    step_text("Trilu", "upper=0", "f:2,5,7 i64{1}");
    step_text("Trilu", "", "b:6,5 i64{-2}");
    step_text("ReverseSequence", "", "f:6,3,4 i64:3%7");
    step_text("ReverseSequence", "batch_axis=0 time_axis=1", "i32:3,6 i64:3%9");
    step_text("CenterCropPad", "", "f:5,8,3 i64{8,5,3}");
    step_text("CenterCropPad", "axes=[1]", "f:2,9 i64{4}");
    step_text("BitCast@26", "to=6", "u32:9");
    step_text("BitCast@26", "to=6 #f32", "f:9");
    step_text("BitCast@26", "to=1 #f32", "i32:9");
}
END_TEST

START_TEST(pools) {
    step_text("MaxPool", "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]", "f:2,3,9,8");
    step_text("MaxPool", "kernel_shape=[2,2] #out=2 dilations=[2,2]", "f:2,3,9,8");
    step_text("MaxPool", "kernel_shape=[3] ceil_mode=1 strides=[2]", "f:2,3,12");
    step_text("MaxPool", "kernel_shape=[2,2,2] #out=2 storage_order=1", "f:1,2,5,4,3");
    step_text("MaxPool", "kernel_shape=[2,2]", "u8:1,2,5,4%256");
    step_text("AveragePool", "kernel_shape=[3,3] pads=[1,1,1,1] #rows", "f:3,2,7,7");
    step_text("AveragePool",
              "kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1 ceil_mode=1 strides=[2,2]", "f:1,2,8,8");
    step_text("AveragePool", "kernel_shape=[2,2,2] auto_pad='SAME_UPPER'", "f:1,2,5,4,3");
    step_text("MaxPool", "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] #last", "f:2,3,9,8");
    step_text("AveragePool", "kernel_shape=[3,3] pads=[1,1,0,1] #last #rows", "f:2,16,7,7");
    step_text("AveragePool", "kernel_shape=[2,3] strides=[2,1] count_include_pad=1 pads=[1,0,1,0] #last",
              "f:2,8,7,7");
    step_text("MaxPool", "kernel_shape=[3,3] strides=[2,2] dilations=[2,1] #last #rows", "f:3,24,9,8");
    step_text("MaxPool", "kernel_shape=[2,2,2] #last", "f:1,8,5,4,3");
    step_text_refused("MaxPool", "kernel_shape=[2,2] #out=2 #last", "f:2,3,9,8", "lies otherwise");
    step_text("LpPool", "kernel_shape=[2,2] p=2", "f:1,2,5,4");
    step_text("LpPool", "kernel_shape=[2] p=3", "f:1,2,7+");
}
END_TEST

START_TEST(resizes) {
    step_text("Resize", "mode='linear'", "f:1,3,5,6 - f{1,1,2,1.5}");
    step_text("Resize", "mode='nearest'", "f:1,3,5,6 - - i64{1,3,9,4}");
    step_text("Resize", "mode='cubic' coordinate_transformation_mode='align_corners'",
              "f:1,2,5,6 - - i64{1,2,9,9}");
    step_text("Resize", "mode='linear' antialias=1", "f:1,2,12,9 - - i64{1,2,5,4}");
    step_text("Resize", "mode='linear'", "u8:1,5,6,3%256 - f{1,2,2,1}");
    step_text("Resize",
              "mode='linear' coordinate_transformation_mode='tf_crop_and_resize' extrapolation_value=9f",
              "f:5,6 f{-0.5,0.2,1.2,0.9} - i64{4,4}");
    step_text("Resize", "mode='linear'", "f:2,4,3,5 - f{1,2,2,2}");
    step_text("Resize", "mode='linear' #last", "f:1,3,5,6 - f{1,1,2,1.5}");
    step_text("Resize", "mode='nearest' #last", "f:2,8,5,6 - f{1,1,1,2}");
    step_text("Upsample@9", "mode='nearest'", "f:1,2,3,4 f{1,1,2,3}");
}
END_TEST

START_TEST(grids) {
    static const char *const modes[] = {"linear", "nearest", "cubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    char attrs[80];
    for (int i = 0; i < 18; i++) {
        snprintf(attrs, sizeof attrs, "mode='%s' padding_mode='%s' align_corners=%d", modes[i % 3],
                 paddings[i / 3 % 3], i / 9);
        step_text("GridSample", attrs, "f:2,3,5,6 f:2,4,7,2");
        step_text("GridSample", attrs, "f:1,2,4,5,3 f:1,2,3,4,3");
    }
    step_text("GridSample", "", "f:1,2,9 f:1,5,1");
}
END_TEST

START_TEST(recurrent) {
    step_text("LSTM", "hidden_size=6 #out=3", "f:5,3,4 cf:1,24,4 cf:1,24,6 cf:1,48");
    step_text("LSTM", "hidden_size=5 direction='bidirectional' #out=3 #rows layout=1",
              "f:6,4,3 cf:2,20,3 cf:2,20,5 cf:2,40");
    step_text("LSTM", "hidden_size=4 direction='reverse' #out=3",
              "f:5,3,4 cf:1,16,4 cf:1,16,4 cf:1,32 i32:3%7 f:1,3,4 f:1,3,4 cf:1,12");
    step_text("GRU", "hidden_size=6 #out=2", "f:5,5,4 cf:1,18,4 cf:1,18,6 cf:1,36");
    step_text("GRU", "hidden_size=6 linear_before_reset=1 direction='bidirectional' #out=2",
              "f:5,5,4 cf:2,18,4 cf:2,18,6 cf:2,36 i32:5%6");
    step_text("RNN", "hidden_size=7 #out=2", "f:4,2,3 cf:1,7,3 cf:1,7,7");
    step_text_refused("LSTM", "hidden_size=6", "f:5,3,4 f:1,24,4 f:1,24,6", "not constants");
}
END_TEST

START_TEST(levels) {
    step_text("QuantizeLinear", "", "f:6,9 f{0.02} u8{128}");
    step_text("QuantizeLinear", "axis=1", "f:3,4,5 cf:4+ ci8:4");
    step_text("QuantizeLinear", "axis=1 block_size=2", "f:3,4,5 cf:3,2,5+ ci16:3,2,5");
    step_text("DequantizeLinear", "axis=0", "u8:3,7 cf:3+ cu8:3");
    step_text("DequantizeLinear", "", "i32:9 f{0.1}");
    step_text("com.microsoft:QLinearAdd", "", "u8:2,9 f{0.1} u8{3} u8:9 f{0.2} u8{5} f{0.3} u8{7}");
    step_text("com.microsoft:QLinearMul", "", "i8:2,9 f{0.01} i8{3} i8:2,9 f{0.02} - f{0.03}");
    step_text("com.microsoft:QLinearLeakyRelu", "alpha=0.2f", "u8:20 f{0.1} u8{100} f{0.1} u8{90}");
    step_text("com.microsoft:QLinearWhere", "",
              "b:3,1 u8:3,5 f{0.1} u8{100} u8:5 f{0.2} u8{3} f{0.15} u8{50}");
    step_text("com.microsoft:QLinearConcat", "axis=1",
              "f{0.15} u8{50} u8:3,2 f{0.1} u8{100} u8:3,5 f{0.2} u8{3}");
    step_text("com.microsoft:QLinearAdd", "#last",
              "u8:2,8,3,4 f{0.1} u8{3} u8:2,8,3,4 f{0.2} u8{5} f{0.3} u8{7}");
    step_text("com.microsoft:QLinearGlobalAveragePool", "#last", "u8:3,4,7,7 f{0.1} u8{100} f{0.07} u8{90}");
    step_text("com.microsoft:QLinearGlobalAveragePool", "#rows", "u8:3,4,7,7 f{0.1} u8{100} f{0.07} u8{90}");
    step_text("com.microsoft:QLinearAveragePool", "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]",
              "u8:2,4,7,7 f{0.1} u8{100} f{0.07} u8{90}");
    step_text("com.microsoft:QLinearAveragePool",
              "kernel_shape=[2,2] count_include_pad=1 pads=[1,1,0,0] #last",
              "i8:2,4,5,6 f{0.1} i8{3} f{0.07} i8{-9}");
    step_text("com.microsoft:QLinearReduceMean", "axes=[0,-1]", "i8:5,3,9 f{0.1} i8{-4} f{0.07} i8{9}");
    step_text("DynamicQuantizeLinear", "#out=3 #f32", "f:700");
    step_text("DynamicQuantizeLinear", "#out=3 #f32", "f:7+");
    step_text("DynamicQuantizeLinear", "#out=3 #f32", "f:9001");
    step_text("com.microsoft:QLinearSigmoid", "", "u8:20 f{0.1} u8{100} f{0.004} u8{0}");
}
END_TEST

START_TEST(features) {
    step_text("ai.onnx.ml:Scaler", "offset=[1f,2f,3f] scale=[0.5f,0.25f,2f] #rows", "f:5,3");
    step_text("ai.onnx.ml:Scaler", "offset=[1f] scale=[0.5f]", "i64:5,3");
    step_text("ai.onnx.ml:Imputer", "imputed_value_floats=[1f,2f,3f] replaced_value_float=0f", "f:5,3");
    step_text("ai.onnx.ml:Imputer", "imputed_value_int64s=[77] replaced_value_int64=1", "i64:9,3%3");
    step_text("ai.onnx.ml:Binarizer", "threshold=0.5f", "f:5,3");
    step_text("ai.onnx.ml:Normalizer", "norm='L2'", "f:5,30");
    step_text("ai.onnx.ml:Normalizer", "norm='MAX'", "f:5,3");
    step_text("ai.onnx.ml:ArrayFeatureExtractor", "", "f:5,7 ci64:3%7");
    step_text("ai.onnx.ml:LinearClassifier",
              "coefficients=[1f,2f,3f,-1f,0.5f,2f] intercepts=[0.1f,0.2f,0.3f] classlabels_ints=[5,6,7] "
              "post_transform='SOFTMAX' #out=2 #rows #f32",
              "f:6,2");
    step_text(
        "ai.onnx.ml:LinearClassifier",
        "coefficients=[1f,2f] intercepts=[0.1f] classlabels_ints=[5,6] post_transform='LOGISTIC' #out=2 #f32",
        "f:6,2");
    step_text("ai.onnx.ml:LinearRegressor", "coefficients=[1f,2f,3f] intercepts=[0.1f] #f32", "f:6,3");
}
END_TEST

/* All six tests and a missing value, three classes, and more trees than a block walks at once is what the
 * ensembles of the golden cases have (test_golden_steps.c); here are the ends of a row. */
START_TEST(trees) {
    static const char *const nodes =
        "nodes_treeids=[0,0,0,1,1,1,1,1] nodes_nodeids=[0,1,2,0,1,2,3,4] nodes_featureids=[0,0,0,1,0,2,0,0] "
        "nodes_modes=['BRANCH_LEQ','LEAF','LEAF','BRANCH_GT','LEAF','BRANCH_LT','LEAF','LEAF'] "
        "nodes_values=[0.25f,0f,0f,-0.5f,0f,0.125f,0f,0f] nodes_truenodeids=[1,0,0,1,0,3,0,0] "
        "nodes_falsenodeids=[2,0,0,2,0,4,0,0] ";
    static const char *const posts[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"};
    static const char *const aggregates[] = {"SUM", "AVERAGE", "MIN", "MAX"};
    char attrs[1000];
    for (int i = 0; i < 4; i++) {
        snprintf(attrs, sizeof attrs,
                 "%spost_transform='%s' classlabels_int64s=[4,5,6] class_treeids=[0,0,1,1,1] "
                 "class_nodeids=[1,2,1,3,4] "
                 "class_ids=[0,1,2,0,1] class_weights=[1.5f,0.5f,1f,-1f,2f] #out=2",
                 nodes, posts[i]);
        step_text("ai.onnx.ml:TreeEnsembleClassifier", attrs, "f:70,3");
        snprintf(attrs, sizeof attrs,
                 "%spost_transform='%s' classlabels_int64s=[4,5] class_treeids=[0,0,1,1,1] "
                 "class_nodeids=[1,2,1,3,4] "
                 "class_ids=[0,0,0,0,0] class_weights=[1.5f,0.5f,1f,-1f,2f] #out=2 #rows",
                 nodes, posts[i]);
        step_text("ai.onnx.ml:TreeEnsembleClassifier", attrs, "f:70,3");
        snprintf(
            attrs, sizeof attrs,
            "%saggregate_function='%s' n_targets=2 target_treeids=[0,0,1,1,1] target_nodeids=[1,2,1,3,4] "
            "target_ids=[0,1,1,0,1] target_weights=[1.5f,0.5f,1f,-1f,2f] base_values=[0.5f,1f]",
            nodes, aggregates[i]);
        step_text("ai.onnx.ml:TreeEnsembleRegressor", attrs, i % 2 ? "d:9,3" : "f:33,3");
    }
    for (int targets = 100; targets <= 900; targets *= 3) { /* 32, 8 and 4 rows a block */
        snprintf(
            attrs, sizeof attrs,
            "%sn_targets=%d target_treeids=[0,0,1,1,1] target_nodeids=[1,2,1,3,4] target_ids=[0,99,98,50,1] "
            "target_weights=[1.5f,0.5f,1f,-1f,2f] #rows",
            nodes, targets);
        step_text("ai.onnx.ml:TreeEnsembleRegressor", attrs, "f:37,3");
    }
    snprintf(attrs, sizeof attrs,
             "%sn_targets=9000 target_treeids=[0,0,1,1,1] target_nodeids=[1,2,1,3,4] target_ids=[0,1,1,0,1] "
             "target_weights=[1.5f,0.5f,1f,-1f,2f]",
             nodes);
    step_text_refused("ai.onnx.ml:TreeEnsembleRegressor", attrs, "f:2,3", "9000 targets");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("move_steps");
    TCase *t = tcase_create("moves");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, copies);
    tcase_add_test(t, pads);
    tcase_add_test(t, gathers);
    tcase_add_test(t, scatters);
    tcase_add_test(t, places);
    tcase_add_test(t, pools);
    tcase_add_test(t, resizes);
    tcase_add_test(t, grids);
    tcase_add_test(t, recurrent);
    tcase_add_test(t, levels);
    tcase_add_test(t, features);
    tcase_add_test(t, trees);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
