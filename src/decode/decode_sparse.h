/* decode_sparse.h: keys of a sparse row, each at most once and below the number of elements. */
#ifndef DECODE_DECODE_SPARSE_H
#define DECODE_DECODE_SPARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/transform.h"

#define SPARSE_MARKED 65536u /* a longer row must have its keys in ascending order */

struct sparse {
    uint64_t count;
    uint64_t *seen; /* a bit a key; NULL: they must ascend */
    uint64_t next;  /* one more than the last key */
};

void sparse_begin(struct sparse *sparse, sl_ctx *ctx, uint64_t count);
/* SL_OK, or the record is rejected. */
sl_status sparse_take(struct sparse *sparse, sl_ctx *ctx, uint64_t key);

#endif
