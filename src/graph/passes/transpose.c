/* transpose.c: chains of Reshapes and Transposes become one Transpose at most, or none. A Transpose that only
 * turns rows round sinks through what works on each row by itself (a product with constant weights, a
 * normalisation over the last dim, an activation), where another one behind it turns them back. */
#include <string.h>

#include "graph/passes/layout.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

static bool is_chain_node(const struct work_node *node) {
    return node && !node->dead && !*node->op->domain &&
           ((node->op->view && node->out_count == 1) || !strcmp(node->op->name, "Transpose"));
}

/* Whether the node computes each row, the last dim of input 0, by itself. */
static bool works_on_rows(const struct match *m, const struct work_node *node) {
    const sl_tensor *x = match_tensor(m, match_in(node, 0));
    if (node->dead || !x || x->rank < 1 || node->out_count < 1)
        return false;
    for (size_t i = 1; i < node->out_count; i++)
        if (node->out[i] != GRAPH_NONE)
            return false;
    for (size_t i = 1; i < node->in_count; i++)
        if (node->in[i] != GRAPH_NONE && !match_is_constant(m, node->in[i]))
            return false;
    if (!strcmp(node->op->domain, "sluice") && !strcmp(node->op->name, "Linear"))
        return match_in(node, 3) == GRAPH_NONE;
    if (match_is(node, "MatMul"))
        return match_tensor(m, node->in[1])->rank == 2;
    if (match_is(node, "LayerNormalization") || match_is(node, "RMSNormalization")) {
        int64_t axis = match_attr_int(node, "axis", -1);
        for (size_t i = 1; i < node->in_count; i++)
            if (node->in[i] != GRAPH_NONE && match_tensor(m, node->in[i])->rank != 1)
                return false;
        return axis == -1 || axis == x->rank - 1;
    }
    return !*node->op->domain && node->op->elementwise && node->in_count == 1;
}

/* Follows the result of a row-wise node through its only readers; `l` begins as its layout. */
static void follow(const struct match *m, uint32_t value, struct layout *l) {
    for (int i = 0; i < 16; i++) {
        const struct work_node *reader = match_reader(m, value);
        if (!reader || reader->in[0] != value)
            return;
        if (is_chain_node(reader)) {
            if (!layout_take(m, reader, l))
                return;
        } else {
            int first, count;
            layout_run(l, l->rank - 1, &first, &count);
            if (!works_on_rows(m, reader) || count != 1 || l->order[first] != l->count - 1)
                return; /* the columns are no longer whole */
            const sl_tensor *y = match_tensor(m, reader->out[0]);
            if (y->dims[y->rank - 1] <= 1)
                return;
            l->size[l->count - 1] = l->dims[l->rank - 1] = y->dims[y->rank - 1];
        }
        value = reader->out[0];
    }
}

static int count_inversions(const int *source, int count) {
    int inversions = 0;
    for (int i = 0; i < count; i++)
        for (int k = i + 1; k < count; k++)
            inversions += source[i] > source[k];
    return inversions;
}

/* Whether what follows brings row atoms back towards the root's order, in which `x` does not have them: the
 * `rows` atoms in front. */
static bool comes_back(const struct match *m, const struct work_node *node, const struct layout *x,
                       int rows) {
    const sl_tensor *y = match_tensor(m, node->out[0]);
    int64_t dims[SL_MAX_RANK], left;
    int before[LAYOUT_ATOMS], after[LAYOUT_ATOMS], position = 0, parts = 0, count = 0;
    struct layout l;
    if (rows >= SL_MAX_RANK)
        return false;
    for (int i = 0; i < rows; i++)
        dims[i] = x->size[x->order[i]];
    dims[rows] = y->dims[y->rank - 1];
    layout_begin(m, node->out[0], &l);
    if (!layout_reshape(&l, rows + 1, dims) || !layout_reshape(&l, y->rank, y->dims))
        return false;
    follow(m, node->out[0], &l);
    for (left = dims[0]; parts < l.count && position < rows; parts++) { /* whose part each atom is now */
        before[parts] = x->order[position];
        left /= l.size[parts];
        if (left <= 1 && ++position < rows)
            left = dims[position];
    }
    for (int i = 0; i < l.count; i++)
        if (l.order[i] < parts)
            after[count++] = before[l.order[i]];
    return count_inversions(after, count) < count_inversions(before, parts);
}

/* The layout with its rows in the root's order. *restore gets the order that brings the old one back: row
 * atom k of the new layout was number restore[k]. False when they stand so already. */
