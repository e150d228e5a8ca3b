/* layout.c: see layout.h. */
#include "graph/passes/layout.h"

#include <string.h>

#include "ops/rules.h"

#define MOST_NODES 32 /* of one chain */

void layout_begin(const struct match *m, uint32_t value, struct layout *l) {
    const sl_tensor *t = match_tensor(m, value);
    *l = (struct layout){.root = value, .rank = t->rank};
    for (int i = 0; i < t->rank; i++) {
        l->dims[i] = t->dims[i];
        if (t->dims[i] <= 1)
            continue;
        l->order[l->count] = l->count;
        l->size[l->count++] = t->dims[i];
    }
}

/* The atom at position `at` becomes two, the first of `outer`. */
static bool cut(struct layout *l, int at, int64_t outer) {
    int atom = l->order[at];
    if (l->count == LAYOUT_ATOMS || l->size[atom] % outer)
        return false;
    for (int i = l->count; i > atom + 1; i--)
        l->size[i] = l->size[i - 1];
    l->size[atom + 1] = l->size[atom] / outer;
    l->size[atom] = outer;
    for (int i = 0; i < l->count; i++)
        l->order[i] += l->order[i] > atom;
    for (int i = l->count; i > at + 1; i--)
        l->order[i] = l->order[i - 1];
    l->order[at + 1] = atom + 1;
    l->count++;
    return true;
}

bool layout_reshape(struct layout *l, int rank, const int64_t *dims) {
    struct layout to = *l;
    int at = 0;
    for (int i = 0; i < rank; i++) {
        int64_t left = dims[i];
        if (left < 1)
            return false;
        for (; left > 1; at++) {
            if (at == to.count)
                return false;
            int64_t size = to.size[to.order[at]];
            if (size > left && !cut(&to, at, left))
                return false;
            size = size > left ? left : size;
            if (left % size)
                return false;
            left /= size;
        }
        to.dims[i] = dims[i];
    }
    if (at != to.count)
        return false;
    to.rank = rank;
    *l = to;
    return true;
}

void layout_run(const struct layout *l, int dim, int *first, int *count) {
    int at = 0, begins = 0;
    for (int i = 0; i <= dim; i++) {
        int64_t left = l->dims[i];
        for (begins = at; left > 1; at++)
            left /= l->size[l->order[at]];
    }
    *first = begins;
    *count = at - begins;
}

void layout_transpose(struct layout *l, const int64_t *perm) {
    struct layout from = *l;
    int at = 0;
    for (int i = 0; i < l->rank; i++) {
        int first, count;
        layout_run(&from, (int)perm[i], &first, &count);
        for (int k = 0; k < count; k++)
            l->order[at++] = from.order[first + k];
        l->dims[i] = from.dims[perm[i]];
    }
    l->transposes++;
}

bool layout_is_straight(const struct layout *l) {
    for (int i = 0; i < l->count; i++)
        if (l->order[i] != i)
            return false;
    return true;
}

static bool is_view(const struct work_node *node) {
    return node->op->view && !*node->op->domain && node->out_count == 1;
}

bool layout_take(const struct match *m, const struct work_node *node, struct layout *l) {
    const sl_tensor *y = match_tensor(m, node->out[0]);
    if (is_view(node))
        return layout_reshape(l, y->rank, y->dims);
    if (!match_is(node, "Transpose"))
        return false;
    int64_t perm[SL_MAX_RANK];
    const struct attr *attr = NULL;
    for (size_t i = 0; i < node->attr_count; i++)
        if (!strcmp(node->attrs[i].name, "perm"))
            attr = &node->attrs[i];
    for (int i = 0; i < y->rank; i++)
        perm[i] = attr ? attr->ints[i] : y->rank - 1 - i;
    layout_transpose(l, perm);
    return true;
}

/* The input of a product with a number that leaves the shape alone, or GRAPH_NONE. */
static uint32_t pass_factor(const struct match *m, const struct work_node *node, double *number) {
    uint32_t rest = GRAPH_NONE;
    if (match_is(node, "Div") ? !match_number(m, node->in[1], number) || *number == 0
                              : !match_is(node, "Mul") || !match_with_number(m, node, &rest, number))
        return GRAPH_NONE;
    if (rest == GRAPH_NONE) {
        rest = node->in[0];
        *number = 1 / *number;
    }
    return match_same_shape(m, rest, node->out[0]) ? rest : GRAPH_NONE;
}

