/* features.cu: the small operators of ai.onnx.ml over tables of features: Scaler, Imputer, Binarizer,
 * LinearClassifier, LinearRegressor.
 *
 * Bytes an element: one read, one write; lists of columns from the caches. Threads: one an element; the
 * linear models one a row, which adds up its products in double in the order of the columns, as the
 * reference, and then finishes its scores where they stand. FLOPs: 2 for each class and column. Tables are
 * narrow: what counts is the launch. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_features.h"
#include "infer/cuda/kernels/k_post.cuh"

static const uint32_t THREADS = 128;

SL_KERNEL void feature(const k_feature f) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= f.count)
        return;
    const uint32_t column = k_remainder(i, f.width);
    if (f.op == K_FEATURE_IMPUTE_WHOLE) {
        int64_t x = k_load<int64_t>(f.x, f.x_type, i);
        k_store(f.y, f.y_type, i, x == f.missing_whole ? f.whole[f.one_value ? 0 : column] : x);
        return;
    }
    if (f.op == K_FEATURE_SCALE) {
        float x = k_load<float>(f.x, f.x_type, i);
        x = sl_add_rn(x, -f.offset[f.one_offset ? 0 : column]);
        k_store(f.y, f.y_type, i, sl_mul_rn(x, f.scale[f.one_scale ? 0 : column]));
        return;
    }
    double x = k_load<double>(f.x, f.x_type, i), missing = (double)f.missing;
    if (f.op == K_FEATURE_BINARIZE)
        x = x > missing ? 1 : 0;
    else if (missing != missing ? x != x : x == missing)
        x = (double)f.value[f.one_value ? 0 : column];
    k_store(f.y, f.y_type, i, x);
}

extern "C" int k_feature_launch(const struct k_feature *f, k_stream stream) {
    return SL_LAUNCH(feature, (f->count + THREADS - 1) / THREADS, THREADS, 0, stream, *f);
}

/* One line, two scores: the class is the sign; the pair is made from it. */
SL_DEVICE uint32_t second_score(int post, float *scores) {
    const float x = scores[0];
    scores[1] = x;
    scores[0] = post == K_POST_PROBIT ? x : post == K_POST_LOGISTIC ? -x : 1 - x;
    return x > 0;
}

SL_KERNEL void linear_table(const k_linear_table l) {
    const uint32_t row = blockIdx.x * blockDim.x + threadIdx.x, width = l.add_second ? 2 : l.lines;
    uint32_t best = 0;
    if (row >= l.rows)
        return;
    float *scores = l.scores + (int64_t)row * width;
    for (uint32_t k = 0; k < l.lines; k++) {
        double sum = 0;
        for (uint32_t i = 0; i < l.features; i++)
            sum += k_load<double>(l.x, l.x_type, (int64_t)row * l.features + i) *
                   (double)l.coefficients[(int64_t)k * l.features + i];
        scores[k] = (float)(sum + (l.intercepts ? (double)l.intercepts[k] : 0));
        best = scores[k] > scores[best] ? k : best;
    }
    if (l.add_second)
        best = second_score(l.post, scores);
    bool soft = l.post == K_POST_SOFTMAX || l.post == K_POST_SOFTMAX_ZERO;
    bool kept = l.classes ? l.add_second && soft : width == 1 && l.post != K_POST_PROBIT;
    if (!kept)
        k_post_apply(l.post, scores, width);
    if (l.best)
        l.best[row] = l.labels ? l.labels[best] : (int64_t)best;
}

extern "C" int k_linear_table_launch(const struct k_linear_table *l, k_stream stream) {
    return SL_LAUNCH(linear_table, (l->rows + THREADS - 1) / THREADS, THREADS, 0, stream, *l);
}
