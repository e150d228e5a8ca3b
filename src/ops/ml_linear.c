/* ml_linear.c: LinearClassifier and LinearRegressor of ai.onnx.ml. Sums in double, rounded once. */
#include "ops/element.h"
#include "ops/ml_scores.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define FEATURES (OPS_BIT(SL_FLOAT) | OPS_BIT(SL_DOUBLE) | OPS_BIT(SL_INT64) | OPS_BIT(SL_INT32))

static int64_t row_count(const sl_tensor *x) {
    return x->rank == 1 ? 1 : x->dims[0];
}

/* One output of a linear function: row x, line `k` of the coefficients. */
static double weigh(const sl_tensor *x, int64_t row, const struct attr *coefficients, int64_t k) {
    int64_t width = x->dims[x->rank - 1];
    double sum = 0;
    for (int64_t i = 0; i < width; i++)
        sum +=
            element_number(x->dtype, x->data, row * width + i) * (double)coefficients->floats[k * width + i];
    return sum;
}

/* Coefficients are there for `lines` outputs, intercepts for as many or none. */
static sl_status check_linear(const struct op_call *call, int64_t lines, sl_error *err) {
    sl_status st = rule_dtype(call, 0, FEATURES, err);
    if (st == SL_OK && call->in[0]->rank != 1)
        st = rule_rank(call, 0, 2, err);
    if (st != SL_OK)
        return st;
    const struct attr *coefficients = op_attr(call, "coefficients"),
                      *intercepts = op_attr(call, "intercepts");
    int64_t width = call->in[0]->dims[call->in[0]->rank - 1], wish;
    if (!coefficients || coefficients->type != ATTR_FLOATS || lines < 1 ||
        __builtin_mul_overflow(lines, width, &wish) || coefficients->count != (size_t)wish)
        return error_set(err, SL_E_MODEL, "attribute 'coefficients' is not a list of %lld x %lld numbers",
                         (long long)lines, (long long)width);
    if (intercepts && intercepts->count &&
        (intercepts->type != ATTR_FLOATS || intercepts->count != (size_t)lines))
        return error_set(err, SL_E_MODEL, "attribute 'intercepts' is not a list of %lld numbers",
                         (long long)lines);
    return SL_OK;
}

static double intercept(const struct attr *intercepts, int64_t k) {
    return intercepts && intercepts->count ? (double)intercepts->floats[k] : 0;
}

/* Classifier: one line of coefficients a class; one line alone separates two classes. */
struct classes {
    struct labels labels;
    enum post_transform post;
    int64_t lines;
    bool add_second; /* one line, two scores */
};

static sl_status read_classes(const struct op_call *call, struct classes *c, sl_error *err) {
    sl_status st = labels_read(call, &c->labels, err);
    if (st == SL_OK)
        st = post_read(call, &c->post, err);
    const struct attr *intercepts = op_attr(call, "intercepts"),
                      *coefficients = op_attr(call, "coefficients");
    int64_t width = call->in[0]->dims[call->in[0]->rank - 1];
    c->lines = intercepts && intercepts->count ? (int64_t)intercepts->count
               : coefficients && width         ? (int64_t)coefficients->count / width
                                               : 0;
    c->add_second = c->lines == 1 && c->labels.count == 2;
    if (st == SL_OK && c->lines > 1 && c->labels.count != (size_t)c->lines)
        st = error_set(err, SL_E_MODEL, "%zu labels for %lld classes", c->labels.count, (long long)c->lines);
    if (st == SL_OK && c->lines == 1 && c->labels.count != 2)
        st = error_set(err, SL_E_MODEL, "one line of coefficients needs two labels, there are %zu",
                       c->labels.count);
    return st;
}

static sl_status infer_classifier(const struct op_call *call, sl_error *err) {
    struct classes c;
    sl_status st = rule_min_rank(call, 0, 1, err);
    if (st == SL_OK)
        st = read_classes(call, &c, err);
    if (st == SL_OK)
        st = check_linear(call, c.lines, err);
    if (st != SL_OK)
        return st;
    int64_t rows = row_count(call->in[0]);
    if (op_has_out(call, 0))
        rule_set(call->out[0], labels_dtype(&c.labels), 1, &rows);
    if (op_has_out(call, 1))
        rule_set(call->out[1], SL_FLOAT, 2, (int64_t[]){rows, c.add_second ? 2 : c.lines});
    return SL_OK;
}

