/* ml_scores.c: labels and post_transform of ai.onnx.ml. The specification leaves the two-class cases open;
 * they follow ONNX Runtime, which exporters test against. */
#include "ops/ml_scores.h"

#include <math.h>
#include <string.h>

#include "ops/rules.h"

sl_status post_read(const struct op_call *call, enum post_transform *post, sl_error *err) {
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    for (int i = 0; i < 5; i++)
        if (op_attr_is(call, "post_transform", names[i], "NONE")) {
            *post = (enum post_transform)i;
            return SL_OK;
        }
    return error_set(err, SL_E_MODEL, "attribute 'post_transform' is unknown");
}

float post_logistic(float x) {
    double v = 1 / (1 + exp(-fabs((double)x)));
    return (float)(x < 0 ? 1 - v : v);
}

/* Winitzki's approximation of the inverse error function, with the constants everybody has. */
float post_probit(float x) {
    double y = 2 * (double)x - 1, sign = y < 0 ? -1 : 1;
    double logarithm = log((1 - y) * (1 + y));
    double v = 2 / (3.14159 * 0.147) + 0.5 * logarithm;
    return (float)(1.41421356 * sign * sqrt(sqrt(v * v - logarithm / 0.147) - v));
}

static void softmax(float *scores, size_t n, bool keep_zeros) {
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, (double)scores[i]);
    for (size_t i = 0; i < n; i++) {
        bool is_zero = keep_zeros && fabsf(scores[i]) <= 1e-7f;
        double e = is_zero ? (double)scores[i] * exp(-largest) : exp((double)scores[i] - largest);
        sum += is_zero ? 0 : e;
        scores[i] = (float)e;
    }
    for (size_t i = 0; i < n; i++)
        scores[i] = (float)((double)scores[i] / sum);
}

void post_apply(enum post_transform post, float *scores, size_t n) {
    if (post == POST_SOFTMAX || post == POST_SOFTMAX_ZERO)
        softmax(scores, n, post == POST_SOFTMAX_ZERO);
    for (size_t i = 0; i < n; i++) {
        if (post == POST_LOGISTIC)
            scores[i] = post_logistic(scores[i]);
        else if (post == POST_PROBIT)
            scores[i] = post_probit(scores[i]);
    }
}

void post_two_classes(enum post_transform post, bool add_up, float score, float out[2]) {
    if (post == POST_LOGISTIC) {
        out[0] = post_logistic(-score);
        out[1] = post_logistic(score);
    } else {
        out[0] = add_up ? 1 - score : -score;
        out[1] = score;
    }
}

sl_status labels_read(const struct op_call *call, struct labels *labels, sl_error *err) {
    static const char *const names[] = {"classlabels_strings", "classlabels_int64s", "classlabels_ints"};
    *labels = (struct labels){0};
    for (int i = 0; i < 3; i++) {
        const struct attr *attr = op_attr(call, names[i]);
        if (!attr || !attr->count)
            continue;
        if (attr->type != (i ? ATTR_INTS : ATTR_STRINGS))
            return error_set(err, SL_E_MODEL, "attribute '%s' has the wrong type", names[i]);
        *labels = (struct labels){.attr = attr, .strings = i == 0, .count = attr->count};
        return SL_OK;
    }
    return SL_OK;
}

sl_dtype labels_dtype(const struct labels *labels) {
    return labels->strings ? SL_STRING : SL_INT64;
}

void labels_write(const struct labels *labels, const sl_tensor *out, int64_t i, size_t index) {
    if (labels->strings)
        ((sl_string *)out->data)[i] = labels->attr->strings[index];
    else
        ((int64_t *)out->data)[i] = labels->attr ? labels->attr->ints[index] : (int64_t)index;
}
