/* absorb.h: what fuse_conv.c and fuse_linear.c share: walking from a node with constant weights along its
 * only readers, and taking in what sluice.Conv and sluice.Linear can say: factors and offsets a channel (they
 * become weights and bias), one residual, one activation at the end. */
#ifndef GRAPH_PASSES_ABSORB_H
#define GRAPH_PASSES_ABSORB_H

#include "graph/passes/match.h"
#include "ops/fuse.h"

struct absorb {
    struct match *m;
    struct work_node *first, *last; /* the node with the weights, and the last one taken in */
    int axis;                       /* of the channels in the output */
    int64_t channels;
    double *scale, *offset; /* a channel; the bias is in the offset */
    bool scaled, has_offset;
    uint32_t residual;
    struct fuse fuse;
};

/* `bias` is a constant of one number or one a channel, or GRAPH_NONE. False when it is none of these or
 * memory is out. absorb_end in any case. */
bool absorb_begin(struct absorb *a, struct match *m, struct work_node *first, int axis, uint32_t bias);
/* Takes in as many readers as it can; returns whether there were any. */
bool absorb_readers(struct absorb *a);
/* Makes `last` the fused operator over x. `weights` is first's constant with the channels as its dim
 * `weights_axis`; the attributes stay first's. False when memory is out. */
bool absorb_finish(struct absorb *a, const char *op, uint32_t x, uint32_t weights, int weights_axis);
void absorb_end(struct absorb *a);

#endif
