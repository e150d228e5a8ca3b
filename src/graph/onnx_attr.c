/* onnx_attr.c: AttributeProto. Lists are gathered into the arena; texts stay in the file. */
#include <string.h>

#include "graph/onnx_import.h"
#include "support/text.h"

enum {
    NAME = 1,
    F = 2,
    I = 3,
    S = 4,
    T = 5,
    G = 6,
    FLOATS = 7,
    INTS = 8,
    STRINGS = 9,
    GRAPHS = 11,
    TYPE = 20,
    REF = 21
};
#define ATTR_GRAPHS 10 /* AttributeProto.GRAPHS */

/* What one pass over the fields finds. */
struct found {
    sl_string name, ref;
    enum attr_type type; /* as said, or as the fields that are set suggest */
    bool typed, has_tensor, has_graph;
    size_t floats, ints, strings;
    struct wire tensor, graph;
};

static void suggest(struct found *found, enum attr_type type) {
    if (!found->typed)
        found->type = type;
}

static void look_at(struct found *found, struct attr *attr, struct wire *w, const struct wire_field *f) {
    size_t count;
    if (f->number == NAME && wire_expect(w, f, WIRE_BYTES)) {
        found->name = wire_text(f);
    } else if (f->number == TYPE && wire_expect(w, f, WIRE_VARINT)) {
        found->type = (enum attr_type)(f->value < 64 ? f->value : 0);
        found->typed = true;
    } else if (f->number == F && wire_expect(w, f, WIRE_FIXED32)) {
        uint32_t bits = (uint32_t)f->value;
        memcpy(&attr->f, &bits, sizeof attr->f);
        suggest(found, ATTR_FLOAT);
    } else if (f->number == I && wire_expect(w, f, WIRE_VARINT)) {
        attr->i = (int64_t)f->value;
        suggest(found, ATTR_INT);
    } else if (f->number == S && wire_expect(w, f, WIRE_BYTES)) {
        attr->s = wire_text(f);
        suggest(found, ATTR_STRING);
    } else if (f->number == T && wire_expect(w, f, WIRE_BYTES)) {
        found->tensor = wire_inside(f);
        found->has_tensor = true;
        suggest(found, ATTR_TENSOR);
    } else if (f->number == REF && wire_expect(w, f, WIRE_BYTES)) {
        found->ref = wire_text(f);
    } else if (f->number == GRAPHS) {
        suggest(found, (enum attr_type)ATTR_GRAPHS);
    } else if (f->number == G && wire_expect(w, f, WIRE_BYTES)) {
        found->graph = wire_inside(f);
        found->has_graph = true;
        suggest(found, ATTR_GRAPH);
    } else if (f->number == FLOATS && wire_count(w, f, 4, &count)) {
        found->floats += count;
        suggest(found, ATTR_FLOATS);
    } else if (f->number == INTS && wire_count(w, f, 0, &count)) {
        found->ints += count;
        suggest(found, ATTR_INTS);
    } else if (f->number == STRINGS && wire_expect(w, f, WIRE_BYTES)) {
        found->strings++;
        suggest(found, ATTR_STRINGS);
    }
}

static void fill_floats(struct wire w, float *out) {
    struct wire_field f;
    while (wire_next(&w, &f)) {
        if (f.number != FLOATS)
            continue;
        uint32_t bits = (uint32_t)f.value;
        size_t nbytes = f.type == WIRE_BYTES ? f.nbytes : sizeof bits;
        if (nbytes)
            memcpy(out, f.type == WIRE_BYTES ? (const void *)f.data : &bits, nbytes);
        out += nbytes / sizeof *out;
    }
}

static void fill_ints(struct wire w, int64_t *out) {
    struct wire_field f;
    while (wire_next(&w, &f)) {
        if (f.number != INTS)
            continue;
        if (f.type == WIRE_VARINT) {
            *out++ = (int64_t)f.value;
            continue;
        }
        struct wire packed = wire_inside(&f);
        for (uint64_t value; packed.at < packed.end && wire_varint(&packed, &value);)
            *out++ = (int64_t)value;
    }
}

