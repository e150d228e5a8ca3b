/* onnx_import.c: ModelProto into struct graph, and a graph's end. Everywhere two passes over the bytes: the
 * first counts, so that what a file can make us allocate is known before; the second reads. */
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
    while (st == SL_OK && wire_next(&again, &f)) {
        if (f.number != OPSET_IMPORT || f.type != WIRE_BYTES)
            continue;
        struct opset *opset = &im->opsets[im->opset_count++];
        st = import_opset(im, wire_inside(&f), opset, err);
        if (!*opset->domain)
            g->opset = opset->version;
        else if (!strcmp(opset->domain, "ai.onnx.ml"))
            g->opset_ml = opset->version;
    }
    if (st == SL_OK && !opsets) /* as files did before there were opsets */
        im->opsets[im->opset_count++] = (struct opset){"", g->opset = 1};
    return st;
}

static sl_status import_model(struct importer *im, sl_error *err) {
    struct wire graph = {0}, model = wire_over(im->graph->file, im->graph->file_nbytes);
    struct import_graph into = {.graph = im->graph};
    struct import_scope scope = {.into = &into};
    sl_status st = read_head(im, model, &graph, err);
    names_init(&im->function_names);
    names_init(&scope.names);
    im->scope = &scope;
    im->bodies_end = &im->bodies;
    if (st == SL_OK)
        st = import_functions(im, model, err);
    if (st == SL_OK)
        st = import_graph(im, graph, false, err);
    if (st == SL_OK)
        st = import_operators(im, err);
    if (st == SL_OK)
        import_copy_all(im);
    im->scope = NULL;
    im->graph->next = im->bodies;
    names_clear(&scope.names);
    names_clear(&im->function_names);
    mem_free(into.values);
    mem_free(into.origins);
    mem_free(into.nodes);
    return st;
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
    st = g->path ? import_model(&im, &inner) : out_of_memory(&inner);
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
