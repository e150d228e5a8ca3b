/* ml_svm_pairs.h: probabilities of classes out of the scores of all pairs of them. */
#ifndef OPS_ML_SVM_PAIRS_H
#define OPS_ML_SVM_PAIRS_H

#include <stdint.h>

struct pair_room {
    float *p, *qp; /* [classes]; p is the result */
    float *r, *q;  /* [classes x classes] */
};

/* `scores`, `a` and `b` are of the pairs (0,1), (0,2), ..., (1,2), ...: a pair's first class has the
 * probability 1 - logistic(score * a + b). */
void pairs_to_probabilities(struct pair_room *room, const float *scores, const float *a, const float *b,
                            int64_t classes);

#endif
