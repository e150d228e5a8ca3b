/* onnx_import.c: ModelProto and GraphProto into struct graph, and a graph's end. Two passes over the bytes:
 * the first counts, so that what a file can make us allocate is known before; the second reads. */
#include "graph/onnx_import.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "support/file.h"
#include "support/mem.h"
#include "support/text.h"

static sl_status out_of_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for the graph");
}

char *import_text(struct importer *im, sl_string text) {
    return arena_strndup(im->arena, text.data, text.nbytes);
}

static bool grow_values(struct importer *im) {
    size_t cap = im->value_cap ? im->value_cap * 2 : 64;
    struct graph_value *values = mem_grow(im->values, cap, sizeof *values);
    if (values)
        im->values = values;
    uint32_t *makers = values ? mem_grow(im->makers, cap, sizeof *makers) : NULL;
    if (!makers)
        return false;
    im->makers = makers;
    im->value_cap = cap;
    return true;
}

sl_status import_value(struct importer *im, sl_string name, uint32_t *value, sl_error *err) {
    *value = GRAPH_NONE;
    if (!name.nbytes)
        return SL_OK;
    struct names_entry *entry = names_get(&im->names, name);
    if (!entry)
        return out_of_memory(err);
    if (entry->value == UINT32_MAX) {
        if (im->value_count == ONNX_MAX_VALUES)
            return error_set(err, SL_E_MODEL, "the graph has more than %u values", ONNX_MAX_VALUES);
        char *copy = import_text(im, name);
        if (!copy || (im->value_count == im->value_cap && !grow_values(im)))
            return out_of_memory(err);
        im->values[im->value_count] = (struct graph_value){.name = copy};
        im->makers[im->value_count] = MADE_BY_NOBODY;
        entry->value = (uint32_t)im->value_count++;
    }
    *value = entry->value;
    return SL_OK;
}

sl_status import_made(struct importer *im, uint32_t value, uint32_t maker, sl_error *err) {
    if (im->makers[value] != MADE_BY_NOBODY)
        return error_set(err, SL_E_MODEL, "value '%s' is made twice", text_quote(im->values[value].name));
    im->makers[value] = maker;
    return SL_OK;
}

/* Field numbers of GraphProto. */
enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12, SPARSE_INITIALIZER = 15 };

static sl_status count_graph(struct importer *im, struct wire w, sl_error *err) {
    struct wire_field f;
    struct graph *g = im->graph;
    while (wire_next(&w, &f)) {
        if ((f.number == NODE || f.number == INITIALIZER || f.number == INPUT || f.number == OUTPUT) &&
            !wire_expect(&w, &f, WIRE_BYTES))
            break;
        g->node_count += f.number == NODE;
        g->input_count += f.number == INPUT;
        g->output_count += f.number == OUTPUT;
        if (f.number == SPARSE_INITIALIZER)
            return error_set(err, SL_E_MODEL, "it has sparse initializers, which sluice does not read");
    }
    if (w.bad)
        return error_set(err, SL_E_MODEL, "its graph is damaged");
    if (g->node_count > ONNX_MAX_NODES)
        return error_set(err, SL_E_MODEL, "it has %zu nodes, at most %u are read", g->node_count,
                         ONNX_MAX_NODES);
    g->nodes = arena_alloc(im->arena, g->node_count, sizeof *g->nodes);
    g->inputs = arena_alloc(im->arena, g->input_count, sizeof *g->inputs);
    g->outputs = arena_alloc(im->arena, g->output_count, sizeof *g->outputs);
    if (!g->nodes || !g->inputs || !g->outputs)
        return out_of_memory(err);
    g->node_count = g->input_count = g->output_count = 0;
    return SL_OK;
}

static sl_status read_initializer(struct importer *im, struct wire w, sl_error *err) {
    sl_tensor tensor;
    sl_string name;
    uint32_t value;
    sl_status st = import_tensor(im, w, &tensor, &name, err);
    if (st == SL_OK)
        st = import_value(im, name, &value, err);
    if (st == SL_OK && value == GRAPH_NONE)
        st = error_set(err, SL_E_MODEL, "an initializer has no name");
    if (st == SL_OK)
        st = import_made(im, value, MADE_BY_CONSTANT, err);
    if (st != SL_OK)
        return st;
    im->values[value].tensor = tensor;
    im->values[value].has_shape = im->values[value].constant = true;
    return SL_OK;
}

