/* onednn.c: matrix products and convolutions by oneDNN, for its 2.x and 3.x C APIs.
 *
 * What the library taught (2.6.3): primitives must be made while omp has one thread, or they split their work
 * for the wrong number; scratchpads must be the caller's, or a primitive runs only in the thread that made
 * it; a primitive with user scratchpad may run in many threads at once. Weights are reordered once into the
 * layout the library picks; activations stay row-major. An activation function that follows alone is fused as
 * a post-op. */
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "support/mem.h"
#include "support/text.h"

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t desc_t;
typedef const_dnnl_memory_desc_t desc_ref;
#define REF(desc) (desc)
static void desc_clear(desc_t *desc) {
    if (*desc)
        dnnl_memory_desc_destroy(*desc);
    *desc = NULL;
}
static dnnl_status_t desc_make(desc_t *desc, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(desc, rank, dims, dnnl_f32, tag);
}
#else
typedef dnnl_memory_desc_t desc_t;
typedef const dnnl_memory_desc_t *desc_ref;
#define REF(desc) (&(desc))
static void desc_clear(desc_t *desc) {
    memset(desc, 0, sizeof *desc);
}
static dnnl_status_t desc_make(desc_t *desc, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(desc, rank, dims, dnnl_f32, tag);
}
#endif

const char *onednn_version(void) {
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

/* A matrix product or convolution as the library is asked for it. Row-major operands. */
struct shape {
    bool conv;
    int rank; /* of src, weights and dst */
    dnnl_dims_t src, weights, bias, dst, strides, dilates, pad_low, pad_high;
    dnnl_format_tag_t src_tag, weights_tag, bias_tag, dst_tag;
    int bias_rank; /* 0: none */
    const void *weights_data, *bias_data;
    dnnl_alg_kind_t activation; /* dnnl_alg_kind_undef: none */
    float alpha, beta;
    uint32_t source, result; /* plan values */
    size_t fused;            /* steps fused after it */
};

/* What a thread needs of its own: the memory objects whose handles change. */
struct per_thread {
    dnnl_stream_t stream;
    dnnl_memory_t src, dst, scratchpad;
};

struct primitive {
    struct primitive *next;
    dnnl_primitive_t primitive;
    dnnl_memory_t weights, bias;
    void *packed; /* the reordered weights, or NULL when they are used as they are */
    size_t packed_nbytes;
    uint32_t source, result;
    struct per_thread *threads;
    unsigned thread_count;
    char what[64];
};

struct onednn {
    dnnl_engine_t engine;
    struct primitive *primitives;
};

/* ---- which steps
 * ---------------------------------------------------------------------------------------------- */

static bool is_op(const struct plan_step *s, const char *name) {
    return !*s->op->domain && !strcmp(s->op->name, name);
}

static bool is_f32_const(const struct plan *plan, uint32_t value, int rank) {
    const struct plan_value *v = value == PLAN_NONE ? NULL : &plan->values[value];
    return v && v->place == PLAN_CONST && v->tensor.dtype == SL_FLOAT && v->tensor.rank == rank;
}

static struct op_call attrs_of(const struct plan_step *s) {
    return (struct op_call){.attrs = s->attrs, .attr_count = s->attr_count, .opset = s->opset};
}

static void set_dims(dnnl_dims_t out, const sl_tensor *t) {
    for (int i = 0; i < t->rank; i++)
        out[i] = t->dims[i];
}

static bool no_zero(const sl_tensor *t) {
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] == 0)
            return false;
    return true;
}

/* The bias of a product is [N], [1, N] or nothing: all become [1, N]. */
static bool take_bias(const struct plan *plan, uint32_t value, int64_t columns, struct shape *s) {
    if (value == PLAN_NONE)
        return true;
    const struct plan_value *v = &plan->values[value];
    int64_t count;
    if (v->place != PLAN_CONST || v->tensor.dtype != SL_FLOAT ||
        !sl_shape_count(v->tensor.rank, v->tensor.dims, &count) || count != columns ||
        (v->tensor.rank && v->tensor.dims[v->tensor.rank - 1] != columns))
        return false;
    s->bias_rank = 2;
    s->bias[0] = 1;
    s->bias[1] = columns;
    s->bias_tag = dnnl_ab;
    s->bias_data = v->tensor.data;
    return true;
}

