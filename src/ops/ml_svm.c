/* ml_svm.c: SVMClassifier and SVMRegressor of ai.onnx.ml. Kernels and sums in double. */
#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/ml_scores.h"
#include "ops/ml_svm_pairs.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define FEATURES (OPS_BIT(SL_FLOAT) | OPS_BIT(SL_DOUBLE) | OPS_BIT(SL_INT64) | OPS_BIT(SL_INT32))
#define MOST_CLASSES 4096

enum kernel { LINEAR, POLY, RBF, SIGMOID };

struct svm {
    enum kernel kernel;
    double gamma, coef0;
    int degree;
    enum post_transform post;
    const struct attr *coefficients, *rho, *vectors, *per_class, *prob_a, *prob_b;
    struct labels labels;
    int64_t width, classes, vector_count, pairs;
    bool has_probabilities, all_positive;
};

static size_t count_of(const struct attr *attr) {
    return attr ? attr->count : 0;
}

static int64_t row_count(const sl_tensor *x) {
    return x->rank == 1 ? 1 : x->dims[0];
}

static sl_status read_common(const struct op_call *call, struct svm *s, sl_error *err) {
    static const char *const names[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    static const char *const floats[] = {"coefficients", "rho",    "support_vectors",
                                         "prob_a",       "prob_b", "kernel_params"};
    const struct attr *params = op_attr(call, "kernel_params");
    const sl_tensor *x = call->in[0];
    int kernel = 0;
    sl_status st = rule_dtype(call, 0, FEATURES, err);
    if (st == SL_OK && (x->rank < 1 || x->rank > 2))
        st = error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 1 or 2", x->rank);
    if (st == SL_OK)
        st = post_read(call, &s->post, err);
    if (st != SL_OK)
        return st;
    for (int i = 0; i < 6; i++)
        if (op_attr(call, floats[i]) && op_attr(call, floats[i])->type != ATTR_FLOATS)
            return error_set(err, SL_E_MODEL, "attribute '%s' is not a list of numbers", floats[i]);
    while (kernel < 4 && !op_attr_is(call, "kernel_type", names[kernel], "LINEAR"))
        kernel++;
    if (kernel == 4)
        return error_set(err, SL_E_MODEL, "attribute 'kernel_type' is none of LINEAR, POLY, RBF, SIGMOID");
    s->kernel = (enum kernel)kernel;
    if (count_of(params) && params->count < 3)
        return error_set(err, SL_E_MODEL, "attribute 'kernel_params' is not a list of 3 numbers");
    if (count_of(params)) {
        s->gamma = (double)params->floats[0];
        s->coef0 = (double)params->floats[1];
        s->degree = (int)fmin(fmax((double)params->floats[2], -1e6), 1e6);
    }
    s->width = x->dims[x->rank - 1];
    s->coefficients = op_attr(call, "coefficients");
    s->rho = op_attr(call, "rho");
    s->vectors = op_attr(call, "support_vectors");
    if (!count_of(s->coefficients) || !count_of(s->rho))
        return error_set(err, SL_E_MODEL, "attribute '%s' is missing",
                         count_of(s->rho) ? "coefficients" : "rho");
    return SL_OK;
}

static sl_status check_count(const struct attr *attr, const char *name, int64_t a, int64_t b, sl_error *err) {
    int64_t count;
    if (__builtin_mul_overflow(a, b, &count) || count_of(attr) != (size_t)count)
        return error_set(err, SL_E_MODEL, "attribute '%s' has %zu numbers, expected %lld x %lld", name,
                         count_of(attr), (long long)a, (long long)b);
    return SL_OK;
}

static double kernel_of(const struct svm *s, enum kernel kernel, const sl_tensor *x, int64_t row,
                        const float *vector) {
    double sum = 0;
    for (int64_t i = 0; i < s->width; i++) {
        double a = element_number(x->dtype, x->data, row * s->width + i), b = (double)vector[i];
        sum += kernel == RBF ? (a - b) * (a - b) : a * b;
    }
    switch (kernel) {
    case RBF:
        return exp(-s->gamma * sum);
    case POLY:
        return pow(s->gamma * sum + s->coef0, s->degree);
    case SIGMOID:
        return tanh(s->gamma * sum + s->coef0);
    case LINEAR:
        break;
    }
    return sum;
}

/* ---- regressor ---- */

static sl_status read_regressor(const struct op_call *call, struct svm *s, sl_error *err) {
    *s = (struct svm){.vector_count = op_attr_int(call, "n_supports", 0)};
    sl_status st = read_common(call, s, err);
    if (st == SL_OK && s->vector_count > 0) {
        st = check_count(s->vectors, "support_vectors", s->vector_count, s->width, err);
        if (st == SL_OK)
            st = check_count(s->coefficients, "coefficients", s->vector_count, 1, err);
    } else if (st == SL_OK) {
        st = check_count(s->coefficients, "coefficients", 1, s->width, err);
    }
    return st;
}

static sl_status infer_regressor(const struct op_call *call, sl_error *err) {
    struct svm s;
    sl_status st = read_regressor(call, &s, err);
    if (st == SL_OK)
        rule_set(call->out[0], SL_FLOAT, 2, (int64_t[]){row_count(call->in[0]), 1});
    return st;
}

static void run_regressor(const struct op_call *call) {
    struct svm s;
    if (read_regressor(call, &s, NULL) != SL_OK)
        return;
    bool one_class = op_attr_int(call, "one_class", 0) != 0;
    for (int64_t row = 0, rows = row_count(call->in[0]); row < rows; row++) {
        double sum = 0;
        for (int64_t i = 0; i < s.vector_count; i++)
            sum += (double)s.coefficients->floats[i] *
                   kernel_of(&s, s.kernel, call->in[0], row, s.vectors->floats + i * s.width);
        if (s.vector_count <= 0)
            sum = kernel_of(&s, LINEAR, call->in[0], row, s.coefficients->floats);
        float score = (float)(sum + (double)s.rho->floats[0]);
        if (one_class)
            score = score > 0 ? 1 : -1;
        else if (s.post == POST_PROBIT)
            score = post_probit(score);
        ((float *)call->out[0]->data)[row] = score;
    }
}

const struct op op_svm_regressor = {.domain = "ai.onnx.ml",
                                    .name = "SVMRegressor",
                                    .since = 1,
                                    .min_in = 1,
                                    .max_in = 1,
                                    .min_out = 1,
                                    .max_out = 1,
                                    .attrs = "coefficients kernel_params kernel_type n_supports one_class "
                                             "post_transform rho support_vectors",
                                    .infer = infer_regressor,
                                    .run = run_regressor};

/* ---- classifier: without support vectors one line of coefficients a class, else one score a pair ---- */

static sl_status check_pairs(struct svm *s, sl_error *err) {
    s->pairs = s->classes * (s->classes - 1) / 2;
    for (size_t i = 0; i < s->per_class->count; i++)
        if (s->per_class->ints[i] < 0 || s->per_class->ints[i] > INT32_MAX)
            return error_set(err, SL_E_MODEL, "attribute 'vectors_per_class' has the number %lld",
                             (long long)s->per_class->ints[i]);
        else
            s->vector_count += s->per_class->ints[i];
    if (s->per_class->count != (size_t)s->classes || s->classes < 2)
        return error_set(err, SL_E_MODEL, "%zu classes have support vectors, there are %lld labels",
                         s->per_class->count, (long long)s->classes);
    sl_status st = check_count(s->vectors, "support_vectors", s->vector_count, s->width, err);
    if (st == SL_OK)
        st = check_count(s->coefficients, "coefficients", s->classes - 1, s->vector_count, err);
    if (st == SL_OK)
        st = check_count(s->rho, "rho", s->pairs, 1, err);
    if (st == SL_OK && s->has_probabilities) {
        st = check_count(s->prob_a, "prob_a", s->pairs, 1, err);
        if (st == SL_OK)
            st = check_count(s->prob_b, "prob_b", s->pairs, 1, err);
    }
    if (st == SL_OK && s->pairs == 1 && !s->has_probabilities && s->post == POST_PROBIT)
        st = error_set(err, SL_E_MODEL, "PROBIT of two classes without probabilities is not defined");
    return st;
}

static sl_status read_classifier(const struct op_call *call, struct svm *s, sl_error *err) {
    *s = (struct svm){.per_class = op_attr(call, "vectors_per_class"),
                      .prob_a = op_attr(call, "prob_a"),
                      .prob_b = op_attr(call, "prob_b")};
    sl_status st = read_common(call, s, err);
    if (st == SL_OK)
        st = labels_read(call, &s->labels, err);
    if (st != SL_OK)
        return st;
    s->classes = s->labels.count ? (int64_t)s->labels.count : 1;
    if (s->classes > MOST_CLASSES)
        return error_set(err, SL_E_MODEL, "%lld classes, at most %d are known here", (long long)s->classes,
                         MOST_CLASSES);
    s->all_positive = true;
    for (size_t i = 0; i < s->coefficients->count; i++)
        s->all_positive = s->all_positive && s->coefficients->floats[i] >= 0;
    if (!count_of(s->per_class))
        return check_count(s->coefficients, "coefficients", s->classes, s->width, err);
    if (s->per_class->type != ATTR_INTS)
        return error_set(err, SL_E_MODEL, "attribute 'vectors_per_class' is not a list of integers");
    s->has_probabilities = count_of(s->prob_a) > 0;
    return check_pairs(s, err);
}

/* Scores as they go out. */
static int64_t score_count(const struct svm *s) {
    if (!s->pairs || s->has_probabilities)
        return s->classes == 1 ? 1 : s->classes;
    return s->pairs == 1 ? 2 : s->pairs;
}

static sl_status infer_classifier(const struct op_call *call, sl_error *err) {
    struct svm s;
    sl_status st = read_classifier(call, &s, err);
    if (st != SL_OK)
        return st;
    int64_t rows = row_count(call->in[0]);
    if (op_has_out(call, 0))
        rule_set(call->out[0], labels_dtype(&s.labels), 1, &rows);
    if (op_has_out(call, 1))
        rule_set(call->out[1], SL_FLOAT, 2, (int64_t[]){rows, score_count(&s)});
    return SL_OK;
}

/* One row's room. */
struct svm_room {
    double *kernels; /* [vectors] */
    float *scores;   /* [pairs + classes + 2] */
    float *votes;    /* [classes] */
    struct pair_room pairs;
};

static size_t room_nbytes(const struct svm *s, struct svm_room *room, char *base) {
    size_t classes = (size_t)s->classes, square = s->has_probabilities ? classes * classes : 0;
    size_t scores = (size_t)s->pairs + classes + 2;
    float *floats = (float *)(void *)(base + (size_t)s->vector_count * sizeof(double));
    *room = (struct svm_room){.kernels = (double *)(void *)base,
                              .scores = floats,
                              .votes = floats + scores,
                              .pairs = {.p = floats + scores + classes,
                                        .qp = floats + scores + 2 * classes,
                                        .r = floats + scores + 3 * classes,
                                        .q = floats + scores + 3 * classes + square}};
    return (size_t)s->vector_count * sizeof(double) + (scores + 3 * classes + 2 * square) * sizeof(float);
}

static sl_status prepare_classifier(const struct op_call *call, struct arena *arena,
                                    struct op_prepared *prepared, sl_error *err) {
    struct svm_room room;
    char nothing[1];
    struct svm *s = arena_alloc(arena, 1, sizeof *s);
    if (!s)
        return error_set(err, SL_E_MEMORY, "out of memory for a support vector machine");
    prepared->state = s;
    sl_status st = read_classifier(call, s, err);
    prepared->scratch_nbytes = st == SL_OK ? room_nbytes(s, &room, nothing) : 0;
    return st;
}

static double dot(const float *coefficients, const double *kernels, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)coefficients[i] * kernels[i];
    return sum;
}

