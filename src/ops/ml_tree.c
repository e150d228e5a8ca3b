/* ml_tree.c: TreeEnsembleClassifier and TreeEnsembleRegressor of ai.onnx.ml. */
#include "ops/ml_scores.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/tree.h"

#define FEATURES (OPS_BIT(SL_FLOAT) | OPS_BIT(SL_DOUBLE) | OPS_BIT(SL_INT64) | OPS_BIT(SL_INT32))

#define NODE_ATTRS                                                                                           \
    "base_values base_values_as_tensor nodes_falsenodeids nodes_featureids nodes_hitrates "                  \
    "nodes_hitrates_as_tensor nodes_missing_value_tracks_true nodes_modes nodes_nodeids nodes_treeids "      \
    "nodes_truenodeids nodes_values nodes_values_as_tensor post_transform "

static int64_t row_count(const sl_tensor *x) {
    return x->rank == 1 ? 1 : x->dims[0];
}

static sl_status check_input(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, FEATURES, err);
    if (st == SL_OK && call->in[0]->rank != 1)
        st = rule_rank(call, 0, 2, err);
    return st;
}

/* Classifier */
static sl_status infer_classifier(const struct op_call *call, sl_error *err) {
    struct labels labels;
    enum post_transform post = POST_NONE;
    sl_status st = check_input(call, err);
    if (st == SL_OK)
        st = labels_read(call, &labels, err);
    if (st == SL_OK && labels.count < 2)
        st = error_set(err, SL_E_MODEL, "a classifier needs two class labels or more");
    if (st == SL_OK)
        st = post_read(call, &post, err);
    if (st != SL_OK)
        return st;
    int64_t rows = row_count(call->in[0]);
    if (op_has_out(call, 0))
        rule_set(call->out[0], labels_dtype(&labels), 1, &rows);
    if (op_has_out(call, 1))
        rule_set(call->out[1], SL_FLOAT, 2, (int64_t[]){rows, (int64_t)labels.count});
    return SL_OK;
}

static sl_status prepare_with(const struct op_call *call, const char *prefix, size_t targets,
                              enum tree_aggregate aggregate, tree_finish *finish, struct arena *arena,
                              struct op_prepared *prepared, sl_error *err) {
    struct tree_ensemble *ensemble;
    sl_status st = tree_build(call, prefix, targets, arena, &ensemble, err);
    if (st != SL_OK)
        return st;
    ensemble->aggregate = aggregate;
    ensemble->finish = finish;
    prepared->state = ensemble;
    prepared->scratch_nbytes = tree_run_nbytes(ensemble, call->in[0]);
    return SL_OK;
}

/* More than two classes: the largest that got any weight. */
static size_t finish_many(const struct tree_ensemble *e, const double *scores, const bool *found, float *out,
                          enum post_transform post) {
    size_t best = 0, n = e->target_count;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)(scores[i] + (e->base_count == n ? e->base[i] : 0));
        if ((found[i] || e->base_count == n) && (!any || out[i] > out[best])) {
            best = i;
            any = true;
        }
    }
    post_apply(post, out, n);
    return best;
}

/* Two classes. Where the leaves say nothing of class 1, one sum decides and both scores are made from it;
 * with two base values the second score is class 0's sum. The specification is silent here; this is what ONNX
 * Runtime does. A class without any weight counts as 0. */
static size_t finish_two(const struct tree_ensemble *e, const double *sums, const bool *found, float out[2],
                         enum post_transform post) {
    double scores[2] = {sums[0], sums[1]};
    bool single = !found[1] && e->base_count != 2;
    if (e->base_count == 1) {
        scores[0] += e->base[0];
    } else if (e->base_count == 2 && found[1]) {
        scores[1] = scores[0] + e->base[1];
        scores[0] = -scores[1];
    } else if (e->base_count == 2) {
        scores[0] += e->base[0];
    }
    out[0] = found[0] || single ? (float)scores[0] : 0;
    out[1] = found[1] ? (float)scores[1] : 0;
    float decides = found[1] ? out[1] : out[0];
    bool add_up = e->one_target && e->all_positive;
    if (!single)
        post_apply(post, out, 2);
    else if (post == POST_PROBIT)
        out[0] = post_probit(decides);
    else
        post_two_classes(post, add_up, decides, out);
    return decides > (add_up ? 0.5f : 0);
}

