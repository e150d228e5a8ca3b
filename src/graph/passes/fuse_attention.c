/* fuse_attention.c: softmax(scale q k^T + mask) v, as exporters spell it out, becomes Attention. The factor
 * may stand at q, at k, at both or behind their product; the mask is added or chosen by Where; a guard
 * against rows without any key (IsNaN, Where) is what Attention does anyway. Where q, k and v come from
 * [rows, heads
 * * size] they are taken from there, and the Transposes around the heads go. */
#include <string.h>

#include "graph/passes/layout.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

struct pattern {
    uint32_t scores; /* their value: for the shape */
    uint32_t mask;   /* added, or GRAPH_NONE */
    uint32_t chosen; /* condition of a Where, or GRAPH_NONE */
    bool chosen_if;  /* scores stay where the condition holds */
    uint32_t instead;
    double scale;
    uint32_t windows;      /* constant mask of each window, [1, windows, 1, rows, rows], or GRAPH_NONE */
    struct layout q, k, v; /* [..., rows, size] */
    int64_t batch, heads;
};

/* softmax(x) over the last dim, with or without the guard; returns x or GRAPH_NONE. */
static uint32_t read_softmax(const struct match *m, uint32_t value) {
    const struct work_node *guard = match_single(m, value, "Where"), *softmax;
    if (guard) {
        const struct work_node *test = match_single(m, guard->in[0], "IsNaN");
        double zero;
        if (!test || test->in[0] != match_in(guard, 2) || m->uses[guard->in[2]] != 2 ||
            !match_number(m, guard->in[1], &zero) || zero != 0)
            return GRAPH_NONE;
        softmax = match_maker(m, guard->in[2], "Softmax");
    } else {
        softmax = match_single(m, value, "Softmax");
    }
    if (!softmax)
        return GRAPH_NONE;
    int64_t axis = match_attr_int(softmax, "axis", softmax->opset < 13 ? 1 : -1);
    bool last = axis == -1 || axis == match_tensor(m, value)->rank - 1;
    return last ? softmax->in[0] : GRAPH_NONE;
}

/* The product of q and k behind a factor; GRAPH_NONE when it is none. */
static const struct work_node *read_product(const struct match *m, uint32_t value, double *scale) {
    double number = 1;
    for (int i = 0; i < 4; i++) {
        const struct work_node *node = match_single(m, value, NULL);
        uint32_t rest;
        if (match_is(node, "MatMul"))
            return node;
        if (match_is(node, "Mul") && match_with_number(m, node, &rest, &number)) {
            *scale *= number;
        } else if (match_is(node, "Div") && match_number(m, node->in[1], &number) && number != 0) {
            *scale /= number;
            rest = node->in[0];
        } else {
            return NULL;
        }
        if (!match_same_shape(m, rest, value))
            return NULL;
        value = rest;
    }
    return NULL;
}

/* A mask that broadcasts to the scores, with at most their dims. */
static bool is_mask(const struct match *m, uint32_t value, uint32_t scores) {
    const sl_tensor *t = match_tensor(m, value), *s = match_tensor(m, scores);
    if (t->rank < 1 || t->rank > s->rank || t->rank > 4)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != 1 && t->dims[i] != s->dims[s->rank - t->rank + i])
            return false;
    return true;
}

/* Swin's shifted windows: a constant for each window is added while the windows stand apart from the batch,
 * [batch, windows, heads, rows, rows]. Returns the scores before that, or GRAPH_NONE. */
