/* cuda_prepare_links.c: what prepare.cu does to each number, a link an operator. */
#include <string.h>

#include "infer/cuda/cuda_prepare.h"
#include "ops/rules.h"

static bool is_real(enum k_type type) {
    return type == K_F32 || type == K_F16 || type == K_BF16;
}

/* A constant's numbers, one a channel; false where it varies along other dims, too. */
static bool read_channels(const sl_tensor *x, const sl_tensor *constant, int axis, int64_t channels,
                          float *numbers) {
    int from_right = x->rank - axis;
    int64_t count = rule_count(constant);
    bool each = count == channels && constant->rank >= from_right &&
                constant->dims[constant->rank - from_right] == channels;
    if (constant->dtype != SL_FLOAT || constant->rank > x->rank || (count != 1 && !each))
        return false;
    for (int64_t c = 0; c < channels; c++)
        numbers[c] = ((const float *)constant->data)[count == 1 ? 0 : c];
    return true;
}

static bool link_of(const struct k_element *e, struct k_prepare_link *link) {
    static const struct {
        enum k_op op;
        enum k_prepare_op link;
    } table[] = {{K_ADD, K_PREPARE_ADD}, {K_SUB, K_PREPARE_SUB},     {K_MUL, K_PREPARE_MUL},
                 {K_DIV, K_PREPARE_DIV}, {K_ROUND, K_PREPARE_ROUND}, {K_CLIP, K_PREPARE_CLIP}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].op == e->op) {
            link->op = table[i].link;
            return true;
        }
    return false;
}

bool prepare_link(struct k_prepare *p, const struct k_element *e, const sl_tensor *x, const sl_tensor *other,
                  int axis) {
    struct k_prepare_link link = {.b = e->b};
    const enum k_type from = e->in_type[0], to = e->y_type;
    if (e->op == K_COPY) { /* Cast: numbers are floats here all the time */
        if (!is_real(to) && (to != K_U8 || !(from == K_U8 || is_real(from))))
            return false;
        link.op = K_PREPARE_BYTE;
        if (is_real(to) || from == K_U8)
            return true;
    } else if (!is_real(to) || from != to || !link_of(e, &link)) {
        return false;
    }
    if (p->link_count == K_PREPARE_LINKS)
        return false;
    link.a[0] = e->a;
    if (other && !read_channels(x, other, axis, x->dims[axis], link.a))
        return false;
    p->links[p->link_count++] = link;
    return true;
}

/* ---- before Resize ---- */

static bool insert(struct k_prepare *p, struct k_prepare_link link) {
    if (p->link_count == K_PREPARE_LINKS)
        return false;
    memmove(p->links + 1, p->links, (size_t)p->link_count * sizeof link);
    p->links[0] = link;
    p->link_count++;
    return true;
}

static bool insert_affine(struct cuda_match *at, struct k_prepare *p, int64_t channels) {
    const struct attr *scale = op_attr(&at->call, "scale"), *offset = op_attr(&at->call, "offset");
    struct k_prepare_link mul = {.op = K_PREPARE_MUL}, add = {.op = K_PREPARE_ADD};
    for (int64_t c = 0; c < channels; c++) {
        mul.a[c] = scale->floats[scale->count == 1 ? 0 : c];
        add.a[c] = offset->floats[offset->count == 1 ? 0 : c];
    }
    return insert(p, add) && insert(p, mul);
}

bool prepare_link_before(struct cuda_match *at, struct k_prepare *p, int axis) {
    static const struct {
        const char *name;
        enum k_prepare_op op;
    } table[] = {
        {"Add", K_PREPARE_ADD}, {"Sub", K_PREPARE_SUB}, {"Mul", K_PREPARE_MUL}, {"Div", K_PREPARE_DIV}};
    const char *name = at->step->op->name;
    const sl_tensor *x = at->call.in[0];
    const enum k_type from = bound_in_type(at, 0), to = bound_out_type(at, 0);
    if (!strcmp(name, "Affine"))
        return is_real(to) && insert_affine(at, p, at->call.out[0]->dims[axis]);
    if (!strcmp(name, "Cast"))
        return is_real(to) && (from == K_U8 || is_real(from));
    const sl_tensor *constant = at->call.in_count == 2 ? bound_const(at, 1) : NULL;
    for (size_t i = 0; constant && is_real(to) && i < sizeof table / sizeof *table; i++)
        if (!strcmp(name, table[i].name)) {
            struct k_prepare_link link = {.op = table[i].op};
            return rule_count(x) == rule_count(at->call.out[0]) &&
                   read_channels(x, constant, axis, x->dims[axis], link.a) && insert(p, link);
        }
    return false;
}
