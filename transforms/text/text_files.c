/* text_files.c: vocab.txt (BERT), or vocab.json and merges.txt (RoBERTa, GPT-2, CLIP), written as the
 * tokenizer.json that transformers' fast tokenizer of the class would save. */
#include "transforms/text/text_files.h"

#include <stdio.h>
#include <string.h>

struct writer {
    const sl_host *host;
    char *data;
    size_t nbytes, cap;
    bool failed;
};

static void put_bytes(struct writer *w, const char *data, size_t nbytes) {
    if (w->failed || nbytes > w->cap - w->nbytes) {
        w->failed = true;
        return;
    }
    memcpy(w->data + w->nbytes, data, nbytes);
    w->nbytes += nbytes;
}

static void put(struct writer *w, const char *text) {
    put_bytes(w, text, strlen(text));
}

static void put_string(struct writer *w, const char *text, size_t nbytes) {
    put(w, "\"");
    for (size_t i = 0; i < nbytes; i++) {
        char code[8];
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            put_bytes(w, text + i, 1);
            continue;
        }
        snprintf(code, sizeof code, "\\u%04x", c);
        put(w, code);
    }
    put(w, "\"");
}

/* --- what is beside the vocabulary --- */

struct beside {
    const sl_host *host;
    struct text_json config, specials; /* tokenizer_config.json, special_tokens_map.json; may be empty */
};

static sl_status read_json(struct text_json *json, const sl_host *host, const sl_params *params,
                           const char *file, bool *there, sl_error *err) {
    char *bytes;
    size_t nbytes;
    sl_error why = {.status = SL_OK};
    *there = false;
    sl_status status = host->read_file(params, file, &bytes, &nbytes, &why);
    if (status == SL_E_NOINPUT)
        return SL_OK;
    if (status != SL_OK)
        return host->fail(err, status, "%s", why.text);
    *there = true;
    return text_json_read(json, host, bytes, nbytes, file, err);
}

static const struct text_node *config_get(const struct beside *b, const char *key) {
    return b->config.nodes ? text_json_get(&b->config, b->config.nodes, key) : NULL;
}

static const char *config_flag(const struct beside *b, const char *key, const char *missing) {
    const struct text_node *node = config_get(b, key);
    return !node ? missing : node->kind == TEXT_TRUE ? "true" : node->kind == TEXT_FALSE ? "false" : "null";
}

/* "[CLS]", or {"content": "[CLS]", ...}, of either file. */
static const char *special(const struct beside *b, const char *key, const char *missing, bool *lstrip) {
    const struct text_json *files[] = {&b->specials, &b->config};
    for (size_t i = 0; i < 2; i++) {
        const struct text_node *node = files[i]->nodes ? text_json_get(files[i], files[i]->nodes, key) : NULL;
        if (text_json_is(node, TEXT_OBJECT)) {
            const struct text_node *left = text_json_get(files[i], node, "lstrip");
            *lstrip = left && left->kind == TEXT_TRUE;
            node = text_json_get(files[i], node, "content");
        }
        if (text_json_is(node, TEXT_STRING))
            return node->data;
    }
    return missing;
}

/* --- the vocabulary --- */

struct source {
    struct vocab vocab; /* texts of `bytes` */
    char *bytes;
    size_t nbytes;
};

/* A token to a line; the same one again counts where it stands last. */
static bool read_lines(struct source *s, const sl_host *host, struct writer *w) {
    size_t lines = 1;
    for (size_t i = 0; i < s->nbytes; i++)
        lines += s->bytes[i] == '\n';
    if (!vocab_init(&s->vocab, host, lines))
        return false;
    int32_t id = 0;
    for (char *at = s->bytes, *end = s->bytes + s->nbytes; at < end; id++) {
        char *stop = memchr(at, '\n', (size_t)(end - at)), *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if (stop > at && stop[-1] == '\r')
            stop--;
        char number[16];
        put(w, id ? "," : "");
        put_string(w, at, (size_t)(stop - at));
        snprintf(number, sizeof number, ":%d", id);
        put(w, number);
        vocab_add(&s->vocab, at, (size_t)(stop - at), id);
        at = next;
    }
    return true;
}

