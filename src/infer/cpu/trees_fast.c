/* trees_fast.c: tree ensembles on the CPU, bit for bit as the reference: leaves are exact, weights are added
 * in double, tree after tree.
 *
 * A block of rows is turned into columns once; then unit after unit of trees meets all groups of the block,
 * so that its nodes come from memory once a block. The lanes of a group walk side by side and do not see each
 * other, so a row's score does not depend on its place or its neighbours.
 *
 * The ladder, ns a row for 500 complete trees of depth 8 over 28 features, one core of a Xeon of the fourth
 * generation (Sapphire Rapids), least of 15, by rows a call:
 *
 *     rows   reference   16 lanes in C   AVX2: nodes and    AVX-512: levels 0-4 permuted,
 *                        (this file)     columns gathered   below gathered as pairs
 *        8       24183            8205               5587                            3355
 *       16       22368            5825               4858                            2387
 *       64       15693            5137               4463                            1776
 *      256       15793            4972               4401                            1569
 *     4096       15663            4845               4345                            1507 */
#include "infer/cpu/trees_fast.h"

#include <math.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "support/machine.h"

/* ---- the kernels without SIMD ---- */

static void walk_portable(const struct packed_tree *const trees[TREES_UNIT], const float *columns,
                          size_t lanes, uint32_t *leaves) {
    for (size_t t = 0; t < TREES_UNIT; t++) {
        const struct packed_node *nodes = trees[t]->nodes;
        uint32_t at[TREES_LANES], moved = 1;
        for (size_t i = 0; i < lanes; i++)
            at[i] = 1;
        for (uint32_t depth = trees[t]->depth; depth && moved; depth--) {
            moved = 0;
            for (size_t i = 0; i < lanes; i++) {
                struct packed_node n = nodes[at[i]];
                float x = columns[(n.word & TREES_COLUMN_MASK) * TREES_LANES + i];
                uint32_t next = (n.word >> TREES_COLUMN_BITS) + !(x <= n.threshold);
                moved |= next ^ at[i];
                at[i] = next;
            }
        }
        for (size_t i = 0; i < lanes; i++)
            memcpy(&leaves[t * TREES_LANES + i], &nodes[at[i]].threshold, sizeof *leaves);
    }
}

static void add_portable(const uint32_t *leaves, double *sums) {
    float weights[TREES_LANES];
    memcpy(weights, leaves, sizeof weights);
    for (int i = 0; i < TREES_LANES; i++)
        sums[i] += (double)weights[i];
}

const struct tree_kernels tree_kernels_portable = {"portable", walk_portable, add_portable};

const struct tree_kernels *tree_kernels(void) {
    struct machine machine;
    machine_read(&machine);
    return machine.avx512 ? &tree_kernels_avx512 : machine.avx2 ? &tree_kernels_avx2 : &tree_kernels_portable;
}

/* ---- columns ---- */

static float rank_of(const struct tree_column *c, double x) {
    size_t low = 0, count = c->bound_count;
    if (isnan(x))
        return c->nan_low ? -1 : NAN;
    while (count) {
        size_t half = count / 2;
        bool below = c->bounds[low + half] < x;
        low += below ? half + 1 : 0;
        count = below ? count - half - 1 : half;
    }
    return (float)low;
}

static float column_value(const struct fast_trees *f, const struct tree_column *c, const sl_tensor *x,
                          int64_t row) {
    int64_t at = row * x->dims[x->rank - 1] + c->feature;
    if (c->kind == COLUMN_VALUE) {
        float value = ((const float *)x->data)[at];
        return c->nan_low && isnan(value) ? -INFINITY : value;
    }
    double value = tree_feature(x, at);
    return c->kind == COLUMN_RANK ? rank_of(c, value) : tree_holds(f->ensemble, c->node, value) ? 0 : 1;
}

/* Lanes without a row get zeros. */
static void fill_columns(const struct fast_trees *f, const sl_tensor *x, int64_t first, int64_t count,
                         float *columns) {
    size_t last = f->column_count - 1;
    for (int64_t base = 0; base < count; base += TREES_LANES, columns += f->column_count * TREES_LANES) {
        int64_t rows = count - base < TREES_LANES ? count - base : TREES_LANES;
        for (size_t c = 0; c < last; c++) {
            float *to = columns + c * TREES_LANES;
            for (int64_t i = 0; i < rows; i++)
                to[i] = column_value(f, &f->columns[c], x, first + base + i);
            for (int64_t i = rows; i < TREES_LANES; i++)
                to[i] = 0;
        }
        for (int i = 0; i < TREES_LANES; i++)
            columns[last * TREES_LANES + (size_t)i] = NAN;
    }
}

/* ---- sums ---- */

/* What a block of rows needs. */
struct block {
    float *columns; /* [groups, column_count, 16] */
    double *sums;   /* TREES_ADD_ONE: [groups, target_count, 16], else as scores */
    double *scores; /* [rows, target_count] */
    bool *found;    /* likewise */
    float *spare;
};

static void *take(void *scratch, size_t *at, size_t nbytes) {
    void *part = (void *)((uintptr_t)scratch + *at);
    *at += (nbytes + 63) / 64 * 64;
    return part;
}

