/* regex_steps.h: the steps of a compiled regular expression, for the file that makes them and the one that
 * runs them. */
#ifndef OPS_REGEX_STEPS_H
#define OPS_REGEX_STEPS_H

#include "ops/regex.h"

enum regex_kind { REGEX_SET, REGEX_SPLIT, REGEX_JUMP, REGEX_ASSERT, REGEX_END };
enum regex_assertion {
    REGEX_TEXT_BEGIN,
    REGEX_TEXT_END,
    REGEX_LINE_BEGIN,
    REGEX_LINE_END,
    REGEX_BOUNDARY,
    REGEX_NO_BOUNDARY
};

#define REGEX_RANGES 64

struct regex_set {
    bool inverted;
    uint64_t ascii[2]; /* the answer for characters below 128 */
    size_t count;
    uint32_t low[REGEX_RANGES], high[REGEX_RANGES];
};

bool regex_set_has(const struct regex_set *set, uint32_t c);

#endif
