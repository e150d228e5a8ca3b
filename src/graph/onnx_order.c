/* onnx_order.c: nodes into an order in which they can run. ONNX asks for one; files that do not keep it are
 * sorted, and cycles are refused. */
#include "graph/onnx_import.h"
#include "support/mem.h"
#include "support/text.h"

static bool is_node(uint32_t maker) {
    return maker < MADE_BY_CONSTANT;
}

static sl_status check_inputs(const struct importer *im, bool *sorted, sl_error *err) {
    const struct import_graph *g = im->scope->into;
    *sorted = true;
    for (size_t i = 0; i < g->node_count; i++) {
        const struct graph_node *node = &g->nodes[i];
        for (size_t k = 0; k < node->in_count; k++) {
            if (node->in[k] == GRAPH_NONE)
                continue;
            uint32_t maker = g->origins[node->in[k]].maker;
            if (maker == MADE_BY_NOBODY)
                return error_set(err, SL_E_MODEL, "node '%s' reads '%s', which nothing makes",
                                 text_quote(node->name), text_quote(g->values[node->in[k]].name));
            *sorted = *sorted && (!is_node(maker) || maker < i);
        }
    }
    return SL_OK;
}

/* Kahn's algorithm. Edges are kept as chains: for each node the places that wait for it. */
struct sorter {
    uint32_t *waiting; /* unmade inputs of a node */
    uint32_t *first;   /* of a node: its first edge */
    uint32_t *next;    /* of an edge */
    uint32_t *reader;  /* of an edge: the node that waits */
    uint32_t *order;   /* nodes that can run, in the order found */
    struct graph_node *sorted;
};

static bool open_sorter(struct sorter *s, const struct importer *im) {
    size_t n = im->scope->into->node_count;
    s->waiting = mem_alloc(n, sizeof *s->waiting);
    s->first = mem_alloc(n, sizeof *s->first);
    s->next = mem_alloc(im->edge_count, sizeof *s->next);
    s->reader = mem_alloc(im->edge_count, sizeof *s->reader);
    s->order = mem_alloc(n, sizeof *s->order);
    s->sorted = mem_alloc(n, sizeof *s->sorted);
    return s->waiting && s->first && s->next && s->reader && s->order && s->sorted;
}

static void close_sorter(struct sorter *s) {
    mem_free(s->waiting);
    mem_free(s->first);
    mem_free(s->next);
    mem_free(s->reader);
    mem_free(s->order);
    mem_free(s->sorted);
}

static void add_edges(struct sorter *s, const struct importer *im) {
    const struct import_graph *g = im->scope->into;
    uint32_t edge = 0;
    for (size_t i = 0; i < g->node_count; i++)
        s->first[i] = GRAPH_NONE;
    for (size_t i = g->node_count; i-- > 0;) /* backwards, so that chains come out in the file's order */
        for (size_t k = 0; k < g->nodes[i].in_count; k++) {
            uint32_t maker =
                g->nodes[i].in[k] == GRAPH_NONE ? MADE_BY_INPUT : g->origins[g->nodes[i].in[k]].maker;
            if (!is_node(maker))
                continue;
            s->reader[edge] = (uint32_t)i;
            s->next[edge] = s->first[maker];
            s->first[maker] = edge++;
            s->waiting[i]++;
        }
}

static sl_status sort(struct sorter *s, const struct importer *im, sl_error *err) {
    struct import_graph *g = im->scope->into;
    size_t count = 0;
    add_edges(s, im);
    for (size_t i = 0; i < g->node_count; i++)
        if (!s->waiting[i])
            s->order[count++] = (uint32_t)i;
    for (size_t i = 0; i < count; i++)
        for (uint32_t edge = s->first[s->order[i]]; edge != GRAPH_NONE; edge = s->next[edge])
            if (--s->waiting[s->reader[edge]] == 0)
                s->order[count++] = s->reader[edge];
    for (size_t i = 0; count < g->node_count && i < g->node_count; i++)
        if (s->waiting[i])
            return error_set(err, SL_E_MODEL, "the graph has a cycle through node '%s'",
                             text_quote(g->nodes[i].name));
    for (size_t i = 0; i < count; i++)
        s->sorted[i] = g->nodes[s->order[i]];
    for (size_t i = 0; i < count; i++)
        g->nodes[i] = s->sorted[i];
    return SL_OK;
}

sl_status import_order(struct importer *im, sl_error *err) {
    struct sorter s = {0};
    bool sorted;
    sl_status st = check_inputs(im, &sorted, err);
    if (st != SL_OK || sorted)
        return st;
    st = open_sorter(&s, im) ? sort(&s, im, err) : error_set(err, SL_E_MEMORY, "out of memory for the graph");
    close_sorter(&s);
    return st;
}
