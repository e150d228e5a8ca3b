/* text_tokenize.c: text.tokenize, text.wordpiece and text.bpe: a record's text, or two, as the numbers a
 * model of language takes. What comes out has a row for each input such models have; the input's name picks
 * its row (tensor.part), and chains that begin alike run once, so a text is tokenised once. */
#include <string.h>

#include "transforms/text/text_tokenizer.h"

extern const sl_transform transform_text_tokenize, transform_text_wordpiece, transform_text_bpe;

#define MAX_BYTES (256 << 10)
#define MOST_BYTES (16 << 20)
#define MOST_LENGTH (1 << 16)
#define USUAL_LENGTH 512 /* where nobody says */

static const char *const parts[] = {"input_ids", "attention_mask", "token_type_ids", "position_ids"};
#define PARTS (sizeof parts / sizeof *parts)

struct tokenize {
    struct text_tokenizer *t;
    enum text_strategy strategy;
    size_t length; /* of the rows */
    size_t most;   /* tokens of a text, or of two; the rest is padding */
    size_t max_nbytes;
    bool pair; /* the source always brings two */
};

static void tokenize_close(const sl_host *host, void *state) {
    struct tokenize *tokenize = state;
    if (!tokenize)
        return;
    text_tokenizer_close(tokenize->t);
    host->free(tokenize);
}

static sl_status choose(const sl_host *host, const sl_params *params, const char *key,
                        const char *const *words, int *choice, sl_error *err) {
    const char *word = NULL;
    sl_status status = host->param_text(params, key, &word, err);
    if (status != SL_OK || !word)
        return status;
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0) {
            *choice = i;
            return SL_OK;
        }
    return host->fail(err, SL_E_MODEL, "cannot tokenize: '%s' is not known for '%s'", word, key);
}

static sl_status read_sides(const sl_host *host, const sl_params *params, struct tokenize *state,
                            sl_error *err) {
    static const char *const strategies[] = {"longest_first", "only_first", "only_second", "none", NULL};
    static const char *const sides[] = {"right", "left", NULL};
    int strategy = (int)state->t->strategy, cut = state->t->truncate_left, pad = state->t->pad_left;
    sl_status status = choose(host, params, "truncation", strategies, &strategy, err);
    if (status == SL_OK)
        status = choose(host, params, "truncation_side", sides, &cut, err);
    if (status == SL_OK)
        status = choose(host, params, "padding_side", sides, &pad, err);
    state->strategy = (enum text_strategy)strategy;
    state->t->truncate_left = cut;
    state->t->pad_left = pad;
    return status;
}

/* The sequence's length: what transform.json says, what the model takes, what the file was saved with. */
static sl_status read_lengths(const sl_host *host, const sl_params *params, struct tokenize *state,
                              sl_error *err) {
    int64_t fixed = 0, length, max_bytes = MAX_BYTES, pad_id = state->t->pad_id,
            pad_type = state->t->pad_type;
    sl_spec target;
    if (host->target(params, &target) && target.rank >= 1 && target.dims[target.rank - 1] > 0)
        fixed = target.dims[target.rank - 1];
    length = fixed ? fixed : state->t->max_length > 0 ? state->t->max_length : USUAL_LENGTH;
    sl_status status = host->param_int(params, "max_length", &length, err);
    if (status == SL_OK)
        status = host->param_int(params, "max_bytes", &max_bytes, err);
    if (status == SL_OK)
        status = host->param_int(params, "pad_id", &pad_id, err);
    if (status == SL_OK)
        status = host->param_int(params, "pad_type_id", &pad_type, err);
    if (status != SL_OK)
        return status;
    if (length < 1 || length > MOST_LENGTH || fixed > MOST_LENGTH || max_bytes < 1 ||
        max_bytes > MOST_BYTES || pad_id < 0 || pad_id > INT32_MAX || pad_type < 0 || pad_type > INT32_MAX)
        return host->fail(err, SL_E_MODEL,
                          "cannot tokenize: expected a 'max_length' of 1 to %d, 'max_bytes' of 1 to %d, and "
                          "'pad_id' and 'pad_type_id' of 0 or more",
                          MOST_LENGTH, MOST_BYTES);
    state->length = (size_t)(fixed ? fixed : length);
    state->most = fixed && fixed < length ? (size_t)fixed : (size_t)length;
    state->max_nbytes = (size_t)max_bytes;
    state->t->pad_id = (int32_t)pad_id;
    state->t->pad_type = (int32_t)pad_type;
    size_t specials = state->pair ? state->t->pair.specials : state->t->single.specials;
    if (specials > state->most)
        return host->fail(err, SL_E_MODEL,
                          "cannot tokenize: 'max_length' is %zu, the special tokens alone are %zu",
                          state->most, specials);
    return SL_OK;
}

