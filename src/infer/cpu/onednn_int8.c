/* onednn_int8.c: QLinearConv, QLinearMatMul and QGemm by oneDNN: u8 or s8 levels times constant s8 weights
 * with zeros of 0, sums in s32, one factor a channel, channels last. Sums are exact, so rows do not depend on
 * each other; the zero of the result is added before rounding, so a tie may be one level off the reference.
 *
 * The library scales s8 weights down on machines without VNNI lest pairs of products overflow 16 bits: there
 * the reference stays. */
#include <string.h>

#include "infer/cpu/onednn.h"
#include "ops/window.h"

struct levels {
    bool conv, grouped;
    int rank;
    dnnl_dims_t src, weights, dst, strides, dilates, low, high;
    dnnl_dims_t weights_strides;
    const sl_tensor *w, *bias; /* bias of s32, or NULL */
    uint32_t source, result;
    struct cpu_format in, out;
    float *factors;
    dnnl_dim_t factor_count;
    int32_t zero[2]; /* of source and result */
};

static const sl_tensor *constant(const struct plan *plan, const struct plan_step *step, size_t i) {
    const struct plan_value *v =
        i < step->in_count && step->in[i] != PLAN_NONE ? &plan->values[step->in[i]] : NULL;
    return v && v->place == PLAN_CONST ? &v->tensor : NULL;
}

static int64_t count_of(const sl_tensor *t) {
    int64_t n = 0;
    return t && sl_shape_count(t->rank, t->dims, &n) ? n : 0;
}

static int32_t level_at(const sl_tensor *t, int64_t i) {
    return t->dtype == SL_INT8 ? ((const int8_t *)t->data)[i] : ((const uint8_t *)t->data)[i];
}

static bool is_byte(const sl_tensor *t) {
    return t->dtype == SL_INT8 || t->dtype == SL_UINT8;
}

static bool one_float(const sl_tensor *t) {
    return t && t->dtype == SL_FLOAT && count_of(t) == 1;
}

/* Where the operators have what; the first six inputs are the same in all. */
struct places {
    const char *name;
    size_t bias, y_scale, y_zero;
};

static const struct places *places_of(const struct plan_step *step) {
    static const struct places all[] = {
        {"QLinearConv", 8, 6, 7}, {"QLinearMatMul", 99, 6, 7}, {"QGemm", 6, 7, 8}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(step->op->name, all[i].name))
            return &all[i];
    return NULL;
}

/* factor[c] = x * w[c] / y, as the reference has it. */
static bool read_factors(struct cpu_program *program, const struct plan_step *step,
                         const struct places *places, int64_t channels, struct levels *l) {
    const struct plan *plan = program->plan;
    const sl_tensor *xs = constant(plan, step, 1), *xz = constant(plan, step, 2);
    const sl_tensor *ws = constant(plan, step, 4), *wz = constant(plan, step, 5);
    const sl_tensor *ys = constant(plan, step, places->y_scale), *yz = constant(plan, step, places->y_zero);
    int64_t count = count_of(ws);
    if (!one_float(xs) || !one_float(ys) || !ws || ws->dtype != SL_FLOAT || count_of(xz) != 1 ||
        count_of(yz) != 1 || !wz || ws->rank > 1 || (count != 1 && count != channels))
        return false;
    for (int64_t i = 0; i < count_of(wz); i++)
        if (level_at(wz, i))
            return false;
    l->zero[0] = level_at(xz, 0);
    l->zero[1] = level_at(yz, 0);
    l->factor_count = count;
    l->factors = arena_alloc(&program->memory, (size_t)count, sizeof *l->factors);
    for (int64_t i = 0; l->factors && i < count; i++)
        l->factors[i] =
            ((const float *)xs->data)[0] * ((const float *)ws->data)[i] / ((const float *)ys->data)[0];
    return l->factors != NULL;
}

