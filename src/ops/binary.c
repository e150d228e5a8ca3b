/* binary.c: arithmetic of two or more tensors with numpy's broadcasting. Floats in double, rounded once after
 * every operation; integers wrap; an integer division by zero gives zero, where ONNX says nothing. */
#include <math.h>
#include <string.h>

#include "ops/broadcast.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

typedef double real_fn(double a, double b);
typedef int64_t signed_fn(int64_t a, int64_t b);
typedef uint64_t unsigned_fn(uint64_t a, uint64_t b);

/* The tensors of one operation. */
struct pair {
    const sl_tensor *a, *b;
    sl_tensor *out;
};

#define PAIR_LOOP(kind, fn, number)                                                                          \
    struct broadcast walk;                                                                                   \
    const sl_tensor *const inputs[] = {pair->a, pair->b};                                                    \
    broadcast_begin(&walk, pair->out, inputs, 2);                                                            \
    while (broadcast_next(&walk)) {                                                                          \
        int64_t sa = walk.inner_strides[0], sb = walk.inner_strides[1], a = walk.base[0], b = walk.base[1];  \
        for (int64_t i = 0; i < walk.inner; i++) {                                                           \
            number x = element_##kind(dtype, pair->a->data, a + i * sa);                                     \
            number y = element_##kind(dtype, pair->b->data, b + i * sb);                                     \
            element_set_##kind(dtype, pair->out->data, walk.out_base + i, fn(x, y));                         \
        }                                                                                                    \
    }

OPS_INLINE void pair_real(sl_dtype dtype, const struct pair *pair, real_fn *fn){PAIR_LOOP(real, fn, double)}

OPS_INLINE
    void pair_signed(sl_dtype dtype, const struct pair *pair, signed_fn *fn){PAIR_LOOP(signed, fn, int64_t)}

OPS_INLINE void pair_unsigned(sl_dtype dtype, const struct pair *pair, unsigned_fn *fn) {
    PAIR_LOOP(unsigned, fn, uint64_t)
}

static sl_status infer_numbers(const struct op_call *call, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++) {
        st = rule_dtype(call, i, OPS_NUMBERS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
    }
    return st == SL_OK ? rule_broadcast_all(call, 0, SL_UNDEFINED, err) : st;
}

static sl_status infer_reals(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    return st == SL_OK ? infer_numbers(call, err) : st;
}

static sl_status infer_ints(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_INTS, err);
    return st == SL_OK ? infer_numbers(call, err) : st;
}

#define BINARY_OP(id, op_name, op_since, in_least, in_most, op_infer, op_attrs)                              \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = in_least,                                                           \
                               .max_in = in_most,                                                            \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = op_infer,                                                            \
                               .run = run_##id,                                                              \
                               .elementwise = true,                                                          \
                               .over = (in_most) == 2 ? 1u << 1 : 0u};

