/* cuda_levels.c: levels and the numbers behind them: QuantizeLinear, DequantizeLinear, and the elementwise
 * operators over levels. */
#include "infer/cuda/cuda_bound.h"
#include "ops/quant.h"
#include "ops/rules.h"

BOUND_LAUNCH(quantize)
BOUND_LAUNCH(dequantize)
BOUND_LAUNCH(level)

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
    const sl_tensor *operands[3] = {m->call.out[0]};
    struct k_level l = {.op = (enum k_level_op)op,
                        .alpha = op_attr_float(&m->call, "alpha", 0.01f),
                        .y_type = bound_out_type(m, 0)};
    struct walk_plan w;
    for (int k = 0; k < count; k++) {
        operands[k + 1] = m->call.in[3 * k];
        l.in_type[k] = bound_in_type(m, (size_t)(3 * k));
        l.scale_type[k] = bound_in_type(m, (size_t)(3 * k + 1));
    }
    size_t last = (size_t)(3 * count);
    l.scale_type[2] = bound_in_type(m, last);
    walk_over(&w, m->call.out[0], operands, count + 1);
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

const struct bound_operator bound_levels[] = {
    {"", "QuantizeLinear", match_quantize, 0},
    {"com.microsoft", "QuantizeLinear", match_quantize, 0},
    {"", "DequantizeLinear", match_quantize, 1},
    {"com.microsoft", "DequantizeLinear", match_quantize, 1},
    {"com.microsoft", "QLinearAdd", match_level, K_LEVEL_ADD},
    {"com.microsoft", "QLinearMul", match_level, K_LEVEL_MUL},
    {"com.microsoft", "QLinearLeakyRelu", match_level, K_LEVEL_LEAKY_RELU},
    {"com.microsoft", "QLinearSigmoid", match_level, K_LEVEL_SIGMOID},
    {NULL, NULL, NULL, 0}};
