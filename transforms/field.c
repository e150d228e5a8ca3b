/* field.c: one part of a record: a member of a JSON object by its key, or of a sample by its extension. */
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_field;

struct field {
    const char *name;
    size_t nbytes;
};

static sl_status field_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                            void **state, size_t *scratch_nbytes, sl_error *err) {
    const char *name = NULL;
    sl_status status = host->param_text(params, "", &name, err);
    if (status != SL_OK)
        return status;
    if (!name || !name[0])
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'field': expected the name of a part, as in "
                          "{\"field\": \"jpg\"}");
    if (in->kind == SL_KIND_CSV)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'field': a csv row has columns, use "
                          "{\"columns\": [...]}");
    bool arrays = in->kind == SL_KIND_ARRAYS;
    if (in->kind != SL_KIND_JSON && in->kind != SL_KIND_FIELDS && !arrays)
        return host->fail(err, SL_E_MODEL, "cannot use transform 'field': it takes a json value or a sample");
    struct field *field = host->alloc(sizeof *field);
    if (!field)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'field': out of memory");
    field->name = name;
    field->nbytes = strlen(name);
    bool json = in->kind == SL_KIND_JSON || strcmp(name, "json") == 0;
    *out = (sl_spec){.kind = json && !arrays ? SL_KIND_JSON
                             : arrays        ? SL_KIND_ARRAY
                                             : SL_KIND_BYTES,
                     .dtype = in->dtype, /* what is wanted of it in the end */
                     .rank = in->rank,
                     .max_nbytes = in->max_nbytes,
                     .column_count = in->column_count};
    memcpy(out->dims, in->dims, sizeof out->dims);
    *state = field;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void field_close(const sl_host *host, void *state) {
    host->free(state);
}

static sl_status field_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                             sl_value *out) {
    const struct field *field = state;
    const sl_field *hit = NULL;
    if (in->kind == SL_KIND_JSON)
        return host->json_member(ctx, in, field->name, out);
    if (in->kind == SL_KIND_ARRAYS)
        return host->array_find(ctx, in, field->name, false, out);
    for (size_t i = 0; i < in->field_count; i++) {
        const sl_field *f = &in->fields[i];
        if (f->name.nbytes != field->nbytes || memcmp(f->name.data, field->name, field->nbytes) != 0)
            continue;
        if (hit)
            return host->reject(ctx, "duplicate-key", "the sample has '%s' twice", field->name);
        hit = f;
    }
    if (!hit)
        return host->reject(ctx, "missing-value", "the sample has no '%s'", field->name);
    out->bytes = hit->data;
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"", "text", NULL, "the key of a json member, the extension of a sample's member, or an array's name"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_field = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "field",
    .summary = "one part of a json object, of a sample or of arrays",
    .shapes = "json -> json, sample -> bytes (json for the part 'json'), arrays -> array",
    .params = docs,
    .open = field_open,
    .close = field_close,
    .apply = field_apply,
};
