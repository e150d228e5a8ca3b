/* text_split.c: the pre-tokenizer's steps. Each cuts what it gets and hands the pieces to the next one, the
 * last one to the model, so no list of pieces is kept. */
#include <string.h>

#include "transforms/text/text_tokenizer.h"

static void model_word(struct text_run *run, const uint32_t *c, size_t count) {
    switch (run->t->model.kind) {
    case MODEL_WORDPIECE:
        text_wordpiece(run, c, count);
        return;
    case MODEL_WORDLEVEL:
        text_wordlevel(run, c, count);
        return;
    case MODEL_BPE:
        text_bpe(run, c, count);
        return;
    case MODEL_UNIGRAM:
        text_unigram(run, c, count);
        return;
    }
}

/* A text as it falls into matches and what is between them. */
struct cutter {
    struct text_run *run;
    size_t step;
    const uint32_t *c;
    bool at_start;
    enum text_behavior behavior;
    size_t begin, end; /* what waits for its neighbour */
    bool waits, match;
};

static void give(struct cutter *cut, size_t begin, size_t end) {
    if (end > begin && !cut->run->done)
        text_split_from(cut->run, cut->step + 1, cut->c + begin, end - begin, cut->at_start && begin == 0);
}

static void flush(struct cutter *cut) {
    if (cut->waits)
        give(cut, cut->begin, cut->end);
    cut->waits = false;
}

static void cut_one(struct cutter *cut, size_t begin, size_t end, bool match) {
    bool joins = false, was = cut->match;
    if (begin == end)
        return;
    switch (cut->behavior) {
    case SPLIT_REMOVED:
        if (!match)
            give(cut, begin, end);
        return;
    case SPLIT_ISOLATED:
        give(cut, begin, end);
        return;
    case SPLIT_CONTIGUOUS:
        joins = cut->waits && match == was;
        cut->match = match;
        break;
    case SPLIT_PREVIOUS:
        joins = cut->waits && match && !was;
        cut->match = match;
        break;
    case SPLIT_NEXT:
        joins = cut->waits && was && !match;
        cut->match = match;
        break;
    }
    if (!joins) {
        flush(cut);
        cut->begin = begin;
    }
    cut->end = end;
    cut->waits = true;
}

static void cut_at_pattern(struct cutter *cut, const struct text_split *split, size_t count) {
    const struct unicode *u = &cut->run->t->unicode;
    size_t gap = 0;
    for (size_t i = 0; i < count && !cut->run->done && cut->run->tries;) {
        size_t end = split->regex ? text_regex_match(split->regex, u, cut->c, i, count, &cut->run->tries)
                                  : text_pattern_match(u, split->pattern, cut->c, i, count);
        if (end == i) {
            i++;
            continue;
        }
        cut_one(cut, gap, i, split->invert);
        cut_one(cut, i, end, !split->invert);
        gap = i = end;
    }
    cut->run->done = cut->run->done || !cut->run->tries;
    cut_one(cut, gap, count, split->invert);
    flush(cut);
}

static void cut_at_text(struct cutter *cut, const struct text_split *split, size_t count) {
    size_t gap = 0, n = split->text_count;
    for (size_t i = 0; i < count && !cut->run->done;) {
        if (n == 0 || count - i < n || memcmp(cut->c + i, split->text, n * sizeof *cut->c) != 0) {
            i++;
            continue;
        }
        cut_one(cut, gap, i, split->invert);
        cut_one(cut, i, i + n, !split->invert);
        gap = i += n;
    }
    cut_one(cut, gap, count, split->invert);
    flush(cut);
}

/* Every code point with one of the flags is a match. */
static void cut_at_flag(struct cutter *cut, unsigned flag, size_t count) {
    const struct unicode *u = &cut->run->t->unicode;
    size_t gap = 0;
    for (size_t i = 0; i < count && !cut->run->done; i++) {
        if (!(unicode_flags(u, cut->c[i]) & flag))
            continue;
        cut_one(cut, gap, i, false);
        cut_one(cut, i, i + 1, true);
        gap = i + 1;
    }
    cut_one(cut, gap, count, false);
    flush(cut);
}

