/* cuda_move.c: who moves elements: Transpose, Slice, Split, Concat, Expand, Tile, Pad, blocks, Gather*,
 * Scatter*. What only gives bytes another shape (Reshape, Squeeze, ...) is a copy, where the plan did not
 * make it none. */
#include <string.h>

#include "infer/cuda/cuda_prepare.h"
#include "ops/move.h"
#include "ops/rules.h"

BOUND_LAUNCH(element)
BOUND_LAUNCH(copy)
BOUND_LAUNCH(transpose)
BOUND_LAUNCH(pad)

#define AT(type, field) offsetof(struct type, field)

/* ---- copies ---- */

/* How many elements move together: those of the innermost dim, where it is dense on both sides, as far as all
 * other steps and both offsets are multiples of them and 16 bytes hold them. */
static int64_t unit_of(const struct walk_plan *w, int64_t nbytes, int64_t x_offset, int64_t y_offset) {
    int last = w->rank - 1;
    if (last < 0 || w->steps[0][last] != 1 || w->steps[1][last] != 1)
        return 1;
    int64_t unit = 16 / nbytes;
    for (; unit > 1; unit /= 2) {
        bool fits = w->dims[last] % unit == 0 && x_offset % unit == 0 && y_offset % unit == 0;
        for (int d = 0; fits && d < last; d++)
            fits = w->steps[0][d] % unit == 0 && w->steps[1][d] % unit == 0;
        if (fits)
            break;
    }
    return unit;
}

static void take_units(struct walk_plan *w, int64_t unit) {
    if (unit == 1)
        return;
    w->dims[w->rank - 1] /= unit;
    for (int d = 0; d < w->rank - 1; d++)
        for (int k = 0; k < 2; k++)
            w->steps[k][d] /= unit;
}

/* [images, rows, columns] turned into [images, columns, rows], both dense: a copy with tiles. */
static bool is_turn(const struct walk_plan *w, int64_t nbytes, struct k_transpose *t) {
    int r = w->rank - 2;
    if ((w->rank != 2 && w->rank != 3) || nbytes > 8)
        return false;
    int64_t columns = w->dims[r], rows = w->dims[r + 1]; /* in the order of the output */
    bool turned = w->steps[0][r] == rows && w->steps[0][r + 1] == 1 && w->steps[1][r] == 1 &&
                  w->steps[1][r + 1] == columns;
    bool dense = w->rank == 2 || (w->steps[0][0] == rows * columns && w->steps[1][0] == rows * columns);
    *t = (struct k_transpose){.unit_nbytes = (int32_t)nbytes,
                              .images = w->rank == 3 ? (uint32_t)w->dims[0] : 1,
                              .rows = (uint32_t)rows,
                              .columns = (uint32_t)columns};
    return turned && dense && rows >= 8 && columns >= 8;
}

static bool add_conversion(struct cuda_match *m, struct walk_plan *w, size_t in, int64_t x_offset, size_t out,
                           int64_t y_offset) {
    struct k_element e = {.op = K_COPY, .in_count = 1};
    e.in_type[0] = bound_in_type(m, in);
    e.y_type = bound_out_type(m, out);
    if (!bound_walk(m, w, &e.walk))
        return false;
    struct cuda_bound *b = bound_add(m, launch_element, &e, sizeof e);
    return bound_in(m, b, AT(k_element, in), in, x_offset * (int64_t)bound_type_nbytes(e.in_type[0])) &&
           bound_out(m, b, AT(k_element, y), out, y_offset * (int64_t)bound_type_nbytes(e.y_type));
}

/* Elements of `nbytes` as they are. */
static bool add_copy(struct cuda_match *m, struct walk_plan *w, int64_t nbytes, size_t in, int64_t x_offset,
                     size_t out, int64_t y_offset) {
    struct k_transpose turn;
    struct k_copy c;
    walk_join(w);
    if (!x_offset && !y_offset && is_turn(w, nbytes, &turn)) {
        struct k_walk check; /* of 32 bits, as any other */
        struct cuda_bound *b =
            bound_walk(m, w, &check) ? bound_add(m, launch_transpose, &turn, sizeof turn) : NULL;
        return bound_in(m, b, AT(k_transpose, x), in, 0) && bound_out(m, b, AT(k_transpose, y), out, 0);
    }
    int64_t unit = unit_of(w, nbytes, x_offset, y_offset);
    take_units(w, unit);
    if (!bound_walk(m, w, &c.walk))
        return false;
    c.unit_nbytes = (int32_t)(unit * nbytes);
    struct cuda_bound *b = bound_add(m, launch_copy, &c, sizeof c);
    return bound_in(m, b, AT(k_copy, x), in, x_offset * nbytes) &&
           bound_out(m, b, AT(k_copy, y), out, y_offset * nbytes);
}

bool bound_copy(struct cuda_match *m, struct walk_plan *w, size_t in, int64_t x_offset, size_t out,
                int64_t y_offset) {
    enum k_type type = bound_in_type(m, in);
    for (int d = 0; d < w->rank; d++)
        if (!w->dims[d])
            return true;
    if (type != bound_out_type(m, out))
        return add_conversion(m, w, in, x_offset, out, y_offset);
    return add_copy(m, w, (int64_t)bound_type_nbytes(type), in, x_offset, out, y_offset);
}