static void finish_classifier(const struct op_call *call, const struct tree_ensemble *e, int64_t first,
                              int64_t count, const double *scores, const bool *found, float *spare) {
    struct labels labels;
    enum post_transform post = POST_NONE;
    size_t n = e->target_count;
    if (labels_read(call, &labels, NULL) != SL_OK || post_read(call, &post, NULL) != SL_OK)
        return;
    for (int64_t row = 0; row < count; row++, scores += n, found += n) {
        float *out = op_has_out(call, 1) ? (float *)call->out[1]->data + (size_t)(first + row) * n : spare;
        size_t best =
            n > 2 ? finish_many(e, scores, found, out, post) : finish_two(e, scores, found, out, post);
        if (op_has_out(call, 0))
            labels_write(&labels, call->out[0], first + row, best);
    }
}

static sl_status prepare_classifier(const struct op_call *call, struct arena *arena,
                                    struct op_prepared *prepared, sl_error *err) {
    struct labels labels;
    sl_status st = labels_read(call, &labels, err);
    return st == SL_OK
               ? prepare_with(call, "class", labels.count, TREE_SUM, finish_classifier, arena, prepared, err)
               : st;
}

const struct op op_tree_classifier = {
    .domain = "ai.onnx.ml",
    .name = "TreeEnsembleClassifier",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
    .attrs = NODE_ATTRS "class_ids class_nodeids class_treeids class_weights class_weights_as_tensor "
                        "classlabels_int64s classlabels_strings",
    .infer = infer_classifier,
    .prepare = prepare_classifier,
    .any_size = true,
    .run = tree_run};

/* Regressor */
static sl_status read_aggregate(const struct op_call *call, enum tree_aggregate *aggregate, sl_error *err) {
    static const char *const names[] = {"SUM", "AVERAGE", "MIN", "MAX"};
    for (int i = 0; i < 4; i++)
        if (op_attr_is(call, "aggregate_function", names[i], "SUM")) {
            *aggregate = (enum tree_aggregate)i;
            return SL_OK;
        }
    return error_set(err, SL_E_MODEL, "attribute 'aggregate_function' is none of SUM, AVERAGE, MIN, MAX");
}

static sl_status infer_regressor(const struct op_call *call, sl_error *err) {
    enum tree_aggregate aggregate = TREE_SUM;
    enum post_transform post = POST_NONE;
    int64_t targets = op_attr_int(call, "n_targets", 1);
    sl_status st = check_input(call, err);
    if (st == SL_OK)
        st = read_aggregate(call, &aggregate, err);
    if (st == SL_OK)
        st = post_read(call, &post, err);
    if (st == SL_OK && (targets < 1 || targets > INT32_MAX / TREE_BLOCK))
        st = error_set(err, SL_E_MODEL, "attribute 'n_targets' is %lld", (long long)targets);
    if (st == SL_OK)
        rule_set(call->out[0], SL_FLOAT, 2, (int64_t[]){row_count(call->in[0]), targets});
    return st;
}

static void finish_regressor(const struct op_call *call, const struct tree_ensemble *e, int64_t first,
                             int64_t count, const double *scores, const bool *found, float *spare) {
    enum post_transform post = POST_NONE;
    size_t n = e->target_count;
    float *out = (float *)call->out[0]->data + (size_t)first * n;
    (void)found;
    (void)spare;
    if (post_read(call, &post, NULL) != SL_OK)
        return;
    for (int64_t row = 0; row < count; row++, scores += n, out += n) {
        for (size_t i = 0; i < n; i++) {
            double score = e->aggregate == TREE_AVERAGE ? scores[i] / (double)e->tree_count : scores[i];
            out[i] = (float)(e->base_count == n ? score + e->base[i] : score);
        }
        post_apply(n > 1 || post == POST_PROBIT ? post : POST_NONE, out, n);
    }
}

static sl_status prepare_regressor(const struct op_call *call, struct arena *arena,
                                   struct op_prepared *prepared, sl_error *err) {
    enum tree_aggregate aggregate = TREE_SUM;
    sl_status st = read_aggregate(call, &aggregate, err);
    return st == SL_OK ? prepare_with(call, "target", (size_t)op_attr_int(call, "n_targets", 1), aggregate,
                                      finish_regressor, arena, prepared, err)
                       : st;
}

const struct op op_tree_regressor = {
    .domain = "ai.onnx.ml",
    .name = "TreeEnsembleRegressor",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attrs =
        NODE_ATTRS "aggregate_function n_targets target_ids target_nodeids target_treeids target_weights "
                   "target_weights_as_tensor",
    .infer = infer_regressor,
    .prepare = prepare_regressor,
    .any_size = true,
    .run = tree_run};