/* Spaces go, punctuation stands alone: BertPreTokenizer. */
static void cut_bert(struct cutter *cut, size_t count) {
    const struct unicode *u = &cut->run->t->unicode;
    size_t begin = 0;
    for (size_t i = 0; i < count && !cut->run->done; i++) {
        unsigned flags = unicode_flags(u, cut->c[i]);
        if (!(flags & (UNI_SPACE | UNI_PUNCT)))
            continue;
        give(cut, begin, i);
        if (flags & UNI_PUNCT && !(flags & UNI_SPACE))
            give(cut, i, i + 1);
        begin = i + 1;
    }
    give(cut, begin, count);
}

/* \w+|[^\w\s]+ */
static void cut_words(struct cutter *cut, size_t count) {
    const struct unicode *u = &cut->run->t->unicode;
    for (size_t i = 0; i < count && !cut->run->done;) {
        unsigned kind = unicode_flags(u, cut->c[i]) & (UNI_WORD | UNI_SPACE);
        size_t end = i + 1;
        while (end < count && (unicode_flags(u, cut->c[end]) & (UNI_WORD | UNI_SPACE)) == kind)
            end++;
        if (!(kind & UNI_SPACE))
            give(cut, i, end);
        i = end;
    }
}

static void metaspace(struct cutter *cut, const struct text_split *split, size_t count) {
    struct text_run *run = cut->run;
    uint32_t *to = run->room.buffers[split->buffer];
    bool starts = count && (cut->c[0] == split->mark || cut->c[0] == ' ');
    bool prefix = split->prefix && !starts && (!split->first || cut->at_start);
    if (count + 1 > run->room.cap) {
        run->overflow = run->done = true;
        return;
    }
    size_t n = 0;
    if (prefix)
        to[n++] = split->mark;
    for (size_t i = 0; i < count; i++)
        to[n++] = cut->c[i] == ' ' ? split->mark : cut->c[i];
    cut->c = to;
    if (!split->pattern_too) {
        give(cut, 0, n);
        return;
    }
    struct text_split at_mark = {.text = (uint32_t[]){split->mark}, .text_count = 1};
    cut->behavior = SPLIT_NEXT;
    cut_at_text(cut, &at_mark, n);
}

static void byte_level(struct cutter *cut, const struct text_split *split, size_t count) {
    struct text_run *run = cut->run;
    if (split->prefix && count && cut->c[0] != ' ') {
        uint32_t *to = run->room.buffers[split->buffer];
        if (count + 1 > run->room.cap) {
            run->overflow = run->done = true;
            return;
        }
        to[0] = ' ';
        memcpy(to + 1, cut->c, count * sizeof *to);
        cut->c = to;
        count++;
    }
    if (split->pattern_too) {
        cut->behavior = SPLIT_ISOLATED;
        cut_at_pattern(cut, &(struct text_split){.pattern = PATTERN_GPT2}, count);
    } else {
        give(cut, 0, count);
    }
}

void text_split_from(struct text_run *run, size_t step, const uint32_t *c, size_t count, bool at_start) {
    const struct text_tokenizer *t = run->t;
    if (step == t->split_count) {
        model_word(run, c, count);
        return;
    }
    const struct text_split *split = &t->splits[step];
    struct cutter cut = {.run = run, .step = step, .c = c, .at_start = at_start, .behavior = split->behavior};
    switch (split->kind) {
    case SPLIT_BERT:
        cut_bert(&cut, count);
        break;
    case SPLIT_WORDS:
        cut_words(&cut, count);
        break;
    case SPLIT_SPACES:
        cut_at_flag(&cut, UNI_SPACE, count);
        break;
    case SPLIT_PATTERN:
        cut_at_pattern(&cut, split, count);
        break;
    case SPLIT_TEXT:
        cut_at_text(&cut, split, count);
        break;
    case SPLIT_PUNCTUATION:
        cut_at_flag(&cut, UNI_PUNCT, count);
        break;
    case SPLIT_DIGITS:
        cut_at_flag(&cut, UNI_NUMERIC, count);
        break;
    case SPLIT_METASPACE:
        metaspace(&cut, split, count);
        break;
    case SPLIT_BYTE_LEVEL:
        byte_level(&cut, split, count);
        break;
    }
}
