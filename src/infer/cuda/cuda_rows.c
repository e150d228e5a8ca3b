/* cuda_rows.c: who computes element by element: unary and binary operators, comparisons,
 * logic, Cast, Clip, Where; sluice.Affine; the norms. */
#include <math.h>
#include <string.h>

#include "infer/cuda/cuda_chain.h"
#include "infer/cuda/cuda_prepare.h"
#include "ops/rules.h"

int bound_element(const void *args, k_stream stream) {
    return k_element_launch(args, stream);
}
BOUND_LAUNCH(affine)

#define AT(type, field) offsetof(struct type, field)

/* ---- elementwise ---- */

/* How an input goes with a dense output of which 16 bytes are taken at once; false: not at all. */
static bool find_reach(struct walk_value y, struct walk_value x, int64_t width, struct k_element *e, int k) {
    const struct walk_value both[] = {y, x};
    struct walk_plan w;
    walk_over(&w, y, both, 2);
    walk_join(&w);
    const int64_t *dims = w.dims, *steps = w.steps[1];
    int64_t inner = 1, period = 1;
    if (w.rank == 1 && steps[0] == 1) {
        e->reach[k] = K_REACH_ALL;
    } else if (w.rank == 2 && steps[0] == 0 && steps[1] == 1) {
        e->reach[k] = K_REACH_ROW;
        period = dims[1];
    } else {
        int last = w.rank - 1, channels = w.rank > 1 ? last - 1 : -1;
        if (w.rank < 1 || w.rank > 3 || steps[last] || (channels >= 0 && steps[channels] != 1) ||
            (w.rank == 3 && steps[0]))
            return false;
        e->reach[k] = K_REACH_CHANNEL;
        inner = dims[last];
        period = channels >= 0 ? dims[channels] : 1;
    }
    e->inner[k] = k_divide_by((uint32_t)inner);
    e->period[k] = k_divide_by((uint32_t)period);
    return e->reach[k] == K_REACH_ALL || (e->reach[k] == K_REACH_ROW ? period : inner) % width == 0;
}

static bool find_packed(struct k_element *e, const struct walk_value *operands) {
    int64_t width = 16 / (int64_t)bound_type_nbytes(e->y_type);
    bool fits = e->op < K_PACKED_OPS && e->in_count <= 2 && e->walk.count % width == 0 &&
                (e->y_type == K_F32 || e->y_type == K_F16 || e->y_type == K_BF16);
    for (int k = 0; fits && k < e->in_count; k++)
        fits = e->in_type[k] == e->y_type && find_reach(operands[0], operands[k + 1], width, e, k);
    return fits;
}

/* The output lies as the first input of its shape. */
static void follow_image(struct cuda_match *m, const size_t *inputs, int count) {
    const sl_tensor *y = m->call.out[0];
    for (int k = 0; k < count; k++) {
        const sl_tensor *x = inputs[k] == SIZE_MAX ? NULL : m->call.in[inputs[k]];
        if (x && x->rank == y->rank && !memcmp(x->dims, y->dims, (size_t)y->rank * sizeof *y->dims))
            bound_follow(m, 0, inputs[k]);
    }
}

/* Whether the launch reads the step's first inputs, as they are counted. */
static bool takes_inputs(const size_t *inputs, int count) {
    for (int k = 0; k < count; k++)
        if (inputs[k] != (size_t)k)
            return false;
    return true;
}

/* One launch: y = op(inputs `from` ...); an input SIZE_MAX is y itself. */
static bool add_element(struct cuda_match *m, struct k_element *e, const size_t *inputs, int count) {
    struct walk_value operands[4];
    struct walk_plan w;
    follow_image(m, inputs, count);
    e->in_count = count;
    e->y_type = bound_out_type(m, 0);
    operands[0] = bound_out_value(m, 0);
    for (int k = 0; k < count; k++) {
        operands[k + 1] = inputs[k] == SIZE_MAX ? operands[0] : bound_in_value(m, inputs[k]);
        e->in_type[k] = inputs[k] == SIZE_MAX ? e->y_type : bound_in_type(m, inputs[k]);
    }
    walk_over(&w, operands[0], operands, count + 1);
    if (!bound_walk(m, &w, &e->walk))
        return false;
    e->packed = find_packed(e, operands);
    bool done;
    if (!m->first && takes_inputs(inputs, count) &&
        (!prepare_element(m, e, &done) || done || !chain_extend(m, e, &done) || done))
        return done;
    struct cuda_bound *b = bound_add(m, bound_element, e, sizeof *e);
    bool ok = bound_out(m, b, AT(k_element, y), 0, 0);
    for (int k = 0; ok && k < count; k++) {
        size_t at = AT(k_element, in) + (size_t)k * sizeof e->in[0];
        ok = inputs[k] == SIZE_MAX ? bound_out(m, b, at, 0, 0) : bound_in(m, b, at, inputs[k], 0);
    }
    return ok;
}

