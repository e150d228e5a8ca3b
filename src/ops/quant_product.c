/* quant_product.c: products of quantised matrices: MatMulInteger and QLinearMatMul, and com.microsoft's
 * QGemm, DynamicQuantizeMatMul and MatMulIntegerToFloat. Each is MatMul of the levels less their zeros, in
 * double, where it is exact, and then what becomes of the sums. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/quant.h"

/* Where a product's inputs stand; NONE: it has no such input. */
#define NONE SIZE_MAX
struct places {
    size_t a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero;
    bool gemm;    /* transA and transB, alpha, a bias of int32 */
    bool dynamic; /* a is float, and quantised here */
};

static const struct places integer = {.a = 0,
                                      .b = 1,
                                      .a_zero = 2,
                                      .b_zero = 3,
                                      .a_scale = NONE,
                                      .b_scale = NONE,
                                      .c = NONE,
                                      .y_scale = NONE,
                                      .y_zero = NONE};
static const struct places linear = {.a = 0,
                                     .a_scale = 1,
                                     .a_zero = 2,
                                     .b = 3,
                                     .b_scale = 4,
                                     .b_zero = 5,
                                     .y_scale = 6,
                                     .y_zero = 7,
                                     .c = NONE};
static const struct places gemm = {.a = 0,
                                   .a_scale = 1,
                                   .a_zero = 2,
                                   .b = 3,
                                   .b_scale = 4,
                                   .b_zero = 5,
                                   .c = 6,
                                   .y_scale = 7,
                                   .y_zero = 8,
                                   .gemm = true};
static const struct places to_float = {.a = 0,
                                       .b = 1,
                                       .a_scale = 2,
                                       .b_scale = 3,
                                       .a_zero = 4,
                                       .b_zero = 5,
                                       .c = 6,
                                       .y_scale = NONE,
                                       .y_zero = NONE};
static const struct places dynamic = {.a = 0,
                                      .b = 1,
                                      .b_scale = 2,
                                      .b_zero = 3,
                                      .c = 4,
                                      .a_scale = NONE,
                                      .a_zero = NONE,
                                      .y_scale = NONE,
                                      .y_zero = NONE,
                                      .dynamic = true};

static const sl_tensor *input(const struct op_call *call, size_t i) {
    return i != NONE && op_has_in(call, i) ? call->in[i] : NULL;
}

/* The product as an operator over numbers: of the levels' shapes, in double. */
struct inner {
    sl_tensor a, b, y;
    const sl_tensor *in[2];
    sl_tensor *out[1];
    struct op_call call;
    const struct op *op;
};

static void make_inner(const struct op_call *call, const struct places *p, char *room, struct inner *inner) {
    *inner = (struct inner){.op = p->gemm ? &op_gemm : &op_matmul};
    inner->a = quant_shadow(call->in[p->a], SL_DOUBLE, &room);
    inner->b = quant_shadow(call->in[p->b], SL_DOUBLE, &room);
    inner->y = (sl_tensor){.dtype = SL_DOUBLE};
    if (call->out[0]->dtype) /* its shape is known */
        inner->y = quant_shadow(call->out[0], SL_DOUBLE, &room);
    inner->in[0] = &inner->a;
    inner->in[1] = &inner->b;
    inner->out[0] = &inner->y;
    inner->call = (struct op_call){.attrs = call->attrs,
                                   .attr_count = p->gemm ? call->attr_count : 0,
                                   .opset = 13,
                                   .in = inner->in,
                                   .in_count = 2,
                                   .out = inner->out,
                                   .out_count = 1};
}

/* Zeros and scales of a go with rows, those of b with columns. */
static sl_status read_grains(const struct op_call *call, const struct places *p, size_t a_param,
                             size_t b_param, const sl_tensor *y, struct grain *a, struct grain *b,
                             sl_error *err) {
    const sl_tensor *of_a = input(call, a_param), *of_b = input(call, b_param);
    sl_status st = grain_read(y ? y : call->in[p->a], of_a, -2, 0, "the left parameter", a, err);
    int column = p->gemm && !y && op_attr_int(call, "transB", 0) ? 0 : -1;
    return st == SL_OK ? grain_read(y ? y : call->in[p->b], of_b, column, 0, "the right parameter", b, err)
                       : st;
}

