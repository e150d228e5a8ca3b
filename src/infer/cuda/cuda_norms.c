/* cuda_norms.c: the norms: of layers, alone or with the residual before them, of groups of channels, of a
 * batch. */
#include "infer/cuda/cuda_bound.h"
#include "ops/rules.h"

BOUND_LAUNCH(norm)
BOUND_LAUNCH(batch_norm)

#define AT(type, field) offsetof(struct type, field)

/* The parameters' type, where all that are there have the same; else it refuses. */
static bool find_param_type(struct cuda_match *m, size_t from, size_t to, enum k_type *type) {
    *type = bound_in_type(m, from);
    for (size_t i = from + 1; i < to; i++)
        if (bound_has_in(m, i) && bound_in_type(m, i) != *type)
            return bound_refuse(m, "parameters of different dtypes");
    return true;
}

/* Adds the launch; inputs SIZE_MAX are missing, and so are outputs. */
struct norm_places {
    size_t skip, bias, gamma, beta, sum, mean, inverse;
};

static bool has(bool (*there)(const struct cuda_match *, size_t), const struct cuda_match *m, size_t i) {
    return i != SIZE_MAX && there(m, i);
}

/* The sum that is normalised, where the step before does nothing but add, and its two operands as x and skip:
 * one has all the rows, the other may be repeated. */
struct residual {
    const struct cuda_bound *before;
    size_t x, skip; /* where their pointers stand in it */
};

static void find_residual(struct cuda_match *m, struct k_norm *n, const struct norm_places *p,
                          struct residual *r) {
    const struct cuda_bound *b = p->skip == SIZE_MAX ? bound_before(m, 0, bound_element, true) : NULL;
    const struct k_element *e = b ? bound_args(b) : NULL;
    if (!e || e->op != K_ADD || !e->packed || e->y_type != n->type || n->groups != 1 || n->silu)
        return;
    int x = e->reach[0] == K_REACH_ALL ? 0 : 1, skip = 1 - x;
    int64_t period = e->reach[skip] == K_REACH_ALL ? n->rows * n->n : e->period[skip].by;
    if (e->reach[x] != K_REACH_ALL || e->reach[skip] == K_REACH_CHANNEL || period % n->n != 0)
        return;
    n->skip_rows = period / n->n;
    *r = (struct residual){b, (size_t)x * sizeof e->in[0], (size_t)skip * sizeof e->in[0]};
}

static bool add_norm(struct cuda_match *m, struct k_norm *n, const struct norm_places *p) {
    int64_t rows = n->rows;
    bool ok = rows <= INT32_MAX;
    n->type = bound_in_type(m, 0);
    n->y_type = bound_out_type(m, 0);
    if (!ok)
        return bound_refuse(m, "%lld rows", (long long)rows);
    if (!bound_is_real(n->type) || n->type == K_F64)
        return bound_refuse(m, "a norm of this dtype");
    if ((has(bound_has_in, m, p->skip) && bound_in_type(m, p->skip) != n->type) ||
        (has(bound_has_out, m, p->sum) && bound_out_type(m, p->sum) != n->type))
        return bound_refuse(m, "a residual of another dtype");
    if (has(bound_has_out, m, p->inverse))
        n->stat_type = bound_out_type(m, p->inverse);
    if (has(bound_has_out, m, p->mean))
        n->stat_type = bound_out_type(m, p->mean);
    if (has(bound_has_out, m, p->inverse) && bound_out_type(m, p->inverse) != n->stat_type)
        return bound_refuse(m, "statistics of different dtypes");
    struct residual r = {0};
    find_residual(m, n, p, &r);
    struct cuda_bound *b = bound_add(m, launch_norm, n, sizeof *n);
    ok = bound_out(m, b, AT(k_norm, y), 0, 0) && bound_in(m, b, AT(k_norm, gamma), p->gamma, 0);
    if (ok && r.before)
        ok = bound_same(m, b, AT(k_norm, x), r.before, r.x) &&
             bound_same(m, b, AT(k_norm, skip), r.before, r.skip) && bound_take(m, 0);
    else if (ok)
        ok = bound_in(m, b, AT(k_norm, x), 0, 0);
    if (ok && has(bound_has_in, m, p->beta))
        ok = bound_in(m, b, AT(k_norm, beta), p->beta, 0);
    if (ok && has(bound_has_in, m, p->skip))
        ok = bound_in(m, b, AT(k_norm, skip), p->skip, 0);
    if (ok && has(bound_has_in, m, p->bias))
        ok = bound_in(m, b, AT(k_norm, bias), p->bias, 0);
    if (ok && has(bound_has_out, m, p->sum))
        ok = bound_out(m, b, AT(k_norm, sum), p->sum, 0);
    if (ok && has(bound_has_out, m, p->mean))
        ok = bound_out(m, b, AT(k_norm, mean), p->mean, 0);
    if (ok && has(bound_has_out, m, p->inverse))
        ok = bound_out(m, b, AT(k_norm, inverse), p->inverse, 0);
    return ok;
}

