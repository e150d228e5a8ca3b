/* tokenize.c: com.microsoft's Tokenizer, which skl2onnx puts in front of TfIdfVectorizer: texts into tokens,
 * each row filled up with a pad value. How many tokens there are is up to the text, so a row has room for as
 * many as the longest text can hold; those of a known input are counted. */
#include <string.h>

#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/tokenize.h"
#include "ops/utf8.h"

/* Where the tokens of one text go. */
struct tokens {
    sl_string *out;
    int64_t room, count;
    const struct tokenizer *how;
};

static void put(struct tokens *t, const char *data, size_t nbytes) {
    if (t->out && t->count < t->room)
        t->out[t->count] = (sl_string){data, nbytes};
    t->count++;
}

/* A token, unless it has too few characters. */
static void put_long(struct tokens *t, const char *data, size_t nbytes) {
    int64_t chars = 0;
    for (size_t i = 0; i < nbytes; i++)
        chars += ((unsigned char)data[i] & 0xc0) != 0x80;
    if (nbytes && chars >= t->how->least)
        put(t, data, nbytes);
}

static void take_characters(struct tokens *t, sl_string text) {
    size_t used;
    for (size_t at = 0; at < text.nbytes; at += used) {
        utf8_read(text.data + at, text.nbytes - at, &used);
        put(t, text.data + at, used);
    }
}

static void take_matches(struct tokens *t, sl_string text, void *scratch) {
    size_t at = 0, used;
    while (at < text.nbytes) {
        int64_t n = regex_match(t->how->regexes, scratch, text, at);
        if (n > 0) {
            put_long(t, text.data + at, (size_t)n);
            at += (size_t)n;
        } else {
            utf8_read(text.data + at, text.nbytes - at, &used);
            at += used;
        }
    }
}

/* The longest separator that begins here. */
static size_t find_separator(const struct tokenizer *how, sl_string text, size_t at, void *scratch) {
    int64_t most = 0;
    for (size_t i = 0; i < how->count; i++) {
        int64_t n = regex_match(&how->regexes[i], scratch, text, at);
        most = n > most ? n : most;
    }
    return (size_t)most;
}

static void take_between(struct tokens *t, sl_string text, void *scratch) {
    size_t start = 0, at = 0, used;
    while (at < text.nbytes) {
        size_t n = find_separator(t->how, text, at, scratch);
        if (n) {
            put_long(t, text.data + start, at - start);
            start = at + n;
        }
        utf8_read(text.data + at, text.nbytes - at, &used);
        at = n ? start : at + used;
    }
    put_long(t, text.data + start, text.nbytes - start);
}

int64_t tokenize(const struct tokenizer *how, sl_string text, sl_string *out, int64_t room, void *scratch) {
    struct tokens t = {.out = out, .room = room, .how = how};
    if (how->mark)
        put(&t, "\x02", 1);
    if (!how->count)
        take_characters(&t, text);
    else if (how->separates)
        take_between(&t, text, scratch);
    else
        take_matches(&t, text, scratch);
    if (how->mark)
        put(&t, "\x03", 1);
    return t.count;
}

static sl_status compile(struct tokenizer *how, struct arena *arena, const sl_string *patterns, size_t count,
                         sl_error *err) {
    sl_status st = SL_OK;
    how->regexes = arena_alloc(arena, count, sizeof *how->regexes);
    if (!how->regexes)
        return error_set(err, SL_E_MEMORY, "out of memory for regular expressions");
    for (; st == SL_OK && how->count < count; how->count++) {
        st = regex_compile(&how->regexes[how->count], arena, patterns[how->count], err);
        size_t nbytes = st == SL_OK ? regex_scratch_nbytes(&how->regexes[how->count]) : 0;
        how->scratch_nbytes = nbytes > how->scratch_nbytes ? nbytes : how->scratch_nbytes;
    }
    return st;
}

