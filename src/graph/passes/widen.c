/* widen.c: models in float16 or bfloat16 compute in float. Their inputs and outputs keep their dtype, with a
 * Cast behind and in front; constants are widened once, at load. Processors have fast kernels for float (and,
 * where asked for, bf16 and fp16 inside a device), and none of the exact meaning of half arithmetic; ONNX
 * Runtime does the same on the CPU. Sums get more exact by it, and what overflowed in half no longer does. */
#include <string.h>

#include "graph/passes/passes.h"
#include "ops/half.h"
#include "ops/rules.h"
#include "support/mem.h"

#define HALVES (OPS_BIT(SL_FLOAT16) | OPS_BIT(SL_BFLOAT16))

static bool is_half(sl_dtype dtype) {
    return (HALVES & OPS_BIT(dtype)) != 0;
}

/* Operators whose meaning hangs on the bits, or which hold graphs that were planned in half. */
static bool may_widen(const struct work *w) {
    bool any = false;
    for (size_t i = 0; i < w->value_count; i++)
        any = any || (w->values[i].known && is_half(w->values[i].tensor.dtype));
    for (size_t i = 0; any && i < w->node_count; i++) {
        if (!w->nodes[i].dead && !strcmp(w->nodes[i].op->name, "BitCast"))
            return false;
        for (size_t k = 0; !w->nodes[i].dead && k < w->nodes[i].attr_count; k++)
            if (w->nodes[i].attrs[k].type == ATTR_GRAPH)
                return false;
    }
    return any;
}

static bool widen_constant(struct work *w, sl_tensor *t) {
    int64_t count = rule_count(t);
    float *wide = arena_alloc(w->arena, (size_t)count + 1, sizeof *wide);
    const uint16_t *bits = t->data;
    for (int64_t i = 0; wide && i < count; i++)
        wide[i] = t->dtype == SL_FLOAT16 ? half_to_float(bits[i]) : float_from_bits((uint32_t)bits[i] << 16);
    if (wide && w->options->loaded_once)
        graph_drop_pages(w->graph, t->data, (size_t)count * 2);
    t->data = wide;
    t->dtype = SL_FLOAT;
    return wide != NULL;
}

/* An attribute that names a dtype, or is a tensor of one. */
static bool names_half(const struct attr *a) {
    bool dtype = !strcmp(a->name, "to") || !strcmp(a->name, "dtype") || !strcmp(a->name, "output_dtype") ||
                 !strcmp(a->name, "stash_type") || !strcmp(a->name, "output_datatype") ||
                 !strcmp(a->name, "softmax_precision");
    if (a->type == ATTR_TENSOR)
        return is_half(a->tensor->dtype);
    return dtype && a->type == ATTR_INT && a->i > 0 && a->i < SL_DTYPE_END && is_half((sl_dtype)a->i);
}

static bool widen_attrs(struct work *w, struct work_node *node) {
    bool any = false;
    for (size_t i = 0; i < node->attr_count; i++)
        any = any || names_half(&node->attrs[i]);
    if (!any)
        return true;
    struct attr *attrs = arena_alloc(w->arena, node->attr_count, sizeof *attrs);
    for (size_t i = 0; attrs && i < node->attr_count; i++) {
        attrs[i] = node->attrs[i];
        if (!names_half(&attrs[i]))
            continue;
        attrs[i].i = SL_FLOAT;
        if (attrs[i].type != ATTR_TENSOR)
            continue;
        sl_tensor *t = arena_alloc(w->arena, 1, sizeof *t);
        if (!t)
            return false;
        *t = *attrs[i].tensor;
        if (!widen_constant(w, t))
            return false;
        attrs[i].tensor = t;
    }
    node->attrs = attrs;
    return attrs != NULL;
}

/* A Cast to `dtype`; its ends are the caller's. */
static struct work_node *add_cast(struct work *w, const char *name, sl_dtype dtype) {
    const struct op *op = op_find("", "Cast", 13);
    struct attr *to = arena_alloc(w->arena, 1, sizeof *to);
    struct work_node *node = to ? work_add_node(w, op, name, 1, 1) : NULL;
    if (!node)
        return NULL;
    *to = (struct attr){.name = "to", .type = ATTR_INT, .i = dtype};
    node->attrs = to;
    node->attr_count = 1;
    node->opset = 13;
    return node;
}

/* Readers of the input read a float of it instead. */
static bool cast_input(struct work *w, uint32_t input, size_t node_count) {
    uint32_t wide = work_add_value(w, w->values[input].name);
    struct work_node *cast = wide == GRAPH_NONE ? NULL : add_cast(w, w->values[input].name, SL_FLOAT);
    if (!cast)
        return false;
    w->values[wide].tensor = w->values[input].tensor;
    w->values[wide].tensor.dtype = SL_FLOAT;
    w->values[wide].known = true;
    cast->in[0] = input;
    cast->out[0] = wide;
    for (size_t i = 0; i < node_count; i++)
        for (size_t k = 0; k < w->nodes[i].in_count; k++)
            if (w->nodes[i].in[k] == input)
                w->nodes[i].in[k] = wide;
    return true;
}

/* The output is a half of what was its value. */
static bool cast_output(struct work *w, size_t output, sl_dtype dtype) {
    uint32_t wide = w->outputs[output], half = work_add_value(w, w->values[wide].name);
    struct work_node *cast = half == GRAPH_NONE ? NULL : add_cast(w, w->values[wide].name, dtype);
    if (!cast)
        return false;
    w->values[half].tensor = w->values[wide].tensor;
    w->values[half].tensor.dtype = dtype;
    w->values[half].tensor.data = NULL;
    w->values[half].known = true;
    w->values[half].bound = w->values[wide].bound;
    cast->in[0] = wide;
    cast->out[0] = half;
    w->outputs[output] = half;
    return true;
}

static bool is_input(const struct work *w, uint32_t value) {
    for (size_t i = 0; i < w->graph->input_count; i++)
        if (w->inputs[i] == value)
            return true;
    return false;
}

/* Outputs first: their dtypes must be those of before. An output that is an input stays as it is. */
static bool widen(struct work *w) {
    size_t node_count = w->node_count, value_count = w->value_count;
    for (size_t i = 0; i < w->graph->output_count; i++) {
        sl_dtype dtype = w->values[w->outputs[i]].tensor.dtype;
        if (is_half(dtype) && !is_input(w, w->outputs[i]) && !cast_output(w, i, dtype))
            return false;
    }
    for (size_t i = 0; i < w->graph->input_count; i++)
        if (is_half(w->values[w->inputs[i]].tensor.dtype) && !w->values[w->inputs[i]].constant &&
            !cast_input(w, w->inputs[i], node_count))
            return false;
    for (uint32_t i = 0; i < value_count; i++) {
        struct work_value *v = &w->values[i];
        if (!v->known || !is_half(v->tensor.dtype) || (is_input(w, i) && !v->constant))
            continue;
        if (!v->constant)
            v->tensor.dtype = SL_FLOAT;
        else if (!widen_constant(w, &v->tensor))
            return false;
    }
    for (size_t i = 0; i < node_count; i++)
        if (!w->nodes[i].dead && !widen_attrs(w, &w->nodes[i]))
            return false;
    return true;
}

sl_status pass_widen(struct work *w, sl_error *err) {
    if (!may_widen(w))
        return SL_OK;
    return widen(w) ? work_sort(w, err) : work_out_of_memory(err);
}
