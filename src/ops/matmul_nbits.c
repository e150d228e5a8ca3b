/* matmul_nbits.c: com.microsoft's MatMulNBits: y = a w^T + bias, where the N rows of w are 2, 4 or 8-bit
 * levels in blocks with a scale and zero each. Sums in double in the order of k, rounded once. */
#include "ops/nbits.h"

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/quant.h"

static const sl_tensor *optional(const struct op_call *call, size_t i) {
    return op_has_in(call, i) ? call->in[i] : NULL;
}

/* Bytes of one row's zeros, when they are packed like the levels. */
static int64_t zero_row(const struct nbits *p) {
    return (p->blocks * p->bits + 7) / 8;
}

sl_status nbits_read(const struct op_call *call, struct nbits *p, sl_error *err) {
    *p = (struct nbits){.k = op_attr_int(call, "K", 0),
                        .n = op_attr_int(call, "N", 0),
                        .bits = op_attr_int(call, "bits", 4),
                        .block = op_attr_int(call, "block_size", 0),
                        .a = call->in[0],
                        .b = call->in[1],
                        .scales = call->in[2],
                        .zeros = optional(call, 3),
                        .groups = optional(call, 4),
                        .bias = optional(call, 5)};
    if (p->k < 1 || p->n < 1 || p->k > INT32_MAX || p->n > INT32_MAX ||
        (p->bits != 2 && p->bits != 4 && p->bits != 8) || p->block < 16 || p->block > 4096 ||
        (p->block & (p->block - 1)))
        return error_set(err, SL_E_MODEL, "attributes K %lld, N %lld, bits %lld, block_size %lld do not fit",
                         (long long)p->k, (long long)p->n, (long long)p->bits, (long long)p->block);
    p->blocks = (p->k + p->block - 1) / p->block;
    return SL_OK;
}

static sl_status check_counts(const struct nbits *p, sl_error *err) {
    bool packed_zeros = p->zeros && p->zeros->dtype == SL_UINT8;
    if (p->a->dims[p->a->rank - 1] != p->k ||
        rule_count(p->b) != p->n * p->blocks * (p->block * p->bits / 8) ||
        rule_count(p->scales) != p->n * p->blocks ||
        (p->zeros && rule_count(p->zeros) != p->n * (packed_zeros ? zero_row(p) : p->blocks)) ||
        (p->groups && rule_count(p->groups) != p->k && rule_count(p->groups) != p->blocks * p->block) ||
        (p->bias && rule_count(p->bias) != p->n))
        return error_set(err, SL_E_MODEL, "the inputs do not fit K %lld, N %lld in blocks of %lld",
                         (long long)p->k, (long long)p->n, (long long)p->block);
    return SL_OK;
}

static sl_status infer_nbits(const struct op_call *call, sl_error *err) {
    struct nbits p;
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 1, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_BIT(SL_UINT8), err);
    if (st == SL_OK)
        st = rule_dtype(call, 2, OPS_REALS, err);
    if (st == SL_OK && op_has_in(call, 3))
        st = rule_dtype(call, 3, OPS_REALS | OPS_BIT(SL_UINT8), err);
    if (st == SL_OK && op_has_in(call, 4))
        st = rule_dtype(call, 4, OPS_BIT(SL_INT32), err);
    if (st == SL_OK && op_has_in(call, 5))
        st = rule_dtype(call, 5, OPS_REALS, err);
    if (st == SL_OK)
        st = nbits_read(call, &p, err);
    if (st == SL_OK)
        st = check_counts(&p, err);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    call->out[0]->dims[call->out[0]->rank - 1] = p.n;
    return SL_OK;
}

/* Level `i` of a packed row: from the low bits on. */
static double level_at(const uint8_t *row, int64_t i, int64_t bits) {
    return (double)(row[i * bits / 8] >> (i * bits % 8) & ((1 << bits) - 1));
}

void nbits_row(const struct nbits *p, int64_t n, double *w) {
    const uint8_t *row = (const uint8_t *)p->b->data + n * p->blocks * (p->block * p->bits / 8);
    for (int64_t k = 0; k < p->k; k++) {
        int64_t block = k / p->block;
        if (p->groups) { /* the quantiser may have put columns into groups of its own */
            int64_t group = ((const int32_t *)p->groups->data)[k];
            block = group < 0 ? 0 : group < p->blocks ? group : p->blocks - 1;
        }
        double zero = (double)(1 << (p->bits - 1));
        if (p->zeros && p->zeros->dtype == SL_UINT8)
            zero = level_at((const uint8_t *)p->zeros->data + n * zero_row(p), block, p->bits);
        else if (p->zeros)
            zero = element_real(p->zeros->dtype, p->zeros->data, n * p->blocks + block);
        w[k] = (level_at(row, k, p->bits) - zero) *
               element_real(p->scales->dtype, p->scales->data, n * p->blocks + block);
    }
}

static sl_status prepare_nbits(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                               sl_error *err) {
    (void)arena;
    (void)err;
    prepared->scratch_nbytes = (size_t)op_attr_int(call, "K", 0) * sizeof(double);
    return SL_OK;
}

static void run_nbits(const struct op_call *call) {
    struct nbits p;
    double *w = call->scratch;
    sl_tensor *y = call->out[0];
    if (nbits_read(call, &p, NULL) != SL_OK)
        return;
    for (int64_t n = 0; n < p.n; n++) {
        nbits_row(&p, n, w);
        double bias = p.bias ? element_real(p.bias->dtype, p.bias->data, n) : 0;
        for (int64_t m = 0, rows = rule_count(p.a) / p.k; m < rows; m++) {
            double sum = bias;
            for (int64_t k = 0; k < p.k; k++)
                sum += element_real(p.a->dtype, p.a->data, m * p.k + k) * w[k];
            element_set_real(y->dtype, y->data, m * p.n + n, sum);
        }
    }
}

const struct op op_matmul_nbits = {.domain = "com.microsoft",
                                   .name = "MatMulNBits",
                                   .since = 1,
                                   .min_in = 3,
                                   .max_in = 6,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .attrs = "K N accuracy_level bits block_size",
                                   .infer = infer_nbits,
                                   .prepare = prepare_nbits,
                                   .run = run_nbits};
