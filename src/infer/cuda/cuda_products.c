/* cuda_products.c: products of matrices: MatMul, Gemm, sluice.Linear and their kin, all through gemm.cu.
 * Constant factors are packed when the model is loaded: k innermost, in the program's type, padded to 16
 * bytes. */
#include <string.h>

#include "infer/cuda/cuda_factors.h"
#include "ops/fuse.h"
#include "ops/half.h"
#include "ops/nbits.h"
#include "ops/rules.h"

BOUND_LAUNCH(gemm)
BOUND_LAUNCH(element)

#define AT(type, field) offsetof(struct type, field)

static bool take_type(struct cuda_match *m, struct k_gemm *g) {
    g->type = bound_in_type(m, 0);
    g->tf32 = m->host->tf32 && m->host->arch >= 80;
    if (g->type != K_F32 && g->type != K_F16 && g->type != K_BF16)
        return bound_refuse(m, "a product of this dtype");
    if (g->type == K_BF16 && m->host->arch < 80)
        return bound_refuse(m, "bf16 on compute capability %u.%u", m->host->arch / 10, m->host->arch % 10);
    return true;
}

static bool take_sizes(struct cuda_match *m, struct k_gemm *g, int64_t rows, int64_t columns, int64_t k) {
    if (rows * columns > INT32_MAX || rows * k > INT32_MAX || columns * k > INT32_MAX)
        return bound_refuse(m, "a product of %lld x %lld x %lld", (long long)rows, (long long)columns,
                            (long long)k);
    g->m = (int32_t)rows;
    g->n = (int32_t)columns;
    g->k = (int32_t)k;
    g->out.ld = columns;
    return true;
}

/* ---- constants ---- */

/* Element (column, i) of W is at column * step + i * k_step. */
static bool add_weights(struct cuda_match *m, struct cuda_bound *b, const struct k_gemm *g,
                        const sl_tensor *w, int64_t step, int64_t k_step) {
    int64_t padded = g->b_column;
    size_t each = bound_type_nbytes(g->type), nbytes = (size_t)(g->n * padded) * each;
    char *packed = bound_room(m, (size_t)(g->n * padded), each);
    const float *from = w->data;
    if (!packed)
        return false;
    for (int64_t c = 0; !m->host->rehearsal && c < g->n; c++)
        for (int64_t i = 0; i < g->k; i++) {
            float x = from[c * step + i * k_step];
            if (g->type == K_F32)
                ((float *)(void *)packed)[c * padded + i] = x;
            else
                ((uint16_t *)(void *)packed)[c * padded + i] =
                    g->type == K_F16 ? half_from_float(x) : bfloat_from_float(x);
        }
    return bound_table(m, b, AT(k_gemm, b), packed, nbytes);
}

static int64_t padded(const struct k_gemm *g) {
    int64_t each = 16 / (int64_t)bound_type_nbytes(g->type);
    return (g->k + each - 1) / each * each;
}

/* A constant vector of f32 as the bias, `times` each. */
static bool add_bias(struct cuda_match *m, struct cuda_bound *b, const sl_tensor *bias, int64_t n,
                     float times) {
    float *values = bound_room(m, (size_t)n, sizeof *values);
    for (int64_t i = 0; values && i < n; i++)
        values[i] = times * ((const float *)bias->data)[rule_count(bias) == 1 ? 0 : i];
    return values &&
           bound_table(m, b, AT(k_gemm, out) + AT(k_epilogue, bias), values, (size_t)n * sizeof *values);
}

static bool is_float_constant(const struct cuda_match *m, size_t i) {
    const sl_tensor *t = bound_const(m, i);
    return t && t->dtype == SL_FLOAT;
}

/* ---- sluice.Linear ---- */