static bool read_conv(const struct plan *plan, const struct plan_step *step, struct levels *l) {
    const sl_tensor *in = &plan->values[step->in[0]].tensor, *inputs[] = {in}, *w = l->w;
    struct op_call call = {.attrs = step->attrs,
                           .attr_count = step->attr_count,
                           .opset = step->opset,
                           .in = inputs,
                           .in_count = 1};
    struct window window;
    sl_error ignored = {0};
    int64_t group = op_attr_int(&call, "group", 1);
    if (in->rank < 3 || in->rank > 5 || window_read(&call, w->dims + 2, false, &window, &ignored) != SL_OK)
        return false;
    l->conv = true;
    l->rank = in->rank;
    l->grouped = group > 1;
    l->weights[0] = l->grouped ? group : w->dims[0];
    if (l->grouped)
        l->weights[1] = w->dims[0] / group;
    for (int i = 1; i < w->rank; i++)
        l->weights[i + l->grouped] = w->dims[i];
    for (int i = 0; i < window.spatial; i++) {
        int at = i + WINDOW_DIMS - window.spatial;
        l->strides[i] = window.stride[at];
        l->dilates[i] = window.dilation[at] - 1;
        l->low[i] = window.pad[at];
        l->high[i] = window.pad_end[at];
    }
    return true;
}

/* Rows times a matrix [k, n], or [n, k] when transposed. */
static bool read_product(const struct plan *plan, const struct plan_step *step, struct levels *l) {
    struct op_call call = {.attrs = step->attrs, .attr_count = step->attr_count};
    const sl_tensor *x = &plan->values[step->in[0]].tensor, *w = l->w;
    bool transposed = op_attr_int(&call, "transB", 0) != 0;
    if (w->rank != 2 || x->rank < 2 || op_attr_int(&call, "transA", 0) ||
        op_attr_float(&call, "alpha", 1) != 1)
        return false;
    l->rank = 2;
    l->src[0] = 1;
    for (int i = 0; i + 1 < x->rank; i++)
        l->src[0] *= x->dims[i];
    l->src[1] = x->dims[x->rank - 1];
    l->weights[0] = w->dims[transposed];
    l->weights[1] = w->dims[!transposed];
    l->weights_strides[0] = transposed ? 1 : w->dims[1];
    l->weights_strides[1] = transposed ? w->dims[1] : 1;
    l->dst[0] = l->src[0];
    l->dst[1] = l->weights[1];
    return true;
}

static bool match(struct cpu_program *program, const struct plan_step *step, struct levels *l) {
    const struct plan *plan = program->plan;
    const struct places *places = places_of(step);
    if (!places || step->in[0] == PLAN_NONE)
        return false;
    const sl_tensor *x = &plan->values[step->in[0]].tensor, *y = &plan->values[step->out[0]].tensor;
    *l = (struct levels){.w = constant(plan, step, 3),
                         .bias = constant(plan, step, places->bias),
                         .source = step->in[0],
                         .result = step->out[0]};
    bool has_bias = places->bias < step->in_count && step->in[places->bias] != PLAN_NONE;
    if (!is_byte(x) || !is_byte(y) || !l->w || l->w->dtype != SL_INT8 || (has_bias && !l->bias) ||
        !count_of(x) || !count_of(y))
        return false;
    if (!(strcmp(places->name, "QLinearConv") ? read_product(plan, step, l) : read_conv(plan, step, l)))
        return false;
    for (int i = 0; l->conv && i < x->rank; i++) {
        l->src[i] = x->dims[i];
        l->dst[i] = y->dims[i];
    }
    l->in = (struct cpu_format){l->conv ? LAYOUT_LAST : LAYOUT_PLAIN, x->dtype};
    l->out = (struct cpu_format){l->in.layout, y->dtype};
    int64_t channels = l->dst[1];
    return (!has_bias || count_of(l->bias) == channels) && read_factors(program, step, places, channels, l);
}

/* ---- making it ---- */

struct descs {
    desc_t src, weights, plain, bias, dst;
};

static void dense(int rank, const dnnl_dims_t dims, dnnl_dims_t strides) {
    dnnl_dim_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= dims[i];
    }
}