static sl_status check_bias(const struct op_call *call, const struct places *p, sl_error *err) {
    const sl_tensor *c = input(call, p->c);
    sl_tensor y = *call->out[0];
    if (!c)
        return SL_OK;
    sl_status st = rule_dtype(call, p->c, p->gemm ? OPS_BIT(SL_INT32) : OPS_BIT(SL_FLOAT), err);
    if (st == SL_OK)
        st = rule_broadcast(&y, c, &y, err);
    if (st == SL_OK && (y.rank != call->out[0]->rank || rule_count(&y) != rule_count(call->out[0])))
        st = error_set(err, SL_E_MODEL, "input %zu does not fit the product", p->c);
    return st;
}

static sl_status infer_product(const struct op_call *call, const struct places *p, sl_error *err) {
    struct inner inner;
    struct grain a, b;
    sl_dtype y_dtype = p->y_scale != NONE && input(call, p->y_scale) ? SL_UINT8
                       : p->a_scale == NONE && !p->dynamic           ? SL_INT32
                                                                     : SL_FLOAT;
    sl_status st = rule_dtype(call, p->a, p->dynamic ? OPS_BIT(SL_FLOAT) : QUANT_BYTES, err);
    if (st == SL_OK)
        st = rule_dtype(call, p->b, QUANT_BYTES, err);
    if (st == SL_OK && p->a_scale != NONE)
        st = quant_params(call, p->a_scale, p->a_zero, call->in[p->a]->dtype, false, err);
    if (st == SL_OK && p->b_scale != NONE)
        st = quant_params(call, p->b_scale, p->b_zero, call->in[p->b]->dtype, false, err);
    if (st == SL_OK && y_dtype == SL_UINT8) {
        y_dtype = input(call, p->y_zero) ? call->in[p->y_zero]->dtype : SL_UINT8;
        st = quant_params(call, p->y_scale, p->y_zero, y_dtype, true, err);
    }
    if (st == SL_OK && !(OPS_BIT(y_dtype) & (QUANT_BYTES | OPS_BIT(SL_INT32) | OPS_BIT(SL_FLOAT))))
        st = error_set(err, SL_E_MODEL, "cannot quantise to %s", sl_dtype_name(y_dtype));
    if (st != SL_OK)
        return st;
    call->out[0]->dtype = SL_UNDEFINED;
    make_inner(call, p, NULL, &inner);
    st = inner.op->infer(&inner.call, err);
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], y_dtype, inner.y.rank, inner.y.dims);
    st = read_grains(call, p, p->a_zero, p->b_zero, NULL, &a, &b, err);
    if (st == SL_OK)
        st = read_grains(call, p, p->a_scale, p->b_scale, call->out[0], &a, &b, err);
    return st == SL_OK ? check_bias(call, p, err) : st;
}

static sl_status prepare_product(const struct op_call *call, const struct places *p,
                                 struct op_prepared *prepared) {
    prepared->scratch_nbytes = quant_shadow_nbytes(call->in[p->a], SL_DOUBLE) +
                               quant_shadow_nbytes(call->in[p->b], SL_DOUBLE) +
                               quant_shadow_nbytes(call->out[0], SL_DOUBLE);
    return SL_OK;
}

/* Index of output element i in a bias that is broadcast to it. */
static int64_t bias_at(const sl_tensor *c, const sl_tensor *y, int64_t i) {
    int64_t at = 0, step = 1;
    for (int d = y->rank - 1, k = c->rank - 1; k >= 0; d--, k--) {
        at += c->dims[k] == 1 ? 0 : i % y->dims[d] * step;
        step *= c->dims[k];
        i /= y->dims[d];
    }
    return at;
}

