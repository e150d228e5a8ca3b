/* features_read.c: what transform.json says of one column. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transforms/csv_column.h"
#include "transforms/features/features.h"

#define MOST_WIDTH (1u << 20)

static sl_status refuse(const sl_host *host, const struct feature *f, const char *what, sl_error *err) {
    return host->fail(err, SL_E_MODEL, "cannot use transform 'features': column '%s': %s", f->name, what);
}

/* ---- which column ---- */

/* The value under a key, a text or an integer: *text is NULL for the latter. */
static sl_status text_or_integer(const sl_host *host, const sl_params *params, const char *key,
                                 const char **text, int64_t *number, sl_error *err) {
    sl_error ignored;
    *text = NULL;
    return host->param_text(params, key, text, &ignored) == SL_OK ? SL_OK
                                                                  : host->param_int(params, key, number, err);
}

static sl_status read_column(const sl_host *host, const sl_params *params, const sl_spec *in,
                             struct feature *f, sl_error *err) {
    const char *key = host->param_has(params, "column") ? "column" : "", *text;
    int64_t number = -1;
    sl_status status = text_or_integer(host, params, key, &text, &number, err);
    if (status != SL_OK)
        return status;
    if (!text && number < 0)
        return host->fail(err, SL_E_MODEL, "cannot use transform 'features': a column has no 'column'");
    if (in->kind == SL_KIND_JSON && !text)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'features': json members have names, %lld is a number",
                          (long long)number);
    char *name = host->alloc(text ? strlen(text) + 1 : 24);
    if (!name)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'features': out of memory");
    if (text)
        memcpy(name, text, strlen(text));
    else
        snprintf(name, 24, "%lld", (long long)number);
    f->name = name;
    f->json = name;
    return in->kind == SL_KIND_JSON ? SL_OK
                                    : csv_column_find(host, "features", in, text, number, &f->column, err);
}

/* ---- categories ---- */

static int by_text(const void *a, const void *b) {
    const struct category *x = a, *y = b;
    size_t n = x->text.nbytes < y->text.nbytes ? x->text.nbytes : y->text.nbytes;
    int order = n ? memcmp(x->text.data, y->text.data, n) : 0;
    return order ? order : (x->text.nbytes > y->text.nbytes) - (x->text.nbytes < y->text.nbytes);
}

static sl_status read_categories(const sl_host *host, const sl_params *params, const char *key,
                                 struct feature *f, sl_error *err) {
    size_t count = host->param_count(params, key);
    struct category *categories = host->alloc((count + 1) * sizeof *categories);
    f->categories = categories;
    if (!categories)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'features': out of memory");
    if (!count)
        return refuse(host, f, "it needs a list of categories", err);
    for (size_t i = 0; i < count; i++) {
        const char *text;
        int64_t number;
        sl_status status = host->param_item(params, key, i, &text, &number, err);
        if (status != SL_OK)
            return status;
        if (!text)
            return refuse(host, f, "categories are texts", err);
        categories[i] = (struct category){{text, strlen(text)}, (uint32_t)i};
    }
    qsort(categories, count, sizeof *categories, by_text);
    for (size_t i = 1; i < count; i++)
        if (by_text(&categories[i - 1], &categories[i]) == 0)
            return refuse(host, f, "a category is listed twice", err);
    f->category_count = count;
    return SL_OK;
}

static sl_status read_unknown(const sl_host *host, const sl_params *params, struct feature *f,
                              sl_error *err) {
    const char *word = NULL;
    sl_error ignored;
    bool ordinal = f->kind == FEATURE_ORDINAL;
    f->unknown_rejects = ordinal;
    if (!host->param_has(params, "unknown"))
        return SL_OK;
    if (host->param_text(params, "unknown", &word, &ignored) == SL_OK) {
        f->unknown_rejects = strcmp(word, "reject") == 0;
        return f->unknown_rejects || (!ordinal && strcmp(word, "zeros") == 0)
                   ? SL_OK
                   : refuse(host, f,
                            ordinal ? "'unknown' is a number or \"reject\""
                                    : "'unknown' is \"zeros\" or \"reject\"",
                            err);
    }
    f->unknown_rejects = false;
    return ordinal ? host->param_number(params, "unknown", &f->unknown, err)
                   : refuse(host, f, "'unknown' is \"zeros\" or \"reject\"", err);
}