/* Gemm with constant B and C, and no scaling. */
static bool match_gemm(const struct plan *plan, const struct plan_step *step, struct shape *s) {
    struct op_call call = attrs_of(step);
    if (op_attr_float(&call, "alpha", 1) != 1 || op_attr_float(&call, "beta", 1) != 1 ||
        op_attr_int(&call, "transA", 0) || !is_f32_const(plan, step->in[1], 2))
        return false;
    const sl_tensor *a = &plan->values[step->in[0]].tensor, *b = &plan->values[step->in[1]].tensor;
    bool transposed = op_attr_int(&call, "transB", 0) != 0;
    s->rank = 2;
    set_dims(s->src, a);
    s->weights[0] = transposed ? b->dims[1] : b->dims[0];
    s->weights[1] = transposed ? b->dims[0] : b->dims[1];
    s->weights_tag = transposed ? dnnl_ba : dnnl_ab;
    s->weights_data = b->data;
    return take_bias(plan, step->in_count > 2 ? step->in[2] : PLAN_NONE, s->weights[1], s);
}

/* [..., K] times a constant [K, N]: the leading dims are rows. */
static bool match_matmul(const struct plan *plan, const struct plan_step *step, struct shape *s) {
    if (!is_f32_const(plan, step->in[1], 2))
        return false;
    const sl_tensor *a = &plan->values[step->in[0]].tensor, *b = &plan->values[step->in[1]].tensor;
    if (a->rank < 2)
        return false;
    s->rank = 2;
    s->src[0] = 1;
    for (int i = 0; i + 1 < a->rank; i++)
        s->src[0] *= a->dims[i];
    s->src[1] = a->dims[a->rank - 1];
    set_dims(s->weights, b);
    s->weights_tag = dnnl_ab;
    s->weights_data = b->data;
    return true;
}

/* ONNX's pads of a spatial dim, with auto_pad worked out. */
static bool conv_pads(const struct op_call *call, const sl_tensor *x, const sl_tensor *y, int dim,
                      int64_t kernel, int64_t stride, int64_t dilation, int64_t *low, int64_t *high) {
    const struct attr *pads = op_attr(call, "pads");
    int spatial = x->rank - 2;
    if (op_attr_is(call, "auto_pad", "NOTSET", "NOTSET")) {
        *low = pads && pads->count == (size_t)(2 * spatial) ? pads->ints[dim] : 0;
        *high = pads && pads->count == (size_t)(2 * spatial) ? pads->ints[dim + spatial] : 0;
    } else if (op_attr_is(call, "auto_pad", "VALID", "")) {
        *low = *high = 0;
    } else {
        int64_t total = (y->dims[dim + 2] - 1) * stride + (kernel - 1) * dilation + 1 - x->dims[dim + 2];
        total = total > 0 ? total : 0;
        *low = op_attr_is(call, "auto_pad", "SAME_LOWER", "") ? (total + 1) / 2 : total / 2;
        *high = total - *low;
    }
    return *low >= 0 && *high >= 0;
}

static int64_t int_at(const struct op_call *call, const char *name, int i) {
    const struct attr *a = op_attr(call, name);
    return a && a->type == ATTR_INTS && (size_t)i < a->count ? a->ints[i] : 1;
}

