/* dead_code.c: from the outputs backwards, what is needed stays. */
#include "graph/passes/passes.h"
#include "support/mem.h"

static bool is_needed(const struct work *w, const struct work_node *node, const bool *needed) {
    for (size_t i = 0; i < node->out_count; i++)
        if (node->out[i] != GRAPH_NONE && needed[node->out[i]] && !w->values[node->out[i]].constant)
            return true;
    return false;
}

sl_status pass_dead_code(struct work *w, sl_error *err) {
    bool *needed = mem_alloc(w->value_count, sizeof *needed);
    if (!needed)
        return work_out_of_memory(err);
    for (size_t i = 0; i < w->graph->output_count; i++)
        needed[w->outputs[i]] = true;
    for (size_t i = w->node_count; i-- > 0;) {
        struct work_node *node = &w->nodes[i];
        node->dead = node->dead || !is_needed(w, node, needed);
        if (node->dead)
            continue;
        for (size_t k = 0; k < node->in_count; k++)
            if (node->in[k] != GRAPH_NONE)
                needed[node->in[k]] = true;
        for (size_t k = (size_t)node->op->min_out; k < node->out_count; k++) /* those may be left out */
            if (node->out[k] != GRAPH_NONE && !needed[node->out[k]])
                node->out[k] = GRAPH_NONE;
    }
    mem_free(needed);
    return SL_OK;
}
