/* onednn_product.h: a convolution or matrix product as oneDNN is asked for it. */
#ifndef INFER_CPU_ONEDNN_PRODUCT_H
#define INFER_CPU_ONEDNN_PRODUCT_H

#include "infer/cpu/onednn.h"

enum { PRODUCT_CURVES = 2 };

struct product {
    bool conv, grouped, winograd;
    int rank;                      /* of src and dst */
    dnnl_dims_t src, weights, dst; /* weights of a grouped convolution have one more: [g, m/g, c/g, ...] */
    dnnl_dims_t src_strides, weights_strides;        /* of products */
    dnnl_dims_t strides, dilates, pad_low, pad_high; /* of convolutions; dilates count from 0 */
    dnnl_dim_t bias_count;                           /* 0: none */
    const void *weights_data, *bias_data;            /* weights_data NULL: the second operand is a value */
    uint32_t source, second, residual, result;
    struct curve {
        dnnl_alg_kind_t kind;
        float alpha, beta;
    } curves[PRODUCT_CURVES]; /* what is done to the sum, after the residual */
    int curve_count;
    bool in_place;    /* the residual lies where the result goes: the sum is added to it */
    sl_dtype compute; /* SL_FLOAT or SL_BFLOAT16: of source, weights and residual */
    struct cpu_format in, out;
};

/* Whether the step is one that oneDNN takes. onednn_match.c */
bool product_match(const struct plan *plan, const struct plan_step *step, struct product *p);

#endif
