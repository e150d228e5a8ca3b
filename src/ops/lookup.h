/* lookup.h: finds an element among the keys of an attribute: categories, labels, vocabularies. */
#ifndef OPS_LOOKUP_H
#define OPS_LOOKUP_H

#include "ops/op.h"

struct lookup {
    sl_tensor keys;  /* belongs to the model */
    uint32_t *slots; /* open addressing: key number + 1, or 0 */
    size_t mask;
};

/* Whether two texts are the same bytes. */
bool text_same(sl_string a, sl_string b);

/* A list attribute (floats, ints, strings) or tensor attribute as a tensor; of rank 1 where it is a list.
 * False when it is absent or empty. */
bool lookup_list(const struct op_call *call, const char *name, sl_tensor *list);
/* Keys are texts, or numbers that are compared as numbers: NaN finds NaN, 0 finds -0. Where a key is there
 * twice, the last one counts. SL_E_MEMORY. */
sl_status lookup_make(struct lookup *lookup, struct arena *arena, const sl_tensor *keys, sl_error *err);
/* The number of the key that element i of x is, or -1. x is of the kind of the keys: text, real or integer.
 */
int64_t lookup_find(const struct lookup *lookup, const sl_tensor *x, int64_t i);

#endif
