/* onnx_graph.c: GraphProto, the model's or one inside a node (If, Loop, Scan). Names have scopes: a graph
 * inside a node may read what the graphs around it make, whenever they make it. Such values become inputs of
 * the inner graph and of its node, so that nobody else needs to know of scopes. */
#include <string.h>

#include "graph/onnx_import.h"
#include "support/mem.h"
#include "support/text.h"

static sl_status out_of_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for the graph");
}

char *import_text(struct importer *im, sl_string text) {
    return arena_strndup(im->arena, text.data, text.nbytes);
}

static bool grow_values(struct import_graph *into) {
    size_t cap = into->value_cap ? into->value_cap * 2 : 16;
    struct graph_value *values = mem_grow(into->values, cap, sizeof *values);
    if (values)
        into->values = values;
    struct import_origin *origins = values ? mem_grow(into->origins, cap, sizeof *origins) : NULL;
    if (!origins)
        return false;
    into->origins = origins;
    into->value_cap = cap;
    return true;
}

static sl_status add_value(struct importer *im, struct import_scope *scope, sl_string name, uint32_t *value,
                           sl_error *err) {
    struct import_graph *into = scope->into;
    if (im->value_count++ == ONNX_MAX_VALUES)
        return error_set(err, SL_E_MODEL, "the graph has more than %u values", ONNX_MAX_VALUES);
    char *copy = import_text(im, name);
    if (copy && scope->prefix && *scope->prefix)
        copy = arena_printf(im->arena, "%s/%s", scope->prefix, copy);
    if (!copy || (into->value_count == into->value_cap && !grow_values(into)))
        return out_of_memory(err);
    into->values[into->value_count] = (struct graph_value){.name = copy};
    into->origins[into->value_count] = (struct import_origin){MADE_BY_NOBODY, name};
    *value = (uint32_t)into->value_count++;
    return SL_OK;
}

sl_status import_value(struct importer *im, struct import_scope *scope, sl_string name, uint32_t *value,
                       sl_error *err) {
    sl_status st = SL_OK;
    *value = GRAPH_NONE;
    if (!name.nbytes)
        return SL_OK;
    struct names_entry *entry = names_get(&scope->names, name);
    if (!entry)
        return out_of_memory(err);
    if (entry->value == UINT32_MAX)
        st = add_value(im, scope, name, &entry->value, err);
    if (st == SL_OK && entry->value != VALUE_ABSENT)
        *value = entry->value;
    return st;
}

sl_status import_made(struct importer *im, uint32_t value, uint32_t maker, sl_error *err) {
    struct import_graph *into = im->scope->into;
    if (into->origins[value].maker != MADE_BY_NOBODY)
        return error_set(err, SL_E_MODEL, "value '%s' is made twice", text_quote(into->values[value].name));
    into->origins[value].maker = maker;
    return SL_OK;
}

sl_status import_add_node(struct importer *im, const struct graph_node *node, sl_error *err) {
    struct import_graph *into = im->scope->into;
    sl_status st = SL_OK;
    if (into->node_count == into->node_cap) {
        size_t cap = into->node_cap ? into->node_cap * 2 : 8;
        struct graph_node *nodes = mem_grow(into->nodes, cap, sizeof *nodes);
        if (!nodes)
            return out_of_memory(err);
        into->nodes = nodes;
        into->node_cap = cap;
    }
    for (size_t i = 0; st == SL_OK && i < node->out_count; i++)
        if (node->out[i] != GRAPH_NONE)
            st = import_made(im, node->out[i], (uint32_t)into->node_count, err);
    into->nodes[into->node_count++] = *node;
    return st;
}

/* Field numbers of GraphProto. */
enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12, SPARSE_INITIALIZER = 15 };