static bool match_unary(struct cuda_match *m, int op) {
    struct k_element e = {.op = (enum k_op)op};
    return add_element(m, &e, (size_t[]){0}, 1);
}

/* Parameters by the names of their attributes, with what they are when absent. */
static bool match_curve(struct cuda_match *m, int op) {
    static const struct {
        enum k_op op;
        const char *a, *b;
        float a_default, b_default;
    } table[] = {{K_LEAKY_RELU, "alpha", "", 0.01f, 0},
                 {K_ELU, "alpha", "", 1, 0},
                 {K_CELU, "alpha", "", 1, 0},
                 {K_SELU, "alpha", "gamma", 1.67326319217681884765625f, 1.05070102214813232421875f},
                 {K_HARD_SIGMOID, "alpha", "beta", 0.2f, 0.5f},
                 {K_SWISH, "alpha", "", 1, 0},
                 {K_THRESHOLDED_RELU, "alpha", "", 1, 0},
                 {K_SHRINK, "lambd", "bias", 0.5f, 0}};
    struct k_element e = {.op = (enum k_op)op};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].op == e.op) {
            e.a = op_attr_float(&m->call, table[i].a, table[i].a_default);
            e.b = op_attr_float(&m->call, table[i].b, table[i].b_default);
        }
    return add_element(m, &e, (size_t[]){0}, 1);
}

static bool match_quick_gelu(struct cuda_match *m, int op) {
    struct k_element e = {.op = (enum k_op)op, .a = op_attr_float(&m->call, "alpha", 1.702f)};
    return add_element(m, &e, (size_t[]){0}, 1);
}

static bool match_gelu(struct cuda_match *m, int op) {
    return match_unary(m, op_attr_is(&m->call, "approximate", "tanh", "none") ? K_GELU_TANH : op);
}

static bool match_is_inf(struct cuda_match *m, int op) {
    struct k_element e = {.op = (enum k_op)op,
                          .a = op_attr_int(&m->call, "detect_negative", 1) != 0,
                          .b = op_attr_int(&m->call, "detect_positive", 1) != 0};
    return add_element(m, &e, (size_t[]){0}, 1);
}

static bool match_binary(struct cuda_match *m, int op) {
    struct k_element e = {.op = (enum k_op)op};
    return add_element(m, &e, (size_t[]){0, 1}, 2);
}

/* A square is no power. */
static bool match_pow(struct cuda_match *m, int op) {
    const sl_tensor *t = bound_const(m, 1);
    bool one = t && t->dtype == SL_FLOAT && m->call.in[0]->dtype == SL_FLOAT && rule_count(t) == 1 &&
               t->rank <= m->call.in[0]->rank;
    return one && *(const float *)t->data == 2 ? match_unary(m, K_SQUARE) : match_binary(m, op);
}

static bool match_mod(struct cuda_match *m, int op) {
    return match_binary(m, op_attr_int(&m->call, "fmod", 0) ? K_FMOD : op);
}

static bool match_shift(struct cuda_match *m, int op) {
    (void)op;
    return match_binary(m, op_attr_is(&m->call, "direction", "LEFT", "") ? K_SHIFT_LEFT : K_SHIFT_RIGHT);
}

static bool match_where(struct cuda_match *m, int op) {
    struct k_element e = {.op = (enum k_op)op};
    return add_element(m, &e, (size_t[]){0, 1, 2}, 3);
}

/* Any number of inputs: the first two, then one after the other. */
static bool match_many(struct cuda_match *m, int op) {
    struct k_element e = {.op = m->call.in_count == 1 ? K_COPY : (enum k_op)op};
    bool ok = add_element(m, &e, (size_t[]){0, 1}, m->call.in_count == 1 ? 1 : 2);
    for (size_t i = 2; ok && i < m->call.in_count; i++) {
        e = (struct k_element){.op = (enum k_op)op};
        ok = add_element(m, &e, (size_t[]){SIZE_MAX, i}, 2);
    }
    return ok;
}

