/* text_tokenizer.h: a tokenizer as tokenizer.json describes it: added tokens are cut out of the text, what is
 * left is normalised, split into words, each word becomes numbers by the model, and a template puts the
 * special tokens around. Read once (text_read_*.c), then only looked at, by any thread.
 *
 * The words are Hugging Face's: normalizer, pre_tokenizer, model, post_processor. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "transforms/text/text_json.h"
#include "transforms/text/text_regex.h"
#include "transforms/text/text_unicode.h"
#include "transforms/text/text_vocab.h"

/* --- normalizer --- */

enum text_norm_kind {
    NORM_BERT,
    NORM_LOWERCASE,
    NORM_FORM, /* NFC, NFD, NFKC, NFKD */
    NORM_STRIP_ACCENTS,
    NORM_STRIP,
    NORM_REPLACE,
    NORM_REPLACE_RUN,    /* two or more of `from` */
    NORM_REPLACE_SPACES, /* \s+ */
    NORM_PREPEND,
    NORM_CHARSMAP /* SentencePiece's Precompiled */
};

struct text_norm {
    enum text_norm_kind kind;
    bool clean, cjk, accents, lower; /* BertNormalizer */
    bool compat, compose;            /* forms */
    bool left, right;                /* Strip */
    uint32_t *from, *to;             /* Replace, Prepend */
    size_t from_count, to_count;
    const unsigned char *charsmap; /* Precompiled: the trie's units, then the texts */
    size_t unit_count, charsmap_nbytes;
    const char *texts;
    size_t texts_nbytes;
};

/* --- pre_tokenizer --- */

enum text_split_kind {
    SPLIT_BERT,
    SPLIT_WORDS,  /* Whitespace: \w+|[^\w\s]+ */
    SPLIT_SPACES, /* WhitespaceSplit */
    SPLIT_PATTERN,
    SPLIT_TEXT, /* at a fixed text */
    SPLIT_PUNCTUATION,
    SPLIT_DIGITS,
    SPLIT_METASPACE,
    SPLIT_BYTE_LEVEL
};

enum text_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_PREVIOUS, SPLIT_NEXT, SPLIT_CONTIGUOUS };

enum text_pattern {
    PATTERN_GPT2,
    PATTERN_CLIP,
    PATTERN_LLAMA3, /* numbers of up to three digits */
    PATTERN_QWEN2,  /* numbers of one digit */
    PATTERN_SPACES, /* \s+ */
    PATTERN_DIGIT,  /* one \p{N} */
    PATTERN_DIGITS3 /* \p{N}{1,3} */
};

struct text_split {
    enum text_split_kind kind;
    enum text_behavior behavior;
    enum text_pattern pattern;
    const struct text_regex *regex;
    bool invert;
    bool prefix;      /* ByteLevel: add_prefix_space; Metaspace: prepend */
    bool first;       /* Metaspace: prepend only at the text's beginning */
    bool pattern_too; /* ByteLevel: use_regex; Metaspace: split */
    uint32_t mark;    /* Metaspace's replacement */
    uint32_t *text;
    size_t text_count;
    size_t buffer; /* index of the buffer it writes what it changes to; SIZE_MAX: none */
};

/* --- model --- */

enum text_model_kind { MODEL_WORDPIECE, MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDLEVEL };

#define TEXT_NONE INT32_MIN

struct text_model {
    enum text_model_kind kind;
    struct vocab vocab;
    struct vocab rest; /* WordPiece: the pieces inside a word, without their "##" */
    int32_t unk;       /* TEXT_NONE: there is none */
    size_t most_chars; /* of a word, WordPiece */
    struct merges merges;
    bool byte_level, fuse_unk, ignore_merges;
    bool byte_fallback;
    int32_t bytes[256];      /* byte level: the byte's symbol; byte fallback: its <0x..> */
    int32_t last_bytes[256]; /* with the suffix of a word's end */
    const char *suffix, *prefix;
    size_t suffix_nbytes, prefix_nbytes;
    double *scores; /* Unigram, by id */
    double unk_score;
};

/* --- the rest --- */

struct text_added {
    uint32_t *text; /* of normalized ones: as the normalizer makes it */
    size_t count;
    int32_t id;
    bool single_word, lstrip, rstrip;
};

struct text_added_set {
    struct text_added *tokens; /* by first character, the longest first */
    size_t count;
    bool filter[256]; /* low byte of their first characters */
};

enum text_part { PART_SPECIAL, PART_FIRST, PART_SECOND };

struct text_item {
    enum text_part part;
    int32_t id, type;
};

struct text_template {
    struct text_item *items;
    size_t count, specials;
};

enum text_strategy { TRUNCATE_LONGEST, TRUNCATE_FIRST, TRUNCATE_SECOND, TRUNCATE_NONE };