/* A score and a vote for each pair of classes. */
static void score_pairs(const struct svm *s, const sl_tensor *x, int64_t row, struct svm_room *room) {
    int64_t pair = 0, first = 0;
    for (int64_t i = 0; i < s->vector_count; i++)
        room->kernels[i] = kernel_of(s, s->kernel, x, row, s->vectors->floats + i * s->width);
    memset(room->votes, 0, (size_t)s->classes * sizeof *room->votes);
    for (int64_t i = 0; i < s->classes; i++) {
        int64_t here = s->per_class->ints[i], second = first + here;
        for (int64_t j = i + 1; j < s->classes; j++, pair++) {
            int64_t there = s->per_class->ints[j];
            const float *c = s->coefficients->floats;
            double sum = dot(c + (j - 1) * s->vector_count + first, room->kernels + first, here) +
                         dot(c + i * s->vector_count + second, room->kernels + second, there);
            room->scores[pair] = (float)(sum + (double)s->rho->floats[pair]);
            room->votes[room->scores[pair] > 0 ? i : j] += 1;
            second += there;
        }
        first += here;
    }
}

static size_t largest(const float *x, int64_t n) {
    size_t best = 0;
    for (int64_t i = 1; i < n; i++)
        best = x[i] > x[best] ? (size_t)i : best;
    return best;
}

