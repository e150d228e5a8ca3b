/* external.h: weights that stand in files beside the model. A model file is not trusted to name files: only
 * regular files below the model's directory, reached without any link. */
#ifndef GRAPH_EXTERNAL_H
#define GRAPH_EXTERNAL_H

#include "sluice/tensor.h"
#include "support/arena.h"
#include "support/error.h"

struct external_file {
    struct external_file *next;
    const char *name;
    const void *data;
    size_t nbytes;
};

struct external {
    const char *model_path; /* files are beside it */
    struct external_file *files;
    size_t count;
};

#define EXTERNAL_MAX_FILES 1024u

/* The bytes [offset, offset + nbytes) of file `location`, mapped once. */
sl_status external_bytes(struct external *external, struct arena *arena, sl_string location, uint64_t offset,
                         uint64_t nbytes, const void **data, sl_error *err);
void external_close(struct external *external);

#endif
