/* regex_parse.h: a pattern while it is compiled: what regex_compile.c (pieces) and regex_set.c (characters)
 * share. */
#ifndef OPS_REGEX_PARSE_H
#define OPS_REGEX_PARSE_H

#include "ops/regex_steps.h"

struct regex_compiler {
    sl_string pattern;
    size_t at;
    struct regex_step *steps;
    struct regex_set *sets;
    size_t step_count, set_count, step_cap, set_cap, atoms;
    struct arena *arena;
    int depth;
    bool fold, dot_all, multi_line; /* flags i, s, m */
    const char *fault;
};

/* Notes the first fault; always false. */
bool regex_fail(struct regex_compiler *c, const char *fault);
bool regex_at_end(const struct regex_compiler *c);
bool regex_next_is(const struct regex_compiler *c, char x);
bool regex_take(struct regex_compiler *c, const char *text);
bool regex_emit(struct regex_compiler *c, enum regex_kind kind, int32_t x, int32_t y);

/* ---- regex_set.c ---- */

/* What \d \s \w and their opposites hold, as pairs that ascend; NULL for another letter. */
const char *regex_class(char name);
/* Adds pairs, or all that they leave out. */
bool regex_add_named(struct regex_compiler *c, struct regex_set *set, const char *pairs, bool inverted);
/* A step that reads a character of the set. */
bool regex_emit_set(struct regex_compiler *c, struct regex_set *set);
bool regex_emit_char(struct regex_compiler *c, uint32_t low, uint32_t high, bool inverted);
/* A character as it stands, or after a backslash that was taken. */
bool regex_take_char(struct regex_compiler *c, bool escaped, uint32_t *x);
/* [...], after its bracket. */
bool regex_take_set(struct regex_compiler *c);

#endif
