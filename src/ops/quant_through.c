/* quant_through.c: com.microsoft's quantised operators that mean: to numbers, the plain operator, to levels.
 * Everything in float. ONNX Runtime takes short cuts in some of them (one factor for scale and division, sums
 * of levels), so a level may differ by one from its. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/quant.h"

#define MOST 64 /* inputs of the plain operator */

/* Inputs of the plain operator: `triple` says where x, its scale and its zero stand. */
struct through {
    const struct op *op;
    int64_t opset;
    size_t plain; /* inputs in front that are handed on as they are */
    size_t inputs, input[2];
    size_t y_scale, y_zero;
    bool joined; /* Concat: triples from input[0] on, any number */
};

struct inner {
    sl_tensor x[MOST], y;
    const sl_tensor *in[MOST];
    sl_tensor *out[1];
    struct op_call call;
};

static size_t quantised(const struct op_call *call, const struct through *t) {
    return t->joined ? (call->in_count - t->input[0]) / 3 : t->inputs;
}

static size_t place_of(const struct through *t, size_t i) {
    return t->joined ? t->input[0] + 3 * i : t->input[i];
}

static const sl_tensor *optional(const struct op_call *call, size_t i) {
    return op_has_in(call, i) ? call->in[i] : NULL;
}

static void make_inner(const struct op_call *call, const struct through *t, char *room, struct inner *inner) {
    size_t count = quantised(call, t);
    *inner = (struct inner){.y = {.dtype = SL_FLOAT}};
    for (size_t i = 0; i < t->plain; i++)
        inner->in[i] = call->in[i];
    for (size_t i = 0; i < count; i++) {
        inner->x[i] = quant_shadow(call->in[place_of(t, i)], SL_FLOAT, &room);
        inner->in[t->plain + i] = &inner->x[i];
    }
    if (call->out[0]->dtype)
        inner->y = quant_shadow(call->out[0], SL_FLOAT, &room);
    inner->out[0] = &inner->y;
    inner->call = (struct op_call){.attrs = call->attrs,
                                   .attr_count = call->attr_count,
                                   .opset = op_attr(call, "opset") ? op_attr_int(call, "opset", 0) : t->opset,
                                   .in = inner->in,
                                   .in_count = t->plain + count,
                                   .out = inner->out,
                                   .out_count = 1};
}

static sl_status infer_through(const struct op_call *call, const struct through *t, sl_error *err) {
    struct inner inner;
    size_t count = quantised(call, t);
    sl_status st = SL_OK;
    if (!count || count + t->plain > MOST || (t->joined && (call->in_count - t->input[0]) % 3))
        return error_set(err, SL_E_MODEL, "there are %zu inputs", call->in_count);
    if (op_attr_int(call, "channels_last", 0))
        return error_set(err, SL_E_MODEL, "attribute 'channels_last' is set, which is not known here");
    for (size_t i = 0; st == SL_OK && i < count; i++) {
        size_t at = place_of(t, i);
        st = rule_dtype(call, at, QUANT_BYTES, err);
        if (st == SL_OK)
            st = quant_params(call, at + 1, at + 2, call->in[at]->dtype, true, err);
    }
    sl_dtype dtype = optional(call, t->y_zero) ? call->in[t->y_zero]->dtype
                     : st == SL_OK             ? call->in[place_of(t, 0)]->dtype
                                               : SL_UINT8;
    if (st == SL_OK)
        st = quant_params(call, t->y_scale, t->y_zero, dtype, true, err);
    if (st == SL_OK && !(QUANT_BYTES & OPS_BIT(dtype)))
        st = error_set(err, SL_E_MODEL, "cannot quantise to %s", sl_dtype_name(dtype));
    if (st != SL_OK)
        return st;
    call->out[0]->dtype = SL_UNDEFINED;
    make_inner(call, t, NULL, &inner);
    st = t->op->infer(&inner.call, err);
    if (st == SL_OK)
        rule_set(call->out[0], dtype, inner.y.rank, inner.y.dims);
    return st;
}

