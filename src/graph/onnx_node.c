/* onnx_node.c: NodeProto and ValueInfoProto. A Constant becomes a constant value at once, so that its tensor
 * is never copied; a node that calls a function of the model becomes the function's nodes. */
#include <string.h>

#include "graph/onnx_import.h"
#include "support/text.h"

static sl_status out_of_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for the graph");
}

static sl_status too_many(sl_error *err) {
    return error_set(err, SL_E_MODEL, "the graph has more than %u inputs of nodes or %u attributes",
                     ONNX_MAX_EDGES, ONNX_MAX_ATTRS);
}

/* Counts first, so that each list is allocated once at its size. */
struct counts {
    size_t in, out, attrs;
};

static bool count_parts(struct wire w, struct counts *counts) {
    struct wire_field f;
    *counts = (struct counts){0};
    while (wire_next(&w, &f)) {
        counts->in += f.number == 1;
        counts->out += f.number == 2;
        counts->attrs += f.number == 5;
        if (f.number <= 7 && f.type != WIRE_BYTES)
            return false;
    }
    return !w.bad;
}

static sl_status allocate(struct importer *im, const struct counts *counts, struct graph_node *node,
                          struct attr **attrs, sl_error *err) {
    im->edge_count += counts->in + counts->out;
    im->attr_count += counts->attrs;
    if (im->edge_count > ONNX_MAX_EDGES || im->attr_count > ONNX_MAX_ATTRS)
        return too_many(err);
    node->in = arena_alloc(im->arena, counts->in, sizeof *node->in);
    node->out = arena_alloc(im->arena, counts->out, sizeof *node->out);
    *attrs = arena_alloc(im->arena, counts->attrs, sizeof **attrs);
    return node->in && node->out && *attrs ? SL_OK : out_of_memory(err);
}

/* The node's name, or its output's; in a function's call with the call's in front. */
static sl_status name_node(struct importer *im, struct graph_node *node, sl_error *err) {
    const char *prefix = im->scope->prefix;
    if (*node->name && prefix && *prefix)
        node->name = arena_printf(im->arena, "%s/%s", prefix, node->name);
    for (size_t i = 0; node->name && !*node->name && i < node->out_count; i++)
        if (node->out[i] != GRAPH_NONE)
            node->name = im->scope->into->values[node->out[i]].name;
    return node->name ? SL_OK : out_of_memory(err);
}

static sl_status read_fields(struct importer *im, struct wire w, struct graph_node *node, struct attr *attrs,
                             const char **overload, sl_error *err) {
    struct wire_field f;
    struct wire again = w;
    sl_status st = SL_OK;
    bool present;
    node->name = node->domain = node->op_type = *overload = "";
    node->attrs = attrs;
    while (st == SL_OK && wire_next(&w, &f)) {
        const char **text = f.number == 3   ? &node->name
                            : f.number == 4 ? &node->op_type
                            : f.number == 7 ? &node->domain
                            : f.number == 8 ? overload
                                            : NULL;
        if (f.number == 1)
            st = import_value(im, im->scope, wire_text(&f), &node->in[node->in_count++], err);
        else if (f.number == 2)
            st = import_value(im, im->scope, wire_text(&f), &node->out[node->out_count++], err);
        else if (text && f.type == WIRE_BYTES)
            st = (*text = import_text(im, wire_text(&f))) ? SL_OK : out_of_memory(err);
    }
    if (st == SL_OK)
        st = name_node(im, node, err);
    /* attributes last: what graphs among them read comes behind the node's own inputs */
    while (st == SL_OK && wire_next(&again, &f)) {
        if (f.number != 5)
            continue;
        st = import_attr(im, wire_inside(&f), &attrs[node->attr_count], &present, err);
        node->attr_count += st == SL_OK && present;
    }
    return st;
}

/* What the node's graphs read of the graph around it, behind its own inputs. */
static sl_status take_inputs(struct importer *im, struct graph_node *node, struct attr *attrs,
                             sl_error *err) {
    size_t count = node->in_count;
    bool any = false;
    for (size_t i = 0; i < node->attr_count; i++)
        if (attrs[i].type == ATTR_GRAPH) {
            any = true;
            count += attrs[i].count;
        }
    if (!any)
        return SL_OK;
    im->edge_count += count - node->in_count;
    if (im->edge_count > ONNX_MAX_EDGES)
        return too_many(err);
    uint32_t *in = arena_alloc(im->arena, count, sizeof *in);
    if (!in)
        return out_of_memory(err);
    if (node->in_count)
        memcpy(in, node->in, node->in_count * sizeof *in);
    node->in = in;
    for (size_t i = 0; i < node->attr_count; i++) {
        if (attrs[i].type != ATTR_GRAPH)
            continue;
        const struct graph *body = attrs[i].graph;
        attrs[i].i = (int64_t)node->in_count;
        if (body->taken_count)
            memcpy(in + node->in_count, body->taken, body->taken_count * sizeof *in);
        node->in_count += body->taken_count;
    }
    return SL_OK;
}

