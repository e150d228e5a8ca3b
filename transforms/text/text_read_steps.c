/* text_read_steps.c: tokenizer.json's "normalizer" and "pre_tokenizer". Sequences become flat lists; what is
 * not known is refused by its name. */
#include <string.h>

#include "transforms/text/text_charsmap.h"

#define MOST_STEPS 64
#define MOST_DEPTH 8

bool text_flag(const struct text_tokenizer *t, const struct text_node *object, const char *key,
               bool missing) {
    const struct text_node *node = text_json_get(&t->json, object, key);
    return node ? node->kind == TEXT_TRUE : missing;
}

bool text_code_points(struct text_tokenizer *t, const struct text_node *node, uint32_t **out, size_t *count) {
    const unsigned char *p = (const unsigned char *)node->data, *end = p + node->nbytes;
    *count = 0;
    *out = text_keep(t, (size_t)node->nbytes + 1, sizeof **out);
    while (*out && p < end) {
        unsigned n = text_utf8_read(p, end, &(*out)[*count]);
        if (!n)
            return false; /* the reader has let only UTF-8 through */
        p += n;
        ++*count;
    }
    return *out != NULL;
}

static sl_status no_memory(const struct text_tokenizer *t, sl_error *err) {
    return t->host->fail(err, SL_E_MEMORY, "cannot open the tokenizer: out of memory");
}

/* --- normalizer --- */

static sl_status read_replace(struct text_tokenizer *t, struct text_norm *norm, const struct text_node *node,
                              sl_error *err) {
    const struct text_node *pattern = text_json_get(&t->json, node, "pattern");
    const struct text_node *text = text_json_get(&t->json, pattern, "String");
    const struct text_node *regex = text_json_get(&t->json, pattern, "Regex");
    const struct text_node *content = text_json_get(&t->json, node, "content");
    static const uint32_t space = ' ';
    norm->kind = NORM_REPLACE;
    if (!text_json_is(content, TEXT_STRING) || !text_code_points(t, content, &norm->to, &norm->to_count))
        return text_refuse(t, err, "normalizer", content);
    if (text_json_equals(regex, "\\s+")) {
        norm->kind = NORM_REPLACE_SPACES;
        return SL_OK;
    }
    if (text_json_equals(regex, " {2,}")) {
        norm->kind = NORM_REPLACE_RUN;
        norm->from = text_keep(t, 1, sizeof space);
        if (!norm->from)
            return no_memory(t, err);
        norm->from[0] = space;
        return SL_OK;
    }
    if (!text_json_is(text, TEXT_STRING) || text->nbytes == 0)
        return text_refuse(t, err, "normalizer Replace with the regular expression", regex);
    return text_code_points(t, text, &norm->from, &norm->from_count) ? SL_OK : no_memory(t, err);
}

static sl_status read_norm(struct text_tokenizer *t, const struct text_node *node,
                           const struct text_node *type, sl_error *err) {
    struct text_norm *norm = &t->norms[t->norm_count];
    const struct text_node *text;
    if (text_json_equals(type, "BertNormalizer")) {
        norm->kind = NORM_BERT;
        norm->clean = text_flag(t, node, "clean_text", true);
        norm->cjk = text_flag(t, node, "handle_chinese_chars", true);
        norm->lower = text_flag(t, node, "lowercase", true);
        norm->accents = text_flag(t, node, "strip_accents", norm->lower);
    } else if (text_json_equals(type, "Lowercase")) {
        norm->kind = NORM_LOWERCASE;
    } else if (text_json_equals(type, "NFC") || text_json_equals(type, "NFD") ||
               text_json_equals(type, "NFKC") || text_json_equals(type, "NFKD")) {
        norm->kind = NORM_FORM;
        norm->compat = type->nbytes == 4;
        norm->compose = type->data[type->nbytes - 1] == 'C';
    } else if (text_json_equals(type, "StripAccents")) {
        norm->kind = NORM_STRIP_ACCENTS;
    } else if (text_json_equals(type, "Strip")) {
        norm->kind = NORM_STRIP;
        norm->left = text_flag(t, node, "strip_left", true);
        norm->right = text_flag(t, node, "strip_right", true);
    } else if (text_json_equals(type, "Replace")) {
        sl_status status = read_replace(t, norm, node, err);
        if (status != SL_OK)
            return status;
    } else if (text_json_equals(type, "Prepend")) {
        norm->kind = NORM_PREPEND;
        text = text_json_get(&t->json, node, "prepend");
        if (!text_json_is(text, TEXT_STRING) || !text_code_points(t, text, &norm->to, &norm->to_count))
            return text_refuse(t, err, "normalizer", type);
    } else if (text_json_equals(type, "Precompiled")) {
        norm->kind = NORM_CHARSMAP;
        text = text_json_get(&t->json, node, "precompiled_charsmap");
        if (text && !text_charsmap_read(t, norm, text))
            return text_refuse(t, err, "precompiled_charsmap, which is damaged: normalizer", type);
        if (!text)
            return SL_OK; /* null: nothing is changed */
    } else {
        return text_refuse(t, err, "normalizer", type);
    }
    t->norm_count++;
    return SL_OK;
}

