/* tensor_decode.c: the numbers of an array: of a row of .npy or .npz, or of a .npy file in a sample. */
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_tensor_decode;

struct decode {
    sl_spec want;
    const char *name;
    bool only;
};

static const struct {
    const char *name;
    sl_dtype dtype;
} dtypes[] = {{"float32", SL_FLOAT}, {"float64", SL_DOUBLE}, {"float16", SL_FLOAT16}, {"int8", SL_INT8},
              {"int16", SL_INT16},   {"int32", SL_INT32},    {"int64", SL_INT64},     {"uint8", SL_UINT8},
              {"uint16", SL_UINT16}, {"uint32", SL_UINT32},  {"uint64", SL_UINT64},   {"bool", SL_BOOL}};

static sl_status take_dtype(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *want,
                            sl_error *err) {
    const char *name = NULL;
    sl_status status = host->param_text(params, "dtype", &name, err);
    want->dtype = in->dtype;
    if (status != SL_OK)
        return status;
    for (size_t i = 0; name && i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            want->dtype = dtypes[i].dtype;
            return SL_OK;
        }
    if (name)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.decode': 'dtype' is \"%s\", expected "
                          "\"float32\", \"uint8\", \"int64\" or the like",
                          name);
    if (want->dtype == SL_UNDEFINED)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.decode': what follows it does not say "
                          "which 'dtype' and 'shape' are wanted, give them");
    return SL_OK;
}

static sl_status take_shape(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *want,
                            sl_error *err) {
    const double *dims = NULL;
    size_t rank = 0;
    sl_status status = host->param_numbers(params, "shape", &dims, &rank, err);
    if (status != SL_OK)
        return status;
    if (rank > SL_MAX_RANK)
        return host->fail(err, SL_E_MODEL, "cannot use transform 'tensor.decode': more than %d dimensions",
                          SL_MAX_RANK);
    want->rank = dims ? (int)rank : in->rank;
    for (int d = 0; d < want->rank; d++)
        want->dims[d] = !dims ? in->dims[d] : dims[d] >= 1 && dims[d] < 0x1p31 ? (int64_t)dims[d] : -1;
    if (!sl_shape_nbytes(want->dtype, want->rank, want->dims, &want->max_nbytes) || (!dims && !in->dtype))
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.decode': which 'shape' is wanted is not "
                          "known, give it as a list of dimensions");
    return SL_OK;
}

static sl_status decode_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                             void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"dtype", "shape", "name", "or", NULL};
    struct decode decode = {.want = {.kind = SL_KIND_TENSOR}};
    const char *other = NULL;
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK && in->kind != SL_KIND_ARRAYS && in->kind != SL_KIND_ARRAY &&
        in->kind != SL_KIND_BYTES && in->kind != SL_KIND_FIELDS)
        status = host->fail(err, SL_E_MODEL,
                            "cannot use transform 'tensor.decode': it takes arrays, a file or a "
                            "sample");
    if (status == SL_OK)
        status = take_dtype(host, params, in, &decode.want, err);
    if (status == SL_OK)
        status = take_shape(host, params, in, &decode.want, err);
    if (status == SL_OK)
        status = host->param_text(params, "name", &decode.name, err);
    if (status == SL_OK)
        status = host->param_text(params, "or", &other, err);
    if (status == SL_OK && other && strcmp(other, "only") != 0)
        status = host->fail(err, SL_E_MODEL,
                            "cannot use transform 'tensor.decode': 'or' is \"%s\", expected \"only\"", other);
    if (status != SL_OK)
        return status;
    decode.only = other != NULL;
    struct decode *kept = host->alloc(sizeof *kept);
    if (!kept)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'tensor.decode': out of memory");
    *kept = decode;
    *out = decode.want;
    *state = kept;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void decode_close(const sl_host *host, void *state) {
    host->free(state);
}

/* The only member of a sample that is a .npy file. */
static sl_status find_member(const sl_host *host, sl_ctx *ctx, const sl_value *in, sl_value *file) {
    const sl_field *hit = NULL;
    for (size_t i = 0; i < in->field_count; i++) {
        sl_slice name = in->fields[i].name;
        if (name.nbytes < 3 || memcmp(name.data + name.nbytes - 3, "npy", 3) != 0)
            continue;
        if (hit)
            return host->reject(ctx, "several-arrays",
                                "the sample has several arrays, choose one with {\"field\": name}");
        hit = &in->fields[i];
    }
    if (!hit)
        return host->reject(ctx, "missing-value", "the sample has no npy");
    *file = (sl_value){.kind = SL_KIND_BYTES, .bytes = hit->data};
    return SL_OK;
}

static sl_status decode_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                              sl_value *out) {
    const struct decode *decode = state;
    sl_value array = *in;
    sl_status status = SL_OK;
    if (in->kind == SL_KIND_ARRAYS)
        status = host->array_find(ctx, in, decode->name, decode->only, &array);
    else if (in->kind == SL_KIND_FIELDS)
        status = find_member(host, ctx, in, &array);
    return status == SL_OK ? host->array_read(ctx, &array, &decode->want, out->tensor.data) : status;
}

static const sl_param_doc docs[] = {
    {"dtype", "\"float32\", \"uint8\", ...", "the model's",
     "of the result; a number that would change rejects its record"},
    {"shape", "list of integers", "the model's", "of the result"},
    {"name", "text", "the only array", "which array of the record"},
    {"or", "\"only\"", "the name alone", "the only array will do, whatever its name"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_tensor_decode = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "tensor.decode",
    .summary = "the numbers of an array, or of a .npy file",
    .shapes = "arrays, or the only .npy file of a sample -> any dtype and shape",
    .params = docs,
    .open = decode_open,
    .close = decode_close,
    .apply = decode_apply,
};