static dnnl_status_t describe_memories(const struct levels *l, struct descs *d) {
    int weights_rank = l->rank + l->grouped;
    dnnl_dims_t bias = {l->conv ? l->dst[1] : 1, l->dst[1]}, strides = {0};
    dnnl_format_tag_t in = l->conv ? onednn_image_tag(l->in.layout, l->rank) : dnnl_ab;
    dnnl_status_t st = desc_make(&d->src, l->rank, l->src, onednn_dtype(l->in.dtype), in);
    if (st == dnnl_success)
        st = desc_make(&d->dst, l->rank, l->dst, onednn_dtype(l->out.dtype), in);
    if (st == dnnl_success)
        st = desc_make(&d->weights, weights_rank, l->weights, dnnl_s8, dnnl_format_tag_any);
    if (st == dnnl_success && l->bias)
        st = desc_make(&d->bias, l->conv ? 1 : 2, bias, DNNL_VERSION_MAJOR < 3 ? dnnl_s32 : dnnl_f32,
                       l->conv ? dnnl_a : dnnl_ab);
    dense(weights_rank, l->weights, strides);
    if (st == dnnl_success)
        st = desc_strided(&d->plain, weights_rank, l->weights, dnnl_s8,
                          l->conv ? strides : l->weights_strides);
    return st;
}

#if DNNL_VERSION_MAJOR < 3
static dnnl_status_t set_levels(const struct levels *l, dnnl_primitive_attr_t attr) {
    dnnl_status_t st =
        dnnl_primitive_attr_set_output_scales(attr, l->factor_count, l->factor_count > 1 ? 2 : 0, l->factors);
    if (st == dnnl_success && l->zero[0])
        st = dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0, &l->zero[0]);
    if (st == dnnl_success && l->zero[1])
        st = dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_DST, 1, 0, &l->zero[1]);
    return st;
}

static dnnl_status_t describe(const struct levels *l, dnnl_engine_t engine, dnnl_primitive_attr_t attr,
                              const struct descs *d, dnnl_primitive_desc_t *pd) {
    desc_ref bias = l->bias ? REF(d->bias) : NULL;
    dnnl_convolution_desc_t conv;
    dnnl_matmul_desc_t matmul;
    dnnl_status_t st = l->conv
                           ? dnnl_dilated_convolution_forward_desc_init(
                                 &conv, dnnl_forward_inference, dnnl_convolution_direct, REF(d->src),
                                 REF(d->weights), bias, REF(d->dst), l->strides, l->dilates, l->low, l->high)
                           : dnnl_matmul_desc_init(&matmul, REF(d->src), REF(d->weights), bias, REF(d->dst));
    if (st != dnnl_success)
        return st;
    return dnnl_primitive_desc_create(
        pd, l->conv ? (const_dnnl_op_desc_t)&conv : (const_dnnl_op_desc_t)&matmul, attr, engine, NULL);
}

static dnnl_status_t take_fixed(struct cpu_program *program, const struct levels *l, const struct descs *d,
                                struct onednn_primitive *out) {
    return l->bias ? dnnl_memory_create(&out->bias, REF(d->bias), program->onednn->engine, l->bias->data)
                   : dnnl_success;
}
#else
static dnnl_status_t set_levels(const struct levels *l, dnnl_primitive_attr_t attr) {
    int channels = !l->conv ? 2 : l->grouped ? 3 : 1; /* which dims of the weights the factors go with */
    dnnl_status_t st =
        dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_WEIGHTS, l->factor_count > 1 ? channels : 0);
    if (st == dnnl_success && l->zero[0])
        st = dnnl_primitive_attr_set_zero_points_mask(attr, DNNL_ARG_SRC, 0);
    if (st == dnnl_success && l->zero[1])
        st = dnnl_primitive_attr_set_zero_points_mask(attr, DNNL_ARG_DST, 0);
    return st;
}

static dnnl_status_t describe(const struct levels *l, dnnl_engine_t engine, dnnl_primitive_attr_t attr,
                              const struct descs *d, dnnl_primitive_desc_t *pd) {
    desc_ref bias = l->bias ? d->bias : NULL;
    if (l->conv)
        return dnnl_convolution_forward_primitive_desc_create(
            pd, engine, dnnl_forward_inference, dnnl_convolution_direct, d->src, d->weights, bias, d->dst,
            l->strides, l->dilates, l->low, l->high, attr);
    return dnnl_matmul_primitive_desc_create(pd, engine, d->src, d->weights, bias, d->dst, attr);
}