/* ---- the others ---- */

static sl_status read_scale(const sl_host *host, const sl_params *params, struct feature *f, sl_error *err) {
    const double *values = NULL;
    size_t count = 0;
    bool standard = host->param_has(params, "standardize"), range = host->param_has(params, "min_max");
    f->scale = 1;
    if (!standard && !range)
        return SL_OK;
    sl_status status =
        host->param_numbers(params, standard ? "standardize" : "min_max", &values, &count, err);
    if (status != SL_OK)
        return status;
    if (count != 2 || (standard && range))
        return refuse(host, f,
                      "'standardize' is [mean, deviation], 'min_max' is [least, most], and one will do", err);
    f->offset = values[0];
    f->scale = standard ? values[1] : values[1] - values[0];
    return f->scale != 0 ? SL_OK : refuse(host, f, "it would be divided by zero", err);
}

static sl_status read_bucket(const sl_host *host, const sl_params *params, struct feature *f, sl_error *err) {
    const char *side = "left", *encode = "ordinal";
    sl_status status = host->param_numbers(params, "bucket", &f->edges, &f->edge_count, err);
    if (status == SL_OK)
        status = host->param_text(params, "side", &side, err);
    if (status == SL_OK)
        status = host->param_text(params, "encode", &encode, err);
    for (size_t i = 1; status == SL_OK && i < f->edge_count; i++)
        if (!(f->edges[i - 1] < f->edges[i]))
            status = refuse(host, f, "the edges of 'bucket' do not ascend", err);
    f->right = strcmp(side, "right") == 0;
    f->one_hot = strcmp(encode, "one_hot") == 0;
    if (status == SL_OK &&
        ((!f->right && strcmp(side, "left") != 0) || (!f->one_hot && strcmp(encode, "ordinal") != 0)))
        status =
            refuse(host, f, "'side' is \"left\" or \"right\", 'encode' is \"ordinal\" or \"one_hot\"", err);
    f->width = f->one_hot ? f->edge_count + 1 : 1;
    return status;
}

static sl_status read_hash(const sl_host *host, const sl_params *params, struct feature *f, sl_error *err) {
    int64_t width = 0;
    const char *given = NULL;
    sl_status status = host->param_int(params, "hash", &width, err);
    if (status == SL_OK)
        status = host->param_text(params, "prefix", &given, err);
    if (status != SL_OK)
        return status;
    if (width < 1 || width > MOST_WIDTH)
        return refuse(host, f, "'hash' is the number of features, up to 1048576", err);
    size_t n = strlen(given ? given : f->name) + 1;
    char *prefix = host->alloc(n + 1);
    if (!prefix)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'features': out of memory");
    snprintf(prefix, n + 1, "%s%s", given ? given : f->name, given ? "" : "=");
    f->hash_prefix = prefix;
    f->hash_prefix_nbytes = strlen(prefix);
    f->width = (size_t)width;
    return SL_OK;
}

static sl_status read_date(const sl_host *host, const sl_params *params, struct feature *f, sl_error *err) {
    static const char *const names[DATE_PARTS] = {"year", "month",  "day",    "weekday", "day_of_year",
                                                  "hour", "minute", "second", "days"};
    sl_status status = host->param_text(params, "date", &f->format, err);
    if (status == SL_OK && strcmp(f->format, "iso") == 0)
        f->format = NULL;
    if (status == SL_OK && f->format && !date_knows(f->format))
        status = refuse(host, f, "'date' is \"iso\", or has %Y %y %m %d %H %M %S %f %z and plain text", err);
    size_t count = host->param_count(params, "parts");
    if (status == SL_OK && (!count || count > DATE_PARTS))
        status = refuse(host, f, "'parts' lists what of the date is wanted", err);
    for (size_t i = 0; status == SL_OK && i < count; i++) {
        const char *text;
        int64_t number;
        size_t part = 0;
        status = host->param_item(params, "parts", i, &text, &number, err);
        while (status == SL_OK && part < DATE_PARTS && (!text || strcmp(text, names[part]) != 0))
            part++;
        if (status == SL_OK && part == DATE_PARTS)
            status =
                refuse(host, f,
                       "'parts' are year, month, day, weekday, day_of_year, hour, minute, second, days", err);
        f->parts[i] = (enum date_part)part;
    }
    f->part_count = f->width = count;
    return status;
}

