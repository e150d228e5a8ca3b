/* common.c: common subexpressions. Two nodes compute the same when operator, opset, attributes and inputs are
 * the same; nothing here is random. */
#include <string.h>

#include "graph/passes/passes.h"
#include "ops/rules.h"
#include "support/mem.h"

static bool same_text(sl_string a, sl_string b) {
    return a.nbytes == b.nbytes && (!a.nbytes || !memcmp(a.data, b.data, a.nbytes));
}

static bool same_attr(const struct attr *a, const struct attr *b) {
    if (strcmp(a->name, b->name) != 0 || a->type != b->type || a->count != b->count)
        return false;
    switch ((int)a->type) {
    case ATTR_FLOAT:
        return !memcmp(&a->f, &b->f, sizeof a->f);
    case ATTR_INT:
        return a->i == b->i;
    case ATTR_STRING:
        return same_text(a->s, b->s);
    case ATTR_FLOATS:
        return !a->count || !memcmp(a->floats, b->floats, a->count * sizeof *a->floats);
    case ATTR_INTS:
        return !a->count || !memcmp(a->ints, b->ints, a->count * sizeof *a->ints);
    case ATTR_STRINGS:
        for (size_t i = 0; i < a->count; i++)
            if (!same_text(a->strings[i], b->strings[i]))
                return false;
        return true;
    default:
        return a == b;
    }
}

static bool same_node(const struct work_node *a, const struct work_node *b) {
    if (a->op != b->op || a->opset != b->opset || a->attr_count != b->attr_count ||
        a->in_count != b->in_count || a->out_count != b->out_count)
        return false;
    if (a->in_count && memcmp(a->in, b->in, a->in_count * sizeof *a->in) != 0)
        return false;
    for (size_t i = 0; i < a->attr_count; i++)
        if (!same_attr(&a->attrs[i], &b->attrs[i]))
            return false;
    for (size_t i = 0; i < a->out_count; i++) /* one that the other leaves out cannot stand in for it */
        if (a->out[i] == GRAPH_NONE && b->out[i] != GRAPH_NONE)
            return false;
    return true;
}

static size_t hash_node(const struct work_node *node) {
    uint64_t h = (uint64_t)(uintptr_t)node->op;
    for (size_t i = 0; i < node->in_count; i++)
        h = (h ^ node->in[i]) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 29);
}

/* Chains of nodes by hash; `cap` is a power of two. Long chains of different nodes with the same inputs are
 * looked at only so far. */
#define MOST_LOOKS 64

struct table {
    uint32_t *first, *next;
    size_t cap;
};

static struct work_node *find_same(struct work *w, struct table *t, uint32_t at) {
    size_t slot = hash_node(&w->nodes[at]) & (t->cap - 1);
    int looks = 0;
    for (uint32_t i = t->first[slot]; i != GRAPH_NONE && looks < MOST_LOOKS; i = t->next[i], looks++)
        if (same_node(&w->nodes[i], &w->nodes[at]))
            return &w->nodes[i];
    t->next[at] = t->first[slot];
    t->first[slot] = at;
    return NULL;
}

/* Small constants with the same content are one: exporters write a number anew wherever it is used. */
#define MOST_BYTES 64
#define MOST_KINDS 256

static bool same_constant(const sl_tensor *a, const sl_tensor *b, size_t nbytes) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           (!a->rank || !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims)) &&
           (!nbytes || !memcmp(a->data, b->data, nbytes));
}

static void join_constants(const struct work *w, uint32_t *instead) {
    uint32_t kinds[MOST_KINDS];
    size_t count = 0, k;
    for (uint32_t i = 0; i < w->value_count; i++) {
        const sl_tensor *t = &w->values[i].tensor;
        size_t nbytes = w->values[i].constant ? rule_nbytes(t) : SIZE_MAX;
        if (nbytes > MOST_BYTES || t->dtype == SL_STRING)
            continue;
        for (k = 0; k < count && !same_constant(&w->values[kinds[k]].tensor, t, nbytes); k++)
            continue;
        if (k == count && count < MOST_KINDS)
            kinds[count++] = i;
        else if (k < count)
            instead[i] = kinds[k];
    }
}

static void replace(struct work *w, struct table *t, uint32_t *instead) {
    for (size_t i = 0; i < w->value_count; i++)
        instead[i] = (uint32_t)i;
    join_constants(w, instead);
    for (size_t i = 0; i < t->cap; i++)
        t->first[i] = GRAPH_NONE;
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct work_node *node = &w->nodes[i];
        if (node->dead)
            continue;
        for (size_t k = 0; k < node->in_count; k++)
            if (node->in[k] != GRAPH_NONE)
                node->in[k] = instead[node->in[k]];
        const struct work_node *same = find_same(w, t, i);
        if (!same)
            continue;
        for (size_t k = 0; k < node->out_count; k++)
            if (node->out[k] != GRAPH_NONE)
                instead[node->out[k]] = same->out[k];
        node->dead = true;
    }
    for (size_t i = 0; i < w->graph->output_count; i++)
        if (!w->values[w->outputs[i]].constant)
            w->outputs[i] = instead[w->outputs[i]];
}

sl_status pass_common(struct work *w, sl_error *err) {
    struct table t = {.cap = 64};
    while (t.cap < w->node_count * 2)
        t.cap *= 2;
    t.first = mem_alloc(t.cap, sizeof *t.first);
    t.next = mem_alloc(w->node_count, sizeof *t.next);
    uint32_t *instead = mem_alloc(w->value_count, sizeof *instead);
    sl_status st = t.first && t.next && instead ? SL_OK : work_out_of_memory(err);
    if (st == SL_OK)
        replace(w, &t, instead);
    mem_free(t.first);
    mem_free(t.next);
    mem_free(instead);
    return st;
}
