/* ml_features.c: the small feature operators of ai.onnx.ml: Scaler, Normalizer, Imputer, Binarizer,
 * ArrayFeatureExtractor, FeatureVectorizer. */
#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define FEATURES (OPS_BIT(SL_FLOAT) | OPS_BIT(SL_DOUBLE) | OPS_BIT(SL_INT64) | OPS_BIT(SL_INT32))

static int64_t width_of(const sl_tensor *x) {
    return x->rank ? x->dims[x->rank - 1] : 1;
}

/* A list attribute with one entry for all features or one for each. */
static bool fits(const struct attr *attr, enum attr_type type, int64_t width) {
    return attr && attr->type == type && (attr->count == 1 || attr->count == (size_t)width);
}

#define FEATURE(id, op_name, least, most, op_attrs, in_place)                                                \
    const struct op op_##id = {.domain = "ai.onnx.ml",                                                       \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = least,                                                              \
                               .max_in = most,                                                               \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = infer_##id,                                                          \
                               .run = run_##id,                                                              \
                               .elementwise = in_place};

/* Scaler: (x - offset) * scale, as float32 like ONNX Runtime. */
static sl_status infer_scaler(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, FEATURES, err);
    if (st == SL_OK && (!fits(op_attr(call, "scale"), ATTR_FLOATS, width_of(call->in[0])) ||
                        !fits(op_attr(call, "offset"), ATTR_FLOATS, width_of(call->in[0]))))
        st = error_set(err, SL_E_MODEL, "attributes 'scale' and 'offset' do not fit %lld features",
                       (long long)width_of(call->in[0]));
    if (st == SL_OK)
        rule_set(call->out[0], SL_FLOAT, call->in[0]->rank, call->in[0]->dims);
    return st;
}

static void run_scaler(const struct op_call *call) {
    const struct attr *scale = op_attr(call, "scale"), *offset = op_attr(call, "offset");
    const sl_tensor *x = call->in[0];
    int64_t width = width_of(x);
    for (int64_t i = 0, n = rule_count(x); i < n; i++) {
        int64_t at = i % width;
        float value = (float)element_number(x->dtype, x->data, i);
        value -= offset->floats[offset->count == 1 ? 0 : at];
        ((float *)call->out[0]->data)[i] = value * scale->floats[scale->count == 1 ? 0 : at];
    }
}

FEATURE(scaler, "Scaler", 1, 1, "offset scale", true)

/* Normalizer: each row by its norm; a row of zeros stays. */
static sl_status infer_normalizer(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, FEATURES, err);
    if (st == SL_OK && (call->in[0]->rank < 1 || call->in[0]->rank > 2))
        st = error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 1 or 2", call->in[0]->rank);
    if (st == SL_OK && !op_attr_is(call, "norm", "MAX", "MAX") && !op_attr_is(call, "norm", "L1", "MAX") &&
        !op_attr_is(call, "norm", "L2", "MAX"))
        st = error_set(err, SL_E_MODEL, "attribute 'norm' is none of MAX, L1, L2");
    if (st == SL_OK)
        rule_set(call->out[0], SL_FLOAT, call->in[0]->rank, call->in[0]->dims);
    return st;
}

static void run_normalizer(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    int64_t width = width_of(x);
    bool most = op_attr_is(call, "norm", "MAX", "MAX"), l1 = op_attr_is(call, "norm", "L1", "MAX");
    for (int64_t row = 0; width && row < rule_count(x) / width; row++) {
        double norm = most ? -INFINITY : 0;
        for (int64_t i = row * width; i < (row + 1) * width; i++) {
            double value = element_number(x->dtype, x->data, i);
            norm = most ? fmax(norm, value) : norm + (l1 ? fabs(value) : value * value);
        }
        norm = most || l1 ? norm : sqrt(norm);
        for (int64_t i = row * width; i < (row + 1) * width; i++) {
            double value = element_number(x->dtype, x->data, i);
            ((float *)call->out[0]->data)[i] = (float)(fabs(norm) > 0 ? value / norm : value);
        }
    }
}

FEATURE(normalizer, "Normalizer", 1, 1, "norm", true)

/* Imputer: what equals the replaced value (or is NaN, when that is NaN) gets the column's value. */
static bool is_integer(const sl_tensor *x) {
    return x->dtype == SL_INT64 || x->dtype == SL_INT32;
}

static sl_status infer_imputer(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, FEATURES, err);
    bool whole = st == SL_OK && is_integer(call->in[0]);
    if (st == SL_OK && !fits(op_attr(call, whole ? "imputed_value_int64s" : "imputed_value_floats"),
                             whole ? ATTR_INTS : ATTR_FLOATS, width_of(call->in[0])))
        st = error_set(err, SL_E_MODEL, "the imputed values do not fit %lld features",
                       (long long)width_of(call->in[0]));
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_imputer(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    bool whole = is_integer(x);
    const struct attr *values = op_attr(call, whole ? "imputed_value_int64s" : "imputed_value_floats");
    double missing = (double)op_attr_float(call, "replaced_value_float", 0);
    int64_t missing_int = op_attr_int(call, "replaced_value_int64", 0), width = width_of(x);
    for (int64_t i = 0, n = rule_count(x); i < n; i++) {
        int64_t at = values->count == 1 ? 0 : i % width;
        if (whole) {
            int64_t value = element_signed(x->dtype, x->data, i);
            element_set_signed(y->dtype, y->data, i, value == missing_int ? values->ints[at] : value);
        } else {
            double value = element_real(x->dtype, x->data, i);
            bool gone = isnan(missing) ? isnan(value) : value == missing;
            element_set_real(y->dtype, y->data, i, gone ? (double)values->floats[at] : value);
        }
    }
}

