/* onnx_function.c: ModelProto.functions, inlined while the model is read: a node that calls one is replaced
 * by the function's nodes, read anew for each call with the call's values, attributes and a prefix for its
 * names. What a file can ask for by that is bounded: calls inside calls in depth, nodes in number, and the
 * bytes that are read again. A function goes before an operator of ours with its name: it is the model's own
 * word. */
#include <string.h>

#include "graph/onnx_import.h"
#include "support/buf.h"
#include "support/text.h"

/* Field numbers of FunctionProto. */
enum {
    FN_NAME = 1,
    FN_INPUT = 4,
    FN_OUTPUT = 5,
    FN_ATTRIBUTE = 6,
    FN_NODE = 7,
    FN_OPSET = 9,
    FN_DOMAIN = 10,
    FN_DEFAULT = 11,
    FN_OVERLOAD = 13
};

static sl_status out_of_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for functions");
}

sl_status import_opset(struct importer *im, struct wire w, struct opset *opset, sl_error *err) {
    struct wire_field f;
    *opset = (struct opset){.domain = ""};
    while (wire_next(&w, &f)) {
        if (f.number == 1 && f.type == WIRE_BYTES && !(opset->domain = import_text(im, wire_text(&f))))
            return out_of_memory(err);
        if (f.number == 2 && f.type == WIRE_VARINT)
            opset->version = (int64_t)f.value;
    }
    if (!strcmp(opset->domain, "ai.onnx"))
        opset->domain = "";
    bool main_domain = !*opset->domain, ml = !strcmp(opset->domain, "ai.onnx.ml");
    int64_t newest = main_domain ? ONNX_OPSET : ml ? ONNX_OPSET_ML : INT64_MAX;
    if (w.bad || opset->version < 1)
        return error_set(err, SL_E_MODEL, "opset of domain '%s' is damaged", text_quote(opset->domain));
    if (opset->version > newest)
        return error_set(err, SL_E_MODEL, "it needs opset %lld of domain '%s', the newest known here is %lld",
                         (long long)opset->version, main_domain ? "ai.onnx" : opset->domain,
                         (long long)newest);
    return SL_OK;
}

/* ---- the list
 * -------------------------------------------------------------------------------------------------- */

/* "domain:name:overload", as functions are looked up. */
static sl_string make_key(struct importer *im, const char *domain, const char *name, const char *overload) {
    const char *key = arena_printf(im->arena, "%s:%s:%s", domain, name, overload);
    return (sl_string){key, key ? strlen(key) : 0};
}

static sl_status read_head(struct importer *im, struct wire w, struct import_function *fn, sl_error *err) {
    struct wire_field f;
    struct wire again = w;
    size_t opsets = 0;
    *fn = (struct import_function){.domain = "", .name = "", .overload = "", .wire = w};
    while (wire_next(&w, &f)) {
        const char **text = f.number == FN_NAME       ? &fn->name
                            : f.number == FN_DOMAIN   ? &fn->domain
                            : f.number == FN_OVERLOAD ? &fn->overload
                                                      : NULL;
        bool is_bytes = (f.number >= FN_INPUT && f.number <= FN_NODE) || f.number == FN_OPSET ||
                        f.number == FN_DEFAULT || text;
        if (is_bytes && !wire_expect(&w, &f, WIRE_BYTES))
            break;
        opsets += f.number == FN_OPSET;
        if (text && !(*text = import_text(im, wire_text(&f))))
            return out_of_memory(err);
    }
    if (w.bad || opsets > 1000)
        return error_set(err, SL_E_MODEL, "function '%s' is damaged", text_quote(fn->name));
    if (!strcmp(fn->domain, "ai.onnx"))
        fn->domain = "";
    fn->opsets = arena_alloc(im->arena, opsets, sizeof *fn->opsets);
    if (!fn->opsets)
        return out_of_memory(err);
    sl_status st = SL_OK;
    while (st == SL_OK && wire_next(&again, &f))
        if (f.number == FN_OPSET)
            st = import_opset(im, wire_inside(&f), &fn->opsets[fn->opset_count++], err);
    return st;
}

