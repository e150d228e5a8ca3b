/* ngram.h: n-grams of a pool, counted in rows of tokens, as TfIdfVectorizer does it. */
#ifndef OPS_NGRAM_H
#define OPS_NGRAM_H

#include "ops/lookup.h"

enum weighting { COUNTS, PRESENCE, WEIGHTED_COUNTS };

struct edge {
    uint32_t node, token, child; /* child 0: free */
};

struct vectorizer {
    sl_tensor pool;
    const struct attr *counts, *columns, *weights;
    enum weighting weighting;
    int64_t least, most, skips; /* tokens of an n-gram, and between them */
    int64_t width;
    struct lookup tokens; /* the token of a pool entry is its number there */
    struct edge *edges;
    size_t edge_mask;
    int64_t *column_of; /* of a node; -1: no n-gram ends there */
    float *weight_of;
    uint32_t node_count;
};

/* Reads and checks the attributes; input 0's dtype says which pool counts. */
sl_status ngrams_read(const struct op_call *call, struct vectorizer *v, sl_error *err);
/* That, with tables in the arena. */
sl_status ngrams_make(const struct op_call *call, struct arena *arena, struct vectorizer **made,
                      sl_error *err);
/* Adds to out[width] what a row has: tokens as numbers of the pool (lookup_find in v->tokens), -1 where
 * unknown. */
void ngrams_count(const struct vectorizer *v, const int32_t *tokens, int64_t length, float *out);

#endif
