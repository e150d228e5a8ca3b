/* broadcast.c: the walk of broadcast.h. */
#include "ops/broadcast.h"

#include <string.h>

/* Stride of dim `d` of out's shape in `in`: 0 where it is repeated. */
static void find_strides(const sl_tensor *out, const sl_tensor *in, int64_t *strides) {
    int64_t step = 1;
    for (int d = out->rank - 1; d >= 0; d--) {
        int i = d - (out->rank - in->rank);
        int64_t size = i < 0 ? 1 : in->dims[i];
        strides[d] = size == 1 ? 0 : step;
        step *= size;
    }
}

/* Whether dims d and d + 1 can be walked as one by every input. */
static bool can_join(const struct broadcast *b, int count, int d, int64_t inner) {
    for (int i = 0; i < count; i++)
        if (b->strides[i][d] != b->strides[i][d + 1] * inner)
            return false;
    return true;
}

void broadcast_begin(struct broadcast *b, const sl_tensor *out, const sl_tensor *const *in, int count) {
    memset(b, 0, sizeof *b);
    for (int i = 0; i < count; i++)
        find_strides(out, in[i], b->strides[i]);
    int rank = 0;
    for (int d = 0; d < out->rank; d++) {
        if (out->dims[d] == 0)
            b->done = true;
        if (out->dims[d] == 1)
            continue;
        b->dims[rank] = out->dims[d];
        for (int i = 0; i < count; i++)
            b->strides[i][rank] = b->strides[i][d];
        if (rank > 0 && can_join(b, count, rank - 1, out->dims[d])) {
            b->dims[rank - 1] *= out->dims[d];
            for (int i = 0; i < count; i++)
                b->strides[i][rank - 1] = b->strides[i][rank];
        } else {
            rank++;
        }
    }
    b->inner = rank ? b->dims[rank - 1] : 1;
    for (int i = 0; i < count; i++)
        b->inner_strides[i] = rank ? b->strides[i][rank - 1] : 0;
    b->rank = rank ? rank - 1 : 0;
    b->out_base = -b->inner; /* the first broadcast_next goes to 0 */
}

bool broadcast_next(struct broadcast *b) {
    if (b->done)
        return false;
    b->out_base += b->inner;
    if (b->out_base == 0)
        return true;
    for (int d = b->rank - 1; d >= 0; d--) {
        for (int i = 0; i < BROADCAST_INPUTS; i++)
            b->base[i] += b->strides[i][d];
        if (++b->at[d] < b->dims[d])
            return true;
        for (int i = 0; i < BROADCAST_INPUTS; i++)
            b->base[i] -= b->strides[i][d] * b->dims[d];
        b->at[d] = 0;
    }
    b->done = true;
    return false;
}