static uint32_t read_windows(const struct match *m, uint32_t value, struct pattern *p) {
    const struct work_node *join = match_single(m, value, NULL), *sum, *cut;
    if (!join || !join->op->view || !(sum = match_single(m, join->in[0], "Add")))
        return GRAPH_NONE;
    const sl_tensor *y = match_tensor(m, sum->out[0]), *scores = match_tensor(m, value);
    for (size_t i = 0; y->rank == 5 && scores->rank == 4 && i < 2; i++) {
        const sl_tensor *t = match_tensor(m, sum->in[i]);
        cut = match_single(m, sum->in[1 - i], NULL);
        if (!match_is_constant(m, sum->in[i]) || t->dtype != SL_FLOAT || t->rank != 5 || t->dims[0] != 1 ||
            t->dims[1] != y->dims[1] || t->dims[2] != 1 || t->dims[3] != y->dims[3] ||
            t->dims[4] != y->dims[4] || !cut || !cut->op->view || y->dims[2] != scores->dims[1] ||
            y->dims[3] != scores->dims[2] || y->dims[4] != scores->dims[3] ||
            !match_same_shape(m, cut->in[0], value))
            continue;
        p->windows = sum->in[i];
        return cut->in[0];
    }
    return GRAPH_NONE;
}

/* The scores without what masks them. */
static const struct work_node *read_scores(const struct match *m, uint32_t value, struct pattern *p) {
    const struct work_node *product = read_product(m, value, &p->scale), *node;
    p->scores = value;
    if (product)
        return product;
    if ((node = match_single(m, value, "Add"))) {
        for (size_t i = 0; i < 2; i++) {
            p->scale = 1;
            if ((product = read_product(m, node->in[i], &p->scale)) && is_mask(m, node->in[1 - i], value) &&
                match_same_shape(m, node->in[i], value)) {
                p->mask = node->in[1 - i];
                return match_tensor(m, p->mask)->dtype == SL_FLOAT ? product : NULL;
            }
        }
        return NULL;
    }
    if (!(node = match_single(m, value, "Where")))
        return NULL;
    for (size_t i = 1; i < 3; i++) {
        double number;
        p->scale = 1;
        if (match_number(m, node->in[3 - i], &number) &&
            (product = read_product(m, node->in[i], &p->scale)) && is_mask(m, node->in[0], value) &&
            match_same_shape(m, node->in[i], value)) {
            p->chosen = node->in[0];
            p->chosen_if = i == 1;
            p->instead = node->in[3 - i];
            return product;
        }
    }
    return NULL;
}

static bool is_run(const struct layout *l, int at, int count, int from) {
    for (int i = 0; i < count; i++)
        if (l->order[at + i] != from + i)
            return false;
    return true;
}

/* Whether [..., rows, size] comes from [batch, rows, heads * size]. */
static bool has_heads(const struct layout *l, int64_t *batch, int64_t *heads) {
    int rows_at, rows, size_at, size;
    if (l->rank < 3)
        return false;
    layout_run(l, l->rank - 2, &rows_at, &rows);
    layout_run(l, l->rank - 1, &size_at, &size);
    if (!rows)
        return false;
    int outer = l->order[rows_at], head_count = l->count - outer - rows - size;
    if (head_count < 0 || outer + head_count != rows_at || !is_run(l, 0, outer, 0) ||
        !is_run(l, rows_at, rows, outer) || !is_run(l, outer, head_count, outer + rows) ||
        !is_run(l, size_at, size, l->count - size))
        return false;
    *batch = *heads = 1;
    for (int i = 0; i < outer; i++)
        *batch *= l->size[i];
    for (int i = outer + rows; i < l->count - size; i++)
        *heads *= l->size[i];
    return true;
}

static bool is_float(const struct match *m, uint32_t value) {
    return match_tensor(m, value)->dtype == SL_FLOAT;
}

