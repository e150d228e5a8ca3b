/* cuda_before.c: steps that do an earlier step's work as well. Memory is the plan's: what the earlier step
 * read may be gone by now, or be where this one writes. */
#include "infer/cuda/cuda_launch.h"

size_t bound_maker(const struct plan *plan, size_t index, uint32_t value) {
    size_t readers = 0, maker = SIZE_MAX;
    if (plan->values[value].place != PLAN_ARENA || plan->values[value].viewed)
        return SIZE_MAX;
    for (size_t s = 0; s < plan->step_count; s++) {
        const struct plan_step *step = &plan->steps[s];
        for (size_t i = 0; i < step->in_count; i++)
            readers += step->in[i] == value;
        for (size_t i = 0; s < index && i < step->out_count; i++)
            if (step->out[i] == value)
                maker = step->out_count == 1 && !step->dynamic ? s : SIZE_MAX;
    }
    return readers == 1 ? maker : SIZE_MAX;
}

static bool overlaps(const struct plan_value *a, const struct plan_value *b) {
    return a->place == b->place && a->place != PLAN_CONST && a->offset < b->offset + b->nbytes &&
           b->offset < a->offset + a->nbytes;
}

bool bound_kept(const struct plan *plan, uint32_t value, size_t made, size_t index, bool in_place) {
    const struct plan_value *v = &plan->values[value];
    for (size_t s = made + 1; s <= index; s++)
        for (size_t i = 0; i < plan->steps[s].out_count; i++) {
            uint32_t out = plan->steps[s].out[i];
            const struct plan_value *o = out == PLAN_NONE ? NULL : &plan->values[out];
            if (o && overlaps(v, o) &&
                (s < index || !in_place || o->offset != v->offset || o->nbytes != v->nbytes))
                return false;
        }
    return true;
}

const struct cuda_bound *bound_before(struct cuda_match *m, size_t i, bound_launch *launch, bool in_place) {
    size_t index = (size_t)(m->step - m->plan->steps);
    size_t maker = m->host->chain && m->taken_count < BOUND_TAKEN
                       ? bound_maker(m->plan, index, m->step->in[i])
                       : SIZE_MAX;
    const struct cuda_bound *b = maker == SIZE_MAX ? NULL : m->host->chain(m->host->self, maker);
    if (!b || b->next || b->launch != launch)
        return NULL;
    for (unsigned k = 0; k < b->pointer_count; k++) {
        uint32_t value = b->pointers[k].value;
        if (value == BOUND_SCRATCH || (value != PLAN_NONE && value != m->step->in[i] &&
                                       !bound_kept(m->plan, value, maker, index, in_place)))
            return NULL;
    }
    return b;
}

const void *bound_args(const struct cuda_bound *b) {
    return b->args;
}

bool bound_same(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct cuda_bound *from,
                size_t from_at) {
    for (unsigned i = 0; i < from->pointer_count; i++)
        if (from->pointers[i].at == from_at) {
            struct bound_pointer pointer = from->pointers[i];
            pointer.at = at;
            return launch_point(m, b, pointer);
        }
    return true;
}

bool bound_take(struct cuda_match *m, size_t i) {
    m->taken[m->taken_count++] = bound_maker(m->plan, (size_t)(m->step - m->plan->steps), m->step->in[i]);
    return true;
}