static dnnl_status_t add_fixed(struct cpu_program *program, struct onednn_primitive *out, int arg,
                               dnnl_data_type_t dtype, dnnl_dim_t count, void *data) {
    desc_t desc = {0};
    dnnl_dims_t dims = {count};
    dnnl_status_t st = desc_make(&desc, 1, dims, dtype, dnnl_a);
    if (st == dnnl_success)
        st = dnnl_memory_create(&out->fixed[out->fixed_count], desc, program->onednn->engine, data);
    if (st == dnnl_success)
        out->fixed_args[out->fixed_count++] = arg;
    desc_clear(&desc);
    return st;
}

/* Scales and zeros come when it runs, and the bias is added behind the factors. */
static dnnl_status_t take_fixed(struct cpu_program *program, const struct levels *l, const struct descs *d,
                                struct onednn_primitive *out) {
    dnnl_dim_t channels = l->bias ? l->dst[1] : 0;
    int32_t *zeros = arena_alloc(&program->memory, 2, sizeof *zeros);
    float *bias = arena_alloc(&program->memory, (size_t)channels + 1, sizeof *bias);
    if (!zeros || !bias)
        return dnnl_out_of_memory;
    memcpy(zeros, l->zero, sizeof l->zero);
    for (dnnl_dim_t i = 0; i < channels; i++)
        bias[i] = (float)((const int32_t *)l->bias->data)[i] * l->factors[l->factor_count > 1 ? i : 0];
    dnnl_status_t st = add_fixed(program, out, DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, dnnl_f32,
                                 l->factor_count, l->factors);
    if (st == dnnl_success && zeros[0])
        st = add_fixed(program, out, DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, dnnl_s32, 1, &zeros[0]);
    if (st == dnnl_success && zeros[1])
        st = add_fixed(program, out, DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_DST, dnnl_s32, 1, &zeros[1]);
    if (st == dnnl_success && l->bias)
        st = dnnl_memory_create(&out->bias, d->bias, program->onednn->engine, bias);
    return st;
}
#endif

static dnnl_status_t make_attr(const struct levels *l, dnnl_primitive_attr_t *attr) {
    dnnl_status_t st = dnnl_primitive_attr_create(attr);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    return st == dnnl_success ? set_levels(l, *attr) : st;
}

static dnnl_status_t make(struct cpu_program *program, size_t index, const struct levels *l) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    struct descs d = {0};
    dnnl_engine_t engine = program->onednn->engine;
    dnnl_status_t st = describe_memories(l, &d);
    if (st == dnnl_success)
        st = make_attr(l, &attr);
    if (st == dnnl_success)
        st = describe(l, engine, attr, &d, &pd);
    struct onednn_primitive *out = st == dnnl_success ? onednn_add(program) : NULL;
    if (st == dnnl_success && !out)
        st = dnnl_out_of_memory;
    if (st == dnnl_success)
        st = onednn_pack(program, out, REF(d.plain), l->w->data,
                         dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    if (st == dnnl_success)
        st = take_fixed(program, l, &d, out);
    if (st == dnnl_success) {
        out->values[0] = (struct onednn_value){DNNL_ARG_SRC, l->source, REF(d.src)};
        out->values[1] = (struct onednn_value){DNNL_ARG_DST, l->result, REF(d.dst)};
        out->value_count = 2;
        st = onednn_finish(program, index, out, pd);
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    desc_clear(&d.src);
    desc_clear(&d.weights);
    desc_clear(&d.plain);
    desc_clear(&d.bias);
    desc_clear(&d.dst);
    return st;
}

static bool has_vnni(void) {
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa(), vnni = (unsigned)dnnl_cpu_isa_avx512_core_vnni;
    return (isa & vnni) == vnni;
}

sl_status onednn_int8_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *step = &program->plan->steps[index];
    struct levels l;
    if (!has_vnni() || !match(program, step, &l))
        return SL_OK;
    dnnl_status_t made = make(program, index, &l);
    if (made == dnnl_unimplemented)
        return SL_OK; /* the reference stays */
    if (made != dnnl_success)
        return onednn_failed(made, step, err);
    *taken = true;
    if (l.conv && levels_may_format(program, l.result))
        program->formats[l.result] = l.out;
    sl_status st = step_wants(program, index, l.source, false, l.in, err);
    return st == SL_OK ? step_wants(program, index, l.result, true, l.out, err) : st;
}