static bool match_conv(const struct plan *plan, const struct plan_step *step, struct shape *s) {
    static const dnnl_format_tag_t plain[] = {dnnl_abc, dnnl_abcd, dnnl_abcde, dnnl_abcdef};
    struct op_call call = attrs_of(step);
    const sl_tensor *x = &plan->values[step->in[0]].tensor, *y = &plan->values[step->out[0]].tensor;
    int spatial = x->rank - 2;
    if (spatial < 1 || spatial > 3 || !is_f32_const(plan, step->in[1], x->rank))
        return false;
    const sl_tensor *w = &plan->values[step->in[1]].tensor;
    int64_t group = op_attr_int(&call, "group", 1);
    bool grouped = group > 1;
    s->conv = true;
    s->rank = x->rank;
    set_dims(s->src, x);
    s->src_tag = s->dst_tag = plain[spatial - 1];
    s->weights_tag = plain[spatial - 1 + grouped];
    if (grouped) { /* [g, m/g, c/g, ...] */
        s->weights[0] = group;
        s->weights[1] = w->dims[0] / group;
    } else {
        s->weights[0] = w->dims[0];
    }
    for (int i = 1; i < w->rank; i++)
        s->weights[i + grouped] = w->dims[i];
    s->weights_data = w->data;
    for (int i = 0; i < spatial; i++) {
        s->strides[i] = int_at(&call, "strides", i);
        s->dilates[i] = int_at(&call, "dilations", i) - 1; /* the library counts from 0 */
        if (!conv_pads(&call, x, y, i, w->dims[i + 2], s->strides[i], s->dilates[i] + 1, &s->pad_low[i],
                       &s->pad_high[i]))
            return false;
    }
    if (step->in_count > 2 && step->in[2] != PLAN_NONE) {
        if (!is_f32_const(plan, step->in[2], 1))
            return false;
        s->bias_rank = 1;
        s->bias[0] = w->dims[0];
        s->bias_tag = dnnl_a;
        s->bias_data = plan->values[step->in[2]].tensor.data;
    }
    return true;
}

/* How often a value is read; outputs of the model count as read. */
static unsigned uses(const struct plan *plan, uint32_t value) {
    unsigned n = plan->values[value].place == PLAN_OUTPUT;
    for (size_t i = 0; i < plan->step_count; i++)
        for (size_t k = 0; k < plan->steps[i].in_count; k++)
            n += plan->steps[i].in[k] == value;
    return n;
}

/* The step after, when it is an activation that alone reads the result. */
static void match_activation(const struct plan *plan, size_t step, struct shape *s) {
    static const struct {
        const char *name;
        dnnl_alg_kind_t kind;
    } table[] = {
        {"Relu", dnnl_eltwise_relu}, {"Sigmoid", dnnl_eltwise_logistic}, {"Tanh", dnnl_eltwise_tanh}};
    if (step + 1 >= plan->step_count || uses(plan, s->result) != 1)
        return;
    const struct plan_step *next = &plan->steps[step + 1];
    if (next->in_count != 1 || next->in[0] != s->result)
        return;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (is_op(next, table[i].name)) {
            s->activation = table[i].kind;
            s->result = next->out[0];
            s->fused = 1;
        }
}

static bool match(const struct plan *plan, size_t step, struct shape *s) {
    const struct plan_step *p = &plan->steps[step];
    *s = (struct shape){.src_tag = dnnl_ab, .dst_tag = dnnl_ab, .activation = dnnl_alg_kind_undef};
    if (!is_op(p, "Gemm") && !is_op(p, "MatMul") && !is_op(p, "Conv"))
        return false;
    const sl_tensor *x = &plan->values[p->in[0]].tensor, *y = &plan->values[p->out[0]].tensor;
    if (x->dtype != SL_FLOAT || y->dtype != SL_FLOAT || !no_zero(x) || !no_zero(y))
        return false;
    bool taken = is_op(p, "Gemm")     ? match_gemm(plan, p, s)
                 : is_op(p, "MatMul") ? match_matmul(plan, p, s)
                                      : match_conv(plan, p, s);
    if (!taken)
        return false;
    if (s->conv) {
        set_dims(s->dst, y);
    } else {
        s->dst[0] = s->src[0];
        s->dst[1] = s->weights[1];
    }
    s->source = p->in[0];
    s->result = p->out[0];
    match_activation(plan, step, s);
    return true;
}

