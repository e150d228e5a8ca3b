/* formatter.h: what postprocess.c opens and format_rows.c runs: the chains of the results, and a worker's
 * room for one row of them. */
#ifndef OUTPUT_FORMATTER_H
#define OUTPUT_FORMATTER_H

#include "output/format.h"
#include "output/inference_id.h"
#include "output/join.h"
#include "support/arena.h"

#define MAX_RESULTS 64

struct formatter {
    const struct format_ops *ops;
    const struct plan *plan;
    struct chain_options options;
    size_t count;
    struct chain *chains[MAX_RESULTS];
    uint32_t port[MAX_RESULTS]; /* the model output each begins with */
    const char *names[MAX_RESULTS];
    sl_spec source[MAX_RESULTS];
    struct chain_input *inputs; /* the model's, then its outputs, for steps that look at one */
    json_t *config;             /* keeps the names alive */
    struct arena memory;        /* names of columns */
    size_t row_nbytes;
    struct output_frame frame;
    struct format_join join; /* when joins */
    bool joins;
    const struct output_identity *identity; /* where there are ids */
    const struct output_shard *shards;
};

struct format_worker {
    const struct formatter *formatter;
    struct worker_ctx *ctx;
    struct result results[MAX_RESULTS];
    const void **rows; /* of the model's inputs and outputs, for the record at hand */
    char *values;      /* the chains' results, one after another */
    size_t values_nbytes;
    char *join_room; /* [2][row_nbytes]: a result before it is joined, a joined line before it is filtered */
    struct joining joining;
    struct hash *hash; /* for ids */
};

/* Results as they will be, without data. */
void formatter_describe(const struct formatter *f, struct result *results);
/* Bytes of the values of one row. */
size_t formatter_values_nbytes(const struct formatter *f);

#endif
