/* tokenize.h: texts into tokens as com.microsoft's Tokenizer cuts them. */
#ifndef OPS_TOKENIZE_H
#define OPS_TOKENIZE_H

#include "ops/regex.h"

struct tokenizer {
    struct regex *regexes; /* tokens, or separators */
    size_t count;
    bool separates, mark;
    int64_t least; /* characters of a token */
    sl_string pad;
    size_t scratch_nbytes;
};

/* Reads the attributes. The patterns are kept in the arena. */
sl_status tokenizer_read(const struct op_call *call, struct arena *arena, struct tokenizer *how,
                         sl_error *err);
/* How many tokens a text has; writes at most `room` of them (out may be NULL). They are parts of the text.
 * `scratch`: how->scratch_nbytes. */
int64_t tokenize(const struct tokenizer *how, sl_string text, sl_string *out, int64_t room, void *scratch);

#endif
