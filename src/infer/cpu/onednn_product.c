/* onednn_product.c: makes the primitives of convolutions and products.
 *
 * ResNet-50's convolutions on one core, 8 images, AVX-512 and AMX, oneDNN 2.6.3:
 *   f32 planes 582 ms, blocked by 16 channels 385 ms, channels last 383 ms, that with Winograd's 311 ms;
 *   bf16 channels last 51 ms, blocked 576 ms (the library has no AMX code for it).
 * MobileNetV2's: planes 216 ms, blocked 34 ms, channels last 36 ms; bf16 15 ms.
 * So images lie channels-last, and Winograd's convolutions get a blocked copy. */
#include "infer/cpu/onednn_product.h"

#include <string.h>

/* The row-major strides of dims. */
static void dense(int rank, const dnnl_dims_t dims, dnnl_dims_t strides) {
    dnnl_dim_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= dims[i];
    }
}

/* The descriptions of a product's memories, cleared together. */
struct descs {
    desc_t src, weights, bias, dst, residual;
};

static void descs_clear(struct descs *d) {
    desc_clear(&d->src);
    desc_clear(&d->weights);
    desc_clear(&d->bias);
    desc_clear(&d->dst);
    desc_clear(&d->residual);
}

static dnnl_status_t describe_memories(const struct product *p, struct descs *d) {
    dnnl_data_type_t compute = onednn_dtype(p->compute), result = onednn_dtype(p->out.dtype);
    dnnl_dims_t strides = {0}, bias = {0};
    dnnl_status_t st;
    if (p->conv) {
        dnnl_format_tag_t in = onednn_image_tag(p->in.layout, p->rank),
                          out = onednn_image_tag(p->out.layout, p->rank);
        st = desc_make(&d->src, p->rank, p->src, compute, in);
        if (st == dnnl_success)
            st = desc_make(&d->dst, p->rank, p->dst, result, out);
        if (st == dnnl_success)
            st = desc_make(&d->weights, p->rank + p->grouped, p->weights, compute, dnnl_format_tag_any);
        if (st == dnnl_success)
            st = desc_make(&d->residual, p->rank, p->dst, result, out);
        bias[0] = p->bias_count;
    } else {
        dense(p->rank, p->dst, strides);
        st = desc_strided(&d->src, p->rank, p->src, compute, p->src_strides);
        if (st == dnnl_success)
            st = desc_strided(&d->dst, p->rank, p->dst, result, strides);
        if (st == dnnl_success)
            st = p->weights_data
                     ? desc_make(&d->weights, p->rank, p->weights, compute, dnnl_format_tag_any)
                     : desc_strided(&d->weights, p->rank, p->weights, compute, p->weights_strides);
        if (st == dnnl_success)
            st = desc_strided(&d->residual, p->rank, p->dst, result, strides);
        bias[0] = 1;
        bias[1] = p->bias_count;
    }
    if (st == dnnl_success && p->bias_count)
        st = desc_make(&d->bias, p->conv ? 1 : 2, bias, dnnl_f32, p->conv ? dnnl_a : dnnl_ab);
    return st;
}

static dnnl_status_t make_attr(const struct product *p, const struct descs *d, dnnl_primitive_attr_t *attr) {
    dnnl_post_ops_t ops;
    dnnl_status_t st = dnnl_primitive_attr_create(attr);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success)
        st = dnnl_post_ops_create(&ops);
    if (st != dnnl_success)
        return st;
    if (p->residual != PLAN_NONE)
        st = p->in_place ? ops_sum(ops) : dnnl_post_ops_append_binary(ops, dnnl_binary_add, REF(d->residual));
    for (int i = 0; st == dnnl_success && i < p->curve_count; i++)
        st = ops_eltwise(ops, p->curves[i].kind, p->curves[i].alpha, p->curves[i].beta);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    return st;
}

static dnnl_status_t describe(const struct product *p, dnnl_engine_t engine, dnnl_primitive_attr_t attr,
                              const struct descs *d, dnnl_primitive_desc_t *pd) {
    desc_ref bias = p->bias_count ? REF(d->bias) : NULL;
    dnnl_alg_kind_t kind = p->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
    if (p->conv)
        return dnnl_convolution_forward_primitive_desc_create(
            pd, engine, dnnl_forward_inference, kind, REF(d->src), REF(d->weights), bias, REF(d->dst),
            p->strides, p->dilates, p->pad_low, p->pad_high, attr);
    return dnnl_matmul_primitive_desc_create(pd, engine, REF(d->src), REF(d->weights), bias, REF(d->dst),
                                             attr);
#else
    dnnl_convolution_desc_t conv;
    dnnl_matmul_desc_t matmul;
    dnnl_status_t st =
        p->conv ? dnnl_dilated_convolution_forward_desc_init(&conv, dnnl_forward_inference, kind, REF(d->src),
                                                             REF(d->weights), bias, REF(d->dst), p->strides,
                                                             p->dilates, p->pad_low, p->pad_high)
                : dnnl_matmul_desc_init(&matmul, REF(d->src), REF(d->weights), bias, REF(d->dst));
    if (st != dnnl_success)
        return st;
    return dnnl_primitive_desc_create(
        pd, p->conv ? (const_dnnl_op_desc_t)&conv : (const_dnnl_op_desc_t)&matmul, attr, engine, NULL);
#endif
}

