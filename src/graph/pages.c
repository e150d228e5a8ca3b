/* pages.c: weights that a device has packed its own way need not stay in memory twice: their pages of the
 * mapped files are let go, and come back from the page cache if anybody looks. */
#include <stdint.h>

#include "graph/onnx_import.h"
#include "support/mem.h"

static bool lies_in(const void *data, size_t nbytes, const void *file, size_t file_nbytes) {
    uintptr_t at = (uintptr_t)data, from = (uintptr_t)file;
    return file && at >= from && nbytes <= file_nbytes && at - from <= file_nbytes - nbytes;
}

bool graph_drop_pages(const struct graph *graph, const void *data, size_t nbytes) {
    const struct graph_store *store = (const struct graph_store *)graph;
    bool mapped = lies_in(data, nbytes, graph->file, graph->file_nbytes);
    for (const struct external_file *f = store->external.files; f && !mapped; f = f->next)
        mapped = lies_in(data, nbytes, f->data, f->nbytes);
    if (mapped)
        mem_discard(data, nbytes);
    return mapped;
}
