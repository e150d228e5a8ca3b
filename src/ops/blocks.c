/* blocks.c: DepthToSpace and SpaceToDepth: each is a transpose of six dims. */
#include <string.h>

#include "ops/move.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/strided.h"

#define BLOCKS(id, op_name)                                                                                  \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "blocksize mode",                                                    \
                               .infer = infer_##id,                                                          \
                               .run = run_##id};

struct move_blocks move_find_blocks(const struct op_call *call, bool to_space) {
    const sl_tensor *x = call->in[0];
    int64_t b = op_attr_int(call, "blocksize", 1), w = x->dims[3], plane = x->dims[2] * w;
    if (to_space) { /* [n, c, h, b, w, b] */
        int64_t c = x->dims[1] / (b * b);
        bool crd = op_attr_is(call, "mode", "CRD", "DCR");
        int64_t channel = crd ? b * b * plane : plane, y = crd ? b * plane : b * c * plane;
        return (struct move_blocks){{x->dims[0], c, x->dims[2], b, w, b},
                                    {x->dims[1] * plane, channel, w, y, 1, crd ? plane : c * plane}};
    }
    if (op_attr_is(call, "mode", "CRD", "DCR"))
        return (struct move_blocks){{x->dims[0], x->dims[1], b, b, x->dims[2] / b, w / b},
                                    {x->dims[1] * plane, plane, w, 1, b * w, b}};
    return (struct move_blocks){{x->dims[0], b, b, x->dims[1], x->dims[2] / b, w / b},
                                {x->dims[1] * plane, w, 1, plane, b * w, b}};
}

static sl_status infer_blocks(const struct op_call *call, bool to_space, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int64_t b = op_attr_int(call, "blocksize", 0);
    char text[RULE_TEXT];
    sl_status st = rule_dtype(call, 0, OPS_MOVABLE, err);
    if (st == SL_OK)
        st = rule_rank(call, 0, 4, err);
    if (st != SL_OK)
        return st;
    if (b < 1 || b > 4096 || (to_space ? x->dims[1] % (b * b) : x->dims[2] % b || x->dims[3] % b))
        return error_set(err, SL_E_MODEL, "%s does not divide into blocks of %lld", rule_text(text, x),
                         (long long)b);
    rule_set(call->out[0], x->dtype, 4,
             to_space ? (int64_t[]){x->dims[0], x->dims[1] / (b * b), x->dims[2] * b, x->dims[3] * b}
                      : (int64_t[]){x->dims[0], x->dims[1] * b * b, x->dims[2] / b, x->dims[3] / b});
    return SL_OK;
}

static void run_blocks(const struct op_call *call, bool to_space) {
    struct move_blocks blocks = move_find_blocks(call, to_space);
    sl_tensor shape = {.rank = 6};
    int64_t to[SL_MAX_RANK];
    memcpy(shape.dims, blocks.dims, sizeof blocks.dims);
    strided_dense(&shape, to);
    strided_copy(strided_nbytes(call->in[0]), 6, blocks.dims, call->in[0]->data, blocks.from,
                 call->out[0]->data, to);
}

static sl_status infer_depth_to_space(const struct op_call *call, sl_error *err) {
    return infer_blocks(call, true, err);
}

static void run_depth_to_space(const struct op_call *call) {
    run_blocks(call, true);
}

static sl_status infer_space_to_depth(const struct op_call *call, sl_error *err) {
    return infer_blocks(call, false, err);
}

static void run_space_to_depth(const struct op_call *call) {
    run_blocks(call, false);
}

BLOCKS(depth_to_space, "DepthToSpace")
BLOCKS(space_to_depth, "SpaceToDepth")
