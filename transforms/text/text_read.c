/* text_read.c: opening a tokenizer. tokenizer.json is read as it is; the older files are first written as the
 * tokenizer.json that they mean (text_files.c). */
#include <stdio.h>
#include <string.h>

#include "transforms/text/text_files.h"

struct text_block {
    struct text_block *next;
    max_align_t data[];
};

void *text_keep(struct text_tokenizer *t, size_t count, size_t size) {
    if (size && count > (SIZE_MAX - sizeof(struct text_block)) / size)
        return NULL;
    struct text_block *block = t->host->alloc(sizeof *block + count * size);
    if (!block)
        return NULL;
    block->next = t->blocks;
    t->blocks = block;
    return block->data;
}

sl_status text_refuse(const struct text_tokenizer *t, sl_error *err, const char *what,
                      const struct text_node *name) {
    bool text = text_json_is(name, TEXT_STRING);
    return t->host->fail(err, SL_E_MODEL, "cannot use the tokenizer: its %s '%.120s' is not supported", what,
                         text ? name->data : "?");
}

/* The lengths that the file was saved with. */
static sl_status read_lengths(struct text_tokenizer *t, const struct text_node *root, sl_error *err) {
    const struct text_node *truncation = text_json_get(&t->json, root, "truncation");
    const struct text_node *padding = text_json_get(&t->json, root, "padding");
    const struct text_node *strategy = text_json_get(&t->json, truncation, "strategy");
    int32_t stride = 0;
    t->strategy = text_json_equals(strategy, "OnlyFirst")    ? TRUNCATE_FIRST
                  : text_json_equals(strategy, "OnlySecond") ? TRUNCATE_SECOND
                                                             : TRUNCATE_LONGEST;
    text_json_int(text_json_get(&t->json, truncation, "stride"), &stride);
    if (stride) /* only matters for the windows that we do not make; the first one is the same */
        stride = 0;
    t->truncate_left = text_json_equals(text_json_get(&t->json, truncation, "direction"), "Left");
    t->pad_left = text_json_equals(text_json_get(&t->json, padding, "direction"), "Left");
    const struct text_node *fixed =
        text_json_get(&t->json, text_json_get(&t->json, padding, "strategy"), "Fixed");
    text_json_int(text_json_get(&t->json, truncation, "max_length"), &t->max_length);
    if (fixed)
        text_json_int(fixed, &t->max_length);
    text_json_int(text_json_get(&t->json, padding, "pad_type_id"), &t->pad_type);
    t->pad_id = -1;
    if (padding && !text_json_int(text_json_get(&t->json, padding, "pad_id"), &t->pad_id))
        return t->host->fail(err, SL_E_MODEL, "cannot use the tokenizer: its padding has no 'pad_id'");
    return SL_OK;
}

/* What nobody says: the token that is usually the padding's. */
static void find_padding(struct text_tokenizer *t) {
    static const char *const names[] = {"[PAD]", "<pad>", "<|endoftext|>", "</s>"};
    for (size_t i = 0; t->pad_id < 0 && i < sizeof names / sizeof *names; i++)
        t->pad_id = vocab_get(&t->model.vocab, names[i], strlen(names[i]));
    if (t->pad_id < 0)
        t->pad_id = 0;
}

static sl_status read_all(struct text_tokenizer *t, sl_error *err) {
    const struct text_node *root = t->json.nodes;
    if (!text_json_is(root, TEXT_OBJECT))
        return t->host->fail(err, SL_E_MODEL, "cannot use the tokenizer: it is no JSON object");
    sl_status status = text_read_normalizer(t, text_json_get(&t->json, root, "normalizer"), err);
    if (status == SL_OK)
        status = text_read_splits(t, text_json_get(&t->json, root, "pre_tokenizer"), err);
    if (status == SL_OK) /* behind the splits: they say whether it is about bytes */
        status = text_read_model(t, text_json_get(&t->json, root, "model"), err);
    if (status == SL_OK && t->model.byte_level && t->model.kind != MODEL_BPE)
        status =
            t->host->fail(err, SL_E_MODEL, "cannot use the tokenizer: ByteLevel is supported with BPE only");
    if (status == SL_OK)
        status = text_read_template(t, text_json_get(&t->json, root, "post_processor"), err);
    if (status == SL_OK)
        status = text_read_added(t, text_json_get(&t->json, root, "added_tokens"), err);
    if (status == SL_OK)
        status = read_lengths(t, root, err);
    if (status == SL_OK)
        find_padding(t);
    return status;
}

sl_status text_tokenizer_open(struct text_tokenizer **out, const sl_host *host, const sl_params *params,
                              const char *file, sl_error *err) {
    struct text_tokenizer *t = host->alloc(sizeof *t);
    if (!t)
        return host->fail(err, SL_E_MEMORY, "cannot open the tokenizer: out of memory");
    t->host = host;
    unicode_init(&t->unicode);
    sl_status status = text_files_read(&t->json, host, params, file, err);
    if (status == SL_OK)
        status = read_all(t, err);
    if (status != SL_OK) {
        text_tokenizer_close(t);
        return status;
    }
    *out = t;
    return SL_OK;
}

void text_tokenizer_close(struct text_tokenizer *t) {
    if (!t)
        return;
    const sl_host *host = t->host;
    for (struct text_block *block = t->blocks, *next; block; block = next) {
        next = block->next;
        host->free(block);
    }
    vocab_clear(&t->model.vocab, host);
    vocab_clear(&t->model.rest, host);
    merges_clear(&t->model.merges, host);
    text_json_clear(&t->json, host);
    host->free(t);
}
