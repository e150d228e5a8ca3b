/* columns.c: values out of a CSV row or a JSON object, by name or by index: one row of floats, or of texts
 * where the model wants text. */
#include <string.h>

#include "transforms/csv_column.h"

extern const sl_transform transform_columns;

struct columns {
    bool all;
    bool json;
    sl_dtype dtype;
    size_t expected; /* fields a row must have; 0: any */
    size_t count;
    uint32_t *indexes;        /* csv */
    const char *const *names; /* json */
};

static void columns_close(const sl_host *host, void *state) {
    struct columns *columns = state;
    if (!columns)
        return;
    host->free(columns->indexes);
    host->free((void *)(uintptr_t)columns->names);
    host->free(columns);
}

static sl_status open_list(const sl_host *host, const sl_params *params, const sl_spec *in, const char *key,
                           struct columns *columns, sl_error *err) {
    const char **names = host->alloc(columns->count * sizeof *names);
    columns->names = names;
    columns->indexes = host->alloc(columns->count * sizeof *columns->indexes);
    if (!names || !columns->indexes)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'columns': out of memory");
    for (size_t i = 0; i < columns->count; i++) {
        const char *text = NULL;
        int64_t number = 0;
        sl_status status = host->param_item(params, key, i, &text, &number, err);
        if (status != SL_OK)
            return status;
        if (columns->json && !text)
            return host->fail(err, SL_E_MODEL,
                              "cannot use transform 'columns': json members have names, %lld is a number",
                              (long long)number);
        if (columns->json)
            names[i] = text;
        else
            status = csv_column_find(host, "columns", in, text, number, &columns->indexes[i], err);
        if (status != SL_OK)
            return status;
    }
    return SL_OK;
}

static sl_status open_all(const sl_host *host, const sl_params *params, const sl_spec *in,
                          struct columns *columns, sl_error *err) {
    const char *word = "";
    sl_status status = host->param_text(params, "", &word, err);
    if (status != SL_OK)
        return status;
    if (strcmp(word, "all") != 0)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'columns': expected a list of columns or \"all\", not \"%s\"",
                          word);
    if (in->column_count == 0)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'columns': how many \"all\" are is not known, list them");
    columns->all = true;
    columns->count = in->column_count;
    return SL_OK;
}

static sl_status columns_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                              void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const plain[] = {"", NULL}, *const parts[] = {"take", "of", NULL};
    if (in->kind != SL_KIND_CSV && in->kind != SL_KIND_JSON)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'columns': it takes a csv row or a json value");
    struct columns *columns = host->alloc(sizeof *columns);
    if (!columns)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'columns': out of memory");
    columns->json = in->kind == SL_KIND_JSON;
    columns->dtype = in->dtype ? in->dtype : SL_FLOAT;
    columns->expected = in->columns ? in->column_count : 0;
    const char *key = host->param_has(params, "take") ? "take" : "";
    columns->count = host->param_count(params, key);
    sl_status status = host->param_only(params, *key ? parts : plain, err);
    int64_t of = 0;
    if (status == SL_OK)
        status = host->param_int(params, "of", &of, err);
    if (status == SL_OK && of > 0 && !columns->expected)
        columns->expected = (size_t)of;
    if (status == SL_OK && columns->count > CSV_COLUMN_MOST)
        status = host->fail(err, SL_E_MODEL, "cannot use transform 'columns': more than 65536 columns");
    else if (status == SL_OK)
        status = columns->count ? open_list(host, params, in, key, columns, err)
                                : open_all(host, params, in, columns, err);
    if (status != SL_OK) {
        columns_close(host, columns);
        return status;
    }
    *out = (sl_spec){.kind = SL_KIND_TENSOR,
                     .dtype = columns->dtype,
                     .rank = 1,
                     .dims = {(int64_t)columns->count},
                     .max_nbytes = columns->count * (sl_dtype_nbits(columns->dtype) / 8)};
    *state = columns;
    *scratch_nbytes = 0;
    return SL_OK;
}

static sl_status take_texts(const struct columns *columns, const sl_host *host, sl_ctx *ctx,
                            const sl_value *in, sl_string *out) {
    if (columns->json && columns->all)
        return host->json_texts(ctx, in, columns->count, out);
    if (columns->json)
        return host->json_members_texts(ctx, in, columns->names, columns->count, out);
    return host->csv_texts(ctx, in, columns->expected, columns->all ? NULL : columns->indexes, columns->count,
                           out);
}

static sl_status columns_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                               sl_value *out) {
    const struct columns *columns = state;
    float *x = out->tensor.data;
    if (columns->dtype == SL_STRING)
        return take_texts(columns, host, ctx, in, out->tensor.data);
    if (columns->dtype != SL_FLOAT)
        return host->csv_numbers(ctx, in, columns->expected, columns->all ? NULL : columns->indexes,
                                 columns->count, columns->dtype, x);
    if (columns->json && columns->all)
        return host->json_floats(ctx, in, columns->count, x);
    if (columns->json)
        return host->json_members_floats(ctx, in, columns->names, columns->count, x);
    if (columns->all)
        return host->csv_all_floats(ctx, in, columns->count, x);
    return host->csv_floats(ctx, in, columns->expected, columns->indexes, columns->count, x);
}

static const sl_param_doc docs[] = {
    {"", "list of names and 0-based indexes, or \"all\"", NULL, "the columns, in the order of the result"},
    {"take", "such a list", "the value itself", "the columns, where there is more to say"},
    {"of", "integer", "any number", "fields that a row without a header must have"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_columns = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "columns",
    .summary = "values out of a csv row or a json object",
    .shapes = "csv row or json -> float [n]; string, int64, int32 or double [n] where the model takes that",
    .params = docs,
    .open = columns_open,
    .close = columns_close,
    .apply = columns_apply,
};