/* Until IR 4 initializers had to be inputs too; they are constants to us. */
static sl_status read_input(struct importer *im, struct wire w, sl_error *err) {
    struct graph_value info;
    uint32_t value;
    bool is_tensor;
    sl_status st = import_value_info(im, w, &value, &info, &is_tensor, err);
    if (st != SL_OK || im->values[value].constant)
        return st;
    if (!is_tensor)
        return error_set(err, SL_E_MODEL, "input '%s' is not a tensor", text_quote(im->values[value].name));
    st = import_made(im, value, MADE_BY_INPUT, err);
    info.name = im->values[value].name;
    im->values[value] = info;
    im->graph->inputs[im->graph->input_count++] = value;
    return st;
}

static sl_status read_output(struct importer *im, struct wire w, sl_error *err) {
    struct graph_value info;
    uint32_t value;
    bool is_tensor;
    sl_status st = import_value_info(im, w, &value, &info, &is_tensor, err);
    if (st != SL_OK)
        return st;
    if (im->makers[value] == MADE_BY_NOBODY)
        return error_set(err, SL_E_MODEL, "output '%s' is made by nothing",
                         text_quote(im->values[value].name));
    if (is_tensor && !im->values[value].has_shape) {
        info.name = im->values[value].name;
        im->values[value] = info;
    }
    im->graph->outputs[im->graph->output_count++] = value;
    return SL_OK;
}

static sl_status read_node(struct importer *im, struct wire w, sl_error *err) {
    bool is_constant = false;
    uint32_t index = (uint32_t)im->graph->node_count;
    struct graph_node *node = &im->graph->nodes[index];
    sl_status st = import_node(im, w, index, node, &is_constant, err);
    if (st != SL_OK && node->op_type && *node->op_type)
        error_append(err, " (node '%s', operator '%s')", text_quote(node->name), text_quote(node->op_type));
    im->graph->node_count += !is_constant;
    return st;
}

/* Constants first, then inputs, nodes, outputs: whatever the order of the fields. */
static sl_status read_graph(struct importer *im, struct wire w, sl_error *err) {
    static const uint32_t passes[] = {INITIALIZER, INPUT, NODE, OUTPUT};
    sl_status st = count_graph(im, w, err);
    for (size_t i = 0; st == SL_OK && i < sizeof passes / sizeof *passes; i++) {
        struct wire again = w;
        struct wire_field f;
        while (st == SL_OK && wire_next(&again, &f)) {
            if (f.number != passes[i])
                continue;
            st = f.number == INITIALIZER ? read_initializer(im, wire_inside(&f), err)
                 : f.number == INPUT     ? read_input(im, wire_inside(&f), err)
                 : f.number == NODE      ? read_node(im, wire_inside(&f), err)
                                         : read_output(im, wire_inside(&f), err);
        }
    }
    return st;
}

static sl_status read_opset(struct importer *im, struct wire w, sl_error *err) {
    struct wire_field f;
    struct opset *opset = &im->opsets[im->opset_count++];
    opset->domain = "";
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
    if (main_domain)
        im->graph->opset = opset->version;
    if (ml)
        im->graph->opset_ml = opset->version;
    return SL_OK;
}

/* Field numbers of ModelProto. */
enum { IR_VERSION = 1, PRODUCER = 2, PRODUCER_VERSION = 3, GRAPH = 7, OPSET_IMPORT = 8 };

static sl_status read_head(struct importer *im, struct wire w, struct wire *graph, sl_error *err) {
    struct wire_field f;
    struct graph *g = im->graph;
    size_t opsets = 0, graphs = 0;
    struct wire again = w;
    g->producer = g->producer_version = "";
    while (wire_next(&w, &f)) {
        opsets += f.number == OPSET_IMPORT && f.type == WIRE_BYTES;
        if (f.number == IR_VERSION && f.type == WIRE_VARINT)
            g->ir_version = (int64_t)f.value;
        if (f.number == GRAPH && f.type == WIRE_BYTES) {
            *graph = wire_inside(&f);
            graphs++;
        }
        const char **text = f.number == PRODUCER           ? &g->producer
                            : f.number == PRODUCER_VERSION ? &g->producer_version
                                                           : NULL;
        if (text && f.type == WIRE_BYTES && !(*text = import_text(im, wire_text(&f))))
            return out_of_memory(err);
    }
    if (w.bad || graphs != 1)
        return error_set(err, SL_E_MODEL, "it is damaged or not an ONNX model");
    if (opsets > 1000)
        return error_set(err, SL_E_MODEL, "it imports %zu domains", opsets);
    im->opsets = arena_alloc(im->arena, opsets + 1, sizeof *im->opsets);
    if (!im->opsets)
        return out_of_memory(err);
    sl_status st = SL_OK;
    while (st == SL_OK && wire_next(&again, &f))
        if (f.number == OPSET_IMPORT && f.type == WIRE_BYTES)
            st = read_opset(im, wire_inside(&f), err);
    if (st == SL_OK && !opsets) /* as files did before there were opsets */
        im->opsets[im->opset_count++] = (struct opset){"", g->opset = 1};
    return st;
}