/* The tensor of a Constant's one attribute. */
static sl_status constant_tensor(struct importer *im, const struct graph_node *node, sl_tensor *t,
                                 sl_error *err) {
    const struct attr *attr = node->attrs;
    size_t n = attr->count;
    *t = (sl_tensor){.rank = 0};
    switch ((int)attr->type) {
    case ATTR_TENSOR:
        *t = *attr->tensor;
        return SL_OK;
    case ATTR_FLOAT:
    case ATTR_FLOATS:
        t->dtype = SL_FLOAT;
        break;
    case ATTR_INT:
    case ATTR_INTS:
        t->dtype = SL_INT64;
        break;
    case ATTR_STRING:
    case ATTR_STRINGS:
        t->dtype = SL_STRING;
        break;
    default:
        return error_set(err, SL_E_MODEL, "a constant is neither a dense tensor nor a number or text");
    }
    bool list = attr->type >= ATTR_FLOATS;
    const void *from = attr->type == ATTR_FLOAT    ? (const void *)&attr->f
                       : attr->type == ATTR_INT    ? (const void *)&attr->i
                       : attr->type == ATTR_STRING ? (const void *)&attr->s
                       : attr->type == ATTR_FLOATS ? (const void *)attr->floats
                       : attr->type == ATTR_INTS   ? (const void *)attr->ints
                                                   : (const void *)attr->strings;
    t->rank = list ? 1 : 0;
    t->dims[0] = list ? (int64_t)n : 0;
    t->data = arena_alloc(im->arena, list && !n ? 1 : list ? n : 1, sl_dtype_nbits(t->dtype) / 8);
    if (!t->data)
        return out_of_memory(err);
    if (!list || n)
        memcpy(t->data, from, (list ? n : 1) * (sl_dtype_nbits(t->dtype) / 8));
    return SL_OK;
}

static sl_status make_constant(struct importer *im, const struct graph_node *node, sl_error *err) {
    sl_tensor tensor;
    if (node->attr_count != 1 || node->out_count != 1 || node->out[0] == GRAPH_NONE)
        return error_set(err, SL_E_MODEL, "a constant has %zu attributes and %zu outputs, expected one each",
                         node->attr_count, node->out_count);
    sl_status st = constant_tensor(im, node, &tensor, err);
    if (st == SL_OK)
        st = import_made(im, node->out[0], MADE_BY_CONSTANT, err);
    if (st != SL_OK)
        return st;
    struct graph_value *value = &im->scope->into->values[node->out[0]];
    value->tensor = tensor;
    value->has_shape = value->constant = true;
    return SL_OK;
}

static int64_t find_in(const struct opset *opsets, size_t count, const char *domain) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(opsets[i].domain, domain))
            return opsets[i].version;
    return 0;
}

/* A function says which opsets its nodes mean; what it leaves out is as in the model. */
static int64_t find_opset(const struct importer *im, const char *domain) {
    int64_t version = find_in(im->scope->opsets, im->scope->opset_count, domain);
    return version ? version : find_in(im->opsets, im->opset_count, domain);
}

/* A node that was read becomes what it stands for. */
static sl_status place_node(struct importer *im, const struct graph_node *node, const char *overload,
                            sl_error *err) {
    const struct import_function *function = import_find_function(im, node, overload);
    if (function)
        return import_call(im, function, node, err);
    if (!*node->domain && !strcmp(node->op_type, "Constant"))
        return make_constant(im, node, err);
    return import_add_node(im, node, err);
}

