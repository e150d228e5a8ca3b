/* plugin_example.c: a transform as a user writes one: built as a shared object against include/sluice alone.
 * With -DPLUGIN_ABI=N it claims another ABI, for the test that refuses it. */
#include "sluice/transform.h"

#ifndef PLUGIN_ABI
#define PLUGIN_ABI SL_TRANSFORM_ABI
#endif

struct lengths {
    int64_t add;
};

static sl_status lengths_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                              void **state, size_t *scratch_nbytes, sl_error *err) {
    struct lengths *lengths = host->alloc(sizeof *lengths);
    if (!lengths)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'lengths': out of memory");
    sl_status status = host->param_int(params, "add", &lengths->add, err);
    if (status == SL_OK && in->kind != SL_KIND_BYTES && in->kind != SL_KIND_CSV)
        status = host->fail(err, SL_E_MODEL, "cannot use transform 'lengths': it takes bytes");
    if (status != SL_OK) {
        host->free(lengths);
        return status;
    }
    *out = (sl_spec){
        .kind = SL_KIND_TENSOR, .dtype = SL_FLOAT, .rank = 1, .dims = {1}, .max_nbytes = sizeof(float)};
    *state = lengths;
    *scratch_nbytes = 64;
    return SL_OK;
}

static void lengths_close(const sl_host *host, void *state) {
    host->free(state);
}

static sl_status lengths_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                               sl_value *out) {
    const struct lengths *lengths = state;
    if (in->bytes.nbytes == 13)
        return host->reject(ctx, "unlucky", "a record of %zu bytes", in->bytes.nbytes);
    if (in->bytes.nbytes == 14)
        return SL_E_DATA; /* without a reason */
    ((char *)host->scratch(ctx))[63] = 1;
    *(float *)out->tensor.data = (float)(in->bytes.nbytes + (size_t)lengths->add);
    return SL_OK;
}

static const sl_transform lengths = {
    .abi = PLUGIN_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "lengths",
    .summary = "how long a record is",
    .shapes = "bytes -> float [1]",
    .open = lengths_open,
    .close = lengths_close,
    .apply = lengths_apply,
};

const sl_transform *sluice_transform(void);
const sl_transform *sluice_transform(void) {
    return &lengths;
}
