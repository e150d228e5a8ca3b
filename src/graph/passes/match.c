/* match.c: see match.h. */
#include "graph/passes/match.h"

#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/rules.h"
#include "support/mem.h"

static bool fail(struct match *m) {
    m->status = work_out_of_memory(m->err);
    return false;
}

uint32_t match_fail(struct match *m) {
    fail(m);
    return GRAPH_NONE;
}

bool match_open(struct match *m, struct work *w, sl_error *err) {
    *m = (struct match){.w = w, .err = err, .status = SL_OK, .cap = w->value_count};
    m->uses = work_count_uses(w);
    m->makers = work_find_makers(w);
    m->readers = mem_alloc(w->value_count, sizeof *m->readers);
    if (!m->uses || !m->makers || !m->readers)
        return fail(m);
    for (size_t i = 0; i < w->value_count; i++)
        m->readers[i] = GRAPH_NONE;
    for (uint32_t i = 0; i < w->node_count; i++)
        for (size_t k = 0; !w->nodes[i].dead && k < w->nodes[i].in_count; k++)
            if (w->nodes[i].in[k] != GRAPH_NONE)
                m->readers[w->nodes[i].in[k]] = i;
    return true;
}

sl_status match_close(struct match *m) {
    mem_free(m->uses);
    mem_free(m->makers);
    mem_free(m->readers);
    return m->status;
}

const sl_tensor *match_tensor(const struct match *m, uint32_t value) {
    return value == GRAPH_NONE ? NULL : &m->w->values[value].tensor;
}

bool match_same_shape(const struct match *m, uint32_t a, uint32_t b) {
    const sl_tensor *x = match_tensor(m, a), *y = match_tensor(m, b);
    return x && y && x->dtype == y->dtype && x->rank == y->rank &&
           (!x->rank || !memcmp(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims));
}

bool match_is_constant(const struct match *m, uint32_t value) {
    return value != GRAPH_NONE && m->w->values[value].constant;
}

bool match_number(const struct match *m, uint32_t value, double *x) {
    if (!match_is_constant(m, value))
        return false;
    const sl_tensor *t = match_tensor(m, value);
    if (element_kind(t->dtype) == ELEMENT_OTHER || rule_count(t) != 1)
        return false;
    *x = element_number(t->dtype, t->data, 0);
    return true;
}

bool match_equals(const struct match *m, uint32_t value, double x) {
    double y;
    return match_number(m, value, &y) && match_near(y, x);
}

int match_ints(const struct match *m, uint32_t value, int64_t *values, int max) {
    if (!match_is_constant(m, value))
        return -1;
    const sl_tensor *t = match_tensor(m, value);
    if ((t->dtype != SL_INT64 && t->dtype != SL_INT32) || t->rank > 1 || rule_count(t) > max)
        return -1;
    int count = (int)rule_count(t);
    for (int i = 0; i < count; i++)
        values[i] = element_index(t->dtype, t->data, i);
    return count;
}

bool match_is(const struct work_node *node, const char *name) {
    return node && !node->dead && !*node->op->domain && !strcmp(node->op->name, name);
}

struct work_node *match_maker(const struct match *m, uint32_t value, const char *name) {
    if (value == GRAPH_NONE || m->makers[value] == GRAPH_NONE)
        return NULL;
    struct work_node *node = &m->w->nodes[m->makers[value]];
    return !node->dead && node->out[0] == value && (!name || match_is(node, name)) ? node : NULL;
}

struct work_node *match_single(const struct match *m, uint32_t value, const char *name) {
    return value != GRAPH_NONE && m->uses[value] == 1 ? match_maker(m, value, name) : NULL;
}

static bool reads(const struct work_node *node, uint32_t value) {
    for (size_t i = 0; !node->dead && i < node->in_count; i++)
        if (node->in[i] == value)
            return true;
    return false;
}

struct work_node *match_reader(const struct match *m, uint32_t value) {
    struct work *w = m->w;
    if (value == GRAPH_NONE || m->uses[value] != 1)
        return NULL;
    if (m->readers[value] != GRAPH_NONE && reads(&w->nodes[m->readers[value]], value))
        return &w->nodes[m->readers[value]];
    for (uint32_t i = 0; i < w->node_count; i++)
        if (reads(&w->nodes[i], value)) {
            m->readers[value] = i;
            return &w->nodes[i];
        }
    return NULL;
}

uint32_t match_in(const struct work_node *node, size_t i) {
    return i < node->in_count ? node->in[i] : GRAPH_NONE;
}

uint32_t match_other(const struct work_node *node, uint32_t value) {
    if (node->in_count != 2)
        return GRAPH_NONE;
    return node->in[0] == value ? node->in[1] : node->in[1] == value ? node->in[0] : GRAPH_NONE;
}