bool onednn_takes(const struct plan *plan, size_t step) {
    struct shape s;
    return match(plan, step, &s);
}

size_t onednn_packed_nbytes(const struct plan *plan) {
    size_t nbytes = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        if (onednn_takes(plan, i)) /* the library pads channels to 16 at most */
            nbytes += plan->values[plan->steps[i].in[1]].nbytes;
    return nbytes;
}

/* ---- making them
 * ---------------------------------------------------------------------------------------------- */

static sl_status failed(dnnl_status_t status, const struct plan_step *step, sl_error *err) {
    return error_set(err, status == dnnl_out_of_memory ? SL_E_MEMORY : SL_E_INTERNAL,
                     "oneDNN cannot make '%s' (node '%s'): status %d", step->op->name, text_quote(step->name),
                     (int)status);
}

static dnnl_status_t make_attr(const struct shape *s, dnnl_primitive_attr_t *attr) {
    dnnl_status_t st = dnnl_primitive_attr_create(attr);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (st != dnnl_success || s->activation == dnnl_alg_kind_undef)
        return st;
    dnnl_post_ops_t ops;
    st = dnnl_post_ops_create(&ops);
    if (st != dnnl_success)
        return st;
#if DNNL_VERSION_MAJOR >= 3
    st = dnnl_post_ops_append_eltwise(ops, s->activation, s->alpha, s->beta);
#else
    st = dnnl_post_ops_append_eltwise(ops, 1, s->activation, s->alpha, s->beta);
#endif
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    return st;
}

/* The primitive's description; weights in whatever layout it likes. */
static dnnl_status_t describe(const struct shape *s, dnnl_engine_t engine, dnnl_primitive_attr_t attr,
                              desc_t *src, desc_t *weights, desc_t *bias, desc_t *dst,
                              dnnl_primitive_desc_t *pd) {
    bool grouped = s->conv && s->weights_tag != s->src_tag;
    dnnl_status_t st = desc_make(src, s->rank, s->src, s->src_tag);
    if (st == dnnl_success)
        st = desc_make(weights, s->rank + grouped, s->weights, dnnl_format_tag_any);
    if (st == dnnl_success && s->bias_rank)
        st = desc_make(bias, s->bias_rank, s->bias, s->bias_tag);
    if (st == dnnl_success)
        st = desc_make(dst, s->rank, s->dst, s->dst_tag);
    if (st != dnnl_success)
        return st;
    desc_ref with_bias = s->bias_rank ? REF(*bias) : NULL;
#if DNNL_VERSION_MAJOR >= 3
    if (s->conv)
        return dnnl_convolution_forward_primitive_desc_create(
            pd, engine, dnnl_forward_inference, dnnl_convolution_direct, REF(*src), REF(*weights), with_bias,
            REF(*dst), s->strides, s->dilates, s->pad_low, s->pad_high, attr);
    return dnnl_matmul_primitive_desc_create(pd, engine, REF(*src), REF(*weights), with_bias, REF(*dst),
                                             attr);
#else
    dnnl_convolution_desc_t conv;
    dnnl_matmul_desc_t matmul;
    st = s->conv ? dnnl_dilated_convolution_forward_desc_init(
                       &conv, dnnl_forward_inference, dnnl_convolution_direct, REF(*src), REF(*weights),
                       with_bias, REF(*dst), s->strides, s->dilates, s->pad_low, s->pad_high)
                 : dnnl_matmul_desc_init(&matmul, REF(*src), REF(*weights), with_bias, REF(*dst));
    if (st != dnnl_success)
        return st;
    return dnnl_primitive_desc_create(
        pd, s->conv ? (const_dnnl_op_desc_t)&conv : (const_dnnl_op_desc_t)&matmul, attr, engine, NULL);
#endif
}

