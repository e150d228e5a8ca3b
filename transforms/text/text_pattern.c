/* text_pattern.c: the regular expressions that published tokenizers split with, written out. Each function
 * gives the end of the match that begins at `at`, or `at` when none does, as Oniguruma finds it. */
#include "transforms/text/text_tokenizer.h"

#define IS(flag, i) ((unicode_flags(u, c[i]) & (flag)) != 0)
#define OTHER (UNI_SPACE | UNI_LETTER | UNI_NUMBER) /* [^\s\p{L}\p{N}] has none of them */

static size_t run_of(const struct unicode *u, unsigned flag, const uint32_t *c, size_t at, size_t count) {
    while (at < count && IS(flag, at))
        at++;
    return at;
}

static size_t run_of_others(const struct unicode *u, const uint32_t *c, size_t at, size_t count) {
    while (at < count && !IS(OTHER, at))
        at++;
    return at;
}

/* 's|'t|'re|'ve|'m|'ll|'d; where case does not matter, U+017F is an s as well. */
static size_t contraction(const uint32_t *c, size_t at, size_t count, bool any_case) {
    static const char pairs[][3] = {"s", "t", "re", "ve", "m", "ll", "d"};
    if (c[at] != '\'')
        return at;
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
        size_t n = 0;
        for (; pairs[p][n]; n++) {
            uint32_t want = (unsigned char)pairs[p][n];
            if (at + 1 + n >= count)
                break;
            uint32_t have = c[at + 1 + n];
            if (have != want && !(any_case && (have == want - 32 || (want == 's' && have == 0x17f))))
                break;
        }
        if (!pairs[p][n])
            return at + 1 + n;
    }
    return at;
}

/* \s+(?!\S)|\s+: all spaces but the one before a word. */
static size_t spaces(const struct unicode *u, const uint32_t *c, size_t at, size_t count) {
    size_t end = run_of(u, UNI_SPACE, c, at, count);
    return end < count && end > at + 1 ? end - 1 : end;
}

static size_t gpt2(const struct unicode *u, const uint32_t *c, size_t at, size_t count) {
    size_t end = contraction(c, at, count, false), word = at + (c[at] == ' ');
    if (end > at)
        return end;
    if (word < count) {
        if (IS(UNI_LETTER, word))
            return run_of(u, UNI_LETTER, c, word, count);
        if (IS(UNI_NUMBER, word))
            return run_of(u, UNI_NUMBER, c, word, count);
        if (!IS(OTHER, word))
            return run_of_others(u, c, word, count);
    }
    return spaces(u, c, at, count);
}

static size_t clip(const struct unicode *u, const uint32_t *c, size_t at, size_t count) {
    size_t end = contraction(c, at, count, false);
    if (end > at)
        return end;
    if (IS(UNI_LETTER, at))
        return run_of(u, UNI_LETTER, c, at, count);
    if (IS(UNI_NUMBER, at))
        return at + 1;
    return run_of_others(u, c, at, count);
}

static bool is_break(uint32_t c) {
    return c == '\r' || c == '\n';
}

/* \s*[\r\n]+: spaces up to the last line break among them. */
static size_t breaks(const struct unicode *u, const uint32_t *c, size_t at, size_t count) {
    size_t end = run_of(u, UNI_SPACE, c, at, count);
    while (end > at && !is_break(c[end - 1]))
        end--;
    return end;
}

static size_t llama3(const struct unicode *u, const uint32_t *c, size_t at, size_t count, size_t digits) {
    size_t end = contraction(c, at, count, true);
    if (end > at)
        return end;
    if (IS(UNI_LETTER, at))
        return run_of(u, UNI_LETTER, c, at, count);
    if (IS(UNI_NUMBER, at)) {
        for (end = at; end < count && end < at + digits && IS(UNI_NUMBER, end);)
            end++;
        return end;
    }
    if (!is_break(c[at]) && at + 1 < count && IS(UNI_LETTER, at + 1))
        return run_of(u, UNI_LETTER, c, at + 1, count);
    size_t word = at + (c[at] == ' ');
    if (word < count && !IS(OTHER, word)) {
        end = run_of_others(u, c, word, count);
        while (end < count && is_break(c[end]))
            end++;
        return end;
    }
    end = breaks(u, c, at, count);
    return end > at ? end : spaces(u, c, at, count);
}

size_t text_pattern_match(const struct unicode *u, enum text_pattern pattern, const uint32_t *c, size_t at,
                          size_t count) {
    size_t end = at;
    switch (pattern) {
    case PATTERN_GPT2:
        return gpt2(u, c, at, count);
    case PATTERN_CLIP:
        return clip(u, c, at, count);
    case PATTERN_LLAMA3:
        return llama3(u, c, at, count, 3);
    case PATTERN_QWEN2:
        return llama3(u, c, at, count, 1);
    case PATTERN_SPACES:
        return run_of(u, UNI_SPACE, c, at, count);
    case PATTERN_DIGIT:
        return at + IS(UNI_NUMBER, at);
    case PATTERN_DIGITS3:
        while (end < count && end < at + 3 && IS(UNI_NUMBER, end))
            end++;
        return end;
    }
    return at;
}