static void fill_strings(struct wire w, sl_string *out) {
    struct wire_field f;
    while (wire_next(&w, &f))
        if (f.number == STRINGS)
            *out++ = wire_text(&f);
}

/* Room for the list of the attribute's type, and the list in it. */
static sl_status fill_list(struct importer *im, struct wire w, const struct found *found, struct attr *attr,
                           sl_error *err) {
    void *list = NULL;
    if (attr->type == ATTR_FLOATS) {
        attr->count = found->floats;
        attr->floats = list = arena_alloc(im->arena, found->floats, sizeof(float));
        if (list)
            fill_floats(w, list);
    } else if (attr->type == ATTR_INTS) {
        attr->count = found->ints;
        attr->ints = list = arena_alloc(im->arena, found->ints, sizeof(int64_t));
        if (list)
            fill_ints(w, list);
    } else {
        attr->count = found->strings;
        attr->strings = list = arena_alloc(im->arena, found->strings, sizeof(sl_string));
        if (list)
            fill_strings(w, list);
    }
    return list ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for attributes");
}

/* What the call of the function around it gives, under the name it has here. */
static sl_status refer(struct importer *im, const struct found *found, struct attr *attr, bool *present,
                       sl_error *err) {
    const char *name = import_text(im, found->name);
    if (!name)
        return error_set(err, SL_E_MEMORY, "out of memory for attributes");
    sl_status st = import_attr_of_call(im, found->ref, attr, present, err);
    if (st == SL_OK && *present && found->typed && attr->type != found->type)
        return error_set(err, SL_E_MODEL, "attribute '%s' is not of the type that its function wants",
                         text_quote(attr->name));
    attr->name = name;
    return st;
}

static sl_status read_tensor(struct importer *im, const struct found *found, struct attr *attr,
                             sl_error *err) {
    sl_string name;
    sl_tensor *tensor = arena_alloc(im->arena, 1, sizeof *tensor);
    if (!tensor)
        return error_set(err, SL_E_MEMORY, "out of memory for attributes");
    if (!found->has_tensor)
        return error_set(err, SL_E_MODEL, "attribute '%s' has no tensor", text_quote(attr->name));
    attr->tensor = tensor;
    return import_tensor(im, found->tensor, tensor, &name, err);
}

static sl_status read_body(struct importer *im, const struct found *found, struct attr *attr, sl_error *err) {
    const struct graph *body = NULL;
    if (!found->has_graph)
        return error_set(err, SL_E_MODEL, "attribute '%s' has no graph", text_quote(attr->name));
    sl_status st = import_body(im, found->graph, &body, err);
    attr->graph = body;
    attr->count = body ? body->taken_count : 0;
    return st;
}

sl_status import_attr(struct importer *im, struct wire w, struct attr *attr, bool *present, sl_error *err) {
    struct found found = {0};
    struct wire again = w;
    struct wire_field f;
    *attr = (struct attr){0};
    *present = true;
    while (wire_next(&w, &f))
        look_at(&found, attr, &w, &f);
    if (w.bad || !found.name.nbytes)
        return error_set(err, SL_E_MODEL, "an attribute is damaged");
    if (found.ref.nbytes)
        return refer(im, &found, attr, present, err);
    attr->type = found.type;
    attr->name = import_text(im, found.name);
    if (!attr->name)
        return error_set(err, SL_E_MEMORY, "out of memory for attributes");
    if (attr->type == ATTR_TENSOR)
        return read_tensor(im, &found, attr, err);
    if (attr->type == ATTR_GRAPH)
        return read_body(im, &found, attr, err);
    if ((int)attr->type == ATTR_GRAPHS)
        return error_set(err, SL_E_MODEL, "attribute '%s' is a list of graphs, which sluice does not read",
                         text_quote(attr->name));
    if (attr->type == ATTR_FLOATS || attr->type == ATTR_INTS || attr->type == ATTR_STRINGS)
        return fill_list(im, again, &found, attr, err);
    return SL_OK;
}
