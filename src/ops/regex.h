/* regex.h: regular expressions in RE2's syntax, matched by simulating all ways at once: time is bounded by
 * text length x pattern size, memory by the pattern; nothing backtracks. Of several matches that begin at a
 * place, the longest counts. Characters are those of UTF-8; \d \s \w \b know ASCII only, as in RE2. */
#ifndef OPS_REGEX_H
#define OPS_REGEX_H

#include "ops/op.h"

struct regex_set; /* a set of characters */

struct regex_step {
    uint8_t kind;
    int32_t x, y; /* jumps, relative; x also the number of a set or what is asserted */
};

struct regex {
    struct regex_step *steps;
    struct regex_set *sets;
    size_t step_count, set_count;
    bool first[256]; /* bytes that a match can begin with */
    bool may_be_empty;
    int run_of; /* the pattern is one set, once or more: its number; else -1 */
};

/* SL_E_MODEL: says what is wrong, or not known here, and where in the pattern. */
sl_status regex_compile(struct regex *regex, struct arena *arena, sl_string pattern, sl_error *err);
size_t regex_scratch_nbytes(const struct regex *regex);
/* Bytes of the longest match that begins at text[at], or -1. */
int64_t regex_match(const struct regex *regex, void *scratch, sl_string text, size_t at);

#endif
