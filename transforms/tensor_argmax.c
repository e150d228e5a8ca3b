/* tensor_argmax.c: the number of the highest score over the last dimension, the lowest number of equal ones,
 * with the name it has in a file of labels. */
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_tensor_argmax;

/* Labels, when there are any, must be as many as there are classes. */
static sl_status read_labels(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                             sl_error *err) {
    const char *path = NULL;
    sl_status status = host->param_text(params, "labels", &path, err);
    if (status != SL_OK || !path)
        return status;
    const char *const *lines = NULL;
    size_t count = 0, classes = (size_t)in->dims[in->rank - 1];
    status = host->read_lines(params, path, &lines, &count, err);
    if (status != SL_OK)
        return status;
    if (count != classes)
        return host->fail(
            err, SL_E_MODEL,
            "cannot use transform 'tensor.argmax': '%s' has %zu labels, the model has %zu classes", path,
            count, classes);
    out->labels = lines;
    out->label_count = count;
    return SL_OK;
}

static sl_status argmax_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                             void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"labels", NULL};
    sl_status status = host->param_only(params, keys, err);
    if (status != SL_OK)
        return status;
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_FLOAT || in->rank < 1 || in->dims[in->rank - 1] < 1)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.argmax': it takes a tensor of float, [..., n]");
    *out = *in;
    out->dtype = SL_INT64;
    out->rank = in->rank > 1 ? in->rank - 1 : 1;
    if (in->rank == 1)
        out->dims[0] = 1;
    out->max_nbytes = in->max_nbytes / sizeof(float) / (size_t)in->dims[in->rank - 1] * sizeof(int64_t);
    *state = NULL;
    *scratch_nbytes = 0;
    return read_labels(host, params, in, out, err);
}

/* A NaN is below every number, so it wins only where there is nothing else. */
static int64_t argmax_row(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best] || (x[best] != x[best] && x[i] == x[i]))
            best = i;
    return (int64_t)best;
}

static sl_status argmax_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                              sl_value *out) {
    const sl_tensor *t = &in->tensor;
    size_t n = (size_t)t->dims[t->rank - 1], rows = 1;
    (void)state;
    (void)host;
    (void)ctx;
    for (int d = 0; d + 1 < t->rank; d++) {
        out->tensor.dims[d] = t->dims[d];
        rows *= (size_t)t->dims[d];
    }
    for (size_t r = 0; r < rows; r++)
        ((int64_t *)out->tensor.data)[r] = argmax_row((const float *)t->data + r * n, n);
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"labels", "file in the model directory", "no labels",
     "one name a line, in the order of the classes; or a config.json with \"id2label\""},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_tensor_argmax = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "tensor.argmax",
    .summary = "the class with the highest score",
    .shapes = "float [n] -> int64 [1]; float [...,n] -> int64 [...]",
    .params = docs,
    .open = argmax_open,
    .apply = argmax_apply,
};