/* The constant weights as the model has them, in f32. */
static dnnl_status_t describe_plain(const struct product *p, desc_t *plain) {
    dnnl_dims_t strides = {0};
    int rank = p->rank + p->grouped;
    if (!p->conv)
        return desc_strided(plain, p->rank, p->weights, dnnl_f32, p->weights_strides);
    dense(rank, p->weights, strides);
    return desc_strided(plain, rank, p->weights, dnnl_f32, strides);
}

static dnnl_status_t take_weights(struct cpu_program *program, const struct product *p, const struct descs *d,
                                  dnnl_primitive_desc_t pd, struct onednn_primitive *out) {
    desc_t plain = {0};
    dnnl_status_t st = dnnl_success;
    if (p->weights_data) {
        st = describe_plain(p, &plain);
        if (st == dnnl_success)
            st = onednn_pack(program, out, REF(plain), p->weights_data,
                             dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
        desc_clear(&plain);
    }
    if (st == dnnl_success && p->bias_count)
        st = dnnl_memory_create(&out->bias, REF(d->bias), program->onednn->engine,
                                (void *)(uintptr_t)p->bias_data);
    return st;
}

static void add_value(struct onednn_primitive *out, int arg, uint32_t value, desc_ref desc) {
    out->values[out->value_count++] = (struct onednn_value){arg, value, desc};
}

static dnnl_status_t make(struct cpu_program *program, size_t index, const struct product *p) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    struct descs d = {0};
    dnnl_status_t st = describe_memories(p, &d);
    if (st == dnnl_success)
        st = make_attr(p, &d, &attr);
    if (st == dnnl_success)
        st = describe(p, program->onednn->engine, attr, &d, &pd);
    struct onednn_primitive *out = st == dnnl_success ? onednn_add(program) : NULL;
    if (st == dnnl_success && !out)
        st = dnnl_out_of_memory;
    if (st == dnnl_success)
        st = take_weights(program, p, &d, pd, out);
    if (st == dnnl_success) {
        add_value(out, DNNL_ARG_SRC, p->source, REF(d.src));
        add_value(out, DNNL_ARG_DST, p->result, REF(d.dst));
        if (p->second != PLAN_NONE)
            add_value(out, DNNL_ARG_WEIGHTS, p->second, REF(d.weights));
        if (p->residual != PLAN_NONE && !p->in_place)
            add_value(out, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, p->residual, REF(d.residual));
        st = onednn_finish(program, index, out, pd);
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    descs_clear(&d);
    return st;
}

/* Images channels-last, in bf16 where that is asked for; an output of the model in its own dtype. */
static void choose_formats(struct cpu_program *program, struct product *p) {
    bool half = program->precision == PRECISION_BF16;
    p->compute = half ? SL_BFLOAT16 : SL_FLOAT;
    p->winograd = p->winograd && !half;
    enum cpu_layout layout = !p->conv ? LAYOUT_PLAIN : p->winograd ? LAYOUT_BLOCKED : LAYOUT_LAST;
    p->in = (struct cpu_format){layout, p->compute};
    p->out = (struct cpu_format){layout, SL_FLOAT};
    bool may = value_may_format(program, p->result);
    if (p->conv && half && may)
        p->out.dtype = SL_BFLOAT16;
    if (p->residual != PLAN_NONE) {
        const struct plan_value *from = &program->plan->values[p->residual],
                                *to = &program->plan->values[p->result];
        struct cpu_format result = p->conv && may ? p->out : program->formats[p->result];
        p->in_place = from->place == to->place && from->offset == to->offset &&
                      format_same(program->formats[p->residual], p->out) && format_same(result, p->out);
    }
}

sl_status onednn_product_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *step = &program->plan->steps[index];
    struct product p;
    if (!product_match(program->plan, step, &p))
        return SL_OK;
    choose_formats(program, &p);
    dnnl_status_t made = make(program, index, &p);
    if (made == dnnl_unimplemented && p.winograd) {
        p.winograd = false;
        p.in.layout = p.out.layout = LAYOUT_LAST;
        made = make(program, index, &p);
    }
    if (made == dnnl_unimplemented)
        return SL_OK; /* the reference stays */
    if (made != dnnl_success)
        return onednn_failed(made, step, err);
    *taken = true;
    if (p.conv && value_may_format(program, p.result))
        program->formats[p.result] = (struct cpu_format){LAYOUT_LAST, p.out.dtype};
    sl_status st = step_wants(program, index, p.source, false, p.in, err);
    if (st == SL_OK && p.second != PLAN_NONE)
        st = step_wants(program, index, p.second, false, p.in, err);
    if (st == SL_OK && p.residual != PLAN_NONE && !p.in_place)
        st = step_wants(program, index, p.residual, false, p.out, err);
    return st == SL_OK ? step_wants(program, index, p.result, true, p.out, err) : st;
}
