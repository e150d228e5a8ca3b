/* cuda_einsum.c: Einsum. An equation of two inputs whose letters make rows, columns, sums and batches of
 * matrices is a product (gemm.cu); any other is summed as it is written (einsum.cu). */
#include "infer/cuda/cuda_bound.h"
#include "ops/einsum.h"
#include "ops/rules.h"

BOUND_LAUNCH(einsum)
BOUND_LAUNCH(gemm)

#define AT(type, field) offsetof(struct type, field)

/* Elements from one of the letter's positions to the next in the output; 0 where it does not have it. */
static int64_t out_step(const struct einsum *e, uint8_t label) {
    int64_t step = 1;
    for (int d = e->out_rank - 1; d >= 0; d--) {
        if (e->out[d] == label)
            return step;
        step *= e->size[e->out[d]];
    }
    return 0;
}

/* ---- as a product of matrices ---- */

/* Letters by where they stand: rows are A's, columns B's, the output has both; of sums it has none, of
 * batches all three. Operand 0 of each is the output, then A, then B. */
struct letters {
    struct walk_plan rows, columns, sums, batches;
};

static bool sort_letters(const struct einsum *e, size_t a, size_t b, struct letters *l) {
    *l = (struct letters){.rows = {.operands = 3},
                          .columns = {.operands = 3},
                          .sums = {.operands = 3},
                          .batches = {.operands = 3}};
    for (int i = 0; i < e->out_rank + e->sum_count; i++) {
        bool out = i < e->out_rank;
        uint8_t label = out ? e->out[i] : e->sum[i - e->out_rank];
        const int64_t steps[3] = {out_step(e, label), e->stride[a][label], e->stride[b][label]};
        if (e->size[label] == 1)
            continue;
        struct walk_plan *w = out ? (steps[1] ? (steps[2] ? &l->batches : &l->rows) : &l->columns) : &l->sums;
        if ((!steps[1] && !steps[2]) || (!out && (!steps[1] || !steps[2])))
            return false;
        walk_add(w, e->size[label], steps);
    }
    walk_join(&l->rows);
    walk_join(&l->columns);
    walk_join(&l->sums);
    return l->rows.rank <= 1 && l->columns.rank <= 1 && l->sums.rank <= 1 &&
           (!l->columns.rank || l->columns.steps[0][0] == 1);
}

static int64_t size_of(const struct walk_plan *w) {
    return w->rank ? w->dims[0] : 1;
}

/* One of the output's letters must lie side by side in the columns: A and B change places for it. */
static bool read_product(const struct cuda_match *m, const struct einsum *e, struct k_gemm *g, size_t *a,
                         struct letters *l) {
    enum k_type type = bound_in_type(m, 0);
    if (m->call.in_count != 2 || (type != K_F32 && type != K_F16 && type != K_BF16) ||
        (type == K_BF16 && m->host->arch < 80))
        return false;
    *a = sort_letters(e, 0, 1, l) ? 0 : 1;
    if (*a == 1 && !sort_letters(e, 1, 0, l))
        return false;
    int64_t rows = size_of(&l->rows), columns = size_of(&l->columns), k = size_of(&l->sums);
    if (rows > INT32_MAX || columns > INT32_MAX || k > INT32_MAX)
        return false;
    *g = (struct k_gemm){.type = type,
                         .tf32 = m->host->tf32 && m->host->arch >= 80,
                         .m = (int32_t)rows,
                         .n = (int32_t)columns,
                         .k = (int32_t)k,
                         .a_row = l->rows.steps[1][0],
                         .a_k = l->sums.rank ? l->sums.steps[1][0] : 1,
                         .b_k = l->sums.rank ? l->sums.steps[2][0] : 1,
                         .b_column = l->columns.steps[2][0],
                         .out = {.ld = l->rows.rank ? l->rows.steps[0][0] : columns, .scale = 1}};
    return true;
}

static bool add_product(struct cuda_match *m, struct k_gemm *g, size_t a, struct letters *l) {
    if (!bound_walk(m, &l->batches, &g->batch))
        return false;
    g->batches = g->batch.count;
    struct cuda_bound *b = bound_add(m, launch_gemm, g, sizeof *g);
    return bound_in(m, b, AT(k_gemm, a), a, 0) && bound_in(m, b, AT(k_gemm, b), 1 - a, 0) &&
           bound_out(m, b, AT(k_gemm, out) + AT(k_epilogue, y), 0, 0);
}

/* ---- as it is written ---- */

static bool add_sums(struct cuda_match *m, const struct einsum *e) {
    struct walk_plan outer = {.operands = 4}, inner = {.operands = 4};
    struct k_einsum a = {.type = bound_in_type(m, 0), .in_count = (int32_t)m->call.in_count};
    if (m->call.in_count > K_EINSUM_INPUTS)
        return bound_refuse(m, "an equation of %zu inputs (up to %d)", m->call.in_count, K_EINSUM_INPUTS);
    if (e->sum_count > SL_MAX_RANK)
        return bound_refuse(m, "an equation that sums over %d letters", e->sum_count);
    for (int i = 0; i < e->out_rank + e->sum_count; i++) {
        uint8_t label = i < e->out_rank ? e->out[i] : e->sum[i - e->out_rank];
        const int64_t steps[4] = {out_step(e, label), e->stride[0][label], e->stride[1][label],
                                  e->stride[2][label]};
        walk_add(i < e->out_rank ? &outer : &inner, e->size[label], steps);
    }
    if (!bound_walk(m, &outer, &a.outer) || !bound_walk(m, &inner, &a.inner))
        return false;
    struct cuda_bound *b = bound_add(m, launch_einsum, &a, sizeof a);
    bool ok = bound_out(m, b, AT(k_einsum, y), 0, 0);
    for (size_t i = 0; ok && i < m->call.in_count; i++)
        ok = bound_in(m, b, AT(k_einsum, in) + i * sizeof a.in[0], i, 0);
    return ok;
}

static bool match_einsum(struct cuda_match *m, int detail) {
    struct einsum *e = bound_room(m, 1, sizeof *e);
    struct letters l;
    struct k_gemm g;
    size_t a;
    sl_error err = {0};
    (void)detail;
    if (!e)
        return false;
    if (einsum_read(&m->call, e, &err) != SL_OK)
        return bound_refuse(m, "%s", err.text);
    for (size_t i = 0; i < m->call.in_count; i++)
        if (bound_in_type(m, i) != bound_out_type(m, 0))
            return bound_refuse(m, "inputs of different dtypes");
    return rule_count(m->call.out[0]) && read_product(m, e, &g, &a, &l) && g.k ? add_product(m, &g, a, &l)
                                                                               : add_sums(m, e);
}

const struct bound_operator bound_einsum[] = {{"", "Einsum", match_einsum, 0, false},
                                              {NULL, NULL, NULL, 0, false}};
