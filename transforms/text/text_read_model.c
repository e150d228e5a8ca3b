/* text_read_model.c: tokenizer.json's "model": WordPiece, WordLevel, BPE or Unigram, with its vocabulary. */
#include <stdio.h>
#include <string.h>

#include "transforms/text/text_tokenizer.h"

#define MOST_TOKENS (16u << 20)

static sl_status damaged(const struct text_tokenizer *t, sl_error *err, const char *what) {
    return t->host->fail(err, SL_E_MODEL, "cannot use the tokenizer: %s", what);
}

static sl_status no_memory(const struct text_tokenizer *t, sl_error *err) {
    return t->host->fail(err, SL_E_MEMORY, "cannot open the tokenizer: out of memory");
}

/* {"token": id, ...} */
static sl_status read_vocab(struct text_tokenizer *t, const struct text_node *node, sl_error *err) {
    if (!text_json_is(node, TEXT_OBJECT) || node->count == 0 || node->count > MOST_TOKENS)
        return damaged(t, err, "its model has no 'vocab' of tokens and their ids");
    if (!vocab_init(&t->model.vocab, t->host, node->count))
        return no_memory(t, err);
    const struct text_node *name = text_json_first(node);
    for (uint32_t i = 0; i < node->count; i++) {
        int32_t id;
        if (!text_json_int(name + 1, &id))
            return t->host->fail(err, SL_E_MODEL,
                                 "cannot use the tokenizer: the id of token '%.60s' is no number of 0 to %d",
                                 name->data, INT32_MAX);
        vocab_add(&t->model.vocab, name->data, name->nbytes, id);
        name = text_json_next(&t->json, name + 1);
    }
    return SL_OK;
}

static sl_status read_unk(struct text_tokenizer *t, const struct text_node *model, sl_error *err) {
    const struct text_node *unk = text_json_get(&t->json, model, "unk_token");
    t->model.unk = TEXT_NONE;
    if (!unk && t->model.kind == MODEL_BPE)
        return SL_OK;
    int32_t id = text_json_is(unk, TEXT_STRING) ? vocab_get(&t->model.vocab, unk->data, unk->nbytes) : -1;
    if (id < 0)
        return t->host->fail(err, SL_E_MODEL,
                             "cannot use the tokenizer: its vocabulary has no unknown token '%.60s'",
                             text_json_is(unk, TEXT_STRING) ? unk->data : "");
    t->model.unk = id;
    return SL_OK;
}

static sl_status read_wordpiece(struct text_tokenizer *t, const struct text_node *model, sl_error *err) {
    struct text_model *m = &t->model;
    int32_t most = 100;
    const struct text_node *prefix = text_json_get(&t->json, model, "continuing_subword_prefix");
    const struct text_node *chars = text_json_get(&t->json, model, "max_input_chars_per_word");
    const char *begin = prefix ? prefix->data : "##";
    size_t n = prefix ? prefix->nbytes : 2;
    sl_status status = read_vocab(t, text_json_get(&t->json, model, "vocab"), err);
    if (status == SL_OK)
        status = read_unk(t, model, err);
    if (status != SL_OK)
        return status;
    if ((prefix && prefix->kind != TEXT_STRING) || (chars && !text_json_int(chars, &most)) || most > 1000)
        return damaged(t, err, "its WordPiece model wants words of more than 1000 characters, or is damaged");
    m->most_chars = (size_t)most;
    size_t inner = 0;
    for (uint32_t i = 0; i <= m->vocab.mask; i++) {
        const struct vocab_entry *e = &m->vocab.entries[i];
        inner += e->data && e->nbytes > n && memcmp(e->data, begin, n) == 0;
    }
    if (!vocab_init(&m->rest, t->host, inner))
        return no_memory(t, err);
    for (uint32_t i = 0; i <= m->vocab.mask; i++) {
        const struct vocab_entry *e = &m->vocab.entries[i];
        if (e->data && e->nbytes > n && memcmp(e->data, begin, n) == 0)
            vocab_add(&m->rest, e->data + n, e->nbytes - n, e->id);
    }
    return SL_OK;
}

