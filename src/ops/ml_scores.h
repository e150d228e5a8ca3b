/* ml_scores.h: what the classifiers of ai.onnx.ml share: labels, and post_transform over a row of scores. */
#ifndef OPS_ML_SCORES_H
#define OPS_ML_SCORES_H

#include "ops/op.h"

enum post_transform { POST_NONE, POST_SOFTMAX, POST_LOGISTIC, POST_SOFTMAX_ZERO, POST_PROBIT };

sl_status post_read(const struct op_call *call, enum post_transform *post, sl_error *err);

/* In place over the scores of one row, n at least 2 (or 1: each on its own). */
void post_apply(enum post_transform post, float *scores, size_t n);

/* The logistic function and the probit as ONNX Runtime computes them. */
float post_logistic(float x);
float post_probit(float x);

/* Two scores made from one, as ONNX Runtime does for two classes of which only one has weights. Where the
 * weights can be negative, the score of the other class is the negative; else they add up to 1. */
void post_two_classes(enum post_transform post, bool add_up, float score, float out[2]);

/* Labels of a classifier: classlabels_strings or, by any of its two names, the list of integers. */
struct labels {
    const struct attr *attr; /* NULL: the class numbers themselves */
    bool strings;
    size_t count;
};
sl_status labels_read(const struct op_call *call, struct labels *labels, sl_error *err);
sl_dtype labels_dtype(const struct labels *labels);
/* Writes the label of class `index` as element i of `out`. */
void labels_write(const struct labels *labels, const sl_tensor *out, int64_t i, size_t index);

#endif