/* --- pre_tokenizer --- */

static bool read_behavior(const struct text_tokenizer *t, const struct text_node *node,
                          enum text_behavior *behavior) {
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    const struct text_node *text = text_json_get(&t->json, node, "behavior");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_json_equals(text, names[i])) {
            *behavior = (enum text_behavior)i;
            return true;
        }
    return !text;
}

static bool find_pattern(const struct text_node *regex, enum text_pattern *pattern) {
    static const struct {
        const char *text;
        enum text_pattern pattern;
    } known[] = {
        {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", PATTERN_GPT2},
        {"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", PATTERN_CLIP},
        {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
         "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
         PATTERN_LLAMA3},
        {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
         "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
         PATTERN_QWEN2},
        {"\\s+", PATTERN_SPACES},
        {"\\p{N}", PATTERN_DIGIT},
        {"\\p{N}{1,3}", PATTERN_DIGITS3},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_json_equals(regex, known[i].text)) {
            *pattern = known[i].pattern;
            return true;
        }
    return false;
}

static sl_status read_pattern(struct text_tokenizer *t, struct text_split *split,
                              const struct text_node *node, sl_error *err) {
    const struct text_node *pattern = text_json_get(&t->json, node, "pattern");
    const struct text_node *regex = text_json_get(&t->json, pattern, "Regex");
    const struct text_node *text = text_json_get(&t->json, pattern, "String");
    split->kind = SPLIT_PATTERN;
    split->invert = text_flag(t, node, "invert", false);
    if (text_json_is(text, TEXT_STRING) && text->nbytes) {
        split->kind = SPLIT_TEXT;
        return text_code_points(t, text, &split->text, &split->text_count) ? SL_OK : no_memory(t, err);
    }
    if (find_pattern(regex, &split->pattern))
        return SL_OK;
    uint32_t *c;
    size_t count;
    if (text_json_is(regex, TEXT_STRING) && text_code_points(t, regex, &c, &count))
        split->regex = text_regex_read(t, c, count);
    if (!split->regex)
        return text_refuse(t, err, "pre_tokenizer Split with the regular expression", regex);
    return SL_OK;
}

static sl_status read_metaspace(struct text_tokenizer *t, struct text_split *split,
                                const struct text_node *node, sl_error *err) {
    const struct text_node *mark = text_json_get(&t->json, node, "replacement");
    const struct text_node *scheme = text_json_get(&t->json, node, "prepend_scheme");
    uint32_t *c;
    size_t count;
    split->kind = SPLIT_METASPACE;
    split->mark = 0x2581;
    if (mark) {
        if (!text_json_is(mark, TEXT_STRING) || !text_code_points(t, mark, &c, &count) || count != 1)
            return text_refuse(t, err, "Metaspace's replacement", mark);
        split->mark = c[0];
    }
    split->prefix = text_flag(t, node, "add_prefix_space", true) && !text_json_equals(scheme, "never");
    split->first = text_json_equals(scheme, "first");
    split->pattern_too = text_flag(t, node, "split", true);
    split->buffer = t->split_buffers++;
    return SL_OK;
}

static sl_status read_split(struct text_tokenizer *t, const struct text_node *node,
                            const struct text_node *type, sl_error *err) {
    struct text_split *split = &t->splits[t->split_count];
    sl_status status = SL_OK;
    split->behavior = SPLIT_ISOLATED;
    if (t->model.byte_level)
        return text_refuse(t, err, "pre_tokenizer behind ByteLevel", type);
    if (!read_behavior(t, node, &split->behavior))
        return text_refuse(t, err, "behavior", text_json_get(&t->json, node, "behavior"));
    if (text_json_equals(type, "BertPreTokenizer")) {
        split->kind = SPLIT_BERT;
    } else if (text_json_equals(type, "Whitespace")) {
        split->kind = SPLIT_WORDS;
    } else if (text_json_equals(type, "WhitespaceSplit")) {
        split->kind = SPLIT_SPACES;
        split->behavior = SPLIT_REMOVED;
    } else if (text_json_equals(type, "Punctuation")) {
        split->kind = SPLIT_PUNCTUATION;
    } else if (text_json_equals(type, "Digits")) {
        split->kind = SPLIT_DIGITS;
        split->behavior = text_flag(t, node, "individual_digits", false) ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    } else if (text_json_equals(type, "Split")) {
        status = read_pattern(t, split, node, err);
    } else if (text_json_equals(type, "CharDelimiterSplit")) {
        const struct text_node *delimiter = text_json_get(&t->json, node, "delimiter");
        split->kind = SPLIT_TEXT;
        split->behavior = SPLIT_REMOVED;
        if (!text_json_is(delimiter, TEXT_STRING) || !delimiter->nbytes)
            return text_refuse(t, err, "CharDelimiterSplit's delimiter", delimiter);
        if (!text_code_points(t, delimiter, &split->text, &split->text_count))
            return no_memory(t, err);
    } else if (text_json_equals(type, "Metaspace")) {
        status = read_metaspace(t, split, node, err);
    } else if (text_json_equals(type, "ByteLevel")) {
        split->kind = SPLIT_BYTE_LEVEL;
        split->prefix = text_flag(t, node, "add_prefix_space", true);
        split->pattern_too = text_flag(t, node, "use_regex", true);
        split->buffer = t->split_buffers++;
        t->model.byte_level = true;
    } else {
        status = text_refuse(t, err, "pre_tokenizer", type);
    }
    t->split_count += status == SL_OK;
    return status;
}

/* --- both --- */

typedef sl_status read_function(struct text_tokenizer *t, const struct text_node *node,
                                const struct text_node *type, sl_error *err);

static sl_status read_all(struct text_tokenizer *t, const struct text_node *node, const char *members,
                          const size_t *count, read_function *read, unsigned depth, sl_error *err) {
    const struct text_node *type = text_json_get(&t->json, node, "type");
    if (!text_json_equals(type, "Sequence")) {
        if (*count == MOST_STEPS)
            return t->host->fail(err, SL_E_MODEL, "cannot use the tokenizer: it has more than %d '%s'",
                                 MOST_STEPS, members);
        return read(t, node, type, err);
    }
    const struct text_node *list = text_json_get(&t->json, node, members);
    sl_status status = SL_OK;
    if (!text_json_is(list, TEXT_ARRAY) || depth == MOST_DEPTH)
        return text_refuse(t, err, members, type);
    node = text_json_first(list);
    for (uint32_t i = 0; status == SL_OK && i < list->count; i++, node = text_json_next(&t->json, node))
        status = read_all(t, node, members, count, read, depth + 1, err);
    return status;
}

sl_status text_read_normalizer(struct text_tokenizer *t, const struct text_node *node, sl_error *err) {
    t->norms = text_keep(t, MOST_STEPS, sizeof *t->norms);
    if (!t->norms)
        return no_memory(t, err);
    return node ? read_all(t, node, "normalizers", &t->norm_count, read_norm, 0, err) : SL_OK;
}

sl_status text_read_splits(struct text_tokenizer *t, const struct text_node *node, sl_error *err) {
    t->splits = text_keep(t, MOST_STEPS, sizeof *t->splits);
    if (!t->splits)
        return no_memory(t, err);
    return node ? read_all(t, node, "pretokenizers", &t->split_count, read_split, 0, err) : SL_OK;
}
