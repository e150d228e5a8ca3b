/* ml_svm_pairs.c: the probabilities of several classes out of those of pairs, by the iteration that libsvm
 * uses (Wu, Lin and Weng 2004); in float32 as ONNX Runtime iterates, since where it stops depends on the
 * rounding. */
#include "ops/ml_svm_pairs.h"

#include <math.h>

#include "ops/ml_scores.h"

static void fill_pairs(struct pair_room *room, const float *scores, const float *a, const float *b,
                       int64_t k) {
    int64_t pair = 0;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i + 1; j < k; j++, pair++) {
            float p = 1 - post_logistic(scores[pair] * a[pair] + b[pair]);
            p = fminf(fmaxf(p, 1e-7f), 1 - 1e-7f);
            room->r[i * k + j] = p;
            room->r[j * k + i] = 1 - p;
        }
}

static void fill_q(struct pair_room *room, int64_t k) {
    float *q = room->q, *r = room->r;
    for (int64_t t = 0; t < k; t++) {
        room->p[t] = 1.0f / (float)k;
        q[t * k + t] = 0;
        for (int64_t j = 0; j < t; j++) {
            q[t * k + t] += r[j * k + t] * r[j * k + t];
            q[t * k + j] = q[j * k + t];
        }
        for (int64_t j = t + 1; j < k; j++) {
            q[t * k + t] += r[j * k + t] * r[j * k + t];
            q[t * k + j] = -r[j * k + t] * r[t * k + j];
        }
    }
}

/* Minimises p Q p over probabilities, one of them at a time. */
static void settle(struct pair_room *room, int64_t k) {
    float *q = room->q, *p = room->p, *qp = room->qp, eps = 0.005f / (float)k;
    for (int64_t round = 0, most = k > 100 ? k : 100; round < most; round++) {
        float pqp = 0, error = 0;
        for (int64_t t = 0; t < k; t++) {
            qp[t] = 0;
            for (int64_t j = 0; j < k; j++)
                qp[t] += q[t * k + j] * p[j];
            pqp += p[t] * qp[t];
        }
        for (int64_t t = 0; t < k; t++)
            error = fmaxf(error, fabsf(qp[t] - pqp));
        if (error < eps)
            return;
        for (int64_t t = 0; t < k; t++) {
            float step = (-qp[t] + pqp) / q[t * k + t];
            p[t] += step;
            pqp = (pqp + step * (step * q[t * k + t] + 2 * qp[t])) / (1 + step) / (1 + step);
            for (int64_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + step * q[t * k + j]) / (1 + step);
                p[j] /= 1 + step;
            }
        }
    }
}

void pairs_to_probabilities(struct pair_room *room, const float *scores, const float *a, const float *b,
                            int64_t classes) {
    fill_pairs(room, scores, a, b, classes);
    fill_q(room, classes);
    settle(room, classes);
}
