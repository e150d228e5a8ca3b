/* tensor_part.c: one row of a tensor whose rows have names, or any row by its number: [n,...] -> [...]. */
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_tensor_part;

struct part {
    size_t offset, nbytes;
    sl_spec spec;
};

static sl_status find(const sl_host *host, const sl_params *params, const sl_spec *in, int64_t *index,
                      sl_error *err) {
    const char *name = NULL;
    if (in->part_count == 0 || host->param_text(params, "", &name, NULL) != SL_OK)
        return host->param_int(params, "", index, err);
    for (size_t i = 0; name && i < in->part_count; i++)
        if (strcmp(in->parts[i], name) == 0) {
            *index = (int64_t)i;
            return SL_OK;
        }
    return host->fail(err, SL_E_MODEL,
                      "cannot use transform 'tensor.part': there is no part '%s', the first is '%s'",
                      name ? name : "", in->parts[0]);
}

static sl_status part_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                           void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"", NULL};
    int64_t index = -1;
    if (in->kind != SL_KIND_TENSOR || in->rank < 1 || in->dtype == SL_STRING)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.part': it takes a tensor of numbers");
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = find(host, params, in, &index, err);
    if (status != SL_OK)
        return status;
    size_t nbytes = sl_dtype_nbits(in->dtype) / 8;
    for (int d = 1; d < in->rank; d++)
        nbytes = in->dims[d] > 0 ? nbytes * (size_t)in->dims[d] : 0;
    if (index < 0 || index >= in->dims[0] || !nbytes)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.part': expected the name or the number of a part, "
                          "and parts of a fixed size");
    struct part *part = host->alloc(sizeof *part);
    if (!part)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'tensor.part': out of memory");
    *out = *in;
    out->rank = in->rank - 1;
    memmove(out->dims, in->dims + 1, (size_t)out->rank * sizeof *out->dims);
    out->max_nbytes = nbytes;
    out->parts = NULL;
    out->part_count = 0;
    *part = (struct part){.offset = (size_t)index * nbytes, .nbytes = nbytes, .spec = *out};
    *state = part;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void part_close(const sl_host *host, void *state) {
    host->free(state);
}

static sl_status part_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                            sl_value *out) {
    const struct part *part = state;
    (void)host;
    (void)ctx;
    memcpy(out->tensor.data, (const char *)in->tensor.data + part->offset, part->nbytes);
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"", "text or integer", NULL, "the part's name, or its number from 0"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_tensor_part = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "tensor.part",
    .summary = "one row of a tensor, by name or number",
    .shapes = "any [n,...] -> any [...]",
    .params = docs,
    .open = part_open,
    .close = part_close,
    .apply = part_apply,
};