static bool match_mean(struct cuda_match *m, int op) {
    struct k_element e = {.op = K_OVER, .a = (float)m->call.in_count};
    return match_many(m, op) && add_element(m, &e, (size_t[]){SIZE_MAX}, 1);
}

/* A bound that is known: 1, one that comes with the record: -1, none: 0. */
static int read_bound(const struct cuda_match *m, size_t in, const char *name, float *bound, int64_t *whole) {
    if (m->call.opset < 11)
        *bound = op_attr_float(&m->call, name, *bound);
    if (m->call.opset < 11 || !bound_has_in(m, in))
        return 0;
    const sl_tensor *t = bound_const(m, in);
    if (!t || (t->dtype != SL_FLOAT && t->dtype != SL_INT32 && t->dtype != SL_INT64))
        return -1;
    if (t->dtype == SL_FLOAT)
        *bound = *(const float *)t->data;
    else
        *whole = t->dtype == SL_INT32 ? *(const int32_t *)t->data : *(const int64_t *)t->data;
    return 1;
}

static bool match_clip(struct cuda_match *m, int op) {
    enum k_type type = bound_in_type(m, 0);
    bool is_unsigned = type == K_U8 || type == K_U16 || type == K_U32 || type == K_U64;
    struct k_element e = {.op = (enum k_op)op,
                          .a = -INFINITY,
                          .b = INFINITY,
                          .low = is_unsigned ? 0 : INT64_MIN,
                          .high = is_unsigned ? -1 : INT64_MAX};
    int low = read_bound(m, 1, "min", &e.a, &e.low), high = read_bound(m, 2, "max", &e.b, &e.high);
    if (low >= 0 && high >= 0)
        return add_element(m, &e, (size_t[]){0}, 1);
    /* bounds that come with the data, or of other types: as operands, one after the other */
    struct k_element max = {.op = K_MAX}, min = {.op = K_MIN};
    bool first = bound_has_in(m, 1);
    return (!first || add_element(m, &max, (size_t[]){1, 0}, 2)) &&
           (!bound_has_in(m, 2) || add_element(m, &min, (size_t[]){2, first ? SIZE_MAX : 0}, 2));
}

/* ---- sluice.Affine ---- */

static bool match_affine(struct cuda_match *m, int detail) {
    const struct op_call *call = &m->call;
    const sl_tensor *x = call->in[0];
    const struct attr *scale = op_attr(call, "scale"), *offset = op_attr(call, "offset");
    int64_t count = rule_count(x), channels = x->dims[x->rank - 1], pixels = rule_product(x, 1, x->rank - 1);
    (void)detail;
    if (count > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)count);
    struct k_affine a = {.x_type = bound_in_type(m, 0),
                         .y_type = bound_out_type(m, 0),
                         .chw = op_attr_int(call, "chw", 0) != 0,
                         .one = scale->count == 1,
                         .count = (uint32_t)count,
                         .channels = k_divide_by((uint32_t)channels),
                         .pixels = k_divide_by((uint32_t)pixels)};
    struct cuda_bound *b = bound_add(m, launch_affine, &a, sizeof a);
    return bound_in(m, b, AT(k_affine, x), 0, 0) && bound_out(m, b, AT(k_affine, y), 0, 0) &&
           bound_table(m, b, AT(k_affine, scale), scale->floats, scale->count * sizeof(float)) &&
           bound_table(m, b, AT(k_affine, offset), offset->floats, offset->count * sizeof(float));
}

/* ---- which steps ---- */

