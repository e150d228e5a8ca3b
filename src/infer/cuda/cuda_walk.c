/* cuda_walk.c: joining dims, and the 32-bit form that kernels take. */
#include "infer/cuda/cuda_walk.h"

void walk_add(struct walk_plan *w, int64_t dim, const int64_t *steps) {
    w->dims[w->rank] = dim;
    for (int k = 0; k < w->operands; k++)
        w->steps[k][w->rank] = steps[k];
    w->rank++;
}

/* The step of `t` along dim d of `shape`: 0 where it is repeated. */
static int64_t step_of(const sl_tensor *shape, const sl_tensor *t, int d) {
    int own = d - (shape->rank - t->rank);
    int64_t step = 1;
    if (own < 0 || t->dims[own] == 1)
        return 0;
    for (int i = own + 1; i < t->rank; i++)
        step *= t->dims[i];
    return step;
}

void walk_over(struct walk_plan *w, const sl_tensor *shape, const sl_tensor *const *tensors, int count) {
    *w = (struct walk_plan){.operands = count};
    for (int d = 0; d < shape->rank; d++) {
        int64_t steps[K_WALK_OPERANDS];
        for (int k = 0; k < count; k++)
            steps[k] = step_of(shape, tensors[k], d);
        walk_add(w, shape->dims[d], steps);
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