void layout_find(const struct match *m, uint32_t value, double *factor, struct layout *l) {
    const struct work_node *chain[MOST_NODES], *node;
    double factors[MOST_NODES] = {0}; /* 0: not a product */
    int count = 0;
    uint32_t root = value;
    bool empty = rule_count(match_tensor(m, value)) == 0; /* has no atoms to speak of */
    while (!empty && count < MOST_NODES && (node = match_maker(m, root, NULL))) {
        uint32_t in = is_view(node) || match_is(node, "Transpose") ? node->in[0] : GRAPH_NONE;
        if (in == GRAPH_NONE && factor)
            in = pass_factor(m, node, &factors[count]);
        if (in == GRAPH_NONE)
            break;
        chain[count++] = node;
        root = in;
    }
    layout_begin(m, root, l);
    double product = 1;
    while (count-- > 0) {
        if (factors[count] != 0) {
            product *= factors[count];
        } else if (!layout_take(m, chain[count], l)) {
            layout_begin(m, chain[count]->out[0], l);
            product = 1; /* what came before is in that value */
        }
    }
    if (factor)
        *factor *= product;
}

static uint32_t add_node(struct match *m, const char *op, uint32_t in, const char *name, int rank,
                         const int64_t *dims) {
    sl_dtype dtype = match_tensor(m, in)->dtype;
    bool reshape = !strcmp(op, "Reshape");
    uint32_t shape = reshape ? match_add_ints(m, name, (size_t)rank, dims) : GRAPH_NONE;
    uint32_t out = match_add_value(m, name, dtype, rank, dims);
    const uint32_t inputs[2] = {in, shape};
    if (out == GRAPH_NONE || (reshape && shape == GRAPH_NONE) ||
        !match_add_node(m, op, reshape ? 14 : 13, name, inputs, reshape ? 2 : 1, out))
        return GRAPH_NONE;
    return out;
}

static bool has_dims(const struct match *m, uint32_t value, int rank, const int64_t *dims) {
    const sl_tensor *t = match_tensor(m, value);
    return t->rank == rank && (!rank || !memcmp(t->dims, dims, (size_t)rank * sizeof *dims));
}

static uint32_t reshape(struct match *m, uint32_t value, const char *name, int rank, const int64_t *dims) {
    return value == GRAPH_NONE || has_dims(m, value, rank, dims)
               ? value
               : add_node(m, "Reshape", value, name, rank, dims);
}

/* Atoms that stay together become one dim. */
static int join_atoms(const struct layout *l, int64_t *dims, int *dim_of) {
    int place[LAYOUT_ATOMS], rank = 0;
    for (int i = 0; i < l->count; i++)
        place[l->order[i]] = i;
    for (int i = 0; i < l->count; i++) {
        if (i && place[i] == place[i - 1] + 1) {
            dims[rank - 1] *= l->size[i];
        } else {
            dims[rank++] = l->size[i];
        }
        dim_of[i] = rank - 1;
    }
    return rank;
}

uint32_t layout_build(struct match *m, const struct layout *l, const char *name) {
    int64_t dims[LAYOUT_ATOMS], turned[LAYOUT_ATOMS], *perm;
    int dim_of[LAYOUT_ATOMS], rank = join_atoms(l, dims, dim_of), at = 0;
    if (layout_is_straight(l))
        return reshape(m, l->root, name, l->rank, l->dims);
    perm = rank <= SL_MAX_RANK ? arena_alloc(m->w->arena, (size_t)rank, sizeof *perm) : NULL;
    if (!perm)
        return match_fail(m);
    for (int i = 0; i < l->count; i++)
        if (!i || dim_of[l->order[i]] != dim_of[l->order[i - 1]])
            perm[at++] = dim_of[l->order[i]];
    for (int i = 0; i < rank; i++)
        turned[i] = dims[perm[i]];
    uint32_t value = reshape(m, l->root, name, rank, dims);
    if (value != GRAPH_NONE)
        value = add_node(m, "Transpose", value, name, rank, turned);
    if (value == GRAPH_NONE)
        return GRAPH_NONE;
    struct attr attr = {.name = "perm", .type = ATTR_INTS, .count = (size_t)rank, .ints = perm};
    if (!match_set_attrs(m, &m->w->nodes[m->w->node_count - 1], NULL, &attr, 1))
        return GRAPH_NONE;
    return reshape(m, value, name, l->rank, l->dims);
}
