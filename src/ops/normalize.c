/* normalize.c: BatchNormalization, InstanceNormalization, LayerNormalization, GroupNormalization,
 * RMSNormalization, LpNormalization and LRN. Means and variances in double over the values as they are, so
 * that large offsets do no harm. */
#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status all_reals(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++)
        if (op_has_in(call, i))
            st = rule_dtype(call, i, OPS_REALS, err);
    return st;
}

static double read(const sl_tensor *t, int64_t i) {
    return element_real(t->dtype, t->data, i);
}

static bool is_training(const struct op_call *call) {
    return op_attr_int(call, "training_mode", 0) != 0;
}

/* BatchNormalization: one scale and offset a channel, known when the model was trained. */
static sl_status infer_batch(const struct op_call *call, sl_error *err) {
    sl_status st = all_reals(call, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 1, err);
    int64_t channels = call->in[0]->rank > 1 ? call->in[0]->dims[1] : 1;
    for (size_t i = 1; st == SL_OK && i < 5; i++)
        st = rule_vector(call, i, channels, err);
    if (st != SL_OK)
        return st;
    if (!op_attr_int(call, "spatial", 1))
        return error_set(err, SL_E_MODEL, "attribute 'spatial' 0 is not for inference");
    for (size_t i = 1; i < call->out_count; i++) {
        if (call->out[i] && (!is_training(call) || i > 2))
            return error_set(err, SL_E_MODEL, "output %zu exists only in training", i);
        if (call->out[i])
            rule_set(call->out[i], call->in[i + 2]->dtype, 1, &channels);
    }
    rule_like(call, 0);
    return SL_OK;
}

/* Mean and variance of channel `c` over the batch, in training: that is what is taken off, and what the
 * running ones move towards. */
static void measure_channel(const struct op_call *call, int64_t c, int64_t size, double *mean,
                            double *variance) {
    const sl_tensor *x = call->in[0];
    double momentum = (double)op_attr_float(call, "momentum", 0.9f), sum = 0, squares = 0;
    int64_t channels = rule_count(call->in[1]), n = x->dims[0] * size;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < n; i++) {
            double value = read(x, (i / size * channels + c) * size + i % size);
            squares += pass ? (value - sum) * (value - sum) : 0;
            sum += pass ? 0 : value;
        }
        sum /= pass ? 1 : (double)n;
    }
    const double now[2] = {sum, squares / (double)n};
    for (size_t i = 1; i < 3; i++)
        if (op_has_out(call, i))
            element_set_real(call->out[i]->dtype, call->out[i]->data, c,
                             read(call->in[i + 2], c) * momentum + now[i - 1] * (1 - momentum));
    *mean = now[0];
    *variance = now[1];
}

OPS_INLINE void normalize_batch(sl_dtype dtype, const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    double epsilon = (double)op_attr_float(call, "epsilon", 1e-5f);
    int64_t channels = x->rank > 1 ? x->dims[1] : 1, size = rule_product(x, x->rank > 1 ? 2 : 1, x->rank);
    int64_t rows = size ? rule_count(x) / size / channels : 0;
    for (int64_t c = 0; c < channels; c++) {
        double mean = read(call->in[3], c), variance = read(call->in[4], c), offset = read(call->in[2], c);
        if (is_training(call))
            measure_channel(call, c, size, &mean, &variance);
        double scale = read(call->in[1], c) / sqrt(variance + epsilon);
        for (int64_t row = 0; row < rows; row++)
            for (int64_t i = (row * channels + c) * size, end = i + size; i < end; i++)
                element_set_real(dtype, call->out[0]->data, i,
                                 (element_real(dtype, x->data, i) - mean) * scale + offset);
    }
}

static void run_batch(const struct op_call *call) {
    ELEMENT_DISPATCH_REAL(call->in[0]->dtype, normalize_batch, call);
}

const struct op op_batch_normalization = {.domain = "",
                                          .name = "BatchNormalization",
                                          .since = 7,
                                          .min_in = 5,
                                          .max_in = 5,
                                          .min_out = 1,
                                          .max_out = 5,
                                          .attrs = "epsilon momentum training_mode spatial",
                                          .infer = infer_batch,
                                          .run = run_batch,
                                          .elementwise = true};

struct moments {
    double mean, inverse; /* inverse: 1 / standard deviation */
};

/* Of `n` values from `first`; without the mean: the root mean square. */
static struct moments find_moments(const sl_tensor *x, int64_t first, int64_t n, double epsilon, bool mean) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; mean && i < n; i++)
        sum += read(x, first + i);
    sum /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        double distance = read(x, first + i) - sum;
        squares += distance * distance;
    }
    return (struct moments){sum, 1 / sqrt(squares / (double)n + epsilon)};
}