static bool match_linear(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *w = m->call.in[1];
    struct k_gemm g = {.a_k = 1, .b_k = 1, .batches = 1, .b_padded = true, .out = {.scale = 1}};
    struct fuse fuse;
    bool turned = op_attr_int(&m->call, "transB", 0) != 0;
    int64_t k = x->dims[x->rank - 1], n = w->dims[turned ? 0 : 1];
    (void)detail;
    if (fuse_read(&m->call, &fuse, NULL) != SL_OK)
        return bound_refuse(m, "its activation");
    if (!is_float_constant(m, 1) || (bound_has_in(m, 2) && !is_float_constant(m, 2)))
        return bound_refuse(m, "weights that are not known when the model is loaded");
    if (!take_type(m, &g) ||
        !take_sizes(m, &g, k ? rule_count(x) / k : rule_product(x, 0, x->rank - 1), n, k))
        return false;
    if (bound_out_type(m, 0) != g.type || (bound_has_in(m, 3) && bound_in_type(m, 3) != g.type))
        return bound_refuse(m, "different dtypes");
    if (!g.m || !g.n)
        return true;
    g.a_row = k;
    g.b_column = padded(&g);
    g.out.act = (enum k_activation)fuse.activation;
    g.out.a = fuse.alpha;
    g.out.b = fuse.beta;
    struct cuda_bound *b = bound_add(m, launch_gemm, &g, sizeof g);
    return bound_in(m, b, AT(k_gemm, a), 0, 0) && add_weights(m, b, &g, w, turned ? k : 1, turned ? 1 : n) &&
           bound_out(m, b, AT(k_gemm, out) + AT(k_epilogue, y), 0, 0) &&
           (!bound_has_in(m, 2) || add_bias(m, b, m->call.in[2], n, 1)) &&
           (!bound_has_in(m, 3) || bound_in(m, b, AT(k_gemm, out) + AT(k_epilogue, residual), 3, 0));
}

/* ---- MatMul, FusedMatMul, TransposeMatMul, FusedMatMulActivation ---- */

static struct factor factor_in(const struct cuda_match *m, size_t i) {
    return factor_of(m->call.in[i], i == 0, op_attr_int(&m->call, i ? "transB" : "transA", 0) != 0,
                     op_attr_int(&m->call, i ? "transBatchB" : "transBatchA", 0) != 0);
}

/* FusedGemm's and FusedMatMulActivation's; alpha and beta without its name before them are the product's. */
static bool take_activation(struct cuda_match *m, struct k_epilogue *out) {
    const struct attr *name = op_attr(&m->call, "activation");
    struct op_call only = {.attrs = name, .attr_count = name ? 1 : 0, .opset = 1};
    struct fuse fuse;
    if (fuse_read(&only, &fuse, NULL) != SL_OK)
        return bound_refuse(m, "its activation");
    out->act = (enum k_activation)fuse.activation;
    out->a = op_attr_float(&m->call, "activation_alpha", fuse.alpha);
    out->b = op_attr_float(&m->call, "activation_beta", fuse.beta);
    return true;
}

static bool match_product(struct cuda_match *m, int detail) {
    struct k_gemm g = {.batches = 1, .out = {.scale = op_attr_float(&m->call, "alpha", 1)}};
    struct factor a = factor_in(m, 0), b = factor_in(m, 1);
    (void)detail;
    if (!take_activation(m, &g.out))
        return false;
    bool one = factors_are_one(&a, &b);
    int64_t rows = one ? a.rows * rule_count(&a.batch) : a.rows;
    if (!take_type(m, &g) || !take_sizes(m, &g, rows, b.columns, a.columns))
        return false;
    if (bound_in_type(m, 1) != g.type || bound_out_type(m, 0) != g.type)
        return bound_refuse(m, "different dtypes");
    g.a_row = a.row_step;
    g.a_k = a.column_step;
    g.b_k = b.row_step;
    g.b_column = b.column_step;
    if (!one && !factors_walk(m, &a, &b, &g.batches, &g.batch))
        return false;
    if (!g.m || !g.n || !g.batches)
        return true;
    bool constant = one && is_float_constant(m, 1);
    if (constant) {
        g.b_k = 1;
        g.b_column = padded(&g);
        g.b_padded = true;
    }
    struct cuda_bound *bound = bound_add(m, launch_gemm, &g, sizeof g);
    return bound_in(m, bound, AT(k_gemm, a), 0, 0) &&
           bound_out(m, bound, AT(k_gemm, out) + AT(k_epilogue, y), 0, 0) &&
           (constant ? add_weights(m, bound, &g, m->call.in[1], b.column_step, b.row_step)
                     : bound_in(m, bound, AT(k_gemm, b), 1, 0));
}

/* ---- Gemm, FusedGemm ---- */