static void put_merges(struct writer *w, const char *bytes, size_t nbytes) {
    bool first = true;
    for (const char *at = bytes, *end = bytes + nbytes; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at)), *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if (stop > at && stop[-1] == '\r')
            stop--;
        if (stop > at && !(at == bytes && stop - at >= 8 && memcmp(at, "#version", 8) == 0)) {
            put(w, first ? "" : ",");
            put_string(w, at, (size_t)(stop - at));
            first = false;
        }
        at = next;
    }
}

static void put_added(struct writer *w, const struct vocab *vocab, const char *token, bool lstrip,
                      bool normal, bool *first) {
    int32_t id = vocab_get(vocab, token, strlen(token));
    char text[160];
    if (id < 0)
        return;
    snprintf(text, sizeof text,
             "%s{\"id\":%d,\"special\":true,\"single_word\":false,\"lstrip\":%s,\"rstrip\":false,"
             "\"normalized\":%s,\"content\":",
             *first ? "" : ",", id, lstrip ? "true" : "false", normal ? "true" : "false");
    put(w, text);
    put_string(w, token, strlen(token));
    put(w, "}");
    *first = false;
}

static void put_all_added(struct writer *w, const struct beside *b, const struct vocab *vocab,
                          const char *const (*tokens)[2], bool normal) {
    bool first = true;
    put(w, ",\"added_tokens\":[");
    for (size_t i = 0; tokens[i][0]; i++) {
        bool lstrip = false;
        const char *token = special(b, tokens[i][0], tokens[i][1], &lstrip);
        put_added(w, vocab, token, lstrip || strcmp(token, "<mask>") == 0, normal, &first);
    }
    put(w, "]");
}

static void put_post(struct writer *w, const char *type, const struct vocab *vocab, const char *cls,
                     const char *sep) {
    char text[64];
    put(w, ",\"post_processor\":{\"type\":\"");
    put(w, type);
    put(w, "\",\"cls\":[\"\",");
    snprintf(text, sizeof text, "%d],\"sep\":[\"\",%d]}", vocab_get(vocab, cls, strlen(cls)),
             vocab_get(vocab, sep, strlen(sep)));
    put(w, text);
}

static void put_padding(struct writer *w, const struct beside *b, const struct vocab *vocab,
                        const char *missing) {
    bool lstrip;
    char text[128];
    const char *pad = special(b, "pad_token", missing, &lstrip);
    int32_t id = vocab_get(vocab, pad, strlen(pad));
    bool left = text_json_equals(config_get(b, "padding_side"), "left");
    if (id < 0)
        return;
    snprintf(text, sizeof text, ",\"padding\":{\"direction\":\"%s\",\"pad_id\":%d,\"pad_type_id\":0}",
             left ? "Left" : "Right", id);
    put(w, text);
}

/* --- the classes --- */

static const char *const bert_tokens[][2] = {{"pad_token", "[PAD]"},   {"unk_token", "[UNK]"},
                                             {"cls_token", "[CLS]"},   {"sep_token", "[SEP]"},
                                             {"mask_token", "[MASK]"}, {NULL, NULL}};
static const char *const roberta_tokens[][2] = {{"bos_token", "<s>"},     {"pad_token", "<pad>"},
                                                {"eos_token", "</s>"},    {"unk_token", "<unk>"},
                                                {"mask_token", "<mask>"}, {NULL, NULL}};
static const char *const gpt2_tokens[][2] = {{"eos_token", "<|endoftext|>"}, {NULL, NULL}};
static const char *const clip_tokens[][2] = {
    {"bos_token", "<|startoftext|>"}, {"eos_token", "<|endoftext|>"}, {NULL, NULL}};

