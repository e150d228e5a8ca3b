/* contrib.h: what contrib.c and contrib_attention.c share: writing new nodes in an old one's place. */
#ifndef GRAPH_PASSES_CONTRIB_H
#define GRAPH_PASSES_CONTRIB_H

#include "graph/work.h"

struct contrib {
    struct work *w;
    const struct work_node *node; /* the one that is said again */
    sl_error *err;
    sl_status status; /* the first failure; SL_OK at first */
};

struct contrib_op {
    const char *domain, *name;
    int64_t opset;
    const struct attr *attrs; /* copied; what they point to is not */
    size_t attr_count;
};

extern const struct contrib_op contrib_add;

/* Attributes of the old node, without tensors. */
static inline struct op_call contrib_call(const struct contrib *l) {
    return (struct op_call){
        .attrs = l->node->attrs, .attr_count = l->node->attr_count, .opset = l->node->opset};
}
uint32_t contrib_in(const struct work_node *node, size_t i); /* GRAPH_NONE when left out */
bool contrib_has_out(const struct work_node *node, size_t i);
const sl_tensor *contrib_tensor(const struct contrib *l, uint32_t value);
bool contrib_is_constant(const struct contrib *l, uint32_t value);

/* Adds a node; outputs that are GRAPH_NONE get new values. Shapes are inferred. */
void contrib_emit(struct contrib *l, const struct contrib_op *op, const uint32_t *in, size_t in_count,
                  uint32_t *out, size_t out_count);
/* One of two inputs (b may be GRAPH_NONE: one) and one output, which is returned. */
uint32_t contrib_one(struct contrib *l, const struct contrib_op *op, uint32_t a, uint32_t b, uint32_t out);
uint32_t contrib_constant(struct contrib *l, sl_dtype dtype, int rank, const int64_t *dims, const void *data);

/* contrib_attention.c: Attention and MultiHeadAttention. False, with nothing written: not in these words. */
bool contrib_attention(struct contrib *l);
bool contrib_heads(struct contrib *l);

#endif