static sl_status add_function(struct importer *im, struct wire w, sl_error *err) {
    struct import_function *fn = &im->functions[im->function_count];
    sl_status st = read_head(im, w, fn, err);
    if (st != SL_OK)
        return st;
    sl_string key = make_key(im, fn->domain, fn->name, fn->overload);
    struct names_entry *entry = key.data ? names_get(&im->function_names, key) : NULL;
    if (!entry)
        return out_of_memory(err);
    if (entry->value != UINT32_MAX)
        return error_set(err, SL_E_MODEL, "function '%s' of domain '%s' is there twice", text_quote(fn->name),
                         text_quote(fn->domain));
    entry->value = (uint32_t)im->function_count++;
    return SL_OK;
}

sl_status import_functions(struct importer *im, struct wire w, sl_error *err) {
    struct wire_field f;
    struct wire again = w;
    size_t count = 0;
    while (wire_next(&w, &f))
        count += f.number == 25 && wire_expect(&w, &f, WIRE_BYTES);
    if (w.bad)
        return error_set(err, SL_E_MODEL, "its functions are damaged");
    if (count > ONNX_MAX_FUNCTIONS)
        return error_set(err, SL_E_MODEL, "it has %zu functions, at most %u are read", count,
                         ONNX_MAX_FUNCTIONS);
    im->functions = arena_alloc(im->arena, count, sizeof *im->functions);
    if (!im->functions)
        return out_of_memory(err);
    sl_status st = SL_OK;
    while (st == SL_OK && count && wire_next(&again, &f))
        if (f.number == 25)
            st = add_function(im, wire_inside(&f), err);
    return st;
}

const struct import_function *import_find_function(struct importer *im, const struct graph_node *node,
                                                   const char *overload) {
    if (!im->function_count)
        return NULL;
    sl_string key = make_key(im, node->domain, node->op_type, overload);
    struct names_entry *entry = key.data ? names_get(&im->function_names, key) : NULL;
    return entry && entry->value != UINT32_MAX ? &im->functions[entry->value] : NULL;
}

/* ---- attributes
 * -------------------------------------------------------------------------------------------------- */

static bool same(sl_string a, const char *b) {
    return a.nbytes == strlen(b) && !memcmp(a.data, b, a.nbytes);
}

/* The name of an AttributeProto. */
static sl_string attr_name(struct wire w) {
    struct wire_field f;
    while (wire_next(&w, &f))
        if (f.number == 1 && f.type == WIRE_BYTES)
            return wire_text(&f);
    return (sl_string){"", 0};
}

/* Whether the function has the attribute; one with a default is in *given. */
static bool declares(const struct import_function *fn, sl_string name, struct wire_field *given) {
    struct wire_field f;
    struct wire w = fn->wire;
    bool found = false;
    given->number = 0;
    while (wire_next(&w, &f)) {
        if (f.number != FN_ATTRIBUTE && f.number != FN_DEFAULT)
            continue;
        sl_string own = f.number == FN_DEFAULT ? attr_name(wire_inside(&f)) : wire_text(&f);
        if (own.nbytes != name.nbytes || memcmp(own.data, name.data, name.nbytes) != 0)
            continue;
        found = true;
        if (f.number == FN_DEFAULT)
            *given = f;
    }
    return found;
}