static bool takes(const sl_spec *in, bool *pair) {
    *pair = false;
    if (in->kind == SL_KIND_CSV)
        *pair = in->columns && in->column_count == 2;
    if (in->kind != SL_KIND_TENSOR)
        return in->kind == SL_KIND_BYTES || in->kind == SL_KIND_JSON || in->kind == SL_KIND_CSV;
    int64_t count = 1;
    for (int d = 0; d < in->rank; d++)
        count *= in->dims[d] > 2 ? 3 : in->dims[d];
    *pair = count == 2;
    return in->dtype == SL_STRING && (count == 1 || count == 2);
}

static size_t round_up(size_t nbytes) {
    return (nbytes + 63) / 64 * 64;
}

static sl_status open_any(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                          void **state, size_t *scratch_nbytes, const char *model, sl_error *err) {
    static const char *const keys[] = {
        "",       "tokenizer",   "max_length", "truncation", "truncation_side", "padding_side",
        "pad_id", "pad_type_id", "max_bytes",  NULL};
    const char *file = NULL;
    static const char *const models[] = {"wordpiece", "bpe", "unigram", "wordlevel"};
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = host->param_text(params, host->param_has(params, "") ? "" : "tokenizer", &file, err);
    if (status != SL_OK)
        return status;
    struct tokenize *tokenize = host->alloc(sizeof *tokenize);
    if (!tokenize)
        return host->fail(err, SL_E_MEMORY, "cannot open the tokenizer: out of memory");
    if (!takes(in, &tokenize->pair))
        status = host->fail(err, SL_E_MODEL,
                            "cannot tokenize: it takes one text or two: of a file, a json value, a csv row "
                            "with no other fields, or {\"columns\": [...]}");
    if (status == SL_OK)
        status = text_tokenizer_open(&tokenize->t, host, params, file, err);
    if (status == SL_OK && model && strcmp(models[tokenize->t->model.kind], model) != 0)
        status = host->fail(err, SL_E_MODEL, "cannot use transform 'text.%s': the tokenizer's model is %s",
                            model, models[tokenize->t->model.kind]);
    if (status == SL_OK)
        status = read_sides(host, params, tokenize, err);
    if (status == SL_OK)
        status = read_lengths(host, params, tokenize, err);
    if (status != SL_OK) {
        tokenize_close(host, tokenize);
        return status;
    }
    *out = (sl_spec){.kind = SL_KIND_TENSOR,
                     .dtype = SL_INT32,
                     .rank = 2,
                     .dims = {PARTS, (int64_t)tokenize->length},
                     .max_nbytes = PARTS * tokenize->length * sizeof(int32_t),
                     .parts = parts,
                     .part_count = PARTS};
    *state = tokenize;
    *scratch_nbytes = 2 * round_up(tokenize->length * sizeof(int32_t)) +
                      text_room_nbytes(tokenize->t, tokenize->max_nbytes);
    return SL_OK;
}

static sl_status tokenize_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                               void **state, size_t *scratch_nbytes, sl_error *err) {
    return open_any(host, params, in, out, state, scratch_nbytes, NULL, err);
}

static sl_status wordpiece_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                                void **state, size_t *scratch_nbytes, sl_error *err) {
    return open_any(host, params, in, out, state, scratch_nbytes, "wordpiece", err);
}

static sl_status bpe_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                          void **state, size_t *scratch_nbytes, sl_error *err) {
    return open_any(host, params, in, out, state, scratch_nbytes, "bpe", err);
}

/* --- per record --- */

