/* cuda_place.c: OneHot, Trilu, ReverseSequence, CenterCropPad. */
#include "infer/cuda/cuda_bound.h"
#include "ops/rules.h"

BOUND_LAUNCH(one_hot)
BOUND_LAUNCH(trilu)
BOUND_LAUNCH(reverse)
BOUND_LAUNCH(pad)

#define AT(type, field) offsetof(struct type, field)

/* Input 0 and output 0 in one type, and few enough elements. */
static bool check(struct cuda_match *m) {
    int64_t x = rule_count(m->call.in[0]), y = rule_count(m->call.out[0]);
    if (x > INT32_MAX || y > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)(x > y ? x : y));
    return bound_in_type(m, 0) == bound_out_type(m, 0) || bound_refuse(m, "an output of another dtype");
}

static bool match_one_hot(struct cuda_match *m, int detail) {
    const sl_tensor *y = m->call.out[0];
    int axis = 0;
    (void)detail;
    (void)rule_axis(op_attr_int(&m->call, "axis", -1), y->rank, &axis, NULL);
    if (rule_count(y) > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)rule_count(y));
    if (bound_in_type(m, 2) != bound_out_type(m, 0))
        return bound_refuse(m, "an output of another dtype");
    struct k_one_hot o = {.x_type = bound_in_type(m, 0),
                          .y_type = bound_out_type(m, 0),
                          .count = (uint32_t)rule_count(y),
                          .inner = k_divide_by((uint32_t)rule_product(y, axis + 1, y->rank)),
                          .depth = k_divide_by((uint32_t)y->dims[axis])};
    struct cuda_bound *b = bound_add(m, launch_one_hot, &o, sizeof o);
    return bound_in(m, b, AT(k_one_hot, x), 0, 0) && bound_in(m, b, AT(k_one_hot, values), 2, 0) &&
           bound_out(m, b, AT(k_one_hot, y), 0, 0);
}

static bool match_trilu(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *k = bound_const(m, 1);
    (void)detail;
    if (bound_has_in(m, 1) && (!k || k->dtype != SL_INT64))
        return bound_refuse(m, "a diagonal that is not known when the model is loaded");
    if (!check(m))
        return false;
    struct k_trilu t = {.unit_nbytes = (int32_t)bound_type_nbytes(bound_in_type(m, 0)),
                        .count = (uint32_t)rule_count(x),
                        .rows = k_divide_by((uint32_t)x->dims[x->rank - 2]),
                        .columns = k_divide_by((uint32_t)x->dims[x->rank - 1]),
                        .k = k ? *(const int64_t *)k->data : 0,
                        .upper = op_attr_int(&m->call, "upper", 1) != 0};
    struct cuda_bound *b = bound_add(m, launch_trilu, &t, sizeof t);
    return bound_in(m, b, AT(k_trilu, x), 0, 0) && bound_out(m, b, AT(k_trilu, y), 0, 0);
}

static bool match_reverse(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    bool batch_first = op_attr_int(&m->call, "batch_axis", 1) == 0;
    (void)detail;
    if (!check(m))
        return false;
    struct k_reverse r = {.length_type = bound_in_type(m, 1),
                          .unit_nbytes = (int32_t)bound_type_nbytes(bound_in_type(m, 0)),
                          .count = (uint32_t)rule_count(x),
                          .b = k_divide_by((uint32_t)x->dims[1]),
                          .slab = k_divide_by((uint32_t)rule_product(x, 2, x->rank)),
                          .steps = (int32_t)x->dims[batch_first ? 1 : 0],
                          .batch_first = batch_first};
    struct cuda_bound *b = bound_add(m, launch_reverse, &r, sizeof r);
    return bound_in(m, b, AT(k_reverse, x), 0, 0) && bound_in(m, b, AT(k_reverse, lengths), 1, 0) &&
           bound_out(m, b, AT(k_reverse, y), 0, 0);
}

/* A Pad of zeros that begins where the middle wants it; where it crops, the begin is negative. */
static bool match_crop(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0];
    (void)detail;
    if (!check(m))
        return false;
    struct k_pad p = {.unit_nbytes = (int32_t)bound_type_nbytes(bound_in_type(m, 0)),
                      .fill = K_FILL_CONSTANT,
                      .walk = {.count = (uint32_t)rule_count(y), .rank = y->rank}};
    for (int d = 0; d < y->rank; d++) {
        int64_t more = y->dims[d] - x->dims[d];
        p.walk.dims[d] = k_divide_by((uint32_t)y->dims[d]);
        p.walk.steps[1][d] = (int32_t)rule_product(x, d + 1, x->rank);
        p.begin[d] = (int32_t)(more < 0 ? -(-more / 2) : more / 2);
        p.size[d] = (int32_t)x->dims[d];
    }
    struct cuda_bound *b = bound_add(m, launch_pad, &p, sizeof p);
    return bound_in(m, b, AT(k_pad, x), 0, 0) && bound_out(m, b, AT(k_pad, y), 0, 0);
}

const struct bound_operator bound_place[] = {
    {"", "OneHot", match_one_hot, 0, false},           {"", "Trilu", match_trilu, 0, false},
    {"com.microsoft", "Trilu", match_trilu, 0, false}, {"", "ReverseSequence", match_reverse, 0, false},
    {"", "CenterCropPad", match_crop, 0, false},       {NULL, NULL, NULL, 0, false}};