sl_status import_attr_of_call(struct importer *im, sl_string name, struct attr *attr, bool *present,
                              sl_error *err) {
    const struct import_function *fn = im->scope->function;
    struct wire_field given;
    if (!fn)
        return error_set(err, SL_E_MODEL, "attribute '%s' refers to a function's, outside a function",
                         text_quote_n(name.data, name.nbytes));
    if (!name.nbytes || !declares(fn, name, &given))
        return error_set(err, SL_E_MODEL, "attribute '%s' refers to one that function '%s' does not have",
                         text_quote_n(name.data, name.nbytes), text_quote(fn->name));
    *present = true;
    for (size_t i = 0; i < im->scope->call->attr_count; i++)
        if (same(name, im->scope->call->attrs[i].name)) {
            *attr = im->scope->call->attrs[i];
            return SL_OK;
        }
    *present = given.number != 0;
    if (!*present)
        return SL_OK;
    struct wire w = wire_inside(&given);
    for (struct wire_field f; wire_next(&w, &f);)
        if (f.number == 6 || f.number == 21) /* g, ref_attr_name */
            return error_set(err, SL_E_MODEL, "attribute '%s' of function '%s' has an impossible default",
                             text_quote_n(name.data, name.nbytes), text_quote(fn->name));
    return import_attr(im, wire_inside(&given), attr, present, err);
}

static sl_status check_attrs(const struct import_function *fn, const struct graph_node *call, sl_error *err) {
    struct wire_field given;
    for (size_t i = 0; i < call->attr_count; i++) {
        const struct attr *attr = &call->attrs[i];
        if (attr->type == ATTR_GRAPH)
            return error_set(err, SL_E_MODEL,
                             "attribute '%s' for function '%s' is a graph, which sluice does not hand on",
                             text_quote(attr->name), text_quote(fn->name));
        if (!declares(fn, (sl_string){attr->name, strlen(attr->name)}, &given))
            return error_set(err, SL_E_MODEL, "unknown attribute '%s' of function '%s'",
                             text_quote(attr->name), text_quote(fn->name));
    }
    return SL_OK;
}

/* ---- calls
 * -------------------------------------------------------------------------------------------------- */

static sl_status check_call(struct importer *im, const struct import_function *fn, sl_error *err) {
    size_t nbytes = (size_t)(fn->wire.end - fn->wire.at);
    const struct import_scope *s = im->scope;
    for (; s && s->function != fn; s = s->parent)
        continue;
    if (s)
        return error_set(err, SL_E_MODEL, "function '%s' of domain '%s' calls itself", text_quote(fn->name),
                         text_quote(fn->domain));
    if (im->depth == ONNX_MAX_DEPTH)
        return error_set(err, SL_E_MODEL, "its functions are nested deeper than %u", ONNX_MAX_DEPTH);
    im->graph->expanded_nbytes += nbytes;
    if (im->graph->expanded_nbytes > ONNX_MAX_EXPANDED + 4 * im->graph->file_nbytes)
        return error_set(err, SL_E_MODEL, "its functions are called so often that they would be too large");
    return SL_OK;
}

/* The function's names for the call's inputs and outputs. Outputs that have a name already are copies. */
static sl_status bind_names(struct importer *im, const struct import_function *fn,
                            const struct graph_node *call, sl_error *err) {
    struct wire_field f;
    size_t inputs = 0, outputs = 0;
    for (uint32_t pass = FN_INPUT; pass <= FN_OUTPUT; pass++) {
        struct wire w = fn->wire;
        while (wire_next(&w, &f)) {
            if (f.number != pass || !f.nbytes)
                continue;
            struct names_entry *entry = names_get(&im->scope->names, wire_text(&f));
            if (!entry)
                return out_of_memory(err);
            if (pass == FN_INPUT) {
                if (entry->value != UINT32_MAX)
                    return error_set(err, SL_E_MODEL, "function '%s' has an input twice",
                                     text_quote(fn->name));
                bool given = inputs < call->in_count && call->in[inputs] != GRAPH_NONE;
                entry->value = given ? call->in[inputs] : VALUE_ABSENT;
                inputs++;
            } else {
                bool wanted = outputs < call->out_count && call->out[outputs] != GRAPH_NONE;
                if (entry->value == UINT32_MAX && wanted)
                    entry->value = call->out[outputs];
                outputs++;
            }
        }
    }
    if (call->in_count > inputs || call->out_count > outputs)
        return error_set(err, SL_E_MODEL,
                         "function '%s' has %zu inputs and %zu outputs, its call %zu and %zu",
                         text_quote(fn->name), inputs, outputs, call->in_count, call->out_count);
    return SL_OK;
}

