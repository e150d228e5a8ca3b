/* text_read_template.c: tokenizer.json's "post_processor", as a list of special tokens and texts, and its
 * "added_tokens". */
#include <stdlib.h>
#include <string.h>

#include "transforms/text/text_tokenizer.h"

#define MOST_ITEMS 64
#define MOST_ADDED (1u << 20)

static sl_status damaged(const struct text_tokenizer *t, sl_error *err, const char *what) {
    return t->host->fail(err, SL_E_MODEL, "cannot use the tokenizer: %s", what);
}

static sl_status no_memory(const struct text_tokenizer *t, sl_error *err) {
    return t->host->fail(err, SL_E_MEMORY, "cannot open the tokenizer: out of memory");
}

static bool add_item(struct text_template *list, enum text_part part, int32_t id, int32_t type) {
    if (list->count == MOST_ITEMS)
        return false;
    list->items[list->count++] = (struct text_item){.part = part, .id = id, .type = type};
    list->specials += part == PART_SPECIAL;
    return true;
}

static bool read_type_id(const struct text_tokenizer *t, const struct text_node *node, int32_t *type) {
    const struct text_node *value = text_json_get(&t->json, node, "type_id");
    *type = 0;
    return !value || text_json_int(value, type);
}

/* {"SpecialToken": {"id": "[CLS]", "type_id": 0}}; its numbers stand in "special_tokens". */
static bool read_special(const struct text_tokenizer *t, const struct text_node *node,
                         const struct text_node *specials, struct text_template *list) {
    const struct text_node *name = text_json_get(&t->json, node, "id");
    int32_t type, id;
    if (!text_json_is(name, TEXT_STRING) || !read_type_id(t, node, &type))
        return false;
    const struct text_node *ids =
        text_json_get(&t->json, text_json_get(&t->json, specials, name->data), "ids");
    if (!text_json_is(ids, TEXT_ARRAY))
        return false;
    const struct text_node *one = text_json_first(ids);
    for (uint32_t i = 0; i < ids->count; i++, one = text_json_next(&t->json, one))
        if (!text_json_int(one, &id) || !add_item(list, PART_SPECIAL, id, type))
            return false;
    return true;
}

static bool read_items(const struct text_tokenizer *t, const struct text_node *nodes,
                       const struct text_node *specials, struct text_template *list) {
    if (!text_json_is(nodes, TEXT_ARRAY))
        return false;
    list->count = list->specials = 0;
    const struct text_node *node = text_json_first(nodes);
    for (uint32_t i = 0; i < nodes->count; i++, node = text_json_next(&t->json, node)) {
        const struct text_node *special = text_json_get(&t->json, node, "SpecialToken");
        const struct text_node *text = text_json_get(&t->json, node, "Sequence");
        const struct text_node *which = text_json_get(&t->json, text, "id");
        int32_t type;
        if (special && read_special(t, special, specials, list))
            continue;
        if (special || (!text_json_equals(which, "A") && !text_json_equals(which, "B")) ||
            !read_type_id(t, text, &type) ||
            !add_item(list, text_json_equals(which, "A") ? PART_FIRST : PART_SECOND, 0, type))
            return false;
    }
    return true;
}

/* BertProcessing and RobertaProcessing: "sep" and "cls" are ["token", id]. */
static bool read_ends(struct text_tokenizer *t, const struct text_node *node, bool roberta) {
    const struct text_node *sep = text_json_get(&t->json, node, "sep");
    const struct text_node *cls = text_json_get(&t->json, node, "cls");
    int32_t ids[2], second = !roberta;
    if (!text_json_is(sep, TEXT_ARRAY) || sep->count != 2 || !text_json_is(cls, TEXT_ARRAY) ||
        cls->count != 2 || !text_json_int(text_json_next(&t->json, text_json_first(sep)), &ids[0]) ||
        !text_json_int(text_json_next(&t->json, text_json_first(cls)), &ids[1]))
        return false;
    for (int pair = 0; pair < 2; pair++) {
        struct text_template *list = pair ? &t->pair : &t->single;
        list->count = list->specials = 0;
        bool ok = add_item(list, PART_SPECIAL, ids[1], 0) && add_item(list, PART_FIRST, 0, 0) &&
                  add_item(list, PART_SPECIAL, ids[0], 0);
        if (ok && pair && roberta)
            ok = add_item(list, PART_SPECIAL, ids[0], 0);
        if (ok && pair)
            ok = add_item(list, PART_SECOND, 0, second) && add_item(list, PART_SPECIAL, ids[0], second);
        if (!ok)
            return false;
    }
    return true;
}