/* The two sides of a merge: ["a", "b"] or "a b". */
static bool merge_sides(const struct text_json *json, const struct text_node *node,
                        struct text_node side[2]) {
    if (text_json_is(node, TEXT_ARRAY) && node->count == 2) {
        side[0] = *text_json_first(node);
        side[1] = *text_json_next(json, text_json_first(node));
        return side[0].kind == TEXT_STRING && side[1].kind == TEXT_STRING;
    }
    const char *space = text_json_is(node, TEXT_STRING) ? memchr(node->data, ' ', node->nbytes) : NULL;
    if (!space)
        return false;
    side[0] = side[1] = *node;
    side[0].nbytes = (uint32_t)(space - node->data);
    side[1].data = space + 1;
    side[1].nbytes = node->nbytes - side[0].nbytes - 1;
    return !memchr(side[1].data, ' ', side[1].nbytes);
}

static sl_status read_merges(struct text_tokenizer *t, const struct text_node *list, sl_error *err) {
    struct text_model *m = &t->model;
    char joined[4096];
    if (!text_json_is(list, TEXT_ARRAY) || list->count > MOST_TOKENS)
        return damaged(t, err, "its BPE model has no list of 'merges'");
    if (!merges_init(&m->merges, t->host, list->count))
        return no_memory(t, err);
    const struct text_node *node = text_json_first(list);
    for (uint32_t i = 0; i < list->count; i++, node = text_json_next(&t->json, node)) {
        struct text_node side[2];
        if (!merge_sides(&t->json, node, side))
            return t->host->fail(err, SL_E_MODEL, "cannot use the tokenizer: merge %u is not of two tokens",
                                 i);
        int32_t left = vocab_get(&m->vocab, side[0].data, side[0].nbytes);
        int32_t right = vocab_get(&m->vocab, side[1].data, side[1].nbytes), id = -1;
        if (side[1].nbytes >= m->prefix_nbytes && (size_t)side[0].nbytes + side[1].nbytes <= sizeof joined) {
            size_t tail = side[1].nbytes - m->prefix_nbytes;
            memcpy(joined, side[0].data, side[0].nbytes);
            memcpy(joined + side[0].nbytes, side[1].data + m->prefix_nbytes, tail);
            id = vocab_get(&m->vocab, joined, side[0].nbytes + tail);
        }
        if (left < 0 || right < 0 || id < 0)
            return t->host->fail(err, SL_E_MODEL,
                                 "cannot use the tokenizer: merge %u ('%.40s') is of tokens, or makes one, "
                                 "that the vocabulary does not have",
                                 i, node->kind == TEXT_STRING ? node->data : side[0].data);
        merges_add(&m->merges, left, right, (int32_t)i, id);
    }
    return SL_OK;
}

static void find_bytes(struct text_tokenizer *t) {
    struct text_model *m = &t->model;
    for (unsigned b = 0; b < 256; b++) {
        char key[256];
        int n = snprintf(key, sizeof key, "<0x%02X>", b);
        size_t nbytes = n > 0 ? (size_t)n : 0;
        if (m->byte_level)
            nbytes = text_utf8_write(key, text_byte_letter((unsigned char)b));
        m->bytes[b] = vocab_get(&m->vocab, key, nbytes);
        if (m->suffix_nbytes)
            memcpy(key + nbytes, m->suffix, m->suffix_nbytes);
        m->last_bytes[b] = vocab_get(&m->vocab, key, nbytes + m->suffix_nbytes);
    }
}

static bool read_affix(const struct text_tokenizer *t, const struct text_node *model, const char *key,
                       const char **text, size_t *nbytes) {
    const struct text_node *node = text_json_get(&t->json, model, key);
    *text = node ? node->data : "";
    *nbytes = node ? node->nbytes : 0;
    return !node || (node->kind == TEXT_STRING && node->nbytes <= 32);
}

