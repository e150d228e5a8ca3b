/* cuda_gather.c: who takes elements from places that are data, or puts them there: Gather, GatherElements,
 * GatherND, ScatterND, ScatterElements. */
#include "infer/cuda/cuda_bound.h"
#include "ops/rules.h"

BOUND_LAUNCH(gather)
BOUND_LAUNCH(gather_elements)
BOUND_LAUNCH(gather_nd)
BOUND_LAUNCH(scatter_nd)
BOUND_LAUNCH(scatter_elements)

#define AT(type, field) offsetof(struct type, field)
/* Scattering looks at every pair of positions. */
#define MOST_POSITIONS 65536

static int64_t step_at(const sl_tensor *t, int d) {
    return rule_product(t, d + 1, t->rank);
}

/* Elements of one dtype on both sides, and few enough of them. */
static bool check_gather(struct cuda_match *m) {
    for (size_t i = 0; i < m->call.in_count; i++)
        if (rule_count(m->call.in[i]) > INT32_MAX)
            return bound_refuse(m, "a value of %lld elements", (long long)rule_count(m->call.in[i]));
    if (rule_count(m->call.out[0]) > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)rule_count(m->call.out[0]));
    if (bound_in_type(m, 0) != bound_out_type(m, 0))
        return bound_refuse(m, "an output of another dtype");
    return true;
}

static int read_axis(const struct cuda_match *m) {
    int axis = 0;
    (void)rule_axis(op_attr_int(&m->call, "axis", 0), m->call.in[0]->rank, &axis, NULL);
    return axis;
}

/* The most of `inner` contiguous elements that move as one unit. */
static int64_t slab_unit(int64_t inner, int64_t nbytes) {
    int64_t unit = 16 / nbytes;
    while (unit > 1 && inner % unit)
        unit /= 2;
    return unit;
}

static bool match_gather(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    int axis = read_axis(m);
    int64_t nbytes = (int64_t)bound_type_nbytes(bound_in_type(m, 0)), inner = step_at(x, axis);
    int64_t unit = slab_unit(inner, nbytes);
    (void)detail;
    if (!check_gather(m))
        return false;
    struct k_gather g = {.index_type = bound_in_type(m, 1),
                         .unit_nbytes = (int32_t)(unit * nbytes),
                         .size = (int32_t)x->dims[axis],
                         .total = (uint32_t)(rule_count(m->call.out[0]) / unit),
                         .inner = k_divide_by((uint32_t)(inner / unit)),
                         .count = k_divide_by((uint32_t)rule_count(m->call.in[1]))};
    struct cuda_bound *b = bound_add(m, launch_gather, &g, sizeof g);
    return bound_in(m, b, AT(k_gather, x), 0, 0) && bound_in(m, b, AT(k_gather, indices), 1, 0) &&
           bound_out(m, b, AT(k_gather, y), 0, 0);
}

static bool match_gather_elements(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *indices = m->call.in[1];
    int axis = read_axis(m);
    struct walk_plan w = {.operands = 2};
    struct k_gather_elements g = {.index_type = bound_in_type(m, 1),
                                  .unit_nbytes = (int32_t)bound_type_nbytes(bound_in_type(m, 0)),
                                  .size = (int32_t)x->dims[axis],
                                  .axis_step = (int32_t)step_at(x, axis)};
    (void)detail;
    for (int d = 0; d < x->rank; d++)
        walk_add(&w, indices->dims[d], (int64_t[]){step_at(indices, d), d == axis ? 0 : step_at(x, d)});
    if (!check_gather(m) || !bound_walk(m, &w, &g.walk))
        return false;
    struct cuda_bound *b = bound_add(m, launch_gather_elements, &g, sizeof g);
    return bound_in(m, b, AT(k_gather_elements, x), 0, 0) &&
           bound_in(m, b, AT(k_gather_elements, indices), 1, 0) &&
           bound_out(m, b, AT(k_gather_elements, y), 0, 0);
}

