/* cuda_products_int8.c: products of levels: MatMulInteger, QLinearMatMul, QGemm, MatMulIntegerToFloat and
 * DynamicQuantizeMatMul, through gemm_int8.cu. Constant factors on the right are packed when the model is
 * loaded, and their columns summed. */
#include "infer/cuda/cuda_factors.h"
#include "ops/rules.h"

BOUND_LAUNCH(gemm_int8)
BOUND_LAUNCH(line_sums)
BOUND_LAUNCH(dynamic)

#define AT(type, field) offsetof(struct type, field)

/* |sum of k products of levels less their zeros| < 2^31 */
enum { MOST_K = INT32_MAX / (255 * 255) };

/* Where an operator has its inputs, as ops/quant_product.c says it; NONE: it has no such input. */
enum { NONE = 99 };
struct places {
    size_t a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero;
    bool gemm, dynamic;
};
static const struct places all_places[] = {
    {0, NONE, 2, 1, NONE, 3, NONE, NONE, NONE, false, false}, /* MatMulInteger */
    {0, 1, 2, 3, 4, 5, NONE, 6, 7, false, false},             /* QLinearMatMul */
    {0, 1, 2, 3, 4, 5, 6, 7, 8, true, false},                 /* QGemm */
    {0, 2, 4, 1, 3, 5, 6, NONE, NONE, false, false},          /* MatMulIntegerToFloat */
    {0, NONE, NONE, 1, 2, 3, 4, NONE, NONE, false, true}};    /* DynamicQuantizeMatMul */

static bool has(const struct cuda_match *m, size_t i) {
    return i != NONE && bound_has_in(m, i);
}

/* ---- scales, zeros and biases ---- */

/* One for all, or one for each of `count`, which stand in dim `dim` from the right of a tensor of rank two
 * and more. */
static bool param_step(const sl_tensor *t, int64_t count, int dim, int32_t *step) {
    *step = rule_count(t) != 1;
    return !*step ||
           (rule_count(t) == count && (t->rank == 1 || (t->rank >= dim && t->dims[t->rank - dim] == count)));
}

/* The params of the product, at `at` in k_gemm_int8; rows (dim 2) or columns (dim 1). */
static bool take_param(struct cuda_match *m, struct k_param *param, size_t in, int64_t count, int dim) {
    if (!has(m, in))
        return true;
    param->type = bound_in_type(m, in);
    return param_step(m->call.in[in], count, dim, &param->step) ||
           bound_refuse(m, "the shape of its input %zu", in);
}

static bool take_params(struct cuda_match *m, const struct places *p, struct k_gemm_int8 *g, bool b_turned) {
    bool real = has(m, p->c) && !p->gemm;
    int column = b_turned ? 2 : 1;
    return take_param(m, &g->a_scale, p->a_scale, g->m, 2) && take_param(m, &g->a_zero, p->a_zero, g->m, 2) &&
           take_param(m, &g->b_scale, p->b_scale, g->n, 1) &&
           take_param(m, &g->b_zero, p->b_zero, g->n, column) &&
           take_param(m, &g->y_scale, p->y_scale, 1, 1) && take_param(m, &g->y_zero, p->y_zero, 1, 1) &&
           take_param(m, real ? &g->bias : &g->whole_bias, p->c, g->n, 1);
}

static bool bind_param(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t in) {
    return !has(m, in) || bound_in(m, b, at + AT(k_param, p), in, 0);
}

static bool bind_params(struct cuda_match *m, const struct places *p, struct cuda_bound *b) {
    return bind_param(m, b, AT(k_gemm_int8, a_scale), p->a_scale) &&
           bind_param(m, b, AT(k_gemm_int8, a_zero), p->a_zero) &&
           bind_param(m, b, AT(k_gemm_int8, b_scale), p->b_scale) &&
           bind_param(m, b, AT(k_gemm_int8, b_zero), p->b_zero) &&
           bind_param(m, b, AT(k_gemm_int8, y_scale), p->y_scale) &&
           bind_param(m, b, AT(k_gemm_int8, y_zero), p->y_zero) &&
           bind_param(m, b, p->gemm ? AT(k_gemm_int8, whole_bias) : AT(k_gemm_int8, bias), p->c);
}

/* Levels have eight bits, with a sign or without. */
static int64_t level_at(const sl_tensor *t, int64_t i) {
    return t->dtype == SL_INT8 ? ((const int8_t *)t->data)[i] : ((const uint8_t *)t->data)[i];
}

