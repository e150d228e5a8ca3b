/* tensor_pool.c: one vector of a sequence of them, over the places where an input of the model (the
 * attention mask) is not 0: what sentence-transformers' Pooling does. Sums are doubles. */
#include <math.h>
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_tensor_mean_pool, transform_tensor_pool;

enum mode { MEAN, MAX, MEAN_SQRT, FIRST, LAST };

struct pool {
    enum mode mode;
    size_t steps, width;
    bool masked;
    size_t input;
    sl_dtype mask_dtype;
};

static sl_status refuse(const sl_host *host, sl_error *err, const char *why) {
    return host->fail(err, SL_E_MODEL, "cannot use transform 'tensor.pool': %s", why);
}

static sl_status read_mode(const sl_host *host, const sl_params *params, struct pool *pool, sl_error *err) {
    static const char *const modes[] = {"mean", "max", "mean_sqrt", "first", "last"};
    const char *word = modes[0];
    sl_status status = host->param_text(params, "mode", &word, err);
    for (size_t i = 0; status == SL_OK && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(word, modes[i]) == 0) {
            pool->mode = (enum mode)i;
            return SL_OK;
        }
    return status != SL_OK
               ? status
               : refuse(host, err, "'mode' must be \"mean\", \"max\", \"mean_sqrt\", \"first\" or \"last\"");
}

static sl_status read_mask(const sl_host *host, const sl_params *params, struct pool *pool, sl_error *err) {
    const char *name = NULL;
    sl_spec spec;
    sl_status status = host->param_text(params, "mask", &name, err);
    if (status != SL_OK || !name)
        return status;
    status = host->input_find(params, name, &spec, &pool->input, err);
    if (status != SL_OK)
        return status;
    bool number = spec.dtype == SL_INT64 || spec.dtype == SL_INT32 || spec.dtype == SL_FLOAT;
    if (!number || spec.rank != 1 || spec.dims[0] != (int64_t)pool->steps)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'tensor.pool': input '%s' is no mask of %zu numbers", name,
                          pool->steps);
    pool->masked = true;
    pool->mask_dtype = spec.dtype;
    return SL_OK;
}

static sl_status pool_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                           void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"mode", "mask", NULL};
    sl_status status = host->param_only(params, keys, err);
    if (status != SL_OK)
        return status;
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_FLOAT || in->rank != 2 || in->dims[0] < 1 ||
        in->dims[1] < 1)
        return refuse(host, err, "it takes a tensor of float, [sequence,n]");
    struct pool *pool = host->alloc(sizeof *pool);
    if (!pool)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'tensor.pool': out of memory");
    pool->steps = (size_t)in->dims[0];
    pool->width = (size_t)in->dims[1];
    status = read_mode(host, params, pool, err);
    if (status == SL_OK)
        status = read_mask(host, params, pool, err);
    if (status != SL_OK) {
        host->free(pool);
        return status;
    }
    *out = (sl_spec){.kind = SL_KIND_TENSOR,
                     .dtype = SL_FLOAT,
                     .rank = 1,
                     .dims = {in->dims[1]},
                     .max_nbytes = pool->width * sizeof(float)};
    *state = pool;
    *scratch_nbytes = pool->width * sizeof(double);
    return SL_OK;
}

static void pool_close(const sl_host *host, void *state) {
    host->free(state);
}

static double mask_at(const struct pool *pool, const void *mask, size_t i) {
    if (!pool->masked)
        return 1.0;
    if (pool->mask_dtype == SL_INT64)
        return (double)((const int64_t *)mask)[i];
    if (pool->mask_dtype == SL_INT32)
        return (double)((const int32_t *)mask)[i];
    return (double)((const float *)mask)[i];
}

static void add_up(const struct pool *pool, const void *mask, const float *x, double *sum, float *y) {
    double weight = 0.0;
    memset(sum, 0, pool->width * sizeof *sum);
    for (size_t i = 0; i < pool->steps; i++, x += pool->width) {
        double m = mask_at(pool, mask, i);
        if (m == 0.0) /* whatever stands there */
            continue;
        weight += m;
        for (size_t k = 0; k < pool->width; k++)
            sum[k] += m * (double)x[k];
    }
    weight = weight > 1e-9 ? weight : 1e-9;
    if (pool->mode == MEAN_SQRT)
        weight = sqrt(weight);
    for (size_t k = 0; k < pool->width; k++)
        y[k] = (float)(sum[k] / weight);
}

static void choose(const struct pool *pool, const void *mask, const float *x, float *y) {
    bool none = true;
    memset(y, 0, pool->width * sizeof *y);
    for (size_t i = 0; i < pool->steps; i++, x += pool->width) {
        if (mask_at(pool, mask, i) == 0.0)
            continue;
        if (none || pool->mode == LAST)
            memcpy(y, x, pool->width * sizeof *y);
        else
            for (size_t k = 0; pool->mode == MAX && k < pool->width; k++)
                y[k] = x[k] > y[k] || x[k] != x[k] ? x[k] : y[k];
        none = false;
    }
}

static sl_status pool_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                            sl_value *out) {
    const struct pool *pool = state;
    const void *mask = pool->masked ? host->input_row(ctx, pool->input) : NULL;
    if (pool->mode == MEAN || pool->mode == MEAN_SQRT)
        add_up(pool, mask, in->tensor.data, host->scratch(ctx), out->tensor.data);
    else
        choose(pool, mask, in->tensor.data, out->tensor.data);
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"mode", "text", "\"mean\"", "mean, max, mean_sqrt (the sum over the root of the count), first, last"},
    {"mask", "name of a model input", "no mask", "where it is 0 the sequence does not count"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_tensor_pool = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "tensor.pool",
    .summary = "one vector of a sequence of them",
    .shapes = "float [sequence,n] -> float [n]",
    .params = docs,
    .open = pool_open,
    .close = pool_close,
    .apply = pool_apply,
};

const sl_transform transform_tensor_mean_pool = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "tensor.mean_pool",
    .summary = "the mean of a sequence of vectors",
    .shapes = "float [sequence,n] -> float [n]",
    .params = docs,
    .open = pool_open,
    .close = pool_close,
    .apply = pool_apply,
};
