/* cuda_levels.c: levels and the numbers behind them: QuantizeLinear, DequantizeLinear, and the elementwise
 * operators over levels. */
#include "infer/cuda/cuda_bound.h"
#include "ops/quant.h"
#include "ops/rules.h"

BOUND_LAUNCH(quantize)
BOUND_LAUNCH(dequantize)
BOUND_LAUNCH(level)
BOUND_LAUNCH(level_mean)
BOUND_LAUNCH(dynamic)

#define AT(type, field) offsetof(struct type, field)

/* Operand 0: the elements; operand 1: their scale and zero. A dim in blocks is two. */
static bool read_walk(struct cuda_match *m, struct k_walk *walk) {
    const struct op_call *call = &m->call;
    const sl_tensor *x = call->in[0];
    struct walk_plan w = {.operands = 2};
    struct grain g;
    if (grain_read(x, call->in[1], (int)op_attr_int(call, "axis", 1), op_attr_int(call, "block_size", 0),
                   "the scale", &g, NULL) != SL_OK)
        return bound_refuse(m, "its scales");
    for (int d = 0; d < g.rank; d++) {
        int64_t step = rule_product(x, d + 1, x->rank), block = g.block[d];
        if (block > 1 && x->dims[d] % block)
            return bound_refuse(m, "blocks of %lld in a dim of %lld", (long long)block,
                                (long long)x->dims[d]);
        walk_add(&w, x->dims[d] / block, (int64_t[]){step * block, g.step[d]});
        if (block > 1)
            walk_add(&w, block, (int64_t[]){step, 0});
    }
    return bound_walk(m, &w, walk);
}

static bool is_level(enum k_type type) {
    return type == K_U8 || type == K_I8 || type == K_U16 || type == K_I16;
}

static bool match_quantize(struct cuda_match *m, int back) {
    struct k_quantize q = {
        .x_type = bound_in_type(m, 0), .y_type = bound_out_type(m, 0), .scale_type = bound_in_type(m, 1)};
    if (back ? !is_level(q.x_type) && q.x_type != K_I32 : !is_level(q.y_type))
        return bound_refuse(
            m, "dtype '%s'",
            sl_dtype_name((back ? m->call.in : (const sl_tensor *const *)m->call.out)[0]->dtype));
    if (!read_walk(m, &q.walk))
        return false;
    struct cuda_bound *b = bound_add(m, back ? launch_dequantize : launch_quantize, &q, sizeof q);
    return bound_in(m, b, AT(k_quantize, x), 0, 0) && bound_in(m, b, AT(k_quantize, scale), 1, 0) &&
           (!bound_has_in(m, 2) || bound_in(m, b, AT(k_quantize, zero), 2, 0)) &&
           bound_out(m, b, AT(k_quantize, y), 0, 0);
}

/* Input k and its scale and zero are inputs 3 k ...; those of y come last. */
static bool match_level(struct cuda_match *m, int op) {
    int count = op == K_LEVEL_ADD || op == K_LEVEL_MUL ? 2 : 1;
    struct walk_value operands[3];
    struct k_level l = {.op = (enum k_level_op)op,
                        .alpha = op_attr_float(&m->call, "alpha", 0.01f),
                        .y_type = bound_out_type(m, 0)};
    struct walk_plan w;
    bound_follow(m, 0, 0);
    operands[0] = bound_out_value(m, 0);
    for (int k = 0; k < count; k++) {
        operands[k + 1] = bound_in_value(m, (size_t)(3 * k));
        l.in_type[k] = bound_in_type(m, (size_t)(3 * k));
        l.scale_type[k] = bound_in_type(m, (size_t)(3 * k + 1));
    }
    size_t last = (size_t)(3 * count);
    l.scale_type[2] = bound_in_type(m, last);
    walk_over(&w, operands[0], operands, count + 1);
    if (!bound_walk(m, &w, &l.walk))
        return false;
    struct cuda_bound *b = bound_add(m, launch_level, &l, sizeof l);
    bool ok = bound_out(m, b, AT(k_level, y), 0, 0) && bound_in(m, b, AT(k_level, scale[2]), last, 0);
    if (ok && bound_has_in(m, last + 1))
        ok = bound_in(m, b, AT(k_level, zero[2]), last + 1, 0);
    for (size_t k = 0; ok && k < (size_t)count; k++) {
        size_t at = k * sizeof(void *);
        ok = bound_in(m, b, AT(k_level, in) + at, 3 * k, 0) &&
             bound_in(m, b, AT(k_level, scale) + at, 3 * k + 1, 0);
        if (ok && bound_has_in(m, 3 * k + 2))
            ok = bound_in(m, b, AT(k_level, zero) + at, 3 * k + 2, 0);
    }
    return ok;
}