static sl_status read_post(struct text_tokenizer *t, const struct text_node *node, unsigned *depth,
                           sl_error *err) {
    const struct text_node *type = text_json_get(&t->json, node, "type");
    if (text_json_equals(type, "ByteLevel"))
        return SL_OK; /* offsets only */
    if (text_json_equals(type, "Sequence") && ++*depth < 8) {
        const struct text_node *list = text_json_get(&t->json, node, "processors");
        sl_status status = SL_OK;
        if (!text_json_is(list, TEXT_ARRAY))
            return text_refuse(t, err, "post_processor", type);
        node = text_json_first(list);
        for (uint32_t i = 0; status == SL_OK && i < list->count; i++, node = text_json_next(&t->json, node))
            status = read_post(t, node, depth, err);
        return status;
    }
    if (t->single.specials)
        return damaged(t, err, "several post-processors add special tokens");
    bool ok = true;
    if (text_json_equals(type, "BertProcessing") || text_json_equals(type, "RobertaProcessing")) {
        ok = read_ends(t, node, type->data[0] == 'R');
    } else if (text_json_equals(type, "TemplateProcessing")) {
        const struct text_node *specials = text_json_get(&t->json, node, "special_tokens");
        ok = read_items(t, text_json_get(&t->json, node, "single"), specials, &t->single) &&
             read_items(t, text_json_get(&t->json, node, "pair"), specials, &t->pair);
    } else {
        return text_refuse(t, err, "post_processor", type);
    }
    return ok ? SL_OK : text_refuse(t, err, "damaged post_processor", type);
}

sl_status text_read_template(struct text_tokenizer *t, const struct text_node *node, sl_error *err) {
    unsigned depth = 0;
    t->single.items = text_keep(t, MOST_ITEMS, sizeof *t->single.items);
    t->pair.items = text_keep(t, MOST_ITEMS, sizeof *t->pair.items);
    if (!t->single.items || !t->pair.items)
        return no_memory(t, err);
    add_item(&t->single, PART_FIRST, 0, 0);
    add_item(&t->pair, PART_FIRST, 0, 0);
    add_item(&t->pair, PART_SECOND, 0, 1);
    return node ? read_post(t, node, &depth, err) : SL_OK;
}

/* --- added tokens --- */

static int by_first_then_length(const void *a, const void *b) {
    const struct text_added *x = a, *y = b;
    if (x->text[0] != y->text[0])
        return x->text[0] < y->text[0] ? -1 : 1;
    return (x->count < y->count) - (x->count > y->count);
}

/* The token as the normalizer makes it, as it will be looked for in texts that were normalised. */
static sl_status normalized(struct text_tokenizer *t, struct text_added *token, sl_error *err) {
    struct text_run run = {.t = t};
    size_t most = 8 * token->count + 64;
    void *memory = t->norm_count ? t->host->alloc(text_room_nbytes(t, most)) : NULL;
    if (!t->norm_count)
        return SL_OK;
    if (!memory)
        return no_memory(t, err);
    text_room_lay(&run.room, t, most, memory);
    uint32_t *at = token->text;
    size_t count = token->count;
    bool ok = text_normalize(&run, &at, &count);
    uint32_t *kept = ok ? text_keep(t, count + 1, sizeof *kept) : NULL;
    if (kept) {
        memcpy(kept, at, count * sizeof *kept);
        token->text = kept;
        token->count = count;
    }
    t->host->free(memory);
    return kept ? SL_OK : no_memory(t, err);
}

static sl_status read_token(struct text_tokenizer *t, const struct text_node *node, sl_error *err) {
    const struct text_node *content = text_json_get(&t->json, node, "content");
    bool normal = text_flag(t, node, "normalized", !text_flag(t, node, "special", false));
    struct text_added_set *set = normal ? &t->added_normal : &t->added;
    struct text_added *token = &set->tokens[set->count];
    if (!text_json_is(content, TEXT_STRING) ||
        !text_json_int(text_json_get(&t->json, node, "id"), &token->id))
        return damaged(t, err, "one of its 'added_tokens' has no content or no id");
    if (!content->nbytes)
        return SL_OK;
    int32_t known = vocab_get(&t->model.vocab, content->data, content->nbytes);
    if (known >= 0)
        token->id = known; /* the vocabulary's number counts */
    if (!text_code_points(t, content, &token->text, &token->count))
        return no_memory(t, err);
    token->single_word = text_flag(t, node, "single_word", false);
    token->lstrip = text_flag(t, node, "lstrip", false);
    token->rstrip = text_flag(t, node, "rstrip", false);
    sl_status status = normal ? normalized(t, token, err) : SL_OK;
    if (status == SL_OK && token->count) { /* what the normalizer leaves nothing of never matches */
        set->filter[token->text[0] & 0xff] = true;
        set->count++;
    }
    return status;
}

sl_status text_read_added(struct text_tokenizer *t, const struct text_node *list, sl_error *err) {
    if (!list)
        return SL_OK;
    if (!text_json_is(list, TEXT_ARRAY) || list->count > MOST_ADDED)
        return damaged(t, err, "'added_tokens' is no list, or has more than a million");
    t->added.tokens = text_keep(t, list->count + 1, sizeof *t->added.tokens);
    t->added_normal.tokens = text_keep(t, list->count + 1, sizeof *t->added_normal.tokens);
    if (!t->added.tokens || !t->added_normal.tokens)
        return no_memory(t, err);
    const struct text_node *node = text_json_first(list);
    for (uint32_t i = 0; i < list->count; i++, node = text_json_next(&t->json, node)) {
        sl_status status = read_token(t, node, err);
        if (status != SL_OK)
            return status;
    }
    qsort(t->added.tokens, t->added.count, sizeof *t->added.tokens, by_first_then_length);
    qsort(t->added_normal.tokens, t->added_normal.count, sizeof *t->added.tokens, by_first_then_length);
    return SL_OK;
}