bool match_with_number(const struct match *m, const struct work_node *node, uint32_t *rest, double *x) {
    for (size_t i = 0; node->in_count == 2 && i < 2; i++)
        if (match_number(m, node->in[i], x) && !match_is_constant(m, node->in[1 - i])) {
            *rest = node->in[1 - i];
            return true;
        }
    return false;
}

bool match_near(double x, double expected) {
    return fabs(x - expected) <= 1e-5 * fabs(expected);
}

static void add_factor(const struct match *m, uint32_t value, int times, struct match_product *p, int depth);

static void add_node_factors(const struct match *m, const struct work_node *node, int times,
                             struct match_product *p, int depth) {
    bool divides = match_is(node, "Div");
    double x;
    for (size_t i = 0; i < 2; i++) {
        if (!match_number(m, node->in[i], &x)) {
            add_factor(m, node->in[i], times, p, depth + 1);
            continue;
        }
        for (int k = 0; k < times; k++)
            p->number = divides ? p->number / x : p->number * x;
    }
}

/* Whether the node is a product that can be taken apart. */
static int is_product(const struct match *m, const struct work_node *node, double *x) {
    if (match_is(node, "Mul"))
        return 1;
    if (match_is(node, "Div"))
        return match_number(m, node->in[1], x) && *x != 0 && !match_is_constant(m, node->in[0]);
    return match_is(node, "Pow") && match_number(m, node->in[1], x) && (*x == 2 || *x == 3) ? (int)*x : 0;
}

static void add_factor(const struct match *m, uint32_t value, int times, struct match_product *p, int depth) {
    double x;
    const struct work_node *node = depth > 0 && depth < MATCH_FACTORS ? match_single(m, value, NULL) : NULL;
    int kind = node ? is_product(m, node, &x) : 0;
    if (kind == 1) {
        add_node_factors(m, node, times, p, depth);
        return;
    }
    if (kind > 1) {
        add_factor(m, node->in[0], times * kind, p, depth + 1);
        return;
    }
    for (int i = 0; i < times; i++) {
        if (p->count < 0 || p->count == MATCH_FACTORS) {
            p->count = -1;
            return;
        }
        p->values[p->count++] = value;
    }
}

void match_product_of(const struct match *m, uint32_t value, struct match_product *p) {
    *p = (struct match_product){.number = 1};
    add_factor(m, value, 1, p, 1);
}

void match_product(const struct match *m, const struct work_node *node, struct match_product *p) {
    double x;
    int kind = is_product(m, node, &x);
    *p = (struct match_product){.number = 1, .count = kind ? 0 : -1};
    if (kind == 1)
        add_node_factors(m, node, 1, p, 0);
    else if (kind > 1)
        add_factor(m, node->in[0], kind, p, 1);
}

static struct op_call attrs_of(const struct work_node *node) {
    return (struct op_call){.attrs = node->attrs, .attr_count = node->attr_count, .opset = node->opset};
}

int64_t match_attr_int(const struct work_node *node, const char *name, int64_t fallback) {
    struct op_call call = attrs_of(node);
    return op_attr_int(&call, name, fallback);
}

float match_attr_float(const struct work_node *node, const char *name, float fallback) {
    struct op_call call = attrs_of(node);
    return op_attr_float(&call, name, fallback);
}

bool match_attr_is(const struct work_node *node, const char *name, const char *text, const char *fallback) {
    struct op_call call = attrs_of(node);
    return op_attr_is(&call, name, text, fallback);
}

/* Room for `value` beside the values there were. */
static bool make_room(struct match *m, uint32_t value) {
    if (value >= m->cap) {
        size_t cap = m->cap * 2 + 64;
        uint32_t **lists[] = {&m->uses, &m->makers, &m->readers};
        for (int i = 0; i < 3; i++) {
            uint32_t *list = mem_grow(*lists[i], cap, sizeof *list);
            if (!list)
                return fail(m);
            *lists[i] = list;
        }
        m->cap = cap;
    }
    m->uses[value] = 0;
    m->makers[value] = m->readers[value] = GRAPH_NONE;
    return true;
}

uint32_t match_add_value(struct match *m, const char *name, sl_dtype dtype, int rank, const int64_t *dims) {
    uint32_t value = work_add_value(m->w, name);
    if (value == GRAPH_NONE || !make_room(m, value)) {
        fail(m);
        return GRAPH_NONE;
    }
    rule_set(&m->w->values[value].tensor, dtype, rank, dims);
    m->w->values[value].known = true;
    return value;
}

static uint32_t add_constant(struct match *m, const char *name, sl_dtype dtype, int rank, const int64_t *dims,
                             void **data) {
    uint32_t value = match_add_value(m, name, dtype, rank, dims);
    if (value == GRAPH_NONE)
        return GRAPH_NONE;
    struct work_value *v = &m->w->values[value];
    v->tensor.data = *data = arena_alloc(m->w->arena, rule_nbytes(&v->tensor) + 1, 1);
    v->constant = true;
    if (*data)
        return value;
    fail(m);
    return GRAPH_NONE;
}

