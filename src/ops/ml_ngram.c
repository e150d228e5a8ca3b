/* ml_ngram.c: TfIdfVectorizer: how often each n-gram of a pool occurs in a row, weighted. The pool is a tree
 * of tokens, kept as one table of (node, token) to node. */
#include <string.h>

#include "ops/element.h"
#include "ops/ngram.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define TOKENS (OPS_BIT(SL_STRING) | OPS_BIT(SL_INT64) | OPS_BIT(SL_INT32))

static sl_status read_pool(const struct op_call *call, struct vectorizer *v, sl_error *err) {
    bool text = call->in[0]->dtype == SL_STRING;
    const char *name = text ? "pool_strings" : "pool_int64s";
    if (!lookup_list(call, name, &v->pool) || v->pool.dtype != (text ? SL_STRING : SL_INT64))
        return error_set(err, SL_E_MODEL, "input 0 is %s, but there is no '%s'",
                         sl_dtype_name(call->in[0]->dtype), name);
    if (!v->counts || v->counts->type != ATTR_INTS || !v->counts->count)
        return error_set(err, SL_E_MODEL, "attribute 'ngram_counts' is missing");
    for (size_t i = 0; i < v->counts->count; i++)
        if (v->counts->ints[i] < (i ? v->counts->ints[i - 1] : 0) || v->counts->ints[i] > v->pool.dims[0])
            return error_set(err, SL_E_MODEL, "attribute 'ngram_counts' does not fit a pool of %lld",
                             (long long)v->pool.dims[0]);
    return SL_OK;
}

static sl_status read_columns(struct vectorizer *v, sl_error *err) {
    if (!v->columns || v->columns->type != ATTR_INTS || !v->columns->count)
        return error_set(err, SL_E_MODEL, "attribute 'ngram_indexes' is missing");
    for (size_t i = 0; i < v->columns->count; i++) {
        if (v->columns->ints[i] < 0 || v->columns->ints[i] > INT32_MAX)
            return error_set(err, SL_E_MODEL, "attribute 'ngram_indexes' has the number %lld",
                             (long long)v->columns->ints[i]);
        v->width = v->columns->ints[i] >= v->width ? v->columns->ints[i] + 1 : v->width;
    }
    bool weighted = v->weights && v->weights->count;
    if (weighted && (v->weights->type != ATTR_FLOATS || v->weights->count != v->columns->count))
        return error_set(err, SL_E_MODEL, "attribute 'weights' is not a list of %zu numbers",
                         v->columns->count);
    v->weights = weighted ? v->weights : NULL;
    return SL_OK;
}

sl_status ngrams_read(const struct op_call *call, struct vectorizer *v, sl_error *err) {
    *v = (struct vectorizer){.counts = op_attr(call, "ngram_counts"),
                             .columns = op_attr(call, "ngram_indexes"),
                             .weights = op_attr(call, "weights"),
                             .least = op_attr_int(call, "min_gram_length", 1),
                             .most = op_attr_int(call, "max_gram_length", 1),
                             .skips = op_attr_int(call, "max_skip_count", 0)};
    static const char *const modes[] = {"TF", "IDF", "TFIDF"};
    int mode = 0;
    sl_status st = rule_dtype(call, 0, TOKENS, err);
    while (mode < 3 && !op_attr_is(call, "mode", modes[mode], ""))
        mode++;
    if (st == SL_OK && mode == 3)
        st = error_set(err, SL_E_MODEL, "attribute 'mode' is none of TF, IDF, TFIDF");
    v->weighting = (enum weighting)mode;
    if (st == SL_OK && (v->least < 1 || v->most < v->least || v->skips < 0 || v->skips > INT32_MAX))
        st = error_set(err, SL_E_MODEL, "n-grams of %lld to %lld tokens with %lld skipped are none",
                       (long long)v->least, (long long)v->most, (long long)v->skips);
    if (st == SL_OK)
        st = read_pool(call, v, err);
    return st == SL_OK ? read_columns(v, err) : st;
}

static sl_status infer_vectorizer(const struct op_call *call, sl_error *err) {
    struct vectorizer v;
    const sl_tensor *x = call->in[0];
    sl_status st = ngrams_read(call, &v, err);
    if (st == SL_OK && x->rank > 2)
        st = error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 1 or 2", x->rank);
    if (st == SL_OK && x->rank == 2)
        rule_set(call->out[0], SL_FLOAT, 2, (int64_t[]){x->dims[0], v.width});
    else if (st == SL_OK)
        rule_set(call->out[0], SL_FLOAT, 1, &v.width);
    return st;
}

/* ---- the tree ---- */

static struct edge *find_edge(const struct vectorizer *v, uint32_t node, uint32_t token) {
    uint64_t hash = ((uint64_t)node << 32 | token) * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)(hash >> 32) & v->edge_mask;
    while (v->edges[at].child && (v->edges[at].node != node || v->edges[at].token != token))
        at = (at + 1) & v->edge_mask;
    return &v->edges[at];
}

static sl_status add_gram(struct vectorizer *v, int64_t first, int64_t size, int64_t gram, sl_error *err) {
    uint32_t node = 0;
    if (gram >= (int64_t)v->columns->count)
        return error_set(err, SL_E_MODEL,
                         "attribute 'ngram_indexes' has fewer entries than the pool n-grams");
    for (int64_t i = first; i < first + size; i++) {
        struct edge *edge = find_edge(v, node, (uint32_t)lookup_find(&v->tokens, &v->pool, i));
        if (!edge->child) {
            *edge = (struct edge){node, (uint32_t)lookup_find(&v->tokens, &v->pool, i), v->node_count};
            v->column_of[v->node_count++] = -1;
        }
        node = edge->child;
    }
    v->column_of[node] = v->columns->ints[gram];
    v->weight_of[node] = v->weights ? v->weights->floats[gram] : 1;
    return SL_OK;
}

