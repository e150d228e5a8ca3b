/* cuda_move.c: who moves elements: Transpose, Slice, Split, Concat, Expand, Tile, Pad, blocks, Gather*,
 * Scatter*. What only gives bytes another shape (Reshape, Squeeze, ...) is a copy, where the plan did not
 * make it none. */
#include <string.h>

#include "infer/cuda/cuda_bound.h"
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

static int64_t step_at(const sl_tensor *t, int d) {
    return rule_product(t, d + 1, t->rank);
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
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0];
    struct walk_plan w = {.operands = 2};
    (void)detail;
    if (move_read_perm(&m->call, perm, NULL) != SL_OK)
        return bound_refuse(m, "its permutation");
    for (int d = 0; d < y->rank; d++)
        walk_add(&w, y->dims[d], (int64_t[]){step_at(y, d), step_at(x, perm[d])});
    return bound_copy(m, &w, 0, 0, 0, 0);
}

static bool match_slice(struct cuda_match *m, int detail) {
    struct move_cut cut;
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0];
    struct walk_plan w = {.operands = 2};
    int64_t first = 0;
    (void)detail;
    if (move_read_cut(&m->call, &cut, NULL) != SL_OK)
        return bound_refuse(m, "bounds that are not known when the model is loaded");
    for (int d = 0; d < y->rank; d++) {
        first += cut.start[d] * step_at(x, d);
        walk_add(&w, y->dims[d], (int64_t[]){step_at(y, d), cut.step[d] * step_at(x, d)});
    }
    return bound_copy(m, &w, 0, first, 0, 0);
}

static bool match_concat(struct cuda_match *m, int detail) {
    const sl_tensor *y = m->call.out[0];
    int64_t first = 0;
    int axis = 0;
    bool ok = true;
    (void)detail;
    (void)rule_axis(op_attr_int(&m->call, "axis", m->call.opset < 4 ? 1 : 0), y->rank, &axis, NULL);
    for (size_t i = 0; ok && i < m->call.in_count; i++) {
        const sl_tensor *x = m->call.in[i];
        int64_t slab = rule_product(x, axis, x->rank), line = rule_product(y, axis, y->rank);
        struct walk_plan w = {.operands = 2};
        walk_add(&w, rule_product(x, 0, axis), (int64_t[]){line, slab});
        walk_add(&w, slab, (int64_t[]){1, 1});
        ok = bound_copy(m, &w, i, 0, 0, first);
        first += slab;
    }
    return ok;
}

static bool match_split(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    int axis = 0;
    int64_t first = 0;
    bool ok = true;
    (void)detail;
    (void)rule_axis(op_attr_int(&m->call, "axis", 0), x->rank, &axis, NULL);
    int64_t inner = step_at(x, axis), line = x->dims[axis] * inner;
    for (size_t i = 0; ok && i < m->call.out_count; i++) {
        int64_t slab = move_split_size(&m->call, i, axis) * inner;
        struct walk_plan w = {.operands = 2};
        walk_add(&w, rule_product(x, 0, axis), (int64_t[]){slab, line});
        walk_add(&w, slab, (int64_t[]){1, 1});
        if (bound_has_out(m, i))
            ok = bound_copy(m, &w, 0, first, i, 0);
        first += slab;
    }
    return ok;
}

static bool match_expand(struct cuda_match *m, int detail) {
    struct walk_plan w;
    const sl_tensor *both[] = {m->call.out[0], m->call.in[0]};
    (void)detail;
    walk_over(&w, m->call.out[0], both, 2);
    return bound_copy(m, &w, 0, 0, 0, 0);
}

/* Every dim is two: how often, and what. */
static bool match_tile(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0];
    struct walk_plan w = {.operands = 2};
    (void)detail;
    for (int d = 0; d < x->rank; d++) {
        int64_t step = step_at(y, d), times = x->dims[d] ? y->dims[d] / x->dims[d] : 0;
        walk_add(&w, times, (int64_t[]){x->dims[d] * step, 0});
        walk_add(&w, x->dims[d], (int64_t[]){step, step_at(x, d)});
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
    for (int d = 0; d < y->rank; d++)
        walk_add(&check, y->dims[d] > x->dims[d] ? y->dims[d] : x->dims[d],
                 (int64_t[]){step_at(y, d), step_at(x, d)});
    if (!bound_walk(m, &check, &joined) || !read_constant(m, bound_in_type(m, 0), p.constant))
        return false;
    p.fill = fills[padding.fill];
    p.walk = (struct k_walk){.count = (uint32_t)rule_count(y), .rank = y->rank};
    for (int d = 0; d < y->rank; d++) { /* not joined: each dim has its own begin */
        p.walk.dims[d] = k_divide_by((uint32_t)y->dims[d]);
        p.walk.steps[1][d] = (int32_t)step_at(x, d);
        p.begin[d] = (int32_t)padding.begin[d];
        p.size[d] = (int32_t)x->dims[d];
    }
    struct cuda_bound *b = bound_add(m, launch_pad, &p, sizeof p);
    return bound_in(m, b, AT(k_pad, x), 0, 0) && bound_out(m, b, AT(k_pad, y), 0, 0);
}

const struct bound_operator bound_move[] = {{"", "Identity", match_same, 0},
                                            {"", "Reshape", match_same, 0},
                                            {"", "BitCast", match_bits, 0},
                                            {"", "Flatten", match_same, 0},
                                            {"", "Squeeze", match_same, 0},
                                            {"", "Unsqueeze", match_same, 0},
                                            {"com.microsoft", "ExpandDims", match_same, 0},
                                            {"", "Transpose", match_transpose, 0},
                                            {"", "Slice", match_slice, 0},
                                            {"", "Concat", match_concat, 0},
                                            {"", "Split", match_split, 0},
                                            {"", "Expand", match_expand, 0},
                                            {"", "Tile", match_tile, 0},
                                            {"", "DepthToSpace", match_blocks, 1},
                                            {"", "SpaceToDepth", match_blocks, 0},
                                            {"", "Pad", match_pad, 0},

                                            {NULL, NULL, NULL, 0}};