static sl_status read_impute(const sl_host *host, const sl_params *params, struct feature *f, sl_error *err) {
    const char *text = NULL;
    sl_error ignored;
    int64_t indicator = 0;
    f->imputes = host->param_has(params, "impute") || f->kind == FEATURE_HASH ||
                 (f->kind == FEATURE_ONE_HOT && !f->unknown_rejects);
    sl_status status = host->param_int(params, "indicator", &indicator, err);
    f->indicates = indicator != 0;
    f->width += f->indicates;
    if (status != SL_OK || !host->param_has(params, "impute"))
        return status;
    if (host->param_text(params, "impute", &text, &ignored) != SL_OK)
        return host->param_number(params, "impute", &f->impute, err);
    if (f->kind != FEATURE_ONE_HOT && f->kind != FEATURE_ORDINAL && f->kind != FEATURE_HASH)
        return refuse(host, f, "'impute' is a number", err);
    f->impute_text = (sl_string){text, strlen(text)};
    return SL_OK;
}

static sl_status read_kind(const sl_host *host, const sl_params *params, struct feature *f, sl_error *err) {
    static const struct {
        const char *key;
        enum feature_kind kind;
    } kinds[] = {{"one_hot", FEATURE_ONE_HOT},
                 {"ordinal", FEATURE_ORDINAL},
                 {"hash", FEATURE_HASH},
                 {"bucket", FEATURE_BUCKET},
                 {"date", FEATURE_DATE}};
    size_t found = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (host->param_has(params, kinds[i].key)) {
            f->kind = kinds[i].kind;
            found++;
        }
    f->width = 1;
    if (found > 1)
        return refuse(host, f, "one of one_hot, ordinal, hash, bucket and date will do", err);
    switch (f->kind) {
    case FEATURE_NUMBER:
        return read_scale(host, params, f, err);
    case FEATURE_ONE_HOT:
    case FEATURE_ORDINAL: {
        sl_status status =
            read_categories(host, params, f->kind == FEATURE_ONE_HOT ? "one_hot" : "ordinal", f, err);
        f->width = f->kind == FEATURE_ONE_HOT ? f->category_count : 1;
        return status == SL_OK ? read_unknown(host, params, f, err) : status;
    }
    case FEATURE_HASH:
        return read_hash(host, params, f, err);
    case FEATURE_BUCKET:
        return read_bucket(host, params, f, err);
    case FEATURE_DATE:
        return read_date(host, params, f, err);
    }
    return SL_OK;
}

sl_status feature_read(const sl_host *host, const sl_params *params, const sl_spec *in, struct feature *f,
                       sl_error *err) {
    static const char *const keys[] = {"",        "column",  "impute",  "indicator", "standardize", "min_max",
                                       "one_hot", "ordinal", "unknown", "hash",      "prefix",      "bucket",
                                       "side",    "encode",  "date",    "parts",     NULL};
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = read_column(host, params, in, f, err);
    if (status == SL_OK)
        status = read_kind(host, params, f, err);
    return status == SL_OK ? read_impute(host, params, f, err) : status;
}

void feature_clear(const sl_host *host, struct feature *f) {
    host->free((void *)(uintptr_t)f->name);
    host->free((void *)(uintptr_t)f->categories);
    host->free((void *)(uintptr_t)f->hash_prefix);
}