static sl_status read_bpe(struct text_tokenizer *t, const struct text_node *model, sl_error *err) {
    struct text_model *m = &t->model;
    double dropout = 0.0;
    const struct text_node *drop = text_json_get(&t->json, model, "dropout");
    if (drop && (!text_json_double(drop, &dropout) || dropout != 0.0))
        return damaged(t, err, "its BPE model has a 'dropout', which gives other ids each time");
    if (!read_affix(t, model, "end_of_word_suffix", &m->suffix, &m->suffix_nbytes) ||
        !read_affix(t, model, "continuing_subword_prefix", &m->prefix, &m->prefix_nbytes) ||
        (m->byte_level && m->prefix_nbytes))
        return damaged(t, err, "its BPE model's 'continuing_subword_prefix' is not supported");
    m->fuse_unk = text_flag(t, model, "fuse_unk", false);
    m->ignore_merges = text_flag(t, model, "ignore_merges", false);
    m->byte_fallback = text_flag(t, model, "byte_fallback", false);
    sl_status status = read_vocab(t, text_json_get(&t->json, model, "vocab"), err);
    if (status == SL_OK)
        status = read_unk(t, model, err);
    if (status == SL_OK)
        status = read_merges(t, text_json_get(&t->json, model, "merges"), err);
    if (status == SL_OK)
        find_bytes(t);
    return status;
}

/* [["piece", score], ...]; the id is the place in the list. */
static sl_status read_unigram(struct text_tokenizer *t, const struct text_node *model, sl_error *err) {
    struct text_model *m = &t->model;
    const struct text_node *list = text_json_get(&t->json, model, "vocab");
    if (!text_json_is(list, TEXT_ARRAY) || list->count == 0 || list->count > MOST_TOKENS)
        return damaged(t, err, "its Unigram model has no 'vocab' of pieces and scores");
    m->scores = text_keep(t, list->count, sizeof *m->scores);
    if (!m->scores || !vocab_init(&m->vocab, t->host, list->count))
        return no_memory(t, err);
    double least = 0.0;
    const struct text_node *node = text_json_first(list);
    for (uint32_t i = 0; i < list->count; i++, node = text_json_next(&t->json, node)) {
        const struct text_node *piece = text_json_first(node);
        if (!text_json_is(node, TEXT_ARRAY) || node->count != 2 || piece->kind != TEXT_STRING ||
            !text_json_double(text_json_next(&t->json, piece), &m->scores[i]))
            return t->host->fail(err, SL_E_MODEL,
                                 "cannot use the tokenizer: entry %u of its vocabulary is no piece and score",
                                 i);
        if (i == 0 || m->scores[i] < least)
            least = m->scores[i];
        if (piece->nbytes)
            vocab_add(&m->vocab, piece->data, piece->nbytes, (int32_t)i);
    }
    m->unk_score = least - 10.0;
    m->fuse_unk = true;
    m->byte_fallback = text_flag(t, model, "byte_fallback", false);
    if (!text_json_int(text_json_get(&t->json, model, "unk_id"), &m->unk) || (uint32_t)m->unk >= list->count)
        return damaged(t, err, "its Unigram model has no 'unk_id' within its vocabulary");
    find_bytes(t);
    return SL_OK;
}

sl_status text_read_model(struct text_tokenizer *t, const struct text_node *model, sl_error *err) {
    const struct text_node *type = text_json_get(&t->json, model, "type");
    if (!text_json_is(model, TEXT_OBJECT))
        return damaged(t, err, "it has no 'model'");
    bool old = !type; /* files of the first versions do not say */
    bool merges = old && text_json_get(&t->json, model, "merges");
    bool scores = old && text_json_is(text_json_get(&t->json, model, "vocab"), TEXT_ARRAY);
    if (merges || text_json_equals(type, "BPE")) {
        t->model.kind = MODEL_BPE;
        return read_bpe(t, model, err);
    }
    if (scores || text_json_equals(type, "Unigram")) {
        t->model.kind = MODEL_UNIGRAM;
        return read_unigram(t, model, err);
    }
    if (old || text_json_equals(type, "WordPiece")) {
        t->model.kind = MODEL_WORDPIECE;
        return read_wordpiece(t, model, err);
    }
    if (text_json_equals(type, "WordLevel")) {
        t->model.kind = MODEL_WORDLEVEL;
        sl_status status = read_vocab(t, text_json_get(&t->json, model, "vocab"), err);
        return status == SL_OK ? read_unk(t, model, err) : status;
    }
    return text_refuse(t, err, "model", type);
}
