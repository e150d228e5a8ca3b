/* place_values.c: the place of every value of a plan. Values that can be one piece of memory are joined
 * first: a view with what it looks at, an elementwise result with the input that nobody reads afterwards. */
#include <string.h>

#include "graph/work.h"
#include "ops/rules.h"
#include "support/mem.h"

#define NO_PORT UINT32_MAX

/* Beside each value; what counts is at a group's root. */
struct group {
    uint32_t parent;
    uint32_t port; /* output whose block this is */
    uint32_t first, last;
    size_t nbytes;
    enum plan_place place;
    bool used;
};

struct placer {
    struct plan *plan;
    struct group *groups;
    bool *dropped; /* steps that are views */
};

static uint32_t find_root(struct placer *p, uint32_t value) {
    while (p->groups[value].parent != value) {
        p->groups[value].parent = p->groups[p->groups[value].parent].parent;
        value = p->groups[value].parent;
    }
    return value;
}

static size_t align(size_t nbytes) {
    return (nbytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

/* `value` becomes a part of `root`'s memory. */
static void join(struct placer *p, uint32_t root, uint32_t value) {
    struct group *a = &p->groups[root], *b = &p->groups[value];
    b->parent = root;
    a->first = b->first < a->first ? b->first : a->first;
    a->last = b->last > a->last ? b->last : a->last;
    if (b->port != NO_PORT) {
        a->port = b->port;
        a->place = PLAN_OUTPUT;
    }
}

static void touch(struct placer *p, uint32_t value, uint32_t step) {
    struct group *group = &p->groups[value];
    if (!group->used || step < group->first)
        group->first = step;
    if (!group->used || step > group->last)
        group->last = step;
    group->used = true;
}

static void begin(struct placer *p) {
    struct plan *plan = p->plan;
    for (uint32_t i = 0; i < plan->value_count; i++)
        p->groups[i] = (struct group){
            .parent = i, .port = NO_PORT, .place = plan->values[i].place, .nbytes = plan->values[i].nbytes};
    for (uint32_t i = 0; i < plan->output_count; i++)
        p->groups[plan->outputs[i].value].port = i;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        for (size_t k = 0; k < step->in_count; k++)
            if (step->in[k] != PLAN_NONE)
                touch(p, step->in[k], i);
        for (size_t k = 0; k < step->out_count; k++)
            if (step->out[k] != PLAN_NONE)
                touch(p, step->out[k], i);
    }
}

/* A view's result is its input's memory, and the step goes; but an output has to stand in its own block. */
static void join_view(struct placer *p, uint32_t at) {
    const struct plan_step *step = &p->plan->steps[at];
    if (!step->op->view || step->dynamic) /* what is dynamic gets its shape when it runs */
        return;
    for (size_t i = 1; i < step->out_count; i++)
        if (step->out[i] != PLAN_NONE)
            return;
    uint32_t root = find_root(p, step->in[0]);
    bool is_output = p->groups[step->out[0]].port != NO_PORT;
    if (is_output && (p->groups[root].place != PLAN_ARENA || p->groups[root].port != NO_PORT))
        return;
    join(p, root, step->out[0]);
    p->plan->values[step->in[0]].viewed = p->plan->values[step->out[0]].viewed = true;
    p->dropped[at] = true;
}

/* Whether the step may write its result over input `i`: the last reader, and no other input there. */
static bool can_overwrite(struct placer *p, uint32_t at, size_t i, uint32_t root) {
    const struct plan_step *step = &p->plan->steps[at];
    const struct plan_value *in = &p->plan->values[step->in[i]], *out = &p->plan->values[step->out[0]];
    if (p->groups[root].place != PLAN_ARENA || p->groups[root].port != NO_PORT ||
        p->groups[root].last != at || p->groups[root].nbytes != out->nbytes || in->nbytes != out->nbytes ||
        sl_dtype_nbits(in->tensor.dtype) != sl_dtype_nbits(out->tensor.dtype))
        return false;
    for (size_t k = 0; k < step->in_count; k++)
        if (k != i && step->in[k] != PLAN_NONE && find_root(p, step->in[k]) == root)
            return false;
    return true;
}

/* The result takes the place of the first input that it may. */
static void join_elementwise(struct placer *p, uint32_t at) {
    const struct plan_step *step = &p->plan->steps[at];
    unsigned may = step->op->over | (step->op->elementwise ? 1u : 0u);
    if (!may || step->dynamic || p->dropped[at] || step->out[0] == PLAN_NONE)
        return;
    uint32_t out = find_root(p, step->out[0]);
    for (size_t i = 0; i < step->in_count && i < 8 && out == step->out[0]; i++) {
        uint32_t root = may >> i & 1u && step->in[i] != PLAN_NONE ? find_root(p, step->in[i]) : PLAN_NONE;
        if (root == PLAN_NONE || !can_overwrite(p, at, i, root))
            continue;
        join(p, root, out);
        return;
    }
}

/* Arena blocks of all groups that need one. */
static sl_status place_arena(struct placer *p, sl_error *err) {
    struct plan *plan = p->plan;
    struct place_block *blocks = mem_alloc(plan->value_count, sizeof *blocks);
    uint32_t *owners = mem_alloc(plan->value_count, sizeof *owners);
    size_t count = 0;
    sl_status st = blocks && owners ? SL_OK : work_out_of_memory(err);
    for (uint32_t i = 0; st == SL_OK && i < plan->value_count; i++) {
        const struct group *group = &p->groups[i];
        if (group->parent != i || group->place != PLAN_ARENA || !group->used)
            continue;
        blocks[count] =
            (struct place_block){.nbytes = align(group->nbytes), .first = group->first, .last = group->last};
        owners[count++] = i;
    }
    if (st == SL_OK) {
        plan->arena_nbytes = place_blocks(blocks, count);
        plan->peak_live_nbytes = place_peak(blocks, count);
        if (plan->arena_nbytes == SIZE_MAX || plan->peak_live_nbytes == SIZE_MAX)
            st = work_out_of_memory(err);
    }
    for (size_t i = 0; st == SL_OK && i < count; i++)
        plan->values[owners[i]].offset = blocks[i].offset;
    mem_free(blocks);
    mem_free(owners);
    return st;
}

/* Slot blocks: one input or output after the other. */
static void place_ports(struct placer *p) {
    struct plan *plan = p->plan;
    for (size_t i = 0; i < plan->input_count; i++) {
        struct plan_value *value = &plan->values[plan->inputs[i].value];
        if (value->place != PLAN_INPUT)
            continue;
        value->offset = plan->input_nbytes;
        plan->input_nbytes += align(value->nbytes);
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        struct plan_value *value = &plan->values[find_root(p, plan->outputs[i].value)];
        value->offset = plan->output_nbytes;
        plan->output_nbytes += align(value->nbytes);
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        plan->outputs[i].text_offset = plan->output_nbytes;
        plan->output_nbytes += align(plan->outputs[i].text_nbytes);
        plan->outputs[i].dims_offset = plan->output_nbytes;
        plan->output_nbytes += plan->outputs[i].dynamic ? align(SL_MAX_RANK * sizeof(int64_t)) : 0;
    }
}

static void finish(struct placer *p) {
    struct plan *plan = p->plan;
    size_t steps = 0;
    for (uint32_t i = 0; i < plan->value_count; i++) {
        uint32_t root = find_root(p, i);
        plan->values[i].memory = root;
        plan->values[i].place = p->groups[root].place;
        plan->values[i].offset = plan->values[root].offset;
        if (root != i && plan->values[i].place == PLAN_CONST)
            plan->values[i].tensor.data = plan->values[root].tensor.data;
    }
    for (size_t i = 0; i < plan->step_count; i++)
        if (!p->dropped[i])
            plan->steps[steps++] = plan->steps[i];
    plan->step_count = steps;
}

sl_status place_values(struct plan *plan, sl_error *err) {
    struct placer p = {.plan = plan,
                       .groups = mem_alloc(plan->value_count, sizeof *p.groups),
                       .dropped = mem_alloc(plan->step_count, sizeof *p.dropped)};
    sl_status st = p.groups && p.dropped ? SL_OK : work_out_of_memory(err);
    if (st == SL_OK) {
        begin(&p);
        for (uint32_t i = 0; i < plan->step_count; i++)
            join_view(&p, i);
        for (uint32_t i = 0; i < plan->step_count; i++)
            join_elementwise(&p, i);
        place_ports(&p);
        st = place_arena(&p, err);
    }
    if (st == SL_OK)
        finish(&p);
    mem_free(p.groups);
    mem_free(p.dropped);
    return st;
}