/* The weights in the primitive's layout: as they are, or reordered into memory of ours. */
static dnnl_status_t pack(const struct shape *s, dnnl_engine_t engine, dnnl_primitive_desc_t pd,
                          struct primitive *p) {
    desc_t plain = {0};
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t reorder_pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_stream_t stream = NULL;
    bool grouped = s->conv && s->weights_tag != s->src_tag;
    void *data = (void *)(uintptr_t)s->weights_data;
    desc_ref wanted = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_status_t st = desc_make(&plain, s->rank + grouped, s->weights, s->weights_tag);
    if (st == dnnl_success && dnnl_memory_desc_equal(REF(plain), wanted)) {
        st = dnnl_memory_create(&p->weights, wanted, engine, data);
        desc_clear(&plain);
        return st;
    }
    p->packed_nbytes = dnnl_memory_desc_get_size(wanted);
    p->packed = mem_map(p->packed_nbytes);
    if (!p->packed)
        st = dnnl_out_of_memory;
    if (st == dnnl_success)
        st = dnnl_memory_create(&from, REF(plain), engine, data);
    if (st == dnnl_success)
        st = dnnl_memory_create(&p->weights, wanted, engine, p->packed);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&reorder_pd, REF(plain), engine, wanted, engine, NULL);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&reorder, reorder_pd);
    if (st == dnnl_success)
        st = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    if (st == dnnl_success) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, p->weights}};
        st = dnnl_primitive_execute(reorder, stream, 2, args);
        dnnl_stream_wait(stream);
    }
    if (stream)
        dnnl_stream_destroy(stream);
    if (reorder)
        dnnl_primitive_destroy(reorder);
    if (reorder_pd)
        dnnl_primitive_desc_destroy(reorder_pd);
    if (from)
        dnnl_memory_destroy(from);
    desc_clear(&plain);
    return st;
}

static dnnl_status_t open_threads(struct primitive *p, dnnl_engine_t engine, desc_ref src, desc_ref dst,
                                  desc_ref scratchpad, unsigned count) {
    p->threads = mem_alloc(count, sizeof *p->threads);
    dnnl_status_t st = p->threads ? dnnl_success : dnnl_out_of_memory;
    p->thread_count = p->threads ? count : 0;
    for (unsigned i = 0; st == dnnl_success && i < count; i++) {
        struct per_thread *t = &p->threads[i];
        st = dnnl_stream_create(&t->stream, engine, dnnl_stream_default_flags);
        if (st == dnnl_success)
            st = dnnl_memory_create(&t->src, src, engine, DNNL_MEMORY_NONE);
        if (st == dnnl_success)
            st = dnnl_memory_create(&t->dst, dst, engine, DNNL_MEMORY_NONE);
        if (st == dnnl_success)
            st = dnnl_memory_create(&t->scratchpad, scratchpad, engine, DNNL_MEMORY_NONE);
    }
    return st;
}

static void run_primitive(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct primitive *p = step->provider;
    const struct per_thread *t = &p->threads[frame->thread];
    dnnl_memory_set_data_handle(t->src, frame->values[p->source].data);
    dnnl_memory_set_data_handle(t->dst, frame->values[p->result].data);
    dnnl_memory_set_data_handle(t->scratchpad, frame->scratch);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, t->src},
                              {DNNL_ARG_WEIGHTS, p->weights},
                              {DNNL_ARG_DST, t->dst},
                              {DNNL_ARG_SCRATCHPAD, t->scratchpad},
                              {DNNL_ARG_BIAS, p->bias}};
    /* everything that could fail was checked when the primitive was made */
    dnnl_primitive_execute(p->primitive, t->stream, p->bias ? 5 : 4, args);
}