/* A parameter covers exactly the dims from the axis on. */
static bool covers(const sl_tensor *x, int axis, const sl_tensor *part) {
    int first = part->rank - (x->rank - axis);
    for (int i = 0; i < part->rank; i++)
        if (i < first ? part->dims[i] != 1 : part->dims[i] != x->dims[axis + i - first])
            return false;
    return first >= 0;
}

static bool match_layer(struct cuda_match *m, int centre) {
    const sl_tensor *x = m->call.in[0];
    int axis = 0;
    (void)rule_axis(op_attr_int(&m->call, "axis", -1), x->rank, &axis, NULL);
    int64_t n = rule_product(x, axis, x->rank);
    struct norm_places places = {SIZE_MAX, SIZE_MAX, 1, 2, SIZE_MAX, 1, 2};
    struct k_norm a = {.rows = rule_product(x, 0, axis),
                       .n = (int32_t)n,
                       .groups = 1,
                       .inner = k_divide_by(1),
                       .skip_rows = 1,
                       .epsilon = op_attr_float(&m->call, "epsilon", 1e-5f),
                       .centre = centre != 0};
    for (size_t i = 1; i < m->call.in_count; i++)
        if (bound_has_in(m, i) && !covers(x, axis, m->call.in[i]))
            return bound_refuse(m, "a scale that does not cover the normalised dims");
    if (n > INT32_MAX)
        return bound_refuse(m, "rows of %lld numbers", (long long)n);
    return find_param_type(m, 1, 3, &a.param_type) && add_norm(m, &a, &places);
}

static bool match_simplified(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    int64_t n = rule_count(m->call.in[1]);
    struct norm_places places = {SIZE_MAX, SIZE_MAX, 1, SIZE_MAX, SIZE_MAX, SIZE_MAX, 1};
    (void)detail;
    if (n > INT32_MAX || n < 1)
        return bound_refuse(m, "rows of %lld numbers", (long long)n);
    struct k_norm a = {.rows = rule_count(x) / n,
                       .n = (int32_t)n,
                       .groups = 1,
                       .inner = k_divide_by(1),
                       .skip_rows = 1,
                       .param_type = bound_in_type(m, 1),
                       .epsilon = op_attr_float(&m->call, "epsilon", 1e-5f)};
    return add_norm(m, &a, &places);
}

static bool match_skip(struct cuda_match *m, int centre) {
    const sl_tensor *x = m->call.in[0];
    int64_t n = x->dims[x->rank - 1];
    struct norm_places places = {1, centre ? 4 : 3, 2, centre ? 3 : SIZE_MAX, 3, 1, 2};
    if (n > INT32_MAX || n < 1)
        return bound_refuse(m, "rows of %lld numbers", (long long)n);
    struct k_norm a = {.rows = rule_count(x) / n,
                       .n = (int32_t)n,
                       .groups = 1,
                       .inner = k_divide_by(1),
                       .skip_rows = rule_count(m->call.in[1]) / n,
                       .epsilon = op_attr_float(&m->call, "epsilon", 1e-12f),
                       .centre = centre != 0};
    return find_param_type(m, 2, 5, &a.param_type) && add_norm(m, &a, &places);
}