static bool straighten_rows(const struct layout *l, struct layout *to, int restore[LAYOUT_ATOMS], int *rows) {
    int first, count, place[LAYOUT_ATOMS];
    bool moved = false;
    layout_run(l, l->rank - 1, &first, &count);
    *to = *l;
    *rows = first;
    for (int i = 0; i < first; i++)
        place[i] = i;
    for (int i = 1; i < first; i++) /* a handful */
        for (int k = i; k > 0 && to->order[k] < to->order[k - 1]; k--) {
            int atom = to->order[k], was = place[k];
            to->order[k] = to->order[k - 1];
            to->order[k - 1] = atom;
            place[k] = place[k - 1];
            place[k - 1] = was;
            moved = true;
        }
    to->rank = 0;
    for (int i = 0; i < first; i++) {
        restore[place[i]] = i;
        if (to->rank < SL_MAX_RANK)
            to->dims[to->rank] = to->size[to->order[i]];
        to->rank++;
    }
    if (to->rank < SL_MAX_RANK)
        to->dims[to->rank] = l->dims[l->rank - 1];
    to->rank++;
    return moved && to->rank <= SL_MAX_RANK;
}

/* node(turn(x)) = turn(node(x)): x straight goes in, and the old result is made from the new one. */
static bool sink(struct match *m, uint32_t at, const struct layout *straight, const int *restore, int rows) {
    struct work *w = m->w;
    uint32_t old = w->nodes[at].out[0];
    sl_tensor y = *match_tensor(m, old);
    const char *name = w->nodes[at].name;
    int64_t dims[SL_MAX_RANK], perm[SL_MAX_RANK];
    struct layout back;
    uint32_t x = layout_build(m, straight, name);
    memcpy(dims, straight->dims, sizeof dims);
    dims[rows] = y.dims[y.rank - 1];
    uint32_t result = match_add_value(m, name, y.dtype, rows + 1, dims);
    if (x == GRAPH_NONE || result == GRAPH_NONE)
        return false;
    for (int i = 0; i < rows; i++)
        perm[i] = restore[i];
    perm[rows] = rows;
    layout_begin(m, result, &back);
    layout_transpose(&back, perm);
    if (!layout_reshape(&back, y.rank, y.dims))
        return false;
    struct work_node *node = &w->nodes[at];
    m->uses[node->in[0]]--; /* what made it goes with the dead code */
    m->uses[x]++;
    m->readers[x] = at;
    node->in[0] = x;
    uint32_t *out = arena_alloc(w->arena, node->out_count, sizeof *out);
    if (!out)
        return match_fail(m) != GRAPH_NONE;
    memcpy(out, node->out, node->out_count * sizeof *out);
    out[0] = result;
    node->out = out;
    m->makers[result] = at;
    uint32_t built = layout_build(m, &back, name);
    uint32_t shape = match_add_ints(m, name, (size_t)y.rank, y.dims);
    if (built == GRAPH_NONE || shape == GRAPH_NONE)
        return false;
    return match_add_node(m, "Reshape", 14, name, (const uint32_t[]){built, shape}, 2, old);
}

static bool try_sink(struct match *m, uint32_t at) {
    struct layout l, straight;
    int restore[LAYOUT_ATOMS], rows;
    const struct work_node *node = &m->w->nodes[at];
    if (!works_on_rows(m, node))
        return true;
    layout_find(m, node->in[0], NULL, &l);
    if (!l.transposes || l.rank < 1 || !straighten_rows(&l, &straight, restore, &rows) ||
        !comes_back(m, node, &l, rows))
        return true;
    return sink(m, at, &straight, restore, rows);
}

/* The last node of a chain is made anew when that saves a Transpose. */
static bool shorten(struct match *m, uint32_t at) {
    struct work_node *node = &m->w->nodes[at];
    struct layout l;
    if (!is_chain_node(node) || is_chain_node(match_reader(m, node->out[0])))
        return true;
    layout_find(m, node->out[0], NULL, &l);
    if (l.transposes < (layout_is_straight(&l) ? 1 : 2))
        return true;
    sl_tensor y = *match_tensor(m, node->out[0]);
    uint32_t built = layout_build(m, &l, node->name);
    uint32_t shape = match_add_ints(m, node->name, (size_t)y.rank, y.dims);
    if (built == GRAPH_NONE || shape == GRAPH_NONE)
        return false;
    node = &m->w->nodes[at];
    return match_rewrite(m, node, "", "Reshape", 14, (const uint32_t[]){built, shape}, 2) &&
           match_set_attrs(m, node, NULL, NULL, 0);
}

static sl_status finish(struct match *m, sl_error *err) {
    struct work *w = m->w;
    sl_status st = match_close(m);
    return st == SL_OK ? work_sort(w, err) : st;
}

sl_status pass_transpose(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    size_t count = w->node_count;
    for (uint32_t i = 0; ok && i < count; i++)
        ok = try_sink(&m, i);
    sl_status st = finish(&m, err);
    if (st == SL_OK)
        st = pass_dead_code(w, err);
    if (st != SL_OK)
        return st;
    ok = match_open(&m, w, err);
    count = w->node_count;
    for (uint32_t i = 0; ok && i < count; i++)
        ok = shorten(&m, i);
    return finish(&m, err);
}