/* Sums into what the operator gives. `a_scale` stands for the input where the operator chose it itself. */
static void write_product(const struct op_call *call, const struct places *p, const double *sums,
                          float a_scale) {
    struct grain a, b;
    sl_tensor *y = call->out[0];
    const sl_tensor *c = input(call, p->c), *ys = input(call, p->y_scale), *yz = input(call, p->y_zero);
    const sl_tensor *as = input(call, p->a_scale), *bs = input(call, p->b_scale);
    float alpha = p->gemm ? op_attr_float(call, "alpha", 1) : 1;
    if (read_grains(call, p, p->a_scale, p->b_scale, y, &a, &b, NULL) != SL_OK)
        return;
    int64_t width = grain_width(&a);
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        int64_t line = i / width, column = i % width, bias = c ? bias_at(c, y, i) : 0;
        float left = as ? quant_scale(as, grain_line(&a, line) + grain_in(&a, column)) : a_scale;
        float factor = left * (bs ? quant_scale(bs, grain_line(&b, line) + grain_in(&b, column)) : 1);
        double sum = sums[i];
        if (c && p->gemm)
            sum += (double)((const int32_t *)c->data)[bias];
        if (p->gemm)
            factor = alpha * left * quant_scale(bs, grain_line(&b, line) + grain_in(&b, column));
        if (y->dtype == SL_INT32)
            element_set_real(SL_INT32, y->data, i, sum);
        else if (ys)
            quant_write(y->dtype, y->data, i, (float)sum * (factor / quant_scale(ys, 0)), quant_zero(yz, 0));
        else
            ((float *)y->data)[i] =
                (float)sum * factor + (c && !p->gemm ? ((const float *)c->data)[bias] : 0);
    }
}

static void quantise_left(const sl_tensor *x, const sl_tensor *shadow, float *scale) {
    const float *from = x->data;
    double *to = shadow->data;
    int64_t zero, n = rule_count(x);
    quant_choose(from, n, scale, &zero);
    for (int64_t i = 0; i < n; i++)
        to[i] = (double)(quant_level(SL_UINT8, from[i] / *scale, zero) - zero);
}

static void run_product(const struct op_call *call, const struct places *p) {
    struct inner inner;
    struct grain a, b;
    float a_scale = 1;
    make_inner(call, p, call->scratch, &inner);
    if (read_grains(call, p, p->a_zero, p->b_zero, NULL, &a, &b, NULL) != SL_OK)
        return;
    if (p->dynamic)
        quantise_left(call->in[p->a], &inner.a, &a_scale);
    else
        quant_levels(call->in[p->a], input(call, p->a_zero), &a, &inner.a);
    quant_levels(call->in[p->b], input(call, p->b_zero), &b, &inner.b);
    if (p->gemm) /* alpha is one of the scales */
        inner.call.attr_count = 0;
    struct attr trans[2] = {{.name = "transA", .type = ATTR_INT, .i = op_attr_int(call, "transA", 0)},
                            {.name = "transB", .type = ATTR_INT, .i = op_attr_int(call, "transB", 0)}};
    if (p->gemm) {
        inner.call.attrs = trans;
        inner.call.attr_count = 2;
    }
    inner.op->run(&inner.call);
    write_product(call, p, inner.y.data, a_scale);
}

#define PRODUCT(id, places, op_domain, op_name, op_since, in_least, in_most, op_attrs)                       \
    static sl_status infer_##id(const struct op_call *call, sl_error *err) {                                 \
        return infer_product(call, places, err);                                                             \
    }                                                                                                        \
    static sl_status prepare_##id(const struct op_call *call, struct arena *arena,                           \
                                  struct op_prepared *prepared, sl_error *err) {                             \
        (void)arena;                                                                                         \
        (void)err;                                                                                           \
        return prepare_product(call, places, prepared);                                                      \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        run_product(call, places);                                                                           \
    }                                                                                                        \
    const struct op op_##id = {.domain = op_domain,                                                          \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = in_least,                                                           \
                               .max_in = in_most,                                                            \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = infer_##id,                                                          \
                               .prepare = prepare_##id,                                                      \
                               .run = run_##id};

PRODUCT(matmul_integer, &integer, "", "MatMulInteger", 10, 2, 4, NULL)
PRODUCT(qlinear_matmul, &linear, "", "QLinearMatMul", 10, 8, 8, NULL)
PRODUCT(qgemm, &gemm, "com.microsoft", "QGemm", 1, 6, 9, "alpha transA transB")
PRODUCT(matmul_to_float, &to_float, "com.microsoft", "MatMulIntegerToFloat", 1, 4, 7, NULL)
PRODUCT(dynamic_matmul, &dynamic, "com.microsoft", "DynamicQuantizeMatMul", 1, 3, 5, NULL)