static void write_bert(struct writer *w, struct source *s, const struct beside *b) {
    bool lstrip;
    put(w, "{\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\","
           "\"max_input_chars_per_word\":100,\"unk_token\":");
    const char *unk = special(b, "unk_token", "[UNK]", &lstrip);
    put_string(w, unk, strlen(unk));
    put(w, ",\"vocab\":{");
    w->failed = w->failed || !read_lines(s, w->host, w);
    put(w, "}},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"normalizer\":{\"type\":\"BertNormalizer\","
           "\"clean_text\":true,\"handle_chinese_chars\":");
    put(w, config_flag(b, "tokenize_chinese_chars", "true"));
    put(w, ",\"strip_accents\":");
    put(w, config_flag(b, "strip_accents", "null"));
    put(w, ",\"lowercase\":");
    put(w, config_flag(b, "do_lower_case", "true"));
    put(w, "}");
    if (w->failed)
        return;
    put_all_added(w, b, &s->vocab, bert_tokens, false);
    put_post(w, "BertProcessing", &s->vocab, special(b, "cls_token", "[CLS]", &lstrip),
             special(b, "sep_token", "[SEP]", &lstrip));
    put_padding(w, b, &s->vocab, "[PAD]");
    put(w, "}");
}

/* The vocabulary's texts, for the numbers of the special tokens. */
static sl_status index_vocab(struct source *s, struct text_json *json, const sl_host *host, sl_error *err) {
    const struct text_node *root = json->nodes;
    if (!text_json_is(root, TEXT_OBJECT) || !vocab_init(&s->vocab, host, root->count))
        return host->fail(err, SL_E_MODEL, "cannot use the tokenizer: 'vocab.json' is no object of tokens");
    const struct text_node *name = text_json_first(root);
    for (uint32_t i = 0; i < root->count; i++, name = text_json_next(json, name + 1)) {
        int32_t id = -1;
        text_json_int(name + 1, &id);
        vocab_add(&s->vocab, name->data, name->nbytes, id);
    }
    return SL_OK;
}

static void write_bytes_model(struct writer *w, const struct source *s, const struct beside *b,
                              const char *vocab, size_t vocab_nbytes) {
    const struct text_node *class = config_get(b, "tokenizer_class");
    bool clip = class && strstr(class->data, "CLIP"), lstrip;
    bool roberta = !clip && vocab_get(&s->vocab, "<s>", 3) >= 0 && vocab_get(&s->vocab, "</s>", 4) >= 0;
    put(w, "{\"model\":{\"type\":\"BPE\",\"vocab\":");
    put_bytes(w, vocab, vocab_nbytes);
    put(w, ",\"merges\":[");
    put_merges(w, s->bytes, s->nbytes);
    put(w, clip ? "],\"end_of_word_suffix\":\"</w>\",\"unk_token\":\"<|endoftext|>\"}" : "]}");
    if (clip)
        put(w, ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
               "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"},"
               "{\"type\":\"Lowercase\"}]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
               "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|"
               "[^\\\\s\\\\p{L}\\\\p{N}]+\"},\"behavior\":\"Removed\",\"invert\":true},"
               "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]}");
    else {
        put(w, ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":");
        put(w, config_flag(b, "add_prefix_space", "false"));
        put(w, "}");
    }
    put_all_added(w, b, &s->vocab,
                  clip      ? clip_tokens
                  : roberta ? roberta_tokens
                            : gpt2_tokens,
                  clip || !roberta);
    if (clip)
        put_post(w, "RobertaProcessing", &s->vocab, special(b, "bos_token", "<|startoftext|>", &lstrip),
                 special(b, "eos_token", "<|endoftext|>", &lstrip));
    else if (roberta)
        put_post(w, "RobertaProcessing", &s->vocab, special(b, "cls_token", "<s>", &lstrip),
                 special(b, "sep_token", "</s>", &lstrip));
    put_padding(w, b, &s->vocab, roberta ? "<pad>" : "<|endoftext|>");
    put(w, "}");
}