static dnnl_status_t fill_primitive(struct cpu_program *program, const struct shape *s, struct primitive *p,
                                    size_t *scratch_nbytes) {
    dnnl_engine_t engine = program->onednn->engine;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    desc_t src = {0}, weights = {0}, bias = {0}, dst = {0};
    const char *impl = "";
    dnnl_status_t st = make_attr(s, &attr);
    if (st == dnnl_success)
        st = describe(s, engine, attr, &src, &weights, &bias, &dst, &pd);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&p->primitive, pd);
    if (st == dnnl_success)
        st = pack(s, engine, pd, p);
    if (st == dnnl_success && s->bias_rank)
        st = dnnl_memory_create(&p->bias, REF(bias), engine, (void *)(uintptr_t)s->bias_data);
    if (st == dnnl_success) {
        desc_ref scratchpad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        *scratch_nbytes = dnnl_memory_desc_get_size(scratchpad);
        dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&impl);
        st = open_threads(p, engine, REF(src), REF(dst), scratchpad, program->threads);
    }
    p->source = s->source;
    p->result = s->result;
    snprintf(p->what, sizeof p->what, "oneDNN %s", impl ? impl : "");
    desc_clear(&src);
    desc_clear(&weights);
    desc_clear(&bias);
    desc_clear(&dst);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return st;
}

static sl_status take_step(struct cpu_program *program, size_t index, const struct shape *s, sl_error *err) {
    const struct plan_step *step = &program->plan->steps[index];
    struct primitive *p = mem_alloc(1, sizeof *p);
    if (!p)
        return error_set(err, SL_E_MEMORY, "out of memory for oneDNN");
    p->next = program->onednn->primitives;
    program->onednn->primitives = p;
    size_t scratch_nbytes = 0;
    dnnl_status_t st = fill_primitive(program, s, p, &scratch_nbytes);
    if (st == dnnl_unimplemented)
        return SL_OK; /* the reference stays */
    if (st != dnnl_success)
        return failed(st, step, err);
    struct cpu_step *out = &program->steps[index + s->fused]; /* where its result is due */
    *out = (struct cpu_step){.run = run_primitive,
                             .index = (uint32_t)(index + s->fused),
                             .provider = p,
                             .scratch_nbytes = scratch_nbytes,
                             .what = p->what};
    if (s->fused)
        program->steps[index].run = NULL;
    program->packed_nbytes += p->packed_nbytes;
    return SL_OK;
}

sl_status onednn_fill(struct cpu_program *program, sl_error *err) {
    int threads = omp_get_max_threads();
    sl_status st = SL_OK;
    program->onednn = mem_alloc(1, sizeof *program->onednn);
    if (!program->onednn || dnnl_engine_create(&program->onednn->engine, dnnl_cpu, 0) != dnnl_success)
        return error_set(err, SL_E_MEMORY, "cannot open oneDNN");
    omp_set_num_threads(1); /* what is made now will run in one thread */
    for (size_t i = 0; st == SL_OK && i < program->plan->step_count; i++) {
        struct shape s;
        if (match(program->plan, i, &s)) {
            st = take_step(program, i, &s, err);
            i += s.fused;
        }
    }
    omp_set_num_threads(threads);
    return st;
}

static void close_primitive(struct primitive *p) {
    for (unsigned i = 0; i < p->thread_count; i++) {
        struct per_thread *t = &p->threads[i];
        if (t->src)
            dnnl_memory_destroy(t->src);
        if (t->dst)
            dnnl_memory_destroy(t->dst);
        if (t->scratchpad)
            dnnl_memory_destroy(t->scratchpad);
        if (t->stream)
            dnnl_stream_destroy(t->stream);
    }
    if (p->bias)
        dnnl_memory_destroy(p->bias);
    if (p->weights)
        dnnl_memory_destroy(p->weights);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    mem_unmap(p->packed, p->packed_nbytes);
    mem_free(p->threads);
    mem_free(p);
}

void onednn_clear(struct cpu_program *program) {
    if (!program->onednn)
        return;
    for (struct primitive *p = program->onednn->primitives, *next; p; p = next) {
        next = p->next;
        close_primitive(p);
    }
    if (program->onednn->engine)
        dnnl_engine_destroy(program->onednn->engine);
    mem_free(program->onednn);
    program->onednn = NULL;
}