static sl_status add_copy(struct importer *im, const char *name, uint32_t from, uint32_t to, sl_error *err) {
    struct graph_node node = {.name = name, .domain = "", .op_type = "Identity", .opset = 1};
    node.in = arena_alloc(im->arena, 1, sizeof *node.in);
    node.out = arena_alloc(im->arena, 1, sizeof *node.out);
    if (!node.in || !node.out)
        return out_of_memory(err);
    node.in[0] = from;
    node.out[0] = to;
    node.in_count = node.out_count = 1;
    return import_add_node(im, &node, err);
}

/* Every output is made: by the function's nodes, or it is an input or another output. */
static sl_status finish_outputs(struct importer *im, const struct import_function *fn,
                                const struct graph_node *call, sl_error *err) {
    struct wire_field f;
    struct wire w = fn->wire;
    size_t at = 0;
    sl_status st = SL_OK;
    while (st == SL_OK && wire_next(&w, &f)) {
        uint32_t from;
        if (f.number != FN_OUTPUT)
            continue;
        uint32_t to = at < call->out_count ? call->out[at] : GRAPH_NONE;
        at += f.nbytes != 0;
        if (to == GRAPH_NONE || !f.nbytes)
            continue;
        st = import_value(im, im->scope, wire_text(&f), &from, err);
        if (st == SL_OK && from != GRAPH_NONE && from != to)
            st = add_copy(im, call->name, from, to, err);
        else if (st == SL_OK && (from == GRAPH_NONE || im->scope->into->origins[to].maker == MADE_BY_NOBODY))
            st = error_set(err, SL_E_MODEL, "function '%s' does not make its output '%s'",
                           text_quote(fn->name), text_quote_n((const char *)f.data, f.nbytes));
    }
    return st;
}

/* What the function's nodes read and nothing makes; names from `first` on are its own. */
static sl_status check_made(const struct importer *im, const struct import_function *fn, size_t first,
                            sl_error *err) {
    const struct import_graph *into = im->scope->into;
    for (size_t i = 0; i < im->scope->names.cap; i++) {
        const struct names_entry *entry = &im->scope->names.entries[i];
        if (entry->name && entry->value != VALUE_ABSENT && entry->value >= first &&
            entry->value < into->value_count && into->origins[entry->value].maker == MADE_BY_NOBODY)
            return error_set(err, SL_E_MODEL, "function '%s' reads '%s', which nothing makes",
                             text_quote(fn->name), text_quote_n(entry->name, entry->nbytes));
    }
    return SL_OK;
}

static sl_status read_nodes(struct importer *im, const struct import_function *fn, sl_error *err) {
    struct wire_field f;
    struct wire w = fn->wire;
    sl_status st = SL_OK;
    while (st == SL_OK && wire_next(&w, &f))
        if (f.number == FN_NODE)
            st = import_node(im, wire_inside(&f), err);
    return st;
}

sl_status import_call(struct importer *im, const struct import_function *fn, const struct graph_node *call,
                      sl_error *err) {
    struct import_scope *outer = im->scope;
    struct import_scope scope = {.into = outer->into,
                                 .parent = outer,
                                 .opsets = fn->opsets,
                                 .opset_count = fn->opset_count,
                                 .function = fn,
                                 .call = call,
                                 .prefix = call->name};
    size_t first = outer->into->value_count;
    sl_status st = check_call(im, fn, err);
    if (st == SL_OK)
        st = check_attrs(fn, call, err);
    if (st != SL_OK)
        return st;
    names_init(&scope.names);
    im->scope = &scope;
    im->depth++;
    st = bind_names(im, fn, call, err);
    if (st == SL_OK)
        st = read_nodes(im, fn, err);
    if (st == SL_OK)
        st = finish_outputs(im, fn, call, err);
    if (st == SL_OK)
        st = check_made(im, fn, first, err);
    im->depth--;
    im->scope = outer;
    names_clear(&scope.names);
    return st;
}
