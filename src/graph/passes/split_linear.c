/* split_linear.c: one product whose columns are handed out by Gather or Split (queries, keys and values of
 * one projection) becomes a product for each: the pieces then need not be copied, and each goes its own way.
 */
#include <string.h>

#include "graph/passes/layout.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

/* Some columns of a product's result, seen through a chain. */
struct piece {
    struct layout layout; /* of the whole; then of the piece */
    int64_t outer, size, inner, from, length;
};

static bool is_linear(const struct match *m, const struct work_node *node) {
    return node && !strcmp(node->op->domain, "sluice") && !strcmp(node->op->name, "Linear") &&
           match_in(node, 3) == GRAPH_NONE && match_is_constant(m, node->in[1]) &&
           (match_in(node, 2) == GRAPH_NONE || match_is_constant(m, node->in[2])) &&
           match_tensor(m, node->in[1])->dtype == SL_FLOAT;
}

/* `length` of dim `dim`, from `from` on: the dim must be a run of the last dim of the root. */
static bool cut_piece(const struct match *m, struct piece *p, int dim, int64_t from, int64_t length) {
    struct layout *l = &p->layout;
    const sl_tensor *whole = match_tensor(m, l->root);
    int first, count, begins = 0, atom;
    int64_t product = 1;
    layout_run(l, dim, &first, &count);
    if (!count || !rule_count(whole) || from < 0 || length < 1 || from + length > l->dims[dim])
        return false;
    for (int i = 1; i < count; i++)
        if (l->order[first + i] != l->order[first] + i)
            return false;
    for (begins = l->count; begins > 0 && product < whole->dims[whole->rank - 1]; begins--)
        product *= l->size[begins - 1];
    atom = l->order[first];
    if (product != whole->dims[whole->rank - 1] || atom < begins)
        return false;
    p->outer = p->inner = 1;
    for (int i = begins; i < atom; i++)
        p->outer *= l->size[i];
    for (int i = atom + count; i < l->count; i++)
        p->inner *= l->size[i];
    p->size = l->dims[dim];
    p->from = from;
    p->length = length;
    /* the run becomes one atom of `length`, or none */
    int gone = length > 1 ? count - 1 : count, kept = 0;
    for (int i = 0; i < l->count; i++)
        if (i < first + count - gone || i >= first + count)
            l->order[kept++] = l->order[i] >= atom + count ? l->order[i] - gone : l->order[i];
    for (int i = atom + count; i < l->count; i++)
        l->size[i - gone] = l->size[i];
    if (length > 1)
        l->size[atom] = length;
    l->count -= gone;
    l->dims[dim] = length;
    return true;
}

static int64_t column_of(const struct piece *p, int64_t i) {
    int64_t inner = i % p->inner, k = i / p->inner % p->length, outer = i / p->inner / p->length;
    return (outer * p->size + p->from + k) * p->inner + inner;
}

/* The columns of [rows, columns], or the rows of [columns, rows] when `transposed`. */
static uint32_t take_columns(struct match *m, const struct piece *p, uint32_t constant, bool transposed,
                             const char *name) {
    sl_tensor t = *match_tensor(m, constant); /* a new value may move the old ones */
    int axis = transposed || t.rank == 1 ? 0 : 1;
    int64_t columns = t.dims[axis], depth = rule_count(&t) / columns, kept = p->outer * p->length * p->inner;
    const float *from = t.data;
    float *to;
    t.dims[axis] = kept;
    uint32_t value = match_add_floats(m, name, t.rank, t.dims, &to);
    for (int64_t k = 0; value != GRAPH_NONE && k < depth; k++)
        for (int64_t i = 0; i < kept; i++)
            to[axis ? k * kept + i : i * depth + k] =
                from[axis ? k * columns + column_of(p, i) : column_of(p, i) * depth + k];
    return value;
}