/* A json text, a list of one or two, or an object as Hugging Face's pipelines take them. */
static sl_status json_texts(const sl_host *host, sl_ctx *ctx, const sl_value *in, sl_string text[2],
                            size_t *count) {
    static const char *const inputs[] = {"inputs"}, *const texts[] = {"text", "text_pair"};
    size_t i = 0;
    while (i < in->bytes.nbytes && strchr(" \t\r\n", in->bytes.data[i]))
        i++;
    char first = i < in->bytes.nbytes ? in->bytes.data[i] : 0;
    *count = 2;
    if (first == '[' && host->json_texts(ctx, in, 2, text) == SL_OK)
        return SL_OK;
    if (first == '{' && host->json_members_texts(ctx, in, texts, 2, text) == SL_OK)
        return SL_OK;
    *count = 1;
    if (first != '{')
        return host->json_texts(ctx, in, 1, text);
    if (host->json_members_texts(ctx, in, inputs, 1, text) == SL_OK)
        return SL_OK;
    return host->json_members_texts(ctx, in, texts, 1, text);
}

static sl_status take_texts(const struct tokenize *state, const sl_host *host, sl_ctx *ctx,
                            const sl_value *in, sl_string text[2], size_t *count) {
    *count = 1 + state->pair;
    switch (in->kind) {
    case SL_KIND_JSON:
        return json_texts(host, ctx, in, text, count);
    case SL_KIND_CSV:
        return host->csv_texts(ctx, in, 0, NULL, *count, text);
    case SL_KIND_TENSOR:
        memcpy(text, in->tensor.data, *count * sizeof *text);
        return SL_OK;
    default:
        text[0] = (sl_string){in->bytes.data, in->bytes.nbytes};
        return SL_OK;
    }
}

static sl_status encode(const struct tokenize *state, const sl_host *host, sl_ctx *ctx, struct text_run *run,
                        const sl_string *text, struct text_ids *out) {
    size_t bad_at;
    if (text->nbytes > state->max_nbytes)
        return host->reject(ctx, "text-too-long", "the text has %zu bytes, \"max_bytes\" allows %zu",
                            text->nbytes, state->max_nbytes);
    if (text_encode(run, text->data, text->nbytes, out, &bad_at))
        return SL_OK;
    if (bad_at != SIZE_MAX)
        return host->reject(ctx, "invalid-utf8", "the text is not UTF-8 at its byte %zu", bad_at);
    if (!run->tries)
        return host->reject(ctx, "pattern-too-slow",
                            "the tokenizer's regular expression found no way through the text in %llu steps",
                            (unsigned long long)TEXT_REGEX_TRIES);
    return host->reject(ctx, "text-too-long", "normalised, the text is longer than \"max_bytes\" plans for");
}

/* Where the k-th number of what is left of a text stands: the last ones, in a circle, where the beginning was
 * cut off. */
static int32_t kept_id(const struct text_tokenizer *t, const struct text_ids *ids, size_t kept, size_t k) {
    if (!t->truncate_left || ids->count <= ids->cap)
        return ids->ids[k + (t->truncate_left ? (ids->count < ids->cap ? ids->count : ids->cap) - kept : 0)];
    return ids->ids[(ids->count - kept + k) % ids->cap];
}

static size_t put_item(const struct text_tokenizer *t, const struct text_item *item,
                       const struct text_ids *ids, const size_t kept[2], int32_t *rows[PARTS], size_t at) {
    size_t text = item->part == PART_SECOND, count = item->part == PART_SPECIAL ? 1 : kept[text];
    for (size_t k = 0; k < count; k++, at++) {
        rows[0][at] = item->part == PART_SPECIAL ? item->id : kept_id(t, &ids[text], count, k);
        rows[2][at] = item->type;
    }
    return at;
}

static void put_rows(const struct tokenize *state, bool pair, const struct text_ids *ids,
                     const size_t kept[2], int32_t *out) {
    const struct text_tokenizer *t = state->t;
    const struct text_template *list = pair ? &t->pair : &t->single;
    size_t length = state->length, total = list->specials + kept[0] + (pair ? kept[1] : 0);
    size_t begin = t->pad_left ? length - total : 0;
    int32_t *rows[PARTS];
    for (size_t p = 0; p < PARTS; p++)
        rows[p] = out + p * length;
    memset(rows[1], 0, 3 * length * sizeof *out);
    for (size_t i = 0; i < length; i++) {
        bool text = i >= begin && i < begin + total;
        rows[1][i] = text;
        rows[3][i] = text ? (int32_t)(i - begin) : 0;
        if (text)
            continue;
        rows[0][i] = t->pad_id;
        rows[2][i] = t->pad_type;
    }
    for (size_t i = 0, at = begin; i < list->count; i++)
        at = put_item(t, &list->items[i], ids, kept, rows, at);
}

