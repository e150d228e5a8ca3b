/* onednn_pool.c: pools by oneDNN, on planes or with channels last, whichever the input has. */
#include <string.h>

#include "infer/cpu/onednn.h"

struct pool {
    dnnl_alg_kind_t kind;
    int rank;
    dnnl_dims_t x, y, kernel, stride, dilation, low, high;
};

static int64_t at(const struct op_call *call, const char *name, int i, int64_t missing) {
    const struct attr *a = op_attr(call, name);
    return a && a->type == ATTR_INTS && (size_t)i < a->count ? a->ints[i] : missing;
}

/* What stands before and behind each spatial dim; the latter is whatever the windows reach over. */
static bool read_window(const struct op_call *call, const sl_tensor *x, const sl_tensor *y, struct pool *p) {
    int spatial = x->rank - 2;
    for (int i = 0; i < spatial; i++) {
        p->kernel[i] = at(call, "kernel_shape", i, 1);
        p->stride[i] = at(call, "strides", i, 1);
        p->dilation[i] = at(call, "dilations", i, 1) - 1;
        int64_t reach = (p->kernel[i] - 1) * (p->dilation[i] + 1) + 1;
        int64_t total = (y->dims[i + 2] - 1) * p->stride[i] + reach - x->dims[i + 2];
        if (op_attr_is(call, "auto_pad", "NOTSET", "NOTSET"))
            p->low[i] = at(call, "pads", i, 0);
        else if (op_attr_is(call, "auto_pad", "VALID", ""))
            p->low[i] = 0;
        else if (total > 0)
            p->low[i] = op_attr_is(call, "auto_pad", "SAME_LOWER", "") ? (total + 1) / 2 : total / 2;
        p->high[i] = total - p->low[i];
        if (p->low[i] < 0 || p->low[i] >= reach || p->high[i] >= reach)
            return false;
        if (p->high[i] < 0) /* the last points are not read at all */
            p->high[i] = 0;
    }
    return true;
}

/* Averages that count padding: only where the padding is what the attributes say, no more. */
static bool pads_are_exact(const struct op_call *call, const struct pool *p, int spatial) {
    for (int i = 0; i < spatial; i++)
        if (p->high[i] > at(call, "pads", i + spatial, 0))
            return false;
    return !op_attr_int(call, "ceil_mode", 0);
}

static void read_global(const sl_tensor *x, struct pool *p) {
    for (int i = 0; i + 2 < x->rank; i++) {
        p->kernel[i] = x->dims[i + 2];
        p->stride[i] = 1;
    }
}

/* ReduceMean over all spatial dims is a global pool, whether the dims are kept or not. */
static bool reduces_points(const struct plan *plan, const struct plan_step *step, const struct op_call *call,
                           int rank) {
    const struct attr *attr = op_attr(call, "axes");
    const int64_t *axes = attr && attr->type == ATTR_INTS ? attr->ints : NULL;
    size_t count = axes ? attr->count : 0;
    if (!axes && step->in_count > 1 && step->in[1] != PLAN_NONE) {
        const struct plan_value *v = &plan->values[step->in[1]];
        if (v->place != PLAN_CONST || v->tensor.dtype != SL_INT64 || v->tensor.rank != 1)
            return false;
        axes = v->tensor.data;
        count = (size_t)v->tensor.dims[0];
    }
    unsigned seen = 0;
    for (size_t i = 0; i < count; i++)
        seen |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
    return rank >= 3 && seen == (1u << rank) - 4; /* all but 0 and 1 */
}