static sl_status prepare_through(const struct op_call *call, const struct through *t,
                                 struct op_prepared *prepared) {
    prepared->scratch_nbytes = quant_shadow_nbytes(call->out[0], SL_FLOAT);
    for (size_t i = 0; i < quantised(call, t); i++)
        prepared->scratch_nbytes += quant_shadow_nbytes(call->in[place_of(t, i)], SL_FLOAT);
    return SL_OK;
}

static void run_through(const struct op_call *call, const struct through *t) {
    struct inner inner;
    make_inner(call, t, call->scratch, &inner);
    for (size_t i = 0; i < quantised(call, t); i++) {
        size_t at = place_of(t, i);
        quant_reals(call->in[at], call->in[at + 1], optional(call, at + 2), &inner.x[i]);
    }
    t->op->run(&inner.call);
    quant_levels_of(&inner.y, call->in[t->y_scale], optional(call, t->y_zero), call->out[0]);
}

#define THROUGH(id, op_name, in_least, in_most, op_attrs, ...)                                               \
    static const struct through id = {__VA_ARGS__};                                                          \
    static sl_status infer_##id(const struct op_call *call, sl_error *err) {                                 \
        return infer_through(call, &id, err);                                                                \
    }                                                                                                        \
    static sl_status prepare_##id(const struct op_call *call, struct arena *arena,                           \
                                  struct op_prepared *prepared, sl_error *err) {                             \
        (void)arena;                                                                                         \
        (void)err;                                                                                           \
        return prepare_through(call, &id, prepared);                                                         \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        run_through(call, &id);                                                                              \
    }                                                                                                        \
    const struct op op_qlinear_##id = {.domain = "com.microsoft",                                            \
                                       .name = op_name,                                                      \
                                       .since = 1,                                                           \
                                       .min_in = in_least,                                                   \
                                       .max_in = in_most,                                                    \
                                       .min_out = 1,                                                         \
                                       .max_out = 1,                                                         \
                                       .attrs = op_attrs,                                                    \
                                       .infer = infer_##id,                                                  \
                                       .prepare = prepare_##id,                                              \
                                       .run = run_##id};

#define UNARY(of, version) .op = &of, .opset = version, .inputs = 1, .y_scale = 3, .y_zero = 4
#define BINARY(of) .op = &of, .opset = 14, .inputs = 2, .input = {0, 3}, .y_scale = 6, .y_zero = 7
#define POOL_ATTRS "auto_pad ceil_mode channels_last count_include_pad kernel_shape pads strides"

THROUGH(add, "QLinearAdd", 7, 8, NULL, BINARY(op_add))
THROUGH(mul, "QLinearMul", 7, 8, NULL, BINARY(op_mul))
THROUGH(leaky_relu, "QLinearLeakyRelu", 4, 5, "alpha", UNARY(op_leaky_relu, 16))
THROUGH(sigmoid, "QLinearSigmoid", 4, 5, NULL, UNARY(op_sigmoid, 13))
THROUGH(softmax, "QLinearSoftmax", 5, 5, "axis opset", UNARY(op_softmax, 13))
THROUGH(average_pool, "QLinearAveragePool", 4, 5, POOL_ATTRS, UNARY(op_average_pool, 11))
THROUGH(global_average_pool, "QLinearGlobalAveragePool", 5, 5, "channels_last",
        UNARY(op_global_average_pool, 1))
THROUGH(reduce_mean, "QLinearReduceMean", 4, 5, "axes keepdims", UNARY(op_reduce_mean, 13))
THROUGH(where, "QLinearWhere", 9, 9, NULL, .op = &op_where, .opset = 16, .plain = 1, .inputs = 2,
        .input = {1, 4}, .y_scale = 7, .y_zero = 8)
THROUGH(concat, "QLinearConcat", 5, -1, "axis", .op = &op_concat, .opset = 13, .input = {2}, .joined = true,
        .y_scale = 0, .y_zero = 1)
