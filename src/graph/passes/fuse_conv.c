/* fuse_conv.c: a Conv with constant weights takes in what follows it: BatchNormalization, factors and offsets
 * a channel, one residual of the same shape, one activation. From the last Conv to the first, so that where
 * two are added the later one does the adding: the other's result is there by then. */
#include "graph/passes/absorb.h"
#include "graph/passes/passes.h"

static bool fuse(struct match *m, struct work_node *conv) {
    struct absorb a;
    uint32_t weights = match_in(conv, 1);
    bool ok = true;
    if (!match_is_constant(m, weights) || match_tensor(m, weights)->dtype != SL_FLOAT)
        return true;
    if (absorb_begin(&a, m, conv, 1, match_in(conv, 2)) && absorb_readers(&a))
        ok = absorb_finish(&a, "Conv", conv->in[0], weights, 0);
    absorb_end(&a);
    return ok && m->status == SL_OK;
}

sl_status pass_fuse_conv(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = w->node_count; ok && i-- > 0;)
        if (match_is(&w->nodes[i], "Conv"))
            ok = fuse(&m, &w->nodes[i]);
    return match_close(&m);
}