/* LayerNormalization and RMSNormalization: over the dims from `axis` on. */
static sl_status infer_layer(const struct op_call *call, sl_error *err) {
    int axis;
    sl_status st = all_reals(call, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", -1), call->in[0]->rank, &axis, err);
    for (size_t i = 1; st == SL_OK && i < call->in_count; i++) {
        sl_tensor shape = *call->in[0];
        if (!call->in[i])
            continue;
        st = rule_broadcast(call->in[0], call->in[i], &shape, err);
        if (st == SL_OK && (shape.rank != call->in[0]->rank || rule_count(&shape) != rule_count(call->in[0])))
            st = error_set(err, SL_E_MODEL, "input %zu is larger than input 0", i);
    }
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    for (size_t i = 1; i < call->out_count; i++) {
        if (!call->out[i])
            continue;
        rule_set(call->out[i], (sl_dtype)op_attr_int(call, "stash_type", SL_FLOAT), call->in[0]->rank,
                 call->in[0]->dims);
        for (int d = axis; d < call->in[0]->rank; d++)
            call->out[i]->dims[d] = 1;
        if (!(OPS_REALS & OPS_BIT(call->out[i]->dtype)))
            return error_set(err, SL_E_MODEL, "attribute 'stash_type' is not a float dtype");
    }
    return SL_OK;
}

/* Element of a broadcast scale or bias that goes with element i of x. */
static double broadcast_at(const sl_tensor *t, const sl_tensor *x, int64_t i) {
    int64_t index = 0, step = 1;
    for (int d = x->rank - 1, j = t->rank - 1; j >= 0; d--, j--) {
        index += (t->dims[j] == 1 ? 0 : i % x->dims[d]) * step;
        i /= x->dims[d];
        step *= t->dims[j];
    }
    return read(t, index);
}

static void normalize_layers(const struct op_call *call, bool with_mean) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    double epsilon = (double)op_attr_float(call, "epsilon", 1e-5f);
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", -1), x->rank, &axis, NULL);
    int64_t outer = rule_product(x, 0, axis), n = rule_product(x, axis, x->rank);
    for (int64_t row = 0; n && row < outer; row++) {
        struct moments m = find_moments(x, row * n, n, epsilon, with_mean);
        for (int64_t i = row * n; i < (row + 1) * n; i++) {
            double value = (read(x, i) - m.mean) * m.inverse * broadcast_at(call->in[1], x, i);
            if (op_has_in(call, 2))
                value += broadcast_at(call->in[2], x, i);
            element_set_real(y->dtype, y->data, i, value);
        }
        if (op_has_out(call, 1))
            element_set_real(call->out[1]->dtype, call->out[1]->data, row, m.mean);
        if (op_has_out(call, 2))
            element_set_real(call->out[2]->dtype, call->out[2]->data, row, m.inverse);
    }
}

static void run_layer(const struct op_call *call) {
    normalize_layers(call, true);
}

static void run_rms(const struct op_call *call) {
    normalize_layers(call, false);
}

const struct op op_layer_normalization = {.domain = "",
                                          .name = "LayerNormalization",
                                          .since = 1, /* 17, and files of ONNX Runtime write it before */
                                          .min_in = 2,
                                          .max_in = 3,
                                          .min_out = 1,
                                          .max_out = 3,
                                          .attrs = "axis epsilon stash_type",
                                          .infer = infer_layer,
                                          .run = run_layer};

const struct op op_rms_normalization = {.domain = "",
                                        .name = "RMSNormalization",
                                        .since = 23,
                                        .min_in = 2,
                                        .max_in = 2,
                                        .min_out = 1,
                                        .max_out = 1,
                                        .attrs = "axis epsilon stash_type",
                                        .infer = infer_layer,
                                        .run = run_rms};

/* InstanceNormalization and GroupNormalization: over groups of channels of one image. */
static int64_t group_count(const struct op_call *call) {
    const struct attr *groups = op_attr(call, "num_groups");
    return groups ? groups->i : call->in[0]->dims[1];
}

/* Scale and bias: one a channel, but one a group in GroupNormalization of opset 18. */
static bool is_per_group(const struct op_call *call) {
    return op_attr(call, "num_groups") && call->opset < 21;
}

