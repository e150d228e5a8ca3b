/* tensor_each.c: what is done to every number of a result: sigmoid, threshold, round, and the division by the
 * vector's length. All in double, rounded once. */
#include <math.h>
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_tensor_normalize_l2, transform_tensor_round, transform_tensor_sigmoid,
    transform_tensor_threshold;

struct each {
    double number; /* the threshold; 10 to the digits */
};

static sl_status open_floats(const sl_host *host, const char *name, const sl_spec *in, sl_spec *out,
                             sl_error *err) {
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_FLOAT || in->rank < 1)
        return host->fail(err, SL_E_MODEL, "cannot use transform '%s': it takes a tensor of float", name);
    *out = *in;
    return SL_OK;
}

static sl_status open_plain(const sl_host *host, const sl_params *params, const char *name, const sl_spec *in,
                            sl_spec *out, void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {NULL};
    *state = NULL;
    *scratch_nbytes = 0;
    sl_status status = host->param_only(params, keys, err);
    return status == SL_OK ? open_floats(host, name, in, out, err) : status;
}

static sl_status keep_number(const sl_host *host, const char *name, double number, void **state,
                             sl_error *err) {
    struct each *each = host->alloc(sizeof *each);
    if (!each)
        return host->fail(err, SL_E_MEMORY, "cannot open transform '%s': out of memory", name);
    each->number = number;
    *state = each;
    return SL_OK;
}

static void each_close(const sl_host *host, void *state) {
    host->free(state);
}

static size_t count_of(const sl_value *in, sl_value *out) {
    size_t count = 1;
    for (int d = 0; d < in->tensor.rank; d++)
        count *= (size_t)in->tensor.dims[d];
    memcpy(out->tensor.dims, in->tensor.dims, sizeof in->tensor.dims);
    return count;
}

/* --- sigmoid --- */

static sl_status sigmoid_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                              void **state, size_t *scratch_nbytes, sl_error *err) {
    return open_plain(host, params, "tensor.sigmoid", in, out, state, scratch_nbytes, err);
}

static sl_status sigmoid_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                               sl_value *out) {
    const float *x = in->tensor.data;
    float *y = out->tensor.data;
    size_t count = count_of(in, out);
    (void)state;
    (void)host;
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        y[i] = (float)(1.0 / (1.0 + exp(-(double)x[i])));
    return SL_OK;
}

/* --- threshold --- */

static sl_status threshold_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                                void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"", NULL};
    double number = 0.5;
    *scratch_nbytes = 0;
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = host->param_number(params, "", &number, err);
    if (status == SL_OK)
        status = open_floats(host, "tensor.threshold", in, out, err);
    if (status != SL_OK)
        return status;
    out->dtype = SL_INT64;
    out->max_nbytes = in->max_nbytes / sizeof(float) * sizeof(int64_t);
    out->labels = NULL; /* 1 says that the class holds, not which one */
    out->label_count = 0;
    return keep_number(host, "tensor.threshold", number, state, err);
}

static sl_status threshold_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                                 sl_value *out) {
    const struct each *each = state;
    const float *x = in->tensor.data;
    int64_t *y = out->tensor.data;
    size_t count = count_of(in, out);
    (void)host;
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        y[i] = (double)x[i] > each->number;
    return SL_OK;
}

/* --- round --- */

static sl_status round_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                            void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"", NULL};
    int64_t digits = 0;
    *scratch_nbytes = 0;
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = host->param_int(params, "", &digits, err);
    if (status == SL_OK && (digits < 0 || digits > 15))
        status = host->fail(err, SL_E_MODEL,
                            "cannot use transform 'tensor.round': expected 0 to 15 digits behind the point");
    if (status == SL_OK)
        status = open_floats(host, "tensor.round", in, out, err);
    if (status != SL_OK)
        return status;
    double power = 1.0;
    for (int64_t i = 0; i < digits; i++)
        power *= 10.0;
    return keep_number(host, "tensor.round", power, state, err);
}

/* To the even digit where two are as near, as NumPy does. */
static sl_status round_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                             sl_value *out) {
    const struct each *each = state;
    const float *x = in->tensor.data;
    float *y = out->tensor.data;
    size_t count = count_of(in, out);
    (void)host;
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        y[i] = (float)(nearbyint((double)x[i] * each->number) / each->number);
    return SL_OK;
}

/* --- the vector's length --- */

static sl_status l2_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                         void **state, size_t *scratch_nbytes, sl_error *err) {
    return open_plain(host, params, "tensor.normalize_l2", in, out, state, scratch_nbytes, err);
}

/* Over the last dimension; never by less than 1e-12, as torch.nn.functional.normalize. */
static sl_status l2_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                          sl_value *out) {
    size_t count = count_of(in, out), n = (size_t)in->tensor.dims[in->tensor.rank - 1];
    (void)state;
    (void)host;
    (void)ctx;
    for (size_t row = 0; n && row < count / n; row++) {
        const float *x = (const float *)in->tensor.data + row * n;
        float *y = (float *)out->tensor.data + row * n;
        double sum = 0.0;
        for (size_t i = 0; i < n; i++)
            sum += (double)x[i] * (double)x[i];
        double length = sqrt(sum) > 1e-12 ? sqrt(sum) : sum == sum ? 1e-12 : sum;
        for (size_t i = 0; i < n; i++)
            y[i] = (float)((double)x[i] / length);
    }
    return SL_OK;
}

static const sl_param_doc no_docs[] = {{NULL, NULL, NULL, NULL}};
static const sl_param_doc threshold_docs[] = {{"", "number", "0.5", "what a score must exceed"},
                                              {NULL, NULL, NULL, NULL}};
static const sl_param_doc round_docs[] = {{"", "integer", "0", "digits behind the point"},
                                          {NULL, NULL, NULL, NULL}};

#define EACH(variable, word, what, from_to, documents, opens, applies)                                       \
    const sl_transform variable = {                                                                          \
        .abi = SL_TRANSFORM_ABI,                                                                             \
        .nbytes = sizeof(sl_transform),                                                                      \
        .name = word,                                                                                        \
        .summary = what,                                                                                     \
        .shapes = from_to,                                                                                   \
        .params = documents,                                                                                 \
        .open = opens,                                                                                       \
        .close = each_close,                                                                                 \
        .apply = applies,                                                                                    \
    }

EACH(transform_tensor_sigmoid, "tensor.sigmoid", "scores to probabilities, each for itself",
     "float [...] -> float [...]", no_docs, sigmoid_open, sigmoid_apply);
EACH(transform_tensor_threshold, "tensor.threshold", "1 where a score exceeds the threshold, else 0",
     "float [...] -> int64 [...]", threshold_docs, threshold_open, threshold_apply);
EACH(transform_tensor_round, "tensor.round", "numbers rounded to a few digits", "float [...] -> float [...]",
     round_docs, round_open, round_apply);
EACH(transform_tensor_normalize_l2, "tensor.normalize_l2", "vectors of length 1",
     "float [...,n] -> float [...,n]", no_docs, l2_open, l2_apply);
