/* passes.h: what is done to a plan's nodes before they are placed. Each pass is one file; each keeps every
 * output's value and may be left out. */
#ifndef GRAPH_PASSES_H
#define GRAPH_PASSES_H

#include "graph/work.h"

/* What is float16 or bfloat16 inside becomes float. */
sl_status pass_widen(struct work *w, sl_error *err);
/* Nodes that hand on their input as it is (Identity, Dropout, a Reshape to the same shape, ...) go. */
sl_status pass_identity(struct work *w, sl_error *err);
/* com.microsoft's Attention, SkipLayerNormalization, FusedConv and so on, in the words of the others. */
sl_status pass_contrib(struct work *w, sl_error *err);
/* BatchNormalization behind Conv or Gemm with constant weights becomes part of the weights. */
sl_status pass_batch_norm(struct work *w, sl_error *err);
/* The erf and tanh forms of GELU become Gelu. */
sl_status pass_gelu(struct work *w, sl_error *err);
/* Means, differences and roots become LayerNormalization or RMSNormalization. */
sl_status pass_layer_norm(struct work *w, sl_error *err);
/* x * sigmoid(x), x * tanh(softplus(x)), x * hardsigmoid(x) become Swish, Mish, HardSwish. */
sl_status pass_swish(struct work *w, sl_error *err);
/* Tokenizer and TfIdfVectorizer to sluice.TokenCounts. */
sl_status pass_fuse_tokens(struct work *w, sl_error *err);
/* Conv, MatMul and Gemm with constant weights take in bias, factors, residual and activation. */
sl_status pass_fuse_conv(struct work *w, sl_error *err);
sl_status pass_fuse_linear(struct work *w, sl_error *err);
/* A sluice.Linear whose columns are handed out becomes one for each piece. */
sl_status pass_split_linear(struct work *w, sl_error *err);
/* Softmax(scale q k + mask) v becomes Attention. */
sl_status pass_attention(struct work *w, sl_error *err);
/* A factor a channel behind a Transpose of a product moves in front of it. */
sl_status pass_hoist_scale(struct work *w, sl_error *err);
/* Pad with zeros becomes padding of the Conv or AveragePool behind it. */
sl_status pass_fold_pad(struct work *w, sl_error *err);
/* Expand of what broadcasts anyway goes, and so does the first of two Casts. */
sl_status pass_drop_expand(struct work *w, sl_error *err);
/* Chains of Reshapes and Transposes keep one Transpose at most. */
sl_status pass_transpose(struct work *w, sl_error *err);
/* For int8: DequantizeLinear, an operator, QuantizeLinear become the operator over levels. */
sl_status pass_quantized(struct work *w, sl_error *err);
/* Of nodes that compute the same, one stays. */
sl_status pass_common(struct work *w, sl_error *err);
/* Nodes that nobody needs go, and so do outputs that may be left out. */
sl_status pass_dead_code(struct work *w, sl_error *err);

#endif
