/* fold_pad.c: a Pad with zeros around images becomes the padding of the Conv behind it, or of an AveragePool
 * that has none of its own and then counts it. */
#include <string.h>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

/* Pads of the spatial dims, as Conv has them: all begins, then all ends. */
static bool read_pad(const struct match *m, const struct work_node *pad, int64_t *pads, int *spatial) {
    int64_t all[2 * SL_MAX_RANK], axes[SL_MAX_RANK];
    int rank = match_tensor(m, pad->in[0])->rank, count = -1;
    double fill = 0;
    *spatial = rank - 2;
    if (rank < 3 || !match_attr_is(pad, "mode", "constant", "constant"))
        return false;
    if (pad->opset < 11) {
        for (size_t i = 0; i < pad->attr_count; i++)
            if (!strcmp(pad->attrs[i].name, "pads") && pad->attrs[i].count == 2 * (size_t)rank) {
                count = 2 * rank;
                memcpy(all, pad->attrs[i].ints, (size_t)count * sizeof *all);
            }
        fill = (double)match_attr_float(pad, "value", 0);
    } else {
        count = match_ints(m, match_in(pad, 1), all, 2 * SL_MAX_RANK);
        if (match_in(pad, 2) != GRAPH_NONE && !match_number(m, pad->in[2], &fill))
            return false;
    }
    int named = match_in(pad, 3) == GRAPH_NONE ? rank : match_ints(m, pad->in[3], axes, SL_MAX_RANK);
    if (fill != 0 || named < 1 || count != 2 * named)
        return false;
    memset(pads, 0, 2 * (size_t)*spatial * sizeof *pads);
    for (int i = 0; i < named; i++) {
        int64_t axis = match_in(pad, 3) == GRAPH_NONE ? i : axes[i] < 0 ? axes[i] + rank : axes[i];
        if (all[i] < 0 || all[i + named] < 0 || (axis < 2 && (all[i] || all[i + named])))
            return false;
        if (axis >= 2) {
            pads[axis - 2] = all[i];
            pads[axis - 2 + *spatial] = all[i + named];
        }
    }
    return true;
}

static bool fold(struct match *m, struct work_node *node) {
    const struct work_node *pad = match_maker(m, node->in[0], "Pad");
    int64_t pads[2 * SL_MAX_RANK], own = 0;
    int spatial;
    bool pool = match_is(node, "AveragePool");
    bool explicit = match_attr_is(node, "auto_pad", "NOTSET", "NOTSET") ||
                    match_attr_is(node, "auto_pad", "VALID", "NOTSET");
    if (!pad || !explicit || (pool && match_attr_int(node, "ceil_mode", 0)) ||
        !read_pad(m, pad, pads, &spatial))
        return true;
    struct attr *attrs = arena_alloc(m->w->arena, node->attr_count + 2, sizeof *attrs);
    int64_t *sums = arena_alloc(m->w->arena, 2 * (size_t)spatial, sizeof *sums);
    size_t count = 0;
    if (!attrs || !sums)
        return match_fail(m) != GRAPH_NONE;
    memcpy(sums, pads, 2 * (size_t)spatial * sizeof *sums);
    for (size_t i = 0; i < node->attr_count; i++) {
        const struct attr *a = &node->attrs[i];
        for (int d = 0; pool && !strcmp(a->name, "kernel_shape") && d < 2 * spatial; d++)
            own += pads[d] >= a->ints[d % spatial]; /* windows of nothing but padding */
        bool is_pads = !strcmp(a->name, "pads") && a->count == 2 * (size_t)spatial;
        for (int d = 0; is_pads && d < 2 * spatial; d++) {
            sums[d] += a->ints[d];
            own += a->ints[d];
        }
        if (!is_pads && strcmp(a->name, "auto_pad") != 0 &&
            (!pool || strcmp(a->name, "count_include_pad") != 0))
            attrs[count++] = *a;
    }
    if (pool && own)
        return true;
    attrs[count] =
        (struct attr){.name = "pads", .type = ATTR_INTS, .count = 2 * (size_t)spatial, .ints = sums};
    count++;
    if (pool)
        attrs[count++] = match_int("count_include_pad", 1);
    uint32_t in[3] = {pad->in[0], match_in(node, 1), match_in(node, 2)};
    return match_rewrite(m, node, "", node->op->name, node->opset, in, node->in_count) &&
           match_set_attrs(m, node, NULL, attrs, count);
}

sl_status pass_fold_pad(struct work *w, sl_error *err) {
    struct match m;
    bool ok = match_open(&m, w, err);
    for (size_t i = 0; ok && i < w->node_count; i++)
        if (match_is(&w->nodes[i], "Conv") || match_is(&w->nodes[i], "AveragePool"))
            ok = fold(&m, &w->nodes[i]);
    return match_close(&m);
}
