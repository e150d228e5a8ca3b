/* text_regex.h: regular expressions of a Split that is none of those written out in text_pattern.c. What is
 * known, as Oniguruma means it: characters, [sets] with ranges, . \s \S \d \D \w \W \p{L} \p{N}, their
 * repeats
 * (? * + {n,m}, lazy, possessive), |, groups without repeats but for (...)?, (?i:...) of ASCII, (?=...) and
 * (?!...). Nothing else, and none that can match the empty text. */
#ifndef TEXT_REGEX_H
#define TEXT_REGEX_H

#include "sluice/transform.h"
#include "transforms/text/text_unicode.h"

struct text_regex;
struct text_tokenizer;

/* NULL when it is not known, or memory ran out. The tokenizer keeps it. */
const struct text_regex *text_regex_read(struct text_tokenizer *t, const uint32_t *pattern, size_t count);
#define TEXT_REGEX_TRIES ((uint64_t)1 << 26) /* of one text: under a second */

/* The end of the match that begins at `at`; `at` when none does. Each character that is looked at takes one
 * of *tries; when they are used up nothing matches. */
size_t text_regex_match(const struct text_regex *regex, const struct unicode *unicode, const uint32_t *c,
                        size_t at, size_t count, uint64_t *tries);

#endif