FEATURE(imputer, "Imputer", 1, 1,
        "imputed_value_floats imputed_value_int64s replaced_value_float replaced_value_int64", true)

static sl_status infer_binarizer(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, FEATURES, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_binarizer(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    double threshold = (double)op_attr_float(call, "threshold", 0);
    for (int64_t i = 0, n = rule_count(x); i < n; i++)
        element_set_real(x->dtype, call->out[0]->data, i,
                         element_number(x->dtype, x->data, i) > threshold ? 1 : 0);
}

FEATURE(binarizer, "Binarizer", 1, 1, "threshold", true)

/* ArrayFeatureExtractor: some columns, in a given order. A vector counts as one row. */
static sl_status infer_extractor(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_BIT(SL_INT64), err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 1, err);
    if (st == SL_OK && (width_of(x) < 1 || rule_count(call->in[1]) < 1))
        st = error_set(err, SL_E_MODEL, "there is no column to take");
    for (int64_t i = 0; st == SL_OK && call->in[1]->data && i < rule_count(call->in[1]); i++)
        if (((const int64_t *)call->in[1]->data)[i] < 0 ||
            ((const int64_t *)call->in[1]->data)[i] >= width_of(x))
            st = error_set(err, SL_E_MODEL, "column %lld of %lld does not exist",
                           (long long)((const int64_t *)call->in[1]->data)[i], (long long)width_of(x));
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    if (x->rank == 1)
        rule_set(call->out[0], x->dtype, 2, (int64_t[]){1, 0});
    call->out[0]->dims[call->out[0]->rank - 1] = rule_count(call->in[1]);
    return SL_OK;
}

static void run_extractor(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    size_t nbytes = sl_dtype_nbits(x->dtype) / 8;
    int64_t width = width_of(x), n = rule_count(call->in[1]);
    for (int64_t i = 0; i < rule_count(call->out[0]); i++) {
        int64_t at = ((const int64_t *)call->in[1]->data)[i % n]; /* from a record it may be anything */
        at = at < 0 ? 0 : at >= width ? width - 1 : at;
        memcpy((char *)call->out[0]->data + (size_t)i * nbytes,
               (const char *)x->data + (size_t)(i / n * width + at) * nbytes, nbytes);
    }
}

FEATURE(extractor, "ArrayFeatureExtractor", 2, 2, NULL, false)

/* FeatureVectorizer: inputs side by side, as float; a wider or narrower input is cut or filled with zeros. */
static sl_status infer_vectorizer(const struct op_call *call, sl_error *err) {
    const struct attr *sizes = op_attr(call, "inputdimensions");
    int64_t width = 0;
    if (!sizes || sizes->type != ATTR_INTS || sizes->count != call->in_count)
        return error_set(err, SL_E_MODEL, "attribute 'inputdimensions' is not a list of %zu integers",
                         call->in_count);
    for (size_t i = 0; i < call->in_count; i++) {
        sl_status st = rule_dtype(call, i, FEATURES, err);
        if (st == SL_OK)
            st = rule_rank(call, i, 2, err);
        if (st == SL_OK && call->in[i]->dims[0] != call->in[0]->dims[0])
            st = error_set(err, SL_E_MODEL, "input %zu has another number of rows", i);
        if (st == SL_OK && (sizes->ints[i] < 0 || sizes->ints[i] > INT32_MAX))
            st = error_set(err, SL_E_MODEL, "attribute 'inputdimensions' has the number %lld",
                           (long long)sizes->ints[i]);
        if (st != SL_OK)
            return st;
        width += sizes->ints[i];
    }
    rule_set(call->out[0], SL_FLOAT, 2, (int64_t[]){call->in[0]->dims[0], width});
    return SL_OK;
}

static void run_vectorizer(const struct op_call *call) {
    const struct attr *sizes = op_attr(call, "inputdimensions");
    float *out = call->out[0]->data;
    for (int64_t row = 0; row < call->out[0]->dims[0]; row++)
        for (size_t i = 0; i < call->in_count; i++)
            for (int64_t k = 0, width = call->in[i]->dims[1]; k < sizes->ints[i]; k++)
                *out++ = k < width
                             ? (float)element_number(call->in[i]->dtype, call->in[i]->data, row * width + k)
                             : 0;
}

FEATURE(vectorizer, "FeatureVectorizer", 1, -1, "inputdimensions", false)