static bool match_same(struct cuda_match *m, int detail) {
    struct walk_plan w = {.operands = 2};
    (void)detail;
    walk_add(&w, rule_count(m->call.in[0]), (int64_t[]){1, 1});
    return bound_copy(m, &w, 0, 0, 0, 0);
}

/* The same bits: floats must lie as the model has them. */
static bool match_bits(struct cuda_match *m, int detail) {
    struct walk_plan w = {.operands = 2};
    size_t nbytes = bound_type_nbytes(bound_in_type(m, 0));
    (void)detail;
    if (nbytes != sl_dtype_nbits(m->call.in[0]->dtype) / 8 ||
        bound_type_nbytes(bound_out_type(m, 0)) != sl_dtype_nbits(m->call.out[0]->dtype) / 8)
        return bound_refuse(m, "bits of a float in another precision");
    walk_add(&w, rule_count(m->call.in[0]), (int64_t[]){1, 1});
    return add_copy(m, &w, (int64_t)nbytes, 0, 0, 0, 0);
}

static bool match_transpose(struct cuda_match *m, int detail) {
    int perm[SL_MAX_RANK];
    const struct walk_value from = bound_in_value(m, 0), to = bound_out_value(m, 0);
    const sl_tensor *y = m->call.out[0];
    struct walk_plan w = {.operands = 2};
    (void)detail;
    if (move_read_perm(&m->call, perm, NULL) != SL_OK)
        return bound_refuse(m, "its permutation");
    bool done;
    if (!prepare_transpose(m, perm, &done) || done)
        return done;
    for (int d = 0; d < y->rank; d++)
        walk_add(&w, y->dims[d], (int64_t[]){walk_step(to, d), walk_step(from, perm[d])});
    return bound_copy(m, &w, 0, 0, 0, 0);
}

static bool match_slice(struct cuda_match *m, int detail) {
    struct move_cut cut;
    const sl_tensor *y = m->call.out[0];
    struct walk_plan w = {.operands = 2};
    int64_t first = 0;
    (void)detail;
    if (move_read_cut(&m->call, &cut, NULL) != SL_OK)
        return bound_refuse(m, "bounds that are not known when the model is loaded");
    bound_follow(m, 0, 0);
    const struct walk_value from = bound_in_value(m, 0), to = bound_out_value(m, 0);
    for (int k = 0; k < y->rank; k++) {
        int d = walk_dim(to, k);
        first += cut.start[d] * walk_step(from, d);
        walk_add(&w, y->dims[d], (int64_t[]){walk_step(to, d), cut.step[d] * walk_step(from, d)});
    }
    return bound_copy(m, &w, 0, first, 0, 0);
}

/* Output o and input i, one of them a part of the other from position `at` of the axis on. */
static bool copy_part(struct cuda_match *m, size_t i, size_t o, int axis, int64_t at, bool part_is_input) {
    const struct walk_value from = bound_in_value(m, i), to = bound_out_value(m, o);
    const struct walk_value part = part_is_input ? from : to;
    struct walk_plan w = {.operands = 2};
    for (int k = 0; k < part.t->rank; k++) {
        int d = walk_dim(to, k);
        walk_add(&w, part.t->dims[d], (int64_t[]){walk_step(to, d), walk_step(from, d)});
    }
    return bound_copy(m, &w, i, part_is_input ? 0 : at * walk_step(from, axis), o,
                      part_is_input ? at * walk_step(to, axis) : 0);
}

static bool match_concat(struct cuda_match *m, int detail) {
    int64_t at = 0;
    int axis = 0;
    bool ok = true;
    (void)detail;
    (void)rule_axis(op_attr_int(&m->call, "axis", m->call.opset < 4 ? 1 : 0), m->call.out[0]->rank, &axis,
                    NULL);
    bound_follow(m, 0, 0);
    for (size_t i = 0; ok && i < m->call.in_count; i++) {
        ok = copy_part(m, i, 0, axis, at, true);
        at += m->call.in[i]->dims[axis];
    }
    return ok;
}

static bool match_split(struct cuda_match *m, int detail) {
    int64_t at = 0;
    int axis = 0;
    bool ok = true;
    (void)detail;
    (void)rule_axis(op_attr_int(&m->call, "axis", 0), m->call.in[0]->rank, &axis, NULL);
    for (size_t i = 0; ok && i < m->call.out_count; i++) {
        if (bound_has_out(m, i)) {
            bound_follow(m, i, 0);
            ok = copy_part(m, 0, i, axis, at, false);
        }
        at += move_split_size(&m->call, i, axis);
    }
    return ok;
}

static bool match_expand(struct cuda_match *m, int detail) {
    struct walk_plan w;
    const struct walk_value both[] = {bound_out_value(m, 0), bound_in_value(m, 0)};
    (void)detail;
    walk_over(&w, both[0], both, 2);
    return bound_copy(m, &w, 0, 0, 0, 0);
}