sl_status import_node(struct importer *im, struct wire w, sl_error *err) {
    struct counts counts;
    struct attr *attrs = NULL;
    struct graph_node node = {0};
    const char *overload = "";
    if (im->node_count++ == ONNX_MAX_NODES)
        return error_set(err, SL_E_MODEL, "it has more than %u nodes", ONNX_MAX_NODES);
    if (!count_parts(w, &counts))
        return error_set(err, SL_E_MODEL, "node %zu is damaged", im->scope->into->node_count);
    sl_status st = allocate(im, &counts, &node, &attrs, err);
    if (st == SL_OK)
        st = read_fields(im, w, &node, attrs, &overload, err);
    if (st == SL_OK)
        st = take_inputs(im, &node, attrs, err);
    if (st == SL_OK && !strcmp(node.domain, "ai.onnx"))
        node.domain = "";
    if (st == SL_OK) {
        node.opset = find_opset(im, node.domain);
        st = place_node(im, &node, overload, err);
    }
    if (st != SL_OK && !im->placed && node.op_type && *node.op_type && node.name) {
        error_append(err, " (node '%s', operator '%s')", text_quote(node.name), text_quote(node.op_type));
        im->placed = true;
    }
    return st;
}

/* TensorShapeProto: unknown dims are -1, with their symbol where there is one. */
static sl_status read_shape(struct importer *im, struct wire w, struct graph_value *info, sl_error *err) {
    struct wire_field f, d;
    while (wire_next(&w, &f)) {
        if (f.number != 1 || !wire_expect(&w, &f, WIRE_BYTES))
            continue;
        if (info->tensor.rank == SL_MAX_RANK)
            return error_set(err, SL_E_MODEL, "it has more than %d dims", SL_MAX_RANK);
        int at = info->tensor.rank++;
        info->tensor.dims[at] = -1;
        struct wire dim = wire_inside(&f);
        while (wire_next(&dim, &d)) {
            if (d.number == 1 && d.type == WIRE_VARINT)
                info->tensor.dims[at] = (int64_t)d.value;
            else if (d.number == 2 && d.type == WIRE_BYTES && d.nbytes &&
                     !(info->dim_names[at] = import_text(im, wire_text(&d))))
                return out_of_memory(err);
        }
        if (dim.bad || info->tensor.dims[at] < -1)
            return error_set(err, SL_E_MODEL, "dim %d is impossible", at);
    }
    return w.bad ? error_set(err, SL_E_MODEL, "its shape is damaged") : SL_OK;
}

/* TypeProto */
static sl_status read_type(struct importer *im, struct wire w, struct graph_value *info, bool *is_tensor,
                           sl_error *err) {
    struct wire_field f, t;
    sl_status st = SL_OK;
    while (st == SL_OK && wire_next(&w, &f)) {
        if (f.number == 4 || f.number == 5 || f.number == 8 || f.number == 9)
            *is_tensor = false; /* sequence, map, sparse tensor, optional */
        if (f.number != 1 || !wire_expect(&w, &f, WIRE_BYTES))
            continue;
        struct wire tensor = wire_inside(&f);
        while (st == SL_OK && wire_next(&tensor, &t)) {
            if (t.number == 1 && t.type == WIRE_VARINT) {
                info->tensor.dtype = t.value < SL_DTYPE_END ? (sl_dtype)t.value : SL_UNDEFINED;
            } else if (t.number == 2 && t.type == WIRE_BYTES) {
                info->has_shape = true;
                st = read_shape(im, wire_inside(&t), info, err);
            }
        }
        w.bad = w.bad || tensor.bad;
    }
    return st == SL_OK && w.bad ? error_set(err, SL_E_MODEL, "its type is damaged") : st;
}

sl_status import_value_info(struct importer *im, struct wire w, uint32_t *value, struct graph_value *info,
                            bool *is_tensor, sl_error *err) {
    struct wire_field f;
    struct wire again = w;
    sl_status st = SL_OK;
    *info = (struct graph_value){0};
    *value = GRAPH_NONE;
    *is_tensor = true;
    while (st == SL_OK && wire_next(&w, &f))
        if (f.number == 1 && wire_expect(&w, &f, WIRE_BYTES))
            st = import_value(im, im->scope, wire_text(&f), value, err);
    if (st == SL_OK && (w.bad || *value == GRAPH_NONE))
        st = error_set(err, SL_E_MODEL, "an input or output is damaged or has no name");
    while (st == SL_OK && wire_next(&again, &f))
        if (f.number == 2 && wire_expect(&again, &f, WIRE_BYTES))
            st = read_type(im, wire_inside(&f), info, is_tensor, err);
    if (st == SL_OK && again.bad)
        st = error_set(err, SL_E_MODEL, "its type is damaged");
    if (st != SL_OK && *value != GRAPH_NONE)
        error_append(err, " (input or output '%s')", text_quote(im->scope->into->values[*value].name));
    info->has_shape = info->has_shape && sl_dtype_nbits(info->tensor.dtype) != 0;
    return st;
}