/* What a file can make us allocate is known before. */
static sl_status count_graph(struct importer *im, struct wire w, sl_error *err) {
    struct wire_field f;
    struct graph *g = im->scope->into->graph;
    size_t nodes = 0, inputs = 0, outputs = 0;
    while (wire_next(&w, &f)) {
        if ((f.number == NODE || f.number == INITIALIZER || f.number == INPUT || f.number == OUTPUT) &&
            !wire_expect(&w, &f, WIRE_BYTES))
            break;
        nodes += f.number == NODE;
        inputs += f.number == INPUT;
        outputs += f.number == OUTPUT;
        if (f.number == SPARSE_INITIALIZER)
            return error_set(err, SL_E_MODEL, "it has sparse initializers, which sluice does not read");
    }
    if (w.bad)
        return error_set(err, SL_E_MODEL, "its graph is damaged");
    if (nodes > ONNX_MAX_NODES)
        return error_set(err, SL_E_MODEL, "it has %zu nodes, at most %u are read", nodes, ONNX_MAX_NODES);
    g->inputs = arena_alloc(im->arena, inputs, sizeof *g->inputs);
    g->outputs = arena_alloc(im->arena, outputs, sizeof *g->outputs);
    return g->inputs && g->outputs ? SL_OK : out_of_memory(err);
}

static sl_status read_initializer(struct importer *im, struct wire w, sl_error *err) {
    sl_tensor tensor;
    sl_string name;
    uint32_t value;
    sl_status st = import_tensor(im, w, &tensor, &name, err);
    if (st == SL_OK)
        st = import_value(im, im->scope, name, &value, err);
    if (st == SL_OK && value == GRAPH_NONE)
        st = error_set(err, SL_E_MODEL, "an initializer has no name");
    if (st == SL_OK)
        st = import_made(im, value, MADE_BY_CONSTANT, err);
    if (st != SL_OK)
        return st;
    struct graph_value *to = &im->scope->into->values[value];
    to->tensor = tensor;
    to->has_shape = to->constant = true;
    return SL_OK;
}

/* Until IR 4 initializers had to be inputs too; they are constants to us. Inside a node an input has its
 * place and is always given: there it goes before a constant of its name. */
static sl_status read_input(struct importer *im, struct wire w, bool body, sl_error *err) {
    struct import_graph *into = im->scope->into;
    struct graph_value info;
    uint32_t value;
    bool is_tensor;
    sl_status st = import_value_info(im, w, &value, &info, &is_tensor, err);
    if (st != SL_OK || (into->values[value].constant && !body))
        return st;
    if (!is_tensor)
        return error_set(err, SL_E_MODEL, "input '%s' is not a tensor", text_quote(into->values[value].name));
    if (into->values[value].constant)
        into->origins[value].maker = MADE_BY_NOBODY;
    st = import_made(im, value, MADE_BY_INPUT, err);
    info.name = into->values[value].name;
    into->values[value] = info;
    into->graph->inputs[into->graph->input_count++] = value;
    return st;
}

static sl_status read_output(struct importer *im, struct wire w, bool body, sl_error *err) {
    struct import_graph *into = im->scope->into;
    struct graph_value info;
    uint32_t value;
    bool is_tensor;
    sl_status st = import_value_info(im, w, &value, &info, &is_tensor, err);
    if (st != SL_OK)
        return st;
    if (into->origins[value].maker == MADE_BY_NOBODY && !body)
        return error_set(err, SL_E_MODEL, "output '%s' is made by nothing",
                         text_quote(into->values[value].name));
    if (is_tensor && !into->values[value].has_shape) {
        info.name = into->values[value].name;
        into->values[value] = info;
    }
    into->graph->outputs[into->graph->output_count++] = value;
    return SL_OK;
}

/* Constants first, then inputs, nodes, outputs: whatever the order of the fields. */
static sl_status read_fields(struct importer *im, struct wire w, bool body, sl_error *err) {
    static const uint32_t passes[] = {INITIALIZER, INPUT, NODE, OUTPUT};
    sl_status st = count_graph(im, w, err);
    for (size_t i = 0; st == SL_OK && i < sizeof passes / sizeof *passes; i++) {
        struct wire again = w;
        struct wire_field f;
        while (st == SL_OK && wire_next(&again, &f)) {
            if (f.number != passes[i])
                continue;
            st = f.number == INITIALIZER ? read_initializer(im, wire_inside(&f), err)
                 : f.number == INPUT     ? read_input(im, wire_inside(&f), body, err)
                 : f.number == NODE      ? import_node(im, wire_inside(&f), err)
                                         : read_output(im, wire_inside(&f), body, err);
        }
    }
    return st;
}