/* The pool holds all 1-grams, then all 2-grams, ...; counts say where each size begins. */
static sl_status grow_tree(struct vectorizer *v, sl_error *err) {
    int64_t gram = 0;
    for (size_t k = 0; k < v->counts->count; k++) {
        int64_t size = (int64_t)k + 1;
        int64_t end = k + 1 < v->counts->count ? v->counts->ints[k + 1] : v->pool.dims[0];
        for (int64_t at = v->counts->ints[k]; at + size <= end; at += size, gram++) {
            bool wanted = size >= v->least && size <= v->most;
            sl_status st = wanted ? add_gram(v, at, size, gram, err) : SL_OK;
            if (st != SL_OK)
                return st;
        }
    }
    return SL_OK;
}

sl_status ngrams_make(const struct op_call *call, struct arena *arena, struct vectorizer **made,
                      sl_error *err) {
    struct vectorizer *v = *made = arena_alloc(arena, 1, sizeof *v);
    size_t room = 16;
    if (!v)
        return error_set(err, SL_E_MEMORY, "out of memory for n-grams");
    sl_status st = ngrams_read(call, v, err);
    if (st == SL_OK)
        st = lookup_make(&v->tokens, arena, &v->pool, err);
    if (st != SL_OK)
        return st;
    while (room < 2 * (size_t)v->pool.dims[0])
        room *= 2;
    v->edges = arena_alloc(arena, room, sizeof *v->edges);
    v->edge_mask = room - 1;
    v->column_of = arena_alloc(arena, (size_t)v->pool.dims[0] + 1, sizeof *v->column_of);
    v->weight_of = arena_alloc(arena, (size_t)v->pool.dims[0] + 1, sizeof *v->weight_of);
    if (!v->edges || !v->column_of || !v->weight_of)
        return error_set(err, SL_E_MEMORY, "out of memory for n-grams");
    v->column_of[0] = -1;
    v->node_count = 1;
    return grow_tree(v, err);
}

static sl_status prepare_vectorizer(const struct op_call *call, struct arena *arena,
                                    struct op_prepared *prepared, sl_error *err) {
    struct vectorizer *v;
    const sl_tensor *x = call->in[0];
    sl_status st = ngrams_make(call, arena, &v, err);
    prepared->state = v;
    prepared->scratch_nbytes = (size_t)(x->rank ? x->dims[x->rank - 1] : 1) * sizeof(int32_t);
    return st;
}

/* ---- counting ---- */

/* Tokens of a row as numbers of the pool, -1 where unknown; those unknown at the end are left out. A padded
 * row repeats one text, so the same bytes are looked up once. */
static int64_t read_row(const struct vectorizer *v, const sl_tensor *x, int64_t first, int64_t length,
                        int32_t *tokens) {
    const sl_string *texts = x->dtype == SL_STRING ? (const sl_string *)x->data + first : NULL;
    int64_t used = 0;
    for (int64_t i = 0; i < length; i++) {
        bool again =
            texts && i && texts[i].data == texts[i - 1].data && texts[i].nbytes == texts[i - 1].nbytes;
        tokens[i] = again ? tokens[i - 1] : (int32_t)lookup_find(&v->tokens, x, first + i);
        used = tokens[i] >= 0 ? i + 1 : used;
    }
    return used;
}

static void count_from(const struct vectorizer *v, const int32_t *tokens, int64_t length, int64_t at,
                       int64_t step, int64_t least, float *out) {
    uint32_t node = 0;
    for (int64_t size = 1; size <= v->most && at < length && tokens[at] >= 0; size++, at += step) {
        node = find_edge(v, node, (uint32_t)tokens[at])->child;
        if (!node)
            return;
        if (size < least || v->column_of[node] < 0)
            continue;
        float *cell = &out[v->column_of[node]];
        float weight = v->weighting == COUNTS ? 1 : v->weight_of[node];
        *cell = v->weighting == PRESENCE ? weight : *cell + weight;
    }
}

/* Single tokens do not depend on the distance and count once. */
void ngrams_count(const struct vectorizer *v, const int32_t *tokens, int64_t length, float *out) {
    int64_t least = v->least;
    for (int64_t step = 1; step <= v->skips + 1 && least <= v->most; step++) {
        for (int64_t at = 0; at < length && least - 1 <= (length - 1 - at) / step; at++)
            count_from(v, tokens, length, at, step, least, out);
        if (step > length)
            break;
        least += least == 1;
    }
}

static void run_vectorizer(const struct op_call *call) {
    const struct vectorizer *v = call->state;
    const sl_tensor *x = call->in[0];
    int64_t length = x->rank ? x->dims[x->rank - 1] : 1, rows = x->rank == 2 ? x->dims[0] : 1;
    float *out = call->out[0]->data;
    memset(out, 0, rule_nbytes(call->out[0]));
    for (int64_t row = 0; row < rows; row++, out += v->width) {
        int64_t used = read_row(v, x, row * length, length, call->scratch);
        ngrams_count(v, call->scratch, used, out);
    }
}

const struct op op_tf_idf_vectorizer = {
    .domain = "",
    .name = "TfIdfVectorizer",
    .since = 9,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attrs = "max_gram_length max_skip_count min_gram_length mode ngram_counts ngram_indexes pool_int64s "
             "pool_strings weights",
    .infer = infer_vectorizer,
    .prepare = prepare_vectorizer,
    .any_size = true,
    .run = run_vectorizer};