const struct bound_operator bound_rows[] = {{"", "Abs", match_unary, K_ABS, true},
                                            {"", "Neg", match_unary, K_NEG, true},
                                            {"", "Sign", match_unary, K_SIGN, true},
                                            {"", "Relu", match_unary, K_RELU, true},
                                            {"", "Floor", match_unary, K_FLOOR, true},
                                            {"", "Ceil", match_unary, K_CEIL, true},
                                            {"", "Round", match_unary, K_ROUND, true},
                                            {"", "Reciprocal", match_unary, K_RECIPROCAL, true},
                                            {"", "Sqrt", match_unary, K_SQRT, true},
                                            {"", "Exp", match_unary, K_EXP, true},
                                            {"", "Log", match_unary, K_LOG, true},
                                            {"", "Erf", match_unary, K_ERF, true},
                                            {"", "Sin", match_unary, K_SIN, true},
                                            {"", "Cos", match_unary, K_COS, true},
                                            {"", "Tan", match_unary, K_TAN, true},
                                            {"", "Asin", match_unary, K_ASIN, true},
                                            {"", "Acos", match_unary, K_ACOS, true},
                                            {"", "Atan", match_unary, K_ATAN, true},
                                            {"", "Sinh", match_unary, K_SINH, true},
                                            {"", "Cosh", match_unary, K_COSH, true},
                                            {"", "Asinh", match_unary, K_ASINH, true},
                                            {"", "Acosh", match_unary, K_ACOSH, true},
                                            {"", "Atanh", match_unary, K_ATANH, true},
                                            {"", "Tanh", match_unary, K_TANH, true},
                                            {"", "IsNaN", match_unary, K_IS_NAN, true},
                                            {"", "IsInf", match_is_inf, K_IS_INF, true},
                                            {"", "Sigmoid", match_unary, K_SIGMOID, true},
                                            {"", "LeakyRelu", match_curve, K_LEAKY_RELU, true},
                                            {"", "Elu", match_curve, K_ELU, true},
                                            {"", "Celu", match_curve, K_CELU, true},
                                            {"", "Selu", match_curve, K_SELU, true},
                                            {"", "HardSigmoid", match_curve, K_HARD_SIGMOID, true},
                                            {"", "HardSwish", match_unary, K_HARD_SWISH, true},
                                            {"", "Softplus", match_unary, K_SOFTPLUS, true},
                                            {"", "Softsign", match_unary, K_SOFTSIGN, true},
                                            {"", "ThresholdedRelu", match_curve, K_THRESHOLDED_RELU, true},
                                            {"", "Shrink", match_curve, K_SHRINK, true},
                                            {"", "Mish", match_unary, K_MISH, true},
                                            {"", "Swish", match_curve, K_SWISH, true},
                                            {"", "Gelu", match_gelu, K_GELU, true},
                                            {"com.microsoft", "Gelu", match_unary, K_GELU, true},
                                            {"com.microsoft", "QuickGelu", match_quick_gelu, K_SWISH, true},
                                            {"", "Add", match_binary, K_ADD, true},
                                            {"", "Sub", match_binary, K_SUB, true},
                                            {"", "Mul", match_binary, K_MUL, true},
                                            {"", "Div", match_binary, K_DIV, true},
                                            {"", "Pow", match_pow, K_POW, true},
                                            {"", "PRelu", match_binary, K_PRELU, true},
                                            {"", "Mod", match_mod, K_MOD, true},
                                            {"", "BitShift", match_shift, 0, true},
                                            {"", "BitwiseAnd", match_binary, K_BIT_AND, true},
                                            {"", "BitwiseOr", match_binary, K_BIT_OR, true},
                                            {"", "BitwiseXor", match_binary, K_BIT_XOR, true},
                                            {"", "BitwiseNot", match_unary, K_BIT_NOT, true},
                                            {"", "Equal", match_binary, K_EQUAL, true},
                                            {"", "Less", match_binary, K_LESS, true},
                                            {"", "Greater", match_binary, K_GREATER, true},
                                            {"", "LessOrEqual", match_binary, K_LESS_EQUAL, true},
                                            {"", "GreaterOrEqual", match_binary, K_GREATER_EQUAL, true},
                                            {"", "And", match_binary, K_AND, true},
                                            {"", "Or", match_binary, K_OR, true},
                                            {"", "Xor", match_binary, K_XOR, true},
                                            {"", "Not", match_unary, K_NOT, true},
                                            {"", "Where", match_where, K_WHERE, true},
                                            {"", "Cast", match_unary, K_COPY, true},
                                            {"", "CastLike", match_unary, K_COPY, true},
                                            {"", "Clip", match_clip, K_CLIP, true},
                                            {"", "Max", match_many, K_MAX, true},
                                            {"", "Min", match_many, K_MIN, true},
                                            {"", "Sum", match_many, K_ADD, true},
                                            {"", "Mean", match_mean, K_ADD, true},
                                            {"sluice", "Affine", match_affine, 0, false},

                                            {NULL, NULL, NULL, 0, false}};