static sl_status infer_groups(const struct op_call *call, sl_error *err) {
    sl_status st = all_reals(call, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 3, err);
    if (st != SL_OK)
        return st;
    int64_t channels = call->in[0]->dims[1], groups = group_count(call);
    if (groups < 1 || groups > channels || channels % groups)
        return error_set(err, SL_E_MODEL, "%lld channels do not make %lld groups", (long long)channels,
                         (long long)groups);
    for (size_t i = 1; st == SL_OK && i < 3; i++)
        st = rule_vector(call, i, is_per_group(call) ? groups : channels, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_groups(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    double epsilon = (double)op_attr_float(call, "epsilon", 1e-5f);
    int64_t groups = group_count(call), size = rule_product(x, 2, x->rank);
    int64_t group_channels = x->dims[1] / groups, n = group_channels * size;
    for (int64_t g = 0; n && g < x->dims[0] * groups; g++) {
        struct moments m = find_moments(x, g * n, n, epsilon, true);
        for (int64_t i = 0; i < n; i++) {
            int64_t c = is_per_group(call) ? g % groups : g % groups * group_channels + i / size;
            element_set_real(y->dtype, y->data, g * n + i,
                             (read(x, g * n + i) - m.mean) * m.inverse * read(call->in[1], c) +
                                 read(call->in[2], c));
        }
    }
}

const struct op op_instance_normalization = {.domain = "",
                                             .name = "InstanceNormalization",
                                             .since = 6,
                                             .min_in = 3,
                                             .max_in = 3,
                                             .min_out = 1,
                                             .max_out = 1,
                                             .attrs = "epsilon",
                                             .infer = infer_groups,
                                             .run = run_groups};

const struct op op_group_normalization = {.domain = "",
                                          .name = "GroupNormalization",
                                          .since = 18,
                                          .min_in = 3,
                                          .max_in = 3,
                                          .min_out = 1,
                                          .max_out = 1,
                                          .attrs = "epsilon num_groups stash_type",
                                          .infer = infer_groups,
                                          .run = run_groups};

/* LpNormalization: each line along `axis` by its norm. */
static sl_status infer_lp(const struct op_call *call, sl_error *err) {
    int axis;
    sl_status st = all_reals(call, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", -1), call->in[0]->rank, &axis, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_lp(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    int axis = 0;
    (void)rule_axis(op_attr_int(call, "axis", -1), x->rank, &axis, NULL);
    bool squares = op_attr_int(call, "p", 2) == 2;
    int64_t size = x->dims[axis], inner = rule_product(x, axis + 1, x->rank);
    for (int64_t line = 0; line < rule_product(x, 0, axis) * inner; line++) {
        int64_t first = line / inner * size * inner + line % inner;
        double norm = 0;
        for (int64_t i = 0; i < size; i++) {
            double value = read(x, first + i * inner);
            norm += squares ? value * value : fabs(value);
        }
        norm = squares ? sqrt(norm) : norm;
        for (int64_t i = first; i < first + size * inner; i += inner)
            element_set_real(x->dtype, call->out[0]->data, i, norm > 0 ? read(x, i) / norm : 0);
    }
}

const struct op op_lp_normalization = {.domain = "",
                                       .name = "LpNormalization",
                                       .since = 1,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .min_out = 1,
                                       .max_out = 1,
                                       .attrs = "axis p",
                                       .infer = infer_lp,
                                       .run = run_lp};

/* LRN: by the squares of the channels around. */
static sl_status infer_lrn(const struct op_call *call, sl_error *err) {
    sl_status st = all_reals(call, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    if (st == SL_OK && op_attr_int(call, "size", 0) < 1)
        st = error_set(err, SL_E_MODEL, "attribute 'size' must be at least 1");
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_lrn(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    double alpha = (double)op_attr_float(call, "alpha", 1e-4f),
           beta = (double)op_attr_float(call, "beta", 0.75f);
    double bias = (double)op_attr_float(call, "bias", 1);
    int64_t size = op_attr_int(call, "size", 1), channels = x->dims[1], inner = rule_product(x, 2, x->rank);
    for (int64_t i = 0, n = rule_count(x); i < n; i++) {
        int64_t c = i / inner % channels, from = c - (size - 1) / 2, to = c + size / 2;
        from = from < 0 ? 0 : from;
        to = to >= channels ? channels - 1 : to;
        double squares = 0;
        for (int64_t k = from; k <= to; k++) {
            double value = read(x, i + (k - c) * inner);
            squares += value * value;
        }
        element_set_real(x->dtype, call->out[0]->data, i,
                         read(x, i) / pow(bias + alpha / (double)size * squares, beta));
    }
}

const struct op op_lrn = {.domain = "",
                          .name = "LRN",
                          .since = 1,
                          .min_in = 1,
                          .max_in = 1,
                          .min_out = 1,
                          .max_out = 1,
                          .attrs = "alpha beta bias size",
                          .infer = infer_lrn,
                          .run = run_lrn};