static sl_status begin_writer(struct writer *w, const sl_host *host, size_t nbytes, sl_error *err) {
    *w = (struct writer){.host = host, .cap = 8 * nbytes + 65536}; /* "\u0000": and ids */
    w->data = host->alloc(w->cap + 1);
    return w->data ? SL_OK : host->fail(err, SL_E_MEMORY, "cannot open the tokenizer: out of memory");
}

static sl_status finish(struct writer *w, struct text_json *json, const char *file, sl_error *err) {
    if (w->failed) {
        w->host->free(w->data);
        return w->host->fail(err, SL_E_MEMORY, "cannot open the tokenizer: out of memory");
    }
    return text_json_read(json, w->host, w->data, w->nbytes, file, err);
}

static sl_status read_vocab_txt(struct text_json *json, const struct beside *b, struct source *s,
                                sl_error *err) {
    struct writer w;
    sl_status status = begin_writer(&w, b->host, s->nbytes, err);
    if (status != SL_OK)
        return status;
    write_bert(&w, s, b);
    return finish(&w, json, "vocab.txt", err);
}

static sl_status read_vocab_json(struct text_json *json, const struct beside *b, const sl_params *params,
                                 struct source *s, sl_error *err) {
    const sl_host *host = b->host;
    struct source merges = {.bytes = NULL};
    struct text_json vocab = {.nodes = NULL};
    struct writer w = {.data = NULL};
    char *copy = host->alloc(s->nbytes + 1); /* reading changes it */
    if (!copy)
        return host->fail(err, SL_E_MEMORY, "cannot open the tokenizer: out of memory");
    memcpy(copy, s->bytes, s->nbytes);
    sl_status status = text_json_read(&vocab, host, copy, s->nbytes, "vocab.json", err);
    if (status == SL_OK)
        status = index_vocab(&merges, &vocab, host, err);
    if (status == SL_OK)
        status = host->read_file(params, "merges.txt", &merges.bytes, &merges.nbytes, err);
    if (status == SL_OK)
        status = begin_writer(&w, host, s->nbytes + merges.nbytes, err);
    if (status == SL_OK) {
        write_bytes_model(&w, &merges, b, s->bytes, s->nbytes);
        status = finish(&w, json, "vocab.json", err);
    }
    vocab_clear(&merges.vocab, host);
    host->free(merges.bytes);
    text_json_clear(&vocab, host);
    return status;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static sl_status read_file(struct text_json *json, const sl_host *host, const sl_params *params,
                           const char *file, sl_error *err) {
    struct source s = {.bytes = NULL};
    struct beside b = {.host = host};
    bool there;
    sl_status status = host->read_file(params, file, &s.bytes, &s.nbytes, err);
    bool txt = ends_with(file, ".txt"), vocab = ends_with(file, "vocab.json");
    if (status != SL_OK)
        return status;
    if (!txt && !vocab)
        return text_json_read(json, host, s.bytes, s.nbytes, file, err);
    status = read_json(&b.config, host, params, "tokenizer_config.json", &there, err);
    if (status == SL_OK)
        status = read_json(&b.specials, host, params, "special_tokens_map.json", &there, err);
    if (status == SL_OK)
        status = txt ? read_vocab_txt(json, &b, &s, err) : read_vocab_json(json, &b, params, &s, err);
    text_json_clear(&b.config, host);
    text_json_clear(&b.specials, host);
    vocab_clear(&s.vocab, host);
    host->free(s.bytes);
    return status;
}

sl_status text_files_read(struct text_json *json, const sl_host *host, const sl_params *params,
                          const char *file, sl_error *err) {
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "vocab.json"};
    if (file)
        return read_file(json, host, params, file, err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        sl_error why = {.status = SL_OK};
        sl_status status = read_file(json, host, params, names[i], &why);
        if (status == SL_OK || status != SL_E_NOINPUT)
            return status == SL_OK ? SL_OK : host->fail(err, status, "%s", why.text);
    }
    return host->fail(err, SL_E_MODEL,
                      "cannot find a tokenizer: the model directory has no 'tokenizer.json', 'vocab.txt' or "
                      "'vocab.json'");
}