/* InstanceNormalization: every channel a group. GroupNormalization of opset 18 has a scale a group. */
static bool match_groups(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    const struct attr *given = op_attr(&m->call, "num_groups");
    struct norm_places places = {SIZE_MAX, SIZE_MAX, 1, 2, SIZE_MAX, SIZE_MAX, SIZE_MAX};
    int64_t groups = given ? given->i : x->dims[1], size = rule_product(x, 2, x->rank);
    int64_t n = x->dims[1] / groups * size;
    (void)detail;
    if (n > INT32_MAX || groups > INT32_MAX)
        return bound_refuse(m, "groups of %lld numbers", (long long)n);
    struct k_norm a = {.rows = x->dims[0] * groups,
                       .n = (int32_t)n,
                       .groups = (int32_t)groups,
                       .inner = k_divide_by((uint32_t)(given && m->call.opset < 21 ? n : size)),
                       .skip_rows = 1,
                       .epsilon = op_attr_float(&m->call, "epsilon", 1e-5f),
                       .centre = true};
    return find_param_type(m, 1, 3, &a.param_type) && add_norm(m, &a, &places);
}

static bool match_batch_norm(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    int64_t count = rule_count(x), channels = x->rank > 1 ? x->dims[1] : 1;
    (void)detail;
    if (op_attr_int(&m->call, "training_mode", 0))
        return bound_refuse(m, "training_mode");
    if (count > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)count);
    bound_follow(m, 0, 0);
    bool last = bound_in_value(m, 0).last;
    if (last != bound_out_value(m, 0).last)
        return bound_refuse(m, "an output that lies otherwise than its input");
    struct k_batch_norm a = {
        .type = bound_in_type(m, 0),
        .scale_type = bound_in_type(m, 1),
        .mean_type = bound_in_type(m, 3),
        .count = (uint32_t)count,
        .inner = k_divide_by((uint32_t)(last ? 1 : rule_product(x, x->rank > 1 ? 2 : 1, x->rank))),
        .channels = k_divide_by((uint32_t)channels),
        .epsilon = op_attr_float(&m->call, "epsilon", 1e-5f)};
    if (a.type == K_F64 || bound_out_type(m, 0) != a.type || bound_in_type(m, 2) != a.scale_type ||
        bound_in_type(m, 4) != a.mean_type)
        return bound_refuse(m, "inputs of different dtypes");
    struct cuda_bound *b = bound_add(m, launch_batch_norm, &a, sizeof a);
    return bound_in(m, b, AT(k_batch_norm, x), 0, 0) && bound_in(m, b, AT(k_batch_norm, scale), 1, 0) &&
           bound_in(m, b, AT(k_batch_norm, offset), 2, 0) && bound_in(m, b, AT(k_batch_norm, mean), 3, 0) &&
           bound_in(m, b, AT(k_batch_norm, variance), 4, 0) && bound_out(m, b, AT(k_batch_norm, y), 0, 0);
}

const struct bound_operator bound_norms[] = {
    {"", "LayerNormalization", match_layer, 1, false},
    {"", "RMSNormalization", match_layer, 0, false},
    {"", "SimplifiedLayerNormalization", match_simplified, 0, false},
    {"com.microsoft", "SkipLayerNormalization", match_skip, 1, false},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", match_skip, 0, false},
    {"", "InstanceNormalization", match_groups, 0, false},
    {"", "GroupNormalization", match_groups, 0, false},
    {"", "BatchNormalization", match_batch_norm, 0, true},
    {NULL, NULL, NULL, 0, false}};
