/* cuda_walk.c: joining dims, and the 32-bit form that kernels take. */
#include "infer/cuda/cuda_walk.h"

void walk_add(struct walk_plan *w, int64_t dim, const int64_t *steps) {
    w->dims[w->rank] = dim;
    for (int k = 0; k < w->operands; k++)
        w->steps[k][w->rank] = steps[k];
    w->rank++;
}

int walk_dim(struct walk_value v, int k) {
    if (!v.last || k == 0)
        return k;
    return k == v.t->rank - 1 ? 1 : k + 1;
}

int64_t walk_step(struct walk_value v, int d) {
    int64_t step = 1;
    for (int k = v.t->rank - 1; k >= 0 && walk_dim(v, k) != d; k--)
        step *= v.t->dims[walk_dim(v, k)];
    return step;
}

void walk_over(struct walk_plan *w, struct walk_value shape, const struct walk_value *values, int count) {
    *w = (struct walk_plan){.operands = count};
    for (int k = 0; k < shape.t->rank; k++) {
        int64_t steps[K_WALK_OPERANDS] = {0};
        int d = walk_dim(shape, k);
        for (int i = 0; i < count; i++) {
            int own = d - (shape.t->rank - values[i].t->rank); /* missing or 1: repeated */
            steps[i] = own < 0 || values[i].t->dims[own] == 1 ? 0 : walk_step(values[i], own);
        }
        walk_add(w, shape.t->dims[d], steps);
    }
}

static bool can_join(const struct walk_plan *w, int outer, int inner) {
    for (int k = 0; k < w->operands; k++)
        if (w->steps[k][outer] != w->steps[k][inner] * w->dims[inner])
            return false;
    return true;
}

void walk_join(struct walk_plan *w) {
    int rank = 0;
    for (int d = 0; d < w->rank; d++) {
        if (w->dims[d] == 1)
            continue;
        bool join = rank > 0 && can_join(w, rank - 1, d);
        int to = join ? rank - 1 : rank++;
        w->dims[to] = (join ? w->dims[to] : 1) * w->dims[d];
        for (int k = 0; k < w->operands; k++)
            w->steps[k][to] = w->steps[k][d];
    }
    w->rank = rank;
}

/* How far operand k reaches from where it begins, either way. */
static bool reach_fits(const struct walk_plan *w, int k) {
    int64_t reach = 0;
    for (int d = 0; d < w->rank; d++) {
        int64_t step = w->steps[k][d], size;
        if (__builtin_mul_overflow(w->dims[d], step < 0 ? -step : step, &size) ||
            __builtin_add_overflow(reach, size, &reach))
            return false;
    }
    return reach <= INT32_MAX;
}

bool walk_make(struct walk_plan *w, struct k_walk *out) {
    int64_t count = 1;
    walk_join(w);
    *out = (struct k_walk){.rank = w->rank};
    if (w->rank > K_WALK_RANK)
        return false;
    for (int d = 0; d < w->rank; d++) {
        if (__builtin_mul_overflow(count, w->dims[d], &count) || w->dims[d] > INT32_MAX)
            return false;
        out->dims[d] = k_divide_by((uint32_t)(w->dims[d] ? w->dims[d] : 1));
    }
    for (int k = 0; k < w->operands; k++) {
        if (!reach_fits(w, k))
            return false;
        for (int d = 0; d < w->rank; d++)
            out->steps[k][d] = (int32_t)w->steps[k][d];
    }
    out->count = (uint32_t)count;
    return count <= INT32_MAX;
}
