/* cuda_chain.c: see cuda_chain.h. A step takes over the launch that makes one of its inputs where nobody else
 * reads that; the launch may have taken over others before. */
#include "infer/cuda/cuda_chain.h"

#define AT(type, field) offsetof(struct type, field)

static int launch_chain(const void *args, k_stream stream) {
    return k_chain_launch(args, stream);
}

static void add_input(struct k_chain *c, const struct k_element *e, int from) {
    c->reach[c->in_count] = e->reach[from];
    c->inner[c->in_count] = e->inner[from];
    c->period[c->in_count] = e->period[from];
    c->in_count++;
}

/* One packed elementwise launch as a chain of one link. */
static struct k_chain chain_of(const struct k_element *e) {
    struct k_chain c = {.type = e->y_type, .count = e->walk.count, .link_count = 1};
    for (int k = 0; k < e->in_count; k++)
        add_input(&c, e, k);
    c.links[0] = (struct k_link){.op = e->op, .input = e->in_count > 1 ? 1 : -1, .a = e->a, .b = e->b};
    return c;
}

/* The chain that makes input k of the step, and the launch it is from; NULL: none that can go on. */
static const struct cuda_bound *find_chain(struct cuda_match *m, const struct k_element *e, int k,
                                           struct k_chain *c) {
    const struct cuda_bound *b = bound_before(m, (size_t)k, bound_element, true);
    if (e->reach[k] != K_REACH_ALL)
        return NULL;
    if (b) {
        const struct k_element *before = bound_args(b);
        if (!before->packed)
            return NULL;
        *c = chain_of(before);
    } else if ((b = bound_before(m, (size_t)k, launch_chain, true))) {
        *c = *(const struct k_chain *)bound_args(b);
    }
    bool fits = b && c->type == e->y_type && c->count == e->walk.count && c->link_count < K_CHAIN_LINKS &&
                c->in_count + e->in_count - 1 <= K_CHAIN_INPUTS;
    return fits ? b : NULL;
}

bool chain_extend(struct cuda_match *m, const struct k_element *e, bool *done) {
    struct k_chain c;
    const struct cuda_bound *before = NULL;
    int k = e->in_count;
    *done = false;
    while (e->packed && !before && k > 0)
        before = find_chain(m, e, --k, &c);
    if (!before)
        return true;
    int others = c.in_count;
    c.links[c.link_count++] = (struct k_link){
        .op = e->op, .input = e->in_count > 1 ? others : -1, .swapped = k == 1, .a = e->a, .b = e->b};
    if (e->in_count > 1)
        add_input(&c, e, 1 - k);
    struct cuda_bound *b = bound_add(m, launch_chain, &c, sizeof c);
    bool ok = b && bound_out(m, b, AT(k_chain, y), 0, 0);
    for (int i = 0; ok && i < others; i++) /* pointers to inputs stand first in both structs */
        ok = bound_same(m, b, AT(k_chain, in) + (size_t)i * sizeof c.in[0], before,
                        (size_t)i * sizeof c.in[0]);
    if (ok && e->in_count > 1)
        ok = bound_in(m, b, AT(k_chain, in) + (size_t)others * sizeof c.in[0], (size_t)(1 - k), 0);
    *done = ok;
    return ok && bound_take(m, (size_t)k);
}
