/* text_charsmap.h: SentencePiece's precompiled normalisation, as tokenizer.json carries it: a double-array
 * trie from what is written to what it becomes. */
#ifndef TEXT_CHARSMAP_H
#define TEXT_CHARSMAP_H

#include "transforms/text/text_tokenizer.h"

/* The base64 text of `precompiled_charsmap`; false when it is damaged. */
bool text_charsmap_read(struct text_tokenizer *t, struct text_norm *norm, const struct text_node *text);
/* The number of code points written to `out`, or SIZE_MAX when the room does not do. */
size_t text_charsmap(const struct text_norm *norm, struct text_run *run, const uint32_t *c, size_t count,
                     uint32_t *out, size_t cap);

#endif
