/* tensor_top_k.c: the k highest scores with their classes, best first; equal scores in the order of their
 * classes, NaN behind every number. */
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_tensor_top_k;

struct top_k {
    size_t k, n;
};

static sl_status read_labels(const sl_host *host, const sl_params *params, size_t classes, sl_spec *out,
                             sl_error *err) {
    const char *path = NULL;
    sl_status status = host->param_text(params, "labels", &path, err);
    if (status != SL_OK || !path)
        return status;
    const char *const *lines = NULL;
    size_t count = 0;
    status = host->read_lines(params, path, &lines, &count, err);
    if (status != SL_OK)
        return status;
    if (count != classes)
        return host->fail(
            err, SL_E_MODEL,
            "cannot use transform 'tensor.top_k': '%s' has %zu labels, the model has %zu classes", path,
            count, classes);
    out->labels = lines;
    out->label_count = count;
    return SL_OK;
}

/* One row of scores: [n], or [1,...,n]. */
static bool is_row(const sl_spec *in) {
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_FLOAT || in->rank < 1 || in->dims[in->rank - 1] < 1)
        return false;
    for (int d = 0; d + 1 < in->rank; d++)
        if (in->dims[d] != 1)
            return false;
    return in->dims[in->rank - 1] <= INT32_MAX;
}

static sl_status top_k_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                            void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"k", "labels", NULL};
    int64_t k = 0;
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = host->param_int(params, "k", &k, err);
    if (status != SL_OK)
        return status;
    if (!is_row(in))
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.top_k': it takes one row of scores, float [n]");
    int64_t classes = in->dims[in->rank - 1];
    if (k < 1 || k > classes)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.top_k': 'k' is %lld, expected 1 to the %lld classes",
                          (long long)k, (long long)classes);
    *out = (sl_spec){
        .kind = SL_KIND_RANKED, .rank = 1, .dims = {k}, .max_nbytes = (size_t)k * sizeof(sl_ranked)};
    status = read_labels(host, params, (size_t)classes, out, err);
    struct top_k *top = status == SL_OK ? host->alloc(sizeof *top) : NULL;
    if (!top)
        return status != SL_OK
                   ? status
                   : host->fail(err, SL_E_MEMORY, "cannot open transform 'tensor.top_k': out of memory");
    *top = (struct top_k){.k = (size_t)k, .n = (size_t)classes};
    *state = top;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void top_k_close(const sl_host *host, void *state) {
    host->free(state);
}

static bool is_better(float a, float b) {
    return a > b || (b != b && a == a);
}

/* Insertion from the back: a score moves up only past worse ones, so equal ones keep their order. */
static sl_status top_k_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                             sl_value *out) {
    const struct top_k *top = state;
    const float *x = in->tensor.data;
    sl_ranked *best = out->tensor.data;
    size_t have = 0;
    (void)host;
    (void)ctx;
    for (size_t i = 0; i < top->n; i++) {
        if (have == top->k && !is_better(x[i], best[have - 1].score))
            continue;
        size_t at = have < top->k ? have++ : have - 1;
        for (; at > 0 && is_better(x[i], best[at - 1].score); at--)
            best[at] = best[at - 1];
        best[at] = (sl_ranked){.index = (int32_t)i, .score = x[i]};
    }
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"k", "integer", NULL, "how many, at most the number of classes"},
    {"labels", "file in the model directory", "no labels",
     "one name a line, in the order of the classes; or a config.json with \"id2label\""},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_tensor_top_k = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "tensor.top_k",
    .summary = "the k best classes with their scores",
    .shapes = "float [n] -> ranked [k]",
    .params = docs,
    .open = top_k_open,
    .close = top_k_close,
    .apply = top_k_apply,
};