/* Every dim is two: how often, and what. */
static bool match_tile(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0];
    struct walk_plan w = {.operands = 2};
    (void)detail;
    for (int d = 0; d < x->rank; d++) {
        int64_t step = rule_product(y, d + 1, y->rank), times = x->dims[d] ? y->dims[d] / x->dims[d] : 0;
        walk_add(&w, times, (int64_t[]){x->dims[d] * step, 0});
        walk_add(&w, x->dims[d], (int64_t[]){step, rule_product(x, d + 1, x->rank)});
    }
    return bound_copy(m, &w, 0, 0, 0, 0);
}

static bool match_blocks(struct cuda_match *m, int to_space) {
    struct move_blocks b = move_find_blocks(&m->call, to_space != 0);
    struct walk_plan w = {.operands = 2};
    int64_t step = rule_count(m->call.out[0]);
    for (int d = 0; d < 6; d++) {
        step /= b.dims[d];
        walk_add(&w, b.dims[d], (int64_t[]){step, b.from[d]});
    }
    return bound_copy(m, &w, 0, 0, 0, 0);
}

/* ---- Pad ---- */

/* The constant as one element of the device's type. */
static bool read_constant(struct cuda_match *m, enum k_type type, uint64_t *constant) {
    const sl_tensor *given = bound_has_in(m, 2) ? bound_const(m, 2) : NULL;
    float value = op_attr_float(&m->call, "value", 0);
    if (bound_has_in(m, 2) && !given)
        return bound_refuse(m, "a constant that is not known when the model is loaded");
    if (!given || given->dtype == SL_FLOAT) {
        value = given ? *(const float *)given->data : value;
        if (bound_is_real(type) || !given)
            return bound_number(type, (double)value, constant);
    }
    memcpy(constant, given->data, bound_type_nbytes(type));
    return true;
}

static bool match_pad(struct cuda_match *m, int detail) {
    static const enum k_fill fills[] = {[FILL_CONSTANT] = K_FILL_CONSTANT,
                                        [FILL_EDGE] = K_FILL_EDGE,
                                        [FILL_REFLECT] = K_FILL_REFLECT,
                                        [FILL_WRAP] = K_FILL_WRAP};
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0];
    struct move_padding padding;
    struct walk_plan check = {.operands = 2};
    struct k_walk joined;
    struct k_pad p = {.unit_nbytes = (int32_t)bound_type_nbytes(bound_in_type(m, 0))};
    (void)detail;
    if (move_read_padding(&m->call, &padding, NULL) != SL_OK)
        return bound_refuse(m, "pads that are not known when the model is loaded");
    if (bound_in_type(m, 0) != bound_out_type(m, 0))
        return bound_refuse(m, "an output of another dtype");
    bound_follow(m, 0, 0);
    const struct walk_value from = bound_in_value(m, 0), to = bound_out_value(m, 0);
    for (int d = 0; d < y->rank; d++)
        walk_add(&check, y->dims[d] > x->dims[d] ? y->dims[d] : x->dims[d],
                 (int64_t[]){walk_step(to, d), walk_step(from, d)});
    if (!bound_walk(m, &check, &joined) || !read_constant(m, bound_in_type(m, 0), p.constant))
        return false;
    p.fill = fills[padding.fill];
    p.walk = (struct k_walk){.count = (uint32_t)rule_count(y), .rank = y->rank};
    for (int k = 0; k < y->rank; k++) { /* not joined: each dim has its own begin */
        int d = walk_dim(to, k);
        p.walk.dims[k] = k_divide_by((uint32_t)y->dims[d]);
        p.walk.steps[1][k] = (int32_t)walk_step(from, d);
        p.begin[k] = (int32_t)padding.begin[d];
        p.size[k] = (int32_t)x->dims[d];
    }
    struct cuda_bound *b = bound_add(m, launch_pad, &p, sizeof p);
    return bound_in(m, b, AT(k_pad, x), 0, 0) && bound_out(m, b, AT(k_pad, y), 0, 0);
}

const struct bound_operator bound_move[] = {{"", "Identity", match_same, 0, false},
                                            {"", "Reshape", match_same, 0, false},
                                            {"", "BitCast", match_bits, 0, false},
                                            {"", "Flatten", match_same, 0, false},
                                            {"", "Squeeze", match_same, 0, false},
                                            {"", "Unsqueeze", match_same, 0, false},
                                            {"com.microsoft", "ExpandDims", match_same, 0, false},
                                            {"", "Transpose", match_transpose, 0, true},
                                            {"", "Slice", match_slice, 0, true},
                                            {"", "Concat", match_concat, 0, true},
                                            {"", "Split", match_split, 0, true},
                                            {"", "Expand", match_expand, 0, true},
                                            {"", "Tile", match_tile, 0, false},
                                            {"", "DepthToSpace", match_blocks, 1, false},
                                            {"", "SpaceToDepth", match_blocks, 0, false},
                                            {"", "Pad", match_pad, 0, true},

                                            {NULL, NULL, NULL, 0, false}};
