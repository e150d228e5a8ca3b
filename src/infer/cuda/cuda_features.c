/* cuda_features.c: the feature operators of ai.onnx.ml, and its linear models. */
#include "infer/cuda/cuda_bound.h"
#include "ops/ml_scores.h"
#include "ops/rules.h"

BOUND_LAUNCH(feature)
BOUND_LAUNCH(gather)
BOUND_LAUNCH(lp_norm)
BOUND_LAUNCH(linear_table)

#define AT(type, field) offsetof(struct type, field)

static int64_t width_of(const sl_tensor *x) {
    return x->rank ? x->dims[x->rank - 1] : 1;
}

static bool bind_list(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct attr *list) {
    return list->type == ATTR_INTS ? bound_table(m, b, at, list->ints, list->count * sizeof *list->ints)
                                   : bound_table(m, b, at, list->floats, list->count * sizeof *list->floats);
}

static bool match_feature(struct cuda_match *m, int op) {
    const struct op_call *call = &m->call;
    const sl_tensor *x = call->in[0];
    bool whole = x->dtype == SL_INT64 || x->dtype == SL_INT32;
    const struct attr *scale = op_attr(call, "scale"), *offset = op_attr(call, "offset");
    const struct attr *value = op_attr(call, whole ? "imputed_value_int64s" : "imputed_value_floats");
    if (rule_count(x) > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)rule_count(x));
    struct k_feature f = {
        .x_type = bound_in_type(m, 0),
        .y_type = bound_out_type(m, 0),
        .op = op == K_FEATURE_IMPUTE && whole ? K_FEATURE_IMPUTE_WHOLE : (enum k_feature_op)op,
        .count = (uint32_t)rule_count(x),
        .width = k_divide_by((uint32_t)width_of(x)),
        .missing = op_attr_float(call, op == K_FEATURE_BINARIZE ? "threshold" : "replaced_value_float", 0),
        .missing_whole = op_attr_int(call, "replaced_value_int64", 0)};
    if (op == K_FEATURE_SCALE) {
        f.one_scale = scale->count == 1;
        f.one_offset = offset->count == 1;
    } else if (op == K_FEATURE_IMPUTE) {
        f.one_value = value->count == 1;
    }
    struct cuda_bound *b = bound_add(m, launch_feature, &f, sizeof f);
    bool ok = bound_in(m, b, AT(k_feature, x), 0, 0) && bound_out(m, b, AT(k_feature, y), 0, 0);
    if (ok && op == K_FEATURE_SCALE)
        ok = bind_list(m, b, AT(k_feature, scale), scale) && bind_list(m, b, AT(k_feature, offset), offset);
    if (ok && op == K_FEATURE_IMPUTE)
        ok = bind_list(m, b, whole ? AT(k_feature, whole) : AT(k_feature, value), value);
    return ok;
}

/* Some columns: Gather along the last dim. */
static bool match_extractor(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    size_t nbytes = bound_type_nbytes(bound_in_type(m, 0));
    (void)detail;
    if (bound_in_type(m, 0) != bound_out_type(m, 0) || rule_count(x) > INT32_MAX)
        return bound_refuse(m, "an output of another dtype");
    struct k_gather g = {.index_type = bound_in_type(m, 1),
                         .unit_nbytes = (int32_t)nbytes,
                         .size = (int32_t)width_of(x),
                         .clamped = true,
                         .total = (uint32_t)rule_count(m->call.out[0]),
                         .inner = k_divide_by(1),
                         .count = k_divide_by((uint32_t)rule_count(m->call.in[1]))};
    struct cuda_bound *b = bound_add(m, launch_gather, &g, sizeof g);
    return bound_in(m, b, AT(k_gather, x), 0, 0) && bound_in(m, b, AT(k_gather, indices), 1, 0) &&
           bound_out(m, b, AT(k_gather, y), 0, 0);
}

static bool match_normalizer(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    int64_t width = width_of(x);
    (void)detail;
    if (rule_count(x) > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)rule_count(x));
    struct k_lp_norm s = {.line = {.x_type = bound_in_type(m, 0),
                                   .y_type = bound_out_type(m, 0),
                                   .lines = (uint32_t)(rule_count(x) / width),
                                   .n = (int32_t)width,
                                   .step = k_divide_by(1)},
                          .p = op_attr_is(&m->call, "norm", "L1", "MAX")   ? 1
                               : op_attr_is(&m->call, "norm", "L2", "MAX") ? 2
                                                                           : 0};
    struct cuda_bound *b = bound_add(m, launch_lp_norm, &s, sizeof s);
    return bound_in(m, b, AT(k_lp_norm, line.x), 0, 0) && bound_out(m, b, AT(k_lp_norm, line.y), 0, 0);
}

static bool match_linear(struct cuda_match *m, int classes) {
    const struct op_call *call = &m->call;
    const sl_tensor *x = call->in[0];
    const struct attr *coefficients = op_attr(call, "coefficients"),
                      *intercepts = op_attr(call, "intercepts");
    struct labels labels = {0};
    enum post_transform post = POST_NONE;
    size_t score = classes ? 1 : 0;
    (void)post_read(call, &post, NULL);
    if (classes)
        (void)labels_read(call, &labels, NULL);
    if (labels.strings && bound_has_out(m, 0))
        return bound_refuse(m, "labels that are texts");
    if (!bound_has_out(m, score) || bound_out_type(m, score) != K_F32)
        return bound_refuse(m, "scores of another dtype than float");
    struct k_linear_table l = {.x_type = bound_in_type(m, 0),
                               .rows = (uint32_t)(x->rank == 1 ? 1 : x->dims[0]),
                               .features = (uint32_t)width_of(x),
                               .lines = (uint32_t)(coefficients->count / (size_t)width_of(x)),
                               .post = (enum k_tree_post)post,
                               .classes = classes != 0};
    l.add_second = classes && l.lines == 1 && labels.count == 2;
    struct cuda_bound *b = bound_add(m, launch_linear_table, &l, sizeof l);
    return bound_in(m, b, AT(k_linear_table, x), 0, 0) &&
           bound_out(m, b, AT(k_linear_table, scores), score, 0) &&
           (!classes || !bound_has_out(m, 0) || bound_out(m, b, AT(k_linear_table, best), 0, 0)) &&
           bind_list(m, b, AT(k_linear_table, coefficients), coefficients) &&
           (!intercepts || !intercepts->count ||
            bind_list(m, b, AT(k_linear_table, intercepts), intercepts)) &&
           (!labels.attr || bind_list(m, b, AT(k_linear_table, labels), labels.attr));
}

const struct bound_operator bound_features[] = {
    {"ai.onnx.ml", "Scaler", match_feature, K_FEATURE_SCALE, false},
    {"ai.onnx.ml", "Imputer", match_feature, K_FEATURE_IMPUTE, false},
    {"ai.onnx.ml", "Binarizer", match_feature, K_FEATURE_BINARIZE, false},
    {"ai.onnx.ml", "ArrayFeatureExtractor", match_extractor, 0, false},
    {"ai.onnx.ml", "Normalizer", match_normalizer, 0, false},
    {"ai.onnx.ml", "LinearClassifier", match_linear, 1, false},
    {"ai.onnx.ml", "LinearRegressor", match_linear, 0, false},
    {NULL, NULL, NULL, 0, false}};