static sl_status tokenize_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                                sl_value *out) {
    const struct tokenize *tokenize = state;
    const struct text_tokenizer *t = tokenize->t;
    struct text_run run = {.t = t};
    char *memory = host->scratch(ctx);
    size_t row = round_up(tokenize->length * sizeof(int32_t)), count;
    sl_string text[2];
    sl_status status = take_texts(tokenize, host, ctx, in, text, &count);
    if (status != SL_OK)
        return status;
    size_t specials = count == 2 ? t->pair.specials : t->single.specials;
    if (specials > tokenize->most)
        return host->reject(ctx, "text-too-long",
                            "the special tokens of two texts do not fit \"max_length\"");
    size_t most = tokenize->most - specials;
    struct text_ids ids[2] = {{.ids = (int32_t *)(void *)memory, .cap = most},
                              {.ids = (int32_t *)(void *)(memory + row), .cap = most}};
    text_room_lay(&run.room, t, tokenize->max_nbytes, memory + 2 * row);
    /* Of two long texts the longer one gets the odd token. */
    run.count_all = count == 2 && tokenize->strategy == TRUNCATE_LONGEST;
    for (size_t i = 0; i < count; i++)
        if ((status = encode(tokenize, host, ctx, &run, &text[i], &ids[i])) != SL_OK)
            return status;
    size_t kept[2] = {ids[0].count, ids[1].count};
    if (!text_truncate(tokenize->strategy, most, count == 2, &kept[0], &kept[1]))
        return host->reject(
            ctx, "text-too-long",
            "more than the %zu tokens that \"max_length\" allows, and \"truncation\" cannot cut "
            "them",
            tokenize->most);
    put_rows(tokenize, count == 2, ids, kept, out->tensor.data);
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"tokenizer", "file in the model directory",
     "\"tokenizer.json\", else \"vocab.txt\", else \"vocab.json\"", "also the value itself"},
    {"max_length", "integer", "the model's, else the file's, else 512",
     "tokens; shorter texts are padded, to the model's own length where it has one"},
    {"truncation", "\"longest_first\", \"only_first\", \"only_second\", \"none\"", "the file's",
     "which of two texts is cut; with none a longer one is a reject"},
    {"truncation_side", "\"right\" or \"left\"", "the file's", "which end is cut off"},
    {"padding_side", "\"right\" or \"left\"", "the file's", "where padding goes"},
    {"pad_id", "integer", "the file's", "the number that fills up"},
    {"pad_type_id", "integer", "the file's, else 0", "its token type"},
    {"max_bytes", "integer", "262144", "a longer text is a reject"},
    {NULL, NULL, NULL, NULL},
};

#define TOKENIZER(variable, word, opens, what)                                                               \
    const sl_transform variable = {                                                                          \
        .abi = SL_TRANSFORM_ABI,                                                                             \
        .nbytes = sizeof(sl_transform),                                                                      \
        .name = word,                                                                                        \
        .summary = what,                                                                                     \
        .shapes = "one text or two -> int32 [4,length]: input_ids, attention_mask, token_type_ids, "         \
                  "position_ids; the input's name picks its row",                                            \
        .params = docs,                                                                                      \
        .open = opens,                                                                                       \
        .close = tokenize_close,                                                                             \
        .apply = tokenize_apply,                                                                             \
    }

TOKENIZER(transform_text_tokenize, "text.tokenize", tokenize_open,
          "tokens as Hugging Face's tokenizer makes them, whatever its model");
TOKENIZER(transform_text_wordpiece, "text.wordpiece", wordpiece_open,
          "tokens of a WordPiece model: BERT, DistilBERT, MiniLM");
TOKENIZER(transform_text_bpe, "text.bpe", bpe_open, "tokens of a byte pair encoding: RoBERTa, GPT-2, CLIP");