/* A zero that is known, and `level` throughout. */
static bool always(const struct cuda_match *m, size_t zero, int64_t level) {
    const sl_tensor *t = has(m, zero) ? bound_const(m, zero) : NULL;
    if (!has(m, zero))
        return level == 0;
    for (int64_t i = 0; t && i < rule_count(t); i++)
        if (level_at(t, i) != level)
            return false;
    return t != NULL;
}

/* ---- B ---- */

/* Constant columns, k innermost and padded to 16, signed; with their sums where A's zero asks for them. */
static bool pack_columns(struct cuda_match *m, struct cuda_bound *bound, const struct k_gemm_int8 *g,
                         const sl_tensor *t, const struct factor *f, bool sums) {
    int8_t *packed = bound_room(m, (size_t)(g->n * g->b_column), 1);
    int32_t *sum = bound_room(m, (size_t)g->n, sizeof *sum);
    if (!packed || !sum)
        return false;
    for (int64_t c = 0; !m->host->rehearsal && c < g->n; c++)
        for (int64_t i = 0; i < g->k; i++) {
            int64_t level = level_at(t, c * f->column_step + i * f->row_step) - (g->b_type == K_U8 ? 128 : 0);
            packed[c * g->b_column + i] = (int8_t)level;
            sum[c] += (int32_t)level;
        }
    return bound_table(m, bound, AT(k_gemm_int8, b), packed, (size_t)(g->n * g->b_column)) &&
           (!sums || bound_table(m, bound, AT(k_gemm_int8, b_sums), sum, (size_t)g->n * sizeof *sum));
}

/* ---- sums of lines, in a launch before the product ---- */

/* Of A's rows (operand 1; `levels`: where they lie in scratch, or NONE) or B's columns (2). */
static bool add_sums(struct cuda_match *m, const struct k_gemm_int8 *g, int operand, size_t in, bool scratch,
                     size_t levels, size_t *at) {
    bool rows = operand == 1;
    struct k_line_sums s = {.type = rows ? g->a_type : g->b_type,
                            .shifted = !rows,
                            .lines = rows ? g->m : g->n,
                            .k = g->k,
                            .stride = rows ? g->a_row : g->b_column,
                            .k_stride = rows ? g->a_k : g->b_k,
                            .batches = g->batches,
                            .operand = operand,
                            .batch = g->batch};
    *at = bound_scratch(m, (size_t)s.lines * g->batches * sizeof(int32_t));
    struct cuda_bound *b = bound_add(m, launch_line_sums, &s, sizeof s);
    return bound_scratch_at(m, b, AT(k_line_sums, sums), *at) &&
           (scratch ? bound_scratch_at(m, b, AT(k_line_sums, x), levels)
                    : bound_in(m, b, AT(k_line_sums, x), in, 0));
}

/* ---- A that is quantised here ---- */

struct dynamic {
    size_t levels, scale, zero; /* in scratch */
};

static bool add_dynamic(struct cuda_match *m, struct k_gemm_int8 *g, struct dynamic *d) {
    struct k_dynamic q = {.x_type = bound_in_type(m, 0), .count = (uint32_t)rule_count(m->call.in[0])};
    d->levels = bound_scratch(m, q.count);
    d->scale = bound_scratch(m, sizeof(float));
    d->zero = bound_scratch(m, 1);
    g->a_type = g->a_zero.type = K_U8;
    g->a_scale.type = K_F32;
    struct cuda_bound *b = bound_add(m, launch_dynamic, &q, sizeof q);
    return bound_in(m, b, AT(k_dynamic, x), 0, 0) && bound_scratch_at(m, b, AT(k_dynamic, y), d->levels) &&
           bound_scratch_at(m, b, AT(k_dynamic, scale), d->scale) &&
           bound_scratch_at(m, b, AT(k_dynamic, zero), d->zero);
}

static bool bind_dynamic(struct cuda_match *m, struct cuda_bound *b, const struct dynamic *d) {
    return bound_scratch_at(m, b, AT(k_gemm_int8, a), d->levels) &&
           bound_scratch_at(m, b, AT(k_gemm_int8, a_scale) + AT(k_param, p), d->scale) &&
           bound_scratch_at(m, b, AT(k_gemm_int8, a_zero) + AT(k_param, p), d->zero);
}

/* ---- the operators ---- */