static sl_status prepare_classifier(const struct op_call *call, struct arena *arena,
                                    struct op_prepared *prepared, sl_error *err) {
    struct classes c;
    sl_status st = read_classes(call, &c, err);
    (void)arena;
    if (st == SL_OK)
        prepared->scratch_nbytes = (size_t)(c.lines + 1) * sizeof(float);
    return st;
}

static void run_classifier(const struct op_call *call) {
    struct classes c;
    if (read_classes(call, &c, NULL) != SL_OK)
        return;
    float *scores = call->scratch;
    size_t width = c.add_second ? 2 : (size_t)c.lines;
    for (int64_t row = 0, rows = row_count(call->in[0]); row < rows; row++) {
        size_t best = 0;
        for (int64_t k = 0; k < c.lines; k++) {
            scores[k] = (float)(weigh(call->in[0], row, op_attr(call, "coefficients"), k) +
                                intercept(op_attr(call, "intercepts"), k));
            best = scores[k] > scores[best] ? (size_t)k : best;
        }
        if (c.add_second) {
            best = scores[0] > 0;
            scores[1] = scores[0];
            if (c.post != POST_LOGISTIC)
                scores[0] = 1 - scores[1];
            else
                scores[0] = -scores[1];
            if (c.post == POST_PROBIT)
                scores[0] = scores[1];
        }
        /* of one line, ONNX Runtime leaves the pair 1 - x, x as it is under the softmaxes */
        bool kept = c.add_second && (c.post == POST_SOFTMAX || c.post == POST_SOFTMAX_ZERO);
        post_apply(kept ? POST_NONE : c.post, scores, width);
        if (op_has_out(call, 0))
            labels_write(&c.labels, call->out[0], row, best);
        for (size_t k = 0; op_has_out(call, 1) && k < width; k++)
            ((float *)call->out[1]->data)[(size_t)row * width + k] = scores[k];
    }
}

const struct op op_linear_classifier = {.domain = "ai.onnx.ml",
                                        .name = "LinearClassifier",
                                        .since = 1,
                                        .min_in = 1,
                                        .max_in = 1,
                                        .min_out = 1,
                                        .max_out = 2,
                                        .attrs =
                                            "classlabels_ints classlabels_strings coefficients intercepts "
                                            "multi_class post_transform",
                                        .infer = infer_classifier,
                                        .prepare = prepare_classifier,
                                        .run = run_classifier};

/* Regressor */
static sl_status infer_regressor(const struct op_call *call, sl_error *err) {
    int64_t targets = op_attr_int(call, "targets", 1);
    enum post_transform post;
    sl_status st = rule_min_rank(call, 0, 1, err);
    if (st == SL_OK)
        st = check_linear(call, targets, err);
    if (st == SL_OK)
        st = post_read(call, &post, err);
    if (st == SL_OK)
        rule_set(call->out[0], SL_FLOAT, 2, (int64_t[]){row_count(call->in[0]), targets});
    return st;
}

static void run_regressor(const struct op_call *call) {
    enum post_transform post;
    if (post_read(call, &post, NULL) != SL_OK)
        return;
    int64_t targets = call->out[0]->dims[1];
    for (int64_t row = 0, rows = row_count(call->in[0]); row < rows; row++) {
        float *out = (float *)call->out[0]->data + row * targets;
        for (int64_t k = 0; k < targets; k++)
            out[k] = (float)(weigh(call->in[0], row, op_attr(call, "coefficients"), k) +
                             intercept(op_attr(call, "intercepts"), k));
        post_apply(targets > 1 || post == POST_PROBIT ? post : POST_NONE, out, (size_t)targets);
    }
}

const struct op op_linear_regressor = {.domain = "ai.onnx.ml",
                                       .name = "LinearRegressor",
                                       .since = 1,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .min_out = 1,
                                       .max_out = 1,
                                       .attrs = "coefficients intercepts post_transform targets",
                                       .infer = infer_regressor,
                                       .run = run_regressor};