/* C spread over Y: y = y + beta * c, in one launch behind the product. */
static bool add_c(struct cuda_match *m, float beta) {
    struct walk_plan w = {.operands = 3};
    struct walk_value values[] = {bound_out_value(m, 0), bound_out_value(m, 0), bound_in_value(m, 2)};
    struct k_element e = {.op = K_ADD, .in_count = 2};
    if (beta != 1)
        return bound_refuse(m, "beta other than 1 with C that is not constant");
    e.in_type[0] = e.y_type = bound_out_type(m, 0);
    e.in_type[1] = bound_in_type(m, 2);
    walk_over(&w, values[0], values, 3);
    if (!bound_walk(m, &w, &e.walk))
        return false;
    struct cuda_bound *b = bound_add(m, launch_element, &e, sizeof e);
    return bound_out(m, b, AT(k_element, in), 0, 0) &&
           bound_in(m, b, AT(k_element, in) + sizeof(void *), 2, 0) &&
           bound_out(m, b, AT(k_element, y), 0, 0);
}

static bool match_gemm(struct cuda_match *m, int detail) {
    if (!match_product(m, detail))
        return false;
    float beta = op_attr_float(&m->call, "beta", 1);
    if (!bound_has_in(m, 2) || beta == 0 || !m->last)
        return true;
    const sl_tensor *c = bound_const(m, 2), *y = m->call.out[0], *any = m->call.in[2];
    int64_t n = y->dims[1];
    if (c && c->dtype == SL_FLOAT &&
        (rule_count(c) == 1 || (rule_count(c) == n && c->dims[c->rank - 1] == n)))
        return add_bias(m, m->last, c, n, beta);
    if (beta == 1 && any->rank == 2 && any->dims[0] == y->dims[0] && any->dims[1] == n &&
        bound_in_type(m, 2) == bound_out_type(m, 0))
        return bound_in(m, m->last, AT(k_gemm, out) + AT(k_epilogue, residual), 2, 0);
    if (op_attr(&m->call, "activation"))
        return bound_refuse(m, "an activation behind a C that is no constant row");
    return add_c(m, beta);
}

/* ---- MatMulNBits ---- */

/* Its weights as numbers: twice to eight times the bytes, and the product of all the others. */
static bool match_nbits(struct cuda_match *m, int detail) {
    struct k_gemm g = {.a_k = 1, .b_k = 1, .batches = 1, .b_padded = true, .out = {.scale = 1}};
    struct nbits p;
    (void)detail;
    for (size_t i = 1; i < m->call.in_count; i++)
        if (bound_has_in(m, i) && !bound_const(m, i))
            return bound_refuse(m, "weights that are not known when the model is loaded");
    if (bound_has_in(m, 5) && !is_float_constant(m, 5))
        return bound_refuse(m, "a bias that is not f32");
    if (nbits_read(&m->call, &p, NULL) != SL_OK || !take_type(m, &g) ||
        !take_sizes(m, &g, rule_count(p.a) / p.k, p.n, p.k))
        return false;
    if (!g.m)
        return true;
    double *row = bound_room(m, (size_t)p.k, sizeof *row);
    float *w = bound_room(m, (size_t)(p.n * p.k), sizeof *w);
    for (int64_t n = 0; row && w && !m->host->rehearsal && n < p.n; n++) {
        nbits_row(&p, n, row);
        for (int64_t i = 0; i < p.k; i++)
            w[n * p.k + i] = (float)row[i];
    }
    if (!row || !w)
        return false;
    g.a_row = p.k;
    g.b_column = padded(&g);
    struct cuda_bound *b = bound_add(m, launch_gemm, &g, sizeof g);
    sl_tensor weights = {.data = w};
    return bound_in(m, b, AT(k_gemm, a), 0, 0) && add_weights(m, b, &g, &weights, p.k, 1) &&
           bound_out(m, b, AT(k_gemm, out) + AT(k_epilogue, y), 0, 0) &&
           (!p.bias || add_bias(m, b, p.bias, p.n, 1));
}

const struct bound_operator bound_products[] = {
    {"sluice", "Linear", match_linear, 0, false},
    {"", "MatMul", match_product, 0, false},
    {"", "Gemm", match_gemm, 0, false},
    {"com.microsoft", "FusedGemm", match_gemm, 0, false},
    {"com.microsoft", "FusedMatMul", match_product, 0, false},
    {"com.microsoft", "TransposeMatMul", match_product, 0, false},
    {"com.microsoft", "FusedMatMulActivation", match_product, 0, false},
    {"com.microsoft", "MatMulNBits", match_nbits, 0, false},
    {NULL, NULL, NULL, 0, false}};
