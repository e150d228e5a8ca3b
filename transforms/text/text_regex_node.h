/* text_regex_node.h: what text_regex_read.c makes of a regular expression and text_regex.c runs. */
#ifndef TEXT_REGEX_NODE_H
#define TEXT_REGEX_NODE_H

#include "transforms/text/text_regex.h"

#define REGEX_NONE UINT16_MAX
#define REGEX_DECIMAL (1u << 30)  /* beside the flags of text_unicode.h: \d */
#define REGEX_WORD (1u << 29)     /* Oniguruma's \w, which is not quite UNI_WORD */
#define REGEX_SET_WORD (1u << 28) /* the same in a set, which is without the fractions of Latin-1 */

struct regex_range {
    uint32_t first, last;
    unsigned flag; /* not 0: a class instead of the range */
    bool outside;  /* what is not of the class */
};

enum regex_kind { REGEX_SET, REGEX_BRANCH, REGEX_JOIN, REGEX_LOOK, REGEX_END };

struct regex_node {
    enum regex_kind kind;
    uint16_t next;         /* what follows; of END nothing */
    uint16_t first, other; /* BRANCH: try this, else that; LOOK: what is looked for */
    bool negated, fold, lazy, possessive;
    uint32_t min, max;           /* repeats of a SET */
    uint16_t range, range_count; /* of a SET */
};

struct text_regex {
    struct regex_node *nodes;
    struct regex_range *ranges;
    uint16_t node_count, range_count, start;
};

#endif