/* q, k and v as [..., rows, size]; whether all of them come from rows of heads. */
static bool read_operands(const struct match *m, const struct work_node *scores, const struct work_node *out,
                          struct pattern *p, bool *flat) {
    int64_t swap[SL_MAX_RANK], batch[3], heads[3];
    layout_find(m, scores->in[0], &p->scale, &p->q);
    layout_find(m, scores->in[1], &p->scale, &p->k);
    layout_find(m, out->in[1], NULL, &p->v);
    int rank = p->q.rank;
    if (!rule_count(match_tensor(m, p->scores)) || !rule_count(match_tensor(m, out->out[0])) || rank < 3 ||
        rank > 4 || p->k.rank != rank || p->v.rank != rank || !is_float(m, scores->in[0]))
        return false;
    for (int i = 0; i < rank; i++)
        swap[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    layout_transpose(&p->k, swap);
    for (int i = 0; i < rank - 2; i++)
        if (p->q.dims[i] != p->k.dims[i] || p->q.dims[i] != p->v.dims[i])
            return false;
    *flat = has_heads(&p->q, &batch[0], &heads[0]) && has_heads(&p->k, &batch[1], &heads[1]) &&
            has_heads(&p->v, &batch[2], &heads[2]) && batch[0] == batch[1] && batch[0] == batch[2] &&
            heads[0] == heads[1] && heads[0] == heads[2] &&
            (rank == 3 || (batch[0] == p->q.dims[0] && heads[0] == p->q.dims[1]));
    p->batch = *flat ? batch[0] : p->q.dims[0];
    p->heads = *flat ? heads[0] : rank == 4 ? p->q.dims[1] : 1;
    return true;
}

/* The operand as Attention takes it: [batch, rows, heads * size], or [batch, heads, rows, size]. */
static uint32_t build_operand(struct match *m, const struct pattern *p, const struct layout *l, bool flat,
                              const char *name) {
    struct layout to = *l;
    int64_t rows = l->dims[l->rank - 2], size = l->dims[l->rank - 1];
    int64_t flat_dims[] = {p->batch, rows, p->heads * size}, dims[] = {p->batch, p->heads, rows, size};
    if (flat)
        layout_begin(m, l->root, &to);
    return layout_reshape(&to, flat ? 3 : 4, flat ? flat_dims : dims) ? layout_build(m, &to, name)
                                                                      : GRAPH_NONE;
}

/* The windows' constant, and that of each head, as one of [1, windows * heads, rows, rows]. The windows then
 * count as heads: both lie side by side. False when the heads' mask is no such constant. */
static bool join_windows(struct match *m, struct pattern *p, const char *name) {
    const sl_tensor windows = *match_tensor(m, p->windows); /* a new value may move the old ones */
    sl_tensor bias = {.rank = 0};
    int64_t count = windows.dims[1], heads = p->heads, size = windows.dims[3] * windows.dims[4];
    float *data;
    if (p->mask != GRAPH_NONE) {
        bias = *match_tensor(m, p->mask);
        if (!match_is_constant(m, p->mask) || rule_count(&bias) != heads * size ||
            bias.dims[bias.rank - 1] != windows.dims[4])
            return false;
    }
    p->mask = match_add_floats(m, name, 4,
                               (const int64_t[]){1, count * heads, windows.dims[3], windows.dims[4]}, &data);
    for (int64_t i = 0; p->mask != GRAPH_NONE && i < count * heads * size; i++)
        data[i] = ((const float *)windows.data)[i / size / heads * size + i % size] +
                  (bias.rank ? ((const float *)bias.data)[i % (heads * size)] : 0);
    p->batch /= count;
    p->heads *= count;
    return p->mask != GRAPH_NONE;
}

/* A mask of a score's own batch and head, where the scores had both in one dim. */
static uint32_t build_mask(struct match *m, const struct pattern *p, const char *name) {
    uint32_t mask = p->mask;
    sl_tensor t;
    if (p->chosen != GRAPH_NONE) { /* 0 where the scores stay, what they would become elsewhere */
        float *zero;
        t = *match_tensor(m, p->chosen);
        uint32_t keep = match_add_floats(m, name, 0, NULL, &zero);
        mask = keep == GRAPH_NONE ? keep : match_add_value(m, name, SL_FLOAT, t.rank, t.dims);
        if (mask == GRAPH_NONE)
            return GRAPH_NONE;
        *zero = 0;
        const uint32_t in[3] = {p->chosen, p->chosen_if ? keep : p->instead,
                                p->chosen_if ? p->instead : keep};
        if (!match_add_node(m, "Where", 9, name, in, 3, mask))
            return GRAPH_NONE;
    }
    t = *match_tensor(m, mask);
    if (match_tensor(m, p->scores)->rank == 4 || t.rank < 3 || t.dims[0] == 1)
        return mask;
    struct layout l;
    int64_t dims[] = {p->batch, p->heads, t.dims[1], t.dims[2]};
    layout_begin(m, mask, &l);
    return layout_reshape(&l, 4, dims) ? layout_build(m, &l, name) : GRAPH_NONE;
}

static bool replace(struct match *m, uint32_t at, struct pattern *p, bool flat) {
    struct work *w = m->w;
    struct work_node node = w->nodes[at];
    sl_tensor y = *match_tensor(m, node.out[0]);
    int64_t rows = y.dims[y.rank - 2], size = y.dims[y.rank - 1];
    int64_t flat_dims[] = {p->batch, rows, p->heads * size}, dims[] = {p->batch, p->heads, rows, size};
    bool masked = p->mask != GRAPH_NONE || p->chosen != GRAPH_NONE;
    uint32_t in[4] = {
        build_operand(m, p, &p->q, flat, node.name), build_operand(m, p, &p->k, flat, node.name),
        build_operand(m, p, &p->v, flat, node.name), masked ? build_mask(m, p, node.name) : GRAPH_NONE};
    for (int i = 0; i < (masked ? 4 : 3); i++)
        if (in[i] == GRAPH_NONE)
            return m->status == SL_OK; /* what was added so far goes with the dead code */
    uint32_t result = match_add_value(m, node.name, y.dtype, flat ? 3 : 4, flat ? flat_dims : dims);
    if (result == GRAPH_NONE || !match_add_node(m, "Attention", 23, node.name, in, masked ? 4 : 3, result))
        return false;
    struct attr attrs[] = {match_float("scale", (float)p->scale), match_int("q_num_heads", p->heads),
                           match_int("kv_num_heads", p->heads)};
    if (!match_set_attrs(m, &w->nodes[w->node_count - 1], NULL, attrs, flat ? 3 : 1))
        return false;
    struct layout back;
    layout_begin(m, result, &back);
    if (flat) {
        layout_reshape(&back, 4, (const int64_t[]){p->batch, rows, p->heads, size});
        layout_transpose(&back, (const int64_t[]){0, 2, 1, 3});
    }
    layout_reshape(&back, y.rank, y.dims);
    uint32_t built = layout_build(m, &back, node.name);
    uint32_t shape = match_add_ints(m, node.name, (size_t)y.rank, y.dims);
    w->nodes[at].dead = true;
    return built != GRAPH_NONE && shape != GRAPH_NONE &&
           match_add_node(m, "Reshape", 14, node.name, (const uint32_t[]){built, shape}, 2, node.out[0]);
}

static bool rewrite(struct match *m, uint32_t at) {
    const struct work_node *out = &m->w->nodes[at], *scores;
    struct pattern p = {.mask = GRAPH_NONE, .chosen = GRAPH_NONE, .windows = GRAPH_NONE, .scale = 1};
    uint32_t x = read_softmax(m, out->in[0]), apart = x == GRAPH_NONE ? x : read_windows(m, x, &p);
    bool flat;
    x = apart == GRAPH_NONE ? x : apart;
    if (x == GRAPH_NONE || !(scores = read_scores(m, x, &p)) || !read_operands(m, scores, out, &p, &flat))
        return true;
    if (p.windows != GRAPH_NONE) {
        p.batch = p.q.dims[0];
        p.heads = p.q.dims[1];
        if (p.q.rank != 4 || p.chosen != GRAPH_NONE || !join_windows(m, &p, m->w->nodes[at].name))
            return m->status == SL_OK;
        flat = false;
    }
    return replace(m, at, &p, flat);
}

sl_status pass_attention(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    size_t count = w->node_count;
    for (uint32_t i = 0; ok && i < count; i++)
        if (match_is(&w->nodes[i], "MatMul"))
            ok = rewrite(&m, i);
    sl_status st = match_close(&m);
    if (st == SL_OK)
        st = work_sort(w, err);
    return st == SL_OK ? pass_dead_code(w, err) : st;
}