struct text_tokenizer {
    const sl_host *host;
    struct unicode unicode;
    struct text_norm *norms;
    size_t norm_count;
    struct text_split *splits;
    size_t split_count, split_buffers;
    struct text_model model;
    struct text_added_set added, added_normal;
    struct text_template single, pair;
    enum text_strategy strategy;
    bool truncate_left, pad_left;
    int32_t pad_id, pad_type;
    int32_t max_length; /* of the file's truncation or padding; 0: it has none */

    struct text_block *blocks; /* what was reserved for it */
    struct text_json json;     /* its texts are kept */
};

/* Memory that is given back with the tokenizer; NULL when there is none. */
void *text_keep(struct text_tokenizer *t, size_t count, size_t size);

/* Reads tokenizer.json, or vocab.txt, or vocab.json with merges.txt, in the model directory. Refuses by name
 * what it cannot do. `file` may be NULL: the first of these that is there. */
sl_status text_tokenizer_open(struct text_tokenizer **tokenizer, const sl_host *host, const sl_params *params,
                              const char *file, sl_error *err);
void text_tokenizer_close(struct text_tokenizer *t);

/* text_read_model.c, text_read_steps.c, text_read_template.c: parts of tokenizer.json. */
sl_status text_refuse(const struct text_tokenizer *t, sl_error *err, const char *what,
                      const struct text_node *name);
sl_status text_read_model(struct text_tokenizer *t, const struct text_node *model, sl_error *err);
sl_status text_read_normalizer(struct text_tokenizer *t, const struct text_node *node, sl_error *err);
sl_status text_read_splits(struct text_tokenizer *t, const struct text_node *node, sl_error *err);
sl_status text_read_template(struct text_tokenizer *t, const struct text_node *node, sl_error *err);
sl_status text_read_added(struct text_tokenizer *t, const struct text_node *list, sl_error *err);
/* Code points of a text of the file. */
bool text_code_points(struct text_tokenizer *t, const struct text_node *node, uint32_t **out, size_t *count);
/* A member that is true or false. */
bool text_flag(const struct text_tokenizer *t, const struct text_node *object, const char *key, bool missing);

/* --- running --- */

/* One worker's room for a text of at most max_nbytes bytes. */
struct text_room {
    size_t cap; /* code points, and bytes, of the text at any stage */
    uint32_t *raw, *a, *b, **buffers;
    char *bytes;
    struct text_symbol *symbols; /* BPE, Unigram */
    struct text_candidate *heap;
};
size_t text_room_nbytes(const struct text_tokenizer *t, size_t max_nbytes);
void text_room_lay(struct text_room *room, const struct text_tokenizer *t, size_t max_nbytes, void *memory);

/* Numbers of one text. The first `cap` are kept, or the last where truncation is from the left. */
struct text_ids {
    int32_t *ids;
    size_t cap,
        count; /* count: all there were, or cap + 1 once there are more and the rest does not matter */
};

struct text_run {
    const struct text_tokenizer *t;
    struct text_room room;
    struct text_ids *out;
    bool count_all; /* how many there would be matters, past the room */
    bool done;      /* the rest of the text does not matter */
    bool overflow;
    uint64_t tries;  /* that are left for regular expressions */
    bool lost_start; /* what was normalised last no longer begins where the text did */
};

static inline void text_put(struct text_run *run, int32_t id) {
    struct text_ids *out = run->out;
    if (out->count < out->cap)
        out->ids[out->count++] = id;
    else if (run->t->truncate_left && out->cap)
        out->ids[out->count++ % out->cap] = id;
    else if (run->count_all)
        out->count++;
    else
        run->done = true, out->count = out->cap + 1;
}

/* False when the text is no UTF-8 (*bad_at), grows past the room, or has a regular expression try for too
 * long (SIZE_MAX; run->tries is 0). */
bool text_encode(struct text_run *run, const char *text, size_t nbytes, struct text_ids *out, size_t *bad_at);

/* Normalises `count` code points at room.a in place or into room.b; *at is where they are. */
bool text_normalize(struct text_run *run, uint32_t **at, size_t *count);
/* Splits and hands the words to the model. */
void text_split_from(struct text_run *run, size_t step, const uint32_t *c, size_t count, bool at_start);
size_t text_pattern_match(const struct unicode *unicode, enum text_pattern pattern, const uint32_t *c,
                          size_t at, size_t count);
void text_wordpiece(struct text_run *run, const uint32_t *c, size_t count);
void text_wordlevel(struct text_run *run, const uint32_t *c, size_t count);
void text_bpe(struct text_run *run, const uint32_t *c, size_t count);
void text_unigram(struct text_run *run, const uint32_t *c, size_t count);

/* The letter that byte-level vocabularies write a byte as. */
uint32_t text_byte_letter(unsigned char byte);

/* Lengths of two texts cut to `most` together; false when the strategy cannot. */
bool text_truncate(enum text_strategy strategy, size_t most, bool pair, size_t *first, size_t *second);

struct text_symbol {
    int32_t id, prev, next, nbytes; /* BPE: a list; Unigram: the best way to here */
    double score;
};
struct text_candidate {
    int32_t rank, at, left, right, id;
};

#endif
