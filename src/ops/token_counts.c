/* token_counts.c: sluice.TokenCounts: Tokenizer and TfIdfVectorizer in one, with the attributes of both.
 * Between them stands a row of cells for as many tokens as the longest text could have, nearly all of it
 * padding; here a row has what its text has. `room`: cells of that row, which the padding counts for where
 * the pool holds it. */
#include <string.h>

#include "ops/ngram.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/tokenize.h"

struct counter {
    struct tokenizer tokenizer;
    struct vectorizer *ngrams;
    int64_t room;
    int32_t pad; /* its number in the pool, or -1 */
};

static sl_status infer_counts(const struct op_call *call, sl_error *err) {
    struct vectorizer v;
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_STRING), err);
    if (st == SL_OK)
        st = ngrams_read(call, &v, err);
    if (st == SL_OK)
        rule_set(call->out[0], SL_FLOAT, 2, (int64_t[]){rule_count(call->in[0]), v.width});
    return st;
}

static size_t cells_nbytes(const struct counter *c) {
    return (size_t)c->room * (sizeof(sl_string) + sizeof(int32_t)) / 64 * 64 + 64;
}

static sl_status prepare_counts(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                                sl_error *err) {
    struct counter *c = arena_alloc(arena, 1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for n-grams");
    prepared->state = c;
    sl_status st = tokenizer_read(call, arena, &c->tokenizer, err);
    if (st == SL_OK)
        st = ngrams_make(call, arena, &c->ngrams, err);
    if (st != SL_OK)
        return st;
    sl_tensor pad = {.dtype = SL_STRING, .data = &c->tokenizer.pad};
    c->pad = (int32_t)lookup_find(&c->ngrams->tokens, &pad, 0);
    c->room = op_attr_int(call, "room", 0);
    prepared->scratch_nbytes = cells_nbytes(c) + c->tokenizer.scratch_nbytes;
    return SL_OK;
}

static void run_counts(const struct op_call *call) {
    const struct counter *c = call->state;
    sl_string *cells = call->scratch;
    int32_t *tokens = (int32_t *)(void *)(cells + c->room);
    void *scratch = (char *)call->scratch + cells_nbytes(c);
    sl_tensor row = {.dtype = SL_STRING, .data = cells};
    float *out = call->out[0]->data;
    memset(out, 0, rule_nbytes(call->out[0]));
    for (int64_t i = 0, n = rule_count(call->in[0]); i < n; i++, out += c->ngrams->width) {
        int64_t count =
            tokenize(&c->tokenizer, ((const sl_string *)call->in[0]->data)[i], cells, c->room, scratch);
        count = count < c->room ? count : c->room;
        for (int64_t k = 0; k < count; k++)
            tokens[k] = (int32_t)lookup_find(&c->ngrams->tokens, &row, k);
        for (; c->pad >= 0 && count < c->room; count++)
            tokens[count] = c->pad;
        ngrams_count(c->ngrams, tokens, count, out);
    }
}

const struct op op_token_counts = {
    .domain = "sluice",
    .name = "TokenCounts",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attrs = "room mark mincharnum pad_value separators stopwords tokenexp max_gram_length max_skip_count "
             "min_gram_length mode ngram_counts ngram_indexes pool_int64s pool_strings weights",
    .infer = infer_counts,
    .prepare = prepare_counts,
    .run = run_counts};
