/* fused_ms.c: FusedConv and FusedGemm of com.microsoft: Conv and Gemm as ONNX says them, with an activation
 * function (FusedConv: and a residual) after it in the same node. The arithmetic of activations and of
 * convolutions is that of sluice.Conv. */
#include <string.h>

#include "ops/element.h"
#include "ops/fuse.h"
#include "ops/ops.h"
#include "ops/rules.h"

/* FusedConv has its parameters in a list, FusedGemm one by one. */
static sl_status read_fuse(const struct op_call *call, struct fuse *fuse, sl_error *err) {
    const struct attr *name = op_attr(call, "activation"), *params = op_attr(call, "activation_params");
    /* alpha and beta are Gemm's own: the activation's defaults come without them */
    struct op_call only = {.attrs = name, .attr_count = name ? 1 : 0, .opset = 1};
    sl_status st = fuse_read(&only, fuse, err);
    fuse->alpha = op_attr_float(call, "activation_alpha", fuse->alpha);
    fuse->beta = op_attr_float(call, "activation_beta", fuse->beta);
    if (params && params->type == ATTR_FLOATS && params->count > 0)
        fuse->alpha = params->floats[0];
    if (params && params->type == ATTR_FLOATS && params->count > 1)
        fuse->beta = params->floats[1];
    return st;
}

static sl_status infer_gemm(const struct op_call *call, sl_error *err) {
    struct fuse fuse;
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = read_fuse(call, &fuse, err);
    return st == SL_OK ? op_gemm.infer(call, err) : st;
}

static void run_gemm(const struct op_call *call) {
    struct fuse fuse;
    const sl_tensor *y = call->out[0];
    if (read_fuse(call, &fuse, NULL) != SL_OK)
        return;
    op_gemm.run(call);
    for (int64_t i = 0, n = rule_count(y); i < n; i++)
        element_set_real(y->dtype, y->data, i, fuse_apply(&fuse, element_real(y->dtype, y->data, i)));
}

const struct op op_ms_fused_gemm = {
    .domain = "com.microsoft",
    .name = "FusedGemm",
    .since = 1,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attrs = "activation activation_alpha activation_beta activation_gamma alpha beta transA transB",
    .infer = infer_gemm,
    .run = run_gemm};

static sl_status infer_conv(const struct op_call *call, sl_error *err) {
    struct fuse fuse;
    sl_status st = convolve_infer(call, err);
    if (st == SL_OK)
        st = read_fuse(call, &fuse, err);
    if (st != SL_OK || !op_has_in(call, 3))
        return st;
    const sl_tensor *z = call->in[3], *y = call->out[0];
    char one[RULE_TEXT], other[RULE_TEXT];
    if (z->rank == y->rank && z->dtype == y->dtype &&
        !memcmp(z->dims, y->dims, (size_t)y->rank * sizeof *y->dims))
        return SL_OK;
    return error_set(err, SL_E_MODEL, "input 3 is %s, the result is %s", rule_text(one, z),
                     rule_text(other, y));
}

static void run_conv(const struct op_call *call) {
    struct fuse fuse;
    if (read_fuse(call, &fuse, NULL) == SL_OK)
        convolve_run(call, &fuse, op_has_in(call, 3) ? call->in[3] : NULL);
}

const struct op op_ms_fused_conv = {
    .domain = "com.microsoft",
    .name = "FusedConv",
    .since = 1,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .attrs = "activation activation_params auto_pad dilations group kernel_shape pads strides",
    .infer = infer_conv,
    .prepare = convolve_prepare,
    .run = run_conv};