/* One expression for each kind of number; some look at x alone. */
#define PAIR_FNS(id, real_expression, signed_expression, unsigned_expression)                                \
    OPS_INLINE double real_##id(double x, double y) {                                                        \
        (void)y;                                                                                             \
        return real_expression;                                                                              \
    }                                                                                                        \
    OPS_INLINE int64_t signed_##id(int64_t x, int64_t y) {                                                   \
        (void)y;                                                                                             \
        return signed_expression;                                                                            \
    }                                                                                                        \
    OPS_INLINE uint64_t unsigned_##id(uint64_t x, uint64_t y) {                                              \
        (void)y;                                                                                             \
        return unsigned_expression;                                                                          \
    }                                                                                                        \
    static void pair_##id(const struct pair *pair) {                                                         \
        ELEMENT_DISPATCH_REAL(pair->out->dtype, pair_real, pair, real_##id);                                 \
        ELEMENT_DISPATCH_SIGNED(pair->out->dtype, pair_signed, pair, signed_##id);                           \
        ELEMENT_DISPATCH_UNSIGNED(pair->out->dtype, pair_unsigned, pair, unsigned_##id);                     \
    }

#define RUN_PAIR(id)                                                                                         \
    static void run_##id(const struct op_call *call) {                                                       \
        pair_##id(&(struct pair){call->in[0], call->in[1], call->out[0]});                                   \
    }

static inline int64_t wrap(uint64_t x) {
    return (int64_t)x;
}

static inline int64_t divide(int64_t x, int64_t y) {
    return y == 0 ? 0 : y == -1 ? wrap(0 - (uint64_t)x) : x / y;
}

/* The sign of the divisor, as Python's %. */
static inline int64_t modulo(int64_t x, int64_t y) {
    if (y == 0 || y == -1)
        return 0;
    int64_t rest = x % y;
    return rest && (rest < 0) != (y < 0) ? rest + y : rest;
}

static inline double real_modulo(double x, double y) {
    double rest = fmod(x, y);
    if (rest > 0 || rest < 0)
        return (rest < 0) != (y < 0) ? rest + y : rest;
    return isnan(rest) ? rest : copysign(0, y);
}

/* A shift by a negative or too large count leaves only copies of the sign. */
static inline int64_t shift_left(int64_t x, int64_t y) {
    return y < 0 || y > 63 ? 0 : (int64_t)((uint64_t)x << y);
}

static inline int64_t shift_right(int64_t x, int64_t y) {
    return y < 0 || y > 63 ? (x < 0 ? -1 : 0) : x >> y;
}

static inline double real_larger(double x, double y) {
    return isnan(x) || x > y ? x : y;
}

static inline double real_smaller(double x, double y) {
    return isnan(x) || x < y ? x : y;
}

PAIR_FNS(add, x + y, wrap((uint64_t)x + (uint64_t)y), x + y)
PAIR_FNS(sub, x - y, wrap((uint64_t)x - (uint64_t)y), x - y)
PAIR_FNS(mul, x *y, wrap((uint64_t)x *(uint64_t)y), x *y)
PAIR_FNS(div, x / y, divide(x, y), y ? x / y : 0)
PAIR_FNS(max, real_larger(x, y), x > y ? x : y, x > y ? x : y)
PAIR_FNS(min, real_smaller(x, y), x < y ? x : y, x < y ? x : y)
PAIR_FNS(mod, real_modulo(x, y), modulo(x, y), y ? x % y : 0)
PAIR_FNS(fmod, fmod(x, y), y == 0 || y == -1 ? 0 : x % y, y ? x % y : 0)
PAIR_FNS(prelu, x < 0 ? x * y : x, x < 0 ? wrap((uint64_t)x * (uint64_t)y) : x, x)
PAIR_FNS(bit_and, x, x &y, x &y)
PAIR_FNS(bit_or, x, x | y, x | y)
PAIR_FNS(bit_xor, x, x ^ y, x ^ y)
PAIR_FNS(shift_left, x, shift_left(x, y), y < 64 ? x << y : 0)
PAIR_FNS(shift_right, x, shift_right(x, y), y < 64 ? x >> y : 0)

RUN_PAIR(add)
RUN_PAIR(sub)
RUN_PAIR(mul)
RUN_PAIR(div)
RUN_PAIR(prelu)
RUN_PAIR(bit_and)
RUN_PAIR(bit_or)
RUN_PAIR(bit_xor)
BINARY_OP(add, "Add", 7, 2, 2, infer_numbers, NULL)
BINARY_OP(sub, "Sub", 7, 2, 2, infer_numbers, NULL)
BINARY_OP(mul, "Mul", 7, 2, 2, infer_numbers, NULL)
BINARY_OP(div, "Div", 7, 2, 2, infer_numbers, NULL)
BINARY_OP(bit_and, "BitwiseAnd", 18, 2, 2, infer_ints, NULL)
BINARY_OP(bit_or, "BitwiseOr", 18, 2, 2, infer_ints, NULL)
BINARY_OP(bit_xor, "BitwiseXor", 18, 2, 2, infer_ints, NULL)

/* The slope broadcasts to x, not the other way round. */
static sl_status infer_prelu(const struct op_call *call, sl_error *err) {
    sl_status st = infer_numbers(call, err);
    if (st == SL_OK &&
        (call->out[0]->rank != call->in[0]->rank || rule_count(call->out[0]) != rule_count(call->in[0])))
        return error_set(err, SL_E_MODEL, "the slope has more elements than the input");
    return st;
}
BINARY_OP(prelu, "PRelu", 7, 2, 2, infer_prelu, NULL)

static void run_mod(const struct op_call *call) {
    struct pair pair = {call->in[0], call->in[1], call->out[0]};
    if (op_attr_int(call, "fmod", 0))
        pair_fmod(&pair);
    else
        pair_mod(&pair);
}

BINARY_OP(mod, "Mod", 10, 2, 2, infer_numbers, "fmod")

static void run_bit_shift(const struct op_call *call) {
    struct pair pair = {call->in[0], call->in[1], call->out[0]};
    if (op_attr_is(call, "direction", "LEFT", ""))
        pair_shift_left(&pair);
    else
        pair_shift_right(&pair);
}

static sl_status infer_bit_shift(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_INTS, err);
    if (st == SL_OK && !op_attr_is(call, "direction", "LEFT", "") &&
        !op_attr_is(call, "direction", "RIGHT", ""))
        return error_set(err, SL_E_MODEL, "attribute 'direction' is neither 'LEFT' nor 'RIGHT'");
    return st == SL_OK ? infer_numbers(call, err) : st;
}
BINARY_OP(bit_shift, "BitShift", 11, 2, 2, infer_bit_shift, "direction")