/* y's scale and zero, and one input with its own, at the given places. */
static bool bind_level(struct cuda_match *m, struct cuda_bound *b, size_t in, size_t y_scale) {
    return bound_in(m, b, AT(k_level, in[0]), in, 0) && bound_in(m, b, AT(k_level, scale[0]), in + 1, 0) &&
           (!bound_has_in(m, in + 2) || bound_in(m, b, AT(k_level, zero[0]), in + 2, 0)) &&
           bound_in(m, b, AT(k_level, scale[2]), y_scale, 0) &&
           (!bound_has_in(m, y_scale + 1) || bound_in(m, b, AT(k_level, zero[2]), y_scale + 1, 0));
}

static bool match_level_where(struct cuda_match *m, int detail) {
    const struct walk_value operands[] = {bound_out_value(m, 0), bound_in_value(m, 1), bound_in_value(m, 4),
                                          bound_in_value(m, 0)};
    struct k_level l = {.op = K_LEVEL_WHERE,
                        .in_type = {bound_in_type(m, 1), bound_in_type(m, 4)},
                        .scale_type = {bound_in_type(m, 2), bound_in_type(m, 5), bound_in_type(m, 7)},
                        .y_type = bound_out_type(m, 0)};
    struct walk_plan w;
    (void)detail;
    walk_over(&w, operands[0], operands, 4);
    if (!bound_walk(m, &w, &l.walk))
        return false;
    struct cuda_bound *b = bound_add(m, launch_level, &l, sizeof l);
    return bound_out(m, b, AT(k_level, y), 0, 0) && bind_level(m, b, 1, 7) &&
           bound_in(m, b, AT(k_level, in[1]), 4, 0) && bound_in(m, b, AT(k_level, scale[1]), 5, 0) &&
           (!bound_has_in(m, 6) || bound_in(m, b, AT(k_level, zero[1]), 6, 0)) &&
           bound_in(m, b, AT(k_level, condition), 0, 0);
}

/* Each input into its part of y, in y's levels. */
static bool match_level_concat(struct cuda_match *m, int detail) {
    const sl_tensor *y = m->call.out[0];
    int64_t first = 0;
    int axis = 0;
    bool ok = true;
    (void)detail;
    (void)rule_axis(op_attr_int(&m->call, "axis", 0), y->rank, &axis, NULL);
    for (size_t i = 2; ok && i < m->call.in_count; i += 3) {
        const sl_tensor *x = m->call.in[i];
        int64_t slab = rule_product(x, axis, x->rank), line = rule_product(y, axis, y->rank);
        struct walk_plan w = {.operands = 2};
        struct k_level l = {.op = K_LEVEL_COPY,
                            .in_type = {bound_in_type(m, i)},
                            .scale_type = {bound_in_type(m, i + 1), K_F32, bound_in_type(m, 0)},
                            .y_type = bound_out_type(m, 0)};
        walk_add(&w, rule_product(x, 0, axis), (int64_t[]){line, slab});
        walk_add(&w, slab, (int64_t[]){1, 1});
        if (!slab || !rule_count(x))
            continue;
        if (!bound_walk(m, &w, &l.walk))
            return false;
        struct cuda_bound *b = bound_add(m, launch_level, &l, sizeof l);
        ok = bound_out(m, b, AT(k_level, y), 0, first * (int64_t)bound_type_nbytes(l.y_type)) &&
             bind_level(m, b, i, 0);
        first += slab;
    }
    return ok;
}