uint32_t match_add_floats(struct match *m, const char *name, int rank, const int64_t *dims, float **data) {
    void *bytes = NULL;
    uint32_t value = add_constant(m, name, SL_FLOAT, rank, dims, &bytes);
    *data = bytes;
    return value;
}

uint32_t match_add_ints(struct match *m, const char *name, size_t count, const int64_t *values) {
    void *bytes = NULL;
    int64_t dims[] = {(int64_t)count};
    uint32_t value = add_constant(m, name, SL_INT64, 1, dims, &bytes);
    if (value != GRAPH_NONE && count)
        memcpy(bytes, values, count * sizeof *values);
    return value;
}

/* The node reads its inputs no more; makers that nobody else needs go. A pattern is as deep as this gets:
 * what lies behind it is read by the node that took its place. */
static void release(struct match *m, const uint32_t *in, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (in[i] == GRAPH_NONE || --m->uses[in[i]] > 0 || m->makers[in[i]] == GRAPH_NONE)
            continue;
        struct work_node *maker = &m->w->nodes[m->makers[in[i]]];
        bool needed = maker->dead;
        for (size_t k = 0; k < maker->out_count; k++)
            needed = needed || (maker->out[k] != GRAPH_NONE && m->uses[maker->out[k]] > 0);
        if (needed)
            continue;
        maker->dead = true;
        release(m, maker->in, maker->in_count);
    }
}

bool match_rewrite(struct match *m, struct work_node *node, const char *domain, const char *op, int64_t opset,
                   const uint32_t *in, size_t in_count) {
    uint32_t *list = arena_alloc(m->w->arena, in_count, sizeof *list), *old = node->in;
    size_t old_count = node->in_count;
    const struct op *found = op_find(domain, op, opset);
    if (!list || !found)
        return fail(m);
    for (size_t i = 0; i < in_count; i++) {
        list[i] = in[i];
        if (in[i] == GRAPH_NONE)
            continue;
        m->uses[in[i]]++;
        m->readers[in[i]] = (uint32_t)(node - m->w->nodes);
    }
    node->op = found;
    node->opset = opset;
    node->in = list;
    node->in_count = in_count;
    release(m, old, old_count);
    return true;
}

bool match_add_node(struct match *m, const char *op, int64_t opset, const char *name, const uint32_t *in,
                    size_t in_count, uint32_t out) {
    struct work_node *node = work_add_node(m->w, op_find("", op, opset), name, in_count, 1);
    if (!node)
        return fail(m);
    uint32_t at = (uint32_t)(m->w->node_count - 1);
    node->opset = opset;
    node->out[0] = out;
    m->makers[out] = at;
    for (size_t i = 0; i < in_count; i++) {
        node->in[i] = in[i];
        if (in[i] == GRAPH_NONE)
            continue;
        m->uses[in[i]]++;
        m->readers[in[i]] = at;
    }
    return true;
}

bool match_set_attrs(struct match *m, struct work_node *node, const struct work_node *from,
                     const struct attr *more, size_t more_count) {
    size_t count = from ? from->attr_count : 0;
    struct attr *attrs = arena_alloc(m->w->arena, count + more_count, sizeof *attrs);
    if (!attrs)
        return fail(m);
    if (count)
        memcpy(attrs, from->attrs, count * sizeof *attrs);
    if (more_count)
        memcpy(attrs + count, more, more_count * sizeof *attrs);
    node->attrs = attrs;
    node->attr_count = count + more_count;
    return true;
}

struct attr match_int(const char *name, int64_t x) {
    return (struct attr){.name = name, .type = ATTR_INT, .i = x};
}

struct attr match_float(const char *name, float x) {
    return (struct attr){.name = name, .type = ATTR_FLOAT, .f = x};
}

struct attr match_text(const char *name, const char *text) {
    return (struct attr){.name = name, .type = ATTR_STRING, .s = {.data = text, .nbytes = strlen(text)}};
}

void match_bypass(struct match *m, struct work_node *node, uint32_t instead) {
    struct work *w = m->w;
    uint32_t value = node->out[0];
    for (uint32_t i = 0; i < w->node_count && m->uses[value]; i++)
        for (size_t k = 0; !w->nodes[i].dead && k < w->nodes[i].in_count; k++)
            if (w->nodes[i].in[k] == value) {
                w->nodes[i].in[k] = instead;
                m->uses[value]--;
                m->uses[instead]++;
                m->readers[instead] = i;
            }
    for (size_t i = 0; i < w->graph->output_count && m->uses[value]; i++)
        if (w->outputs[i] == value) {
            w->outputs[i] = instead;
            m->uses[value]--;
            m->uses[instead]++;
        }
    node->dead = true;
    release(m, node->in, node->in_count);
}