/* Pow: the base's dtype, and an exponent of any other. */
static inline uint64_t power(uint64_t base, uint64_t exponent) {
    uint64_t result = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

static void pow_element(const sl_tensor *x, int64_t xi, const sl_tensor *y, int64_t yi, sl_tensor *out,
                        int64_t i) {
    enum element_kind base = element_kind(x->dtype);
    if (base == ELEMENT_REAL) {
        double exponent = element_number(y->dtype, y->data, yi);
        element_set_real(out->dtype, out->data, i, pow(element_real(x->dtype, x->data, xi), exponent));
        return;
    }
    uint64_t value = (uint64_t)element_index(x->dtype, x->data, xi);
    int64_t whole = element_index(y->dtype, y->data, yi);
    bool fits = element_kind(y->dtype) == ELEMENT_UNSIGNED || whole >= 0;
    if (element_kind(y->dtype) != ELEMENT_REAL && fits)
        element_set_unsigned(out->dtype, out->data, i, power(value, (uint64_t)whole));
    else
        element_set_real(
            out->dtype, out->data, i,
            trunc(pow(element_number(x->dtype, x->data, xi), element_number(y->dtype, y->data, yi))));
}

static void run_pow(const struct op_call *call) {
    struct broadcast walk;
    broadcast_begin(&walk, call->out[0], call->in, 2);
    while (broadcast_next(&walk))
        for (int64_t i = 0; i < walk.inner; i++)
            pow_element(call->in[0], walk.base[0] + i * walk.inner_strides[0], call->in[1],
                        walk.base[1] + i * walk.inner_strides[1], call->out[0], walk.out_base + i);
}

static sl_status infer_pow(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_NUMBERS, err);
    return st == SL_OK ? rule_broadcast_all(call, 0, SL_UNDEFINED, err) : st;
}
BINARY_OP(pow, "Pow", 7, 2, 2, infer_pow, NULL)

/* Any number of inputs: input 0 spread over the output, then one input after the other. */
static void spread_first(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *out = call->out[0];
    struct broadcast walk;
    if (x->data == out->data)
        return;
    size_t nbytes = sl_dtype_nbits(x->dtype) / 8;
    broadcast_begin(&walk, out, call->in, 1);
    while (broadcast_next(&walk))
        for (int64_t i = 0; i < walk.inner; i++)
            memcpy((char *)out->data + (size_t)(walk.out_base + i) * nbytes,
                   (const char *)x->data + (size_t)(walk.base[0] + i * walk.inner_strides[0]) * nbytes,
                   nbytes);
}

static void fold_inputs(const struct op_call *call, void (*pair_fn)(const struct pair *)) {
    spread_first(call);
    for (size_t i = 1; i < call->in_count; i++)
        pair_fn(&(struct pair){call->out[0], call->in[i], call->out[0]});
}

static void run_max(const struct op_call *call) {
    fold_inputs(call, pair_max);
}

static void run_min(const struct op_call *call) {
    fold_inputs(call, pair_min);
}

static void run_sum(const struct op_call *call) {
    fold_inputs(call, pair_add);
}

static void run_mean(const struct op_call *call) {
    sl_tensor *out = call->out[0];
    fold_inputs(call, pair_add);
    for (int64_t i = 0, n = rule_count(out); i < n; i++)
        element_set_real(out->dtype, out->data, i,
                         element_real(out->dtype, out->data, i) / (double)call->in_count);
}
BINARY_OP(max, "Max", 6, 1, -1, infer_numbers, NULL)
BINARY_OP(min, "Min", 6, 1, -1, infer_numbers, NULL)
BINARY_OP(sum, "Sum", 6, 1, -1, infer_reals, NULL)
BINARY_OP(mean, "Mean", 6, 1, -1, infer_reals, NULL)