sl_status tokenizer_read(const struct op_call *call, struct arena *arena, struct tokenizer *how,
                         sl_error *err) {
    const struct attr *pattern = op_attr(call, "tokenexp"), *separators = op_attr(call, "separators"),
                      *pad = op_attr(call, "pad_value");
    *how = (struct tokenizer){.mark = op_attr_int(call, "mark", 0) != 0,
                              .least = op_attr_int(call, "mincharnum", 1),
                              .pad = pad && pad->type == ATTR_STRING ? pad->s : (sl_string){"#", 1}};
    bool by_pattern = pattern && pattern->type == ATTR_STRING && pattern->s.nbytes;
    bool by_separators = separators && separators->type == ATTR_STRINGS && separators->count;
    if (by_pattern == by_separators)
        return error_set(err, SL_E_MODEL, "it needs either 'tokenexp' or 'separators'");
    if (by_pattern)
        return compile(how, arena, &pattern->s, 1, err);
    if (separators->count == 1 && !separators->strings[0].nbytes)
        return SL_OK; /* an empty separator: every character is a token */
    how->separates = true;
    return compile(how, arena, separators->strings, separators->count, err);
}

/* The most tokens a text can have. A run of one set of characters takes at least one other after it. */
static sl_status find_room(const struct op_call *call, const struct tokenizer *how, int64_t *room,
                           sl_error *err) {
    const sl_tensor *x = call->in[0];
    *room = 0;
    if (!x->data && !call->text_limit)
        return error_set(err, SL_E_MODEL, "how many tokens there are depends on the records");
    if (!x->data) {
        bool apart = how->count && (how->separates || how->regexes[0].run_of >= 0);
        *room = (int64_t)(apart ? (call->text_limit + 1) / 2 : call->text_limit) + (how->mark ? 2 : 0);
        return SL_OK;
    }
    char scratch_room[1 << 16];
    struct arena arena;
    arena_init(&arena);
    void *scratch = how->scratch_nbytes <= sizeof scratch_room ? scratch_room
                                                               : arena_alloc(&arena, how->scratch_nbytes, 1);
    for (int64_t i = 0; scratch && i < rule_count(x); i++) {
        int64_t n = tokenize(how, ((const sl_string *)x->data)[i], NULL, 0, scratch);
        *room = n > *room ? n : *room;
    }
    arena_clear(&arena);
    return scratch ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for regular expressions");
}

static sl_status infer_tokenizer(const struct op_call *call, sl_error *err) {
    struct tokenizer how;
    struct arena arena;
    const sl_tensor *x = call->in[0];
    int64_t room = 0;
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_STRING), err);
    if (st == SL_OK && (x->rank < 1 || x->rank > 2))
        st = error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 1 or 2", x->rank);
    if (st != SL_OK)
        return st;
    arena_init(&arena);
    st = tokenizer_read(call, &arena, &how, err);
    if (st == SL_OK)
        st = find_room(call, &how, &room, err);
    arena_clear(&arena);
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], SL_STRING, x->rank, x->dims);
    call->out[0]->dims[call->out[0]->rank++] = room;
    return SL_OK;
}

static sl_status prepare_tokenizer(const struct op_call *call, struct arena *arena,
                                   struct op_prepared *prepared, sl_error *err) {
    struct tokenizer *how = arena_alloc(arena, 1, sizeof *how);
    if (!how)
        return error_set(err, SL_E_MEMORY, "out of memory for a tokenizer");
    sl_status st = tokenizer_read(call, arena, how, err);
    prepared->state = how;
    prepared->scratch_nbytes = how->scratch_nbytes;
    return st;
}

static void run_tokenizer(const struct op_call *call) {
    const struct tokenizer *how = call->state;
    int64_t room = call->out[0]->dims[call->out[0]->rank - 1];
    sl_string *out = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(call->in[0]); i < n; i++, out += room) {
        int64_t count = tokenize(how, ((const sl_string *)call->in[0]->data)[i], out, room, call->scratch);
        for (int64_t k = count; k < room; k++)
            out[k] = how->pad;
    }
}

const struct op op_tokenizer = {.domain = "com.microsoft",
                                .name = "Tokenizer",
                                .since = 1,
                                .min_in = 1,
                                .max_in = 1,
                                .min_out = 1,
                                .max_out = 1,
                                .attrs = "mark mincharnum pad_value separators stopwords tokenexp",
                                .infer = infer_tokenizer,
                                .prepare = prepare_tokenizer,
                                .run = run_tokenizer};
