/* identity.c: nodes whose result is their input, with the same shape and dtype: Identity, Dropout outside
 * training, a Cast to the same dtype, a Reshape, Transpose, Slice, Pad or Expand that changes nothing, a
 * Concat or Sum of one. Their readers read the input instead. */
#include <string.h>

#include "graph/passes/passes.h"
#include "ops/rules.h"
#include "support/mem.h"

/* Operators that keep the elements in place whenever the shape stays, with one input that is not constant. */
static bool keeps_elements(const char *name) {
    static const char *const names[] = {"Cast", "CastLike", "Expand", "Tile", "Slice", NULL};
    for (size_t i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* Operators over any number of inputs that do nothing to a single one. */
static bool joins_inputs(const char *name) {
    static const char *const names[] = {"Concat", "Sum", "Max", "Min", "Mean", NULL};
    for (size_t i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static bool is_transpose_of_nothing(const struct op_call *call, const char *name) {
    const struct attr *perm = op_attr(call, "perm");
    if (strcmp(name, "Transpose") != 0 || !perm || perm->type != ATTR_INTS)
        return false;
    for (size_t i = 0; i < perm->count; i++)
        if (perm->ints[i] != (int64_t)i)
            return false;
    return true;
}

/* A slice of every element may still turn them round: its steps must not be negative. */
static bool slices_forward(const struct op_call *call) {
    const sl_tensor *steps = op_has_in(call, 4) ? call->in[4] : NULL;
    for (int64_t i = 0; steps && i < rule_count(steps); i++)
        if (!steps->data || (steps->dtype == SL_INT32 ? ((const int32_t *)steps->data)[i]
                                                      : ((const int64_t *)steps->data)[i]) < 0)
            return false;
    return true;
}

/* A Pad may also take off at one end what it adds at the other. */
static bool pads_nothing(const struct op_call *call) {
    int64_t pads[2 * SL_MAX_RANK];
    int count;
    bool input = op_has_in(call, 1);
    if (rule_ints(call, input ? 1 : SIZE_MAX, input ? NULL : "pads", pads, 2 * SL_MAX_RANK, &count, NULL) !=
            SL_OK ||
        count < 0)
        return false;
    for (int i = 0; i < count; i++)
        if (pads[i])
            return false;
    return true;
}

static bool same_shape(const sl_tensor *a, const sl_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           (!a->rank || !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims));
}

static bool does_nothing(struct work *w, const struct work_node *node) {
    struct op_call call = work_call(w, node);
    const char *name = node->op->name;
    if (!op_has_in(&call, 0) || !op_has_out(&call, 0) || !same_shape(call.in[0], call.out[0]))
        return false;
    for (size_t i = 1; i < node->out_count; i++)
        if (call.out[i])
            return false;
    if (node->op->view)
        return true;
    if (*node->op->domain)
        return false;
    if (!strcmp(name, "Slice"))
        return slices_forward(&call);
    if (!strcmp(name, "Pad"))
        return pads_nothing(&call);
    return keeps_elements(name) || (joins_inputs(name) && node->in_count == 1) ||
           is_transpose_of_nothing(&call, name);
}

sl_status pass_identity(struct work *w, sl_error *err) {
    uint32_t *instead = mem_alloc(w->value_count, sizeof *instead); /* what to read for each value */
    if (!instead)
        return work_out_of_memory(err);
    for (size_t i = 0; i < w->value_count; i++)
        instead[i] = (uint32_t)i;
    for (size_t i = 0; i < w->node_count; i++) {
        struct work_node *node = &w->nodes[i];
        if (node->dead)
            continue;
        for (size_t k = 0; k < node->in_count; k++)
            if (node->in[k] != GRAPH_NONE)
                node->in[k] = instead[node->in[k]];
        if (does_nothing(w, node)) {
            instead[node->out[0]] = node->in[0];
            node->dead = true;
        }
    }
    for (size_t i = 0; i < w->graph->output_count; i++)
        w->outputs[i] = instead[w->outputs[i]];
    mem_free(instead);
    return SL_OK;
}