static bool match(const struct plan *plan, const struct plan_step *step, struct pool *p) {
    struct op_call call = {.attrs = step->attrs, .attr_count = step->attr_count, .opset = step->opset};
    const char *name = step->op->name;
    const sl_tensor *x = &plan->values[step->in[0]].tensor, *y = &plan->values[step->out[0]].tensor;
    bool levels = (x->dtype == SL_INT8 || x->dtype == SL_UINT8) && !strcmp(name, "MaxPool");
    if (*step->op->domain || (x->dtype != SL_FLOAT && !levels) || x->rank < 3 || x->rank > 5 ||
        (step->out_count > 1 && step->out[1] != PLAN_NONE))
        return false;
    for (int i = 0; i < x->rank; i++) {
        if (!x->dims[i])
            return false;
        p->x[i] = x->dims[i];
        p->y[i] = i < 2 ? x->dims[i] : i < y->rank ? y->dims[i] : 1;
    }
    p->rank = x->rank;
    if (!strcmp(name, "GlobalAveragePool") || !strcmp(name, "GlobalMaxPool") ||
        (!strcmp(name, "ReduceMean") && reduces_points(plan, step, &call, x->rank))) {
        read_global(x, p);
        p->kind = strcmp(name, "GlobalMaxPool") ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max;
        return true;
    }
    if (strcmp(name, "MaxPool") && strcmp(name, "AveragePool"))
        return false;
    if (!read_window(&call, x, y, p))
        return false;
    bool counts = op_attr_int(&call, "count_include_pad", 0) != 0;
    p->kind = !strcmp(name, "MaxPool") ? dnnl_pooling_max
              : counts                 ? dnnl_pooling_avg_include_padding
                                       : dnnl_pooling_avg_exclude_padding;
    return p->kind != dnnl_pooling_avg_include_padding || pads_are_exact(&call, p, x->rank - 2);
}

static dnnl_status_t describe(const struct pool *p, dnnl_engine_t engine, desc_ref x, desc_ref y,
                              dnnl_primitive_desc_t *pd) {
    dnnl_primitive_attr_t attr;
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);
    if (st != dnnl_success)
        return st;
    dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
#if DNNL_VERSION_MAJOR >= 3
    st = dnnl_pooling_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, p->kind, x, y,
                                                    p->stride, p->kernel, p->dilation, p->low, p->high, attr);
#else
    dnnl_pooling_v2_desc_t desc;
    st = dnnl_pooling_v2_forward_desc_init(&desc, dnnl_forward_inference, p->kind, x, y, p->stride, p->kernel,
                                           p->dilation, p->low, p->high);
    if (st == dnnl_success)
        st = dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
#endif
    dnnl_primitive_attr_destroy(attr);
    return st;
}

static dnnl_status_t make(struct cpu_program *program, size_t index, const struct pool *p,
                          struct cpu_format format, struct onednn_primitive *primitive) {
    const struct plan_step *step = &program->plan->steps[index];
    desc_t x = {0}, y = {0};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_format_tag_t tag = onednn_image_tag(format.layout, p->rank);
    dnnl_status_t st = desc_make(&x, p->rank, p->x, onednn_dtype(format.dtype), tag);
    if (st == dnnl_success)
        st = desc_make(&y, p->rank, p->y, onednn_dtype(format.dtype), tag);
    if (st == dnnl_success)
        st = describe(p, program->onednn->engine, REF(x), REF(y), &pd);
    if (st == dnnl_success) {
        primitive->values[0] = (struct onednn_value){DNNL_ARG_SRC, step->in[0], REF(x)};
        primitive->values[1] = (struct onednn_value){DNNL_ARG_DST, step->out[0], REF(y)};
        primitive->value_count = 2;
        st = onednn_finish(program, index, primitive, pd);
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    desc_clear(&x);
    desc_clear(&y);
    return st;
}

sl_status onednn_pool_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *step = &program->plan->steps[index];
    struct cpu_format format = program->formats[step->in_count ? step->in[0] : 0];
    struct pool p = {0};
    if (!step->in_count || step->in[0] == PLAN_NONE || !match(program->plan, step, &p))
        return SL_OK;
    struct onednn_primitive *primitive = onednn_add(program);
    dnnl_status_t st = primitive ? make(program, index, &p, format, primitive) : dnnl_out_of_memory;
    if (st == dnnl_unimplemented)
        return SL_OK; /* the reference stays */
    if (st != dnnl_success)
        return onednn_failed(st, step, err);
    *taken = true;
    if (value_may_format(program, step->out[0]) || levels_may_format(program, step->out[0]))
        program->formats[step->out[0]] = format;
    return step_wants(program, index, step->out[0], true, format, err);
}