static bool take_sizes(struct cuda_match *m, const struct factor *a, const struct factor *b,
                       struct k_gemm_int8 *g, bool one) {
    int64_t rows = one ? a->rows * rule_count(&a->batch) : a->rows;
    if (a->columns > MOST_K)
        return bound_refuse(m, "sums of %lld levels (up to %d fit 32 bits)", (long long)a->columns, MOST_K);
    if (rows * b->columns > INT32_MAX || rows * a->columns > INT32_MAX || b->columns * a->columns > INT32_MAX)
        return bound_refuse(m, "a product of %lld x %lld x %lld", (long long)rows, (long long)b->columns,
                            (long long)a->columns);
    g->m = (int32_t)rows;
    g->n = (int32_t)b->columns;
    g->k = (int32_t)a->columns;
    g->a_row = a->row_step;
    g->a_k = a->column_step;
    g->b_k = b->row_step;
    g->b_column = b->column_step;
    return one || factors_walk(m, a, b, &g->batches, &g->batch);
}

/* A's rows have their own zeros and scales only where they are rows of one matrix. */
static bool alike_rows(const struct cuda_match *m, const struct places *p, const struct factor *a,
                       const struct factor *b) {
    size_t params[] = {p->a_zero, p->a_scale};
    for (int i = 0; i < 2; i++)
        if (has(m, params[i]) && rule_count(m->call.in[params[i]]) != 1)
            return rule_count(&a->batch) == 1 && rule_count(&b->batch) == 1;
    return true;
}

static bool bind_product(struct cuda_match *m, const struct places *p, struct k_gemm_int8 *g,
                         const struct factor *b, const struct dynamic *d) {
    bool a_sums = !always(m, p->b_zero, g->b_type == K_U8 ? 128 : 0);
    bool b_sums = p->dynamic || !always(m, p->a_zero, 0);
    size_t a_at = 0, b_at = 0;
    if (a_sums && !add_sums(m, g, 1, p->a, p->dynamic, d->levels, &a_at))
        return false;
    if (b_sums && !g->b_packed && !add_sums(m, g, 2, p->b, false, 0, &b_at))
        return false;
    struct cuda_bound *bound = bound_add(m, launch_gemm_int8, g, sizeof *g);
    return (p->dynamic ? bind_dynamic(m, bound, d) : bound_in(m, bound, AT(k_gemm_int8, a), p->a, 0)) &&
           (g->b_packed ? pack_columns(m, bound, g, m->call.in[p->b], b, b_sums)
                        : bound_in(m, bound, AT(k_gemm_int8, b), p->b, 0)) &&
           (!a_sums || bound_scratch_at(m, bound, AT(k_gemm_int8, a_sums), a_at)) &&
           (!b_sums || g->b_packed || bound_scratch_at(m, bound, AT(k_gemm_int8, b_sums), b_at)) &&
           bind_params(m, p, bound) && bound_out(m, bound, AT(k_gemm_int8, y), 0, 0);
}

static bool match_levels(struct cuda_match *m, int detail) {
    const struct places *p = &all_places[detail];
    bool a_turned = p->gemm && op_attr_int(&m->call, "transA", 0) != 0,
         b_turned = p->gemm && op_attr_int(&m->call, "transB", 0) != 0;
    struct factor a = factor_of(m->call.in[p->a], true, a_turned, false),
                  b = factor_of(m->call.in[p->b], false, b_turned, false);
    struct k_gemm_int8 g = {.a_type = bound_in_type(m, p->a),
                            .b_type = bound_in_type(m, p->b),
                            .y_type = bound_out_type(m, 0),
                            .alpha = p->gemm ? op_attr_float(&m->call, "alpha", 1) : 1,
                            .batches = 1};
    struct dynamic d = {0};
    bool one = factors_are_one(&a, &b);
    if (!alike_rows(m, p, &a, &b))
        return bound_refuse(m, "a scale or zero for each row of several matrices");
    if (!take_sizes(m, &a, &b, &g, one) || !take_params(m, p, &g, b_turned))
        return false;
    if (!g.m || !g.n || !g.batches)
        return true;
    if (p->dynamic && !add_dynamic(m, &g, &d))
        return false;
    g.b_packed = one && bound_const(m, p->b) != NULL;
    if (g.b_packed) {
        g.b_k = 1;
        g.b_column = (g.k + 15) / 16 * 16;
    }
    return bind_product(m, p, &g, &b, &d);
}

const struct bound_operator bound_products_int8[] = {
    {"", "MatMulInteger", match_levels, 0, false},
    {"", "QLinearMatMul", match_levels, 1, false},
    {"com.microsoft", "QLinearMatMul", match_levels, 1, false},
    {"com.microsoft", "QGemm", match_levels, 2, false},
    {"com.microsoft", "MatMulIntegerToFloat", match_levels, 3, false},
    {"com.microsoft", "DynamicQuantizeMatMul", match_levels, 4, false},
    {NULL, NULL, NULL, 0, false}};