/* What nothing here makes comes from the graph around this one: as an input behind its own. */
static sl_status take_values(struct importer *im, sl_error *err) {
    struct import_graph *into = im->scope->into;
    struct graph *g = into->graph;
    size_t own = g->input_count, count = 0;
    for (size_t i = 0; i < into->value_count; i++)
        count += into->origins[i].maker == MADE_BY_NOBODY;
    uint32_t *inputs = arena_alloc(im->arena, own + count, sizeof *inputs);
    g->taken = arena_alloc(im->arena, count, sizeof *g->taken);
    if (!inputs || !g->taken)
        return out_of_memory(err);
    if (own)
        memcpy(inputs, g->inputs, own * sizeof *inputs);
    g->inputs = inputs;
    for (size_t i = 0; count && i < into->value_count; i++) {
        if (into->origins[i].maker != MADE_BY_NOBODY)
            continue;
        uint32_t outer;
        sl_status st = import_value(im, im->scope->parent, into->origins[i].name, &outer, err);
        if (st == SL_OK && outer == GRAPH_NONE)
            st = error_set(err, SL_E_MODEL, "its graph reads '%s', which nothing makes",
                           text_quote(into->values[i].name));
        if (st != SL_OK)
            return st;
        into->origins[i].maker = MADE_BY_INPUT;
        g->inputs[g->input_count++] = (uint32_t)i;
        g->taken[g->taken_count++] = outer;
    }
    return SL_OK;
}

/* The working arrays become the graph's. */
static sl_status finish(struct importer *im, sl_error *err) {
    struct import_graph *into = im->scope->into;
    struct graph *g = into->graph;
    g->values = arena_alloc(im->arena, into->value_count, sizeof *g->values);
    g->nodes = arena_alloc(im->arena, into->node_count, sizeof *g->nodes);
    if (!g->values || !g->nodes)
        return out_of_memory(err);
    if (into->value_count)
        memcpy(g->values, into->values, into->value_count * sizeof *g->values);
    if (into->node_count)
        memcpy(g->nodes, into->nodes, into->node_count * sizeof *g->nodes);
    g->value_count = into->value_count;
    g->node_count = into->node_count;
    for (size_t i = 0; i < g->value_count; i++) {
        const sl_tensor *t = &g->values[i].tensor;
        int64_t count;
        size_t nbytes;
        if (!g->values[i].constant || !sl_shape_count(t->rank, t->dims, &count) ||
            !sl_shape_nbytes(t->dtype, t->rank, t->dims, &nbytes))
            continue;
        im->graph->parameter_count += (size_t)count;
        im->graph->weight_nbytes += nbytes;
    }
    return SL_OK;
}

sl_status import_graph(struct importer *im, struct wire w, bool body, sl_error *err) {
    sl_status st = read_fields(im, w, body, err);
    if (st == SL_OK && body)
        st = take_values(im, err);
    if (st == SL_OK && !im->scope->into->graph->output_count)
        st = error_set(err, SL_E_MODEL, "it has no outputs");
    if (st == SL_OK)
        st = import_order(im, err);
    return st == SL_OK ? finish(im, err) : st;
}

sl_status import_body(struct importer *im, struct wire w, const struct graph **body, sl_error *err) {
    struct import_scope *outer = im->scope;
    struct graph *g = arena_alloc(im->arena, 1, sizeof *g);
    struct import_graph into = {.graph = g};
    struct import_scope scope = *outer;
    if (im->depth == ONNX_MAX_DEPTH)
        return error_set(err, SL_E_MODEL, "its graphs are nested deeper than %u", ONNX_MAX_DEPTH);
    if (!g)
        return out_of_memory(err);
    scope.into = &into;
    scope.parent = outer;
    scope.sees_parent = true;
    names_init(&scope.names);
    *g = (struct graph){.path = im->graph->path,
                        .producer = im->graph->producer,
                        .producer_version = im->graph->producer_version,
                        .ir_version = im->graph->ir_version,
                        .opset = im->graph->opset,
                        .opset_ml = im->graph->opset_ml,
                        .file = im->graph->file,
                        .file_nbytes = im->graph->file_nbytes};
    *im->bodies_end = g;
    im->bodies_end = &g->next;
    im->depth++;
    im->scope = &scope;
    sl_status st = import_graph(im, w, true, err);
    im->scope = outer;
    im->depth--;
    names_clear(&scope.names);
    mem_free(into.values);
    mem_free(into.origins);
    mem_free(into.nodes);
    *body = g;
    return st;
}