/* A product of its own for the piece, and the chain from it to `result`. */
static bool add_product(struct match *m, struct piece *p, uint32_t result) {
    struct work *w = m->w;
    struct work_node linear = w->nodes[m->makers[p->layout.root]];
    sl_tensor y = *match_tensor(m, p->layout.root), last = *match_tensor(m, result);
    bool transposed = match_attr_int(&linear, "transB", 0) != 0;
    uint32_t in[3] = {linear.in[0], take_columns(m, p, linear.in[1], transposed, linear.name), GRAPH_NONE};
    size_t in_count = match_in(&linear, 2) == GRAPH_NONE ? 2 : 3;
    if (in_count == 3)
        in[2] = take_columns(m, p, linear.in[2], false, linear.name);
    y.dims[y.rank - 1] = p->outer * p->length * p->inner;
    p->layout.root = match_add_value(m, linear.name, y.dtype, y.rank, y.dims);
    if (m->status != SL_OK || !match_add_node(m, "MatMul", 13, linear.name, in, in_count, p->layout.root))
        return false;
    struct work_node *node = &w->nodes[w->node_count - 1];
    node->op = linear.op;
    node->opset = linear.opset;
    node->attrs = linear.attrs;
    node->attr_count = linear.attr_count;
    uint32_t built = layout_build(m, &p->layout, linear.name);
    uint32_t shape = match_add_ints(m, linear.name, (size_t)last.rank, last.dims);
    return built != GRAPH_NONE && shape != GRAPH_NONE &&
           match_add_node(m, "Reshape", 14, linear.name, (const uint32_t[]){built, shape}, 2, result);
}

/* Every reader of the chain takes a piece, so that nothing is computed twice: single readers down to the
 * value that is handed out. */
static bool is_only_cut(const struct match *m, uint32_t value, const struct layout *l) {
    while (value != l->root) {
        const struct work_node *maker = match_maker(m, value, NULL);
        if (!maker)
            return false;
        value = maker->in[0];
        if (m->uses[value] != 1)
            return false;
    }
    return true;
}

static bool cut_gather(struct match *m, uint32_t at) {
    struct work_node *node = &m->w->nodes[at];
    const sl_tensor *y = match_tensor(m, node->out[0]);
    struct piece p;
    double index;
    int axis;
    layout_find(m, node->in[0], NULL, &p.layout);
    if (!match_number(m, node->in[1], &index) || !is_linear(m, match_maker(m, p.layout.root, NULL)) ||
        rule_axis(match_attr_int(node, "axis", 0), p.layout.rank, &axis, NULL) != SL_OK ||
        m->uses[node->in[0]] > p.layout.dims[axis] ||
        (m->uses[node->in[0]] > 1 && !is_only_cut(m, node->in[0], &p.layout)))
        return true;
    index += index < 0 ? (double)p.layout.dims[axis] : 0;
    uint32_t result = node->out[0];
    if (!cut_piece(m, &p, axis, (int64_t)index, 1) || !layout_reshape(&p.layout, y->rank, y->dims))
        return true;
    node->dead = true;
    return add_product(m, &p, result);
}

static bool cut_split(struct match *m, uint32_t at) {
    struct work_node node = m->w->nodes[at];
    struct piece whole = {.outer = 0};
    int axis;
    int64_t from = 0;
    layout_find(m, node.in[0], NULL, &whole.layout);
    if (!is_linear(m, match_maker(m, whole.layout.root, NULL)) || m->uses[node.in[0]] != 1 ||
        !is_only_cut(m, node.in[0], &whole.layout) ||
        rule_axis(match_attr_int(&node, "axis", 0), whole.layout.rank, &axis, NULL) != SL_OK)
        return true;
    for (size_t i = 0; i < node.out_count; i++) { /* all of them or none */
        struct piece p = whole;
        if (node.out[i] == GRAPH_NONE ||
            !cut_piece(m, &p, axis, from, match_tensor(m, node.out[i])->dims[axis]))
            return true;
        from += p.length;
    }
    m->w->nodes[at].dead = true;
    from = 0;
    for (size_t i = 0; i < node.out_count; i++) {
        struct piece p = whole;
        cut_piece(m, &p, axis, from, match_tensor(m, node.out[i])->dims[axis]);
        from += p.length;
        if (!add_product(m, &p, node.out[i]))
            return false;
    }
    return true;
}

sl_status pass_split_linear(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    size_t count = w->node_count;
    for (uint32_t i = 0; ok && i < count; i++) {
        if (match_is(&w->nodes[i], "Gather"))
            ok = cut_gather(&m, i);
        else if (match_is(&w->nodes[i], "Split"))
            ok = cut_split(&m, i);
    }
    sl_status st = match_close(&m);
    if (st == SL_OK)
        st = work_sort(w, err);
    return st == SL_OK ? pass_dead_code(w, err) : st;
}
