/* text_decode.c: bytes as text: a line, a member of a sample, an array of texts. */
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_text_decode;

struct decode {
    const char *name;
    bool only;
    size_t count;
};

static sl_status decode_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                             void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"name", "or", "count", NULL};
    const char *name = NULL, *other = NULL;
    int64_t count = 1, wanted;
    if (in->dtype == SL_STRING && sl_shape_count(in->rank, in->dims, &wanted) && wanted > 0)
        count = wanted;
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK && in->kind != SL_KIND_BYTES && in->kind != SL_KIND_FIELDS &&
        in->kind != SL_KIND_ARRAYS && in->kind != SL_KIND_ARRAY)
        status = host->fail(err, SL_E_MODEL,
                            "cannot use transform 'text.decode': it takes a text, a sample or arrays");
    if (status == SL_OK)
        status = host->param_text(params, "name", &name, err);
    if (status == SL_OK)
        status = host->param_text(params, "or", &other, err);
    if (status == SL_OK)
        status = host->param_int(params, "count", &count, err);
    if (status == SL_OK && (count < 1 || count > 65536))
        status =
            host->fail(err, SL_E_MODEL, "cannot use transform 'text.decode': 'count' must be 1 to 65536");
    if (status == SL_OK && other && strcmp(other, "only") != 0)
        status = host->fail(err, SL_E_MODEL,
                            "cannot use transform 'text.decode': 'or' is \"%s\", expected \"only\"", other);
    if (status != SL_OK)
        return status;
    struct decode *decode = host->alloc(sizeof *decode);
    if (!decode)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'text.decode': out of memory");
    *decode = (struct decode){name, other != NULL, (size_t)count};
    *out = (sl_spec){.kind = SL_KIND_TENSOR,
                     .dtype = SL_STRING,
                     .rank = 1,
                     .dims = {count},
                     .max_nbytes = (size_t)count * sizeof(sl_string)};
    if (in->dtype == SL_STRING && in->rank > 0) { /* the model's own shape */
        out->rank = in->rank;
        memcpy(out->dims, in->dims, sizeof out->dims);
    }
    *state = decode;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void decode_close(const sl_host *host, void *state) {
    host->free(state);
}

/* The only member of a sample that is called "txt" or "text". */
static sl_status find_member(const sl_host *host, sl_ctx *ctx, const sl_value *in, sl_value *text) {
    const sl_field *hit = NULL;
    for (size_t i = 0; i < in->field_count; i++) {
        sl_slice name = in->fields[i].name;
        bool known = (name.nbytes == 3 && !memcmp(name.data, "txt", 3)) ||
                     (name.nbytes == 4 && !memcmp(name.data, "text", 4));
        if (known && hit)
            return host->reject(ctx, "several-texts",
                                "the sample has several texts, choose one with {\"field\": name}");
        hit = known ? &in->fields[i] : hit;
    }
    if (!hit)
        return host->reject(ctx, "missing-value", "the sample has no txt");
    *text = (sl_value){.kind = SL_KIND_BYTES, .bytes = hit->data};
    return SL_OK;
}

static sl_status decode_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                              sl_value *out) {
    const struct decode *decode = state;
    sl_value text = *in;
    sl_status status = SL_OK;
    if (in->kind == SL_KIND_ARRAYS)
        status = host->array_find(ctx, in, decode->name, decode->only, &text);
    else if (in->kind == SL_KIND_FIELDS)
        status = find_member(host, ctx, in, &text);
    return status == SL_OK ? host->array_texts(ctx, &text, decode->count, out->tensor.data) : status;
}

static const sl_param_doc docs[] = {
    {"name", "text", "the only array", "which array of the record"},
    {"or", "\"only\"", "the name alone", "the only array will do, whatever its name"},
    {"count", "integer", "the model's, or 1", "texts of an array"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_text_decode = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "text.decode",
    .summary = "bytes as text, which must be UTF-8",
    .shapes = "a line, the txt of a sample, or an array of texts -> string [n]",
    .params = docs,
    .open = decode_open,
    .close = decode_close,
    .apply = decode_apply,
};