/* QLinearGlobalAveragePool (`pool`) and QLinearReduceMean. */
static bool match_level_mean(struct cuda_match *m, int pool) {
    const sl_tensor *x = m->call.in[0];
    const struct walk_value image = bound_in_value(m, 0);
    const struct attr *axes = op_attr(&m->call, "axes");
    bool gone[SL_MAX_RANK];
    struct walk_plan stay = {.operands = 2}, go = {.operands = 1};
    struct k_level_mean l = {.x_type = bound_in_type(m, 0),
                             .scale_type = {bound_in_type(m, 1), bound_in_type(m, 3)},
                             .y_type = bound_out_type(m, 0)};
    int64_t y_step = rule_count(m->call.out[0]);
    for (int d = 0; d < x->rank; d++)
        gone[d] = pool ? d >= 2 : !axes;
    for (size_t i = 0; !pool && axes && i < axes->count; i++)
        gone[axes->ints[i] < 0 ? axes->ints[i] + x->rank : axes->ints[i]] = true;
    if (op_attr_int(&m->call, "channels_last", 0))
        return bound_refuse(m, "channels_last");
    for (int d = 0; d < x->rank; d++) {
        int64_t step = walk_step(image, d);
        y_step /= gone[d] ? 1 : x->dims[d];
        if (gone[d])
            walk_add(&go, x->dims[d], &step);
        else
            walk_add(&stay, x->dims[d], (int64_t[]){y_step, step});
    }
    if (!bound_walk(m, &stay, &l.stay) || !bound_walk(m, &go, &l.gone))
        return false;
    struct cuda_bound *b = bound_add(m, launch_level_mean, &l, sizeof l);
    return bound_in(m, b, AT(k_level_mean, x), 0, 0) && bound_in(m, b, AT(k_level_mean, scale[0]), 1, 0) &&
           (!bound_has_in(m, 2) || bound_in(m, b, AT(k_level_mean, zero[0]), 2, 0)) &&
           bound_in(m, b, AT(k_level_mean, scale[1]), 3, 0) &&
           (!bound_has_in(m, 4) || bound_in(m, b, AT(k_level_mean, zero[1]), 4, 0)) &&
           bound_out(m, b, AT(k_level_mean, y), 0, 0);
}

static bool match_dynamic(struct cuda_match *m, int detail) {
    int64_t count = rule_count(m->call.in[0]);
    (void)detail;
    if (!bound_has_out(m, 0) || !bound_has_out(m, 1) || !bound_has_out(m, 2) || bound_out_type(m, 1) != K_F32)
        return bound_refuse(m, "a scale that is not there in f32");
    if (count > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)count);
    struct k_dynamic d = {.x_type = bound_in_type(m, 0), .count = (uint32_t)count};
    struct cuda_bound *b = bound_add(m, launch_dynamic, &d, sizeof d);
    return bound_in(m, b, AT(k_dynamic, x), 0, 0) && bound_out(m, b, AT(k_dynamic, y), 0, 0) &&
           bound_out(m, b, AT(k_dynamic, scale), 1, 0) && bound_out(m, b, AT(k_dynamic, zero), 2, 0);
}

const struct bound_operator bound_levels[] = {
    {"", "QuantizeLinear", match_quantize, 0, false},
    {"com.microsoft", "QuantizeLinear", match_quantize, 0, false},
    {"", "DequantizeLinear", match_quantize, 1, false},
    {"com.microsoft", "DequantizeLinear", match_quantize, 1, false},
    {"com.microsoft", "QLinearAdd", match_level, K_LEVEL_ADD, true},
    {"com.microsoft", "QLinearMul", match_level, K_LEVEL_MUL, true},
    {"com.microsoft", "QLinearLeakyRelu", match_level, K_LEVEL_LEAKY_RELU, true},
    {"com.microsoft", "QLinearSigmoid", match_level, K_LEVEL_SIGMOID, true},
    {"com.microsoft", "QLinearWhere", match_level_where, 0, false},
    {"com.microsoft", "QLinearConcat", match_level_concat, 0, false},
    {"com.microsoft", "QLinearGlobalAveragePool", match_level_mean, 1, true},
    {"com.microsoft", "QLinearReduceMean", match_level_mean, 0, true},
    {"", "DynamicQuantizeLinear", match_dynamic, 0, false},
    {NULL, NULL, NULL, 0, false}};
