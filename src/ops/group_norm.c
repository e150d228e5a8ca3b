/* group_norm.c: GroupNorm and SkipGroupNorm of com.microsoft: groups of channels of one image, channels last
 * unless said otherwise, with a residual, a bias and SiLU in the same node. The statistics are those of
 * GroupNormalization. */
#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

struct groups {
    const sl_tensor *x, *skip, *bias; /* skip and bias may be NULL */
    int64_t batch, channels, pixels, count, per_group;
    bool last;      /* channels last */
    bool skip_flat; /* the skip has one number a channel of an image */
};

static sl_status read_groups(const struct op_call *call, struct groups *g, bool with_skip, sl_error *err) {
    const sl_tensor *x = call->in[0];
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++)
        if (op_has_in(call, i))
            st = rule_dtype(call, i, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_rank(call, 0, 4, err);
    if (st != SL_OK)
        return st;
    *g = (struct groups){.x = x, .batch = x->dims[0], .last = op_attr_int(call, "channels_last", 1) != 0};
    g->channels = x->dims[g->last ? 3 : 1];
    g->pixels = g->last ? x->dims[1] * x->dims[2] : x->dims[2] * x->dims[3];
    g->count = op_attr_int(call, "groups", 0);
    if (g->count < 1 || g->count > g->channels || g->channels % g->count)
        return error_set(err, SL_E_MODEL, "%lld channels do not make %lld groups", (long long)g->channels,
                         (long long)g->count);
    g->per_group = g->channels / g->count;
    for (size_t i = 1; st == SL_OK && i < 3; i++)
        st = rule_vector(call, i, g->channels, err);
    if (st != SL_OK || !with_skip)
        return st;
    g->skip = call->in[3];
    g->bias = op_has_in(call, 4) ? call->in[4] : NULL;
    g->skip_flat = rule_count(g->skip) == g->batch * g->channels && g->pixels != 1;
    if (!g->skip_flat && rule_count(g->skip) != rule_count(x))
        return error_set(err, SL_E_MODEL, "the skip does not fit input 0");
    return g->bias ? rule_vector(call, 4, g->channels, err) : SL_OK;
}

static sl_status infer(const struct op_call *call, bool with_skip, sl_error *err) {
    struct groups g;
    sl_status st = read_groups(call, &g, with_skip, err);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    if (op_has_out(call, 1))
        rule_like(call, 1);
    return SL_OK;
}

static int64_t index_of(const struct groups *g, int64_t image, int64_t channel, int64_t pixel) {
    return g->last ? (image * g->pixels + pixel) * g->channels + channel
                   : (image * g->channels + channel) * g->pixels + pixel;
}

/* x, its residual and its bias. */
static double sum_at(const struct groups *g, int64_t image, int64_t channel, int64_t pixel) {
    int64_t at = index_of(g, image, channel, pixel);
    double value = element_real(g->x->dtype, g->x->data, at);
    if (g->skip)
        value +=
            element_real(g->skip->dtype, g->skip->data, g->skip_flat ? image * g->channels + channel : at);
    if (g->bias)
        value += element_real(g->bias->dtype, g->bias->data, channel);
    return value;
}

static void run_group(const struct op_call *call, const struct groups *g, int64_t image, int64_t group) {
    double epsilon = (double)op_attr_float(call, "epsilon", 1e-5f), mean = 0, squares = 0;
    int64_t first = group * g->per_group, n = g->per_group * g->pixels;
    bool silu = op_attr_int(call, "activation", 0) == 1;
    for (int64_t i = 0; i < n; i++)
        mean += sum_at(g, image, first + i / g->pixels, i % g->pixels);
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        double distance = sum_at(g, image, first + i / g->pixels, i % g->pixels) - mean;
        squares += distance * distance;
    }
    double inverse = 1 / sqrt(squares / (double)n + epsilon);
    for (int64_t i = 0; i < n; i++) {
        int64_t channel = first + i / g->pixels, at = index_of(g, image, channel, i % g->pixels);
        double x = sum_at(g, image, channel, i % g->pixels);
        double y = (x - mean) * inverse * element_real(call->in[1]->dtype, call->in[1]->data, channel) +
                   element_real(call->in[2]->dtype, call->in[2]->data, channel);
        element_set_real(g->x->dtype, call->out[0]->data, at, silu ? y / (1 + exp(-y)) : y);
        if (op_has_out(call, 1))
            element_set_real(g->x->dtype, call->out[1]->data, at, x);
    }
}

static void run(const struct op_call *call, bool with_skip) {
    struct groups g;
    if (read_groups(call, &g, with_skip, NULL) != SL_OK || !g.pixels)
        return;
    for (int64_t i = 0; i < g.batch * g.count; i++)
        run_group(call, &g, i / g.count, i % g.count);
}

#define GROUP_NORM(id, op_name, with_skip, op_min_in, op_max_in, op_max_out)                                 \
    static sl_status infer_##id(const struct op_call *call, sl_error *err) {                                 \
        return infer(call, with_skip, err);                                                                  \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        run(call, with_skip);                                                                                \
    }                                                                                                        \
    const struct op op_##id = {.domain = "com.microsoft",                                                    \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = op_min_in,                                                          \
                               .max_in = op_max_in,                                                          \
                               .min_out = 1,                                                                 \
                               .max_out = op_max_out,                                                        \
                               .attrs = "activation channels_last epsilon groups",                           \
                               .infer = infer_##id,                                                          \
                               .run = run_##id};

GROUP_NORM(group_norm, "GroupNorm", false, 3, 3, 1)
GROUP_NORM(skip_group_norm, "SkipGroupNorm", true, 4, 5, 2)