/* The working arrays become the graph's. */
static sl_status finish(struct importer *im, sl_error *err) {
    struct graph *g = im->graph;
    g->values = arena_alloc(im->arena, im->value_count, sizeof *g->values);
    if (!g->values)
        return out_of_memory(err);
    g->value_count = im->value_count;
    if (im->value_count)
        memcpy(g->values, im->values, im->value_count * sizeof *g->values);
    for (size_t i = 0; i < g->value_count; i++) {
        const sl_tensor *t = &g->values[i].tensor;
        int64_t count;
        size_t nbytes;
        if (!g->values[i].constant || !sl_shape_count(t->rank, t->dims, &count) ||
            !sl_shape_nbytes(t->dtype, t->rank, t->dims, &nbytes))
            continue;
        g->parameter_count += (size_t)count;
        g->weight_nbytes += nbytes;
    }
    return SL_OK;
}

static sl_status import_model(struct importer *im, sl_error *err) {
    struct wire graph = {0};
    sl_status st = read_head(im, wire_over(im->graph->file, im->graph->file_nbytes), &graph, err);
    if (st == SL_OK)
        st = read_graph(im, graph, err);
    if (st == SL_OK && !im->graph->output_count)
        st = error_set(err, SL_E_MODEL, "it has no outputs");
    if (st == SL_OK)
        st = import_order(im, err);
    if (st == SL_OK)
        st = import_operators(im, err);
    if (st == SL_OK)
        import_copy_all(im);
    return st == SL_OK ? finish(im, err) : st;
}

/* What is plainly something else is said by name before anything is parsed. */
static sl_status check_kind(const struct graph *graph, const char *path, sl_error *err) {
    bool lfs = false;
    const char *quoted = text_quote(path);
    if (!graph->file_nbytes)
        return error_set(err, SL_E_MODEL, "cannot load model '%s': the file is empty", quoted);
    const char *kind = file_kind(graph->file, graph->file_nbytes, &lfs);
    if (lfs)
        return error_set(err, SL_E_MODEL, "'%s' is a Git-LFS pointer, not the model: run 'git lfs pull'",
                         quoted);
    if (kind)
        return error_set(err, SL_E_MODEL, "'%s' is not an ONNX model: it looks like %s", quoted, kind);
    return SL_OK;
}

static sl_status load_file(struct graph_store *store, const char *path, sl_error *err) {
    struct graph *g = &store->graph;
    struct importer im = {.graph = g, .arena = &g->arena, .external = &store->external};
    sl_error inner = {0};
    sl_status st = file_map(path, &g->file, &g->file_nbytes, err);
    if (st == SL_OK)
        st = check_kind(g, path, err);
    if (st != SL_OK)
        return st;
    g->path = arena_strdup(&g->arena, path);
    store->external.model_path = g->path;
    names_init(&im.names);
    st = g->path ? import_model(&im, &inner) : out_of_memory(&inner);
    names_clear(&im.names);
    mem_free(im.values);
    mem_free(im.makers);
    /* pages whose weights were copied need not stay; those in use come back by themselves */
    madvise((void *)(uintptr_t)g->file, g->file_nbytes, MADV_DONTNEED);
    if (st != SL_OK)
        error_set(err, st, "cannot load model '%s': %s", text_quote(path), inner.text);
    return st;
}

sl_status graph_load(struct graph **graph, const char *path, sl_error *err) {
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set(err, errno == EACCES ? SL_E_PERMISSION : SL_E_NOINPUT, "cannot open model '%s': %s",
                         text_quote(path), strerror(errno));
    if (S_ISDIR(info.st_mode))
        return error_set(err, SL_E_MODEL, "cannot load model '%s': it is a directory, expected an .onnx file",
                         text_quote(path));
    struct graph_store *store = mem_alloc(1, sizeof *store);
    if (!store)
        return out_of_memory(err);
    arena_init(&store->graph.arena);
    sl_status st = load_file(store, path, err);
    if (st == SL_OK)
        *graph = &store->graph;
    else
        graph_close(&store->graph);
    return st;
}

void graph_close(struct graph *graph) {
    if (!graph)
        return;
    struct graph_store *store = (struct graph_store *)graph;
    external_close(&store->external);
    file_unmap(graph->file, graph->file_nbytes);
    arena_clear(&graph->arena);
    mem_free(store);
}
