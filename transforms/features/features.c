/* features.c: a table's row as one row of floats, each column in its own way: as scikit-learn's
 * SimpleImputer, StandardScaler, MinMaxScaler, OneHotEncoder, OrdinalEncoder and FeatureHasher, NumPy's
 * digitize and pandas' dates have it, side by side like a ColumnTransformer. */
#include "transforms/features/features.h"

#include <string.h>

extern const sl_transform transform_features;

#define MOST_COLUMNS 65536u
#define MOST_MISSING 64

struct features {
    bool json;
    size_t expected, count, missing_count; /* expected: fields a csv row must have; 0: any */
    uint32_t *indexes;
    struct feature *features;
    sl_string missing[MOST_MISSING];
};

static void features_close(const sl_host *host, void *state) {
    struct features *f = state;
    if (!f)
        return;
    for (size_t i = 0; f->features && i < f->count; i++)
        feature_clear(host, &f->features[i]);
    host->free(f->features);
    host->free(f->indexes);
    host->free(f);
}

/* Texts that stand for no value; without a list, the empty one. */
static sl_status read_missing(const sl_host *host, const sl_params *params, struct features *f,
                              sl_error *err) {
    size_t count = host->param_count(params, "missing");
    f->missing_count = 1;
    f->missing[0] = (sl_string){"", 0};
    if (!host->param_has(params, "missing"))
        return SL_OK;
    if (count > MOST_MISSING)
        return host->fail(err, SL_E_MODEL, "cannot use transform 'features': more than %d missing markers",
                          MOST_MISSING);
    for (size_t i = 0; i < count; i++) {
        const char *text;
        int64_t number;
        sl_status status = host->param_item(params, "missing", i, &text, &number, err);
        if (status == SL_OK && !text)
            status = host->fail(err, SL_E_MODEL, "cannot use transform 'features': 'missing' lists texts");
        if (status != SL_OK)
            return status;
        f->missing[i] = (sl_string){text, strlen(text)};
    }
    f->missing_count = count;
    return SL_OK;
}

static sl_status read_columns(const sl_host *host, const sl_params *params, const sl_spec *in,
                              struct features *f, size_t *width, sl_error *err) {
    const char *key = host->param_has(params, "take") ? "take" : "";
    size_t count = host->param_count(params, key);
    if (!count || count > MOST_COLUMNS)
        return host->fail(err, SL_E_MODEL, "cannot use transform 'features': expected a list of columns");
    f->features = host->alloc(count * sizeof *f->features);
    f->indexes = host->alloc(count * sizeof *f->indexes);
    if (!f->features || !f->indexes)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'features': out of memory");
    f->count = count;
    for (size_t i = 0; i < count; i++) {
        const sl_params *child;
        sl_status status = host->param_child(params, key, i, &child, err);
        if (status == SL_OK)
            status = feature_read(host, child, in, &f->features[i], err);
        if (status != SL_OK)
            return status;
        f->indexes[i] = f->features[i].column;
        *width += f->features[i].width;
    }
    return SL_OK;
}

static sl_status features_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                               void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"", "take", "missing", "of", NULL};
    size_t width = 0;
    int64_t of = 0;
    if (in->kind != SL_KIND_CSV && in->kind != SL_KIND_JSON)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'features': it takes a csv row or a json value");
    struct features *f = host->alloc(sizeof *f);
    if (!f)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'features': out of memory");
    f->json = in->kind == SL_KIND_JSON;
    f->expected = in->columns ? in->column_count : 0;
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = host->param_int(params, "of", &of, err);
    if (status == SL_OK && of > 0 && !f->expected)
        f->expected = (size_t)of;
    if (status == SL_OK)
        status = read_missing(host, params, f, err);
    if (status == SL_OK)
        status = read_columns(host, params, in, f, &width, err);
    if (status != SL_OK) {
        features_close(host, f);
        return status;
    }
    *out = (sl_spec){.kind = SL_KIND_TENSOR,
                     .dtype = SL_FLOAT,
                     .rank = 1,
                     .dims = {(int64_t)width},
                     .max_nbytes = width * sizeof(float)};
    *state = f;
    *scratch_nbytes = f->count * sizeof(sl_string);
    return SL_OK;
}

static bool is_missing(const struct features *f, sl_string text) {
    for (size_t i = 0; i < f->missing_count; i++)
        if (text.nbytes == f->missing[i].nbytes &&
            (!text.nbytes || !memcmp(text.data, f->missing[i].data, text.nbytes)))
            return true;
    return false;
}

/* A json member as text; null is missing, and so says *missing. */
static sl_status take_member(const struct feature *feature, const sl_host *host, sl_ctx *ctx,
                             const sl_value *in, sl_string *text, bool *missing) {
    sl_value member;
    sl_status status = host->json_member(ctx, in, feature->json, &member);
    *missing = status == SL_OK && member.bytes.nbytes == 4 && !memcmp(member.bytes.data, "null", 4);
    return status != SL_OK || *missing ? status : host->json_members_texts(ctx, in, &feature->json, 1, text);
}

static sl_status features_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                                sl_value *out) {
    const struct features *f = state;
    sl_string *texts = host->scratch(ctx);
    float *to = out->tensor.data;
    sl_status status = f->json ? SL_OK : host->csv_texts(ctx, in, f->expected, f->indexes, f->count, texts);
    for (size_t i = 0; status == SL_OK && i < f->count; i++) {
        const struct feature *feature = &f->features[i];
        bool missing = false;
        if (f->json)
            status = take_member(feature, host, ctx, in, &texts[i], &missing);
        if (status != SL_OK)
            break;
        missing = missing || is_missing(f, texts[i]);
        status = missing ? feature_missing(feature, host, ctx, to)
                         : feature_encode(feature, host, ctx, texts[i], to);
        to += feature->width;
    }
    return status;
}

static const sl_param_doc docs[] = {
    {"", "list of columns", NULL,
     "a name or number for a plain number, or an object: column, and what becomes of it: standardize [mean, "
     "deviation], min_max [least, most], one_hot or ordinal with a list of categories (unknown: zeros, "
     "reject, a "
     "number), hash N, bucket [edges] (side, encode), date FORMAT with parts; impute, indicator 1"},
    {"take", "such a list", "the value itself", "the columns, where there is more to say"},
    {"missing", "list of texts", "[\"\"]", "what stands for no value; json's null always does"},
    {"of", "integer", "any number", "fields that a row without a header must have"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_features = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "features",
    .summary = "a table's row as numbers: imputed, scaled, one-hot, hashed, in buckets, dates",
    .shapes = "csv row or json -> float [n]",
    .params = docs,
    .open = features_open,
    .close = features_close,
    .apply = features_apply,
};
