/* compare.c: comparisons, logic and choice; the answer is a bool tensor except for Where. */
#include <string.h>

#include "ops/broadcast.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

enum relation { EQUAL, LESS, GREATER, LESS_EQUAL, GREATER_EQUAL };

#define HOLDS(relation, x, y)                                                                                \
    ((relation) == EQUAL        ? (x) == (y)                                                                 \
     : (relation) == LESS       ? (x) < (y)                                                                  \
     : (relation) == GREATER    ? (x) > (y)                                                                  \
     : (relation) == LESS_EQUAL ? (x) <= (y)                                                                 \
                                : (x) >= (y))

static bool same_text(const sl_string *x, const sl_string *y) {
    return x->nbytes == y->nbytes && (!x->nbytes || !memcmp(x->data, y->data, x->nbytes));
}

/* NaN compares false with everything. */
static bool holds(enum relation relation, const sl_tensor *a, int64_t i, const sl_tensor *b, int64_t j) {
    switch (element_kind(a->dtype)) {
    case ELEMENT_REAL: {
        double x = element_real(a->dtype, a->data, i), y = element_real(b->dtype, b->data, j);
        return HOLDS(relation, x, y);
    }
    case ELEMENT_SIGNED: {
        int64_t x = element_signed(a->dtype, a->data, i), y = element_signed(b->dtype, b->data, j);
        return HOLDS(relation, x, y);
    }
    case ELEMENT_UNSIGNED: {
        uint64_t x = element_unsigned(a->dtype, a->data, i), y = element_unsigned(b->dtype, b->data, j);
        return HOLDS(relation, x, y);
    }
    default:
        return same_text((const sl_string *)a->data + i, (const sl_string *)b->data + j);
    }
}

static void compare(const struct op_call *call, enum relation relation) {
    uint8_t *out = call->out[0]->data;
    struct broadcast walk;
    broadcast_begin(&walk, call->out[0], call->in, 2);
    while (broadcast_next(&walk))
        for (int64_t i = 0; i < walk.inner; i++)
            out[walk.out_base + i] = holds(relation, call->in[0], walk.base[0] + i * walk.inner_strides[0],
                                           call->in[1], walk.base[1] + i * walk.inner_strides[1])
                                         ? 1
                                         : 0;
}

static sl_status infer_pair(const struct op_call *call, unsigned set, sl_error *err) {
    sl_status st = rule_dtype(call, 0, set, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, set, err);
    if (st == SL_OK)
        st = rule_same_dtype(call, 0, 1, err);
    return st == SL_OK ? rule_broadcast_all(call, 0, SL_BOOL, err) : st;
}

static sl_status infer_equal(const struct op_call *call, sl_error *err) {
    return infer_pair(call, OPS_NUMBERS | OPS_BIT(SL_BOOL) | OPS_BIT(SL_STRING), err);
}

static sl_status infer_order(const struct op_call *call, sl_error *err) {
    return infer_pair(call, OPS_NUMBERS, err);
}

static sl_status infer_logic(const struct op_call *call, sl_error *err) {
    return infer_pair(call, OPS_BIT(SL_BOOL), err);
}

#define TWO_INPUTS(id, op_name, op_since, op_infer)                                                          \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = 2,                                                                  \
                               .max_in = 2,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .infer = op_infer,                                                            \
                               .run = run_##id};

#define COMPARISON(id, name, since, relation, infer)                                                         \
    static void run_##id(const struct op_call *call) {                                                       \
        compare(call, relation);                                                                             \
    }                                                                                                        \
    TWO_INPUTS(id, name, since, infer)

COMPARISON(equal, "Equal", 7, EQUAL, infer_equal)
COMPARISON(less, "Less", 7, LESS, infer_order)
COMPARISON(greater, "Greater", 7, GREATER, infer_order)
COMPARISON(less_equal, "LessOrEqual", 12, LESS_EQUAL, infer_order)
COMPARISON(greater_equal, "GreaterOrEqual", 12, GREATER_EQUAL, infer_order)

#define LOGIC(id, name, expression)                                                                          \
    static void run_##id(const struct op_call *call) {                                                       \
        const uint8_t *a = call->in[0]->data, *b = call->in[1]->data;                                        \
        uint8_t *out = call->out[0]->data;                                                                   \
        struct broadcast walk;                                                                               \
        broadcast_begin(&walk, call->out[0], call->in, 2);                                                   \
        while (broadcast_next(&walk))                                                                        \
            for (int64_t i = 0; i < walk.inner; i++) {                                                       \
                bool x = a[walk.base[0] + i * walk.inner_strides[0]] != 0;                                   \
                bool y = b[walk.base[1] + i * walk.inner_strides[1]] != 0;                                   \
                out[walk.out_base + i] = (expression) ? 1 : 0;                                               \
            }                                                                                                \
    }                                                                                                        \
    TWO_INPUTS(id, name, 7, infer_logic)

LOGIC(and, "And", x &&y)
LOGIC(or, "Or", x || y)
LOGIC(xor, "Xor", x != y)

static sl_status infer_not(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_BOOL), err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_not(const struct op_call *call) {
    const uint8_t *x = call->in[0]->data;
    uint8_t *y = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++)
        y[i] = !x[i];
}

const struct op op_not = {.domain = "",
                          .name = "Not",
                          .since = 1,
                          .min_in = 1,
                          .max_in = 1,
                          .min_out = 1,
                          .max_out = 1,
                          .infer = infer_not,
                          .run = run_not,
                          .elementwise = true};

static sl_status infer_bit_not(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_INTS, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

static void run_bit_not(const struct op_call *call) {
    const uint8_t *x = call->in[0]->data;
    uint8_t *y = call->out[0]->data;
    for (size_t i = 0, n = rule_nbytes(call->out[0]); i < n; i++)
        y[i] = (uint8_t)~x[i];
}

const struct op op_bit_not = {.domain = "",
                              .name = "BitwiseNot",
                              .since = 18,
                              .min_in = 1,
                              .max_in = 1,
                              .min_out = 1,
                              .max_out = 1,
                              .infer = infer_bit_not,
                              .run = run_bit_not,
                              .elementwise = true};

static sl_status infer_where(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_BOOL), err);
    for (size_t i = 1; st == SL_OK && i < 3; i++)
        st = rule_dtype(call, i, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_same_dtype(call, 1, 2, err);
    return st == SL_OK ? rule_broadcast_all(call, 0, call->in[1]->dtype, err) : st;
}

static void run_where(const struct op_call *call) {
    const uint8_t *condition = call->in[0]->data;
    size_t nbytes = sl_dtype_nbits(call->out[0]->dtype) / 8;
    struct broadcast walk;
    broadcast_begin(&walk, call->out[0], call->in, 3);
    while (broadcast_next(&walk))
        for (int64_t i = 0; i < walk.inner; i++) {
            int from = condition[walk.base[0] + i * walk.inner_strides[0]] ? 1 : 2;
            int64_t at = walk.base[from] + i * walk.inner_strides[from];
            memcpy((char *)call->out[0]->data + (size_t)(walk.out_base + i) * nbytes,
                   (const char *)call->in[from]->data + (size_t)at * nbytes, nbytes);
        }
}

const struct op op_where = {.domain = "",
                            .name = "Where",
                            .since = 9,
                            .min_in = 3,
                            .max_in = 3,
                            .min_out = 1,
                            .max_out = 1,
                            .infer = infer_where,
                            .run = run_where};