/* Returns how much it takes. */
static size_t place_block(const struct fast_trees *f, void *scratch, struct block *b) {
    size_t rows = f->row_block, cells = rows * f->ensemble->target_count, at = 0;
    b->columns = take(scratch, &at, rows * f->column_count * sizeof *b->columns);
    b->scores = take(scratch, &at, cells * sizeof *b->scores);
    b->sums = take(scratch, &at, f->add == TREES_ADD_ONE ? cells * sizeof *b->sums : 0);
    b->found = take(scratch, &at, cells * sizeof *b->found);
    b->spare = take(scratch, &at, (f->ensemble->target_count + 2) * sizeof *b->spare);
    return at;
}

size_t trees_scratch_nbytes(const struct fast_trees *f) {
    struct block b;
    return place_block(f, NULL, &b);
}

static void add_dense(const struct tree_ensemble *e, uint32_t first, double *scores) {
    for (uint32_t i = 0; i < e->target_count; i++)
        scores[i] += tree_weight_of(e, first + i);
}

/* Adds what `count` trees say of a group of rows. */
static void add_unit(const struct fast_trees *f, const struct packed_tree *trees, size_t count,
                     const uint32_t *leaves, size_t group, size_t rows, const struct block *b) {
    const struct tree_ensemble *e = f->ensemble;
    for (size_t t = 0; t < count; t++, leaves += TREES_LANES) {
        if (f->add == TREES_ADD_ONE) {
            f->kernels->add(leaves, b->sums + (group * e->target_count + trees[t].target) * TREES_LANES);
            continue;
        }
        for (size_t i = 0; i < rows; i++) {
            size_t cell = (group * TREES_LANES + i) * e->target_count;
            if (f->add == TREES_ADD_DENSE)
                add_dense(e, leaves[i], b->scores + cell);
            else
                tree_add_leaf(e, leaves[i], b->scores + cell, b->found + cell);
        }
    }
}

static void walk_block(const struct fast_trees *f, int64_t count, const struct block *b) {
    size_t trees = f->ensemble->tree_count;
    uint32_t leaves[TREES_UNIT * TREES_LANES];
    for (size_t first = 0; first < trees; first += TREES_UNIT) {
        const struct packed_tree *unit[TREES_UNIT];
        size_t size = trees - first < TREES_UNIT ? trees - first : TREES_UNIT;
        for (size_t i = 0; i < TREES_UNIT; i++)
            unit[i] = &f->trees[first + (i < size ? i : size - 1)];
        for (int64_t base = 0; base < count; base += TREES_LANES) {
            size_t group = (size_t)base / TREES_LANES;
            size_t rows = count - base < TREES_LANES ? (size_t)(count - base) : TREES_LANES;
            f->kernels->walk(unit, b->columns + group * f->column_count * TREES_LANES,
                             rows > TREES_LANES / 2 ? TREES_LANES : TREES_LANES / 2, leaves);
            add_unit(f, &f->trees[first], size, leaves, group, rows, b);
        }
    }
}

/* [groups, target_count, 16] into [rows, target_count]. */
static void turn_sums(const struct fast_trees *f, int64_t count, const struct block *b) {
    size_t n = f->ensemble->target_count;
    for (size_t row = 0; row < (size_t)count; row++)
        for (size_t i = 0; i < n; i++)
            b->scores[row * n + i] = b->sums[(row / TREES_LANES * n + i) * TREES_LANES + row % TREES_LANES];
}

void trees_run(const struct fast_trees *f, const struct op_call *call, void *scratch) {
    const struct tree_ensemble *e = f->ensemble;
    const sl_tensor *x = call->in[0];
    struct block b;
    place_block(f, scratch, &b);
    for (int64_t first = 0, rows = x->rank == 1 ? 1 : x->dims[0]; first < rows;) {
        int64_t count = rows - first < (int64_t)f->row_block ? rows - first : (int64_t)f->row_block;
        size_t cells = ((size_t)count + TREES_LANES - 1) / TREES_LANES * TREES_LANES * e->target_count;
        fill_columns(f, x, first, count, b.columns);
        memset(f->add == TREES_ADD_ONE ? b.sums : b.scores, 0, cells * sizeof *b.sums);
        for (size_t row = 0; row < (size_t)count; row++)
            memcpy(b.found + row * e->target_count, f->found, e->target_count * sizeof *b.found);
        walk_block(f, count, &b);
        if (f->add == TREES_ADD_ONE)
            turn_sums(f, count, &b);
        e->finish(call, e, first, count, b.scores, b.found, b.spare);
        first += count;
    }
}

/* ---- the step ---- */

static void run_step(const struct cpu_step *step, struct cpu_frame *frame) {
    trees_run(step->provider, &frame->calls[step->index], frame->scratch);
}

sl_status trees_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *s = &program->plan->steps[index];
    struct cpu_step *step = &program->steps[index];
    struct fast_trees *fast;
    if (s->op->run != tree_run)
        return SL_OK;
    const sl_tensor *x = &program->plan->values[s->in[0]].tensor;
    sl_status st =
        trees_pack(step->state, x->dtype, x->rank == 1 ? 1 : x->dims[0], &program->memory, &fast, taken, err);
    if (st != SL_OK || !*taken)
        return st;
    step->run = run_step;
    step->provider = fast;
    step->scratch_nbytes = trees_scratch_nbytes(fast);
    step->what = fast->kernels->name;
    return SL_OK;
}