static bool match_gather_nd(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *indices = m->call.in[1];
    int batch = (int)op_attr_int(&m->call, "batch_dims", 0), depth = (int)indices->dims[indices->rank - 1];
    int64_t nbytes = (int64_t)bound_type_nbytes(bound_in_type(m, 0));
    int64_t inner = rule_product(x, batch + depth, x->rank), unit = slab_unit(inner, nbytes);
    (void)detail;
    if (!check_gather(m))
        return false;
    struct k_gather_nd g = {.index_type = bound_in_type(m, 1),
                            .unit_nbytes = (int32_t)(unit * nbytes),
                            .depth = depth,
                            .total = (uint32_t)(rule_count(m->call.out[0]) / unit),
                            .inner = k_divide_by((uint32_t)(inner / unit)),
                            .per_batch =
                                k_divide_by((uint32_t)rule_product(indices, batch, indices->rank - 1))};
    for (int d = 0; d < depth; d++)
        g.sizes[d] = (int32_t)x->dims[batch + d];
    struct cuda_bound *b = bound_add(m, launch_gather_nd, &g, sizeof g);
    return bound_in(m, b, AT(k_gather_nd, x), 0, 0) && bound_in(m, b, AT(k_gather_nd, indices), 1, 0) &&
           bound_out(m, b, AT(k_gather_nd, y), 0, 0);
}

/* ---- Scatter ---- */

static bool read_scatter(struct cuda_match *m, enum k_scatter *how) {
    static const char *const names[] = {"none", "add", "mul", "min", "max"};
    enum k_type type = bound_in_type(m, 0);
    *how = K_SCATTER_SET;
    for (int i = 0; i < 5; i++)
        if (op_attr_is(&m->call, "reduction", names[i], "none"))
            *how = (enum k_scatter)i;
    if (bound_in_type(m, 2) != type)
        return bound_refuse(m, "updates of another dtype");
    struct walk_plan w = {.operands = 2};
    walk_add(&w, rule_count(m->call.in[0]), (int64_t[]){1, 1});
    return check_gather(m) && bound_copy(m, &w, 0, 0, 0, 0); /* the data first */
}

static bool match_scatter_nd(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *indices = m->call.in[1];
    int depth = (int)indices->dims[indices->rank - 1];
    int64_t positions = rule_product(indices, 0, indices->rank - 1);
    struct k_scatter_nd s = {.index_type = bound_in_type(m, 1), .type = bound_in_type(m, 0), .depth = depth};
    (void)detail;
    if (positions > MOST_POSITIONS)
        return bound_refuse(m, "%lld positions, more than %d", (long long)positions, MOST_POSITIONS);
    if (!read_scatter(m, &s.how) || !rule_count(m->call.in[2]))
        return m->last != NULL;
    s.positions = (uint32_t)positions;
    s.inner = k_divide_by((uint32_t)rule_product(x, depth, x->rank));
    for (int d = 0; d < depth; d++)
        s.sizes[d] = (int32_t)x->dims[d];
    struct cuda_bound *b = bound_add(m, launch_scatter_nd, &s, sizeof s);
    return bound_in(m, b, AT(k_scatter_nd, indices), 1, 0) &&
           bound_in(m, b, AT(k_scatter_nd, updates), 2, 0) && bound_out(m, b, AT(k_scatter_nd, y), 0, 0);
}

static bool match_scatter_elements(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *indices = m->call.in[1];
    int axis = read_axis(m);
    struct walk_plan w = {.operands = 2};
    struct k_scatter_elements s = {.index_type = bound_in_type(m, 1),
                                   .type = bound_in_type(m, 0),
                                   .length = (int32_t)indices->dims[axis],
                                   .index_step = (int32_t)step_at(indices, axis),
                                   .size = (int32_t)x->dims[axis],
                                   .axis_step = (int32_t)step_at(x, axis)};
    (void)detail;
    for (int d = 0; d < x->rank; d++)
        if (d != axis)
            walk_add(&w, indices->dims[d], (int64_t[]){step_at(indices, d), step_at(x, d)});
    if (!bound_walk(m, &w, &s.walk))
        return false;
    if (!read_scatter(m, &s.how) || !rule_count(indices))
        return m->last != NULL;
    struct cuda_bound *b = bound_add(m, launch_scatter_elements, &s, sizeof s);
    return bound_in(m, b, AT(k_scatter_elements, indices), 1, 0) &&
           bound_in(m, b, AT(k_scatter_elements, updates), 2, 0) &&
           bound_out(m, b, AT(k_scatter_elements, y), 0, 0);
}

const struct bound_operator bound_gather[] = {{"", "Gather", match_gather, 0, false},
                                              {"", "GatherElements", match_gather_elements, 0, false},
                                              {"", "GatherND", match_gather_nd, 0, false},
                                              {"com.microsoft", "GatherND", match_gather_nd, 0, false},
                                              {"", "ScatterND", match_scatter_nd, 0, false},
                                              {"", "Scatter", match_scatter_elements, 0, false},
                                              {"", "ScatterElements", match_scatter_elements, 0, false},
                                              {NULL, NULL, NULL, 0, false}};
