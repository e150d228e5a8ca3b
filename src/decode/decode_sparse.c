/* decode_sparse.c: see decode_sparse.h. A key twice would make one of two values count, so it rejects the
 * record. */
#include "decode/decode_sparse.h"

#include <string.h>

#include "decode/worker_ctx.h"

_Static_assert(SPARSE_MARKED <= JSON_MAX_KEYS, "the keys of a sparse row have bits");

void sparse_begin(struct sparse *sparse, sl_ctx *ctx, uint64_t count) {
    *sparse = (struct sparse){.count = count, .seen = count <= SPARSE_MARKED ? ctx->worker->json.seen : NULL};
    if (sparse->seen)
        memset(sparse->seen, 0, (count + 63) / 64 * sizeof *sparse->seen);
}

sl_status sparse_take(struct sparse *sparse, sl_ctx *ctx, uint64_t key) {
    if (key >= sparse->count)
        return reject_set(ctx, "decode", "bad-key", "key %llu is not below %llu", (unsigned long long)key,
                          (unsigned long long)sparse->count);
    if (sparse->seen ? sparse->seen[key / 64] >> key % 64 & 1 : key < sparse->next)
        return reject_set(ctx, "decode", "bad-key",
                          sparse->seen ? "key %llu appears twice" : "key %llu is out of order",
                          (unsigned long long)key);
    if (sparse->seen)
        sparse->seen[key / 64] |= (uint64_t)1 << key % 64;
    sparse->next = key + 1;
    return SL_OK;
}
