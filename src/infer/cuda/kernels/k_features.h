/* k_features.h: tables of features, as ai.onnx.ml has them: features.cu. */
#ifndef INFER_CUDA_K_FEATURES_H
#define INFER_CUDA_K_FEATURES_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_tree.h"
#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x, y [rows, width]; lists have one entry a column, or one for all. */
enum k_feature_op { K_FEATURE_SCALE, K_FEATURE_IMPUTE, K_FEATURE_IMPUTE_WHOLE, K_FEATURE_BINARIZE };
struct k_feature {
    const void *x;
    void *y;
    enum k_type x_type, y_type;
    enum k_feature_op op;
    uint32_t count;
    struct k_divide width;
    /* SCALE: y = (x - offset) * scale; IMPUTE: `value` where x is `missing` */
    const float *offset, *scale, *value;
    const int64_t *whole;
    bool one_offset, one_scale, one_value;
    float missing; /* BINARIZE: the threshold */
    int64_t missing_whole;
};
int k_feature_launch(const struct k_feature *args, k_stream stream);

/* LinearClassifier and LinearRegressor: scores [rows, classes] = x coefficients' + intercepts. */
struct k_linear_table {
    const void *x;
    float *scores; /* [rows, width of a row's scores] */
    int64_t *best; /* of a classifier, or NULL */
    enum k_type x_type;
    uint32_t rows, features, lines; /* lines of coefficients */
    const float *coefficients;      /* [lines, features] */
    const float *intercepts;        /* [lines], or NULL */
    const int64_t *labels;          /* NULL: the numbers of the classes */
    enum k_tree_post post;
    bool add_second; /* one line, two scores */
    bool classes;
};
int k_linear_table_launch(const struct k_linear_table *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
