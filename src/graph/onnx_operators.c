/* onnx_operators.c: which operator each node means. All that cannot run are told at once, one line an
 * operator, so that nobody has to ask again and again. */
#include <string.h>

#include "graph/onnx_import.h"
#include "support/mem.h"
#include "support/text.h"

/* Whether `word` is one of the names in `list`, which are separated by spaces. */
static bool is_listed(const char *list, const char *word) {
    size_t nbytes = strlen(word);
    while (list && *list) {
        size_t end = strcspn(list, " ");
        if (end == nbytes && !memcmp(list, word, nbytes))
            return true;
        list += end + (list[end] == ' ');
    }
    return false;
}

/* A node's own inputs: behind them stand those of its graphs. */
static size_t count_inputs(const struct graph_node *node) {
    size_t count = node->in_count;
    for (size_t i = 0; i < node->attr_count; i++)
        if (node->attrs[i].type == ATTR_GRAPH)
            count -= node->attrs[i].count;
    return count;
}

static sl_status check_node(const struct graph_node *node, sl_error *err) {
    const struct op *op = node->op;
    const char *name = text_quote(node->name);
    size_t in_count = count_inputs(node);
    for (size_t i = 0; i < node->attr_count; i++)
        if (!is_listed(op->attrs, node->attrs[i].name))
            return error_set(err, SL_E_MODEL, "unknown attribute '%s' of operator '%s' (node '%s')",
                             text_quote(node->attrs[i].name), op->name, name);
    if (in_count < (size_t)op->min_in || (op->max_in >= 0 && in_count > (size_t)op->max_in))
        return error_set(err, SL_E_MODEL, "operator '%s' has %zu inputs (node '%s')", op->name, in_count,
                         name);
    if (node->out_count < (size_t)op->min_out || (op->max_out >= 0 && node->out_count > (size_t)op->max_out))
        return error_set(err, SL_E_MODEL, "operator '%s' has %zu outputs (node '%s')", op->name,
                         node->out_count, name);
    for (size_t i = 0; i < (size_t)op->min_in || (op->max_in < 0 && !op->body_in && i < in_count); i++)
        if (node->in[i] == GRAPH_NONE)
            return error_set(err, SL_E_MODEL, "operator '%s' lacks input %zu (node '%s')", op->name, i, name);
    return SL_OK;
}

/* Operators already told. More than fit in an error's text are only counted. */
#define MAX_LINES 12

struct missing {
    const struct graph_node *shown[MAX_LINES];
    size_t count, more_nodes;
    struct buf text;
};

static bool same_operator(const struct graph_node *a, const struct graph_node *b) {
    return !strcmp(a->op_type, b->op_type) && !strcmp(a->domain, b->domain) && a->opset == b->opset;
}

/* The names of the first nodes of an operator, as 'a', 'b' and 7 more. */
static void list_nodes(struct missing *m, const struct graph_node *const *nodes, size_t total, size_t first) {
    size_t count = 0;
    for (size_t i = first; i < total; i++)
        if (same_operator(nodes[i], nodes[first]) && count++ < 3)
            buf_printf(&m->text, "%s'%.60s'", count > 1 ? ", " : "", text_quote(nodes[i]->name));
    if (count > 3)
        buf_printf(&m->text, " and %zu more", count - 3);
}

static void tell(struct missing *m, const struct graph_node *const *nodes, size_t total, size_t at) {
    const struct graph_node *node = nodes[at];
    for (size_t i = 0; i < m->count; i++)
        if (same_operator(m->shown[i], node))
            return;
    if (m->count == MAX_LINES) {
        m->more_nodes++;
        return;
    }
    m->shown[m->count++] = node;
    size_t same = 0;
    for (size_t i = at; same < 2 && i < total; i++)
        same += same_operator(nodes[i], node);
    buf_printf(&m->text, "\n  cannot run operator '%.60s' (%s ", text_quote(node->op_type),
               same > 1 ? "nodes" : "node");
    list_nodes(m, nodes, total, at);
    buf_printf(&m->text, ", domain '%.60s', opset %lld)",
               *node->domain ? text_quote(node->domain) : "ai.onnx", (long long)node->opset);
}

static sl_status tell_missing(const struct graph_node *const *nodes, size_t count, sl_error *err) {
    struct missing m = {.count = 0};
    buf_init(&m.text);
    for (size_t i = 0; i < count; i++)
        tell(&m, nodes, count, i);
    if (m.more_nodes)
        buf_printf(&m.text, "\n  and %zu more nodes with other operators", m.more_nodes);
    sl_status st = error_set(err, SL_E_MODEL, "%zu %s cannot run here%s", count,
                             count == 1 ? "node" : "nodes", m.text.data ? m.text.data : "");
    buf_clear(&m.text);
    return st;
}

/* The graphs of the model, one after the other: its own, then those inside nodes. */
static struct graph *next_graph(const struct importer *im, struct graph *g) {
    return g == im->graph ? im->bodies : g->next;
}

sl_status import_operators(struct importer *im, sl_error *err) {
    const struct graph_node **missing = mem_alloc(im->node_count + 1, sizeof *missing);
    size_t count = 0;
    if (!missing)
        return error_set(err, SL_E_MEMORY, "out of memory for the graph");
    for (struct graph *g = im->graph; g; g = next_graph(im, g))
        for (size_t i = 0; i < g->node_count; i++) {
            struct graph_node *node = &g->nodes[i];
            node->op = op_find(node->domain, node->op_type, node->opset);
            if (!node->op)
                missing[count++] = node;
        }
    sl_status st = count ? tell_missing(missing, count, err) : SL_OK;
    mem_free(missing);
    for (struct graph *g = im->graph; st == SL_OK && g; g = next_graph(im, g))
        for (size_t i = 0; st == SL_OK && i < g->node_count; i++)
            st = check_node(&g->nodes[i], err);
    return st;
}
