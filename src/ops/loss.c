/* loss.c: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: scores [n, classes, ...], labels [n, ...].
 * A label that comes from a record and names no class is taken as the nearest one. */
#include "ops/index.h"
#include "ops/ops.h"

static bool is_reduced(const struct op_call *call) {
    return !op_attr_is(call, "reduction", "none", "mean");
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0], *labels = call->in[1];
    char one[RULE_TEXT], other[RULE_TEXT];
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_INDEX, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    bool fits = st == SL_OK && labels->rank == x->rank - 1 && x->dims[1] > 0;
    for (int d = 0; fits && d < labels->rank; d++)
        fits = labels->dims[d] == x->dims[d ? d + 1 : 0];
    if (st == SL_OK && !fits)
        st = error_set(err, SL_E_MODEL, "scores %s and labels %s do not fit", rule_text(one, x),
                       rule_text(other, labels));
    if (st == SL_OK && op_has_in(call, 2))
        st = rule_dtype(call, 2, OPS_REALS, err);
    if (st == SL_OK && op_has_in(call, 2))
        st = rule_vector(call, 2, x->dims[1], err);
    if (st == SL_OK && is_reduced(call) && !op_attr_is(call, "reduction", "sum", "mean") &&
        !op_attr_is(call, "reduction", "mean", "mean"))
        st = error_set(err, SL_E_MODEL, "attribute 'reduction' is none of none, sum, mean");
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], x->dtype, is_reduced(call) ? 0 : labels->rank, labels->dims);
    if (op_has_out(call, 1))
        rule_like(call, 1);
    return SL_OK;
}

/* log(sum(exp)) over the classes of one position; 0 where the scores are logarithms already. */
static double log_sum(const sl_tensor *x, int64_t first, int64_t inner, bool softmax) {
    double most = -INFINITY, sum = 0;
    if (!softmax)
        return 0;
    for (int64_t c = 0; c < x->dims[1]; c++)
        most = fmax(most, element_real(x->dtype, x->data, first + c * inner));
    if (isinf(most))
        most = 0;
    for (int64_t c = 0; c < x->dims[1]; c++)
        sum += exp(element_real(x->dtype, x->data, first + c * inner) - most);
    return most + log(sum);
}

static void lose(const struct op_call *call, bool softmax) {
    const sl_tensor *x = call->in[0], *labels = call->in[1];
    sl_tensor *y = call->out[0];
    int64_t inner = rule_product(x, 2, x->rank), classes = x->dims[1];
    const struct attr *ignore = op_attr(call, "ignore_index");
    double total = 0, weights = 0;
    for (int64_t i = 0, n = rule_count(labels); i < n; i++) {
        int64_t first = i / inner * classes * inner + i % inner;
        double offset = log_sum(x, first, inner, softmax);
        for (int64_t c = 0; op_has_out(call, 1) && c < classes; c++)
            element_set_real(x->dtype, call->out[1]->data, first + c * inner,
                             element_real(x->dtype, x->data, first + c * inner) - offset);
        bool skip = ignore && element_index(labels->dtype, labels->data, i) == ignore->i;
        int64_t label = index_at(labels, i, classes);
        double weight = skip                 ? 0
                        : op_has_in(call, 2) ? element_real(call->in[2]->dtype, call->in[2]->data, label)
                                             : 1;
        double loss = skip ? 0 : weight * (offset - element_real(x->dtype, x->data, first + label * inner));
        if (!is_reduced(call))
            element_set_real(y->dtype, y->data, i, loss);
        total += loss;
        weights += weight;
    }
    if (is_reduced(call))
        element_set_real(y->dtype, y->data, 0,
                         op_attr_is(call, "reduction", "mean", "mean") ? total / weights : total);
}

static void run_likelihood(const struct op_call *call) {
    lose(call, false);
}

static void run_entropy(const struct op_call *call) {
    lose(call, true);
}

#define LOSS(id, op_name, out_most, op_run)                                                                  \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 12,                                                                  \
                               .min_in = 2,                                                                  \
                               .max_in = 3,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = out_most,                                                          \
                               .attrs = "ignore_index reduction",                                            \
                               .infer = infer,                                                               \
                               .run = op_run};

LOSS(likelihood_loss, "NegativeLogLikelihoodLoss", 1, run_likelihood)
LOSS(entropy_loss, "SoftmaxCrossEntropyLoss", 2, run_entropy)