/* Which class wins. With one rho ONNX Runtime has rules of its own. */
static size_t choose(const struct svm *s, const struct svm_room *room) {
    const float *weights = s->pairs ? room->votes : room->scores;
    size_t best = largest(weights, s->classes);
    if (s->rho->count != 1)
        return best;
    if (s->labels.count == 2)
        return !s->has_probabilities && s->all_positive && weights[best] >= 0.5f ? 1 : best;
    return weights[best] > 0 && s->labels.count != 1;
}

static void run_classifier(const struct op_call *call) {
    const struct svm *s = call->state;
    struct svm_room room;
    const sl_tensor *x = call->in[0];
    int64_t width = score_count(s);
    room_nbytes(s, &room, call->scratch);
    for (int64_t row = 0, rows = row_count(x); row < rows; row++) {
        if (s->pairs)
            score_pairs(s, x, row, &room);
        for (int64_t k = 0; !s->pairs && k < s->classes; k++)
            room.scores[k] = (float)(kernel_of(s, LINEAR, x, row, s->coefficients->floats + k * s->width) +
                                     (double)s->rho->floats[0]);
        size_t best = choose(s, &room);
        const float *scores = room.scores;
        if (s->has_probabilities) {
            pairs_to_probabilities(&room.pairs, room.scores, s->prob_a->floats, s->prob_b->floats,
                                   s->classes);
            scores = room.pairs.p;
        } else if (s->pairs == 1) {
            room.scores[1] = room.scores[0];
            room.scores[0] = -room.scores[1];
        }
        if (op_has_out(call, 0))
            labels_write(&s->labels, call->out[0], row, best);
        if (!op_has_out(call, 1))
            continue;
        float *out = (float *)call->out[1]->data + row * width;
        memcpy(out, scores, (size_t)width * sizeof *out);
        /* of a pair of classes, ONNX Runtime leaves 1 - x, x as it is under the softmaxes */
        bool kept = s->pairs == 1 && !s->has_probabilities && s->post != POST_LOGISTIC;
        if (kept && s->post != POST_NONE)
            out[0] = 1 - out[1];
        bool one = width == 1 && s->post != POST_PROBIT;
        post_apply(kept || one ? POST_NONE : s->post, out, (size_t)width);
    }
}

const struct op op_svm_classifier = {
    .domain = "ai.onnx.ml",
    .name = "SVMClassifier",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
    .attrs =
        "classlabels_ints classlabels_strings coefficients kernel_params kernel_type post_transform prob_a "
        "prob_b rho support_vectors vectors_per_class",
    .infer = infer_classifier,
    .prepare = prepare_classifier,
    .any_size = true,
    .run = run_classifier};
