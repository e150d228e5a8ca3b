/* index.h: positions that come as data. One that comes from a record and lies outside the tensor is taken as
 * the nearest one inside: a run cannot fail, and must not read or write elsewhere. */
#ifndef OPS_INDEX_H
#define OPS_INDEX_H

#include "ops/element.h"
#include "ops/rules.h"

#define OPS_INDEX (OPS_BIT(SL_INT32) | OPS_BIT(SL_INT64))

/* Index i of `indices` in a dim of `size` > 0; negative ones count from the end. */
static inline int64_t index_at(const sl_tensor *indices, int64_t i, int64_t size) {
    int64_t at = element_index(indices->dtype, indices->data, i);
    at += at < 0 ? size : 0;
    return at < 0 ? 0 : at >= size ? size - 1 : at;
}

/* Constant indices are checked when the model is loaded. */
static inline sl_status index_check(const sl_tensor *indices, int64_t size, sl_error *err) {
    for (int64_t i = 0, n = indices->data ? rule_count(indices) : 0; i < n; i++) {
        int64_t at = element_index(indices->dtype, indices->data, i);
        if (at < -size || at >= size)
            return error_set(err, SL_E_MODEL, "index %lld is outside a dim of %lld", (long long)at,
                             (long long)size);
    }
    return SL_OK;
}

#endif
