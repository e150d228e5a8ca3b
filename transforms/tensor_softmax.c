/* tensor_softmax.c: scores to probabilities over the last dimension. The maximum is taken off first, sums are
 * doubles: no overflow, and the same bits on every machine with the same libm. */
#include <math.h>
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_tensor_softmax;

static sl_status softmax_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                              void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {NULL};
    sl_status status = host->param_only(params, keys, err);
    if (status != SL_OK)
        return status;
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_FLOAT || in->rank < 1 || in->dims[in->rank - 1] < 1)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.softmax': it takes a tensor of float, [..., n]");
    *out = *in;
    *state = NULL;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void softmax_row(const float *x, size_t n, float *y) {
    float most = -INFINITY;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        if (x[i] > most)
            most = x[i];
    /* NaN in gives NaN out; all scores -inf too, as the definition has it. */
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)most);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(exp((double)x[i] - (double)most) / sum);
}

static sl_status softmax_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                               sl_value *out) {
    const sl_tensor *t = &in->tensor;
    size_t n = (size_t)t->dims[t->rank - 1], rows = 1;
    (void)state;
    (void)host;
    (void)ctx;
    for (int d = 0; d + 1 < t->rank; d++)
        rows *= (size_t)t->dims[d];
    memcpy(out->tensor.dims, t->dims, sizeof t->dims);
    for (size_t r = 0; r < rows; r++)
        softmax_row((const float *)t->data + r * n, n, (float *)out->tensor.data + r * n);
    return SL_OK;
}

static const sl_param_doc docs[] = {{NULL, NULL, NULL, NULL}};

const sl_transform transform_tensor_softmax = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "tensor.softmax",
    .summary = "scores to probabilities over the last dimension",
    .shapes = "float [...,n] -> float [...,n]",
    .params = docs,
    .open = softmax_open,
    .apply = softmax_apply,
};
